/**
 * How a replica takes batches: checks, numbers, appends, and acknowledges in offset order what is as durable as the topic promises.
 */
import type { Address } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { ProduceRequest } from '../protocol/messages/produce.ts'
import * as batch from '../protocol/record-batch.ts'
import { checkSequence, rememberBatch } from '../partitions/idempotence.ts'
import type { NumberedBatch } from '../partitions/idempotence.ts'
import { appendBatch, logFileName, mustRoll } from '../partitions/log.ts'
import { numberedBatch } from '../partitions/numbered-batch.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { PendingAppend, ReplicaState } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'
import { drainIfIdle, FLUSH_INTERVAL_BYTES, requestFlush, requestSync, rollBack, rollSegment } from './replica-flush.ts'
import { wakeParked } from './replica-read.ts'

/** Appends a batch and answers when it is acknowledged; or refuses it at once. */
export function onProduce(state: ReplicaState, request: ProduceRequest, context: Context, outbox: Outbox): void {
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
  if (state.phase !== 'leading' || state.isDraining) return 'NOT_LEADER_OR_FOLLOWER'
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

/** A batch is in the page cache, or the disk has failed. */
export function onAppended(state: ReplicaState, entry: PendingAppend, message: MessageOf<'appended'>, outbox: Outbox): void {
  if (message.error !== null) return rollBack(state, message.error === 'full' ? 'DISK_FULL' : 'KAFKA_STORAGE_ERROR', outbox)
  entry.written = true
  if (state.config.flush === 'commit') requestSync(state, entry.segmentBaseOffset, outbox)
  else acknowledge(state, outbox)
}

/** Acknowledges, in offset order, every batch that is as durable as the topic promises, and moves the high watermark over it. */
export function acknowledge(state: ReplicaState, outbox: Outbox): void {
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
