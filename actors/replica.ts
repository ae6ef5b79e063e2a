/**
 * One partition replica: takes batches, gives them offsets, acknowledges them under the topic's flush policy, and serves readers
 * below the high watermark. The rules are in partitions/; this file says which message leads to which rule.
 * Producing is in replica-produce.ts, reading in replica-read.ts; syncing, checkpoints and rolling back in replica-flush.ts.
 *
 * What it does not do: follow another leader (there is one replica per partition), transactions, compaction.
 */
import { assert, unreachable } from '../protocol/assert.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import { copyStates } from '../partitions/idempotence.ts'
import { activeSegment, indexFileName, logFileName } from '../partitions/log.ts'
import { advanceRecovery } from '../partitions/recovery.ts'
import type { Recovered, RecoveryAnswer } from '../partitions/recovery.ts'
import { expectAnswer, newReplicaState } from '../partitions/replica-state.ts'
import type { ReplicaConfig, ReplicaState } from '../partitions/replica-state.ts'
import { dropSegments, expiredSegments, isTooOld } from '../partitions/retention.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import {
  drainIfIdle,
  failReplica,
  finishDrain,
  onCheckpointProved,
  onCheckpointSynced,
  onCheckpointWritten,
  onFlushed,
  onRolledBack,
  onSynced,
  requestFlush,
  rollSegment,
} from './replica-flush.ts'
import { acknowledge, onAppended, onProduce } from './replica-produce.ts'
import { beginRewrites, onRewriteRead, onRewritten } from './replica-rewrite.ts'
import { onFetch, onFetchRead, onFetchTimer, onIndexRead, onListOffsets, onRebuildRead, onTimestampRead } from './replica-read.ts'

/** How often retention looks; Kafka's log.retention.check.interval.ms is 300,000. */
const RETENTION_CHECK_MILLIS = 30_000

/** The behaviour of a replica. */
export const actor: Actor<ReplicaState, ReplicaConfig> = {
  url: import.meta.url,
  start: newReplicaState,
  receive(state: ReplicaState, message: Message, context: Context, outbox: Outbox): void {
    switch (message.kind) {
      case 'started':
        return onStarted(state, outbox)
      case 'produce':
        return onProduce(state, message, context, outbox)
      case 'fetch':
        return onFetch(state, message, context, outbox)
      case 'listOffsets':
        return onListOffsets(state, message, context, outbox)
      case 'configureReplica':
        return onConfigure(state, message, context, outbox)
      case 'drain':
        return onDrain(state, context, outbox)
      case 'timerFired':
        return onTimer(state, message, context, outbox)
      case 'appended':
      case 'synced':
      case 'readCompleted':
      case 'storageDone':
      case 'listed':
      case 'logsListed':
        return onStorageAnswer(state, message, outbox)
      default:
        assert(false, `a replica does not understand ${message.kind}`)
    }
  },
}

// ── life ──

function onStarted(state: ReplicaState, outbox: Outbox): void {
  advance(state, null, outbox)
}

function advance(state: ReplicaState, answer: RecoveryAnswer | null, outbox: Outbox): void {
  const { recovery, logName: log } = state
  assert(recovery !== null, 'P1 recovery goes on only while it is under way')
  const demand = advanceRecovery(recovery, answer)
  if (demand.kind === 'done') return onRecovered(state, demand.recovered, outbox)
  if (demand.kind === 'failed') return failReplica(state, demand.reason, 'permanent', outbox)
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

function onRecoveryAnswer(state: ReplicaState, answer: StorageAnswer, outbox: Outbox): void {
  if (answer.kind === 'listed' && answer.error === null) return advance(state, { kind: 'listed', files: answer.files }, outbox)
  if (answer.kind === 'readCompleted' && answer.records !== null) return advance(state, { kind: 'read', bytes: answer.records }, outbox)
  if (answer.kind === 'storageDone' && answer.error === null) return advance(state, { kind: 'changed' }, outbox)
  failReplica(state, 'the disk failed while the log was being opened', 'passing', outbox)
}

function onRecovered(state: ReplicaState, recovered: Recovered, outbox: Outbox): void {
  state.recovery = null
  state.log = recovered.log
  state.producers = recovered.producers
  state.appended = copyStates(recovered.producers)
  state.checkpointSequence = recovered.checkpointSequence
  state.cutBytes = recovered.cutBytes
  const active = activeSegment(state.log)
  state.highWatermark = { offset: state.log.logEndOffset, segmentBaseOffset: active.baseOffset, position: active.sizeBytes }
  state.log.segments.forEach((segment, i) => {
    const endOffset = state.log.segments[i + 1]?.baseOffset ?? state.log.logEndOffset
    if (endOffset > recovered.recoveryPoint || segment === active) state.dirty.add(segment.baseOffset)
  })
  if (beginRewrites(state, recovered.recoveryPoint, outbox)) state.phase = 'settling'
  else if (recovered.recoveryPoint === state.log.logEndOffset) lead(state, outbox)
  else settle(state, outbox)
}

/** What was recovered beyond the recovery point may only be in the page cache: nobody may read it before it is synced. */
function settle(state: ReplicaState, outbox: Outbox): void {
  if (state.config.flush !== 'commit') return lead(state, outbox)
  state.phase = 'settling'
  requestFlush(state, false, outbox)
}

/** What was recovered is synced, whether there is a checkpoint that says so or not. */
function leadIfSettled(state: ReplicaState, outbox: Outbox): void {
  if (state.phase === 'settling' && state.flush === null) lead(state, outbox)
}

function lead(state: ReplicaState, outbox: Outbox): void {
  state.phase = 'leading'
  armRetention(outbox)
  armFlush(state, outbox)
  drainIfIdle(state, outbox)
}

function armRetention(outbox: Outbox): void {
  outbox.push({ kind: 'startTimer', timer: 'retention', afterMillis: RETENTION_CHECK_MILLIS })
}

function armFlush(state: ReplicaState, outbox: Outbox): void {
  if (state.config.flush === 'interval') outbox.push({ kind: 'startTimer', timer: 'flush', afterMillis: state.config.flushIntervalMillis })
}

/** New settings take effect at once, retention included. */
function onConfigure(state: ReplicaState, message: MessageOf<'configureReplica'>, context: Context, outbox: Outbox): void {
  state.config = message.config
  armFlush(state, outbox)
  onRetentionTimer(state, context, outbox)
}

function onTimer(state: ReplicaState, message: MessageOf<'timerFired'>, context: Context, outbox: Outbox): void {
  switch (message.timer) {
    case 'fetch':
      return onFetchTimer(state, context, outbox)
    case 'retention':
      return onRetentionTimer(state, context, outbox)
    case 'flush':
      if (state.phase === 'leading' && state.bytesSinceFlush > 0) requestFlush(state, false, outbox)
      return armFlush(state, outbox)
    case 'reopen':
      if (!state.isDraining) reopen(state, outbox)
      return
    default:
      assert(false, `a replica has no timer ${message.timer}`)
  }
}

/** Starts again from what the disk proves. */
function reopen(state: ReplicaState, outbox: Outbox): void {
  const fresh = newReplicaState(state.self, {
    topic: state.topic,
    topicId: state.topicId,
    partition: state.partition,
    leaderEpoch: state.leaderEpoch,
    topicConfig: state.config,
  })
  Object.assign(state, fresh, { nextToken: state.nextToken, distrusted: state.distrusted })
  onStarted(state, outbox)
}

function onDrain(state: ReplicaState, context: Context, outbox: Outbox): void {
  const isOver = state.isDraining && state.drainWaiter === null
  state.isDraining = true
  state.drainWaiter = context.from
  if (isOver) return finishDrain(state, outbox)
  drainIfIdle(state, outbox)
}

// ── the disk answers ──

function onStorageAnswer(state: ReplicaState, message: StorageAnswer, outbox: Outbox): void {
  const continuation = state.continuations.get(message.token)
  if (continuation === undefined) return
  state.continuations.delete(message.token)
  switch (continuation.kind) {
    case 'recovery':
      return onRecoveryAnswer(state, message, outbox)
    case 'append':
      assert(message.kind === 'appended', 'P3 an append is answered by appended')
      return onAppended(state, continuation.entry, message, outbox)
    case 'sync':
      assert(message.kind === 'synced', 'P4 a sync is answered by synced')
      onSynced(state, continuation.segmentBaseOffset, message, outbox)
      return acknowledge(state, outbox)
    case 'flush':
      assert(message.kind === 'synced', 'P4 a sync is answered by synced')
      return onFlushed(state, continuation.flush, continuation.segmentBaseOffset, message, outbox)
    case 'checkpoint':
      assert(message.kind === 'storageDone', 'P5 a small file is replaced by storageDone')
      onCheckpointWritten(state, continuation.write, message, outbox)
      return leadIfSettled(state, outbox)
    case 'checkpointSync':
      assert(message.kind === 'synced', 'P4 a sync is answered by synced')
      onCheckpointSynced(state, continuation.write, message, outbox)
      return leadIfSettled(state, outbox)
    case 'checkpointProof':
      assert(message.kind === 'synced', 'P4 a sync is answered by synced')
      onCheckpointProved(state, continuation.flush, message, outbox)
      return leadIfSettled(state, outbox)
    case 'rollBack':
      assert(message.kind === 'storageDone', 'P5 a truncation is answered by storageDone')
      return onRolledBack(state, message, outbox)
    case 'rewriteRead':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onRewriteRead(state, continuation, message, outbox)
    case 'rewritten':
      assert(message.kind === 'storageDone', 'P5 a rewrite is answered by storageDone')
      if (onRewritten(state, continuation, message, outbox)) settle(state, outbox)
      return
    case 'ignore':
      return
    case 'fetch':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onFetchRead(state, continuation, message, outbox)
    case 'timestamp':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onTimestampRead(state, continuation, message, outbox)
    case 'index':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onIndexRead(state, continuation.segmentBaseOffset, message, outbox)
    case 'rebuild':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onRebuildRead(state, continuation, message, outbox)
    default:
      return unreachable(continuation)
  }
}

// ── retention ──

function onRetentionTimer(state: ReplicaState, context: Context, outbox: Outbox): void {
  armRetention(outbox)
  if (state.phase !== 'leading' || state.isDraining) return
  const active = activeSegment(state.log)
  if (state.pending.length === 0 && isTooOld(active, state.config, context.now)) rollSegment(state, context.now, outbox)
  const expired = expiredSegments(state.log, state.config, state.highWatermark.offset, context.now)
  if (expired.length === 0) {
    // Files wait for a checkpoint that could not be written.
    if (state.removals.length > 0) requestFlush(state, false, outbox)
    return
  }
  dropSegments(state.log, expired)
  moveHighWatermark(state)
  const files = expired.flatMap((segment) => [logFileName(segment.baseOffset), indexFileName(segment.baseOffset)])
  for (const segment of expired) state.dirty.delete(segment.baseOffset)
  state.loadedIndexes = state.loadedIndexes.filter((base) => base >= state.log.logStartOffset)
  state.removals.push(...files)
  requestFlush(state, false, outbox)
}

/** With the segment in which the high watermark stood gone, it stands at the beginning of the next one: at the same offset. */
function moveHighWatermark(state: ReplicaState): void {
  const { highWatermark, log } = state
  const segmentBaseOffset = log.segments[0]?.baseOffset ?? 0
  if (highWatermark.segmentBaseOffset >= segmentBaseOffset) return
  assert(highWatermark.offset === segmentBaseOffset, 'P11 retention leaves everything at and above the high watermark')
  state.highWatermark = { offset: highWatermark.offset, segmentBaseOffset, position: 0 }
}
