/**
 * A coordinator of groups or share groups gives nothing away when its node may have been taken for dead. FENCE: one that another node has succeeded for longer than its lease may
 * last does not answer members as if it were in charge. What it says until then nobody may rely on (in-charge.ts). Nor does it live on where its own node leads in a later reign.
 */
import type { Effect } from '../../actors/effect.ts'
import { NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { livesOf } from '../truth.ts'
import type { Truth } from '../truth.ts'

/** Which partition of coordinators it is, and in which reign. */
export interface Reign {
  readonly partition: number
  readonly leaderEpoch: number
}

/**
 * A lease ends four heartbeats of its node (1.5 s) after one that the coordinator of the cluster has heard and that it knows the outcome of; one of the past may have heard it, for as long as
 * it takes to notice that nobody hears it any more.
 */
export const LEASE_MICROS = 3_000_000

/** Answers that only one in charge may give. */
const GIVEN: ReadonlySet<Message['kind']> = new Set<Message['kind']>([
  'consumerGroupHeartbeatResponse',
  'joinGroupResponse',
  'syncGroupResponse',
  'heartbeatResponse',
  'shareFetchResponse',
])

/** The node leads anew: it ends a coordinator of its own in the same step, or has not been told yet. */
const ANEW_MICROS = 1_000_000

/** A coordinator on a node has handled a message. */
export function checkReign(truth: Truth, topic: string, { partition, leaderEpoch }: Reign, node: number): void {
  const name = topicPartitionName(topic, partition)
  const life = livesOf(truth, name).at(-1)
  for (const [epoch, sinceMicros] of life?.ledSince ?? []) {
    const micros = truth.world.nowMicros - sinceMicros
    if (epoch > leaderEpoch && life?.leaders.get(epoch) === node && micros > ANEW_MICROS)
      truth.world.fail('FENCE', `${name}: node ${node} leads in epoch ${epoch}, and its coordinator is of epoch ${leaderEpoch}`)
  }
}

/** A coordinator has handled a message. */
export function checkLease(truth: Truth, topic: string, { partition, leaderEpoch }: Reign, effects: readonly Effect[]): void {
  const given = effects.find(
    (effect) =>
      effect.kind === 'send' && GIVEN.has(effect.message.kind) && 'errorCode' in effect.message && effect.message.errorCode === NONE,
  )
  if (given?.kind !== 'send') return
  const name = topicPartitionName(topic, partition)
  for (const [epoch, sinceMicros] of livesOf(truth, name).at(-1)?.ledSince ?? []) {
    const micros = truth.world.nowMicros - sinceMicros
    if (epoch > leaderEpoch && micros > LEASE_MICROS)
      truth.world.fail('FENCE', `${name}: one that was succeeded ${micros} us ago gives ${given.message.kind}`)
  }
}
