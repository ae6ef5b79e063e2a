// How large an LZ4 frame becomes, found by walking its blocks and sequences without decompressing: LZ4 can expand 255-fold, and the
// library allocates as it goes. Also refuses frames without an end mark, which the library accepts.
//
//   frame   magic 04 22 4D 18 │ FLG │ BD │ [content size 8] │ [dictionary id 4] │ header checksum │ block* │ 0 u32 │ [checksum 4]
//   FLG     version (2 bits, 01) │ independent blocks │ block checksums │ content size │ content checksum │ - │ dictionary id
//   block   size u32, little-endian, top bit = stored as is │ bytes │ [checksum 4]
//   bytes   (token: literals << 4 │ match - 4) │ [more literals] │ literals │ [offset u16 │ [more match]]   15 = more lengths follow

import { KafkaError } from '../protocol/errors.ts'

const MAGIC = 0x184d2204
const HEADER_BYTES_MIN = 7
const MATCH_BYTES_MIN = 4

/** The size that the first frame of some bytes decompresses to; stops counting above `sizeBytesMax`. Throws KafkaError CORRUPT_MESSAGE. */
export function lz4DecompressedSize(bytes: Uint8Array, sizeBytesMax: number): number {
  if (bytes.length < HEADER_BYTES_MIN || readU32LittleEndian(bytes, 0) !== MAGIC) throw corrupt('no frame header')
  const flags = bytes[4]!
  if (flags >>> 6 !== 1) throw corrupt('unknown frame version')
  const blockTrailerBytes = (flags & 0x10) === 0 ? 0 : 4
  const frameTrailerBytes = (flags & 0x04) === 0 ? 0 : 4
  let at = HEADER_BYTES_MIN + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4)
  let total = 0
  while (total <= sizeBytesMax) {
    if (at + 4 > bytes.length) throw corrupt('no end mark')
    const word = readU32LittleEndian(bytes, at)
    const sizeBytes = word & 0x7fff_ffff
    const end = at + 4 + sizeBytes
    if (word === 0 && end + frameTrailerBytes <= bytes.length) return total
    if (word === 0 || end + blockTrailerBytes > bytes.length) throw corrupt('a block is cut off')
    total += word === sizeBytes ? blockSize(bytes, at + 4, end, sizeBytesMax) : sizeBytes
    at = end + blockTrailerBytes
  }
  return total
}

function blockSize(bytes: Uint8Array, begin: number, end: number, sizeBytesMax: number): number {
  let total = 0
  let at = begin
  while (at < end && total <= sizeBytesMax) {
    const token = bytes[at++]!
    let literals = token >>> 4
    if (literals === 15) {
      const extra = runLength(bytes, at, end)
      literals += extra
      at += extensionBytes(extra)
    }
    at += literals
    total += literals
    if (at > end) throw corrupt('literals are cut off')
    if (at === end) return total
    at += 2
    let match = (token & 0x0f) + MATCH_BYTES_MIN
    if ((token & 0x0f) === 15) {
      const extra = runLength(bytes, at, end)
      match += extra
      at += extensionBytes(extra)
    }
    total += match
  }
  if (at > end) throw corrupt('a match is cut off')
  return total
}

/** The length that continues at `at`: bytes of 255 up to and including the first that is less. */
function runLength(bytes: Uint8Array, at: number, end: number): number {
  let length = 0
  for (let index = at; index < end; index++) {
    const byte = bytes[index]!
    length += byte
    if (byte !== 255) return length
  }
  throw corrupt('a length is cut off')
}

function extensionBytes(length: number): number {
  return Math.floor(length / 255) + 1
}

function readU32LittleEndian(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

function corrupt(what: string): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `cannot decompress lz4: ${what}`, { retriable: false })
}
