// What all groups that must have a record are done with: the smallest of their offsets, and nothing while one of them is not known.

import { expect, test } from 'vitest'
import { consumedOffset } from '../../partitions/consumption.ts'
import type { ConsumingGroup } from '../../partitions/consumption.ts'

/** `a` is a consumer group, `/a` a share group. */
function groupOf(name: string): ConsumingGroup {
  return name.startsWith('/') ? { keyType: 'share', group: name.slice(1) } : { keyType: 'group', group: name }
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
  const ends = Object.entries(offsets).map(([name, offset]) => ({ ...groupOf(name), offset }))
  expect(consumedOffset(names.map(groupOf), { leaderEpoch: 0, asked: new Map(), ends })).toBe(expected)
})
