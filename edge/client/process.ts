/**
 * `consumer.process`: hands records to a handler, and commits them by the guarantee that was asked for. Each guarantee is a round that begins with the first record
 * after the last commit, and ends with the next one; whatever fails in between takes the consumer back to where the round began.
 *
 *   at most once       commit ─► handle                                       a crash between them skips
 *   at least once      handle ─► flush ─► commit                              a crash between them repeats
 *   effectively once   the same, with the keys that were seen in the commit   repeats only what no commit knows of
 *   exactly once       begin ─► handle ─► send offsets ─► commit              a crash takes results and offsets back
 *
 * Before partitions go to somebody else, the round ends; if they are gone already, it has failed.
 */
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { Consumer, ConsumerRecord, OffsetToCommit, Producer } from './api.ts'
import type { Engine } from './engine.ts'
import type { Outlet, ProcessHandler, ProcessOptions } from './process-api.ts'
import { outputOptions, processPlan } from './process-options.ts'
import type { ProcessPlan } from './process-options.ts'
import { ProducerClient } from './producer.ts'
import type { PartitionListener } from './releases.ts'
import { RecentKeys } from './recent-keys.ts'

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

/** How a guarantee does its rounds. */
interface Rounds<OK, OV> {
  /** Where the handler sends its results; there are these records to handle. */
  begin(records: readonly (TopicPartition & { readonly offset: number })[]): Promise<Outlet<OK, OV>>
  /** What was handled counts from now on. */
  commit(handled: readonly OffsetToCommit[]): Promise<void>
  /** It does not. */
  abort(): Promise<void>
}

/** The work of one call. */
export class Processing<K, V, OK, OV> {
  readonly #consumer: Consumer<K, V>
  readonly #producer: Producer<OK, OV>
  readonly #handler: ProcessHandler<K, V, OK, OV>
  readonly #plan: ProcessPlan<K, V>
  readonly #rounds: Rounds<OK, OV>
  /** Where the round began, by partition; empty between two rounds. */
  readonly #starts: Map<string, TopicPartition & { readonly offset: number }> = new Map()
  #recent: Map<string, RecentKeys> = new Map()
  /** What was handled in the round, by partition: the next record to handle. */
  readonly #handled: Map<string, OffsetToCommit> = new Map()
  #endsAt = Infinity
  /** Records are handled, and rounds end, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #isLost = false

  constructor(consumer: Consumer<K, V>, producer: Producer<OK, OV>, handler: ProcessHandler<K, V, OK, OV>, plan: ProcessPlan<K, V>) {
    this.#consumer = consumer
    this.#producer = producer
    this.#handler = handler
    this.#plan = plan
    this.#rounds = plan.guarantee === 'exactly-once' ? this.#transactions() : this.#commits()
  }

  /** Until the signal says so; then what was handled is committed. Throws what the handler throws, after the round is taken back. */
  async run(signal: AbortSignal | undefined): Promise<void> {
    try {
      while (signal?.aborted !== true) await this.#step(signal)
      await this.#end()
    } catch (error) {
      await this.#takeBack().catch(() => undefined)
      throw error
    }
  }

  /** Partitions are about to go: what was handled of them is committed first. */
  async revoking(): Promise<void> {
    await this.#end().catch(() => undefined)
    this.#recent = new Map()
  }

  /** Partitions are gone, or begin anew elsewhere: nothing of this round may count, and in them there is no way back to where it began. */
  lost(partitions: readonly TopicPartition[]): void {
    this.#isLost ||= this.#starts.size > 0
    for (const { topic, partition } of partitions) this.#starts.delete(topicPartitionName(topic, partition))
    this.#recent = new Map()
  }

  // ── one step ──

  async #step(signal: AbortSignal | undefined): Promise<void> {
    const timeoutMillis = Math.max(0, Math.min(POLL_MILLIS, this.#endsAt - performance.now()))
    const records = await this.#poll(signal, timeoutMillis)
    if (records.length > 0) await this.#inTurn(() => this.#handle(records))
    const isAtMostOnce = this.#plan.guarantee === 'at-most-once'
    if (isAtMostOnce || performance.now() >= this.#endsAt) await this.#end()
  }

  async #poll(signal: AbortSignal | undefined, timeoutMillis: number): Promise<ConsumerRecord<K, V>[]> {
    try {
      return await this.#consumer.poll(signal === undefined ? { timeoutMillis } : { signal, timeoutMillis })
    } catch (error) {
      if (signal?.aborted === true) return []
      throw error
    }
  }

  async #handle(records: readonly ConsumerRecord<K, V>[]): Promise<void> {
    if (this.#starts.size === 0) this.#endsAt = performance.now() + this.#plan.commitIntervalMillis
    for (const { topic, partition, offset } of records) {
      const name = topicPartitionName(topic, partition)
      if (!this.#starts.has(name)) this.#starts.set(name, { topic, partition, offset })
    }
    const outlet = await this.#rounds.begin(records)
    for (const record of records) {
      if (this.#isKnown(record)) {
        this.#note(record)
        continue
      }
      const done = this.#handler(record, outlet)
      if (done instanceof Promise) await done
      if (this.#isLost) return
      this.#note(record)
    }
  }

  #note({ topic, partition, offset }: ConsumerRecord<K, V>): void {
    this.#handled.set(topicPartitionName(topic, partition), { topic, partition, offset: offset + 1 })
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
        this.#starts.clear()
        this.#handled.clear()
        return
      }
    } catch (error) {
      if (!(error instanceof KafkaError) || !REBALANCED.has(error.name)) throw error
    }
    await this.#takeBack()
  }

  /** Nothing of the round counts: the consumer goes back to where it began, in what it still has. */
  async #takeBack(): Promise<void> {
    const starts = [...this.#starts.values()]
    this.#starts.clear()
    this.#handled.clear()
    this.#isLost = false
    this.#endsAt = Infinity
    this.#recent = new Map()
    await this.#rounds.abort()
    const held = new Set(this.#consumer.assignment().map(({ topic, partition }) => topicPartitionName(topic, partition)))
    for (const { topic, partition, offset } of starts)
      if (held.has(topicPartitionName(topic, partition))) this.#consumer.seek({ topic, partition }, offset)
  }

  // ── the guarantees ──

  #transactions(): Rounds<OK, OV> {
    let transaction: Awaited<ReturnType<Producer<OK, OV>['beginTransaction']>> | null = null
    return {
      begin: async () => (transaction ??= await this.#producer.beginTransaction()),
      commit: async (handled) => {
        await transaction?.sendOffsets(this.#consumer, handled)
        // Offsets of a topic that is gone may have been sent for the one that has its name now.
        if (this.#isLost) throw new KafkaError('UNKNOWN_MEMBER_ID', 'partitions were lost while their offsets were committed')
        await transaction?.commit()
        transaction = null
      },
      abort: async () => {
        const open = transaction
        transaction = null
        await open?.abort()
      },
    }
  }

  #commits(): Rounds<OK, OV> {
    const { guarantee } = this.#plan
    const outlet: Outlet<OK, OV> = {
      send: (record) => this.#producer.send(record),
      write: (record) => this.#producer.write(record),
      drained: () => this.#producer.drained(),
    }
    return {
      begin: async (records) => {
        if (guarantee === 'at-most-once') await this.#consumer.commit(endsOf(records))
        if (guarantee === 'effectively-once') await this.#recall([...this.#starts.values()])
        return outlet
      },
      commit: async (handled) => {
        await this.#producer.flush()
        if (guarantee === 'at-least-once') await this.#consumer.commit(handled)
        if (guarantee === 'effectively-once') await this.#consumer.commit(handled.map((one) => this.#withKeys(one)))
      },
      // What was sent was sent.
      abort: async () => undefined,
    }
  }

  /** The keys that were seen before the offset at which each partition begins. */
  async #recall(partitions: readonly TopicPartition[]): Promise<void> {
    const missing = partitions.filter(({ topic, partition }) => !this.#recent.has(topicPartitionName(topic, partition)))
    if (missing.length === 0) return
    const committed = await this.#consumer.committed(missing)
    const texts = new Map(committed.map(({ topic, partition, metadata }) => [topicPartitionName(topic, partition), metadata]))
    for (const { topic, partition } of missing) {
      const name = topicPartitionName(topic, partition)
      this.#recent.set(name, RecentKeys.decode(texts.get(name) ?? '', this.#plan.rememberedKeys))
    }
  }

  #withKeys(one: OffsetToCommit): OffsetToCommit {
    return { ...one, metadata: this.#recent.get(topicPartitionName(one.topic, one.partition))?.encode() ?? '' }
  }
}

/** Behind the last record of each partition. */
function endsOf(records: readonly (TopicPartition & { readonly offset: number })[]): OffsetToCommit[] {
  const ends = new Map<string, OffsetToCommit>()
  for (const { topic, partition, offset } of records)
    ends.set(topicPartitionName(topic, partition), { topic, partition, offset: offset + 1 })
  return [...ends.values()]
}

/** The processing of one consumer, if there is one, and what it has to do with partitions that go. */
export class ProcessSlot {
  #processing: { revoking(): Promise<void>; lost(partitions: readonly TopicPartition[]): void } | null = null

  /** Throws INVALID_REQUEST while another one is under way, and INVALID_OPTION. */
  async run<K, V, OK, OV>(
    engine: Engine,
    consumer: Consumer<K, V>,
    group: string,
    handler: ProcessHandler<K, V, OK, OV>,
    options: ProcessOptions<K, V, OK, OV>,
  ): Promise<void> {
    if (this.#processing !== null) throw new KafkaError('INVALID_REQUEST', 'this consumer is processing already')
    const plan = processPlan(options)
    await using producer = new ProducerClient<OK, OV>(engine, outputOptions(group, plan, options.output))
    const processing = new Processing(consumer, producer, handler, plan)
    this.#processing = processing
    try {
      await processing.run(options.signal)
    } finally {
      this.#processing = null
    }
  }

  /** What is being processed ends before the partitions go; then the application hears of it. */
  revoked(listener: PartitionListener | undefined): PartitionListener {
    return (partitions) => {
      const done = this.#processing?.revoking()
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
