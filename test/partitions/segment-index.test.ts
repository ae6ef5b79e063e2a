// The sparse index: look-ups against a naive walk, cuts, and a file that is read back whole or not at all.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addEntry,
  decodeIndex,
  emptyIndex,
  encodeIndex,
  floorByOffset,
  floorByTimestamp,
  truncateIndex,
} from '../../partitions/segment-index.ts'
import type { SegmentIndex } from '../../partitions/segment-index.ts'
import './seeded.ts'

interface Entry {
  readonly offset: number
  readonly position: number
  readonly timestamp: number
}

const BASE = 1000

/** Ascending entries as appends make them: the first at the beginning, timestamps that may stand still. */
const anyEntries = fc
  .array(
    fc.record({
      offset: fc.integer({ min: 1, max: 9 }),
      position: fc.integer({ min: 61, max: 5000 }),
      timestamp: fc.integer({ min: 0, max: 3 }),
    }),
    {
      maxLength: 40,
    },
  )
  .map((steps) => {
    const entries: Entry[] = []
    let at: Entry = { offset: BASE, position: 0, timestamp: 50 }
    for (const step of steps) {
      entries.push(at)
      at = { offset: at.offset + step.offset, position: at.position + step.position, timestamp: at.timestamp + step.timestamp }
    }
    return entries
  })

function indexOf(entries: readonly Entry[]): SegmentIndex {
  const index = emptyIndex()
  for (const { offset, position, timestamp } of entries) addEntry(index, offset, position, timestamp)
  return index
}

describe('a look-up', () => {
  test('by offset finds the last entry at or below it', () => {
    fc.assert(
      fc.property(anyEntries, (entries) => {
        const index = indexOf(entries)
        for (let offset = BASE; offset <= (entries.at(-1)?.offset ?? BASE) + 3; offset++) {
          const naive = entries.findLast((entry) => entry.offset <= offset)
          expect(floorByOffset(index, offset, BASE)).toEqual({ offset: naive?.offset ?? BASE, position: naive?.position ?? 0 })
        }
      }),
    )
  })

  test('by timestamp finds the last entry up to which everything is too old', () => {
    fc.assert(
      fc.property(anyEntries, (entries) => {
        const index = indexOf(entries)
        for (let timestamp = 48; timestamp <= (entries.at(-1)?.timestamp ?? 50) + 2; timestamp++) {
          const naive = entries.findLast((entry) => entry.timestamp < timestamp)
          expect(floorByTimestamp(index, timestamp, BASE)).toEqual({ offset: naive?.offset ?? BASE, position: naive?.position ?? 0 })
        }
      }),
    )
  })

  test('below the first entry begins at the segment', () => {
    const index = indexOf([{ offset: 1010, position: 500, timestamp: 60 }])
    expect(floorByOffset(index, 1009, BASE)).toEqual({ offset: BASE, position: 0 })
    expect(floorByTimestamp(index, 60, BASE)).toEqual({ offset: BASE, position: 0 })
  })
})

test('a cut forgets the entries at and after the position, and no other', () => {
  fc.assert(
    fc.property(anyEntries, fc.nat({ max: 60_000 }), (entries, position) => {
      const index = indexOf(entries)
      truncateIndex(index, position)
      expect(index).toEqual(indexOf(entries.filter((entry) => entry.position < position)))
    }),
  )
  const index = indexOf([
    { offset: BASE, position: 0, timestamp: 1 },
    { offset: 1001, position: 100, timestamp: 1 },
  ])
  truncateIndex(index, 100)
  expect(index.positions).toEqual([0])
})

describe('the file', () => {
  const sample = encodeIndex(
    indexOf([0, 1, 2].map((i) => ({ offset: BASE + i * 7, position: i * 4096, timestamp: 1_700_000_000_000 + i }))),
    BASE,
  )

  test('has the layout of its header comment', () => {
    expect(Buffer.from(sample.subarray(0, 12)).toString('hex')).toBe('4f445249' + '0001' + '0000' + '00000003')
    expect(Buffer.from(sample.subarray(32, 48)).toString('hex')).toBe('00000007' + '00001000' + '0000018bcfe56801')
    expect(sample.length).toBe(16 + 3 * 16)
  })

  test('gives back what was written', () => {
    fc.assert(
      fc.property(anyEntries, (entries) => {
        expect(decodeIndex(encodeIndex(indexOf(entries), BASE), BASE)).toEqual(indexOf(entries))
      }),
    )
  })

  test('cut at any byte is no index', () => {
    for (let sizeBytes = 0; sizeBytes < sample.length; sizeBytes++) expect(decodeIndex(sample.subarray(0, sizeBytes), BASE)).toBeNull()
    expect(decodeIndex(Uint8Array.from([...sample, 0]), BASE)).toBeNull()
  })

  test('with any bit flipped is no index', () => {
    for (let bit = 0; bit < sample.length * 8; bit++) {
      const damaged = sample.slice()
      damaged[bit >>> 3]! ^= 1 << (bit & 7)
      expect(decodeIndex(damaged, BASE), `bit ${bit}`).toBeNull()
    }
  })

  test('of random bytes is no index', () => {
    const headed = fc.uint8Array({ minLength: 52, maxLength: 52 }).map((bytes) => Uint8Array.from([...sample.subarray(0, 12), ...bytes]))
    fc.assert(
      fc.property(fc.oneof(headed, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        expect(decodeIndex(bytes, BASE)).toBeNull()
      }),
    )
  })
})
