/**
 * Membership of one consumer group in the way of KIP-848: the coordinator holds a target assignment; each heartbeat moves one member
 * a step towards it. A partition is handed to its next owner only when the former one has confirmed that it let go, has left, or
 * is fenced. Invariants: INVARIANTS.md, G1 to G3.
 *
 *   member epoch    grows with every change of what the member may hold; requests of an older epoch change nothing
 *   assigned        what the member may hold
 *   revoking        what it was told to give up and has not confirmed
 */
import { assert } from '../../protocol/assert.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { assignPartitions } from './assignor.ts'
import type { AssignablePartition } from './assignor.ts'

/** One member, as the group knows it. */
export interface Member {
  readonly memberId: string
  epoch: number
  /** The epoch before: its answer may have been lost. */
  previousEpoch: number
  subscribedTopics: readonly string[]
  sessionTimeoutMillis: number
  /** Uptime after which it is fenced. */
  expiresAt: number
  assigned: Set<string>
  readonly revoking: Set<string>
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
  /** The highest epoch given to anybody. */
  epoch: number
  /** Nobody is given anything before this uptime. */
  graceUntil: number
}

/** What a member says of itself. */
export interface Heartbeat {
  readonly memberId: string
  readonly memberEpoch: number
  readonly subscribedTopics: readonly string[]
  readonly sessionTimeoutMillis: number
  /** Partition names. */
  readonly owned: ReadonlySet<string>
}

/** Members of one group, at most. */
const MEMBERS_MAX = 10_000

/** A group without members. */
export function emptyMembership(): Membership {
  return { members: new Map(), holders: new Map(), target: new Map(), partitions: [], epoch: 0, graceUntil: 0 }
}

/** Takes a heartbeat that is not a farewell; returns the member as it shall be, or why it is refused. */
export function takeHeartbeat(group: Membership, heartbeat: Heartbeat, uptime: number): Member | ErrorName {
  const known = group.members.get(heartbeat.memberId)
  if (heartbeat.memberEpoch === 0) return join(group, known, heartbeat, uptime)
  if (known === undefined) return 'UNKNOWN_MEMBER_ID'
  if (heartbeat.memberEpoch !== known.epoch && heartbeat.memberEpoch !== known.previousEpoch) return 'FENCED_MEMBER_EPOCH'
  known.expiresAt = uptime + known.sessionTimeoutMillis
  if (heartbeat.memberEpoch !== known.epoch) return known
  if (!sameTopics(known.subscribedTopics, heartbeat.subscribedTopics)) {
    known.subscribedTopics = heartbeat.subscribedTopics
    retarget(group)
  }
  release(group, known, heartbeat.owned)
  reconcile(group, known, uptime)
  return known
}

/** A member leaves of its own accord, or its session is over: what it held is free. */
export function removeMember(group: Membership, memberId: string): boolean {
  const member = group.members.get(memberId)
  if (member === undefined) return false
  for (const name of [...member.assigned, ...member.revoking]) group.holders.delete(name)
  group.members.delete(memberId)
  retarget(group)
  return true
}

/** The members whose sessions are over. */
export function expiredMembers(group: Membership, uptime: number): string[] {
  return [...group.members.values()].filter((member) => member.expiresAt <= uptime).map((member) => member.memberId)
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

function join(group: Membership, known: Member | undefined, heartbeat: Heartbeat, uptime: number): Member | ErrorName {
  const { memberId, sessionTimeoutMillis, subscribedTopics } = heartbeat
  if (known === undefined && group.members.size >= MEMBERS_MAX) return 'GROUP_MAX_SIZE_REACHED'
  // A member that joins again has let go of everything it held.
  if (known !== undefined) removeMember(group, memberId)
  group.epoch++
  const member: Member = {
    memberId,
    epoch: group.epoch,
    previousEpoch: -1,
    subscribedTopics,
    sessionTimeoutMillis,
    expiresAt: uptime + sessionTimeoutMillis,
    assigned: new Set(),
    revoking: new Set(),
    lastCommitId: -1,
    lastHeartbeatId: -1,
  }
  group.members.set(memberId, member)
  retarget(group)
  reconcile(group, member, uptime)
  return member
}

/** The member has let go of what it was told to give up and does not own any more. */
function release(group: Membership, member: Member, owned: ReadonlySet<string>): void {
  for (const name of member.revoking) {
    if (owned.has(name)) continue
    member.revoking.delete(name)
    group.holders.delete(name)
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
  for (const name of member.assigned) if (!next.has(name)) member.revoking.add(name)
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
  const members = [...group.members.values()].map(({ memberId, subscribedTopics, assigned }) => ({
    memberId,
    subscribedTopics,
    current: assigned,
  }))
  group.target = assignPartitions(members, group.partitions)
}

function sameTopics(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((topic) => b.includes(topic))
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name))
}
