/**
 * What the broker of a node knows, as plain data.
 *
 *   starting (reads who it was) ─► registering ─► fenced (catching up with the metadata) ─► active ─► stopping (hands over, drains)
 */
import type { Address } from '../protocol/address.ts'
import { emptyImage } from '../coordinator/metadata.ts'
import type { MetadataImage } from '../coordinator/metadata.ts'

/** What a broker is started with. */
export interface BrokerConfig {
  /** Nodes with a coordinator, at first. */
  readonly voters: readonly number[]
  readonly rack: string | null
  /** Names the run of the system that keeps the page cache: another one means that what was not synced may be gone. */
  readonly bootId: string
  /** How long a group that comes from a node which may be alive waits before it hands out partitions: its members may still hold them. */
  readonly groupGraceMillis: number
  /** The same for a group that begins with its broker: 0 where members do not outlive it. */
  readonly groupStartGraceMillis: number
  /** So long are the offsets of a group without members kept; -1: for ever. */
  readonly offsetsRetentionMillis: number
  readonly heartbeatMillis: number
  readonly replicaLagMillis: number
  /** What replicas that a reassignment brings here copy per second, all together; 0: as much as they can. */
  readonly reassignmentBytesPerSecond: number
}

/** A replica that runs here. */
export interface LocalReplica {
  readonly topic: string
  readonly topicId: number
  readonly partition: number
  /** What it was told last. */
  partitionEpoch: number
  config: string
  /** It has said that it runs. */
  isStarted: boolean
}

/** A proposal of a replica that is with the coordinator. */
export interface Relayed {
  readonly actor: string
  readonly correlationId: number
}

/** What a node's directory remembers of it. */
export interface WrittenRegistration {
  readonly brokerEpoch: number
  readonly bootId: string
  readonly clean: boolean
}

/** A clean stop of the node: first others lead what is led here, or all have what they need to lead it later; then all replicas are drained. */
export interface NodeStop {
  waiter: Address
  readonly manner: 'alone' | 'together'
  /** The wait for followers (only where all stop together), for the coordinator, and for the replicas here. */
  step: 'settling' | 'asking' | 'draining'
  /** Replicas that are still to answer, by the names of their actors. */
  waitsFor: Set<string>
  /** The next life may say that nothing was lost: every log here has its replica, and all that have answered have everything on the disk. */
  isSynced: boolean
  /** Heartbeats from this one on have asked the coordinator. */
  askedFrom: number
}

/** By partition. */
export type FormerLeaders = Map<number, { readonly node: number; readonly brokerEpoch: number; readonly leaderEpoch: number }>

/** What a broker knows. */
export interface BrokerState {
  readonly self: Address
  readonly config: BrokerConfig
  image: MetadataImage
  /** Nodes with a coordinator, as the last heartbeat said. */
  voters: readonly number[]
  /** Where the active coordinator is thought to be. */
  controller: number
  /** -1 until it is registered. */
  brokerEpoch: number
  previousBrokerEpoch: number
  isUnsyncedSafe: boolean
  /** Drawn anew for each registration, so that one that arrives twice is one. */
  incarnation: number
  /** The files of its directory. */
  files: readonly string[]
  /** What the directory remembers, as far as it is read. */
  readonly written: (WrittenRegistration | null)[]
  /** The file that is written next. */
  nextFile: number
  /** Token of the read, and of the sync, that is under way; -1 while none is. */
  reading: number
  recording: number
  /** The write that is being synced failed. */
  isRecordTorn: boolean
  /** Of the request to the coordinator under way; -1 while there is none. */
  correlationId: number
  timeoutAt: number
  /** By replica actor name. */
  readonly replicas: Map<string, LocalReplica>
  /** Replicas here that share the limit for reassignments. */
  throttledCount: number
  /** What they share, as they were told. */
  throttleLimit: number
  /** The coordinator has heard this node: it will not be taken for dead before `until`; what was decided before is in the metadata up to `metadataOffset`. */
  heard: { readonly until: number; readonly metadataOffset: number }
  /** Until this uptime, what this node leads is led by nobody else. */
  leaseUntil: number
  /** By partition of `__consumer_offsets`: the leader epoch in which its groups are coordinated here. */
  readonly groups: Map<number, number>
  /** Those whose reign is over, and that have not answered yet: by partition, what they were asked. */
  readonly resigning: Map<number, { readonly correlationId: number; readonly leaderEpoch: number }>
  /** By partition of `__transaction_state`: the leader epoch of the transactor here. */
  readonly transactors: Map<number, number>
  /** By partition of `__share_group_state`: the leader epoch in which its share groups are coordinated here. */
  readonly shares: Map<number, number>
  readonly relayed: Map<number, Relayed>
  /** Nodes whose process is known to be dead, and the broker epoch it had: their clients have been told, too. */
  readonly deadNodes: Map<number, number>
  /** Who led the partitions of `__consumer_offsets` before this node, in which incarnation, and until which leader epoch nobody else did. */
  readonly formerLeaders: FormerLeaders
  /** The same of `__share_group_state`. */
  readonly formerShareLeaders: FormerLeaders
  strayCheckDone: boolean
  /** Null while the node goes on. */
  stop: NodeStop | null
  nextToken: number
}

/** A broker that knows nothing yet. */
export function newBrokerState(self: Address, config: BrokerConfig): BrokerState {
  return {
    self,
    config,
    image: emptyImage(self.node),
    voters: config.voters,
    controller: config.voters.includes(self.node) ? self.node : (config.voters[0] ?? 0),
    brokerEpoch: -1,
    previousBrokerEpoch: -1,
    isUnsyncedSafe: false,
    incarnation: 0,
    files: [],
    written: [],
    nextFile: 0,
    reading: -1,
    recording: -1,
    isRecordTorn: false,
    correlationId: -1,
    timeoutAt: -1,
    replicas: new Map(),
    throttledCount: 0,
    throttleLimit: 0,
    heard: { until: 0, metadataOffset: 0 },
    leaseUntil: 0,
    groups: new Map(),
    resigning: new Map(),
    transactors: new Map(),
    shares: new Map(),
    relayed: new Map(),
    deadNodes: new Map(),
    formerLeaders: new Map(),
    formerShareLeaders: new Map(),
    strayCheckDone: false,
    stop: null,
    nextToken: 1,
  }
}

/** Where the coordinators of partitions look for the active one: all who vote may be replaced, so that those whom the node began with are among them. */
export function coordinatorNodesOf({ voters, config }: BrokerState): readonly number[] {
  return [...new Set([...voters, ...config.voters])]
}

/** The image knows of this registration. An older one may take a replica away that was given again later, or not count on one that was counted on since. */
export function isInformed({ image, self, brokerEpoch }: BrokerState): boolean {
  return brokerEpoch >= 0 && image.brokers.get(self.node)?.brokerEpoch === brokerEpoch
}
