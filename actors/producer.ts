/**
 * One producer: numbers the batches of its client per partition (idempotence, KIP-98), keeps up to five in flight to each leader,
 * retries in order, and says exactly once per batch what became of it.
 *
 *   submit ─► queued ─► in flight ─► delivered          a retriable refusal or a time-out puts it back at its place in the queue
 *
 * A leader that is silent is looked up again; where another one leads, it is sent everything that is in flight, in order, and drops what it has.
 * A refusal that leaves a gap in the numbers (or a broker that lost its memory) starts a new epoch for that partition (KIP-360).
 * Transactions are in producer-transaction.ts. What it does not do: batching and partitioning (the client does).
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { codeOf, errorOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { Submit } from '../protocol/messages/client.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { TopicMetadata } from '../protocol/messages/metadata.ts'
import * as batch from '../protocol/record-batch.ts'
import { IN_FLIGHT_BATCHES_MAX } from '../partitions/idempotence.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import { forgetTiming, isMuted, joinQuota, onRequestTimed, onThrottled, timedOutbox } from './client-quota.ts'
import { avoidCoordinator, coordinatorOf, followController, nextCoordinator, replaceCoordinators } from './coordinator-finder.ts'
import {
  askForDoubted,
  doubtTopic,
  forgetLeader,
  forgetTopic,
  giveUpRequest,
  isLeaderless,
  SILENCE_MILLIS,
  takeTopics,
  topicOrAsk,
} from './leader-cache.ts'
import {
  awaitLeader,
  backOff,
  dropOrphans,
  enqueue,
  followLeader,
  isLeaderSilent,
  number,
  putInFlight,
  queueOf,
  send,
  startEpoch,
  takeBack,
  takeInFlight,
} from './producer-queue.ts'
import { DONE, failure, finish, isSplitting, noteRefusal } from './producer-delivery.ts'
import { giveUp } from './producer-expiry.ts'
import { askToSplit, maySplit, onSplitBatch } from './producer-split.ts'
import { failsTransaction, failTransaction, failureOf, reasonOf, transactionFor } from './producer-transaction.ts'
import {
  advanceTransactions,
  isTransactionLost,
  onTransactionAnswer,
  onTransactionAsked,
  onTransactorDown,
} from './producer-transactions.ts'
import type { TransactionAnswer } from './producer-transactions.ts'
import { newProducerState } from './producer-state.ts'
import type { PartitionQueue, ProducerConfig, ProducerState } from './producer-state.ts'

/** A coordinator that does not give out a producer id in this time is not asked again. */
const PRODUCER_ID_MILLIS_MAX = 1000

/** Pause before a coordinator is asked that another one has named: two that name each other must not be asked without end. */
const NAMED_MILLIS = 2

/** Its quota lets it go on. */
const QUOTA_TIMER = 'quota'

/** What a leader says to numbers that it did not expect. */
const NUMBERING: ReadonlySet<ErrorName> = new Set<ErrorName>(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID'])

/** The behaviour of a producer. */
export const actor: Actor<ProducerState, ProducerConfig> = {
  url: import.meta.url,
  start: newProducerState,
  receive(state: ProducerState, message: Message, context: Context, bare: Outbox): void {
    const outbox = timedOutbox(state.quota, message, bare)
    switch (message.kind) {
      case 'started':
        return onStarted(state, context, outbox)
      case 'submit':
        return onSubmit(state, message, context, outbox)
      case 'splitBatch':
        return pumpOne(state, onSplitBatch(state, message, outbox), context, outbox)
      case 'produceResponse':
        return onProduceResponse(state, message, context, outbox)
      case 'undeliverable':
        return onUndeliverable(state, message.correlationId, context, outbox)
      case 'notController':
        followController(state.leaders.coordinators, context.from.node, message.controller)
        isTransactionLost(state, message.correlationId, context)
        askCoordinatorAgain(state)
        // Whoever is named is asked soon; where nobody knows, it takes as long as an election.
        return message.controller >= 0 ? hurry(state, NAMED_MILLIS, outbox) : undefined
      case 'metadataResponse':
        return onMetadata(state, message, context, outbox)
      case 'initProducerIdResponse':
        return onProducerId(state, message, context, outbox)
      case 'beginTransaction':
      case 'sendOffsets':
      case 'finishTransaction':
        onTransactionAsked(state, message, context, outbox)
        return keepTicking(state, outbox)
      case 'findCoordinatorResponse':
      case 'initTransactionsResponse':
      case 'endTransactionResponse':
      case 'offsetCommitResponse':
        return onTransactionAnswered(state, message, context, outbox)
      case 'votersChanged':
        return replaceCoordinators(state.leaders.coordinators, message.voters)
      case 'nodeDown':
        return onNodeDown(state, message.node, context, outbox)
      case 'throttled':
        onThrottled(state.quota, message, context.uptime)
        if (message.millis > 0) return outbox.push({ kind: 'startTimer', timer: QUOTA_TIMER, afterMillis: message.millis })
        return pumpAll(state, context, outbox)
      case 'requestTimed':
        return onRequestTimed(state.quota, message, outbox)
      case 'timerFired':
        if (message.timer === QUOTA_TIMER) return pumpAll(state, context, outbox)
        return onTick(state, context, outbox)
      default:
        assert(false, `a producer does not understand ${message.kind}`)
    }
  },
}

function onStarted(state: ProducerState, context: Context, outbox: Outbox): void {
  joinQuota(state.config.quota, 'producerByteRate', null, outbox)
  if (state.transaction !== null) {
    advanceTransactions(state, context, outbox)
    keepTicking(state, outbox)
  } else if (state.isNumbering) requestProducerId(state, context, outbox)
}

function onTransactionAnswered(state: ProducerState, message: TransactionAnswer, context: Context, outbox: Outbox): void {
  onTransactionAnswer(state, message, context, outbox)
  pumpAll(state, context, outbox)
  hurry(state, NAMED_MILLIS, outbox)
}

// ── out ──

function onSubmit(state: ProducerState, message: Submit, context: Context, outbox: Outbox): void {
  const queue = queueOf(state, message.topic, message.partition)
  // What was doubted before, and given up, says nothing of this one.
  if (queue.batches.length === 0) queue.doubtedFrom = -1
  enqueue(state, queue, message, context)
  const why = state.transaction === null ? null : failureOf(state.transaction)
  if (why !== null) return failTransaction(state, why, outbox)
  if (state.config.isIdempotent && !state.isNumbering && (message.acks ?? state.config.acks) !== 'none') {
    state.isNumbering = true
    requestProducerId(state, context, outbox)
  }
  pump(state, queue, context, outbox)
  keepTicking(state, outbox)
}

function pumpOne(state: ProducerState, queue: PartitionQueue | null, context: Context, outbox: Outbox): void {
  if (queue !== null) pump(state, queue, context, outbox)
}

function pumpAll(state: ProducerState, context: Context, outbox: Outbox): void {
  for (const queue of state.queues.values()) pump(state, queue, context, outbox)
}

/** Sends what may be sent now, in order. */
function pump(state: ProducerState, queue: PartitionQueue, context: Context, outbox: Outbox): void {
  if (queue.batches.length === queue.inFlight) return
  const why = state.transaction === null ? null : failureOf(state.transaction)
  // What was on its way when the transaction failed has come back: it is not sent any more.
  if (why !== null) return failTransaction(state, why, outbox)
  if (context.uptime < queue.retryAt) return
  const topic = topicOrAsk(state.leaders, queue.topic, state.nextCorrelationId++, context.uptime, outbox)
  if (topic === null) return keepTicking(state, outbox)
  const leader = topic.partitions[queue.partition]
  if (leader === undefined) return onUnknown(state, queue, topic, context, outbox)
  queue.doubtedFrom = -1
  if (isLeaderless(queue, leader, context.uptime)) {
    forgetTopic(state.leaders, queue.topic)
    return hurry(state, awaitLeader(queue, context), outbox)
  }
  queue.topicId = topic.topicId
  queue.leader = leader.leader
  queue.leaderEpoch = leader.leaderEpoch
  if (isMuted(state.quota, context.uptime)) return
  sendUnanswered(state, queue, context, outbox)
  if (!isMuted(state.quota, context.uptime)) sendAnswered(state, queue, context, outbox)
}

/** What waits for acknowledgements is numbered, and sent as far as the window allows. */
function sendAnswered(state: ProducerState, queue: PartitionQueue, context: Context, outbox: Outbox): void {
  const { transaction: tx } = state
  const transaction = tx === null ? null : transactionFor(tx)
  if ((state.config.isIdempotent && state.producerId < 0) || (tx !== null && transaction === null)) return
  const oldest = queue.batches[0]?.ordinal ?? 0
  for (const one of queue.batches) {
    // Not only the number in flight counts: the leader remembers so many batches, and the oldest may have to be sent again.
    if (one.ordinal - oldest >= IN_FLIGHT_BATCHES_MAX) return
    // Its turn comes when those before it are answered: a refusal could not bring it back behind them.
    if (one.acks === 'none' || isSplitting(one)) return
    if (one.correlationId >= 0) continue
    if (one.sequence < 0) number(state, queue, one)
    putInFlight(state, queue, one, context)
    if (send(state, queue, one, transaction, context, outbox)) return
  }
}

/** Acks none: sent once, never answered. Nobody says that another node leads, so that is looked up from time to time. */
function sendUnanswered(state: ProducerState, queue: PartitionQueue, context: Context, outbox: Outbox): void {
  for (let one = queue.batches[0]; one?.acks === 'none'; one = queue.batches[0]) {
    batch.stampCrc(one.records, 0)
    const mustWait = send(state, queue, one, null, context, outbox)
    finish(state, queue, one, DONE, outbox)
    doubtTopic(state.leaders, queue.topic)
    if (mustWait) break
  }
  askAboutLeaders(state, context, outbox)
}

// ── back ──

function onProduceResponse(state: ProducerState, response: MessageOf<'produceResponse'>, context: Context, outbox: Outbox): void {
  const sent = takeInFlight(state, response.correlationId)
  if (sent === null) return
  const { queue, batch: one } = sent
  const error = errorOf(response.errorCode)
  if (response.errorCode === NONE || error.name === 'DUPLICATE_SEQUENCE_NUMBER') {
    queue.failures = 0
    finish(state, queue, one, { ...DONE, baseOffset: response.baseOffset, logAppendTime: response.logAppendTime }, outbox)
  } else if (NUMBERING.has(error.name) && !(one.sentFirst && one === queue.batches[0])) {
    // One before it may have been lost on the way, or refused: it goes again behind that.
    queue.retryAt = context.uptime + state.config.retryBackoffMillis
  } else if (maySplit(state, one, error.name)) {
    askToSplit(state, one, outbox)
  } else if (state.transaction !== null && failsTransaction(state, error.name)) {
    const errorMessage = response.errorMessage ?? reasonOf(state, error.name) ?? error.message
    const why = { errorCode: response.errorCode, errorMessage }
    finish(state, queue, one, failure(why.errorCode, why.errorMessage), outbox)
    failTransaction(state, why, outbox)
  } else if (NUMBERING.has(error.name)) {
    startEpoch(state, queue)
  } else if (error.retriable) {
    noteRefusal(one, error.name, response.errorMessage)
    lookAgain(state, queue, context, outbox)
  } else {
    finish(state, queue, one, failure(response.errorCode, response.errorMessage), outbox)
  }
  pump(state, queue, context, outbox)
}

function onUndeliverable(state: ProducerState, correlationId: number, context: Context, outbox: Outbox): void {
  forgetTiming(state.quota, correlationId)
  const sent = takeInFlight(state, correlationId)
  if (sent !== null) return lookAgain(state, sent.queue, context, outbox)
  if (context.from.actor === COORDINATOR_ACTOR) avoidCoordinator(state.leaders.coordinators, context.from.node)
  if (isTransactionLost(state, correlationId, context)) return hurry(state, NAMED_MILLIS, outbox)
  askCoordinatorAgain(state)
}

/** The leader refuses, or is not there: who leads is asked at once, and tried after a pause unless it is another one. */
function lookAgain(state: ProducerState, queue: PartitionQueue, context: Context, outbox: Outbox): void {
  retryLater(state, queue, context, outbox)
  forgetTopic(state.leaders, queue.topic)
  topicOrAsk(state.leaders, queue.topic, state.nextCorrelationId++, context.uptime, outbox)
}

/** What the coordinator was asked is asked again at the next tick. */
function askCoordinatorAgain(state: ProducerState): void {
  giveUpRequest(state.leaders)
  state.producerIdTimeoutAt = -1
}

/** What was in flight to a dead node is sent again, to whoever leads now. */
function onNodeDown(state: ProducerState, node: number, context: Context, outbox: Outbox): void {
  avoidCoordinator(state.leaders.coordinators, node)
  askCoordinatorAgain(state)
  forgetLeader(state.leaders, node)
  onTransactorDown(state, node)
  for (const queue of state.queues.values()) {
    if (queue.leader !== node) continue
    takeBack(state, queue)
    queue.goneUntil = context.uptime + SILENCE_MILLIS
    pump(state, queue, context, outbox)
  }
}

function retryLater(state: ProducerState, queue: PartitionQueue, context: Context, outbox: Outbox): void {
  backOff(state, queue, context)
  keepTicking(state, outbox)
}

/** What is known of the topic may be old: asks once more before it gives up. */
function onUnknown(state: ProducerState, queue: PartitionQueue, topic: TopicMetadata, context: Context, outbox: Outbox): void {
  forgetTopic(state.leaders, queue.topic)
  queue.doubtedFrom = queue.doubtedFrom < 0 ? state.nextCorrelationId : -1
  if (queue.doubtedFrom >= 0) return retryLater(state, queue, context, outbox)
  failQueue(state, queue, topic.errorCode === NONE ? codeOf('UNKNOWN_TOPIC_OR_PARTITION') : topic.errorCode, outbox)
}

function failQueue(state: ProducerState, queue: PartitionQueue, errorCode: number, outbox: Outbox): void {
  const errorMessage = `${topicPartitionName(queue.topic, queue.partition)} does not exist`
  for (const one of queue.batches.slice()) {
    if (one.correlationId >= 0) takeInFlight(state, one.correlationId)
    finish(state, queue, one, failure(errorCode, errorMessage), outbox)
  }
  queue.failures = 0
  if (state.transaction === null) startEpoch(state, queue)
  else failTransaction(state, { errorCode, errorMessage }, outbox)
}

// ── metadata and producer id ──

function onMetadata(state: ProducerState, response: MessageOf<'metadataResponse'>, context: Context, outbox: Outbox): void {
  takeTopics(state.leaders, response)
  for (const queue of state.queues.values()) {
    followLeader(state, queue, response.correlationId)
    pump(state, queue, context, outbox)
  }
}

/** Leaders that are silent, or were never to answer, are looked up again: another one may lead. */
function askAboutLeaders(state: ProducerState, context: Context, outbox: Outbox): void {
  if (state.leaders.doubted.size > 0) askForDoubted(state.leaders, state.nextCorrelationId++, context.uptime, outbox)
}

function requestProducerId(state: ProducerState, context: Context, outbox: Outbox): void {
  if (state.producerIdTimeoutAt >= 0) nextCoordinator(state.leaders.coordinators)
  state.producerIdTimeoutAt = context.uptime + Math.min(state.config.requestTimeoutMillis, PRODUCER_ID_MILLIS_MAX)
  const to = coordinatorOf(state.leaders.coordinators)
  outbox.push({ kind: 'send', to, message: { kind: 'initProducerId', correlationId: state.nextCorrelationId++ } })
  keepTicking(state, outbox)
}

function onProducerId(state: ProducerState, response: MessageOf<'initProducerIdResponse'>, context: Context, outbox: Outbox): void {
  if (state.producerId >= 0) return
  if (response.errorCode !== NONE) {
    state.producerIdTimeoutAt = -1
    return
  }
  state.producerId = response.producerId
  pumpAll(state, context, outbox)
}

// ── time ──

/** The timer runs only while something is outstanding. */
function keepTicking(state: ProducerState, outbox: Outbox): void {
  if (state.ticking) return
  state.ticking = true
  outbox.push({ kind: 'startTimer', timer: 'tick', afterMillis: state.config.retryBackoffMillis })
}

/** The next tick, or one before it. */
function hurry(state: ProducerState, afterMillis: number, outbox: Outbox): void {
  if (state.isHurrying || afterMillis >= state.config.retryBackoffMillis) return keepTicking(state, outbox)
  state.isHurrying = true
  state.ticking = true
  outbox.push({ kind: 'startTimer', timer: 'tick', afterMillis })
}

function onTick(state: ProducerState, context: Context, outbox: Outbox): void {
  state.ticking = false
  state.isHurrying = false
  const { uptime } = context
  let outstanding = advanceTransactions(state, context, outbox)
  const isAsking = state.transaction === null && state.isNumbering && state.producerId < 0
  if (isAsking && uptime >= state.producerIdTimeoutAt) requestProducerId(state, context, outbox)
  outstanding ||= isAsking
  for (const queue of state.queues.values()) {
    if (queue.batches.length === 0) continue
    expire(state, queue, context, outbox)
    pump(state, queue, context, outbox)
    if (isLeaderSilent(queue, uptime)) doubtTopic(state.leaders, queue.topic)
    outstanding ||= queue.batches.length > 0
  }
  askAboutLeaders(state, context, outbox)
  if (outstanding) keepTicking(state, outbox)
}

function expire(state: ProducerState, queue: PartitionQueue, context: Context, outbox: Outbox): void {
  let timedOut = false
  for (const one of queue.batches) {
    if (one.correlationId < 0 || context.uptime < one.sentAt + state.config.requestTimeoutMillis) continue
    takeInFlight(state, one.correlationId)
    timedOut = true
  }
  if (timedOut) forgetTopic(state.leaders, queue.topic)
  const expired = queue.batches.filter((one) => context.uptime >= one.deadline)
  // In a transaction the first takes the others with it.
  for (const one of expired) if (queue.batches.includes(one)) giveUp(state, queue, one, outbox)
  dropOrphans(state, queue)
}
