/**
 * Records that a producer has taken and cannot put into a batch yet, in order: their topic is not known, or its buffer is full.
 */
import { KafkaError } from '../../protocol/errors.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { KnownTopic } from './known-topic.ts'
import type { RecordWaiter } from './open-batch.ts'
import { recordBytes } from './record-encoding.ts'
import type { EncodedRecord } from './record-encoding.ts'

/** Records that may wait; one more fails with BUFFER_EXHAUSTED. */
const BACKLOG_MAX = 1_000_000

/** Bytes of records that may wait; one more record fails with BUFFER_EXHAUSTED. */
export const BACKLOG_BYTES_MAX: number = 1024 * 1024 * 1024

/** A record that waits, and who waits for it. */
export interface BacklogEntry<K, V> {
  readonly encoded: EncodedRecord<K, V>
  readonly waiter: RecordWaiter | null
  readonly acks: Acks
}

/** Whose records they are. */
export interface BacklogOwner<K, V> {
  /** What is known of topics. */
  topicNamed(name: string): KnownTopic | undefined
  describe(name: string): Promise<TopicMetadata>
  learn(name: string, metadata: TopicMetadata): void
  /** Whether its buffer takes more. */
  hasSpace(): boolean
  /** Throws what is wrong with the record. */
  append(topic: KnownTopic, entry: BacklogEntry<K, V>): void
  /** A record has failed for which nobody waits. */
  fail(error: KafkaError): void
  /** Something has changed. */
  worked(): void
}

/** The backlog of one producer. */
export class RecordBacklog<K, V> {
  readonly #owner: BacklogOwner<K, V>
  #entries: BacklogEntry<K, V>[] = []
  /** While it is worked off: what has been taken. */
  #begin = 0
  #sizeBytes = 0
  #workingOff = false
  #asking = false

  constructor(owner: BacklogOwner<K, V>) {
    this.#owner = owner
  }

  get length(): number {
    return this.#entries.length
  }

  /** Throws BUFFER_EXHAUSTED unless there is room for one more. */
  checkRoom(): void {
    if (this.#entries.length < BACKLOG_MAX && this.#sizeBytes < BACKLOG_BYTES_MAX) return
    const waiting = `${this.#entries.length} records of ${this.#sizeBytes} bytes wait already`
    const most = `at most ${BACKLOG_MAX} records or ${BACKLOG_BYTES_MAX} bytes may`
    throw new KafkaError('BUFFER_EXHAUSTED', `${waiting}, and ${most}: await send(), or drained() when write() returns false`)
  }

  push(entry: BacklogEntry<K, V>): void {
    this.#entries.push(entry)
    this.#sizeBytes += recordBytes(entry.encoded)
    this.#ask(entry.encoded.record.topic)
  }

  /** Takes records out, in order, as far as there is room and their topics are known. */
  workOff(): void {
    if (this.#workingOff) return
    this.#workingOff = true
    for (let next = this.#entries[this.#begin]; next !== undefined; next = this.#entries[this.#begin]) {
      const name = next.encoded.record.topic
      const topic = this.#owner.topicNamed(name)
      if (topic === undefined) this.#ask(name)
      if (topic === undefined || !this.#owner.hasSpace()) break
      this.#begin++
      this.#sizeBytes -= recordBytes(next.encoded)
      this.#appendOrFail(topic, next)
    }
    this.#entries.splice(0, this.#begin)
    this.#begin = 0
    this.#workingOff = false
    this.#owner.worked()
  }

  /** All fail, or those of one topic. */
  failAll(error: KafkaError, name: string | null = null): void {
    const isMeant = ({ encoded }: BacklogEntry<K, V>): boolean => name === null || encoded.record.topic === name
    const failed = this.#entries.filter(isMeant)
    this.#entries = this.#entries.filter((entry) => !isMeant(entry))
    for (const { encoded } of failed) this.#sizeBytes -= recordBytes(encoded)
    for (const { waiter } of failed) this.#reject(waiter, error)
  }

  #ask(name: string): void {
    if (this.#asking || this.#owner.topicNamed(name) !== undefined) return
    this.#asking = true
    this.#owner.describe(name).then(
      (metadata) => {
        this.#owner.learn(name, metadata)
        this.#asking = false
        this.workOff()
      },
      (error: unknown) => {
        this.#asking = false
        this.failAll(errorOf(error, 'UNKNOWN_SERVER_ERROR'), name)
        this.workOff()
      },
    )
  }

  #appendOrFail(topic: KnownTopic, entry: BacklogEntry<K, V>): void {
    try {
      this.#owner.append(topic, entry)
    } catch (error) {
      this.#reject(entry.waiter, errorOf(error, 'SERIALIZATION_FAILED'))
    }
  }

  #reject(waiter: RecordWaiter | null, error: KafkaError): void {
    if (waiter === null) this.#owner.fail(error)
    else waiter.reject(error)
  }
}

function errorOf(error: unknown, name: 'UNKNOWN_SERVER_ERROR' | 'SERIALIZATION_FAILED'): KafkaError {
  return error instanceof KafkaError ? error : new KafkaError(name, String(error), { cause: error })
}
