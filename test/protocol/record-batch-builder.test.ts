// Building batches: when a record fits, what is kept between batches, and what the header says in the end.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COMPRESSIONS } from '../../protocol/compression.ts'
import { RecordBatchBuilder } from '../../protocol/record-batch-builder.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import * as batch from '../../protocol/record-batch.ts'
import { nodeCompressor } from '../../runtime/compressor.ts'
import { anyInput, anyInputs, batchOf, expected, plain, utf8 } from './record-batch-support.ts'

describe('append', () => {
  test('refuses, with nothing written, what does not fit a batch that holds something', () => {
    const builder = new RecordBatchBuilder(200)
    expect(builder.append(1, null, new Uint8Array(100), undefined)).toBe(true)
    const sizeBytes = builder.sizeBytes
    expect(builder.append(2, null, new Uint8Array(100), undefined)).toBe(false)
    expect(builder).toMatchObject({ count: 1, sizeBytes, firstTimestamp: 1 })
    expect(readRecords(builder.finish(plain), 0)).toHaveLength(1)
  })

  test('a batch is full at its capacity exactly', () => {
    const recordBytes = 7 + 1 + 100 + 1 // two-byte lengths of the record and of the value
    const builder = new RecordBatchBuilder(61 + 2 * recordBytes)
    const value = new Uint8Array(100)
    expect(builder.append(1, null, value, undefined)).toBe(true)
    expect(builder.append(1, null, value, undefined)).toBe(true)
    expect(builder.sizeBytes).toBe(61 + 2 * recordBytes)
    expect(builder.append(1, null, null, undefined)).toBe(false)
  })

  test('a record larger than the capacity makes a batch of its own', () => {
    const builder = new RecordBatchBuilder(100)
    const large = new Uint8Array(5000).fill(7)
    expect(builder.append(1, null, large, undefined)).toBe(true)
    expect(builder.append(1, null, null, undefined)).toBe(false)
    expect(readRecords(builder.finish(plain), 0)[0]!.value).toEqual(large)
  })

  test('after a large record the capacity holds as before', () => {
    const builder = new RecordBatchBuilder(200)
    builder.append(1, null, new Uint8Array(5000), undefined)
    builder.reset()
    builder.append(1, null, new Uint8Array(100), undefined)
    expect(builder.append(1, null, new Uint8Array(100), undefined)).toBe(false)
  })

  test('a batch never exceeds its capacity, whatever is appended, unless it holds a single record', () => {
    fc.assert(
      fc.property(fc.integer({ min: 62, max: 3000 }), fc.array(anyInput, { maxLength: 60 }), (capacity, inputs) => {
        const builder = new RecordBatchBuilder(capacity)
        for (const { timestamp, key, value, headers } of inputs) {
          if (!builder.append(timestamp, key, value, headers)) builder.reset()
          expect(builder.count <= 1 || builder.sizeBytes <= capacity).toBe(true)
        }
      }),
    )
  })

  test('a timestamp that is no whole number is a bug of the caller', () => {
    const builder = new RecordBatchBuilder(200)
    expect(() => builder.append(1.5, null, null, undefined)).toThrow('whole number of milliseconds')
    expect(() => builder.append(Number.NaN, null, null, undefined)).toThrow('whole number of milliseconds')
    expect(builder.count).toBe(0)
  })
})

describe('finish', () => {
  test('the header tells the latest timestamp, not the last', () => {
    const builder = new RecordBatchBuilder(1000)
    for (const timestamp of [50, 70, 60]) builder.append(timestamp, null, null, undefined)
    const bytes = builder.finish(plain)
    expect(batch.baseTimestamp(bytes, 0)).toBe(50)
    expect(batch.maxTimestamp(bytes, 0)).toBe(70)
  })

  test('may be called again, and the batch may go on growing', () => {
    const builder = new RecordBatchBuilder(1000)
    builder.append(1, null, utf8('a'), undefined)
    const first = builder.finish(plain).slice()
    expect(builder.finish(plain)).toEqual(first)
    builder.append(1, null, utf8('b'), undefined)
    expect(readRecords(builder.finish(plain), 0)).toHaveLength(2)
  })

  test('an empty batch cannot be finished, and a codec cannot do without a compressor', () => {
    const builder = new RecordBatchBuilder(1000)
    expect(() => builder.finish(plain)).toThrow('at least one record')
    builder.append(1, null, null, undefined)
    expect(() => builder.finish({ ...plain, compression: 'lz4' })).toThrow('a codec needs a compressor')
  })

  test('compression makes redundant batches smaller', () => {
    for (const codec of COMPRESSIONS.filter((name) => name !== 'none')) {
      const builder = new RecordBatchBuilder(100_000)
      for (let index = 0; index < 500; index++) builder.append(1, null, utf8('the same again'), undefined)
      const plainBytes = builder.sizeBytes
      expect(builder.finish({ ...plain, compression: codec, compressor: nodeCompressor }).length).toBeLessThan(plainBytes / 3)
    }
  })
})

test('a builder that is used again makes the same batches as a new one', () => {
  fc.assert(
    fc.property(anyInputs, anyInputs, fc.constantFrom(...COMPRESSIONS), (first, second, compression) => {
      const builder = new RecordBatchBuilder(1024 * 1024)
      for (const { timestamp, key, value, headers } of first) builder.append(timestamp, key, value, headers)
      builder.finish({ ...plain, compression, compressor: nodeCompressor })
      builder.reset()
      for (const { timestamp, key, value, headers } of second) builder.append(timestamp, key, value, headers)
      const again = builder.finish({ ...plain, compression, compressor: nodeCompressor })
      expect(again).toEqual(batchOf(second, { compression }))
      expect(readRecords(again, 0, nodeCompressor)).toEqual(second.map(expected))
    }),
  )
})
