// What CMP finds, shown with histories that were changed by hand.

import { describe, expect, test } from 'vitest'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'
import { checkCompacted } from '../../simulation/checkers/compaction.ts'
import { newTruth, partitionTruth, place } from '../../simulation/truth.ts'
import { World } from '../../simulation/world.ts'

/** Offsets 0 to 5 by key: a, b, a, a tombstone of a, b, c; all of them known. */
const WRITTEN = [
  { key: 0, isTombstone: false },
  { key: 1, isTombstone: false },
  { key: 0, isTombstone: false },
  { key: 0, isTombstone: true },
  { key: 1, isTombstone: false },
  { key: 2, isTombstone: false },
]

/** What is found when only these offsets are left, so many seconds after they were written; the log ends at `logEnd`. */
function verdict(
  left: readonly number[],
  seconds: number,
  settings: Partial<typeof defaultTopicConfig> = {},
  logEnd: number = WRITTEN.length,
): string | null {
  const world = new World(1)
  const truth = newTruth(world, ['quorum'])
  const config = { ...defaultTopicConfig, cleanupPolicy: 'compact', deleteRetentionMillis: 10_000, ...settings } as const
  const partition = partitionTruth(truth, 't-0', 1, config)
  WRITTEN.forEach(({ key, isTombstone }, offset) => {
    truth.keyed.set(offset + 100, { key, isTombstone, atMicros: 0 })
    place(truth, partition, offset, offset + 100, 0, 'a reader')
  })
  world.runUntil(seconds * 1_000_000)
  const records = left.map((offset) => ({ offset, value: offset + 100 }))
  checkCompacted(truth, partition, records, { end: WRITTEN.length, logEnd, who: 'the test' })
  return world.violation?.code ?? null
}

describe('a log', () => {
  test.each([
    ['that was not cleaned', [0, 1, 2, 3, 4, 5], 1],
    ['that was cleaned', [3, 4, 5], 1],
    ['that was cleaned in part', [1, 2, 3, 4, 5], 1],
    ['whose tombstone has gone in time', [4, 5], 11],
  ])('%s is sound', (_, left, seconds) => expect(verdict(left, seconds)).toBeNull())

  test.each([
    ['without the newest record of a key', [3, 4], 1],
    ['without the newest record of a key, an older one of which is there', [1, 3, 5], 1],
    ['whose tombstone has gone too early', [4, 5], 9],
    ['whose tombstone has gone before what it deletes', [2, 4, 5], 11],
    ['in which nothing is left', [], 11],
  ])('%s is found', (_, left, seconds) => expect(verdict(left, seconds)).toBe('CMP'))

  test('that has lost its end may lack what the end had made superfluous, and nothing else', () => {
    expect(verdict([3], 1, {}, 4)).toBeNull()
    expect(verdict([0], 1, {}, 4)).toBe('CMP')
  })

  test('that was cleaned before the minimum lag was over is found', () => {
    expect(verdict([3, 4, 5], 4, { minCompactionLagMillis: 5000 })).toBe('CMP')
    expect(verdict([3, 4, 5], 6, { minCompactionLagMillis: 5000 })).toBeNull()
  })
})
