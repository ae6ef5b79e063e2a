// Producers of transactions, their transactor, and what the tests of a replica say to it in their names.

import type { Effect } from '../../actors/effect.ts'
import { logFileName } from '../../partitions/log.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { FetchRequest } from '../../protocol/messages/fetch.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import type { Acks, ProduceRequest } from '../../protocol/messages/produce.ts'
import type { WriteTransactionMarkerRequest } from '../../protocol/messages/transaction.ts'
import * as batch from '../../protocol/record-batch.ts'
import { batchAt, untimed } from '../partitions/support.ts'
import type { BatchOptions } from '../partitions/support.ts'
import { ALONE, drive, fetch } from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { sent, sentOne } from './stage.ts'

/** Where the transactor lives, as the producers say. */
export const TRANSACTOR = { node: 2, actor: 'transactor/4' }

/** What a transactional producer says of itself. */
export const transaction = { transactionalId: 'x', transactorNode: 2, transactorPartition: 4 }

/** What a test may say of a batch. */
export interface Sent extends BatchOptions {
  readonly acks?: Acks
  readonly count?: number
}

/** A batch of producer 7 in epoch 0, the first of a transaction. */
export function transactional(correlationId: number, options: Sent = {}): ProduceRequest {
  const { acks = 'quorum', count = 1, ...rest } = options
  const records = batchAt(0, count, { producerId: 7, producerEpoch: 0, baseSequence: 0, transactional: true, ...rest })
  return { kind: 'produce', correlationId, topicId: 5, leaderEpoch: 0, acks, transaction, isFirst: false, records }
}

/** Sends it. */
export function send(partition: Partition, correlationId: number, options: Sent = {}): Effect[] {
  return drive(partition, partition.stage.deliver(transactional(correlationId, options)))
}

/** The transactor answers what it was asked. */
export function reply(partition: Partition, asked: readonly Effect[], error: ErrorName | null = null): Effect[] {
  const { correlationId } = sentOne(asked, 'addPartitionToTransaction')
  const errorCode = error === null ? NONE : codeOf(error)
  const answer = { kind: 'addPartitionToTransactionResponse', correlationId, errorCode, errorMessage: null } as const
  return drive(partition, partition.stage.deliver(answer, TRANSACTOR))
}

/** A batch whose transactor agrees at once. */
export function sendAdded(partition: Partition, correlationId: number, options: Sent = {}): Effect[] {
  return reply(partition, send(partition, correlationId, options))
}

/** The marker of producer 7's transaction of epoch 0. */
export function markerRequest(correlationId: number, changes: Partial<WriteTransactionMarkerRequest> = {}): WriteTransactionMarkerRequest {
  return {
    kind: 'writeTransactionMarker',
    correlationId,
    topicId: 5,
    producerId: 7,
    producerEpoch: 1,
    committed: true,
    coordinatorEpoch: 3,
    ...changes,
  }
}

/** The transactor sends it. */
export function mark(partition: Partition, correlationId: number, changes: Partial<WriteTransactionMarkerRequest> = {}): Effect[] {
  return drive(partition, partition.stage.deliver(markerRequest(correlationId, changes), TRANSACTOR))
}

/** What producers were answered: `#id @offset` or `#id ERROR`. */
export function outcomes(effects: readonly Effect[]): string[] {
  return sent(effects, 'produceResponse').map(({ correlationId, errorCode, baseOffset }) =>
    errorCode === NONE ? `#${correlationId} @${baseOffset}` : `#${correlationId} ${errorCode}`,
  )
}

/** What transactors were answered. */
export function markerAnswers(effects: readonly Effect[]): { readonly correlationId: number; readonly errorCode: number }[] {
  return sent(effects, 'writeTransactionMarkerResponse').map(({ correlationId, errorCode }) => ({ correlationId, errorCode }))
}

/** A refusal as `outcomes` has it. */
export function refused(correlationId: number, error: ErrorName): string {
  return `#${correlationId} ${codeOf(error)}`
}

/** What a reader of committed records is answered at once. */
export function fetchCommitted(partition: Partition, fetchOffset: number, changes: Partial<FetchRequest> = {}): MessageOf<'fetchResponse'> {
  return sentOne(fetch(partition, 1, fetchOffset, { isolationLevel: 'read_committed', ...changes }), 'fetchResponse')
}

/** The base offsets of the batches in an answer. */
export function offsetsIn({ records }: { readonly records: Uint8Array | null }): number[] {
  return records === null ? [] : batch.walkBatches(records).map(({ at }) => batch.baseOffset(records, at))
}

/** All that a replica knows of producers and transactions, and a checkpoint keeps. */
export function known({ producers, appended, transactions }: ReplicaState): object {
  return { producers: untimed(producers), appended: untimed(appended), transactions }
}

/** The batches in the files of a partition: what they are, and in which epoch of their producer. */
export function batches(partition: Partition): string[] {
  const bytes = partition.files.get(logFileName(0)) ?? new Uint8Array(0)
  return batch.walkBatches(bytes).map(({ at }) => `${batch.isControl(bytes, at) ? 'marker' : 'data'} ${batch.producerEpoch(bytes, at)}`)
}

/** Someone else leads from now on. */
export function depose(partition: Partition): string[] {
  const role = { ...ALONE, leader: 1, leaderEpoch: 1, partitionEpoch: 1, replicas: [0, 1], isr: [0, 1] }
  return outcomes(drive(partition, partition.stage.deliver(role, { node: 0, actor: 'broker' })))
}
