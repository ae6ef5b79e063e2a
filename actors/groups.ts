/**
 * The coordinator of all groups whose offsets are in one partition of `__consumer_offsets`; it lives where that partition is led, for one reign. Members are in
 * groups-members.ts and groups-classic.ts, offsets in groups-offsets.ts and groups-transactions.ts; here it begins, keeps time, and follows the metadata.
 *
 * It hands out partitions only as long as its node is heard by the coordinator of the cluster: whoever follows it waits longer than that.
 *
 *   loading (reads the partition) ─► checking (which topics of its offsets are still there) ─► active
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { GroupHeartbeatRequest } from '../protocol/messages/group.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import { keepOffset } from '../coordinator/groups/kept-offsets.ts'
import { decodeMemberRecord } from '../coordinator/groups/member-record.ts'
import { decodeGroupCommit } from '../coordinator/groups/offset-record.ts'
import type { GroupCommit } from '../coordinator/groups/offset-record.ts'
import { loadRequest, takeLoadedBatches } from '../coordinator/state-log.ts'
import type { LoadedBatch } from '../coordinator/state-log.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import { avoidCoordinator, coordinatorOf, followController, learnFrom, nextCoordinator, replaceCoordinators } from './coordinator-finder.ts'
import { onClassicHeartbeat, onClassicNamed, onJoinGroup, onLeaveGroup, onSyncGroup, passClassicTime } from './groups-classic.ts'
import {
  endSessions,
  onDescribeGroup,
  onHeartbeat,
  onListGroups,
  refuseHeartbeat,
  rouseMembers,
  takeCounts,
  topicsOfMembers,
} from './groups-members.ts'
import { dropOrphans, expireOffsets, onDeleteGroup, onOffsetCommit, onOffsetDelete, onOffsetFetch, onWritten } from './groups-offsets.ts'
import {
  decide,
  noteTransactional,
  onMarked,
  onTransactionalOffsetCommit,
  onTransactionalWritten,
  takeMarks,
} from './groups-transactions.ts'
import { refuse, resign } from './groups-resignation.ts'
import { dropIfGone, groupOf, isActive, newGroupsState } from './groups-state.ts'
import { callMissing, endGraces, giveUpMissing, loadMember, onStruck, strikeAgain, strikeFormer, takeNamed } from './groups-roster.ts'
import type { GroupsConfig, GroupsState } from './groups-state.ts'

/** Pause before the log is read again that cannot be read yet; it doubles up to the second. */
const LOAD_RETRY_MILLIS = 5
const LOAD_RETRY_MILLIS_MAX = 160

/** How often sessions are checked. */
const TICK_MILLIS = 250

/** How often the metadata is asked for again, so that added partitions and new topics are found. */
const REFRESH_MILLIS = 1000

/** Pause before another coordinator is asked. */
const ASK_AGAIN_MILLIS = 50

/**
 * A group that was read from the log counts as empty since its newest commit; but it is kept for so long, at least, that members who are still there can come
 * back: nobody knows of them any more.
 */
const RETURN_MILLIS = 600_000

/** The behaviour of a coordinator of groups. */
export const actor: Actor<GroupsState, GroupsConfig> = {
  url: import.meta.url,
  start: newGroupsState,
  receive(state: GroupsState, message: Message, context: Context, outbox: Outbox): void {
    if (state.hasResigned && message.kind !== 'resign') return refuse(message, context, outbox)
    switch (message.kind) {
      case 'started':
        return onStarted(state, context, outbox)
      case 'timerFired':
        return onTimer(state, message.timer, context, outbox)
      case 'notController':
        followController(state.coordinators, context.from.node, message.controller)
        return askMetadataSoon(state, outbox)
      case 'undeliverable':
        return onUndeliverable(state, context, outbox)
      case 'votersChanged':
        return replaceCoordinators(state.coordinators, message.voters)
      case 'leaseExtended':
        state.leaseUntil = message.until
        return
      case 'resign':
        return resign(state, message, context, outbox)
      case 'fetchResponse':
        return onLoaded(state, message, context, outbox)
      case 'produceResponse':
        if (onTransactionalWritten(state, message, outbox) || onNamed(state, message, context, outbox) || onStruck(state, message, outbox))
          return
        return onWritten(state, message, context, outbox)
      case 'transactionMarked':
        return onMarked(state, message, context)
      case 'metadataResponse':
        return onMetadata(state, message, context, outbox)
      default:
        return onRequest(state, message, context, outbox)
    }
  },
}

function onRequest(state: GroupsState, message: Message, context: Context, outbox: Outbox): void {
  switch (message.kind) {
    case 'consumerGroupHeartbeat':
      return onMemberHeartbeat(state, message, context, outbox)
    case 'joinGroup':
      return onJoinGroup(state, message, context, outbox)
    case 'syncGroup':
      return onSyncGroup(state, message, context, outbox)
    case 'heartbeat':
      return onClassicHeartbeat(state, message, context, outbox)
    case 'leaveGroup':
      return onLeaveGroup(state, message, context, outbox)
    case 'offsetCommit':
      return onOffsetCommit(state, message, context, outbox)
    case 'transactionalOffsetCommit':
      return onTransactionalOffsetCommit(state, message, context, outbox)
    case 'offsetFetch':
      return onOffsetFetch(state, message, context, outbox)
    case 'describeGroup':
      return onDescribeGroup(state, message, context, outbox)
    case 'listGroups':
      return onListGroups(state, message, context, outbox)
    case 'deleteGroup':
      return onDeleteGroup(state, message, context, outbox)
    case 'offsetDelete':
      return onOffsetDelete(state, message, context, outbox)
    default:
      assert(false, `a coordinator of groups does not understand ${message.kind}`)
  }
}

/** One question to the cluster that is under way is followed by another if it leaves something open. */
function onMemberHeartbeat(state: GroupsState, request: GroupHeartbeatRequest, context: Context, outbox: Outbox): void {
  if (onHeartbeat(state, request, context, outbox) && !state.isAsking) askMetadata(state, outbox)
}

/** The log names a member, or cannot: its request to join is taken up, or it hears that it must ask again. */
function onNamed(state: GroupsState, response: MessageOf<'produceResponse'>, context: Context, outbox: Outbox): boolean {
  const naming = state.naming.get(response.correlationId)
  if (naming === undefined) return false
  if (!takeNamed(state, naming, response)) return true
  const { request, memberId, from } = naming
  const isNamed = response.errorCode === NONE
  const asking = { ...context, from }
  if (request.kind === 'joinGroup') onClassicNamed(state, request, memberId, isNamed, asking, outbox)
  else if (isNamed) onMemberHeartbeat(state, request, asking, outbox)
  else refuseHeartbeat(request, 'COORDINATOR_NOT_AVAILABLE', asking, outbox)
  const group = state.groups.get(naming.group)
  if (group === undefined) return true
  strikeFormer(state, group, context, outbox)
  dropIfGone(state, group)
  return true
}

// ── loading ──

function onStarted(state: GroupsState, context: Context, outbox: Outbox): void {
  // Epochs of a former life must not come again: what was sent under them may still be on its way.
  state.epochFloor = context.random >>> 2
  // Answers to what was here before may still come.
  state.nextCorrelationId += context.random
  outbox.push({ kind: 'startTimer', timer: 'sessions', afterMillis: TICK_MILLIS })
  outbox.push({ kind: 'startTimer', timer: 'refresh', afterMillis: REFRESH_MILLIS })
  load(state, outbox)
}

function load(state: GroupsState, outbox: Outbox): void {
  if (!state.log.loaded) {
    state.loadId = state.nextCorrelationId++
    return outbox.push({ kind: 'send', to: state.log.replica, message: loadRequest(state.log, state.loadId) })
  }
  checkedIfEmpty(state)
  if (!state.checked) askMetadata(state, outbox)
}

/** Where there are no offsets there are no topics to look up. */
function checkedIfEmpty(state: GroupsState): void {
  if (state.groups.size === 0) state.checked = true
}

function onLoaded(state: GroupsState, response: MessageOf<'fetchResponse'>, context: Context, outbox: Outbox): void {
  if (state.log.loaded || response.correlationId !== state.loadId) return
  if (!takeLoadedBatches(state.log, response, (one) => takeBatch(state, one, context))) return loadLater(state, outbox)
  state.loadFailures = 0
  // Not before now nobody else is in charge.
  state.graceUntil = context.uptime + state.config.graceMillis
  if (state.log.loaded) takeMarks(state, context)
  if (state.log.loaded) {
    outbox.push({ kind: 'startTimer', timer: 'grace', afterMillis: state.config.graceMillis })
    outbox.push({ kind: 'startTimer', timer: 'missing', afterMillis: state.config.expectMillis })
  }
  load(state, outbox)
}

function takeBatch(
  state: GroupsState,
  { producerId, producerEpoch, isTransactional, marker, records }: LoadedBatch,
  context: Context,
): void {
  if (marker !== null) return decide(state, producerId, marker === 'commit', context.uptime)
  for (const { key, value, offset, timestamp } of records) {
    const member = decodeMemberRecord(key, value)
    if (member !== null) loadMember(state, member, context)
    const commit = decodeGroupCommit(key, value)
    if (commit === null) continue
    if (!isTransactional || commit.committed === null) takeRecord(state, commit, offset, context.now - timestamp, context)
    else noteTransactional(state, producerId, producerEpoch, { group: commit.group, offsets: [commit.committed], recordOffset: offset })
  }
}

function takeRecord(state: GroupsState, commit: GroupCommit, recordOffset: number, ageMillis: number, { uptime }: Context): void {
  const group = groupOf(state, commit.group, uptime)
  const keptMillis = Math.max(0, state.config.offsetsRetentionMillis - RETURN_MILLIS)
  if (commit.committed === null) {
    group.offsets.delete(topicPartitionName(commit.topic, commit.partition))
    return dropIfGone(state, group)
  }
  const since = uptime - Math.min(Math.max(0, ageMillis), keptMillis)
  group.emptySince = group.offsets.size === 0 ? since : Math.max(group.emptySince, since)
  keepOffset(group.offsets, commit.committed, recordOffset, 0, state.texts)
}

function loadLater(state: GroupsState, outbox: Outbox): void {
  const afterMillis = Math.min(LOAD_RETRY_MILLIS * 2 ** state.loadFailures++, LOAD_RETRY_MILLIS_MAX)
  outbox.push({ kind: 'startTimer', timer: 'load', afterMillis })
}

function onUndeliverable(state: GroupsState, { from }: Context, outbox: Outbox): void {
  if (from.actor !== COORDINATOR_ACTOR) {
    if (!isActive(state)) loadLater(state, outbox)
    return
  }
  avoidCoordinator(state.coordinators, from.node)
  askMetadataSoon(state, outbox)
}

// ── time ──

function onTimer(state: GroupsState, timer: string, context: Context, outbox: Outbox): void {
  if (timer === 'load') return load(state, outbox)
  if (timer === 'classic') return passClassicTime(state, context, outbox)
  if (timer === 'grace') return endGrace(state, context, outbox)
  if (timer === 'missing') return endExpectation(state, context, outbox)
  if (timer === 'refresh') {
    outbox.push({ kind: 'startTimer', timer, afterMillis: REFRESH_MILLIS })
    if (state.log.loaded && state.groups.size > 0) askMetadata(state, outbox)
    strikeAgain(state, context, outbox)
    return expireOffsets(state, context, outbox)
  }
  outbox.push({ kind: 'startTimer', timer, afterMillis: TICK_MILLIS })
  endSessions(state, context, outbox)
}

function endGrace(state: GroupsState, context: Context, outbox: Outbox): void {
  for (const group of endGraces(state, context, outbox)) rouseMembers(group, context, outbox)
}

function endExpectation(state: GroupsState, context: Context, outbox: Outbox): void {
  giveUpMissing(state, context, outbox)
  checkedIfEmpty(state)
}

// ── metadata ──

function askMetadata(state: GroupsState, outbox: Outbox): void {
  const { topics, hasPattern } = topicsOfInterest(state)
  if (state.isAsking) nextCoordinator(state.coordinators)
  state.isAsking = true
  const correlationId = state.nextCorrelationId++
  if (hasPattern) state.fullAskId = correlationId
  const message = { kind: 'metadata', correlationId, topics: hasPattern ? null : [...topics].toSorted() } as const
  outbox.push({ kind: 'send', to: coordinatorOf(state.coordinators), message })
}

function askMetadataSoon(state: GroupsState, outbox: Outbox): void {
  state.isAsking = false
  outbox.push({ kind: 'startTimer', timer: 'refresh', afterMillis: ASK_AGAIN_MILLIS })
}

/** Topics of offsets and of members. */
function topicsOfInterest(state: GroupsState): { readonly topics: Set<string>; readonly hasPattern: boolean } {
  const wanted = topicsOfMembers(state)
  for (const { offsets } of state.groups.values()) for (const { topic } of offsets.values()) wanted.topics.add(topic)
  return wanted
}

function onMetadata(state: GroupsState, response: MessageOf<'metadataResponse'>, context: Context, outbox: Outbox): void {
  state.isAsking = false
  // A log that is half read has old offsets only: their tombstones would come after the newer commits, which are still to be read.
  if (!state.log.loaded || response.metadataOffset < state.metadataOffset) return
  state.metadataOffset = response.metadataOffset
  learnFrom(state.coordinators, response)
  if (!state.checked) callMissing(state, outbox)
  state.checked = true
  const isFull = response.correlationId === state.fullAskId
  if (isFull) state.names = response.topics.map(({ topic }) => topic)
  const { topics } = isFull ? withAbsent(state, response) : response
  dropOrphans(state, { ...response, topics }, context, outbox)
  takeCounts(state, new Map(topics.map(({ topic, partitions }) => [topic, partitions.length])), context, outbox)
  const wanted = topicsOfMembers(state)
  if ([...wanted.topics].some((topic) => !state.topics.has(topic)) || (wanted.hasPattern && state.fullAskId < 0)) askMetadata(state, outbox)
}

/** An answer about all topics does not name those that are not there. */
function withAbsent(state: GroupsState, { topics }: MessageOf<'metadataResponse'>): Pick<MessageOf<'metadataResponse'>, 'topics'> {
  const there = new Set(topics.map(({ topic }) => topic))
  const { topics: wanted } = topicsOfInterest(state)
  const absent = [...wanted, ...state.topics.keys()].filter((topic) => !there.has(topic))
  const errorCode = codeOf('UNKNOWN_TOPIC_OR_PARTITION')
  return { topics: [...topics, ...absent.map((topic) => ({ topic, topicId: -1, errorCode, partitions: [], config: null }))] }
}
