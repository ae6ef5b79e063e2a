/**
 * How nodes and the active coordinator speak (KIP-631, KIP-497): registration, heartbeats, the metadata that every node keeps a copy of, and what leaders
 * ask to be changed. Kafka API keys 62, 63, 56.
 */

/**
 * What a node has of what it had when it was registered last: everything; perhaps not what was never synced (the machine lost its page cache); or it
 * cannot say (an empty directory, an old copy).
 */
export type StorageState = 'intact' | 'unsyncedLost' | 'unknown'

/** A node starts: it is a new incarnation, fenced until it has caught up with the metadata. */
export interface RegisterBroker {
  readonly kind: 'registerBroker'
  readonly correlationId: number
  readonly node: number
  readonly rack: string | null
  readonly storage: StorageState
}

/** `brokerEpoch` names the incarnation; -1 with an error. `controller` is the active coordinator's node, -1 if it is not known. */
export interface BrokerRegistered {
  readonly kind: 'brokerRegistered'
  readonly correlationId: number
  readonly errorCode: number
  readonly brokerEpoch: number
  readonly controller: number
}

/** A node is alive, and has applied the metadata below `metadataOffset`. */
export interface BrokerHeartbeat {
  readonly kind: 'brokerHeartbeat'
  readonly correlationId: number
  readonly node: number
  readonly brokerEpoch: number
  readonly metadataOffset: number
  /** It is about to stop: others shall lead what it leads. */
  readonly stopping: boolean
}

/** `mayStop`: nothing is led by a node that is about to stop, or nobody else can lead it. */
export interface BrokerHeartbeatResponse {
  readonly kind: 'brokerHeartbeatResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly controller: number
  readonly mayStop: boolean
}

/** Committed metadata for a node: the records from `beginOffset` to `endOffset`, or (a snapshot) records that make the whole image at `endOffset`. */
export interface MetadataUpdate {
  readonly kind: 'metadataUpdate'
  readonly controller: number
  readonly beginOffset: number
  readonly endOffset: number
  readonly isSnapshot: boolean
  /** A JSON list of metadata records. */
  readonly records: Uint8Array
}

/** A leader proposes another ISR (KIP-497); null asks for another leader: its disk failed. */
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
}

/** Accepted (the new image comes with the metadata), or why not. */
export interface AlterPartitionResponse {
  readonly kind: 'alterPartitionResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly controller: number
}

/** Replica to its broker: it has started, or started again; it leads nothing until it is told to. */
export interface ReplicaStarted {
  readonly kind: 'replicaStarted'
}

/** Replica to its broker: it cannot lead in this epoch any more. */
export interface ReplicaFailed {
  readonly kind: 'replicaFailed'
  readonly leaderEpoch: number
}

/** Broker to replica: the partition as the metadata has it. Kafka's LeaderAndIsr. `leader` -1: nobody leads. */
export interface LeaderAndIsr {
  readonly kind: 'leaderAndIsr'
  readonly leader: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** In-sync replicas below which the high watermark stands still. */
  readonly minInsync: number
  /** This node's incarnation. */
  readonly brokerEpoch: number
}
