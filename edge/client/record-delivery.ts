/**
 * What an application is given when it asks for more: the next record, the next batch, or the records of a poll, decoded, from the partition whose turn it is
 * (consumption.ts).
 */
import type { ConsumerBatch, ConsumerOptions, ConsumerRecord } from './api.ts'
import { ClientBatch, decodeRecord, keepsViews } from './consumer-batch.ts'
import { CONSUMER_RULES } from './consumer-options.ts'
import type { Consumption } from './consumption.ts'
import { integerOption } from './options.ts'
import { bytes } from './serdes.ts'
import type { Serde } from './serdes.ts'

/** The records and batches of one consumer. */
export class RecordDelivery<K, V> {
  readonly #consumption: Consumption
  readonly #key: Serde<K>
  readonly #value: Serde<V>
  readonly #keepsViews: boolean
  readonly #maxPollRecords: number

  constructor(consumption: Consumption, options: ConsumerOptions<K, V>) {
    this.#consumption = consumption
    this.#key = options.key ?? (bytes as Serde<unknown> as Serde<K>)
    this.#value = options.value ?? (bytes as Serde<unknown> as Serde<V>)
    this.#keepsViews = keepsViews(this.#key, this.#value)
    this.#maxPollRecords = integerOption(options.maxPollRecords, CONSUMER_RULES.maxPollRecords)
  }

  /** Up to `maxPollRecords`, as far as they are there. */
  records(): ConsumerRecord<K, V>[] {
    const records: ConsumerRecord<K, V>[] = []
    try {
      while (records.length < this.#maxPollRecords) {
        const next = this.nextRecord()
        if (next === null) break
        records.push(next)
      }
    } catch (error) {
      // What was read before it is returned first; the next question meets the same error again.
      if (records.length === 0) throw error
    }
    return records
  }

  /** Null: none is there yet. */
  nextRecord(): ConsumerRecord<K, V> | null {
    for (let one = this.#consumption.turn(); one !== null; one = this.#consumption.turn()) {
      const record = one.nextRecord(this.#keepsViews)
      this.#consumption.askForMore(one)
      if (record === null) {
        this.#consumption.settleSkipped(one)
        continue
      }
      const decoded = decodeRecord(one, record, this.#key, this.#value)
      this.#consumption.markDelivered(one)
      return decoded
    }
    return null
  }

  /** Null: none is there yet. */
  nextBatch(): ConsumerBatch<K, V> | null {
    for (let one = this.#consumption.turn(); one !== null; one = this.#consumption.turn()) {
      const next = one.nextBatch()
      this.#consumption.askForMore(one)
      if (next === null) {
        this.#consumption.settleSkipped(one)
        continue
      }
      const from = one.position ?? 0
      one.position = next.view.lastOffset + 1
      this.#consumption.markDelivered(one)
      return new ClientBatch(one, next, from, this.#key, this.#value)
    }
    return null
  }
}
