/**
 * Share groups (KIP-932): members of a group read the same partitions at once, and each record is given to one of them at a time. All is spoken with the actor that
 * coordinates the share groups of one partition of `__share_group_state`; the records themselves are read where their partition is led.
 *
 *   member ── shareFetch (what is done with, what is wanted) ─► share coordinator ── fetch (where does it end?) ─► leader
 *          ◄─ shareFetchResponse (ranges, under lock) ─────────                   ── produce ─► `__share_group_state`
 */
import type { IsolationLevel } from './fetch.ts'

/** The longest window of offsets between the start of a share partition and the last record that was given out (group.share.partition.max.record.locks). */
export const RECORD_LOCKS_MAX = 2000

/** Where a group begins in a topic that it has not used before. */
export type ShareReset = 'earliest' | 'latest'

/**
 * What a member says of records that it holds: done with; to be given again; never again; or (`return`) given back before anybody looked at them: the attempt does
 * not count.
 */
export type AcknowledgeType = 'accept' | 'release' | 'reject' | 'return'

/** A range of records of one partition, the ends included. */
export interface ShareRangeName {
  readonly topic: string
  readonly topicId: number
  readonly partition: number
  readonly first: number
  readonly last: number
}

/** What a member says of a range that it holds. */
export interface ShareAcknowledgement extends ShareRangeName {
  readonly type: AcknowledgeType
}

/** Records that the member has, until the lock is over; `deliveryCount` says how often they were given out, this time included. */
export interface AcquiredRange extends ShareRangeName {
  readonly deliveryCount: number
}

/**
 * Acknowledges, and asks for more (`maxRecords` 0: it does not). Parks until there is something, or `maxWaitMillis` are over. The first one joins the group, and
 * `leaves` leaves it: what the member holds is given back.
 */
export interface ShareFetchRequest {
  readonly kind: 'shareFetch'
  readonly correlationId: number
  readonly group: string
  readonly memberId: string
  /** Goes up with each request; one that is repeated has the same, and is answered in the same way. */
  readonly sessionEpoch: number
  readonly topics: readonly string[]
  readonly reset: ShareReset
  readonly isolationLevel: IsolationLevel
  readonly lockMillis: number
  /** After so many attempts a record is archived: nobody is given it any more. */
  readonly deliveryCountLimit: number
  readonly maxRecords: number
  readonly maxWaitMillis: number
  readonly acknowledgements: readonly ShareAcknowledgement[]
  readonly leaves: boolean
}

/** Sent when what it says is in the log. `refused`: what the member did not hold any more (INVALID_RECORD_STATE). */
export interface ShareFetchResponse {
  readonly kind: 'shareFetchResponse'
  readonly correlationId: number
  readonly errorCode: number
  /** Names the memory in which locks are: another one knows nothing of them. */
  readonly reign: number
  /** How long after the request came, which may have come before, it was found out what this says; what was written for it, was written after that. */
  readonly waitedMillis: number
  readonly acquired: readonly AcquiredRange[]
  readonly refused: readonly ShareAcknowledgement[]
}

/** Asks for a share group as it is now. */
export interface DescribeShareGroupRequest {
  readonly kind: 'describeShareGroup'
  readonly correlationId: number
  readonly group: string
}

/** `empty`: without members. */
export type ShareGroupStateName = 'empty' | 'stable'

/** A member of a share group. */
export interface ShareMemberDescription {
  readonly memberId: string
  readonly topics: readonly string[]
}

/** A share partition as an operator sees it. */
export interface SharePartitionDescription {
  readonly topic: string
  readonly topicId: number
  readonly partition: number
  /** Everything below it is done with. */
  readonly startOffset: number
  /** Nothing at or above it was ever given out. */
  readonly nextOffset: number
  /** Records between them that somebody has, */
  readonly acquired: number
  /** and that are done with: accepted or archived. */
  readonly done: number
}

/** GROUP_ID_NOT_FOUND: nobody is in it, and it has read nothing. */
export interface DescribeShareGroupResponse {
  readonly kind: 'describeShareGroupResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly state: ShareGroupStateName
  readonly members: readonly ShareMemberDescription[]
  readonly partitions: readonly SharePartitionDescription[]
}

/** Asks for all share groups of the partition. */
export interface ListShareGroupsRequest {
  readonly kind: 'listShareGroups'
  readonly correlationId: number
}

/** A share group in a list. */
export interface ShareGroupListing {
  readonly group: string
  readonly state: ShareGroupStateName
}

/** The groups that have members, or have read something; sorted by id. */
export interface ListShareGroupsResponse {
  readonly kind: 'listShareGroupsResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly groups: readonly ShareGroupListing[]
}

/** Forgets a share group: GROUP_ID_NOT_FOUND if there is none, NON_EMPTY_GROUP while somebody is in it. */
export interface DeleteShareGroupRequest {
  readonly kind: 'deleteShareGroup'
  readonly correlationId: number
  readonly group: string
}

/** Sent when the deletion is in the log. */
export interface DeleteShareGroupResponse {
  readonly kind: 'deleteShareGroupResponse'
  readonly correlationId: number
  readonly errorCode: number
}

/** The leader of a partition asks how far a share group is there, for what it has done with may go. Answered when that is in the log. */
export interface DescribeShareGroupOffsetsRequest {
  readonly kind: 'describeShareGroupOffsets'
  readonly correlationId: number
  readonly group: string
  readonly topicId: number
  readonly partition: number
}

/** `startOffset`: everything below it is done with; -1: the group has not been there. */
export interface DescribeShareGroupOffsetsResponse {
  readonly kind: 'describeShareGroupOffsetsResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly startOffset: number
}
