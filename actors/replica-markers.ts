/**
 * How a leader takes the markers that end transactions (KIP-98, KIP-890): each is appended once, and answered when it is below the high watermark. It raises the
 * producer's epoch, so that batches which come late are refused. In a partition of `__consumer_offsets` the groups are told when a marker is below the high
 * watermark: what was committed under it counts from then on, or never.
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
import type { ReplicaState, Waiter } from '../partitions/replica-state.ts'
import { checkMarker, hangingBefore } from '../partitions/transactions.ts'
import type { Context, Outbox } from './actor.ts'
import { appendRecords } from './replica-append.ts'
import { replyMarker } from './replica-waiters.ts'

/** Appends a marker, unless it is there; or refuses it at once. */
export function onWriteMarker(state: ReplicaState, request: WriteTransactionMarkerRequest, context: Context, outbox: Outbox): void {
  const { from } = context
  const { correlationId, committed, coordinatorEpoch } = request
  const refusal = refusalOf(state, request)
  if (refusal !== null) return replyMarker(from, correlationId, refusal, outbox)
  const check = checkMarker(state.appended, request, coordinatorEpoch)
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

/** It is in the log: below the high watermark, or on its way there. */
function waitForMarker(state: ReplicaState, producerId: number, waiter: Waiter, outbox: Outbox): void {
  const pending = state.pending.findLast(
    ({ numbered }) => numbered !== null && numbered.marker !== null && numbered.producerId === producerId,
  )
  if (pending === undefined) replyMarker(waiter.from, waiter.correlationId, null, outbox)
  else pending.waiters.push(waiter)
}
