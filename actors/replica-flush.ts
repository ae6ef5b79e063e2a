/**
 * How a replica makes appends durable: grouped syncs before acknowledgements (flush commit), flushes that let the checkpoint
 * move up, and what happens when the disk fails. After a failed write or sync nothing unproven is kept: the log is cut back to the
 * high watermark, those who wait are told, and a new segment begins, because a file whose sync failed is not trusted again. Where the log must
 * be opened again instead, replica-rewrite.ts takes care of such files.
 */
import { assert } from '../protocol/assert.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { checkpointFile, encodeCheckpoint } from '../partitions/checkpoint.ts'
import { cleaningSummary, isCleaned } from '../partitions/compaction.ts'
import { truncateEpochs } from '../partitions/epochs.ts'
import { copyStates } from '../partitions/idempotence.ts'
import { activeSegment, fileOfSegment, filesOfSegment, indexFileName, logFileName, roll, truncateLog } from '../partitions/log.ts'
import type { Segment } from '../partitions/log.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { CheckpointWrite, Flush, ReplicaState } from '../partitions/replica-state.ts'
import { isWithFollowers } from '../partitions/replication.ts'
import { encodeIndex } from '../partitions/segment-index.ts'
import { copyTransactions } from '../partitions/transactions.ts'
import type { Outbox } from './actor.ts'
import { armCleaning } from './cleaning-timer.ts'
import { RESIGN_MILLIS, resignIfBroken } from './replica-damage.ts'
import { refuseParked } from './replica-read.ts'
import { distrustSyncing, distrustUnheard, isAllSynced } from './replica-synced.ts'
import { refuseDeletions, refuseWaiters } from './replica-waiters.ts'

/** A checkpoint is taken after so many bytes, so that recovery never checks more. */
export const FLUSH_INTERVAL_BYTES: number = 32 * 1024 * 1024

/** No checkpoint is so large. */
const CHECKPOINT_BYTES_MAX = 2 ** 31 - 1

/** Pause before a failed replica opens its log again. */
const REOPEN_MILLIS = 1000

// ── commit: sync, then acknowledge ──

/** Asks for a sync of a segment, unless one is under way: then the next follows it and covers what came meanwhile. */
export function requestSync(state: ReplicaState, segmentBaseOffset: number, outbox: Outbox): void {
  if (state.syncing.has(segmentBaseOffset)) return
  state.syncing.add(segmentBaseOffset)
  const token = expectAnswer(state, { kind: 'sync', segmentBaseOffset })
  outbox.push({ kind: 'sync', log: state.logName, file: fileOfSegment(state.log, segmentBaseOffset), token })
}

/** Marks what the sync has covered. */
export function onSynced(state: ReplicaState, segmentBaseOffset: number, message: MessageOf<'synced'>, outbox: Outbox): void {
  state.syncing.delete(segmentBaseOffset)
  if (message.error !== null) return onSyncFailed(state, segmentBaseOffset, outbox)
  let more = false
  for (const entry of state.pending) {
    if (entry.segmentBaseOffset !== segmentBaseOffset || !entry.written) continue
    if (entry.endPosition <= message.sizeBytes) entry.synced = true
    else more = true
  }
  if (more) requestSync(state, segmentBaseOffset, outbox)
}

function onSyncFailed(state: ReplicaState, segmentBaseOffset: number, outbox: Outbox): void {
  state.distrusted.add(segmentBaseOffset)
  onDiskFailed(state, 'KAFKA_STORAGE_ERROR', outbox)
}

// ── flush and checkpoint ──

/** Syncs every segment with unflushed appends, then writes a checkpoint that vouches for what is acknowledged now. */
export function requestFlush(state: ReplicaState, clean: boolean, outbox: Outbox): void {
  if (state.flush !== null) {
    if (clean || state.flushAgain === 'no') state.flushAgain = clean ? 'clean' : 'plain'
    return
  }
  const bases = [...state.dirty].filter((base) =>
    state.log.segments.some((segment) => segment.baseOffset === base && segment.sizeBytes > 0),
  )
  state.flush = {
    target: state.highWatermark.offset,
    producers: copyStates(state.producers),
    transactions: copyTransactions(state.transactions),
    clean,
    segmentBaseOffsets: bases,
    waiting: bases.length,
  }
  state.dirty.clear()
  state.bytesSinceFlush = 0
  for (const base of bases) {
    const token = expectAnswer(state, { kind: 'flush', flush: state.flush, segmentBaseOffset: base })
    outbox.push({ kind: 'sync', log: state.logName, file: fileOfSegment(state.log, base), token })
  }
  if (bases.length === 0) writeCheckpoint(state, outbox)
}

/** One file of a flush is synced, or is not. */
export function onFlushed(
  state: ReplicaState,
  flush: Flush,
  segmentBaseOffset: number,
  message: MessageOf<'synced'>,
  outbox: Outbox,
): void {
  if (state.flush !== flush) return
  // Retention may have removed the file meanwhile: then there is nothing left to sync.
  const isThere = state.log.segments.some((segment) => segment.baseOffset === segmentBaseOffset)
  if (message.error !== null && isThere) return onFlushFailed(state, segmentBaseOffset, outbox)
  flush.waiting--
  if (flush.waiting === 0) writeCheckpoint(state, outbox)
}

/** No checkpoint may pass a file whose sync failed; its records are as safe as before, if the topic promises no more than that. */
function onFlushFailed(state: ReplicaState, segmentBaseOffset: number, outbox: Outbox): void {
  const reason = `the disk failed to sync ${logFileName(segmentBaseOffset)}`
  state.flush = null
  state.distrusted.add(segmentBaseOffset)
  if (state.phase === 'settling') return failReplica(state, reason, 'passing', outbox)
  if (state.config.flush === 'commit') return onDiskFailed(state, 'KAFKA_STORAGE_ERROR', outbox)
  failReplica(state, reason, 'passing', outbox)
}

/** Says in a checkpoint, as well as it can be said now, what was acknowledged: a log that is opened with less is damaged. */
export function vouch(state: ReplicaState, outbox: Outbox): void {
  const { highWatermark, durableEndOffset, producers, transactions } = state
  // A follower may not have heard yet that anything is committed.
  const target = highWatermark.offset > 0 ? highWatermark.offset : durableEndOffset
  if (isUnproved(state)) state.checkpointTrust = 'torn'
  state.flush = { target, producers, transactions, clean: false, segmentBaseOffsets: [], waiting: 0 }
  writeCheckpoint(state, outbox)
  state.flush = null
}

/** The last step of a flush. */
export function writeCheckpoint(state: ReplicaState, outbox: Outbox): void {
  const { flush, log } = state
  assert(flush !== null, 'F1 a checkpoint ends a flush')
  // One that was read from the page cache must be proven before the other file, the last proven one perhaps, is overwritten.
  if (state.checkpointSequence > 0 && (log.logStartOffset > 0 || isCleaned(log)) && proveCheckpoint(state, flush, outbox)) return
  const active = activeSegment(log)
  // What lies above the high watermark must be looked at again when the log is opened.
  const clean = flush.clean && flush.target === log.logEndOffset
  if (clean && active.index !== null) {
    const bytes = encodeIndex(active.index, active.baseOffset)
    outbox.push({
      kind: 'replace',
      log: state.logName,
      file: indexFileName(active.baseOffset, active.generation),
      bytes,
      token: expectAnswer(state, { kind: 'ignore' }),
    })
  }
  // The first one has no other one yet.
  state.checkpointSequence += state.checkpointTrust === 'torn' && state.checkpointSequence > 1 ? 2 : 1
  const bytes = encodeCheckpoint({
    sequence: state.checkpointSequence,
    clean,
    recoveryPoint: flush.target,
    logStartOffset: log.logStartOffset,
    segments: log.segments.map(({ baseOffset, sizeBytes, maxTimestamp }) => ({ baseOffset, sizeBytes, maxTimestamp })),
    producers: flush.producers,
    transactions: flush.transactions,
    epochs: state.epochs.filter(({ startOffset }) => startOffset < flush.target),
    cleaning: cleaningSummary(log, state.cleaning),
  })
  const { checkpointSequence: sequence, removals } = state
  const write = { flush, sequence, logStartOffset: log.logStartOffset, mustSync: needsCheckpoint(state), removals }
  const token = expectAnswer(state, { kind: 'checkpoint', write })
  outbox.push({ kind: 'replace', log: state.logName, file: checkpointFile(write.sequence), bytes, token })
  state.removals = []
}

/** Has the newest checkpoint proved before it is relied upon (replica-proof.ts); false if there is nothing to prove. */
function proveCheckpoint(state: ReplicaState, flush: Flush, outbox: Outbox): boolean {
  if (!isUnproved(state)) return false
  const { logName: log, checkpointTrust, checkpointSequence } = state
  const file = checkpointFile(checkpointSequence)
  if (checkpointTrust === 'unknown')
    outbox.push({ kind: 'sync', log, file, token: expectAnswer(state, { kind: 'checkpointProof', flush }) })
  else
    outbox.push({
      kind: 'read',
      log,
      file,
      position: 0,
      sizeBytes: CHECKPOINT_BYTES_MAX,
      token: expectAnswer(state, { kind: 'proofRead', flush }),
    })
  return true
}

function isUnproved({ checkpointTrust }: ReplicaState): boolean {
  return checkpointTrust === 'unknown' || checkpointTrust === 'doubted'
}

/**
 * Without its checkpoint, a log that retention has shortened looks like one whose first file is gone; so does an empty one that grows. And one that was compacted
 * is made of other files than the checkpoint before says.
 */
function needsCheckpoint({ log, removals }: ReplicaState): boolean {
  return removals.length > 0 || isCleaned(log) || log.logStartOffset > 0 || log.logEndOffset === log.logStartOffset
}

/** The checkpoint is in the page cache, or is not. */
export function onCheckpointWritten(state: ReplicaState, write: CheckpointWrite, message: MessageOf<'storageDone'>, outbox: Outbox): void {
  if (message.error !== null) return onCheckpointFailed(state, write, outbox)
  if (!write.mustSync) return onCheckpointSafe(state, write, outbox)
  const token = expectAnswer(state, { kind: 'checkpointSync', write })
  outbox.push({ kind: 'sync', log: state.logName, file: checkpointFile(write.sequence), token })
}

/** The checkpoint outlives a power loss, or may not. */
export function onCheckpointSynced(state: ReplicaState, write: CheckpointWrite, message: MessageOf<'synced'>, outbox: Outbox): void {
  if (message.error !== null) return onCheckpointFailed(state, write, outbox)
  onCheckpointSafe(state, write, outbox)
}

/** Nothing counts on a checkpoint that failed: files wait for the next one, and a stop is not a clean one. */
function onCheckpointFailed(state: ReplicaState, write: CheckpointWrite, outbox: Outbox): void {
  state.checkpointTrust = 'torn'
  state.failedCheckpoint = write.sequence
  state.removals.push(...write.removals)
  endFlush(state, write.flush, outbox)
}

/** The log does without these files: they may go. */
function onCheckpointSafe(state: ReplicaState, write: CheckpointWrite, outbox: Outbox): void {
  const { flush, sequence, logStartOffset, removals: files } = write
  if (sequence === state.checkpointSequence) state.checkpointTrust = 'safe'
  state.durableStartOffset = Math.max(state.durableStartOffset, logStartOffset)
  const token = expectAnswer(state, { kind: 'ignore' })
  if (files.length > 0) outbox.push({ kind: 'remove', log: state.logName, files, later: true, token })
  endFlush(state, flush, outbox)
}

/** The flush is over, unless a failure has ended it before; the next one begins if somebody waits for it. */
export function endFlush(state: ReplicaState, flush: Flush, outbox: Outbox): void {
  if (state.flush !== flush) return
  state.flush = null
  if (flush.clean) return finishDrain(state, outbox)
  if (state.flushAgain === 'no') return
  const cleanNext = state.flushAgain === 'clean'
  state.flushAgain = 'no'
  requestFlush(state, cleanNext, outbox)
}

/** What a stop asks for: says that it has settled, once that is so; and begins the last flush of a replica that is being stopped, once nothing is pending. */
export function moveStop(state: ReplicaState, outbox: Outbox): void {
  const { settling } = state
  if (settling !== null && isSettled(state, settling.endOffset)) {
    outbox.push({ kind: 'send', to: settling.waiter, message: { kind: 'settled' } })
    state.settling = null
  }
  if (state.drainWaiter !== null) drainIfIdle(state, outbox)
}

/** Whoever is in sync has everything below an offset that is led here; the high watermark may stand still below it, where too few are. */
function isSettled({ phase, replication, highWatermark }: ReplicaState, endOffset: number): boolean {
  if (phase !== 'leading' || replication === null || highWatermark.offset >= endOffset) return true
  return isWithFollowers(replication, endOffset)
}

function drainIfIdle(state: ReplicaState, outbox: Outbox): void {
  if (state.phase === 'failed' || state.phase === 'recovering') return finishDrain(state, outbox)
  const isOpen = state.phase === 'leading' || state.phase === 'following' || state.phase === 'idle'
  if (isOpen && isUntouched(state)) return finishDrain(state, outbox)
  // What waits for other replicas need not be waited for: it is in this log.
  if (isOpen && state.durableEndOffset === state.log.logEndOffset) requestFlush(state, true, outbox)
}

/** Nothing was ever in it: there is no file to vouch for. */
function isUntouched({ log, flush, checkpointSequence }: ReplicaState): boolean {
  return log.logEndOffset === 0 && checkpointSequence === 0 && flush === null
}

/** Tells whoever waits that the replica has come to rest, and whether that was a clean stop. */
export function finishDrain(state: ReplicaState, outbox: Outbox): void {
  const message = { kind: 'drained', isSynced: isAllSynced(state) } as const
  if (state.drainWaiter !== null) outbox.push({ kind: 'send', to: state.drainWaiter, message })
  state.drainWaiter = null
}

// ── rolling ──

/** Closes the active segment: its index goes to disk, and a flush makes it something that recovery need not look at. */
export function rollSegment(state: ReplicaState, now: number, outbox: Outbox): void {
  closeSegment(state, now, outbox)
  state.bytesSinceFlush = FLUSH_INTERVAL_BYTES
  armCleaning(state, outbox)
}

function closeSegment(state: ReplicaState, now: number, outbox: Outbox): void {
  const closed = roll(state.log, now)
  assert(closed.index !== null, 'P2 a segment rolls with its index in memory')
  const file = indexFileName(closed.baseOffset, closed.generation)
  const token = expectAnswer(state, { kind: 'ignore' })
  outbox.push({ kind: 'replace', log: state.logName, file, bytes: encodeIndex(closed.index, closed.baseOffset), token })
  if (!state.loadedIndexes.includes(closed.baseOffset)) state.loadedIndexes.push(closed.baseOffset)
}

// ── failure ──

/**
 * A write or a sync has failed. The only replica takes back what is not acknowledged, and goes on. One among several must not: others may have what it would
 * take back, and it would write something else under the same offsets and epoch. It opens its log again, and leads no more in this epoch.
 */
export function onDiskFailed(state: ReplicaState, error: ErrorName, outbox: Outbox): void {
  if (state.phase === 'leading' && state.role.replicas.length === 1) return rollBack(state, error, outbox)
  if (state.phase === 'leading' || state.phase === 'following' || state.phase === 'idle')
    failReplica(state, error === 'DISK_FULL' ? 'the disk is full' : 'the disk failed to write or to sync', 'passing', outbox)
}

/** Forgets everything that is not acknowledged, in memory and on disk. */
function rollBack(state: ReplicaState, error: ErrorName, outbox: Outbox): void {
  refuseWaiters(state, error, outbox)
  state.pending = []
  distrustSyncing(state)
  state.continuations.forEach((continuation, token) => {
    if (continuation.kind === 'append' || continuation.kind === 'sync') state.continuations.delete(token)
  })
  state.syncing.clear()
  state.appended = copyStates(state.producers)
  const to = state.highWatermark
  const removed = truncateLog(state.log, to)
  truncateEpochs(state.epochs, to.offset)
  state.writtenEnd = to
  state.durableEndOffset = to.offset
  for (const { baseOffset } of removed) state.dirty.delete(baseOffset)
  leaveOutOfFlush(state, removed, outbox)
  state.phase = 'rollingBack'
  state.rollBackWaiting = 1
  if (removed.length > 0) {
    const files = removed.flatMap(filesOfSegment)
    state.rollBackWaiting++
    outbox.push({ kind: 'remove', log: state.logName, files, token: expectAnswer(state, { kind: 'rollBack' }) })
  }
  const token = expectAnswer(state, { kind: 'rollBack' })
  outbox.push({ kind: 'truncate', log: state.logName, file: fileOfSegment(state.log, to.segmentBaseOffset), sizeBytes: to.position, token })
}

/** A flush goes on without segments that are no more: it vouches for nothing in them. */
function leaveOutOfFlush(state: ReplicaState, removed: readonly Segment[], outbox: Outbox): void {
  const { flush } = state
  if (flush === null) return
  const waitingBefore = flush.waiting
  state.continuations.forEach((continuation, token) => {
    if (continuation.kind !== 'flush' || continuation.flush !== flush) return
    if (!removed.some(({ baseOffset }) => baseOffset === continuation.segmentBaseOffset)) return
    state.continuations.delete(token)
    flush.waiting--
  })
  if (flush.waiting === 0 && waitingBefore > 0) writeCheckpoint(state, outbox)
}

/** One step of the disk's part is done: truncations and removals are durable when they are answered. */
export function onRolledBack(state: ReplicaState, message: MessageOf<'storageDone'>, outbox: Outbox): void {
  if (state.phase !== 'rollingBack') return
  if (message.error !== null) return failReplica(state, 'the disk failed to cut the log back', 'passing', outbox)
  state.rollBackWaiting--
  if (state.rollBackWaiting > 0) return
  // What is left is acknowledged: a commit sync has proven it, or the flush under way will tell.
  state.distrusted.clear()
  if (activeSegment(state.log).sizeBytes > 0) {
    closeSegment(state, -1, outbox)
  }
  // It may have been told meanwhile to be something else.
  state.phase = state.replication === null ? 'idle' : 'leading'
  moveStop(state, outbox)
}

/** The partition goes offline. A passing failure is tried again from what the disk proves; damage is not. */
export function failReplica(state: ReplicaState, reason: string, nature: 'passing' | 'doubtful' | 'total', outbox: Outbox): void {
  state.phase = 'failed'
  state.failure = reason
  if (nature !== 'passing') state.damage = nature
  if (state.role.leader === state.self.node && state.role.replicas.length > 1) state.brokenEpoch = state.role.leaderEpoch
  resignIfBroken(state, outbox)
  state.replication = null
  state.following = null
  distrustUnheard(state)
  state.continuations.clear()
  refuseWaiters(state, 'KAFKA_STORAGE_ERROR', outbox)
  state.pending = []
  refuseParked(state, outbox)
  refuseDeletions(state, outbox)
  if (nature === 'passing') outbox.push({ kind: 'startTimer', timer: 'reopen', afterMillis: REOPEN_MILLIS })
  // It may have been told already that nobody counts on it: then it is copied anew.
  else if (nature === 'doubtful' || state.role.replicas.length > 1)
    outbox.push({ kind: 'startTimer', timer: 'resign', afterMillis: RESIGN_MILLIS })
  moveStop(state, outbox)
}
