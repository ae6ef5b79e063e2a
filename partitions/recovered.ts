/** What is left of a partition when its log has been opened; how it is found is the business of recovery.ts. */
import type { Epochs } from './epochs.ts'
import type { NumberedBatch, ProducerStates } from './idempotence.ts'
import type { Log } from './log.ts'
import type { Transactions } from './transactions.ts'

/** A batch that may be committed or not. */
export interface RecoveredBatch {
  readonly baseOffset: number
  readonly endOffset: number
  readonly segmentBaseOffset: number
  readonly position: number
  readonly endPosition: number
  /** Null without idempotence. */
  readonly numbered: NumberedBatch | null
}

/** A log that can be served. */
export interface Recovered {
  readonly log: Log
  /** Which leader wrote which offsets. */
  readonly epochs: Epochs
  /** As of the recovery point. */
  readonly producers: ProducerStates
  /** As of the recovery point. */
  readonly transactions: Transactions
  /** Everything below is known to be synced, and committed. */
  readonly recoveryPoint: number
  /** The batches above the recovery point, in order. */
  readonly tail: readonly RecoveredBatch[]
  readonly checkpointSequence: number
  /** Bytes that were cut off as a torn tail. */
  readonly cutBytes: number
  /** Files that the log does without, once a checkpoint that says so is durable. */
  readonly stale: readonly string[]
  /** Everything below was compacted. */
  readonly cleanedOffset: number
  /** The latest generation that compaction has given a file. */
  readonly generation: number
}
