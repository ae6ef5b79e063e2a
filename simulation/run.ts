/**
 * One run from one seed: builds the cluster, lets clients work and faults strike, heals, waits until everything has settled, and looks at what is
 * left. Same seed and options, same result, to the bit.
 */
import { replicaActor, sharesActor } from '../protocol/address.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { Share, SharesState } from '../actors/shares-state.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import { unleash } from './chaos.ts'
import { checkFiles } from './checkers/final.ts'
import { committedOf, newGroupTruth } from './checkers/groups.ts'
import type { GroupTruth } from './checkers/groups.ts'
import { Cluster, COORDINATOR_PARTITIONS, SESSION_MILLIS } from './cluster.ts'
import { Faults } from './faults.ts'
import type { FaultKind } from './faults.ts'
import { withoutAmbientTime } from './guard.ts'
import { drawPlan, INSIDE_GROUP, OUTSIDE_GROUP, SHARE_GROUP, SHARED_TOPIC } from './plan.ts'
import type { PlanOptions } from './plan.ts'
import { writeTranscript } from './transcript.ts'
import { lifeOf, newTruth } from './truth.ts'
import type { Anomaly } from './truth.ts'
import { newOutsideGroup } from './checkers/outside-groups.ts'
import { ConsumerWorkload } from './workloads/consumer.ts'
import { CustodianWorkload } from './workloads/custodian.ts'
import { DeleterWorkload } from './workloads/deleter.ts'
import { neverGiven, newShareTruth } from './checkers/share.ts'
import type { ShareTruth } from './checkers/share.ts'
import { ProducerWorkload } from './workloads/producer.ts'
import { SharerWorkload } from './workloads/sharer.ts'
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
  readonly anomalies: Readonly<Record<Anomaly, number>>
}

/** Everything must have settled so long after healing. */
const SETTLE_MICROS = 60_000_000

/** Partitions that went offline come back within this time. */
const REST_MICROS = 3_000_000

/** How often it is asked whether everything has settled. */
const SETTLE_STEP_MICROS = 200_000

/** Runs a seed. `log` takes the lines of the transcript. */
export function runSeed(seed: number, options: PlanOptions = {}, log: ((line: string) => void) | null = null): RunResult {
  return withoutAmbientTime(() => new Run(seed, options, log).result())
}

class Run {
  readonly #world: World
  readonly #cluster: Cluster
  readonly #group: GroupTruth
  readonly #admin: AdminWorkload
  readonly #producers: ProducerWorkload[]
  readonly #reader: ConsumerWorkload
  readonly #members: ConsumerWorkload[]
  /** Where records go once they are consumed. */
  readonly #custodian: CustodianWorkload | null
  readonly #shared: ShareTruth
  readonly #sharers: SharerWorkload[]

  constructor(seed: number, options: PlanOptions, log: ((line: string) => void) | null) {
    const plan = drawPlan(seed, options)
    const world = new World(seed)
    log?.(JSON.stringify(plan))
    if (log !== null) writeTranscript(world, log)
    const truth = newTruth(world, plan.acks, plan.faults.clockStep > 0)
    const cluster = new Cluster(world, plan, new Faults(seed, plan.faults), truth)
    this.#world = world
    this.#cluster = cluster
    this.#group = newGroupTruth(truth, INSIDE_GROUP, SESSION_MILLIS, plan.offsetsRetentionMillis)
    cluster.groups.inside.push(this.#group)
    const audit = newOutsideGroup(truth, OUTSIDE_GROUP, plan.offsetsRetentionMillis)
    cluster.groups.outside.push(audit)
    this.#custodian = plan.topics.some(({ configs }) => 'deleteOnceConsumedBy' in configs) ? new CustodianWorkload(cluster, audit) : null
    const shared = newShareTruth(truth, SHARE_GROUP)
    this.#shared = shared
    cluster.groups.shared.push(shared)
    this.#sharers = Array.from({ length: plan.sharerCount }, (_, index) => new SharerWorkload(cluster, index, shared))
    this.#admin = new AdminWorkload(cluster)
    this.#producers = Array.from({ length: plan.producerCount }, (_, index) => new ProducerWorkload(cluster, index))
    this.#reader = new ConsumerWorkload(cluster, 0, null)
    this.#members = Array.from({ length: plan.groupSize }, (_, index) => new ConsumerWorkload(cluster, 1 + index, this.#group))
  }

  /** Runs to the end. */
  result(): RunResult {
    const { plan, faults, truth } = this.#cluster
    const world = this.#world
    const clients = [...this.#producers, this.#reader, ...this.#members]
    this.#cluster.start()
    this.#admin.onChange = () => this.#reader.assign()
    this.#admin.start(() => {
      for (const client of clients) client.start()
      this.#custodian?.start()
      for (const sharer of this.#sharers) sharer.start()
      unleash(this.#cluster, clients, this.#admin, new DeleterWorkload(this.#cluster))
    })
    world.runUntil(plan.seconds * 1_000_000)
    this.#cluster.heal()
    for (const producer of this.#producers) producer.stop()
    if (this.#settle(() => this.#isAnswered(), 'not every batch was answered')) this.#finish()
    return {
      seed: plan.seed,
      hash: world.trace.toString(),
      violation: world.violation,
      virtualSeconds: world.nowMicros / 1_000_000,
      events: world.eventCount,
      acknowledged: truth.acknowledgedCount,
      faults: faults.counts,
      anomalies: truth.anomalies,
    }
  }

  /** What is submitted now must succeed, and be consumed by everybody; one reader reads the whole log again. */
  #finish(): void {
    this.#world.runUntil(this.#world.nowMicros + REST_MICROS)
    this.#admin.settle()
    this.#admin.rescue()
    if (!this.#settle(() => this.#admin.isIdle, 'topics were not there')) return
    if (!this.#settle(() => this.#isInSync(), 'replicas were not in sync')) return
    for (const producer of this.#producers) {
      producer.failedLately = 0
      producer.lastRound()
    }
    if (!this.#settle(() => this.#isAnswered(), 'the last batches were not answered')) return
    const failed = this.#producers.reduce((sum, producer) => sum + producer.failedLately, 0)
    if (failed > 0) return this.#world.fail('LIVE', `${failed} batches failed although nothing was wrong any more`)
    this.#reader.restart()
    // Whoever reads everything may find damage: then a replica is copied anew.
    if (!this.#settle(() => this.#laggard() === null && this.#isInSync(), 'consumers did not reach the end')) return
    if (!this.#settle(() => this.#custodian?.isAtEnd !== false, 'the group that nobody is in is not at the end')) return
    if (!this.#settle(() => this.#isShared(), 'the share group is not at the end')) return
    if (!this.#settle(() => this.#isEmptied(), 'what is consumed was not deleted')) return
    if (this.#settle(() => this.#cluster.hasQuorum(), 'the coordinators do not agree')) checkFiles(this.#cluster)
  }

  /** Goes on until it is so; a violation if it takes too long. */
  #settle(isSettled: () => boolean, what: string): boolean {
    const world = this.#world
    const deadline = world.nowMicros + SETTLE_MICROS
    while (world.violation === null && !isSettled()) {
      if (world.nowMicros >= deadline) world.fail('LIVE', `${what}${this.#laggard() ?? ''} ${SETTLE_MICROS / 1_000_000} s after healing`)
      else world.runUntil(world.nowMicros + SETTLE_STEP_MICROS)
    }
    return world.violation === null
  }

  #isAnswered(): boolean {
    return (
      this.#cluster.nodes.every(({ host }) => host.isUp) &&
      this.#producers.every((producer) => producer.isAlive && producer.outstandingCount === 0)
    )
  }

  /** Who has not come to the end of which partition; null if all have. */
  #laggard(): string | null {
    for (const [topic, partitions] of this.#cluster.topics) {
      for (let partition = 0; partition < partitions; partition++) {
        const name = topicPartitionName(topic, partition)
        const end = this.#endOf(topic, partition)
        if (this.#reader.positionOf(name) !== end) return `: the reader is at ${this.#reader.positionOf(name)} of ${end} in ${name}`
        const owners = this.#members.filter((member) => member.positionOf(name) >= 0)
        if (owners.length !== 1) return `: ${owners.length} members have ${name}`
        if (owners[0]?.positionOf(name) !== end) return `: the member is at ${owners[0]?.positionOf(name)} of ${end} in ${name}`
        if (committedOf(this.#group, name) < end) return `: committed is ${committedOf(this.#group, name)} of ${end} in ${name}`
      }
    }
    return null
  }

  /** The share group is done with everything; SHARE: it has passed what nobody was ever given. */
  #isShared(): boolean {
    if (this.#sharers.length === 0) return true
    for (let partition = 0; partition < (this.#cluster.topics.get(SHARED_TOPIC) ?? 0); partition++) {
      const share = this.#shareOf(partition)
      if (share === undefined || share.startOffset !== this.#endOf(SHARED_TOPIC, partition)) return false
      const life = lifeOf(this.#shared.truth, topicPartitionName(SHARED_TOPIC, partition), share.topicId)
      const lost = life === undefined || life.isUnclean || life.lossEnd > 0 ? null : neverGiven(this.#shared, life, share.startOffset)
      if (lost !== null) this.#world.fail('SHARE', `${SHARED_TOPIC}-${partition}: nobody was ever given ${lost}`)
    }
    return true
  }

  /** As whoever is in charge has it. */
  #shareOf(partition: number): Share | undefined {
    const names = Array.from({ length: COORDINATOR_PARTITIONS }, (_, index) => sharesActor(index))
    const states = this.#cluster.nodes.flatMap(({ host }) => names.map((name) => host.stateOf(name) as SharesState | undefined))
    const shares = states.flatMap((state) => [...(state?.groups.get(SHARE_GROUP)?.partitions.values() ?? [])])
    return shares.filter((one) => one.partition === partition).toSorted((a, b) => b.topicId - a.topicId)[0]
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
    for (const [topic, partitions] of this.#cluster.topics) {
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
