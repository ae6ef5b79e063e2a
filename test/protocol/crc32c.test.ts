// CRC32C against its published check value, the plain tables against the native package, shared memory included.

import { crc32c as native } from '@node-rs/crc32'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NATIVE_BYTES_MIN, crc32c, crc32cOf, crc32cUpdate } from '../../protocol/crc32c.ts'

const bytesOfAnyLength = fc.oneof(fc.uint8Array(), fc.uint8Array({ minLength: NATIVE_BYTES_MIN - 2, maxLength: 600 }))

test("the check value of CRC-32C is the catalogue's", () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe306_9283)
})

test('the vectors of RFC 3720 hold', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa)
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8_ab43)
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd_794e)
})

test('tables and native code agree on every length', () => {
  fc.assert(
    fc.property(bytesOfAnyLength, (bytes) => {
      const expected = native(bytes)
      expect(crc32c(bytes)).toBe(expected)
      expect(crc32cUpdate(0, bytes, 0, bytes.length)).toBe(expected)
    }),
  )
})

test('a checksum may be taken in parts and of a part', () => {
  fc.assert(
    fc.property(bytesOfAnyLength, bytesOfAnyLength, (first, second) => {
      const whole = Uint8Array.from([...first, ...second])
      const half = crc32cUpdate(0, whole, 0, first.length)
      expect(crc32cUpdate(half, whole, first.length, whole.length)).toBe(native(whole))
      expect(crc32cOf(whole, first.length, whole.length)).toBe(native(second))
    }),
  )
})

test('views of shared memory are fine', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(1000)).map((_, index) => index * 7)
  const copy = new Uint8Array(shared)
  for (const end of [100, 149, 150, 151, 1000]) expect(crc32c(shared.subarray(1, end))).toBe(native(copy.subarray(1, end)))
})
