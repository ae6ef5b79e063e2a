// Reads the records of a batch (format v2; the bytes of a record are drawn in record-batch-builder.ts): the consumer's hot path.
// Nothing is decoded before it is asked for; keys and values are views, not copies. The CRC is not checked here (checkBatch does), yet
// even with a sound CRC the records may be nonsense: then the reader says why, or throws KafkaError CORRUPT_MESSAGE where it iterates.

import { VarintReader } from './bytes.ts'
import { DECOMPRESSED_BYTES_MAX } from './compression.ts'
import type { Compressor } from './compression.ts'
import { KafkaError } from './errors.ts'
import type { ErrorName } from './errors.ts'
import type { Offset, Timestamp } from './ids.ts'
import * as header from './record-batch.ts'
import type { LogRecord, RecordHeader, TimestampType } from './record-batch.ts'
import { readUtf8 } from './utf8.ts'

/** The records of a batch, all of them, or why they cannot be had. */
export type RecordsDecoded =
  | { readonly ok: true; readonly records: LogRecord[] }
  | { readonly ok: false; readonly error: ErrorName; readonly reason: string }

/** Where it is not known which record of a batch it is. */
const UNKNOWN_TIMESTAMP = -1

/** A record found by its timestamp. */
export type OffsetAtTimestamp = { readonly offset: Offset; readonly timestamp: Timestamp }

/** The least bytes of a record: seven fields of one byte (length, attributes, two deltas, two lengths, header count). */
const RECORD_BYTES_MIN = 7

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([])

/** Decodes all records of the batch at `at`; never throws on bytes, whatever they are, and never answers with half of them. */
export function decodeRecords(bytes: Uint8Array, at: number, compressor?: Compressor): RecordsDecoded {
  try {
    return { ok: true, records: readRecords(bytes, at, compressor) }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    return { ok: false, error: error.name, reason: error.message }
  }
}

/** The records of the batch at `at`; throws KafkaError CORRUPT_MESSAGE, or what the compressor throws. */
export function readRecords(bytes: Uint8Array, at: number, compressor?: Compressor): LogRecord[] {
  return [...new RecordBatchView(bytes, at, compressor)]
}

/**
 * The first record at or after `from` with a timestamp >= the one given, or null if the batch has none.
 *
 * Where the records cannot be decoded (no compressor at hand, nonsense in the batch) it answers with the first offset of the batch, and UNKNOWN_TIMESTAMP:
 * too early by less than a batch, never too late. Never throws.
 */
export function findOffsetByTimestamp(batch: RecordBatchView, timestamp: Timestamp, from: Offset = 0): OffsetAtTimestamp | null {
  if (batch.maxTimestamp < timestamp || batch.count === 0 || batch.lastOffset < from) return null
  const offset = Math.max(batch.baseOffset, from)
  if (batch.timestampType === 'LogAppendTime') return { offset, timestamp: batch.maxTimestamp }
  const decoded = decodeRecords(batch.bytes, batch.at, batch.compressor)
  if (!decoded.ok) return { offset, timestamp: UNKNOWN_TIMESTAMP }
  const found = decoded.records.find((record) => record.timestamp >= timestamp && record.offset >= from)
  return found === undefined ? null : { offset: found.offset, timestamp: found.timestamp }
}

/** One batch within a chunk of bytes, whose records are decoded when somebody iterates over it. */
export class RecordBatchView implements Iterable<LogRecord> {
  readonly bytes: Uint8Array
  /** Where the batch begins in `bytes`. */
  readonly at: number
  readonly compressor: Compressor | undefined

  /** The caller knows that the whole batch is there: from `checkBatch`, `walkBatches` or `wholeBatchSize`. */
  constructor(bytes: Uint8Array, at: number, compressor?: Compressor) {
    this.bytes = bytes
    this.at = at
    this.compressor = compressor
  }

  get baseOffset(): Offset {
    return header.baseOffset(this.bytes, this.at)
  }

  get lastOffset(): Offset {
    return header.lastOffset(this.bytes, this.at)
  }

  get count(): number {
    return header.recordCount(this.bytes, this.at)
  }

  get sizeBytes(): number {
    return header.batchSizeBytes(this.bytes, this.at)
  }

  get baseTimestamp(): Timestamp {
    return header.baseTimestamp(this.bytes, this.at)
  }

  get maxTimestamp(): Timestamp {
    return header.maxTimestamp(this.bytes, this.at)
  }

  get timestampType(): TimestampType {
    return header.timestampType(this.bytes, this.at)
  }

  /** Whether this is the marker of a transaction rather than data. */
  get isControl(): boolean {
    return header.isControl(this.bytes, this.at)
  }

  /** Decodes record by record. Throws KafkaError CORRUPT_MESSAGE at the first that is malformed, or what the compressor throws. */
  *[Symbol.iterator](): Generator<LogRecord, undefined> {
    for (const reader = new RecordReader(this); reader.next();) {
      const { offset, timestamp, key, value, headers } = reader
      yield { offset, timestamp, key, value, headers }
    }
  }

  /** Before the first record. Throws as iterating does. */
  reader(): RecordReader {
    return new RecordReader(this)
  }
}

/** Goes through the records of a batch, and is the one that it stands at: its fields are overwritten by the next step. Nothing is allocated for a record but the views of its bytes. */
export class RecordReader implements LogRecord {
  offset: Offset = -1
  timestamp: Timestamp = -1
  key: Uint8Array | null = null
  value: Uint8Array | null = null
  headers: readonly RecordHeader[] = NO_HEADERS
  readonly #reader: VarintReader
  readonly #buffer: ArrayBufferLike
  readonly #batch: RecordBatchView
  readonly #baseOffset: Offset
  readonly #baseTimestamp: Timestamp
  /** The timestamp of all records, or -1 if each has its own. */
  readonly #logAppendTime: Timestamp
  readonly #lastOffsetDelta: number
  #remaining: number
  #previousDelta = -1

  constructor(batch: RecordBatchView) {
    const records = recordsSection(batch)
    this.#batch = batch
    this.#reader = new VarintReader(records, 0, records.length)
    this.#buffer = records.buffer
    this.#baseOffset = batch.baseOffset
    this.#baseTimestamp = batch.baseTimestamp
    this.#logAppendTime = batch.timestampType === 'LogAppendTime' ? batch.maxTimestamp : -1
    this.#lastOffsetDelta = header.lastOffsetDelta(batch.bytes, batch.at)
    this.#remaining = batch.count
    if (this.#remaining < 0 || this.#remaining * RECORD_BYTES_MIN > records.length) this.#fail('the count exceeds the bytes')
  }

  /** Steps to the next record; false behind the last one. Throws KafkaError CORRUPT_MESSAGE if it is malformed. */
  next(): boolean {
    const reader = this.#reader
    if (this.#remaining === 0) {
      if (reader.position !== reader.end) this.#fail('bytes follow the last record')
      return false
    }
    this.#remaining--
    const length = reader.varint()
    const end = reader.position + length
    if (length < RECORD_BYTES_MIN - 1 || end > reader.end) this.#fail('a record is cut off')
    reader.position++ // attributes: none are defined
    const timestampDelta = reader.varlong()
    const offsetDelta = reader.varint()
    const key = this.#field(end)
    const value = this.#field(end)
    const headerCount = reader.varint()
    const headers = headerCount === 0 ? NO_HEADERS : this.#headersOf(headerCount, end)
    if (reader.position !== end || reader.failed) this.#fail('a record has another length than it says')
    if (offsetDelta <= this.#previousDelta || offsetDelta > this.#lastOffsetDelta) this.#fail('offsets do not ascend')
    this.#previousDelta = offsetDelta
    this.offset = this.#baseOffset + offsetDelta
    this.timestamp = this.#logAppendTime >= 0 ? this.#logAppendTime : this.#baseTimestamp + timestampDelta
    this.key = key
    this.value = value
    this.headers = headers
    return true
  }

  #field(end: number): Uint8Array | null {
    const reader = this.#reader
    const length = reader.varint()
    if (length < 0) return length === -1 ? null : this.#fail('a length is negative')
    const begin = reader.position
    if (begin + length > end) this.#fail('a field is cut off')
    reader.position = begin + length
    return new Uint8Array(this.#buffer, reader.bytes.byteOffset + begin, length)
  }

  #headersOf(count: number, end: number): readonly RecordHeader[] {
    const reader = this.#reader
    // A header takes two bytes at least, which bounds the count before anything is allocated.
    if (count < 0 || count * 2 > end - reader.position) this.#fail('the header count exceeds the bytes')
    const headers: RecordHeader[] = []
    for (let index = 0; index < count; index++) {
      const length = reader.varint()
      const begin = reader.position
      if (length < 0 || begin + length > end) this.#fail('the key of a header is cut off')
      reader.position = begin + length
      headers.push({ key: readUtf8(reader.bytes, begin, begin + length), value: this.#field(end) })
    }
    return headers
  }

  #fail(what: string): never {
    throw corrupt(this.#batch, what)
  }
}

function recordsSection(batch: RecordBatchView): Uint8Array {
  const { bytes, at, compressor } = batch
  const records = bytes.subarray(at + header.BATCH_HEADER_BYTES, at + batch.sizeBytes)
  const codec = header.compression(bytes, at)
  if (codec === 'none') return records
  if (codec === null) throw corrupt(batch, 'the codec is unknown')
  if (compressor === undefined) {
    throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', `no compressor at hand to read a ${codec} batch`)
  }
  return compressor.decompress(codec, records, DECOMPRESSED_BYTES_MAX)
}

function corrupt(batch: RecordBatchView, what: string): KafkaError {
  const message = `the record batch at offset ${batch.baseOffset} is malformed: ${what}`
  return new KafkaError('CORRUPT_MESSAGE', message, { retriable: false })
}
