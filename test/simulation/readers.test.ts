// The read modes in simulated runs: that the weaker ones are seen to be weaker, and that the checkers notice what histories were changed to say.

import { describe, expect, test } from 'vitest'
import { checkReaders, newReadersTruth, noteCovered, noteForgotten, noteHandled, noteLeftOut } from '../../simulation/checkers/readers.ts'
import type { ReadersTruth, Tenure } from '../../simulation/checkers/readers.ts'
import { drawPlan } from '../../simulation/plan.ts'
import type { ReadMode } from '../../simulation/reader-plan.ts'
import { runSeed } from '../../simulation/run.ts'
import { newTruth, partitionTruth } from '../../simulation/truth.ts'
import type { PartitionTruth } from '../../simulation/truth.ts'
import { World } from '../../simulation/world.ts'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'

const MODES: readonly ReadMode[] = ['at-most-once', 'at-least-once', 'effectively-once']

test('over some seeds at most once skips, at least once repeats, effectively once leaves out', { timeout: 60_000 }, () => {
  const planned = Array.from({ length: 100 }, (_, i) => ({ seed: i + 1, mode: drawPlan(i + 1).readers?.mode }))
  const seedsOf = (wanted: ReadMode): number[] => planned.filter(({ mode }) => mode === wanted).map(({ seed }) => seed)
  const seeds = MODES.flatMap((mode) => seedsOf(mode).slice(0, 4))
  expect(seeds.length).toBe(12)
  const seen = { skipped: 0, handledAgain: 0, leftOut: 0 }
  for (const seed of seeds) {
    const { violation, readers } = runSeed(seed, { seconds: 30 })
    expect([seed, violation]).toEqual([seed, null])
    expect([seed, readers.handled]).not.toEqual([seed, 0])
    seen.skipped += readers.skipped
    seen.handledAgain += readers.handledAgain
    seen.leftOut += readers.leftOut
  }
  for (const [kind, count] of Object.entries(seen)) expect([kind, count]).not.toEqual([kind, 0])
})

/** Records with these keys, one after the other. */
interface Scene {
  readonly readers: ReadersTruth
  readonly partition: PartitionTruth
  readonly handle: (offset: number, who?: Tenure) => void
  readonly leaveOut: (offset: number) => void
  readonly commit: (offsets: readonly number[], who?: Tenure) => void
  readonly verdict: () => string | null
}

const FIRST: Tenure = { member: 'first', sinceMicros: 0 }
const NEXT: Tenure = { member: 'next', sinceMicros: 5 }

function scene(mode: ReadMode, keys: readonly number[], rememberedKeys = 2): Scene {
  const truth = newTruth(new World(1), [])
  const partition = partitionTruth(truth, 'letters-0', 1, defaultTopicConfig)
  const readers = newReadersTruth({ truth, mode, rememberedKeys, takenEnd: () => -1 })
  keys.forEach((key, offset) => {
    partition.values[offset] = 100 + offset
    truth.keyed.set(100 + offset, { key, isTombstone: false, atMicros: 0 })
  })
  const record = (offset: number) => ({ partition, offset, value: 100 + offset })
  return {
    readers,
    partition,
    handle: (offset, who = FIRST) => noteHandled(readers, record(offset), who),
    leaveOut: (offset) => noteLeftOut(readers, record(offset), FIRST),
    commit: (offsets, who = FIRST) => noteCovered(readers, offsets.map(record), new Map([['letters-0', who]])),
    verdict: () => {
      if (truth.world.violation === null) checkReaders(readers, [partition])
      return truth.world.violation?.code ?? null
    },
  }
}

describe('at most once', () => {
  test('may skip, which is counted', () => {
    const one = scene('at-most-once', [1, 2, 3])
    one.handle(1)
    expect(one.verdict()).toBeNull()
    expect(one.readers.counts).toMatchObject({ handled: 1, skipped: 2, handledAgain: 0 })
  })

  test('does not handle a record again, not even elsewhere: AMO', () => {
    const one = scene('at-most-once', [1, 2, 3])
    one.handle(1)
    one.handle(1, NEXT)
    expect(one.verdict()).toBe('AMO')
  })

  test('begins anew when the group has forgotten everything', () => {
    const one = scene('at-most-once', [1])
    one.handle(0)
    noteForgotten(one.readers, { topic: 'letters', partition: 0 })
    one.handle(0, NEXT)
    expect(one.verdict()).toBeNull()
  })
})

describe('at least once', () => {
  test('may repeat, which is counted', () => {
    const one = scene('at-least-once', [1, 2])
    for (const offset of [0, 1, 0, 1]) one.handle(offset)
    expect(one.verdict()).toBeNull()
    expect(one.readers.counts).toMatchObject({ handled: 4, handledAgain: 2, skipped: 0 })
  })

  test('has handled everything in the end: ALO', () => {
    const one = scene('at-least-once', [1, 2, 3])
    one.handle(0)
    one.handle(2)
    expect(one.verdict()).toBe('ALO')
  })
})

describe('effectively once', () => {
  test('leaves out a key that was handled', () => {
    const one = scene('effectively-once', [1, 2, 1])
    one.handle(0)
    one.handle(1)
    one.leaveOut(2)
    expect(one.verdict()).toBeNull()
    expect(one.readers.counts).toMatchObject({ handled: 2, leftOut: 1 })
  })

  test('leaves out no key that nobody has handled: EFF', () => {
    const one = scene('effectively-once', [1, 2])
    one.handle(0)
    one.leaveOut(1)
    expect(one.verdict()).toBe('EFF')
  })

  test('has handled every key in the end: EFF', () => {
    const one = scene('effectively-once', [1, 2])
    one.handle(0)
    expect(one.verdict()).toBe('EFF')
  })

  test('does not handle a key again that its own commit carried, or one that was answered before it came: EFF', () => {
    for (const who of [FIRST, NEXT]) {
      const one = scene('effectively-once', [1, 2, 1])
      one.handle(0)
      one.commit([0])
      one.handle(1)
      one.handle(2, who)
      expect(one.verdict()).toBe('EFF')
    }
  })

  test('may handle a key again that no commit carried, or one that was not answered when it came', () => {
    const one = scene('effectively-once', [1, 2, 1])
    one.handle(0)
    one.handle(1)
    one.handle(2, NEXT)
    expect(one.verdict()).toBeNull()
    const other = scene('effectively-once', [1, 2, 1])
    other.readers.truth.world.runUntil(6)
    other.handle(0)
    other.commit([0])
    other.handle(1)
    other.handle(2, NEXT)
    expect(other.verdict()).toBeNull()
  })

  test('may handle a key again after as many others as are remembered', () => {
    for (const [others, code] of [
      [[2], 'EFF'],
      [[2, 3], null],
    ] as const) {
      const keys = [1, ...others, 1]
      const one = scene('effectively-once', keys)
      one.handle(0)
      one.commit([0])
      keys.forEach((_, offset) => {
        if (offset > 0) one.handle(offset)
      })
      expect(one.verdict()).toBe(code)
    }
  })
})
