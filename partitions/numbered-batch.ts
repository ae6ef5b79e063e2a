/**
 * What idempotence and transactions need to know of a batch, read from its header, and of a marker from its record.
 */
import { markerOf } from '../protocol/control-record.ts'
import * as batch from '../protocol/record-batch.ts'
import { lastSequenceOf } from './idempotence.ts'
import type { NumberedBatch } from './idempotence.ts'

/** The producer's numbers of the batch at `at`, with the base offset that it has or shall have; null without a producer, and for control batches that are no markers. */
export function numberedBatch(bytes: Uint8Array, at: number, baseOffset: number): NumberedBatch | null {
  const producerId = batch.producerId(bytes, at)
  if (producerId < 0) return null
  const marker = batch.isControl(bytes, at) ? markerOf(bytes, at) : null
  if (marker === null && batch.isControl(bytes, at)) return null
  const baseSequence = batch.baseSequence(bytes, at)
  return {
    producerId,
    producerEpoch: batch.producerEpoch(bytes, at),
    baseSequence,
    lastSequence: baseSequence < 0 ? baseSequence : lastSequenceOf(baseSequence, batch.lastOffsetDelta(bytes, at) + 1),
    baseOffset,
    isTransactional: batch.isTransactional(bytes, at),
    maxTimestamp: batch.maxTimestamp(bytes, at),
    marker,
  }
}
