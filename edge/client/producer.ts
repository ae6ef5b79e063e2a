/**
 * The public producer. A record is encoded straight into the open batch of its partition; a full batch, or one whose time has come,
 * is handed to the producer actor, which numbers, sends and retries it (actors/producer.ts).
 *
 *   send, write ─► open batch per partition ─► submit ─► actor ─► leader … delivered ─► promises
 *
 * Records of topics that are not known yet, and records beyond the buffer, wait in order in a backlog.
 */
import { actor as producerActor } from '../../actors/producer.ts'
import { errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import type { SubmittedRecords } from '../../protocol/messages/client.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import type { Producer, ProducerOptions, ProducerRecord, RecordMetadata, SendOptions, Transaction } from './api.ts'
import { checkProduceName } from './arguments.ts'
import { DeliveryWaiters } from './delivery-waiters.ts'
import { ActorLink, closedError, crashError } from './engine.ts'
import type { Engine } from './engine.ts'
import { partitionOf, tooLarge } from './known-topic.ts'
import type { KnownTopic } from './known-topic.ts'
import { KnownTopics } from './known-topics.ts'
import { OpenBatch } from './open-batch.ts'
import type { RecordWaiter } from './open-batch.ts'
import { checkOptions, integerOption } from './options.ts'
import { ACKS_DEFAULT, acksOf, PRODUCER_RULES, producerConfig } from './producer-options.ts'
import { chosenPartition, encodeRecord, keepRecord, recordBytes } from './record-encoding.ts'
import type { EncodedRecord } from './record-encoding.ts'
import { RecordBacklog } from './record-backlog.ts'
import { bytes } from './serdes.ts'
import type { Serde } from './serdes.ts'
import { outsideError, Transactions } from './transactions.ts'
import type { TransactionOwner } from './transactions.ts'

/** As many as the producer actor keeps in flight per partition: more would only wait there. */
const IN_FLIGHT_BATCHES_MAX = 5

/** The producer behind the public interface. */
export class ProducerClient<K, V> implements Producer<K, V> {
  readonly #engine: Engine
  readonly #options: ProducerOptions<K, V>
  readonly #key: Serde<K>
  readonly #value: Serde<V>
  readonly #link: ActorLink
  readonly #topics: KnownTopics
  readonly #open: Set<OpenBatch> = new Set()
  readonly #submitted: Map<number, OpenBatch> = new Map()
  readonly #spare: OpenBatch[] = []
  readonly #backlog: RecordBacklog<K, V>
  /** Null without a transactional id. */
  readonly #transactions: Transactions<K, V> | null
  #nextToken = 1
  #bufferedBytes = 0
  readonly #bufferMemoryBytes: number
  readonly #batchSizeBytes: number
  readonly #lingerMillis: number
  readonly #acks: Acks
  #sealScheduled = false
  #failure: KafkaError | null = null
  readonly #waiters: DeliveryWaiters = new DeliveryWaiters()
  #closing: Promise<void> | null = null

  constructor(engine: Engine, options: ProducerOptions<K, V>) {
    checkOptions('producer', options, PRODUCER_RULES)
    this.#engine = engine
    this.#options = options
    this.#key = options.key ?? (bytes as Serde<unknown> as Serde<K>)
    this.#value = options.value ?? (bytes as Serde<unknown> as Serde<V>)
    this.#bufferMemoryBytes = integerOption(options.bufferMemoryBytes, PRODUCER_RULES.bufferMemoryBytes)
    this.#batchSizeBytes = integerOption(options.batchSizeBytes, PRODUCER_RULES.batchSizeBytes)
    this.#lingerMillis = integerOption(options.lingerMillis, PRODUCER_RULES.lingerMillis)
    this.#acks = options.acks ?? ACKS_DEFAULT
    const config = producerConfig(options, engine.quotas)
    this.#link = new ActorLink(engine, engine.nextName('producer'), producerActor, config, (message) => this.#onMessage(message))
    const describe = (name: string): Promise<TopicMetadata> => engine.requests.topic(name)
    this.#topics = new KnownTopics(this.#batchSizeBytes, describe)
    this.#backlog = new RecordBacklog({
      patienceMillis: config.deliveryTimeoutMillis,
      topicNamed: (name) => this.#topics.named(name),
      describe,
      learn: (name, metadata) => this.#topics.learn(name, metadata),
      renew: (topic) => this.#topics.renew(topic),
      hasSpace: () => this.#bufferedBytes < this.#bufferMemoryBytes * 2,
      append: (topic, { encoded, waiter, acks }) => this.#append(topic, encoded, waiter, acks),
      fail: (error) => (this.#failure ??= error),
      worked: () => this.#tellWaiters(),
    })
    this.#transactions = options.transactionalId === undefined ? null : this.#newTransactions()
    engine.clients.add(this)
  }

  // ── the two lanes ──

  send(record: ProducerRecord<K, V>, options?: SendOptions): Promise<RecordMetadata>
  send(records: readonly ProducerRecord<K, V>[], options?: SendOptions): Promise<RecordMetadata[]>
  send(
    input: ProducerRecord<K, V> | readonly ProducerRecord<K, V>[],
    options?: SendOptions,
  ): Promise<RecordMetadata> | Promise<RecordMetadata[]> {
    if (this.#transactions !== null) return Promise.reject<never>(outsideError('send'))
    if (!Array.isArray(input)) return this.#sendOne(input as ProducerRecord<K, V>, options)
    // Unlike `map`, it does not leave out what is missing.
    return Promise.all(Array.from(input as readonly ProducerRecord<K, V>[], (record) => this.#sendOne(record, options)))
  }

  write(record: ProducerRecord<K, V>, options?: SendOptions): boolean {
    if (this.#transactions !== null) throw outsideError('write')
    return this.#writeOne(record, options)
  }

  #writeOne(record: ProducerRecord<K, V>, options: SendOptions | undefined): boolean {
    this.#accept(record, null, options)
    return this.#bufferedBytes < this.#bufferMemoryBytes && this.#backlog.length === 0
  }

  drained(): Promise<void> {
    if (!this.#hasRoom()) this.#sealAll()
    // Sealing runs the cycle: everything may be delivered already, and then nobody would tell of it later.
    return this.#hasRoom() ? Promise.resolve() : this.#waiters.room()
  }

  async flush(): Promise<void> {
    this.#sealAll()
    if (this.#isBusy()) await this.#waiters.delivered(this.#backlog.length === 0 ? this.#nextToken : Infinity)
    const failure = this.#failure
    this.#failure = null
    if (failure !== null) throw failure
  }

  // ── transactions ──

  async beginTransaction(): Promise<Transaction<K, V>> {
    return this.#transactional('beginTransaction').begin()
  }

  async transaction<T>(work: (transaction: Transaction<K, V>) => T | Promise<T>): Promise<T> {
    return this.#transactional('transaction').run(work)
  }

  #transactional(method: string): Transactions<K, V> {
    if (this.#closing !== null) throw closedError('producer')
    if (this.#transactions !== null) return this.#transactions
    throw new KafkaError('INVALID_TXN_STATE', `${method} needs a producer with the option transactionalId`)
  }

  #newTransactions(): Transactions<K, V> {
    const owner: TransactionOwner<K, V> = {
      engine: this.#engine,
      send: (record) => this.#sendOne(record, undefined),
      write: (record) => this.#writeOne(record, undefined),
      drained: () => this.drained(),
      flush: () => this.flush(),
      giveUp: (error) => {
        this.#backlog.failAll(error)
        this.#sealAll()
      },
      forgetFailure: () => (this.#failure = null),
    }
    return new Transactions(owner, () => this.#link)
  }

  // ── end ──

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.#transactions?.close()
      await this.flush()
    } finally {
      this.#link.close()
      this.#transactions?.end(closedError('producer'))
      this.#engine.clients.delete(this)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #sendOne(record: ProducerRecord<K, V>, options: SendOptions | undefined): Promise<RecordMetadata> {
    return new Promise((resolve, reject) => {
      try {
        this.#accept(record, { resolve, reject }, options)
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
  }

  // ── from a record to a batch ──

  #accept(record: ProducerRecord<K, V>, waiter: RecordWaiter | null, options: SendOptions | undefined): void {
    const acks = options === undefined ? this.#acks : acksOf(options, this.#acks)
    if (this.#closing !== null) throw closedError('producer')
    if (typeof record !== 'object' || record === null)
      throw new KafkaError('INVALID_RECORD', 'a record is an object such as { topic, key, value }')
    const topic = this.#backlog.length === 0 ? this.#topics.named(record.topic) : undefined
    if (topic !== undefined && this.#bufferedBytes < this.#bufferMemoryBytes * 2) {
      const encoded = encodeRecord(record, this.#key, this.#value)
      if (this.#append(topic, encoded, waiter, acks)) return
      this.#backlog.push({ encoded: keepRecord(encoded), waiter, acks })
      return this.#backlog.look(topic)
    }
    this.#backlog.checkRoom()
    checkProduceName(record.topic)
    this.#backlog.push({ encoded: keepRecord(encodeRecord(record, this.#key, this.#value)), waiter, acks })
  }

  /** Puts the record into the open batch of its partition, which ends where the acks differ, if that is there; throws before anything has changed. */
  #append(topic: KnownTopic, encoded: EncodedRecord<K, V>, waiter: RecordWaiter | null, acks: Acks): boolean {
    const { record, key, value, headers, timestamp } = encoded
    const partition = partitionOf(topic, chosenPartition(record, this.#options.partitioner, topic.open.length), key)
    if (partition < 0) return false
    let batch = topic.open[partition] ?? this.#begin(topic, partition, acks, waiter !== null)
    const isFull = batch.builder.count > 0 && batch.builder.sizeBytes + recordBytes(encoded) > topic.batchBytesMax
    if (isFull || batch.acks !== acks || !batch.builder.append(timestamp, key, value, headers)) {
      this.#seal(topic, batch)
      batch = this.#begin(topic, partition, acks, waiter !== null)
      batch.builder.append(timestamp, key, value, headers)
    }
    if (waiter !== null) batch.wait(waiter, timestamp)
    const { sizeBytes } = batch.builder
    this.#bufferedBytes += sizeBytes - batch.sizeBytes
    batch.sizeBytes = sizeBytes
    if (sizeBytes > topic.batchBytesMax) this.#onLarge(topic, batch)
    return true
  }

  #begin(topic: KnownTopic, partition: number, acks: Acks, isAwaited: boolean): OpenBatch {
    const batch = this.#spare.pop() ?? new OpenBatch(this.#batchSizeBytes)
    batch.known = topic
    batch.topic = topic.metadata.topic
    batch.partition = partition
    batch.acks = acks
    topic.open[partition] = batch
    this.#open.add(batch)
    this.#topics.look(topic)
    if (!this.#sealScheduled) this.#scheduleSeal(isAwaited && topic.outstanding[partition] === 0)
    return batch
  }

  /** A record that is larger than a batch makes a batch of its own; what is larger than the topic takes is refused here. */
  #onLarge(topic: KnownTopic, batch: OpenBatch): void {
    const error = tooLarge(topic, batch.builder.sizeBytes, this.#options.compression ?? 'none')
    if (error === null) return this.#seal(topic, batch)
    this.#remove(topic, batch)
    this.#finish(batch, error, -1, -1)
  }

  // ── from a batch to the actor ──

  /** Without a linger time, the end of the turn; at once if somebody waits for the record and nothing is in flight that it could join. */
  #scheduleSeal(isUrgent: boolean): void {
    this.#sealScheduled = true
    if (this.#lingerMillis > 0) setTimeout(() => this.#sealDue(), this.#lingerMillis)
    else if (isUrgent) queueMicrotask(() => this.#sealDue())
    else setImmediate(() => this.#sealDue())
  }

  /** The time of the open batches has come. Where enough are in flight, a batch stays open and grows until one of them is delivered. */
  #sealDue(): void {
    this.#sealScheduled = false
    this.#sealWhere((topic, batch) => topic.outstanding[batch.partition]! < IN_FLIGHT_BATCHES_MAX)
  }

  #sealAll(): void {
    this.#sealWhere(() => true)
  }

  #sealWhere(isDue: (topic: KnownTopic, batch: OpenBatch) => boolean): void {
    if (this.#open.size === 0) return
    for (const batch of this.#open) {
      const topic = batch.known
      if (topic === null) continue
      if (isDue(topic, batch)) this.#submit(topic, batch)
      else batch.due = true
    }
    this.#engine.loop.kick()
  }

  #seal(topic: KnownTopic, batch: OpenBatch): void {
    this.#submit(topic, batch)
    this.#engine.loop.kick()
  }

  #submit(topic: KnownTopic, batch: OpenBatch): void {
    this.#remove(topic, batch)
    if (batch.partition === topic.stickyPartition) topic.stickyPartition = (batch.partition + 1) % topic.metadata.partitions.length
    this.#link.post({ kind: 'submit', topic: batch.topic, partition: batch.partition, acks: batch.acks, ...this.#finished(topic, batch) })
  }

  /** A batch as it goes to the actor, and the token under which its fate is told. */
  #finished(topic: KnownTopic, batch: OpenBatch): SubmittedRecords {
    const records = batch.finish(this.#options.compression ?? 'none', this.#transactions !== null)
    const token = this.#nextToken++
    this.#submitted.set(token, batch)
    topic.outstanding[batch.partition]!++
    return { token, records }
  }

  #remove(topic: KnownTopic, batch: OpenBatch): void {
    topic.open[batch.partition] = null
    this.#open.delete(batch)
  }

  // ── back from the actor ──

  #onMessage(message: Message): void {
    if (message.kind === 'delivered') this.#onDelivered(message)
    else if (message.kind === 'tooLarge') this.#onTooLarge(message)
    else if (message.kind === 'transactionResult') this.#transactions?.onResult(message)
    else if (message.kind === 'actorCrashed') this.#onCrash(crashError('producer', message.errorMessage))
  }

  #onDelivered({ token, errorCode, errorMessage, baseOffset, logAppendTime }: MessageOf<'delivered'>): void {
    const batch = this.#submitted.get(token)
    if (batch === undefined) return
    this.#submitted.delete(token)
    if (batch.known !== null) this.#afterDelivery(batch.known, batch.partition)
    if (errorCode === NONE) return this.#finish(batch, null, baseOffset, logAppendTime)
    const { name, message } = errorOf(errorCode)
    this.#finish(batch, new KafkaError(name, `${batch.topic}-${batch.partition}: ${errorMessage ?? message}`), -1, -1)
  }

  /** The topic takes less at once than it did: what it has refused is sent again in parts, in its place, and the next batches are smaller. */
  #onTooLarge({ token }: MessageOf<'tooLarge'>): void {
    const batch = this.#submitted.get(token)
    const topic = batch?.known
    if (batch === undefined || topic === undefined || topic === null) return
    void this.#topics.renew(topic)
    const parts = batch.split(topic.batchBytesMax, () => new OpenBatch(this.#batchSizeBytes))
    const submitted = parts.map((part) => this.#finished(topic, part))
    this.#submitted.delete(token)
    topic.outstanding[batch.partition]!--
    for (const part of parts) this.#bufferedBytes += part.sizeBytes
    this.#bufferedBytes -= batch.sizeBytes
    this.#waiters.replaced(token, this.#nextToken)
    this.#link.post({ kind: 'splitBatch', token, parts: submitted })
  }

  /** What was under way is given up, and so is all of a transaction. Its memory is not used again: leaders may look at it still. */
  #onCrash(error: KafkaError): void {
    this.#transactions?.onCrash(error)
    const submitted = [...this.#submitted.values()]
    const open = this.#transactions === null ? [] : [...this.#open]
    this.#submitted.clear()
    for (const batch of open) if (batch.known !== null) this.#remove(batch.known, batch)
    for (const batch of [...submitted, ...open]) {
      if (!batch.reject(error)) this.#failure ??= error
      this.#bufferedBytes -= batch.sizeBytes
    }
    if (this.#transactions !== null) {
      this.#backlog.failAll(error)
      // The transaction says so.
      this.#failure = null
    }
    for (const { known, partition } of submitted) if (known !== null) this.#afterDelivery(known, partition)
    this.#backlog.workOff()
  }

  #afterDelivery(topic: KnownTopic, partition: number): void {
    topic.outstanding[partition]!--
    const open = topic.open[partition]
    if (open?.due === true) this.#submit(topic, open)
  }

  #finish(batch: OpenBatch, error: KafkaError | null, baseOffset: number, logAppendTime: number): void {
    if (error === null) batch.resolve(baseOffset, logAppendTime)
    else if (!batch.reject(error)) this.#failure ??= error
    if (error?.name === 'UNKNOWN_TOPIC_OR_PARTITION') this.#topics.forget(batch.topic)
    this.#bufferedBytes -= batch.sizeBytes
    batch.reset()
    this.#spare.push(batch)
    if (this.#backlog.length > 0) this.#backlog.workOff()
    this.#tellWaiters()
  }

  #tellWaiters(): void {
    if (this.#hasRoom()) this.#waiters.tellRoom()
    if (this.#backlog.length === 0 && this.#waiters.hasUntold()) {
      this.#sealAll()
      this.#waiters.setTarget(this.#nextToken)
    }
    // Tokens grow, and a map keeps the order of insertion.
    const oldest = this.#submitted.keys().next().value ?? Infinity
    if (oldest < Infinity || this.#backlog.length === 0) this.#waiters.tellDelivered(oldest)
  }

  #hasRoom(): boolean {
    return this.#bufferedBytes < this.#bufferMemoryBytes / 2 && this.#backlog.length === 0
  }

  #isBusy(): boolean {
    return this.#submitted.size > 0 || this.#open.size > 0 || this.#backlog.length > 0
  }
}
