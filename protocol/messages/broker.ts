/**
 * How nodes and the active coordinator speak (KIP-631, KIP-497): registration, heartbeats, the metadata that every node keeps a copy of, and what leaders
 * ask to be changed. Kafka API keys 62, 63, 56.
 */

/** A node starts: it is a new incarnation, fenced until it has caught up with the metadata. */
export interface RegisterBroker {
  readonly kind: 'registerBroker'
  readonly correlationId: number
  readonly node: number
  /** Drawn by the node: a registration that arrives twice is one. */
  readonly incarnation: number
  readonly rack: string | null
  /** The broker epoch that its directory remembers; -1: none, it is empty. */
  readonly previousBrokerEpoch: number
  /** What was written in that incarnation is there, synced or not: it stopped cleanly, or the system has not been started anew since. */
  readonly isUnsyncedSafe: boolean
}

/** `brokerEpoch` names the incarnation; -1 with an error. */
export interface BrokerRegistered {
  readonly kind: 'brokerRegistered'
  readonly correlationId: number
  readonly errorCode: number
  readonly brokerEpoch: number
}

/**
 * Whether a node is about to stop (Kafka's controlled shutdown), and stays fenced until it registers again: `alone`: others shall lead what it leads;
 * `together`: with all others, each of which says so.
 */
export type ShutDown = 'no' | 'alone' | 'together'

/** A node is alive, and has applied the metadata below `metadataOffset`. */
export interface BrokerHeartbeat {
  readonly kind: 'brokerHeartbeat'
  readonly correlationId: number
  readonly node: number
  readonly brokerEpoch: number
  readonly metadataOffset: number
  readonly wantShutDown: ShutDown
}

/** STALE_BROKER_EPOCH, BROKER_ID_NOT_REGISTERED: this incarnation is over. */
export interface BrokerHeartbeatResponse {
  readonly kind: 'brokerHeartbeatResponse'
  readonly correlationId: number
  readonly errorCode: number
  /** Nobody counts on the node any more: it may stop. */
  readonly shouldShutDown: boolean
  /** Where coordinators are; empty with an error. */
  readonly voters: readonly number[]
  /** How much metadata was committed when the coordinator said so. */
  readonly metadataOffset: number
}

/** Committed metadata for a node: what follows `beginOffset`, up to `endOffset`, or (a snapshot) what makes the whole image at `endOffset`. */
export interface MetadataUpdate {
  readonly kind: 'metadataUpdate'
  readonly beginOffset: number
  readonly endOffset: number
  readonly isSnapshot: boolean
  /** JSON: a list of [end offset, metadata records], one per batch of the log; a snapshot is one. */
  readonly records: Uint8Array
}

/**
 * A leader proposes another ISR (KIP-497); null asks for another leader: its disk failed. An empty one, which any replica may send, asks not to be counted on: its
 * log is damaged.
 */
export interface AlterPartitionRequest {
  readonly kind: 'alterPartition'
  readonly correlationId: number
  readonly node: number
  readonly brokerEpoch: number
  readonly topicId: number
  readonly partition: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly isr: readonly { readonly node: number; readonly brokerEpoch: number }[] | null
  /** With an empty ISR: how the replica is damaged. Default: some batches are. */
  readonly damage?: 'doubtful' | 'total'
}

/** Accepted (the new image comes with the metadata), or why not. */
export interface AlterPartitionResponse {
  readonly kind: 'alterPartitionResponse'
  readonly correlationId: number
  readonly errorCode: number
}

/** Replica to its broker: it has started, or started again; it leads nothing until it is told to. */
export interface ReplicaStarted {
  readonly kind: 'replicaStarted'
  readonly topicId: number
}

/** Replica to its broker: it cannot lead in this epoch any more; or its log is damaged, and it must be neither in sync nor eligible. */
export interface ReplicaFailed {
  readonly kind: 'replicaFailed'
  readonly topicId: number
  readonly leaderEpoch: number
  readonly isDamaged: boolean
  /** There may have been more of it, or it cannot be opened at all. Default: some batches are damaged. */
  readonly damage?: 'doubtful' | 'total'
}

/** Broker to replica: the partition as the metadata has it. Kafka's LeaderAndIsr. `leader` -1: nobody leads. */
export interface LeaderAndIsr {
  readonly kind: 'leaderAndIsr'
  /** What is meant for a replica of a former topic of that name changes nothing. */
  readonly topicId: number
  readonly leader: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** Who may lead although it is not in sync. */
  readonly elr: readonly number[]
  /** In-sync replicas below which the high watermark stands still. */
  readonly minInsync: number
  /** This node's incarnation. */
  readonly brokerEpoch: number
  /** What a replica that a reassignment brings may copy per second; 0: as much as it can. */
  readonly throttleBytesPerSecond: number
}
