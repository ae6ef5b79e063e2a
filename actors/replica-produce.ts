/**
 * How a replica takes batches: checks, numbers, appends, and acknowledges in offset order what is as durable as the topic promises.
 */
import type { Address } from '../protocol/address.ts'
import { codeOf } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { ProduceRequest } from '../protocol/messages/produce.ts'
import * as batch from '../protocol/record-batch.ts'
import { RecordCursor } from '../protocol/record-cursor.ts'
import { isCompacted } from '../protocol/topic-config.ts'
import { noteEpoch } from '../partitions/epochs.ts'
import { checkSequence, rememberBatch } from '../partitions/idempotence.ts'
import type { NumberedBatch } from '../partitions/idempotence.ts'
import { appendBatch, logFileName, mustRoll } from '../partitions/log.ts'
import { numberedBatch } from '../partitions/numbered-batch.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { PendingAppend, ReplicaState, Waiter } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'
import { onDiskFailed, requestSync, rollSegment } from './replica-flush.ts'
import { answer } from './replica-waiters.ts'
import { progress } from './replica-progress.ts'

/** A batch that somebody waits for; `waiters` null: it is below the high watermark. */
interface Awaited {
  readonly baseOffset: number
  readonly endOffset: number
  readonly logAppendTime: number
  readonly waiters: Waiter[] | null
}

/** Appends a batch and answers when it is acknowledged; or refuses it at once. */
export function onProduce(state: ReplicaState, request: ProduceRequest, context: Context, outbox: Outbox): void {
  const { records } = request
  const refusal = refusalOf(state, request)
  if (refusal !== null) return refuse(request, context.from, refusal, reasonOf(state, request, refusal), outbox)
  const stamped = state.config.messageTimestampType === 'LogAppendTime'
  if (stamped) batch.stampLogAppendTime(records, 0, context.now)
  const numbered = batch.producerId(records, 0) >= 0 ? numberedBatch(records, 0, state.log.logEndOffset) : null
  if (numbered !== null && !admit(state, numbered, request, context.from, outbox)) return progress(state, context, outbox)
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
  const endOffset = check.baseOffset + batch.lastOffsetDelta(request.records, 0) + 1
  wait(state, request, from, pending ?? { baseOffset: check.baseOffset, endOffset, logAppendTime: -1, waiters: null }, outbox)
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
  batch.stampLeaderEpoch(records, 0, state.role.leaderEpoch)
  const entry: PendingAppend = {
    baseOffset,
    endOffset: state.log.logEndOffset,
    segmentBaseOffset: segment.baseOffset,
    endPosition: position + records.length,
    logAppendTime,
    numbered,
    waiters: [],
    written: false,
    synced: false,
  }
  noteEpoch(state.epochs, state.role.leaderEpoch, baseOffset)
  if (numbered !== null) rememberBatch(state.appended, numbered)
  state.pending.push(entry)
  wait(state, request, context.from, entry, outbox)
  state.dirty.add(segment.baseOffset)
  const token = expectAnswer(state, { kind: 'append', entries: [entry] })
  outbox.push({
    kind: 'append',
    log: state.logName,
    file: logFileName(segment.baseOffset, segment.generation),
    position,
    bytes: records,
    token,
  })
}

function refusalOf(state: ReplicaState, request: ProduceRequest): ErrorName | null {
  const { records } = request
  if (state.phase === 'failed') return 'KAFKA_STORAGE_ERROR'
  if (state.phase !== 'leading' || state.isDraining) return 'NOT_LEADER_OR_FOLLOWER'
  if (request.topicId !== state.topicId) return 'UNKNOWN_TOPIC_ID'
  if (request.leaderEpoch >= 0 && request.leaderEpoch < state.role.leaderEpoch) return 'FENCED_LEADER_EPOCH'
  if (request.leaderEpoch > state.role.leaderEpoch) return 'UNKNOWN_LEADER_EPOCH'
  const check = batch.checkBatch(records, 0, records.length)
  if (!check.ok || check.sizeBytes !== records.length) return 'CORRUPT_MESSAGE'
  if (records.length > state.config.maxMessageBytes) return 'MESSAGE_TOO_LARGE'
  if (isCompacted(state.config) && !hasKeys(records)) return 'INVALID_RECORD'
  return refuseAcks(state, request)
}

/** Whether every record of a batch has a key; a compressed one is not looked into: whoever sends it has to look (edge/client). */
function hasKeys(records: Uint8Array): boolean {
  if (batch.isControl(records, 0) || batch.compression(records, 0) !== 'none') return true
  const cursor = new RecordCursor(records, batch.BATCH_HEADER_BYTES, records.length, batch.recordCount(records, 0))
  while (cursor.next()) if (cursor.keyBegin < 0) return false
  return !cursor.failed
}

/** A promise that cannot be kept now, or never, is not made. */
function refuseAcks({ role }: ReplicaState, { acks }: ProduceRequest): ErrorName | null {
  if (acks === 'none' || acks === 'leader') return null
  if (acks === 'quorum') return role.isr.length < role.minInsync ? 'NOT_ENOUGH_REPLICAS' : null
  if (acks > role.replicas.length) return 'INVALID_REQUIRED_ACKS'
  return role.isr.length < acks ? 'NOT_ENOUGH_REPLICAS' : null
}

/** Whoever asked waits with the batch, or for a number of logs to have it. One that is below the high watermark has all but the latter. */
function wait(state: ReplicaState, request: ProduceRequest, from: Address, entry: Awaited, outbox: Outbox): void {
  const { acks, correlationId } = request
  if (acks === 'none') return
  const waiter = { from, correlationId, acks }
  const { baseOffset, endOffset, logAppendTime, waiters } = entry
  if (typeof acks === 'number') state.countedWaiters.push({ waiter, baseOffset, endOffset, logAppendTime })
  else if (waiters === null) answer(state, waiter, entry, outbox)
  else waiters.push(waiter)
}

function reasonOf(state: ReplicaState, { acks }: ProduceRequest, refusal: ErrorName): string | null {
  const { isr, minInsync, replicas } = state.role
  if (refusal === 'NOT_ENOUGH_REPLICAS')
    return `${isr.length} of ${replicas.length} replicas are in sync, ${acks === 'quorum' ? minInsync : acks} must be`
  if (refusal === 'INVALID_REQUIRED_ACKS') return `acks ${acks} is more than the ${replicas.length} replicas`
  if (refusal === 'KAFKA_STORAGE_ERROR') return `${state.topic}-${state.partition} is offline: ${state.failure ?? 'the disk failed'}`
  if (refusal === 'INVALID_RECORD') return `${state.topic} is compacted: every record needs a key`
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

/** Batches are in the page cache, or the disk has failed. */
export function onAppended(state: ReplicaState, entries: readonly PendingAppend[], message: MessageOf<'appended'>, outbox: Outbox): void {
  if (message.error !== null) return onDiskFailed(state, message.error === 'full' ? 'DISK_FULL' : 'KAFKA_STORAGE_ERROR', outbox)
  for (const entry of entries) {
    entry.written = true
    state.writtenEnd = { offset: entry.endOffset, segmentBaseOffset: entry.segmentBaseOffset, position: entry.endPosition }
  }
  const segmentBaseOffset = state.writtenEnd.segmentBaseOffset
  if (state.config.flush === 'commit') requestSync(state, segmentBaseOffset, outbox)
}
