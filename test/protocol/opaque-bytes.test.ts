// Bytes that travel as text: the same bytes again, whatever they are.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromOpaque, toOpaque } from '../../protocol/opaque-bytes.ts'
import '../coordinator/support.ts'

test('bytes are a text of as many characters, and the same bytes again', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = toOpaque(bytes)
      expect(text).toHaveLength(bytes.length)
      expect(fromOpaque(text)).toEqual(bytes)
    }),
  )
})

test('large ones go, too', () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i)
  expect(fromOpaque(toOpaque(bytes))).toEqual(bytes)
})
