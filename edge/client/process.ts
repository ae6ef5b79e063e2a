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
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import { RecentKeys } from '../../protocol/recent-keys.ts'
import type { Consumer, ConsumerRecord, OffsetToCommit, Producer } from './api.ts'
import type { Engine } from './engine.ts'
import type { Outlet, ProcessHandler, ProcessOptions } from './process-api.ts'
import { outputOptions, processPlan } from './process-options.ts'
import type { ProcessPlan } from './process-options.ts'
import { ProducerClient } from './producer.ts'
import type { PartitionListener } from './releases.ts'

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

/** How far a partition is handled: `offset` is that of the next record. */
interface Handled extends TopicPartition {
  offset: number
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

  constructor(consumer: Consumer<K, V>, producer: Producer<OK, OV>, handler: ProcessHandler<K, V, OK, OV>, plan: ProcessPlan<K, V>) {
    this.#consumer = consumer
    this.#producer = producer
    this.#handler = handler
    this.#plan = plan
    this.#rounds = plan.guarantee === 'exactly-once' ? this.#transactions() : this.#commits()
  }

  get #isAtMostOnce(): boolean {
    return this.#plan.guarantee === 'at-most-once'
  }

  /** Until the signal says so; then what was handled is committed. Throws what the handler throws, after the round is taken back. */
  async run(signal: AbortSignal | undefined): Promise<void> {
    try {
      while (signal?.aborted !== true) await this.#step(signal)
      await this.#end()
    } catch (error) {
      await this.#inTurn(() => this.#takeBack()).catch(() => undefined)
      throw error
    }
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

  async #step(signal: AbortSignal | undefined): Promise<void> {
    const timeoutMillis = Math.max(0, Math.min(POLL_MILLIS, this.#endsAt - performance.now()))
    const records = await this.#poll(signal, timeoutMillis)
    const since = this.#upheavalsAtPoll
    if (records.length > 0) await this.#inTurn(() => this.#handle(records, since))
    if (this.#isAtMostOnce || this.#isLost || performance.now() >= this.#endsAt) await this.#end()
  }

  async #poll(signal: AbortSignal | undefined, timeoutMillis: number): Promise<ConsumerRecord<K, V>[]> {
    try {
      return await this.#consumer.poll(signal === undefined ? { timeoutMillis } : { signal, timeoutMillis })
    } catch (error) {
      if (signal?.aborted === true) return []
      throw error
    }
  }

  async #handle(polled: readonly ConsumerRecord<K, V>[], since: number): Promise<void> {
    const isCurrent = ({ topic, partition }: TopicPartition): boolean =>
      (this.#upheavalOf.get(topicPartitionName(topic, partition)) ?? 0) <= since
    const records = this.#upheavals === since ? polled : polled.filter(isCurrent)
    if (records.length === 0) return
    if (this.#starts.size === 0) this.#endsAt = performance.now() + this.#plan.commitIntervalMillis
    for (const { topic, partition, offset } of firstsOf(records)) {
      const name = topicPartitionName(topic, partition)
      if (!this.#starts.has(name)) this.#starts.set(name, { topic, partition, offset })
    }
    const outlet = await this.#beginRound(records)
    if (outlet === null) return
    for (const record of records) {
      if (this.#upheavals !== since && !isCurrent(record)) continue
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

function isRebalanced(error: unknown): boolean {
  return error instanceof KafkaError && REBALANCED.has(error.name)
}

/** The first record of each run of records of one partition. */
function* firstsOf<R extends TopicPartition>(records: readonly R[]): Generator<R> {
  let last: R | null = null
  for (const record of records) {
    if (record.partition === last?.partition && record.topic === last.topic) continue
    last = record
    yield record
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
  #processing: Pick<Processing<unknown, unknown, unknown, unknown>, 'polled' | 'revoking' | 'lost'> | null = null

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
