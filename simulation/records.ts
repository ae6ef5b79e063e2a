/**
 * The records that simulated producers write: the first eight bytes of a value say which record it is, so that each can be recognised wherever it turns up; a
 * tombstone, which has no value, says so in a header.
 */
import { readU32, writeI32 } from '../protocol/bytes.ts'
import { RecordBatchBuilder } from '../protocol/record-batch-builder.ts'
import { readRecords } from '../protocol/record-batch-reader.ts'
import { baseOffset, checkBatch, lastOffset, walkBatches } from '../protocol/record-batch.ts'

/** A record that was read. */
export interface SeenRecord {
  readonly offset: number
  readonly value: number
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
export function buildBatch(values: readonly number[], sizeBytes: number, timestamp: number): Uint8Array {
  for (const value of values) {
    writeI32(scratch, 0, Math.floor(value / 0x1_0000_0000))
    writeI32(scratch, 4, value % 0x1_0000_0000)
    builder.append(timestamp, null, scratch.subarray(0, Math.min(VALUE_BYTES_MAX, Math.max(8, sizeBytes))), undefined)
  }
  const batch = builder.finish({ producerId: -1, producerEpoch: -1, baseSequence: -1 }).slice()
  builder.reset()
  return batch
}

/** One batch of records with keys; tombstones have no value. */
export function buildKeyedBatch(records: readonly KeyedRecord[], sizeBytes: number, timestamp: number): Uint8Array {
  const padding = Math.min(VALUE_BYTES_MAX, Math.max(8, sizeBytes))
  for (const { value, key, isTombstone } of records) {
    writeI32(scratch, 0, Math.floor(value / 0x1_0000_0000))
    writeI32(scratch, 4, value % 0x1_0000_0000)
    const keyBytes = Uint8Array.of(0x6b, key)
    if (isTombstone) builder.append(timestamp, keyBytes, null, [{ key: 'record', value: scratch.slice(0, 8) }])
    else builder.append(timestamp, keyBytes, scratch.subarray(0, padding), undefined)
  }
  const batch = builder.finish({ producerId: -1, producerEpoch: -1, baseSequence: -1 }).slice()
  builder.reset()
  return batch
}

/** All records of some whole batches, in order; null if a batch is not sound. */
export function readBatches(bytes: Uint8Array): SeenRecord[] | null {
  const seen: SeenRecord[] = []
  for (const { at, sizeBytes } of walkBatches(bytes)) {
    if (!checkBatch(bytes, at, sizeBytes, 'sparse').ok) return null
    for (const { offset, value, headers } of readRecords(bytes, at)) {
      const mark = value ?? headers[0]?.value ?? null
      seen.push({ offset, value: mark === null ? -1 : valueOf(mark) })
    }
  }
  return seen
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

function valueOf(bytes: Uint8Array): number {
  return readU32(bytes, 0) * 0x1_0000_0000 + readU32(bytes, 4)
}
