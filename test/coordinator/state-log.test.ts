// How a coordinator's state lies in a partition: read from the beginning, answer by answer, and appended as one batch.

import { describe, expect, test } from 'vitest'
import { appendRequest, loadRequest, openStateLog, takeLoaded } from '../../coordinator/state-log.ts'
import type { StateLog } from '../../coordinator/state-log.ts'
import { emptyBatch } from '../../protocol/batch-rewrite.ts'
import { codeOf } from '../../protocol/errors.ts'
import { checkBatch, producerId, recordCount } from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { batchAt, concat, markerAt } from '../partitions/support.ts'
import { utf8 } from '../protocol/record-batch-support.ts'
import { fetched } from './support.ts'

function openLog(topicId = 1): StateLog {
  return openStateLog(0, 't', { partition: 0, topicId, leaderEpoch: 3 })
}

describe('loading', () => {
  test('asks the replica of the partition, from the next offset on', () => {
    const log = openStateLog(2, '__consumer_offsets', { partition: 7, topicId: 4, leaderEpoch: 3 })
    expect(log.replica).toEqual({ node: 2, actor: 'replica/__consumer_offsets-7' })
    log.nextOffset = 12
    expect(loadRequest(log, 5)).toMatchObject({
      kind: 'fetch',
      correlationId: 5,
      topicId: 4,
      leaderEpoch: 3,
      replicaId: -1,
      fetchOffset: 12,
      mode: 'bytes',
    })
  })

  test('takes the records of each answer once, and is over at the high watermark', () => {
    const log = openLog()
    const [first, second, third] = [batchAt(0, 3), batchAt(3, 2), batchAt(5, 1)]
    expect(takeLoaded(log, fetched(concat(first, second), 6))?.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4])
    expect(log).toMatchObject({ nextOffset: 5, loaded: false })
    // An answer begins with the batch that holds the offset: what lies before it is known.
    log.nextOffset = 4
    expect(takeLoaded(log, fetched(concat(second, third), 6))?.map(({ offset }) => offset)).toEqual([4, 5])
    expect(log).toMatchObject({ nextOffset: 6, loaded: true })
  })

  test('goes on behind what compaction has left without records', () => {
    const log = openLog()
    const empty = emptyBatch({ baseOffset: 0, lastOffset: 4, leaderEpoch: 0, maxTimestamp: 0 })
    expect(takeLoaded(log, fetched(empty, 7))).toEqual([])
    expect(log).toMatchObject({ nextOffset: 5, loaded: false })
    const rest = emptyBatch({ baseOffset: 6, lastOffset: 6, leaderEpoch: 0, maxTimestamp: 0 })
    expect(takeLoaded(log, fetched(concat(batchAt(5, 1), rest), 7))).toHaveLength(1)
    expect(log).toMatchObject({ nextOffset: 7, loaded: true })
  })

  test('passes over the markers of transactions', () => {
    const log = openLog()
    const bytes = concat(batchAt(0, 2), markerAt(2, true, { producerId: 7, producerEpoch: 1 }))
    expect(takeLoaded(log, fetched(bytes, 3))?.map(({ offset }) => offset)).toEqual([0, 1])
    expect(log).toMatchObject({ nextOffset: 3, loaded: true })
  })

  test('of an empty partition is over at once', () => {
    const log = openLog()
    expect(takeLoaded(log, fetched(null, 0))).toEqual([])
    expect(log.loaded).toBe(true)
  })

  test('waits for what was written before the present leader began, although its high watermark is behind', () => {
    const log = openLog()
    expect(takeLoaded(log, fetched(batchAt(0, 2), 2, { epochStartOffset: 4 }))).toHaveLength(2)
    expect(log).toMatchObject({ nextOffset: 2, loaded: false })
    expect(takeLoaded(log, fetched(batchAt(2, 2), 4, { epochStartOffset: 4 }))).toHaveLength(2)
    expect(log.loaded).toBe(true)
  })

  test('of a partition that cannot be read yet has not begun', () => {
    const log = openLog()
    expect(takeLoaded(log, fetched(null, 0, { errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') }))).toBeNull()
    expect(log).toMatchObject({ nextOffset: 0, loaded: false })
  })

  test('goes on at the log start when what it asked for is gone', () => {
    const log = openLog()
    expect(takeLoaded(log, fetched(null, 90, { errorCode: codeOf('OFFSET_OUT_OF_RANGE'), logStartOffset: 40 }))).toEqual([])
    expect(log).toMatchObject({ nextOffset: 40, loaded: false })
  })
})

describe('an append', () => {
  test('is one batch of all records, in memory of its own', () => {
    const log = openLog(9)
    const records = [
      { key: utf8('a'), value: utf8('1') },
      { key: null, value: utf8('2') },
      { key: utf8('b'), value: null },
    ]
    const request = appendRequest(log, 3, records, 1234)
    expect(request).toMatchObject({ kind: 'produce', correlationId: 3, topicId: 9, acks: 'quorum', leaderEpoch: 3 })
    expect(checkBatch(request.records, 0, request.records.length)).toEqual({ ok: true, sizeBytes: request.records.length })
    expect(producerId(request.records, 0)).toBe(-1)
    expect(readRecords(request.records, 0)).toEqual(records.map((record, offset) => ({ ...record, offset, timestamp: 1234, headers: [] })))
    expect(request.records.byteLength).toBe(request.records.buffer.byteLength)
  })

  test('leaves no record out, however many they are: the partition may refuse them, but only all of them', () => {
    const records = Array.from({ length: 30 }, () => ({ key: null, value: new Uint8Array(50_000) }))
    expect(recordCount(appendRequest(openLog(), 1, records, 0).records, 0)).toBe(30)
  })
})
