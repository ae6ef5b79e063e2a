// The header of Kafka's record batch, format v2 (KIP-98): where its fields are, how they are read and stamped in place, and whether
// a batch is whole. Nothing here decodes records: see record-batch-reader.ts, and record-batch-builder.ts for the other way.
//
//    0  baseOffset           i64 │ outside the CRC:         21  attributes       i16 │ from here to the end:
//    8  batchLength          i32 │ the leader stamps them   23  lastOffsetDelta  i32 │ inside the CRC
//   12  partitionLeaderEpoch i32 │ in place                 27  baseTimestamp    i64 │
//   16  magic = 2            i8  │                          35  maxTimestamp     i64 │
//   17  crc                  u32 │ CRC32C of 21..end        43  producerId       i64 │
//                                                           51  producerEpoch    i16 │
//   batchLength counts the bytes after itself, from 12 on;  53  baseSequence     i32 │
//   the attributes are, from bit 0 up: codec (3 bits),      57  recordCount      i32 │
//   log append time, transactional, control, delete horizon 61  records, compressed as one when a codec is set

import { readI16, readI32, readI64, readU32, writeI16, writeI32, writeI64 } from './bytes.ts'
import { compressionOf } from './compression.ts'
import type { Compression } from './compression.ts'
import { crc32cOf } from './crc32c.ts'
import type { LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp } from './ids.ts'

/** Where the fields of the header begin, in bytes from the start of the batch. */
export const FIELD = {
  baseOffset: 0,
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const

/** The size of the header: where the records begin. */
export const BATCH_HEADER_BYTES = 61

/** The bytes before the part that `batchLength` counts. */
export const LOG_OVERHEAD_BYTES = 12

/** The only format that is read and written. */
export const MAGIC_V2 = 2

/** Bits of the attributes. */
export const ATTRIBUTE = {
  codecMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const

/** Who set the timestamps of a batch: the producer, or the broker when it appended. */
export type TimestampType = 'CreateTime' | 'LogAppendTime'

/** Why some bytes are not a whole, sound batch. */
export type BatchDefect = 'truncated' | 'magic' | 'length' | 'crc' | 'count'

/** What `checkBatch` found. */
export type BatchCheck = { readonly ok: true; readonly sizeBytes: number } | { readonly ok: false; readonly reason: BatchDefect }

/** Whether every offset of the batch must have its record (`dense`, as produced), or compaction may have removed some (`sparse`). */
export type BatchDensity = 'dense' | 'sparse'

/** A header of a record; Kafka allows the same key more than once, and keeps their order. */
export type RecordHeader = { readonly key: string; readonly value: Uint8Array | null }

/** A record read from a log. Key, value and header values are views of the batch they came from: copy what must outlive it. */
export type LogRecord = {
  readonly offset: Offset
  readonly timestamp: Timestamp
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

/** Where a batch lies within a chunk of bytes. */
export type BatchPosition = { readonly at: number; readonly sizeBytes: number }

/** The offset of the first record. */
export function baseOffset(bytes: Uint8Array, at: number): Offset {
  return readI64(bytes, at)
}

/** The offset of the last record: the next batch begins at this + 1. */
export function lastOffset(bytes: Uint8Array, at: number): Offset {
  return readI64(bytes, at) + readI32(bytes, at + FIELD.lastOffsetDelta)
}

/** The size of the whole batch in bytes, header included; needs only the first 12 bytes of it. */
export function batchSizeBytes(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at + FIELD.batchLength) + LOG_OVERHEAD_BYTES
}

/** The epoch of the leader that appended the batch; -1 before one did. */
export function leaderEpoch(bytes: Uint8Array, at: number): LeaderEpoch {
  return readI32(bytes, at + FIELD.leaderEpoch)
}

/** The format version; 2 is the only one we know. */
export function magic(bytes: Uint8Array, at: number): number {
  return bytes[at + FIELD.magic]!
}

/** The checksum as it is written in the header (u32); `checkBatch` compares it with the bytes. */
export function crc(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + FIELD.crc)
}

/** The attribute bits; see ATTRIBUTE. */
export function attributes(bytes: Uint8Array, at: number): number {
  return readI16(bytes, at + FIELD.attributes)
}

/** The codec of the records section, or null for a number that means nothing. */
export function compression(bytes: Uint8Array, at: number): Compression | null {
  return compressionOf(attributes(bytes, at) & ATTRIBUTE.codecMask)
}

/** Who set the timestamps. */
export function timestampType(bytes: Uint8Array, at: number): TimestampType {
  return (attributes(bytes, at) & ATTRIBUTE.logAppendTime) === 0 ? 'CreateTime' : 'LogAppendTime'
}

/** Whether the batch belongs to a transaction. */
export function isTransactional(bytes: Uint8Array, at: number): boolean {
  return (attributes(bytes, at) & ATTRIBUTE.transactional) !== 0
}

/** Whether the batch is a control batch (the commit or abort marker of a transaction): consumers do not see its record. */
export function isControl(bytes: Uint8Array, at: number): boolean {
  return (attributes(bytes, at) & ATTRIBUTE.control) !== 0
}

/** The distance from the first to the last offset. */
export function lastOffsetDelta(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at + FIELD.lastOffsetDelta)
}

/** The timestamp of the first record as produced: the records' deltas count from it. */
export function baseTimestamp(bytes: Uint8Array, at: number): Timestamp {
  return readI64(bytes, at + FIELD.baseTimestamp)
}

/** The latest timestamp of the batch; with LogAppendTime the timestamp of all its records. */
export function maxTimestamp(bytes: Uint8Array, at: number): Timestamp {
  return readI64(bytes, at + FIELD.maxTimestamp)
}

/** The idempotent producer; -1 for none. */
export function producerId(bytes: Uint8Array, at: number): ProducerId {
  return readI64(bytes, at + FIELD.producerId)
}

/** The incarnation of the producer; some clients write 0 rather than -1 when there is no producer id. */
export function producerEpoch(bytes: Uint8Array, at: number): ProducerEpoch {
  return readI16(bytes, at + FIELD.producerEpoch)
}

/** The sequence number of the first record; meaningful only with a producer id. */
export function baseSequence(bytes: Uint8Array, at: number): Sequence {
  return readI32(bytes, at + FIELD.baseSequence)
}

/** How many records the batch says it holds. */
export function recordCount(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at + FIELD.recordCount)
}

/** Sets the offset of the first record; outside the CRC. */
export function stampBaseOffset(bytes: Uint8Array, at: number, offset: Offset): void {
  writeI64(bytes, at + FIELD.baseOffset, offset)
}

/** Sets the epoch of the leader that appends the batch; outside the CRC. */
export function stampLeaderEpoch(bytes: Uint8Array, at: number, epoch: LeaderEpoch): void {
  writeI32(bytes, at + FIELD.leaderEpoch, epoch)
}

/** Makes the broker's clock the timestamp of all records of the batch; takes the CRC again. */
export function stampLogAppendTime(bytes: Uint8Array, at: number, timestamp: Timestamp): void {
  writeI16(bytes, at + FIELD.attributes, attributes(bytes, at) | ATTRIBUTE.logAppendTime)
  writeI64(bytes, at + FIELD.maxTimestamp, timestamp)
  stampCrc(bytes, at)
}

/** Writes a producer's numbers into a finished batch; takes the CRC. */
export function stampProducer(bytes: Uint8Array, at: number, id: ProducerId, epoch: ProducerEpoch, sequence: Sequence): void {
  writeI64(bytes, at + FIELD.producerId, id)
  writeI16(bytes, at + FIELD.producerEpoch, epoch)
  writeI32(bytes, at + FIELD.baseSequence, sequence)
  stampCrc(bytes, at)
}

/** Takes the CRC of a finished batch and writes it into the header. */
export function stampCrc(bytes: Uint8Array, at: number): void {
  writeI32(bytes, at + FIELD.crc, computeCrc(bytes, at))
}

/**
 * Whether a whole, sound batch begins at `at`, of which `available` bytes are there (never more than the array holds).
 *
 * Checks length, magic, CRC and count, in that order of trust; says `truncated` when more bytes could still make it whole.
 * It does not decode the records, and never throws, whatever the bytes.
 */
export function checkBatch(bytes: Uint8Array, at: number, available: number, density: BatchDensity = 'dense'): BatchCheck {
  const present = Math.min(available, bytes.length - at)
  if (present < LOG_OVERHEAD_BYTES) return defect('truncated')
  const sizeBytes = batchSizeBytes(bytes, at)
  if (sizeBytes < BATCH_HEADER_BYTES) return defect('length')
  if (present <= FIELD.magic) return defect('truncated')
  if (magic(bytes, at) !== MAGIC_V2) return defect('magic')
  if (present < sizeBytes) return defect('truncated')
  if (computeCrc(bytes, at) !== crc(bytes, at)) return defect('crc')
  if (!isCountSound(bytes, at, density)) return defect('count')
  return { ok: true, sizeBytes }
}

/** The size of the whole batch at `at` by its header alone, or 0 if it is partial or its length is impossible. */
export function wholeBatchSize(bytes: Uint8Array, at: number): number {
  if (at + LOG_OVERHEAD_BYTES > bytes.length) return 0
  const sizeBytes = batchSizeBytes(bytes, at)
  return sizeBytes < BATCH_HEADER_BYTES || at + sizeBytes > bytes.length ? 0 : sizeBytes
}

/** The whole batches of a chunk, by their headers alone: stops before a partial batch or an impossible length. Checks no CRC. */
export function walkBatches(bytes: Uint8Array): BatchPosition[] {
  const batches: BatchPosition[] = []
  for (let at = 0, sizeBytes = 0; (sizeBytes = wholeBatchSize(bytes, at)) > 0; at += sizeBytes) {
    batches.push({ at, sizeBytes })
  }
  return batches
}

function isCountSound(bytes: Uint8Array, at: number, density: BatchDensity): boolean {
  const count = recordCount(bytes, at)
  const delta = lastOffsetDelta(bytes, at)
  if (density === 'dense') return count > 0 && count === delta + 1
  return count >= 0 && count <= delta + 1
}

function computeCrc(bytes: Uint8Array, at: number): number {
  return crc32cOf(bytes, at + FIELD.attributes, at + batchSizeBytes(bytes, at))
}

function defect(reason: BatchDefect): BatchCheck {
  return { ok: false, reason }
}
