/**
 * The hosts of a run: nodes with a disk, a broker and (the first ones) a coordinator, which start again after a crash from what their disk has; and
 * clients, each life of which is a new host, because a process that died never hears what was meant for it.
 */
import { BROKER_ACTOR, COORDINATOR_ACTOR } from '../protocol/address.ts'
import { actor as broker } from '../actors/broker.ts'
import type { BrokerConfig, BrokerState } from '../actors/broker.ts'
import { actor as coordinator } from '../actors/coordinator.ts'
import { seatVoters } from '../actors/coordinator-quorum.ts'
import type { CoordinatorConfig, CoordinatorState } from '../actors/coordinator.ts'
import { ClientWatcher } from './checkers/clients.ts'
import { topicById } from '../coordinator/metadata.ts'
import type { MetadataImage } from '../coordinator/metadata.ts'
import { durableEnd, writtenEnd } from './checkers/durable-end.ts'
import type { ClusterQuorum } from './checkers/quorum.ts'
import { NodeWatcher } from './checkers/watch.ts'
import type { WatchedGroups } from './checkers/watch.ts'
import { newQuorumTruth } from './quorum/truth.ts'
import { Clock } from './clock.ts'
import { Disk } from './disk.ts'
import type { DiskOwner, DiskStep } from './disk.ts'
import type { Faults } from './faults.ts'
import { Host } from './host.ts'
import { countedAmong } from './living.ts'
import { hasUnsynced, noteKept, noteRot, partitionOf } from './losses.ts'
import { Network } from './network.ts'
import { activeEpochOf, brokerEpochOf, isAwaySince } from './node-epochs.ts'
import { COORDINATOR_PARTITIONS, votersOf } from './plan.ts'
import type { Plan } from './plan.ts'
import { Random } from './random.ts'
import { lifeOf } from './truth.ts'
import type { Truth } from './truth.ts'
import type { World } from './world.ts'

/** Session time-out of group members, and how long a group waits at its start. */
export const SESSION_MILLIS = 3000

/** The metadata log is small: snapshots come often. */
const SNAPSHOT_BYTES = 2000

/** A node that is silent for so long is fenced. */
const NODE_SESSION_MILLIS = 1500

/** A follower that lags for so long is out of sync. */
const REPLICA_LAG_MILLIS = 1000

/** A node comes back after so long on average. */
const RESTART_MICROS = 400_000

/** Clients hear of a death so late on average. */
const NEWS_MICROS = 30_000

/** A drained node that does not answer is killed. */
const DRAIN_MICROS = 5_000_000

/** A node of the cluster. */
export interface SimulatedNode {
  readonly host: Host
  readonly disk: Disk
}

/** Everything that runs. */
export class Cluster {
  readonly world: World
  readonly plan: Plan
  readonly faults: Faults
  readonly truth: Truth
  /** The nodes that have a coordinator. */
  readonly voters: readonly number[]
  readonly groups: WatchedGroups = { inside: [], outside: [], mixed: [], shared: [], newestAsked: new Map() }
  /** How many partitions topics have, as far as their administrator knows. */
  readonly topics: Map<string, number>
  /** Knows which life of a topic clients speak of. */
  readonly clientWatcher: ClientWatcher
  readonly nodes: SimulatedNode[] = []
  /** The living hosts of clients. */
  readonly clients: Set<Host> = new Set()
  readonly network: Network
  /** Asked at each step of a disk; true: the node has died there. */
  onDiskStep: ((step: DiskStep) => boolean) | null = null
  readonly #restarts: Random
  /** What brokers hear of deaths, where there are guests. */
  readonly #news: Random
  /** Counts power losses: each begins another run of the system. */
  readonly #bootIds: Map<number, number> = new Map()
  #image: MetadataImage | null = null
  /** By node: the broker epoch in which it was registered last when it lost power last; and when it was wiped last. */
  readonly #powerlessEpochs = new Map<number, number>()
  /** The same, where something was not synced then that somebody may count on. */
  readonly #lossyEpochs = new Map<number, number>()
  readonly #wipedEpochs = new Map<number, number>()
  /** By node: the broker epoch in which it was last unfenced when it was stopped last, all synced, as only a life can say that was registered, and could sync all of its logs. */
  readonly #stoppedEpochs = new Map<number, number>()
  readonly #quorum: ClusterQuorum
  #clientCount = 0

  constructor(world: World, plan: Plan, faults: Faults, truth: Truth) {
    this.world = world
    this.plan = plan
    this.voters = votersOf(plan)
    this.faults = faults
    this.truth = truth
    this.topics = new Map(plan.topics.map(({ name, partitions }) => [name, partitions]))
    this.clientWatcher = new ClientWatcher(world)
    this.network = new Network(world, faults)
    this.#restarts = new Random(world.seed, 'restarts')
    this.#news = new Random(world.seed, 'guests/news')
    this.#quorum = { truth: newQuorumTruth(world), disks: new Map(), lossesTold: new Set() }
  }

  /** Starts all nodes; groups must be known by then. */
  start(): void {
    const counted = countedAmong(this.truth, this.nodes, this.#lossyEpochs, (node) => noteRot(this, node))
    for (let node = 0; node < this.plan.nodeCount; node++) {
      const owner = { node, crashesAt: (stage, isWrite, effect) => this.#crashesAt({ node, stage, effect }, isWrite) } satisfies DiskOwner
      const disk = new Disk(this.world, owner, this.faults)
      this.#quorum.disks.set(node, disk)
      const watcher = new NodeWatcher(this.truth, disk, this.groups, this.#quorum, this.plan.producerCount > 0, counted)
      const host = new Host(node, {
        world: this.world,
        network: this.network,
        clock: new Clock(this.world),
        disk,
        faults: this.faults,
        watcher,
      })
      host.onDeath = () => this.crash(node, false)
      this.nodes.push({ host, disk })
      this.#boot(node)
    }
  }

  /** From now on nothing goes wrong, and what was wrong is over. */
  heal(): void {
    this.faults.active = false
    for (const { host, disk } of this.nodes) {
      disk.fullUntil = 0
      host.wake()
      if (disk.failsToSync) this.crash(host.node, false)
    }
    for (const client of this.clients) client.wake()
    for (const node of this.votersNow()) this.startCoordinator(node)
  }

  /** One coordinator is active, and all that vote have the same image. */
  hasQuorum(): boolean {
    const states = this.voters.map((node) => this.nodes[node]!.host.stateOf(COORDINATOR_ACTOR) as CoordinatorState | undefined)
    const [active, ...others] = states.filter((state) => state?.seat.isActive === true)
    if (active === undefined || others.length > 0) return false
    const voting = states.filter((_, i) => seatVoters(active.seat).includes(this.voters[i]!))
    return voting.every((state) => state?.seat.image.endOffset === active.seat.image.endOffset)
  }

  /** A host for a new life of a client, and what that plays. */
  newClient(role: string): Host {
    const node = -1 - this.#clientCount++
    this.world.onlooker?.booted(node, role)
    const { world, faults, clientWatcher: watcher } = this
    const parts = { world, network: this.network, clock: new Clock(world), disk: null, faults, watcher }
    const host = new Host(node, parts)
    host.boot()
    this.clients.add(host)
    return host
  }

  /** A client's process is gone. */
  killClient(host: Host): void {
    if (host.isUp) this.world.onlooker?.died(host.node, 'client killed')
    host.die()
    this.network.leave(host)
    this.clients.delete(host)
  }

  /** One node does not hear another for so long, in microseconds. */
  cut(from: number, to: number, micros: number): void {
    if (from !== to) this.network.cutLink(from, to, micros)
  }

  /** What one node says to another arrives late. */
  clog(from: number, to: number, micros: number): void {
    this.network.clogLink(from, to, micros)
  }

  /** A node that is down and fenced is harmed: nothing that it has said before may make anybody count on it. */
  noteHarm(node: number): void {
    this.network.silence(node)
  }

  /** A node's directory is empty; nobody knows until the node is unfenced again. */
  noteWipe(node: number): void {
    this.#wipedEpochs.set(node, brokerEpochOf(this.latestImage(), node))
  }

  /** A node dies, and comes back after a while. It does not lose power while it may be the last one that has what a wiped one had. */
  crash(node: number, isWithoutPower: boolean): void {
    const { host, disk } = this.nodes[node]!
    if (!host.isUp) return
    const isPowerLoss = isWithoutPower && (this.plan.isBeyond || !this.nodes.some((_, one) => this.#isWiped(one)))
    this.world.log?.(`${isPowerLoss ? 'power loss' : 'kill'} of node ${node}`)
    this.world.onlooker?.died(node, isPowerLoss ? 'power loss' : 'kill')
    this.latestImage()
    host.die()
    const isLossy = isPowerLoss && hasUnsynced(this.truth, disk)
    disk.crash(isPowerLoss)
    if (isPowerLoss) {
      const image = this.latestImage()
      const isStopped = this.#stoppedEpochs.get(node) === activeEpochOf(image, node)
      if (!isStopped) this.#powerlessEpochs.set(node, brokerEpochOf(image, node))
      if (!isStopped && isLossy) this.#lossyEpochs.set(node, brokerEpochOf(image, node))
      this.#bootIds.set(node, (this.#bootIds.get(node) ?? 0) + 1)
    }
    this.#noteLoss(node)
    noteRot(this, node)
    noteKept(this, node, isPowerLoss)
    this.#spreadNews(node)
    this.world.after(this.#restarts.exponential(RESTART_MICROS), () => this.#boot(node))
  }

  /** A node's directory was emptied, and the node has not been back since: where all have stopped together, it still counts. */
  #isWiped(node: number): boolean {
    return isAwaySince(this.latestImage(), node, this.#wipedEpochs.get(node))
  }

  /** A node is stopped as an operator does it, handing over what it leads unless all stop, and started again; so long after it has stopped its process ends. */
  stopCleanly(node: number, handOver = true, awayMicros = 0, lingerMicros = 0): void {
    const { host, disk } = this.nodes[node]!
    if (!host.isUp) return
    const stop = (): void => {
      if (!host.isUp) return
      this.world.log?.(`clean stop of node ${node}`)
      this.world.onlooker?.died(node, 'clean stop')
      this.latestImage()
      host.die()
      disk.crash(false)
      this.#noteLoss(node)
      noteRot(this, node)
      this.world.after(awayMicros + this.#restarts.exponential(RESTART_MICROS), () => this.#boot(node))
    }
    // Nothing counts that comes later: a replica that has drained acknowledges nothing.
    const onDrained = (isSynced: boolean): void => {
      if (isSynced && this.#isRegistered(node)) this.#stoppedEpochs.set(node, activeEpochOf(this.latestImage(), node))
      host.after(1 + lingerMicros, stop)
    }
    host.attach('operator', { receive: (said) => (said.kind === 'drained' ? onDrained(said.isSynced) : undefined) })
    host.send({ node, actor: 'operator' }, { node, actor: BROKER_ACTOR }, { kind: 'stopNode', handOver })
    host.after(DRAIN_MICROS, stop)
  }

  #boot(node: number): void {
    const { host } = this.nodes[node]!
    if (host.isUp) return
    this.world.onlooker?.booted(node, null)
    host.boot()
    const brokerConfig: BrokerConfig = {
      voters: this.voters,
      rack: null,
      bootId: `boot-${this.#bootIds.get(node) ?? 0}`,
      groupGraceMillis: SESSION_MILLIS,
      groupStartGraceMillis: SESSION_MILLIS,
      offsetsRetentionMillis: this.plan.offsetsRetentionMillis,
      heartbeatMillis: NODE_SESSION_MILLIS / 4,
      replicaLagMillis: REPLICA_LAG_MILLIS,
      reassignmentBytesPerSecond: 0,
    }
    // A node that does not vote has no coordinator; elsewhere one that may be asked to vote again keeps it.
    if (this.plan.guests === null || this.votersNow().includes(node)) this.startCoordinator(node)
    host.spawn(BROKER_ACTOR, broker.url, brokerConfig)
  }

  /** A node is to vote, or does: it has a coordinator from then on, while it is up. */
  startCoordinator(node: number): void {
    const { host } = this.nodes[node]!
    if (!host.isUp || !this.voters.includes(node)) return
    const config: CoordinatorConfig = {
      defaultReplicationFactor: Math.min(3, this.plan.nodeCount),
      sessionTimeoutMillis: NODE_SESSION_MILLIS,
      offsetsPartitions: COORDINATOR_PARTITIONS,
      voters: this.voters,
      snapshotBytes: SNAPSHOT_BYTES,
    }
    host.spawn(COORDINATOR_ACTOR, coordinator.url, config)
  }

  /** Most clients and coordinators hear that a node is dead, sooner or later. */
  #spreadNews(node: number): void {
    for (const client of this.clients) {
      if (this.#restarts.below(4) === 0) continue
      client.after(this.#restarts.exponential(NEWS_MICROS), () => client.announce({ kind: 'nodeDown', node }))
    }
    for (const voter of this.voters) {
      const { host } = this.nodes[voter]!
      if (voter === node || this.#restarts.below(4) === 0) continue
      const to = { node: voter, actor: COORDINATOR_ACTOR }
      host.after(this.#restarts.exponential(NEWS_MICROS), () => host.send({ ...to, actor: '' }, to, { kind: 'nodeDown', node }))
    }
    if (this.plan.guests !== null) this.#tellBrokers(node)
  }

  /** The news comes before the node is started again, or not at all. */
  #tellBrokers(dead: number): void {
    for (const [node, { host }] of this.nodes.entries()) {
      if (node === dead || this.#news.below(4) === 0) continue
      host.after(this.#news.exponential(NEWS_MICROS), () => {
        if (!this.nodes[dead]!.host.isUp) host.send({ node, actor: '' }, { node, actor: BROKER_ACTOR }, { kind: 'nodeDown', node: dead })
      })
    }
  }

  /**
   * What was synced must be there again; what was not may be gone where the topic promises no more, and where nobody else has it who may lead: what is in another
   * node's page cache is as good as synced, unless that node has lost power, too, and could not say so yet, or is down, or back but not registered again: it
   * leaves the ISR then, if others stand there still.
   */
  #noteLoss(node: number): void {
    const image = this.latestImage()
    for (const { name, topicId, flush, exposedEnd } of [...this.truth.partitions.values()]) {
      const partition = lifeOf(this.truth, name, topicId)
      const topic = image === null ? undefined : topicById(image, topicId)
      const known = topic?.partitions[partitionOf(name)]
      if (partition === undefined || flush === 'commit' || known === undefined) continue
      const holders = [...known.isr, ...known.elr]
      if (!holders.includes(node) || !holders.some((one) => this.isPowerless(one))) continue
      const ends = holders.map((holder) => {
        const files = this.nodes[holder]!.disk.files(`${name}.${topicId}`)
        return this.isPowerless(holder) ? durableEnd(files, partition) : writtenEnd(files, partition)
      })
      if (holders.some((holder, i) => !this.isPowerless(holder) && this.#isRegistered(holder) && ends[i]! >= exposedEnd)) continue
      const floor = Math.min(...ends)
      partition.lossFloor = partition.lossFloor < 0 ? floor : Math.min(partition.lossFloor, floor)
    }
  }

  /** A node is up, in the life that the metadata knows of. */
  #isRegistered(node: number): boolean {
    const state = this.nodes[node]!.host.stateOf(BROKER_ACTOR) as BrokerState | undefined
    return state !== undefined && state.brokerEpoch >= 0 && this.latestImage()?.brokers.get(node)?.brokerEpoch === state.brokerEpoch
  }

  /** A node has lost its page cache, and has not been back since. */
  isPowerless(node: number): boolean {
    return isAwaySince(this.latestImage(), node, this.#powerlessEpochs.get(node))
  }

  /** Who votes, as the active coordinator has it; all that may, while there is none. */
  votersNow(): readonly number[] {
    const states = this.voters.map((node) => this.nodes[node]?.host.stateOf(COORDINATOR_ACTOR) as CoordinatorState | undefined)
    const active = states.find((state) => state?.seat.isActive === true)
    return active === undefined ? this.voters : seatVoters(active.seat)
  }

  /** The metadata as the best informed coordinator has it, or had it when all of them were gone. */
  latestImage(): MetadataImage | null {
    for (const voter of this.voters) {
      const state = this.nodes[voter]!.host.stateOf(COORDINATOR_ACTOR) as CoordinatorState | undefined
      if (state !== undefined && state.seat.image.endOffset > (this.#image?.endOffset ?? -1)) this.#image = state.seat.image
    }
    return this.#image
  }

  #crashesAt(step: DiskStep, isWrite: boolean): boolean {
    const { node, stage } = step
    const { host } = this.nodes[node]!
    if (!host.isUp || this.onDiskStep?.(step) === true) return !host.isUp
    if (!this.faults.strikes('killPending', isWrite ? 10 : 1)) return false
    this.world.onlooker?.struck('killPending', { hosts: [node] })
    const random = this.faults.draws('killPending')
    if (stage === 'between' && random.below(2) === 0) {
      host.dieAfterEffects = random.below(3)
      return false
    }
    const isPowerLoss = this.faults.options.powerLoss > 0 && random.below(2) === 0
    if (isPowerLoss) this.faults.counts.powerLoss++
    this.crash(node, isPowerLoss)
    return true
  }
}
