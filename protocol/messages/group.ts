/**
 * Consumer groups, in the words of KIP-848: one heartbeat carries joining, leaving, assignment and its confirmation
 * (Kafka API keys 68, 8, 9, 69).
 */

/** Partitions of one topic. */
export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** The member epoch that joins a group. */
export const JOIN_EPOCH = 0
/** The member epoch that leaves a group. */
export const LEAVE_EPOCH = -1

/** Joins (epoch 0), stays (its epoch) or leaves (epoch -1). `ownedPartitions` is what the member really holds now. */
export interface GroupHeartbeatRequest {
  readonly kind: 'consumerGroupHeartbeat'
  readonly correlationId: number
  readonly memberId: string
  readonly memberEpoch: number
  readonly sessionTimeoutMillis: number
  readonly subscribedTopics: readonly string[]
  readonly ownedPartitions: readonly TopicPartitions[]
}

/** `assignment` is what the member may hold: what it owns beyond that it must give up and confirm by its next heartbeat. */
export interface GroupHeartbeatResponse {
  readonly kind: 'consumerGroupHeartbeatResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly memberEpoch: number
  readonly assignment: readonly TopicPartitions[]
}

/** One committed offset: the next record to process. */
export interface CommittedOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly metadata: string
}

/** The longest `metadata` of a committed offset, in UTF-16 units, as Kafka counts it (offset.metadata.max.bytes): it is kept in memory. */
export const OFFSET_METADATA_LENGTH_MAX = 4096

/** A committed offset and the id of the topic that it is of: another topic of that name does not inherit it. -1: not known. */
export interface TopicOffset extends CommittedOffset {
  readonly topicId: number
}

/** Commits offsets. `memberEpoch` -1 with an empty member id commits from outside, allowed while the group is empty. */
export interface OffsetCommitRequest {
  readonly kind: 'offsetCommit'
  readonly correlationId: number
  readonly memberId: string
  readonly memberEpoch: number
  readonly offsets: readonly TopicOffset[]
}

/** Sent when the commit is in the log, or will never be. */
export interface OffsetCommitResponse {
  readonly kind: 'offsetCommitResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Asks for the group's committed offsets of some partitions; null asks for all. */
export interface OffsetFetchRequest {
  readonly kind: 'offsetFetch'
  readonly correlationId: number
  readonly partitions: readonly TopicPartitions[] | null
}

/** Partitions without a committed offset are absent (never offset 0). */
export interface OffsetFetchResponse {
  readonly kind: 'offsetFetchResponse'
  readonly correlationId: number
  readonly errorCode: number
  /** Names of the partitions that were asked for. */
  readonly requested: readonly string[]
  readonly offsets: readonly TopicOffset[]
}

/** Asks for a group as it is now. */
export interface DescribeGroupRequest {
  readonly kind: 'describeGroup'
  readonly correlationId: number
}

/** One member as an operator sees it. */
export interface MemberDescription {
  readonly memberId: string
  readonly memberEpoch: number
  readonly subscribedTopics: readonly string[]
  readonly assignment: readonly TopicPartitions[]
}

/** `reconciling`: some member does not have what it shall have yet. */
export interface DescribeGroupResponse {
  readonly kind: 'describeGroupResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly state: 'empty' | 'reconciling' | 'stable'
  readonly epoch: number
  readonly members: readonly MemberDescription[]
  readonly offsets: readonly CommittedOffset[]
}
