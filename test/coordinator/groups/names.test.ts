// Partition names as keys, and back to lists per topic.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { namesOf, parseName, partitionsOf } from '../../../coordinator/groups/names.ts'
import '../support.ts'

test('a name is the topic, a dash, and the partition', () => {
  expect(parseName('orders-3')).toEqual({ topic: 'orders', partition: 3 })
  expect(parseName('a-b-12')).toEqual({ topic: 'a-b', partition: 12 })
  expect([
    ...namesOf([
      { topic: 'a', partitions: [1, 0] },
      { topic: 'b-1', partitions: [2] },
    ]),
  ]).toEqual(['a-1', 'a-0', 'b-1-2'])
})

test('lists per topic come back as they were, whatever the topics are called', () => {
  const topic = fc.stringMatching(/^[a-z0-9._-]{1,8}$/)
  const topics = fc.uniqueArray(fc.record({ topic, partitions: fc.uniqueArray(fc.nat({ max: 30 }), { minLength: 1 }) }), {
    selector: (one) => one.topic,
  })
  fc.assert(
    fc.property(topics, (lists) => {
      expect(partitionsOf(namesOf(lists))).toEqual(lists)
    }),
  )
})
