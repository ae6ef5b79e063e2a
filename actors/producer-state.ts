/**
 * What a producer actor knows, as plain data.
 */
import type { Address } from '../protocol/address.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { Acks } from '../protocol/messages/produce.ts'
import { newClientQuota } from './client-quota.ts'
import type { ClientQuotaState, QuotaIdentity } from './client-quota.ts'
import { newLeaderCache } from './leader-cache.ts'
import type { LastLeader, LeaderCache } from './leader-cache.ts'
import { newProducerTransaction } from './producer-transaction-state.ts'
import type { ProducerTransaction } from './producer-transaction-state.ts'

/** What a producer actor is started with. */
export interface ProducerConfig {
  /** Hears `delivered`. */
  readonly client: Address
  readonly coordinatorNodes: readonly number[]
  /** Of batches that do not say otherwise. */
  readonly acks: Acks
  readonly requestTimeoutMillis: number
  readonly deliveryTimeoutMillis: number
  readonly retryBackoffMillis: number
  /** Its batches are numbered, so that none is written twice. */
  readonly isIdempotent: boolean
  /** Names the producer across its lives; null: it has no transactions. */
  readonly transactionalId: string | null
  /** A transaction that is open for so long is aborted. */
  readonly transactionTimeoutMillis: number
  /** Its client can split a batch that is larger than its topic takes. */
  readonly splitsBatches?: boolean
  /** Whose quota it keeps to; without it nobody counts. */
  readonly quota?: QuotaIdentity
}

/** A batch on its way. */
export interface OutgoingBatch {
  readonly token: number
  /** Its place among all batches of the partition. */
  ordinal: number
  records: Uint8Array
  readonly count: number
  readonly acks: Acks
  deadline: number
  /** -1 until it is numbered. */
  sequence: number
  /** Of the request under way; -1 while there is none. */
  correlationId: number
  /** No earlier batch was outstanding when it was sent: a gap in front of it is then no accident of the network. */
  sentFirst: boolean
  /** Its client has been told that it failed; it is there to leave no gap in the numbers. */
  isOrphan: boolean
  /** Why the leader did not take it when it answered last; null: it has not refused it. */
  refusal: ErrorName | null
  /** The leader's own words for that. */
  reason: string | null
  /** A leader has said that it is in its log, with too few replicas in sync. */
  isAppended: boolean
  /** Of the request under way. */
  sentAt: number
}

/** The batches for one partition. */
export interface PartitionQueue extends LastLeader {
  /** Of the topic that its requests went to last; -1 before the first. */
  topicId: number
  /** In the order of submission; answered ones are gone. */
  readonly batches: OutgoingBatch[]
  /** How many batches were ever submitted. */
  submitted: number
  producerEpoch: number
  nextSequence: number
  inFlight: number
  /** Nothing is sent before. */
  retryAt: number
  failures: number
  /** What is known of the topic does not have the partition: what is asked from this correlation id on decides. -1: it is not in doubt. */
  doubtedFrom: number
}

/** What a producer knows. */
export interface ProducerState {
  readonly self: Address
  readonly config: ProducerConfig
  producerId: number
  /** Batches with acknowledgements are numbered, and need a producer id, unless it is not idempotent. */
  isNumbering: boolean
  /** Null without a transactional id. */
  readonly transaction: ProducerTransaction | null
  /** Time-out of the request for a producer id; -1 while there is none. */
  producerIdTimeoutAt: number
  readonly leaders: LeaderCache
  readonly quota: ClientQuotaState | null
  readonly queues: Map<string, PartitionQueue>
  readonly inFlight: Map<number, { readonly queue: PartitionQueue; readonly batch: OutgoingBatch }>
  nextCorrelationId: number
  ticking: boolean
  /** The next tick comes early. */
  isHurrying: boolean
}

/** A producer that has nothing to send yet. */
export function newProducerState(self: Address, config: ProducerConfig): ProducerState {
  return {
    self,
    config,
    producerId: -1,
    isNumbering: config.isIdempotent && config.acks !== 'none',
    transaction: config.transactionalId === null ? null : newProducerTransaction(config.transactionalId),
    producerIdTimeoutAt: -1,
    leaders: newLeaderCache(config.coordinatorNodes, config.requestTimeoutMillis),
    quota: newClientQuota(config.quota),
    queues: new Map(),
    inFlight: new Map(),
    nextCorrelationId: 1,
    ticking: false,
    isHurrying: false,
  }
}
