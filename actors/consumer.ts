/**
 * One consumer: finds where to begin, keeps one fetch per partition under way while its application wants more, and is a member of its
 * group (consumer-group.ts). Its client on the same host plays the application: it takes chunks, reports progress, releases.
 *
 * What it does not do: read files, decode records, or leave out what is aborted (the client does).
 */
import { COORDINATOR_ACTOR, replicaActor } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { errorOf, NONE } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../protocol/messages/fetch.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { TopicMetadata } from '../protocol/messages/metadata.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import { forgetQuestion, forgetTiming, joinQuota, onRequestTimed, timedOutbox } from './client-quota.ts'
import { onClassicAnswer, onTopicCounts, onTopicsRefused } from './consumer-classic.ts'
import { uncommitted } from './consumer-commits.ts'
import { deliver, fetchOf, mayNotFetch, onFetchAgain, onQuota, quotaDue } from './consumer-fetch.ts'
import {
  askOffsets,
  checkSession,
  closeConsumer,
  enqueueCommit,
  finishRevocations,
  groupDue,
  groupWork,
  onCommitAnswer,
  onGroupAnswer,
  onGroupChanged,
  onGroupLost,
  onCoordinatorLost,
  onGroupUndeliverable,
  onOffsets,
  subscribe,
} from './consumer-group.ts'
import { onHeartbeatAnswer } from './consumer-heartbeat.ts'
import {
  asksFormerTopic,
  failPartition,
  moveTo,
  onOutOfRange,
  onSought,
  onTruncated,
  onUnknown,
  refuseReset,
  resetOffset,
} from './consumer-reset.ts'
import { answerQuestions, commitSoon, onAskMember, onCommitByHand, onOffsetsCommitted, questionsDue } from './consumer-member.ts'
import { addPartition, backOff, isSubscribed, locate, newConsumerState, wakeAt } from './consumer-state.ts'
import type { ConsumedPartition, ConsumerConfig, ConsumerState } from './consumer-state.ts'
import { avoidCoordinator, followController, replaceCoordinators } from './coordinator-finder.ts'
import {
  askForDoubted,
  doubtTopic,
  expireRequest,
  forgetLeader,
  forgetTopic,
  giveUpRequest,
  hasMoved,
  isLeaderless,
  SILENCE_MILLIS,
  takeTopics,
  topicOrAsk,
} from './leader-cache.ts'

/** The behaviour of a consumer. */
export const actor: Actor<ConsumerState, ConsumerConfig> = {
  url: import.meta.url,
  start: newConsumerState,
  receive(state: ConsumerState, message: Message, context: Context, bare: Outbox): void {
    const outbox = timedOutbox(state.quota, message, bare)
    switch (message.kind) {
      case 'started':
        return joinQuota(state.config.quota, 'consumerByteRate', state.config.group, outbox)
      case 'throttled':
        onQuota(state, message, context, outbox)
        return work(state, context, outbox)
      case 'requestTimed':
        return onRequestTimed(state.quota, message, outbox)
      case 'subscribe':
        return subscribe(state, message, context, outbox)
      case 'assign':
        return onAssign(state, message, context, outbox)
      case 'progress':
        return onProgress(state, message)
      case 'fetchMore':
        return onFetchMore(state, message, context, outbox)
      case 'fetchAgain':
        onFetchAgain(state, message)
        return work(state, context, outbox)
      case 'seek':
        return onSeek(state, message, context, outbox)
      case 'pause':
        return onPause(state, message, context, outbox)
      case 'commit':
        return enqueueCommit(state, message.correlationId, message.offsets, context, outbox)
      case 'askMember':
        return onAskMember(state, message, context, outbox)
      case 'commitByHand':
        return onCommitByHand(state, message, context, outbox)
      case 'offsetsCommitted':
        return onOffsetsCommitted(state, message)
      case 'released':
        for (const one of message.partitions) release(state, one.topic, one.partition)
        return finishRevocations(state, context, outbox)
      case 'closeConsumer':
        return closeConsumer(state, message.correlationId, context, outbox)
      case 'votersChanged':
        return replaceCoordinators(state.leaders.coordinators, message.voters)
      case 'nodeDown':
        return onNodeDown(state, message.node, context, outbox)
      case 'timerFired':
        return onTick(state, context, outbox)
      default:
        return onAnswer(state, message, context, outbox)
    }
  },
}

function onAnswer(state: ConsumerState, message: Message, context: Context, outbox: Outbox): void {
  // What waited for a paused process may be for a member that is none any more.
  checkSession(state, context, outbox)
  switch (message.kind) {
    case 'metadataResponse':
      return onMetadata(state, message, context, outbox)
    case 'fetchResponse':
      onFetched(state, message, context, outbox)
      if (forgetQuestion(state.quota, message.correlationId)) work(state, context, outbox)
      return
    case 'listOffsetsResponse':
      return onLocated(state, message, context, outbox)
    case 'findCoordinatorResponse':
      return onGroupAnswer(state, message, context, outbox)
    case 'consumerGroupHeartbeatResponse':
      onHeartbeatAnswer(state, message, context, outbox)
      return work(state, context, outbox)
    case 'joinGroupResponse':
    case 'syncGroupResponse':
    case 'heartbeatResponse':
    case 'leaveGroupResponse':
      onClassicAnswer(state, message, context, outbox)
      return work(state, context, outbox)
    case 'groupChanged':
      return onGroupChanged(state, message.memberId, context, outbox)
    case 'offsetFetchResponse':
      onOffsets(state, message, context, outbox)
      return work(state, context, outbox)
    case 'offsetCommitResponse':
      return onCommitAnswer(state, message, context, outbox)
    case 'undeliverable':
      if (context.from.actor === COORDINATOR_ACTOR) avoidCoordinator(state.leaders.coordinators, context.from.node)
      return onUndeliverable(state, message.correlationId, context, outbox)
    case 'notController':
      followController(state.leaders.coordinators, context.from.node, message.controller)
      return onUndeliverable(state, message.correlationId, context, outbox)
    default:
      assert(false, `a consumer does not understand ${message.kind}`)
  }
}

// ── what the client asks ──

function onAssign(state: ConsumerState, message: MessageOf<'assign'>, context: Context, outbox: Outbox): void {
  assert(!isSubscribed(state), 'C1 a consumer is assigned by hand or by its group, not both')
  const wanted = new Set(message.partitions.map(({ topic, partition }) => topicPartitionName(topic, partition)))
  const taken = [...state.partitions.values()].filter(({ name }) => !wanted.has(name))
  if (state.commitsItself && state.config.group !== null) enqueueCommit(state, -1, uncommitted(taken), context, outbox)
  for (const { name } of taken) state.partitions.delete(name)
  for (const { topic, partition } of message.partitions) addPartition(state, topic, partition)
  if (state.autoCommitAt === Infinity) commitSoon(state, context, outbox)
  work(state, context, outbox)
}

function onProgress(state: ConsumerState, { topic, partition, session, position }: MessageOf<'progress'>): void {
  const one = state.partitions.get(topicPartitionName(topic, partition))
  if (one === undefined || one.phase === 'locating' || session < one.session) return
  one.position = position
}

function onFetchMore(state: ConsumerState, message: MessageOf<'fetchMore'>, context: Context, outbox: Outbox): void {
  const one = state.partitions.get(topicPartitionName(message.topic, message.partition))
  if (one === undefined || one.session !== message.session || one.phase !== 'fetching') return
  one.hungry = true
  one.fetchOffset = message.offset
  advance(state, one, context, outbox)
}

function onSeek(state: ConsumerState, message: MessageOf<'seek'>, context: Context, outbox: Outbox): void {
  const one = state.partitions.get(topicPartitionName(message.topic, message.partition))
  if (one === undefined || one.phase === 'revoking') return
  one.session = message.session
  one.correlationId = -1
  onSought(one)
  locate(state, one, message.offset, outbox)
  advance(state, one, context, outbox)
}

function onPause(state: ConsumerState, message: MessageOf<'pause'>, context: Context, outbox: Outbox): void {
  for (const { topic, partition } of message.partitions) {
    const one = state.partitions.get(topicPartitionName(topic, partition))
    if (one === undefined) continue
    one.paused = message.paused
    advance(state, one, context, outbox)
  }
}

function release(state: ConsumerState, topic: string, partition: number): void {
  const one = state.partitions.get(topicPartitionName(topic, partition))
  if (one !== undefined && one.phase === 'revoking') one.released = true
}

// ── one partition ──

/** Sends the request that the partition needs next, if it needs one and none is under way. */
function advance(state: ConsumerState, one: ConsumedPartition, context: Context, outbox: Outbox): void {
  if (one.correlationId >= 0 || one.phase === 'revoking' || context.uptime < one.retryAt || state.closing >= 0) return
  if (one.phase === 'locating' && !one.resetting) return askOffsets(state, context, outbox)
  if (one.phase === 'locating' && state.config.autoOffsetReset === 'none') return refuseReset(state, one, outbox)
  if (one.phase === 'fetching' && (!one.hungry || one.paused)) return
  if (one.phase === 'fetching' && mayNotFetch(state, context.uptime)) return wakeAt(state, quotaDue(state, context), context, outbox)
  const topic = topicOrAsk(state.leaders, one.topic, state.nextCorrelationId++, context.uptime, outbox)
  if (topic === null) return wakeAt(state, state.leaders.timeoutAt, context, outbox)
  const leader = topic.partitions[one.partition]
  if (leader === undefined) return onUnknown(state, one, context, outbox)
  one.absences = 0
  if (one.phase === 'fetching' && one.topicId >= 0 && one.topicId < topic.topicId) {
    resetOffset(one, topic.topicId)
    return advance(state, one, context, outbox)
  }
  // Ids count up: the group, or an earlier answer, knew of a younger topic than this.
  if (isLeaderless(one, leader, context.uptime) || one.topicId > topic.topicId) {
    forgetTopic(state.leaders, one.topic)
    return backOff(state, one, context, outbox)
  }
  request(state, one, topic, leader, context, outbox)
}

function request(
  state: ConsumerState,
  one: ConsumedPartition,
  topic: TopicMetadata,
  leader: { readonly leader: number; readonly leaderEpoch: number },
  context: Context,
  outbox: Outbox,
): void {
  const { config } = state
  const to = { node: leader.leader, actor: replicaActor(one.topic, one.partition) }
  const correlationId = state.nextCorrelationId++
  one.correlationId = correlationId
  one.leader = leader.leader
  one.leaderEpoch = leader.leaderEpoch
  one.doubtAt = context.uptime + SILENCE_MILLIS + (one.phase === 'fetching' ? config.fetchMaxWaitMillis : 0)
  one.timeoutAt = context.uptime + config.requestTimeoutMillis + config.fetchMaxWaitMillis
  wakeAt(state, Math.min(one.doubtAt, one.timeoutAt), context, outbox)
  if (one.phase === 'locating') {
    one.lookupTopicId = topic.topicId
    const timestamp = config.autoOffsetReset === 'latest' ? LATEST_TIMESTAMP : EARLIEST_TIMESTAMP
    return outbox.push({
      kind: 'send',
      to,
      message: { kind: 'listOffsets', correlationId, topicId: topic.topicId, timestamp, isolationLevel: config.isolationLevel },
    })
  }
  one.topicId = topic.topicId
  outbox.push({ kind: 'send', to, message: fetchOf(state, one, context) })
}

function onLocated(state: ConsumerState, response: MessageOf<'listOffsetsResponse'>, context: Context, outbox: Outbox): void {
  const one = takeRequest(state, response.correlationId)
  if (one === null || one.phase !== 'locating' || state.closing >= 0) return
  if (response.errorCode !== NONE) {
    if (errorOf(response.errorCode).name === 'KAFKA_STORAGE_ERROR')
      failPartition(state, one, response.errorCode, response.errorMessage ?? '', outbox)
    return lookAgain(state, one, context, outbox)
  }
  const isSame = one.topicId === one.lookupTopicId
  const offset = isSame && one.isOvertaken ? Math.max(response.offset, one.position) : response.offset
  // Another topic of that name: nothing of it is committed.
  if (one.topicId !== one.lookupTopicId) one.committed = -1
  one.topicId = one.lookupTopicId
  moveTo(state, one, offset, outbox)
  advance(state, one, context, outbox)
}

function onFetched(state: ConsumerState, response: MessageOf<'fetchResponse'>, context: Context, outbox: Outbox): void {
  const one = takeRequest(state, response.correlationId)
  if (one === null || one.phase !== 'fetching') return
  const error = errorOf(response.errorCode)
  if (response.errorCode === NONE) {
    one.failures = 0
    one.refusedEpoch = -1
    if (response.divergingEndOffset >= 0) {
      onTruncated(state, one, response.divergingEndOffset, outbox)
      return advance(state, one, context, outbox)
    }
    deliver(state, one, response, context.from, outbox)
    return advance(state, one, context, outbox)
  }
  if (error.name === 'OFFSET_OUT_OF_RANGE') {
    onOutOfRange(state, one, response.logStartOffset)
    return advance(state, one, context, outbox)
  }
  if (error.name === 'CORRUPT_MESSAGE' || error.name === 'KAFKA_STORAGE_ERROR') {
    failPartition(state, one, response.errorCode, response.errorMessage ?? error.message, outbox)
    if (error.name === 'CORRUPT_MESSAGE') return
  }
  lookAgain(state, one, context, outbox)
}

/** The leader refuses, or is not there: who leads is asked at once, and tried after a pause unless it is another one. */
function lookAgain(state: ConsumerState, one: ConsumedPartition, context: Context, outbox: Outbox): void {
  backOff(state, one, context, outbox)
  forgetTopic(state.leaders, one.topic)
  topicOrAsk(state.leaders, one.topic, state.nextCorrelationId++, context.uptime, outbox)
}

/** The partition whose request is answered; null if the answer is stale. */
function takeRequest(state: ConsumerState, correlationId: number): ConsumedPartition | null {
  for (const one of state.partitions.values()) {
    if (one.correlationId !== correlationId) continue
    one.correlationId = -1
    return one
  }
  return null
}

function onUndeliverable(state: ConsumerState, correlationId: number, context: Context, outbox: Outbox): void {
  forgetTiming(state.quota, correlationId)
  forgetQuestion(state.quota, correlationId)
  const one = takeRequest(state, correlationId)
  if (one === null) {
    giveUpRequest(state.leaders)
    if (!onTopicsRefused(state, correlationId, context)) onGroupUndeliverable(state, correlationId, context, outbox)
    return wakeAt(state, context.uptime + state.config.retryBackoffMillis, context, outbox)
  }
  lookAgain(state, one, context, outbox)
}

/** What a leader was asked that leads no more, or of a topic that is gone, is asked of the next one, at once. */
function onMetadata(state: ConsumerState, response: MessageOf<'metadataResponse'>, context: Context, outbox: Outbox): void {
  takeTopics(state.leaders, response)
  onTopicCounts(state, response, context, outbox)
  for (const one of state.partitions.values()) {
    if (!hasMoved(state.leaders, one) && !asksFormerTopic(state, one, context.uptime)) continue
    one.correlationId = -1
    one.goneUntil = 0
    one.retryAt = 0
    one.failures = 0
  }
  work(state, context, outbox)
}

function onNodeDown(state: ConsumerState, node: number, context: Context, outbox: Outbox): void {
  giveUpRequest(state.leaders)
  forgetLeader(state.leaders, node)
  if (avoidCoordinator(state.leaders.coordinators, node)) onCoordinatorLost(state, context, outbox)
  for (const one of state.partitions.values()) {
    if (one.correlationId < 0 || one.leader !== node) continue
    one.correlationId = -1
    one.goneUntil = context.uptime + SILENCE_MILLIS
    advance(state, one, context, outbox)
  }
  if (state.membership.node === node) onGroupLost(state, context, outbox)
}

// ── time ──

function onTick(state: ConsumerState, context: Context, outbox: Outbox): void {
  state.tickAt = Infinity
  expireRequest(state.leaders, context.uptime)
  for (const one of state.partitions.values()) {
    if (one.correlationId < 0 || one.phase === 'revoking') continue
    if (context.uptime >= one.doubtAt) doubtTopic(state.leaders, one.topic)
    if (context.uptime < one.timeoutAt) continue
    one.correlationId = -1
    forgetTopic(state.leaders, one.topic)
  }
  work(state, context, outbox)
  if (state.leaders.doubted.size > 0) askForDoubted(state.leaders, state.nextCorrelationId++, context.uptime, outbox)
  wakeAt(state, nextDue(state, context), context, outbox)
}

function work(state: ConsumerState, context: Context, outbox: Outbox): void {
  groupWork(state, context, outbox)
  answerQuestions(state, context, outbox)
  for (const one of state.partitions.values()) advance(state, one, context, outbox)
}

function nextDue(state: ConsumerState, context: Context): number {
  let due = Math.min(groupDue(state), quotaDue(state, context), questionsDue(state))
  for (const one of state.partitions.values()) {
    if (one.phase === 'revoking') continue
    if (one.correlationId >= 0) due = Math.min(due, one.timeoutAt, Math.max(one.doubtAt, state.leaders.doubtAt))
    else if (one.retryAt > context.uptime) due = Math.min(due, one.retryAt)
  }
  if (state.leaders.wanted.size > 0 && state.leaders.timeoutAt >= 0) due = Math.min(due, state.leaders.timeoutAt)
  return due
}
