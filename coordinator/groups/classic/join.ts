/**
 * Who may join a classic group, and what that does to it (Kafka's classicGroupJoin). A member that is new waits for the next generation; one that is known begins one when it
 * leads, or says something else of itself than before; a static member that comes back with another member id goes on where it was, and fences who had that name.
 */
import type { ErrorName } from '../../../protocol/errors.ts'
import type { JoinGroupProtocol, JoinGroupRequest } from '../../../protocol/messages/classic-group.ts'
import { chooseProtocol, joined, joinRefusal, staticMemberOf, supportsProtocols, syncRefusal } from './classic-group.ts'
import type { Answer, ClassicGroup, ClassicMember, Waiter } from './classic-group.ts'
import { completeIfAllJoined, prepareRebalance, waitForMore } from './rebalance.ts'

/** Members of one group, at most. */
const MEMBERS_MAX = 10_000

/** Protocols of one member, at most; each says what it is in as many bytes. */
const PROTOCOLS_MAX = 16
const METADATA_BYTES_MAX = 1_048_576

/** Members that are told that another one has their place, at most, the last ones: a commit says who it is, and not what its instance id was. */
const REPLACED_MAX = 100

/** Takes a request to join; `newMemberId` is for who has none yet, and is given once only. */
export function takeJoin(group: ClassicGroup, request: JoinGroupRequest, waiter: Waiter, newMemberId: string, uptime: number): Answer[] {
  const known = group.members.get(request.memberId)
  const refusal = refuseJoin(group, request, known)
  if (refusal !== null) return [joinRefusal(waiter, refusal, request.memberId)]
  if (group.members.size === 0) group.protocolType = request.protocolType
  if (known !== undefined) return rejoin(group, known, request, waiter, uptime)
  if (request.memberId !== '') {
    group.pending.delete(request.memberId)
    return admit(group, request.memberId, request, waiter, uptime)
  }
  const former = staticMemberOf(group, request.instanceId)
  if (former !== null) return replace(group, former, newMemberId, request, waiter, uptime)
  if (!request.requiresKnownMemberId || request.instanceId !== null) return admit(group, newMemberId, request, waiter, uptime)
  group.pending.set(newMemberId, uptime + request.sessionTimeoutMillis)
  return [joinRefusal(waiter, 'MEMBER_ID_REQUIRED', newMemberId)]
}

/** Whether the request would make somebody a member that is none. */
export function admitsMember(group: ClassicGroup, request: JoinGroupRequest): boolean {
  const { memberId, instanceId, requiresKnownMemberId } = request
  const known = group.members.get(memberId)
  if (known !== undefined || refuseJoin(group, request, known) !== null) return false
  return memberId !== '' || instanceId !== null || !requiresKnownMemberId
}

function refuseJoin(group: ClassicGroup, request: JoinGroupRequest, known: ClassicMember | undefined): ErrorName | null {
  const { memberId, instanceId, protocolType, protocols } = request
  const former = staticMemberOf(group, instanceId)
  const isTooMuch = protocols.length > PROTOCOLS_MAX || protocols.some(({ metadata }) => metadata.length > METADATA_BYTES_MAX)
  if (protocolType === '' || protocols.length === 0 || isTooMuch) return 'INCONSISTENT_GROUP_PROTOCOL'
  if (group.members.size > 0 && protocolType !== group.protocolType) return 'INCONSISTENT_GROUP_PROTOCOL'
  if (!supportsProtocols(group, protocols, known ?? former)) return 'INCONSISTENT_GROUP_PROTOCOL'
  if (memberId !== '' && former !== null && former.memberId !== memberId) return 'FENCED_INSTANCE_ID'
  if (memberId !== '' && known === undefined && !group.pending.has(memberId)) return 'UNKNOWN_MEMBER_ID'
  if (known !== undefined && known.instanceId !== instanceId) return 'UNKNOWN_MEMBER_ID'
  const isOneMore = known === undefined && former === null && !group.pending.has(memberId)
  return isOneMore && group.members.size + group.pending.size >= MEMBERS_MAX ? 'GROUP_MAX_SIZE_REACHED' : null
}

/** A member that was none before. */
function admit(group: ClassicGroup, memberId: string, request: JoinGroupRequest, waiter: Waiter, uptime: number): Answer[] {
  const member = newMember(memberId, request, waiter, uptime)
  group.members.set(memberId, member)
  if (group.leader === '') group.leader = memberId
  const answers: Answer[] = []
  if (group.state === 'preparing-rebalance') waitForMore(group, uptime)
  prepareRebalance(group, uptime, answers)
  return answers
}

function newMember(memberId: string, request: JoinGroupRequest, waiter: Waiter, uptime: number): ClassicMember {
  const { instanceId, sessionTimeoutMillis, rebalanceTimeoutMillis, protocols } = request
  return {
    memberId,
    instanceId,
    replacedIds: [],
    sessionTimeoutMillis,
    rebalanceTimeoutMillis,
    protocols,
    assignment: '',
    join: waiter,
    sync: null,
    hasSynced: false,
    expiresAt: uptime + sessionTimeoutMillis,
    address: waiter.from,
    lastCommitId: -1,
    lastRequestId: request.correlationId,
  }
}

/** A member joins again. The answer to its first request may have been lost: then it has the same once more. */
function rejoin(group: ClassicGroup, member: ClassicMember, request: JoinGroupRequest, waiter: Waiter, uptime: number): Answer[] {
  const answers: Answer[] = []
  // The earlier request is answered, too: so the member knows that the later one is here.
  if (member.join !== null) answers.push(joinRefusal(member.join, 'REBALANCE_IN_PROGRESS', member.memberId))
  const isSame = sameProtocols(member.protocols, request.protocols)
  const begins = group.state === 'stable' && member.memberId === group.leader
  if (group.state !== 'preparing-rebalance' && isSame && !begins) {
    member.expiresAt = uptime + member.sessionTimeoutMillis
    answers.push(joined(group, waiter, member.memberId))
    return answers
  }
  update(member, request, waiter)
  if (group.state === 'preparing-rebalance') completeIfAllJoined(group, uptime, answers)
  else prepareRebalance(group, uptime, answers)
  return answers
}

/** A static member is back in another life: only who has its name now is heard. Nobody else notices, unless the group would speak another protocol (KIP-345). */
function replace(
  group: ClassicGroup,
  former: ClassicMember,
  memberId: string,
  request: JoinGroupRequest,
  waiter: Waiter,
  uptime: number,
): Answer[] {
  const answers: Answer[] = []
  if (former.join !== null) answers.push(joinRefusal(former.join, 'FENCED_INSTANCE_ID', former.memberId))
  if (former.sync !== null) answers.push(syncRefusal(former.sync, 'FENCED_INSTANCE_ID'))
  const isLeader = group.leader === former.memberId
  const { correlationId } = request
  const replacedIds = [...former.replacedIds, former.memberId].slice(-REPLACED_MAX)
  const member: ClassicMember = { ...former, memberId, replacedIds, sync: null, join: null, lastCommitId: -1, lastRequestId: correlationId }
  // In its place, so that the order of members stays.
  const members = [...group.members.values()].map((one) => (one === former ? member : one))
  group.members.clear()
  for (const one of members) group.members.set(one.memberId, one)
  for (const [name, holder] of group.holders) if (holder === former.memberId) group.holders.set(name, memberId)
  if (isLeader) group.leader = memberId
  update(member, request, waiter)
  member.expiresAt = uptime + member.sessionTimeoutMillis
  if (group.state === 'stable' && chooseProtocol(group) === group.protocolName) {
    member.join = null
    // A leader that cannot be told to leave the assignment alone is told that another one leads.
    if (isLeader && !request.supportsSkippingAssignment) answers.push(asFollower(group, waiter, memberId, former.memberId))
    else answers.push(joined(group, waiter, memberId, isLeader))
    return answers
  }
  if (group.state === 'preparing-rebalance') completeIfAllJoined(group, uptime, answers)
  else prepareRebalance(group, uptime, answers)
  return answers
}

function asFollower(group: ClassicGroup, waiter: Waiter, memberId: string, leader: string): Answer {
  return joined({ ...group, leader }, waiter, memberId)
}

function update(member: ClassicMember, request: JoinGroupRequest, waiter: Waiter): void {
  member.protocols = request.protocols
  member.sessionTimeoutMillis = request.sessionTimeoutMillis
  member.rebalanceTimeoutMillis = request.rebalanceTimeoutMillis
  member.address = waiter.from
  member.join = waiter
}

function sameProtocols(a: readonly JoinGroupProtocol[], b: readonly JoinGroupProtocol[]): boolean {
  return a.length === b.length && a.every(({ name, metadata }, i) => b[i]?.name === name && b[i].metadata === metadata)
}
