/**
 * TOLD: no batch fails because its partition does not exist unless its producer has heard so, has asked again after that, and has heard the same. What it had asked before is no second look, however late it is answered.
 */
import type { ProducerState } from '../../actors/producer-state.ts'
import type { Effect } from '../../actors/effect.ts'
import { replicaActor } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { World } from '../world.ts'

/** An answer about a topic: when it was asked for, and when it was heard, both in messages that the producer had handled. */
interface Look {
  readonly asked: number
  readonly heard: number
  readonly partitionCount: number
}

/** What a producer has asked and heard. */
export interface Looks {
  /** Messages that it has handled. */
  count: number
  metadataOffset: number
  /** By correlation id. */
  readonly asked: Map<number, number>
  /** By topic: the newest last. */
  readonly heard: Map<string, Look[]>
  /** By the name of its leader's actor: when a partition was last sent a batch. */
  readonly sent: Map<string, number>
}

/** Answers about a topic that are remembered, at most. */
const LOOKS_MAX = 64

/** What it says of a partition that is not there. */
const ABSENT = / does not exist$/

/** Nothing is asked yet. */
export function newLooks(): Looks {
  return { count: 0, metadataOffset: -1, asked: new Map(), heard: new Map(), sent: new Map() }
}

/** A producer has handled a message. */
export function checkSecondLook(world: World, looks: Looks, state: ProducerState, message: Message, effects: readonly Effect[]): void {
  const now = ++looks.count
  if (message.kind === 'metadataResponse' && message.metadataOffset >= looks.metadataOffset) {
    looks.metadataOffset = message.metadataOffset
    const asked = looks.asked.get(message.correlationId) ?? -1
    for (const { topic, partitions } of message.topics) hear(looks, topic, { asked, heard: now, partitionCount: partitions.length })
  }
  for (const effect of effects) {
    if (effect.kind !== 'send') continue
    const told = effect.message
    if (told.kind === 'metadata') looks.asked.set(told.correlationId, now)
    if (told.kind === 'produce') looks.sent.set(effect.to.actor, now)
    if (told.kind !== 'delivered' || state.transaction !== null) continue
    const name = ABSENT.test(told.errorMessage ?? '') ? (told.errorMessage ?? '').replace(ABSENT, '') : null
    if (name !== null && !hasLookedTwice(looks, name))
      world.fail('TOLD', `a batch fails as ${name} does not exist, but nobody was asked again after that was heard`)
  }
}

function hear({ heard }: Looks, topic: string, look: Look): void {
  const known = heard.get(topic) ?? []
  heard.set(topic, known)
  if (known.push(look) > LOOKS_MAX) known.shift()
}

function hasLookedTwice({ heard, sent }: Looks, name: string): boolean {
  const at = name.lastIndexOf('-')
  const partition = Number(name.slice(at + 1))
  const topic = name.slice(0, at)
  const since = sent.get(replicaActor(topic, partition)) ?? -1
  const absent = (heard.get(topic) ?? []).filter((look) => look.heard > since && look.partitionCount <= partition)
  const last = absent.at(-1)
  return last !== undefined && absent.some((look) => look.heard <= last.asked)
}
