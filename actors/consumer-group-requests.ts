/**
 * What a consumer asks of its group as a member: where it is coordinated, heartbeats, the farewell. One request at a time is under
 * way; consumer-group.ts decides which, and takes the answers.
 */
import { groupsActor } from '../protocol/address.ts'
import type { TopicPartitions } from '../protocol/messages/group.ts'
import { LEAVE_EPOCH, LEAVE_STATIC_EPOCH } from '../protocol/messages/group.ts'
import { partitionsOf } from '../coordinator/groups/names.ts'
import type { Context, Outbox } from './actor.ts'
import { coordinatorOf } from './coordinator-finder.ts'
import { wakeAt } from './consumer-state.ts'
import type { ConsumerState } from './consumer-state.ts'

/** Asks where the group lives. */
export function askForCoordinator(state: ConsumerState, context: Context, outbox: Outbox): void {
  const correlationId = beginRequest(state, context, outbox)
  const to = coordinatorOf(state.leaders.coordinators)
  outbox.push({ kind: 'send', to, message: { kind: 'findCoordinator', correlationId, keyType: 'group', key: state.config.group ?? '' } })
}

/** Says that the consumer is a member, or wants to be one, and what it has. */
export function sendHeartbeat(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { membership, partitions } = state
  membership.lost = false
  membership.hasMoreToConfirm = false
  heartbeat(state, membership.memberEpoch, partitionsOf(partitions.keys()), context, outbox)
}

/** Says farewell to the group; who has an instance id may come back. */
export function sendLeave(state: ConsumerState, context: Context, outbox: Outbox): void {
  state.membership.step = 'leaving'
  heartbeat(state, state.config.instanceId === null ? LEAVE_EPOCH : LEAVE_STATIC_EPOCH, [], context, outbox)
}

function heartbeat(
  state: ConsumerState,
  memberEpoch: number,
  ownedPartitions: readonly TopicPartitions[],
  context: Context,
  outbox: Outbox,
): void {
  const { membership, config } = state
  const { memberId, instanceId, sessionTimeoutMillis, rebalanceTimeoutMillis, assignor } = config
  const correlationId = beginRequest(state, context, outbox)
  membership.mayBeKnown = true
  outbox.push({
    kind: 'send',
    to: { node: membership.node, actor: groupsActor(membership.partition) },
    message: {
      kind: 'consumerGroupHeartbeat',
      correlationId,
      group: config.group ?? '',
      memberId,
      instanceId,
      memberEpoch,
      sessionTimeoutMillis,
      rebalanceTimeoutMillis,
      subscribedTopics: membership.topics,
      topicPattern: membership.topicPattern,
      assignor,
      ownedPartitions,
    },
  })
}

/** Begins the one request that may be under way; its correlation id. */
export function beginRequest(state: ConsumerState, context: Context, outbox: Outbox): number {
  const { membership } = state
  membership.correlationId = state.nextCorrelationId++
  membership.sentAt = context.uptime
  membership.timeoutAt = context.uptime + state.config.requestTimeoutMillis
  wakeAt(state, membership.timeoutAt, context, outbox)
  return membership.correlationId
}
