/**
 * What a leader knows of its partition, for administrators: where the log begins and ends for readers, and how far each replica is behind the leader's log end,
 * and how many bytes there are.
 */
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { DescribePartitionRequest, ReplicaLag } from '../protocol/messages/fetch.ts'
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
