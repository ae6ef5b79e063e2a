/**
 * The sparse index of one segment: where batches lie, by offset and by time. The active segment's index lives in memory;
 * it is written when the segment rolls, and read back when somebody reads the old segment.
 *
 * File layout (`<base offset>.index`), big-endian:
 *   magic u32 'ODRI' | format version u16 | zero u16 | count u32 | crc32c u32 of what follows
 *   count x { batch base offset - segment base offset u32 | position u32 | largest timestamp up to and with that batch i64 }
 *
 * An index is advice: a reader that starts at its position still checks each batch's own offsets.
 */
import { readI32, readI64, readU32, writeI16, writeI32, writeI64 } from '../protocol/bytes.ts'
import { crc32cOf } from '../protocol/crc32c.ts'

/** Entries as parallel columns, ascending in all three. Offsets are absolute. */
export interface SegmentIndex {
  readonly offsets: number[]
  readonly positions: number[]
  readonly timestamps: number[]
}

/** Where a look-up says to start reading. */
export interface IndexEntry {
  readonly offset: number
  readonly position: number
}

const MAGIC = 0x4f445249
const FORMAT_VERSION = 1
const HEADER_BYTES = 16
const ENTRY_BYTES = 16

/** An index without entries. */
export function emptyIndex(): SegmentIndex {
  return { offsets: [], positions: [], timestamps: [] }
}

/** Adds an entry for a batch; the caller has checked that the index interval is over. */
export function addEntry(index: SegmentIndex, offset: number, position: number, maxTimestamp: number): void {
  index.offsets.push(offset)
  index.positions.push(position)
  index.timestamps.push(maxTimestamp)
}

/** The last entry at or below `offset`; the segment's beginning if there is none. */
export function floorByOffset(index: SegmentIndex, offset: number, baseOffset: number): IndexEntry {
  return entryBefore(index, upperBound(index.offsets, offset), baseOffset)
}

/**
 * Where to start looking for the first record with a timestamp of at least `timestamp`: the last entry all of whose
 * predecessors, and itself, are too old.
 */
export function floorByTimestamp(index: SegmentIndex, timestamp: number, baseOffset: number): IndexEntry {
  return entryBefore(index, upperBound(index.timestamps, timestamp - 1), baseOffset)
}

/** Forgets all entries at or after a position: the segment has been cut there. */
export function truncateIndex(index: SegmentIndex, position: number): void {
  const count = upperBound(index.positions, position - 1)
  index.offsets.length = count
  index.positions.length = count
  index.timestamps.length = count
}

/** The content of the index file. */
export function encodeIndex(index: SegmentIndex, baseOffset: number): Uint8Array {
  const count = index.offsets.length
  const bytes = new Uint8Array(HEADER_BYTES + count * ENTRY_BYTES)
  for (let i = 0, at = HEADER_BYTES; i < count; i++, at += ENTRY_BYTES) {
    writeI32(bytes, at, (index.offsets[i] ?? 0) - baseOffset)
    writeI32(bytes, at + 4, index.positions[i] ?? 0)
    writeI64(bytes, at + 8, index.timestamps[i] ?? 0)
  }
  writeI32(bytes, 0, MAGIC)
  writeI16(bytes, 4, FORMAT_VERSION)
  writeI32(bytes, 8, count)
  writeI32(bytes, 12, crc32cOf(bytes, HEADER_BYTES, bytes.length))
  return bytes
}

/** The index of a file, or null if the file is not a whole, sound index: then it is rebuilt from the segment. */
export function decodeIndex(bytes: Uint8Array, baseOffset: number): SegmentIndex | null {
  if (bytes.length < HEADER_BYTES || readU32(bytes, 0) !== MAGIC || readU32(bytes, 4) !== FORMAT_VERSION << 16) return null
  const count = readU32(bytes, 8)
  if (bytes.length !== HEADER_BYTES + count * ENTRY_BYTES) return null
  if (readU32(bytes, 12) !== crc32cOf(bytes, HEADER_BYTES, bytes.length)) return null
  const index = emptyIndex()
  for (let at = HEADER_BYTES; at < bytes.length; at += ENTRY_BYTES) {
    addEntry(index, baseOffset + readI32(bytes, at), readU32(bytes, at + 4), readI64(bytes, at + 8))
  }
  return index
}

function entryBefore(index: SegmentIndex, next: number, baseOffset: number): IndexEntry {
  const i = next - 1
  return i < 0 ? { offset: baseOffset, position: 0 } : { offset: index.offsets[i] ?? baseOffset, position: index.positions[i] ?? 0 }
}

/** The number of values that are at most `limit`, in an ascending array. */
function upperBound(values: readonly number[], limit: number): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((values[middle] ?? 0) <= limit) low = middle + 1
    else high = middle
  }
  return low
}
