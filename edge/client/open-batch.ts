/**
 * A batch that a producer is filling for one partition, and who waits for its records. One that its topic finds too large is split.
 */
import { assert } from '../../protocol/assert.ts'
import type { Compression } from '../../protocol/compression.ts'
import { RecordBatchBuilder } from '../../protocol/record-batch-builder.ts'
import type { KafkaError } from '../../protocol/errors.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import { RecordBatchView } from '../../protocol/record-batch-reader.ts'
import type { LogRecord } from '../../protocol/record-batch.ts'
import { nodeCompressor } from '../../runtime/compressor.ts'
import type { RecordMetadata } from './api.ts'
import type { KnownTopic } from './known-topic.ts'
import { recordBytes } from './record-encoding.ts'

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

  /** Its bytes, for the actor to number: the builder's own memory. */
  finish(compression: Compression, isTransactional: boolean): Uint8Array {
    return this.builder.finish({
      compression,
      compressor: nodeCompressor,
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      transactional: isTransactional,
      sealed: false,
    })
  }

  /**
   * Its records and waiters in smaller batches, at most half as large and as large as `bytesMax`, but for records that are larger by themselves: two batches at least. It is
   * not to be used any more.
   */
  split(bytesMax: number, open: () => OpenBatch): OpenBatch[] {
    assert(this.builder.count > 1, 'a batch of several records is split')
    const partBytesMax = Math.min(bytesMax, this.builder.sizeBytes / 2)
    const parts: OpenBatch[] = []
    let part: OpenBatch | null = null
    let waiter = 0
    let index = 0
    for (const record of new RecordBatchView(this.finish('none', false), 0)) {
      const isFull = part === null || part.builder.sizeBytes + recordBytes(record) > partBytesMax
      if (part === null || isFull || !part.#take(record)) {
        part = this.#beside(open())
        parts.push(part)
        part.#take(record)
      }
      if (this.#indexes[waiter] === index++) part.wait(this.#waiters[waiter]!, this.#timestamps[waiter++]!)
    }
    for (const one of parts) one.sizeBytes = one.builder.sizeBytes
    return parts
  }

  #take({ timestamp, key, value, headers }: LogRecord): boolean {
    return this.builder.append(timestamp, key, value, headers.length === 0 ? undefined : headers)
  }

  /** For the same partition. */
  #beside(part: OpenBatch): OpenBatch {
    part.known = this.known
    part.topic = this.topic
    part.partition = this.partition
    part.acks = this.acks
    return part
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
