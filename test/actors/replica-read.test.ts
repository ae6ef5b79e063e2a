// How a replica serves readers: whole batches below the high watermark, waiting for more, and offsets by time.

import { describe, expect, test } from 'vitest'
import { logFileName } from '../../partitions/log.ts'
import { codeOf } from '../../protocol/errors.ts'
import * as batch from '../../protocol/record-batch.ts'
import { shapeOf } from '../partitions/support.ts'
import { ALONE, drive, fetch, fetchRequest, fire, leading, partitionOn, produce } from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { lines, sentOne } from './stage.ts'

const LOG = logFileName(0)

describe('a fetch', () => {
  test('is served at once with whole batches, the first of which holds the offset', () => {
    const partition = leading()
    produce(partition, 1, 3)
    produce(partition, 2, 2)
    const response = sentOne(fetch(partition, 3, 4), 'fetchResponse')
    expect(response).toMatchObject({ errorCode: 0, highWatermark: 5, logStartOffset: 0, range: null })
    expect(batch.walkBatches(response.records!).map(({ at }) => batch.baseOffset(response.records!, at))).toEqual([3])
    expect(sentOne(fetch(partition, 4, 0), 'fetchResponse').records).toEqual(partition.files.get(LOG))
  })

  test('sees nothing that is not acknowledged', () => {
    const partition = leading()
    produce(partition, 1, 3)
    partition.hold.add('sync')
    produce(partition, 2, 2)
    const { position } = partition.stage.state.highWatermark
    expect(sentOne(fetch(partition, 3, 0), 'fetchResponse').records?.length).toBe(position)
    expect(sentOne(fetch(partition, 4, 3), 'fetchResponse')).toMatchObject({ errorCode: 0, records: null, highWatermark: 3 })
    expect(sentOne(fetch(partition, 5, 0, { mode: 'range' }), 'fetchResponse').range).toMatchObject({ availableBytes: position })
  })

  test('trims a batch that it cannot finish, but never the first', () => {
    const partition = leading()
    for (const id of [1, 2, 3]) produce(partition, id, 1, { valueBytes: 500 })
    const sizeBytes = partition.files.get(LOG)!.length / 3
    for (const [maxBytes, whole] of [
      [1, 1],
      [sizeBytes, 1],
      [2 * sizeBytes - 1, 1],
      [2 * sizeBytes, 2],
      [1e9, 3],
    ] as const) {
      expect(sentOne(fetch(partition, 4, 0, { maxBytes }), 'fetchResponse').records?.length, `${maxBytes}`).toBe(whole * sizeBytes)
    }
  })

  test('as a range names the file and what of it may be read', () => {
    const partition = leading()
    produce(partition, 1, 3)
    const { position } = partition.stage.state.highWatermark
    expect(sentOne(fetch(partition, 2, 0, { mode: 'range', maxBytes: 10 }), 'fetchResponse').range).toEqual({
      path: `t-0.5/${LOG}`,
      position: 0,
      sizeBytes: 10,
      availableBytes: position,
    })
  })

  test.each([-1, 1, 4])('of offset %i, which is not there, is out of range', (offset) => {
    const partition = leading()
    partition.stage.state.log.logStartOffset = 2
    produce(partition, 1, 3)
    const { errorCode, errorMessage } = sentOne(fetch(partition, 2, offset), 'fetchResponse')
    expect([errorCode, errorMessage]).toEqual([codeOf('OFFSET_OUT_OF_RANGE'), `t-0 has offsets 2 to 2, not ${offset}`])
  })

  test.each([
    [{ topicId: 6 }, 'UNKNOWN_TOPIC_ID'],
    [{ leaderEpoch: 3 }, 'UNKNOWN_LEADER_EPOCH'],
  ])('with %j: %s', (changes, error) => {
    expect(lines(fetch(leading(), 1, 0, changes))).toEqual([`to client: fetchResponse #1 ${error}`])
  })

  test.each([
    [{ leaderEpoch: 2 }, 'FENCED_LEADER_EPOCH'],
    [{ leaderEpoch: 4 }, 'UNKNOWN_LEADER_EPOCH'],
    [{ leaderEpoch: 3, replicaId: 7 }, 'REPLICA_NOT_AVAILABLE'],
  ])('of a follower with %j: %s, and it counts for nothing (KIP-320, KAFKA-13837)', (changes, error) => {
    const partition = leading()
    const role = { ...ALONE, leaderEpoch: 3, partitionEpoch: 1, replicas: [0, 1], isr: [0] }
    partition.stage.deliver(role)
    expect(lines(fetch(partition, 1, 0, { replicaId: 1, ...changes }))).toEqual([`to client: fetchResponse #1 ${error}`])
    expect(partition.stage.state.replication?.followers.size).toBe(0)
  })

  test('of a batch that the disk has damaged says so', () => {
    const partition = leading()
    produce(partition, 1, 3)
    partition.files.get(LOG)!.fill(0, 8, 12)
    expect(lines(fetch(partition, 2, 0))).toEqual(['to client: fetchResponse #2 CORRUPT_MESSAGE'])
    partition.failing.set('read', 'io')
    expect(lines(fetch(partition, 3, 0))).toEqual(['to client: fetchResponse #3 KAFKA_STORAGE_ERROR'])
  })
})

describe('a fetch that waits', () => {
  const patient = { maxWaitMillis: 500, mode: 'range' } as const

  test('is woken when the high watermark moves, and begins where it waited', () => {
    const partition = leading()
    produce(partition, 1, 3)
    const before = partition.stage.state.highWatermark.position
    expect(lines(fetch(partition, 2, 3, patient))).toEqual(['timer fetch in 500 ms'])
    expect(lines(produce(partition, 3))).toEqual([
      'to client: produceResponse #3 at offset 3',
      `to client: fetchResponse #2 up to 4: 0.log at ${before}: ${partition.stage.state.highWatermark.position - before} bytes`,
    ])
    expect(partition.stage.state.parked).toEqual([])
  })

  test('waits for minBytes', () => {
    const partition = leading()
    fetch(partition, 1, 0, { ...patient, minBytes: 144 })
    expect(lines(produce(partition, 2))).toEqual(['to client: produceResponse #2 at offset 0'])
    expect(lines(produce(partition, 3))).toContain('to client: fetchResponse #1 up to 2: 0.log at 0: 144 bytes')
  })

  test('is answered with what there is when its time is over', () => {
    const partition = leading()
    fetch(partition, 1, 0, { ...patient, minBytes: 1e6 })
    fetch(partition, 2, 0, { ...patient, maxWaitMillis: 800 })
    partition.stage.state.parked.splice(1, 1, {
      ...partition.stage.state.parked[1]!,
      request: fetchRequest(2, 0, { ...patient, minBytes: 1e6 }),
    })
    produce(partition, 3)
    expect(lines(fire(partition, 'fetch', 500))).toEqual([
      'to client: fetchResponse #1 up to 1: 0.log at 0: 72 bytes',
      'timer fetch in 300 ms',
    ])
    expect(lines(fire(partition, 'fetch', 300))).toEqual(['to client: fetchResponse #2 up to 1: 0.log at 0: 72 bytes'])
  })

  test('with nothing new is answered with nothing', () => {
    const partition = leading()
    fetch(partition, 1, 0, patient)
    expect(lines(fire(partition, 'fetch', 500))).toEqual(['to client: fetchResponse #1 up to 0: nothing'])
  })

  test('starts a sooner timer only if its deadline is sooner', () => {
    const partition = leading()
    expect(lines(fetch(partition, 1, 0, patient))).toEqual(['timer fetch in 500 ms'])
    expect(lines(fetch(partition, 2, 0, { ...patient, maxWaitMillis: 600 }))).toEqual([])
    expect(lines(fetch(partition, 3, 0, { ...patient, maxWaitMillis: 100 }))).toEqual(['timer fetch in 100 ms'])
  })

  test('is refused when the partition goes offline', () => {
    const partition = leading()
    produce(partition, 1)
    fetch(partition, 2, 1, patient)
    partition.failing.set('sync', 'io').set('truncate', 'io')
    expect(lines(produce(partition, 3))).toContain('to client: fetchResponse #2 NOT_LEADER_OR_FOLLOWER')
  })
})

describe('offsets', () => {
  function offsetAt(partition: Partition, timestamp: number): string {
    const effects = drive(
      partition,
      partition.stage.deliver({ kind: 'listOffsets', correlationId: 1, topicId: 5, timestamp, isolationLevel: 'read_uncommitted' }),
    )
    const { offset, timestamp: found } = sentOne(effects, 'listOffsetsResponse')
    return `${offset} @${found}`
  }

  test('of both ends are the log start and the high watermark', () => {
    const partition = leading()
    produce(partition, 1, 3)
    partition.hold.add('sync')
    produce(partition, 2, 3)
    partition.stage.state.log.logStartOffset = 1
    expect([offsetAt(partition, -2), offsetAt(partition, -1)]).toEqual(['1 @-1', '3 @-1'])
  })

  test('by time are the first record that is young enough, in whichever segment', () => {
    const partition = leading({ segmentBytes: 16_384 })
    for (const timestamp of [100, 300, 200, 400, 500]) produce(partition, timestamp, 2, { timestamp, valueBytes: 4000 })
    expect(shapeOf(partition.stage.state.log).split(' ')).toHaveLength(5 - 2)
    expect([100, 101, 301, 500].map((timestamp) => offsetAt(partition, timestamp))).toEqual(['0 @100', '2 @300', '6 @400', '8 @500'])
    expect(offsetAt(partition, 501)).toBe('-1 @-1')
  })

  test('by time do not stop at a segment from which the young records were cut', () => {
    const partition = leading()
    produce(partition, 1, 1, { timestamp: 100 })
    partition.failing.set('sync', 'io')
    produce(partition, 2, 1, { timestamp: 9000 })
    partition.failing.clear()
    produce(partition, 3, 1, { timestamp: 200 })
    expect([offsetAt(partition, 150), offsetAt(partition, 201)]).toEqual(['1 @200', '-1 @-1'])
  })

  test('of another topic, or before the log is open, are refused', () => {
    const request = { kind: 'listOffsets', correlationId: 1, topicId: 6, timestamp: -1, isolationLevel: 'read_uncommitted' } as const
    expect(lines(leading().stage.deliver(request))).toEqual(['to client: listOffsetsResponse #1 UNKNOWN_TOPIC_ID'])
    expect(lines(partitionOn().stage.deliver({ ...request, topicId: 5 }))).toEqual([
      'to client: listOffsetsResponse #1 NOT_LEADER_OR_FOLLOWER',
    ])
  })
})
