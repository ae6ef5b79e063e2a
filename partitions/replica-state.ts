/**
 * Everything one partition replica knows, as plain data. `actors/replica*.ts` hold the rules of who may change what.
 *
 *   recovering ─► settling (making what was recovered durable) ─► idle ◄──► leading ◄──► rollingBack (after a failed write or sync, with one replica)
 *        ▲                                                         ▲ ╲        │
 *        │                                                         │  ► following ─► recovering, to cut what the leader does not have
 *        └───────────── after a pause ◄──── failed ◄───────────────┴──────────┘
 *
 * Three ends, which are one and the same when nothing is under way:
 *
 *   high watermark ≤ durable end ≤ log end        readers see what is below the first; a follower's fetch says that it has what is below the second
 */
import type { Address } from '../protocol/address.ts'
import type { FetchRequest, ListOffsetsRequest } from '../protocol/messages/fetch.ts'
import type { LeaderAndIsr } from '../protocol/messages/broker.ts'
import type { Acks, ProduceRequest } from '../protocol/messages/produce.ts'
import type { Cleaned } from '../protocol/cleaning.ts'
import type { TopicConfig } from '../protocol/topic-config.ts'
import { newCleaningState } from './compaction.ts'
import type { CleaningState } from './compaction.ts'
import type { NumberedBatch, ProducerStates } from './idempotence.ts'
import type { ConsumptionRound } from './consumption.ts'
import type { Epochs } from './epochs.ts'
import { emptyLog } from './log.ts'
import type { Log, LogPosition, Segment } from './log.ts'
import type { Mending } from './mending.ts'
import { beginRecovery } from './recovery.ts'
import type { Recovery } from './recovery.ts'
import type { Replication } from './replication.ts'
import type { SegmentIndex } from './segment-index.ts'
import { noTransactions } from './transactions.ts'
import type { Transactions } from './transactions.ts'

/** What a replica is started with. */
export interface ReplicaConfig {
  readonly topic: string
  readonly topicId: number
  readonly partition: number
  readonly topicConfig: TopicConfig
  /** How long a follower may lag before it is out of sync. */
  readonly replicaLagMillis: number
}

/** Where a replica stands; see the diagram above. */
export type ReplicaPhase = 'recovering' | 'settling' | 'idle' | 'leading' | 'rollingBack' | 'following' | 'failed'

/** Who waits for an append, and under which correlation id. */
export interface Waiter {
  readonly asked: 'produce' | 'marker'
  readonly from: Address
  readonly correlationId: number
  readonly acks: Acks
}

/** Who waits for a number of logs to have a batch, wherever the high watermark is. */
export interface CountedWaiter {
  readonly waiter: Waiter
  readonly baseOffset: number
  readonly endOffset: number
  readonly logAppendTime: number
}

/** Who waits until records are deleted wherever they could come back from. */
export interface DeletionWaiter {
  readonly from: Address
  readonly correlationId: number
  readonly startOffset: number
}

/** A transactional batch that waits for the transactor to know of this partition; its bytes are its own. */
export interface ParkedBatch {
  readonly from: Address
  readonly request: ProduceRequest
}

/** Batches of one producer and epoch, in order, and what the transactor has been asked for them. */
export interface ParkedBatches {
  readonly producerId: number
  readonly producerEpoch: number
  readonly correlationId: number
  /** Uptime when the answer is given up. */
  readonly deadline: number
  readonly batches: ParkedBatch[]
}

/** What a replica is told of its partition; `leader` -1 until then. */
export type Role = Omit<LeaderAndIsr, 'kind' | 'topicId'>

/** A follower's conversation with its leader. */
export interface Following {
  /** Of the fetch under way; -1 while there is none. */
  correlationId: number
  timeoutAt: number
  /** Where its log begins, as it has told the leader. */
  reportedStartOffset: number
  /** Fetches in a row that came to nothing. */
  failures: number
  /** The first fetch that was not answered in time since one was; -1: none. */
  lostFrom: number
  /** Answers that have come too late since then. */
  lateCount: number
  /** It has copied as much as it may: nothing more before this uptime. */
  pausedUntil: number
  /** Everything below is on the disk of every replica, as the leader has said; -1: it has not. */
  syncedByAll: number
}

/** A batch above the high watermark. */
export interface PendingAppend {
  readonly baseOffset: number
  readonly endOffset: number
  readonly segmentBaseOffset: number
  readonly endPosition: number
  readonly logAppendTime: number
  /** Null without idempotence. */
  readonly numbered: NumberedBatch | null
  waiters: Waiter[]
  written: boolean
  synced: boolean
}

/** A request that reads and must wait: for new records, or for an index to be loaded. */
export interface ParkedFetch {
  readonly from: Address
  readonly request: FetchRequest
  readonly deadline: number
  /** The end that it waits at, when it was parked: its offset is the request's. */
  readonly position: LogPosition | null
}

/** A flush under way: when all its files are synced, the checkpoint may vouch for everything below `target`. */
export interface Flush {
  readonly target: number
  readonly producers: ProducerStates
  readonly transactions: Transactions
  readonly clean: boolean
  /** The segments that it syncs. */
  readonly segmentBaseOffsets: readonly number[]
  /** Sync answers still awaited. */
  waiting: number
}

/** A checkpoint on its way to the disk. */
export interface CheckpointWrite {
  readonly flush: Flush
  readonly sequence: number
  readonly logStartOffset: number
  /** It must outlive a power loss before anything follows. */
  readonly mustSync: boolean
  /** Files that the log does without once it is safe. */
  readonly removals: readonly string[]
}

/** What the answer of the disk to a token is for. */
export type Continuation =
  | { readonly kind: 'recovery' }
  | { readonly kind: 'append'; readonly entries: readonly PendingAppend[] }
  | { readonly kind: 'sync'; readonly segmentBaseOffset: number }
  | { readonly kind: 'flush'; readonly flush: Flush; readonly segmentBaseOffset: number }
  | { readonly kind: 'checkpoint'; readonly write: CheckpointWrite }
  | { readonly kind: 'checkpointSync'; readonly write: CheckpointWrite }
  | { readonly kind: 'checkpointProof'; readonly flush: Flush }
  | { readonly kind: 'proofRead' | 'proofWritten'; readonly flush: Flush }
  | { readonly kind: 'rollBack' }
  | { readonly kind: 'rewriteRead'; readonly segmentBaseOffset: number; readonly position: number }
  | { readonly kind: 'rewritten'; readonly segmentBaseOffset: number; readonly endPosition: number }
  | { readonly kind: 'ignore' }
  | { readonly kind: 'mendRead'; readonly mending: Mending; readonly sizeBytes: number }
  | { readonly kind: 'mendWritten'; readonly mending: Mending }
  | { readonly kind: 'mendSynced'; readonly mending: Mending }
  | { readonly kind: 'cleaning'; readonly inputs: readonly Segment[]; readonly generation: number }
  | { readonly kind: 'swap'; readonly inputs: readonly Segment[]; readonly generation: number; readonly cleaned: Cleaned }
  | {
      readonly kind: 'fetch'
      readonly from: Address
      readonly request: FetchRequest
      readonly generation: number
      readonly position: number
      readonly endPosition: number
      /** What is asked for of the disk: all of it is below the end of the log. */
      readonly sizeBytes: number
    }
  | {
      readonly kind: 'timestamp'
      readonly from: Address
      readonly request: ListOffsetsRequest
      readonly segmentBaseOffset: number
      readonly generation: number
      readonly position: number
      readonly endPosition: number
    }
  | { readonly kind: 'index'; readonly segmentBaseOffset: number; readonly generation: number }
  | {
      readonly kind: 'rebuild'
      readonly segmentBaseOffset: number
      readonly generation: number
      readonly index: SegmentIndex
      readonly position: number
      readonly sizeBytes: number
      readonly maxTimestamp: number
    }

/** A reader that waits for the index of a closed segment. */
export interface IndexWaiter {
  readonly segmentBaseOffset: number
  readonly from: Address
  readonly request: FetchRequest | ListOffsetsRequest
}

/** The state of one replica. */
export interface ReplicaState {
  readonly self: Address
  readonly topic: string
  readonly topicId: number
  readonly partition: number
  role: Role
  config: TopicConfig
  readonly replicaLagMillis: number
  /** The log directory's name. */
  readonly logName: string
  phase: ReplicaPhase
  /** Why the phase is `failed`. */
  failure: string | null
  /** What is on disk is not what was written: some of it cannot be read, or it cannot be opened at all. Doubtful: it may end too early. */
  damage: 'none' | 'partial' | 'doubtful' | 'total'
  /** While the damaged log is mended in place. */
  mending: Mending | null
  recovery: Recovery | null
  /** Up to where everything was durable before the log was opened again, until it is; null: it was never open. -Infinity: `durableEndOffset` says it. */
  heldEnd: number | null
  log: Log
  /** Which leader wrote which offsets. */
  epochs: Epochs
  /** As of the high watermark. */
  producers: ProducerStates
  /** As of the log end: with the batches that are pending. */
  appended: ProducerStates
  /** As of the high watermark. */
  transactions: Transactions
  /** Transactional batches that are not appended yet, while it leads. */
  parkedBatches: ParkedBatches[]
  /** All batches between high watermark and log end, in order. */
  pending: PendingAppend[]
  /** Producers that wait for a number of logs to have a batch. */
  countedWaiters: CountedWaiter[]
  /** Readers see everything below it. */
  highWatermark: LogPosition
  /** Everything below it is in the page cache: followers may read it. */
  writtenEnd: LogPosition
  /** Everything below it is here as durable as the topic promises. */
  durableEndOffset: number
  /** The log begins there, at least, whatever a power loss does. */
  durableStartOffset: number
  deletionWaiters: DeletionWaiter[]
  /** What groups are being asked that must have consumed records before they go; null between two rounds. */
  consumption: ConsumptionRound | null
  /** While it leads. */
  replication: Replication | null
  /** Uptime when it began to lead. */
  ledSince: number
  /** While it follows. */
  following: Following | null
  /** Known to be committed before the log was opened again. */
  committedOffset: number
  /** It has broken off in this leader epoch: it may have lost what others have seen, so it must not lead in it again; -1 if it has not. */
  brokenEpoch: number
  parked: ParkedFetch[]
  /** Deadline that the timer `fetch` runs for; Infinity if it does not run. */
  parkedTimerAt: number
  indexWaiters: IndexWaiter[]
  /** Closed segments whose index is in memory, in loading order. */
  loadedIndexes: number[]
  continuations: Map<number, Continuation>
  nextToken: number
  /** Segments with a commit sync under way. */
  syncing: Set<number>
  /** Segments whose sync has failed, or may have: what nothing proves of them is written again when the log is opened again. */
  distrusted: Set<number>
  /** Segments with appends since their last flush. */
  dirty: Set<number>
  flush: Flush | null
  /** A flush was asked for while one was under way; true asks for a clean one. */
  flushAgain: 'no' | 'plain' | 'clean'
  bytesSinceFlush: number
  /** Files of segments that retention dropped, or compaction replaced, to be removed when a checkpoint says so. */
  removals: string[]
  checkpointSequence: number
  readonly cleaning: CleaningState
  /** Whether the newest checkpoint outlives what becomes of the other file, which the next one takes; if it is torn, the next takes its own. If it is the only one, the other file has nothing to lose. One that is doubted could not be synced: a sync proves nothing before it is written again. */
  checkpointTrust: 'unknown' | 'safe' | 'torn' | 'only' | 'doubted'
  /** One that could not be written or synced, by its sequence: a later sync proves nothing of it (the disk says so only once); -1: none. */
  failedCheckpoint: number
  /** Who waits until all that are in sync have what was led here when it asked. */
  settling: { readonly waiter: Address; readonly endOffset: number } | null
  /** Who waits for the drain. */
  drainWaiter: Address | null
  /** From the request to drain on; the replica takes nothing any more until it is started again. */
  isDraining: boolean
  /** Waits for rollBack's disk work. */
  rollBackWaiting: number
  cutBytes: number
}

/** Nothing is known of the partition yet. */
export const NO_ROLE: Role = {
  leader: -1,
  leaderEpoch: -1,
  partitionEpoch: -1,
  replicas: [],
  isr: [],
  elr: [],
  minInsync: 1,
  brokerEpoch: -1,
  throttleBytesPerSecond: 0,
}

const LOG_BEGIN: LogPosition = { offset: 0, segmentBaseOffset: 0, position: 0 }

/** The log directory of a partition. The topic id keeps a deleted topic's files apart from its successor's. */
export function logNameOf(topic: string, topicId: number, partition: number): string {
  return `${topic}-${partition}.${topicId}`
}

/** A log that is opened again in the same life: it ends at `endOffsetMax`, and what lies beyond is cut; below `heldEnd` everything was durable. */
export interface Reopening {
  readonly endOffsetMax: number
  readonly heldEnd: number | null
}

/** The state of a replica that has not looked at its disk yet. */
export function newReplicaState(self: Address, config: ReplicaConfig, reopening: Reopening | null = null): ReplicaState {
  return {
    self,
    topic: config.topic,
    topicId: config.topicId,
    partition: config.partition,
    role: NO_ROLE,
    config: config.topicConfig,
    replicaLagMillis: config.replicaLagMillis,
    logName: logNameOf(config.topic, config.topicId, config.partition),
    phase: 'recovering',
    failure: null,
    damage: 'none',
    mending: null,
    heldEnd: reopening?.heldEnd ?? null,
    recovery: beginRecovery(config.topicConfig.indexIntervalBytes, reopening?.endOffsetMax, reopening?.heldEnd),
    log: emptyLog(0),
    epochs: [],
    producers: new Map(),
    appended: new Map(),
    transactions: noTransactions(),
    parkedBatches: [],
    pending: [],
    countedWaiters: [],
    highWatermark: LOG_BEGIN,
    writtenEnd: LOG_BEGIN,
    durableEndOffset: 0,
    durableStartOffset: 0,
    deletionWaiters: [],
    consumption: null,
    replication: null,
    ledSince: 0,
    following: null,
    committedOffset: 0,
    brokenEpoch: -1,
    parked: [],
    parkedTimerAt: Infinity,
    indexWaiters: [],
    loadedIndexes: [],
    continuations: new Map(),
    nextToken: 1,
    syncing: new Set(),
    distrusted: new Set(),
    dirty: new Set(),
    flush: null,
    flushAgain: 'no',
    bytesSinceFlush: 0,
    removals: [],
    checkpointSequence: 0,
    cleaning: newCleaningState(),
    checkpointTrust: 'unknown',
    failedCheckpoint: -1,
    settling: null,
    drainWaiter: null,
    isDraining: false,
    rollBackWaiting: 0,
    cutBytes: 0,
  }
}

/** Notes what the answer to the next storage effect is for; returns the effect's token. */
export function expectAnswer(state: ReplicaState, continuation: Continuation): number {
  const token = state.nextToken++
  state.continuations.set(token, continuation)
  return token
}
