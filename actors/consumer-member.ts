/**
 * Who a consumer is in its group, for a transaction that commits its offsets (KIP-447).
 */
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { CommittedOffset } from '../protocol/messages/group.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { Context, Outbox } from './actor.ts'
import { forgetUnidentified, identify, lostError, uncommitted } from './consumer-commits.ts'
import { isMember, wakeAt } from './consumer-state.ts'
import type { ConsumerState, MemberQuestion } from './consumer-state.ts'

/** Takes the question for the member's id and epoch, and for the offsets that it is to commit. Topics that it does not consume are looked up anew: another may have the name. */
export function onAskMember(
  state: ConsumerState,
  { correlationId, offsets }: MessageOf<'askMember'>,
  context: Context,
  outbox: Outbox,
): void {
  const { partitions, config } = state
  const topicIdOf = ({ topic, partition }: CommittedOffset): number => partitions.get(topicPartitionName(topic, partition))?.topicId ?? -1
  const asked = offsets?.map((one) => ({ ...one, topicId: topicIdOf(one) })) ?? uncommitted(partitions.values())
  const question: MemberQuestion = {
    clientCorrelationId: correlationId,
    offsets: asked,
    deadline: context.uptime + config.sessionTimeoutMillis,
  }
  forgetUnidentified(state, question)
  state.questions.push(question)
  answerQuestions(state, context, outbox)
}

/** Answers the questions whose topics are known, and those whose time is over. */
export function answerQuestions(state: ConsumerState, context: Context, outbox: Outbox): void {
  for (const question of state.questions.splice(0)) {
    const missing = identify(state, question, context, outbox)
    if (missing === null) answer(state, question, null, outbox)
    else if (missing !== 'asked')
      answer(state, question, { error: 'UNKNOWN_TOPIC_OR_PARTITION', reason: `${missing.unknown} does not exist` }, outbox)
    else if (context.uptime >= question.deadline)
      answer(state, question, { error: 'REQUEST_TIMED_OUT', reason: 'nobody says whether the topics exist' }, outbox)
    else state.questions.push(question)
  }
}

/** When the first of them is given up; Infinity: there is none. */
export function questionsDue({ questions }: ConsumerState): number {
  return Math.min(Infinity, ...questions.map(({ deadline }) => deadline))
}

/** The member's id and epoch, and the offsets; or why not, which one that the group has given up always hears. */
function answer(
  state: ConsumerState,
  { clientCorrelationId, offsets }: MemberQuestion,
  why: { readonly error: ErrorName; readonly reason: string } | null,
  outbox: Outbox,
): void {
  const { membership, config } = state
  const isIn = isMember(state)
  const isFenced = membership.classic?.isFenced === true
  const isLost = isFenced || (isIn && (membership.lost || membership.memberEpoch <= 0))
  const lost = { error: lostError(state), reason: isFenced ? null : 'the group has given the partitions of this consumer away' }
  const refused = isLost ? lost : why
  const { memberId } = membership
  outbox.push({
    kind: 'send',
    to: config.client,
    message: {
      kind: 'memberAnswer',
      correlationId: clientCorrelationId,
      errorCode: refused === null ? NONE : codeOf(refused.error),
      errorMessage: refused?.reason ?? null,
      member: isIn && refused === null ? { memberId, memberEpoch: membership.memberEpoch } : null,
      offsets: refused === null ? offsets : [],
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
