/**
 * What soak records say: who wrote them and the how-manieth in its partition they are, so that a reader knows what must come next. The rest is filling of
 * varying length that depends on both, so that a damaged or foreign value is noticed.
 *
 *   0 author u32 · 4 sequence u32 · 8 … filling, 0 to 150 bytes
 */
import { DAMAGED_AUTHOR } from './event.ts'

const HEADER_BYTES = 8
const FILLING_BYTES_MAX = 150

/** Who wrote a record, and its number. */
export interface Authorship {
  readonly author: number
  readonly sequence: number
}

/** The value of an author's record. */
export function encodeValue({ author, sequence }: Authorship): Uint8Array {
  const mixed = mix(author, sequence)
  const value = new Uint8Array(HEADER_BYTES + (mixed % (FILLING_BYTES_MAX + 1))).fill(mixed & 0xff)
  const view = new DataView(value.buffer)
  view.setUint32(0, author)
  view.setUint32(4, sequence)
  return value
}

/** Who wrote a value; the author is `DAMAGED_AUTHOR` if nobody did. */
export function decodeValue(value: Uint8Array | null): Authorship {
  if (value === null || value.length < HEADER_BYTES) return { author: DAMAGED_AUTHOR, sequence: 0 }
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  const written = { author: view.getUint32(0), sequence: view.getUint32(4) }
  const mixed = mix(written.author, written.sequence)
  const isSound = value.length === HEADER_BYTES + (mixed % (FILLING_BYTES_MAX + 1)) && isFilledWith(value, mixed & 0xff)
  return isSound ? written : { author: DAMAGED_AUTHOR, sequence: 0 }
}

function isFilledWith(value: Uint8Array, filling: number): boolean {
  for (let at = HEADER_BYTES; at < value.length; at++) if (value[at] !== filling) return false
  return true
}

function mix(author: number, sequence: number): number {
  const product = Math.imul(author ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(sequence + 1, 0xc2b2ae35)
  return (product ^ (product >>> 15)) >>> 0
}
