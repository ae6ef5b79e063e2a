/**
 * One partition replica: takes batches, gives them offsets, acknowledges them under the topic's flush policy, and serves readers
 * below the high watermark. The rules are in partitions/; this file says which message leads to which rule.
 * Reading is in replica-read.ts; syncing, checkpoints and rolling back in replica-flush.ts.
 *
 * What it does not do: follow another leader (there is one replica per partition), transactions, compaction.
 */
import type { Address } from '../protocol/address.ts'
import { assert, unreachable } from '../protocol/assert.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { ProduceRequest } from '../protocol/messages/produce.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import * as batch from '../protocol/record-batch.ts'
import { checkSequence, copyStates, rememberBatch } from '../partitions/idempotence.ts'
import type { NumberedBatch } from '../partitions/idempotence.ts'
import { activeSegment, appendBatch, indexFileName, logFileName, mustRoll, roll } from '../partitions/log.ts'
import { numberedBatch } from '../partitions/numbered-batch.ts'
import { advanceRecovery } from '../partitions/recovery.ts'
import type { Recovered, RecoveryAnswer } from '../partitions/recovery.ts'
import { expectAnswer, newReplicaState } from '../partitions/replica-state.ts'
import type { PendingAppend, ReplicaConfig, ReplicaState } from '../partitions/replica-state.ts'
import { dropSegments, expiredSegments, isTooOld } from '../partitions/retention.ts'
import { encodeIndex } from '../partitions/segment-index.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import {
  drainIfIdle,
  failReplica,
  onCheckpointed,
  onFlushed,
  onRolledBack,
  onSynced,
  requestFlush,
  requestSync,
  rollBack,
} from './replica-flush.ts'
import {
  onFetch,
  onFetchRead,
  onFetchTimer,
  onIndexRead,
  onListOffsets,
  onRebuildRead,
  onTimestampRead,
  wakeParked,
} from './replica-read.ts'

/** A checkpoint is taken after so many bytes, so that recovery never checks more. */
const FLUSH_INTERVAL_BYTES = 64 * 1024 * 1024

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
        state.config = message.config
        armTimers(state, outbox)
        return
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
  if (recovered.recoveryPoint === state.log.logEndOffset) return lead(state, outbox)
  // What was recovered beyond the recovery point may only be in the page cache: nobody may read it before it is synced.
  if (state.config.flush === 'commit') {
    state.phase = 'settling'
    return requestFlush(state, false, outbox)
  }
  lead(state, outbox)
}

function lead(state: ReplicaState, outbox: Outbox): void {
  state.phase = 'leading'
  armTimers(state, outbox)
  drainIfIdle(state, outbox)
}

function armTimers(state: ReplicaState, outbox: Outbox): void {
  outbox.push({ kind: 'startTimer', timer: 'retention', afterMillis: RETENTION_CHECK_MILLIS })
  if (state.config.flush === 'interval') outbox.push({ kind: 'startTimer', timer: 'flush', afterMillis: state.config.flushIntervalMillis })
}

function onTimer(state: ReplicaState, message: MessageOf<'timerFired'>, context: Context, outbox: Outbox): void {
  switch (message.timer) {
    case 'fetch':
      return onFetchTimer(state, context, outbox)
    case 'retention':
      return onRetentionTimer(state, context, outbox)
    case 'flush':
      if (state.phase === 'leading' && state.bytesSinceFlush > 0) requestFlush(state, false, outbox)
      return armTimers(state, outbox)
    case 'reopen':
      return reopen(state, outbox)
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
  Object.assign(state, fresh, { nextToken: state.nextToken })
  onStarted(state, outbox)
}

function onDrain(state: ReplicaState, context: Context, outbox: Outbox): void {
  state.drainWaiter = context.from
  drainIfIdle(state, outbox)
}

// ── produce ──

function onProduce(state: ReplicaState, request: ProduceRequest, context: Context, outbox: Outbox): void {
  const { records } = request
  const refusal = refusalOf(state, request)
  if (refusal !== null) return refuse(request, context.from, refusal, reasonOf(state, refusal), outbox)
  const stamped = state.config.messageTimestampType === 'LogAppendTime'
  if (stamped) batch.stampLogAppendTime(records, 0, context.now)
  const numbered = batch.producerId(records, 0) >= 0 ? numberedBatch(records, 0, state.log.logEndOffset) : null
  if (numbered !== null && !admit(state, numbered, request, context.from, outbox)) return
  if (mustRoll(state.log, state.config, records.length, context.now)) rollSegment(state, context.now, outbox)
  append(state, request, context, numbered, stamped ? context.now : -1, outbox)
}

/** Checks the producer's numbers; answers and returns false where the batch must not be appended. */
function admit(state: ReplicaState, numbered: NumberedBatch, request: ProduceRequest, from: Address, outbox: Outbox): boolean {
  const check = checkSequence(state.appended, numbered)
  if (check.verdict === 'append') return true
  if (check.verdict === 'refuse') {
    refuse(request, from, check.error, null, outbox)
    return false
  }
  const pending = state.pending.find((entry) => entry.baseOffset === check.baseOffset)
  if (pending !== undefined) pending.waiters.push({ from, correlationId: request.correlationId })
  else answer(state, { from, correlationId: request.correlationId }, check.baseOffset, -1, outbox)
  return false
}

function append(
  state: ReplicaState,
  request: ProduceRequest,
  context: Context,
  numbered: NumberedBatch | null,
  logAppendTime: number,
  outbox: Outbox,
): void {
  const { records } = request
  const extent = { count: batch.lastOffsetDelta(records, 0) + 1, sizeBytes: records.length, maxTimestamp: batch.maxTimestamp(records, 0) }
  const { baseOffset, segment, position } = appendBatch(state.log, state.config, extent, context.now)
  batch.stampBaseOffset(records, 0, baseOffset)
  batch.stampLeaderEpoch(records, 0, state.leaderEpoch)
  const entry: PendingAppend = {
    baseOffset,
    endOffset: state.log.logEndOffset,
    segmentBaseOffset: segment.baseOffset,
    endPosition: position + records.length,
    logAppendTime,
    numbered,
    waiters: request.acks === 'none' ? [] : [{ from: context.from, correlationId: request.correlationId }],
    written: false,
    synced: false,
  }
  if (numbered !== null) rememberBatch(state.appended, numbered)
  state.pending.push(entry)
  state.dirty.add(segment.baseOffset)
  const token = expectAnswer(state, { kind: 'append', entry })
  outbox.push({ kind: 'append', log: state.logName, file: logFileName(segment.baseOffset), position, bytes: records, token })
}

function refusalOf(state: ReplicaState, request: ProduceRequest): ErrorName | null {
  const { records } = request
  if (state.phase === 'failed') return 'KAFKA_STORAGE_ERROR'
  if (state.phase !== 'leading' || state.drainWaiter !== null) return 'NOT_LEADER_OR_FOLLOWER'
  if (request.topicId !== state.topicId) return 'UNKNOWN_TOPIC_ID'
  if (request.leaderEpoch >= 0 && request.leaderEpoch < state.leaderEpoch) return 'FENCED_LEADER_EPOCH'
  if (request.leaderEpoch > state.leaderEpoch) return 'UNKNOWN_LEADER_EPOCH'
  const check = batch.checkBatch(records, 0, records.length)
  if (!check.ok || check.sizeBytes !== records.length) return 'CORRUPT_MESSAGE'
  if (records.length > state.config.maxMessageBytes) return 'MESSAGE_TOO_LARGE'
  return null
}

function reasonOf(state: ReplicaState, refusal: ErrorName): string | null {
  if (refusal === 'KAFKA_STORAGE_ERROR') return `${state.topic}-${state.partition} is offline: ${state.failure ?? 'the disk failed'}`
  if (refusal === 'MESSAGE_TOO_LARGE') return `the batch is larger than the topic's maxMessageBytes (${state.config.maxMessageBytes})`
  return null
}

function refuse(request: ProduceRequest, from: Address, error: ErrorName, reason: string | null, outbox: Outbox): void {
  if (request.acks === 'none') return
  outbox.push({
    kind: 'send',
    to: from,
    message: {
      kind: 'produceResponse',
      correlationId: request.correlationId,
      errorCode: codeOf(error),
      errorMessage: reason,
      baseOffset: -1,
      logAppendTime: -1,
      logStartOffset: -1,
    },
  })
}

function answer(
  state: ReplicaState,
  waiter: { readonly from: Address; readonly correlationId: number },
  baseOffset: number,
  logAppendTime: number,
  outbox: Outbox,
): void {
  outbox.push({
    kind: 'send',
    to: waiter.from,
    message: {
      kind: 'produceResponse',
      correlationId: waiter.correlationId,
      errorCode: NONE,
      errorMessage: null,
      baseOffset,
      logAppendTime,
      logStartOffset: state.log.logStartOffset,
    },
  })
}

/** Closes the active segment: its index goes to disk, and a flush makes it something that recovery need not look at. */
function rollSegment(state: ReplicaState, now: number, outbox: Outbox): void {
  const closed = roll(state.log, now)
  assert(closed.index !== null, 'P2 a segment rolls with its index in memory')
  const token = expectAnswer(state, { kind: 'ignore' })
  outbox.push({
    kind: 'replace',
    log: state.logName,
    file: indexFileName(closed.baseOffset),
    bytes: encodeIndex(closed.index, closed.baseOffset),
    token,
  })
  state.loadedIndexes.push(closed.baseOffset)
  state.bytesSinceFlush = FLUSH_INTERVAL_BYTES
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
      return onFlushed(state, continuation.segmentBaseOffset, message, outbox)
    case 'checkpoint':
      onCheckpointed(state, continuation.clean, outbox)
      if (state.phase === 'settling') lead(state, outbox)
      return
    case 'rollBack':
      assert(message.kind === 'storageDone', 'P5 a truncation is answered by storageDone')
      return onRolledBack(state, message, outbox)
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

function onAppended(state: ReplicaState, entry: PendingAppend, message: MessageOf<'appended'>, outbox: Outbox): void {
  if (message.error !== null) return rollBack(state, message.error === 'full' ? 'DISK_FULL' : 'KAFKA_STORAGE_ERROR', outbox)
  entry.written = true
  if (state.config.flush === 'commit') requestSync(state, entry.segmentBaseOffset, outbox)
  else acknowledge(state, outbox)
}

/** Acknowledges, in offset order, every batch that is as durable as the topic promises, and moves the high watermark over it. */
function acknowledge(state: ReplicaState, outbox: Outbox): void {
  const before = state.highWatermark.offset
  const commits = state.config.flush === 'commit'
  for (let entry = state.pending[0]; entry !== undefined && entry.written && (entry.synced || !commits); entry = state.pending[0]) {
    assert(entry.baseOffset === state.highWatermark.offset, 'P7 batches are acknowledged in offset order, without gaps')
    state.pending.shift()
    if (entry.numbered !== null) rememberBatch(state.producers, entry.numbered)
    state.bytesSinceFlush +=
      entry.endPosition - (entry.segmentBaseOffset === state.highWatermark.segmentBaseOffset ? state.highWatermark.position : 0)
    state.highWatermark = { offset: entry.endOffset, segmentBaseOffset: entry.segmentBaseOffset, position: entry.endPosition }
    for (const waiter of entry.waiters) answer(state, waiter, entry.baseOffset, entry.logAppendTime, outbox)
  }
  if (state.highWatermark.offset === before) return
  assert(state.highWatermark.offset <= state.log.logEndOffset, 'P8 the high watermark never passes the log end')
  wakeParked(state, outbox)
  drainIfIdle(state, outbox)
  if (state.bytesSinceFlush >= FLUSH_INTERVAL_BYTES) requestFlush(state, false, outbox)
}

// ── retention ──

function onRetentionTimer(state: ReplicaState, context: Context, outbox: Outbox): void {
  outbox.push({ kind: 'startTimer', timer: 'retention', afterMillis: RETENTION_CHECK_MILLIS })
  if (state.phase !== 'leading' || state.drainWaiter !== null) return
  const active = activeSegment(state.log)
  if (state.pending.length === 0 && isTooOld(active, state.config, context.now)) rollSegment(state, context.now, outbox)
  const expired = expiredSegments(state.log, state.config, state.highWatermark.offset, context.now)
  if (expired.length === 0) return
  dropSegments(state.log, expired)
  const files = expired.flatMap((segment) => [logFileName(segment.baseOffset), indexFileName(segment.baseOffset)])
  for (const segment of expired) state.dirty.delete(segment.baseOffset)
  state.loadedIndexes = state.loadedIndexes.filter((base) => base >= state.log.logStartOffset)
  outbox.push({ kind: 'remove', log: state.logName, files, token: expectAnswer(state, { kind: 'ignore' }) })
  requestFlush(state, false, outbox)
}
