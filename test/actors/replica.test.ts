// How a replica takes batches: what it asks of the disk, when it acknowledges, and what is left after the disk failed. Reading: replica-read.test.ts.

import { describe, expect, test } from 'vitest'
import { decodeCheckpoint } from '../../partitions/checkpoint.ts'
import { logFileName } from '../../partitions/log.ts'
import { codeOf } from '../../protocol/errors.ts'
import * as batch from '../../protocol/record-batch.ts'
import { batchAt, configOf, shapeOf } from '../partitions/support.ts'
import { ALONE, drive, fetch, fire, leading, partitionOn, produce, release, releaseOne } from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { CLIENT, lines, sentOne } from './stage.ts'

const LOG = logFileName(0)

/** What waits for the disk, as lines. */
function waiting(partition: Partition): string[] {
  return lines(partition.held)
}

describe('a produce', () => {
  test('is appended, synced, and only then acknowledged', () => {
    const partition = leading()
    partition.hold.add('append').add('sync')
    expect(lines(produce(partition, 1, 3))).toEqual([])
    expect(waiting(partition)).toEqual(['append 0.log at 0: 94 bytes'])
    expect(releaseOne(partition)).toEqual([])
    expect(waiting(partition)).toEqual(['sync 0.log'])
    expect(partition.stage.state.highWatermark.offset).toBe(0)
    expect(lines(releaseOne(partition))).toEqual(['to client: produceResponse #1 at offset 0'])
    expect(partition.stage.state.highWatermark).toEqual({ offset: 3, segmentBaseOffset: 0, position: 94 })
  })

  test('writes the offset and the epoch of the leader into the batch', () => {
    const partition = leading()
    produce(partition, 1, 3)
    produce(partition, 2, 2)
    const bytes = partition.files.get(LOG)!
    expect(batch.walkBatches(bytes).map(({ at }) => [batch.baseOffset(bytes, at), batch.leaderEpoch(bytes, at)])).toEqual([
      [0, 0],
      [3, 0],
    ])
  })

  test('shares its sync with those that come while it is under way: the next sync is for all of them', () => {
    const partition = leading()
    partition.hold.add('sync')
    produce(partition, 1)
    produce(partition, 2)
    produce(partition, 3)
    expect(waiting(partition)).toEqual(['sync 0.log'])
    partition.held.splice(0, 1)
    const size = partition.files.get(LOG)!.length / 3
    const answer = { kind: 'synced', token: partition.stage.state.nextToken - 1, file: LOG, sizeBytes: size, error: null } as const
    const token = [...partition.stage.state.continuations].find(([, { kind }]) => kind === 'sync')![0]
    expect(lines(partition.stage.deliver({ ...answer, token }))).toEqual(['sync 0.log', 'to client: produceResponse #1 at offset 0'])
  })

  test('is acknowledged in offset order, although a later segment is synced first', () => {
    const partition = leading({ segmentBytes: 16_384 })
    partition.hold.add('sync')
    produce(partition, 1, 1, { valueBytes: 16_000 })
    produce(partition, 2, 1, { valueBytes: 16_000 })
    expect(waiting(partition)).toEqual(['sync 0.log', 'sync 1.log'])
    partition.held.reverse()
    expect(releaseOne(partition)).toEqual([])
    expect(lines(releaseOne(partition)).slice(0, 2)).toEqual([
      'to client: produceResponse #1 at offset 0',
      'to client: produceResponse #2 at offset 1',
    ])
  })

  test.each(['os', 'interval'] as const)('under flush %s is acknowledged from the page cache', (flush) => {
    const partition = leading({ flush })
    partition.hold.add('sync')
    expect(lines(produce(partition, 1))).toEqual(['to client: produceResponse #1 at offset 0'])
    expect(waiting(partition)).toEqual([])
  })

  test('that wants one copy waits until that is synced', () => {
    const partition = leading()
    partition.hold.add('append').add('sync')
    const request = { kind: 'produce', correlationId: 1, topicId: 5, leaderEpoch: 0, acks: 1, transaction: null, isFirst: false } as const
    expect(lines(drive(partition, partition.stage.deliver({ ...request, records: batchAt(0, 1) })))).toEqual([])
    expect(releaseOne(partition)).toEqual([])
    expect(lines(releaseOne(partition))).toEqual(['to client: produceResponse #1 at offset 0'])
  })

  test('that nobody waits for is not answered', () => {
    const partition = leading()
    const request = {
      kind: 'produce',
      correlationId: 1,
      topicId: 5,
      leaderEpoch: 0,
      acks: 'none',
      transaction: null,
      isFirst: false,
      records: batchAt(0, 1),
    } as const
    expect(drive(partition, partition.stage.deliver(request))).toEqual([])
    expect(partition.stage.state.highWatermark.offset).toBe(1)
    expect(partition.stage.deliver({ ...request, topicId: 6 })).toEqual([])
  })

  test('gets the time of the broker where the topic says so', () => {
    const partition = leading({ messageTimestampType: 'LogAppendTime' })
    expect(sentOne(produce(partition, 1), 'produceResponse').logAppendTime).toBe(1_000_000)
    expect(batch.maxTimestamp(partition.files.get(LOG)!, 0)).toBe(1_000_000)
    expect(batch.checkBatch(partition.files.get(LOG)!, 0, 1000).ok).toBe(true)
  })

  test.each([
    ['of another topic', { topicId: 6 }, 'UNKNOWN_TOPIC_ID'],
    ['for a later epoch', { leaderEpoch: 1 }, 'UNKNOWN_LEADER_EPOCH'],
    ['with a wrong byte', { records: batchAt(0, 1).fill(9, 65) }, 'CORRUPT_MESSAGE'],
    ['with a byte too many', { records: Uint8Array.from([...batchAt(0, 1), 0]) }, 'CORRUPT_MESSAGE'],
    ['with nothing', { records: new Uint8Array(0) }, 'CORRUPT_MESSAGE'],
    ['that is too large', { records: batchAt(0, 1, { valueBytes: 2000 }) }, 'MESSAGE_TOO_LARGE'],
  ])('%s is refused and leaves no trace', (_, changes, error) => {
    const partition = leading({ maxMessageBytes: 1000 })
    const request = {
      kind: 'produce',
      correlationId: 1,
      topicId: 5,
      leaderEpoch: 0,
      acks: 'leader',
      transaction: null,
      isFirst: false,
      records: batchAt(0, 1),
      ...changes,
    } as const
    expect(lines(partition.stage.deliver(request))).toEqual([`to client: produceResponse #1 ${error}`])
    expect(partition.stage.state.log.logEndOffset).toBe(0)
  })

  test('that has become too large is acknowledged again if it is in the log', () => {
    const partition = leading()
    const numbered = { producerId: 7, producerEpoch: 0, baseSequence: 0, valueBytes: 500 }
    produce(partition, 1, 3, numbered)
    const config = configOf({ maxMessageBytes: 1000 })
    drive(partition, partition.stage.deliver({ kind: 'configureReplica', topicId: 5, config }))
    expect(lines(produce(partition, 2, 3, numbered))).toEqual(['to client: produceResponse #2 at offset 0'])
    const next = { producerId: 7, producerEpoch: 0, baseSequence: 3, valueBytes: 500 }
    expect(lines(produce(partition, 3, 3, next))).toEqual(['to client: produceResponse #3 MESSAGE_TOO_LARGE'])
  })

  test('for an epoch that is over is fenced', () => {
    const partition = leading()
    partition.stage.deliver({ ...ALONE, leaderEpoch: 2, partitionEpoch: 1 })
    expect(lines(produce(partition, 1))).toEqual(['to client: produceResponse #1 FENCED_LEADER_EPOCH'])
  })

  test('before the log is open is refused', () => {
    expect(lines(produce(partitionOn(), 1))).toEqual(['to client: produceResponse #1 NOT_LEADER_OR_FOLLOWER'])
  })
})

describe('a batch that comes twice', () => {
  const numbers = { producerId: 9, producerEpoch: 0, baseSequence: 0 }

  test('is told the offset that it has', () => {
    const partition = leading()
    produce(partition, 1, 2, numbers)
    expect(lines(produce(partition, 2, 2, numbers))).toEqual(['to client: produceResponse #2 at offset 0'])
    expect(partition.stage.state.log.logEndOffset).toBe(2)
  })

  test('is not answered before the first one is safe', () => {
    const partition = leading()
    partition.hold.add('sync')
    produce(partition, 1, 2, numbers)
    expect(produce(partition, 2, 2, { ...numbers, from: { node: 1, actor: 'again' } })).toEqual([])
    expect(lines(release(partition))).toEqual(['to client: produceResponse #1 at offset 0', 'to again: produceResponse #2 at offset 0'])
  })

  test('is appended when the first one was rolled back', () => {
    const partition = leading()
    partition.failing.set('sync', 'io')
    expect(lines(produce(partition, 1, 2, numbers))).toEqual(['to client: produceResponse #1 KAFKA_STORAGE_ERROR'])
    partition.failing.clear()
    expect(lines(produce(partition, 2, 2, numbers))).toEqual(['to client: produceResponse #2 at offset 0'])
    expect(partition.stage.state).toMatchObject({ log: { logEndOffset: 2 }, highWatermark: { offset: 2 } })
  })

  test('with a gap before it is refused', () => {
    const partition = leading()
    produce(partition, 1, 2, numbers)
    expect(lines(produce(partition, 2, 2, { ...numbers, baseSequence: 3 }))).toEqual([
      'to client: produceResponse #2 OUT_OF_ORDER_SEQUENCE_NUMBER',
    ])
  })
})

describe('a failure of the disk', () => {
  test.each([
    ['append', 'full', 'DISK_FULL'],
    ['append', 'io', 'KAFKA_STORAGE_ERROR'],
    ['sync', 'io', 'KAFKA_STORAGE_ERROR'],
  ] as const)('at an %s (%s) rolls back everything that is not acknowledged', (operation, reason, error) => {
    const partition = leading()
    produce(partition, 1, 2)
    partition.hold.add(operation)
    for (const id of [2, 3, 4]) produce(partition, id)
    partition.failing.set(operation, reason)
    const effects = releaseOne(partition)
    expect(lines(effects)).toEqual([2, 3, 4].map((id) => `to client: produceResponse #${id} ${error}`))
    expect(partition.stage.state).toMatchObject({ phase: 'leading', pending: [], highWatermark: { offset: 2 } })
    expect(partition.stage.state.log.logEndOffset).toBe(2)
    expect(partition.files.get(LOG)!.length).toBe(partition.stage.state.highWatermark.position)
  })

  test('makes a new segment: a file whose sync failed is not trusted again', () => {
    const partition = leading()
    produce(partition, 1, 2)
    partition.failing.set('sync', 'io')
    produce(partition, 2)
    partition.failing.clear()
    expect(lines(produce(partition, 3)).slice(0, 1)).toEqual(['to client: produceResponse #3 at offset 2'])
    expect(shapeOf(partition.stage.state.log)).toMatch(/^0:\d+ 2:\d+$/)
  })

  test('removes the segments that were begun since', () => {
    const partition = leading({ segmentBytes: 16_384 })
    produce(partition, 1, 1, { valueBytes: 10_000 })
    partition.hold.add('sync')
    produce(partition, 2, 1, { valueBytes: 10_000 })
    produce(partition, 3, 1, { valueBytes: 10_000 })
    partition.failing.set('sync', 'io')
    releaseOne(partition)
    expect([...partition.files.keys()].filter((name) => name.endsWith('.log'))).toEqual([LOG])
    expect(shapeOf(partition.stage.state.log)).toMatch(/^0:\d+ 1:0$/)
  })

  test('that the answers of before the roll back say nothing about is over: late ones change nothing', () => {
    const partition = leading()
    partition.hold.add('sync').add('append')
    produce(partition, 1)
    produce(partition, 2)
    partition.failing.set('append', 'io')
    const late = partition.held.splice(1, 1)
    releaseOne(partition)
    partition.failing.clear()
    partition.hold.clear()
    const end = partition.files.get(LOG)?.length ?? 0
    for (const effect of late) {
      expect(partition.stage.deliver({ kind: 'appended', token: 'token' in effect ? effect.token : 0, error: null })).toEqual([])
    }
    expect(partition.stage.state.highWatermark.offset).toBe(0)
    expect(partition.files.get(LOG)?.length ?? 0).toBe(end)
  })

  test('at the cut itself takes the partition offline, until it has been opened again', () => {
    const partition = leading()
    produce(partition, 1, 2)
    partition.failing.set('sync', 'io').set('truncate', 'io')
    expect(lines(produce(partition, 2))).toEqual(['to client: produceResponse #2 KAFKA_STORAGE_ERROR', 'timer reopen in 1000 ms'])
    expect(lines(produce(partition, 3))).toEqual(['to client: produceResponse #3 KAFKA_STORAGE_ERROR'])
    expect(sentOne(fetch(partition, 4, 0), 'fetchResponse')).toMatchObject({ errorCode: codeOf('KAFKA_STORAGE_ERROR') })
    partition.failing.clear()
    fire(partition, 'reopen')
    expect(partition.stage.state).toMatchObject({ phase: 'leading', failure: null })
    expect(partition.stage.state.log.logEndOffset).toBeGreaterThanOrEqual(2)
  })

  test('after retention has emptied the log rolls back to an empty log', () => {
    const partition = leading({ retentionMillis: 1000 })
    produce(partition, 1, 2)
    fire(partition, 'retention', 5000)
    expect(shapeOf(partition.stage.state.log)).toBe('2:0')
    partition.failing.set('sync', 'io')
    expect(lines(produce(partition, 2))).toEqual(['to client: produceResponse #2 KAFKA_STORAGE_ERROR'])
    expect(shapeOf(partition.stage.state.log)).toBe('2:0')
    partition.failing.clear()
    expect(lines(produce(partition, 3)).slice(0, 1)).toEqual(['to client: produceResponse #3 at offset 2'])
  })

  test('a file that retention drops stays until a checkpoint on disk does without it', () => {
    const partition = leading({ flush: 'os', retentionMillis: 1000 })
    produce(partition, 1, 2)
    partition.hold.add('sync')
    partition.stage.state.bytesSinceFlush = 2 ** 30
    produce(partition, 2, 1)
    expect(waiting(partition)).toEqual(['sync 0.log'])
    fire(partition, 'retention', 2_000_000)
    expect(partition.files.has(LOG)).toBe(true)
    partition.hold.clear()
    release(partition)
    expect(partition.files.has(LOG)).toBe(false)
    expect(partition.stage.state).toMatchObject({ phase: 'leading', flush: null })
    expect(decodeCheckpoint(partition.files.get('checkpoint-0')!)).toMatchObject({ recoveryPoint: 3, logStartOffset: 3 })
  })
})

test('a message that a replica does not understand is a bug', () => {
  expect(() => leading().stage.deliver({ kind: 'consumerClosed', correlationId: 1 }, CLIENT)).toThrow('does not understand')
  expect(() => leading().stage.deliver({ kind: 'timerFired', timer: 'tea' })).toThrow('no timer')
})
