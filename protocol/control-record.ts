/**
 * The record of a control batch: the marker that ends a transaction in one partition (Kafka's EndTransactionMarker). The batch says whose transaction it is.
 *
 *   key      version i16 = 0 │ type i16: 0 abort, 1 commit        value    version i16 = 0 │ coordinatorEpoch i32
 *
 * What it does not do: other types (Kafka's raft has some): they mean nothing here.
 */
import { readI16, readI32, writeI16, writeI32 } from './bytes.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'
import { decodeRecords } from './record-batch-reader.ts'

/** How a transaction has ended, and in which reign of its transactor. */
export interface TransactionMarker {
  readonly committed: boolean
  readonly coordinatorEpoch: number
}

/** Whose transaction a marker ends. */
export interface MarkedProducer {
  readonly producerId: number
  readonly producerEpoch: number
}

const KEY_BYTES = 4
const VALUE_BYTES = 6
const ABORT = 0
const COMMIT = 1

/** More than a marker takes: header, record, key and value. */
const BATCH_BYTES_MAX = 128

/** The control batch of a marker, without an offset yet. */
export function encodeMarker(marker: TransactionMarker, { producerId, producerEpoch }: MarkedProducer, timestamp: number): Uint8Array {
  const key = new Uint8Array(KEY_BYTES)
  writeI16(key, 2, marker.committed ? COMMIT : ABORT)
  const value = new Uint8Array(VALUE_BYTES)
  writeI32(value, 2, marker.coordinatorEpoch)
  const builder = new RecordBatchBuilder(BATCH_BYTES_MAX)
  builder.append(timestamp, key, value, undefined)
  return builder.finish({ producerId, producerEpoch, baseSequence: -1, transactional: true, control: true }).slice()
}

/** The marker that the control batch at `at` is; null if it is something else. */
export function markerOf(bytes: Uint8Array, at: number): TransactionMarker | null {
  const decoded = decodeRecords(bytes, at)
  const record = decoded.ok ? decoded.records[0] : undefined
  return record === undefined ? null : decodeMarker(record.key, record.value)
}

/** The marker that a control record is; null if it is something else, or nonsense. Fields that a newer version adds are left alone, as in Kafka. */
export function decodeMarker(key: Uint8Array | null, value: Uint8Array | null): TransactionMarker | null {
  if (key === null || value === null || key.length < KEY_BYTES || value.length < VALUE_BYTES) return null
  const type = readI16(key, 2)
  if (readI16(key, 0) < 0 || readI16(value, 0) < 0 || (type !== ABORT && type !== COMMIT)) return null
  return { committed: type === COMMIT, coordinatorEpoch: readI32(value, 2) }
}
