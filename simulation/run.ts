/**
 * One run from one seed: builds the cluster, lets clients work and faults strike, heals, waits until everything has settled, and looks at what is
 * left. Same seed and options, same result, to the bit.
 */
import { replicaActor } from '../protocol/address.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import { playCalm } from './calm.ts'
import { unleash } from './chaos.ts'
import { isSound, restoreLastCopies } from './damage.ts'
import { checkFiles } from './checkers/final.ts'
import { checkTransactions } from './checkers/transactions.ts'
import { committedOf, newGroupTruth } from './checkers/groups.ts'
import type { GroupTruth } from './checkers/groups.ts'
import { Cluster, SESSION_MILLIS } from './cluster.ts'
import { Faults } from './faults.ts'
import type { FaultKind, Repetition, TimedStrikes } from './faults.ts'
import { withoutAmbientTime } from './guard.ts'
import type { Onlooking } from './onlooker.ts'
import { drawPlan, INSIDE_GROUP, OUTSIDE_GROUP, RECOVERY } from './plan.ts'
import type { Plan, PlanOptions } from './plan.ts'
import { reducePlan } from './reduction.ts'
import type { Reduction } from './reduction.ts'
import { ClassicClients } from './classic-clients.ts'
import { GuestClients } from './guest-clients.ts'
import { ShareClients } from './share-clients.ts'
import type { ReaderEvent } from './checkers/readers.ts'
import { ReaderClients } from './reader-clients.ts'
import { unleashTrouble } from './trouble.ts'
import { TransactionClients } from './transaction-clients.ts'
import type { TransactionEvent } from './transactions-truth.ts'
import { writeTranscript } from './transcript.ts'
import { newTruth } from './truth.ts'
import type { Anomaly } from './truth.ts'
import { newOutsideGroup, toldOffset } from './checkers/outside-groups.ts'
import { ConsumerWorkload } from './workloads/consumer.ts'
import { CustodianWorkload } from './workloads/custodian.ts'
import { DeleterWorkload } from './workloads/deleter.ts'
import { ProducerWorkload } from './workloads/producer.ts'
import { clientQuota, QuotaWorkload, shareQuota } from './workloads/quotas.ts'
import { AdminWorkload } from './workloads/topics.ts'
import { World } from './world.ts'
import type { Violation } from './world.ts'

/** What a run came to. */
export interface RunResult {
  readonly seed: number
  readonly hash: string
  readonly violation: Violation | null
  readonly virtualSeconds: number
  readonly events: number
  readonly acknowledged: number
  readonly faults: Readonly<Record<FaultKind, number>>
  /** When its faults struck. */
  readonly timed: TimedStrikes
  readonly anomalies: Readonly<Record<Anomaly, number>>
  readonly transactions: Readonly<Record<TransactionEvent, number>>
  readonly readers: Readonly<Record<ReaderEvent, number>>
  /** By pair: how often such a message came to an actor in such a state. */
  readonly pairs: Uint32Array
  /** Promises that were broken beyond the atlas, where they are none. */
  readonly forgiven: number
}

/** Everything must have settled so long after healing. */
const SETTLE_MICROS = 60_000_000

/** Partitions that went offline come back within this time. */
const REST_MICROS = 3_000_000

/** How often it is asked whether everything has settled. */
const SETTLE_STEP_MICROS = 200_000

/** A run that is repeated: what is left of it, and when its faults struck. */
export interface Repeated {
  readonly reduction: Reduction
  readonly timed: TimedStrikes
}

/** Runs a seed. `log` takes the lines of the transcript; `onlooking` looks at the run itself. */
export function runSeed(seed: number, options: PlanOptions = {}, log: Log = null, onlooking: Onlooking | null = null): RunResult {
  return withoutAmbientTime(() => new Run(drawPlan(seed, options), null, { log, onlooking }).result())
}

/** Runs what is left of a seed; `timed` is of a run of all of it. */
export function repeatSeed(plan: Plan, { reduction, timed }: Repeated, log: Log = null, onlooking: Onlooking | null = null): RunResult {
  const repetition = { timed, kept: reduction.strikes }
  return withoutAmbientTime(() => new Run(reducePlan(plan, reduction), repetition, { log, onlooking }).result())
}

/** Takes the lines of a transcript. */
type Log = ((line: string) => void) | null

/** Who hears of a run while it is under way. */
export interface Witnesses {
  readonly log: Log
  readonly onlooking: Onlooking | null
}

/** Commits for what goes once it is consumed; null: nothing does. */
function newCustodian(cluster: Cluster): CustodianWorkload | null {
  const { truth, plan } = cluster
  const audit = newOutsideGroup(truth, OUTSIDE_GROUP, plan.offsetsRetentionMillis)
  cluster.groups.outside.push(audit)
  if (!plan.topics.some(({ configs }) => 'deleteOnceConsumedBy' in configs)) return null
  const named = plan.topics.filter(({ configs }) => namesGroup(configs['deleteOnceConsumedBy'], OUTSIDE_GROUP))
  return new CustodianWorkload(cluster, {
    purpose: 'custodian',
    group: OUTSIDE_GROUP,
    topics: named.map(({ name }) => name),
    hasDeletions: true,
    asksOn: false,
    committed: (life) => toldOffset(audit, life),
  })
}

function namesGroup(groups: unknown, name: string): boolean {
  return Array.isArray(groups) && groups.includes(name)
}

class Run {
  readonly #world: World
  readonly #cluster: Cluster
  readonly #group: GroupTruth
  readonly #admin: AdminWorkload
  readonly #quotas: QuotaWorkload
  readonly #shareQuotas: QuotaWorkload
  readonly #producers: ProducerWorkload[]
  readonly #reader: ConsumerWorkload
  readonly #members: ConsumerWorkload[]
  /** Where records go once they are consumed. */
  readonly #custodian: CustodianWorkload | null
  readonly #transactions: TransactionClients
  readonly #sharing: ShareClients
  readonly #modes: ReaderClients
  readonly #classic: ClassicClients
  readonly #guests: GuestClients

  constructor(plan: Plan, repetition: Repetition | null, { log, onlooking }: Witnesses) {
    const { seed } = plan
    const world = new World(seed)
    world.onlooker = onlooking?.(world) ?? null
    log?.(JSON.stringify(plan))
    if (log !== null) writeTranscript(world, log)
    const hasClockSteps = plan.faults.clockStep > 0 || plan.faults.clockDrift > 0
    const truth = newTruth(world, plan.acks, { hasClockSteps, countsCopies: plan.countsCopies })
    const faults = new Faults(seed, plan.faults, repetition)
    if (repetition !== null) faults.log = world.log
    const cluster = new Cluster(world, plan, faults, truth)
    if (plan.isBeyond) world.asserted = RECOVERY
    this.#world = world
    this.#cluster = cluster
    this.#group = newGroupTruth(truth, INSIDE_GROUP, SESSION_MILLIS, plan.offsetsRetentionMillis)
    cluster.groups.inside.push(this.#group)
    this.#custodian = newCustodian(cluster)
    this.#sharing = new ShareClients(cluster)
    this.#admin = new AdminWorkload(cluster)
    this.#quotas = new QuotaWorkload(cluster, clientQuota(cluster))
    this.#shareQuotas = new QuotaWorkload(cluster, shareQuota(cluster))
    this.#producers = Array.from({ length: plan.producerCount }, (_, index) => new ProducerWorkload(cluster, index))
    this.#reader = new ConsumerWorkload(cluster, 0, null)
    this.#members = Array.from({ length: plan.groupSize }, (_, index) => new ConsumerWorkload(cluster, 1 + index, this.#group))
    this.#transactions = new TransactionClients(cluster)
    this.#modes = new ReaderClients(cluster)
    this.#classic = new ClassicClients(cluster)
    const wanted = (): Map<string, number> => new Map([...cluster.topics, ...this.#modes.topics])
    this.#guests = new GuestClients(cluster, wanted, (topic, partition) => this.#endOf(topic, partition))
  }

  /** Runs to the end. */
  result(): RunResult {
    const { plan, faults, truth } = this.#cluster
    const world = this.#world
    const clients = [...this.#producers, this.#reader, ...this.#members]
    this.#cluster.start()
    this.#admin.onChange = () => {
      this.#reader.assign()
      this.#transactions.onChange()
    }
    const begin = (): void => {
      for (const client of clients) client.start()
      this.#custodian?.start()
      this.#transactions.start()
      this.#sharing.start()
      this.#modes.start()
      this.#classic.start()
      this.#guests.start(this.#admin)
      unleashTrouble(this.#cluster, this.#admin)
      const mortals = [...clients, ...this.#transactions.all]
      unleash(this.#cluster, (random) => random.pick(mortals).crash(), this.#admin, new DeleterWorkload(this.#cluster))
    }
    this.#admin.start(() => this.#quotas.start(() => this.#shareQuotas.start(begin)))
    world.runUntil(plan.seconds * 1_000_000)
    this.#cluster.heal()
    for (const producer of this.#producers) producer.stop()
    this.#transactions.stop()
    this.#modes.stop()
    if (plan.isBeyond) this.#recover()
    else if (this.#settle(() => this.#isAnswered(), 'not every batch was answered')) this.#finish()
    return {
      seed: plan.seed,
      hash: world.trace.toString(),
      violation: world.violation,
      virtualSeconds: world.nowMicros / 1_000_000,
      events: world.eventCount,
      acknowledged: truth.acknowledgedCount,
      faults: faults.counts,
      timed: faults.timed,
      anomalies: truth.anomalies,
      transactions: truth.transactions.counts,
      readers: this.#modes.counts,
      pairs: world.pairs,
      forgiven: world.forgivenCount,
    }
  }

  /**
   * Whatever has become of the records: all nodes are there, the coordinators agree, everybody is answered; and a partition is led, in sync, and read to its end if what may lead it is whole.
   */
  #recover(): void {
    const isThere = (): boolean => this.#cluster.nodes.every(({ host }) => host.isUp) && this.#cluster.hasQuorum()
    const isIdle = (): boolean => this.#admin.isIdle && this.#quotas.isGone && this.#shareQuotas.isGone
    this.#help()
    if (!this.#settle(() => isThere() && isIdle(), 'nodes are not there, or their coordinators do not agree')) return
    for (const producer of this.#producers) producer.lastRound()
    const isAnswered = (): boolean => this.#producers.every((producer) => producer.isAlive && producer.outstandingCount === 0)
    if (!this.#settle(isAnswered, 'the last batches were not answered')) return
    this.#reader.restart()
    this.#settle(
      () => this.#unrecovered() === null,
      () => `${this.#unrecovered()} has not recovered`,
    )
  }

  /** A partition that is not led, not in sync, or not read to its end although whatever may lead it is whole. */
  #unrecovered(): string | null {
    for (const [topic, partitions] of this.#cluster.topics) {
      for (let partition = 0; partition < partitions; partition++) {
        const name = topicPartitionName(topic, partition)
        const end = this.#endOf(topic, partition)
        if ((end < 0 || this.#reader.positionOf(name) !== end) && isSound(this.#cluster, topic, partition)) return name
      }
    }
    return null
  }

  /** What operators do, when the network is clear. */
  #help(): void {
    this.#world.runUntil(Math.max(this.#world.nowMicros + REST_MICROS, this.#cluster.network.clearAtMicros))
    this.#admin.settle()
    this.#admin.rescue()
    this.#quotas.remove()
    this.#shareQuotas.remove()
    this.#guests.rest()
  }

  /** What is submitted now must succeed, and be consumed by everybody; one reader reads the whole log again. */
  #finish(): void {
    this.#help()
    restoreLastCopies(this.#cluster)
    if (!this.#settle(() => this.#admin.isIdle, 'topics were not there')) return
    if (!this.#settle(() => this.#quotas.isGone && this.#shareQuotas.isGone, 'quotas were not taken away')) return
    if (!this.#settle(() => this.#isInSync(), 'replicas were not in sync')) return
    // The next transaction would end what hangs there.
    if (!this.#settle(() => this.#openTransaction() === null, `transactions are open${this.#openTransaction() ?? ''}`, 'LSO')) return
    for (const producer of this.#producers) {
      producer.failedLately = 0
      producer.lastRound()
    }
    this.#modes.lastRound()
    if (!this.#settle(() => this.#isAnswered(), 'the last batches were not answered')) return
    this.#transactions.lastRound()
    if (!this.#settle(() => this.#transactions.isDone, 'the last transactions were not committed')) return
    const failed = this.#producers.reduce((sum, producer) => sum + producer.failedLately, this.#modes.failedLately)
    if (failed > 0) return this.#world.fail('LIVE', `${failed} batches failed although nothing was wrong any more`)
    this.#reader.restart()
    this.#transactions.restart()
    // Whoever reads everything may find damage: then a replica is copied anew.
    const isAtEnd = (): boolean => this.#laggard() === null && this.#isInSync()
    if (!this.#settle(isAtEnd, 'consumers did not reach the end')) return
    const struck = { admin: this.#admin, members: this.#members, classic: this.#classic }
    if (!playCalm(this.#cluster, struck, isAtEnd, (isSettled, what) => this.#settle(isSettled, what))) return
    if (!this.#settle(() => this.#custodian?.isAtEnd !== false, 'the group that nobody is in is not at the end')) return
    if (!this.#settle(() => this.#transactions.isBalanced, 'the ledger is not at the end')) return
    if (
      !this.#settle(() => this.#sharing.isAtEnd((topic, partition) => this.#endOf(topic, partition)), 'the share group is not at the end')
    )
      return
    if (!this.#settle(() => this.#isEmptied(), 'what is consumed was not deleted')) return
    if (!this.#settle(() => this.#cluster.hasQuorum(), 'the coordinators do not agree')) return
    this.#guests.examine()
    if (
      !this.#settle(
        () => this.#guests.isContent,
        () => this.#guests.complaint,
        'TOLD',
      )
    )
      return
    checkFiles(this.#cluster)
    if (this.#world.violation === null) checkTransactions(this.#cluster)
    if (this.#world.violation === null) this.#modes.check()
  }

  /** Goes on until it is so; a violation if it takes too long. */
  #settle(isSettled: () => boolean, what: string | (() => string), code = 'LIVE'): boolean {
    const world = this.#world
    const deadline = world.nowMicros + SETTLE_MICROS
    while (world.violation === null && !isSettled()) {
      if (world.nowMicros >= deadline) {
        const wrong = typeof what === 'string' ? what : what()
        world.fail(code, `${wrong}${this.#laggard() ?? ''} ${SETTLE_MICROS / 1_000_000} s after healing`)
      }
      if (world.violation === null) world.runUntil(world.nowMicros + SETTLE_STEP_MICROS)
    }
    return world.violation === null
  }

  #isAnswered(): boolean {
    return (
      this.#cluster.nodes.every(({ host }) => host.isUp) &&
      this.#producers.every((producer) => producer.isAlive && producer.outstandingCount === 0) &&
      this.#transactions.isIdle &&
      this.#modes.isIdle
    )
  }

  /** Who has not come to the end of which partition; null if all have. */
  #laggard(): string | null {
    for (const [topic, partitions] of this.#cluster.topics) {
      for (let partition = 0; partition < partitions; partition++) {
        const name = topicPartitionName(topic, partition)
        const end = this.#endOf(topic, partition)
        if (this.#reader.positionOf(name) !== end) return `: the reader is at ${this.#reader.positionOf(name)} of ${end} in ${name}`
        const behind = this.#transactions.laggard(name, end) ?? this.#transactions.pipelineLaggard(topic, partition, end)
        if (behind !== null) return behind
        const other = this.#classic.laggard(name, end) ?? this.#guests.laggard(topic, partition, end)
        if (other !== null) return other
        if (this.#members.length === 0) continue
        const owners = this.#members.filter((member) => member.positionOf(name) >= 0)
        if (owners.length !== 1) return `: ${owners.length} members have ${name}`
        if (owners[0]?.positionOf(name) !== end) return `: the member is at ${owners[0]?.positionOf(name)} of ${end} in ${name}`
        if (committedOf(this.#group, name) < end) return `: committed is ${committedOf(this.#group, name)} of ${end} in ${name}`
      }
    }
    return this.#modes.laggard((topic, partition) => this.#endOf(topic, partition))
  }

  /** Where a transaction is open; null if none is. */
  #openTransaction(): string | null {
    if (this.#cluster.plan.transactions === null) return null
    for (const { name, partitions, config } of this.#cluster.latestImage()?.topics.values() ?? []) {
      // What may lose acknowledged records may lose a marker: the next transaction of that producer makes up for it.
      if (config.flush !== 'commit' || config.uncleanLeaderElection) continue
      for (let partition = 0; partition < partitions.length; partition++) {
        const leader = this.#replicasOf(name, partition).find(({ phase }) => phase === 'leading')
        if (leader === undefined || leader.transactions.open.size > 0) return ` in ${topicPartitionName(name, partition)}`
      }
    }
    return null
  }

  /** Where records go once they are consumed, none is left. */
  #isEmptied(): boolean {
    for (const { name, configs } of this.#cluster.plan.topics) {
      if (!('deleteOnceConsumedBy' in configs)) continue
      for (let partition = 0; partition < (this.#cluster.topics.get(name) ?? 0); partition++) {
        const states = this.#replicasOf(name, partition)
        if (!states.every(({ log }) => log.logStartOffset === log.logEndOffset)) return false
      }
    }
    return true
  }

  #isInSync(): boolean {
    for (const [topic, partitions] of [...this.#cluster.topics, ...this.#modes.topics]) {
      for (let partition = 0; partition < partitions; partition++) if (this.#endOf(topic, partition) < 0) return false
    }
    return true
  }

  /** The high watermark of the leader; -2 while nobody leads, or a replica is not in sync, or has not everything. */
  #endOf(topic: string, partition: number): number {
    const states = this.#replicasOf(topic, partition)
    const leader = states.find(({ phase }) => phase === 'leading')
    if (leader === undefined || leader.role.isr.length < leader.role.replicas.length) return -2
    const end = leader.log.logEndOffset
    const isWhole = leader.highWatermark.offset === end && states.every(({ log }) => log.logEndOffset === end)
    return isWhole && states.length === leader.role.replicas.length ? end : -2
  }

  #replicasOf(topic: string, partition: number): ReplicaState[] {
    return this.#cluster.nodes
      .map(({ host }) => host.stateOf(replicaActor(topic, partition)) as ReplicaState | undefined)
      .filter((state) => state !== undefined)
  }
}
