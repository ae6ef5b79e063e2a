// UTF-8 by hand must agree with the platform's TextEncoder and TextDecoder, replacement characters included.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readUtf8, utf8Size, writeUtf8 } from '../../protocol/utf8.ts'

/** Texts of whole characters and of lone surrogates. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.array(fc.constantFrom('\ud83d', '\ude00', 'a', 'é', '€')).map((parts) => parts.join('')),
)

test('a text is written as TextEncoder writes it', () => {
  fc.assert(
    fc.property(text, (input) => {
      const expected = new TextEncoder().encode(input)
      const bytes = new Uint8Array(expected.length + 1)
      expect(utf8Size(input)).toBe(expected.length)
      expect(writeUtf8(bytes, 1, input)).toBe(expected.length + 1)
      expect(bytes.subarray(1)).toEqual(expected)
    }),
  )
})

test('random bytes, and texts cut off at any byte, are read as TextDecoder reads them', () => {
  const cutOff = fc.tuple(text, fc.nat()).map(([input, at]) => {
    const bytes = new TextEncoder().encode(input)
    return bytes.subarray(0, at % (bytes.length + 1))
  })
  const nearlyUtf8 = fc
    .array(fc.constantFrom(0x41, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xa0, 0x9f, 0xed, 0xef, 0xf0, 0x90, 0x8f, 0xf4, 0xff))
    .map((bytes) => Uint8Array.from(bytes))
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), cutOff, nearlyUtf8), (bytes) => {
      expect(readUtf8(bytes, 0, bytes.length)).toBe(decoder.decode(bytes))
    }),
    { numRuns: 1000 },
  )
})
