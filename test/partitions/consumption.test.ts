// What all groups that must have a record are done with: the smallest of their offsets, and nothing while one of them is not known.

import { expect, test } from 'vitest'
import { consumedOffset, noteEnd } from '../../partitions/consumption.ts'
import type { ConsumingGroup, ConsumptionRound } from '../../partitions/consumption.ts'

/** `a` is a consumer group, `/a` a share group. */
function groupOf(name: string): ConsumingGroup {
  return name.startsWith('/') ? { keyType: 'share', group: name.slice(1) } : { keyType: 'group', group: name }
}

function consumedBy(names: readonly string[], offsets: Readonly<Record<string, number>>, highWatermark: number): number {
  const round: ConsumptionRound = { leaderEpoch: 0, asked: new Map(), ends: [] }
  for (const [name, offset] of Object.entries(offsets)) noteEnd(round, groupOf(name), offset, highWatermark)
  return consumedOffset(names.map(groupOf), round)
}

test.each<[readonly string[], Readonly<Record<string, number>>, number]>([
  [['a'], { a: 5 }, 5],
  [['a', 'b'], { a: 5, b: 3 }, 3],
  [['a', 'b'], { a: 5 }, -1],
  [['a', 'b'], { a: 5, b: -1 }, -1],
  [['a'], { a: 0, b: 9 }, 0],
  [['a'], {}, -1],
  [['a', '/a'], { a: 5, '/a': 4 }, 4],
  [['a', '/a'], { a: 5 }, -1],
  [['/a'], { a: 5 }, -1],
])('of %j, which are at %j, is %i', (names, offsets, expected) => {
  expect(consumedBy(names, offsets, 9)).toBe(expected)
})

test.each<[Readonly<Record<string, number>>, number]>([
  [{ a: 20, b: 5000 }, -1],
  [{ a: 5000, b: 20 }, -1],
  [{ a: 20, b: 51 }, -1],
  [{ a: 20, b: 50 }, 20],
  [{ a: 20, '/b': 5000 }, -1],
])('of groups at %j, with a high watermark of 50, is %i: who is ahead of what there is holds everything', (offsets, expected) => {
  expect(consumedBy(Object.keys(offsets), offsets, 50)).toBe(expected)
})
