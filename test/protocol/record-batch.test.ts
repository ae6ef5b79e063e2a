// The header of a batch: golden bytes drawn out by hand, stamps that respect the CRC, and a check that survives any bytes.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readI64, writeI32 } from '../../protocol/bytes.ts'
import * as batch from '../../protocol/record-batch.ts'
import { anyInputs, batchOf, foreignBatches, goldenInputs, hex, input, plain } from './record-batch-support.ts'

/** One record 'k' -> 'v' at 1,700,000,000,000, put together by hand from the layout; its CRC was computed bit by bit elsewhere. */
const BY_HAND = hex(`
  00000000 00000000  0000003a  ffffffff  02  e99b8dd8
  0000  00000000  0000018b cfe56800  0000018b cfe56800
  ffffffff ffffffff  ffff  ffffffff  00000001
  10 00 00 00 02 6b 02 76 00
`)

const TRANSACTIONAL = { producerId: 5, producerEpoch: 2, baseSequence: 9, transactional: true, leaderEpoch: 0 }

function golden(): Uint8Array {
  return batchOf(goldenInputs, TRANSACTIONAL)
}

function check(bytes: Uint8Array, density?: batch.BatchDensity): string {
  const result = batch.checkBatch(bytes, 0, bytes.length, density)
  return result.ok ? `ok ${result.sizeBytes}` : result.reason
}

describe('golden bytes', () => {
  test('a batch of one record is, byte for byte, what the layout says', () => {
    expect(batchOf([input(1_700_000_000_000, 'k', 'v')])).toEqual(BY_HAND)
    expect(check(BY_HAND)).toBe('ok 70')
  })

  test('a transactional batch is, byte for byte, what another client writes', () => {
    expect(golden()).toEqual(foreignBatches[0]![2])
  })

  test.each(foreignBatches)('a batch that %s wrote with %s is sound', (_client, codec, bytes) => {
    expect(check(bytes)).toBe(`ok ${bytes.length}`)
    expect(batch.compression(bytes, 0)).toBe(codec)
    expect(batch.recordCount(bytes, 0)).toBe(3)
  })
})

describe('fields', () => {
  test('every field is read from its place, wherever the batch begins', () => {
    const bytes = new Uint8Array([9, 9, 9, ...golden(), 9])
    expect({
      baseOffset: batch.baseOffset(bytes, 3),
      lastOffset: batch.lastOffset(bytes, 3),
      sizeBytes: batch.batchSizeBytes(bytes, 3),
      leaderEpoch: batch.leaderEpoch(bytes, 3),
      magic: batch.magic(bytes, 3),
      attributes: batch.attributes(bytes, 3),
      lastOffsetDelta: batch.lastOffsetDelta(bytes, 3),
      baseTimestamp: batch.baseTimestamp(bytes, 3),
      maxTimestamp: batch.maxTimestamp(bytes, 3),
      producerId: batch.producerId(bytes, 3),
      producerEpoch: batch.producerEpoch(bytes, 3),
      baseSequence: batch.baseSequence(bytes, 3),
      recordCount: batch.recordCount(bytes, 3),
      transactional: batch.isTransactional(bytes, 3),
      control: batch.isControl(bytes, 3),
    }).toEqual({
      baseOffset: 0,
      lastOffset: 2,
      sizeBytes: 101,
      leaderEpoch: 0,
      magic: 2,
      attributes: 0x10,
      lastOffsetDelta: 2,
      baseTimestamp: 1_700_000_000_000,
      maxTimestamp: 1_700_000_000_300,
      producerId: 5,
      producerEpoch: 2,
      baseSequence: 9,
      recordCount: 3,
      transactional: true,
      control: false,
    })
  })

  test('no producer reads as -1 in all three fields', () => {
    expect(batch.producerId(BY_HAND, 0)).toBe(-1)
    expect(batch.producerEpoch(BY_HAND, 0)).toBe(-1)
    expect(batch.baseSequence(BY_HAND, 0)).toBe(-1)
  })

  test('a codec number that means nothing reads as null', () => {
    const bytes = golden()
    bytes[22] = 5
    expect(batch.compression(bytes, 0)).toBeNull()
  })
})

describe('stamps', () => {
  test('base offset and leader epoch are stamped outside the CRC', () => {
    const bytes = golden()
    const before = batch.crc(bytes, 0)
    batch.stampBaseOffset(bytes, 0, 2 ** 52 + 1)
    batch.stampLeaderEpoch(bytes, 0, 7)
    expect(batch.baseOffset(bytes, 0)).toBe(2 ** 52 + 1)
    expect(batch.lastOffset(bytes, 0)).toBe(2 ** 52 + 3)
    expect(batch.leaderEpoch(bytes, 0)).toBe(7)
    expect(batch.crc(bytes, 0)).toBe(before)
    expect(check(bytes)).toBe('ok 101')
  })

  test('log append time sets its bit and the timestamp, and takes the CRC again', () => {
    const bytes = new Uint8Array([1, 2, ...golden()])
    batch.stampLogAppendTime(bytes, 2, 1_800_000_000_000)
    expect(batch.timestampType(bytes, 2)).toBe('LogAppendTime')
    expect(batch.maxTimestamp(bytes, 2)).toBe(1_800_000_000_000)
    expect(batch.baseTimestamp(bytes, 2)).toBe(1_700_000_000_000)
    expect(batch.isTransactional(bytes, 2)).toBe(true)
    expect(batch.checkBatch(bytes, 2, bytes.length - 2)).toEqual({ ok: true, sizeBytes: 101 })
  })
})

describe('checkBatch', () => {
  test('every batch that the builder makes is sound', () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        expect(check(batchOf(inputs))).toMatch(/^ok/)
      }),
    )
  })

  test('a batch cut off at any byte is truncated, by its array or by what is said to be available', () => {
    const bytes = golden()
    for (let cut = 0; cut < bytes.length; cut++) {
      expect(check(bytes.subarray(0, cut))).toBe('truncated')
      expect(batch.checkBatch(bytes, 0, cut)).toEqual({ ok: false, reason: 'truncated' })
    }
  })

  test('a flipped bit anywhere from the length on is noticed, the stamped epoch excepted', () => {
    fc.assert(
      fc.property(fc.nat({ max: 101 * 8 - 1 }), (bit) => {
        const at = bit >>> 3
        const bytes = golden()
        bytes[at]! ^= 1 << (bit & 7)
        const stamped = at < batch.FIELD.batchLength || (at >= batch.FIELD.leaderEpoch && at < batch.FIELD.magic)
        expect(check(bytes).startsWith('ok')).toBe(stamped)
      }),
    )
  })

  test('random bytes are refused with a reason and without a throw', () => {
    const withMagic = fc.uint8Array({ minLength: 17, maxLength: 120 }).map((bytes) => {
      writeI32(bytes, batch.FIELD.batchLength, bytes.length - 12)
      bytes[batch.FIELD.magic] = 2
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), withMagic), fc.integer({ min: -5, max: 200 }), (bytes, at) => {
        const result = batch.checkBatch(bytes, at, bytes.length)
        expect(result.ok).toBe(false)
      }),
    )
  })

  test('zeros, another magic and an impossible length have their own reasons', () => {
    expect(check(new Uint8Array(100))).toBe('length')
    const old = golden()
    old[batch.FIELD.magic] = 1
    expect(check(old)).toBe('magic')
    const short = golden()
    writeI32(short, batch.FIELD.batchLength, 48)
    expect(check(short)).toBe('length')
    writeI32(short, batch.FIELD.batchLength, -1)
    expect(check(short)).toBe('length')
  })

  test('a count that does not fit the offsets is refused, unless compaction may have removed records', () => {
    const bytes = golden()
    writeI32(bytes, batch.FIELD.recordCount, 2)
    batch.stampCrc(bytes, 0)
    expect(check(bytes)).toBe('count')
    expect(check(bytes, 'sparse')).toBe('ok 101')
    for (const count of [4, -1]) {
      writeI32(bytes, batch.FIELD.recordCount, count)
      batch.stampCrc(bytes, 0)
      expect(check(bytes, 'sparse')).toBe('count')
    }
  })
})

describe('walkBatches', () => {
  test('whole batches are found by their headers, a partial one at the end is not', () => {
    const chunk = Uint8Array.from([...golden(), ...BY_HAND, ...golden()])
    expect(batch.walkBatches(chunk)).toEqual([
      { at: 0, sizeBytes: 101 },
      { at: 101, sizeBytes: 70 },
      { at: 171, sizeBytes: 101 },
    ])
    for (let cut = 171; cut < 272; cut++) expect(batch.walkBatches(chunk.subarray(0, cut))).toHaveLength(2)
  })

  test('the walk over random bytes ends, and stays within them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const { at, sizeBytes } of batch.walkBatches(bytes)) expect(at + sizeBytes).toBeLessThanOrEqual(bytes.length)
      }),
    )
    expect(batch.walkBatches(new Uint8Array(200))).toEqual([])
  })
})

test('a control batch says so', () => {
  const bytes = batchOf([input(0, null, 'x')], { ...plain, producerId: 5, producerEpoch: 0, transactional: true, control: true })
  expect(batch.attributes(bytes, 0)).toBe(0x30)
  expect(batch.isControl(bytes, 0)).toBe(true)
  expect(readI64(bytes, batch.FIELD.producerId)).toBe(5)
})
