/**
 * A consumer as a member of a classic group: what it makes of the answers. Eager assignors have it let go of everything before it joins again; the cooperative one has it keep what
 * it has, and join once more when it has let go of what went to others (KIP-429). What it asks is in consumer-classic-requests.ts; everything that does not depend on how a
 * group is spoken with is in consumer-group.ts.
 *
 * It counts itself as lost before the group can have given its partitions away: its session time-out after the last request that the group has taken, and its
 * rebalance time-out after the last one that the group has taken while it was not waiting for this member.
 */
import { errorOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { JoinGroupResponse, SyncGroupResponse } from '../protocol/messages/classic-group.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { matchingTopics } from '../protocol/topic-pattern.ts'
import { decodeAssignment, decodeSubscription } from '../coordinator/groups/classic/consumer-protocol.ts'
import { namesOf } from '../coordinator/groups/names.ts'
import type { Context, Outbox } from './actor.ts'
import { adopt, beginRejoin, lose } from './consumer-group.ts'
import { onFarewellAnswer, onRequestRefused } from './consumer-heartbeat.ts'
import { giveBack, wantedTopics } from './consumer-classic-requests.ts'
import { countsText, share } from './consumer-classic-state.ts'
import type { ClassicMembership } from './consumer-classic-state.ts'
import { heartbeatMillis, isSubscribed, wakeAt } from './consumer-state.ts'
import type { ConsumerState, GroupMembership } from './consumer-state.ts'

/** How often a leader looks whether there are other topics, or more partitions. */
const REFRESH_MILLIS = 1000

/** What a classic group answers. */
export type ClassicAnswer = MessageOf<'joinGroupResponse' | 'syncGroupResponse' | 'heartbeatResponse' | 'leaveGroupResponse'>

/** Takes what the group answers, if it answers the newest request. */
export function onClassicAnswer(state: ConsumerState, message: ClassicAnswer, context: Context, outbox: Outbox): void {
  const { membership } = state
  const { classic } = membership
  if (classic === null) return
  // An older one may speak of a generation that is over.
  if (message.correlationId !== membership.correlationId) return onLateAnswer(state, classic, message, context, outbox)
  membership.correlationId = -1
  if (membership.step === 'leaving') return onFarewellAnswer(state, message.errorCode, context, outbox)
  if (message.errorCode !== NONE) return onRefused(state, classic, message, context, outbox)
  membership.aliveAt = membership.sentAt
  classic.steadyAt = membership.sentAt
  if (message.kind === 'joinGroupResponse') onJoined(state, classic, message, context)
  else if (message.kind === 'syncGroupResponse') onSynced(state, classic, message, context, outbox)
  else onBeaten(state, context)
  wakeAt(state, membership.dueAt, context, outbox)
}

/** An answer that comes late may still bring a member id: that of the newest request to join is taken, another one is given back. */
function onLateAnswer(state: ConsumerState, classic: ClassicMembership, message: ClassicAnswer, { from }: Context, outbox: Outbox): void {
  const { membership } = state
  noteJoinTaken(state, classic, message)
  if (message.kind !== 'joinGroupResponse' || errorOf(message.errorCode).name !== 'MEMBER_ID_REQUIRED') return
  // It comes again: that is who this member is.
  if (message.memberId === membership.memberId) return
  if (message.correlationId !== classic.joinId || membership.memberId !== '') return giveBack(state, [message.memberId], from, outbox)
  membership.memberId = message.memberId
  membership.mayBeKnown = true
}

/** The group answers the former request to join when it has the newest: then it will wait for nothing more of this member. */
function noteJoinTaken({ membership }: ConsumerState, classic: ClassicMembership, message: ClassicAnswer): void {
  if (message.correlationId !== classic.formerJoinId || errorOf(message.errorCode).name !== 'REBALANCE_IN_PROGRESS') return
  membership.aliveAt = Math.max(membership.aliveAt, classic.joinSentAt)
  classic.steadyAt = Math.max(classic.steadyAt, classic.joinSentAt)
}

function onJoined({ membership }: ConsumerState, classic: ClassicMembership, message: JoinGroupResponse, { uptime }: Context): void {
  const { memberId, leader, generationId, protocolName, members, skipAssignment } = message
  membership.memberId = memberId
  membership.memberEpoch = generationId
  membership.refusal = null
  membership.dueAt = uptime
  classic.formerMemberIds = []
  classic.protocolName = protocolName
  classic.isFenced = false
  classic.leader = leader
  classic.isLeader = leader === memberId
  classic.assignments = []
  classic.sharedBy = null
  classic.members = members.flatMap((one) => {
    const subscription = decodeSubscription(one.metadata)
    return subscription === null ? [] : [{ memberId: one.memberId, instanceId: one.instanceId, subscription }]
  })
  classic.phase = classic.isLeader && !skipAssignment ? 'sharing' : 'syncing'
  if (!classic.isLeader) return
  // What was asked before may not know the topics of all members.
  classic.topics.correlationId = -1
  classic.topics.dueAt = uptime
}

function onSynced(
  state: ConsumerState,
  classic: ClassicMembership,
  { assignment }: SyncGroupResponse,
  context: Context,
  outbox: Outbox,
): void {
  const { membership } = state
  const { partitions, userData } = decodeAssignment(assignment) ?? { partitions: [], userData: null }
  classic.phase = 'stable'
  classic.last = { partitions, generationId: membership.memberEpoch }
  if (classic.isLeader && classic.sharedBy === null && userData !== null) classic.sharedBy = new TextDecoder().decode(userData)
  membership.dueAt = context.uptime + (membership.isRoused ? 0 : heartbeatMillis(state))
  membership.isRoused = false
  const given = isSubscribed(state) ? namesOf(partitions) : new Set<string>()
  const isToGiveUp = [...state.partitions.keys()].some((name) => !given.has(name))
  adopt(state, given, context, outbox)
  // What it wants may have changed since it asked to join: the group knows the former wish.
  const isOther = wantedTopics(membership, classic).join() !== classic.joinTopics.join()
  if ((isToGiveUp || isOther) && isSubscribed(state)) beginRejoin(state, context, outbox)
}

function onBeaten(state: ConsumerState, { uptime }: Context): void {
  const { membership } = state
  membership.dueAt = uptime + (membership.isRoused ? 0 : heartbeatMillis(state))
  membership.isRoused = false
}

// ── refusals ──

function onRefused(state: ConsumerState, classic: ClassicMembership, message: ClassicAnswer, context: Context, outbox: Outbox): void {
  const { membership } = state
  const error: ErrorName = errorOf(message.errorCode).name
  switch (error) {
    case 'MEMBER_ID_REQUIRED':
      if (message.kind === 'joinGroupResponse') membership.memberId = message.memberId
      classic.formerMemberIds = []
      membership.dueAt = context.uptime
      return wakeAt(state, membership.dueAt, context, outbox)
    case 'REBALANCE_IN_PROGRESS':
      membership.aliveAt = membership.sentAt
      if (classic.phase !== 'joining') beginRejoin(state, context, outbox)
      // Still letting go: the group hears meanwhile that it lives.
      else membership.dueAt = context.uptime + heartbeatMillis(state)
      return wakeAt(state, membership.dueAt, context, outbox)
    case 'UNKNOWN_MEMBER_ID':
      if (membership.memberId !== '') classic.formerMemberIds.push(membership.memberId)
      membership.memberId = ''
      membership.mayBeKnown = false
      return lose(state, context, outbox)
    case 'ILLEGAL_GENERATION':
      return lose(state, context, outbox)
    case 'FENCED_INSTANCE_ID':
      classic.isFenced = true
      return fence(state, message.errorCode, context, outbox)
    default:
      if (membership.memberId === '') membership.mayBeKnown = false
      if (classic.phase === 'syncing' && !errorOf(message.errorCode).retriable) classic.phase = 'joining'
      return onRequestRefused(state, message.errorCode, context, outbox)
  }
}

/** Another consumer has its instance id: that one is meant to go on, and this one is done, until its application subscribes again. */
function fence(state: ConsumerState, errorCode: number, context: Context, outbox: Outbox): void {
  const { membership } = state
  lose(state, context, outbox)
  membership.memberId = ''
  membership.topics = []
  membership.topicPattern = null
  onRequestRefused(state, errorCode, context, outbox)
}

// ── topics ──

/** The coordinator of the cluster says which topics there are, and how many partitions they have. */
export function onTopicCounts(state: ConsumerState, response: MessageOf<'metadataResponse'>, context: Context, outbox: Outbox): void {
  const { membership } = state
  const { classic } = membership
  if (classic === null || response.correlationId !== classic.topics.correlationId) return
  const { topics } = classic
  topics.correlationId = -1
  topics.dueAt = context.uptime + REFRESH_MILLIS
  if (response.metadataOffset < topics.metadataOffset) return
  topics.metadataOffset = response.metadataOffset
  const counts = new Map(response.topics.map(({ topic, partitions }) => [topic, partitions.length]))
  const hasOthers = takeMatching(membership, topics, counts)
  if (classic.phase === 'joining') membership.dueAt = Math.min(membership.dueAt, context.uptime)
  if (classic.phase === 'sharing') {
    const { assignments, sharedBy } = share(classic, counts)
    classic.assignments = assignments
    classic.sharedBy = sharedBy
    classic.phase = 'syncing'
    membership.dueAt = context.uptime
  }
  if (classic.phase === 'stable' && (hasOthers || isOutdated(classic, counts))) beginRejoin(state, context, outbox)
}

/** Who was asked for topics is not there, or not in charge: another one is asked, after a pause. False: that was not the question. */
export function onTopicsRefused({ membership: { classic }, config }: ConsumerState, correlationId: number, { uptime }: Context): boolean {
  if (classic === null || correlationId !== classic.topics.correlationId) return false
  classic.topics.correlationId = -1
  classic.topics.dueAt = uptime + config.retryBackoffMillis
  return true
}

/** The leader has shared out by other counts than these, or not everything. */
function isOutdated(classic: ClassicMembership, counts: ReadonlyMap<string, number>): boolean {
  if (!classic.isLeader) return false
  const now = countsText(classic.members, counts)
  // A leader of another kind shared out, and did not say by what.
  classic.sharedBy ??= now
  return classic.sharedBy !== now
}

/** Whether other topics match its pattern than before. */
function takeMatching(
  { topicPattern }: GroupMembership,
  topics: ClassicMembership['topics'],
  counts: ReadonlyMap<string, number>,
): boolean {
  if (topicPattern === null) return false
  const former = topics.matching
  const there = [...counts].filter(([, count]) => count > 0).map(([topic]) => topic)
  topics.matching = matchingTopics(topicPattern, there).toSorted()
  return former !== null && former.join() !== topics.matching.join()
}
