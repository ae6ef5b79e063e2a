// Numbers in bytes: big-endian 16, 32 and 64 bits as the wire has them, and the zigzag varints of record batch v2.
// This is the only place that knows that the wire has 64 bits: here an i64 is a JavaScript number, exact within ±(2^53-1), never a BigInt.
//
//   varint   zigzag(n) = n << 1 ^ n >> 31, seven bits a byte, low bits first, bit 7 = "more follow"; at most 5 bytes
//   varlong  the same over 64 bits; at most 10 bytes
//
// Getters do no bounds check of their own: the caller has proven that the bytes are there (a missing byte reads as 0).

/** The most bytes of a varint. */
export const VARINT_BYTES_MAX = 5

/** The most bytes of a varlong. */
export const VARLONG_BYTES_MAX = 10

const TWO_32 = 0x1_0000_0000

/** Reads a signed 16-bit number. */
export function readI16(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) >> 16) | bytes[at + 1]!
}

/** Writes the low 16 bits of a number. */
export function writeI16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

/** Reads a signed 32-bit number. */
export function readI32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

/** Reads an unsigned 32-bit number. */
export function readU32(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at) >>> 0
}

/** Writes the low 32 bits of a number, signed or unsigned. */
export function writeI32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** Reads a signed 64-bit number; beyond ±(2^53-1) it is rounded, so check `Number.isSafeInteger` on bytes from strangers. */
export function readI64(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at) * TWO_32 + readU32(bytes, at + 4)
}

/** Writes a safe integer as 64 bits, two's complement. */
export function writeI64(bytes: Uint8Array, at: number, value: number): void {
  writeI32(bytes, at, Math.floor(value / TWO_32))
  writeI32(bytes, at + 4, value)
}

/** How many bytes `writeVarint` takes for an i32. */
export function varintSize(value: number): number {
  return unsignedVarintSize((value << 1) ^ (value >> 31))
}

/** How many bytes `writeVarlong` takes for a safe integer. */
export function varlongSize(value: number): number {
  if (value === (value | 0)) return varintSize(value)
  let rest = value < 0 ? -2 * (value + 1) + 1 : 2 * value
  let size = 1
  while (rest >= 0x80) {
    rest = Math.floor(rest / 0x80)
    size++
  }
  return size
}

/** Writes an i32 as a zigzag varint; the position after it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = (value << 1) ^ (value >> 31)
  let position = at
  while ((rest & ~0x7f) !== 0) {
    bytes[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[position++] = rest
  return position
}

/** Writes a safe integer as a zigzag varlong; the position after it. */
export function writeVarlong(bytes: Uint8Array, at: number, value: number): number {
  if (value === (value | 0)) return writeVarint(bytes, at, value)
  // Zigzag of a 54-bit number needs up to 54 bits, which a double may not hold: carry the lowest bit by itself.
  const magnitude = value < 0 ? -(value + 1) : value
  let position = at
  bytes[position++] = ((magnitude % 64) * 2 + (value < 0 ? 1 : 0)) | 0x80
  let rest = Math.floor(magnitude / 64)
  while (rest >= 0x80) {
    bytes[position++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  bytes[position++] = rest
  return position
}

/**
 * Reads varints one after the other from part of some bytes.
 *
 * `position` moves past what was read. A varint that is cut off by the end or longer than it may be sets `failed`, yields 0 and
 * moves to the end, so that a decoder may check once per record.
 */
export class VarintReader {
  readonly bytes: Uint8Array
  readonly end: number
  position: number
  failed = false

  constructor(bytes: Uint8Array, begin: number, end: number) {
    this.bytes = bytes
    this.position = begin
    this.end = end
  }

  /** The next zigzag varint as an i32. */
  varint(): number {
    const first = this.position < this.end ? this.bytes[this.position]! : 0x80
    if (first < 0x80) {
      this.position++
      return (first >>> 1) ^ -(first & 1)
    }
    return this.#longVarint()
  }

  /** The next zigzag varlong; rounded beyond ±(2^53-1). */
  varlong(): number {
    const first = this.position < this.end ? this.bytes[this.position]! : 0x80
    if (first < 0x80) {
      this.position++
      return (first >>> 1) ^ -(first & 1)
    }
    return this.#longVarlong()
  }

  #longVarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.position >= this.end) return this.#fail()
      const byte = this.bytes[this.position++]!
      if (shift === 28 && byte > 0x0f) return this.#fail()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
    return this.#fail()
  }

  #longVarlong(): number {
    let magnitude = 0
    let scale = 64
    let sign = 0
    for (let count = 0; count < VARLONG_BYTES_MAX; count++) {
      if (this.position >= this.end) return this.#fail()
      const byte = this.bytes[this.position++]!
      if (count === VARLONG_BYTES_MAX - 1 && byte > 0x01) return this.#fail()
      if (count === 0) {
        sign = byte & 1
        magnitude = (byte & 0x7f) >>> 1
      } else {
        magnitude += (byte & 0x7f) * scale
        scale *= 0x80
      }
      if (byte < 0x80) return sign === 1 ? -magnitude - 1 : magnitude
    }
    return this.#fail()
  }

  #fail(): number {
    this.failed = true
    this.position = this.end
    return 0
  }
}

function unsignedVarintSize(zigzag: number): number {
  if ((zigzag & 0xffff_ff80) === 0) return 1
  if ((zigzag & 0xffff_c000) === 0) return 2
  if ((zigzag & 0xffe0_0000) === 0) return 3
  if ((zigzag & 0xf000_0000) === 0) return 4
  return 5
}
