/**
 * What becomes of old records: those that have outlived the topic's settings go now and then, whole segments at a time, on every replica by itself; those that an
 * administrator deletes (KIP-107) go at once, wherever in a segment they end. Followers hear where the leader's log begins with every fetch. A deletion is
 * answered when nobody who may lead can bring the records back, not even after a power loss.
 */
import { assert } from '../protocol/assert.ts'
import type { ErrorName } from '../protocol/errors.ts'
import { DELETE_TO_HIGH_WATERMARK } from '../protocol/messages/fetch.ts'
import type { DeleteRecordsRequest } from '../protocol/messages/fetch.ts'
import { trimEpochs } from '../partitions/epochs.ts'
import { activeSegment, filesOfSegment } from '../partitions/log.ts'
import type { Segment } from '../partitions/log.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import { lastStablePosition, pruneAborted } from '../partitions/transactions.ts'
import { dropSegments, expiredSegments, isTooOld, segmentsBelow } from '../partitions/retention.ts'
import type { Context, Outbox } from './actor.ts'
import { requestFlush, rollSegment } from './replica-flush.ts'
import { answerFollowers } from './replica-read.ts'
import { answerDeletions, replyDeletion } from './replica-waiters.ts'

/** How often retention looks; Kafka's log.retention.check.interval.ms is 300,000. */
const RETENTION_CHECK_MILLIS = 30_000

/** Who asks for so many deletions at once that they wait is not answered for the oldest: it asks again. */
const DELETION_WAITERS_MAX = 64

// ── by the topic's settings ──

/** Looks whether segments have outlived the topic's settings. */
export function onRetentionTimer(state: ReplicaState, context: Context, outbox: Outbox): void {
  outbox.push({ kind: 'startTimer', timer: 'retention', afterMillis: RETENTION_CHECK_MILLIS })
  const isOpen = state.phase === 'leading' || state.phase === 'following' || state.phase === 'idle'
  if (!isOpen || state.isDraining) return
  const active = activeSegment(state.log)
  if (state.pending.length === 0 && isTooOld(active, state.config, context.now)) rollSegment(state, context.now, outbox)
  // Nobody who reads what is committed has seen what an open transaction has written.
  const stable = lastStablePosition(state.transactions, state.highWatermark, state.log.logStartOffset)
  const expired = expiredSegments(state.log, state.config, stable.offset, context.now)
  if (expired.length > 0) drop(state, expired, outbox)
  // Files wait for a checkpoint that could not be written.
  else if (state.removals.length > 0) requestFlush(state, false, outbox)
}

// ── by an administrator ──

/** Moves the log start up; answers at once if that is refused. */
export function onDeleteRecords(state: ReplicaState, request: DeleteRecordsRequest, context: Context, outbox: Outbox): void {
  const { from } = context
  const { correlationId, beforeOffset } = request
  const startOffset = beforeOffset === DELETE_TO_HIGH_WATERMARK ? state.highWatermark.offset : beforeOffset
  const refusal = refusalOf(state, request, startOffset)
  if (refusal !== null) return replyDeletion(state, from, correlationId, refusal, startOffset, outbox)
  // Who has asked before has given that up.
  state.deletionWaiters = state.deletionWaiters.filter((one) => one.from.actor !== from.actor || one.startOffset !== startOffset)
  state.deletionWaiters.push({ from, correlationId, startOffset })
  if (state.deletionWaiters.length > DELETION_WAITERS_MAX) state.deletionWaiters.shift()
  raiseLogStart(state, startOffset, context, outbox)
  answerFollowers(state, outbox)
  answerDeletions(state, outbox)
}

function refusalOf(state: ReplicaState, request: DeleteRecordsRequest, startOffset: number): ErrorName | null {
  const { phase, highWatermark, topic, replication } = state
  if (phase === 'failed') return 'KAFKA_STORAGE_ERROR'
  if (phase !== 'leading' || replication === null || state.isDraining) return 'NOT_LEADER_OR_FOLLOWER'
  if (request.topicId !== state.topicId) return 'UNKNOWN_TOPIC_ID'
  if (topic.startsWith('__')) return 'INVALID_TOPIC_EXCEPTION'
  if (state.config.cleanupPolicy === 'compact') return 'POLICY_VIOLATION'
  // A new leader's high watermark may be behind what readers have seen.
  if (highWatermark.offset < Math.max(startOffset, replication.epochStartOffset))
    return highWatermark.offset < replication.epochStartOffset ? 'OFFSET_NOT_AVAILABLE' : 'OFFSET_OUT_OF_RANGE'
  return null
}

/** The log begins there, at least; what is below is not read any more, and goes when a checkpoint is safe that says so. */
export function raiseLogStart(state: ReplicaState, startOffset: number, context: Context, outbox: Outbox): void {
  const { log, highWatermark } = state
  if (startOffset > log.logStartOffset) {
    assert(startOffset <= highWatermark.offset, 'P13 the log begins at or below the high watermark')
    log.logStartOffset = startOffset
    pruneAborted(state.transactions, startOffset)
    if (startOffset === log.logEndOffset && activeSegment(log).sizeBytes > 0) rollSegment(state, context.now, outbox)
    drop(state, segmentsBelow(log, startOffset), outbox)
  } else if (startOffset > state.durableStartOffset && state.flush === null) requestFlush(state, false, outbox)
}

// ── files ──

/** The log does without these segments; their files go when a checkpoint says so. */
function drop(state: ReplicaState, dropped: readonly Segment[], outbox: Outbox): void {
  dropSegments(state.log, dropped)
  moveHighWatermark(state)
  const firstBase = state.log.segments[0]?.baseOffset ?? 0
  // What is deleted in the midst of a segment is still compared with what followers have.
  trimEpochs(state.epochs, firstBase)
  pruneAborted(state.transactions, state.log.logStartOffset)
  for (const segment of dropped) state.dirty.delete(segment.baseOffset)
  state.loadedIndexes = state.loadedIndexes.filter((base) => base >= firstBase)
  state.removals.push(...dropped.flatMap(filesOfSegment))
  requestFlush(state, false, outbox)
}

/** With the segment in which the high watermark stood gone, it stands at the beginning of the next one: at the same offset. */
function moveHighWatermark(state: ReplicaState): void {
  const { highWatermark, writtenEnd, log } = state
  const segmentBaseOffset = log.segments[0]?.baseOffset ?? 0
  if (highWatermark.segmentBaseOffset >= segmentBaseOffset) return
  assert(highWatermark.offset === segmentBaseOffset, 'P11 retention leaves everything at and above the high watermark')
  state.highWatermark = { offset: highWatermark.offset, segmentBaseOffset, position: 0 }
  if (writtenEnd.segmentBaseOffset < segmentBaseOffset) state.writtenEnd = state.highWatermark
}
