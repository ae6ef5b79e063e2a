/**
 * Idempotent produce (KIP-98, KIP-360): each producer numbers its records per partition, the log takes them once and in order.
 * The last batches of each producer are remembered, so that a retry of any batch that may still be in flight is answered
 * with the offset it already has. An entry also says whether a transaction of its producer is open; the rules of transactions are in transactions.ts.
 */
import type { TransactionMarker } from '../protocol/control-record.ts'
import type { ErrorName } from '../protocol/errors.ts'

/** A producer may have this many batches in flight per partition; as many are remembered (Kafka's own number). */
export const IN_FLIGHT_BATCHES_MAX = 5

/** Producers remembered per partition; the ones that have been silent longest are forgotten first. */
export const PRODUCERS_MAX = 4096

/** Sequence numbers wrap to 0 after this one. */
const SEQUENCE_MAX = 2 ** 31 - 1

/** No sequence: a batch of a transaction that a coordinator writes, and every marker. */
export const NO_SEQUENCE = -1

/** A batch of a producer: numbered data, or the marker that ends a transaction. */
export interface NumberedBatch {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly isTransactional: boolean
  /** The largest of its records. */
  readonly maxTimestamp: number
  /** Null for data. */
  readonly marker: TransactionMarker | null
}

/** What a partition knows of one producer: its epoch and its last batches, oldest first; none after a marker. */
export interface ProducerEntry {
  producerEpoch: number
  readonly batches: { readonly baseSequence: number; readonly lastSequence: number; readonly baseOffset: number }[]
  /** Where its open transaction begins; -1 if none is open. */
  firstOffset: number
  /** Of the last marker's transactor; -1 if there was none. */
  coordinatorEpoch: number
  /** Of its last batch, a marker included; -1 where that was not seen since a checkpoint was read: it is not written there. */
  lastTimestamp: number
}

/** By producer id; the producer that wrote last comes last. */
export type ProducerStates = Map<number, ProducerEntry>

/** Append it; or it is there already at `baseOffset`; or refuse it with a Kafka error. */
export type SequenceCheck =
  | { readonly verdict: 'append' }
  | { readonly verdict: 'duplicate'; readonly baseOffset: number }
  | { readonly verdict: 'refuse'; readonly error: ErrorName }

const APPEND: SequenceCheck = { verdict: 'append' }

/**
 * Judges a batch against what has been appended so far, acknowledged or not. Where nothing is known of a producer, because all that it wrote is deleted, its first
 * outstanding batch goes on with any sequence: under another one, the same batch would be there twice where a former leader has it (KIP-360).
 */
export function checkSequence(states: ProducerStates, batch: NumberedBatch, isFirst = false): SequenceCheck {
  const entry = states.get(batch.producerId)
  if (entry !== undefined && batch.producerEpoch < entry.producerEpoch) return refuse('INVALID_PRODUCER_EPOCH')
  if (batch.isTransactional && batch.baseSequence === NO_SEQUENCE) return APPEND
  if (entry === undefined) return batch.baseSequence === 0 || isFirst ? APPEND : refuse('UNKNOWN_PRODUCER_ID')
  if (batch.producerEpoch > entry.producerEpoch) return batch.baseSequence === 0 ? APPEND : refuse('OUT_OF_ORDER_SEQUENCE_NUMBER')
  for (const known of entry.batches) {
    if (known.baseSequence === batch.baseSequence && known.lastSequence === batch.lastSequence) {
      return { verdict: 'duplicate', baseOffset: known.baseOffset }
    }
  }
  const last = entry.batches[entry.batches.length - 1]
  // After a marker the numbers begin anew.
  if (last === undefined) return batch.baseSequence === 0 ? APPEND : refuse('OUT_OF_ORDER_SEQUENCE_NUMBER')
  if (batch.baseSequence === nextSequence(last.lastSequence)) return APPEND
  return refuse(isBefore(batch.baseSequence, last.lastSequence) ? 'DUPLICATE_SEQUENCE_NUMBER' : 'OUT_OF_ORDER_SEQUENCE_NUMBER')
}

/** Remembers a batch that has been appended: the one place where it becomes state. One that is remembered already (recovery reads some twice) changes nothing. */
export function rememberBatch(states: ProducerStates, batch: NumberedBatch): void {
  const known = states.get(batch.producerId)
  const last = known?.batches[known.batches.length - 1]
  if (last !== undefined && last.baseOffset >= batch.baseOffset) return
  const entry = batch.marker === null ? entryAfterData(known, batch) : entryAfterMarker(batch, batch.marker)
  states.delete(batch.producerId)
  states.set(batch.producerId, entry)
  if (states.size > PRODUCERS_MAX) forgetOldest(states)
}

/** An independent copy. */
export function copyStates(states: ProducerStates): ProducerStates {
  const copy: ProducerStates = new Map()
  for (const [producerId, entry] of states) copy.set(producerId, { ...entry, batches: [...entry.batches] })
  return copy
}

/** The sequence number after one. */
export function nextSequence(sequence: number): number {
  return sequence === SEQUENCE_MAX ? 0 : sequence + 1
}

/** The sequence number of the last of `count` records. */
export function lastSequenceOf(baseSequence: number, count: number): number {
  const last = baseSequence + count - 1
  return last > SEQUENCE_MAX ? last - SEQUENCE_MAX - 1 : last
}

/** Whether a sequence lies in the half of the number circle that ends at `last`. */
function isBefore(sequence: number, last: number): boolean {
  const distance = (last - sequence + SEQUENCE_MAX + 1) % (SEQUENCE_MAX + 1)
  return distance < SEQUENCE_MAX / 2
}

function entryAfterData(known: ProducerEntry | undefined, batch: NumberedBatch): ProducerEntry {
  const { producerEpoch, baseSequence, lastSequence, baseOffset, maxTimestamp: lastTimestamp } = batch
  const { firstOffset = -1, coordinatorEpoch = -1 } = known ?? {}
  const isSameEpoch = known !== undefined && known.producerEpoch === producerEpoch
  const entry: ProducerEntry = isSameEpoch ? known : { producerEpoch, batches: [], firstOffset, coordinatorEpoch, lastTimestamp }
  entry.lastTimestamp = lastTimestamp
  if (baseSequence !== NO_SEQUENCE) entry.batches.push({ baseSequence, lastSequence, baseOffset })
  if (entry.batches.length > IN_FLIGHT_BATCHES_MAX) entry.batches.shift()
  if (batch.isTransactional && entry.firstOffset < 0) entry.firstOffset = baseOffset
  return entry
}

/** Nothing is open, and what is numbered begins anew: an aborted batch must not be taken for the one that is sent in its stead. */
function entryAfterMarker({ producerEpoch, maxTimestamp }: NumberedBatch, { coordinatorEpoch }: TransactionMarker): ProducerEntry {
  return { producerEpoch, batches: [], firstOffset: -1, coordinatorEpoch, lastTimestamp: maxTimestamp }
}

/** One with an open transaction stays: until its marker comes, readers must not pass it. */
function forgetOldest(states: ProducerStates): void {
  for (const [producerId, { firstOffset }] of states) {
    if (firstOffset >= 0) continue
    states.delete(producerId)
    return
  }
}

function refuse(error: ErrorName): SequenceCheck {
  return { verdict: 'refuse', error }
}
