/**
 * Transactions, in the words of KIP-98 and of the protocol's second version (KIP-890): a producer asks its transactor for an epoch, sends batches under it, and
 * ends the transaction. Nobody but the leader of a partition registers it with the transactor, before the first batch of a transaction is appended there. The
 * end raises the epoch: what comes late is fenced. The transactor is the actor that keeps one partition of `__transaction_state` (Kafka API keys 22, 24, 26, 27, 28). What
 * hangs because no transactor knows of it any more is found and ended by administrators (KIP-664, key 61).
 *
 *   producer ── initTransactions ─► transactor                          leader ── addPartitionToTransaction ─► transactor
 *   producer ── produce { transaction } ─► leader                       transactor ── writeTransactionMarker ─► leader of each partition
 *   producer ── endTransaction ─► transactor                            leader ── transactionMarked ─► groups, of a partition of `__consumer_offsets`
 *   producer ── transactionalOffsetCommit ─► groups ── produce { transaction } ─► leader of their partition
 */
import type { GroupMember, TopicOffset } from './group.ts'

/** What a transactional batch says of its transaction beside its header: whose it is, and who keeps it. */
export interface TransactionOf {
  readonly transactionalId: string
  /** Where the transactor lives, as the producer knows it. */
  readonly transactorNode: number
  /** The partition of `__transaction_state` that it keeps. */
  readonly transactorPartition: number
}

/** A new life of a producer: what its former life left open is aborted, and the former life is fenced. */
export interface InitTransactionsRequest {
  readonly kind: 'initTransactions'
  readonly correlationId: number
  readonly transactionalId: string
  /** A transaction that is open for so long is aborted. */
  readonly transactionTimeoutMillis: number
  /** Of this life of the producer, the same when it asks again: it begins once. */
  readonly initId: number
  /**
   * The life that it follows, -1 while it knows of none: if another has begun meanwhile it is told which, and asks again. So one that comes late begins nothing. (In
   * Kafka a request that is repeated after its answer was lost begins another epoch, and one that is stuck in the network fences the producer that has sent it, or its
   * successor.)
   */
  readonly formerInitId: number
}

/** UTF-16 units of a transactional id: its key in the log has a length of 15 bits, in bytes. */
export const TRANSACTIONAL_ID_LENGTH_MAX = 1000

/** A transaction must not hold back the readers of its partitions for longer (15 minutes, Kafka's transaction.max.timeout.ms). */
export const TRANSACTION_TIMEOUT_MILLIS_MAX = 900_000

/**
 * `producerId` and `producerEpoch` are -1 with an error. CONCURRENT_TRANSACTIONS: the former transaction is being ended, or the former life is another one; ask again.
 */
export interface InitTransactionsResponse {
  readonly kind: 'initTransactionsResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly producerId: number
  readonly producerEpoch: number
  /** The life that has begun last; -1: not known. */
  readonly latestInitId: number
}

/** Leader to transactor: the first batch of this epoch is there. Answered when the partition is part of the transaction, which begins with its first one. */
export interface AddPartitionToTransactionRequest {
  readonly kind: 'addPartitionToTransaction'
  readonly correlationId: number
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
  readonly topic: string
  readonly topicId: number
  readonly partition: number
}

/** Errors: PRODUCER_FENCED, INVALID_PRODUCER_ID_MAPPING, INVALID_TXN_STATE (timed out), CONCURRENT_TRANSACTIONS, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS. */
export interface AddPartitionToTransactionResponse {
  readonly kind: 'addPartitionToTransactionResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Commits or aborts what was sent under this epoch. Asked again, it has the same answer. */
export interface EndTransactionRequest {
  readonly kind: 'endTransaction'
  readonly correlationId: number
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
  readonly committed: boolean
}

/** Answered when it is decided for good, which is before all markers are written. The next transaction goes under the id and epoch of the answer. */
export interface EndTransactionResponse {
  readonly kind: 'endTransactionResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly producerId: number
  readonly producerEpoch: number
}

/** Transactor to leader: what the producer has written there under a lower epoch is committed, or aborted. */
export interface WriteTransactionMarkerRequest {
  readonly kind: 'writeTransactionMarker'
  readonly correlationId: number
  readonly topicId: number
  readonly producerId: number
  /** One more than that of the transaction: the marker fences what comes late. */
  readonly producerEpoch: number
  readonly committed: boolean
  /** The leader epoch of the transactor's partition: the marker of an older one comes too late. */
  readonly coordinatorEpoch: number
  /** Said by administrators (KIP-664), who only abort: the transaction of one epoch less that begins there is ended, and nothing else. */
  readonly startOffset?: number
}

/**
 * Sent when the marker is below the high watermark. TRANSACTION_COORDINATOR_FENCED, UNKNOWN_TOPIC_ID, or a retriable error. To administrators INVALID_TXN_STATE, too: no
 * such transaction is open.
 */
export interface WriteTransactionMarkerResponse {
  readonly kind: 'writeTransactionMarkerResponse'
  readonly correlationId: number
  readonly errorCode: number
}

/** Leader of a partition of `__consumer_offsets` to the groups in it: a marker is below the high watermark. */
export interface TransactionMarked {
  readonly kind: 'transactionMarked'
  readonly producerId: number
  readonly producerEpoch: number
  readonly committed: boolean
  /** Of the marker. */
  readonly offset: number
}

/** Commits offsets of a group as part of a transaction (KIP-447): they count when it is committed. */
export interface TransactionalOffsetCommitRequest {
  readonly kind: 'transactionalOffsetCommit'
  readonly correlationId: number
  readonly transaction: TransactionOf
  readonly producerId: number
  readonly producerEpoch: number
  readonly group: string
  /** Who has read what is being committed; null: somebody outside of the group, which must be empty. */
  readonly member: GroupMember | null
  readonly offsets: readonly TopicOffset[]
}

/** Asks the leader of a partition which producers it knows. */
export interface DescribeProducersRequest {
  readonly kind: 'describeProducers'
  readonly correlationId: number
  readonly topicId: number
}

/** What a partition knows of one producer, as of the end of its log. */
export interface ProducerDescription {
  readonly producerId: number
  readonly producerEpoch: number
  /** Of its last record; null if its numbers begin anew: after the end of a transaction. */
  readonly lastSequence: number | null
  /** Of its last batch, or of the end of its last transaction, in milliseconds; null where that was written before the log was opened, and a checkpoint vouches for it. */
  readonly lastTimestamp: number | null
  /** Of the transactor that ended its last transaction there; null if none has. */
  readonly coordinatorEpoch: number | null
  /** Where the transaction begins that it has open there; null if none is. */
  readonly currentTransactionStartOffset: number | null
}

/** By producer id; none with an error. */
export interface DescribeProducersResponse {
  readonly kind: 'describeProducersResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly producers: readonly ProducerDescription[]
}

/** Asks for the transactional ids that a transactor keeps. */
export interface ListTransactionsRequest {
  readonly kind: 'listTransactions'
  readonly correlationId: number
  /** Who would act on what is not in the list: it is refused with UNSUPPORTED_VERSION while the newest record of an id is not understood. */
  readonly mustBeWhole?: boolean
}

/** Kafka's names for the states of a transaction. */
export type TransactionStateName = 'empty' | 'ongoing' | 'prepareCommit' | 'prepareAbort' | 'completeCommit' | 'completeAbort'

/** One transactional id as an operator sees it. */
export interface TransactionDescription {
  readonly transactionalId: string
  readonly state: TransactionStateName
  readonly producerId: number
  readonly producerEpoch: number
  readonly timeoutMillis: number
  /** How long the transaction is open; -1 if none is. */
  readonly openMillis: number
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[]
}

/** Sorted by id. */
export interface ListTransactionsResponse {
  readonly kind: 'listTransactionsResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly transactions: readonly TransactionDescription[]
}
