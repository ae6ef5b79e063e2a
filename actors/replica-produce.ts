/**
 * How a replica takes batches: checks, numbers, appends, and acknowledges in offset order what is as durable as the topic promises.
 */
import type { Address } from '../protocol/address.ts'
import { errorOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { ProduceRequest } from '../protocol/messages/produce.ts'
import * as batch from '../protocol/record-batch.ts'
import { RecordCursor } from '../protocol/record-cursor.ts'
import { isCompacted } from '../protocol/topic-config.ts'
import { checkSequence } from '../partitions/idempotence.ts'
import type { NumberedBatch } from '../partitions/idempotence.ts'
import { numberedBatch } from '../partitions/numbered-batch.ts'
import type { ParkedBatch, PendingAppend, ReplicaState, Waiter } from '../partitions/replica-state.ts'
import { checkTransaction } from '../partitions/transactions.ts'
import type { Context, Outbox } from './actor.ts'
import { appendRecords } from './replica-append.ts'
import { onDiskFailed, requestSync } from './replica-flush.ts'
import { abortHanging } from './replica-markers.ts'
import { progress } from './replica-progress.ts'
import { isWaited, parkBatch, refuseParkedBatches, takeParked } from './replica-transactions.ts'
import { answer, offlineReason, refuseProduce } from './replica-waiters.ts'

/** A batch that somebody waits for; `waiters` null: it is below the high watermark. */
interface Awaited {
  readonly baseOffset: number
  readonly endOffset: number
  readonly logAppendTime: number
  readonly waiters: Waiter[] | null
}

/** Appends a batch and answers when it is acknowledged; or has it wait for its transactor; or refuses it at once. */
export function onProduce(state: ReplicaState, request: ProduceRequest, context: Context, outbox: Outbox): void {
  judge(state, { request, from: context.from }, false, context, outbox)
}

/** The transactor has answered: those that waited are judged again, or refused. */
export function onPartitionAdded(
  state: ReplicaState,
  response: MessageOf<'addPartitionToTransactionResponse'>,
  context: Context,
  outbox: Outbox,
): void {
  const batches = takeParked(state, response.correlationId)
  if (response.errorCode !== NONE) return refuseParkedBatches(batches, errorOf(response.errorCode).name, response.errorMessage, outbox)
  for (const one of batches) judge(state, one, true, context, outbox)
}

/** `isAdded`: the transactor has said just now that it knows of this partition. */
function judge(state: ReplicaState, one: ParkedBatch, isAdded: boolean, context: Context, outbox: Outbox): void {
  const { request, from } = one
  const { records } = request
  const refusal = refusalOf(state, request)
  if (refusal !== null) return refuseProduce(request, from, refusal, reasonOf(state, request, refusal), outbox)
  const numbered = numberedBatch(records, 0, state.log.logEndOffset)
  if (numbered !== null && !admit(state, numbered, one, isAdded, context, outbox)) return progress(state, context, outbox)
  if (numbered !== null && numbered.isTransactional) abortHanging(state, numbered, context, outbox)
  // A marker may have taken the offset that the batch would have had.
  const isMoved = numbered !== null && numbered.baseOffset !== state.log.logEndOffset
  const placed = isMoved ? { ...numbered, baseOffset: state.log.logEndOffset } : numbered
  wait(state, request, from, appendRecords(state, records, placed, context, outbox), outbox)
}

/** Checks the producer's numbers and its transaction; answers or parks, and returns false, where the batch must not be appended now. */
function admit(
  state: ReplicaState,
  numbered: NumberedBatch,
  one: ParkedBatch,
  isAdded: boolean,
  context: Context,
  outbox: Outbox,
): boolean {
  const { request, from } = one
  // Its numbers follow those of batches that are not in the log yet.
  const isBehind = !isAdded && numbered.isTransactional && isWaited(state, numbered)
  const check = isBehind ? ({ verdict: 'append' } as const) : checkSequence(state.appended, numbered, one.request.isFirst)
  if (check.verdict === 'duplicate') {
    const pending = state.pending.find((entry) => entry.baseOffset === check.baseOffset)
    const endOffset = check.baseOffset + batch.lastOffsetDelta(request.records, 0) + 1
    wait(state, request, from, pending ?? { baseOffset: check.baseOffset, endOffset, logAppendTime: -1, waiters: null }, outbox)
    return false
  }
  const transaction = check.verdict === 'refuse' ? check.error : isBehind ? 'ask' : checkTransaction(state.appended, numbered)
  if (transaction === 'append' || (transaction === 'ask' && isAdded)) return true
  if (transaction === 'ask') parkBatch(state, numbered, one, context, outbox)
  else refuseProduce(request, from, transaction, null, outbox)
  return false
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
  if (isTooLarge(state, request)) return 'MESSAGE_TOO_LARGE'
  // Markers are the leader's to write.
  if (batch.isControl(records, 0)) return 'INVALID_RECORD'
  if (batch.isTransactional(records, 0) && (request.transaction === null || batch.producerId(records, 0) < 0)) return 'INVALID_TXN_STATE'
  if (isCompacted(state.config) && !hasKeys(records)) return 'INVALID_RECORD'
  return refuseAcks(state, request)
}

/** A batch that is in the log already, from before the limit was lowered, is acknowledged: its producer would send it again, in parts. */
function isTooLarge({ config, log, appended }: ReplicaState, { records, isFirst }: ProduceRequest): boolean {
  if (records.length <= config.maxMessageBytes) return false
  const numbered = numberedBatch(records, 0, log.logEndOffset)
  return numbered === null || checkSequence(appended, numbered, isFirst).verdict !== 'duplicate'
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
  const waiter = { asked: 'produce', from, correlationId, acks } as const
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
  if (refusal === 'KAFKA_STORAGE_ERROR') return offlineReason(state)
  if (refusal === 'INVALID_RECORD') return `${state.topic} is compacted: every record needs a key`
  if (refusal === 'MESSAGE_TOO_LARGE') return `the batch is larger than the topic's maxMessageBytes (${state.config.maxMessageBytes})`
  return null
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
