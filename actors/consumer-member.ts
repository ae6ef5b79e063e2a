/**
 * Who a consumer is in its group, for a transaction that commits its offsets (KIP-447).
 */
import { codeOf, NONE } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { TopicOffset } from '../protocol/messages/group.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { Context, Outbox } from './actor.ts'
import { lostError, uncommitted } from './consumer-commits.ts'
import { isMember, wakeAt } from './consumer-state.ts'
import type { ConsumerState } from './consumer-state.ts'

/** Answers with the member's id and epoch, and the offsets; refuses for one that the group has given up. */
export function onAskMember(state: ConsumerState, { correlationId, offsets }: MessageOf<'askMember'>, outbox: Outbox): void {
  const { membership, config, partitions, leaders } = state
  const isIn = isMember(state)
  const isFenced = membership.classic?.isFenced === true
  const isLost = isFenced || (isIn && (membership.lost || membership.memberEpoch <= 0))
  const topicIdOf = ({ topic, partition }: Pick<TopicOffset, 'topic' | 'partition'>): number =>
    partitions.get(topicPartitionName(topic, partition))?.topicId ?? leaders.topics.get(topic)?.topicId ?? -1
  const given = offsets?.map((one) => ({ ...one, topicId: topicIdOf(one) })) ?? uncommitted(partitions.values())
  const { client } = config
  const { memberId } = membership
  outbox.push({
    kind: 'send',
    to: client,
    message: {
      kind: 'memberAnswer',
      correlationId,
      errorCode: isLost ? codeOf(lostError(state)) : NONE,
      errorMessage: isLost && !isFenced ? 'the group has given the partitions of this consumer away' : null,
      member: isIn && !isLost ? { memberId, memberEpoch: membership.memberEpoch } : null,
      offsets: isLost ? [] : given,
    },
  })
}

/** The application commits by itself from now on, whatever the consumer was made with; or (over) that holds again. */
export function onCommitByHand(
  state: ConsumerState,
  { isOver = false }: MessageOf<'commitByHand'>,
  context: Context,
  outbox: Outbox,
): void {
  state.commitsItself = isOver && state.config.autoCommit
  state.autoCommitAt = Infinity
  commitSoon(state, context, outbox)
}

/** What is processed is committed in so long, and then again and again, unless the application does that. */
export function commitSoon(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { group, autoCommitIntervalMillis } = state.config
  if (!state.commitsItself || group === null) return
  state.autoCommitAt = context.uptime + autoCommitIntervalMillis
  wakeAt(state, state.autoCommitAt, context, outbox)
}

/** A transaction has committed these. */
export function onOffsetsCommitted({ partitions }: ConsumerState, { offsets }: MessageOf<'offsetsCommitted'>): void {
  for (const { topic, partition, offset } of offsets) {
    const one = partitions.get(topicPartitionName(topic, partition))
    if (one !== undefined) one.committed = offset
  }
}
