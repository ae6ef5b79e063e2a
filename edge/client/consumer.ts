/**
 * The public consumer. The actor (actors/consumer.ts) finds offsets, fetches and keeps the group membership; here chunks become
 * records, and asking for the next record says that the one before is processed.
 */
import { randomUUID } from 'node:crypto'
import { actor as consumerActor } from '../../actors/consumer.ts'
import { errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { CommittedOffset } from '../../protocol/messages/group.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import type { LogRecord } from '../../protocol/record-batch.ts'
import * as header from '../../protocol/record-batch.ts'
import { checkGroup, checkName } from './admin.ts'
import type { Consumer, ConsumerBatch, ConsumerOptions, ConsumerRecord, Waiting } from './api.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { ConsumedPartition } from './consumed-partition.ts'
import { ClientBatch, keepsViews, toRecord } from './consumer-batch.ts'
import { CONSUMER_RULES, consumerConfig } from './consumer-options.ts'
import { ActorLink, closedError } from './engine.ts'
import type { Engine } from './engine.ts'
import { checkOptions, integerOption } from './options.ts'
import { throwIfError } from './requests.ts'
import { bytes } from './serdes.ts'
import type { Serde } from './serdes.ts'

/** Chunks that may wait per partition: one is processed while the next is fetched. */
const CHUNKS_MAX = 2

/** How often progress is reported to the actor while records flow. */
const REPORT_MILLIS = 20

interface PendingCommit {
  resolve(): void
  reject(error: KafkaError): void
}

export class ConsumerClient<K, V> implements Consumer<K, V> {
  readonly #engine: Engine
  readonly #options: ConsumerOptions<K, V>
  readonly #key: Serde<K>
  readonly #value: Serde<V>
  readonly #link: ActorLink
  readonly #reader: ChunkReader
  readonly #maxPollRecords: number
  readonly #keepsViews: boolean
  readonly #partitions: Map<string, ConsumedPartition> = new Map()
  /** Partitions with chunks, in the order of their turns. */
  #turns: ConsumedPartition[] = []
  /** What the application has been given and not yet asked past. */
  #delivered: ConsumedPartition | null = null
  readonly #revoking: ConsumedPartition[] = []
  #wake: (() => void) | null = null
  #failure: KafkaError | null = null
  #reportedAt = 0
  readonly #commits: Map<number, PendingCommit> = new Map()
  #nextCorrelationId = 1
  #closing: { readonly correlationId: number; readonly done: () => void } | null = null
  #closed = false

  constructor(engine: Engine, options: ConsumerOptions<K, V>, reader: ChunkReader) {
    checkOptions('consumer', options, CONSUMER_RULES)
    if (options.group !== undefined) checkGroup(options.group)
    this.#engine = engine
    this.#options = options
    this.#key = options.key ?? (bytes as Serde<unknown> as Serde<K>)
    this.#value = options.value ?? (bytes as Serde<unknown> as Serde<V>)
    this.#reader = reader
    this.#keepsViews = keepsViews(this.#key as Serde<unknown>, this.#value as Serde<unknown>)
    this.#maxPollRecords = integerOption(options.maxPollRecords, CONSUMER_RULES.maxPollRecords)
    const name = engine.nextName('consumer')
    const config = consumerConfig(options, `${name}-${randomUUID()}`, engine.directory === null ? 'bytes' : 'range')
    this.#link = new ActorLink(engine, name, consumerActor, config, (message) => this.#onMessage(message))
    engine.clients.add(this)
    if (options.topics !== undefined) this.subscribe(options.topics)
  }

  // ── what to consume ──

  subscribe(topics: readonly string[]): void {
    this.#assertOpen()
    if (this.#options.group === undefined) throw new KafkaError('INVALID_GROUP_ID', "subscribe needs the option group; without one, use assign")
    if (!Array.isArray(topics) || topics.length === 0) throw new KafkaError('INVALID_OPTION', 'subscribe needs at least one topic')
    for (const topic of topics) checkName(topic)
    this.#link.send({ kind: 'subscribe', topics: [...new Set(topics)] })
    for (const topic of topics) this.#engine.requests.topic(topic).catch((error: unknown) => this.#fail(error))
  }

  assign(partitions: readonly TopicPartition[]): void {
    this.#assertOpen()
    if (this.#options.topics !== undefined) throw new KafkaError('INVALID_REQUEST', 'a consumer that subscribes is assigned its partitions by the group')
    for (const { topic, partition } of partitions) {
      checkName(topic)
      if (!Number.isInteger(partition) || partition < 0) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `a partition is a whole number from 0 on, not ${String(partition)}`)
    }
    const wanted = new Set(partitions.map(({ topic, partition }) => topicPartitionName(topic, partition)))
    for (const one of this.#partitions.values()) if (!wanted.has(one.name)) this.#drop(one)
    for (const { topic, partition } of partitions) this.#add(topic, partition)
    this.#link.send({ kind: 'assign', partitions: partitions.map(({ topic, partition }) => ({ topic, partition })) })
  }

  assignment(): readonly TopicPartition[] {
    return [...this.#partitions.values()].filter((one) => !one.revoking).map(({ topic, partition }) => ({ topic, partition }))
  }

  position(partition: TopicPartition): number | undefined {
    return this.#assigned(partition).position
  }

  seek(partition: TopicPartition, offset: number): void {
    const one = this.#assigned(partition)
    if (!Number.isSafeInteger(offset) || offset < 0) throw new KafkaError('OFFSET_OUT_OF_RANGE', `an offset is a whole number from 0 on, not ${String(offset)}`)
    this.#moveTo(one, offset, one.session + 1)
    if (this.#delivered === one) this.#delivered = null
    this.#link.send({ kind: 'seek', topic: one.topic, partition: one.partition, offset, session: one.session })
  }

  async seekToTimestamp(timestamp: number, partitions: readonly TopicPartition[] = this.assignment()): Promise<void> {
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) throw new KafkaError('INVALID_TIMESTAMP', `a timestamp is a whole number of milliseconds since 1970, not ${String(timestamp)}`)
    for (const partition of partitions) this.#assigned(partition)
    await Promise.all(partitions.map(async (partition) => this.seek(partition, await this.#offsetAt(partition, timestamp))))
  }

  pause(partitions: readonly TopicPartition[] = this.assignment()): void {
    this.#setPaused(partitions, true)
  }

  resume(partitions: readonly TopicPartition[] = this.assignment()): void {
    this.#setPaused(partitions, false)
  }

  // ── records ──

  async poll(options: Waiting & { readonly timeoutMillis?: number } = {}): Promise<ConsumerRecord<K, V>[]> {
    const records: ConsumerRecord<K, V>[] = []
    this.#moveOn()
    const deadline = performance.now() + (options.timeoutMillis ?? 1000)
    while (records.length === 0) {
      while (records.length < this.#maxPollRecords) {
        const next = this.#nextRecord()
        if (next === null) break
        records.push(next)
      }
      if (records.length > 0 || performance.now() >= deadline) return records
      await this.#wait(options.signal, deadline)
    }
    return records
  }

  [Symbol.asyncIterator](): AsyncIterator<ConsumerRecord<K, V>> {
    return this.records()[Symbol.asyncIterator]()
  }

  async *records({ signal }: Waiting = {}): AsyncGenerator<ConsumerRecord<K, V>> {
    while (!this.#closed) {
      this.#moveOn()
      const next = this.#nextRecord()
      if (next === null) await this.#wait(signal, Infinity)
      else yield next
    }
  }

  async *batches({ signal }: Waiting = {}): AsyncGenerator<ConsumerBatch<K, V>> {
    while (!this.#closed) {
      this.#moveOn()
      const next = this.#nextBatch()
      if (next === null) await this.#wait(signal, Infinity)
      else yield next
    }
  }

  /** The application has asked for more: what it was given is processed. */
  #moveOn(): void {
    this.#assertOpen()
    const one = this.#delivered
    this.#delivered = null
    if (one !== null) one.processed = one.position ?? one.processed
    if (this.#revoking.length > 0) this.#releaseRevoked()
    else if (one !== null && performance.now() - this.#reportedAt >= REPORT_MILLIS) this.#report()
  }

  #nextRecord(): ConsumerRecord<K, V> | null {
    for (let one = this.#turn(); one !== null; one = this.#turn()) {
      const record = this.#guarded(one, () => one.nextRecord(this.#keepsViews))
      this.#askForMore(one)
      if (record === null) continue
      this.#markDelivered(one)
      return this.#decode(one, record)
    }
    return null
  }

  #nextBatch(): ConsumerBatch<K, V> | null {
    for (let one = this.#turn(); one !== null; one = this.#turn()) {
      const next = one.nextBatch()
      this.#askForMore(one)
      if (next === null) continue
      const from = one.position ?? 0
      one.position = next.view.lastOffset + 1
      this.#markDelivered(one)
      return new ClientBatch(one, next, from, this.#key, this.#value)
    }
    return null
  }

  /** Several partitions may have been delivered from since the last question, by `poll`. */
  #markDelivered(one: ConsumedPartition): void {
    if (this.#delivered !== null && this.#delivered !== one) this.#delivered.processed = this.#delivered.position ?? -1
    this.#delivered = one
  }

  #decode(one: ConsumedPartition, record: LogRecord): ConsumerRecord<K, V> {
    try {
      return toRecord(one, record, this.#key, this.#value)
    } catch (error) {
      // The application may seek behind it; until then it is met again.
      one.position = record.offset
      throw error
    }
  }

  /** The partition whose turn it is; partitions take turns by chunk. */
  #turn(): ConsumedPartition | null {
    if (this.#failure !== null) {
      const failure = this.#failure
      this.#failure = null
      throw failure
    }
    for (let tries = this.#turns.length; tries > 0; tries--) {
      const one = this.#turns[0]
      if (one === undefined) return null
      if (one.hasData) return one
      this.#turns.shift()
      if (one.paused && one.chunkCount > 0) this.#turns.push(one)
    }
    return null
  }

  #guarded<T>(one: ConsumedPartition, work: () => T): T {
    try {
      return work()
    } catch (error) {
      one.clear()
      throw error
    }
  }

  /** Waits until something arrives. Whatever the application was given is done with: it waits for the next. */
  #wait(signal: AbortSignal | undefined, deadline: number): Promise<void> {
    signal?.throwIfAborted()
    this.#assertOpen()
    this.#report()
    return new Promise((resolve, reject) => {
      const millis = deadline - performance.now()
      const timer = deadline === Infinity ? null : setTimeout(finish, Math.max(0, millis))
      const onAbort = (): void => {
        finish()
        reject(signal?.reason instanceof Error ? signal.reason : new KafkaError('REQUEST_TIMED_OUT', 'aborted'))
      }
      const finishNow = finish
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#wake = finishNow
      const self = this
      function finish(): void {
        if (timer !== null) clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        if (self.#wake === finishNow) self.#wake = null
        resolve()
      }
      if (this.#turns.some((one) => one.hasData) || this.#failure !== null) finish()
      else this.#engine.loop.kick()
    })
  }

  #rouse(): void {
    this.#wake?.()
  }

  // ── commits ──

  async commit(what?: ConsumerBatch<K, V> | readonly CommittedOffset[]): Promise<void> {
    this.#assertOpen()
    if (this.#options.group === undefined) throw new KafkaError('INVALID_GROUP_ID', 'commit needs the option group')
    const offsets = what === undefined ? null : Array.isArray(what) ? (what as readonly CommittedOffset[]).map(checkOffset) : [endOf(what as ConsumerBatch<K, V>)]
    // Who commits now says that what was delivered last is processed, too.
    const one = this.#delivered
    if (what === undefined && one !== null) one.processed = one.position ?? one.processed
    this.#report()
    const correlationId = this.#nextCorrelationId++
    await new Promise<void>((resolve, reject) => {
      this.#commits.set(correlationId, { resolve, reject })
      this.#link.send({ kind: 'commit', correlationId, offsets })
    })
  }

  async committed(partitions?: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    this.#assertOpen()
    const { group } = this.#options
    if (group === undefined) throw new KafkaError('INVALID_GROUP_ID', 'committed needs the option group')
    const wanted = partitions?.map(({ topic, partition }) => ({ topic, partitions: [partition] })) ?? null
    const { errorCode, offsets } = await this.#engine.requests.askGroup(group, { kind: 'offsetFetch', partitions: wanted }, 'offsetFetchResponse')
    throwIfError(errorCode, null)
    return [...offsets]
  }

  // ── end ──

  async close(): Promise<void> {
    if (this.#closed || this.#closing !== null) return
    for (const one of this.#partitions.values()) one.clear()
    this.#report()
    await new Promise<void>((done) => {
      const correlationId = this.#nextCorrelationId++
      this.#closing = { correlationId, done }
      this.#link.send({ kind: 'closeConsumer', correlationId })
    })
    this.#closed = true
    this.#link.close()
    this.#engine.clients.delete(this)
    for (const { reject } of this.#commits.values()) reject(closedError('consumer'))
    this.#rouse()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ── what the actor says ──

  #onMessage(message: Message): void {
    switch (message.kind) {
      case 'assigned':
        return this.#onAssigned(message)
      case 'chunk':
        return this.#onChunk(message)
      case 'positionReset':
        return this.#onPositionReset(message)
      case 'revoking':
        return this.#onRevoking(message)
      case 'commitResult':
        return this.#onCommitResult(message)
      case 'consumerFailed': {
        const { name } = errorOf(message.errorCode)
        return this.#fail(new KafkaError(name, message.errorMessage))
      }
      case 'consumerClosed':
        return this.#closing?.done()
      default:
        return
    }
  }

  #onAssigned({ partitions }: MessageOf<'assigned'>): void {
    for (const { topic, partition, position, session } of partitions) this.#moveTo(this.#add(topic, partition), position, session)
    this.#options.onAssigned?.(partitions.map(({ topic, partition }) => ({ topic, partition })))
    this.#rouse()
  }

  #onPositionReset({ topic, partition, position, session }: MessageOf<'positionReset'>): void {
    const one = this.#partitions.get(topicPartitionName(topic, partition))
    if (one === undefined || session <= one.session) return
    this.#moveTo(one, position, session)
  }

  #onChunk(chunk: MessageOf<'chunk'>): void {
    const one = this.#partitions.get(topicPartitionName(chunk.topic, chunk.partition))
    if (one === undefined || one.session !== chunk.session || one.revoking) return
    const list = chunk.range !== null ? this.#reader.read(chunk.node, chunk.range) : chunk.records !== null ? this.#reader.take(chunk.records) : null
    const last = list?.positions[list.positions.length - 1]
    if (list === null || last === undefined) {
      if (list !== null && list.bytes.length > 0) return this.#fail(damaged(one.name, chunk.fetchOffset))
      // The file went while we looked: ask again, and learn where the log begins now.
      return this.#link.post({ kind: 'fetchMore', topic: one.topic, partition: one.partition, session: one.session, offset: chunk.fetchOffset })
    }
    one.push(list)
    this.#fetchEnds.set(one, header.lastOffset(list.bytes, last.at) + 1)
    if (one.chunkCount === 1) this.#turns.push(one)
    this.#askForMore(one)
    this.#rouse()
  }

  /** Where the next fetch begins, for partitions whose last chunk has arrived and was not yet followed by a question for more. */
  readonly #fetchEnds: Map<ConsumedPartition, number> = new Map()

  #askForMore(one: ConsumedPartition): void {
    if (one.chunkCount >= CHUNKS_MAX) return
    const offset = this.#fetchEnds.get(one)
    if (offset === undefined) return
    this.#fetchEnds.delete(one)
    this.#link.post({ kind: 'fetchMore', topic: one.topic, partition: one.partition, session: one.session, offset })
    this.#scheduleKick()
  }

  #kickScheduled = false

  #scheduleKick(): void {
    if (this.#kickScheduled) return
    this.#kickScheduled = true
    queueMicrotask(() => {
      this.#kickScheduled = false
      this.#engine.loop.kick()
    })
  }

  #onRevoking({ partitions, lost }: MessageOf<'revoking'>): void {
    for (const { topic, partition } of partitions) {
      const one = this.#partitions.get(topicPartitionName(topic, partition))
      if (one === undefined) continue
      one.revoking = true
      one.clear()
      this.#revoking.push(one)
    }
    // An application that waits has processed everything; one that is busy lets go when it asks for more.
    if (lost || this.#delivered === null || this.#wake !== null || !this.#revoking.includes(this.#delivered)) this.#releaseRevoked()
  }

  #releaseRevoked(): void {
    const partitions = this.#revoking.splice(0)
    if (partitions.length === 0) return
    this.#report()
    const names = partitions.map(({ topic, partition }) => ({ topic, partition }))
    for (const one of partitions) this.#drop(one)
    this.#options.onRevoked?.(names)
    this.#link.post({ kind: 'released', partitions: names })
    this.#scheduleKick()
  }

  #onCommitResult({ correlationId, errorCode, errorMessage }: MessageOf<'commitResult'>): void {
    const pending = this.#commits.get(correlationId)
    this.#commits.delete(correlationId)
    const { name, message } = errorOf(errorCode)
    if (errorCode === NONE) pending?.resolve()
    else pending?.reject(new KafkaError(name, errorMessage ?? message))
  }

  // ── helpers ──

  #add(topic: string, partition: number): ConsumedPartition {
    const name = topicPartitionName(topic, partition)
    const known = this.#partitions.get(name)
    if (known !== undefined && !known.revoking) return known
    const added = new ConsumedPartition(topic, partition)
    this.#partitions.set(name, added)
    return added
  }

  #drop(one: ConsumedPartition): void {
    one.clear()
    if (this.#delivered === one) this.#delivered = null
    this.#fetchEnds.delete(one)
    this.#turns = this.#turns.filter((other) => other !== one)
    if (this.#partitions.get(one.name) === one) this.#partitions.delete(one.name)
  }

  #moveTo(one: ConsumedPartition, position: number, session: number): void {
    one.clear()
    this.#fetchEnds.delete(one)
    this.#turns = this.#turns.filter((other) => other !== one)
    one.session = session
    one.position = position
    one.processed = position
    one.reported = position
  }

  /** Tells the actor how far the application is. */
  #report(): void {
    this.#reportedAt = performance.now()
    for (const one of this.#partitions.values()) {
      if (one.processed < 0 || one.processed === one.reported) continue
      one.reported = one.processed
      this.#link.post({ kind: 'progress', topic: one.topic, partition: one.partition, position: one.processed })
    }
  }

  #setPaused(partitions: readonly TopicPartition[], paused: boolean): void {
    const known = partitions.map((partition) => this.#assigned(partition))
    for (const one of known) one.paused = paused
    this.#link.send({ kind: 'pause', partitions: known.map(({ topic, partition }) => ({ topic, partition })), paused })
    if (!paused) this.#rouse()
  }

  async #offsetAt({ topic, partition }: TopicPartition, timestamp: number): Promise<number> {
    const { requests } = this.#engine
    const metadata = await requests.topic(topic)
    const to = requests.leaderOf(metadata, partition)
    const found = await requests.ask(to, { kind: 'listOffsets', topicId: metadata.topicId, timestamp }, 'listOffsetsResponse')
    throwIfError(found.errorCode, found.errorMessage)
    if (found.offset >= 0) return found.offset
    const end = await requests.ask(to, { kind: 'listOffsets', topicId: metadata.topicId, timestamp: -1 }, 'listOffsetsResponse')
    throwIfError(end.errorCode, end.errorMessage)
    return end.offset
  }

  #assigned({ topic, partition }: TopicPartition): ConsumedPartition {
    this.#assertOpen()
    const one = this.#partitions.get(topicPartitionName(topic, partition))
    if (one === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `${topicPartitionName(topic, partition)} is not assigned to this consumer`)
    return one
  }

  #fail(error: unknown): void {
    if (this.#closed || this.#closing !== null) return
    this.#failure ??= error instanceof KafkaError ? error : new KafkaError('UNKNOWN_SERVER_ERROR', String(error), { cause: error })
    this.#rouse()
  }

  #assertOpen(): void {
    if (this.#closed || this.#closing !== null) throw closedError('consumer')
  }
}

function endOf<K, V>({ topic, partition, endOffset }: ConsumerBatch<K, V>): CommittedOffset {
  return { topic, partition, offset: endOffset, metadata: '' }
}

function checkOffset({ topic, partition, offset, metadata = '' }: CommittedOffset): CommittedOffset {
  checkName(topic)
  if (Number.isSafeInteger(offset) && offset >= 0) return { topic, partition, offset, metadata }
  throw new KafkaError('OFFSET_OUT_OF_RANGE', `an offset is a whole number from 0 on, not ${String(offset)}`)
}

function damaged(name: string, offset: number): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `the batch at offset ${offset} of ${name} is damaged; seek behind it to go on`)
}
