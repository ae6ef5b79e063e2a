/**
 * Records and batches as the public consumer hands them out.
 */
import type { TopicPartition } from '../../protocol/ids.ts'
import type { LogRecord } from '../../protocol/record-batch.ts'
import type { ConsumerBatch, ConsumerRecord } from './api.ts'
import { KafkaError } from '../../protocol/errors.ts'
import type { Chunk } from './chunk-reader.ts'
import type { ConsumedPartition, DeliveredBatch } from './consumed-partition.ts'
import { bytes } from './serdes.ts'
import type { Serde } from './serdes.ts'

/** A record with its key and value deserialised. Throws SERIALIZATION_FAILED. */
export function toRecord<K, V>(one: TopicPartition, record: LogRecord, key: Serde<K>, value: Serde<V>): ConsumerRecord<K, V> {
  return {
    topic: one.topic,
    partition: one.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    key: record.key === null ? null : key.deserialize(record.key),
    value: record.value === null ? null : value.deserialize(record.value),
    headers: record.headers,
  }
}

/** A record that goes to the application. A value that cannot be read is met again, until the application seeks behind it. */
export function decodeRecord<K, V>(one: ConsumedPartition, record: LogRecord, key: Serde<K>, value: Serde<V>): ConsumerRecord<K, V> {
  try {
    return toRecord(one, record, key, value)
  } catch (error) {
    one.position = record.offset
    one.stepBack()
    const reason = error instanceof Error ? error.message : String(error)
    throw new KafkaError(
      'SERIALIZATION_FAILED',
      `the record at offset ${record.offset} of ${one.name} cannot be read: ${reason}; seek behind it to go on`,
      { cause: error },
    )
  }
}

/** Whether records decoded with these serdes hold views of the batch's memory. */
export function keepsViews(key: object, value: object): boolean {
  return key === bytes || value === bytes
}

/** A batch as it lies in the log. Its memory is lent until the next one is asked for. Iterating checks its CRC and decodes; nothing else does. */
export class ClientBatch<K, V> implements ConsumerBatch<K, V> {
  readonly topic: string
  readonly partition: number
  readonly baseOffset: number
  readonly endOffset: number
  readonly #one: ConsumedPartition
  readonly #delivered: DeliveredBatch
  readonly #from: number
  readonly #key: Serde<K>
  readonly #value: Serde<V>

  /** `from`: records below it are not part of it; a seek may begin inside a batch. */
  constructor(one: ConsumedPartition, delivered: DeliveredBatch, from: number, key: Serde<K>, value: Serde<V>) {
    const { view } = delivered
    this.topic = one.topic
    this.partition = one.partition
    this.baseOffset = Math.max(from, view.baseOffset)
    this.endOffset = view.lastOffset + 1
    this.#one = one
    this.#delivered = delivered
    this.#from = from
    this.#key = key
    this.#value = value
  }

  get count(): number {
    const { baseOffset, count } = this.#delivered.view
    if (this.#from <= baseOffset) return count
    if (count === this.endOffset - baseOffset) return this.endOffset - this.#from
    // Compaction has taken some: only a look says whether before or behind where it begins.
    return [...this.#one.check(this.#delivered, this.baseOffset)].filter(({ offset }) => offset >= this.#from).length
  }

  get sizeBytes(): number {
    return this.#delivered.view.sizeBytes
  }

  *[Symbol.iterator](): Generator<ConsumerRecord<K, V>> {
    const { chunk } = this.#delivered
    assertLive(chunk)
    if (keepsViews(this.#key, this.#value)) chunk.escaped = true
    for (const record = this.#one.check(this.#delivered, this.baseOffset).reader(); record.next();) {
      if (record.offset < this.#from) continue
      if (record.headers.length > 0) chunk.escaped = true
      yield toRecord(this.#one, record, this.#key, this.#value)
      assertLive(chunk)
    }
  }
}

function assertLive(chunk: Chunk): void {
  if (!chunk.live) throw new KafkaError('INVALID_RECORD', 'a batch can be read until the next one is asked for; iterate it before that')
}
