/**
 * A member of the pipeline: reads records that are committed, writes one result for each, and commits results and offsets in one transaction. It goes through rounds as
 * edge/client/process.ts does: a round begins with the first record after the last commit; whatever fails takes the consumer back to where the round began; before
 * partitions go to somebody else, the round ends; if they are gone already, it has failed.
 */
import { actor } from '../../actors/consumer.ts'
import type { ConsumerConfig } from '../../actors/consumer-state.ts'
import { codeOf, errorOf, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { Assigned, Chunk, ConsumerFailed, MemberAnswer, PositionReset, Revoking } from '../../protocol/messages/client.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { beginAt, beginBelief, endBelief } from '../checkers/groups.ts'
import type { GroupTruth } from '../checkers/groups.ts'
import { SESSION_MILLIS } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import type { PlannedPipeline } from '../transaction-plan.ts'
import { PIPELINE_INPUT, PIPELINE_OUTPUT } from '../transaction-plan.ts'
import { Random } from '../random.ts'
import { lifeOf, PRODUCER_LIVES_MAX } from '../truth.ts'
import { Round } from './pipeline-round.ts'
import { CommittedPartition } from './committed-partition.ts'
import { TransactionalProducer } from './transactional-producer.ts'

/** Writers of the pipeline are numbered from here, times the lives of one. */
const FIRST_WRITER = 20

/** Records that are worked on together. */
const TAKE_MAX = 10

/** A member whose epoch has just changed is asked again after this pause, so often. */
const STALE_MICROS = 10_000
const STALE_RETRIES_MAX = 100

/** Between two looks for records to work on, at most, in microseconds. */
const WORK_MICROS = 3000

/** A slow application works for so long on average, in microseconds. */
const SLOW_MICROS = 1_500_000

/** A process that is gone comes back after so long on average, in microseconds. */
const RESTART_MICROS = 400_000

/** Who takes longer to let go loses its partitions. */
const REBALANCE_MILLIS = 4000

/** Errors that say that the group has moved on: the round is taken back. After others the application gives up, and begins anew. */
const REBALANCED: ReadonlySet<string> = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH', 'STALE_MEMBER_EPOCH'])

/** One member, through all its lives. */
export class PipelineMember {
  readonly #cluster: Cluster
  readonly #index: number
  readonly #plan: PlannedPipeline
  readonly #group: GroupTruth
  readonly #random: Random
  readonly #held: Map<string, CommittedPartition> = new Map()
  readonly #releasing: Set<string> = new Set()
  #host: Host | null = null
  #producer: TransactionalProducer | null = null
  #round: Round | null = null
  #onMember: (answer: MemberAnswer) => void = () => undefined
  #lives = 0
  #correlationId = 0
  #isWorking = false

  constructor(cluster: Cluster, index: number, plan: PlannedPipeline, group: GroupTruth) {
    this.#cluster = cluster
    this.#index = index
    this.#plan = plan
    this.#group = group
    this.#random = new Random(cluster.world.seed, `pipeline/${index}`)
  }

  /** Begins a life as a new member. */
  start(): void {
    const host = this.#cluster.newClient()
    this.#host = host
    this.#lives++
    this.#isWorking = false
    host.attach('client', { receive: (message) => this.#receive(message) })
    host.spawn('consumer', actor.url, this.#config(host))
    const { hasFreshIds, transactionTimeoutMillis } = this.#plan
    const writer = (FIRST_WRITER + this.#index) * PRODUCER_LIVES_MAX + this.#lives
    const transactionalId = `pipeline/${this.#index}${hasFreshIds ? `/${this.#lives}` : ''}`
    this.#producer = new TransactionalProducer(this.#cluster, host, { transactionalId, transactionTimeoutMillis, writer })
    this.#cluster.world.log?.(`pipeline ${this.#memberId()} lives on ${host.node}`)
    this.#tell({ kind: 'subscribe', topics: [PIPELINE_INPUT], topicPattern: null })
  }

  /** Dies, or (one in three) ends its round and leaves. */
  crash(): void {
    if (this.#host === null) return
    if (this.#random.below(3) > 0) return this.#end()
    for (const name of [...this.#held.keys()]) this.#retire(name)
    this.#endRound(() => {
      // The group may have given it others meanwhile.
      for (const name of [...this.#held.keys()]) this.#retire(name)
      for (const name of [...this.#releasing]) this.#letGo(name)
      this.#tell({ kind: 'closeConsumer', correlationId: 1 })
    })
  }

  /** How far it has read a partition that it has, if nothing of it waits to be committed; -1 if it has it not. */
  positionOf(name: string): number {
    const held = this.#held.get(name)
    return held === undefined || held.hasRecords || this.#round !== null ? -1 : held.expected
  }

  get isAlive(): boolean {
    return this.#host !== null
  }

  #memberId(): string {
    return `pipeline-${this.#index}-${this.#lives}`
  }

  #config(host: Host): ConsumerConfig {
    return {
      client: { node: host.node, actor: 'client' },
      coordinatorNodes: this.#cluster.voters,
      group: this.#group.name,
      memberId: this.#memberId(),
      instanceId: null,
      assignor: null,
      autoOffsetReset: 'earliest',
      autoCommit: false,
      autoCommitIntervalMillis: 300,
      sessionTimeoutMillis: SESSION_MILLIS,
      rebalanceTimeoutMillis: REBALANCE_MILLIS,
      heartbeatIntervalMillis: 500,
      fetchMinBytes: 1,
      fetchMaxBytes: 8192,
      fetchMaxWaitMillis: 1000,
      fetchMode: 'bytes',
      isolationLevel: 'read_committed',
      requestTimeoutMillis: 300,
      retryBackoffMillis: 50,
    }
  }

  #tell(message: Message): void {
    const host = this.#host
    if (host !== null) host.send({ node: host.node, actor: 'client' }, { node: host.node, actor: 'consumer' }, message)
  }

  #end(): void {
    if (this.#host === null) return
    for (const name of [...this.#held.keys(), ...this.#releasing]) this.#letGo(name)
    this.#cluster.killClient(this.#host)
    this.#host = null
    this.#producer = null
    this.#round = null
    this.#cluster.world.after(this.#random.exponential(RESTART_MICROS), () => this.start())
  }

  #retire(name: string): void {
    this.#held.delete(name)
    this.#releasing.add(name)
  }

  #letGo(name: string): void {
    endBelief(this.#group, name, this.#memberId())
    this.#held.delete(name)
    this.#releasing.delete(name)
  }

  #receive(message: Message): void {
    if (this.#producer?.receive(message) === true) return
    switch (message.kind) {
      case 'assigned':
        return this.#onAssigned(message)
      case 'chunk':
        return this.#onChunk(message)
      case 'positionReset':
        return this.#onPositionReset(message)
      case 'revoking':
        return this.#onRevoking(message)
      case 'memberAnswer':
        return this.#onMember(message)
      case 'consumerFailed':
        return this.#onFailed(message)
      case 'consumerClosed':
        return this.#end()
      default:
        return
    }
  }

  // ── what the consumer says ──

  #onAssigned(message: Assigned): void {
    const topicId = this.#cluster.clientWatcher.topicIdOf(message)
    for (const { topic, partition, position, session } of message.partitions) {
      const name = topicPartitionName(topic, partition)
      beginBelief(this.#group, name, this.#memberId(), this.#host)
      this.#held.set(name, new CommittedPartition(this.#cluster, this.#memberId(), { topic, partition }, { session, topicId, position }))
      const life = lifeOf(this.#cluster.truth, name, topicId)
      if (life !== undefined) beginAt(this.#group, life, position, this.#memberId())
    }
  }

  #onChunk(chunk: Chunk): void {
    const held = this.#held.get(topicPartitionName(chunk.topic, chunk.partition))
    if (held === undefined || !held.take(chunk)) return
    this.#askForMore(held)
    this.#work()
  }

  #askForMore(held: CommittedPartition): void {
    const { topic, partition, session, expected } = held
    if (held.wantsMore()) this.#tell({ kind: 'fetchMore', topic, partition, session, offset: expected })
  }

  #onPositionReset(message: PositionReset): void {
    const name = topicPartitionName(message.topic, message.partition)
    this.#held.get(name)?.reset(message, this.#cluster.clientWatcher.topicIdOf(message))
    this.#round?.lose(name)
  }

  /** The round ends before partitions go; what is lost is gone already. */
  #onRevoking({ partitions, lost }: Revoking): void {
    const names = partitions.map(({ topic, partition }) => topicPartitionName(topic, partition))
    if (lost) {
      for (const name of names) {
        this.#letGo(name)
        this.#round?.lose(name)
      }
      return this.#tell({ kind: 'released', partitions })
    }
    for (const name of names) this.#retire(name)
    this.#endRound(() => this.#release(names, partitions))
  }

  #release(names: readonly string[], partitions: readonly TopicPartition[]): void {
    // One that was lost meanwhile may be here again.
    for (const name of names) if (!this.#held.has(name)) this.#letGo(name)
    this.#tell({ kind: 'released', partitions })
  }

  #onFailed({ topic, partition, errorCode, errorMessage }: ConsumerFailed): void {
    if (errorCode === codeOf('CORRUPT_MESSAGE')) this.#cluster.world.fail('CHG', `${topic}-${partition} is damaged: ${errorMessage}`)
  }

  // ── work ──

  /** Looks for records soon, or late. */
  #work(): void {
    if (this.#isWorking) return
    this.#isWorking = true
    const { faults } = this.#cluster
    const isSlow = faults.strikes('slowConsumer')
    this.#host?.after(isSlow ? faults.draws('slowConsumer').exponential(SLOW_MICROS) : this.#random.between(1, WORK_MICROS), () => {
      this.#isWorking = false
      this.#handle()
    })
  }

  #handle(): void {
    if (this.#round !== null && !this.#round.isOpen) return
    if (![...this.#held.values()].some((held) => held.hasRecords)) return
    if (this.#round === null) return this.#beginRound()
    for (const held of this.#held.values()) {
      for (const record of held.hand(TAKE_MAX)) {
        this.#round.note(held, record.offset)
        const partition = this.#random.below(this.#cluster.topics.get(PIPELINE_OUTPUT) ?? 1)
        this.#producer?.submit({ topic: PIPELINE_OUTPUT, partition, count: 1, sizeBytes: 8, input: record })
      }
      this.#askForMore(held)
    }
    this.#work()
  }

  #beginRound(): void {
    const round = new Round()
    const { world } = this.#cluster
    this.#round = round
    this.#producer?.begin((error) => {
      // The call fails; the application makes another one, with a new producer.
      if (error !== null) return this.#end()
      round.isOpen = true
      this.#host?.after(this.#plan.commitMillis * 1000, () => {
        if (this.#round === round) this.#endRound(() => undefined)
      })
      world.log?.(`${this.#memberId()} begins a round`)
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
          return this.#host?.after(STALE_MICROS, () => this.#commit(round, retries + 1))
        if (error !== null || round.isLost) return this.#takeBack(round, error ?? 'UNKNOWN_MEMBER_ID')
        round.noteAsked(this.#group, offsets)
        producer.finish(true, (refusal) => {
          if (refusal !== null) return this.#takeBack(round, refusal)
          round.noteCommitted(this.#group, offsets)
          this.#tell({ kind: 'offsetsCommitted', offsets })
          this.#over(round)
        })
      })
    }
    this.#tell({ kind: 'askMember', correlationId: ++this.#correlationId, offsets: round.offsets() })
  }

  /** Nothing of the round counts: back to where it began, in what is still here. */
  #takeBack(round: Round, why: ErrorName): void {
    this.#cluster.truth.transactions.counts.takenBack++
    this.#cluster.world.log?.(`${this.#memberId()} takes its round back: ${why}`)
    this.#producer?.finish(false, (error) => {
      // The call fails; the application makes another one, with a new producer.
      if (error !== null || (!REBALANCED.has(why) && this.#random.below(2) === 0)) return this.#end()
      for (const { topic, partition, offset } of round.starts()) {
        const held = this.#held.get(topicPartitionName(topic, partition))
        if (held === undefined) continue
        held.seek(offset)
        this.#tell({ kind: 'seek', topic, partition, offset, session: held.session })
      }
      this.#over(round)
    })
  }

  #over(round: Round): void {
    this.#round = null
    for (const then of round.onOver) then()
    this.#work()
  }
}
