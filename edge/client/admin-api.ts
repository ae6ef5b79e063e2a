/**
 * The public face of administration: topics, nodes and groups as operators see them, as types.
 */
import type { CommittedOffset, GroupListing } from '../../protocol/messages/group.ts'
import type { ShareGroupListing } from '../../protocol/messages/share.ts'
import type { ClientQuota, ClientQuotaEntity } from '../../protocol/messages/quota.ts'
import type { ProducerDescription, TransactionDescription } from '../../protocol/messages/transaction.ts'
import type { TopicConfig } from '../../protocol/topic-config.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { OffsetToCommit, Waiting } from './api.ts'
import type { ListOffsetsOptions } from './offset-lookup.ts'
import type { GroupDescription } from './group-description.ts'
import type { ShareGroupDescription } from './share-api.ts'

/** A topic as it is now, and its logs as their leaders know them: what a leader that is not there, or does not answer soon, would know is null. */
export interface TopicDescription {
  readonly name: string
  readonly topicId: number
  readonly config: TopicConfig
  readonly partitions: readonly {
    readonly partition: number
    /** -1: nobody leads it. It is offline. */
    readonly leader: number
    readonly leaderEpoch: number
    /** Nodes that have it, the preferred leader first. */
    readonly replicas: readonly number[]
    /** Those in sync: they have everything that readers may see. */
    readonly isr: readonly number[]
    /** Those that may lead although they left the ISR (KIP-966). */
    readonly elr: readonly number[]
    /** Replicas that a reassignment brings, and those that it takes away when the others are in sync. */
    readonly adding: readonly number[]
    readonly removing: readonly number[]
    /** In-sync replicas below which nothing is acknowledged by the quorum: `minInsyncReplicas`, or a majority of the replicas. */
    readonly minInsync: number
    readonly beginOffset: number | null
    /** One past the last record that can be read. */
    readonly endOffset: number | null
    /**
     * Of each replica, in their order: how many offsets it is behind the leader's log end, which may be beyond `endOffset`; 0 of the leader itself. null as well while
     * the leader has not heard of the replica since it leads.
     */
    readonly lags: readonly { readonly node: number; readonly lag: number | null }[]
    /** Bytes of the leader's log, with what readers do not see yet. */
    readonly sizeBytes: number | null
  }[]
}

/** The cluster as it is now. */
export interface ClusterDescription {
  /** The node whose coordinator is active; -1: there is none, since most voters are dead or hang, and all this may be out of date. */
  readonly controller: number
  /** The nodes that vote in the metadata quorum. */
  readonly voters: readonly number[]
  readonly nodes: readonly {
    readonly node: number
    /** Grows each time the node starts. */
    readonly brokerEpoch: number
    readonly rack: string | null
    /** It is dead, silent, not ready, or stopping: it leads nothing. */
    readonly fenced: boolean
    readonly isVoter: boolean
    readonly leaders: number
    readonly replicas: number
  }[]
  /** Partitions with fewer replicas in sync than they have. */
  readonly underReplicatedPartitions: number
  /** Partitions with fewer replicas in sync than `minInsyncReplicas`: the quorum acknowledges nothing there. */
  readonly underMinIsrPartitions: number
  /** Partitions without a leader. */
  readonly offlinePartitions: number
  /** Which they are. */
  readonly underReplicated: readonly TopicPartition[]
  readonly underMinIsr: readonly TopicPartition[]
  readonly offline: readonly TopicPartition[]
  /** What `throttleReassignments` has set; null: what the cluster was opened with counts. */
  readonly reassignmentBytesPerSecond: number | null
}

/** A partition on its way to other nodes. `replicas` has those that it brings, and those that it takes away. */
export interface Reassignment extends TopicPartition {
  readonly replicas: readonly number[]
  readonly adding: readonly number[]
  readonly removing: readonly number[]
}

/** Everything of a partition below `beforeOffset` is to be deleted; -1: everything that is committed. */
export interface RecordsToDelete extends TopicPartition {
  readonly beforeOffset: number
}

/** A partition, and where it begins now. */
export interface PartitionBegin extends TopicPartition {
  readonly beginOffset: number
}

/** How nodes are evened out. */
export interface RebalanceOptions extends Waiting {
  /**
   * What every node is to have as much of. By `bytes`, nodes that are within a tenth of what one has on average stay as they are, and empty partitions stay where they
   * are; REQUEST_TIMED_OUT, and nothing moves, while a partition has no leader who could say how large it is. Default: `replicas`.
   */
  readonly by?: 'replicas' | 'bytes'
}

/** A transaction by where it begins in a partition. */
export interface TransactionToAbort extends TopicPartition {
  readonly startOffset: number
}

/** A transaction that is open in a partition, and that no transactor knows of any more. */
export interface HangingTransaction extends TransactionToAbort {
  readonly producerId: number
  readonly producerEpoch: number
}

/** How a topic is made. */
export interface CreateTopicOptions {
  readonly partitions?: number
  /** Nodes that have each partition. Default 3, or as many as there are. */
  readonly replicationFactor?: number
  readonly config?: Readonly<Record<string, unknown>>
  readonly ifNotExists?: boolean
}

/** New quotas in bytes per second, or in per cent of one thread's time; null removes one, and what is not named stays. */
export interface ClientQuotaChange {
  readonly producerByteRate?: number | null
  readonly consumerByteRate?: number | null
  /** What the nodes' threads spend on requests, whatever they ask (KIP-124). 0.01 … 100,000; 100 is one thread, all the time. */
  readonly requestPercentage?: number | null
}

/** Administration of topics and groups. */
export interface Admin {
  /** Default: one partition, on up to three nodes. Fails with TOPIC_ALREADY_EXISTS unless `ifNotExists`. */
  createTopic(name: string, options?: CreateTopicOptions): Promise<void>
  deleteTopic(name: string): Promise<void>
  /** Names of all topics, sorted; internal ones only on request. */
  listTopics(options?: { readonly internal?: boolean }): Promise<string[]>
  describeTopic(name: string): Promise<TopicDescription>
  createPartitions(name: string, count: number): Promise<void>
  /** Changes only the named settings; null returns one to its default. */
  alterConfig(name: string, config: Readonly<Record<string, unknown>>): Promise<void>
  /**
   * Offsets by the number of the partition. `timestamp`: milliseconds, or 'earliest' or 'latest'. Partitions without a record that young are absent, and so this is
   * the one answer that is a Map: an array with gaps would be read past them. REQUEST_TIMED_OUT while one of the partitions has no leader: `partitions` leaves such
   * out, and `describeTopic` tells of the others.
   */
  listOffsets(name: string, timestamp: number | 'earliest' | 'latest', options?: ListOffsetsOptions): Promise<Map<number, number>>
  /**
   * Deletes all records below an offset, -1 for everything that is committed, and returns where each partition begins then: none of its replicas brings
   * them back; records of a transaction that is open are among them, as in Kafka. OFFSET_OUT_OF_RANGE above the end of what is committed. What is refused for one of them is done for none.
   */
  deleteRecords(partitions: readonly RecordsToDelete[]): Promise<PartitionBegin[]>
  describeCluster(): Promise<ClusterDescription>
  /**
   * Moves a partition to other nodes while it is in use; the first of them is the preferred leader. A partition that is being moved goes there instead. null gives up: the
   * partition is on the nodes that it was on before the first of several moves in a row (KIP-455), as soon as one of them has everything.
   */
  reassign(name: string, partition: number, replicas: readonly number[] | null): Promise<void>
  /** What `reassign`, `rebalance` and `drainNode` are still moving. */
  listReassignments(): Promise<Reassignment[]>
  /**
   * Spreads replicas and leaders over the active nodes, on as many racks as there are, evenly as far as that leaves it, and waits until they are there: by their number, in all and
   * of each topic, or by the bytes that they have when it begins, as leaders say. The signal ends the wait, not the moves. Topics of coordinators (`__consumer_offsets` and the like) get as many replicas as new ones: up to three. Other topics keep their number.
   */
  rebalance(options?: RebalanceOptions): Promise<void>
  /**
   * Moves all replicas off a node, and waits until they are gone; the signal ends the wait, not the moves. None goes to a node that this cluster object is draining, too.
   * INVALID_REPLICATION_FACTOR if a partition has more replicas than there are other nodes then. The node is not set apart: what is created, balanced
   * or drained later may give it replicas again, unless it is removed.
   */
  drainNode(node: number, options?: Waiting): Promise<void>
  /**
   * Changes `reassignmentBytesPerSecond` of all nodes while the cluster is open, also for moves under way; 0 is no limit. It is kept in the metadata, and
   * counts more than the option, until null returns to that.
   */
  throttleReassignments(bytesPerSecond: number | null): Promise<void>
  /**
   * Stops a node for good (Kafka's unregisterBroker): its id is not used again, and its directory may go. INVALID_REQUEST while it has replicas
   * (`drainNode`) or votes (`removeVoter`), REASSIGNMENT_IN_PROGRESS while it comes to vote, or goes already. When it is refused, the node goes on: one that
   * somebody has come to count on while it stopped is started again. One whose thread hangs is ended as `close` of the cluster ends it.
   */
  removeNode(node: number): Promise<void>
  /**
   * Has a node vote in the metadata quorum (KIP-853): DUPLICATE_VOTER if it does, REASSIGNMENT_IN_PROGRESS while another change is under way, or the node goes,
   * REQUEST_TIMED_OUT if its thread does not answer within 5 seconds.
   */
  addVoter(node: number): Promise<void>
  /** It votes no more: VOTER_NOT_FOUND if it does not, INVALID_REQUEST for the last one. */
  removeVoter(node: number): Promise<void>
  /** Groups with members or committed offsets, by id: 'empty' without members, 'reconciling' while partitions change hands, else 'stable'. REQUEST_TIMED_OUT while a partition of `__consumer_offsets` has no leader. */
  listGroups(): Promise<GroupListing[]>
  /** GROUP_ID_NOT_FOUND for one that has neither members nor committed offsets. */
  describeGroup(group: string): Promise<GroupDescription>
  /** Sets committed offsets of a group without members. OFFSET_OUT_OF_RANGE, and nothing is set, beyond the end of a partition. */
  alterGroupOffsets(group: string, offsets: readonly OffsetToCommit[]): Promise<void>
  /**
   * Has a group without members begin elsewhere in all partitions of a topic: at the first record, at the end, or at the first record that is at
   * least that young (milliseconds since 1970; the end where there is none). Answers what is committed now. NON_EMPTY_GROUP while somebody is in it.
   */
  resetGroupOffsets(group: string, topic: string, to: number | 'earliest' | 'latest'): Promise<CommittedOffset[]>
  /**
   * Forgets a group and its committed offsets. NON_EMPTY_GROUP while somebody is in it, GROUP_ID_NOT_FOUND if there is none, UNSTABLE_OFFSET_COMMIT when a transaction that
   * commits offsets of the group stays open for 30 seconds.
   */
  deleteGroup(group: string): Promise<void>
  /**
   * Forgets committed offsets of a group; what is not committed is passed over. GROUP_SUBSCRIBED_TO_TOPIC, and none are forgotten, while members want one of
   * the topics (KIP-496); GROUP_ID_NOT_FOUND if there is no such group; UNSTABLE_OFFSET_COMMIT as for `deleteGroup`.
   */
  deleteGroupOffsets(group: string, partitions: readonly TopicPartition[]): Promise<void>
  /** Share groups that have members, or have read something, by id: 'empty' without members. */
  listShareGroups(): Promise<ShareGroupListing[]>
  /** GROUP_ID_NOT_FOUND for one that nobody is in, and that has read nothing. */
  describeShareGroup(group: string): Promise<ShareGroupDescription>
  /** Forgets what a share group has done with. NON_EMPTY_GROUP while somebody is in it, GROUP_ID_NOT_FOUND if there is none. */
  deleteShareGroup(group: string): Promise<void>
  /** Transactional ids and their states, by id; those of producers that nobody has used for a week are forgotten. REQUEST_TIMED_OUT as for `listGroups`. */
  listTransactions(): Promise<TransactionDescription[]>
  /**
   * The producers with an idempotent or transactional past in a partition, as its leader knows them, by id; topics of coordinators have some, too. It keeps no times of them:
   * `listTransactions` says how long a transaction is open.
   */
  describeProducers(topic: string, partition: number): Promise<ProducerDescription[]>
  /**
   * Transactions that are open in a partition and that no transactor knows of any more (KIP-664), in all topics or one: nobody ends them, and readers of what is committed wait
   * there, until `abortTransaction`. REQUEST_TIMED_OUT while a partition of the topics, or of `__transaction_state`, has no leader.
   */
  findHangingTransactions(topic?: string): Promise<HangingTransaction[]>
  /**
   * Ends a transaction that hangs, in one partition: what it has written there counts as aborted, also offsets of groups in `__consumer_offsets`. Done when its marker is
   * committed. INVALID_TXN_STATE if none is open that begins there; CONCURRENT_TRANSACTIONS while a transactor has it, which ends it itself; REQUEST_TIMED_OUT while one of
   * them cannot be asked, UNSUPPORTED_VERSION if one does not understand its log; NOT_ENOUGH_REPLICAS. Nothing is changed then. After NOT_ENOUGH_REPLICAS_AFTER_APPEND the marker is in the log,
   * and counts when enough replicas are in sync.
   */
  abortTransaction(transaction: TransactionToAbort): Promise<void>
  /**
   * Limits what clients send and read per second, or the time of their requests, all together who share the entity, over the whole cluster, from now on: `{ clientId }`, `{ user }`, both, or
   * `{ group }`; null as a name is the default for all that have no quota of their own. A quota of null is removed. INVALID_REQUEST, and nothing is changed, for
   * what is no entity or no quota.
   */
  alterClientQuotas(entity: ClientQuotaEntity, quotas: ClientQuotaChange): Promise<void>
  /** Quotas, sorted; of those entities only that have all parts of the filter. */
  describeClientQuotas(filter?: ClientQuotaEntity): Promise<ClientQuota[]>
}
