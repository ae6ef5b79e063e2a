/**
 * The records that simulated producers write: the first eight bytes of a value say which record it is, so that each can be recognised wherever it turns up; a
 * tombstone, which has no value, says so in a header.
 */
import { readU32, writeI32 } from '../protocol/bytes.ts'
import { RecordBatchBuilder } from '../protocol/record-batch-builder.ts'
import { markerOf } from '../protocol/control-record.ts'
import { readRecords } from '../protocol/record-batch-reader.ts'
import * as header from '../protocol/record-batch.ts'
import { baseOffset, checkBatch, lastOffset, walkBatches } from '../protocol/record-batch.ts'

/** A record that was read. A marker has a value below 0, which says how it ends its transaction, and is like no other one's. */
export interface SeenRecord {
  readonly offset: number
  readonly value: number
}

/** A batch that was read. */
export interface SeenBatch {
  readonly producerId: number
  readonly producerEpoch: number
  readonly isTransactional: boolean
  /** How a transaction ends here; null: it holds data. */
  readonly marker: 'commit' | 'abort' | null
  /** Compaction may have left some of them, or none. */
  readonly records: readonly SeenRecord[]
  /** The offsets that it covers; the end is exclusive. */
  readonly begin: number
  readonly end: number
}

/** A record of a compacted topic. */
export interface KeyedRecord {
  readonly value: number
  /** One byte. */
  readonly key: number
  readonly isTombstone: boolean
}

/** The largest value, padding included. */
const VALUE_BYTES_MAX = 1024

const builder = new RecordBatchBuilder(1024 * 1024)
const scratch = new Uint8Array(VALUE_BYTES_MAX)

/** One batch of records with these values, each padded to a size. */
export function buildBatch(values: readonly number[], sizeBytes: number, timestamp: number, transactional = false): Uint8Array {
  for (const value of values) {
    writeI32(scratch, 0, Math.floor(value / 0x1_0000_0000))
    writeI32(scratch, 4, value % 0x1_0000_0000)
    builder.append(timestamp, null, scratch.subarray(0, Math.min(VALUE_BYTES_MAX, Math.max(8, sizeBytes))), undefined)
  }
  const batch = builder.finish({ producerId: -1, producerEpoch: -1, baseSequence: -1, transactional }).slice()
  builder.reset()
  return batch
}

/** One batch of records with keys; tombstones have no value. */
export function buildKeyedBatch(records: readonly KeyedRecord[], sizeBytes: number, timestamp: number, transactional = false): Uint8Array {
  const padding = Math.min(VALUE_BYTES_MAX, Math.max(8, sizeBytes))
  for (const { value, key, isTombstone } of records) {
    writeI32(scratch, 0, Math.floor(value / 0x1_0000_0000))
    writeI32(scratch, 4, value % 0x1_0000_0000)
    const keyBytes = Uint8Array.of(0x6b, key)
    if (isTombstone) builder.append(timestamp, keyBytes, null, [{ key: 'record', value: scratch.slice(0, 8) }])
    else builder.append(timestamp, keyBytes, scratch.subarray(0, padding), undefined)
  }
  const batch = builder.finish({ producerId: -1, producerEpoch: -1, baseSequence: -1, transactional }).slice()
  builder.reset()
  return batch
}

/** All records of some whole batches, markers included, in order; null if a batch is not sound. */
export function readBatches(bytes: Uint8Array): SeenRecord[] | null {
  return readWhole(bytes)?.flatMap(({ records }) => records) ?? null
}

/** Some whole batches, in order; null if one is not sound. */
export function readWhole(bytes: Uint8Array): SeenBatch[] | null {
  const batches: SeenBatch[] = []
  for (const { at, sizeBytes } of walkBatches(bytes)) {
    if (!checkBatch(bytes, at, sizeBytes, 'sparse').ok) return null
    const found = header.isControl(bytes, at) ? markerOf(bytes, at) : null
    const marker = found === null ? null : found.committed ? 'commit' : 'abort'
    const records = [...readRecords(bytes, at)].map(({ offset, value, headers }) => {
      const mark = value ?? headers[0]?.value ?? null
      return { offset, value: marker !== null ? markerValue(offset, marker) : mark === null ? -1 : valueOf(mark) }
    })
    const producerId = header.producerId(bytes, at)
    const producerEpoch = header.producerEpoch(bytes, at)
    const isTransactional = header.isTransactional(bytes, at)
    batches.push({ producerId, producerEpoch, isTransactional, marker, records, ...extentOf(bytes, at) })
  }
  return batches
}

/** One past the last offset of some whole batches; -1 if there are none. */
export function endOfBatches(bytes: Uint8Array): number {
  const last = walkBatches(bytes).at(-1)
  return last === undefined ? -1 : lastOffset(bytes, last.at) + 1
}

/** The first offset and one past the last of the batch at `at`. */
export function extentOf(bytes: Uint8Array, at: number): { readonly begin: number; readonly end: number } {
  return { begin: baseOffset(bytes, at), end: lastOffset(bytes, at) + 1 }
}

function markerValue(offset: number, marker: 'commit' | 'abort'): number {
  return -2 - 2 * offset - (marker === 'commit' ? 1 : 0)
}

function valueOf(bytes: Uint8Array): number {
  return readU32(bytes, 0) * 0x1_0000_0000 + readU32(bytes, 4)
}
