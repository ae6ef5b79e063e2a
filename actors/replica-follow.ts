/**
 * How a replica follows its leader: it fetches from its log end on, appends what it is given as it is, makes that as durable as the topic promises, and
 * only then fetches again, for a fetch says that everything below its offset is safe here (KIP-101, KIP-279, KIP-595). Where the logs differ, it cuts its own.
 */
import { codeOf, NONE } from '../protocol/errors.ts'
import type { FetchResponse } from '../protocol/messages/fetch.ts'
import { beginEmptyAt } from '../protocol/batch-rewrite.ts'
import * as batch from '../protocol/record-batch.ts'
import { reliesOn } from '../partitions/compaction.ts'
import { divergingEnd, lastEpoch, noteEpoch } from '../partitions/epochs.ts'
import { rememberBatch } from '../partitions/idempotence.ts'
import { appendBatch, fileOfSegment, mustRoll } from '../partitions/log.ts'
import { numberedBatch } from '../partitions/numbered-batch.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { Following, PendingAppend, ReplicaState, Role } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'
import { asksNotToBeCounted, RESIGN_MILLIS } from './replica-damage.ts'
import { requestFlush, rollSegment } from './replica-flush.ts'
import { cutLog, restartLog } from './replica-open.ts'
import { progress, raiseHighWatermark } from './replica-progress.ts'
import { raiseLogStart } from './replica-retention.ts'
import { syncedEnd } from './replica-synced.ts'

/** Most bytes of one fetch: several batches, and not more than a ring carries in one piece. */
const FETCH_BYTES = 768 * 1024

/** A fetch without anything new is answered after so long at most. */
const FETCH_WAIT_MILLIS_MAX = 500

/** Beyond that a fetch counts as lost; after answers that came too late, twice as much each time: what takes so long on its way would be fetched again for ever. */
const FETCH_SLACK_MILLIS_MIN = 500
const FETCH_SLACK_MILLIS_MAX = 30_000

/**
 * Pause after an error, doubled with each. Most often two nodes hear of a new leader one after the other, and a millisecond later all is well: producers wait
 * for the next fetch.
 */
const RETRY_MILLIS_MIN = 1
const RETRY_MILLIS_MAX = 40

/** Begins to follow the leader of the role. */
export function follow(state: ReplicaState, context: Context, outbox: Outbox): void {
  state.phase = 'following'
  state.following = {
    correlationId: -1,
    timeoutAt: -1,
    reportedStartOffset: -1,
    failures: 0,
    lostFrom: -1,
    lateCount: 0,
    pausedUntil: -1,
    syncedByAll: -1,
  }
  // The leader wants to know of a start that lasts.
  if (state.log.logStartOffset > state.durableStartOffset) requestFlush(state, false, outbox)
  fetchMore(state, context, outbox)
}

/** Nothing that the former leader says counts any more. */
export function stopFollowing(state: ReplicaState, outbox: Outbox): void {
  if (state.following === null) return
  state.following = null
  outbox.push({ kind: 'cancelTimer', timer: 'follow' })
}

/** Fetches, once everything that is here is durable. */
export function fetchMore(state: ReplicaState, context: Context, outbox: Outbox): void {
  const { following, role, log } = state
  if (following === null || state.phase !== 'following' || following.correlationId >= 0 || state.isDraining) return
  if (state.durableEndOffset < log.logEndOffset) return
  if (role.throttleBytesPerSecond > 0 && context.uptime < following.pausedUntil)
    return wakeAfter(following.pausedUntil - context.uptime, outbox)
  following.correlationId = state.nextToken++
  following.reportedStartOffset = state.durableStartOffset
  const maxWaitMillis = fetchWaitMillis(state)
  const timeoutMillis = maxWaitMillis + slackMillis(following)
  following.timeoutAt = context.uptime + timeoutMillis
  outbox.push({
    kind: 'send',
    to: { node: role.leader, actor: state.self.actor },
    message: {
      kind: 'fetch',
      correlationId: following.correlationId,
      topicId: state.topicId,
      leaderEpoch: role.leaderEpoch,
      replicaId: state.self.node,
      brokerEpoch: role.brokerEpoch,
      lastFetchedEpoch: lastEpoch(state.epochs),
      fetchOffset: log.logEndOffset,
      logStartOffset: state.durableStartOffset,
      syncedOffset: syncedEnd(state),
      minBytes: 1,
      maxBytes: role.throttleBytesPerSecond > 0 ? Math.min(FETCH_BYTES, role.throttleBytesPerSecond) : FETCH_BYTES,
      maxWaitMillis,
      mode: 'bytes',
      isolationLevel: 'read_uncommitted',
    },
  })
  wakeAfter(timeoutMillis, outbox)
}

function slackMillis({ lateCount }: Following): number {
  return Math.min(FETCH_SLACK_MILLIS_MIN * 2 ** lateCount, FETCH_SLACK_MILLIS_MAX)
}

/** Only a fetch says that a follower has caught up: where nothing is written, it fetches twice in the time that it may lag. */
function fetchWaitMillis({ replicaLagMillis }: ReplicaState): number {
  return Math.min(FETCH_WAIT_MILLIS_MAX, Math.ceil(replicaLagMillis / 2))
}

/** The log begins later than the leader was told: somebody may wait to hear that, so the fetch under way is given up for another one. */
export function reportStart(state: ReplicaState, context: Context, outbox: Outbox): void {
  const { following } = state
  if (following === null || following.correlationId < 0 || following.reportedStartOffset >= state.durableStartOffset) return
  following.correlationId = -1
  fetchMore(state, context, outbox)
}

/** The fetch under way is lost, or a pause is over. */
export function onFollowTimer(state: ReplicaState, context: Context, outbox: Outbox): void {
  const { following } = state
  if (following === null) return
  if (following.correlationId >= 0 && context.uptime < following.timeoutAt) return wakeAfter(following.timeoutAt - context.uptime, outbox)
  if (following.lostFrom < 0) following.lostFrom = following.correlationId
  following.correlationId = -1
  fetchMore(state, context, outbox)
}

/** The leader's node has no such replica, not yet or not any more. */
export function onFollowUndeliverable(state: ReplicaState, correlationId: number, outbox: Outbox): void {
  const { following } = state
  if (following === null || following.correlationId !== correlationId) return
  following.correlationId = -1
  retrySoon(following, outbox)
}

/** The leader answers the newest fetch; older answers are ignored, whatever they say (KAFKA-13207), but for how late they come. */
export function onFollowed(state: ReplicaState, response: FetchResponse, context: Context, outbox: Outbox): void {
  const { following } = state
  if (following === null || state.phase !== 'following') return
  if (response.correlationId !== following.correlationId) return noteLate(following, response.correlationId)
  following.correlationId = -1
  following.lostFrom = -1
  following.lateCount = 0
  if (response.errorCode !== NONE) return onRefused(state, following, response, outbox)
  if (response.divergingEndOffset >= 0) {
    const leader = { epoch: response.divergingEpoch, endOffset: response.divergingEndOffset }
    return cutOrRestart(state, divergingEnd(state.epochs, leader, state.log.logEndOffset), outbox)
  }
  pauseAfter(following, state.role, response.records?.length ?? 0, context)
  if (response.records !== null && !take(state, response.records, context, outbox)) return retrySoon(following, outbox)
  following.failures = 0
  following.syncedByAll = response.syncedByAll
  // What is durable here and below the leader's high watermark is committed.
  raiseHighWatermark(state, Math.min(response.highWatermark, state.durableEndOffset), outbox)
  raiseLogStart(state, Math.min(response.logStartOffset, state.highWatermark.offset), context, outbox)
  progress(state, context, outbox)
  fetchMore(state, context, outbox)
}

/**
 * What differs goes. If compaction has taken something away for it, that is gone from here, and the leader still has it: it has lost what came later, or was elected although it had fallen behind. What
 * is left is no copy of its log then, so that it is copied anew, when nobody counts on it any more.
 */
function cutOrRestart(state: ReplicaState, endOffset: number, outbox: Outbox): void {
  if (reliesOn(state.log, state.cleaning, state.highWatermark.offset, endOffset))
    return asksNotToBeCounted(state, outbox) ? wakeAfter(RESIGN_MILLIS, outbox) : restartLog(state, 0, outbox)
  cutLog(state, endOffset, outbox)
}

/** What counted as lost was only late. */
function noteLate(following: Following, correlationId: number): void {
  if (following.lostFrom >= 0 && correlationId >= following.lostFrom) following.lateCount++
}

/** A replica that is being moved here leaves room for others: what it has copied counts for as long as it may take (KIP-73). */
function pauseAfter(following: Following, { throttleBytesPerSecond }: Role, sizeBytes: number, { uptime }: Context): void {
  if (throttleBytesPerSecond > 0) following.pausedUntil = uptime + (sizeBytes * 1000) / throttleBytesPerSecond
}

/** It may copy faster, or slower, than before: what is left of the pause is as much longer or shorter. */
export function changePace(state: ReplicaState, before: number, context: Context, outbox: Outbox): void {
  const { following, role } = state
  const { throttleBytesPerSecond: now } = role
  if (following === null || now === before) return
  const leftMillis = Math.max(0, following.pausedUntil - context.uptime)
  following.pausedUntil = context.uptime + (now > 0 ? (leftMillis * before) / now : 0)
  fetchMore(state, context, outbox)
}

/**
 * Out of range from below: what comes next is deleted, and the log begins anew where the leader's first batch does. From above, a log that is empty and knows of no epoch does
 * so, too: nothing of it can be compared, and a leader that was elected although it had fallen behind goes on below. Otherwise: tries again soon, for the leader is ahead
 * of us or behind, and the metadata will tell one of us.
 */
function onRefused(state: ReplicaState, following: Following, response: FetchResponse, outbox: Outbox): void {
  const { epochs, log } = state
  const isOutOfRange = response.errorCode === codeOf('OFFSET_OUT_OF_RANGE')
  const isBlank = log.logStartOffset === log.logEndOffset && lastEpoch(epochs) < 0
  if (isOutOfRange && (response.logStartOffset > log.logEndOffset || isBlank)) return restartLog(state, response.logStartOffset, outbox)
  retrySoon(following, outbox)
}

/** Appends whole batches as they are; false if they are not what was asked for. One write for all that go into one segment. */
function take(state: ReplicaState, records: Uint8Array, context: Context, outbox: Outbox): boolean {
  let run: PendingAppend[] = []
  let runBegin = 0
  const writeRun = (end: number): void => {
    if (run.length > 0) write(state, run, records.subarray(runBegin, end), outbox)
    run = []
    runBegin = end
  }
  let end = 0
  for (const { at, sizeBytes } of batch.walkBatches(records)) {
    const isSound = batch.checkBatch(records, at, sizeBytes, 'sparse').ok && isPossible(state, batch.leaderEpoch(records, at))
    // The leader may have compacted what comes next and what is here into one empty batch: the rest of it is taken.
    if (isSound && at === 0) beginEmptyAt(records, at, state.log.logEndOffset)
    if (!isSound || batch.baseOffset(records, at) !== state.log.logEndOffset) {
      writeRun(at)
      return false
    }
    if (mustRoll(state.log, state.config, sizeBytes, context.now)) {
      writeRun(at)
      rollSegment(state, context.now, outbox)
    }
    run.push(enter(state, records, at, sizeBytes, context.now))
    end = at + sizeBytes
  }
  writeRun(end)
  return true
}

/** No leader writes in a later epoch than it leads in, or in an earlier one than what it has: no CRC covers that. */
function isPossible({ epochs, role }: ReplicaState, epoch: number): boolean {
  return epoch >= lastEpoch(epochs) && epoch <= role.leaderEpoch
}

/** Enters one batch into the log's memory. */
function enter(state: ReplicaState, records: Uint8Array, at: number, sizeBytes: number, now: number): PendingAppend {
  const extent = { count: batch.lastOffsetDelta(records, at) + 1, sizeBytes, maxTimestamp: batch.maxTimestamp(records, at) }
  const { baseOffset, segment, position } = appendBatch(state.log, state.config, extent, now)
  noteEpoch(state.epochs, batch.leaderEpoch(records, at), baseOffset)
  const numbered = numberedBatch(records, at, baseOffset)
  if (numbered !== null) rememberBatch(state.appended, numbered)
  state.dirty.add(segment.baseOffset)
  const entry: PendingAppend = {
    baseOffset,
    endOffset: state.log.logEndOffset,
    segmentBaseOffset: segment.baseOffset,
    endPosition: position + sizeBytes,
    logAppendTime: -1,
    numbered,
    waiters: [],
    written: false,
    synced: false,
  }
  state.pending.push(entry)
  return entry
}

function write(state: ReplicaState, entries: readonly PendingAppend[], bytes: Uint8Array, outbox: Outbox): void {
  const last = entries[entries.length - 1]
  if (last === undefined) return
  const file = fileOfSegment(state.log, last.segmentBaseOffset)
  const token = expectAnswer(state, { kind: 'append', entries })
  outbox.push({ kind: 'append', log: state.logName, file, position: last.endPosition - bytes.length, bytes, token })
}

function retrySoon(following: Following, outbox: Outbox): void {
  wakeAfter(Math.min(RETRY_MILLIS_MIN * 2 ** following.failures++, RETRY_MILLIS_MAX), outbox)
}

function wakeAfter(millis: number, outbox: Outbox): void {
  outbox.push({ kind: 'startTimer', timer: 'follow', afterMillis: millis })
}
