// Compaction from bytes to bytes: what stays of each key, of tombstones, of transactions and of producers' numbers, and that offsets never have gaps.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as batch from '../../protocol/record-batch.ts'
import { batchesOf, bytesOf, clean, extents, lines, logOf, recordsOf, written } from './cleaning-support.ts'
import type { MemoryLog, WrittenBatch } from './cleaning-support.ts'
import { input } from './record-batch-support.ts'
import '../partitions/seeded.ts'

describe('a cleaning', () => {
  test('keeps the newest record of each key, at its offset', () => {
    const log = logOf([written(['a=1', 'b=1']), written(['a=2'])], [written(['c=1', 'b=2', 'a=3'])])
    expect(clean(log)).toMatchObject({ ok: true, cleaned: { cleanedOffset: 6 } })
    expect(lines(log)).toEqual(['3:c=1', '4:b=2', '5:a=3'])
    expect(extents(log)).toEqual(['0-2:0', '3-5:3'])
  })

  test('keeps records without a key', () => {
    const log = logOf([written(['=1', 'a=1']), written(['=2', 'a=2'])])
    clean(log)
    expect(lines(log)).toEqual(['0:=1', '2:=2', '3:a=2'])
  })

  test('leaves segments alone in which there is nothing to clean', () => {
    const log = logOf([written(['a=1'])], [written(['b=1'])])
    expect(clean(log, { segmentBytes: 100 })).toMatchObject({ cleaned: { outputs: [], cleanedOffset: 2 } })
    expect([...log.files.keys()]).toEqual(['0.log', '1.log'])
  })

  test('merges segments up to the size of one', () => {
    const log = logOf([written(['a=1'])], [written(['a=2'])], [written(['a=3'])], [written(['b=1'])])
    const sizeBytes = log.files.get('0.log')!.length
    clean(log, { segmentBytes: batch.BATCH_HEADER_BYTES * 2 + sizeBytes * 2 })
    expect(log.segments.map(({ baseOffset, endOffset }) => [baseOffset, endOffset])).toEqual([[0, 4]])
    expect(lines(log)).toEqual(['2:a=3', '3:b=1'])
  })

  test('does not make one empty batch of what two leaders wrote', () => {
    const log = logOf([written(['a=1']), written(['a=2']), written(['a=3'], { leaderEpoch: 1 }), written(['a=4'], { leaderEpoch: 1 })])
    clean(log)
    expect(extents(log)).toEqual(['0-1:0', '2-2:0', '3-3:1'])
    expect(batchesOf(log).map(({ bytes, at }) => batch.leaderEpoch(bytes, at))).toEqual([0, 1, 1])
  })

  test('goes only as far as the keys fit into memory', () => {
    const many = Array.from({ length: 2000 }, (_, i) => `key-${i}=1`)
    const log = logOf([written(many), written(['a=1'])], [written(['a=2', 'a=3'])])
    expect(clean(log, { mapBytes: 40_000 })).toMatchObject({ cleaned: { cleanedOffset: 2000, outputs: [] } })
    expect(clean(log, { mapBytes: 1, firstDirtyOffset: 2000 })).toMatchObject({ cleaned: { cleanedOffset: 2001 } })
    expect(clean(log, { firstDirtyOffset: 2001 })).toMatchObject({ cleaned: { cleanedOffset: 2003 } })
    expect(lines(log).slice(2000)).toEqual(['2002:a=3'])
  })

  test('refuses what is not what was written, and leaves no file', () => {
    for (const which of ['0.log', '2.log']) {
      const log = logOf([written(['a=1']), written(['a=2'])], [written(['a=3'])])
      log.files.get(which)![65]! ^= 1
      expect(clean(log)).toEqual({ ok: false, error: 'damaged' })
    }
  })

  test('reads and writes compressed batches', () => {
    const log = logOf([written(['a=1', 'b=1'], { compression: 'gzip' }), written(['a=2'], { compression: 'zstd' })])
    clean(log)
    expect(lines(log)).toEqual(['1:b=1', '2:a=2'])
    expect(batchesOf(log).map(({ bytes, at }) => batch.compression(bytes, at))).toEqual(['gzip', 'zstd'])
  })
})

describe('a tombstone', () => {
  test('deletes what is older at once, and goes when its horizon has passed', () => {
    const log = logOf([written(['a=1', 'b=1'])], [written(['a'], {}, 900)])
    clean(log, { now: 5000, deletesUpTo: 5000 })
    expect(lines(log)).toEqual(['1:b=1', '2:a'])
    clean(log, { now: 5999, deletesUpTo: 5999, firstDirtyOffset: 3 })
    expect(lines(log)).toEqual(['1:b=1', '2:a'])
    expect(recordsOf(log)[1]).toMatchObject({ timestamp: 900 })
    clean(log, { now: 6000, deletesUpTo: 6000, firstDirtyOffset: 3 })
    expect(lines(log)).toEqual(['1:b=1'])
    expect(extents(log)).toEqual(['0-1:1', '2-2:0'])
  })

  test('stays beyond its horizon while somebody may not have seen it', () => {
    const log = logOf([written(['a=1'])], [written(['a'])])
    clean(log, { now: 5000 })
    clean(log, { now: 9000, deletesUpTo: 9000, deletesBelow: 1, firstDirtyOffset: 2 })
    expect(lines(log)).toEqual(['1:a'])
    clean(log, { now: 9000, deletesUpTo: 9000, deletesBelow: 2, firstDirtyOffset: 2 })
    expect(lines(log)).toEqual([])
  })

  test('goes at once when its key has a newer record', () => {
    const log = logOf([written(['a'])], [written(['a=2'])])
    clean(log)
    expect(lines(log)).toEqual(['1:a=2'])
  })
})

const PRODUCER = { producerId: 7, producerEpoch: 0, baseSequence: 0 }

/** A commit or abort marker: version 0, type 0 (abort) or 1 (commit). */
function marker(type: 0 | 1): WrittenBatch {
  const records = [{ timestamp: 1000, key: Uint8Array.of(0, 0, 0, type), value: Uint8Array.of(0, 0, 0, 0, 0, 0), headers: undefined }]
  return { producerId: 7, producerEpoch: 0, baseSequence: -1, leaderEpoch: 0, transactional: true, control: true, records }
}

describe('a producer', () => {
  test('is remembered by the headers of its last batches', () => {
    const log = logOf([written(['a=1', 'b=1', 'a=2'], { ...PRODUCER, baseSequence: 5 }), written(['a=3', 'b=2'])])
    clean(log, { keptBatches: [0] })
    expect(extents(log)).toEqual(['0-2:0', '3-4:2'])
    const { bytes, at } = batchesOf(log)[0]!
    expect([batch.producerId(bytes, at), batch.baseSequence(bytes, at), batch.lastOffsetDelta(bytes, at)]).toEqual([7, 5, 2])
    clean(log)
    expect(batch.producerId(log.files.get('0.log')!, 0)).toBe(-1)
  })
})

describe('a transaction', () => {
  const data = (texts: string[]): WrittenBatch => written(texts, { ...PRODUCER, transactional: true })

  test('keeps its marker as long as anything of it is left', () => {
    const log = logOf([data(['a=1']), marker(1), written(['b=1'])])
    clean(log, { now: 5000 })
    clean(log, { now: 9000, deletesUpTo: 9000 })
    expect(extents(log)).toEqual(['0-0:1', '1-1:1', '2-2:1'])
  })

  test('loses its marker when nothing of it is left and the horizon has passed', () => {
    const log = logOf([data(['a=1']), marker(1), written(['a=2'])])
    clean(log, { now: 5000 })
    expect(extents(log)).toEqual(['0-0:0', '1-1:1', '2-2:1'])
    clean(log, { now: 5999, deletesUpTo: 5999 })
    expect(extents(log)).toEqual(['0-0:0', '1-1:1', '2-2:1'])
    clean(log, { now: 6000, deletesUpTo: 6000, deletesBelow: 1 })
    expect(extents(log)).toEqual(['0-0:0', '1-1:1', '2-2:1'])
    clean(log, { now: 6000, deletesUpTo: 6000, deletesBelow: 2 })
    expect(extents(log)).toEqual(['0-1:0', '2-2:1'])
  })

  test('that was aborted loses its records, and supersedes nothing', () => {
    const log = logOf([written(['a=1']), data(['a=2', 'b=2']), marker(0), written(['c=1'])])
    clean(log, { aborted: [{ producerId: 7, firstOffset: 1, lastOffset: 2 }] })
    expect(extents(log)).toEqual(['0-0:1', '1-2:0', '3-3:1', '4-4:1'])
    expect(lines(log)).toContain('0:a=1')
  })

  test('has a marker whose key is nobody else’s: a record with the same bytes as its key does not take its place', () => {
    const same = { timestamp: 1000, key: Uint8Array.of(0, 0, 0, 1), value: Uint8Array.of(1), headers: undefined }
    const log = logOf([data(['a=1']), marker(1), { ...written([]), records: [same] }])
    clean(log)
    expect(extents(log)).toEqual(['0-0:1', '1-1:1', '2-2:1'])
    const other = logOf([{ ...written([]), records: [same] }, data(['a=1']), marker(1)])
    clean(other)
    expect(extents(other)).toEqual(['0-0:1', '1-1:1', '2-2:1'])
  })
})

const anyBatch: fc.Arbitrary<WrittenBatch> = fc.record({
  compression: fc.constantFrom('none', 'none', 'none', 'gzip'),
  leaderEpoch: fc.constant(0),
  records: fc.array(
    fc
      .tuple(fc.constantFrom('a', 'b', 'c', 'dd', 'ee', null), fc.option(fc.string({ maxLength: 4 })), fc.nat({ max: 3000 }))
      .map(([key, value, timestamp]) => input(timestamp, key, value)),
    { minLength: 1, maxLength: 4 },
  ),
})
const anyLog = fc.array(fc.array(anyBatch, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 })

describe('whatever was written', () => {
  test('a cleaning leaves the newest record of each key, nothing older, in order, without gaps between batches', () => {
    fc.assert(
      fc.property(anyLog, fc.integer({ min: 150, max: 2000 }), (segments, segmentBytes) => {
        const log = logOf(...segments)
        const before = recordsOf(log)
        const newest = new Map(before.map(({ key, offset }) => [key, offset]))
        expect(clean(log, { segmentBytes }).ok).toBe(true)
        expect(recordsOf(log)).toEqual(before.filter(({ key, offset }) => key === null || newest.get(key) === offset))
        expectContiguous(log, before.length)
      }),
    )
  })

  test('cleaning again changes no byte', () => {
    fc.assert(
      fc.property(anyLog, (segments) => {
        const log = logOf(...segments)
        const endOffset = log.segments.at(-1)!.endOffset
        clean(log)
        const once = bytesOf(log).map((bytes) => bytes.slice())
        expect(clean(log, { firstDirtyOffset: endOffset })).toMatchObject({ cleaned: { outputs: [] } })
        expect(clean(log)).toMatchObject({ cleaned: { outputs: [] } })
        expect(bytesOf(log)).toEqual(once)
      }),
    )
  })

  test('cleaned in parts it becomes what it becomes at once', () => {
    fc.assert(
      fc.property(anyLog, anyLog, (first, second) => {
        const whole = logOf(...first, ...second)
        const parts = logOf(...first, ...second)
        const all = parts.segments
        const begin = all[first.length]!.baseOffset
        parts.segments = all.slice(0, first.length)
        clean(parts)
        parts.segments.push(...all.slice(first.length))
        clean(parts, { firstDirtyOffset: begin })
        clean(whole)
        expect(recordsOf(parts)).toEqual(recordsOf(whole))
        expectContiguous(parts, all.at(-1)!.endOffset)
      }),
    )
  })

  test('index entries point at batches', () => {
    fc.assert(
      fc.property(anyLog, (segments) => {
        const log = logOf(...segments)
        const outcome = clean(log)
        for (const { baseOffset, sizeBytes, maxTimestamp, index } of outcome.ok ? outcome.cleaned.outputs : []) {
          const bytes = log.files.get(`${baseOffset}.log`)!
          expect(bytes.length).toBe(sizeBytes)
          expect(index.positions[0]).toBe(0)
          index.positions.forEach((position, i) => expect(batch.baseOffset(bytes, position)).toBe(index.offsets[i]))
          expect(maxTimestamp).toBe(Math.max(...batch.walkBatches(bytes).map(({ at }) => batch.maxTimestamp(bytes, at))))
        }
      }),
    )
  })
})

function expectContiguous(log: MemoryLog, endOffset: number): void {
  let expected = 0
  for (const { bytes, at } of batchesOf(log)) {
    expect(batch.checkBatch(bytes, at, bytes.length - at, 'sparse').ok).toBe(true)
    expect(batch.baseOffset(bytes, at)).toBe(expected)
    expected = batch.lastOffset(bytes, at) + 1
  }
  expect(expected).toBe(endOffset)
}
