/**
 * The commits of a consumer on their way to its group: one at a time, so that an older one can never overtake a newer one, and each until
 * it is answered or its deadline is over.
 */
import { groupsActor } from '../protocol/address.ts'
import { codeOf, errorOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import { foreignCommitError, isOutOfStep } from '../protocol/messages/group.ts'
import type { TopicOffset } from '../protocol/messages/group.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { Context, Outbox } from './actor.ts'
import { isMember, wakeAt } from './consumer-state.ts'
import type { ConsumedPartition, ConsumerState, QueuedCommit } from './consumer-state.ts'
import { forgetTopic, topicOrAsk } from './leader-cache.ts'

/** A commit that is not answered for so long may be with a node that hangs. */
const DOUBT_MILLIS = 1000

/** The first commit is not answered, and nobody would call who is no member if another node had taken the group over. Says whether that is so, once in a while. */
export function isDoubtful(state: ConsumerState, { uptime }: Context): boolean {
  const [commit] = state.commits
  if (commit === undefined || uptime < doubtAtOf(state, commit)) return false
  commit.doubtAt = uptime + DOUBT_MILLIS
  return true
}

/** When the first commit is to be doubted; Infinity: never. */
export function doubtAtOf(state: ConsumerState, commit: QueuedCommit): number {
  const { step, correlationId } = state.membership
  const isAsking = step !== 'ready' || correlationId >= 0
  return isAsking || isMember(state) || commit.correlationId < 0 ? Infinity : commit.doubtAt
}

/** Queues a commit; an empty one is answered at once (false). `clientCorrelationId` -1: nobody waits for it. */
export function queueCommit(
  state: ConsumerState,
  clientCorrelationId: number,
  offsets: readonly TopicOffset[],
  context: Context,
  outbox: Outbox,
): boolean {
  const deadline = context.uptime + state.config.sessionTimeoutMillis
  const commit: QueuedCommit = { clientCorrelationId, offsets, deadline, correlationId: -1, timeoutAt: 0, retryAt: 0, doubtAt: 0 }
  const isLost = (isMember(state) && state.membership.lost) || state.membership.classic?.isFenced === true
  if (offsets.length === 0 || isLost) answerCommit(state, commit, isLost ? lostError(state) : null, outbox)
  else {
    forgetUnidentified(state, commit)
    state.commits.push(commit)
  }
  return offsets.length > 0 && !isLost
}

/** Why a member that is none any more commits nothing. */
export function lostError({ membership: { classic } }: ConsumerState): ErrorName {
  return classic?.isFenced === true ? 'FENCED_INSTANCE_ID' : 'UNKNOWN_MEMBER_ID'
}

/** A member is none any more: nothing of what it has queued is committed. */
export function dropCommits(state: ConsumerState, outbox: Outbox): void {
  for (const commit of state.commits.splice(0)) answerCommit(state, commit, lostError(state), outbox)
}

/** What the application has processed and nobody has committed; or has (`renews`): whoever is no member keeps its offsets from expiring by committing them again, of what is there. */
export function uncommitted(partitions: Iterable<ConsumedPartition>, renews = false): TopicOffset[] {
  const offsets: TopicOffset[] = []
  for (const { topic, partition, position, committed, phase, resetting, topicId, lookupTopicId, absences, isRefused } of partitions) {
    // One that was out of range when it was taken away has a position that means nothing any more.
    const isOutOfRange = resetting && lookupTopicId === topicId
    if (phase !== 'locating' && !isOutOfRange && !isRefused && position >= 0 && ((renews && absences === 0) || position !== committed))
      offsets.push({ topic, partition, offset: position, metadata: '', topicId })
  }
  return offsets
}

/** Sends the first commit if it can be sent now; gives up those whose deadline is over. */
export function sendCommit(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { membership, config } = state
  refuseWaiting(state, outbox)
  const commit = state.commits[0]
  if (commit === undefined) return
  if (context.uptime >= commit.deadline) {
    state.commits.shift()
    answerCommit(state, commit, 'REQUEST_TIMED_OUT', outbox)
    return sendCommit(state, context, outbox)
  }
  const missing = identify(state, commit, context, outbox)
  if (missing === 'asked') return
  if (missing !== null) {
    state.commits.shift()
    answerCommit(state, commit, 'UNKNOWN_TOPIC_OR_PARTITION', outbox, `${missing.unknown} does not exist`)
    return sendCommit(state, context, outbox)
  }
  const asMember = isMember(state)
  const waits = commit.correlationId >= 0 ? context.uptime < commit.timeoutAt : context.uptime < commit.retryAt
  if (waits || membership.step !== 'ready' || (asMember && membership.memberEpoch <= 0)) return
  commit.correlationId = state.nextCorrelationId++
  commit.timeoutAt = context.uptime + config.requestTimeoutMillis
  commit.doubtAt = context.uptime + DOUBT_MILLIS
  wakeAt(state, asMember ? commit.timeoutAt : commit.doubtAt, context, outbox)
  outbox.push({
    kind: 'send',
    to: { node: membership.node, actor: groupsActor(membership.partition) },
    message: {
      kind: 'offsetCommit',
      correlationId: commit.correlationId,
      group: config.group ?? '',
      memberId: asMember ? membership.memberId : '',
      memberEpoch: asMember ? membership.memberEpoch : -1,
      offsets: commit.offsets,
    },
  })
}

/** Nothing waits for a group that does not take this member; what was sent before it wanted to be one is still answered. */
function refuseWaiting(state: ConsumerState, outbox: Outbox): void {
  const { commits, membership } = state
  if (membership.refusal === null) return
  const sent = commits[0] !== undefined && commits[0].correlationId >= 0 ? 1 : 0
  for (const commit of commits.splice(sent)) answerCommit(state, commit, membership.refusal, outbox)
}

/** Whether the topic ids of all offsets are known, and the commit can be sent. */
export function isIdentified(commit: { readonly offsets: readonly TopicOffset[] }): boolean {
  return commit.offsets.every(({ topicId }) => topicId >= 0)
}

/** Topics that it does not consume are looked up anew: another may have the name by now, and what is committed for the former one would not count. */
export function forgetUnidentified({ leaders }: ConsumerState, commit: { readonly offsets: readonly TopicOffset[] }): void {
  for (const { topic, topicId } of commit.offsets) if (topicId < 0) forgetTopic(leaders, topic)
}

/** Completes the topic ids, which only an application's own offsets lack; null when that is done; or the name of a partition that there is not. */
export function identify(
  state: ConsumerState,
  commit: { offsets: readonly TopicOffset[] },
  context: Context,
  outbox: Outbox,
): 'asked' | { readonly unknown: string } | null {
  if (isIdentified(commit)) return null
  const topics = new Map(commit.offsets.filter(({ topicId }) => topicId < 0).map(({ topic }) => [topic, -1]))
  for (const name of topics.keys()) {
    const topic = topicOrAsk(state.leaders, name, state.nextCorrelationId++, context.uptime, outbox)
    if (topic === null) {
      wakeAt(state, state.leaders.timeoutAt, context, outbox)
      return 'asked'
    }
    // Without the topic, or the partition. Should it be newer than what is known, the next commit finds it.
    const unknown = commit.offsets.find((one) => one.topic === name && (topic.topicId < 0 || topic.partitions[one.partition] === undefined))
    if (unknown !== undefined) {
      forgetTopic(state.leaders, name)
      return { unknown: topicPartitionName(name, unknown.partition) }
    }
    topics.set(name, topic.topicId)
  }
  commit.offsets = commit.offsets.map((one) => (one.topicId >= 0 ? one : { ...one, topicId: topics.get(one.topic) ?? -1 }))
  return null
}

/** Takes the answer to the first commit: it is `done` (or refused for good), must be tried `again`, or shows that the membership is `lost`. */
export function takeCommitAnswer(
  state: ConsumerState,
  message: MessageOf<'offsetCommitResponse'>,
  context: Context,
  outbox: Outbox,
): 'stale' | 'again' | 'done' | 'lost' {
  const commit = state.commits[0]
  if (commit === undefined || commit.correlationId !== message.correlationId) return 'stale'
  const error = errorOf(message.errorCode)
  const isPassing = error.retriable && error.name !== 'UNKNOWN_TOPIC_ID'
  if (message.errorCode !== NONE && (isPassing || isOutOfStep(error.name))) {
    retryCommit(state, commit, context, outbox)
    return 'again'
  }
  state.commits.shift()
  for (const { topic, partition, offset } of commit.offsets) {
    const one = state.partitions.get(topicPartitionName(topic, partition))
    // A commit that is refused for good will not be tried again: who gets the partition next processes those records again.
    if (one !== undefined) one.committed = offset
  }
  const { classic } = state.membership
  if (error.name === 'FENCED_INSTANCE_ID' && classic !== null) classic.isFenced = true
  const isForeign = error.name === 'FENCED_MEMBER_EPOCH'
  const name = isForeign ? foreignCommitError(classic === null ? 'consumer' : 'classic') : error.name
  answerCommit(state, commit, message.errorCode === NONE ? null : name, outbox, message.errorMessage)
  return isMember(state) && (error.name === 'UNKNOWN_MEMBER_ID' || error.name === 'FENCED_INSTANCE_ID') ? 'lost' : 'done'
}

/** The commit is sent again after a pause. */
export function retryCommit(state: ConsumerState, commit: QueuedCommit, context: Context, outbox: Outbox): void {
  commit.correlationId = -1
  commit.retryAt = context.uptime + state.config.retryBackoffMillis
  wakeAt(state, commit.retryAt, context, outbox)
}

/** Tells the client what became of its commit. `reason`: what the name of the error does not say. */
function answerCommit(
  state: ConsumerState,
  commit: QueuedCommit,
  error: ErrorName | null,
  outbox: Outbox,
  reason: string | null = null,
): void {
  if (commit.clientCorrelationId < 0) return
  outbox.push({
    kind: 'send',
    to: state.config.client,
    message: {
      kind: 'commitResult',
      correlationId: commit.clientCorrelationId,
      errorCode: error === null ? NONE : codeOf(error),
      errorMessage: error === null ? null : `the commit was refused: ${reason ?? errorOf(codeOf(error)).message}`,
    },
  })
}
