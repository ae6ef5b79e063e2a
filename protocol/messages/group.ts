/**
 * Consumer groups, in the words of KIP-848: one heartbeat carries joining, leaving, assignment and its confirmation
 * (Kafka API keys 68, 8, 9, 16, 42, 47, 69). All are spoken with the actor that coordinates the groups of one partition of `__consumer_offsets`.
 */
import type { ErrorName } from '../errors.ts'
import type { TopicPattern } from '../topic-pattern.ts'

/** Partitions of one topic. */
export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** The member epoch that joins a group. */
export const JOIN_EPOCH = 0
/** The member epoch that leaves a group. */
export const LEAVE_EPOCH = -1
/** The member epoch that leaves a group for a while: who comes back with the same instance id goes on where it was (KIP-345). */
export const LEAVE_STATIC_EPOCH = -2

/** How a group shares partitions out; who does not care says null. */
export type AssignorName = 'uniform' | 'range' | 'round-robin'

/** Joins (epoch 0), stays (its epoch) or leaves (epoch -1 or -2). `ownedPartitions` is what the member really holds now. */
export interface GroupHeartbeatRequest {
  readonly kind: 'consumerGroupHeartbeat'
  readonly correlationId: number
  readonly group: string
  readonly memberId: string
  /** Names a member across its lives; null: it has one life only. */
  readonly instanceId: string | null
  readonly memberEpoch: number
  readonly sessionTimeoutMillis: number
  /** How long it may take to give partitions up. */
  readonly rebalanceTimeoutMillis: number
  readonly subscribedTopics: readonly string[]
  /** Beside those topics it wants all whose names match, also those that are yet to come. */
  readonly topicPattern: TopicPattern | null
  readonly assignor: AssignorName | null
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

/** To a member: there is something to give up, or to take. It need not wait for its next heartbeat, which is as good, if this is lost. */
export interface GroupChanged {
  readonly kind: 'groupChanged'
  readonly memberId: string
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

/** A member as it speaks for itself. */
export interface GroupMember {
  readonly memberId: string
  readonly memberEpoch: number
}

/** Commits offsets. `memberEpoch` -1 with an empty member id commits from outside, allowed while the group is empty. */
export interface OffsetCommitRequest {
  readonly kind: 'offsetCommit'
  readonly correlationId: number
  readonly group: string
  readonly memberId: string
  readonly memberEpoch: number
  readonly offsets: readonly TopicOffset[]
}

/** The group has moved on, or is about to, and who commits may be a member still: it asks again as what it is then. */
export function isOutOfStep(error: ErrorName): boolean {
  return error === 'STALE_MEMBER_EPOCH' || error === 'ILLEGAL_GENERATION' || error === 'REBALANCE_IN_PROGRESS'
}

/** What an application hears when its member commits for what others hold (FENCED_MEMBER_EPOCH): to its group it is behind, and it need not join again. */
export function foreignCommitError(protocol: GroupProtocolName): ErrorName {
  return protocol === 'classic' ? 'ILLEGAL_GENERATION' : 'STALE_MEMBER_EPOCH'
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
  readonly group: string
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
  readonly group: string
}

/** What a group's members speak: KIP-848, or join and sync. */
export type GroupProtocolName = 'consumer' | 'classic'

/**
 * `reconciling`: some member does not have what it shall have yet. Of a classic group, `preparing-rebalance`: members are to join anew; `completing-rebalance`: its leader
 * shares out.
 */
export type GroupStateName = 'empty' | 'reconciling' | 'stable' | 'preparing-rebalance' | 'completing-rebalance'

/**
 * One member as an operator sees it. One that a former coordinator knew, and that has not come yet, has epoch 0, and neither topics nor partitions; a group of such members
 * alone is said to speak KIP-848.
 */
export interface MemberDescription {
  readonly memberId: string
  readonly instanceId: string | null
  readonly memberEpoch: number
  /** Those that its pattern matches are among them. */
  readonly subscribedTopics: readonly string[]
  readonly assignment: readonly TopicPartitions[]
}

/** GROUP_ID_NOT_FOUND: nobody is in it, and nothing is committed. */
export interface DescribeGroupResponse {
  readonly kind: 'describeGroupResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly state: GroupStateName
  /** Of its members; without any, 'consumer'. */
  readonly protocol: GroupProtocolName
  /** Of a classic group: its generation. */
  readonly epoch: number
  /** How partitions are shared out: an AssignorName, or the protocol that a classic group has chosen. */
  readonly assignor: string
  readonly members: readonly MemberDescription[]
  readonly offsets: readonly CommittedOffset[]
}

/** Asks for all groups of the partition. */
export interface ListGroupsRequest {
  readonly kind: 'listGroups'
  readonly correlationId: number
}

/** A group in a list. */
export interface GroupListing {
  readonly group: string
  readonly state: GroupStateName
}

/** The groups that have members or committed offsets, sorted by id. */
export interface ListGroupsResponse {
  readonly kind: 'listGroupsResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly groups: readonly GroupListing[]
}

/** Deletes a group: GROUP_ID_NOT_FOUND if there is none, NON_EMPTY_GROUP while somebody is in it. */
export interface DeleteGroupRequest {
  readonly kind: 'deleteGroup'
  readonly correlationId: number
  readonly group: string
}

/** Deletes committed offsets of a group (KIP-496): GROUP_SUBSCRIBED_TO_TOPIC, all or none, while a member wants one of the topics. */
export interface OffsetDeleteRequest {
  readonly kind: 'offsetDelete'
  readonly correlationId: number
  readonly group: string
  readonly partitions: readonly TopicPartitions[]
}

/** Sent when the deletion is in the log, or will never be. */
export interface GroupDeletionResponse {
  readonly kind: 'groupDeletionResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
}
