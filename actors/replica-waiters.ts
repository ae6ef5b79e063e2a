/**
 * Producers that wait until their batch is as safe as they were promised, and administrators who wait until records are deleted for good: how they are answered,
 * and how they are sent away.
 */
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { Acks } from '../protocol/messages/produce.ts'
import { maximalIsr, startOf } from '../partitions/replication.ts'
import type { ReplicaState, Waiter } from '../partitions/replica-state.ts'
import type { Outbox } from './actor.ts'

/** Everybody who waits is told to try elsewhere, or again. */
export function refuseWaiters(state: ReplicaState, error: ErrorName, outbox: Outbox): void {
  const reason = state.failure === null ? null : offlineReason(state)
  for (const entry of state.pending) {
    for (const waiter of entry.waiters) refuseWaiter(waiter, error, reason, outbox)
    entry.waiters = []
  }
  for (const { waiter } of state.countedWaiters) refuseWaiter(waiter, error, reason, outbox)
  state.countedWaiters = []
  refuseParkedProduces(state, outbox)
}

/** What waits for its transactor is not in the log: whoever leads next is asked. */
export function refuseParkedProduces(state: ReplicaState, outbox: Outbox): void {
  for (const { batches } of state.parkedBatches)
    for (const { from, request } of batches) refuseProduce(request, from, 'NOT_LEADER_OR_FOLLOWER', null, outbox)
  state.parkedBatches = []
}

/** Who waits for a quorum that is not there any more is told so; the batch is in the log, and a retry finds it (KAFKA: NOT_ENOUGH_REPLICAS_AFTER_APPEND). */
export function refuseQuorumWaiters(state: ReplicaState, outbox: Outbox): void {
  for (const entry of state.pending) {
    for (const waiter of entry.waiters) {
      if (waiter.acks === 'quorum') refuseWaiter(waiter, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', null, outbox)
    }
    entry.waiters = entry.waiters.filter((waiter) => waiter.acks !== 'quorum')
  }
}

/** The batch is as safe as the waiter was promised. */
export function answer(
  state: ReplicaState,
  waiter: Waiter,
  { baseOffset, logAppendTime }: { readonly baseOffset: number; readonly logAppendTime: number },
  outbox: Outbox,
): void {
  if (waiter.asked === 'marker') return replyMarker(waiter.from, waiter.correlationId, null, outbox)
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

/** A batch is not appended, or not as safe as was asked; with acks none nobody wants to know. */
export function refuseProduce(
  { correlationId, acks }: { readonly correlationId: number; readonly acks: Acks },
  to: Address,
  error: ErrorName,
  reason: string | null,
  outbox: Outbox,
): void {
  if (acks === 'none') return
  outbox.push({
    kind: 'send',
    to,
    message: {
      kind: 'produceResponse',
      correlationId,
      errorCode: codeOf(error),
      errorMessage: reason,
      baseOffset: -1,
      logAppendTime: -1,
      logStartOffset: -1,
    },
  })
}

/** Answers who has sent a marker. */
export function replyMarker(to: Address, correlationId: number, error: ErrorName | null, outbox: Outbox): void {
  const errorCode = error === null ? NONE : codeOf(error)
  outbox.push({ kind: 'send', to, message: { kind: 'writeTransactionMarkerResponse', correlationId, errorCode } })
}

function refuseWaiter(waiter: Waiter, error: ErrorName, reason: string | null, outbox: Outbox): void {
  if (waiter.asked === 'marker') replyMarker(waiter.from, waiter.correlationId, error, outbox)
  else refuseProduce(waiter, waiter.from, error, reason, outbox)
}

/** Why a replica takes nothing at all. */
export function offlineReason({ topic, partition, failure }: ReplicaState): string {
  return `${topic}-${partition} is offline: ${failure ?? 'the disk failed'}`
}

// ── deletions ──

/** Answers deletions that cannot be undone any more. */
export function answerDeletions(state: ReplicaState, outbox: Outbox): void {
  const { replication, role, deletionWaiters } = state
  if (replication === null || deletionWaiters.length === 0) return
  const deletedOffset = startOf(replication, new Set([...maximalIsr(replication), ...role.elr]), state.durableStartOffset)
  replication.deletedOffset = Math.max(replication.deletedOffset, deletedOffset)
  state.deletionWaiters = deletionWaiters.filter(({ from, correlationId, startOffset }) => {
    if (startOffset > deletedOffset) return true
    replyDeletion(state, from, correlationId, null, deletedOffset, outbox)
    return false
  })
}

/** It leads no longer: whoever waits asks who does. */
export function refuseDeletions(state: ReplicaState, outbox: Outbox): void {
  for (const { from, correlationId } of state.deletionWaiters)
    replyDeletion(state, from, correlationId, 'NOT_LEADER_OR_FOLLOWER', -1, outbox)
  state.deletionWaiters = []
}

/** Answers a deletion; `startOffset` is what the answer is about. */
export function replyDeletion(
  state: ReplicaState,
  to: Address,
  correlationId: number,
  error: ErrorName | null,
  startOffset: number,
  outbox: Outbox,
): void {
  const errorCode = error === null ? NONE : codeOf(error)
  const errorMessage = error === null ? null : problemOf(state, error, startOffset)
  const logStartOffset = error === null ? startOffset : -1
  outbox.push({ kind: 'send', to, message: { kind: 'deleteRecordsResponse', correlationId, errorCode, errorMessage, logStartOffset } })
}

function problemOf({ topic, partition, highWatermark, failure }: ReplicaState, error: ErrorName, startOffset: number): string | null {
  const name = `${topic}-${partition}`
  if (error === 'OFFSET_OUT_OF_RANGE')
    return `the records of ${name} can be deleted up to its high watermark ${highWatermark.offset}, not up to ${startOffset}`
  if (error === 'INVALID_TOPIC_EXCEPTION') return `${topic} is an internal topic: its records cannot be deleted`
  if (error === 'KAFKA_STORAGE_ERROR') return `the records of ${name} cannot be deleted: ${failure ?? 'the disk failed'}`
  return null
}
