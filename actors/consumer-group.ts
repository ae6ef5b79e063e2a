/**
 * A consumer as a member of its group: finds who coordinates the group, keeps its membership alive, gives up what it is told to. How it speaks with the group is in
 * consumer-heartbeat.ts and consumer-group-requests.ts (KIP-848) or consumer-classic*.ts; its commits are in consumer-commits.ts, its end in consumer-farewell.ts.
 *
 *   finding ─► ready ⟲ heartbeat            lost: every partition is released, then it joins anew
 *                └► leaving (no topics any more, and every partition is released) ─► ready
 *
 * A member that has not been heard for its session time-out counts itself as lost, before the group does.
 */
import { groupsActor } from '../protocol/address.ts'
import { NONE } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { CommittedOffset } from '../protocol/messages/group.ts'
import { JOIN_EPOCH } from '../protocol/messages/group.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { parseName, partitionsOf } from '../coordinator/groups/names.ts'
import type { Context, Outbox } from './actor.ts'
import { nextCoordinator } from './coordinator-finder.ts'
import {
  doubtAtOf,
  dropCommits,
  isDoubtful,
  isIdentified,
  queueCommit,
  retryCommit,
  sendCommit,
  takeCommitAnswer,
  uncommitted,
} from './consumer-commits.ts'
import { giveBackFormer, talkClassic, topicsDue, watchTopics } from './consumer-classic-requests.ts'
import type { ClassicMembership } from './consumer-classic-state.ts'
import { closeIfDone, isReadyToLeave, leave, owesFarewell } from './consumer-farewell.ts'
import { askForCoordinator, sendHeartbeat } from './consumer-group-requests.ts'
import {
  addPartition,
  endMembership,
  hasSession,
  heartbeatMillis,
  isMember,
  isSubscribed,
  locate,
  revokeDue,
  wakeAt,
} from './consumer-state.ts'
import type { ConsumedPartition, ConsumerState } from './consumer-state.ts'

/** Becomes a member that wants these topics; none: lets go of all partitions, then leaves the group. */
export function subscribe(state: ConsumerState, { topics, topicPattern }: MessageOf<'subscribe'>, context: Context, outbox: Outbox): void {
  state.membership.topics = topics
  state.membership.topicPattern = topicPattern
  state.membership.refusal = null
  if (!isSubscribed(state)) revokeAll(state, false, outbox)
  else if (state.membership.classic !== null) resubscribe(state, state.membership.classic, context, outbox)
  state.membership.dueAt = context.uptime
  if (state.commitsItself) state.autoCommitAt = context.uptime + state.config.autoCommitIntervalMillis
  groupWork(state, context, outbox)
}

/** Does whatever is due with the group. Safe to call at any time. */
export function groupWork(state: ConsumerState, context: Context, outbox: Outbox): void {
  if (state.config.group === null) return closeIfDone(state, context, outbox)
  const { membership } = state
  // Who waited for it may be gone: then nobody asks again.
  if (context.uptime >= membership.offsetsTimeoutAt) membership.offsetsCorrelationId = -1
  checkSession(state, context, outbox)
  commitAutomatically(state, context, outbox)
  talk(state, context, outbox)
  if (membership.classic !== null) watchTopics(state, membership.classic, context, outbox)
  sendCommit(state, context, outbox)
  finishRevocations(state, context, outbox)
  closeIfDone(state, context, outbox)
}

/** When `groupWork` has something to do again. */
export function groupDue(state: ConsumerState): number {
  const { membership, commits } = state
  if (state.config.group === null) return Infinity
  let due = Math.min(state.autoCommitAt, membership.farewellBy)
  if (membership.correlationId >= 0) due = Math.min(due, membership.timeoutAt)
  else if (hasToTalk(state) && !isLettingGo(state)) due = Math.min(due, membership.dueAt)
  if (membership.offsetsCorrelationId >= 0) due = Math.min(due, membership.offsetsTimeoutAt)
  if (hasSession(state)) due = Math.min(due, membership.aliveAt + state.config.sessionTimeoutMillis, revokeDue(state))
  if (membership.classic !== null) due = Math.min(due, topicsDue(state, membership.classic))
  const commit = commits[0]
  if (commit === undefined) return due
  const isReady = membership.step === 'ready' && (!isSubscribed(state) || membership.memberEpoch > 0)
  if (isReady && isIdentified(commit)) due = Math.min(due, commit.correlationId >= 0 ? commit.timeoutAt : commit.retryAt)
  return Math.min(due, commit.deadline, doubtAtOf(state, commit))
}

// ── finding the group and staying in it ──

function needsGroup(state: ConsumerState): boolean {
  if (isMember(state) || state.commits.length > 0 || (state.membership.classic === null && owesFarewell(state))) return true
  for (const one of state.partitions.values()) if (one.phase === 'locating' && !one.resetting) return true
  return false
}

/** Whoever closes looks for its group, to commit there and to say farewell; and for nothing else. */
function hasToTalk(state: ConsumerState): boolean {
  if (state.closing < 0) return needsGroup(state)
  return state.membership.step === 'finding' && (state.commits.length > 0 || owesFarewell(state))
}

/** A member that lost its partitions joins again when its application has let go of all of them. */
function isLettingGo({ membership, partitions }: ConsumerState): boolean {
  return membership.lost && partitions.size > 0
}

function talk(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { membership } = state
  if (membership.correlationId >= 0) {
    if (context.uptime < membership.timeoutAt) return
    membership.correlationId = -1
    if (membership.step === 'leaving') endMembership(state)
    else {
      if (membership.step === 'finding') nextCoordinator(state.leaders.coordinators)
      membership.step = 'finding'
    }
  }
  if (!isSubscribed(state)) giveBackFormer(state, outbox)
  if (isDoubtful(state, context)) return askForCoordinator(state, context, outbox)
  if (!hasToTalk(state)) return
  if (isReadyToLeave(state)) return leave(state, context, outbox)
  if (context.uptime < membership.dueAt) return wakeAt(state, membership.dueAt, context, outbox)
  if (membership.step === 'finding') return askForCoordinator(state, context, outbox)
  if (membership.step !== 'ready' || !isMember(state) || isLettingGo(state)) return
  if (membership.classic === null) sendHeartbeat(state, context, outbox)
  else talkClassic(state, membership.classic, context, outbox)
}

/** The group's node is found: takes the next step. */
export function onGroupAnswer(state: ConsumerState, message: MessageOf<'findCoordinatorResponse'>, context: Context, outbox: Outbox): void {
  const { membership } = state
  if (message.correlationId !== membership.correlationId) return
  membership.correlationId = -1
  if (message.errorCode !== NONE) return findAgain(state, context, outbox)
  membership.partition = message.partition
  followGroup(state, message.node, context, outbox)
  groupWork(state, context, outbox)
  for (const one of state.partitions.values()) if (one.phase === 'locating' && !one.resetting) return askOffsets(state, context, outbox)
}

/** The request's addressee is not there: a group request begins the search anew. */
export function onGroupUndeliverable(state: ConsumerState, correlationId: number, context: Context, outbox: Outbox): void {
  const { membership, commits } = state
  if (correlationId === membership.offsetsCorrelationId) membership.offsetsCorrelationId = -1
  if (correlationId === commits[0]?.correlationId) retryCommit(state, commits[0], context, outbox)
  if (correlationId !== membership.correlationId && membership.correlationId >= 0) return
  membership.correlationId = -1
  findAgain(state, context, outbox)
}

/** The coordinator's node is dead: the search for the group goes on with another one. */
export function onCoordinatorLost(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { membership } = state
  if (membership.step !== 'finding' || membership.correlationId < 0) return
  membership.correlationId = -1
  findAgain(state, context, outbox)
}

/** Looks for the group anew, after a pause. */
export function findAgain(state: ConsumerState, context: Context, outbox: Outbox): void {
  state.membership.step = 'finding'
  state.membership.dueAt = context.uptime + state.config.retryBackoffMillis + (context.random % state.config.retryBackoffMillis)
  wakeAt(state, state.membership.dueAt, context, outbox)
}

/** The group says that there is something for this member: it asks what. */
export function onGroupChanged(state: ConsumerState, memberId: string, context: Context, outbox: Outbox): void {
  const { membership } = state
  if (memberId !== membership.memberId) return
  if (isCalledAway(state, context)) followGroup(state, context.from.node, context, outbox)
  else if (membership.memberEpoch <= 0) return
  if (membership.correlationId >= 0) membership.isRoused = true
  else membership.dueAt = context.uptime
  groupWork(state, context, outbox)
}

function isCalledAway({ membership }: ConsumerState, { from }: Context): boolean {
  return from.node !== membership.node && from.actor === groupsActor(membership.partition)
}

/** The group is on that node. What another one was asked before will not be answered, or in vain. */
function followGroup(state: ConsumerState, node: number, context: Context, outbox: Outbox): void {
  const { membership, commits } = state
  membership.step = 'ready'
  if (node === membership.node) return
  Object.assign(membership, { node, correlationId: -1, offsetsCorrelationId: -1 })
  const [commit] = commits
  if (commit !== undefined && commit.correlationId >= 0) retryCommit(state, commit, context, outbox)
}

/** Takes what the group gives, and begins to give up what it takes away. */
export function adopt(state: ConsumerState, assignment: ReadonlySet<string>, context: Context, outbox: Outbox): void {
  const taken = [...state.partitions.values()].filter((one) => one.phase !== 'revoking' && !assignment.has(one.name))
  if (taken.length > 0) beginRevocation(state, taken, false, outbox)
  for (const name of assignment) {
    const { topic, partition } = parseName(name)
    addPartition(state, topic, partition)
  }
  finishRevocations(state, context, outbox)
}

// ── giving up partitions ──

/** A member of a classic group is to join it again; unless its assignor is cooperative, it lets go of everything before. */
export function beginRejoin(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { membership } = state
  if (membership.classic === null) return
  membership.classic.phase = 'joining'
  if (!membership.classic.isCooperative) revokeAll(state, false, outbox)
  // What it lets go of wakes it.
  const letsGo = [...state.partitions.values()].some(({ phase }) => phase === 'revoking')
  membership.dueAt = context.uptime + (letsGo ? heartbeatMillis(state) : 0)
  wakeAt(state, membership.dueAt, context, outbox)
}

/** It wants other topics: which match its pattern is not known, and its group must hear of it. */
function resubscribe(state: ConsumerState, classic: ClassicMembership, context: Context, outbox: Outbox): void {
  classic.topics.correlationId = -1
  classic.topics.dueAt = context.uptime
  classic.topics.matching = null
  if (state.membership.memberEpoch > 0) beginRejoin(state, context, outbox)
}

function revokeAll(state: ConsumerState, lost: boolean, outbox: Outbox): void {
  const held = [...state.partitions.values()].filter((one) => one.phase !== 'revoking')
  beginRevocation(state, held, lost, outbox)
}

function beginRevocation(state: ConsumerState, taken: readonly ConsumedPartition[], lost: boolean, outbox: Outbox): void {
  for (const one of taken) {
    // One of which nobody knows where it begins is unknown to the application.
    one.released = one.phase === 'locating' && one.position < 0
    one.phase = 'revoking'
    one.correlationId = -1
    // The group began to wait when it answered, which was not before it was asked.
    one.revokeBy = lost || !isSubscribed(state) ? Infinity : state.membership.sentAt + state.config.rebalanceTimeoutMillis
  }
  const partitions = taken.filter((one) => !one.released).map(({ topic, partition }) => ({ topic, partition }))
  if (partitions.length > 0) outbox.push({ kind: 'send', to: state.config.client, message: { kind: 'revoking', partitions, lost } })
}

/** Forgets partitions that are released and whose progress is committed; the next heartbeat confirms it. */
export function finishRevocations(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { membership, commits } = state
  const released = [...state.partitions.values()].filter((one) => one.phase === 'revoking' && one.released)
  if (released.length === 0) return
  if (state.commitsItself && !membership.lost && commits.length === 0) {
    const offsets = uncommitted(released)
    if (offsets.length > 0) return enqueueCommit(state, -1, offsets, context, outbox)
  }
  let gone = false
  for (const one of released) {
    if (
      !membership.lost &&
      commits.some((commit) => commit.offsets.some((offset) => topicPartitionName(offset.topic, offset.partition) === one.name))
    )
      continue
    state.partitions.delete(one.name)
    membership.confirmBy = Math.min(membership.confirmBy, one.revokeBy)
    membership.hasMoreToConfirm = true
    gone = true
  }
  if (!gone || !isMember(state)) return
  membership.dueAt = context.uptime
  wakeAt(state, context.uptime, context, outbox)
}

/** A member that was not heard for too long, or does not give up what it was told to, is none any more. */
export function checkSession(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { membership, config } = state
  if (!hasSession(state)) return
  if (context.uptime - membership.aliveAt >= config.sessionTimeoutMillis || context.uptime >= revokeDue(state)) lose(state, context, outbox)
}

/** The group has given our partitions to others, or is about to. */
export function lose(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { membership } = state
  membership.lost = true
  membership.refusal = null
  membership.confirmBy = Infinity
  membership.memberEpoch = JOIN_EPOCH
  membership.correlationId = -1
  if (membership.step === 'leaving') membership.step = 'finding'
  if (membership.classic !== null) membership.classic.phase = 'joining'
  membership.dueAt = context.uptime + state.config.retryBackoffMillis
  dropCommits(state, outbox)
  // What the application is still busy with: it may not go on.
  const late = [...state.partitions.values()].filter((one) => one.phase === 'revoking' && !one.released)
  revokeAll(state, true, outbox)
  if (late.length > 0) beginRevocation(state, late, true, outbox)
  finishRevocations(state, context, outbox)
  wakeAt(state, membership.dueAt, context, outbox)
}

/** The node of the group is dead, and the group's memory of its members with it. */
export function onGroupLost(state: ConsumerState, context: Context, outbox: Outbox): void {
  state.membership.step = 'finding'
  state.membership.mayBeKnown = false
  state.membership.correlationId = -1
  state.membership.offsetsCorrelationId = -1
  if (isMember(state)) return lose(state, context, outbox)
  const commit = state.commits[0]
  if (commit !== undefined) retryCommit(state, commit, context, outbox)
}

// ── committed offsets ──

/** Asks the group where its partitions begin, unless that is under way. */
export function askOffsets(state: ConsumerState, context: Context, outbox: Outbox): void {
  const { membership, config } = state
  if (membership.step !== 'ready') return groupWork(state, context, outbox)
  if (membership.offsetsCorrelationId >= 0 && context.uptime < membership.offsetsTimeoutAt) return
  const names = [...state.partitions.values()].filter((one) => one.phase === 'locating' && !one.resetting).map((one) => one.name)
  membership.offsetsCorrelationId = state.nextCorrelationId++
  membership.offsetsTimeoutAt = context.uptime + config.requestTimeoutMillis
  wakeAt(state, membership.offsetsTimeoutAt, context, outbox)
  const to = { node: membership.node, actor: groupsActor(membership.partition) }
  const group = config.group ?? ''
  outbox.push({
    kind: 'send',
    to,
    message: { kind: 'offsetFetch', correlationId: membership.offsetsCorrelationId, group, partitions: partitionsOf(names) },
  })
}

/** Partitions with a committed offset begin there; for the others the reset policy decides. */
export function onOffsets(state: ConsumerState, message: MessageOf<'offsetFetchResponse'>, context: Context, outbox: Outbox): void {
  const { membership, config } = state
  if (message.correlationId !== membership.offsetsCorrelationId || state.closing >= 0) return
  membership.offsetsCorrelationId = -1
  if (message.errorCode !== NONE) {
    membership.offsetsCorrelationId = state.nextCorrelationId++
    membership.offsetsTimeoutAt = context.uptime + config.retryBackoffMillis
    return wakeAt(state, membership.offsetsTimeoutAt, context, outbox)
  }
  const committed = new Map(message.offsets.map((one) => [topicPartitionName(one.topic, one.partition), one]))
  for (const name of message.requested) {
    const one = state.partitions.get(name)
    if (one === undefined || one.phase !== 'locating' || one.resetting) continue
    const found = committed.get(one.name)
    if (found === undefined) one.resetting = true
    else {
      one.committed = found.offset
      // Should another topic have the name now, the fetch finds out.
      one.topicId = found.topicId
      locate(state, one, found.offset, outbox)
    }
  }
}

// ── commits ──

/** Commits the given offsets, or (null) everything processed. `clientCorrelationId` -1: nobody waits for it. */
export function enqueueCommit(
  state: ConsumerState,
  clientCorrelationId: number,
  offsets: readonly CommittedOffset[] | null,
  context: Context,
  outbox: Outbox,
): void {
  const ofTopics = offsets?.map((one) => ({ ...one, topicId: topicIdOf(state, one.topic, one.partition) }))
  if (queueCommit(state, clientCorrelationId, ofTopics ?? uncommitted(state.partitions.values(), !isMember(state)), context, outbox))
    groupWork(state, context, outbox)
}

function topicIdOf(state: ConsumerState, topic: string, partition: number): number {
  return state.partitions.get(topicPartitionName(topic, partition))?.topicId ?? -1
}

/** The first commit of the queue is in the log, refused, or to be tried again. */
export function onCommitAnswer(state: ConsumerState, message: MessageOf<'offsetCommitResponse'>, context: Context, outbox: Outbox): void {
  const outcome = takeCommitAnswer(state, message, context, outbox)
  if (outcome === 'lost') lose(state, context, outbox)
  else if (outcome === 'done') groupWork(state, context, outbox)
}

function commitAutomatically(state: ConsumerState, context: Context, outbox: Outbox): void {
  if (context.uptime < state.autoCommitAt || state.closing >= 0) return
  state.autoCommitAt = context.uptime + state.config.autoCommitIntervalMillis
  if (state.commits.length === 0 && !state.membership.lost) enqueueCommit(state, -1, null, context, outbox)
  wakeAt(state, state.autoCommitAt, context, outbox)
}

// ── closing ──

/** Commits a last time (with auto-commit), leaves the group, and stops. */
export function closeConsumer(state: ConsumerState, correlationId: number, context: Context, outbox: Outbox): void {
  state.closing = correlationId
  state.autoCommitAt = Infinity
  if (state.config.group !== null && state.commitsItself && !state.membership.lost) enqueueCommit(state, -1, null, context, outbox)
  groupWork(state, context, outbox)
}
