/**
 * A member of the pipeline: reads records that are committed, writes one result for each, and commits results and offsets in one transaction, as `consumer.process` does
 * exactly once (processor.ts).
 */
import { errorOf, NONE } from '../../protocol/errors.ts'
import type { MemberAnswer } from '../../protocol/messages/client.ts'
import { isOutOfStep } from '../../protocol/messages/group.ts'
import type { CommittedOffset, TopicOffset } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import { committedSoFar, markHandled, noteCommitted } from '../checkers/groups.ts'
import type { GroupTruth } from '../checkers/groups.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import type { PlannedPipeline } from '../transaction-plan.ts'
import { PIPELINE_INPUT, PIPELINE_OUTPUT } from '../transaction-plan.ts'
import { lifeOf, PRODUCER_LIVES_MAX } from '../truth.ts'
import { Processor } from './processor.ts'
import type { Done, Polled } from './processor.ts'
import { TransactionalProducer } from './transactional-producer.ts'

/** Writers of the pipeline are numbered from here, times the lives of one. */
const FIRST_WRITER = 20

/** Records that are polled together. */
const POLL_RECORDS_MAX = 10

/** One in so many records takes a while. */
const SLOW_SHARE = 8

/** A member whose epoch has just changed is asked again after this pause, so often. */
const STALE_MICROS = 10_000
const STALE_RETRIES_MAX = 100

/** One member, through all its lives. */
export class PipelineMember {
  readonly #cluster: Cluster
  readonly #index: number
  readonly #plan: PlannedPipeline
  readonly #group: GroupTruth
  readonly #processor: Processor
  /** By partition: everything from there to what is handled was read. */
  readonly #floors: Map<string, number> = new Map()
  #producer: TransactionalProducer | null = null
  #hasTransaction = false
  #onMember: (answer: MemberAnswer) => void = () => undefined
  #correlationId = 0

  constructor(cluster: Cluster, index: number, plan: PlannedPipeline, group: GroupTruth) {
    this.#cluster = cluster
    this.#index = index
    this.#plan = plan
    this.#group = group
    const identity = { purpose: 'pipeline', index, group, topic: PIPELINE_INPUT, isolationLevel: 'read_committed' } as const
    const rounds = {
      guarantee: 'exactly-once',
      commitIntervalMillis: plan.commitMillis,
      rememberedKeys: 0,
      pollRecordsMax: POLL_RECORDS_MAX,
    } as const
    this.#processor = new Processor(cluster, identity, rounds, {
      begin: (host, life) => this.#begin(host, life),
      end: () => this.#end(),
      hear: (message) => this.#hear(message),
      prepare: (_, done) => this.#prepare(done),
      handle: (polled, done) => this.#handle(polled, done),
      commit: (offsets, done) => this.#commit(offsets, done),
      abort: (_, done) => this.#abort(done),
      commitBack: (_, done) => done(null),
    })
  }

  /** Begins a life as a new member. */
  start(): void {
    this.#processor.member.start()
  }

  /** Dies, or ends its round and leaves. */
  crash(): void {
    this.#processor.member.crash()
  }

  /** How far it has read a partition that it has, if nothing of it waits to be committed; -1 if it has it not. */
  positionOf(name: string): number {
    return this.#processor.positionOf(name)
  }

  #begin(host: Host, life: number): void {
    const { hasFreshIds, transactionTimeoutMillis } = this.#plan
    const writer = (FIRST_WRITER + this.#index) * PRODUCER_LIVES_MAX + life
    const transactionalId = `pipeline/${this.#index}${hasFreshIds ? `/${life}` : ''}`
    this.#producer = new TransactionalProducer(this.#cluster, host, { transactionalId, transactionTimeoutMillis, writer })
  }

  #end(): void {
    this.#producer = null
    this.#hasTransaction = false
    this.#floors.clear()
  }

  #hear(message: Message): boolean {
    if (this.#producer?.receive(message) === true) return true
    if (message.kind !== 'memberAnswer') return false
    this.#onMember(message)
    return true
  }

  #prepare(done: Done): void {
    if (this.#hasTransaction) return done(null)
    this.#producer?.begin((error) => {
      this.#hasTransaction = error === null
      done(error)
    })
  }

  #handle({ topic, partition, record, floor }: Polled, done: Done): void {
    const { random, host } = this.#processor.member
    this.#floors.set(topicPartitionName(topic, partition), floor)
    const output = random.below(this.#cluster.topics.get(PIPELINE_OUTPUT) ?? 1)
    this.#producer?.submit({ topic: PIPELINE_OUTPUT, partition: output, count: 1, sizeBytes: 8, input: record })
    if (random.below(SLOW_SHARE) > 0) done(null)
    else host?.after(this.#processor.member.workMicros(), () => done(null))
  }

  // ── the end of a round ──

  #commit(offsets: readonly CommittedOffset[], done: Done): void {
    this.#whenSettled(() => this.#sendOffsets(offsets, 0, done))
  }

  #whenSettled(then: () => void): void {
    const producer = this.#producer
    if (producer === null) return
    if (producer.outstandingCount === 0) return then()
    producer.onSettled = () => {
      producer.onSettled = () => undefined
      then()
    }
  }

  #sendOffsets(offsets: readonly CommittedOffset[], retries: number, done: Done): void {
    const producer = this.#producer
    if (producer === null) return
    if (producer.isBroken) return done('TRANSACTION_ABORTABLE')
    this.#onMember = ({ errorCode, member, offsets: asked }) => {
      if (errorCode !== NONE) return done(errorOf(errorCode).name)
      producer.sendOffsets(this.#group.name, member, asked, (error) => {
        if (error !== null && isOutOfStep(error) && retries < STALE_RETRIES_MAX)
          return this.#processor.member.host?.after(STALE_MICROS, () => this.#sendOffsets(offsets, retries + 1, done))
        // Offsets of a topic that is gone may have been sent for the one that has its name now.
        if (error !== null || this.#processor.state.isLost) return done(error ?? 'UNKNOWN_MEMBER_ID')
        this.#finish(asked, done)
      })
    }
    this.#processor.member.tell({ kind: 'askMember', correlationId: ++this.#correlationId, offsets })
  }

  #finish(offsets: readonly TopicOffset[], done: Done): void {
    this.#noteAsked(offsets)
    const before = offsets.map((one) => committedSoFar(this.#group, one))
    this.#producer?.finish(true, (error) => {
      if (error !== null) return done(error)
      this.#hasTransaction = false
      offsets.forEach((one, index) => noteCommitted(this.#group, one, before[index] ?? -1))
      this.#processor.member.tell({ kind: 'offsetsCommitted', offsets })
      done(null)
    })
  }

  /** The commit is asked for: whoever comes next may find that these are processed. */
  #noteAsked(offsets: readonly TopicOffset[]): void {
    for (const { topic, partition, offset, topicId } of offsets) {
      const name = topicPartitionName(topic, partition)
      const life = lifeOf(this.#group.truth, name, topicId)
      if (life !== undefined) markHandled(this.#group, life, this.#floors.get(name) ?? offset, offset)
    }
  }

  #abort(done: Done): void {
    this.#cluster.truth.transactions.counts.takenBack++
    if (!this.#hasTransaction) return done(null)
    this.#hasTransaction = false
    this.#producer?.finish(false, done)
  }
}
