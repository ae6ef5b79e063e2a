// Committed offsets as records: Kafka's bytes, read back whole or not at all.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeGroupCommit, encodeOffsetKey, encodeOffsetValue } from '../../../coordinator/groups/offset-record.ts'
import type { CommittedOffset } from '../../../protocol/messages/group.ts'
import { hex } from '../../protocol/record-batch-support.ts'
import '../support.ts'

const commit: CommittedOffset = { topic: 'orders', partition: 3, offset: 42, metadata: 'md' }
const key = encodeOffsetKey('g1', 'orders', 3)
const value = encodeOffsetValue(commit, 1_700_000_000_000)

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('', '\uFEFFg', 'é'),
)

test("the bytes are Kafka's: OffsetCommitKey version 1, OffsetCommitValue version 3", () => {
  expect(key).toEqual(hex('0001 0002 6731 0006 6f7264657273 00000003'))
  expect(value).toEqual(hex('0003 000000000000002a ffffffff 0002 6d64 0000018bcfe56800'))
})

describe('a record', () => {
  test('gives back what was committed', () => {
    fc.assert(
      fc.property(
        text,
        text,
        fc.nat(),
        fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        text,
        (group, topic, partition, offset, metadata) => {
          const committed = { topic, partition, offset, metadata }
          const decoded = decodeGroupCommit(encodeOffsetKey(group, topic, partition), encodeOffsetValue(committed, 5))
          expect(decoded).toEqual({ group, committed })
        },
      ),
    )
  })

  test('cut at any byte, or one byte longer, is none', () => {
    for (let sizeBytes = 0; sizeBytes < key.length; sizeBytes++) expect(decodeGroupCommit(key.subarray(0, sizeBytes), value)).toBeNull()
    for (let sizeBytes = 0; sizeBytes < value.length; sizeBytes++) expect(decodeGroupCommit(key, value.subarray(0, sizeBytes))).toBeNull()
    expect(decodeGroupCommit(Uint8Array.from([...key, 0]), value)).toBeNull()
    expect(decodeGroupCommit(key, Uint8Array.from([...value, 0]))).toBeNull()
  })

  test('of another kind or version is none', () => {
    expect(decodeGroupCommit(null, value)).toBeNull()
    expect(decodeGroupCommit(key, null)).toBeNull()
    for (const version of [0, 2, 3]) expect(decodeGroupCommit(Uint8Array.from([0, version, ...key.subarray(2)]), value)).toBeNull()
    for (const version of [0, 1, 2, 4]) expect(decodeGroupCommit(key, Uint8Array.from([0, version, ...value.subarray(2)]))).toBeNull()
  })

  test('of random bytes is none, or whole', () => {
    const bytes = fc.uint8Array({ maxLength: 60 })
    const headed = (head: readonly number[]): fc.Arbitrary<Uint8Array> => bytes.map((rest) => Uint8Array.from([...head, ...rest]))
    fc.assert(
      fc.property(fc.oneof(bytes, headed([0, 1, 0, 2])), fc.oneof(bytes, headed([0, 3])), (someKey, someValue) => {
        const decoded = decodeGroupCommit(someKey, someValue)
        if (decoded !== null)
          expect(typeof decoded.group + typeof decoded.committed.topic + typeof decoded.committed.metadata).toBe('stringstringstring')
      }),
    )
  })
})
