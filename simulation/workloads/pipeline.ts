/**
 * A member of the pipeline: reads records that are committed, writes one result for each, and commits results and offsets in one transaction. It goes through rounds as
 * edge/client/process.ts does: a round begins with the first record after the last commit; whatever fails takes the consumer back to where the round began; before
 * partitions go to somebody else, the round ends; if they are gone already, it has failed.
 */
import { errorOf, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { MemberAnswer } from '../../protocol/messages/client.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { GroupTruth } from '../checkers/groups.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import type { PlannedPipeline } from '../transaction-plan.ts'
import { PIPELINE_INPUT, PIPELINE_OUTPUT } from '../transaction-plan.ts'
import { PRODUCER_LIVES_MAX } from '../truth.ts'
import { GroupMember, REBALANCED } from './group-member.ts'
import { Round } from './round.ts'
import { TransactionalProducer } from './transactional-producer.ts'

/** Writers of the pipeline are numbered from here, times the lives of one. */
const FIRST_WRITER = 20

/** Records that are worked on together. */
const TAKE_MAX = 10

/** A member whose epoch has just changed is asked again after this pause, so often. */
const STALE_MICROS = 10_000
const STALE_RETRIES_MAX = 100

/** One member, through all its lives. */
export class PipelineMember {
  readonly #cluster: Cluster
  readonly #index: number
  readonly #plan: PlannedPipeline
  readonly #group: GroupTruth
  readonly #member: GroupMember
  #producer: TransactionalProducer | null = null
  #round: Round | null = null
  #onMember: (answer: MemberAnswer) => void = () => undefined
  #correlationId = 0

  constructor(cluster: Cluster, index: number, plan: PlannedPipeline, group: GroupTruth) {
    this.#cluster = cluster
    this.#index = index
    this.#plan = plan
    this.#group = group
    const identity = { purpose: 'pipeline', index, group, topic: PIPELINE_INPUT, isolationLevel: 'read_committed' } as const
    this.#member = new GroupMember(cluster, identity, {
      begin: (host, life) => this.#begin(host, life),
      end: () => this.#end(),
      hear: (message) => this.#hear(message),
      handle: () => this.#handle(),
      lose: (name) => this.#round?.lose(name),
      endRound: (then) => this.#endRound(then),
    })
  }

  /** Begins a life as a new member. */
  start(): void {
    this.#member.start()
  }

  /** Dies, or ends its round and leaves. */
  crash(): void {
    this.#member.crash()
  }

  /** How far it has read a partition that it has, if nothing of it waits to be committed; -1 if it has it not. */
  positionOf(name: string): number {
    return this.#round === null ? this.#member.positionOf(name) : -1
  }

  #begin(host: Host, life: number): void {
    const { hasFreshIds, transactionTimeoutMillis } = this.#plan
    const writer = (FIRST_WRITER + this.#index) * PRODUCER_LIVES_MAX + life
    const transactionalId = `pipeline/${this.#index}${hasFreshIds ? `/${life}` : ''}`
    this.#producer = new TransactionalProducer(this.#cluster, host, { transactionalId, transactionTimeoutMillis, writer })
  }

  #end(): void {
    this.#producer = null
    this.#round = null
  }

  #hear(message: Message): boolean {
    if (this.#producer?.receive(message) === true) return true
    if (message.kind !== 'memberAnswer') return false
    this.#onMember(message)
    return true
  }

  // ── work ──

  #handle(): void {
    if (this.#round !== null && !this.#round.isOpen) return
    const held = [...this.#member.held.values()]
    if (!held.some(({ hasRecords }) => hasRecords)) return
    if (this.#round === null) return this.#beginRound()
    for (const one of held) {
      for (const record of one.hand(TAKE_MAX)) {
        this.#round.note(one, record.offset)
        const partition = this.#member.random.below(this.#cluster.topics.get(PIPELINE_OUTPUT) ?? 1)
        this.#producer?.submit({ topic: PIPELINE_OUTPUT, partition, count: 1, sizeBytes: 8, input: record })
      }
      this.#member.askForMore(one)
    }
    this.#member.work()
  }

  #beginRound(): void {
    const round = new Round()
    const { world } = this.#cluster
    this.#round = round
    this.#producer?.begin((error) => {
      // The call fails; the application makes another one, with a new producer.
      if (error !== null) return this.#member.end()
      round.isOpen = true
      this.#member.host?.after(this.#plan.commitMillis * 1000, () => {
        if (this.#round === round) this.#endRound(() => undefined)
      })
      world.log?.(`${this.#member.memberId} begins a round`)
      this.#handle()
      if (round.hasEnd) this.#settleRound(round)
    })
  }

  // ── the end of a round ──

  /** Ends the round that is under way, if one is; then goes on. */
  #endRound(then: () => void): void {
    const round = this.#round
    if (round === null) return then()
    round.onOver.push(then)
    if (round.hasEnd) return
    round.hasEnd = true
    if (round.isOpen) this.#settleRound(round)
  }

  #settleRound(round: Round): void {
    const producer = this.#producer
    if (producer === null) return
    round.isOpen = false
    if (round.isLost) return this.#takeBack(round, 'UNKNOWN_MEMBER_ID')
    if (producer.outstandingCount === 0) return this.#commit(round, 0)
    producer.onSettled = () => {
      producer.onSettled = () => undefined
      this.#commit(round, 0)
    }
  }

  #commit(round: Round, retries: number): void {
    const producer = this.#producer
    if (producer === null) return
    if (producer.isBroken) return this.#takeBack(round, 'TRANSACTION_ABORTABLE')
    if (round.isLost) return this.#takeBack(round, 'UNKNOWN_MEMBER_ID')
    this.#onMember = ({ errorCode, member, offsets }) => {
      if (errorCode !== NONE) return this.#takeBack(round, errorOf(errorCode).name)
      producer.sendOffsets(this.#group.name, member, offsets, (error) => {
        if (error === 'STALE_MEMBER_EPOCH' && retries < STALE_RETRIES_MAX)
          return this.#member.host?.after(STALE_MICROS, () => this.#commit(round, retries + 1))
        if (error !== null || round.isLost) return this.#takeBack(round, error ?? 'UNKNOWN_MEMBER_ID')
        round.noteAsked(this.#group, offsets)
        producer.finish(true, (refusal) => {
          if (refusal !== null) return this.#takeBack(round, refusal)
          round.noteCommitted(this.#group, offsets)
          this.#member.tell({ kind: 'offsetsCommitted', offsets })
          this.#over(round)
        })
      })
    }
    this.#member.tell({ kind: 'askMember', correlationId: ++this.#correlationId, offsets: round.offsets() })
  }

  /** Nothing of the round counts: back to where it began, in what is still here. */
  #takeBack(round: Round, why: ErrorName): void {
    this.#cluster.truth.transactions.counts.takenBack++
    this.#cluster.world.log?.(`${this.#member.memberId} takes its round back: ${why}`)
    this.#producer?.finish(false, (error) => {
      // The call fails; the application makes another one, with a new producer.
      if (error !== null || (!REBALANCED.has(why) && this.#member.random.below(2) === 0)) return this.#member.end()
      this.#member.goBack(round)
      this.#over(round)
    })
  }

  #over(round: Round): void {
    this.#round = null
    for (const then of round.onOver) then()
    this.#member.work()
  }
}
