/**
 * What a transactor answers, and what it writes before: one request about one transactional id, judged against what is committed of it (or what will be, when
 * the write in whose company it goes is). Kafka's rules for the second version of the protocol (KIP-890): an epoch has one transaction, and its end is asked for
 * by producer id and epoch, so that a late request never ends the next one (KAFKA-17754).
 */
import type { ErrorName } from '../../protocol/errors.ts'
import { TRANSACTIONAL_ID_LENGTH_MAX } from '../../protocol/messages/transaction.ts'
import { TRANSACTION_TIMEOUT_MILLIS_MAX } from '../../protocol/messages/transaction.ts'
import type {
  AddPartitionToTransactionRequest,
  EndTransactionRequest,
  InitTransactionsRequest,
} from '../../protocol/messages/transaction.ts'
import { currentLife, endedLife, isPrepared, newTransaction, prepared, raised, withPartition } from './transaction-state.ts'
import type { ProducerLife, Transaction } from './transaction-state.ts'

/** A transactional id that nobody has used for so long is forgotten (7 days, Kafka's transactional.id.expiration.ms). */
export const TRANSACTIONAL_ID_EXPIRATION_MILLIS = 604_800_000

/** Partitions of one transaction: its record must fit into a batch of `__transaction_state`, 1 MB, whatever the topics are called. */
export const PARTITIONS_PER_TRANSACTION_MAX = 2000

/** What the transactor itself asks for: an end of the transaction of that epoch, which is open for too long, or that an unused id is forgotten. */
export interface TransactorRequest {
  readonly kind: 'timeOutTransaction' | 'expireTransactionalId'
  readonly transactionalId: string
  readonly producerEpoch: number
}

/** A request about one transactional id. */
export type TransactionRequest = InitTransactionsRequest | AddPartitionToTransactionRequest | EndTransactionRequest | TransactorRequest

/** What to do with a request. An answer without an error carries the present life of the producer. */
export type TransactionRuling =
  | { readonly kind: 'answer'; readonly error: ErrorName | null }
  /** Answered when this is committed; null: a tombstone. */
  | { readonly kind: 'write'; readonly next: Transaction | null; readonly error: ErrorName | null }
  /** Asked again when the markers are written. */
  | { readonly kind: 'wait' }
  /** Asked again when there is a producer id that nobody has had. */
  | { readonly kind: 'needProducerId' }

/** What a ruling depends on beside the transactional id. */
export interface RulingCircumstances {
  /** Milliseconds since 1970. */
  readonly now: number
  /** A producer id that nobody has had; -1: there is none at hand. */
  readonly spareProducerId: number
}

const WAIT: TransactionRuling = { kind: 'wait' }

/** Judges one request; `transaction` is null where nobody has used the id, or it is forgotten. */
export function ruleTransaction(
  transaction: Transaction | null,
  request: TransactionRequest,
  circumstances: RulingCircumstances,
): TransactionRuling {
  switch (request.kind) {
    case 'initTransactions':
      return ruleInit(transaction, request, circumstances)
    case 'addPartitionToTransaction':
      return ruleAdd(transaction, request, circumstances)
    case 'endTransaction':
      return ruleEnd(transaction, request, circumstances)
    case 'timeOutTransaction':
      return ruleTimeOut(transaction, request, circumstances)
    case 'expireTransactionalId': {
      const isUnused = transaction?.producerEpoch === request.producerEpoch && transaction.state !== 'ongoing' && !isPrepared(transaction)
      return isUnused ? { kind: 'write', next: null, error: null } : answer(null)
    }
  }
}

// ── a new life of the producer ──

function ruleInit(
  transaction: Transaction | null,
  request: InitTransactionsRequest,
  { now, spareProducerId }: RulingCircumstances,
): TransactionRuling {
  const { transactionalId, transactionTimeoutMillis: timeoutMillis, initId, formerInitId } = request
  const refusal = refuseInit(request)
  if (refusal !== null) return answer(refusal)
  if (transaction === null) {
    if (spareProducerId < 0) return { kind: 'needProducerId' }
    return write({ ...newTransaction(transactionalId, spareProducerId, timeoutMillis, now), latestInitId: initId })
  }
  // It has begun already: whoever asks again is told the same. What was asked for before another life began may have come late, and is for nobody.
  if (transaction.latestInitId === initId) return answer(null)
  if (transaction.latestInitId !== formerInitId) return answer('CONCURRENT_TRANSACTIONS')
  if (isPrepared(transaction)) return WAIT
  if (transaction.state === 'ongoing') return write(prepared(transaction, false, 'fence', now, spareProducerId), 'CONCURRENT_TRANSACTIONS')
  return write(raised({ ...transaction, timeoutMillis, latestInitId: initId }, 'empty', now, spareProducerId))
}

function refuseInit({
  transactionalId,
  transactionTimeoutMillis: timeout,
  initId,
  formerInitId,
}: InitTransactionsRequest): ErrorName | null {
  const { length } = transactionalId
  if (length < 1 || length > TRANSACTIONAL_ID_LENGTH_MAX || !transactionalId.isWellFormed()) return 'INVALID_REQUEST'
  if (!Number.isSafeInteger(initId) || initId < 0 || !Number.isSafeInteger(formerInitId)) return 'INVALID_REQUEST'
  return !Number.isSafeInteger(timeout) || timeout < 1 || timeout > TRANSACTION_TIMEOUT_MILLIS_MAX ? 'INVALID_TRANSACTION_TIMEOUT' : null
}

// ── partitions ──

function ruleAdd(
  transaction: Transaction | null,
  request: AddPartitionToTransactionRequest,
  { now }: RulingCircumstances,
): TransactionRuling {
  const whose = transaction === null ? 'stranger' : lifeOf(transaction, request)
  if (transaction === null || whose === 'stranger') return answer('INVALID_PRODUCER_ID_MAPPING')
  // Its producer does not know yet that it took too long; it is not fenced, and goes on when it has aborted.
  if (whose === 'ended' && transaction.endedBy === 'timeout') return answer('INVALID_TXN_STATE')
  if (whose !== 'current') return answer('PRODUCER_FENCED')
  if (isPrepared(transaction)) return WAIT
  const { topic, topicId, partition } = request
  if (transaction.state === 'ongoing') {
    if (transaction.partitions.some((one) => one.topicId === topicId && one.partition === partition)) return answer(null)
    if (transaction.partitions.length >= PARTITIONS_PER_TRANSACTION_MAX) return answer('INVALID_REQUEST')
  }
  return write(withPartition(transaction, { topic, topicId, partition }, now))
}

// ── the end ──

function ruleEnd(
  transaction: Transaction | null,
  request: EndTransactionRequest,
  { now, spareProducerId }: RulingCircumstances,
): TransactionRuling {
  const whose = transaction === null ? 'stranger' : lifeOf(transaction, request)
  if (transaction === null || whose === 'stranger') return answer('INVALID_PRODUCER_ID_MAPPING')
  if (whose === 'fenced') return answer('PRODUCER_FENCED')
  const { committed } = request
  if (whose === 'ended') return ruleEndAgain(transaction, committed)
  if (isPrepared(transaction)) return WAIT
  if (transaction.state === 'ongoing') return write(prepared(transaction, committed, 'producer', now, spareProducerId))
  // Nothing was written that the transactor knows of; what may be on its way is fenced.
  return write(raised(transaction, committed ? 'completeCommit' : 'completeAbort', now, spareProducerId))
}

/** The answer to the first request may have been lost. One decision is made for an epoch. */
function ruleEndAgain({ state, endedBy }: Transaction, committed: boolean): TransactionRuling {
  if (endedBy === 'fence') return answer('PRODUCER_FENCED')
  const wasCommitted = state === 'prepareCommit' || state === 'completeCommit'
  return answer(committed === wasCommitted ? null : 'INVALID_TXN_STATE')
}

function ruleTimeOut(
  transaction: Transaction | null,
  { producerEpoch }: TransactorRequest,
  { now, spareProducerId }: RulingCircumstances,
): TransactionRuling {
  if (transaction?.state !== 'ongoing' || transaction.producerEpoch !== producerEpoch) return answer(null)
  return write(prepared(transaction, false, 'timeout', now, spareProducerId))
}

// ── whose request it is ──

type Whose = 'current' | 'ended' | 'fenced' | 'stranger'

/** `ended`: of the epoch whose transaction was ended last, and nothing has begun since. */
function lifeOf(transaction: Transaction, asked: ProducerLife): Whose {
  const { producerId, nextProducerId, previousProducerId } = transaction
  if (isSame(currentLife(transaction), asked)) return 'current'
  if (isSame(endedLife(transaction), asked)) return 'ended'
  return [producerId, nextProducerId, previousProducerId].includes(asked.producerId) && asked.producerId >= 0 ? 'fenced' : 'stranger'
}

function isSame(life: ProducerLife | null, { producerId, producerEpoch }: ProducerLife): boolean {
  return life !== null && life.producerId === producerId && life.producerEpoch === producerEpoch
}

function answer(error: ErrorName | null): TransactionRuling {
  return { kind: 'answer', error }
}

function write(next: Transaction | null, error: ErrorName | null = null): TransactionRuling {
  return next === null ? { kind: 'needProducerId' } : { kind: 'write', next, error }
}
