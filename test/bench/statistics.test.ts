/**
 * Median, percentile and the line of a result.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { median, percentile, summarise } from '../../bench/statistics.ts'

const samples = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 50 })

describe('the median', () => {
  test('is the middle of an odd count, in any order', () => expect(median([9, 1, 5])).toBe(5))
  test('is the mean of the two in the middle of an even count', () => expect(median([1, 9, 5, 7])).toBe(6))
  test('of one sample is that sample', () => expect(median([3])).toBe(3))

  test('has as many samples above as below', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const middle = median(values)
        const below = values.filter((value) => value < middle).length
        const above = values.filter((value) => value > middle).length
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2)
      }),
    )
  })
})

describe('a percentile', () => {
  const ascending = Float64Array.from({ length: 1000 }, (_, index) => index + 1)

  test.each([
    [0, 1],
    [0.5, 500],
    [0.99, 990],
    [0.999, 999],
    [1, 1000],
  ])('of a thousand: %f is the sample of that rank', (fraction, expected) => expect(percentile(ascending, fraction)).toBe(expected))

  test('of few samples is one of them', () => {
    expect(percentile([7], 0.999)).toBe(7)
    expect(percentile([1, 2], 0.5)).toBe(1)
    expect(percentile([1, 2], 0.51)).toBe(2)
  })
})

describe('a result', () => {
  test('has the extremes, the median and the number of runs', () => {
    expect(summarise({ name: 'os', unit: 'records/s', samples: [3, 1, 2] })).toEqual({
      name: 'os',
      unit: 'records/s',
      runs: 3,
      min: 1,
      median: 2,
      max: 3,
    })
  })

  test.each([[[]], [[1, NaN]], [[Infinity]]])('is refused for samples %j that nobody can have measured', (unsound) => {
    expect(() => summarise({ name: 'os', unit: 'ms', samples: unsound })).toThrow('os has no sound samples')
  })
})
