// Builds one record batch at a time in a buffer of its own: the producer's hot path. Records are encoded once, on append; `finish`
// writes the header in front of them. The buffer is kept from batch to batch, so that memory is not allocated and zeroed again.
// It does not decide when a batch is full enough to send, and does not compress by itself (a Compressor is handed in).
//
//   record: length varint │ attributes i8 = 0 │ timestampDelta varlong │ offsetDelta varint │ keyLength varint (-1 = null) │ key
//           │ valueLength varint (-1 = null) │ value │ headerCount varint │ (keyLength, key, valueLength (-1 = null), value)*

import { assert } from './assert.ts'
import { varintSize, varlongSize, writeI16, writeI32, writeI64, writeVarint, writeVarlong } from './bytes.ts'
import { compressionId } from './compression.ts'
import type { Compression, Compressor } from './compression.ts'
import type { LeaderEpoch, ProducerEpoch, ProducerId, Sequence, Timestamp } from './ids.ts'
import { ATTRIBUTE, BATCH_HEADER_BYTES, FIELD, LOG_OVERHEAD_BYTES, MAGIC_V2, stampCrc } from './record-batch.ts'
import type { RecordHeader } from './record-batch.ts'
import { utf8Size, writeUtf8 } from './utf8.ts'

/** What the header of a finished batch says beyond its records. */
export type BatchHeader = {
  readonly compression?: Compression
  /** Needed for every codec but `'none'`. */
  readonly compressor?: Compressor
  /** -1 when not idempotent; then epoch and sequence are -1, too. */
  readonly producerId: ProducerId
  readonly producerEpoch: ProducerEpoch
  readonly baseSequence: Sequence
  readonly leaderEpoch?: LeaderEpoch
  readonly transactional?: boolean
  readonly control?: boolean
  /** False leaves the CRC to whoever stamps the producer's numbers. */
  readonly sealed?: boolean
}

/** The first buffer of a builder: small, so that thousands of idle partitions cost little; it doubles up to the capacity. */
const INITIAL_BYTES = 1024

/** The largest batch, header included: its length field is an i32. */
const BATCH_BYTES_MAX = 2 ** 31 - 1

/** Up to this size a loop copies faster than `TypedArray.set`, whose call costs about 16 ns (measured). */
const LOOP_COPY_BYTES_MAX = 16

/** An open record batch. Not shared: one owner, one batch at a time. */
export class RecordBatchBuilder {
  readonly #capacityBytes: number
  #bytes: Uint8Array
  /** Where `append` must ask for room: the end of the buffer or the capacity, whichever is nearer. */
  #roomEnd: number
  #compressed: Uint8Array = new Uint8Array(0)
  #sizeBytes = BATCH_HEADER_BYTES
  #count = 0
  #firstTimestamp = -1
  #maxTimestamp = -1

  /** `capacityBytes` is the size of the whole batch, header included, at which `append` begins to refuse. */
  constructor(capacityBytes: number) {
    assert(capacityBytes > BATCH_HEADER_BYTES, 'the capacity of a batch exceeds its header')
    this.#capacityBytes = capacityBytes
    assert(capacityBytes <= BATCH_BYTES_MAX, 'the capacity of a batch fits its length field')
    this.#bytes = new Uint8Array(Math.min(capacityBytes, INITIAL_BYTES))
    this.#roomEnd = this.#bytes.length
  }

  /** How many records the open batch holds. */
  get count(): number {
    return this.#count
  }

  /** The size of the open batch before compression, header included. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** The timestamp of the first record, -1 while the batch is empty. */
  get firstTimestamp(): Timestamp {
    return this.#firstTimestamp
  }

  /**
   * Encodes a record at the end of the open batch; key, value and headers are copied.
   *
   * Returns false, with nothing written, when the record does not fit a batch that already holds one; a record that is
   * larger than the capacity by itself makes the buffer grow.
   */
  append(timestamp: Timestamp, key: Uint8Array | null, value: Uint8Array | null, headers: readonly RecordHeader[] | undefined): boolean {
    assert(Number.isSafeInteger(timestamp), 'a timestamp is a whole number of milliseconds')
    const count = this.#count
    const timestampDelta = count === 0 ? 0 : timestamp - this.#firstTimestamp
    let bodyBytes = 1 + varlongSize(timestampDelta) + varintSize(count) + fieldSize(key) + fieldSize(value)
    bodyBytes += headers === undefined ? 1 : headersSize(headers)
    const begin = this.#sizeBytes
    const end = begin + varintSize(bodyBytes) + bodyBytes
    if (end > this.#roomEnd && !this.#makeRoom(end)) return false
    if (count === 0) this.#firstTimestamp = timestamp
    if (count === 0 || timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    const bytes = this.#bytes
    let at = writeVarint(bytes, begin, bodyBytes)
    bytes[at++] = 0
    at = writeVarlong(bytes, at, timestampDelta)
    at = writeVarint(bytes, at, count)
    at = writeField(bytes, at, key)
    at = writeField(bytes, at, value)
    if (headers === undefined) bytes[at] = 0
    else writeHeaders(bytes, at, headers)
    this.#sizeBytes = end
    this.#count = count + 1
    return true
  }

  /**
   * Completes the header, takes the CRC and returns the batch: a view of the builder's own memory, valid until the next
   * `append`, `finish` or `reset`. Base offset 0; the leader stamps the real one.
   */
  finish(header: BatchHeader): Uint8Array {
    assert(this.#count > 0, 'a batch holds at least one record')
    const codec = header.compression ?? 'none'
    const batch = codec === 'none' ? this.#bytes.subarray(0, this.#sizeBytes) : this.#compress(codec, header.compressor)
    writeI64(batch, FIELD.baseOffset, 0)
    writeI32(batch, FIELD.batchLength, batch.length - LOG_OVERHEAD_BYTES)
    writeI32(batch, FIELD.leaderEpoch, header.leaderEpoch ?? -1)
    batch[FIELD.magic] = MAGIC_V2
    writeI16(batch, FIELD.attributes, attributesOf(codec, header))
    writeI32(batch, FIELD.lastOffsetDelta, this.#count - 1)
    writeI64(batch, FIELD.baseTimestamp, this.#firstTimestamp)
    writeI64(batch, FIELD.maxTimestamp, this.#maxTimestamp)
    writeI64(batch, FIELD.producerId, header.producerId)
    writeI16(batch, FIELD.producerEpoch, header.producerEpoch)
    writeI32(batch, FIELD.baseSequence, header.baseSequence)
    writeI32(batch, FIELD.recordCount, this.#count)
    if (header.sealed !== false) stampCrc(batch, 0)
    return batch
  }

  /** Empties the batch and keeps the memory. */
  reset(): void {
    this.#sizeBytes = BATCH_HEADER_BYTES
    this.#count = 0
    this.#firstTimestamp = -1
    this.#maxTimestamp = -1
  }

  #makeRoom(neededBytes: number): boolean {
    if (neededBytes > this.#capacityBytes && this.#count > 0) return false
    if (neededBytes <= this.#bytes.length) return true
    assert(neededBytes <= BATCH_BYTES_MAX, 'the size of a batch fits its length field')
    const doubled = Math.min(this.#bytes.length * 2, this.#capacityBytes)
    const grown = new Uint8Array(Math.max(doubled, neededBytes))
    grown.set(this.#bytes.subarray(0, this.#sizeBytes))
    this.#bytes = grown
    this.#roomEnd = Math.min(grown.length, this.#capacityBytes)
    return true
  }

  #compress(codec: Compression, compressor: Compressor | undefined): Uint8Array {
    assert(compressor !== undefined, 'a codec needs a compressor')
    const records = compressor.compress(codec, this.#bytes.subarray(BATCH_HEADER_BYTES, this.#sizeBytes))
    const sizeBytes = BATCH_HEADER_BYTES + records.length
    if (this.#compressed.length < sizeBytes) this.#compressed = new Uint8Array(sizeBytes)
    this.#compressed.set(records, BATCH_HEADER_BYTES)
    return this.#compressed.subarray(0, sizeBytes)
  }
}

function attributesOf(codec: Compression, header: BatchHeader): number {
  const transactional = header.transactional === true ? ATTRIBUTE.transactional : 0
  return compressionId(codec) | transactional | (header.control === true ? ATTRIBUTE.control : 0)
}

function fieldSize(field: Uint8Array | null): number {
  return field === null ? 1 : varintSize(field.length) + field.length
}

function writeField(bytes: Uint8Array, at: number, field: Uint8Array | null): number {
  if (field === null) {
    bytes[at] = 1 // zigzag of -1
    return at + 1
  }
  const length = field.length
  const begin = writeVarint(bytes, at, length)
  if (length > LOOP_COPY_BYTES_MAX) bytes.set(field, begin)
  else for (let index = 0; index < length; index++) bytes[begin + index] = field[index]!
  return begin + length
}

function headersSize(headers: readonly RecordHeader[]): number {
  let size = varintSize(headers.length)
  for (const { key, value } of headers) {
    const keyBytes = utf8Size(key)
    size += varintSize(keyBytes) + keyBytes + fieldSize(value)
  }
  return size
}

function writeHeaders(bytes: Uint8Array, at: number, headers: readonly RecordHeader[]): void {
  let position = writeVarint(bytes, at, headers.length)
  for (const { key, value } of headers) {
    position = writeUtf8(bytes, writeVarint(bytes, position, utf8Size(key)), key)
    position = writeField(bytes, position, value)
  }
}
