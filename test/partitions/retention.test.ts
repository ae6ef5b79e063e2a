// Retention: which segments are too old or too many, and which ones never go.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { appendBatch, emptyLog, logSizeBytes, roll } from '../../partitions/log.ts'
import type { Log } from '../../partitions/log.ts'
import { dropSegments, expiredSegments, isTooOld, segmentsBelow } from '../../partitions/retention.ts'
import { configOf, shapeOf } from './support.ts'

/** Segments of ten records each, with the given sizes and largest timestamps; the last is active. */
function logOf(segments: readonly { readonly sizeBytes: number; readonly maxTimestamp: number }[]): Log {
  const log = emptyLog(0)
  segments.forEach((extent, i) => {
    if (i > 0) roll(log, 0)
    if (extent.sizeBytes > 0) appendBatch(log, configOf(), { count: 10, ...extent }, 0)
  })
  return log
}

function expiredBases(log: Log, settings: Parameters<typeof configOf>[0], highWatermark: number, now: number): number[] {
  return expiredSegments(log, configOf(settings), highWatermark, now).map(({ baseOffset }) => baseOffset)
}

const four = [100, 200, 300, 400].map((maxTimestamp) => ({ sizeBytes: 50, maxTimestamp }))
const unlimited = { retentionMillis: -1, retentionBytes: -1 }

describe('by time', () => {
  test('a segment goes when its youngest record is older than retentionMillis, and not a millisecond before', () => {
    const log = logOf(four)
    expect(expiredBases(log, { ...unlimited, retentionMillis: 1000 }, 40, 1100)).toEqual([])
    expect(expiredBases(log, { ...unlimited, retentionMillis: 1000 }, 40, 1101)).toEqual([0])
    expect(expiredBases(log, { ...unlimited, retentionMillis: 1000 }, 40, 1201)).toEqual([0, 10])
  })

  test('a young segment protects the older timestamps behind it', () => {
    const log = logOf([100, 900, 100, 100].map((maxTimestamp) => ({ sizeBytes: 50, maxTimestamp })))
    expect(expiredBases(log, { ...unlimited, retentionMillis: 500 }, 40, 1000)).toEqual([0])
  })

  test('an empty segment is never too old', () => {
    const log = logOf([
      { sizeBytes: 50, maxTimestamp: 1 },
      { sizeBytes: 0, maxTimestamp: -1 },
    ])
    expect(isTooOld(log.segments[0]!, configOf({ retentionMillis: 0 }), 1e12)).toBe(true)
    expect(isTooOld(log.segments[1]!, configOf({ retentionMillis: 0 }), 1e12)).toBe(false)
    expect(isTooOld(log.segments[0]!, configOf({ retentionMillis: -1 }), 1e12)).toBe(false)
  })
})

describe('by size', () => {
  test('a segment goes when the log keeps retentionBytes without it', () => {
    const log = logOf(four)
    expect(expiredBases(log, { ...unlimited, retentionBytes: 151 }, 40, 0)).toEqual([])
    expect(expiredBases(log, { ...unlimited, retentionBytes: 150 }, 40, 0)).toEqual([0])
    expect(expiredBases(log, { ...unlimited, retentionBytes: 99 }, 40, 0)).toEqual([0, 10])
    expect(expiredBases(log, { ...unlimited, retentionBytes: 0 }, 40, 0)).toEqual([0, 10, 20])
  })

  test('what goes by time counts for the size', () => {
    const log = logOf(four)
    expect(expiredBases(log, { retentionMillis: 1000, retentionBytes: 150 }, 40, 1101)).toEqual([0])
  })
})

describe('never', () => {
  test('the active segment', () => {
    expect(expiredBases(logOf([{ sizeBytes: 50, maxTimestamp: 1 }]), { retentionMillis: 0, retentionBytes: 0 }, 10, 1e12)).toEqual([])
  })

  test('a segment with records at or above the high watermark', () => {
    const settings = { retentionMillis: 0, retentionBytes: 0 }
    expect(expiredBases(logOf(four), settings, 19, 1e12)).toEqual([0])
    expect(expiredBases(logOf(four), settings, 20, 1e12)).toEqual([0, 10])
    expect(expiredBases(logOf(four), settings, 0, 1e12)).toEqual([])
  })

  test('anything without limits', () => {
    expect(expiredBases(logOf(four), unlimited, 40, 1e15)).toEqual([])
  })
})

test('the log start moves up to what is left', () => {
  const log = logOf(four)
  dropSegments(log, expiredSegments(log, configOf({ ...unlimited, retentionBytes: 60 }), 40, 0))
  expect(shapeOf(log)).toBe('20:50 30:50')
  expect(log).toMatchObject({ logStartOffset: 20, logEndOffset: 40 })
})

test('whatever the segments, what goes is the shortest run from the oldest on after which every limit holds or nothing more may go', () => {
  const segment = fc.record({ sizeBytes: fc.integer({ min: 1, max: 100 }), maxTimestamp: fc.nat({ max: 1000 }) })
  fc.assert(
    fc.property(
      fc.array(segment, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: -1, max: 1000 }),
      fc.integer({ min: -1, max: 600 }),
      fc.nat({ max: 120 }),
      (segments, retentionMillis, retentionBytes, highWatermark) => {
        const log = logOf(segments)
        const settings = { retentionMillis, retentionBytes }
        const count = expiredSegments(log, configOf(settings), highWatermark, 1000).length
        const mayGo = (i: number): boolean => {
          const { sizeBytes, maxTimestamp } = segments[i]!
          const after = logSizeBytes(log) - segments.slice(0, i).reduce((sum, one) => sum + one.sizeBytes, 0) - sizeBytes
          const old = retentionMillis >= 0 && 1000 - maxTimestamp > retentionMillis
          return i + 1 < segments.length && (i + 1) * 10 <= highWatermark && (old || (retentionBytes >= 0 && after >= retentionBytes))
        }
        let naive = 0
        while (mayGo(naive)) naive++
        expect(count).toBe(naive)
      },
    ),
    { numRuns: 300 },
  )
})

describe('below an offset', () => {
  test('a segment goes when the next one begins at or below it, never the active one', () => {
    const log = logOf(four)
    const below = (offset: number): number[] => segmentsBelow(log, offset).map(({ baseOffset }) => baseOffset)
    expect([0, 9, 10, 19, 20, 40].map(below)).toEqual([[], [], [0], [0], [0, 10], [0, 10, 20]])
  })

  test('the log start stays where it is in the midst of a segment', () => {
    const log = logOf(four)
    log.logStartOffset = 15
    dropSegments(log, segmentsBelow(log, 15))
    expect([log.logStartOffset, log.segments[0]?.baseOffset]).toEqual([15, 10])
  })
})
