/**
 * The members of groups, as their heartbeats come and fail to come; the rules are in coordinator/groups/membership.ts. What a member subscribes to is looked up
 * here: names, and patterns over the names of all topics (KIP-848).
 */
import type { Address } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import type { ErrorName } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import { JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH } from '../protocol/messages/group.ts'
import type { GroupHeartbeatRequest, GroupHeartbeatResponse, MemberDescription } from '../protocol/messages/group.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { compilePattern, matchingTopics } from '../protocol/topic-pattern.ts'
import {
  expiredMembers,
  isAssignor,
  membersToRouse,
  removeMember,
  setPartitions,
  takeFarewell,
  takeHeartbeat,
} from '../coordinator/groups/membership.ts'
import type { Membership } from '../coordinator/groups/membership.ts'
import { namesOf, partitionsOf } from '../coordinator/groups/names.ts'
import type { Context, Outbox } from './actor.ts'
import { describeClassic } from './groups-classic.ts'
import { answerFarewell, excuse, isNamed, isOvertaken, nameMember, strikeFormer } from './groups-roster.ts'
import {
  dropIfGone,
  epochOf,
  errorCodeOf,
  groupOf,
  hasMembers,
  isActive,
  membershipOf,
  speaksClassic,
  spokeClassic,
  stateNameOf,
} from './groups-state.ts'
import type { Group, GroupsState } from './groups-state.ts'

/** Takes a heartbeat and answers it. Says whether topics are wanted that are not known. */
export function onHeartbeat(state: GroupsState, request: GroupHeartbeatRequest, context: Context, outbox: Outbox): boolean {
  const refusal = refusalOf(state, request, context)
  if (refusal !== null) return answerHeartbeat(request, context.from, refusal, outbox)
  const { memberId, memberEpoch, instanceId, topicPattern, assignor, sessionTimeoutMillis, rebalanceTimeoutMillis } = request
  const known = state.groups.get(request.group)
  if (request.correlationId <= (known?.membership?.members.get(memberId)?.lastHeartbeatId ?? -1)) return false
  if (isOvertaken(known, memberId, request.correlationId)) return false
  if (memberEpoch === LEAVE_EPOCH || memberEpoch === LEAVE_STATIC_EPOCH) {
    if (known !== undefined) onFarewell(state, known, request, context, outbox)
    const message = heartbeatResponse(request, null, memberEpoch)
    answerFarewell(state, { group: request.group, memberIds: new Set([memberId]) }, { to: context.from, message }, context, outbox)
    return false
  }
  const group = groupOf(state, request.group, context.uptime)
  if (memberEpoch === JOIN_EPOCH && !isNamed(group, memberId, request.correlationId)) {
    nameMember(state, group, { group: group.id, memberId, from: context.from, request }, context, outbox)
    return false
  }
  const matching = topicPattern === null ? [] : matchingTopics(topicPattern, state.names)
  const subscribedTopics = [...new Set([...request.subscribedTopics, ...matching])]
  learnTopics(state, group, subscribedTopics)
  const wishes = { memberId, instanceId, subscribedTopics, topicPattern, assignor, sessionTimeoutMillis, rebalanceTimeoutMillis }
  const heartbeat = { wishes, memberEpoch, owned: namesOf(request.ownedPartitions) }
  const member = takeHeartbeat(membershipOf(state, group), heartbeat, context.uptime)
  // It may have taken the place of another one.
  if (typeof member === 'string' || instanceId !== null) strikeFormer(state, group, context, outbox)
  dropIfGone(state, group)
  if (typeof member === 'string') return answerHeartbeat(request, context.from, member, outbox)
  assert(group.roster?.named.has(memberId) === true, 'G7 whoever is in a group is on its roster')
  member.lastHeartbeatId = request.correlationId
  member.address = context.from
  answerHeartbeat(request, context.from, null, outbox, member.epoch, member.assigned)
  rouseMembers(group, context, outbox)
  return subscribedTopics.some((topic) => !state.topics.has(topic)) || (topicPattern !== null && state.fullAskId < 0)
}

/** Says why a heartbeat is not taken. */
export function refuseHeartbeat(request: GroupHeartbeatRequest, error: ErrorName, { from }: Context, outbox: Outbox): void {
  answerHeartbeat(request, from, error, outbox)
}

function onFarewell(state: GroupsState, group: Group, request: GroupHeartbeatRequest, context: Context, outbox: Outbox): void {
  const { memberId, memberEpoch } = request
  excuse(state, group, memberId, context, outbox)
  endMembership(state, group, (membership) => takeFarewell(membership, memberId, memberEpoch, context.uptime), context, outbox)
  dropIfGone(state, group)
}

/** Ends sessions that are over. */
export function endSessions(state: GroupsState, context: Context, outbox: Outbox): void {
  for (const group of state.groups.values()) {
    if (group.membership === null) continue
    for (const memberId of expiredMembers(group.membership, context.uptime))
      endMembership(state, group, (membership) => removeMember(membership, memberId), context, outbox)
  }
}

/** All topics that members want, by name, and whether some member has a pattern: it needs to know all that there are. */
export function topicsOfMembers(state: GroupsState): { readonly topics: Set<string>; readonly hasPattern: boolean } {
  const topics = new Set<string>()
  let hasPattern = false
  for (const { membership } of state.groups.values()) {
    for (const { wishes } of membership?.members.values() ?? []) {
      hasPattern ||= wishes.topicPattern !== null
      for (const topic of wishes.subscribedTopics) topics.add(topic)
    }
  }
  return { topics, hasPattern }
}

/** Partition counts are known, or have changed: groups whose members want them share them out anew. */
export function takeCounts(state: GroupsState, counts: ReadonlyMap<string, number>, context: Context, outbox: Outbox): void {
  for (const [topic, count] of counts) state.topics.set(topic, count)
  for (const group of state.groups.values()) {
    if (group.membership === null) continue
    const wanted = new Set([...group.membership.members.values()].flatMap(({ wishes }) => wishes.subscribedTopics))
    learnTopics(state, group, wanted)
    rouseMembers(group, context, outbox)
  }
}

/** Members hear at once that there is something for them: a rebalance takes messages, not heartbeats. */
export function rouseMembers({ membership }: Group, { uptime }: Context, outbox: Outbox): void {
  if (membership === null) return
  for (const { address, memberId } of membersToRouse(membership, uptime))
    if (address !== null) outbox.push({ kind: 'send', to: address, message: { kind: 'groupChanged', memberId } })
}

/** Describes a group as it is now; those that a former coordinator knew, and that have not come yet, are in it, and hold nothing. */
export function onDescribeGroup(state: GroupsState, request: MessageOf<'describeGroup'>, context: Context, outbox: Outbox): void {
  const group = state.groups.get(request.group)
  const classic = group !== undefined && (speaksClassic(group) || spokeClassic(group)) ? group.classic : null
  const members = [...(group?.membership?.members.values() ?? [])].map(({ memberId, wishes, epoch, assigned }) => ({
    memberId,
    instanceId: wishes.instanceId,
    memberEpoch: epoch,
    subscribedTopics: wishes.subscribedTopics,
    assignment: partitionsOf(assigned),
  }))
  outbox.push({
    kind: 'send',
    to: context.from,
    message: {
      kind: 'describeGroupResponse',
      correlationId: request.correlationId,
      errorCode: errorCodeOf(!isActive(state) ? 'COORDINATOR_LOAD_IN_PROGRESS' : group === undefined ? 'GROUP_ID_NOT_FOUND' : null),
      state: group === undefined ? 'empty' : stateNameOf(group),
      protocol: classic === null ? 'consumer' : 'classic',
      epoch: classic?.generationId ?? (group === undefined ? 0 : epochOf(group)),
      assignor: classic === null ? (group?.membership?.assignor ?? 'uniform') : (classic.protocolName ?? ''),
      members: [...(classic === null ? members : describeClassic(classic)), ...awaitedMembers(group)],
      offsets: [...(group?.offsets.values() ?? [])].map(({ topic, partition, offset, metadata }) => ({
        topic,
        partition,
        offset,
        metadata,
      })),
    },
  })
}

function awaitedMembers(group: Group | undefined): MemberDescription[] {
  const missing = [...(group?.roster?.missing ?? [])]
  const nothing = { memberEpoch: 0, subscribedTopics: [], assignment: [] }
  return missing.map(([memberId, { instanceId }]) => ({ memberId, instanceId, ...nothing }))
}

/** Lists the groups that have members or committed offsets. */
export function onListGroups(state: GroupsState, request: MessageOf<'listGroups'>, context: Context, outbox: Outbox): void {
  const there = [...state.groups.values()].filter((group) => hasMembers(group) || group.offsets.size > 0)
  const groups = there.map((group) => ({ group: group.id, state: stateNameOf(group) }))
  const { correlationId } = request
  const errorCode = errorCodeOf(isActive(state) ? null : 'COORDINATOR_LOAD_IN_PROGRESS')
  outbox.push({
    kind: 'send',
    to: context.from,
    message: { kind: 'listGroupsResponse', correlationId, errorCode, groups: groups.toSorted((a, b) => (a.group < b.group ? -1 : 1)) },
  })
}

function refusalOf(state: GroupsState, { group, topicPattern, assignor }: GroupHeartbeatRequest, { uptime }: Context): ErrorName | null {
  if (uptime >= state.leaseUntil) return 'NOT_COORDINATOR'
  if (!isActive(state)) return 'COORDINATOR_LOAD_IN_PROGRESS'
  const known = state.groups.get(group)
  if (known !== undefined && speaksClassic(known)) return 'INCONSISTENT_GROUP_PROTOCOL'
  if (topicPattern !== null && compilePattern(topicPattern) === null) return 'INVALID_REGULAR_EXPRESSION'
  return assignor === null || isAssignor(assignor) ? null : 'UNSUPPORTED_ASSIGNOR'
}

function answerHeartbeat(
  request: GroupHeartbeatRequest,
  to: Address,
  error: ErrorName | null,
  outbox: Outbox,
  memberEpoch = -1,
  assigned: ReadonlySet<string> = new Set(),
): false {
  outbox.push({ kind: 'send', to, message: heartbeatResponse(request, error, memberEpoch, assigned) })
  return false
}

function heartbeatResponse(
  { correlationId }: GroupHeartbeatRequest,
  error: ErrorName | null,
  memberEpoch: number,
  assigned: ReadonlySet<string> = new Set(),
): GroupHeartbeatResponse {
  const assignment = partitionsOf(assigned)
  return { kind: 'consumerGroupHeartbeatResponse', correlationId, errorCode: errorCodeOf(error), memberEpoch, assignment }
}

/** From the moment when the last member has gone the group is empty. */
function endMembership(state: GroupsState, group: Group, end: (membership: Membership) => unknown, context: Context, outbox: Outbox): void {
  if (group.membership === null) return
  const { members } = group.membership
  const before = members.size
  end(group.membership)
  strikeFormer(state, group, context, outbox)
  rouseMembers(group, context, outbox)
  if (members.size > 0 || before === 0) return
  group.emptySince = context.uptime
  dropIfGone(state, group)
}

/** Has the group share out the partitions of these topics, as far as they are known, and changed. */
function learnTopics(state: GroupsState, group: Group, topics: Iterable<string>): void {
  group.topics ??= new Map()
  let hasChanged = false
  for (const topic of topics) {
    const count = state.topics.get(topic)
    if (count === undefined || group.topics.get(topic) === count) continue
    group.topics.set(topic, count)
    hasChanged = true
  }
  if (!hasChanged) return
  const all = [...group.topics].toSorted(([a], [b]) => (a < b ? -1 : 1))
  setPartitions(
    membershipOf(state, group),
    all.flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => ({ topic, name: topicPartitionName(topic, partition) })),
    ),
  )
}
