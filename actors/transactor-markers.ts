/**
 * Markers: when the end of a transaction is decided, the leader of each of its partitions is told, until each has answered that the marker is committed there. A
 * partition without a leader does not hold back the others, and a topic that is gone needs no marker. They are sent again after a fail-over: a marker counts once.
 */
import type { Transaction } from '../coordinator/transactions/transaction-state.ts'
import { replicaActor } from '../protocol/address.ts'
import { errorOf, NONE } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { Context, Outbox } from './actor.ts'
import { forgetLeader, forgetTopic, SILENCE_MILLIS, takeTopics, topicOrAsk } from './leader-cache.ts'
import type { MarkerTask, TransactionalId, TransactorState } from './transactor-state.ts'

/** A leader that does not answer for so long is looked up again: it may wait for its followers, so this is not short. */
const MARKER_TIMEOUT_MILLIS = 1000

/** Pause before a marker is sent again; it doubles up to the second. */
const MARKER_RETRY_MILLIS = 10
const MARKER_RETRY_MILLIS_MAX = 640

/** Sends a marker to each partition of the transaction, whose end is decided. */
export function beginMarkers(
  state: TransactorState,
  entry: TransactionalId,
  transaction: Transaction,
  context: Context,
  outbox: Outbox,
): void {
  for (const one of transaction.partitions)
    entry.markers.set(markerName(one), { ...one, correlationId: -1, timeoutAt: -1, retryAt: 0, failures: 0 })
  state.markerCount += entry.markers.size
  if (entry.markers.size > 0) state.ending.add(entry.id)
  pumpMarkers(state, entry, context, outbox)
}

/** Sends what may be sent now. */
export function pumpMarkers(state: TransactorState, entry: TransactionalId, context: Context, outbox: Outbox): void {
  for (const task of entry.markers.values()) {
    if (task.correlationId >= 0 && context.uptime >= task.timeoutAt) retryMarker(state, task, context)
    if (task.correlationId < 0 && context.uptime >= task.retryAt) sendMarker(state, entry, task, context, outbox)
  }
}

/** Whether a marker waits to be sent: for who leads, or for a pause to be over. */
export function areMarkersUnsent({ markerCount, markersSent }: TransactorState): boolean {
  return markerCount > markersSent.size
}

/** Asks who leads topics where a marker came to nothing; last, for what is known of them will do for other partitions. */
export function lookAgain(state: TransactorState, { uptime }: Context, outbox: Outbox): void {
  for (const topic of state.staleTopics) {
    forgetTopic(state.leaders, topic)
    topicOrAsk(state.leaders, topic, state.nextCorrelationId++, uptime, outbox)
  }
  state.staleTopics.clear()
}

/** A leader has answered. Says whose markers are all written now, if that is so; `fenced`: a newer transactor has been there. */
export function onMarkerWritten(
  state: TransactorState,
  { correlationId, errorCode }: MessageOf<'writeTransactionMarkerResponse'>,
  context: Context,
): TransactionalId | 'fenced' | null {
  const sent = takeSent(state, correlationId)
  if (sent === null) return null
  const { name } = errorOf(errorCode)
  if (name === 'TRANSACTION_COORDINATOR_FENCED') return 'fenced'
  // A later epoch was there already: so was this marker.
  if (errorCode === NONE || name === 'INVALID_PRODUCER_EPOCH' || name === 'PRODUCER_FENCED') return endMarker(state, sent.entry, sent.task)
  retryMarker(state, sent.task, context)
  return null
}

/** A leader is not there; says whether it was asked for a marker. */
export function onMarkerUndeliverable(state: TransactorState, correlationId: number, context: Context): boolean {
  const sent = takeSent(state, correlationId)
  if (sent !== null) retryMarker(state, sent.task, context)
  return sent !== null
}

/** A node is dead: it will not answer, and what it led is led by others, or soon will be. */
export function onMarkersUnanswered(state: TransactorState, node: number, context: Context): void {
  forgetLeader(state.leaders, node)
  state.gone = { node, until: context.uptime + SILENCE_MILLIS }
  for (const [correlationId, sent] of [...state.markersSent]) if (sent.node === node) onMarkerUndeliverable(state, correlationId, context)
}

/** Leaders are known, and which topics are gone. Those whose markers are all written, or not needed. */
export function onMarkerTopics(
  state: TransactorState,
  response: MessageOf<'metadataResponse'>,
  context: Context,
  outbox: Outbox,
): TransactionalId[] {
  takeTopics(state.leaders, response)
  const ending = [...state.ending].flatMap((id) => state.ids.get(id) ?? [])
  const ended: TransactionalId[] = []
  for (const entry of ending) {
    for (const task of entry.markers.values()) if (isGone(response, task) && endMarker(state, entry, task) !== null) ended.push(entry)
    pumpMarkers(state, entry, context, outbox)
  }
  return ended
}

/** Topic ids are not given twice: who knows of later ones, and not of this one, knows that it was deleted. */
function isGone({ topics, nextTopicId }: MessageOf<'metadataResponse'>, task: MarkerTask): boolean {
  const topic = topics.find((one) => one.topic === task.topic)
  if (topic === undefined || task.topicId >= nextTopicId) return false
  return topic.errorCode === NONE ? topic.topicId > task.topicId : errorOf(topic.errorCode).name === 'UNKNOWN_TOPIC_OR_PARTITION'
}

function sendMarker(
  state: TransactorState,
  { id, transaction }: TransactionalId,
  task: MarkerTask,
  { uptime }: Context,
  outbox: Outbox,
): void {
  const topic = topicOrAsk(state.leaders, task.topic, state.nextCorrelationId++, uptime, outbox)
  if (topic === null || transaction === null) return
  const leader = topic.topicId === task.topicId ? (topic.partitions[task.partition]?.leader ?? -1) : -1
  const isDead = leader === state.gone.node && uptime < state.gone.until
  if (leader < 0 || isDead) return backOff(state, task, uptime)
  const correlationId = state.nextCorrelationId++
  task.correlationId = correlationId
  task.timeoutAt = uptime + MARKER_TIMEOUT_MILLIS
  state.markersSent.set(correlationId, { id, name: markerName(task), node: leader })
  const { topicId } = task
  const { producerId, producerEpoch } = transaction
  const committed = transaction.state === 'prepareCommit'
  const coordinatorEpoch = state.config.leaderEpoch
  outbox.push({
    kind: 'send',
    to: { node: leader, actor: replicaActor(task.topic, task.partition) },
    message: { kind: 'writeTransactionMarker', correlationId, topicId, producerId, producerEpoch, committed, coordinatorEpoch },
  })
}

function retryMarker(state: TransactorState, task: MarkerTask, { uptime }: Context): void {
  state.markersSent.delete(task.correlationId)
  task.correlationId = -1
  backOff(state, task, uptime)
}

/** What is known of the topic may be old. */
function backOff(state: TransactorState, task: MarkerTask, uptime: number): void {
  state.staleTopics.add(task.topic)
  task.retryAt = uptime + Math.min(MARKER_RETRY_MILLIS * 2 ** task.failures++, MARKER_RETRY_MILLIS_MAX)
}

function takeSent(state: TransactorState, correlationId: number): { readonly entry: TransactionalId; readonly task: MarkerTask } | null {
  const sent = state.markersSent.get(correlationId)
  if (sent === undefined) return null
  state.markersSent.delete(correlationId)
  const entry = state.ids.get(sent.id)
  const task = entry?.markers.get(sent.name)
  return entry === undefined || task === undefined ? null : { entry, task }
}

/** The id, if that was its last. */
function endMarker(state: TransactorState, entry: TransactionalId, task: MarkerTask): TransactionalId | null {
  state.markersSent.delete(task.correlationId)
  if (entry.markers.delete(markerName(task))) state.markerCount--
  if (entry.markers.size > 0) return null
  state.ending.delete(entry.id)
  return entry
}

/** A topic that was deleted and made again has another id: both may be in one transaction. */
function markerName({ topic, topicId, partition }: Pick<MarkerTask, 'topic' | 'topicId' | 'partition'>): string {
  return `${topicPartitionName(topic, partition)} ${topicId}`
}
