// Committed offsets as records: Kafka's bytes, read back whole or not at all.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeGroupCommit, encodeOffsetKey, encodeOffsetValue } from '../../../coordinator/groups/offset-record.ts'
import type { TopicOffset } from '../../../protocol/messages/group.ts'
import { hex } from '../../protocol/record-batch-support.ts'
import '../support.ts'

const commit: TopicOffset = { topic: 'orders', partition: 3, offset: 42, metadata: 'md', topicId: 17 }
const key = encodeOffsetKey('g1', 'orders', 3)
const value = encodeOffsetValue(commit, 1_700_000_000_000)
/** As it was written before offsets were tied to a topic id. */
const plain = encodeOffsetValue({ ...commit, topicId: -1 }, 1_700_000_000_000)

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('', '\uFEFFg', 'é'),
)

test("the bytes are Kafka's: OffsetCommitKey version 1, OffsetCommitValue version 4, or 3 without a topic id", () => {
  expect(key).toEqual(hex('0001 0002 6731 0006 6f7264657273 00000003'))
  expect(value).toEqual(hex('0004 000000000000002a ffffffff 03 6d64 0000018bcfe56800 01 00 10 00000000 0000 4000 8000 000000000011'))
  expect(plain).toEqual(hex('0003 000000000000002a ffffffff 0002 6d64 0000018bcfe56800'))
})

test('tags of newer versions are passed over, and a topic id that is not ours is none', () => {
  const untagged = value.subarray(0, value.length - 19)
  const decoded = (tags: string): number | undefined =>
    decodeGroupCommit(key, Uint8Array.from([...untagged, ...hex(tags)]))?.committed?.topicId
  expect(decoded('00')).toBe(-1)
  expect(decoded('02 00 10 00000000 0000 4000 8000 000000000011 07 02 abcd')).toBe(17)
  expect(decoded('01 00 10 12345678 1234 4234 9234 123456789abc')).toBe(-1)
})

describe('a record', () => {
  test('gives back what was committed', () => {
    fc.assert(
      fc.property(
        text,
        text,
        fc.nat(),
        fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        fc.oneof(text, fc.string({ minLength: 100, maxLength: 200 }), fc.constant('m'.repeat(20_000))),
        fc.oneof(fc.constant(-1), fc.nat(), fc.constant(2 ** 47 + 5)),
        (group, topic, partition, offset, metadata, topicId) => {
          const committed = { topic, partition, offset, metadata, topicId }
          const decoded = decodeGroupCommit(encodeOffsetKey(group, topic, partition), encodeOffsetValue(committed, 5))
          expect(decoded).toEqual({ group, topic, partition, committed })
        },
      ),
    )
  })

  test('cut at any byte, or one byte longer, is none', () => {
    for (let sizeBytes = 0; sizeBytes < key.length; sizeBytes++) expect(decodeGroupCommit(key.subarray(0, sizeBytes), value)).toBeNull()
    for (const whole of [value, plain])
      for (let sizeBytes = 0; sizeBytes < whole.length; sizeBytes++) expect(decodeGroupCommit(key, whole.subarray(0, sizeBytes))).toBeNull()
    expect(decodeGroupCommit(Uint8Array.from([...key, 0]), value)).toBeNull()
    expect(decodeGroupCommit(key, Uint8Array.from([...value, 0]))).toBeNull()
    expect(decodeGroupCommit(key, Uint8Array.from([...plain, 0]))).toBeNull()
  })

  test('without a value says that the offset is gone', () => {
    expect(decodeGroupCommit(key, null)).toEqual({ group: 'g1', topic: 'orders', partition: 3, committed: null })
  })

  test('of another kind or version is none', () => {
    expect(decodeGroupCommit(null, value)).toBeNull()
    for (const version of [0, 2, 3]) expect(decodeGroupCommit(Uint8Array.from([0, version, ...key.subarray(2)]), value)).toBeNull()
    for (const version of [0, 1, 2, 5]) expect(decodeGroupCommit(key, Uint8Array.from([0, version, ...value.subarray(2)]))).toBeNull()
  })

  test('of random bytes is none, or whole', () => {
    const bytes = fc.uint8Array({ maxLength: 60 })
    const headed = (head: readonly number[]): fc.Arbitrary<Uint8Array> => bytes.map((rest) => Uint8Array.from([...head, ...rest]))
    fc.assert(
      fc.property(fc.oneof(bytes, headed([0, 1, 0, 2])), fc.oneof(bytes, headed([0, 3]), headed([0, 4])), (someKey, someValue) => {
        const decoded = decodeGroupCommit(someKey, someValue)
        if (decoded !== null)
          expect(typeof decoded.group + typeof decoded.topic + typeof decoded.committed?.metadata).toBe('stringstringstring')
      }),
    )
  })
})
