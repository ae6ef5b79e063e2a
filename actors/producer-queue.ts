/**
 * The batches of a producer for one partition: their numbers, which of them are in flight, and when the next attempt is due. What may be sent
 * when is in producer.ts.
 */
import { replicaActor } from '../protocol/address.ts'
import { NONE } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { Submit } from '../protocol/messages/client.ts'
import type { TransactionOf } from '../protocol/messages/transaction.ts'
import * as batch from '../protocol/record-batch.ts'
import { PRODUCER_EPOCH_MAX } from '../coordinator/transactions/transaction-state.ts'
import { lastSequenceOf, nextSequence } from '../partitions/idempotence.ts'
import type { Context, Outbox } from './actor.ts'
import { awaitTiming, chargeQuota } from './client-quota.ts'
import { forgetTopic, hasMoved, isGone, SILENCE_MILLIS } from './leader-cache.ts'
import type { LeaderCache } from './leader-cache.ts'
import type { OutgoingBatch, PartitionQueue, ProducerState } from './producer-state.ts'

/** Longest pause between two attempts: within a process, another one costs little. */
const RETRY_BACKOFF_MAX_MILLIS = 250

/** Shortest pause between two looks for a leader. */
const LOOK_MILLIS_MIN = 5

/** The pause stops doubling after so many failures. */
const FAILURES_MAX = 16

/** The queue of a partition, made when it is asked for first. */
export function queueOf(state: ProducerState, topic: string, partition: number): PartitionQueue {
  const name = topicPartitionName(topic, partition)
  const known = state.queues.get(name)
  if (known !== undefined) return known
  const queue: PartitionQueue = {
    topic,
    partition,
    topicId: -1,
    leader: -1,
    leaderEpoch: -1,
    goneUntil: 0,
    batches: [],
    submitted: 0,
    producerEpoch: state.transaction?.producerEpoch ?? 0,
    nextSequence: 0,
    inFlight: 0,
    retryAt: 0,
    failures: 0,
    doubtedFrom: -1,
  }
  state.queues.set(name, queue)
  return queue
}

/** A batch joins the end of its queue. */
export function enqueue(state: ProducerState, queue: PartitionQueue, { token, records, acks }: Submit, context: Context): void {
  // What failed for the batches that are gone says nothing about this one.
  if (queue.batches.length === 0) queue.failures = 0
  queue.batches.push({
    token,
    ordinal: queue.submitted++,
    records,
    count: batch.recordCount(records, 0),
    acks: acks ?? state.config.acks,
    deadline: context.uptime + state.config.deliveryTimeoutMillis,
    sequence: -1,
    correlationId: -1,
    sentFirst: false,
    isOrphan: false,
    refusal: null,
    reason: null,
    isAppended: false,
    sentAt: -1,
  })
}

/** Gives a batch the next numbers of its partition. */
export function number(state: ProducerState, queue: PartitionQueue, one: OutgoingBatch): void {
  one.sequence = queue.nextSequence
  if (!state.config.isIdempotent) return batch.stampProducer(one.records, 0, -1, -1, -1)
  queue.nextSequence = nextSequence(lastSequenceOf(one.sequence, one.count))
  batch.stampProducer(one.records, 0, state.producerId, queue.producerEpoch, one.sequence)
}

/** A batch goes on its way, under a new correlation id. */
export function putInFlight(state: ProducerState, queue: PartitionQueue, one: OutgoingBatch, context: Context): void {
  one.sentFirst = one === queue.batches[0]
  one.correlationId = state.nextCorrelationId++
  one.sentAt = context.uptime
  state.inFlight.set(one.correlationId, { queue, batch: one })
  queue.inFlight++
}

/** The batch goes out, and is counted where quotas are. True if nothing more may go before that: then the other partitions come first. */
export function send(
  state: ProducerState,
  queue: PartitionQueue,
  one: OutgoingBatch,
  transaction: TransactionOf | null,
  { uptime }: Context,
  outbox: Outbox,
): boolean {
  const { topic, topicId, partition, leader, leaderEpoch } = queue
  const { acks, records, sentFirst: isFirst } = one
  // Without acknowledgements it has no id: only its time is answered.
  const correlationId = one.correlationId >= 0 || state.quota?.isTimed !== true ? one.correlationId : state.nextCorrelationId++
  const asked = { correlationId, topicId, leaderEpoch, acks, transaction, isFirst, records }
  awaitTiming(state.quota, correlationId, uptime)
  outbox.push({ kind: 'send', to: { node: leader, actor: replicaActor(topic, partition) }, message: { kind: 'produce', ...asked } })
  if (!chargeQuota(state.quota, records.length, outbox)) return false
  const name = topicPartitionName(topic, partition)
  state.queues.delete(name)
  state.queues.set(name, queue)
  return true
}

/** The batch whose request is over; null if nobody waits for it any more. */
export function takeInFlight(
  state: ProducerState,
  correlationId: number,
): { readonly queue: PartitionQueue; readonly batch: OutgoingBatch } | null {
  const sent = state.inFlight.get(correlationId)
  if (sent === undefined) return null
  state.inFlight.delete(correlationId)
  sent.batch.correlationId = -1
  sent.queue.inFlight--
  return sent
}

/** Nobody will answer what is in flight: it is to be sent again, in order. */
export function takeBack(state: ProducerState, queue: PartitionQueue): void {
  for (const one of queue.batches) if (one.correlationId >= 0) takeInFlight(state, one.correlationId)
}

/**
 * Where the partition has moved, what is in flight is taken back, and nothing waits for the end of a pause: the new leader has refused nothing yet. Where it is gone, what is
 * in flight is taken back, too: it is looked up once more, and fails. Once more: an answer to what was asked before is no other look, however late it comes.
 */
export function followLeader(state: ProducerState, queue: PartitionQueue, correlationId: number): void {
  if (isGone(state.leaders, queue)) {
    if (correlationId < queue.doubtedFrom) forgetTopic(state.leaders, queue.topic)
    return takeBack(state, queue)
  }
  if (!hasMoved(state.leaders, queue) && !isMadeAnew(state.leaders, queue)) return
  takeBack(state, queue)
  queue.goneUntil = 0
  queue.retryAt = 0
  queue.failures = 0
}

/** Whether what is in flight asks a former topic of that name: nobody will answer it, although the leader and its epoch may be the same in the new one. */
function isMadeAnew({ topics }: LeaderCache, { topic, topicId, inFlight }: PartitionQueue): boolean {
  const known = topics.get(topic)
  return inFlight > 0 && known !== undefined && known.errorCode === NONE && known.topicId !== topicId
}

/** Whether the leader owes an answer for so long that it may be dead. */
export function isLeaderSilent(queue: PartitionQueue, uptime: number): boolean {
  if (queue.inFlight === 0) return false
  const oldest = queue.batches.find(({ correlationId }) => correlationId >= 0)
  return oldest !== undefined && uptime - oldest.sentAt >= SILENCE_MILLIS
}

/**
 * The numbers of this partition begin anew under a higher epoch; what was numbered is numbered again, in order. Only when the leader has
 * shown that it has none of those batches: one whose outcome is unknown would be appended twice.
 */
export function startEpoch(state: ProducerState, queue: PartitionQueue): void {
  queue.producerEpoch++
  queue.nextSequence = 0
  takeBack(state, queue)
  for (const one of queue.batches) one.sequence = -1
}

/**
 * Who submitted them does not wait for these batches any more, and no others have numbers: they are not sent again, for what is reported as failed should not be written long after. They may be in
 * the log, or a copy may be on its way, so that the numbers begin anew under a higher epoch, which shuts out what comes late (as Kafka's producer does, KIP-360).
 */
export function dropOrphans(state: ProducerState, queue: PartitionQueue): void {
  const { batches } = queue
  if (batches[0]?.isOrphan !== true || queue.producerEpoch >= PRODUCER_EPOCH_MAX) return
  if (batches.some(({ isOrphan, sequence }) => !isOrphan && sequence >= 0)) return
  startEpoch(state, queue)
  const live = batches.findIndex(({ isOrphan }) => !isOrphan)
  batches.splice(0, live < 0 ? batches.length : live)
}

/** Nobody leads: when to look again, which is soon at first, for an election takes a moment. Answers with the pause. */
export function awaitLeader(queue: PartitionQueue, context: Context): number {
  const pause = Math.min(LOOK_MILLIS_MIN * 2 ** queue.failures, RETRY_BACKOFF_MAX_MILLIS)
  queue.failures = Math.min(queue.failures + 1, FAILURES_MAX)
  queue.retryAt = context.uptime + pause
  return pause
}

/** The next attempt waits, longer each time. All batches that are refused during a pause are one failure. */
export function backOff(state: ProducerState, queue: PartitionQueue, context: Context): void {
  if (context.uptime < queue.retryAt) return
  const { retryBackoffMillis } = state.config
  const pause = Math.min(retryBackoffMillis * 2 ** queue.failures, RETRY_BACKOFF_MAX_MILLIS)
  queue.failures = Math.min(queue.failures + 1, FAILURES_MAX)
  queue.retryAt = context.uptime + pause + (context.random % retryBackoffMillis)
}
