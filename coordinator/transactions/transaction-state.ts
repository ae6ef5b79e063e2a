/**
 * One transactional id as its transactor knows it, and how it may change (KIP-98, with the raised epochs of KIP-890). It does NOT say who may ask for what:
 * that is in transaction-rules.ts. A change counts when its record is committed in `__transaction_state`.
 *
 *   empty ──► ongoing ──► prepareCommit ──► completeCommit ──► ongoing …      markers are written between prepare and complete
 *                 └─────► prepareAbort ───► completeAbort
 *
 * Each end raises the epoch, and so does each new life of the producer. Where no epoch is left, another producer id follows.
 */
import { assert } from '../../protocol/assert.ts'
import type { TransactionStateName } from '../../protocol/messages/transaction.ts'

/** A partition in which a transaction has written. */
export interface TransactionPartition {
  readonly topic: string
  readonly topicId: number
  readonly partition: number
}

/** Who ended a transaction last: its producer, its time-out, or a new life of its producer. */
export type EndedBy = 'producer' | 'timeout' | 'fence'

/** One transactional id. */
export interface Transaction {
  readonly transactionalId: string
  readonly producerId: number
  /** The one that may be used; while an end is prepared, that of the markers. */
  readonly producerEpoch: number
  /** Follows when the end is complete, for this one has no epoch left; -1 otherwise. */
  readonly nextProducerId: number
  /** The producer id before this one; -1 if its last epoch is of the same id. */
  readonly previousProducerId: number
  readonly timeoutMillis: number
  readonly state: TransactionStateName
  readonly endedBy: EndedBy
  /** What the last life of the producer has begun with; -1: none has. */
  readonly latestInitId: number
  readonly partitions: readonly TransactionPartition[]
  /** When the transaction began that is open; milliseconds since 1970; -1: none is. */
  readonly startedAt: number
  /** When it changed last. */
  readonly updatedAt: number
}

/** A producer id in one of its epochs. */
export interface ProducerLife {
  readonly producerId: number
  readonly producerEpoch: number
}

/** The last epoch that a producer is given: that of the marker, one more, must fit into an i16. */
export const PRODUCER_EPOCH_MAX = 32_766

/** A transactional id that nobody has used yet. */
export function newTransaction(transactionalId: string, producerId: number, timeoutMillis: number, now: number): Transaction {
  assert(producerId >= 0, 'X1 a transactional id has a producer id of its own')
  return {
    transactionalId,
    producerId,
    producerEpoch: 0,
    nextProducerId: -1,
    previousProducerId: -1,
    timeoutMillis,
    state: 'empty',
    endedBy: 'producer',
    latestInitId: -1,
    partitions: [],
    startedAt: -1,
    updatedAt: now,
  }
}

/** Its end is decided, and the markers are not all written. */
export function isPrepared({ state }: Transaction): boolean {
  return state === 'prepareCommit' || state === 'prepareAbort'
}

/** What the producer may use now, or will when the markers are written. */
export function currentLife({ producerId, producerEpoch, nextProducerId }: Transaction): ProducerLife {
  return nextProducerId >= 0 ? { producerId: nextProducerId, producerEpoch: 0 } : { producerId, producerEpoch }
}

/** Under which the last transaction was ended; null if none was since the producer began. */
export function endedLife(transaction: Transaction): ProducerLife | null {
  const { state, producerId, producerEpoch, previousProducerId } = transaction
  if (!isPrepared(transaction) && state !== 'completeCommit' && state !== 'completeAbort') return null
  if (producerEpoch > 0) return { producerId, producerEpoch: producerEpoch - 1 }
  return { producerId: previousProducerId, producerEpoch: PRODUCER_EPOCH_MAX }
}

/** A partition more; the first begins the transaction. */
export function withPartition(transaction: Transaction, added: TransactionPartition, now: number): Transaction {
  assert(!isPrepared(transaction), 'X2 a transaction whose end is decided grows no more')
  const isOpen = transaction.state === 'ongoing'
  const partitions = isOpen ? [...transaction.partitions, added] : [added]
  const startedAt = isOpen ? transaction.startedAt : now
  return { ...transaction, state: 'ongoing', endedBy: 'producer', partitions, startedAt, updatedAt: now }
}

/** The end of an open transaction is decided. Null: its producer id has no epoch left, and another one is needed. */
export function prepared(
  transaction: Transaction,
  committed: boolean,
  endedBy: EndedBy,
  now: number,
  spareProducerId: number,
): Transaction | null {
  assert(transaction.state === 'ongoing', 'X3 one end is decided for a transaction')
  const isLast = transaction.producerEpoch >= PRODUCER_EPOCH_MAX
  if (isLast && spareProducerId < 0) return null
  return {
    ...transaction,
    state: committed ? 'prepareCommit' : 'prepareAbort',
    endedBy,
    producerEpoch: transaction.producerEpoch + 1,
    nextProducerId: isLast ? spareProducerId : -1,
    updatedAt: now,
  }
}

/** All markers are written. */
export function completed(transaction: Transaction, now: number): Transaction {
  assert(isPrepared(transaction), 'X4 what is complete was decided before')
  const { producerId, previousProducerId, nextProducerId, state } = transaction
  return {
    ...transaction,
    ...currentLife(transaction),
    previousProducerId: nextProducerId >= 0 ? producerId : previousProducerId,
    nextProducerId: -1,
    state: state === 'prepareCommit' ? 'completeCommit' : 'completeAbort',
    partitions: [],
    startedAt: -1,
    updatedAt: now,
  }
}

/** The next epoch where no transaction is open: a new life of the producer (empty), or an end of nothing. Null: another producer id is needed. */
export function raised(
  transaction: Transaction,
  state: 'empty' | 'completeCommit' | 'completeAbort',
  now: number,
  spareProducerId: number,
): Transaction | null {
  assert(transaction.state !== 'ongoing' && !isPrepared(transaction), 'X5 an open transaction is ended before the next epoch')
  const isLast = transaction.producerEpoch >= PRODUCER_EPOCH_MAX
  if (isLast && spareProducerId < 0) return null
  const { producerId, producerEpoch, previousProducerId } = transaction
  const life = isLast
    ? { producerId: spareProducerId, producerEpoch: 0, previousProducerId: producerId }
    : { producerId, producerEpoch: producerEpoch + 1, previousProducerId }
  return { ...transaction, ...life, state, endedBy: 'producer', updatedAt: now }
}
