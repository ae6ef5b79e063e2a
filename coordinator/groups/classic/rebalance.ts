/**
 * How a classic group comes from one generation to the next: it waits until all members have joined, or for the longest rebalance time-out of theirs; then until the leader
 * has shared out. Invariants: INVARIANTS.md, G5 and G6.
 */
import { assert } from '../../../protocol/assert.ts'
import type { ErrorName } from '../../../protocol/errors.ts'
import type { OpaqueBytes } from '../../../protocol/opaque-bytes.ts'
import { chooseProtocol, joined, joinRefusal, noteHolders, rebalanceTimeoutOf, synced, syncRefusal } from './classic-group.ts'
import type { Answer, ClassicGroup, ClassicMember } from './classic-group.ts'

/**
 * The first rebalance of an empty group waits for so long after each member that comes (group.initial.rebalance.delay.ms): those that are started together begin together.
 * Kafka waits 3 s; here members are in one process.
 */
export const INITIAL_REBALANCE_DELAY_MILLIS = 50

/** All members are to join anew. */
export function prepareRebalance(group: ClassicGroup, uptime: number, answers: Answer[]): void {
  if (group.state === 'preparing-rebalance') return completeIfAllJoined(group, uptime, answers)
  for (const member of group.members.values()) {
    refuseSync(member, 'REBALANCE_IN_PROGRESS', answers)
    if (member.join === null) answers.push({ to: member.address, message: { kind: 'groupChanged', memberId: member.memberId } })
  }
  const patience = rebalanceTimeoutOf(group)
  group.isInitial = group.state === 'empty'
  group.state = 'preparing-rebalance'
  group.waitsAtMostUntil = uptime + patience
  group.waitsUntil = uptime + (group.isInitial ? Math.min(INITIAL_REBALANCE_DELAY_MILLIS, patience) : patience)
  completeIfAllJoined(group, uptime, answers)
}

/** A member has come while the group waits for more of them. */
export function waitForMore(group: ClassicGroup, uptime: number): void {
  if (group.isInitial) group.waitsUntil = Math.min(uptime + INITIAL_REBALANCE_DELAY_MILLIS, group.waitsAtMostUntil)
}

/** The next generation begins when nobody is missing. */
export function completeIfAllJoined(group: ClassicGroup, uptime: number, answers: Answer[]): void {
  if (group.state !== 'preparing-rebalance' || group.isInitial || uptime < group.graceUntil || group.pending.size > 0) return
  for (const { join } of group.members.values()) if (join === null) return
  completeJoin(group, uptime, answers)
}

/** A member is none any more; what it waited for is refused. */
export function removeClassicMember(group: ClassicGroup, member: ClassicMember, uptime: number, answers: Answer[]): void {
  group.members.delete(member.memberId)
  if (member.join !== null) answers.push(joinRefusal(member.join, 'UNKNOWN_MEMBER_ID', member.memberId))
  refuseSync(member, 'UNKNOWN_MEMBER_ID', answers)
  if (group.leader === member.memberId) electLeader(group)
  if (group.state === 'preparing-rebalance') completeIfAllJoined(group, uptime, answers)
  else prepareRebalance(group, uptime, answers)
}

/** What is due by now: sessions are over, or the group has waited for long enough. */
export function passTime(group: ClassicGroup, uptime: number): Answer[] {
  const answers: Answer[] = []
  for (const [memberId, until] of [...group.pending]) if (until <= uptime) group.pending.delete(memberId)
  // Who waits for an answer of ours need not say that it lives.
  for (const member of [...group.members.values()])
    if (member.join === null && member.sync === null && member.expiresAt <= uptime) removeClassicMember(group, member, uptime, answers)
  if (uptime >= group.waitsUntil) endWait(group, uptime, answers)
  completeIfAllJoined(group, uptime, answers)
  return answers
}

/** When something is due next; Infinity if never. */
export function classicDue(group: ClassicGroup, uptime: number): number {
  let due = group.state === 'preparing-rebalance' ? Math.max(group.waitsUntil, group.graceUntil) : group.waitsUntil
  if (group.state === 'preparing-rebalance' && !group.isInitial && group.graceUntil > uptime) due = Math.min(due, group.graceUntil)
  for (const until of group.pending.values()) due = Math.min(due, until)
  for (const { join, sync, expiresAt } of group.members.values()) if (join === null && sync === null) due = Math.min(due, expiresAt)
  return due
}

function endWait(group: ClassicGroup, uptime: number, answers: Answer[]): void {
  if (group.state === 'preparing-rebalance') {
    if (uptime >= group.graceUntil) completeJoin(group, uptime, answers)
    return
  }
  group.waitsUntil = Infinity
  // They may have gone on without knowing of this generation: those that are there share out anew.
  for (const member of [...group.members.values()]) if (!member.hasSynced) removeClassicMember(group, member, uptime, answers)
}

/** Begins the next generation with those that have joined, and the static members that have not: they may be away for as long as their sessions last. */
function completeJoin(group: ClassicGroup, uptime: number, answers: Answer[]): void {
  const { members } = group
  for (const member of [...members.values()]) if (member.join === null && member.instanceId === null) members.delete(member.memberId)
  const isAnybodyThere = [...members.values()].some(({ join }) => join !== null)
  if (members.size > 0 && !isAnybodyThere) {
    group.isInitial = false
    group.waitsUntil = uptime + Math.max(rebalanceTimeoutOf(group), INITIAL_REBALANCE_DELAY_MILLIS)
    return
  }
  group.generationId++
  group.isInitial = false
  group.holders.clear()
  group.protocolName = chooseProtocol(group)
  group.waitsUntil = members.size === 0 ? Infinity : uptime + rebalanceTimeoutOf(group)
  group.state = members.size === 0 ? 'empty' : 'completing-rebalance'
  assert(members.size === 0 || group.protocolName !== null, 'G5 all members of a generation speak its protocol')
  if ((members.get(group.leader)?.join ?? null) === null) electLeader(group)
  for (const member of members.values()) {
    const { join, memberId } = member
    member.assignment = ''
    member.hasSynced = join === null
    member.join = null
    if (join === null) continue
    member.expiresAt = uptime + member.sessionTimeoutMillis
    answers.push(joined(group, join, memberId))
  }
}

/** The leader has shared out: whoever waits for it is told, whoever asks later is, too. */
export function shareOut(group: ClassicGroup, assignments: ReadonlyMap<string, OpaqueBytes>, uptime: number, answers: Answer[]): void {
  assert(group.state === 'completing-rebalance', 'G6 a generation is shared out once')
  group.state = 'stable'
  for (const member of group.members.values()) member.assignment = assignments.get(member.memberId) ?? ''
  noteHolders(group)
  for (const member of group.members.values()) {
    if (member.sync !== null) member.expiresAt = uptime + member.sessionTimeoutMillis
    if (member.sync !== null) answers.push(synced(group, member.sync, member.assignment))
    member.sync = null
  }
}

function refuseSync(member: ClassicMember, error: ErrorName, answers: Answer[]): void {
  if (member.sync !== null) answers.push(syncRefusal(member.sync, error))
  member.sync = null
}

/** The first that has joined, of all members that there are. */
function electLeader(group: ClassicGroup): void {
  const members = [...group.members.values()]
  group.leader = (members.find(({ join }) => join !== null) ?? members[0])?.memberId ?? ''
}
