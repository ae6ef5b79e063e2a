/**
 * Fetch, ListOffsets and DeleteRecords: reading one partition, and where it begins (Kafka API keys 1, 2 and 21, one partition at a time).
 */

/** How a fetch wants its answer: batches as bytes, or a piece of a file that the reader reads itself. */
export type FetchMode = 'bytes' | 'range'

/**
 * What readers see of transactions (KIP-98): everything below the high watermark; or what is committed, below the last stable offset, where the first transaction
 * begins that is still open.
 */
export type IsolationLevel = 'read_uncommitted' | 'read_committed'

/** Batches of an aborted transaction: those of this producer from `firstOffset` up to its marker at `lastOffset`. */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  readonly lastOffset: number
}

/** No replica: an ordinary consumer. */
export const CONSUMER_REPLICA = -1

/**
 * Consumer or follower to leader. Parks until `minBytes` lie below the high watermark (for a follower: below the log end) or `maxWaitMillis` are over. A
 * follower says with it that everything below `fetchOffset` is as durable in its log as the topic promises.
 */
export interface FetchRequest {
  readonly kind: 'fetch'
  readonly correlationId: number
  readonly topicId: number
  readonly leaderEpoch: number
  /** The follower's node, or CONSUMER_REPLICA. */
  readonly replicaId: number
  /** The follower's incarnation; -1 for consumers. */
  readonly brokerEpoch: number
  /** The leader epoch of the record before `fetchOffset` in the follower's log (KIP-595); -1: there is none, or it is not to be checked. */
  readonly lastFetchedEpoch: number
  readonly fetchOffset: number
  /** Where the follower's log begins, as its disk would say after a power loss; -1 for consumers. */
  readonly logStartOffset: number
  /** Everything below it is on the follower's disk, whatever the topic promises; -1 for consumers. */
  readonly syncedOffset: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly maxWaitMillis: number
  readonly mode: FetchMode
  /** Followers read uncommitted. */
  readonly isolationLevel: IsolationLevel
}

/** A piece of a segment file below the high watermark; starts at a batch, may end inside one. */
export interface FileRange {
  readonly path: string
  readonly position: number
  /** Bytes to read first. */
  readonly sizeBytes: number
  /** Bytes that may be read if the first batch is larger than `sizeBytes`. */
  readonly availableBytes: number
}

/** Leader to consumer: `records` holds whole batches, the first of which contains `fetchOffset`; or `range`; or neither (nothing new). */
export interface FetchResponse {
  readonly kind: 'fetchResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly highWatermark: number
  /** Where the first transaction begins that is open, at most the high watermark. */
  readonly lastStableOffset: number
  /** Those among the records, or in the range, that a reader of committed records leaves out; empty for others. */
  readonly abortedTransactions: readonly AbortedTransaction[]
  /** Where the leader's log begins. A follower that is refused hears where the first batch begins that is still there. */
  readonly logStartOffset: number
  /** Where the log ended when this leader began: below it, what is above the high watermark is not decided yet. */
  readonly epochStartOffset: number
  /** Everything below it is on the disk of every replica; -1: not known, or not all of them are in sync. */
  readonly syncedByAll: number
  /** The logs differ: the leader's largest epoch up to `lastFetchedEpoch`, and where it ends. -1 and -1 if they do not. */
  readonly divergingEpoch: number
  readonly divergingEndOffset: number
  readonly range: FileRange | null
  readonly records: Uint8Array | null
}

/** The timestamp of a ListOffsets that asks for the high watermark, or the last stable offset for readers of what is committed. */
export const LATEST_TIMESTAMP = -1
/** The timestamp of a ListOffsets that asks for the log start offset. */
export const EARLIEST_TIMESTAMP = -2

/** Asks for the first offset whose timestamp is at least `timestamp`, or for an end of the log (-1 latest, -2 earliest). */
export interface ListOffsetsRequest {
  readonly kind: 'listOffsets'
  readonly correlationId: number
  readonly topicId: number
  readonly timestamp: number
  readonly isolationLevel: IsolationLevel
}

/** `offset` and `timestamp` are -1 if no record is that young. Only `timestamp` is where the leader cannot look into a batch: the record is there or behind it. */
export interface ListOffsetsResponse {
  readonly kind: 'listOffsetsResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly offset: number
  readonly timestamp: number
}

/** Asks the leader of a partition where its log begins and ends, how far the replicas are behind, and how large it is. */
export interface DescribePartitionRequest {
  readonly kind: 'describePartition'
  readonly correlationId: number
  readonly topicId: number
}

/** How many offsets a replica is behind the leader's log end, as the leader knows it; -1: the leader has not heard of it in its epoch. */
export interface ReplicaLag {
  readonly node: number
  readonly lag: number
}

/**
 * OFFSET_NOT_AVAILABLE: as with ListOffsets, the high watermark, -1 then, may be behind what readers have seen; the rest is known. With other errors nothing is:
 * -1, -1, no lags and -1.
 */
export interface DescribePartitionResponse {
  readonly kind: 'describePartitionResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly logStartOffset: number
  readonly highWatermark: number
  /** Of all replicas, the leader included, the preferred leader first. */
  readonly lags: readonly ReplicaLag[]
  /** Of the leader's log. */
  readonly sizeBytes: number
}

/** The `beforeOffset` of a DeleteRecords that asks for everything below the high watermark. */
export const DELETE_TO_HIGH_WATERMARK = -1

/** Asks the leader to move the log start up to `beforeOffset`, at most to the high watermark. */
export interface DeleteRecordsRequest {
  readonly kind: 'deleteRecords'
  readonly correlationId: number
  readonly topicId: number
  readonly beforeOffset: number
}

/**
 * Sent when no replica that may lead has anything below any more, whatever becomes of it. `logStartOffset`: where all of them begin, at least (Kafka's low
 * watermark); -1 with an error.
 */
export interface DeleteRecordsResponse {
  readonly kind: 'deleteRecordsResponse'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly logStartOffset: number
}
