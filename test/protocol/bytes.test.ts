// The numbers of the wire: every width against a DataView, every varint against BigInt arithmetic.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  VARINT_BYTES_MAX,
  VARLONG_BYTES_MAX,
  VarintReader,
  readI16,
  readI32,
  readI64,
  readU32,
  varintSize,
  varlongSize,
  writeI16,
  writeI32,
  writeI64,
  writeVarint,
  writeVarlong,
} from '../../protocol/bytes.ts'

const i32 = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 63, 64, -64, -65, 8191, 8192, 2 ** 31 - 1, -(2 ** 31)))
const safe = fc.oneof(
  fc.maxSafeInteger(),
  i32,
  fc.constantFrom(2 ** 31, -(2 ** 31) - 1, 2 ** 32, -(2 ** 32), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
)

/** The bytes of a varint by the book: zigzag over 64 bits, with BigInt. */
function varlongByTheBook(value: number): number[] {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  const bytes: number[] = []
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return bytes
}

describe('fixed widths', () => {
  test('an i16 is read and written as a DataView does', () => {
    fc.assert(
      fc.property(fc.integer({ min: -32768, max: 32767 }), (value) => {
        const bytes = new Uint8Array(4)
        writeI16(bytes, 1, value)
        expect(new DataView(bytes.buffer).getInt16(1)).toBe(value)
        expect(readI16(bytes, 1)).toBe(value)
      }),
    )
  })

  test('an i32 is read and written as a DataView does, signed and unsigned', () => {
    fc.assert(
      fc.property(i32, (value) => {
        const bytes = new Uint8Array(6)
        writeI32(bytes, 1, value)
        expect(new DataView(bytes.buffer).getInt32(1)).toBe(value)
        expect(readI32(bytes, 1)).toBe(value)
        expect(readU32(bytes, 1)).toBe(value >>> 0)
      }),
    )
  })

  test('an i64 is read and written as a DataView does, without BigInt', () => {
    fc.assert(
      fc.property(safe, (value) => {
        const bytes = new Uint8Array(10)
        writeI64(bytes, 1, value)
        expect(new DataView(bytes.buffer).getBigInt64(1)).toBe(BigInt(value))
        expect(readI64(bytes, 1)).toBe(value)
      }),
    )
  })
})

describe('varints', () => {
  test('a varint is written as the book says and read back', () => {
    fc.assert(
      fc.property(i32, (value) => {
        const bytes = new Uint8Array(VARINT_BYTES_MAX + 1)
        const end = writeVarint(bytes, 1, value)
        expect([...bytes.subarray(1, end)]).toEqual(varlongByTheBook(value))
        expect(varintSize(value)).toBe(end - 1)
        const reader = new VarintReader(bytes, 1, end)
        expect(reader.varint()).toBe(value)
        expect(reader).toMatchObject({ position: end, failed: false })
      }),
    )
  })

  test('a varlong is written as the book says and read back', () => {
    fc.assert(
      fc.property(safe, (value) => {
        const bytes = new Uint8Array(VARLONG_BYTES_MAX + 1)
        const end = writeVarlong(bytes, 1, value)
        expect([...bytes.subarray(1, end)]).toEqual(varlongByTheBook(value))
        expect(varlongSize(value)).toBe(end - 1)
        const reader = new VarintReader(bytes, 1, end)
        expect(reader.varlong()).toBe(value === 0 ? 0 : value)
        expect(reader).toMatchObject({ position: end, failed: false })
      }),
    )
  })

  test('a varint that is cut off fails, at whichever byte', () => {
    const bytes = new Uint8Array(VARLONG_BYTES_MAX)
    const end = writeVarlong(bytes, 0, Number.MIN_SAFE_INTEGER)
    for (let cut = 0; cut < end; cut++) {
      const reader = new VarintReader(bytes, 0, cut)
      expect(reader.varlong()).toBe(0)
      expect(reader).toMatchObject({ position: cut, failed: true })
    }
    for (let cut = 0; cut < 5; cut++) {
      writeVarint(bytes, 0, -(2 ** 31))
      const reader = new VarintReader(bytes, 0, cut)
      expect(reader.varint()).toBe(0)
      expect(reader.failed).toBe(true)
    }
  })

  test('a varint that is longer than its type fails', () => {
    const endless = new Uint8Array(12).fill(0xff)
    const short = new VarintReader(endless, 0, 12)
    short.varint()
    expect(short.failed).toBe(true)
    const long = new VarintReader(endless, 0, 12)
    long.varlong()
    expect(long.failed).toBe(true)
  })

  test('random bytes yield a number and never pass the end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        const reader = new VarintReader(bytes, 0, bytes.length)
        while (reader.position < reader.end) {
          const value = reader.position % 2 === 0 ? reader.varint() : reader.varlong()
          expect(Number.isFinite(value)).toBe(true)
          expect(reader.position).toBeLessThanOrEqual(reader.end)
        }
      }),
    )
  })
})
