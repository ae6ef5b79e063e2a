// Share partitions as records: there and back, cut short, and nonsense.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeShareRecord, encodeShareKey, encodeShareValue } from '../../../coordinator/share/share-record.ts'
import type { KeptShare } from '../../../coordinator/share/share-record.ts'
import type { ShareRange } from '../../../coordinator/share/share-partition.ts'
import '../support.ts'

const key = fc.record({ group: fc.string(), topicId: fc.nat(), partition: fc.nat() })

const kept: fc.Arbitrary<KeptShare> = fc
  .record({
    topic: fc.string(),
    leaderEpoch: fc.nat(),
    startOffset: fc.integer({ min: 0, max: 2 ** 45 }),
    parts: fc.array(
      fc.record({
        count: fc.integer({ min: 1, max: 2000 }),
        state: fc.constantFrom('available' as const, 'acknowledged' as const, 'archived' as const),
        deliveryCount: fc.integer({ min: 0, max: 100 }),
      }),
    ),
  })
  .map(({ topic, leaderEpoch, startOffset, parts }) => {
    const ranges: ShareRange[] = []
    let first = startOffset
    for (const { count, state, deliveryCount } of parts) {
      ranges.push({ first, last: first + count - 1, state, deliveryCount, memberId: '', lockUntil: 0 })
      first += count
    }
    return { topic, leaderEpoch, startOffset, nextOffset: first, ranges, gone: [] }
  })

test('what was written is read', () => {
  fc.assert(
    fc.property(key, kept, (name, value) => {
      expect(decodeShareRecord(encodeShareKey(name), encodeShareValue(value))).toEqual({ ...name, kept: value })
    }),
  )
  expect(decodeShareRecord(encodeShareKey({ group: 'g', topicId: 1, partition: 2 }), null)).toEqual({
    group: 'g',
    topicId: 1,
    partition: 2,
    kept: null,
  })
})

test('who has a record is not kept; that it was given out is', () => {
  const range: ShareRange = { first: 5, last: 9, state: 'acquired', deliveryCount: 2, memberId: 'a', lockUntil: 77 }
  const bytes = encodeShareValue({ topic: 't', leaderEpoch: 1, startOffset: 5, nextOffset: 10, ranges: [range], gone: [] })
  const read = decodeShareRecord(encodeShareKey({ group: 'g', topicId: 1, partition: 0 }), bytes)
  expect(read?.kept?.ranges).toEqual([{ ...range, state: 'available', memberId: '', lockUntil: 0 }])
})

test('what is cut short, or something else, is nothing', () => {
  fc.assert(
    fc.property(key, kept, fc.uint8Array({ maxLength: 60 }), (name, value, noise) => {
      const [keyBytes, bytes] = [encodeShareKey(name), encodeShareValue(value)]
      for (let size = 0; size < keyBytes.length; size++) expect(decodeShareRecord(keyBytes.subarray(0, size), bytes)).toBeNull()
      for (let size = 0; size < Math.min(bytes.length, 200); size++) expect(decodeShareRecord(keyBytes, bytes.subarray(0, size))).toBeNull()
      decodeShareRecord(noise, noise)
      decodeShareRecord(keyBytes, noise)
    }),
    { numRuns: 50 },
  )
})
