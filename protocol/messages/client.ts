/**
 * What the public client says to its producer and consumer actors, and what they answer. Both live on the same host,
 * so the client's side of this conversation never crosses a thread.
 */
import type { TopicPartition } from '../ids.ts'
import type { CommittedOffset, GroupMember, TopicOffset } from './group.ts'
import type { AbortedTransaction, FileRange } from './fetch.ts'
import type { Acks } from './produce.ts'
import type { TopicPattern } from '../topic-pattern.ts'

/** Chunks that may lie with the application of a consumer, per partition: one is processed while the next is fetched. */
export const CHUNKS_PER_PARTITION_MAX = 2

/** A batch, and what it is called until it is delivered. */
export interface SubmittedRecords {
  readonly token: number
  readonly records: Uint8Array
}

/** A batch for one partition; its CRC need not be right, for the actor writes its numbers into it. `records` belongs to the producer actor until it answers `delivered`. */
export interface Submit extends SubmittedRecords {
  readonly kind: 'submit'
  readonly topic: string
  readonly partition: number
  /** Default: what its producer asks for. */
  readonly acks?: Acks
}

/** The outcome of one submitted batch. `baseOffset` is -1 with an error, and with acks none. */
export interface Delivered {
  readonly kind: 'delivered'
  readonly token: number
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly baseOffset: number
  readonly logAppendTime: number
}

/** The topic takes no batch as large as that one, which has several records: the client is to split it, and gets its memory back. What is behind it waits. It is not `delivered` any more: its parts are. */
export interface TooLarge {
  readonly kind: 'tooLarge'
  readonly token: number
}

/** The records of a batch that was too large, in their order; `records` as submitted. */
export interface SplitBatch {
  readonly kind: 'splitBatch'
  readonly token: number
  readonly parts: readonly SubmittedRecords[]
}

/** Begins a transaction; answered when the transactional id belongs to this producer, and the transaction before is over. */
export interface BeginTransaction {
  readonly kind: 'beginTransaction'
  readonly correlationId: number
}

/** Makes offsets of a group part of the open transaction. `member`: who has read what they say; null: nobody of the group, which must be empty. */
export interface SendOffsets {
  readonly kind: 'sendOffsets'
  readonly correlationId: number
  readonly group: string
  readonly member: GroupMember | null
  readonly offsets: readonly TopicOffset[]
}

/** Commits the open transaction, when all its batches are delivered; or aborts it, and drops those that are not. */
export interface FinishTransaction {
  readonly kind: 'finishTransaction'
  readonly correlationId: number
  readonly committed: boolean
}

/** The outcome of a request about a transaction. */
export interface TransactionResult {
  readonly kind: 'transactionResult'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Asks who the consumer is in its group, and which offsets it would commit: those given, or (null) what has been processed and nobody has committed. */
export interface AskMember {
  readonly kind: 'askMember'
  readonly correlationId: number
  readonly offsets: readonly CommittedOffset[] | null
}

/** `member` is null for a consumer that is none. */
export interface MemberAnswer {
  readonly kind: 'memberAnswer'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly member: GroupMember | null
  readonly offsets: readonly TopicOffset[]
}

/** Nothing is committed any more but what the client commits; or (over) again as the consumer was made to. */
export interface CommitByHand {
  readonly kind: 'commitByHand'
  /** Default: false. */
  readonly isOver?: boolean
}

/** A transaction has committed these offsets: they need not be committed again. */
export interface OffsetsCommitted {
  readonly kind: 'offsetsCommitted'
  readonly offsets: readonly TopicOffset[]
}

/** Consumes as a member of the group of the actor's configuration. Replaces the former subscription; nothing: lets go of all partitions and leaves. */
export interface Subscribe {
  readonly kind: 'subscribe'
  readonly topics: readonly string[]
  /** All topics whose names match, too, as they come and go. */
  readonly topicPattern: TopicPattern | null
}

/** Consumes exactly these partitions, without group membership. */
export interface Assign {
  readonly kind: 'assign'
  readonly partitions: readonly TopicPartition[]
}

/** The application has processed everything below `position`. What is said of a lower `session` than the consumer's is of what it has moved away from, perhaps of a former topic: it is stale. */
export interface Progress {
  readonly kind: 'progress'
  readonly topic: string
  readonly partition: number
  readonly session: number
  readonly position: number
}

/** The application has room for another chunk, which shall begin at `offset`: the end of the one before. */
export interface FetchMore {
  readonly kind: 'fetchMore'
  readonly topic: string
  readonly partition: number
  readonly session: number
  readonly offset: number
}

/**
 * What was read at `offset` in the leader's file is not what was written: the leader is asked for the bytes, so that it looks itself. Nothing of before counts any
 * more: chunks of a lower `session` are stale, as after a seek, but what is processed stays it.
 */
export interface FetchAgain {
  readonly kind: 'fetchAgain'
  readonly topic: string
  readonly partition: number
  readonly session: number
  readonly offset: number
}

/** Fetch goes on at `offset`. Chunks of a lower `session` are stale and must be dropped. */
export interface Seek {
  readonly kind: 'seek'
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly session: number
}

/** Stops or resumes fetching. A chunk that is under way may still come. */
export interface Pause {
  readonly kind: 'pause'
  readonly partitions: readonly TopicPartition[]
  readonly paused: boolean
}

/** Commits the given offsets, or what has been processed (null). */
export interface Commit {
  readonly kind: 'commit'
  readonly correlationId: number
  readonly offsets: readonly CommittedOffset[] | null
}

/** The application has dropped these partitions: the actor may give them up. */
export interface Released {
  readonly kind: 'released'
  readonly partitions: readonly TopicPartition[]
}

/** Commits what has been processed (with auto-commit), leaves the group, answers `consumerClosed`, and stops. */
export interface CloseConsumer {
  readonly kind: 'closeConsumer'
  readonly correlationId: number
}

/** The consumer has these partitions from now on; `position` is the first offset that it will deliver, -1 where its application must seek first. */
export interface Assigned {
  readonly kind: 'assigned'
  readonly partitions: readonly {
    readonly topic: string
    readonly partition: number
    readonly position: number
    readonly session: number
  }[]
}

/** The consumer must stop delivering these partitions, report its `progress`, and answer `released`. */
export interface Revoking {
  readonly kind: 'revoking'
  readonly partitions: readonly TopicPartition[]
  /** The group has already given them away (session timed out): nothing can be committed any more. */
  readonly lost: boolean
}

/** Batches for the application, beginning at or before `fetchOffset`: records below it are skipped. */
export interface Chunk {
  readonly kind: 'chunk'
  readonly topic: string
  readonly partition: number
  readonly session: number
  readonly fetchOffset: number
  readonly highWatermark: number
  /** Whose batches among these are left out; empty for who reads uncommitted. */
  readonly abortedTransactions: readonly AbortedTransaction[]
  /** Whose directory the range is in. */
  readonly node: number
  readonly range: FileRange | null
  readonly records: Uint8Array | null
}

/** The position was reset because no committed offset existed or it was out of range. */
export interface PositionReset {
  readonly kind: 'positionReset'
  readonly topic: string
  readonly partition: number
  readonly position: number
  readonly session: number
}

/** The outcome of a commit that the client asked for. */
export interface CommitResult {
  readonly kind: 'commitResult'
  readonly correlationId: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** The consumer cannot go on with a partition (or at all, topic null) without the application. */
export interface ConsumerFailed {
  readonly kind: 'consumerFailed'
  readonly topic: string | null
  readonly partition: number
  /** Of the partition: what was so before a later seek is nobody's error. */
  readonly session: number
  readonly errorCode: number
  readonly errorMessage: string
}

/** The consumer has left its group and stopped. */
export interface ConsumerClosed {
  readonly kind: 'consumerClosed'
  readonly correlationId: number
}

/** To a client, from its host: its actor has crashed. What that was asked is not answered; another one has begun in its place, which knows nothing. */
export interface ActorCrashed {
  readonly kind: 'actorCrashed'
  readonly errorMessage: string
}
