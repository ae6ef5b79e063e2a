// A log as plain data: where batches go, when a segment rolls, where a reader finds an offset, and what is left after a cut.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  activeSegment,
  appendBatch,
  baseOffsetOfFile,
  emptyLog,
  indexFileName,
  logFileName,
  logSizeBytes,
  mustRoll,
  planRead,
  roll,
  segmentOf,
  truncateLog,
} from '../../partitions/log.ts'
import type { Log, LogPosition } from '../../partitions/log.ts'
import { configOf, shapeOf } from './support.ts'

const config = configOf({ segmentBytes: 16_384, segmentMillis: 1000, indexIntervalBytes: 4096 })

function append(log: Log, count: number, sizeBytes: number, now = 0, maxTimestamp = now): LogPosition {
  const { segment } = appendBatch(log, config, { count, sizeBytes, maxTimestamp }, now)
  return { offset: log.logEndOffset, segmentBaseOffset: segment.baseOffset, position: segment.sizeBytes }
}

/** Appends as a leader does: rolls first when it must. */
function appendRolling(log: Log, count: number, sizeBytes: number, now = 0): LogPosition {
  if (mustRoll(log, config, sizeBytes, now)) roll(log, now)
  return append(log, count, sizeBytes, now)
}

/** What a cut restores: all but the timestamps. */
function bare(log: Log): unknown {
  const segments = log.segments.map(({ baseOffset, sizeBytes, index, indexedPosition }) => ({
    baseOffset,
    sizeBytes,
    index,
    indexedPosition,
  }))
  return { ...log, segments }
}

describe('an append', () => {
  test('takes the next offsets and the end of the active segment', () => {
    const log = emptyLog(10)
    const first = appendBatch(log, config, { count: 3, sizeBytes: 100, maxTimestamp: 7 }, 50)
    const second = appendBatch(log, config, { count: 1, sizeBytes: 40, maxTimestamp: 5 }, 60)
    expect([first.baseOffset, first.position]).toEqual([10, 0])
    expect([second.baseOffset, second.position]).toEqual([13, 100])
    expect(log).toMatchObject({ logStartOffset: 10, logEndOffset: 14 })
    expect(activeSegment(log)).toMatchObject({ baseOffset: 10, sizeBytes: 140, maxTimestamp: 7, createdAt: 50 })
  })

  test('is indexed when the last entry lies an interval behind, with the latest timestamp up to it', () => {
    const log = emptyLog(0)
    append(log, 1, 4000, 0, 9)
    append(log, 1, 90, 0, 5)
    append(log, 1, 10, 0, 6)
    append(log, 1, 10, 0, 20)
    expect(activeSegment(log).index).toEqual({ offsets: [0, 3], positions: [0, 4100], timestamps: [9, 20] })
  })

  test('goes to the active segment only when its index is in memory', () => {
    const log = emptyLog(0)
    activeSegment(log).index = null
    expect(() => append(log, 1, 10)).toThrow('L3')
  })
})

describe('a segment rolls', () => {
  test('when the batch would make it larger than segmentBytes, and not a byte before', () => {
    const log = emptyLog(0)
    append(log, 1, 16_000)
    expect(mustRoll(log, config, 384, 0)).toBe(false)
    expect(mustRoll(log, config, 385, 0)).toBe(true)
  })

  test('when its first append is segmentMillis ago, and not a millisecond before', () => {
    const log = emptyLog(0)
    append(log, 1, 10, 500)
    append(log, 1, 10, 900)
    expect(mustRoll(log, config, 10, 1499)).toBe(false)
    expect(mustRoll(log, config, 10, 1500)).toBe(true)
  })

  test('never while it is empty, whatever the batch and the clock', () => {
    const log = emptyLog(0)
    expect(mustRoll(log, config, 1_000_000, 1e12)).toBe(false)
    expect(() => roll(log, 0)).toThrow('L2')
  })

  test('before positions no longer fit 32 bits, whatever the setting', () => {
    const log = emptyLog(0)
    activeSegment(log).sizeBytes = 2 ** 31 - 11
    expect(mustRoll(log, configOf({ segmentBytes: 2 ** 33 }), 10, 0)).toBe(false)
    expect(mustRoll(log, configOf({ segmentBytes: 2 ** 33 }), 11, 0)).toBe(true)
  })

  test('into an empty one at the log end', () => {
    const log = emptyLog(0)
    append(log, 5, 10)
    expect(roll(log, 77).baseOffset).toBe(0)
    expect(shapeOf(log)).toBe('0:10 5:0')
    expect(activeSegment(log)).toMatchObject({ maxTimestamp: -1, createdAt: 77 })
    expect(logSizeBytes(log)).toBe(10)
  })
})

describe('a read', () => {
  test('begins at the last index entry at or before the offset', () => {
    const log = emptyLog(0)
    for (let i = 0; i < 10; i++) append(log, 1, 1500)
    const limit = { offset: 10, segmentBaseOffset: 0, position: 15_000 }
    expect([0, 2, 3, 5, 6, 9].map((offset) => planRead(log, offset, limit).position)).toEqual([0, 0, 4500, 4500, 9000, 13_500])
  })

  test('ends at the limit in its segment, and at the end of an older segment', () => {
    const log = emptyLog(0)
    append(log, 5, 100)
    roll(log, 0)
    append(log, 5, 60)
    append(log, 5, 50)
    const limit = { offset: 10, segmentBaseOffset: 5, position: 60 }
    expect(planRead(log, 4, limit)).toMatchObject({ segment: { baseOffset: 0 }, position: 0, endPosition: 100 })
    expect(planRead(log, 5, limit)).toMatchObject({ segment: { baseOffset: 5 }, position: 0, endPosition: 60 })
  })

  test('is a bug above the limit, and without the index', () => {
    const log = emptyLog(0)
    append(log, 5, 100)
    roll(log, 0)
    const limit = { offset: 5, segmentBaseOffset: 0, position: 100 }
    expect(() => planRead(log, 5, limit)).toThrow('L5')
    log.segments[0]!.index = null
    expect(() => planRead(log, 4, limit)).toThrow('L4')
    expect(() => planRead(emptyLog(7), 6, limit)).toThrow('L4')
  })
})

describe('a cut', () => {
  test('within the active segment takes bytes, offsets and index entries', () => {
    const log = emptyLog(0)
    const kept = append(log, 3, 5000, 0, 1)
    append(log, 4, 5000, 0, 2)
    append(log, 4, 10, 0, 3)
    expect(truncateLog(log, kept)).toEqual([])
    expect(log.logEndOffset).toBe(3)
    expect(activeSegment(log)).toMatchObject({ sizeBytes: 5000, indexedPosition: 0 })
    expect(activeSegment(log).index).toEqual({ offsets: [0], positions: [0], timestamps: [1] })
  })

  test('takes whole segments, newest first, and makes the one it is in active again', () => {
    const log = emptyLog(0)
    const kept = append(log, 3, 50)
    append(log, 4, 50)
    roll(log, 0)
    append(log, 5, 50)
    roll(log, 0)
    expect(truncateLog(log, kept).map(({ baseOffset }) => baseOffset)).toEqual([12, 7])
    expect(shapeOf(log)).toBe('0:50')
    expect(append(log, 1, 10)).toEqual({ offset: 4, segmentBaseOffset: 0, position: 60 })
  })

  test('to nothing leaves an empty segment', () => {
    const log = emptyLog(9)
    append(log, 3, 50)
    truncateLog(log, { offset: 9, segmentBaseOffset: 9, position: 0 })
    expect(shapeOf(log)).toBe('9:0')
    expect(activeSegment(log).index).toEqual({ offsets: [], positions: [], timestamps: [] })
  })

  test('in a segment that is not there is a bug', () => {
    const log = emptyLog(5)
    append(log, 3, 50)
    expect(() => truncateLog(log, { offset: 7, segmentBaseOffset: 6, position: 0 })).toThrow('L6')
    expect(() => truncateLog(log, { offset: 0, segmentBaseOffset: 0, position: 0 })).toThrow('L1')
  })
})

describe('whatever is appended, rolled and cut', () => {
  const batch = fc.record({ count: fc.integer({ min: 1, max: 50 }), sizeBytes: fc.integer({ min: 61, max: 9000 }) })

  test('every offset is found in the segment that a walk would find', () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 40 }), fc.integer({ min: 0, max: 100 }), (batches, startOffset) => {
        const log = emptyLog(startOffset)
        for (const { count, sizeBytes } of batches) appendRolling(log, count, sizeBytes)
        for (let offset = startOffset - 2; offset <= log.logEndOffset + 2; offset++) {
          const naive = log.segments.findLast((segment) => segment.baseOffset <= offset) ?? null
          expect(segmentOf(log, offset)).toBe(naive)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('a read never begins behind the batch that holds the offset', () => {
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 40 }), (batches) => {
        const log = emptyLog(0)
        const extents = batches.map(({ count, sizeBytes }) => ({ ...appendRolling(log, count, sizeBytes), count, sizeBytes }))
        const limit = extents.at(-1)!
        for (const { offset, segmentBaseOffset, position, count, sizeBytes } of extents) {
          const plan = planRead(log, offset - count, limit)
          expect(plan.segment.baseOffset).toBe(segmentBaseOffset)
          expect(plan.position).toBeLessThanOrEqual(position - sizeBytes)
          expect(position - sizeBytes - plan.position).toBeLessThan(config.indexIntervalBytes + 9000)
          expect(plan.endPosition).toBeGreaterThanOrEqual(position)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('a cut leaves the log that the batches before it would have made', () => {
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 30 }), fc.nat(), (batches, pick) => {
        const log = emptyLog(0)
        const ends = batches.map(({ count, sizeBytes }) => appendRolling(log, count, sizeBytes))
        const keptCount = pick % batches.length
        const kept = keptCount === 0 ? { offset: 0, segmentBaseOffset: 0, position: 0 } : ends[keptCount - 1]!
        const removed = truncateLog(log, kept)
        const model = emptyLog(0)
        for (const { count, sizeBytes } of batches.slice(0, keptCount)) appendRolling(model, count, sizeBytes)
        expect(bare(log)).toEqual(bare(model))
        expect(removed.every(({ baseOffset }) => baseOffset > kept.segmentBaseOffset)).toBe(true)
      }),
      { numRuns: 100 },
    )
  })
})

test("files have Kafka's names, and only they mean an offset", () => {
  expect(logFileName(42)).toBe('00000000000000000042.log')
  expect(indexFileName(2 ** 53 - 1)).toBe('00009007199254740991.index')
  expect(baseOffsetOfFile(logFileName(42))).toBe(42)
  for (const name of ['00000000000000000042.index', '42.log', 'x00000000000000000042.log', '00000000000000000042.log~', 'checkpoint-0']) {
    expect(baseOffsetOfFile(name)).toBeNull()
  }
})
