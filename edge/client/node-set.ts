/**
 * Which nodes a cluster has, which of them vote, and how each is started. What changes is written to `odradek.json`, where the next opening finds it.
 * It does NOT start or stop anything.
 */
import { actor as broker } from '../../actors/broker.ts'
import type { BrokerConfig } from '../../actors/broker.ts'
import { actor as coordinator } from '../../actors/coordinator.ts'
import type { CoordinatorConfig } from '../../actors/coordinator.ts'
import { BROKER_ACTOR, COORDINATOR_ACTOR } from '../../protocol/address.ts'
import { bootId } from '../../runtime/boot-id.ts'
import type { ActorSetup, NodeSetup } from '../../runtime/thread-runtime.ts'
import type { ClusterOptions } from './api.ts'
import { nodesOf, votersOf } from './data-directory.ts'
import type { DataDirectory } from './data-directory.ts'
import { metadataDefectOf, nodeDirectory } from './node-directory.ts'

/** Options of the cluster with their defaults. */
export type NodeOptions = Required<
  Pick<ClusterOptions, 'nodeSessionTimeoutMillis' | 'replicaLagMillis' | 'offsetsRetentionMillis' | 'reassignmentBytesPerSecond'>
> &
  Pick<ClusterOptions, 'racks' | 'nodes'>

/** Partitions of `__consumer_offsets` in a new cluster. */
const OFFSETS_PARTITIONS = 4

/** Replicas of a partition that nobody asked for otherwise, if there are so many nodes. */
const REPLICATION_FACTOR = 3

/** Heartbeats of a node in one session: about as many as in Kafka. */
const HEARTBEATS_PER_SESSION = 4

/** Where a group moves to a node while its members live on, it waits so long before it hands out partitions: members may still hold them. */
const GROUP_GRACE_MILLIS = 10_000

/** The nodes of one cluster. See the header. */
export class NodeSet {
  readonly #held: DataDirectory | null
  readonly #options: NodeOptions
  #ids: readonly number[]
  #voters: readonly number[]
  #observers: readonly number[]

  /** `held` null: in memory. */
  constructor(held: DataDirectory | null, options: NodeOptions) {
    this.#held = held
    this.#options = options
    this.#ids = held === null ? Array.from({ length: options.nodes ?? 1 }, (_, node) => node) : nodesOf(held.identity)
    this.#voters = held?.identity.voters ?? votersOf(this.#ids)
    this.#observers = held?.identity.observers ?? []
  }

  /** In ascending order. */
  get ids(): readonly number[] {
    return this.#ids
  }

  /** The nodes that vote in the metadata quorum, as it said last. */
  get voters(): readonly number[] {
    return this.#voters
  }

  /** The nodes that have a coordinator, whether they vote or not. */
  get coordinators(): readonly number[] {
    return [...this.#voters, ...this.#observers]
  }

  /** One past the highest id: nodes that were removed leave gaps. */
  get idsEnd(): number {
    return (this.#ids.at(-1) ?? -1) + 1
  }

  /** A node is to have a coordinator, which may come to vote. */
  addObserver(node: number): void {
    this.#note(this.#voters, [...this.#observers, node])
  }

  /** The quorum says who votes. Who did, or was about to, keeps its coordinator: the answer may be older than what has been decided since. */
  setVoters(voters: readonly number[]): void {
    this.#note(voters, this.coordinators)
  }

  /** The cluster has begun, and its metadata is on disks: from now on it is not opened without any. Who votes is what the quorum says: nothing else is under way. */
  noteOpened(voters: readonly number[]): void {
    this.#note(voters, [])
    if (this.#held?.identity.opened === false) this.#held.update({ opened: true })
  }

  /** A node is none any more. */
  remove(node: number): void {
    this.#ids = this.#ids.filter((one) => one !== node)
    this.#observers = this.#observers.filter((one) => one !== node)
    const removed = this.#held?.identity.removed
    if (removed !== undefined) this.#held?.update({ removed: ascending([...removed, node]), observers: this.#observers })
  }

  /** Where the node keeps everything; null in memory. */
  directoryOf(node: number): string | null {
    return this.#held === null ? null : nodeDirectory(this.#held.path, node)
  }

  /** The directory of a node may be lost: then it gets another one. What cannot be had is for whoever opens the cluster next to refuse. */
  reclaim(node: number): void {
    try {
      this.#held?.claim(node)
    } catch {
      // All of it is gone, somebody else's is there, or its disk has failed.
    }
  }

  /** What a node is started with. Throws KAFKA_STORAGE_ERROR, and FOREIGN_DIRECTORY. */
  setupOf(node: number): NodeSetup {
    this.#held?.claim(node)
    const racks = this.#held?.identity.racks ?? this.#options.racks
    const { nodeSessionTimeoutMillis, replicaLagMillis, offsetsRetentionMillis, reassignmentBytesPerSecond } = this.#options
    const config: BrokerConfig = {
      voters: this.#voters,
      rack: racks?.[node] ?? null,
      bootId: bootId(),
      groupGraceMillis: GROUP_GRACE_MILLIS,
      groupStartGraceMillis: 0,
      offsetsRetentionMillis,
      heartbeatMillis: Math.ceil(nodeSessionTimeoutMillis / HEARTBEATS_PER_SESSION),
      replicaLagMillis,
      reassignmentBytesPerSecond,
    }
    const actors: ActorSetup[] = [{ name: BROKER_ACTOR, url: broker.url, config }]
    if (this.coordinators.includes(node)) actors.unshift(this.coordinatorSetup(node))
    return { node, directory: this.directoryOf(node), actors }
  }

  /** The coordinator of a node. Only those who vote may found a quorum: an observer without a log waits for theirs. */
  coordinatorSetup(node: number): ActorSetup {
    const config: CoordinatorConfig = {
      voters: this.#voters,
      isDoubtful: this.#hasLostMetadata(node),
      defaultReplicationFactor: Math.min(REPLICATION_FACTOR, this.#ids.length),
      sessionTimeoutMillis: this.#options.nodeSessionTimeoutMillis,
      offsetsPartitions: OFFSETS_PARTITIONS,
    }
    return { name: COORDINATOR_ACTOR, url: coordinator.url, config }
  }

  /** Whether a voter has less than it may have acknowledged: its disk is another one, or damaged. That of a cluster which has not been open yet is empty, and of one in memory nobody knows. */
  #hasLostMetadata(node: number): boolean {
    const held = this.#held
    return held !== null && held.identity.opened && this.#voters.includes(node) && metadataDefectOf(held.path, node) !== null
  }

  /** Durably, before it is acted upon. */
  #note(nodes: readonly number[], others: readonly number[]): void {
    const voters = ascending(nodes)
    const observers = ascending(others.filter((node) => !voters.includes(node) && this.#ids.includes(node)))
    if (voters.join() === this.#voters.join() && observers.join() === this.#observers.join()) return
    this.#held?.update({ voters, observers })
    this.#voters = voters
    this.#observers = observers
  }
}

function ascending(nodes: readonly number[]): number[] {
  return [...new Set(nodes)].toSorted((a, b) => a - b)
}
