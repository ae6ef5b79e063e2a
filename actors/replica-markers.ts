/**
 * How a leader takes the markers that end transactions (KIP-98, KIP-890): each is appended once, and answered when it is below the high watermark. It raises the
 * producer's epoch, so that batches which come late are refused. In a partition of `__consumer_offsets` the groups are told when a marker is below the high
 * watermark: what was committed under it counts from then on, or never. An administrator (KIP-664) aborts one transaction, and only that: what has ended, or begun, since
 * he has asked the transactors is left alone.
 */
import { groupsActor } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { encodeMarker } from '../protocol/control-record.ts'
import type { MarkedProducer, TransactionMarker } from '../protocol/control-record.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { WriteTransactionMarkerRequest } from '../protocol/messages/transaction.ts'
import { OFFSETS_TOPIC } from '../coordinator/metadata.ts'
import type { NumberedBatch } from '../partitions/idempotence.ts'
import { numberedBatch } from '../partitions/numbered-batch.ts'
import type { PendingAppend, ReplicaState, Waiter } from '../partitions/replica-state.ts'
import { checkMarker, hangingBefore, isAborted, isOpenAt } from '../partitions/transactions.ts'
import type { MarkerCheck } from '../partitions/transactions.ts'
import type { Context, Outbox } from './actor.ts'
import { appendRecords } from './replica-append.ts'
import { replyMarker } from './replica-waiters.ts'

/** Appends a marker, unless it is there; or refuses it at once. */
export function onWriteMarker(state: ReplicaState, request: WriteTransactionMarkerRequest, context: Context, outbox: Outbox): void {
  const { from } = context
  const { correlationId, committed, coordinatorEpoch } = request
  const refusal = refusalOf(state, request)
  if (refusal !== null) return replyMarker(from, correlationId, refusal, outbox)
  const check = checkOf(state, request)
  const waiter: Waiter = { asked: 'marker', from, correlationId, acks: 'quorum' }
  if (check === 'append') {
    // A marker is one epoch above what it ends: it says nothing of a transaction before that.
    abortHanging(state, { producerId: request.producerId, producerEpoch: request.producerEpoch - 1 }, context, outbox)
    const records = encodeMarker({ committed, coordinatorEpoch }, request, context.now)
    const numbered = numberedBatch(records, 0, state.log.logEndOffset)
    assert(numbered !== null && numbered.marker !== null, 'T3 a marker is read as it was written')
    appendRecords(state, records, numbered, context, outbox).waiters.push(waiter)
  } else if (check === 'duplicate') waitForMarker(state, request.producerId, waiter, outbox)
  else replyMarker(from, correlationId, check, outbox)
}

/** What is left of a transaction whose marker is lost is aborted before the next one begins: nobody can say any more how it ended. */
export function abortHanging(state: ReplicaState, next: MarkedProducer, context: Context, outbox: Outbox): void {
  const hanging = hangingBefore(state.appended, next)
  if (hanging === null) return
  const records = encodeMarker({ committed: false, coordinatorEpoch: hanging.coordinatorEpoch }, next, context.now)
  appendRecords(state, records, numberedBatch(records, 0, state.log.logEndOffset), context, outbox)
}

/** A marker is below the high watermark: those who keep what was sent under it are told, in the order of the log. */
export function announceMarker(state: ReplicaState, numbered: NumberedBatch, { committed }: TransactionMarker, outbox: Outbox): void {
  if (state.topic !== OFFSETS_TOPIC || state.phase !== 'leading') return
  const { producerId, producerEpoch, baseOffset: offset } = numbered
  outbox.push({
    kind: 'send',
    to: { node: state.self.node, actor: groupsActor(state.partition) },
    message: { kind: 'transactionMarked', producerId, producerEpoch, committed, offset },
  })
}

function refusalOf({ phase, isDraining, topicId, role }: ReplicaState, request: WriteTransactionMarkerRequest): ErrorName | null {
  if (phase === 'failed') return 'KAFKA_STORAGE_ERROR'
  if (phase !== 'leading' || isDraining) return 'NOT_LEADER_OR_FOLLOWER'
  if (request.topicId !== topicId) return 'UNKNOWN_TOPIC_ID'
  return role.isr.length < role.minInsync ? 'NOT_ENOUGH_REPLICAS' : null
}

/** That of an administrator is a duplicate only where it is his abort that is there, not whatever else has ended the transaction. */
function checkOf(state: ReplicaState, request: WriteTransactionMarkerRequest): MarkerCheck {
  const { producerId, producerEpoch, committed, coordinatorEpoch, startOffset } = request
  const { appended, transactions } = state
  if (startOffset === undefined) return checkMarker(appended, request, coordinatorEpoch)
  if (committed) return 'INVALID_TXN_STATE'
  if (isOpenAt(appended, request, startOffset)) return checkMarker(appended, request, coordinatorEpoch)
  const numbered = pendingMarker(state, producerId)?.numbered
  const isOnItsWay = numbered?.producerEpoch === producerEpoch && numbered.marker?.committed === false
  return isOnItsWay || isAborted(transactions, producerId, startOffset) ? 'duplicate' : 'INVALID_TXN_STATE'
}

/** It is in the log: below the high watermark, or on its way there. */
function waitForMarker(state: ReplicaState, producerId: number, waiter: Waiter, outbox: Outbox): void {
  const pending = pendingMarker(state, producerId)
  if (pending === undefined) replyMarker(waiter.from, waiter.correlationId, null, outbox)
  else pending.waiters.push(waiter)
}

/** The last marker of a producer above the high watermark. */
function pendingMarker({ pending }: ReplicaState, producerId: number): PendingAppend | undefined {
  return pending.findLast(({ numbered }) => numbered !== null && numbered.marker !== null && numbered.producerId === producerId)
}
