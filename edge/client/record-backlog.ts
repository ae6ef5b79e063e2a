/**
 * Records that a producer has taken and cannot put into a batch yet, in order: their topic is not known, its buffer is full, or their partition is not there as far as is
 * known. It may have been added: such a record, and what is behind it, waits for one look at the topic that begins after it.
 */
import { KafkaError } from '../../protocol/errors.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import { missingPartition } from './known-topic.ts'
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
  /** How long a record may wait for an answer about its topic, or one before it. */
  readonly patienceMillis: number
  /** What is known of topics. */
  topicNamed(name: string): KnownTopic | undefined
  describe(name: string): Promise<TopicMetadata>
  learn(name: string, metadata: TopicMetadata): void
  /** Looks at a topic anew. False: nobody has answered in time. */
  renew(topic: KnownTopic): Promise<boolean>
  /** Whether its buffer takes more. */
  hasSpace(): boolean
  /** False: its partition is not there. Throws what is wrong with the record. */
  append(topic: KnownTopic, entry: BacklogEntry<K, V>): boolean
  /** A record has failed for which nobody waits. */
  fail(error: KafkaError): void
  /** Something has changed. */
  worked(): void
}

/** A record in the backlog, and since when. */
interface Waiting<K, V> extends BacklogEntry<K, V> {
  readonly since: number
}

/** The backlog of one producer. */
export class RecordBacklog<K, V> {
  readonly #owner: BacklogOwner<K, V>
  #entries: Waiting<K, V>[] = []
  /** While it is worked off: what has been taken. */
  #begin = 0
  #sizeBytes = 0
  #workingOff = false
  #asking = false
  /** Since when the first one has waited for an answer about a topic; null: it waits for room, or there is none. */
  #askingSince: number | null = null
  #timer: NodeJS.Timeout | null = null
  /** Records that have ever come. */
  #pushedCount = 0
  /** By topic: a look at it that began after so many of them had come. */
  readonly #looked: Map<string, number> = new Map()

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
    this.#entries.push({ ...entry, since: performance.now() })
    this.#pushedCount++
    this.#sizeBytes += recordBytes(entry.encoded)
    const { topic } = entry.encoded.record
    if (this.#entries.length === 1 && this.#owner.topicNamed(topic) === undefined) this.#waitForAnswer()
    this.#ask(topic)
  }

  /** Takes records out, in order, as far as there is room, and their topics and partitions are known. */
  workOff(): void {
    if (this.#workingOff) return
    this.#workingOff = true
    let isAsking = false
    for (let next = this.#entries[this.#begin]; next !== undefined; next = this.#entries[this.#begin]) {
      const name = next.encoded.record.topic
      const topic = this.#owner.topicNamed(name)
      if (topic === undefined) this.#ask(name)
      isAsking = topic === undefined
      if (topic === undefined || !this.#owner.hasSpace()) break
      isAsking = !this.#appendOrFail(topic, next)
      if (isAsking) {
        this.look(topic)
        break
      }
      this.#askingSince = null
      this.#begin++
      this.#sizeBytes -= recordBytes(next.encoded)
    }
    this.#entries.splice(0, this.#begin)
    this.#begin = 0
    if (this.#entries.length === 0) this.#looked.clear()
    if (isAsking) this.#waitForAnswer()
    else this.#waitForRoom()
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

  /** Looks at a topic for the partitions of the records that have come so far. */
  look(topic: KnownTopic): void {
    const { topic: name } = topic.metadata
    const count = this.#pushedCount
    const renew = async (): Promise<void> => {
      if (await this.#owner.renew(topic)) this.#looked.set(name, count)
    }
    void this.#one(renew)
  }

  #ask(name: string): void {
    if (this.#owner.topicNamed(name) !== undefined) return
    const learn = async (): Promise<void> => {
      try {
        this.#owner.learn(name, await this.#owner.describe(name))
      } catch (error) {
        const known = errorOf(error, 'UNKNOWN_SERVER_ERROR')
        // Records have a time of their own: until it is over, it is asked again.
        if (known.name !== 'REQUEST_TIMED_OUT') this.failAll(known, name)
      }
    }
    void this.#one(learn)
  }

  #waitForAnswer(): void {
    this.#askingSince ??= performance.now()
    if (this.#timer === null) this.#failLaterThan(this.#owner.patienceMillis)
  }

  #waitForRoom(): void {
    this.#askingSince = null
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #failLaterThan(millis: number): void {
    this.#timer = setTimeout(() => this.#failLate(), millis).unref()
  }

  /** Nobody has answered in the time that the first ones have, since they came or had room. */
  #failLate(): void {
    this.#timer = null
    const from = this.#askingSince
    if (from === null) return
    const { patienceMillis } = this.#owner
    const due = ({ since }: Waiting<K, V>): number => Math.max(since, from) + patienceMillis
    const now = performance.now()
    const first = this.#entries.findIndex((entry) => due(entry) > now)
    const late = this.#entries.splice(0, first < 0 ? this.#entries.length : first)
    for (const { encoded } of late) this.#sizeBytes -= recordBytes(encoded)
    for (const { encoded, waiter } of late) this.#reject(waiter, lateness(encoded.record.topic, patienceMillis))
    const next = this.#entries[0]
    if (next !== undefined) this.#failLaterThan(Math.max(1, due(next) - now))
    this.workOff()
  }

  /** One question at a time: whoever cannot ask now asks when it is answered. */
  async #one(question: () => Promise<void>): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    await question()
    this.#asking = false
    this.workOff()
  }

  /** False: its partition may be there by now. */
  #appendOrFail(topic: KnownTopic, entry: BacklogEntry<K, V>): boolean {
    try {
      if (this.#owner.append(topic, entry)) return true
      const index = this.#pushedCount - this.#entries.length + this.#begin
      if (index >= (this.#looked.get(topic.metadata.topic) ?? 0)) return false
      this.#reject(entry.waiter, missingPartition(topic, entry.encoded.record.partition))
    } catch (error) {
      this.#reject(entry.waiter, errorOf(error, 'SERIALIZATION_FAILED'))
    }
    return true
  }

  #reject(waiter: RecordWaiter | null, error: KafkaError): void {
    if (waiter === null) this.#owner.fail(error)
    else waiter.reject(error)
  }
}

function lateness(topic: string, millis: number): KafkaError {
  return new KafkaError(
    'REQUEST_TIMED_OUT',
    `${topic}: no acknowledgement within deliveryTimeoutMillis (${millis}), nobody has said who leads it`,
  )
}

function errorOf(error: unknown, name: 'UNKNOWN_SERVER_ERROR' | 'SERIALIZATION_FAILED'): KafkaError {
  return error instanceof KafkaError ? error : new KafkaError(name, String(error), { cause: error })
}
