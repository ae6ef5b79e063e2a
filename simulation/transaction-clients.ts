/**
 * All clients of a run that have to do with transactions: those that write in them, the pipeline, and a reader of what is committed. None, if the seed has none.
 */
import type { ReplicaState } from '../partitions/replica-state.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import { speaksClassic } from './classic-plan.ts'
import { committedOf, newGroupTruth } from './checkers/groups.ts'
import type { GroupTruth } from './checkers/groups.ts'
import { keptOffset, newMixedGroup } from './checkers/mixed-groups.ts'
import type { MixedGroup } from './checkers/mixed-groups.ts'
import { SESSION_MILLIS } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { Random } from './random.ts'
import { LEDGER_GROUP, LEDGER_TOPIC, PIPELINE_GROUP, PIPELINE_INPUT } from './transaction-plan.ts'
import { CommittedReader } from './workloads/committed-reader.ts'
import { CustodianWorkload } from './workloads/custodian.ts'
import { PipelineMember } from './workloads/pipeline.ts'
import { TransactionWorkload } from './workloads/transactions.ts'

/** The clients, through all their lives. */
export class TransactionClients {
  readonly #cluster: Cluster
  readonly #writers: TransactionWorkload[]
  readonly #members: PipelineMember[]
  readonly #group: GroupTruth | null
  readonly #reader: CommittedReader | null
  readonly #crashes: Random
  /** Offsets are committed for it in transactions, and by the clerk without them. */
  readonly #ledger: MixedGroup | null
  readonly #clerk: CustodianWorkload | null
  #restedAtMicros = 0

  constructor(cluster: Cluster) {
    const { transactions, offsetsRetentionMillis } = cluster.plan
    this.#cluster = cluster
    this.#crashes = new Random(cluster.world.seed, 'pipeline/crashes')
    const ledger = transactions?.hasLedger === true ? newMixedGroup(cluster.truth, LEDGER_GROUP, offsetsRetentionMillis) : null
    this.#ledger = ledger
    this.#clerk = ledger === null ? null : newClerk(cluster, ledger)
    this.#writers =
      transactions?.producers.map((planned, index) => new TransactionWorkload(cluster, index, { plan: transactions, planned, ledger })) ??
      []
    this.#reader = transactions === null ? null : new CommittedReader(cluster)
    const pipeline = transactions?.pipeline ?? null
    const group = pipeline === null ? null : newGroupTruth(cluster.truth, PIPELINE_GROUP, SESSION_MILLIS, offsetsRetentionMillis)
    if (group !== null) group.isClassic = speaksClassic(cluster.plan.classic)
    this.#group = group
    if (group !== null) cluster.groups.inside.push(group)
    this.#members =
      pipeline === null || group === null
        ? []
        : Array.from({ length: pipeline.size }, (_, index) => new PipelineMember(cluster, index, pipeline, group))
  }

  /** All that begin, and may die. */
  get all(): readonly (TransactionWorkload | PipelineMember | CommittedReader)[] {
    return [...this.#writers, ...this.#members, ...(this.#reader === null ? [] : [this.#reader])]
  }

  /** Nobody dies any more of its own accord; members of the pipeline do, as long as faults strike. */
  start(): void {
    for (const client of this.all) client.start()
    this.#clerk?.start()
    const { transactions } = this.#cluster.plan
    if (transactions !== null && this.#members.length > 0) this.#misfortune(transactions.crashMillis)
  }

  #misfortune(crashMillis: number): void {
    const random = this.#crashes
    this.#cluster.world.after(random.exponential(crashMillis * 1000), () => {
      if (!this.#cluster.faults.active) return
      random.pick(this.#members).crash()
      this.#misfortune(crashMillis)
    })
  }

  /** There are other partitions. */
  onChange(): void {
    this.#reader?.assign()
  }

  /** No more transactions; of those that share a transactional id one keeps it. */
  stop(): void {
    const ids = this.#cluster.plan.transactions?.producers.map(({ transactionalId }) => transactionalId) ?? []
    this.#writers.forEach((writer, i) => writer.stop(ids.indexOf(ids[i] ?? '') === i))
  }

  /** No writer has a transaction under way. */
  get isIdle(): boolean {
    return this.#writers.every((writer) => writer.isIdle)
  }

  /** A last transaction of each writer, which must be committed. */
  lastRound(): void {
    for (const writer of this.#writers) writer.lastRound()
  }

  /** All of those are. */
  get isDone(): boolean {
    return this.#writers.every((writer) => writer.isDone)
  }

  /** The ledger says where it is, and that is at the end. */
  get isBalanced(): boolean {
    const isTold = this.#ledger === null || this.#ledger.toldAtMicros > this.#restedAtMicros
    return isTold && this.#clerk?.isAtEnd !== false
  }

  /** The reader begins anew. */
  restart(): void {
    this.#restedAtMicros = this.#cluster.world.nowMicros
    this.#reader?.crash()
  }

  /** What the reader of what is committed has not come to the end of; null if it has. */
  laggard(name: string, logEnd: number): string | null {
    const end = Math.min(logEnd, hangingIn(this.#cluster, name))
    const position = this.#reader?.positionOf(name) ?? end
    return position === end ? null : `: the reader of what is committed is at ${position} of ${end} in ${name}`
  }

  /** What the pipeline has not come to the end of; null if it has. */
  pipelineLaggard(topic: string, partition: number, end: number): string | null {
    if (topic !== PIPELINE_INPUT || this.#group === null) return null
    const name = topicPartitionName(topic, partition)
    const owners = this.#members.filter((member) => member.positionOf(name) >= 0)
    if (owners.length !== 1) return `: ${owners.length} members of the pipeline have ${name} and nothing to do`
    const position = owners[0]?.positionOf(name)
    if (position === end) return null
    return `: the pipeline is at ${position} of ${end} in ${name}, and has committed ${committedOf(this.#group, name)}`
  }
}

/** Commits without transactions, where there are others. */
function newClerk(cluster: Cluster, ledger: MixedGroup): CustodianWorkload {
  cluster.groups.mixed.push(ledger)
  return new CustodianWorkload(cluster, {
    purpose: 'clerk',
    group: LEDGER_GROUP,
    topics: [LEDGER_TOPIC],
    hasDeletions: false,
    asksOn: true,
    committed: (life) => keptOffset(ledger, life),
  })
}

/** Where the first open transaction of a partition begins that nobody will end: what may lose acknowledged records may lose a marker. Infinity: there is none. */
function hangingIn({ nodes, plan }: Cluster, name: string): number {
  const states = nodes.map(({ host }) => host.stateOf(`replica/${name}`) as ReplicaState | undefined)
  const leader = states.find((state) => state?.phase === 'leading')
  const topic = plan.topics.find((one) => one.name === leader?.topic)
  if (leader === undefined || topic?.configs['flush'] === 'commit') return Infinity
  return Math.min(...[...leader.transactions.open.values()].map(({ offset }) => offset))
}
