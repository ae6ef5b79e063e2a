/**
 * Classic groups (join, sync, heartbeat, leave), as the requests of their members come and fail to come; the rules are in coordinator/groups/classic/. A group speaks one
 * protocol at a time: who joins by the other one while somebody is in it is refused; committed offsets are the same for both.
 */
import { NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type {
  HeartbeatRequest,
  JoinGroupRequest,
  LeaveGroupRequest,
  LeaveGroupResponse,
  SyncGroupRequest,
} from '../protocol/messages/classic-group.ts'
import type { MemberDescription } from '../protocol/messages/group.ts'
import { joinRefusal, staticMemberOf, syncRefusal } from '../coordinator/groups/classic/classic-group.ts'
import type { Answer, ClassicGroup } from '../coordinator/groups/classic/classic-group.ts'
import { decodeAssignment, decodeSubscription } from '../coordinator/groups/classic/consumer-protocol.ts'
import { admitsMember, takeJoin } from '../coordinator/groups/classic/join.ts'
import { classicDue, passTime } from '../coordinator/groups/classic/rebalance.ts'
import { takeClassicHeartbeat, takeLeave, takeSync } from '../coordinator/groups/classic/requests.ts'
import type { Context, Outbox } from './actor.ts'
import { answerFarewell, excuse, excuseNamesake, joinsAlready, nameMember, strikeFormer } from './groups-roster.ts'
import { classicOf, dropIfGone, errorCodeOf, groupOf, isActive, speaksConsumer } from './groups-state.ts'
import type { Group, GroupsState } from './groups-state.ts'

/** A coordinator whose lease is over looks so often whether it was extended. */
const LEASE_LOOK_MILLIS = 250

/** A member joins, or joins again; it is answered now or later. */
export function onJoinGroup(state: GroupsState, request: JoinGroupRequest, context: Context, outbox: Outbox): void {
  const { uptime, from } = context
  const waiter = { from, correlationId: request.correlationId }
  const refusal = refuse(state, context) ?? refuseProtocol(state, request)
  if (refusal !== null) return send([joinRefusal(waiter, refusal, request.memberId)], outbox)
  if (isLate(state, request, request.memberId) || isLateStatic(state, request, context)) return
  excuseNamesake(state, request, context, outbox)
  if (joinsAlready(state, request, context)) return
  const group = groupOf(state, request.group, uptime)
  const memberId = request.memberId === '' ? newMemberId(state, request, context) : request.memberId
  if (!admitsMember(classicOf(state, group), request)) return join(state, group, request, memberId, context, outbox)
  nameMember(state, group, { group: group.id, memberId, from, request }, context, outbox)
}

/** The log names the member (or, if not, it asks again): it joins. */
export function onClassicNamed(
  state: GroupsState,
  request: JoinGroupRequest,
  memberId: string,
  isNamed: boolean,
  context: Context,
  outbox: Outbox,
): void {
  const { from, uptime } = context
  const refusal = isNamed ? (refuse(state, context) ?? refuseProtocol(state, request)) : 'COORDINATOR_NOT_AVAILABLE'
  if (refusal !== null) send([joinRefusal({ from, correlationId: request.correlationId }, refusal, request.memberId)], outbox)
  else if (!isLate(state, request, memberId) && !isLateStatic(state, request, context))
    join(state, groupOf(state, request.group, uptime), request, memberId, context, outbox)
}

function join(state: GroupsState, group: Group, request: JoinGroupRequest, memberId: string, context: Context, outbox: Outbox): void {
  const { uptime, from } = context
  const waiter = { from, correlationId: request.correlationId }
  step(state, group, () => takeJoin(classicOf(state, group), request, waiter, memberId, uptime), context, outbox)
  note(group, request, context)
}

/** A member asks what it is given; the leader brings that for all. */
export function onSyncGroup(state: GroupsState, request: SyncGroupRequest, context: Context, outbox: Outbox): void {
  const waiter = { from: context.from, correlationId: request.correlationId }
  const group = state.groups.get(request.group)
  const refusal = refuse(state, context)
  if (group === undefined || refusal !== null) {
    return send([syncRefusal(waiter, refusal ?? 'UNKNOWN_MEMBER_ID')], outbox)
  }
  if (isLate(state, request, request.memberId)) return
  note(group, request, context)
  step(state, group, () => takeSync(classicOf(state, group), request, waiter, context.uptime), context, outbox)
}

/** A member says that it lives. */
export function onClassicHeartbeat(state: GroupsState, request: HeartbeatRequest, context: Context, outbox: Outbox): void {
  const { correlationId, memberId } = request
  const group = state.groups.get(request.group)
  if (isLate(state, request, memberId)) return
  const refusal =
    refuse(state, context) ??
    (group === undefined ? 'UNKNOWN_MEMBER_ID' : takeClassicHeartbeat(classicOf(state, group), request, context.uptime))
  if (group !== undefined) note(group, request, context)
  outbox.push({ kind: 'send', to: context.from, message: { kind: 'heartbeatResponse', correlationId, errorCode: errorCodeOf(refusal) } })
}

/** Members leave. The log may still name them when nothing else is left of their group. */
export function onLeaveGroup(state: GroupsState, request: LeaveGroupRequest, context: Context, outbox: Outbox): void {
  const group = state.groups.get(request.group)
  const refusal = refuse(state, context)
  const errorCode = errorCodeOf(refusal ?? 'UNKNOWN_MEMBER_ID')
  let left: LeaveGroupResponse['members'] = request.members.map((one) => ({ ...one, errorCode }))
  if (refusal !== null) return outbox.push({ kind: 'send', to: context.from, message: leaveResponse(request, errorCode, left) })
  const memberIds = new Set(request.members.map(({ memberId }) => memberId))
  if (group !== undefined) {
    for (const memberId of memberIds) excuse(state, group, memberId, context, outbox)
    const leave = (): Answer[] => {
      const { answers, members } = takeLeave(classicOf(state, group), request, context.uptime)
      left = members
      return answers
    }
    step(state, group, leave, context, outbox)
  }
  const farewell = { to: context.from, message: leaveResponse(request, NONE, left) }
  answerFarewell(state, { group: request.group, memberIds }, farewell, context, outbox)
}

function leaveResponse(
  { correlationId }: LeaveGroupRequest,
  errorCode: number,
  members: LeaveGroupResponse['members'],
): LeaveGroupResponse {
  return { kind: 'leaveGroupResponse', correlationId, errorCode, members }
}

/** Ends sessions and waits that are over; not after another node may be in charge. */
export function passClassicTime(state: GroupsState, context: Context, outbox: Outbox): void {
  const isOver = context.uptime >= state.leaseUntil
  state.classicAt = isOver ? context.uptime + LEASE_LOOK_MILLIS : Infinity
  if (isOver) return outbox.push({ kind: 'startTimer', timer: 'classic', afterMillis: LEASE_LOOK_MILLIS })
  for (const group of state.groups.values()) {
    const { classic } = group
    if (classic === null || (classic.state === 'empty' && classic.pending.size === 0)) continue
    step(state, group, () => passTime(classic, context.uptime), context, outbox)
  }
}

/** The members as an operator sees them. */
export function describeClassic(classic: ClassicGroup): MemberDescription[] {
  return [...classic.members.values()].map(({ memberId, instanceId, assignment, protocols }) => ({
    memberId,
    instanceId,
    memberEpoch: classic.generationId,
    subscribedTopics: decodeSubscription(protocols[0]?.metadata ?? '')?.topics ?? [],
    assignment: decodeAssignment(assignment)?.partitions ?? [],
  }))
}

function refuse(state: GroupsState, { uptime }: Context): ErrorName | null {
  if (uptime >= state.leaseUntil) return 'NOT_COORDINATOR'
  return isActive(state) ? null : 'COORDINATOR_LOAD_IN_PROGRESS'
}

/** Somebody is in the group who speaks the protocol of KIP-848. */
function refuseProtocol(state: GroupsState, { group }: JoinGroupRequest): ErrorName | null {
  const known = state.groups.get(group)
  return known !== undefined && speaksConsumer(known) ? 'INCONSISTENT_GROUP_PROTOCOL' : null
}

/** It comes twice, or was overtaken by another request of the member. */
function isLate(
  state: GroupsState,
  { group, correlationId }: Pick<JoinGroupRequest, 'group' | 'correlationId'>,
  memberId: string,
): boolean {
  return correlationId <= (state.groups.get(group)?.classic?.members.get(memberId)?.lastRequestId ?? -1)
}

/** The same of a static member that has not heard its member id yet. */
function isLateStatic(state: GroupsState, { group, memberId, instanceId, correlationId }: JoinGroupRequest, { from }: Context): boolean {
  const classic = state.groups.get(group)?.classic ?? null
  const holder = memberId !== '' || classic === null ? null : staticMemberOf(classic, instanceId)
  if (holder === null || holder.address.node !== from.node || holder.address.actor !== from.actor) return false
  return correlationId <= holder.lastRequestId
}

function note(
  { classic }: Group,
  { memberId, correlationId }: Pick<JoinGroupRequest, 'memberId' | 'correlationId'>,
  { from }: Context,
): void {
  const member = classic?.members.get(memberId)
  if (member === undefined) return
  member.lastRequestId = correlationId
  member.address = from
}

/** Given once only, whoever coordinates the group. */
function newMemberId(state: GroupsState, { clientId }: JoinGroupRequest, { random }: Context): string {
  return `${clientId}-${random.toString(16).padStart(8, '0')}${(state.nextCorrelationId++).toString(16)}`
}

/** Has the group do something, sends what it answers, and sees to it that it is woken when something is due. */
function step(state: GroupsState, group: Group, act: () => readonly Answer[], context: Context, outbox: Outbox): void {
  const classic = classicOf(state, group)
  const hadMembers = classic.members.size > 0
  send(act(), outbox)
  strikeFormer(state, group, context, outbox)
  if (hadMembers && classic.members.size === 0) group.emptySince = context.uptime
  const due = classicDue(classic, context.uptime)
  if (due < state.classicAt) {
    state.classicAt = due
    outbox.push({ kind: 'startTimer', timer: 'classic', afterMillis: Math.max(0, due - context.uptime) })
  }
  dropIfGone(state, group)
}

function send(answers: readonly Answer[], outbox: Outbox): void {
  for (const { to, message } of answers) outbox.push({ kind: 'send', to, message })
}
