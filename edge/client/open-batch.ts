/**
 * A batch that a producer is filling for one partition, and who waits for its records.
 */
import { RecordBatchBuilder } from '../../protocol/record-batch-builder.ts'
import type { KafkaError } from '../../protocol/errors.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import type { RecordMetadata } from './api.ts'
import type { KnownTopic } from './known-topic.ts'

/** Who hears of one record. */
export interface RecordWaiter {
  resolve(metadata: RecordMetadata): void
  reject(error: KafkaError): void
}

/** Open while records are added; then on its way until it is delivered; then used again for another partition. */
export class OpenBatch {
  readonly builder: RecordBatchBuilder
  /** What its producer knew of the topic when it was opened. */
  known: KnownTopic | null = null
  topic = ''
  partition = 0
  /** What its records were promised. */
  acks: Acks = 'quorum'
  /** Its time has come; it waits only for others to be delivered. */
  due = false
  /** As counted into the producer's buffer. */
  sizeBytes = 0
  readonly #waiters: RecordWaiter[] = []
  /** Of the waiters: which record of the batch, and its timestamp. */
  readonly #indexes: number[] = []
  readonly #timestamps: number[] = []

  constructor(capacityBytes: number) {
    this.builder = new RecordBatchBuilder(capacityBytes)
  }

  /** Somebody waits for the record that was added last. */
  wait(waiter: RecordWaiter, timestamp: number): void {
    this.#waiters.push(waiter)
    this.#indexes.push(this.builder.count - 1)
    this.#timestamps.push(timestamp)
  }

  /** Tells all who wait. `logAppendTime` -1: the records keep their own timestamps. */
  resolve(baseOffset: number, logAppendTime: number): void {
    const { topic, partition } = this
    for (let i = 0; i < this.#waiters.length; i++) {
      const offset = baseOffset < 0 ? -1 : baseOffset + this.#indexes[i]!
      this.#waiters[i]!.resolve({ topic, partition, offset, timestamp: logAppendTime < 0 ? this.#timestamps[i]! : logAppendTime })
    }
  }

  /** Tells all who wait; false if nobody does. */
  reject(error: KafkaError): boolean {
    for (const waiter of this.#waiters) waiter.reject(error)
    return this.#waiters.length === this.builder.count
  }

  /** Empties it for its next use. */
  reset(): void {
    this.builder.reset()
    this.sizeBytes = 0
    this.due = false
    this.#waiters.length = 0
    this.#indexes.length = 0
    this.#timestamps.length = 0
  }
}
