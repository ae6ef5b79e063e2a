/**
 * The parts of a record on their way into a batch: checked, and turned into bytes.
 */
import { KafkaError } from '../../protocol/errors.ts'
import type { RecordHeader } from '../../protocol/record-batch.ts'
import type { Partitioner, ProducerRecord } from './api.ts'
import { describe } from './options.ts'
import type { Serde } from './serdes.ts'

/** Lengths, deltas and attributes of a record: at most five varints, a varlong and a byte. */
const RECORD_OVERHEAD_BYTES_MAX = 36

/** The two lengths of a record header. */
const HEADER_OVERHEAD_BYTES_MAX = 10

/** What a function of the application has thrown, as our error. */
function failureOf(what: string, cause: unknown): KafkaError {
  return cause instanceof KafkaError
    ? cause
    : new KafkaError('SERIALIZATION_FAILED', `${what} has failed: ${cause instanceof Error ? cause.message : describe(cause)}`, { cause })
}

/** The bytes of a key or value. Throws SERIALIZATION_FAILED. */
function serialized<V>(what: 'key' | 'value', serde: Serde<V>, value: V): Uint8Array | null {
  let result: unknown
  try {
    result = serde.serialize(value)
  } catch (cause) {
    throw failureOf(`the serde of the ${what}`, cause)
  }
  if (result instanceof Uint8Array || result === null) return result
  throw new KafkaError('SERIALIZATION_FAILED', `the serde of the ${what} must return a Uint8Array or null`)
}

/** What a record takes in a batch, at most. */
export function recordBytes({
  key,
  value,
  headers,
}: {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[] | undefined
}): number {
  let sizeBytes = RECORD_OVERHEAD_BYTES_MAX + (key === null ? 0 : key.length) + (value === null ? 0 : value.length)
  for (const header of headers ?? []) sizeBytes += header.key.length * 3 + (header.value?.length ?? 0) + HEADER_OVERHEAD_BYTES_MAX
  return sizeBytes
}

/** The timestamp, if it is one. Throws INVALID_TIMESTAMP. */
export function checkTimestamp(timestamp: number): number {
  if (Number.isSafeInteger(timestamp) && timestamp >= 0) return timestamp
  throw new KafkaError('INVALID_TIMESTAMP', `a timestamp is a whole number of milliseconds since 1970, not ${describe(timestamp)}`)
}

const encoder = new TextEncoder()

/** Headers as a batch takes them. Throws INVALID_RECORD, SERIALIZATION_FAILED. */
function headersOf(headers: Readonly<Record<string, string | Uint8Array | null>>): RecordHeader[] {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers) || headers instanceof Map)
    throw new KafkaError('INVALID_RECORD', `headers must be an object of names and values, not ${describe(headers)}`)
  return Object.entries(headers).map(([key, value]) => {
    if (value === null || value instanceof Uint8Array) return { key, value }
    if (typeof value === 'string') return { key, value: encoder.encode(value) }
    throw new KafkaError('SERIALIZATION_FAILED', `the header ${JSON.stringify(key)} must be a text, bytes or null`)
  })
}

/** A record as it goes into a batch, and what is left to decide: its partition. */
export interface EncodedRecord<K, V> {
  readonly record: ProducerRecord<K, V>
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: RecordHeader[] | undefined
  readonly timestamp: number
}

/** Throws INVALID_RECORD for a field that no record has: a name that is mistyped would be lost without a word. A switch, for every record passes it. */
function checkFields(record: object): void {
  for (const field in record) {
    switch (field as keyof ProducerRecord) {
      case 'topic':
      case 'key':
      case 'value':
      case 'partition':
      case 'timestamp':
      case 'headers':
        break
      default:
        throw new KafkaError(
          'INVALID_RECORD',
          `a record has no field ${JSON.stringify(field)}; it has topic, key, value, headers, partition, timestamp`,
        )
    }
  }
}

/** Turns the parts of a record into bytes. Throws SERIALIZATION_FAILED, INVALID_RECORD, INVALID_TIMESTAMP. */
export function encodeRecord<K, V>(record: ProducerRecord<K, V>, key: Serde<K>, value: Serde<V>): EncodedRecord<K, V> {
  checkFields(record)
  return {
    record,
    key: record.key === undefined || record.key === null ? null : serialized('key', key, record.key),
    value: record.value === null ? null : serialized('value', value, record.value),
    headers: record.headers === undefined ? undefined : headersOf(record.headers),
    timestamp: record.timestamp === undefined ? Date.now() : checkTimestamp(record.timestamp),
  }
}

/** The partition that the application wants, if any. Throws SERIALIZATION_FAILED if its partitioner throws. */
export function chosenPartition<K, V>(
  record: ProducerRecord<K, V>,
  partitioner: Partitioner<K, V> | undefined,
  partitionCount: number,
): number | undefined {
  if (record.partition !== undefined || partitioner === undefined) return record.partition
  try {
    return partitioner(record, partitionCount)
  } catch (cause) {
    throw failureOf('the partitioner', cause)
  }
}

/** The same, independent of what the caller does with his record, its key and its value from now on. */
export function keepRecord<K, V>(encoded: EncodedRecord<K, V>): EncodedRecord<K, V> {
  const headers = encoded.headers?.map(({ key, value }) => ({ key, value: value === null ? null : value.slice() }))
  return { ...encoded, record: { ...encoded.record }, key: encoded.key?.slice() ?? null, value: encoded.value?.slice() ?? null, headers }
}
