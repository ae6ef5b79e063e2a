/**
 * Idempotent produce (KIP-98, KIP-360): each producer numbers its records per partition, the log takes them once and in order.
 * The last batches of each producer are remembered, so that a retry of any batch that may still be in flight is answered
 * with the offset it already has.
 */
import type { ErrorName } from '../protocol/errors.ts'

/** A producer may have this many batches in flight per partition; as many are remembered (Kafka's own number). */
export const IN_FLIGHT_BATCHES_MAX = 5

/** Producers remembered per partition; the ones that have been silent longest are forgotten first. */
export const PRODUCERS_MAX = 4096

/** Sequence numbers wrap to 0 after this one. */
const SEQUENCE_MAX = 2 ** 31 - 1

/** A batch that a producer has numbered. */
export interface NumberedBatch {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
}

/** What a partition knows of one producer: its epoch and its last batches, oldest first. */
export interface ProducerEntry {
  producerEpoch: number
  readonly batches: { readonly baseSequence: number; readonly lastSequence: number; readonly baseOffset: number }[]
}

/** By producer id; the producer that wrote last comes last. */
export type ProducerStates = Map<number, ProducerEntry>

/** Append it; or it is there already at `baseOffset`; or refuse it with a Kafka error. */
export type SequenceCheck =
  | { readonly verdict: 'append' }
  | { readonly verdict: 'duplicate'; readonly baseOffset: number }
  | { readonly verdict: 'refuse'; readonly error: ErrorName }

const APPEND: SequenceCheck = { verdict: 'append' }

/** Judges a batch against what has been appended so far, acknowledged or not. */
export function checkSequence(states: ProducerStates, batch: NumberedBatch): SequenceCheck {
  const entry = states.get(batch.producerId)
  if (entry === undefined) return batch.baseSequence === 0 ? APPEND : refuse('UNKNOWN_PRODUCER_ID')
  if (batch.producerEpoch < entry.producerEpoch) return refuse('INVALID_PRODUCER_EPOCH')
  if (batch.producerEpoch > entry.producerEpoch) return batch.baseSequence === 0 ? APPEND : refuse('OUT_OF_ORDER_SEQUENCE_NUMBER')
  for (const known of entry.batches) {
    if (known.baseSequence === batch.baseSequence && known.lastSequence === batch.lastSequence) {
      return { verdict: 'duplicate', baseOffset: known.baseOffset }
    }
  }
  const last = entry.batches[entry.batches.length - 1]
  if (last === undefined || batch.baseSequence === nextSequence(last.lastSequence)) return APPEND
  return refuse(isBefore(batch.baseSequence, last.lastSequence) ? 'DUPLICATE_SEQUENCE_NUMBER' : 'OUT_OF_ORDER_SEQUENCE_NUMBER')
}

/** Remembers a batch that has been appended. A batch that is remembered already (recovery reads some twice) changes nothing. */
export function rememberBatch(states: ProducerStates, batch: NumberedBatch): void {
  const known = states.get(batch.producerId)
  const last = known?.batches[known.batches.length - 1]
  if (last !== undefined && last.baseOffset >= batch.baseOffset) return
  const entry =
    known !== undefined && known.producerEpoch === batch.producerEpoch ? known : { producerEpoch: batch.producerEpoch, batches: [] }
  entry.batches.push({ baseSequence: batch.baseSequence, lastSequence: batch.lastSequence, baseOffset: batch.baseOffset })
  if (entry.batches.length > IN_FLIGHT_BATCHES_MAX) entry.batches.shift()
  states.delete(batch.producerId)
  states.set(batch.producerId, entry)
  if (states.size > PRODUCERS_MAX) forgetOldest(states)
}

/** An independent copy. */
export function copyStates(states: ProducerStates): ProducerStates {
  const copy: ProducerStates = new Map()
  for (const [producerId, entry] of states) copy.set(producerId, { producerEpoch: entry.producerEpoch, batches: [...entry.batches] })
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

function forgetOldest(states: ProducerStates): void {
  for (const producerId of states.keys()) {
    states.delete(producerId)
    return
  }
}

function refuse(error: ErrorName): SequenceCheck {
  return { verdict: 'refuse', error }
}
