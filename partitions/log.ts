/**
 * One partition's log as plain data: which segments there are, which offsets they hold, where the next batch goes, and
 * where a reader finds an offset. It decides; the files are touched by the host.
 *
 *   segments   [ 0 … 41 ) [ 42 … 99 ) [ 100 …            active: appends go here
 *   offsets    logStartOffset ─────────────► logEndOffset (one past the last record)
 */
import { assert } from '../protocol/assert.ts'
import type { TopicConfig } from '../protocol/topic-config.ts'
import { addEntry, emptyIndex, floorByOffset, truncateIndex } from './segment-index.ts'
import type { SegmentIndex } from './segment-index.ts'

/** A file of consecutive batches. */
export interface Segment {
  readonly baseOffset: number
  /** 0 as it was appended; compaction writes files of later generations, each of which is another file. */
  readonly generation: number
  sizeBytes: number
  /** Largest timestamp of its records; -1 while it is empty. */
  maxTimestamp: number
  /** Wall clock of its first append by this leader; when it rolls by age. */
  createdAt: number
  /** Null while it is only on disk. Never null for the active segment. */
  index: SegmentIndex | null
  /** Position of the last index entry, so that entries keep their distance. */
  indexedPosition: number
}

/** Which segments a partition has and which offsets they hold. */
export interface Log {
  readonly segments: Segment[]
  logStartOffset: number
  /** One past the last record appended (not necessarily on disk yet). */
  logEndOffset: number
}

/** A batch, as the log needs to know it. */
export interface BatchExtent {
  readonly count: number
  readonly sizeBytes: number
  readonly maxTimestamp: number
}

/** Where a batch was put. */
export interface Placement {
  readonly baseOffset: number
  readonly segment: Segment
  readonly position: number
}

/** A piece of one segment that a fetch may read. */
export interface ReadPlan {
  readonly segment: Segment
  readonly position: number
  /** One past the last byte below the limit. */
  readonly endPosition: number
}

/** A point between two batches. */
export interface LogPosition {
  readonly offset: number
  readonly segmentBaseOffset: number
  readonly position: number
}

/** Positions are 32-bit; Kafka's files are limited in the same way. */
const SEGMENT_BYTES_MAX = 2 ** 31 - 1

/** A log without records that begins at an offset. */
export function emptyLog(startOffset: number): Log {
  return { segments: [newSegment(startOffset, -1)], logStartOffset: startOffset, logEndOffset: startOffset }
}

/** An empty segment. `createdAt` -1: set by its first append. */
export function newSegment(baseOffset: number, createdAt: number): Segment {
  return { baseOffset, generation: 0, sizeBytes: 0, maxTimestamp: -1, createdAt, index: emptyIndex(), indexedPosition: 0 }
}

/** The name of a segment's log file: Kafka's, 20 digits, and the generation if compaction has written it. */
export function logFileName(baseOffset: number, generation: number = 0): string {
  return `${stemOf(baseOffset, generation)}.log`
}

/** The name of a segment's index file. */
export function indexFileName(baseOffset: number, generation: number = 0): string {
  return `${stemOf(baseOffset, generation)}.index`
}

/** The base offset that a log file's name says, or null if it is not one. */
export function baseOffsetOfFile(name: string): number | null {
  return /^\d{20}(?:\.\d+)?\.log$/.test(name) ? Number(name.slice(0, 20)) : null
}

/** The name of the log file of a segment. */
export function nameOfSegment({ baseOffset, generation }: Pick<Segment, 'baseOffset' | 'generation'>): string {
  return logFileName(baseOffset, generation)
}

/** Both files of a segment. */
export function filesOfSegment({ baseOffset, generation }: Pick<Segment, 'baseOffset' | 'generation'>): string[] {
  return [logFileName(baseOffset, generation), indexFileName(baseOffset, generation)]
}

/** The name of the log file of a segment that the log has. */
export function fileOfSegment(log: Log, baseOffset: number): string {
  return logFileName(baseOffset, log.segments.find((one) => one.baseOffset === baseOffset)?.generation)
}

function stemOf(baseOffset: number, generation: number): string {
  const base = String(baseOffset).padStart(20, '0')
  return generation === 0 ? base : `${base}.${generation}`
}

/** The segment that takes appends: the last one. */
export function activeSegment(log: Log): Segment {
  const segment = log.segments[log.segments.length - 1]
  assert(segment !== undefined, 'L1 a log has at least one segment')
  return segment
}

/** Whether the active segment must be closed before a batch of this size is appended: it is full, or too old. */
export function mustRoll(log: Log, config: TopicConfig, sizeBytes: number, now: number): boolean {
  const active = activeSegment(log)
  if (active.sizeBytes === 0) return false
  if (active.sizeBytes + sizeBytes > Math.min(config.segmentBytes, SEGMENT_BYTES_MAX)) return true
  return active.createdAt >= 0 && now - active.createdAt >= config.segmentMillis
}

/** Closes the active segment and opens an empty one at the log end; returns the closed one. */
export function roll(log: Log, now: number): Segment {
  const closed = activeSegment(log)
  assert(closed.sizeBytes > 0, 'L2 an empty segment is never rolled')
  log.segments.push(newSegment(log.logEndOffset, now))
  return closed
}

/** Gives a batch its offsets and its place at the end of the active segment. */
export function appendBatch(log: Log, config: TopicConfig, batch: BatchExtent, now: number): Placement {
  const segment = activeSegment(log)
  const baseOffset = log.logEndOffset
  const position = segment.sizeBytes
  if (position === 0) segment.createdAt = now
  extendSegment(segment, baseOffset, batch.sizeBytes, batch.maxTimestamp, config.indexIntervalBytes)
  log.logEndOffset = baseOffset + batch.count
  return { baseOffset, segment, position }
}

/** Notes a batch at the end of a segment: its size, its timestamp, and an index entry if the last one is far enough behind. */
export function extendSegment(
  segment: Segment,
  baseOffset: number,
  sizeBytes: number,
  maxTimestamp: number,
  indexIntervalBytes: number,
): void {
  const { index, sizeBytes: position } = segment
  assert(index !== null, 'L3 the active segment has its index in memory')
  segment.maxTimestamp = Math.max(segment.maxTimestamp, maxTimestamp)
  segment.sizeBytes += sizeBytes
  if (position === 0 || position - segment.indexedPosition >= indexIntervalBytes) {
    addEntry(index, baseOffset, position, segment.maxTimestamp)
    segment.indexedPosition = position
  }
}

/** The segment that holds an offset, or would; null below the first segment. */
export function segmentOf(log: Log, offset: number): Segment | null {
  let low = 0
  let high = log.segments.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((log.segments[middle]?.baseOffset ?? 0) <= offset) low = middle + 1
    else high = middle
  }
  return log.segments[low - 1] ?? null
}

/** What to read for `offset`, up to `limit` (the high watermark). The segment's index must be in memory. */
export function planRead(log: Log, offset: number, limit: LogPosition): ReadPlan {
  const segment = segmentOf(log, offset)
  assert(segment !== null && segment.index !== null, 'L4 a read is planned with the index at hand')
  const { position } = floorByOffset(segment.index, offset, segment.baseOffset)
  const endPosition = segment.baseOffset === limit.segmentBaseOffset ? limit.position : segment.sizeBytes
  assert(segment.baseOffset <= limit.segmentBaseOffset, 'L5 nothing above the limit is read')
  return { segment, position, endPosition }
}

/** Cuts the log back to a point between two batches; returns the segments that fell away. */
export function truncateLog(log: Log, to: LogPosition): Segment[] {
  const removed: Segment[] = []
  while (activeSegment(log).baseOffset > to.segmentBaseOffset) {
    removed.push(activeSegment(log))
    log.segments.pop()
  }
  const active = activeSegment(log)
  assert(
    active.baseOffset === to.segmentBaseOffset && active.index !== null,
    'L6 a log is cut inside a segment that it has, with its index',
  )
  active.sizeBytes = to.position
  truncateIndex(active.index, to.position)
  active.indexedPosition = active.index.positions[active.index.positions.length - 1] ?? 0
  log.logEndOffset = to.offset
  return removed
}

/** All bytes of the log. */
export function logSizeBytes(log: Log): number {
  let sizeBytes = 0
  for (const segment of log.segments) sizeBytes += segment.sizeBytes
  return sizeBytes
}
