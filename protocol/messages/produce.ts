/**
 * Produce: one record batch for one partition (Kafka API key 0, one partition at a time).
 */

import type { TransactionOf } from './transaction.ts'

/**
 * What a producer is promised before it is answered: nothing; the leader's log; the log of everyone in sync, of whom there are `minInsyncReplicas`
 * (quorum); or the logs of the leader and n - 1 others. Each log under the topic's flush policy.
 */
export type Acks = 'none' | 'leader' | 'quorum' | number

/** Producer to leader. `records` holds exactly one record batch v2 and is borrowed: it is gone when `receive` and its effects are done. */
export interface ProduceRequest {
  readonly kind: 'produce'
  readonly correlationId: number
  readonly topicId: number
  readonly leaderEpoch: number
  readonly acks: Acks
  /** Of a transactional batch; null for all others. */
  readonly transaction: TransactionOf | null
  /** No batch before it is outstanding: a leader that knows nothing of its producer (all that it wrote there is deleted) takes its sequence as it is. */
  readonly isFirst: boolean
  readonly records: Uint8Array
}

/** Leader to producer. `baseOffset` is -1 with an error; `logAppendTime` is -1 unless the topic stamps it. */
export interface ProduceResponse {
  readonly kind: 'produceResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly baseOffset: number
  readonly logAppendTime: number
  readonly logStartOffset: number
}
