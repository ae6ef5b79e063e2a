/**
 * Consumer groups, in the words of the classic protocol (Kafka API keys 11, 14, 12, 13): members join, one of them, the leader, shares the partitions out, and all
 * learn of that when they sync. To the coordinator what a protocol says is bytes. Field by field as in Kafka's JoinGroup v9, SyncGroup v5, Heartbeat v4 and
 * LeaveGroup v5, so that requests from the wire need no more than translation.
 */

import type { OpaqueBytes } from '../opaque-bytes.ts'

/** How members of a classic group share partitions out; the names are Kafka's. */
export type ClassicAssignorName = 'range' | 'roundrobin' | 'sticky' | 'cooperative-sticky'

/** All of them. */
export const CLASSIC_ASSIGNORS: readonly ClassicAssignorName[] = ['range', 'roundrobin', 'sticky', 'cooperative-sticky']

/** Whether there is an assignor of that name. */
export function isClassicAssignor(name: string): name is ClassicAssignorName {
  return (CLASSIC_ASSIGNORS as readonly string[]).includes(name)
}

/** The protocol type of consumers. */
export const CONSUMER_PROTOCOL_TYPE = 'consumer'

/** The generation of who is in none. */
export const NO_GENERATION = -1

/** A protocol that a member speaks, and what it says of itself in it. */
export interface JoinGroupProtocol {
  readonly name: string
  readonly metadata: OpaqueBytes
}

/**
 * Joins, or joins again. It is answered when all members have: with the generation that begins, or with an error. MEMBER_ID_REQUIRED: again, with the member id of the
 * answer (KIP-394).
 */
export interface JoinGroupRequest {
  readonly kind: 'joinGroup'
  readonly correlationId: number
  readonly group: string
  /** Of the header: the member id begins with it. */
  readonly clientId: string
  readonly sessionTimeoutMillis: number
  /** How long the group waits for this member to join again. */
  readonly rebalanceTimeoutMillis: number
  /** Empty: it has none yet. */
  readonly memberId: string
  /** Names a member across its lives (KIP-345); null: it has one life only. */
  readonly instanceId: string | null
  readonly protocolType: string
  /** The one that it likes best first. */
  readonly protocols: readonly JoinGroupProtocol[]
  /** It can come twice, and does not count before it has its member id (as from v4). */
  readonly requiresKnownMemberId: boolean
  /** A leader that comes back need not share out again (KIP-814, as from v9). */
  readonly supportsSkippingAssignment: boolean
}

/** A member, as the leader sees it. */
export interface JoinGroupMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly metadata: OpaqueBytes
}

/** Only the leader is told of the members. */
export interface JoinGroupResponse {
  readonly kind: 'joinGroupResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  readonly memberId: string
  readonly members: readonly JoinGroupMember[]
}

/** What the leader gives to a member. */
export interface SyncGroupAssignment {
  readonly memberId: string
  readonly assignment: OpaqueBytes
}

/** Asks what a member is given in its generation; the leader brings that for all. It is answered when the leader has. */
export interface SyncGroupRequest {
  readonly kind: 'syncGroup'
  readonly correlationId: number
  readonly group: string
  readonly generationId: number
  readonly memberId: string
  readonly instanceId: string | null
  /** Null: not checked (before v5). */
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignments: readonly SyncGroupAssignment[]
}

/** What the member is given. */
export interface SyncGroupResponse {
  readonly kind: 'syncGroupResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: OpaqueBytes
}

/** Says that a member lives. REBALANCE_IN_PROGRESS: it is to join again. */
export interface HeartbeatRequest {
  readonly kind: 'heartbeat'
  readonly correlationId: number
  readonly group: string
  readonly generationId: number
  readonly memberId: string
  readonly instanceId: string | null
}

/** The answer to a heartbeat. */
export interface HeartbeatResponse {
  readonly kind: 'heartbeatResponse'
  readonly correlationId: number
  readonly errorCode: number
}

/** Who leaves: by its member id, or (an administrator, KIP-345) by its instance id alone. */
export interface LeavingMember {
  readonly memberId: string
  readonly instanceId: string | null
}

/** Members leave for good. */
export interface LeaveGroupRequest {
  readonly kind: 'leaveGroup'
  readonly correlationId: number
  readonly group: string
  readonly members: readonly LeavingMember[]
}

/** One answer for each of them. */
export interface LeaveGroupResponse {
  readonly kind: 'leaveGroupResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly members: readonly (LeavingMember & { readonly errorCode: number })[]
}
