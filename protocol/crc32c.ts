// CRC32C (Castagnoli), the checksum of record batches: the CPU's own instruction through @node-rs/crc32 for long inputs,
// slicing-by-8 tables for short ones, where the call into native code costs more than it saves.
// The native package is optional: until it has loaded, or where it cannot, the tables do all the work. The result is the same.

/** Shorter inputs than this many bytes are cheaper in JavaScript (measured: the lines cross near 150). */
export const NATIVE_BYTES_MIN = 150

const POLYNOMIAL = 0x82f63b78

let native: ((bytes: Uint8Array) => number) | null = null

void import('@node-rs/crc32').then(
  (module) => {
    native = module.crc32c
  },
  () => undefined,
)

const TABLES: Int32Array = buildTables()

/** The CRC32C of some bytes, as an unsigned 32-bit number. Views of shared memory are fine. */
export function crc32c(bytes: Uint8Array): number {
  if (native !== null && bytes.length >= NATIVE_BYTES_MIN) return native(bytes)
  return crc32cUpdate(0, bytes, 0, bytes.length)
}

/** The CRC32C of `bytes[begin..end)`, without a copy. */
export function crc32cOf(bytes: Uint8Array, begin: number, end: number): number {
  if (native !== null && end - begin >= NATIVE_BYTES_MIN) return native(bytes.subarray(begin, end))
  return crc32cUpdate(0, bytes, begin, end)
}

/** Continues a CRC32C (0 to start with) over `bytes[start..end)`, in plain JavaScript. */
export function crc32cUpdate(crc: number, bytes: Uint8Array, start: number, end: number): number {
  const tables = TABLES
  let state = ~crc
  let at = start
  for (const last = end - 8; at <= last; at += 8) {
    const word = state ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    state =
      tables[1792 + (word & 0xff)]! ^
      tables[1536 + ((word >>> 8) & 0xff)]! ^
      tables[1280 + ((word >>> 16) & 0xff)]! ^
      tables[1024 + (word >>> 24)]! ^
      tables[768 + bytes[at + 4]!]! ^
      tables[512 + bytes[at + 5]!]! ^
      tables[256 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!
  }
  for (; at < end; at++) state = (state >>> 8) ^ tables[(state ^ bytes[at]!) & 0xff]!
  return ~state >>> 0
}

/** Eight tables of 256: table k holds the CRC of a byte followed by k zero bytes. */
function buildTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let state = byte
    for (let bit = 0; bit < 8; bit++) state = (state >>> 1) ^ (POLYNOMIAL & -(state & 1))
    tables[byte] = state
  }
  for (let index = 256; index < tables.length; index++) {
    const previous = tables[index - 256]!
    tables[index] = (previous >>> 8) ^ tables[previous & 0xff]!
  }
  return tables
}
