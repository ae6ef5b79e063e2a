// Reading batches: what was written comes back with every codec, and nonsense inside a sound CRC is refused, never half read.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { writeI32 } from '../../protocol/bytes.ts'
import { COMPRESSIONS } from '../../protocol/compression.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { RecordBatchView, decodeRecords, findOffsetByTimestamp, readRecords } from '../../protocol/record-batch-reader.ts'
import { BATCH_HEADER_BYTES, FIELD, checkBatch, stampBaseOffset, stampCrc, stampLogAppendTime } from '../../protocol/record-batch.ts'
import { nodeCompressor } from '../../runtime/compressor.ts'
import { anyInputs, batchOf, expected, foreignBatches, goldenInputs, hex, input } from './record-batch-support.ts'

/** A batch with a sound CRC around any bytes for records. */
function batchAround(records: Uint8Array, count: number): Uint8Array {
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + records.length)
  bytes.set(batchOf([input(0, null, null)]).subarray(0, BATCH_HEADER_BYTES))
  bytes.set(records, BATCH_HEADER_BYTES)
  writeI32(bytes, FIELD.batchLength, bytes.length - 12)
  writeI32(bytes, FIELD.recordCount, count)
  writeI32(bytes, FIELD.lastOffsetDelta, count - 1)
  stampCrc(bytes, 0)
  return bytes
}

function complaint(bytes: Uint8Array): string {
  const decoded = decodeRecords(bytes, 0, nodeCompressor)
  return decoded.ok ? `ok ${decoded.records.length}` : `${decoded.error}: ${decoded.reason}`
}

describe('round trips', () => {
  test.each(COMPRESSIONS)('with %s, what was written comes back, at its offsets', (compression) => {
    fc.assert(
      fc.property(anyInputs, fc.nat(), fc.nat({ max: 5 }), (inputs, offset, at) => {
        const bytes = new Uint8Array([...new Uint8Array(at), ...batchOf(inputs, { compression })])
        stampBaseOffset(bytes, at, offset)
        expect(readRecords(bytes, at, nodeCompressor)).toEqual(inputs.map((record, index) => expected(record, offset + index)))
      }),
    )
  })

  test.each(foreignBatches)('what %s wrote with %s is read', (_client, _codec, bytes) => {
    expect(readRecords(bytes, 0, nodeCompressor)).toEqual(goldenInputs.map(expected))
  })

  test('a batch in shared memory is read in place', () => {
    const batch = batchOf(goldenInputs)
    const shared = new Uint8Array(new SharedArrayBuffer(batch.length + 9)).subarray(4, 4 + batch.length)
    shared.set(batch)
    const records = readRecords(shared, 0)
    expect(records.map(({ value }) => value?.length)).toEqual([5, 5, undefined])
    expect(records[0]!.value!.buffer).toBe(shared.buffer)
  })

  test('keys and values are views of the batch', () => {
    const batch = batchOf(goldenInputs)
    expect(readRecords(batch, 0)[0]!.key!.buffer).toBe(batch.buffer)
  })

  test('log append time is the timestamp of every record', () => {
    const bytes = batchOf(goldenInputs)
    stampLogAppendTime(bytes, 0, 77)
    expect(readRecords(bytes, 0).map(({ timestamp }) => timestamp)).toEqual([77, 77, 77])
  })
})

describe('a view', () => {
  test('tells what the header says without decoding', () => {
    const bytes = batchAround(new Uint8Array(40).fill(0xff), 3)
    stampBaseOffset(bytes, 0, 10)
    const view = new RecordBatchView(bytes, 0)
    expect(view).toMatchObject({ baseOffset: 10, lastOffset: 12, count: 3, sizeBytes: 101, timestampType: 'CreateTime' })
    expect(view.isControl).toBe(false)
    expect(() => [...view]).toThrow(KafkaError)
  })

  test('may be iterated more than once', () => {
    const view = new RecordBatchView(batchOf(goldenInputs), 0)
    expect([...view]).toEqual([...view])
  })
})

describe('nonsense', () => {
  test('a records section cut off at any byte is refused', () => {
    const records = batchOf(goldenInputs).subarray(BATCH_HEADER_BYTES)
    for (let cut = 0; cut < records.length; cut++) {
      expect(complaint(batchAround(records.subarray(0, cut), 3))).toMatch(/^CORRUPT_MESSAGE: .* offset 0 is malformed/)
    }
  })

  test('a compressed batch cut off at any byte is refused', () => {
    for (const compression of COMPRESSIONS) {
      const whole = batchOf(goldenInputs, { compression })
      for (let cut = BATCH_HEADER_BYTES; cut < whole.length; cut++) {
        const bytes = whole.slice(0, cut)
        writeI32(bytes, FIELD.batchLength, cut - 12)
        stampCrc(bytes, 0)
        expect(checkBatch(bytes, 0, cut).ok).toBe(true)
        expect(complaint(bytes)).toMatch(/^CORRUPT_MESSAGE/)
      }
    }
  })

  test('random bytes inside a sound CRC end in records or in a reason', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.integer({ min: -1, max: 20 }), fc.nat({ max: 7 }), (records, count, codec) => {
        const bytes = batchAround(records, count)
        bytes[FIELD.attributes + 1] = codec
        expect(complaint(bytes)).toMatch(/^(ok|CORRUPT_MESSAGE|MESSAGE_TOO_LARGE)/)
      }),
      { numRuns: 2000 },
    )
  })

  test('a flipped bit among the records ends in records or in a reason', () => {
    const records = batchOf(goldenInputs).subarray(BATCH_HEADER_BYTES)
    for (let bit = 0; bit < records.length * 8; bit++) {
      const flipped = records.slice()
      flipped[bit >>> 3]! ^= 1 << (bit & 7)
      expect(complaint(batchAround(flipped, 3))).toMatch(/^(ok 3|CORRUPT_MESSAGE)/)
    }
  })

  test.each([
    ['a count beyond the bytes', '0c 00 00 00 01 01 00', 2 ** 31 - 1, 'the count exceeds the bytes'],
    ['a negative count', '0c 00 00 00 01 01 00', -1, 'the count exceeds the bytes'],
    ['a negative length', '01 00 00 00 01 01 00', 1, 'a record is cut off'],
    ['a length beyond the end', '0e 00 00 00 01 01 00', 1, 'a record is cut off'],
    ['a length that is too small', '0c 00 00 00 01 01 00 00', 1, 'bytes follow the last record'],
    ['a length that is too large', '0e 00 00 00 01 01 00 00', 1, 'another length than it says'],
    ['a key length of -2', '0c 00 00 00 03 01 00', 1, 'a length is negative'],
    ['a key beyond the record', '0c 00 00 00 7e 01 00', 1, 'a field is cut off'],
    ['a value beyond the record', '0c 00 00 00 01 04 00', 1, 'a field is cut off'],
    ['a header count beyond the record', '0c 00 00 00 01 01 02', 1, 'the header count exceeds the bytes'],
    ['a null header key', '10 00 00 00 01 01 02 01 01', 1, 'the key of a header is cut off'],
    ['an offset beyond the last', '0c 00 00 02 01 01 00', 1, 'offsets do not ascend'],
    ['an offset twice', '0c 00 00 00 01 01 00 0c 00 00 00 01 01 00', 2, 'offsets do not ascend'],
  ])('%s is refused', (_what, records, count, reason) => {
    expect(complaint(batchAround(hex(records), count))).toContain(reason)
  })

  test('an unknown codec is corrupt, a known one without a compressor is unsupported', () => {
    const bytes = batchOf(goldenInputs, { compression: 'zstd' })
    expect(() => readRecords(bytes, 0)).toThrow(expect.objectContaining({ name: 'UNSUPPORTED_COMPRESSION_TYPE' }))
    bytes[FIELD.attributes + 1] = 6
    expect(complaint(bytes)).toContain('the codec is unknown')
  })

  test('what stays corrupt is not worth a retry', () => {
    expect(() => readRecords(batchAround(new Uint8Array(9), 1), 0)).toThrow(expect.objectContaining({ retriable: false }))
  })
})

describe('findOffsetByTimestamp', () => {
  const inputs = [input(100, null, 'a'), input(300, null, 'b'), input(200, null, 'c')]

  function find(bytes: Uint8Array, timestamp: number): unknown {
    return findOffsetByTimestamp(new RecordBatchView(bytes, 0, nodeCompressor), timestamp)
  }

  test.each(COMPRESSIONS)('answers with the first record that is not earlier, with %s', (compression) => {
    const bytes = batchOf(inputs, { compression })
    stampBaseOffset(bytes, 0, 40)
    expect(find(bytes, 0)).toEqual({ offset: 40, timestamp: 100 })
    expect(find(bytes, 100)).toEqual({ offset: 40, timestamp: 100 })
    expect(find(bytes, 101)).toEqual({ offset: 41, timestamp: 300 })
    expect(find(bytes, 300)).toEqual({ offset: 41, timestamp: 300 })
    expect(find(bytes, 301)).toBeNull()
  })

  test('with log append time answers from the header', () => {
    const bytes = batchOf(inputs)
    stampLogAppendTime(bytes, 0, 500)
    expect(find(bytes, 400)).toEqual({ offset: 0, timestamp: 500 })
    expect(find(bytes, 501)).toBeNull()
  })

  test('answers with the first offset of a batch that it cannot decode, and no timestamp', () => {
    const view = new RecordBatchView(batchOf(inputs, { compression: 'gzip' }), 0)
    expect(findOffsetByTimestamp(view, 200)).toEqual({ offset: 0, timestamp: -1 })
    expect(findOffsetByTimestamp(view, 200, 1)).toEqual({ offset: 1, timestamp: -1 })
    expect(findOffsetByTimestamp(view, 200, 3)).toBeNull()
  })

  test('does not look before an offset', () => {
    const bytes = batchOf(inputs)
    const from = (offset: number): unknown => findOffsetByTimestamp(new RecordBatchView(bytes, 0), 100, offset)
    expect([from(0), from(2), from(3)]).toEqual([{ offset: 0, timestamp: 100 }, { offset: 2, timestamp: 200 }, null])
    stampLogAppendTime(bytes, 0, 500)
    expect([from(2), from(3)]).toEqual([{ offset: 2, timestamp: 500 }, null])
  })

  test('agrees with a search through the records', () => {
    fc.assert(
      fc.property(anyInputs, fc.integer({ min: 0, max: 2 ** 41 }), (records, timestamp) => {
        const index = records.findIndex((record) => record.timestamp >= timestamp)
        const answer = index < 0 ? null : { offset: index, timestamp: records[index]!.timestamp }
        expect(find(batchOf(records), timestamp)).toEqual(answer)
      }),
    )
  })
})
