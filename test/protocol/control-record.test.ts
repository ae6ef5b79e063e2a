// The marker of a transaction: Kafka's bytes, and nothing else is taken for one.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeMarker, encodeMarker } from '../../protocol/control-record.ts'
import * as batch from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'

const producer = { producerId: 7, producerEpoch: 3 }

function recordOf(committed: boolean, coordinatorEpoch: number): { readonly key: Uint8Array; readonly value: Uint8Array } {
  const [record] = readRecords(encodeMarker({ committed, coordinatorEpoch }, producer, 5), 0)
  return { key: record!.key!, value: record!.value! }
}

describe('a marker', () => {
  test('is a transactional control batch without a sequence, of one record', () => {
    const bytes = encodeMarker({ committed: true, coordinatorEpoch: 9 }, producer, 5)
    expect(batch.checkBatch(bytes, 0, bytes.length).ok).toBe(true)
    expect([batch.isControl(bytes, 0), batch.isTransactional(bytes, 0), batch.recordCount(bytes, 0)]).toEqual([true, true, 1])
    expect([batch.producerId(bytes, 0), batch.producerEpoch(bytes, 0), batch.baseSequence(bytes, 0)]).toEqual([7, 3, -1])
    expect(batch.maxTimestamp(bytes, 0)).toBe(5)
  })

  test.each([
    [true, '00000001', '000000000009'],
    [false, '00000000', '000000000009'],
  ])('has the bytes of Kafka: committed %s', (committed, key, value) => {
    const record = recordOf(committed, 9)
    expect([Buffer.from(record.key).toString('hex'), Buffer.from(record.value).toString('hex')]).toEqual([key, value])
  })

  test('gives back what was written', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.nat({ max: 2 ** 31 - 1 }), (committed, coordinatorEpoch) => {
        const { key, value } = recordOf(committed, coordinatorEpoch)
        expect(decodeMarker(key, value)).toEqual({ committed, coordinatorEpoch })
      }),
    )
  })

  test('cut at any byte, without one of its fields, or of another type is none', () => {
    const { key, value } = recordOf(true, 9)
    for (let size = 0; size < key.length; size++) expect(decodeMarker(key.subarray(0, size), value)).toBeNull()
    for (let size = 0; size < value.length; size++) expect(decodeMarker(key, value.subarray(0, size))).toBeNull()
    expect(decodeMarker(null, value)).toBeNull()
    expect(decodeMarker(key, null)).toBeNull()
    expect(decodeMarker(Uint8Array.of(0, 0, 0, 2), value)).toBeNull()
  })

  test('of random bytes is none, or a whole one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.uint8Array({ maxLength: 12 }), (key, value) => {
        const marker = decodeMarker(key, value)
        if (marker !== null) expect(Number.isInteger(marker.coordinatorEpoch)).toBe(true)
      }),
    )
  })
})
