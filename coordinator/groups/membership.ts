/**
 * Membership of one consumer group in the way of KIP-848: the coordinator holds a target assignment; each heartbeat moves one member
 * a step towards it. A partition is handed to its next owner only when the former one has confirmed that it let go, has left, or
 * is fenced. Invariants: INVARIANTS.md, G1 to G3.
 *
 *   member epoch    grows with every change of what the member may hold; requests of an older epoch change nothing
 *   assigned        what the member may hold
 *   revoking        what it was told to give up and has not confirmed; who takes longer than its rebalance time-out is fenced
 *   away            a static member (KIP-345) has let go and left for a while: what it had waits for whoever comes with its instance id
 */
import type { Address } from '../../protocol/address.ts'
import { assert } from '../../protocol/assert.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { LEAVE_STATIC_EPOCH } from '../../protocol/messages/group.ts'
import type { AssignorName } from '../../protocol/messages/group.ts'
import type { TopicPattern } from '../../protocol/topic-pattern.ts'
import { assignPartitions } from './assignor.ts'
import type { AssignablePartition } from './assignor.ts'
import { assignInTurn, assignRanges } from './simple-assignors.ts'

/** What a member wants to be, as its newest heartbeat says. */
export interface MemberWishes {
  readonly memberId: string
  readonly instanceId: string | null
  /** Those that its pattern matches are among them. */
  readonly subscribedTopics: readonly string[]
  readonly topicPattern: TopicPattern | null
  readonly assignor: AssignorName | null
  readonly sessionTimeoutMillis: number
  readonly rebalanceTimeoutMillis: number
}

/** One member, as the group knows it. */
export interface Member {
  readonly memberId: string
  wishes: MemberWishes
  epoch: number
  /** The epoch before: its answer may have been lost. */
  previousEpoch: number
  /** Uptime after which it is fenced. */
  expiresAt: number
  isAway: boolean
  /** Where it was heard last. */
  address: Address | null
  /** It was told that there is something for it, and has not been heard since. */
  isRoused: boolean
  assigned: Set<string>
  /** By partition: the uptime until which it must have let go. */
  readonly revoking: Map<string, number>
  /** Correlation id of its newest commit: an older one that arrives late changes nothing. */
  lastCommitId: number
  /** Correlation id of its newest heartbeat: one that comes twice, or late, changes nothing (a second join would free what the first was given). */
  lastHeartbeatId: number
}

/** The members of one group and what they hold. */
export interface Membership {
  readonly members: Map<string, Member>
  /** Who holds a partition, confirmed or not: partition name to member id. */
  readonly holders: Map<string, string>
  target: Map<string, Set<string>>
  partitions: readonly AssignablePartition[]
  assignor: AssignorName
  /** The highest epoch given to anybody. */
  epoch: number
  /** The target, or what is free, has changed since members were told. */
  hasChanged: boolean
  /** Nobody is given anything before this uptime. */
  graceUntil: number
}

/** What a member says of itself. */
export interface Heartbeat {
  readonly wishes: MemberWishes
  readonly memberEpoch: number
  /** Partition names. */
  readonly owned: ReadonlySet<string>
}

/** Members of one group, at most. */
const MEMBERS_MAX = 10_000

/** So far may two clocks that tell whole milliseconds be apart, and a timer be late. A member counts itself as lost so long before the group does, at least. */
export const ROUNDING_MILLIS = 2

/** All assignors, the one that is taken without a wish first; with as many wishes for two of them the first counts. */
const ASSIGNORS = { uniform: assignPartitions, range: assignRanges, 'round-robin': assignInTurn } as const

/** Whether there is an assignor of that name. */
export function isAssignor(name: string): name is AssignorName {
  return Object.hasOwn(ASSIGNORS, name)
}

/** A group without members. */
export function emptyMembership(): Membership {
  return {
    members: new Map(),
    holders: new Map(),
    target: new Map(),
    partitions: [],
    assignor: 'uniform',
    epoch: 0,
    hasChanged: false,
    graceUntil: 0,
  }
}

/** Takes a heartbeat that is not a farewell; returns the member as it shall be, or why it is refused. */
export function takeHeartbeat(group: Membership, heartbeat: Heartbeat, uptime: number): Member | ErrorName {
  const { wishes, memberEpoch } = heartbeat
  const known = group.members.get(wishes.memberId)
  if (memberEpoch === 0) return join(group, known, wishes, uptime)
  if (known === undefined || known.isAway) return memberOf(group, wishes.instanceId) === null ? 'UNKNOWN_MEMBER_ID' : 'FENCED_INSTANCE_ID'
  if (memberEpoch !== known.epoch && memberEpoch !== known.previousEpoch) return 'FENCED_MEMBER_EPOCH'
  known.expiresAt = uptime + wishes.sessionTimeoutMillis
  known.isRoused = false
  if (memberEpoch !== known.epoch) {
    // It has not heard yet what it is to give up.
    for (const name of known.revoking.keys()) known.revoking.set(name, uptime + wishes.rebalanceTimeoutMillis)
    return known
  }
  const before = known.wishes
  known.wishes = wishes
  if (!sameTopics(before.subscribedTopics, wishes.subscribedTopics) || before.assignor !== wishes.assignor) retarget(group)
  release(group, known, heartbeat.owned)
  reconcile(group, known, uptime)
  return known
}

/** A member leaves of its own accord, for good or (LEAVE_STATIC_EPOCH) for a while: it has let go of what it held. */
export function takeFarewell(group: Membership, memberId: string, memberEpoch: number, uptime: number): void {
  const member = group.members.get(memberId)
  if (member === undefined || member.isAway) return
  if (memberEpoch !== LEAVE_STATIC_EPOCH || member.wishes.instanceId === null) return void removeMember(group, memberId)
  member.isAway = true
  member.expiresAt = uptime + member.wishes.sessionTimeoutMillis
  for (const name of member.revoking.keys()) group.holders.delete(name)
  member.revoking.clear()
  group.hasChanged = true
  settleAway(group)
}

/** A member leaves, or its session is over: what it held is free. */
export function removeMember(group: Membership, memberId: string): boolean {
  const member = group.members.get(memberId)
  if (member === undefined) return false
  for (const name of [...member.assigned, ...member.revoking.keys()]) group.holders.delete(name)
  group.members.delete(memberId)
  retarget(group)
  return true
}

/** The members whose sessions are over, and those that do not let go in time. Their clocks tell whole milliseconds, as does ours: a member must have noticed before. */
export function expiredMembers(group: Membership, now: number): string[] {
  const uptime = now - ROUNDING_MILLIS
  const isLate = ({ revoking }: Member): boolean => revoking.size > 0 && Math.min(...revoking.values()) <= uptime
  return [...group.members.values()].filter((member) => member.expiresAt <= uptime || isLate(member)).map(({ memberId }) => memberId)
}

/** The partitions of the subscribed topics, as the metadata has them now. */
export function setPartitions(group: Membership, partitions: readonly AssignablePartition[]): void {
  group.partitions = partitions
  retarget(group)
}

/** Whether every member has what it shall have. */
export function isStable(group: Membership): boolean {
  for (const member of group.members.values()) {
    const target = group.target.get(member.memberId)
    if (member.revoking.size > 0 || target === undefined || !sameSet(member.assigned, target)) return false
  }
  return true
}

/** The members whose next heartbeat would change what they hold, and that have not been told so. */
export function membersToRouse(group: Membership, uptime: number): Member[] {
  if (!group.hasChanged) return []
  group.hasChanged = false
  const roused: Member[] = []
  for (const member of group.members.values()) {
    const target = group.target.get(member.memberId) ?? new Set()
    const gives = [...member.assigned].some((name) => !target.has(name))
    const takes = uptime >= group.graceUntil && [...target].some((name) => !group.holders.has(name))
    if (member.isAway || member.isRoused || (!gives && !takes)) continue
    member.isRoused = true
    roused.push(member)
  }
  return roused
}

// ── joining ──

function join(group: Membership, known: Member | undefined, wishes: MemberWishes, uptime: number): Member | ErrorName {
  const holder = memberOf(group, wishes.instanceId) ?? known ?? null
  if (holder !== null && holder !== known && !holder.isAway) return 'UNRELEASED_INSTANCE_ID'
  if (holder === null && group.members.size >= MEMBERS_MAX) return 'GROUP_MAX_SIZE_REACHED'
  const isBack = holder !== null && wishes.instanceId !== null && holder.wishes.instanceId === wishes.instanceId
  // A member that joins again has let go of everything it held.
  if (holder !== null && !isBack) removeMember(group, holder.memberId)
  if (known !== undefined && known !== holder) removeMember(group, known.memberId)
  group.epoch++
  const member = newMember(group.epoch, wishes, uptime)
  if (isBack) replace(group, holder, member)
  else {
    group.members.set(wishes.memberId, member)
    retarget(group)
  }
  reconcile(group, member, uptime)
  return member
}

/** Goes on where a former life with the same instance id was: nobody else notices. */
function replace(group: Membership, former: Member, member: Member): void {
  for (const name of former.revoking.keys()) group.holders.delete(name)
  for (const name of former.assigned) group.holders.set(name, member.memberId)
  member.assigned = former.assigned
  const target = group.target.get(former.memberId)
  group.members.delete(former.memberId)
  group.target.delete(former.memberId)
  group.members.set(member.memberId, member)
  if (target !== undefined) group.target.set(member.memberId, target)
  const { subscribedTopics, assignor } = former.wishes
  if (!sameTopics(subscribedTopics, member.wishes.subscribedTopics) || assignor !== member.wishes.assignor) retarget(group)
}

function newMember(epoch: number, wishes: MemberWishes, uptime: number): Member {
  return {
    memberId: wishes.memberId,
    wishes,
    epoch,
    previousEpoch: -1,
    expiresAt: uptime + wishes.sessionTimeoutMillis,
    isAway: false,
    address: null,
    isRoused: false,
    assigned: new Set(),
    revoking: new Map(),
    lastCommitId: -1,
    lastHeartbeatId: -1,
  }
}

function memberOf(group: Membership, instanceId: string | null): Member | null {
  if (instanceId === null) return null
  for (const member of group.members.values()) if (member.wishes.instanceId === instanceId) return member
  return null
}

// ── handing over ──

/** The member has let go of what it was told to give up and does not own any more. */
function release(group: Membership, member: Member, owned: ReadonlySet<string>): void {
  for (const name of member.revoking.keys()) {
    if (owned.has(name)) continue
    member.revoking.delete(name)
    group.holders.delete(name)
    group.hasChanged = true
  }
}

/** Moves one member towards the target: takes away what it shall not have, gives what nobody else holds. */
function reconcile(group: Membership, member: Member, uptime: number): void {
  const target = group.target.get(member.memberId) ?? new Set()
  const next = new Set([...member.assigned].filter((name) => target.has(name)))
  if (uptime >= group.graceUntil) {
    for (const name of target) if (!group.holders.has(name)) next.add(name)
  }
  if (sameSet(next, member.assigned)) return
  for (const name of member.assigned) if (!next.has(name)) member.revoking.set(name, uptime + member.wishes.rebalanceTimeoutMillis)
  for (const name of next) {
    const holder = group.holders.get(name)
    assert(holder === undefined || holder === member.memberId, 'G1 a partition is given only when nobody else holds it')
    group.holders.set(name, member.memberId)
  }
  member.assigned = next
  group.epoch++
  member.previousEpoch = member.epoch
  member.epoch = group.epoch
}

function retarget(group: Membership): void {
  const members = [...group.members.values()].map(({ memberId, wishes: { subscribedTopics }, assigned }) => ({
    memberId,
    subscribedTopics,
    current: assigned,
  }))
  group.assignor = mostWanted(group)
  group.target = ASSIGNORS[group.assignor](members, group.partitions)
  group.hasChanged = true
  settleAway(group)
}

/** Who is away holds nothing: what it shall not have any more is free at once. */
function settleAway(group: Membership): void {
  for (const member of group.members.values()) {
    if (!member.isAway) continue
    for (const name of member.assigned) {
      if (group.target.get(member.memberId)?.has(name) === true) continue
      member.assigned.delete(name)
      group.holders.delete(name)
      group.hasChanged = true
    }
  }
}

/** Members may differ while they are being restarted with another wish. */
function mostWanted(group: Membership): AssignorName {
  const votes = [...group.members.values()].map(({ wishes }) => wishes.assignor)
  const names = Object.keys(ASSIGNORS).filter(isAssignor)
  const countOf = (name: AssignorName): number => votes.filter((vote) => vote === name).length
  return names.reduce((most, name) => (countOf(name) > countOf(most) ? name : most))
}

function sameTopics(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((topic) => b.includes(topic))
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name))
}
