/**
 * Topics whose records go once they are consumed (deleteOnceConsumedBy): now and then the leader asks the coordinators of the groups what they have committed
 * here, by way of its broker, which knows where they are; and lets the log begin behind what all of them have (partitions/consumption.ts). Who does not answer
 * holds everything until the next round.
 *
 *   round: findCoordinator ─► offsetFetch ─► the smallest offset       one for each group; whatever fails, the next round begins anew
 */
import { BROKER_ACTOR, groupsActor } from '../protocol/address.ts'
import { NONE } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { consumedOffset } from '../partitions/consumption.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'
import { answerFollowers } from './replica-read.ts'
import { raiseLogStart } from './replica-retention.ts'

/** How often the groups are asked, while there is something to delete. */
const CONSUMED_CHECK_MILLIS = 2000

/** Where records go once they are consumed, it is looked now and then whether they are. */
export function armConsumed(state: ReplicaState, outbox: Outbox): void {
  state.consumption = null
  if (state.config.deleteOnceConsumedBy.length > 0)
    outbox.push({ kind: 'startTimer', timer: 'consumed', afterMillis: CONSUMED_CHECK_MILLIS })
}

/** Begins a round, if there is anything that could go. */
export function onConsumedTimer(state: ReplicaState, outbox: Outbox): void {
  armConsumed(state, outbox)
  if (!mayDelete(state) || state.log.logStartOffset >= state.highWatermark.offset) return
  const asked = new Map<number, string>()
  state.consumption = { leaderEpoch: state.role.leaderEpoch, asked, committed: new Map() }
  for (const group of state.config.deleteOnceConsumedBy) {
    const correlationId = state.nextToken++
    asked.set(correlationId, group)
    outbox.push({
      kind: 'send',
      to: { node: state.self.node, actor: BROKER_ACTOR },
      message: { kind: 'findCoordinator', correlationId, keyType: 'group', key: group },
    })
  }
}

/** The broker says who coordinates a group. */
export function onCoordinatorFound(state: ReplicaState, response: MessageOf<'findCoordinatorResponse'>, outbox: Outbox): void {
  const group = state.consumption?.asked.get(response.correlationId)
  if (state.consumption === null || group === undefined) return
  state.consumption.asked.delete(response.correlationId)
  if (response.errorCode !== NONE) return
  const correlationId = state.nextToken++
  state.consumption.asked.set(correlationId, group)
  const partitions = [{ topic: state.topic, partitions: [state.partition] }]
  outbox.push({
    kind: 'send',
    to: { node: response.node, actor: groupsActor(response.partition) },
    message: { kind: 'offsetFetch', correlationId, group, partitions },
  })
}

/** A group says what it has committed. When all have, what all have consumed goes. */
export function onConsumed(state: ReplicaState, response: MessageOf<'offsetFetchResponse'>, context: Context, outbox: Outbox): void {
  const { consumption, config, topic, partition, topicId } = state
  const group = consumption?.asked.get(response.correlationId)
  if (consumption === null || group === undefined) return
  consumption.asked.delete(response.correlationId)
  if (response.errorCode !== NONE) return
  // What was committed for a former topic of that name says nothing of this one.
  const found = response.offsets.find((one) => one.topic === topic && one.partition === partition && one.topicId === topicId)
  consumption.committed.set(group, found?.offset ?? -1)
  const startOffset = consumedOffset(config.deleteOnceConsumedBy, consumption)
  if (!mayDelete(state) || consumption.leaderEpoch !== state.role.leaderEpoch) return
  // An offset above the high watermark is of records that are lost: the group has not seen those that are here instead.
  if (startOffset <= state.log.logStartOffset || startOffset > state.highWatermark.offset) return
  raiseLogStart(state, startOffset, context, outbox)
  answerFollowers(state, outbox)
}

/** It leads, and knows what is committed. */
function mayDelete({ phase, isDraining, replication, highWatermark, config }: ReplicaState): boolean {
  if (phase !== 'leading' || isDraining || replication === null || config.deleteOnceConsumedBy.length === 0) return false
  return highWatermark.offset >= replication.epochStartOffset
}
