/**
 * The public consumer. The actor (actors/consumer.ts) finds offsets, fetches and keeps the group membership; consumption.ts keeps what
 * has arrived; here chunks become records, and asking for the next record says that the one before is processed.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { actor as consumerActor } from '../../actors/consumer.ts'
import { KafkaError } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { CommittedOffset } from '../../protocol/messages/group.ts'
import { LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { LogRecord } from '../../protocol/record-batch.ts'
import type { Consumer, ConsumerBatch, ConsumerOptions, ConsumerRecord, OffsetToCommit, Waiting } from './api.ts'
import {
  checkGroup,
  checkInstance,
  checkOffset,
  checkSubscription,
  checkTopicPartition,
  checkTopicPartitions,
  checkWaiting,
  offsetsToCommit,
} from './arguments.ts'
import type { Subscription } from './arguments.ts'
import type { ChunkReader } from './chunk-reader.ts'
import type { ConsumedPartition } from './consumed-partition.ts'
import { ClientBatch, keepsViews, toRecord } from './consumer-batch.ts'
import { checkPoll, CONSUMER_RULES, consumerConfig } from './consumer-options.ts'
import { Consumption } from './consumption.ts'
import { closedError } from './engine.ts'
import type { Engine } from './engine.ts'
import { checkOptions, integerOption } from './options.ts'
import { PollWatch } from './poll-watch.ts'
import { callListener } from './releases.ts'
import { throwIfError } from './requests.ts'
import { bytes } from './serdes.ts'
import type { Serde } from './serdes.ts'

/** How long `poll` waits by default. */
const POLL_MILLIS = 1000

type CommitWaiter = (error: KafkaError | null) => void

/** The consumer behind the public interface. */
export class ConsumerClient<K, V> implements Consumer<K, V> {
  readonly #engine: Engine
  readonly #options: ConsumerOptions<K, V>
  readonly #key: Serde<K>
  readonly #value: Serde<V>
  readonly #keepsViews: boolean
  readonly #maxPollRecords: number
  readonly #consumption: Consumption
  readonly #commits: Map<number, CommitWaiter> = new Map()
  #nextCorrelationId = 1
  readonly #watch: PollWatch
  #mode: 'assigned' | 'subscribed' | null = null
  #wanted: Subscription = { topics: [], topicPattern: null }
  /** It did not ask for records for too long, and is no member until it does. */
  #isOverdue = false
  /** It is being closed, and its listener may still commit. */
  #isLeaving = false
  #onClosed: (() => void) | null = null
  #closing: Promise<void> | null = null
  #closed = false

  constructor(engine: Engine, options: ConsumerOptions<K, V>, reader: ChunkReader) {
    checkOptions('consumer', options, CONSUMER_RULES)
    if (options.group !== undefined) checkGroup(options.group)
    if (options.groupInstanceId !== undefined) checkInstance(options)
    this.#engine = engine
    this.#options = options
    this.#key = options.key ?? (bytes as Serde<unknown> as Serde<K>)
    this.#value = options.value ?? (bytes as Serde<unknown> as Serde<V>)
    this.#keepsViews = keepsViews(this.#key, this.#value)
    this.#maxPollRecords = integerOption(options.maxPollRecords, CONSUMER_RULES.maxPollRecords)
    const name = engine.nextName('consumer')
    this.#consumption = new Consumption(engine, name, reader, {
      actorUrl: consumerActor,
      config: consumerConfig(options, `${name}-${randomUUID()}`, engine.directory === null ? 'bytes' : 'range'),
      onAssigned: options.onAssigned,
      onRevoked: options.onRevoked,
      onLost: options.onLost,
      onCommitResult: (correlationId, error) => this.#endCommit(correlationId, error),
      onClosed: () => this.#onClosed?.(),
    })
    const interval = integerOption(options.maxPollIntervalMillis, CONSUMER_RULES.maxPollIntervalMillis)
    this.#watch = new PollWatch(interval, this.#consumption, () => this.#onOverdue())
    engine.clients.add(this)
    if (Array.isArray(options.topics) && options.topics.length === 0)
      throw new KafkaError('INVALID_OPTION', 'consumer option topics must name at least one topic')
    if (options.topics !== undefined) this.subscribe(options.topics)
  }

  // ── what to consume ──

  subscribe(topics: readonly string[] | RegExp): void {
    this.#assertOpen()
    if (this.#options.group === undefined)
      throw new KafkaError('INVALID_GROUP_ID', 'subscribe needs the option group; without one, use assign')
    const wanted = checkSubscription(topics)
    this.#choose('subscribed')
    this.#wanted = wanted
    this.#isOverdue = false
    if (wanted.topics.length === 0 && wanted.topicPattern === null) this.#leave()
    else this.#join()
    for (const topic of wanted.topics) this.#engine.requests.topic(topic).catch((error: unknown) => this.#fail(error))
  }

  #join(): void {
    this.#consumption.link.send({ kind: 'subscribe', ...this.#wanted })
    this.#watch.start()
  }

  #leave(): void {
    this.#watch.stop()
    this.#consumption.letGo(this.#isOverdue)
    this.#consumption.link.send({ kind: 'subscribe', topics: [], topicPattern: null })
  }

  #onOverdue(): void {
    this.#isOverdue = true
    this.#leave()
  }

  assign(partitions: readonly TopicPartition[]): void {
    this.#assertOpen()
    checkTopicPartitions('assign', partitions)
    this.#choose('assigned')
    this.#consumption.replace(partitions)
    this.#consumption.link.send({ kind: 'assign', partitions: partitions.map(({ topic, partition }) => ({ topic, partition })) })
  }

  assignment(): readonly TopicPartition[] {
    return this.#consumption.assignment()
  }

  position(partition: TopicPartition): number | undefined {
    checkTopicPartition('position', partition)
    return this.#consumption.assigned(partition).position
  }

  seek(partition: TopicPartition, offset: number): void {
    this.#assertOpen()
    checkTopicPartition('seek', partition)
    const one = this.#consumption.assigned(partition)
    checkOffset(offset)
    this.#consumption.moveTo(one, offset, one.session + 1)
    this.#consumption.link.send({ kind: 'seek', topic: one.topic, partition: one.partition, offset, session: one.session })
  }

  async seekToTimestamp(timestamp: number, partitions: readonly TopicPartition[] = this.assignment()): Promise<void> {
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
      throw new KafkaError('INVALID_TIMESTAMP', `a timestamp is a whole number of milliseconds since 1970, not ${String(timestamp)}`)
    }
    checkTopicPartitions('seekToTimestamp', partitions)
    for (const partition of partitions) this.#consumption.assigned(partition)
    await Promise.all(partitions.map(async (partition) => this.seek(partition, await this.#offsetAt(partition, timestamp))))
  }

  pause(partitions: readonly TopicPartition[] = this.assignment()): void {
    this.#setPaused('pause', partitions)
  }

  resume(partitions: readonly TopicPartition[] = this.assignment()): void {
    this.#setPaused('resume', partitions)
  }

  // ── records ──

  async poll(options: Waiting & { readonly timeoutMillis?: number } = {}): Promise<ConsumerRecord<K, V>[]> {
    checkPoll(options)
    const { signal, timeoutMillis = POLL_MILLIS } = options
    const deadline = performance.now() + timeoutMillis
    signal?.throwIfAborted()
    this.#moveOn()
    this.#consumption.throwFailure()
    for (;;) {
      const records = this.#takeRecords()
      if (records.length > 0 || performance.now() >= deadline) return records
      await this.#consumption.wait(signal, deadline)
      this.#assertOpen()
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<ConsumerRecord<K, V>> {
    return this.records()[Symbol.asyncIterator]()
  }

  async *records(options: Waiting = {}): AsyncGenerator<ConsumerRecord<K, V>> {
    checkWaiting('records', options)
    this.#assertOpen()
    const { signal } = options
    while (!this.#closed) {
      signal?.throwIfAborted()
      this.#moveOn()
      const next = this.#nextRecord()
      if (next === null) await this.#consumption.wait(signal, Infinity)
      else yield next
    }
  }

  async *batches(options: Waiting = {}): AsyncGenerator<ConsumerBatch<K, V>> {
    checkWaiting('batches', options)
    this.#assertOpen()
    const { signal } = options
    while (!this.#closed) {
      signal?.throwIfAborted()
      this.#moveOn()
      const next = this.#nextBatch()
      if (next === null) await this.#consumption.wait(signal, Infinity)
      else yield next
    }
  }

  #moveOn(): void {
    this.#assertOpen()
    this.#consumption.moveOn()
    if (!this.#isOverdue) return
    this.#isOverdue = false
    this.#join()
  }

  #takeRecords(): ConsumerRecord<K, V>[] {
    const records: ConsumerRecord<K, V>[] = []
    try {
      while (records.length < this.#maxPollRecords) {
        const next = this.#nextRecord()
        if (next === null) break
        records.push(next)
      }
    } catch (error) {
      // What was read before it is returned first; the next question meets the same error again.
      if (records.length === 0) throw error
    }
    return records
  }

  #nextRecord(): ConsumerRecord<K, V> | null {
    for (let one = this.#consumption.turn(); one !== null; one = this.#consumption.turn()) {
      const record = one.nextRecord(this.#keepsViews)
      this.#consumption.goOn(one, record === null)
      if (record === null) continue
      const decoded = this.#decode(one, record)
      this.#consumption.markDelivered(one)
      return decoded
    }
    return null
  }

  #nextBatch(): ConsumerBatch<K, V> | null {
    for (let one = this.#consumption.turn(); one !== null; one = this.#consumption.turn()) {
      const next = one.nextBatch()
      this.#consumption.goOn(one, next === null)
      if (next === null) continue
      const from = one.position ?? 0
      one.position = next.view.lastOffset + 1
      this.#consumption.markDelivered(one)
      return new ClientBatch(one, next, from, this.#key, this.#value)
    }
    return null
  }

  /** A value that cannot be read is met again, until the application seeks behind it. */
  #decode(one: ConsumedPartition, record: LogRecord): ConsumerRecord<K, V> {
    try {
      return toRecord(one, record, this.#key, this.#value)
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

  // ── commits ──

  async commit(what?: ConsumerBatch<K, V> | readonly OffsetToCommit[]): Promise<void> {
    if (!this.#isLeaving) this.#assertOpen()
    if (this.#options.group === undefined) throw new KafkaError('INVALID_GROUP_ID', 'commit needs the option group')
    const offsets = offsetsToCommit(what)
    if (this.#isOverdue)
      throw new KafkaError('UNKNOWN_MEMBER_ID', 'this consumer did not ask for records for maxPollIntervalMillis and has left its group')
    // Who commits now says that what was delivered last is processed, too.
    if (offsets === null) this.#consumption.settle()
    this.#consumption.report()
    const correlationId = this.#nextCorrelationId++
    const error = await new Promise<KafkaError | null>((resolve) => {
      this.#commits.set(correlationId, resolve)
      this.#consumption.link.send({ kind: 'commit', correlationId, offsets })
    })
    if (error !== null) throw error
  }

  async committed(partitions?: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    this.#assertOpen()
    const { group } = this.#options
    if (group === undefined) throw new KafkaError('INVALID_GROUP_ID', 'committed needs the option group')
    if (partitions !== undefined) checkTopicPartitions('committed', partitions)
    const wanted = partitions?.map(({ topic, partition }) => ({ topic, partitions: [partition] })) ?? null
    const { errorCode, offsets } = await this.#engine.requests.askGroup(
      group,
      { kind: 'offsetFetch', partitions: wanted },
      'offsetFetchResponse',
    )
    throwIfError(errorCode, null)
    return offsets.map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata }))
  }

  #endCommit(correlationId: number, error: KafkaError | null): void {
    const waiter = this.#commits.get(correlationId)
    this.#commits.delete(correlationId)
    waiter?.(error)
  }

  // ── end ──

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#watch.stop()
    this.#consumption.clear()
    await this.#sayGoodbye()
    this.#consumption.report()
    await new Promise<void>((resolve) => {
      this.#onClosed = resolve
      this.#consumption.link.send({ kind: 'closeConsumer', correlationId: this.#nextCorrelationId++ })
    })
    this.#closed = true
    this.#consumption.link.close()
    this.#engine.clients.delete(this)
    for (const correlationId of this.#commits.keys()) this.#endCommit(correlationId, closedError('consumer'))
    this.#consumption.rouse()
  }

  /** A member's listener hears of its partitions a last time, and may commit; nobody waits for it longer than for a rebalance. */
  async #sayGoodbye(): Promise<void> {
    const partitions = this.#mode === 'subscribed' ? this.assignment() : []
    if (partitions.length === 0) return
    this.#isLeaving = true
    const done = callListener(this.#options.onRevoked, partitions, () => undefined)
    const millis = integerOption(this.#options.rebalanceTimeoutMillis, CONSUMER_RULES.rebalanceTimeoutMillis)
    if (done !== null) await Promise.race([done, sleep(millis, undefined, { ref: false })])
    this.#isLeaving = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ── helpers ──

  #setPaused(method: 'pause' | 'resume', partitions: readonly TopicPartition[]): void {
    this.#assertOpen()
    checkTopicPartitions(method, partitions)
    const paused = method === 'pause'
    const known = partitions.map((partition) => this.#consumption.assigned(partition))
    for (const one of known) one.paused = paused
    this.#consumption.link.send({ kind: 'pause', partitions: known.map(({ topic, partition }) => ({ topic, partition })), paused })
    if (!paused) this.#consumption.rouse()
  }

  /** The first offset at least that young, or the end of the partition. */
  async #offsetAt({ topic, partition }: TopicPartition, timestamp: number): Promise<number> {
    const { requests } = this.#engine
    const metadata = await requests.topic(topic)
    const to = requests.leaderOf(metadata, partition)
    for (const wanted of [timestamp, LATEST_TIMESTAMP]) {
      const found = await requests.ask(to, { kind: 'listOffsets', topicId: metadata.topicId, timestamp: wanted }, 'listOffsetsResponse')
      throwIfError(found.errorCode, found.errorMessage)
      if (found.offset >= 0) return found.offset
    }
    return 0
  }

  #choose(mode: 'assigned' | 'subscribed'): void {
    if (this.#mode !== null && this.#mode !== mode) {
      throw new KafkaError(
        'INVALID_REQUEST',
        `this consumer is ${this.#mode}: a consumer either subscribes or is assigned partitions by hand`,
      )
    }
    this.#mode = mode
  }

  #fail(error: unknown): void {
    if (!this.#closed && this.#closing === null) this.#consumption.fail(error)
  }

  #assertOpen(): void {
    if (this.#closed || this.#closing !== null) throw closedError('consumer')
  }
}
