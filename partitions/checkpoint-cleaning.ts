/**
 * What a checkpoint says of compaction, as the last section of its file, big-endian:
 *   cleaned up to i64 | generation u32 | count u32 x { segment base offset i64, generation u32 }
 */
import { readI64, readU32, writeI32, writeI64 } from '../protocol/bytes.ts'

/** A segment that compaction has written. */
export interface SegmentGeneration {
  readonly baseOffset: number
  readonly generation: number
}

/** How far compaction has come. */
export interface CleaningSummary {
  /** Everything below was cleaned. */
  readonly cleanedOffset: number
  /** Of the last cleaning: the next one has a larger one, so that no name is used twice. */
  readonly generation: number
  /** The segments that are not as they were appended. */
  readonly segments: readonly SegmentGeneration[]
}

/** A log that was never cleaned. */
export const NOT_CLEANED: CleaningSummary = { cleanedOffset: 0, generation: 0, segments: [] }

const FIXED_BYTES = 16
const SEGMENT_BYTES = 12

/** The size of the section. */
export function cleaningBytes({ segments }: CleaningSummary): number {
  return FIXED_BYTES + segments.length * SEGMENT_BYTES
}

/** Writes the section; one past its end. */
export function writeCleaning(bytes: Uint8Array, begin: number, cleaning: CleaningSummary): number {
  writeI64(bytes, begin, cleaning.cleanedOffset)
  writeI32(bytes, begin + 8, cleaning.generation)
  writeI32(bytes, begin + 12, cleaning.segments.length)
  let at = begin + FIXED_BYTES
  for (const { baseOffset, generation } of cleaning.segments) {
    writeI64(bytes, at, baseOffset)
    writeI32(bytes, at + 8, generation)
    at += SEGMENT_BYTES
  }
  return at
}

/** Reads the section, which ends the file; null if it does not. */
export function readCleaning(bytes: Uint8Array, begin: number): CleaningSummary | null {
  if (begin + FIXED_BYTES > bytes.length) return null
  const count = readU32(bytes, begin + 12)
  if (begin + FIXED_BYTES + count * SEGMENT_BYTES !== bytes.length) return null
  const segments: SegmentGeneration[] = []
  for (let at = begin + FIXED_BYTES; at < bytes.length; at += SEGMENT_BYTES)
    segments.push({ baseOffset: readI64(bytes, at), generation: readU32(bytes, at + 8) })
  return { cleanedOffset: readI64(bytes, begin), generation: readU32(bytes, begin + 8), segments }
}
