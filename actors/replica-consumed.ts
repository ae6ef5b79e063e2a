/**
 * Topics whose records go once they are consumed (deleteOnceConsumedBy), or share groups have done with them (deleteOnceAcknowledgedBy): now and then the leader asks the
 * coordinators of the groups how far they are here, by way of its broker, which knows where they are; and lets the log begin behind what all of them have
 * (partitions/consumption.ts). Who does not answer holds everything until the next round.
 *
 *   round: findCoordinator ─► offsetFetch, describeShareGroupOffsets ─► the smallest offset       one for each group; whatever fails, the next round begins anew
 */
import { BROKER_ACTOR, groupsActor, sharesActor } from '../protocol/address.ts'
import { NONE } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { TopicConfig } from '../protocol/topic-config.ts'
import { consumedOffset, noteEnd } from '../partitions/consumption.ts'
import type { ConsumingGroup } from '../partitions/consumption.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'
import { answerFollowers } from './replica-read.ts'
import { raiseLogStart } from './replica-retention.ts'

/** How often the groups are asked, while there is something to delete. */
const CONSUMED_CHECK_MILLIS = 2000

/** The groups that must be done with a record before it goes. */
function groupsOf({ deleteOnceConsumedBy, deleteOnceAcknowledgedBy }: TopicConfig): ConsumingGroup[] {
  return [
    ...deleteOnceConsumedBy.map((group) => ({ keyType: 'group', group }) as const),
    ...deleteOnceAcknowledgedBy.map((group) => ({ keyType: 'share', group }) as const),
  ]
}

/** Where records go once they are consumed, it is looked now and then whether they are. */
export function armConsumed(state: ReplicaState, outbox: Outbox): void {
  state.consumption = null
  if (groupsOf(state.config).length > 0) outbox.push({ kind: 'startTimer', timer: 'consumed', afterMillis: CONSUMED_CHECK_MILLIS })
}

/** Begins a round, if there is anything that could go. */
export function onConsumedTimer(state: ReplicaState, outbox: Outbox): void {
  armConsumed(state, outbox)
  if (!mayDelete(state) || state.log.logStartOffset >= state.highWatermark.offset) return
  const asked = new Map<number, ConsumingGroup>()
  state.consumption = { leaderEpoch: state.role.leaderEpoch, asked, ends: [] }
  for (const one of groupsOf(state.config)) {
    const correlationId = state.nextToken++
    asked.set(correlationId, one)
    outbox.push({
      kind: 'send',
      to: { node: state.self.node, actor: BROKER_ACTOR },
      message: { kind: 'findCoordinator', correlationId, keyType: one.keyType, key: one.group },
    })
  }
}

/** The broker says who coordinates a group. */
export function onCoordinatorFound(state: ReplicaState, response: MessageOf<'findCoordinatorResponse'>, outbox: Outbox): void {
  const one = state.consumption?.asked.get(response.correlationId)
  if (state.consumption === null || one === undefined) return
  state.consumption.asked.delete(response.correlationId)
  if (response.errorCode !== NONE) return
  const correlationId = state.nextToken++
  state.consumption.asked.set(correlationId, one)
  const { node } = response
  const { group } = one
  const { topic, topicId, partition } = state
  if (one.keyType === 'group') {
    const message = { kind: 'offsetFetch', correlationId, group, partitions: [{ topic, partitions: [partition] }] } as const
    return outbox.push({ kind: 'send', to: { node, actor: groupsActor(response.partition) }, message })
  }
  const message = { kind: 'describeShareGroupOffsets', correlationId, group, topicId, partition } as const
  outbox.push({ kind: 'send', to: { node, actor: sharesActor(response.partition) }, message })
}

/** A group says what it has committed. When all have, what all have consumed goes. */
export function onConsumed(state: ReplicaState, response: MessageOf<'offsetFetchResponse'>, context: Context, outbox: Outbox): void {
  const { topic, partition, topicId } = state
  // What was committed for a former topic of that name says nothing of this one.
  const found = response.offsets.find((one) => one.topic === topic && one.partition === partition && one.topicId === topicId)
  onOffset(state, response, found?.offset ?? -1, context, outbox)
}

/** A share group says what it has done with. */
export function onAcknowledged(
  state: ReplicaState,
  response: MessageOf<'describeShareGroupOffsetsResponse'>,
  context: Context,
  outbox: Outbox,
): void {
  onOffset(state, response, response.startOffset, context, outbox)
}

function onOffset(
  state: ReplicaState,
  { correlationId, errorCode }: { readonly correlationId: number; readonly errorCode: number },
  offset: number,
  context: Context,
  outbox: Outbox,
): void {
  const { consumption, config } = state
  const one = consumption?.asked.get(correlationId)
  if (consumption === null || one === undefined) return
  consumption.asked.delete(correlationId)
  if (errorCode !== NONE) return
  noteEnd(consumption, one, offset, state.highWatermark.offset)
  const startOffset = consumedOffset(groupsOf(config), consumption)
  if (!mayDelete(state) || consumption.leaderEpoch !== state.role.leaderEpoch) return
  if (startOffset <= state.log.logStartOffset) return
  raiseLogStart(state, startOffset, context, outbox)
  answerFollowers(state, outbox)
}

/** It leads, and knows what is committed. */
function mayDelete({ phase, isDraining, replication, highWatermark, config }: ReplicaState): boolean {
  if (phase !== 'leading' || isDraining || replication === null || groupsOf(config).length === 0) return false
  return highWatermark.offset >= replication.epochStartOffset
}
