/**
 * Transactions as one partition sees them (KIP-98, KIP-890): where open ones begin, which are aborted, and what follows from that for readers of what is
 * committed. Whether a producer has one open is part of its entry (idempotence.ts), as of the high watermark and as of the log end; here is what readers need, as
 * of the high watermark.
 *
 *   offsets   … [ first batch of the oldest open transaction ……………… high watermark
 *               ▲ last stable offset: readers of what is committed stop here
 *
 * What it does not do: know the transactor, or what it has decided (that is coordinator/transactions).
 */
import { assert } from '../protocol/assert.ts'
import type { MarkedProducer } from '../protocol/control-record.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { AbortedTransaction } from '../protocol/messages/fetch.ts'
import { rememberBatch } from './idempotence.ts'
import type { NumberedBatch, ProducerEntry, ProducerStates } from './idempotence.ts'
import type { LogPosition } from './log.ts'

/** What readers need to know of transactions, as of the high watermark. */
export interface Transactions {
  /** Where those begin that are open, by producer id; the oldest comes first. */
  readonly open: Map<number, LogPosition>
  /** Those that are aborted, by the offset of their marker. */
  aborted: AbortedTransaction[]
}

/** Append it; or ask the transactor first; or refuse it with a Kafka error. */
export type TransactionCheck = 'append' | 'ask' | ErrorName

/** What becomes of a marker: it is appended; or it is there; or it comes from a transactor that is none any more, or from an administrator for what is not open. */
export type MarkerCheck = 'append' | 'duplicate' | 'TRANSACTION_COORDINATOR_FENCED' | 'INVALID_TXN_STATE'

/** A partition without transactions. */
export function noTransactions(): Transactions {
  return { open: new Map(), aborted: [] }
}

/** An independent copy. */
export function copyTransactions({ open, aborted }: Transactions): Transactions {
  return { open: new Map(open), aborted: [...aborted] }
}

/** Judges a batch whose sequence is right: the first of a transaction here is appended when the transactor knows of this partition. */
export function checkTransaction(states: ProducerStates, { producerId, producerEpoch, isTransactional }: NumberedBatch): TransactionCheck {
  const entry = states.get(producerId)
  const isOpen = entry !== undefined && entry.firstOffset >= 0
  if (!isTransactional) return isOpen ? 'INVALID_TXN_STATE' : 'append'
  return isOpen && entry.producerEpoch === producerEpoch ? 'append' : 'ask'
}

/**
 * The transaction of a lower epoch that is open although its transactor knows of the next one; null if there is none. All markers of the former one were acknowledged
 * then, so that of this partition is lost: with an unclean leader, or with a disk that does not sync what it acknowledges.
 */
export function hangingBefore(states: ProducerStates, { producerId, producerEpoch }: MarkedProducer): ProducerEntry | null {
  const entry = states.get(producerId)
  return entry !== undefined && entry.firstOffset >= 0 && entry.producerEpoch < producerEpoch ? entry : null
}

/**
 * Judges a marker. It raises the producer's epoch, so that what comes late is refused, and is therefore written where nothing is open, too. A producer whose epoch
 * has come so far has had it: the next transaction, whose epoch that may be, begins after all markers of the one before are written.
 */
export function checkMarker(states: ProducerStates, { producerId, producerEpoch }: MarkedProducer, coordinatorEpoch: number): MarkerCheck {
  const entry = states.get(producerId)
  if (entry === undefined) return 'append'
  if (coordinatorEpoch < entry.coordinatorEpoch) return 'TRANSACTION_COORDINATOR_FENCED'
  return producerEpoch > entry.producerEpoch ? 'append' : 'duplicate'
}

/** Whether the transaction is open that begins at that offset, and that this marker would end: not one before it, and not the next one. */
export function isOpenAt(states: ProducerStates, { producerId, producerEpoch }: MarkedProducer, startOffset: number): boolean {
  const entry = states.get(producerId)
  return entry !== undefined && entry.firstOffset === startOffset && entry.producerEpoch === producerEpoch - 1
}

/** Whether the transaction of that producer that began at that offset is aborted. */
export function isAborted(transactions: Transactions, producerId: number, startOffset: number): boolean {
  const found = abortedBetween(transactions, startOffset, startOffset + 1)
  return found.some((one) => one.producerId === producerId && one.firstOffset === startOffset)
}

/** Takes a batch into what is known as of the high watermark, which it now is below; `begin` is where it lies. */
export function noteCommitted(producers: ProducerStates, transactions: Transactions, batch: NumberedBatch, begin: LogPosition): void {
  const { producerId, baseOffset, marker } = batch
  const before = producers.get(producerId)?.firstOffset ?? -1
  rememberBatch(producers, batch)
  const after = producers.get(producerId)?.firstOffset ?? -1
  if (before < 0 && after >= 0) transactions.open.set(producerId, begin)
  if (before < 0 || after >= 0) return
  assert(before < baseOffset, 'T1 a marker lies behind what it ends')
  transactions.open.delete(producerId)
  if (marker !== null && !marker.committed) transactions.aborted.push({ producerId, firstOffset: before, lastOffset: baseOffset })
}

/** Where readers of what is committed stop: where the oldest open transaction begins, or the log, if that was deleted; without one at the high watermark. */
export function lastStablePosition({ open }: Transactions, highWatermark: LogPosition, logStartOffset: number): LogPosition {
  for (const begin of open.values()) {
    assert(begin.offset < highWatermark.offset, 'T2 what is open as of the high watermark begins below it')
    return begin.offset < logStartOffset ? { ...begin, offset: logStartOffset } : begin
  }
  return highWatermark
}

/** The aborted transactions that may have batches in a range of offsets; `end` is exclusive. */
export function abortedBetween({ aborted }: Transactions, begin: number, end: number): AbortedTransaction[] {
  let low = 0
  let high = aborted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((aborted[middle]?.lastOffset ?? 0) < begin) low = middle + 1
    else high = middle
  }
  const found: AbortedTransaction[] = []
  for (let i = low; i < aborted.length; i++) {
    const one = aborted[i]
    if (one !== undefined && one.firstOffset < end) found.push(one)
  }
  return found
}

/** Forgets aborted transactions all of whose batches are deleted. */
export function pruneAborted(transactions: Transactions, logStartOffset: number): void {
  const { aborted } = transactions
  const first = aborted[0]
  if (first === undefined || first.lastOffset >= logStartOffset) return
  transactions.aborted = aborted.filter(({ lastOffset }) => lastOffset >= logStartOffset)
}
