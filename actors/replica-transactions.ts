/**
 * The first batch of a transaction waits at the leader of its partition until the transactor knows of the partition, for only then will a marker come (KIP-890). Those
 * that follow it wait behind it, in order. What the transactor says is no permission for ever: each batch is judged again from the start when it is answered, for the
 * transaction may be over, or somebody else may lead.
 *
 *   produce ─► parked ── addPartitionToTransaction ─► transactor
 *                ├◄─ NONE: judged again, and appended
 *                └◄─ an error, undeliverable, no answer in time, leadership lost: refused
 */
import { transactorActor } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { TransactionOf } from '../protocol/messages/transaction.ts'
import { IN_FLIGHT_BATCHES_MAX } from '../partitions/idempotence.ts'
import type { NumberedBatch } from '../partitions/idempotence.ts'
import type { ParkedBatch, ParkedBatches, ReplicaState } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'
import { refuseProduce } from './replica-waiters.ts'

/** Batches of one producer that wait: as many as it may have in flight, and each of them once more. */
const PARKED_BATCHES_MAX: number = IN_FLIGHT_BATCHES_MAX * 2

/** Bytes of all batches that wait in one partition. */
const PARKED_BYTES_MAX: number = 32 * 1024 * 1024

/** A transactor that has not answered for so long has not heard, or is no more: the producer looks for it anew. */
export const ASK_TIMEOUT_MILLIS = 1000

/** Whether batches of that producer and epoch wait already. */
export function isWaited(state: ReplicaState, { producerId, producerEpoch }: NumberedBatch): boolean {
  return state.parkedBatches.some((one) => one.producerId === producerId && one.producerEpoch === producerEpoch)
}

/** Keeps a copy of a batch until the transactor knows of this partition, and asks it, unless it has been asked. */
export function parkBatch(state: ReplicaState, numbered: NumberedBatch, one: ParkedBatch, context: Context, outbox: Outbox): void {
  const { request, from } = one
  const { transaction } = request
  assert(state.phase === 'leading' && transaction !== null, 'T4 only a leader parks batches, and only those of transactions')
  const { producerId, producerEpoch } = numbered
  const waiting = state.parkedBatches.find((other) => other.producerId === producerId && other.producerEpoch === producerEpoch)
  const isFull = waiting !== undefined && waiting.batches.length >= PARKED_BATCHES_MAX
  if (isFull || parkedBytes(state) + request.records.length > PARKED_BYTES_MAX)
    return refuseProduce(request, from, 'CONCURRENT_TRANSACTIONS', 'too many batches wait for the transactor', outbox)
  const batch = { from, request: { ...request, records: request.records.slice() } }
  if (waiting !== undefined) return void waiting.batches.push(batch)
  if (state.parkedBatches.length === 0) armTimer(ASK_TIMEOUT_MILLIS, outbox)
  const correlationId = state.nextToken++
  state.parkedBatches.push({ producerId, producerEpoch, correlationId, deadline: context.uptime + ASK_TIMEOUT_MILLIS, batches: [batch] })
  ask(state, numbered, transaction, correlationId, outbox)
}

/** Those that waited for this answer, in order; they wait no longer. */
export function takeParked(state: ReplicaState, correlationId: number): readonly ParkedBatch[] {
  const found = state.parkedBatches.find((one) => one.correlationId === correlationId)
  if (found === undefined) return []
  state.parkedBatches = state.parkedBatches.filter((one) => one !== found)
  return found.batches
}

/** The transactor's node has no such actor: the producer must look for it anew. */
export function onAskUndeliverable(state: ReplicaState, correlationId: number, outbox: Outbox): void {
  refuseParkedBatches(takeParked(state, correlationId), 'NOT_COORDINATOR', 'the transactor is not there', outbox)
}

/** That node will not answer. */
export function onTransactorDown(state: ReplicaState, node: number, outbox: Outbox): void {
  for (const { correlationId, batches } of [...state.parkedBatches])
    if (batches[0]?.request.transaction?.transactorNode === node) onAskUndeliverable(state, correlationId, outbox)
}

/** Those whose answer does not come wait no longer. */
export function onTransactionTimer(state: ReplicaState, { uptime }: Context, outbox: Outbox): void {
  const over = state.parkedBatches.filter(({ deadline }) => deadline <= uptime)
  for (const { correlationId } of over)
    refuseParkedBatches(takeParked(state, correlationId), 'NOT_COORDINATOR', 'the transactor does not answer', outbox)
  const [next] = state.parkedBatches
  if (next !== undefined) armTimer(next.deadline - uptime, outbox)
}

/** Sends these away. */
export function refuseParkedBatches(batches: readonly ParkedBatch[], error: ErrorName, reason: string | null, outbox: Outbox): void {
  for (const { request, from } of batches) refuseProduce(request, from, error, reason, outbox)
}

function ask(
  { topic, topicId, partition }: ReplicaState,
  { producerId, producerEpoch }: NumberedBatch,
  { transactionalId, transactorNode, transactorPartition }: TransactionOf,
  correlationId: number,
  outbox: Outbox,
): void {
  outbox.push({
    kind: 'send',
    to: { node: transactorNode, actor: transactorActor(transactorPartition) },
    message: { kind: 'addPartitionToTransaction', correlationId, transactionalId, producerId, producerEpoch, topic, topicId, partition },
  })
}

function parkedBytes({ parkedBatches }: { readonly parkedBatches: readonly ParkedBatches[] }): number {
  let sizeBytes = 0
  for (const { batches } of parkedBatches) for (const { request } of batches) sizeBytes += request.records.length
  return sizeBytes
}

function armTimer(afterMillis: number, outbox: Outbox): void {
  outbox.push({ kind: 'startTimer', timer: 'transactions', afterMillis })
}
