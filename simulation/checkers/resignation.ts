/**
 * LIVE: a coordinator of groups whose reign is over leaves nobody who waits for it without an answer: they would wait for as long as a request may take, and their group for them.
 */
import type { Effect } from '../../actors/effect.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { World } from '../world.ts'

/** The newest request of a client about its membership, or of its commits; an older one may not be answered any more. */
interface Asked {
  readonly correlationId: number
  readonly kind: Message['kind']
  isAnswered: boolean
}

/** The newest request of each client, to whichever node coordinates its group. */
export type NewestAsked = Map<string, number>

/** Who has asked a coordinator for what, by client. */
export interface Waiting {
  readonly asked: Map<string, Asked>
  /** Shared by all that ever coordinate the same groups: who has asked another one since does not wait here any more. */
  readonly newest: NewestAsked
}

const REQUESTS: ReadonlySet<Message['kind']> = new Set<Message['kind']>([
  'consumerGroupHeartbeat',
  'joinGroup',
  'syncGroup',
  'heartbeat',
  'leaveGroup',
  'offsetCommit',
])

/** A coordinator begins anew: nobody waits for what its predecessor was asked, and what comes again of that is late. */
export function forgetWaiting(waiting: Waiting): Waiting {
  for (const asked of waiting.asked.values()) asked.isAnswered = true
  return waiting
}

/** A coordinator of groups has handled a message. */
export function checkResignation(world: World, waiting: Waiting, message: Message, from: Address, effects: readonly Effect[]): void {
  if (REQUESTS.has(message.kind) && 'correlationId' in message) noteAsked(waiting, message.kind, message.correlationId, from)
  let resigns = false
  for (const effect of effects) {
    if (effect.kind !== 'send') continue
    resigns ||= effect.message.kind === 'resigned'
    if ('correlationId' in effect.message) noteAnswered(waiting, effect.to, effect.message.correlationId)
  }
  if (!resigns) return
  for (const [client, { kind, correlationId, isAnswered }] of waiting.asked)
    if (!isAnswered && correlationId === waiting.newest.get(client))
      world.fail('LIVE', `a coordinator of groups resigns, and ${kind} #${correlationId} of ${client} waits for it`)
}

function noteAsked({ asked, newest }: Waiting, kind: Message['kind'], correlationId: number, from: Address): void {
  const key = `${nameOf(from)}${kind === 'offsetCommit' ? ', a commit' : ''}`
  if ((asked.get(key)?.correlationId ?? -1) < correlationId) asked.set(key, { kind, correlationId, isAnswered: false })
  newest.set(key, Math.max(newest.get(key) ?? -1, correlationId))
}

function noteAnswered({ asked }: Waiting, to: Address, correlationId: number): void {
  for (const key of [nameOf(to), `${nameOf(to)}, a commit`]) {
    const request = asked.get(key)
    if (request?.correlationId === correlationId) request.isAnswered = true
  }
}

function nameOf({ node, actor }: Address): string {
  return `${actor}@${node}`
}
