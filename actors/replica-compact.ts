/**
 * How a replica compacts its log, by itself, whatever its role: it looks now and then whether a cleaning is due (rules in partitions/compaction.ts), has it done
 * off the serving threads, gives the new files their names, which is when they count, and forgets the old ones.
 *
 *   looking ─► cleaning (files under other names) ─► renaming ─► swapped in memory ─► the old files go when a checkpoint does without them
 *
 * What has become of the log meanwhile decides: what was cleaned of segments that the log does not have any more is thrown away.
 */
import { assert } from '../protocol/assert.ts'
import type { Cleaned, CleanedSegment } from '../protocol/cleaning.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import { isCompacted } from '../protocol/topic-config.ts'
import { cleaningOrder, dueSegments, hasInputs, isOverdue, replaceSegments } from '../partitions/compaction.ts'
import { activeSegment, filesOfSegment, indexFileName, logFileName } from '../partitions/log.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { Continuation, ReplicaState } from '../partitions/replica-state.ts'
import { encodeIndex } from '../partitions/segment-index.ts'
import { lastStablePosition } from '../partitions/transactions.ts'
import type { Context, Outbox } from './actor.ts'
import { armCleaning } from './cleaning-timer.ts'
import { onDamage } from './replica-damage.ts'
import { requestFlush, rollSegment } from './replica-flush.ts'
import { evictIndexes } from './replica-index.ts'
import { knownSyncedByAll, unsyncedSegments } from './replica-synced.ts'

type Cleaning = Extract<Continuation, { kind: 'cleaning' }>
type Swap = Extract<Continuation, { kind: 'swap' }>

// ── looking ──

/** Looks whether a cleaning is due. */
export function onCleaningTimer(state: ReplicaState, context: Context, outbox: Outbox): void {
  state.cleaning.isArmed = false
  armCleaning(state, outbox)
  if (!isOpen(state) || !isCompacted(state.config)) return
  if (state.pending.length === 0 && isOverdue(activeSegment(state.log), state.config, context.now)) rollQuiet(state, context, outbox)
  clean(state, context, outbox)
}

/** Everything is committed: the high watermark moves on with the end, so that the segment that is closed can be cleaned although nothing follows. */
function rollQuiet(state: ReplicaState, { now }: Context, outbox: Outbox): void {
  rollSegment(state, now, outbox)
  const offset = state.log.logEndOffset
  assert(state.highWatermark.offset === offset, 'C4 nothing is pending, so everything is below the high watermark')
  state.highWatermark = { offset, segmentBaseOffset: offset, position: 0 }
  state.writtenEnd = state.highWatermark
  requestFlush(state, false, outbox)
}

/** Begins a cleaning if one is due. */
function clean(state: ReplicaState, context: Context, outbox: Outbox): void {
  const { cleaning, log, config, producers } = state
  if (cleaning.isRunning || cleaning.isStopped) return
  const { offset, segmentBaseOffset } = lastStablePosition(state.transactions, state.highWatermark, log.logStartOffset)
  const inputs = dueSegments(log, config, cleaning, { offset, segmentBaseOffset, unsynced: unsyncedSegments(state) }, context.now)
  if (inputs.length === 0) return
  const { aborted } = state.transactions
  const order = cleaningOrder(log, inputs, config, cleaning, { producers, aborted, now: context.now, syncedByAll: knownSyncedByAll(state) })
  cleaning.isRunning = true
  cleaning.generation++
  const token = expectAnswer(state, { kind: 'cleaning', inputs, generation: cleaning.generation })
  outbox.push({ kind: 'compact', log: state.logName, order, token })
}

function isOpen({ phase, isDraining }: ReplicaState): boolean {
  return !isDraining && (phase === 'leading' || phase === 'following' || phase === 'idle')
}

// ── what came of it ──

/** The disk has answered what a cleaning asked of it. */
export function onCleaningAnswer(
  state: ReplicaState,
  step: Cleaning | Swap,
  message: StorageAnswer,
  context: Context,
  outbox: Outbox,
): void {
  if (step.kind === 'cleaning') {
    assert(message.kind === 'compacted', 'P14 a cleaning is answered by compacted')
    return onCompacted(state, step, message, outbox)
  }
  assert(message.kind === 'storageDone', 'P5 a renaming is answered by storageDone')
  onSwapped(state, step, message, context, outbox)
}

/** Segments were cleaned: their files get the names under which they count, if the log still has what they were made of. */
function onCompacted(state: ReplicaState, cleaning: Cleaning, message: MessageOf<'compacted'>, outbox: Outbox): void {
  const { inputs, generation } = cleaning
  const { cleaned, error } = message
  if (cleaned === null) return onCleaningFailed(state, error, outbox)
  if (!isOpen(state) || !cleaned.outputs.every((one) => hasInputs(state.log, inputs, one))) {
    state.cleaning.isRunning = false
    return discardCleaned(state, message, outbox)
  }
  // Every record was the newest of its key.
  if (cleaned.outputs.length === 0) return endCleaning(state, cleaned)
  const renames = cleaned.outputs.map(({ file, baseOffset }) => ({ from: file, to: logFileName(baseOffset, generation) }))
  const token = expectAnswer(state, { kind: 'swap', inputs, generation, cleaned })
  outbox.push({ kind: 'rename', log: state.logName, renames, token })
}

/** Damage is treated as what a reader would find. A disk that is full, or fails, is left alone until the log is opened again. */
function onCleaningFailed(state: ReplicaState, error: MessageOf<'compacted'>['error'], outbox: Outbox): void {
  state.cleaning.isRunning = false
  state.cleaning.isStopped = error !== 'full'
  if (error === 'damaged') onDamage(state, outbox)
}

/** Nobody needs what was cleaned: the log has been opened again meanwhile, or has lost segments. */
export function discardCleaned(state: ReplicaState, { cleaned }: MessageOf<'compacted'>, outbox: Outbox): void {
  const files = cleaned?.outputs.map(({ file }) => file) ?? []
  if (files.length > 0) outbox.push({ kind: 'remove', log: state.logName, files, token: expectAnswer(state, { kind: 'ignore' }) })
}

/** The new files have their names: the log is made of them from now on. */
function onSwapped(state: ReplicaState, swap: Swap, message: MessageOf<'storageDone'>, context: Context, outbox: Outbox): void {
  const { inputs, generation, cleaned } = swap
  const { outputs } = cleaned
  if (message.error !== null || !outputs.every((one) => hasInputs(state.log, inputs, one))) return dropOutputs(state, swap, outbox)
  for (const output of outputs) swapOne(state, output, generation, outbox)
  endCleaning(state, cleaned)
  evictIndexes(state)
  requestFlush(state, false, outbox)
  // The keys may not have fitted into memory at once.
  clean(state, context, outbox)
}

function endCleaning({ cleaning }: ReplicaState, { cleanedOffset }: Cleaned): void {
  cleaning.isRunning = false
  cleaning.cleanedOffset = Math.max(cleaning.cleanedOffset, cleanedOffset)
}

function swapOne(state: ReplicaState, output: CleanedSegment, generation: number, outbox: Outbox): void {
  const { highWatermark, log } = state
  assert(output.endOffset <= highWatermark.segmentBaseOffset, 'C3 where the high watermark stands nothing is replaced')
  const replaced = replaceSegments(log, output, generation)
  const bases = new Set(replaced.map(({ baseOffset }) => baseOffset))
  state.loadedIndexes = state.loadedIndexes.filter((base) => !bases.has(base))
  state.loadedIndexes.push(output.baseOffset)
  state.removals.push(...replaced.flatMap(filesOfSegment))
  const token = expectAnswer(state, { kind: 'ignore' })
  const bytes = encodeIndex(output.index, output.baseOffset)
  outbox.push({ kind: 'replace', log: state.logName, file: indexFileName(output.baseOffset, generation), bytes, token })
}

/** What was renamed, all of it or a part, is in nobody's way, but must not be taken for the log. */
function dropOutputs(state: ReplicaState, { generation, cleaned }: Swap, outbox: Outbox): void {
  state.cleaning.isRunning = false
  const files = cleaned.outputs.flatMap(({ file, baseOffset }) => [file, logFileName(baseOffset, generation)])
  outbox.push({ kind: 'remove', log: state.logName, files, token: expectAnswer(state, { kind: 'ignore' }) })
}
