/**
 * A cluster of many nodes in the simulator's world: the real actors, virtual time, no faults, no checkers. So hundreds of nodes fit into one thread, and
 * what they say to each other can be counted exactly. It does NOT measure speed: virtual time passes as it likes.
 */
import { actor as broker } from '../actors/broker.ts'
import type { BrokerConfig } from '../actors/broker.ts'
import { actor as coordinator } from '../actors/coordinator.ts'
import type { CoordinatorConfig } from '../actors/coordinator.ts'
import { BROKER_ACTOR, COORDINATOR_ACTOR, replicaActor } from '../protocol/address.ts'
import type { Address } from '../protocol/address.ts'
import { NONE } from '../protocol/errors.ts'
import type { Message } from '../protocol/messages/message.ts'
import type { TopicMetadata } from '../protocol/messages/metadata.ts'
import { Clock } from '../simulation/clock.ts'
import { Disk } from '../simulation/disk.ts'
import { Faults, noFaults } from '../simulation/faults.ts'
import { Host } from '../simulation/host.ts'
import type { Watcher } from '../simulation/host.ts'
import { Network } from '../simulation/network.ts'
import { buildBatch } from '../simulation/records.ts'
import { World } from '../simulation/world.ts'
import { REPLICAS, TOPIC, VALUE_BYTES } from './records.ts'

const SEED = 1
const EVENTS_MAX = 1_000_000_000
const VOTERS: readonly number[] = [0, 1, 2]
const SESSION_MILLIS = 2000
const HEARTBEATS_PER_SESSION = 4

/** How often it is looked whether something has come about, and when it counts as never. */
const LOOK_MICROS = 100_000
const PATIENCE_MICROS = 120_000_000

/** A cluster with one topic of many partitions. See the header. */
export class LargeCluster {
  /** Messages that have come from one node to another. */
  messageCount = 0
  /** Records that the quorum has acknowledged. */
  acknowledgedCount = 0
  readonly #world: World = new World(SEED, EVENTS_MAX)
  readonly #network: Network
  readonly #faults: Faults = new Faults(SEED, noFaults())
  readonly #client: Host
  readonly #self: Address = { node: -1, actor: 'client' }
  #topic: TopicMetadata | null = null
  #liveCount = 0
  #isCreated = false

  constructor(nodeCount: number) {
    this.#network = new Network(this.#world, this.#faults)
    this.#client = this.#newHost(-1, null)
    this.#client.boot()
    this.#client.attach('client', { receive: (message) => this.#receive(message) })
    for (let node = 0; node < nodeCount; node++) this.#boot(node)
    this.#until('all nodes have joined', () => this.#liveCount === nodeCount)
  }

  /** Makes the topic, and waits until all its replicas are in sync. */
  createTopic(partitions: number): void {
    const configs = { flush: 'os' }
    const topics = [{ name: TOPIC, numPartitions: partitions, replicationFactor: REPLICAS, configs }]
    this.#until('the topic is there', () => {
      if (this.#isCreated) return true
      this.#ask({ kind: 'createTopics', correlationId: 0, topics, validateOnly: false })
      return false
    })
    this.#until('all replicas are in sync', () => this.#topic?.partitions.every(({ isr }) => isr.length === REPLICAS) === true)
  }

  /** Lets some virtual seconds pass. */
  run(seconds: number): void {
    this.#runFor(seconds * 1_000_000)
  }

  /** Sends a batch of one record to each partition, evenly spread over a virtual second. */
  produceForASecond(): void {
    const partitions = this.#topic?.partitions ?? []
    const records = buildBatch([1], VALUE_BYTES, this.#client.clock.now())
    partitions.forEach(({ partition, leader, leaderEpoch }, index) => {
      const to = { node: leader, actor: replicaActor(TOPIC, partition) }
      const message: Message = {
        kind: 'produce',
        correlationId: index,
        topicId: this.#topic?.topicId ?? -1,
        leaderEpoch,
        acks: 'quorum',
        transaction: null,
        isFirst: false,
        records: records.slice(),
      }
      this.#client.after((index * 1_000_000) / partitions.length, () => this.#client.send(this.#self, to, message))
    })
    this.run(1)
  }

  #boot(node: number): void {
    const watcher: Watcher = {
      spawned: () => undefined,
      received: (host, _name, _state, _message, from) => {
        if (from.node >= 0 && from.node !== host.node) this.messageCount++
      },
    }
    const host = this.#newHost(node, watcher)
    host.boot()
    const coordinatorConfig: CoordinatorConfig = {
      voters: VOTERS,
      defaultReplicationFactor: REPLICAS,
      sessionTimeoutMillis: SESSION_MILLIS,
      offsetsPartitions: 4,
    }
    const brokerConfig: BrokerConfig = {
      voters: VOTERS,
      rack: null,
      bootId: 'boot',
      groupGraceMillis: 0,
      groupStartGraceMillis: 0,
      offsetsRetentionMillis: -1,
      heartbeatMillis: SESSION_MILLIS / HEARTBEATS_PER_SESSION,
      replicaLagMillis: SESSION_MILLIS,
      reassignmentBytesPerSecond: 0,
    }
    if (VOTERS.includes(node)) host.spawn(COORDINATOR_ACTOR, coordinator.url, coordinatorConfig)
    host.spawn(BROKER_ACTOR, broker.url, brokerConfig)
  }

  #newHost(node: number, watcher: Watcher | null): Host {
    const owner = { node, crashesAt: () => false }
    const disk = node < 0 ? null : new Disk(this.#world, owner, this.#faults)
    return new Host(node, {
      world: this.#world,
      network: this.#network,
      clock: new Clock(this.#world),
      disk,
      faults: this.#faults,
      watcher,
    })
  }

  #receive(message: Message): void {
    if (message.kind === 'adminResponse') this.#isCreated ||= message.results.every(({ errorCode }) => errorCode === NONE)
    if (message.kind === 'produceResponse' && message.errorCode === NONE) this.acknowledgedCount++
    if (message.kind !== 'metadataResponse') return
    this.#liveCount = message.brokers.filter(({ fenced }) => !fenced).length
    this.#topic = message.topics.find(({ topic, errorCode }) => topic === TOPIC && errorCode === NONE) ?? null
  }

  /** Asks all coordinators; the active one answers. */
  #ask(message: Message): void {
    for (const node of VOTERS) this.#client.send(this.#self, { node, actor: COORDINATOR_ACTOR }, message)
  }

  #until(what: string, isSo: () => boolean): void {
    const deadline = this.#world.nowMicros + PATIENCE_MICROS
    while (!isSo()) {
      if (this.#world.nowMicros > deadline) throw new Error(`it never came about that ${what}`)
      this.#ask({ kind: 'metadata', correlationId: 0, topics: null })
      this.#runFor(LOOK_MICROS)
    }
  }

  #runFor(micros: number): void {
    this.#world.runUntil(this.#world.nowMicros + micros)
    const { violation } = this.#world
    if (violation !== null) throw new Error(`${violation.code} ${violation.message}`)
  }
}
