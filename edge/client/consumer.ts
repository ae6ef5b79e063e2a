/**
 * The public consumer. The actor (actors/consumer.ts) finds offsets, fetches and keeps the group membership; consumption.ts keeps what
 * has arrived; record-delivery.ts makes records of it. Here asking for the next record says that the one before is processed.
 */
import { randomUUID } from 'node:crypto'
import { actor as consumerActor } from '../../actors/consumer.ts'
import { KafkaError } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import { foreignCommitError } from '../../protocol/messages/group.ts'
import type { CommittedOffset, TopicOffset } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Consumer, ConsumerBatch, ConsumerOptions, ConsumerRecord, OffsetToCommit, Polling, Waiting } from './api.ts'
import {
  checkMembership,
  checkMode,
  checkOffset,
  checkSubscription,
  checkTopicPartition,
  checkTopicPartitions,
  checkWaiting,
  offsetsToCommit,
} from './arguments.ts'
import type { Subscription } from './arguments.ts'
import { checkTimestamp } from './record-encoding.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { CommitRequests, fetchCommitted } from './commit-requests.ts'
import type { MemberOffsets } from './commit-requests.ts'
import { checkPoll, CONSUMER_RULES, consumerConfig, POLL_MILLIS_DEFAULT } from './consumer-options.ts'
import { Consumption } from './consumption.ts'
import { closedError, crashError } from './engine.ts'
import type { Engine } from './engine.ts'
import { offsetAt } from './offset-lookup.ts'
import { checkOptions, integerOption } from './options.ts'
import { PollWatch } from './poll-watch.ts'
import { RecordDelivery } from './record-delivery.ts'
import { ProcessSlot } from './process-slot.ts'
import type { ProcessHandler, ProcessOptions } from './process-api.ts'

/** The consumer behind the public interface. */
export class ConsumerClient<K, V> implements Consumer<K, V> {
  readonly #engine: Engine
  readonly #options: ConsumerOptions<K, V>
  readonly #consumption: Consumption
  readonly #delivery: RecordDelivery<K, V>
  readonly #requests: CommitRequests
  readonly #watch: PollWatch
  #mode: 'assigned' | 'subscribed' | null = null
  #wanted: Subscription = { topics: [], topicPattern: null }
  /** It did not ask for records for too long, and is no member until it does. */
  #isOverdue = false
  /** A processing has committed for it, and the application has not asked for records since. */
  #isByHand = false
  /** It is being closed, and its listener may still commit. */
  #isLeaving = false
  /** Its actor has. */
  #crash: KafkaError | null = null
  readonly #processSlot: ProcessSlot = new ProcessSlot()
  #onClosed: (() => void) | null = null
  #closing: Promise<void> | null = null
  #closed = false

  constructor(engine: Engine, options: ConsumerOptions<K, V>, reader: ChunkReader) {
    checkOptions('consumer', options, CONSUMER_RULES)
    checkMembership(options)
    this.#engine = engine
    this.#options = options
    const name = engine.nextName('consumer')
    this.#consumption = new Consumption(engine, name, reader, {
      actorUrl: consumerActor,
      config: consumerConfig(options, `${name}-${randomUUID()}`, engine.directory === null ? 'bytes' : 'range', engine.quotas),
      onAssigned: options.onAssigned,
      onGone: (partitions) => this.#processSlot.gone(partitions),
      onRevoked: this.#processSlot.revoked(options.onRevoked),
      onLost: this.#processSlot.lost(options.onLost ?? options.onRevoked),
      onLostMeanwhile: this.#processSlot.lostMeanwhile(options.onLost, options.onRevoked),
      onAnswer: (message) => this.#onAnswer(message),
    })
    this.#delivery = new RecordDelivery(this.#consumption, options)
    this.#requests = new CommitRequests(() => this.#consumption.link)
    const interval = integerOption(options.maxPollIntervalMillis, CONSUMER_RULES.maxPollIntervalMillis)
    this.#watch = new PollWatch(interval, this.#consumption, () => this.#onOverdue())
    engine.clients.add(this)
    if (options.topics !== undefined) this.subscribe(options.topics)
  }

  #onAnswer(message: Message): void {
    if (message.kind === 'commitResult') this.#requests.onCommitResult(message)
    else if (message.kind === 'memberAnswer') this.#requests.onMember(message)
    else if (message.kind === 'consumerClosed') this.#onClosed?.()
    else if (message.kind === 'actorCrashed') this.#onCrash(crashError('consumer', message.errorMessage))
  }

  /** Nobody knows any more what it was given, and what of that is processed: it can only be closed. */
  #onCrash(error: KafkaError): void {
    this.#crash = error
    this.#watch.stop()
    this.#consumption.clear()
    this.#requests.giveUp(error)
    this.#consumption.fail(error)
    this.#onClosed?.()
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
    this.#consumption.forgetFailure()
    if (wanted.topics.length === 0 && wanted.topicPattern === null) this.#leave()
    else this.#join()
    for (const topic of wanted.topics) this.#engine.requests.topic(topic).catch((error: unknown) => this.#fail(error, wanted))
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
    this.#assertHeard()
    checkTopicPartition('seek', partition)
    const one = this.#consumption.assigned(partition)
    checkOffset(offset)
    this.#consumption.seek(one, offset)
    this.#processSlot.sought(one, offset)
  }

  async seekToTimestamp(timestamp: number, partitions: readonly TopicPartition[] = this.assignment()): Promise<void> {
    checkTimestamp(timestamp)
    checkTopicPartitions('seekToTimestamp', partitions)
    for (const partition of partitions) this.#consumption.assigned(partition)
    const offsetOf = (one: TopicPartition): Promise<number> => offsetAt(this.#engine.requests, one, timestamp, this.#options.isolationLevel)
    // What goes meanwhile is not sought in.
    const sought = await Promise.all(partitions.map(async (one) => ({ ...one, offset: await offsetOf(one) })))
    for (const one of sought) if (this.#consumption.find(one) !== undefined) this.seek(one, one.offset)
  }

  pause(partitions: readonly TopicPartition[] = this.assignment()): void {
    this.#setPaused('pause', partitions)
  }

  resume(partitions: readonly TopicPartition[] = this.assignment()): void {
    this.#setPaused('resume', partitions)
  }

  // ── records ──

  async poll(options: Polling = {}): Promise<ConsumerRecord<K, V>[]> {
    checkPoll(options)
    this.#asksItself()
    return this.#poll(options, () => this.#processSlot.assertFree())
  }

  async #poll(
    { signal, timeoutMillis = POLL_MILLIS_DEFAULT }: Polling,
    mayGoOn: (() => void) | null = null,
  ): Promise<ConsumerRecord<K, V>[]> {
    const deadline = performance.now() + timeoutMillis
    signal?.throwIfAborted()
    this.#moveOn()
    this.#consumption.throwFailure()
    for (let hasWaited = false; ; hasWaited = true) {
      const records = mayGoOn !== null && this.#consumption.isHeld ? [] : this.#delivery.records()
      if (records.length > 0) this.#processSlot.polled()
      // Who does not want to wait waits for a moment all the same: in a loop that never does, nothing would ever arrive.
      if (records.length > 0 || (hasWaited && performance.now() >= deadline)) return records
      await this.#consumption.wait(signal, deadline)
      this.#assertOpen()
      mayGoOn?.()
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<ConsumerRecord<K, V>> {
    return this.records()[Symbol.asyncIterator]()
  }

  records(options: Waiting = {}): AsyncGenerator<ConsumerRecord<K, V>> {
    return this.#stream('records', options, () => this.#delivery.nextRecord())
  }

  batches(options: Waiting = {}): AsyncGenerator<ConsumerBatch<K, V>> {
    return this.#stream('batches', options, () => this.#delivery.nextBatch())
  }

  async *#stream<Item>(method: 'records' | 'batches', options: Waiting, nextItem: () => Item | null): AsyncGenerator<Item> {
    checkWaiting(method, options)
    this.#assertOpen()
    while (!this.#closed) {
      options.signal?.throwIfAborted()
      this.#asksItself()
      this.#moveOn()
      const next = this.#consumption.isHeld ? null : nextItem()
      if (next === null) await this.#consumption.wait(options.signal, Infinity)
      else yield next
    }
  }

  /** The application asks for records itself, and the consumer commits again what that says is processed. Until then what a processing has committed, and its keys, stand. */
  #asksItself(): void {
    this.#processSlot.assertFree()
    this.#assertOpen()
    if (this.#isByHand) this.#commitByHand(false)
  }

  /** It asks for records: what the application was given before is processed, and committed as it would have been. */
  #beginProcess(): void {
    if (!this.#isByHand && this.#options.autoCommit !== false) this.commit().catch(() => undefined)
    this.#commitByHand(true)
  }

  #commitByHand(isByHand: boolean): void {
    this.#isByHand = isByHand
    this.#consumption.link.send({ kind: 'commitByHand', isOver: !isByHand })
  }

  #moveOn(): void {
    this.#assertOpen()
    this.#consumption.moveOn()
    if (!this.#isOverdue) return
    this.#isOverdue = false
    this.#join()
  }

  // ── commits ──

  async commit(what?: ConsumerBatch<K, V> | readonly OffsetToCommit[]): Promise<void> {
    this.#group('commit')
    const offsets = this.#offsetsOf(what)
    // What is committed automatically is not noted.
    const done = this.#options.autoCommit === false ? this.#consumption.uncommitted.committing(offsets) : null
    await this.#requests.commit(offsets)
    done?.()
  }

  /** Whether it reads from that cluster. */
  isOf(engine: Engine): boolean {
    return engine === this.#engine
  }

  /** What a transaction is to commit of this consumer, and who it is in its group. */
  async memberOffsets(what?: ConsumerBatch<unknown, unknown> | readonly OffsetToCommit[]): Promise<MemberOffsets> {
    const group = this.#group('sendOffsets')
    const offsets = this.#offsetsOf(what)
    if (offsets === null && this.#options.autoCommit === false) this.#consumption.uncommitted.checkLost()
    const held = this.#mode === 'subscribed' ? (offsets ?? []) : []
    for (const one of held.filter((place) => this.#consumption.find(place) === undefined)) {
      await this.#engine.requests.checkThere(one)
      this.#consumption.assigned(one, foreignCommitError(this.#options.groupProtocol ?? 'consumer'))
    }
    return this.#requests.member(group, this.#options.groupProtocol ?? 'consumer', offsets)
  }

  /** A transaction has committed them. */
  markCommitted(offsets: readonly TopicOffset[]): void {
    this.#consumption.uncommitted.committing(offsets)()
    if (!this.#closed) this.#consumption.link.send({ kind: 'offsetsCommitted', offsets })
  }

  #groupOption(method: string): string {
    this.#assertHeard()
    const { group } = this.#options
    if (group === undefined) throw new KafkaError('INVALID_GROUP_ID', `${method} needs a consumer with the option group`)
    return group
  }

  #group(method: string): string {
    const group = this.#groupOption(method)
    if (!this.#isOverdue) return group
    throw new KafkaError('UNKNOWN_MEMBER_ID', 'this consumer did not ask for records for maxPollIntervalMillis and has left its group')
  }

  /** Who commits now says that what was delivered last is processed, too. */
  #offsetsOf(what: ConsumerBatch<unknown, unknown> | readonly OffsetToCommit[] | undefined): CommittedOffset[] | null {
    const offsets = offsetsToCommit(what)
    if (offsets === null) {
      this.#processSlot.assertCommits()
      this.#consumption.settle()
    }
    this.#consumption.report()
    return offsets
  }

  async committed(partitions?: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    const group = this.#groupOption('committed')
    if (partitions !== undefined) checkTopicPartitions('committed', partitions)
    return fetchCommitted(this.#engine.requests, group, partitions ?? null)
  }

  async process<OK, OV>(handler: ProcessHandler<K, V, OK, OV>, options: ProcessOptions<K, V, OK, OV> = {}): Promise<void> {
    // Who has not asked for too long is a member again as soon as the processing polls.
    const group = this.#groupOption('process')
    const hooks = {
      begins: () => this.#beginProcess(),
      poll: this.#poll.bind(this),
      mustLetGo: () => this.#consumption.mustLetGo(),
      isAssignedByHand: () => this.#mode === 'assigned',
      held: () => this.#consumption.held(),
      goBack: this.#consumption.goBack.bind(this.#consumption),
    }
    await this.#processSlot.run(this.#engine, this, hooks, group, handler, options)
  }

  // ── end ──

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const millis = integerOption(this.#options.rebalanceTimeoutMillis, CONSUMER_RULES.rebalanceTimeoutMillis)
    this.#isLeaving = true
    this.#consumption.rouse()
    await this.#processSlot.stop(millis)
    this.#watch.stop()
    this.#consumption.clear()
    if (this.#mode === 'subscribed') await this.#consumption.sayGoodbye(millis)
    this.#isLeaving = false
    this.#consumption.report()
    await new Promise<void>((resolve) => {
      this.#onClosed = resolve
      this.#requests.sendClose()
    })
    this.#closed = true
    this.#consumption.link.close()
    this.#engine.clients.delete(this)
    this.#requests.giveUp(closedError('consumer'))
    this.#consumption.rouse()
    const failure = this.#consumption.takeListenerFailure()
    if (failure !== null) throw failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ── helpers ──

  #setPaused(method: 'pause' | 'resume', partitions: readonly TopicPartition[]): void {
    this.#assertHeard()
    checkTopicPartitions(method, partitions)
    const paused = method === 'pause'
    const known = partitions.map((partition) => this.#consumption.assigned(partition))
    for (const one of known) one.paused = paused
    this.#consumption.link.send({ kind: 'pause', partitions: known.map(({ topic, partition }) => ({ topic, partition })), paused })
    if (!paused) this.#consumption.rouse()
  }

  #choose(mode: 'assigned' | 'subscribed'): void {
    checkMode(this.#mode, mode)
    this.#mode = mode
  }

  #fail(error: unknown, wanted: Subscription): void {
    if (!this.#closed && this.#closing === null && wanted === this.#wanted) this.#consumption.fail(error)
  }

  /** It is open, or its listener hears that it is being closed. */
  #assertHeard(): void {
    if (!this.#isLeaving) this.#assertOpen()
  }

  #assertOpen(): void {
    if (this.#closed || this.#closing !== null) throw closedError('consumer')
    if (this.#crash !== null) throw this.#crash
  }
}
