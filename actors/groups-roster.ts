/**
 * The roster of a group: who may hold partitions of it, as the log says. A member is named there before it is in the group, so that whoever coordinates the group next knows
 * whom to wait for: it calls them, and hands out nothing until each of them has come, having let go of all it held, or has had a session's time for that.
 */
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { JoinGroupRequest } from '../protocol/messages/classic-group.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { encodeMemberKey, encodeMemberValue } from '../coordinator/groups/member-record.ts'
import type { MemberRecord } from '../coordinator/groups/member-record.ts'
import { appendRequest } from '../coordinator/state-log.ts'
import type { Context, Outbox } from './actor.ts'
import { dropIfGone, groupOf, isAwaited } from './groups-state.ts'
import type { Farewell, Group, GroupsState, Naming, Roster, Strike } from './groups-state.ts'

/** Whether the log names the member as one that joined by that request, or a later one. */
export function isNamed(group: Group | undefined, memberId: string, joinId: number): boolean {
  const entry = group?.roster?.named.get(memberId)
  return entry !== undefined && entry.isWritten && entry.joinId >= joinId
}

/** The member has sent something since, or that is on its way to the log already. */
export function isOvertaken(group: Group | undefined, memberId: string, correlationId: number): boolean {
  const roster = group?.roster
  const entry = roster?.named.get(memberId)
  if (entry !== undefined && !entry.isWritten) return correlationId <= entry.joinId
  return correlationId <= (roster?.missing.get(memberId)?.joinId ?? -1)
}

/** Has the log name a member; its request is taken up when that is done. */
export function nameMember(state: GroupsState, group: Group, naming: Naming, context: Context, outbox: Outbox): void {
  const { memberId, from, request } = naming
  const joinId = request.correlationId
  const writeId = state.nextCorrelationId++
  const roster = rosterOf(group)
  roster.named.set(memberId, { joinId, writeId, isWritten: false })
  state.naming.set(writeId, naming)
  const instanceId = request.kind === 'joinGroup' ? request.instanceId : null
  forgetStrikes(state, group.id, [memberId])
  write(state, group.id, [{ memberId, member: { joinId, address: from, instanceId } }], writeId, context, outbox)
  comeBack(state, group, memberId, context, outbox)
}

/** The name of this member is on its way to the log: the request takes the place of the one that waits for that. */
export function joinsAlready({ naming }: GroupsState, request: JoinGroupRequest, { from }: Context): boolean {
  for (const one of naming.values()) {
    if (one.request.kind !== 'joinGroup' || one.group !== request.group || !isAt(one.from, from)) continue
    const isSame = request.memberId === '' ? one.request.memberId === '' : one.memberId === request.memberId
    if (!isSame || one.request.instanceId !== request.instanceId) continue
    if (request.correlationId > one.request.correlationId) one.request = request
    return true
  }
  return false
}

/**
 * A static member of a classic group that asks without an id was given one and has not heard it, or is there in another life: nobody waits for who had its instance id, just as
 * it would take the place of a member that is here.
 */
export function excuseNamesake(state: GroupsState, request: JoinGroupRequest, context: Context, outbox: Outbox): void {
  const { group: id, memberId, instanceId, correlationId } = request
  const group = state.groups.get(id)
  if (group === undefined || memberId !== '' || instanceId === null) return
  for (const [name, one] of [...(group.roster?.missing ?? [])])
    if (one.instanceId === instanceId && (!isAt(one.address, context.from) || one.joinId < correlationId))
      excuse(state, group, name, context, outbox)
}

/** A record of the roster is in the log, or will never be. False: a newer request of the member is on its way. */
export function takeNamed(
  { groups, naming }: GroupsState,
  { group, memberId }: Naming,
  { correlationId }: MessageOf<'produceResponse'>,
): boolean {
  naming.delete(correlationId)
  const entry = groups.get(group)?.roster?.named.get(memberId)
  if (entry?.writeId !== correlationId) return false
  entry.isWritten = true
  return true
}

/** Members that are none any more, or are away, are taken off the roster. */
export function strikeFormer(state: GroupsState, group: Group, context: Context, outbox: Outbox): void {
  const { roster, membership, classic } = group
  if (roster === null || (classic !== null && roster.named.size <= classic.members.size)) return
  const isHere = (memberId: string): boolean =>
    membership?.members.get(memberId)?.isAway === false || classic?.members.has(memberId) === true
  const former = [...roster.named].filter(([memberId, { isWritten }]) => isWritten && !isHere(memberId)).map(([memberId]) => memberId)
  for (const memberId of former) roster.named.delete(memberId)
  strike(state, group, former, context, outbox)
}

/** Somebody who is not in the group leaves it, having let go of all it held: a former coordinator knew it, or its name is on its way to the log. */
export function excuse(state: GroupsState, group: Group, memberId: string, context: Context, outbox: Outbox): void {
  const isOnItsWay = group.roster?.named.get(memberId)?.isWritten === false
  if (isOnItsWay) group.roster?.named.delete(memberId)
  if (comeBack(state, group, memberId, context, outbox) || isOnItsWay) strike(state, group, [memberId], context, outbox)
}

/** Answers who leaves when the log names it no more. */
export function answerFarewell(state: GroupsState, leaving: Strike, farewell: Farewell, context: Context, outbox: Outbox): void {
  const refused = state.unstruck.get(leaving.group)
  const again = [...leaving.memberIds].filter((memberId) => refused?.has(memberId) === true)
  if (again.length > 0) strikeNames(state, leaving.group, again, context, outbox)
  const isMeant = ({ group, memberIds }: Strike): boolean =>
    group === leaving.group && [...leaving.memberIds].some((memberId) => memberIds.has(memberId))
  const [writeId] = [...state.striking].findLast(([, strike]) => isMeant(strike)) ?? []
  if (writeId === undefined) outbox.push({ kind: 'send', ...farewell })
  else state.farewells.set(writeId, [...(state.farewells.get(writeId) ?? []), farewell])
}

/** A strike is in the log, or will never be: it is made again after a while, and whoever left is to say so again. Says whether it was one. */
export function onStruck(state: GroupsState, { correlationId, errorCode }: MessageOf<'produceResponse'>, outbox: Outbox): boolean {
  const strike = state.striking.get(correlationId)
  if (strike === undefined) return false
  const farewells = state.farewells.get(correlationId) ?? []
  state.striking.delete(correlationId)
  state.farewells.delete(correlationId)
  const { group, memberIds } = strike
  if (errorCode !== NONE && memberIds.size > 0) state.unstruck.set(group, new Set([...memberIds, ...(state.unstruck.get(group) ?? [])]))
  const refused = { errorCode: codeOf('COORDINATOR_NOT_AVAILABLE') }
  for (const { to, message } of farewells)
    outbox.push({ kind: 'send', to, message: errorCode === NONE ? message : { ...message, ...refused } })
  return true
}

/** What the log has refused is tried again. */
export function strikeAgain(state: GroupsState, context: Context, outbox: Outbox): void {
  for (const [group, memberIds] of [...state.unstruck]) strikeNames(state, group, [...memberIds], context, outbox)
}

// ── what a former coordinator has left ──

/** A record of the roster, while the log is read. */
export function loadMember(state: GroupsState, { group: id, memberId, member }: MemberRecord, { uptime }: Context): void {
  const group = groupOf(state, id, uptime)
  const { missing } = rosterOf(group)
  if (member === null) missing.delete(memberId)
  else missing.set(memberId, member)
  tidy(group)
  dropIfGone(state, group)
}

/** Those that a former coordinator knew hear that another one has the group. */
export function callMissing(state: GroupsState, outbox: Outbox): void {
  for (const { roster } of state.groups.values())
    for (const [memberId, { address }] of roster?.missing ?? [])
      outbox.push({ kind: 'send', to: address, message: { kind: 'groupChanged', memberId } })
}

/** They have had time enough: who has not come holds nothing any more. Says which groups have waited for somebody. */
export function endGraces(state: GroupsState, context: Context, outbox: Outbox): Group[] {
  const groups = [...state.groups.values()].filter(isAwaited)
  for (const group of groups) endGrace(state, group, context, outbox)
  return groups
}

/** Who has not come until now is not in the group any more. */
export function giveUpMissing(state: GroupsState, context: Context, outbox: Outbox): void {
  for (const group of [...state.groups.values()].filter(isAwaited)) {
    const gone = [...(group.roster?.missing.keys() ?? [])]
    group.roster?.missing.clear()
    group.emptySince = context.uptime
    strike(state, group, gone, context, outbox)
    dropIfGone(state, group)
  }
}

/** Whether it was waited for. It has let go of all it held, as whoever joins or leaves; when nobody is missing any more, the others may have that. */
function comeBack(state: GroupsState, group: Group, memberId: string, context: Context, outbox: Outbox): boolean {
  if (group.roster?.missing.delete(memberId) !== true) return false
  if (group.roster.missing.size === 0) endGrace(state, group, context, outbox)
  return true
}

function endGrace(state: GroupsState, group: Group, { uptime }: Context, outbox: Outbox): void {
  group.emptySince = uptime
  if (group.membership !== null) Object.assign(group.membership, { graceUntil: 0, hasChanged: true })
  if (group.classic === null) return
  group.classic.graceUntil = 0
  state.classicAt = uptime
  outbox.push({ kind: 'startTimer', timer: 'classic', afterMillis: 0 })
}

function strike(state: GroupsState, group: Group, memberIds: readonly string[], context: Context, outbox: Outbox): void {
  if (memberIds.length > 0) strikeNames(state, group.id, memberIds, context, outbox)
  tidy(group)
}

function strikeNames(state: GroupsState, group: string, memberIds: readonly string[], context: Context, outbox: Outbox): void {
  const writeId = state.nextCorrelationId++
  forgetStrikes(state, group, memberIds)
  state.striking.set(writeId, { group, memberIds: new Set(memberIds) })
  const records = memberIds.map((memberId) => ({ memberId, member: null }))
  write(state, group, records, writeId, context, outbox)
}

/** They are struck anew, or named again: that an older strike has failed makes no difference. */
function forgetStrikes({ striking, unstruck }: GroupsState, group: string, memberIds: readonly string[]): void {
  const refused = unstruck.get(group)
  const strikes = [...striking.values()].filter((strike) => strike.group === group)
  for (const memberId of memberIds) {
    refused?.delete(memberId)
    for (const strike of strikes) strike.memberIds.delete(memberId)
  }
  if (refused?.size === 0) unstruck.delete(group)
}

function write(
  state: GroupsState,
  group: string,
  records: readonly Pick<MemberRecord, 'memberId' | 'member'>[],
  writeId: number,
  context: Context,
  outbox: Outbox,
): void {
  const encoded = records.map(({ memberId, member }) => ({
    key: encodeMemberKey(group, memberId),
    value: member === null ? null : encodeMemberValue(member),
  }))
  outbox.push({ kind: 'send', to: state.log.replica, message: appendRequest(state.log, writeId, encoded, context.now) })
}

function isAt(one: Address, other: Address): boolean {
  return one.node === other.node && one.actor === other.actor
}

function rosterOf(group: Group): Roster {
  group.roster ??= { named: new Map(), missing: new Map() }
  return group.roster
}

/** There are very many groups without members. */
function tidy(group: Group): void {
  if (group.roster?.named.size === 0 && group.roster.missing.size === 0) group.roster = null
}
