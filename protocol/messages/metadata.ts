/**
 * Metadata and administration, spoken with the coordinator (Kafka API keys 3, 10, 19, 20, 22, 32, 37, 44, 45, 64, 80, 81).
 */
import type { TopicPartition } from '../ids.ts'
import type { TopicConfig } from '../topic-config.ts'

/** Asks for topics by name; null asks for all. */
export interface MetadataRequest {
  readonly kind: 'metadata'
  readonly correlationId: number
  readonly topics: readonly string[] | null
}

/** One partition in a metadata answer; `leader` is -1 while no broker serves it. */
export interface PartitionMetadata {
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
  /** Nodes that have it, the preferred leader first. */
  readonly replicas: readonly number[]
  /** Those that have everything that readers may see. */
  readonly isr: readonly number[]
  /** Those that may lead although they left the ISR (KIP-966). */
  readonly elr: readonly number[]
  /** Replicas that a reassignment brings, and those that it takes away; the former are in `replicas`, too. */
  readonly adding: readonly number[]
  readonly removing: readonly number[]
  /** In-sync replicas below which nothing is acknowledged by the quorum. */
  readonly minInsync: number
}

/** One node in a metadata answer. */
export interface BrokerMetadata {
  readonly node: number
  readonly brokerEpoch: number
  readonly rack: string | null
  readonly fenced: boolean
}

/** One topic in a metadata answer; with an error there are no partitions. */
export interface TopicMetadata {
  readonly topic: string
  readonly topicId: number
  readonly errorCode: number
  readonly partitions: readonly PartitionMetadata[]
  readonly config: TopicConfig | null
}

/** `metadataOffset`: how much of the metadata log the answer reflects. */
export interface MetadataResponse {
  readonly kind: 'metadataResponse'
  readonly correlationId: number
  readonly metadataOffset: number
  /** Where the active coordinator is: who answers. -1: there is none, and what it says may be behind. */
  readonly controller: number
  /** The nodes that vote in the metadata quorum: each has a coordinator. */
  readonly voters: readonly number[]
  readonly brokers: readonly BrokerMetadata[]
  /** Topics with this id, or a higher one, are not known to whoever answers: it may be a little behind. */
  readonly nextTopicId: number
  readonly topics: readonly TopicMetadata[]
  /** What each node copies at most for replicas that are moved to it, if that has been set: it counts more than what the nodes were started with. */
  readonly reassignmentBytesPerSecond?: number
}

/** A topic to create. `configs` holds raw settings: the coordinator parses them. */
export interface NewTopic {
  readonly name: string
  readonly numPartitions: number
  /** Replicas per partition; -1 asks for the cluster's default. */
  readonly replicationFactor: number
  readonly configs: Readonly<Record<string, unknown>>
}

/** Creates topics; `validateOnly` judges and changes nothing. */
export interface CreateTopicsRequest {
  readonly kind: 'createTopics'
  readonly correlationId: number
  readonly topics: readonly NewTopic[]
  readonly validateOnly: boolean
}

/** Deletes topics by name, with their records. */
export interface DeleteTopicsRequest {
  readonly kind: 'deleteTopics'
  readonly correlationId: number
  readonly topics: readonly string[]
}

/** Grows topics to `count` partitions; it never shrinks them. */
export interface CreatePartitionsRequest {
  readonly kind: 'createPartitions'
  readonly correlationId: number
  readonly topics: readonly { readonly name: string; readonly count: number }[]
}

/** Changes the named settings of one topic and leaves the others; null returns a setting to its default. */
export interface AlterConfigsRequest {
  readonly kind: 'incrementalAlterConfigs'
  readonly correlationId: number
  readonly topic: string
  readonly configs: Readonly<Record<string, unknown>>
}

/** Moves partitions to other nodes, live (KIP-455); `replicas` null gives a move up. */
export interface ReassignPartitionsRequest {
  readonly kind: 'alterPartitionReassignments'
  readonly correlationId: number
  readonly partitions: readonly { readonly topic: string; readonly partition: number; readonly replicas: readonly number[] | null }[]
}

/** How large a partition is. */
export interface PartitionSize extends TopicPartition {
  readonly sizeBytes: number
}

/** Spreads the replicas, and the preferred leaders, evenly over the nodes; `drain`: only takes all replicas off that node. Some hundred at once. */
export interface RebalanceRequest {
  readonly kind: 'rebalance'
  readonly correlationId: number
  readonly drain: number | null
  /** Nodes that take nothing, and give nothing: they are being drained at the same time. None, if absent. */
  readonly avoid?: readonly number[]
  /** Evenly by bytes: what is not named has none. By the number of replicas, if absent. */
  readonly sizes?: readonly PartitionSize[]
}

/** Limits what a node copies per second for replicas that reassignments bring to it, all together; 0: nothing does; null: what each node was started with. */
export interface ThrottleRequest {
  readonly kind: 'throttleReassignments'
  readonly correlationId: number
  readonly bytesPerSecond: number | null
}

/** Lets a node go that has nothing and does not run; `validateOnly` asks whether it could go if it did not run. */
export interface UnregisterBrokerRequest {
  readonly kind: 'unregisterBroker'
  readonly correlationId: number
  readonly node: number
  readonly validateOnly: boolean
}

/** A node shall vote in the metadata quorum, or not any more (KIP-853). Answered when that is committed. */
export interface VoterRequest {
  readonly kind: 'addRaftVoter' | 'removeRaftVoter'
  readonly correlationId: number
  readonly node: number
}

/** The outcome for one topic; without a name for what is not about a topic. */
export interface AdminResult {
  readonly name: string
  readonly topicId: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** The answer to what administrators ask to be changed: one result per topic, in order, or one for all. */
export interface AdminResponse {
  readonly kind: 'adminResponse'
  readonly correlationId: number
  readonly results: readonly AdminResult[]
}

/** Asks for a producer id that nobody ever had in this cluster (KIP-98). */
export interface InitProducerIdRequest {
  readonly kind: 'initProducerId'
  readonly correlationId: number
}

/** `producerId` is -1 with an error. */
export interface InitProducerIdResponse {
  readonly kind: 'initProducerIdResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly producerId: number
  readonly producerEpoch: number
}

/** Whose coordinator is asked for: that of a group, or that of a transactional id. */
export type CoordinatorKeyType = 'group' | 'transaction' | 'share'

/** Asks which node coordinates a group, or the transactions of a producer. */
export interface FindCoordinatorRequest {
  readonly kind: 'findCoordinator'
  readonly correlationId: number
  readonly keyType: CoordinatorKeyType
  /** The group, or the transactional id. */
  readonly key: string
}

/** `node` is -1 with an error. */
export interface FindCoordinatorResponse {
  readonly kind: 'findCoordinatorResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly node: number
  /** The partition of `__consumer_offsets`, `__transaction_state` or `__share_group_state` that holds what the coordinator knows. */
  readonly partition: number
  readonly topicId: number
}

/** Waits for metadata behind an offset, and is answered when there is some, or after a while without; -1 asks for all there is. */
export interface WatchMetadata {
  readonly kind: 'watchMetadata'
  readonly correlationId: number
  readonly metadataOffset: number
}

/** Committed metadata for whoever waits; as in MetadataUpdate. */
export interface MetadataWatched {
  readonly kind: 'metadataWatched'
  readonly correlationId: number
  readonly endOffset: number
  readonly isSnapshot: boolean
  readonly records: Uint8Array
}

/** Something that happened in the cluster. A leader of -1: nobody. */
export type ClusterEvent =
  | {
      readonly type: 'leaderChanged'
      readonly topic: string
      readonly partition: number
      readonly leader: number
      readonly leaderEpoch: number
      readonly formerLeader: number
    }
  | {
      readonly type: 'isrChanged'
      readonly topic: string
      readonly partition: number
      readonly isr: readonly number[]
      readonly formerIsr: readonly number[]
    }
  | { readonly type: 'nodeFenced' | 'nodeUnfenced'; readonly node: number }

/** Watcher to application: what happened, in order. */
export interface ClusterEvents {
  readonly kind: 'clusterEvents'
  readonly events: readonly ClusterEvent[]
}
