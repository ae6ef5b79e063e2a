/**
 * What members of share groups ask: they acknowledge what they hold, and want more. Whoever finds nothing waits, until something ends, is released or times out.
 */
import {
  acknowledge,
  acquire,
  goesAlone,
  LOCK_PENDING,
  newSharePartition,
  raiseStart,
  releaseMember,
} from '../coordinator/share/share-partition.ts'
import type { Acquisition } from '../coordinator/share/share-partition.ts'
import type { Address } from '../protocol/address.ts'
import { codeOf } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { TopicMetadata } from '../protocol/messages/metadata.ts'
import { NONE } from '../protocol/errors.ts'
import { RECORD_LOCKS_MAX } from '../protocol/messages/share.ts'
import type { AcquiredRange, ShareAcknowledgement, ShareFetchRequest } from '../protocol/messages/share.ts'
import type { Context, Outbox } from './actor.ts'
import { topicOrAsk } from './leader-cache.ts'
import { endOf, watchEnd } from './shares-ends.ts'
import { answerMember, dropIfGone, noteChange, shareGroupOf, shareName } from './shares-state.ts'
import type { MemberRequest, PartitionEnd, Share, ShareGroup, ShareMember, SharesState } from './shares-state.ts'

/** Members of one share group, at most (Kafka's group.share.max.size): each is looked at whenever there may be something for somebody. */
const MEMBERS_MAX = 1000

/** What is so late is not on its way any more: who has left may be forgotten. */
const DEPARTED_MILLIS = 60_000

/** Of so many that have left it is known, of all groups of the partition; each takes a hundred bytes or two. */
const DEPARTED_MAX = 10_000

/** Takes a request; it is answered when what it says is written, and there is something for it, or its time is over. */
export function onShareFetch(state: SharesState, request: ShareFetchRequest, context: Context, outbox: Outbox): void {
  const group = shareGroupOf(state, request.group)
  const member = group.members.get(request.memberId)
  const known = member?.current
  if (member !== undefined && known !== undefined && request.sessionEpoch <= known.request.sessionEpoch) {
    member.heardAt = context.uptime
    return repeat(state, known, request, context, outbox)
  }
  const error = member === undefined && !request.leaves ? refusalOf(state, group, request) : null
  if (error !== null) {
    refuse(request.correlationId, error, context.from, outbox)
    return dropIfGone(state, group)
  }
  // A newer request ends the wait of the one before.
  if (known?.acquired === null) known.acquired = []
  const one = judge(state, group, request, context)
  state.waiting.push(one)
  if (!request.leaves) {
    group.members.set(request.memberId, { memberId: request.memberId, current: one, heardAt: context.uptime, turn: member?.turn ?? 0 })
    return
  }
  for (const share of group.partitions.values()) if (releaseMember(share, request.memberId)) one.change = noteChange(state, share)
  group.members.delete(request.memberId)
  dropIfGone(state, group)
  noteDeparture(state, request, context.uptime)
}

/** Why there is no new session for who is not in the group. An id is not used again: what one that has left says is what it said before, and comes late (SHARE_SESSION_NOT_FOUND). */
function refusalOf({ departed }: SharesState, { members }: ShareGroup, request: ShareFetchRequest): ErrorName | null {
  if (departed.has(departureName(request))) return 'SHARE_SESSION_NOT_FOUND'
  return members.size >= MEMBERS_MAX ? 'GROUP_MAX_SIZE_REACHED' : null
}

/** The oldest are forgotten, when they are old enough, or too many. */
function noteDeparture({ departed }: SharesState, request: ShareFetchRequest, uptime: number): void {
  departed.delete(departureName(request))
  departed.set(departureName(request), uptime)
  for (const [name, leftAt] of departed) {
    if (uptime - leftAt < DEPARTED_MILLIS && departed.size <= DEPARTED_MAX) break
    departed.delete(name)
  }
}

function departureName({ group, memberId }: ShareFetchRequest): string {
  return `${memberId}/${group}`
}

/** Whoever asks again wants the same answer. */
function repeat(state: SharesState, known: MemberRequest, request: ShareFetchRequest, { from, uptime }: Context, outbox: Outbox): void {
  const { correlationId, sessionEpoch } = request
  if (sessionEpoch < known.request.sessionEpoch) return refuse(correlationId, 'INVALID_SHARE_SESSION_EPOCH', from, outbox)
  known.from = from
  known.correlationId = correlationId
  known.arrivedAt = uptime
  if (known.isAnswered) answerMember(state, known, null, uptime, outbox)
}

/** Says no; nothing was done. */
export function refuse(correlationId: number, error: ErrorName, to: Address, outbox: Outbox): void {
  const about = { correlationId, errorCode: codeOf(error), reign: 0, waitedMillis: 0 }
  outbox.push({ kind: 'send', to, message: { kind: 'shareFetchResponse', ...about, acquired: [], refused: [] } })
}

function judge(state: SharesState, group: ShareGroup, request: ShareFetchRequest, { from, uptime }: Context): MemberRequest {
  const refused: ShareAcknowledgement[] = []
  let change = 0
  for (const one of request.acknowledgements) {
    const share = group.partitions.get(shareName(one))
    if (share !== undefined && acknowledge(share, one, request.memberId, uptime)) change = noteChange(state, share)
    else refused.push(one)
  }
  const { correlationId, maxRecords, maxWaitMillis, leaves } = request
  const acquired = maxRecords <= 0 || leaves ? [] : null
  // Whoever only asks whether it still has what it has may rely on the answer for a while: only a write can tell that nobody else is in charge.
  if (acquired !== null && change === 0) change = writeAnew(state, group, request.memberId)
  const times = { deadline: uptime + maxWaitMillis, arrivedAt: uptime, decidedAt: uptime }
  return { request, from, correlationId, acquired, refused, change, isAnswered: false, ...times }
}

/** Something that the member has is written once more; says which change that is, 0 if it has nothing. */
function writeAnew(state: SharesState, { partitions }: ShareGroup, memberId: string): number {
  const held = [...partitions.values()].find(({ ranges }) => ranges.some((range) => range.memberId === memberId))
  return held === undefined ? 0 : noteChange(state, held)
}

/** Gives records to those who wait for some, in the order in which they came; answers whoever has what it wants, or has waited long enough, once it is written. */
export function serveWaiting(state: SharesState, context: Context, outbox: Outbox): void {
  for (const one of state.waiting) if (one.acquired === null) serve(state, one, context, outbox)
}

/** Answers what is written; whoever is told so when another may be in charge hears nothing but that. */
export function answerWritten(state: SharesState, { uptime }: Context, outbox: Outbox): void {
  const error = uptime < state.leaseUntil ? null : 'NOT_COORDINATOR'
  const isReady = (one: MemberRequest): boolean => one.acquired !== null && one.change <= state.writtenCount
  for (const one of state.waiting) if (isReady(one)) answerMember(state, one, error, uptime, outbox)
  state.waiting = state.waiting.filter((one) => !one.isAnswered)
}

function serve(state: SharesState, one: MemberRequest, context: Context, outbox: Outbox): void {
  const { request, deadline } = one
  const group = state.groups.get(request.group)
  const member = group?.members.get(request.memberId)
  const acquired: AcquiredRange[] = []
  const isFree = context.uptime >= state.trustUntil
  if (isFree && group !== undefined && member?.current === one) acquired.push(...acquireFor(state, group, member, context, outbox))
  if (acquired.length > 0) {
    one.acquired = acquired
    one.decidedAt = context.uptime
  } else if (context.uptime >= deadline) one.acquired = []
}

function acquireFor(state: SharesState, group: ShareGroup, member: ShareMember, context: Context, outbox: Outbox): AcquiredRange[] {
  const { request } = member.current
  const topics = request.topics.flatMap(
    (topic) => topicOrAsk(state.leaders, topic, state.nextCorrelationId++, context.uptime, outbox) ?? [],
  )
  const ends = topics.flatMap((topic) =>
    topic.errorCode === NONE ? topic.partitions.map(({ partition }) => endOf(state, topic, partition, request.isolationLevel)) : [],
  )
  const found: AcquiredRange[] = []
  let left = request.maxRecords
  for (let i = 0; i < ends.length && left > 0; i++) {
    const end = ends[(i + member.turn) % ends.length]
    const share = end === undefined ? null : shareOf(state, group, end, topics, request)
    if (share === null || end === undefined) continue
    const taken = acquireFrom(state, share, end, member, { countMax: left, hasOthers: found.length > 0 })
    const isAlone = taken.some((one) => goesAlone(one, request.deliveryCountLimit))
    left = isAlone ? 0 : left - taken.reduce((sum, { first, last }) => sum + last - first + 1, 0)
    found.push(...taken)
  }
  member.turn++
  for (const end of ends) if (found.length === 0 || end.endOffset < 0) watchEnd(state, end, context, outbox)
  return found
}

function acquireFrom(
  state: SharesState,
  share: Share,
  { endOffset }: PartitionEnd,
  member: ShareMember,
  room: Pick<Acquisition, 'countMax' | 'hasOthers'>,
): AcquiredRange[] {
  const { current: one, memberId } = member
  const { deliveryCountLimit } = one.request
  const { startOffset } = share
  const wanted = { memberId, lockUntil: LOCK_PENDING, deliveryCountLimit, ...room, endOffset, windowMax: RECORD_LOCKS_MAX }
  const ranges = acquire(share, wanted)
  if (ranges.length > 0 || share.startOffset !== startOffset) one.change = noteChange(state, share)
  const { topic, topicId, partition } = share
  return ranges.map(({ first, last, deliveryCount }) => ({ topic, topicId, partition, first, last, deliveryCount }))
}

/** The share partition, begun if the group has not been there; null while nobody knows where. */
function shareOf(
  state: SharesState,
  group: ShareGroup,
  end: PartitionEnd,
  topics: readonly TopicMetadata[],
  { reset }: ShareFetchRequest,
): Share | null {
  const { topic, topicId, partition, endOffset, logStartOffset, endEpoch } = end
  const known = group.partitions.get(shareName(end))
  if (endOffset < 0 || (known !== undefined && endEpoch < known.leaderEpoch)) return null
  if (known !== undefined) {
    // The log of shares may say less than is known already of where the records begin, when it is read anew.
    if (raiseStart(known, logStartOffset)) noteChange(state, known)
    return known
  }
  const hasRead = [...group.partitions.values()].some((one) => one.topicId === topicId)
  const count = topics.find((one) => one.topicId === topicId)?.partitions.length ?? 0
  if (!group.firstCounts.has(topicId)) group.firstCounts.set(topicId, hasRead ? 0 : count)
  const isFirst = partition < (group.firstCounts.get(topicId) ?? 0)
  const startOffset = isFirst && reset === 'latest' ? endOffset : logStartOffset
  const share: Share = { ...newSharePartition(startOffset), group: group.id, topic, topicId, partition, leaderEpoch: endEpoch }
  group.partitions.set(shareName(share), share)
  noteChange(state, share)
  return share
}
