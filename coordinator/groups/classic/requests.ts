/**
 * What members of a classic group may ask beside joining it: what they are given (SyncGroup), whether all is as before (Heartbeat), and to leave. Who is in another
 * generation than the present one, or in none, changes nothing.
 */
import { codeOf, NONE } from '../../../protocol/errors.ts'
import type { ErrorName } from '../../../protocol/errors.ts'
import type { LeaveGroupRequest, LeaveGroupResponse, LeavingMember, SyncGroupRequest } from '../../../protocol/messages/classic-group.ts'
import { staticMemberOf, synced, syncRefusal } from './classic-group.ts'
import type { Answer, ClassicGroup, ClassicMember, Waiter } from './classic-group.ts'
import { completeIfAllJoined, removeClassicMember, shareOut } from './rebalance.ts'

/** Who asks. */
interface Asking {
  readonly memberId: string
  readonly instanceId: string | null
  readonly generationId: number
}

/** Takes a request for an assignment, and from the leader those of all. */
export function takeSync(group: ClassicGroup, request: SyncGroupRequest, waiter: Waiter, uptime: number): Answer[] {
  const member = memberOf(group, request)
  const refusal = refuseSync(group, request, member)
  if (typeof member === 'string' || refusal !== null) return [syncRefusal(waiter, refusal ?? 'UNKNOWN_MEMBER_ID')]
  member.hasSynced = true
  member.expiresAt = uptime + member.sessionTimeoutMillis
  if (group.state === 'stable') return [synced(group, waiter, member.assignment)]
  member.sync = waiter
  const answers: Answer[] = []
  if (member.memberId === group.leader) {
    const assignments = new Map(request.assignments.map(({ memberId, assignment }) => [memberId, assignment]))
    shareOut(group, assignments, uptime, answers)
  }
  return answers
}

function refuseSync(group: ClassicGroup, request: SyncGroupRequest, member: ClassicMember | ErrorName): ErrorName | null {
  if (typeof member === 'string') return member
  if (request.generationId !== group.generationId) return 'ILLEGAL_GENERATION'
  const { protocolType, protocolName } = request
  if (protocolType !== null && protocolType !== group.protocolType) return 'INCONSISTENT_GROUP_PROTOCOL'
  if (protocolName !== null && protocolName !== group.protocolName) return 'INCONSISTENT_GROUP_PROTOCOL'
  return group.state === 'preparing-rebalance' ? 'REBALANCE_IN_PROGRESS' : null
}

/** Takes a heartbeat; null: all is as before. */
export function takeClassicHeartbeat(group: ClassicGroup, asking: Asking, uptime: number): ErrorName | null {
  const member = memberOf(group, asking)
  if (typeof member === 'string') return member
  if (asking.generationId !== group.generationId) return 'ILLEGAL_GENERATION'
  member.expiresAt = uptime + member.sessionTimeoutMillis
  return group.state === 'preparing-rebalance' ? 'REBALANCE_IN_PROGRESS' : null
}

/** Members leave for good; one answer for each, beside what others are told. */
export function takeLeave(
  group: ClassicGroup,
  request: LeaveGroupRequest,
  uptime: number,
): { readonly answers: Answer[]; readonly members: LeaveGroupResponse['members'] } {
  const answers: Answer[] = []
  const members = request.members.map((one) => {
    const error = leave(group, one, uptime, answers)
    return { ...one, errorCode: error === null ? NONE : codeOf(error) }
  })
  return { answers, members }
}

function leave(group: ClassicGroup, { memberId, instanceId }: LeavingMember, uptime: number, answers: Answer[]): ErrorName | null {
  if (group.pending.delete(memberId)) {
    completeIfAllJoined(group, uptime, answers)
    return null
  }
  const member = memberId === '' ? (staticMemberOf(group, instanceId) ?? 'UNKNOWN_MEMBER_ID') : memberOf(group, { memberId, instanceId })
  if (typeof member === 'string') return member
  removeClassicMember(group, member, uptime, answers)
  return null
}

/**
 * Why a member may not commit these (names of partitions); null: it may. A transaction may commit while the leader shares out, for its generation is known (KIP-447). Kafka does not
 * look who holds what: there, a member may commit for what others hold.
 */
export function refuseClassicCommit(
  group: ClassicGroup,
  asking: Omit<Asking, 'instanceId'>,
  names: readonly string[],
  isTransactional: boolean,
): ErrorName | null {
  if (!group.members.has(asking.memberId)) return isReplaced(group, asking.memberId) ? 'FENCED_INSTANCE_ID' : 'UNKNOWN_MEMBER_ID'
  if (asking.generationId !== group.generationId) return 'ILLEGAL_GENERATION'
  if (group.state === 'completing-rebalance' && !isTransactional) return 'REBALANCE_IN_PROGRESS'
  return names.some((name) => (group.holders.get(name) ?? asking.memberId) !== asking.memberId) ? 'FENCED_MEMBER_EPOCH' : null
}

/** Another member has come under its instance id. */
function isReplaced({ members }: ClassicGroup, memberId: string): boolean {
  for (const { replacedIds } of members.values()) if (replacedIds.includes(memberId)) return true
  return false
}

function memberOf(group: ClassicGroup, { memberId, instanceId }: Omit<Asking, 'generationId'>): ClassicMember | ErrorName {
  const holder = staticMemberOf(group, instanceId)
  if (holder !== null && holder.memberId !== memberId) return 'FENCED_INSTANCE_ID'
  return group.members.get(memberId) ?? 'UNKNOWN_MEMBER_ID'
}
