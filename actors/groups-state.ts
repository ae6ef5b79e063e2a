/**
 * What the coordinator of groups knows, as plain data: all groups of one partition of `__consumer_offsets`, each with its members and committed offsets, and
 * what is on its way to the log.
 */
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { JoinGroupRequest, LeaveGroupResponse } from '../protocol/messages/classic-group.ts'
import type {
  GroupHeartbeatRequest,
  GroupHeartbeatResponse,
  GroupStateName,
  OffsetCommitRequest,
  TopicOffset,
} from '../protocol/messages/group.ts'
import type { TransactionalOffsetCommitRequest, TransactionMarked } from '../protocol/messages/transaction.ts'
import type { KeptOffsets, SharedTexts } from '../coordinator/groups/kept-offsets.ts'
import { emptyClassicGroup } from '../coordinator/groups/classic/classic-group.ts'
import type { ClassicGroup } from '../coordinator/groups/classic/classic-group.ts'
import type { NamedMember } from '../coordinator/groups/member-record.ts'
import { emptyMembership, isStable } from '../coordinator/groups/membership.ts'
import type { Membership } from '../coordinator/groups/membership.ts'
import { OFFSETS_TOPIC } from '../coordinator/metadata.ts'
import { openStateLog } from '../coordinator/state-log.ts'
import type { StateLog } from '../coordinator/state-log.ts'
import { newCoordinatorFinder } from './coordinator-finder.ts'
import type { CoordinatorFinder } from './coordinator-finder.ts'

/** What the coordinator of groups is started with. */
export interface GroupsConfig {
  /** The partition of `__consumer_offsets` that holds the commits of its groups, led by this node. */
  readonly partition: number
  readonly topicId: number
  /** The reign of this node in which it lives; a later one begins it anew. */
  readonly leaderEpoch: number
  readonly coordinatorNodes: readonly number[]
  readonly graceMillis: number
  /** So long do members that a former coordinator knew count as in their groups: when the grace is over they hold nothing, but most of them are about to come. */
  readonly expectMillis: number
  /** Until this uptime nobody else can be in charge; it is extended again and again. */
  readonly leaseUntil: number
  /** So long are the offsets of a group without members kept; -1: for ever. */
  readonly offsetsRetentionMillis: number
}

/** One group. There may be very many of which only offsets are left: what such a group has no need of is null. */
export interface Group {
  readonly id: string
  /** The epochs of its members are higher. */
  readonly epochFloor: number
  /** Its members, if they speak the protocol of KIP-848; null before the first. */
  membership: Membership | null
  /** Its members, if they speak the classic protocol; null before the first. */
  classic: ClassicGroup | null
  /** Null while it names nobody. */
  roster: Roster | null
  readonly offsets: KeptOffsets
  /** Writes that are on their way to the log. */
  pendingCount: number
  /** By partition name: open transactions with an offset for it; null without one. */
  unstable: Map<string, number> | null
  /** Partition counts of the topics that members subscribe to; null before the first. */
  topics: Map<string, number> | null
  /** Uptime since which nobody is in it, and nobody commits from outside. */
  emptySince: number
}

/** A member that the log names, or is about to. */
export interface NamedEntry {
  /** Correlation id of the request by which it joined. */
  readonly joinId: number
  /** Correlation id of the newest record of it. */
  readonly writeId: number
  isWritten: boolean
}

/** Who may hold partitions of a group, as the log says. */
export interface Roster {
  /** Who joined here, by member id. */
  readonly named: Map<string, NamedEntry>
  /** Whom a former coordinator knew, and nobody has heard of since. */
  readonly missing: Map<string, NamedMember>
}

/** A request to join that waits until the log names the member. */
export interface Naming {
  readonly group: string
  readonly memberId: string
  readonly from: Address
  /** The newest one. */
  request: GroupHeartbeatRequest | JoinGroupRequest
}

/** A write on its way to the log: a commit, or (null) tombstones for these names. Nobody may wait for it. */
export interface PendingWrite {
  readonly group: string
  readonly from: Address | null
  readonly correlationId: number
  readonly commit: OffsetCommitRequest | null
  readonly names: readonly string[]
}

/** Offsets of a group in a transaction that is open, and where their first record is in the log. */
export interface TransactionalCommit {
  readonly group: string
  readonly offsets: readonly TopicOffset[]
  readonly recordOffset: number
}

/** What a producer has written here in its open transaction. */
export interface OpenTransaction {
  readonly producerEpoch: number
  /** Of its newest request: one that comes late is not written any more. */
  lastCommitId: number
  readonly commits: TransactionalCommit[]
}

/** Offsets of a transaction on their way to the log. */
export interface PendingTransactionalWrite {
  readonly from: Address
  readonly request: TransactionalOffsetCommitRequest
}

/** Members that are struck by one write; not those that are named again meanwhile. */
export interface Strike {
  readonly group: string
  readonly memberIds: Set<string>
}

/** The answer to who has left: what it has let go of others may have when the log does not name it any more, or it would be waited for. */
export interface Farewell {
  readonly to: Address
  readonly message: GroupHeartbeatResponse | LeaveGroupResponse
}

/** What the coordinator of groups knows. */
export interface GroupsState {
  readonly self: Address
  readonly config: GroupsConfig
  readonly log: StateLog
  readonly groups: Map<string, Group>
  readonly texts: SharedTexts
  /** The topics of the loaded offsets have been looked up. */
  checked: boolean
  /** Attempts to read the log since the last that succeeded. */
  loadFailures: number
  /** Another node may be in charge after this uptime: nobody is given anything any more. */
  leaseUntil: number
  /** Nobody is given anything before this uptime. */
  graceUntil: number
  /** When classic groups have something to do; Infinity: never. */
  classicAt: number
  /** Groups begin with it: epochs of what was here before must not come again. */
  epochFloor: number
  readonly pending: Map<number, PendingWrite>
  /** By correlation id of the write. */
  readonly naming: Map<number, Naming>
  readonly pendingTransactional: Map<number, PendingTransactionalWrite>
  /** By correlation id of a write that strikes members: whom, */
  readonly striking: Map<number, Strike>
  /** and the answers that are given when it is in the log. */
  readonly farewells: Map<number, Farewell[]>
  /** By group: members that the log still names, for it has not taken that they are struck. */
  readonly unstruck: Map<string, Set<string>>
  /** Its reign is over. */
  hasResigned: boolean
  /** By producer id. */
  readonly transactions: Map<number, OpenTransaction>
  /** Markers that were heard of while the log was being read. */
  marks: TransactionMarked[]
  /** Partition counts of the topics that members subscribe to. */
  readonly topics: Map<string, number>
  /** All topics, as far as they were asked for: members with a pattern need them. */
  names: readonly string[]
  /** The newest request for all topics. */
  fullAskId: number
  /** How much of the metadata log they reflect: a late answer may know less. */
  metadataOffset: number
  readonly coordinators: CoordinatorFinder
  /** The coordinator was asked for metadata and has not answered. */
  isAsking: boolean
  nextCorrelationId: number
  /** Of the request that reads the log: what answers one of a former life, in a former reign, says nothing here. */
  loadId: number
}

/** Nothing is read yet. */
export function newGroupsState(self: Address, config: GroupsConfig): GroupsState {
  return {
    self,
    config,
    log: openStateLog(self.node, OFFSETS_TOPIC, config),
    groups: new Map(),
    texts: new Map(),
    checked: false,
    loadFailures: 0,
    leaseUntil: config.leaseUntil,
    graceUntil: 0,
    classicAt: Infinity,
    epochFloor: 0,
    pending: new Map(),
    naming: new Map(),
    pendingTransactional: new Map(),
    striking: new Map(),
    farewells: new Map(),
    unstruck: new Map(),
    hasResigned: false,
    transactions: new Map(),
    marks: [],
    topics: new Map(),
    names: [],
    fullAskId: -1,
    metadataOffset: -1,
    coordinators: newCoordinatorFinder(config.coordinatorNodes),
    isAsking: false,
    nextCorrelationId: 1,
    loadId: -1,
  }
}

/** Its log is read, and it knows which topics are there. */
export function isActive(state: GroupsState): boolean {
  return state.log.loaded && state.checked
}

/** The group, begun if there is none. */
export function groupOf(state: GroupsState, id: string, uptime: number): Group {
  const known = state.groups.get(id)
  if (known !== undefined) return known
  const group: Group = {
    id,
    epochFloor: state.epochFloor,
    membership: null,
    classic: null,
    roster: null,
    offsets: new Map(),
    pendingCount: 0,
    unstable: null,
    topics: null,
    emptySince: uptime,
  }
  state.groups.set(id, group)
  return group
}

/** The members of a group that speak the protocol of KIP-848, begun if there were none. */
export function membershipOf(state: GroupsState, group: Group): Membership {
  group.membership ??= { ...emptyMembership(), epoch: group.epochFloor, graceUntil: graceOf(state, group) }
  return group.membership
}

/** The members of a group that speak the classic protocol, begun if there were none. */
export function classicOf(state: GroupsState, group: Group): ClassicGroup {
  group.classic ??= emptyClassicGroup(graceOf(state, group))
  return group.classic
}

/** Until when members that a former coordinator knew are waited for. */
function graceOf({ graceUntil }: GroupsState, group: Group): number {
  return isAwaited(group) ? graceUntil : 0
}

/** A group that has nothing any more is none. */
export function dropIfGone(state: GroupsState, group: Group): void {
  if (hasMembers(group) || (group.classic?.pending.size ?? 0) > 0 || group.offsets.size > 0) return
  if (group.pendingCount > 0 || group.unstable !== null || group.roster !== null) return
  state.epochFloor = Math.max(state.epochFloor, epochOf(group))
  state.groups.delete(group.id)
}

/** Somebody is in the group, whatever protocol it speaks, or may still be. */
export function hasMembers(group: Group): boolean {
  return speaksConsumer(group) || speaksClassic(group) || isExpected(group)
}

/** Somebody was in it, or is about to be: the log knows, or will soon. */
export function isExpected(group: Group): boolean {
  if (isAwaited(group)) return true
  for (const { isWritten } of group.roster?.named.values() ?? []) if (!isWritten) return true
  return false
}

/** A former coordinator knew members that have not come yet. */
export function isAwaited({ roster }: Group): boolean {
  return roster !== null && roster.missing.size > 0
}

/** Somebody is in the group who speaks the protocol of KIP-848. */
export function speaksConsumer({ membership }: Group): boolean {
  return membership !== null && membership.members.size > 0
}

/** Somebody is in the group who speaks the classic protocol. */
export function speaksClassic({ classic }: Group): boolean {
  return classic !== null && classic.members.size > 0
}

/** Nobody is in it, and whoever was, as far as is known here, spoke the classic protocol. */
export function spokeClassic({ membership, classic }: Group): boolean {
  return membership === null && classic !== null && classic.generationId > 0
}

/** The highest epoch that was given to one of its members by the protocol of KIP-848. */
export function epochOf({ membership, epochFloor }: Group): number {
  return membership?.epoch ?? epochFloor
}

/** What is to be said of a group in one word. */
export function stateNameOf(group: Group): GroupStateName {
  const { membership, classic } = group
  if (classic !== null && classic.members.size > 0) return classic.state
  if (isExpected(group)) return 'reconciling'
  if (membership === null || membership.members.size === 0) return 'empty'
  return isStable(membership) ? 'stable' : 'reconciling'
}

/** The error code of a refusal, or of none. */
export function errorCodeOf(error: ErrorName | null): number {
  return error === null ? NONE : codeOf(error)
}
