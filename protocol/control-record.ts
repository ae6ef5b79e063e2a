/**
 * The record of a control batch: the marker that ends a transaction in one partition. Kafka's EndTransactionMarker.
 *
 *   key: version i16 = 0 │ type i16: 0 abort, 1 commit            value: version i16 = 0 │ coordinator epoch i32
 */
import { readI16 } from './bytes.ts'
import { readRecords } from './record-batch-reader.ts'

/** How a transaction ended. */
export type Marker = 'commit' | 'abort'

/** What the control batch at `at` says; null for a kind of control record that is not known. */
export function markerOf(bytes: Uint8Array, at: number): Marker | null {
  for (const { key } of readRecords(bytes, at)) {
    if (key === null || key.length < 4) return null
    const type = readI16(key, 2)
    return type === 1 ? 'commit' : type === 0 ? 'abort' : null
  }
  return null
}
