/**
 * When a log is compacted, which of its segments, and how what came of it takes their place (Kafka's log cleaner, KIP-58, KIP-354, KIP-534). Only closed segments
 * are cleaned that lie wholly below the limit (the high watermark; the last stable offset), from the oldest on, and none that may still have to be synced.
 * A log is due when enough of it is dirty (written since the last cleaning), or something dirty has waited long enough.
 *
 * What it does not do: look into segments (protocol/log-cleaner.ts).
 */
import { assert } from '../protocol/assert.ts'
import type { CleanedSegment, CleaningOrder } from '../protocol/cleaning.ts'
import type { AbortedTransaction } from '../protocol/messages/fetch.ts'
import { isCompacted } from '../protocol/topic-config.ts'
import type { TopicConfig } from '../protocol/topic-config.ts'
import type { CleaningSummary } from './checkpoint-cleaning.ts'
import type { ProducerStates } from './idempotence.ts'
import { logFileName } from './log.ts'
import type { Log, Segment } from './log.ts'
import { unfinishedName } from './log-files.ts'

/** How far compaction has come in a log. */
export interface CleaningState {
  /** Everything below was cleaned. */
  cleanedOffset: number
  /** Of the files that the last cleaning wrote. */
  generation: number
  /** A cleaning is under way. */
  isRunning: boolean
  /** It was found damaged, or could not be written: not tried again before the log is opened again. */
  isStopped: boolean
  /** The timer runs that looks for something to clean. */
  isArmed: boolean
}

/** Up to where a log may be cleaned. */
export interface CleaningLimit {
  /** Nothing at or above it is decided. */
  readonly offset: number
  /** The segment in which that stands: it, and what follows it, may be cut. */
  readonly segmentBaseOffset: number
  /** Segments that may have to be synced yet. */
  readonly unsynced: ReadonlySet<number>
}

/** What else a cleaning must know, as of the high watermark. */
export interface CleaningKnowledge {
  readonly producers: ProducerStates
  readonly aborted: readonly AbortedTransaction[]
  /** Wall clock. */
  readonly now: number
  /** Everything below is on the disk of every replica; -1: not known. */
  readonly syncedByAll: number
}

/** About how much memory the keys of one cleaning may take; Kafka's log.cleaner.dedupe.buffer.size is 128 MiB. */
const MAP_BYTES = 128 * 1024 * 1024

/** A log that was never cleaned. */
export function newCleaningState(): CleaningState {
  return { cleanedOffset: 0, generation: 0, isRunning: false, isStopped: false, isArmed: false }
}

/** The segments that a cleaning would take up now; none if nothing is due. */
export function dueSegments(log: Log, config: TopicConfig, cleaning: CleaningState, limit: CleaningLimit, now: number): Segment[] {
  if (!isCompacted(config)) return []
  const cleanable = cleanableSegments(log, config, limit, now)
  let dirtyBytes = 0
  let totalBytes = 0
  let oldestDirty: Segment | null = null
  cleanable.forEach((segment, i) => {
    totalBytes += segment.sizeBytes
    if (endOf(log, i) <= cleaning.cleanedOffset) return
    dirtyBytes += segment.sizeBytes
    oldestDirty ??= segment
  })
  if (oldestDirty === null || dirtyBytes === 0) return []
  const isDirtyEnough = dirtyBytes >= totalBytes * config.minCleanableDirtyRatio
  return isDirtyEnough || isOverdue(oldestDirty, config, now) ? cleanable : []
}

/** Whether something in a segment has waited for its cleaning as long as it may; then even the active one is rolled so that it can be cleaned. */
export function isOverdue({ createdAt, sizeBytes }: Segment, { maxCompactionLagMillis }: TopicConfig, now: number): boolean {
  return sizeBytes > 0 && createdAt >= 0 && now - createdAt >= maxCompactionLagMillis
}

/**
 * What the cleaner is to do with these segments. No tombstone goes that a replica may not have, or may lose again with its page cache: one that has the value, and
 * comes back when the tombstone is gone, would bring the value back.
 */
export function cleaningOrder(
  log: Log,
  segments: readonly Segment[],
  config: TopicConfig,
  cleaning: CleaningState,
  { producers, aborted, now, syncedByAll }: CleaningKnowledge,
): CleaningOrder {
  const first = segments[0]
  assert(first !== undefined, 'C1 a cleaning has something to clean')
  const generation = cleaning.generation + 1
  return {
    inputs: segments.map((segment, i) => ({
      file: logFileName(segment.baseOffset, segment.generation),
      baseOffset: segment.baseOffset,
      endOffset: endOf(log, i),
      sizeBytes: segment.sizeBytes,
      outputFile: unfinishedName(logFileName(segment.baseOffset, generation)),
    })),
    firstDirtyOffset: Math.max(cleaning.cleanedOffset, first.baseOffset),
    segmentBytes: config.segmentBytes,
    indexIntervalBytes: config.indexIntervalBytes,
    mapBytes: MAP_BYTES,
    now,
    deletesUpTo: now,
    deletesBelow: syncedByAll,
    deleteRetentionMillis: config.deleteRetentionMillis,
    keptBatches: numberedBatches(producers, endOf(log, segments.length - 1)),
    aborted,
  }
}

/** Whether the log still has the segments from the one that begins there to the one that ends there, as the cleaning found them. */
export function hasInputs(log: Log, inputs: readonly Segment[], { baseOffset, endOffset }: CleanedSegment): boolean {
  const replaced = inputs.filter((one) => one.baseOffset >= baseOffset && one.baseOffset < endOffset)
  const at = log.segments.findIndex((one) => one.baseOffset === baseOffset)
  return at >= 0 && replaced.every((one, i) => log.segments[at + i] === one) && endOf(log, at + replaced.length - 1) === endOffset
}

/** Puts what was cleaned in the place of what it was made of; returns what falls away. */
export function replaceSegments(log: Log, cleaned: CleanedSegment, generation: number): Segment[] {
  const { baseOffset, endOffset, sizeBytes, maxTimestamp, index } = cleaned
  const at = log.segments.findIndex((one) => one.baseOffset === baseOffset)
  const next = log.segments.findIndex((one) => one.baseOffset === endOffset)
  const first = log.segments[at]
  assert(first !== undefined && next > at, 'C2 what was cleaned covers whole closed segments of the log')
  const indexedPosition = index.positions.at(-1) ?? 0
  const segment = { baseOffset, generation, sizeBytes, maxTimestamp, createdAt: first.createdAt, index, indexedPosition }
  return log.segments.splice(at, next - at, segment)
}

/** Whether compaction has written any of the log's files. */
export function isCleaned({ segments }: Log): boolean {
  return segments.some(({ generation }) => generation > 0)
}

/**
 * Whether something may have given way to what stands at an offset or above it: records to newer ones of their key, batches to later ones of their producer, as far as the high watermark had come. Where no
 * checkpoint says how far compaction came, it may have come to the end.
 */
export function reliesOn(log: Log, { cleanedOffset }: CleaningState, highWatermark: number, offset: number): boolean {
  return isCleaned(log) && (cleanedOffset === 0 || offset < Math.max(cleanedOffset, highWatermark))
}

/** What a checkpoint says of it. */
export function cleaningSummary({ segments }: Log, { cleanedOffset, generation }: CleaningState): CleaningSummary {
  const written = segments.filter((one) => one.generation > 0)
  return { cleanedOffset, generation, segments: written.map((one) => ({ baseOffset: one.baseOffset, generation: one.generation })) }
}

/** The oldest segments that may be cleaned at all. */
function cleanableSegments(log: Log, config: TopicConfig, limit: CleaningLimit, now: number): Segment[] {
  const end = log.segments.findIndex(
    (segment, i) =>
      segment.baseOffset >= limit.segmentBaseOffset ||
      i === log.segments.length - 1 ||
      endOf(log, i) > limit.offset ||
      (config.minCompactionLagMillis > 0 && segment.maxTimestamp > now - config.minCompactionLagMillis) ||
      limit.unsynced.has(segment.baseOffset),
  )
  return log.segments.slice(0, end)
}

/** Base offsets of the batches that producers are compared with, below an offset, ascending. */
function numberedBatches(producers: ProducerStates, endOffset: number): number[] {
  const bases: number[] = []
  for (const { batches } of producers.values()) for (const { baseOffset } of batches) if (baseOffset < endOffset) bases.push(baseOffset)
  return bases.toSorted((a, b) => a - b)
}

function endOf({ segments, logEndOffset }: Log, index: number): number {
  return segments[index + 1]?.baseOffset ?? logEndOffset
}
