/**
 * `consumer.process`: hands records to a handler, and commits them by the guarantee that was asked for. Each guarantee is a round that begins with the first record
 * after the last commit, and ends with the next one; whatever fails in between takes the consumer back to where the round began.
 *
 *   at most once       commit ─► handle                                       a crash between them skips
 *   at least once      handle ─► flush ─► commit                              a crash between them repeats
 *   effectively once   the same, with the keys that were seen in the commit   repeats only what no commit knows of
 *   exactly once       begin ─► handle ─► send offsets ─► commit              a crash takes results and offsets back
 *
 * Before partitions go to somebody else, the round ends; if they are gone already, it has failed. What was polled of a partition before it went, or before the
 * consumer went back in it, is not handled any more: it will come again, here or elsewhere.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { RecentKeys } from '../../protocol/recent-keys.ts'
import type { Consumer, ConsumerRecord, Producer, Waiting } from './api.ts'
import type { Engine } from './engine.ts'
import type { Outlet, ProcessHandler, ProcessOptions } from './process-api.ts'
import { outputOptions, processPlan } from './process-options.ts'
import type { ProcessPlan } from './process-options.ts'
import { beginsOf, committedRounds, transactionalRounds } from './process-rounds.ts'
import type { Place, Rounds } from './process-rounds.ts'
import { ProducerClient } from './producer.ts'
import type { PartitionListener } from './releases.ts'

/** Records of a handler that awaits nothing, between two looks at the clock. */
const LOOK_RECORDS = 256

/** How long a round without records waits for some. */
const POLL_MILLIS = 1000

/** Errors that say that the group has moved on: others have the partitions, or will read them again. The round is taken back, and the next one begins. */
const REBALANCED: ReadonlySet<string> = new Set([
  'UNKNOWN_MEMBER_ID',
  'FENCED_MEMBER_EPOCH',
  'STALE_MEMBER_EPOCH',
  'ILLEGAL_GENERATION',
  'REBALANCE_IN_PROGRESS',
])

/** What a processing asks of its consumer beyond the public face. */
export interface ProcessHooks<K, V> {
  /** As the public one, which is refused meanwhile. */
  poll(options: Waiting & { readonly timeoutMillis: number }): Promise<ConsumerRecord<K, V>[]>
  /** Between two records: whether partitions are to go, and wait for it. It says, too, that the application is alive. */
  mustLetGo(): boolean
}

/** How far a partition is handled: `offset` is that of the next record. */
interface Handled extends TopicPartition {
  offset: number
}

/** The work of one call. */
export class Processing<K, V, OK, OV> {
  readonly #consumer: Consumer<K, V>
  readonly #handler: ProcessHandler<K, V, OK, OV>
  readonly #plan: ProcessPlan<K, V>
  readonly #rounds: Rounds<OK, OV>
  readonly #hooks: ProcessHooks<K, V>
  /** The consumer is being closed. */
  #isStopping = false
  /** Where the round began, by partition; empty between two rounds. */
  readonly #starts: Map<string, Place> = new Map()
  readonly #recent: Map<string, RecentKeys> = new Map()
  /** What was handled in the round, by partition. */
  readonly #handled: Map<string, Handled> = new Map()
  /** That of the record before: most come from the same partition. */
  #last: Handled | null = null
  #endsAt = Infinity
  /** Records are handled, and rounds end, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #isLost = false
  /** Counts the times that partitions went, or the consumer went back. */
  #upheavals = 0
  /** By partition: the last of them that was about it. */
  readonly #upheavalOf: Map<string, number> = new Map()
  /** Before the records that were polled last. */
  #upheavalsAtPoll = 0

  constructor(
    consumer: Consumer<K, V>,
    hooks: ProcessHooks<K, V>,
    producer: Producer<OK, OV>,
    handler: ProcessHandler<K, V, OK, OV>,
    plan: ProcessPlan<K, V>,
  ) {
    this.#consumer = consumer
    this.#hooks = hooks
    this.#handler = handler
    this.#plan = plan
    const isExact = plan.guarantee === 'exactly-once'
    const asked = consumer as Consumer<unknown, unknown>
    this.#rounds = isExact ? transactionalRounds(asked, producer, () => this.#isLost) : committedRounds(asked, producer, plan, this.#recent)
  }

  get #isAtMostOnce(): boolean {
    return this.#plan.guarantee === 'at-most-once'
  }

  /** Until the signal says so; then what was handled is committed. Throws what the handler throws, after the round is taken back. */
  async run(signal: AbortSignal | undefined): Promise<void> {
    try {
      while (!this.#isOver(signal)) await this.#step(signal)
      await this.#end()
    } catch (error) {
      throw await this.#fail(error)
    }
  }

  /** The record in work is the last one: the consumer is being closed. */
  stop(): void {
    this.#isStopping = true
  }

  #isOver(signal: AbortSignal | undefined): boolean {
    return this.#isStopping || signal?.aborted === true
  }

  /** Takes the round back; what the caller shall hear. */
  async #fail(error: unknown): Promise<unknown> {
    const isEpochOld = error instanceof KafkaError && error.name === 'INVALID_PRODUCER_EPOCH'
    try {
      await this.#inTurn(() => this.#takeBack())
    } catch (fatal) {
      return isEpochOld ? fatal : error
    }
    if (!isEpochOld) return error
    const reason = 'the handling of some records took longer than transactionTimeoutMillis, and their transaction was aborted: raise that'
    return new KafkaError('INVALID_TXN_STATE', reason, { cause: error })
  }

  /** Records are given out, now. */
  polled(): void {
    this.#upheavalsAtPoll = this.#upheavals
  }

  /** Partitions are about to go: what was handled of them is committed first. */
  async revoking(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#end().catch(() => undefined)
    this.#forget(partitions)
  }

  /** Partitions are gone, or begin anew elsewhere: nothing of this round may count. */
  lost(partitions: readonly TopicPartition[]): void {
    this.#isLost ||= this.#starts.size > 0
    this.#forget(partitions)
  }

  /** Whoever has them next begins where the group says, this consumer, too. */
  #forget(partitions: readonly TopicPartition[]): void {
    this.#upset(partitions)
    for (const { topic, partition } of partitions) {
      const name = topicPartitionName(topic, partition)
      this.#starts.delete(name)
      this.#handled.delete(name)
      // Not those of others: they may be under way already, and nobody would recall them.
      this.#recent.delete(name)
    }
    this.#last = null
  }

  /** What was polled of them until now is not to be handled. */
  #upset(partitions: readonly TopicPartition[]): void {
    this.#upheavals++
    for (const { topic, partition } of partitions) this.#upheavalOf.set(topicPartitionName(topic, partition), this.#upheavals)
  }

  // ── one step ──

  /** Polls once. What was polled is handled in rounds as long as the commit interval, unless something comes between: then the rest is put back. */
  async #step(signal: AbortSignal | undefined): Promise<void> {
    const timeoutMillis = Math.max(0, Math.min(POLL_MILLIS, this.#endsAt - performance.now()))
    const polled = await this.#poll(signal, timeoutMillis)
    const since = this.#upheavalsAtPoll
    let next = 0
    const isInterrupted = (): boolean => this.#isOver(signal) || this.#hooks.mustLetGo()
    const handle = async (): Promise<void> => {
      next = await this.#handle(polled, next, since, isInterrupted)
    }
    do {
      if (next < polled.length) await this.#inTurn(handle)
      if (this.#isAtMostOnce || this.#isLost || performance.now() >= this.#endsAt || isInterrupted()) await this.#end()
    } while (next < polled.length && !isInterrupted())
    if (next < polled.length) await this.#inTurn(() => this.#putBack(polled.slice(next), since))
  }

  async #poll(signal: AbortSignal | undefined, timeoutMillis: number): Promise<ConsumerRecord<K, V>[]> {
    try {
      return await this.#hooks.poll(signal === undefined ? { timeoutMillis } : { signal, timeoutMillis })
    } catch (error) {
      if (this.#isOver(signal)) return []
      throw error
    }
  }

  /** Handles records from one on, until the round is to end; returns which is the next. */
  async #handle(polled: readonly ConsumerRecord<K, V>[], from: number, since: number, isInterrupted: () => boolean): Promise<number> {
    const rest = polled.slice(from).filter((record) => this.#isCurrent(record, since))
    if (rest.length === 0) return polled.length
    if (this.#starts.size === 0) this.#endsAt = performance.now() + this.#plan.commitIntervalMillis
    for (const [name, start] of beginsOf(rest)) if (!this.#starts.has(name)) this.#starts.set(name, start)
    const outlet = await this.#beginRound(rest)
    if (outlet === null) return from
    let isTimeToLook = false
    for (let next = from; next < polled.length; next++) {
      if (isTimeToLook && (isInterrupted() || (!this.#isAtMostOnce && performance.now() >= this.#endsAt))) return next
      const record = polled[next]!
      if (!this.#isCurrent(record, since)) continue
      const isKnown = this.#isKnown(record)
      const done = isKnown ? undefined : this.#handler(record, outlet)
      if (done instanceof Promise) await done
      if (this.#isLost) return next
      this.#note(record)
      isTimeToLook = done instanceof Promise || next % LOOK_RECORDS === 0
    }
    return polled.length
  }

  /** Nothing has happened to its partition since it was polled. */
  #isCurrent({ topic, partition }: TopicPartition, since: number): boolean {
    return this.#upheavals === since || (this.#upheavalOf.get(topicPartitionName(topic, partition)) ?? 0) <= since
  }

  /** What was polled and not handled is to be polled again; at most once, its commit is taken back. */
  async #putBack(rest: readonly ConsumerRecord<K, V>[], since: number): Promise<void> {
    const held = new Set(this.#consumer.assignment().map(({ topic, partition }) => topicPartitionName(topic, partition)))
    const begins = [...beginsOf(rest.filter((record) => this.#isCurrent(record, since)))]
    // Who gets it next must not begin behind it, if the group still lets us say so; otherwise it is skipped, as it may be.
    if (this.#isAtMostOnce) await this.#consumer.commit(begins.map(([, begin]) => begin)).catch(() => undefined)
    const kept = begins.filter(([name]) => held.has(name)).map(([, begin]) => begin)
    if (!this.#isStopping) for (const { topic, partition, offset } of kept) this.#consumer.seek({ topic, partition }, offset)
    this.#upset(kept)
  }

  /** Null: the group has moved on before the round could begin. */
  async #beginRound(records: readonly ConsumerRecord<K, V>[]): Promise<Outlet<OK, OV> | null> {
    try {
      return await this.#rounds.begin(records)
    } catch (error) {
      if (!isRebalanced(error)) throw error
      this.#isLost = true
      return null
    }
  }

  #note({ topic, partition, offset }: ConsumerRecord<K, V>): void {
    if (this.#last?.topic !== topic || this.#last.partition !== partition) {
      const name = topicPartitionName(topic, partition)
      this.#last = this.#handled.get(name) ?? { topic, partition, offset: 0 }
      this.#handled.set(name, this.#last)
    }
    this.#last.offset = offset + 1
  }

  /** Its key was seen before; or it is seen now. */
  #isKnown(record: ConsumerRecord<K, V>): boolean {
    const { deduplicateBy } = this.#plan
    if (deduplicateBy === null) return false
    const key = deduplicateBy(record)
    const recent = this.#recent.get(topicPartitionName(record.topic, record.partition))
    if (recent?.has(key) === true) return true
    recent?.add(key)
    return false
  }

  // ── the end of a round ──

  #end(): Promise<void> {
    return this.#inTurn(() => this.#endRound())
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => undefined)
    return done
  }

  async #endRound(): Promise<void> {
    this.#endsAt = Infinity
    if (this.#starts.size === 0 && !this.#isLost) return
    try {
      if (!this.#isLost) {
        await this.#rounds.commit([...this.#handled.values()])
        this.#forgetRound()
        return
      }
    } catch (error) {
      if (!isRebalanced(error)) throw error
    }
    await this.#takeBack()
  }

  #forgetRound(): void {
    this.#starts.clear()
    this.#handled.clear()
    this.#last = null
    this.#isLost = false
  }

  /** Nothing of the round counts: the consumer goes back to where it began, in what it still has. */
  async #takeBack(): Promise<void> {
    this.#endsAt = Infinity
    try {
      await this.#rounds.abort()
    } finally {
      const held = new Set(this.#consumer.assignment().map(({ topic, partition }) => topicPartitionName(topic, partition)))
      const isToGoBack = ([name]: [string, TopicPartition]): boolean => !this.#isAtMostOnce && held.has(name)
      const starts = [...this.#starts].filter(isToGoBack).map(([, start]) => start)
      for (const { topic, partition, offset } of starts) this.#consumer.seek({ topic, partition }, offset)
      this.#upset(starts)
      this.#forgetRound()
      this.#recent.clear()
    }
  }
}

function isRebalanced(error: unknown): boolean {
  return error instanceof KafkaError && REBALANCED.has(error.name)
}

/** The processing of one consumer, if there is one, and what it has to do with partitions that go. */
export class ProcessSlot {
  #processing: Pick<Processing<unknown, unknown, unknown, unknown>, 'polled' | 'revoking' | 'lost' | 'stop'> | null = null
  #ended: Promise<void> = Promise.resolve()

  /** Throws INVALID_REQUEST: a consumer that processes is not to be asked for records. */
  assertFree(): void {
    if (this.#processing !== null) throw new KafkaError('INVALID_REQUEST', 'this consumer is processing already')
  }

  /** Throws INVALID_REQUEST while another one is under way, and INVALID_OPTION. */
  run<K, V, OK, OV>(
    engine: Engine,
    consumer: Consumer<K, V>,
    hooks: ProcessHooks<K, V>,
    group: string,
    handler: ProcessHandler<K, V, OK, OV>,
    options: ProcessOptions<K, V, OK, OV>,
  ): Promise<void> {
    this.assertFree()
    if (typeof handler !== 'function') throw new KafkaError('INVALID_REQUEST', 'process takes a function that handles a record')
    const plan = processPlan(options)
    const producer = new ProducerClient<OK, OV>(engine, outputOptions(group, plan, options.output))
    // It is closed with the processing, not before.
    engine.clients.delete(producer)
    const processing = new Processing(consumer, hooks, producer, handler, plan)
    this.#processing = processing
    const ended = this.#runToEnd(processing, producer, options.signal)
    this.#ended = ended.catch(() => undefined)
    return ended
  }

  async #runToEnd<K, V, OK, OV>(
    processing: Processing<K, V, OK, OV>,
    producer: Producer<OK, OV>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      await processing.run(signal)
    } finally {
      this.#processing = null
      await producer.close()
    }
  }

  /** The consumer is being closed: resolves when the record in work is handled, and committed; or after a while, if that hangs. */
  async stop(millis: number): Promise<void> {
    this.#processing?.stop()
    if (this.#processing !== null) await Promise.race([this.#ended, sleep(millis, undefined, { ref: false })])
  }

  /** Records are given out, now. */
  polled(): void {
    this.#processing?.polled()
  }

  /** What is being processed ends before the partitions go; then the application hears of it. */
  revoked(listener: PartitionListener | undefined): PartitionListener {
    return (partitions) => {
      const done = this.#processing?.revoking(partitions)
      return done === undefined ? listener?.(partitions) : done.then(() => listener?.(partitions))
    }
  }

  /** A partition goes on elsewhere. */
  reset(partition: TopicPartition): void {
    this.#processing?.lost([partition])
  }

  lost(listener: PartitionListener | undefined): PartitionListener {
    return (partitions) => {
      this.#processing?.lost(partitions)
      return listener?.(partitions)
    }
  }
}
