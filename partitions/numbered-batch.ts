/**
 * What idempotence needs to know of a batch, read from its header.
 */
import * as batch from '../protocol/record-batch.ts'
import { lastSequenceOf } from './idempotence.ts'
import type { NumberedBatch } from './idempotence.ts'

/** The producer's numbers of the batch at `at`, with the base offset that it has or shall have. */
export function numberedBatch(bytes: Uint8Array, at: number, baseOffset: number): NumberedBatch {
  const baseSequence = batch.baseSequence(bytes, at)
  return {
    producerId: batch.producerId(bytes, at),
    producerEpoch: batch.producerEpoch(bytes, at),
    baseSequence,
    lastSequence: lastSequenceOf(baseSequence, batch.lastOffsetDelta(bytes, at) + 1),
    baseOffset,
  }
}
