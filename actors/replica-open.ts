/**
 * How a replica opens its log: recovery (rules in partitions/recovery.ts), making durable what was found, and then its role. Also how a log is opened again
 * after the disk has failed, and how a follower cuts its log: by opening it up to there, so that there is one way only in which memory follows from files.
 */
import { assert, unreachable } from '../protocol/assert.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import { copyStates, rememberBatch } from '../partitions/idempotence.ts'
import { activeSegment, emptyLog } from '../partitions/log.ts'
import { advanceRecovery } from '../partitions/recovery.ts'
import type { Recovered } from '../partitions/recovered.ts'
import type { RecoveryAnswer } from '../partitions/recovery-demand.ts'
import { expectAnswer, newReplicaState } from '../partitions/replica-state.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import type { Outbox } from './actor.ts'
import { failReplica, requestFlush } from './replica-flush.ts'
import { raiseHighWatermark } from './replica-progress.ts'
import { beginRewrites } from './replica-rewrite.ts'
import { distrustUnheard } from './replica-synced.ts'

/** Begins to open the log. */
export function openLog(state: ReplicaState, outbox: Outbox): void {
  advance(state, null, outbox)
}

/** Starts again from what the disk proves. The role stays. */
export function reopenLog(state: ReplicaState, outbox: Outbox): void {
  forget(state, Infinity)
  openLog(state, outbox)
}

/** The log ends there from now on: what lies beyond is another leader's, and not this one's. */
export function cutLog(state: ReplicaState, endOffset: number, outbox: Outbox): void {
  assert(endOffset < state.log.logEndOffset, 'O2 a log that differs from its leader has something to cut')
  // Below the high watermark: somebody was elected who had fallen behind. What the checkpoints vouch for is not so any more.
  const isBelow = endOffset < state.highWatermark.offset
  if (isBelow) {
    const token = expectAnswer(state, { kind: 'ignore' })
    outbox.push({ kind: 'remove', log: state.logName, files: ['checkpoint-0', 'checkpoint-1'], token })
  }
  forget(state, endOffset)
  if (isBelow) {
    state.failedCheckpoint = -1
    state.checkpointTrust = 'unknown'
  }
  openLog(state, outbox)
}

/** The log is empty and begins there: the leader has nothing older any more. */
export function restartLog(state: ReplicaState, startOffset: number, outbox: Outbox): void {
  const { checkpointSequence } = state
  outbox.push({ kind: 'remove', log: state.logName, files: null, token: expectAnswer(state, { kind: 'ignore' }) })
  forget(state, Infinity)
  state.distrusted.clear()
  state.failedCheckpoint = -1
  state.heldEnd = -Infinity
  // There is none that could be written over.
  state.checkpointTrust = 'only'
  state.recovery = null
  state.log = emptyLog(startOffset)
  const end = { offset: startOffset, segmentBaseOffset: startOffset, position: 0 }
  Object.assign(state, { highWatermark: end, writtenEnd: end, durableEndOffset: startOffset, checkpointSequence })
  state.phase = 'settling'
  requestFlush(state, false, outbox)
}

/** The disk has answered recovery. */
export function onRecoveryAnswer(state: ReplicaState, answer: StorageAnswer, outbox: Outbox): void {
  if (answer.kind === 'listed' && answer.error === null) {
    // A log that was there is no new one: for whoever opens it again it is empty all the same.
    if (answer.isGone === true && state.recovery?.heldEnd === null) return failReplica(state, 'its files are gone', 'doubtful', outbox)
    return advance(state, { kind: 'listed', files: answer.files }, outbox)
  }
  if (answer.kind === 'readCompleted' && answer.records !== null) return advance(state, { kind: 'read', bytes: answer.records }, outbox)
  if (answer.kind === 'storageDone' && answer.error === null) return advance(state, { kind: 'changed' }, outbox)
  failReplica(state, 'the disk failed while the log was being opened', 'passing', outbox)
}

/** What was recovered is synced, whether there is a checkpoint that says so or not. */
export function openIfSettled(state: ReplicaState, outbox: Outbox): void {
  if (state.phase !== 'settling' || state.flush !== null) return
  // Without a checkpoint that says so, a log that begins above 0 would be taken for a damaged one.
  if (state.checkpointTrust !== 'safe' && state.log.logStartOffset > 0 && state.log.logEndOffset === state.log.logStartOffset)
    return failReplica(state, 'the disk failed to write where the log begins', 'passing', outbox)
  onOpened(state, outbox)
}

function forget(state: ReplicaState, endOffsetMax: number): void {
  distrustUnheard(state)
  const { self, topic, topicId, partition, config: topicConfig, replicaLagMillis } = state
  // What is cut because a leader says so ends where a batch does, somewhere below.
  const reopening = { endOffsetMax, heldEnd: endOffsetMax === Infinity ? heldEndOf(state) : -Infinity }
  const fresh = newReplicaState(self, { topic, topicId, partition, topicConfig, replicaLagMillis }, reopening)
  const { nextToken, role, brokenEpoch, drainWaiter, isDraining, distrusted, highWatermark, failedCheckpoint } = state
  const committedOffset = Math.min(Math.max(state.committedOffset, highWatermark.offset), endOffsetMax)
  // However often the log is opened again.
  if (state.checkpointTrust === 'doubted') fresh.checkpointTrust = 'doubted'
  // No name of a file is used twice: a cleaning may still be writing.
  fresh.cleaning.generation = state.cleaning.generation
  fresh.cleaning.isArmed = state.cleaning.isArmed
  const kept = { nextToken, role, brokenEpoch, drainWaiter, isDraining, distrusted, committedOffset, failedCheckpoint }
  Object.assign(state, fresh, kept)
}

/** Up to where everything was durable here in this life; -Infinity where that may be cut all the same; null: the log was never open yet. */
function heldEndOf({ damage, heldEnd, durableEndOffset }: ReplicaState): number | null {
  if (damage === 'doubtful') return -Infinity
  return heldEnd === null ? null : Math.max(heldEnd, durableEndOffset)
}

function advance(state: ReplicaState, answer: RecoveryAnswer | null, outbox: Outbox): void {
  const { recovery, logName: log } = state
  assert(recovery !== null, 'P1 recovery goes on only while it is under way')
  const demand = advanceRecovery(recovery, answer)
  if (demand.kind === 'done') return onRecovered(state, demand.recovered, outbox)
  if (demand.kind === 'failed') return failReplica(state, demand.reason, 'total', outbox)
  if (demand.kind === 'doubtful') return failReplica(state, demand.reason, 'doubtful', outbox)
  const token = expectAnswer(state, { kind: 'recovery' })
  switch (demand.kind) {
    case 'list':
      return outbox.push({ kind: 'list', log, token })
    case 'read':
      return outbox.push({ kind: 'read', log, file: demand.file, position: demand.position, sizeBytes: demand.sizeBytes, token })
    case 'truncate':
      return outbox.push({ kind: 'truncate', log, file: demand.file, sizeBytes: demand.sizeBytes, token })
    case 'remove':
      return outbox.push({ kind: 'remove', log, files: demand.files, token })
    default:
      return unreachable(demand)
  }
}

/** What lies above the recovery point may be committed or not: with one replica it is; otherwise the leader knows. */
function onRecovered(state: ReplicaState, recovered: Recovered, outbox: Outbox): void {
  const { log, epochs, producers, transactions, tail, recoveryPoint } = recovered
  const active = activeSegment(log)
  const [first] = tail
  const isOnlyCheckpoint = state.recovery?.checkpoints.includes('unsound') === true
  state.recovery = null
  state.log = log
  state.epochs = epochs
  state.producers = producers
  state.appended = copyStates(producers)
  state.transactions = transactions
  for (const { numbered } of tail) if (numbered !== null) rememberBatch(state.appended, numbered)
  state.pending = tail.map((one) => ({ ...one, logAppendTime: -1, waiters: [], written: true, synced: false }))
  state.checkpointSequence = recovered.checkpointSequence
  if (state.failedCheckpoint === recovered.checkpointSequence) state.checkpointTrust = 'torn'
  if (isOnlyCheckpoint) state.checkpointTrust = 'only'
  state.cutBytes = recovered.cutBytes
  state.removals = [...recovered.stale]
  state.cleaning.cleanedOffset = recovered.cleanedOffset
  state.cleaning.generation = Math.max(state.cleaning.generation, recovered.generation)
  // The log never begins above the high watermark, and that is never inside of a batch.
  for (const { baseOffset, endOffset } of tail)
    if (baseOffset < log.logStartOffset) state.committedOffset = Math.max(state.committedOffset, endOffset)
  state.writtenEnd = { offset: log.logEndOffset, segmentBaseOffset: active.baseOffset, position: active.sizeBytes }
  state.highWatermark =
    first === undefined
      ? state.writtenEnd
      : { offset: first.baseOffset, segmentBaseOffset: first.segmentBaseOffset, position: first.position }
  state.durableEndOffset = state.highWatermark.offset
  log.segments.forEach((segment, i) => {
    const endOffset = log.segments[i + 1]?.baseOffset ?? log.logEndOffset
    if (endOffset > recoveryPoint || segment === active) state.dirty.add(segment.baseOffset)
  })
  if (beginRewrites(state, recoveryPoint, outbox)) state.phase = 'settling'
  else settleTail(state, outbox)
}

/** What lies above the recovery point may only be in the page cache: nobody may count on it before it is synced. */
export function settleTail(state: ReplicaState, outbox: Outbox): void {
  if (state.pending.length === 0 || state.config.flush !== 'commit') return onOpened(state, outbox)
  state.phase = 'settling'
  requestFlush(state, false, outbox)
}

/** The log is open; what the replica is to do with it is another matter. */
function onOpened(state: ReplicaState, outbox: Outbox): void {
  for (const entry of state.pending) entry.synced = true
  state.durableEndOffset = state.log.logEndOffset
  state.heldEnd = -Infinity
  raiseHighWatermark(state, Math.min(state.committedOffset, state.durableEndOffset), outbox)
  state.phase = 'idle'
}
