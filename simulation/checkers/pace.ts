/**
 * PACE: replicas that a reassignment brings to a node copy no faster than the cluster was told (KIP-73). A broker shares the limit of the moment out among those of its node,
 * all of it at most; and a replica that was told its share takes the next answer of its leader when what it took before is paid for. The first one is free, whenever it begins
 * to follow a leader, or to be limited: that is the burst.
 */
import type { BrokerState } from '../../actors/broker-state.ts'
import type { Effect } from '../../actors/effect.ts'
import { topicById } from '../../coordinator/metadata.ts'
import type { Following, ReplicaState } from '../../partitions/replica-state.ts'
import type { World } from '../world.ts'

/** One replica that copies. */
export interface CopyPace {
  bytesPerSecond: number
  owedBytes: number
  /** What clocks that count whole milliseconds may have forgotten when the limit changed. */
  slackBytes: number
  atMicros: number
  /** Whom it follows, and since when. */
  following: Following | null
}

/** What the replicas of a node were told that they may copy, by their actors and topics. */
export type ToldPaces = Map<string, number>

/** Uptimes that pauses go by are whole milliseconds, in the beginning and in the end. */
const CLOCK_MILLIS = 2

/** A replica begins a life. */
export function newCopyPace(): CopyPace {
  return { bytesPerSecond: 0, owedBytes: 0, slackBytes: 0, atMicros: 0, following: null }
}

/** A replica has handled a message, and perhaps written what its leader gave it. */
export function checkPace(world: World, pace: CopyPace, name: string, { role, following }: ReplicaState, effects: readonly Effect[]): void {
  const { bytesPerSecond } = pace
  const paidBytes = (bytesPerSecond * (world.nowMicros - pace.atMicros)) / 1_000_000
  pace.owedBytes = following === null || following !== pace.following ? 0 : Math.max(0, pace.owedBytes - paidBytes)
  pace.atMicros = world.nowMicros
  pace.following = following
  if (role.throttleBytesPerSecond !== bytesPerSecond) pace.slackBytes += (bytesPerSecond * CLOCK_MILLIS) / 1000
  pace.bytesPerSecond = role.throttleBytesPerSecond
  if (role.throttleBytesPerSecond === 0) pace.owedBytes = 0
  const copiedBytes = following === null || role.throttleBytesPerSecond === 0 ? 0 : appendedBytes(effects)
  if (copiedBytes === 0) return
  if (pace.owedBytes > 1 + pace.slackBytes + (role.throttleBytesPerSecond * CLOCK_MILLIS) / 1000)
    world.fail('PACE', `${name} copies on at ${role.throttleBytesPerSecond} bytes/s, and owes ${Math.ceil(pace.owedBytes)} bytes`)
  pace.owedBytes = copiedBytes
  pace.slackBytes = 0
}

/** A broker has handled a message, and perhaps told replicas what they are. */
export function checkShare(world: World, told: ToldPaces, state: BrokerState, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.kind === 'send' && effect.message.kind === 'leaderAndIsr')
      told.set(`${effect.to.actor}/${effect.message.topicId}`, effect.message.throttleBytesPerSecond)
  }
  const { self, image, brokerEpoch, config } = state
  const limit = image.reassignmentBytesPerSecond ?? config.reassignmentBytesPerSecond
  if (limit === 0 || brokerEpoch < 0 || image.brokers.get(self.node)?.brokerEpoch !== brokerEpoch) return
  const shares = [...state.replicas].flatMap(([name, { topicId, partition, isStarted }]) => {
    const { adding = [], isr = [] } = topicById(image, topicId)?.partitions[partition] ?? {}
    const share = told.get(`${name}/${topicId}`)
    return isStarted && share !== undefined && adding.includes(self.node) && !isr.includes(self.node) ? [{ name, share }] : []
  })
  const free = shares.find(({ share }) => share === 0)
  if (free !== undefined) world.fail('PACE', `${free.name} on node ${self.node} is told of no limit, which is ${limit} bytes/s`)
  const sum = shares.reduce((total, { share }) => total + share, 0)
  // Shares are whole bytes, rounded up.
  if (sum > limit + shares.length) world.fail('PACE', `node ${self.node} lets its replicas copy ${sum} bytes/s of ${limit}`)
}

function appendedBytes(effects: readonly Effect[]): number {
  return effects.reduce((sum, effect) => sum + (effect.kind === 'append' ? effect.bytes.length : 0), 0)
}
