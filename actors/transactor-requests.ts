/**
 * How requests about one transactional id become records: they are judged in order (coordinator/transactions/transaction-rules.ts), one write at a time, and answered
 * when it is committed. Partitions that come while a write is under way are written together in the next one. What must wait for markers waits here, but not for long.
 */
import { encodeTransactionKey, encodeTransactionValue } from '../coordinator/transactions/transaction-record.ts'
import {
  PARTITIONS_PER_TRANSACTION_MAX,
  ruleTransaction,
  TRANSACTIONAL_ID_EXPIRATION_MILLIS,
} from '../coordinator/transactions/transaction-rules.ts'
import type { TransactionRequest, TransactorRequest } from '../coordinator/transactions/transaction-rules.ts'
import { completed, isPrepared } from '../coordinator/transactions/transaction-state.ts'
import type { Transaction } from '../coordinator/transactions/transaction-state.ts'
import { appendRequest } from '../coordinator/state-log.ts'
import { assert } from '../protocol/assert.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { Context, Outbox } from './actor.ts'
import { beginMarkers } from './transactor-markers.ts'
import { dropIfUnused, idOf, refusalOf, respond } from './transactor-state.ts'
import type { OpenAnswer, PendingTransaction, TransactionalId, TransactorState, WaitingRequest } from './transactor-state.ts'

/** A request waits so long for markers, or for its turn, before whoever asked is told to ask again: a small transaction is over by then. */
const WAIT_MILLIS = 500

/** Requests about one id that may wait; as many as one transaction may have partitions, whose leaders all ask at the same time. */
const QUEUE_MAX = PARTITIONS_PER_TRANSACTION_MAX

/** Transactional ids of one transactor, each with one open transaction at most: about a kilobyte each. Those that nobody uses go after a week. */
export const TRANSACTIONAL_IDS_MAX = 100_000

/** What the next write will hold. */
interface Draft {
  next: Transaction | null
  readonly answers: OpenAnswer[]
  /** Nothing more goes into it: what comes next depends on whether it is committed. */
  isClosed: boolean
}

/** Takes a request of a producer or a leader. */
export function onTransactionRequest(state: TransactorState, request: TransactionRequest, context: Context, outbox: Outbox): void {
  const { from, uptime } = context
  const refusal = refusalOf(state, uptime)
  if (refusal !== null) return respond({ request, from, error: refusal }, null, outbox)
  if (state.ids.size >= TRANSACTIONAL_IDS_MAX && !state.ids.has(request.transactionalId))
    return respond({ request, from, error: 'POLICY_VIOLATION' }, null, outbox)
  const entry = idOf(state, request.transactionalId, uptime)
  const error: ErrorName | null = entry.isUnreadable
    ? 'UNSUPPORTED_VERSION'
    : entry.queue.length >= QUEUE_MAX
      ? 'CONCURRENT_TRANSACTIONS'
      : null
  if (error !== null) return respond({ request, from, error }, null, outbox)
  entry.queue.push({ request, from, deadline: uptime + WAIT_MILLIS })
  drain(state, entry, context, outbox)
}

/** Judges what waits, and writes what comes of it, unless something is being written. */
export function drain(state: TransactorState, entry: TransactionalId, context: Context, outbox: Outbox): void {
  if (entry.pending !== null) return
  state.wanting.delete(entry.id)
  const { transaction } = entry
  const isDone = transaction !== null && isPrepared(transaction) && entry.markers.size === 0
  const draft: Draft = { next: isDone ? completed(transaction, context.now) : transaction, answers: [], isClosed: false }
  entry.queue = entry.queue.filter((waiting) => !take(state, entry, draft, waiting, context, outbox))
  if (draft.next === transaction) return dropIfUnused(state, entry)
  write(state, entry, draft, context, outbox)
}

/** Whether the request waits no more: it is answered, or is part of the write. */
function take(
  state: TransactorState,
  entry: TransactionalId,
  draft: Draft,
  waiting: WaitingRequest,
  { now }: Context,
  outbox: Outbox,
): boolean {
  const { request, from } = waiting
  if (draft.isClosed) return false
  const spareProducerId = state.producerIds[0] ?? -1
  const ruling = ruleTransaction(draft.next, request, { now, spareProducerId })
  const isChanged = draft.next !== entry.transaction
  switch (ruling.kind) {
    case 'wait':
      return false
    case 'needProducerId':
      state.wanting.add(entry.id)
      return false
    case 'answer':
      if (isChanged) draft.answers.push({ request, from, error: ruling.error })
      else respond({ request, from, error: ruling.error }, draft.next, outbox)
      return true
    case 'write':
      // Only partitions go together: each other change is committed before the next request is judged.
      draft.isClosed = request.kind !== 'addPartitionToTransaction'
      if (isChanged && draft.isClosed) return false
      if (usesProducerId(ruling.next, spareProducerId)) state.producerIds.shift()
      draft.next = ruling.next
      draft.answers.push({ request, from, error: ruling.error })
      return true
  }
}

function usesProducerId(next: Transaction | null, producerId: number): boolean {
  return producerId >= 0 && (next?.producerId === producerId || next?.nextProducerId === producerId)
}

function write(state: TransactorState, entry: TransactionalId, { next, answers }: Draft, { now }: Context, outbox: Outbox): void {
  assert(entry.pending === null, 'X6 one write of a transactional id is under way at a time')
  entry.pending = { next, answers }
  const correlationId = state.nextCorrelationId++
  state.pending.set(correlationId, entry.id)
  const record = { key: encodeTransactionKey(entry.id), value: next === null ? null : encodeTransactionValue(next) }
  outbox.push({ kind: 'send', to: state.log.replica, message: appendRequest(state.log, correlationId, [record], now) })
}

/** A write is committed: it counts, and whoever waits for it is answered. */
export function onCommitted(state: TransactorState, entry: TransactionalId, context: Context, outbox: Outbox): void {
  const { next, answers } = takePending(entry)
  const { transaction } = entry
  assert(next === null || transaction === null || isLater(next, transaction), 'X7 the epochs of a producer only grow')
  entry.transaction = next
  entry.usedSince = context.uptime
  if (next?.state === 'ongoing' && transaction?.state !== 'ongoing') entry.openSince = context.uptime
  for (const answer of answers) respond(answer, next, outbox)
  if (next !== null && isPrepared(next)) beginMarkers(state, entry, next, context, outbox)
  drain(state, entry, context, outbox)
}

/** A write was refused before it got into the log: nothing has changed, and nobody waits for it any more. */
export function onRefused(state: TransactorState, entry: TransactionalId, error: ErrorName, outbox: Outbox): void {
  for (const answer of takePending(entry).answers) respond({ ...answer, error }, null, outbox)
  dropIfUnused(state, entry)
}

function takePending(entry: TransactionalId): PendingTransaction {
  const { pending } = entry
  assert(pending !== null, 'X8 what is committed was being written')
  entry.pending = null
  return pending
}

function isLater(next: Transaction, former: Transaction): boolean {
  return next.producerId === former.producerId ? next.producerEpoch >= former.producerEpoch : next.producerEpoch === 0
}

/** What time brings: who waits for too long is told so, what is open for too long is aborted, and what nobody uses is forgotten. */
export function onTransactionsTick(state: TransactorState, context: Context, outbox: Outbox): void {
  for (const entry of state.ids.values()) {
    if (entry.queue.length > 0) sendAway(entry, context.uptime, outbox)
    const request = entry.pending === null ? dueRequest(entry, context.uptime) : null
    if (request !== null) entry.queue.push({ request, from: null, deadline: context.uptime + WAIT_MILLIS })
    if (entry.queue.length > 0 || (entry.transaction !== null && isPrepared(entry.transaction))) drain(state, entry, context, outbox)
  }
}

function sendAway(entry: TransactionalId, uptime: number, outbox: Outbox): void {
  const late = entry.queue.filter(({ deadline }) => uptime >= deadline)
  if (late.length === 0) return
  for (const waiting of late) respond({ ...waiting, error: 'CONCURRENT_TRANSACTIONS' }, null, outbox)
  entry.queue = entry.queue.filter(({ deadline }) => uptime < deadline)
}

function dueRequest({ id, transaction, openSince, usedSince, queue }: TransactionalId, uptime: number): TransactorRequest | null {
  if (transaction === null || isPrepared(transaction) || queue.some(({ from }) => from === null)) return null
  const { state, producerEpoch, timeoutMillis } = transaction
  if (state === 'ongoing') {
    const isDue = uptime - openSince >= timeoutMillis
    return isDue ? { kind: 'timeOutTransaction', transactionalId: id, producerEpoch } : null
  }
  const isDue = uptime - usedSince >= TRANSACTIONAL_ID_EXPIRATION_MILLIS
  return isDue ? { kind: 'expireTransactionalId', transactionalId: id, producerEpoch } : null
}
