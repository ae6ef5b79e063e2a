/**
 * Which old segments may go: by time and by size (Kafka's retention.ms, retention.bytes), or because the log begins behind them (KIP-107). Whole closed
 * segments only, from the oldest on; by time and size never one that holds records at or above the last stable offset.
 */
import type { TopicConfig } from '../protocol/topic-config.ts'
import { logSizeBytes } from './log.ts'
import type { Log, Segment } from './log.ts'

/** The oldest segments that have outlived the topic's settings, oldest first. The active one is never among them. (Kafka goes up to the high watermark, and tears transactions.) */
export function expiredSegments(log: Log, config: TopicConfig, lastStableOffset: number, now: number): Segment[] {
  const expired: Segment[] = []
  if (config.cleanupPolicy === 'compact') return expired
  let excessBytes = config.retentionBytes < 0 ? -1 : logSizeBytes(log) - config.retentionBytes
  for (let i = 0; i + 1 < log.segments.length; i++) {
    const segment = log.segments[i]
    const next = log.segments[i + 1]
    if (segment === undefined || next === undefined || next.baseOffset > lastStableOffset) break
    if (!isTooOld(segment, config, now) && excessBytes < segment.sizeBytes) break
    excessBytes -= segment.sizeBytes
    expired.push(segment)
  }
  return expired
}

/** Whether every record of the segment is older than the topic keeps records; then even the active one is rolled so that it can go. */
export function isTooOld(segment: Segment, config: TopicConfig, now: number): boolean {
  return (
    config.cleanupPolicy !== 'compact' &&
    config.retentionMillis >= 0 &&
    segment.sizeBytes > 0 &&
    now - segment.maxTimestamp > config.retentionMillis
  )
}

/** The oldest segments that have nothing at or above an offset. The active one is never among them. */
export function segmentsBelow({ segments }: Log, offset: number): Segment[] {
  const end = segments.findIndex((_, i) => (segments[i + 1]?.baseOffset ?? Infinity) > offset)
  return segments.slice(0, end)
}

/** Drops the oldest segments; the log start moves up to what is left, unless it is there already, in the midst of a segment perhaps. */
export function dropSegments(log: Log, dropped: readonly Segment[]): void {
  log.segments.splice(0, dropped.length)
  log.logStartOffset = Math.max(log.logStartOffset, log.segments[0]?.baseOffset ?? log.logEndOffset)
}
