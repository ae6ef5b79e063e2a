/**
 * What a replica and the hands that compact its log say to each other: which files are to be cleaned and by which rules, and what came of it. Plain data.
 * It does not decide when and what to clean (partitions/compaction.ts), nor how a file is cleaned (log-cleaner.ts).
 */

import type { AbortedTransaction } from './messages/fetch.ts'

/** A segment that is to be cleaned. */
export interface CleaningInput {
  readonly file: string
  readonly baseOffset: number
  /** One past its last offset. */
  readonly endOffset: number
  readonly sizeBytes: number
  /** The file that is written if an output begins with this input. */
  readonly outputFile: string
}

/** What is to be cleaned, and how. */
export interface CleaningOrder {
  /** Consecutive closed segments, from the oldest of the log on. */
  readonly inputs: readonly CleaningInput[]
  /** Everything below was cleaned before: of each key it has the newest record only. */
  readonly firstDirtyOffset: number
  /** Segments are merged as long as one is not larger than this. */
  readonly segmentBytes: number
  readonly indexIntervalBytes: number
  /** About how much memory the newest offsets of keys may take; what does not fit is left for the next cleaning. */
  readonly mapBytes: number
  /** Wall clock, milliseconds: delete horizons are set from it. */
  readonly now: number
  /** What has a delete horizon at or before it goes; -1: nothing does. */
  readonly deletesUpTo: number
  /** And ends at or below this offset: from there on somebody may not have seen it yet. */
  readonly deletesBelow: number
  /** How long tombstones stay from the first cleaning on. */
  readonly deleteRetentionMillis: number
  /** Base offsets of batches whose producer's numbers are still needed, ascending: they stay, perhaps without records. */
  readonly keptBatches: readonly number[]
  readonly aborted: readonly AbortedTransaction[]
}

/** Where batches lie in a cleaned segment: parallel columns, as in a segment's index. */
export interface BatchIndex {
  readonly offsets: number[]
  readonly positions: number[]
  readonly timestamps: number[]
}

/** A segment that takes the place of one or several inputs: from the one with its base offset to the one that ends where it does. */
export interface CleanedSegment {
  readonly file: string
  readonly baseOffset: number
  readonly endOffset: number
  readonly sizeBytes: number
  readonly maxTimestamp: number
  readonly index: BatchIndex
}

/** What came of a cleaning. Inputs in which there was nothing to clean have no output: they stay as they are. */
export interface Cleaned {
  readonly outputs: readonly CleanedSegment[]
  /** Everything below is clean now. */
  readonly cleanedOffset: number
}

/** Why nothing came of a cleaning: the disk failed or is full, or an input is not what was written. */
export type CleaningFailure = 'io' | 'full' | 'damaged'
