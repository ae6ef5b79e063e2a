// What has been consumed by all groups that must have a record: the smallest of their offsets, and nothing while one of them is not known.

import { expect, test } from 'vitest'
import { consumedOffset } from '../../partitions/consumption.ts'

test.each<[readonly string[], Readonly<Record<string, number>>, number]>([
  [['a'], { a: 5 }, 5],
  [['a', 'b'], { a: 5, b: 3 }, 3],
  [['a', 'b'], { a: 5 }, -1],
  [['a', 'b'], { a: 5, b: -1 }, -1],
  [['a'], { a: 0, b: 9 }, 0],
  [['a'], {}, -1],
])('of %j, which have committed %j, is %i', (groups, committed, expected) => {
  const round = { leaderEpoch: 0, asked: new Map(), committed: new Map(Object.entries(committed)) }
  expect(consumedOffset(groups, round)).toBe(expected)
})
