/**
 * What a leader knows of its partition, for administrators: where the log begins and ends for readers, how far each replica is behind the leader's log end, how
 * many bytes there are, and which producers have written there.
 */
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { DescribePartitionRequest, ReplicaLag } from '../protocol/messages/fetch.ts'
import type { DescribeProducersRequest, ProducerDescription } from '../protocol/messages/transaction.ts'
import type { ProducerEntry } from '../partitions/idempotence.ts'
import { logSizeBytes } from '../partitions/log.ts'
import { lagsOf } from '../partitions/replication.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'

/** Answers at once, from what is known. */
export function onDescribePartition(state: ReplicaState, request: DescribePartitionRequest, context: Context, outbox: Outbox): void {
  const { log, replication, highWatermark } = state
  const reply = (error: ErrorName | null, logStartOffset: number, end: number, lags: readonly ReplicaLag[]): void => {
    const { correlationId } = request
    const errorCode = error === null ? NONE : codeOf(error)
    const sizeBytes = lags.length === 0 ? -1 : logSizeBytes(log)
    const message = {
      kind: 'describePartitionResponse',
      correlationId,
      errorCode,
      logStartOffset,
      highWatermark: end,
      lags,
      sizeBytes,
    } as const
    outbox.push({ kind: 'send', to: context.from, message })
  }
  if (request.topicId !== state.topicId) return reply('UNKNOWN_TOPIC_ID', -1, -1, [])
  if (state.phase === 'failed') return reply('KAFKA_STORAGE_ERROR', -1, -1, [])
  if ((state.phase !== 'leading' && state.phase !== 'rollingBack') || replication === null)
    return reply('NOT_LEADER_OR_FOLLOWER', -1, -1, [])
  const lags = lagsOf(replication, log.logEndOffset)
  // A new leader's high watermark may be behind what readers have seen (KIP-207).
  if (highWatermark.offset < replication.epochStartOffset) return reply('OFFSET_NOT_AVAILABLE', log.logStartOffset, -1, lags)
  reply(null, log.logStartOffset, highWatermark.offset, lags)
}

/** Answers at once, as of the log end: what is open there may not be below the high watermark yet, and what is not open has its marker in the log. */
export function onDescribeProducers(state: ReplicaState, request: DescribeProducersRequest, context: Context, outbox: Outbox): void {
  const { correlationId, topicId } = request
  const refusal = producersRefusal(state, topicId)
  const entries = refusal === null ? [...state.appended].toSorted(([a], [b]) => a - b) : []
  const producers = entries.map(([producerId, entry]) => describeProducer(producerId, entry))
  const errorCode = refusal === null ? NONE : codeOf(refusal)
  outbox.push({ kind: 'send', to: context.from, message: { kind: 'describeProducersResponse', correlationId, errorCode, producers } })
}

function producersRefusal({ phase, topicId }: ReplicaState, wantedId: number): ErrorName | null {
  if (wantedId !== topicId) return 'UNKNOWN_TOPIC_ID'
  if (phase === 'failed') return 'KAFKA_STORAGE_ERROR'
  return phase === 'leading' ? null : 'NOT_LEADER_OR_FOLLOWER'
}

function describeProducer(
  producerId: number,
  { producerEpoch, batches, coordinatorEpoch, firstOffset, lastTimestamp }: ProducerEntry,
): ProducerDescription {
  const lastSequence = batches.at(-1)?.lastSequence ?? null
  const known = (value: number): number | null => (value < 0 ? null : value)
  return {
    producerId,
    producerEpoch,
    lastSequence,
    lastTimestamp: known(lastTimestamp),
    coordinatorEpoch: known(coordinatorEpoch),
    currentTransactionStartOffset: known(firstOffset),
  }
}
