/**
 * The parts of a record on their way into a batch: checked, and turned into bytes.
 */
import { KafkaError } from '../../protocol/errors.ts'
import type { RecordHeader } from '../../protocol/record-batch.ts'
import type { Serde } from './serdes.ts'

/** Lengths, deltas and attributes of a record: at most five varints, a varlong and a byte. */
const RECORD_OVERHEAD_BYTES_MAX = 36

/** The two lengths of a record header. */
const HEADER_OVERHEAD_BYTES_MAX = 10

/** The bytes of a value. Throws SERIALIZATION_FAILED. */
export function serialized<V>(serde: Serde<V>, value: V): Uint8Array | null {
  const result = serde.serialize(value)
  if (result instanceof Uint8Array || result === null) return result
  throw new KafkaError('SERIALIZATION_FAILED', 'a serde must return a Uint8Array or null')
}

/** What a record takes in a batch, at most. */
export function recordBytes(key: Uint8Array | null, value: Uint8Array | null, headers: readonly RecordHeader[] | undefined): number {
  let sizeBytes = RECORD_OVERHEAD_BYTES_MAX + (key === null ? 0 : key.length) + (value === null ? 0 : value.length)
  for (const header of headers ?? []) sizeBytes += header.key.length * 3 + (header.value?.length ?? 0) + HEADER_OVERHEAD_BYTES_MAX
  return sizeBytes
}

/** The timestamp, if it is one. Throws INVALID_TIMESTAMP. */
export function checkTimestamp(timestamp: number): number {
  if (Number.isSafeInteger(timestamp) && timestamp >= 0) return timestamp
  throw new KafkaError('INVALID_TIMESTAMP', `a timestamp is a whole number of milliseconds since 1970, not ${String(timestamp)}`)
}

const encoder = new TextEncoder()

/** Headers as a batch takes them. Throws SERIALIZATION_FAILED. */
export function headersOf(headers: Readonly<Record<string, string | Uint8Array | null>>): RecordHeader[] {
  return Object.entries(headers).map(([key, value]) => {
    if (value === null || value instanceof Uint8Array) return { key, value }
    if (typeof value === 'string') return { key, value: encoder.encode(value) }
    throw new KafkaError('SERIALIZATION_FAILED', `the header ${JSON.stringify(key)} must be a text, bytes or null`)
  })
}
