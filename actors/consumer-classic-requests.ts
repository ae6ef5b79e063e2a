/**
 * What a consumer asks as a member of a classic group, one request at a time: to join, what it is given, whether all is as before, to leave; and beside that, of the
 * coordinator of the cluster, which topics there are. consumer-classic.ts takes the answers.
 *
 * What the group does not answer at once is asked again at the pace of heartbeats: so the group's address stays true, and the member knows that it is one.
 */
import { groupsActor } from '../protocol/address.ts'
import type { Address } from '../protocol/address.ts'
import type { Message } from '../protocol/messages/message.ts'
import { CONSUMER_PROTOCOL_TYPE } from '../protocol/messages/classic-group.ts'
import { topicsOf } from '../coordinator/groups/classic/assignors.ts'
import { partitionsOf } from '../coordinator/groups/names.ts'
import type { Context, Outbox } from './actor.ts'
import { protocolsOf } from './consumer-classic-state.ts'
import type { ClassicMembership } from './consumer-classic-state.ts'
import { beginRequest } from './consumer-group-requests.ts'
import { heartbeatMillis, isSubscribed, wakeAt } from './consumer-state.ts'
import type { ConsumerState } from './consumer-state.ts'
import { coordinatorOf, nextCoordinator } from './coordinator-finder.ts'
import { SILENCE_MILLIS } from './leader-cache.ts'

/** Says what is to be said next. */
export function talkClassic(state: ConsumerState, classic: ClassicMembership, context: Context, outbox: Outbox): void {
  const { membership } = state
  switch (classic.phase) {
    case 'joining':
      if (mayJoin(state, classic)) return sendJoin(state, classic, context, outbox)
      if (membership.memberEpoch > 0) return sendClassicHeartbeat(state, context, outbox)
      return waitForTopics(state, context)
    case 'sharing':
      return waitForTopics(state, context)
    case 'syncing':
      return sendSync(state, classic, context, outbox)
    case 'stable':
      return sendClassicHeartbeat(state, context, outbox)
  }
}

/** It has let go of what others may get in the next generation, and knows what it wants. */
function mayJoin(state: ConsumerState, { isCooperative, topics }: ClassicMembership): boolean {
  const { partitions, membership } = state
  if (!isSubscribed(state) || (membership.topicPattern !== null && topics.matching === null)) return false
  return isCooperative ? ![...partitions.values()].some(({ phase }) => phase === 'revoking') : partitions.size === 0
}

/** What it would name if it joined now. */
export function wantedTopics({ topics }: ConsumerState['membership'], classic: ClassicMembership): string[] {
  return [...new Set([...topics, ...(classic.topics.matching ?? [])])]
}

/** The answer says that it can go on. */
function waitForTopics({ membership, config }: ConsumerState, { uptime }: Context): void {
  membership.dueAt = uptime + config.requestTimeoutMillis
}

function sendJoin(state: ConsumerState, classic: ClassicMembership, context: Context, outbox: Outbox): void {
  const { membership, config, partitions } = state
  membership.lost = false
  giveBackFormer(state, outbox)
  const correlationId = beginParked(state, context, outbox)
  classic.formerJoinId = classic.joinId
  classic.joinId = correlationId
  classic.joinSentAt = context.uptime
  const generationId = membership.memberEpoch > 0 ? membership.memberEpoch : -1
  classic.joinTopics = wantedTopics(membership, classic)
  send(state, outbox, {
    kind: 'joinGroup',
    correlationId,
    group: config.group ?? '',
    clientId: config.memberId,
    sessionTimeoutMillis: config.sessionTimeoutMillis,
    rebalanceTimeoutMillis: config.rebalanceTimeoutMillis,
    memberId: membership.memberId,
    instanceId: config.instanceId,
    protocolType: CONSUMER_PROTOCOL_TYPE,
    protocols: protocolsOf(classic, classic.joinTopics, partitionsOf(partitions.keys()), generationId),
    requiresKnownMemberId: true,
    supportsSkippingAssignment: true,
  })
}

function sendSync(state: ConsumerState, classic: ClassicMembership, context: Context, outbox: Outbox): void {
  const { memberId, memberEpoch } = state.membership
  send(state, outbox, {
    kind: 'syncGroup',
    correlationId: beginParked(state, context, outbox),
    group: state.config.group ?? '',
    generationId: memberEpoch,
    memberId,
    instanceId: state.config.instanceId,
    protocolType: CONSUMER_PROTOCOL_TYPE,
    protocolName: classic.protocolName,
    assignments: classic.assignments,
  })
}

function sendClassicHeartbeat(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { memberId, memberEpoch } = state.membership
  const { instanceId, group } = state.config
  const correlationId = beginRequest(state, context, outbox)
  send(state, outbox, { kind: 'heartbeat', correlationId, group: group ?? '', generationId: memberEpoch, memberId, instanceId })
}

/** Leaves for good; static members do not (KIP-345): they may come back. */
export function sendClassicLeave(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { memberId } = state.membership
  state.membership.step = 'leaving'
  const correlationId = beginRequest(state, context, outbox)
  send(state, outbox, { kind: 'leaveGroup', correlationId, group: state.config.group ?? '', members: [{ memberId, instanceId: null }] })
}

/** A request that the group answers when others have made theirs. Asked again too soon, it would be answered when nobody waits for that answer any more. */
function beginParked(state: ConsumerState, context: Context, outbox: Outbox): number {
  const { requestTimeoutMillis, sessionTimeoutMillis } = state.config
  const correlationId = beginRequest(state, context, outbox)
  const pace = Math.max(heartbeatMillis(state), Math.min(SILENCE_MILLIS, Math.floor(sessionTimeoutMillis / 3)))
  state.membership.timeoutAt = context.uptime + Math.min(requestTimeoutMillis, pace)
  wakeAt(state, state.membership.timeoutAt, context, outbox)
  return correlationId
}

/** Nobody will join under these member ids: the group, at `to`, need not wait for them. */
export function giveBack(state: ConsumerState, memberIds: readonly string[], to: Address, outbox: Outbox): void {
  const correlationId = state.nextCorrelationId++
  const members = memberIds.map((memberId) => ({ memberId, instanceId: null }))
  outbox.push({ kind: 'send', to, message: { kind: 'leaveGroup', correlationId, group: state.config.group ?? '', members } })
}

/** A coordinator that has followed another one hears that nobody need be waited for who this member was. Whoever does not join again says it once. */
export function giveBackFormer(state: ConsumerState, outbox: Outbox): void {
  const { classic, node } = state.membership
  if (classic === null || classic.formerMemberIds.length === 0 || node < 0) return
  giveBack(state, classic.formerMemberIds, groupOf(state), outbox)
  if (!isSubscribed(state) || state.closing >= 0) classic.formerMemberIds = []
}

function send(state: ConsumerState, outbox: Outbox, message: Message): void {
  state.membership.mayBeKnown = true
  outbox.push({ kind: 'send', to: groupOf(state), message })
}

function groupOf({ membership }: ConsumerState): Address {
  return { node: membership.node, actor: groupsActor(membership.partition) }
}

// ── topics ──

/** Asks which topics there are, whenever that is due. */
export function watchTopics(state: ConsumerState, classic: ClassicMembership, context: Context, outbox: Outbox): void {
  const { topics } = classic
  const { coordinators } = state.leaders
  if (!needsTopics(state, classic)) return
  if (topics.correlationId >= 0) {
    if (context.uptime < topics.timeoutAt) return wakeAt(state, topics.timeoutAt, context, outbox)
    nextCoordinator(coordinators)
  } else if (context.uptime < topics.dueAt) return wakeAt(state, topics.dueAt, context, outbox)
  topics.correlationId = state.nextCorrelationId++
  topics.timeoutAt = context.uptime + Math.min(state.config.requestTimeoutMillis, SILENCE_MILLIS)
  wakeAt(state, topics.timeoutAt, context, outbox)
  const wanted = state.membership.topicPattern === null ? topicsOf(classic.members) : null
  const message = { kind: 'metadata', correlationId: topics.correlationId, topics: wanted } as const
  outbox.push({ kind: 'send', to: coordinatorOf(coordinators), message })
}

/** When `watchTopics` has something to do again. */
export function topicsDue(state: ConsumerState, classic: ClassicMembership): number {
  if (!needsTopics(state, classic)) return Infinity
  return classic.topics.correlationId >= 0 ? classic.topics.timeoutAt : classic.topics.dueAt
}

/** A leader shares out by what there is, and again when that changes; who subscribes to a pattern joins again when other topics match it. */
function needsTopics(state: ConsumerState, { phase, isLeader }: ClassicMembership): boolean {
  if (!isSubscribed(state) || state.closing >= 0) return false
  return state.membership.topicPattern !== null || phase === 'sharing' || (phase === 'stable' && isLeader)
}
