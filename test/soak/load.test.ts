/**
 * The pieces of the soak load that the checker trusts: values that say who wrote them, and stretches of neighbouring offsets.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DAMAGED_AUTHOR } from './event.ts'
import { runsOf } from './load.ts'
import { decodeValue, encodeValue } from './value.ts'

const authorship = fc.record({ author: fc.integer({ min: 0, max: 2 ** 32 - 2 }), sequence: fc.integer({ min: 0, max: 2 ** 32 - 1 }) })

describe('a value', () => {
  test('says who wrote it', () => {
    fc.assert(
      fc.property(authorship, (written) => {
        expect(decodeValue(encodeValue(written))).toEqual(written)
      }),
    )
  })

  test('that is cut, or null, is nobody’s', () => {
    const value = encodeValue({ author: 3, sequence: 5 })
    for (let end = 0; end < value.length; end++) expect(decodeValue(value.subarray(0, end)).author).toBe(DAMAGED_AUTHOR)
    expect(decodeValue(null).author).toBe(DAMAGED_AUTHOR)
  })

  test('with a wrong byte is not the same', () => {
    const written = { author: 3, sequence: 5 }
    const value = encodeValue(written)
    for (let at = 0; at < value.length; at++) {
      const wrong = value.map((byte, index) => (index === at ? byte ^ 0x11 : byte))
      expect(decodeValue(wrong)).not.toEqual(written)
    }
  })
})

test('neighbouring offsets of one partition are one run', () => {
  const records = [
    ...[4, 5, 6].map((offset) => ({ topic: 't', partition: 0, offset })),
    ...[7, 9].map((offset) => ({ topic: 't', partition: 1, offset })),
    { topic: 'u', partition: 1, offset: 10 },
  ]
  expect(runsOf(records)).toEqual([
    { begin: 0, count: 3 },
    { begin: 3, count: 1 },
    { begin: 4, count: 1 },
    { begin: 5, count: 1 },
  ])
  expect(runsOf([])).toEqual([])
})
