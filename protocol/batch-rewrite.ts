/**
 * What compaction makes of a record batch: fewer records under the same offsets, a delete horizon (KIP-534), or none at all: an empty batch, which is a header
 * that only says which offsets it covers. A log stays without gaps between its batches (docs/decisions/0013).
 */
import { BATCH_HEADER_BYTES, ATTRIBUTE, FIELD, LOG_OVERHEAD_BYTES, MAGIC_V2, stampCrc } from './record-batch.ts'
import * as header from './record-batch.ts'
import { varlongSize, writeI16, writeI32, writeI64, writeVarint, writeVarlong } from './bytes.ts'
import type { Compressor } from './compression.ts'
import { RecordCursor } from './record-cursor.ts'

/** The widest that a timestamp delta and the length of its record can become beyond what they were. */
const GROWTH_BYTES_MAX = 14

/** An empty batch, by what it says. */
export interface EmptyBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly leaderEpoch: number
  readonly maxTimestamp: number
}

/** An empty batch that belongs to no producer. */
export function emptyBatch({ baseOffset, lastOffset, leaderEpoch, maxTimestamp }: EmptyBatch): Uint8Array {
  const bytes = new Uint8Array(BATCH_HEADER_BYTES)
  writeI64(bytes, FIELD.baseOffset, baseOffset)
  writeI32(bytes, FIELD.batchLength, BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES)
  writeI32(bytes, FIELD.leaderEpoch, leaderEpoch)
  bytes[FIELD.magic] = MAGIC_V2
  writeI32(bytes, FIELD.lastOffsetDelta, lastOffset - baseOffset)
  writeI64(bytes, FIELD.baseTimestamp, maxTimestamp)
  writeI64(bytes, FIELD.maxTimestamp, maxTimestamp)
  writeI64(bytes, FIELD.producerId, -1)
  writeI16(bytes, FIELD.producerEpoch, -1)
  writeI32(bytes, FIELD.baseSequence, -1)
  stampCrc(bytes, 0)
  return bytes
}

/** The batch at `at` without its records; what it says of its producer stays. It belongs to no transaction any more: nothing of it is left to decide. */
export function emptied(bytes: Uint8Array, at: number): Uint8Array {
  const left = bytes.slice(at, at + BATCH_HEADER_BYTES)
  writeI32(left, FIELD.batchLength, BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES)
  writeI16(left, FIELD.attributes, header.attributes(bytes, at) & ATTRIBUTE.logAppendTime)
  writeI64(left, FIELD.baseTimestamp, header.maxTimestamp(bytes, at))
  writeI32(left, FIELD.recordCount, 0)
  stampCrc(left, 0)
  return left
}

/**
 * Makes the empty batch at `at` begin at a later offset, in place: whoever has the offsets before it needs the rest of it only. False, with nothing changed, if
 * it has records, or does not hold the offset behind its first one.
 */
export function beginEmptyAt(bytes: Uint8Array, at: number, offset: number): boolean {
  const last = header.lastOffset(bytes, at)
  if (header.recordCount(bytes, at) !== 0 || header.baseOffset(bytes, at) >= offset || last < offset) return false
  writeI64(bytes, at + FIELD.baseOffset, offset)
  writeI32(bytes, at + FIELD.lastOffsetDelta, last - offset)
  stampCrc(bytes, at)
  return true
}

/** Which records of a batch stay, and until when the tombstones among them do. */
export interface Rewriting {
  /** The records section, decompressed. */
  readonly records: Uint8Array
  /** By index of the record: not 0 if it stays. */
  readonly keep: Uint8Array
  readonly keptCount: number
  /** The horizon to set; -1: the batch has one, or needs none. */
  readonly deleteHorizon: number
  readonly compressor: Compressor | undefined
}

/** The batch at `at` with those records only; there is one at least. Offsets and timestamps of the records stay. */
export function rewriteBatch(bytes: Uint8Array, at: number, rewriting: Rewriting): Uint8Array {
  const { keptCount, deleteHorizon, compressor } = rewriting
  const baseTimestamp = header.baseTimestamp(bytes, at)
  const newBase = deleteHorizon < 0 ? baseTimestamp : deleteHorizon
  const copied = copyRecords(rewriting, header.recordCount(bytes, at), baseTimestamp - newBase)
  const codec = header.compression(bytes, at) ?? 'none'
  const section = codec === 'none' || compressor === undefined ? copied.bytes : compressor.compress(codec, copied.bytes)
  const batch = new Uint8Array(BATCH_HEADER_BYTES + section.length)
  batch.set(bytes.subarray(at, at + BATCH_HEADER_BYTES))
  batch.set(section, BATCH_HEADER_BYTES)
  const attributes = header.attributes(bytes, at)
  writeI32(batch, FIELD.batchLength, batch.length - LOG_OVERHEAD_BYTES)
  writeI16(batch, FIELD.attributes, deleteHorizon < 0 ? attributes : attributes | ATTRIBUTE.deleteHorizon)
  writeI64(batch, FIELD.baseTimestamp, newBase)
  if ((attributes & ATTRIBUTE.logAppendTime) === 0) writeI64(batch, FIELD.maxTimestamp, newBase + copied.maxDelta)
  writeI32(batch, FIELD.recordCount, keptCount)
  stampCrc(batch, 0)
  return batch
}

/** The records that stay, each timestamp delta larger by `shift`; the largest of the deltas. */
function copyRecords(
  { records, keep, keptCount, deleteHorizon }: Rewriting,
  count: number,
  shift: number,
): { readonly bytes: Uint8Array; readonly maxDelta: number } {
  const target = new Uint8Array(records.length + (deleteHorizon < 0 ? 0 : keptCount * GROWTH_BYTES_MAX))
  const cursor = new RecordCursor(records, 0, records.length, count)
  let size = 0
  let maxDelta = -Infinity
  for (let i = 0; cursor.next(); i++) {
    if (keep[i] === 0) continue
    const delta = cursor.timestampDelta + shift
    if (delta > maxDelta) maxDelta = delta
    if (shift === 0) {
      target.set(records.subarray(cursor.begin, cursor.end), size)
      size += cursor.end - cursor.begin
      continue
    }
    const bodyBytes = 1 + varlongSize(delta) + cursor.end - cursor.restBegin
    size = writeVarint(target, size, bodyBytes)
    target[size++] = 0
    size = writeVarlong(target, size, delta)
    target.set(records.subarray(cursor.restBegin, cursor.end), size)
    size += cursor.end - cursor.restBegin
  }
  return { bytes: target.subarray(0, size), maxDelta }
}
