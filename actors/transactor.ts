/**
 * The transactor: the coordinator of all transactions whose ids are hashed to one partition of `__transaction_state` (KIP-98). It lives where that partition is led,
 * for one reign. Requests are in transactor-requests.ts, markers in transactor-markers.ts; here it begins, keeps time, and asks for producer ids.
 *
 *   barrier (all that may be on its way to the log is decided) ─► loading (reads the partition) ─► active ─► deposed (a newer one was there before)
 *      ▲                                                                                            │
 *      └──────────────────────── a write failed, and may be in the log all the same ────────────────┘
 *
 * What was prepared when the former transactor ended goes on: its markers are sent again.
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { codeOf, errorOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { TransactionDescription } from '../protocol/messages/transaction.ts'
import { appendRequest, loadRequest, takeLoaded } from '../coordinator/state-log.ts'
import { decodeTransactionRecord } from '../coordinator/transactions/transaction-record.ts'
import type { TransactionRecord } from '../coordinator/transactions/transaction-record.ts'
import { isPrepared } from '../coordinator/transactions/transaction-state.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import { avoidCoordinator, coordinatorOf, followController, nextCoordinator, replaceCoordinators } from './coordinator-finder.ts'
import { giveUpRequest } from './leader-cache.ts'
import {
  areMarkersUnsent,
  beginMarkers,
  lookAgain,
  onMarkerTopics,
  onMarkersUnanswered,
  onMarkerUndeliverable,
  onMarkerWritten,
  pumpMarkers,
} from './transactor-markers.ts'
import { drain, onCommitted, onRefused, onTransactionRequest, onTransactionsTick } from './transactor-requests.ts'
import { barrier, forgetAll, idOf, newLog, newTransactorState, refusalOf } from './transactor-state.ts'
import type { TransactionalId, TransactorConfig, TransactorState } from './transactor-state.ts'

/** Pause before the log is tried again; it doubles up to the second. */
const LOAD_RETRY_MILLIS = 5
const LOAD_RETRY_MILLIS_MAX = 160

/** How often it is looked which transactions are open for too long. */
const TICK_MILLIS = 250

/** Pause before something is tried again that could not be sent: a marker, or the request for a producer id. */
const RETRY_MILLIS = 10

/** A coordinator that does not give out a producer id in this time is not asked again. */
const PRODUCER_ID_MILLIS_MAX = 1000

/** The behaviour of a transactor. */
export const actor: Actor<TransactorState, TransactorConfig> = {
  url: import.meta.url,
  start: newTransactorState,
  receive(state: TransactorState, message: Message, context: Context, outbox: Outbox): void {
    handle(state, message, context, outbox)
    lookAgain(state, context, outbox)
    askForProducerIds(state, context, outbox)
    keepRetrying(state, outbox)
  },
}

function handle(state: TransactorState, message: Message, context: Context, outbox: Outbox): void {
  switch (message.kind) {
    case 'started':
      // Answers to a former life must not be taken for answers to this one.
      state.nextCorrelationId += context.random
      outbox.push({ kind: 'startTimer', timer: 'tick', afterMillis: TICK_MILLIS })
      return load(state, context, outbox)
    case 'timerFired':
      return onTimer(state, message.timer, context, outbox)
    case 'leaseExtended':
      state.leaseUntil = message.until
      return
    case 'initTransactions':
    case 'addPartitionToTransaction':
    case 'endTransaction':
      return onTransactionRequest(state, message, context, outbox)
    case 'listTransactions':
      return onListTransactions(state, message, context, outbox)
    case 'produceResponse':
      return onWritten(state, message, context, outbox)
    case 'fetchResponse':
      return onLoaded(state, message, context, outbox)
    case 'writeTransactionMarkerResponse':
      return onMarker(state, message, context, outbox)
    case 'metadataResponse':
      for (const entry of onMarkerTopics(state, message, context, outbox)) drain(state, entry, context, outbox)
      return
    case 'initProducerIdResponse':
      return onProducerId(state, message, context, outbox)
    case 'notController':
      followController(state.leaders.coordinators, context.from.node, message.controller)
      return giveUpAsking(state, message.correlationId, outbox)
    case 'votersChanged':
      return replaceCoordinators(state.leaders.coordinators, message.voters)
    case 'nodeDown':
      return onNodeDown(state, message.node, context, outbox)
    case 'undeliverable':
      return onUndeliverable(state, message.correlationId, context, outbox)
    default:
      assert(false, `a transactor does not understand ${message.kind}`)
  }
}

// ── loading ──

/** Writes the barrier, or reads on. */
function load(state: TransactorState, { now }: Context, outbox: Outbox): void {
  if (state.phase !== 'barrier' && state.phase !== 'loading') return
  state.loadId = state.nextCorrelationId++
  const { log, loadId } = state
  const message = state.phase === 'barrier' ? appendRequest(log, loadId, barrier(), now) : loadRequest(log, loadId)
  outbox.push({ kind: 'send', to: log.replica, message })
}

function loadLater(state: TransactorState, outbox: Outbox): void {
  state.loadId = -1
  const afterMillis = Math.min(LOAD_RETRY_MILLIS * 2 ** state.loadFailures++, LOAD_RETRY_MILLIS_MAX)
  outbox.push({ kind: 'startTimer', timer: 'load', afterMillis })
}

function onLoaded(state: TransactorState, response: MessageOf<'fetchResponse'>, context: Context, outbox: Outbox): void {
  if (state.phase !== 'loading' || response.correlationId !== state.loadId) return
  const records = takeLoaded(state.log, response)
  if (records === null) return loadLater(state, outbox)
  state.loadFailures = 0
  for (const { key, value } of records) {
    const record = decodeTransactionRecord(key, value)
    if (record !== null) takeRecord(state, record, context)
  }
  if (!state.log.loaded) return load(state, context, outbox)
  state.phase = 'active'
  for (const entry of state.ids.values()) resume(state, entry, context, outbox)
}

/** The time of what is open goes on, as far as the clocks of two nodes agree. */
function takeRecord(state: TransactorState, { transactionalId, transaction }: TransactionRecord, { now, uptime }: Context): void {
  if (transaction === null) return void state.ids.delete(transactionalId)
  const entry = idOf(state, transactionalId, uptime)
  entry.isUnreadable = transaction === 'unreadable'
  if (transaction === 'unreadable') return
  entry.transaction = transaction
  entry.usedSince = uptime - Math.max(0, now - transaction.updatedAt)
  entry.openSince = uptime - Math.max(0, now - transaction.startedAt)
}

function resume(state: TransactorState, entry: TransactionalId, context: Context, outbox: Outbox): void {
  const { transaction } = entry
  if (transaction === null || entry.isUnreadable || !isPrepared(transaction)) return
  beginMarkers(state, entry, transaction, context, outbox)
  drain(state, entry, context, outbox)
}

// ── the log ──

function onWritten(state: TransactorState, response: MessageOf<'produceResponse'>, context: Context, outbox: Outbox): void {
  const { correlationId, errorCode } = response
  const error = errorCode === NONE ? null : errorOf(errorCode).name
  if (correlationId === state.loadId && state.phase === 'barrier') return onBarrier(state, error, context, outbox)
  const id = state.pending.get(correlationId)
  const entry = id === undefined ? undefined : state.ids.get(id)
  if (entry === undefined) return
  state.pending.delete(correlationId)
  if (error === null) return onCommitted(state, entry, context, outbox)
  // Refused before anything was appended.
  if (error === 'MESSAGE_TOO_LARGE') return onRefused(state, entry, error, outbox)
  if (error === 'NOT_ENOUGH_REPLICAS') return onRefused(state, entry, 'COORDINATOR_NOT_AVAILABLE', outbox)
  beginAnew(state, error, outbox)
}

function onBarrier(state: TransactorState, error: ErrorName | null, context: Context, outbox: Outbox): void {
  if (error !== null) {
    state.refusal = refusalFor(error)
    return loadLater(state, outbox)
  }
  state.refusal = 'COORDINATOR_LOAD_IN_PROGRESS'
  state.loadFailures = 0
  state.phase = 'loading'
  load(state, context, outbox)
}

/** A write may be in the log although it was refused, or lost: only the log can say what counts. */
function beginAnew(state: TransactorState, error: ErrorName, outbox: Outbox): void {
  forgetAll(state, 'NOT_COORDINATOR', outbox)
  state.phase = 'barrier'
  state.refusal = refusalFor(error)
  state.log = newLog(state.self, state.config)
  loadLater(state, outbox)
}

function refusalFor(error: ErrorName): ErrorName {
  return error === 'NOT_LEADER_OR_FOLLOWER' || error === 'FENCED_LEADER_EPOCH' ? 'NOT_COORDINATOR' : 'COORDINATOR_LOAD_IN_PROGRESS'
}

function onUndeliverable(state: TransactorState, correlationId: number, context: Context, outbox: Outbox): void {
  const { actor: name, node } = context.from
  if (name === COORDINATOR_ACTOR) {
    avoidCoordinator(state.leaders.coordinators, node)
    return giveUpAsking(state, correlationId, outbox)
  }
  if (onMarkerUndeliverable(state, correlationId, context)) return
  if (correlationId === state.loadId) return loadLater(state, outbox)
  if (state.pending.has(correlationId)) beginAnew(state, 'UNKNOWN_SERVER_ERROR', outbox)
}

/** Coordinators and leaders on that node will not answer. */
function onNodeDown(state: TransactorState, node: number, context: Context, outbox: Outbox): void {
  avoidCoordinator(state.leaders.coordinators, node)
  giveUpRequest(state.leaders)
  onMarkersUnanswered(state, node, context)
  retryLater(state, outbox)
}

// ── markers ──

function onMarker(state: TransactorState, response: MessageOf<'writeTransactionMarkerResponse'>, context: Context, outbox: Outbox): void {
  const ended = onMarkerWritten(state, response, context)
  if (ended === 'fenced') {
    state.phase = 'deposed'
    state.refusal = 'NOT_COORDINATOR'
    return forgetAll(state, 'NOT_COORDINATOR', outbox)
  }
  if (ended !== null) drain(state, ended, context, outbox)
}

// ── producer ids ──

/** One for each that wants one. */
function askForProducerIds(state: TransactorState, { uptime }: Context, outbox: Outbox): void {
  const { wanting, producerIds, producerIdAsks, leaders } = state
  if (wanting.size === 0) return
  for (const [correlationId, timeoutAt] of producerIdAsks) {
    if (uptime < timeoutAt) continue
    producerIdAsks.delete(correlationId)
    nextCoordinator(leaders.coordinators)
  }
  // What was given up is asked for again by the timer, not at once: two coordinators that name each other must not be asked without end.
  while (!state.isRetrying && producerIds.length + producerIdAsks.size < wanting.size) {
    const correlationId = state.nextCorrelationId++
    producerIdAsks.set(correlationId, uptime + PRODUCER_ID_MILLIS_MAX)
    outbox.push({ kind: 'send', to: coordinatorOf(leaders.coordinators), message: { kind: 'initProducerId', correlationId } })
  }
}

function onProducerId(state: TransactorState, response: MessageOf<'initProducerIdResponse'>, context: Context, outbox: Outbox): void {
  if (response.errorCode !== NONE) return giveUpAsking(state, response.correlationId, outbox)
  // An answer may come twice: nobody else may have the id.
  if (!state.producerIdAsks.delete(response.correlationId)) return
  state.producerIds.push(response.producerId)
  for (const id of [...state.wanting]) {
    const entry = state.ids.get(id)
    if (entry !== undefined && state.producerIds.length > 0) drain(state, entry, context, outbox)
  }
}

/** The coordinator of the cluster could not be asked: it is, after a pause. */
function giveUpAsking(state: TransactorState, correlationId: number, outbox: Outbox): void {
  if (!state.producerIdAsks.delete(correlationId)) giveUpRequest(state.leaders)
  retryLater(state, outbox)
}

// ── time ──

/** The timer runs only while something could not be sent. */
function keepRetrying(state: TransactorState, outbox: Outbox): void {
  const isShort = state.producerIds.length + state.producerIdAsks.size < state.wanting.size
  if (isShort || areMarkersUnsent(state)) retryLater(state, outbox)
}

function retryLater(state: TransactorState, outbox: Outbox): void {
  if (state.isRetrying) return
  state.isRetrying = true
  outbox.push({ kind: 'startTimer', timer: 'retry', afterMillis: RETRY_MILLIS })
}

function onTimer(state: TransactorState, timer: string, context: Context, outbox: Outbox): void {
  if (timer === 'load') return load(state, context, outbox)
  if (timer === 'retry') state.isRetrying = false
  for (const id of state.ending) {
    const entry = state.ids.get(id)
    if (entry !== undefined) pumpMarkers(state, entry, context, outbox)
  }
  if (timer !== 'tick') return
  outbox.push({ kind: 'startTimer', timer, afterMillis: TICK_MILLIS })
  if (state.phase === 'active') onTransactionsTick(state, context, outbox)
}

// ── what operators ask ──

function onListTransactions(
  state: TransactorState,
  { correlationId, mustBeWhole = false }: MessageOf<'listTransactions'>,
  context: Context,
  outbox: Outbox,
): void {
  const isPartial = mustBeWhole && [...state.ids.values()].some(({ isUnreadable }) => isUnreadable)
  const refusal = refusalOf(state, context.uptime) ?? (isPartial ? 'UNSUPPORTED_VERSION' : null)
  const ids = refusal === null ? [...state.ids.values()] : []
  const transactions = ids
    .flatMap((entry) => describe(entry, context.uptime) ?? [])
    .toSorted((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1))
  const errorCode = refusal === null ? NONE : codeOf(refusal)
  outbox.push({ kind: 'send', to: context.from, message: { kind: 'listTransactionsResponse', correlationId, errorCode, transactions } })
}

function describe({ id: transactionalId, transaction, openSince }: TransactionalId, uptime: number): TransactionDescription | null {
  if (transaction === null) return null
  const { state, producerId, producerEpoch, timeoutMillis, startedAt } = transaction
  const openMillis = startedAt < 0 ? -1 : uptime - openSince
  const partitions = transaction.partitions.map(({ topic, partition }) => ({ topic, partition }))
  return { transactionalId, state, producerId, producerEpoch, timeoutMillis, openMillis, partitions }
}
