/**
 * What readers may see, and how they are told: consumers everything below the high watermark, or what is committed, below the last stable offset (KIP-98); followers
 * everything that is written, for what is not committed is theirs to keep, too.
 */
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import { CONSUMER_REPLICA } from '../protocol/messages/fetch.ts'
import type { AbortedTransaction, FetchRequest, FileRange, ListOffsetsRequest } from '../protocol/messages/fetch.ts'
import * as batch from '../protocol/record-batch.ts'
import type { LogPosition } from '../partitions/log.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import { abortedBetween, lastStablePosition } from '../partitions/transactions.ts'
import type { Outbox } from './actor.ts'
import { knownSyncedByAll } from './replica-synced.ts'

/** The end of what this reader may see. */
export function limitOf(state: ReplicaState, request: FetchRequest | ListOffsetsRequest): LogPosition {
  if (request.kind === 'fetch' && request.replicaId !== CONSUMER_REPLICA) return state.writtenEnd
  return request.isolationLevel === 'read_committed' ? stableEnd(state) : state.highWatermark
}

/** Where what this reader may see begins: followers copy whole batches, and of a segment whose first records are deleted all of them. */
export function beginOf({ log }: ReplicaState, { replicaId }: FetchRequest): number {
  return replicaId === CONSUMER_REPLICA ? log.logStartOffset : (log.segments[0]?.baseOffset ?? log.logStartOffset)
}

/** Answers a fetch. */
export function replyFetch(
  state: ReplicaState,
  to: Address,
  request: FetchRequest,
  error: ErrorName | null,
  range: FileRange | null,
  records: Uint8Array | null,
  outbox: Outbox,
): void {
  outbox.push({
    kind: 'send',
    to,
    message: {
      kind: 'fetchResponse',
      correlationId: request.correlationId,
      errorCode: error === null ? NONE : codeOf(error),
      errorMessage: error === null ? null : readProblem(state, error, request.fetchOffset),
      highWatermark: state.highWatermark.offset,
      lastStableOffset: stableEnd(state).offset,
      abortedTransactions: abortedIn(state, request, range, records),
      logStartOffset: error === 'OFFSET_OUT_OF_RANGE' ? beginOf(state, request) : state.log.logStartOffset,
      epochStartOffset: state.replication?.epochStartOffset ?? state.log.logEndOffset,
      syncedByAll: request.replicaId === CONSUMER_REPLICA ? -1 : knownSyncedByAll(state),
      divergingEpoch: -1,
      divergingEndOffset: -1,
      range,
      records,
    },
  })
}

/** Answers a look-up of an offset; -1: there is none. */
export function replyOffset(
  state: ReplicaState,
  to: Address,
  request: ListOffsetsRequest,
  error: ErrorName | null,
  offset: number,
  timestamp: number,
  outbox: Outbox,
): void {
  outbox.push({
    kind: 'send',
    to,
    message: {
      kind: 'listOffsetsResponse',
      correlationId: request.correlationId,
      errorCode: error === null ? NONE : codeOf(error),
      errorMessage: error === null ? null : readProblem(state, error, offset),
      offset,
      timestamp,
    },
  })
}

/** What a reader is told of a leader that has failed: where others are in sync, and its log is damaged, one of them leads soon. */
export function refusalOfFailed({ damage, role, self }: ReplicaState): ErrorName {
  const isReplaced = damage !== 'none' && role.isr.some((node) => node !== self.node)
  return isReplaced ? 'NOT_LEADER_OR_FOLLOWER' : 'KAFKA_STORAGE_ERROR'
}

function stableEnd({ transactions, highWatermark, log }: ReplicaState): LogPosition {
  return lastStablePosition(transactions, highWatermark, log.logStartOffset)
}

/** What a reader of committed records must leave out of an answer: of a range all that it may read on to, without asking again. */
function abortedIn(
  state: ReplicaState,
  request: FetchRequest,
  range: FileRange | null,
  records: Uint8Array | null,
): readonly AbortedTransaction[] {
  if (request.isolationLevel !== 'read_committed' || request.replicaId !== CONSUMER_REPLICA) return []
  if (state.transactions.aborted.length === 0) return []
  const { fetchOffset } = request
  if (range !== null) return abortedBetween(state.transactions, fetchOffset, endOfRange(state, request))
  const last = records === null ? undefined : batch.walkBatches(records).at(-1)
  if (records === null || last === undefined) return []
  return abortedBetween(state.transactions, fetchOffset, batch.lastOffset(records, last.at) + 1)
}

/** Where the segment ends that holds the offset, or what the reader may see of it. */
function endOfRange(state: ReplicaState, request: FetchRequest): number {
  const next = state.log.segments.find(({ baseOffset }) => baseOffset > request.fetchOffset)
  return Math.min(next?.baseOffset ?? Infinity, limitOf(state, request).offset)
}

function readProblem(state: ReplicaState, error: ErrorName, offset: number): string | null {
  const name = `${state.topic}-${state.partition}`
  if (error === 'OFFSET_OUT_OF_RANGE')
    return `${name} has offsets ${state.log.logStartOffset} to ${state.log.logEndOffset - 1}, not ${offset}`
  if (error === 'CORRUPT_MESSAGE') return `the batch at offset ${offset} of ${name} is damaged`
  if (error === 'KAFKA_STORAGE_ERROR') return `${name} cannot be read: ${state.failure ?? 'the disk failed'}`
  return null
}
