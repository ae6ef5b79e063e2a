// The life of a replica beside its records: opening, settling, rolling, flushing, retention, indexes of old segments. (Draining: replica-drain.test.ts)

import { describe, expect, test } from 'vitest'
import { decodeCheckpoint, encodeCheckpoint } from '../../partitions/checkpoint.ts'
import type { Checkpoint } from '../../partitions/checkpoint.ts'
import { indexFileName, logFileName } from '../../partitions/log.ts'
import { batchAt, concat, configOf, shapeOf } from '../partitions/support.ts'
import {
  drain,
  drive,
  fetch,
  fire,
  leading,
  partitionOn,
  produce,
  release,
  releaseOne,
  reopened,
  small,
  steps,
  threeSegments,
} from './replica-support.ts'
import { lines, sentOne } from './stage.ts'
import { mark, sendAdded } from './transactions-support.ts'

const LOG = logFileName(0)

describe('opening', () => {
  test('asks for the directory, and leads at once when it is empty', () => {
    const partition = partitionOn()
    expect(lines(partition.stage.deliver({ kind: 'started' }))).toEqual(['to broker: replicaStarted', 'list'])
    expect(lines(drive(partition, partition.stage.deliver({ kind: 'listed', token: 1, files: [], error: null })))).toEqual([
      'timer retention in 1000 ms',
    ])
    expect(partition.stage.state.phase).toBe('leading')
  })

  test('syncs what may only be in the page cache before anybody may read it', () => {
    const partition = partitionOn(new Map([[LOG, concat(batchAt(0, 2), batchAt(2, 1))]]))
    partition.hold.add('sync')
    drive(partition, partition.stage.deliver({ kind: 'started' }))
    expect(partition.stage.state.phase).toBe('settling')
    expect(lines(partition.held)).toEqual(['sync 0.log'])
    expect(lines(fetch(partition, 1, 0))).toEqual(['to client: fetchResponse #1 NOT_LEADER_OR_FOLLOWER'])
    release(partition)
    expect(partition.stage.state).toMatchObject({ phase: 'leading', highWatermark: { offset: 3 } })
    expect(decodeCheckpoint(partition.files.get('checkpoint-1')!)).toMatchObject({ recoveryPoint: 0, clean: false })
  })

  test('syncs the segment in which the recovery point lies: what follows may be in the page cache only', () => {
    const { files } = threeSegments()
    expect(decodeCheckpoint(files.get('checkpoint-0')!)).toMatchObject({ recoveryPoint: 5 })
    const partition = partitionOn(files, small)
    partition.hold.add('sync')
    drive(partition, partition.stage.deliver({ kind: 'started' }))
    expect(lines(partition.held)).toEqual(['sync 4.log'])
    expect(partition.stage.state.phase).toBe('settling')
  })

  test('that cannot sync tries again', () => {
    const partition = partitionOn(new Map([[LOG, batchAt(0, 2)]]))
    partition.failing.set('sync', 'io')
    expect(lines(drive(partition, partition.stage.deliver({ kind: 'started' })))).toEqual([
      'to broker: replicaStarted',
      'timer reopen in 1000 ms',
    ])
    partition.failing.clear()
    fire(partition, 'reopen')
    expect(partition.stage.state.phase).toBe('leading')
  })

  test('after a failed sync writes again what no checkpoint vouches for, before it syncs', () => {
    const partition = partitionOn(new Map([[LOG, concat(batchAt(0, 2), batchAt(2, 1))]]))
    partition.failing.set('sync', 'io')
    drive(partition, partition.stage.deliver({ kind: 'started' }))
    partition.failing.set('rewrite', 'io')
    expect(steps(partition, 'reopen')).toEqual(['list', 'read 0.log at 0', 'read 0.log at 0', 'rewrite 0.log at 0'])
    expect(partition.stage.state.phase).toBe('failed')
    partition.failing.clear()
    expect(steps(partition, 'reopen')).toEqual([
      'list',
      'read 0.log at 0',
      'read 0.log at 0',
      'rewrite 0.log at 0',
      'sync 0.log',
      'replace checkpoint-1',
    ])
    expect(partition.stage.state).toMatchObject({ phase: 'leading', distrusted: new Set() })
  })

  test('after a failed flush does so from the recovery point on, in every segment that the flush was to sync', () => {
    const partition = threeSegments({ ...small, flush: 'os' })
    expect(decodeCheckpoint(partition.files.get('checkpoint-0')!)).toMatchObject({ recoveryPoint: 5 })
    partition.failing.set('sync', 'io')
    produce(partition, 6, 1, { valueBytes: 7000 })
    expect(partition.stage.state).toMatchObject({ phase: 'failed', distrusted: new Set([4, 6]) })
    partition.failing.clear()
    const half = partition.files.get(logFileName(4))!.length / 2
    expect(steps(partition, 'reopen').filter((line) => line.startsWith('rewrite'))).toEqual([
      `rewrite 4.log at ${half}`,
      'rewrite 6.log at 0',
    ])
    expect(partition.stage.state).toMatchObject({ phase: 'leading', distrusted: new Set() })
  })

  test('of a damaged log does not try again', () => {
    const { files } = threeSegments()
    const closed = reopened(files)
    drain(closed)
    closed.files.delete(logFileName(2))
    const partition = partitionOn(closed.files, small)
    expect(lines(drive(partition, partition.stage.deliver({ kind: 'started' })))).toEqual(['to broker: replicaStarted'])
    expect(partition.stage.state).toMatchObject({
      phase: 'failed',
      failure: 'the segment with offset 2 is missing (the next file begins at 4)',
    })
  })
})

describe('a full segment', () => {
  test('is closed with its index, and a flush lets the checkpoint vouch for it', () => {
    const partition = threeSegments()
    expect(shapeOf(partition.stage.state.log)).toMatch(/^0:\d+ 2:\d+ 4:\d+$/)
    expect([...partition.files.keys()].toSorted()).toEqual(
      [logFileName(0), indexFileName(0), logFileName(2), indexFileName(2), logFileName(4), 'checkpoint-0', 'checkpoint-1'].toSorted(),
    )
    expect(decodeCheckpoint(partition.files.get('checkpoint-0')!)).toMatchObject({ recoveryPoint: 5, segments: [{}, {}, {}] })
  })

  test('is trusted at the next start', () => {
    const { files } = threeSegments()
    const partition = partitionOn(files, small)
    partition.hold.add('read')
    drive(partition, partition.stage.deliver({ kind: 'started' }))
    const reads: string[] = []
    while (partition.held.length > 0) {
      reads.push(...lines(partition.held).map((line) => line.replace(/ at .*/, '')))
      releaseOne(partition)
    }
    expect(reads).toEqual(['read checkpoint-0', 'read checkpoint-1', 'read 4.log'])
  })
})

describe('an old segment', () => {
  test('is read through its index file, which is loaded once', () => {
    const partition = reopened(threeSegments().files)
    partition.hold.add('read')
    fetch(partition, 1, 1)
    fetch(partition, 2, 0)
    expect(lines(partition.held)).toEqual([`read 0.index at 0: ${partition.stage.state.log.segments[0]!.sizeBytes} bytes`])
    const answers = lines(release(partition))
    expect(answers.map((line) => line.replace(/: \d+ bytes/, ''))).toEqual([
      'to client: fetchResponse #1 up to 6',
      'to client: fetchResponse #2 up to 6',
    ])
    partition.hold.add('read')
    fetch(partition, 3, 0)
    expect(lines(partition.held).join()).toMatch(/^read 0\.log/)
  })

  test.each(['missing', 'torn'])('is read although its index is %s', (how) => {
    const partition = reopened(threeSegments().files)
    if (how === 'missing') partition.files.delete(indexFileName(0))
    else partition.files.set(indexFileName(0), new Uint8Array(7))
    const response = sentOne(fetch(partition, 1, 1), 'fetchResponse')
    expect(response.records).toEqual(partition.files.get(LOG)!.slice(-response.records!.length))
    expect(partition.stage.state.log.segments[0]!.index).toEqual(threeSegments().stage.state.log.segments[0]!.index)
  })

  test('keeps its index in memory until there are too many', () => {
    const partition = leading(small)
    for (let id = 0; id < 70; id++) produce(partition, id, 1, { valueBytes: 10_000 })
    const again = reopened(partition.files)
    for (let offset = 0; offset < 60; offset++) fetch(again, offset, offset)
    const loaded = again.stage.state.log.segments.filter(({ index }) => index !== null).map(({ baseOffset }) => baseOffset)
    expect(loaded.length).toBe(33)
    expect(loaded.at(-1)).toBe(69)
    expect(lines(fetch(again, 99, 3))).toEqual([expect.stringMatching(/^to client: fetchResponse #99 up to 70: \d+ bytes$/)])
  })

  test('keeps its index where the high watermark stands, however much is read elsewhere: the log may be cut there', () => {
    const closed = leading(small)
    for (let id = 0; id < 70; id++) produce(closed, id, 1, { valueBytes: 10_000 })
    const partition = reopened(closed.files)
    const failToSync = (id: number): void => {
      partition.failing.set('sync', 'io')
      produce(partition, id)
      partition.failing.clear()
    }
    failToSync(100)
    for (let offset = 0; offset < 60; offset++) fetch(partition, offset, offset)
    failToSync(101)
    expect(lines(produce(partition, 102)).at(0)).toBe('to client: produceResponse #102 at offset 70')
  })
})

describe('a flush', () => {
  test('under flush interval comes with the timer, when there is something to flush', () => {
    const partition = leading({ flush: 'interval', flushIntervalMillis: 200 })
    partition.hold.add('sync')
    expect(lines(fire(partition, 'flush'))).toEqual(['timer flush in 200 ms'])
    expect(partition.held).toEqual([])
    produce(partition, 1)
    expect(lines(fire(partition, 'flush'))).toEqual(['timer flush in 200 ms'])
    expect(lines(partition.held)).toEqual(['sync 0.log'])
    release(partition)
    expect(decodeCheckpoint(partition.files.get('checkpoint-1')!)).toMatchObject({ recoveryPoint: 1, sequence: 1 })
    expect(partition.stage.state).toMatchObject({ flush: null, bytesSinceFlush: 0 })
  })

  test('vouches for nothing that was acknowledged after it began', () => {
    const partition = leading({ flush: 'interval' })
    produce(partition, 1, 2)
    partition.hold.add('sync')
    fire(partition, 'flush')
    produce(partition, 2, 2)
    release(partition)
    expect(decodeCheckpoint(partition.files.get('checkpoint-1')!)).toMatchObject({ recoveryPoint: 2 })
    expect(partition.stage.state.dirty.size).toBe(1)
  })

  test('vouches for nothing that was not acknowledged when it began', () => {
    const partition = leading({ flush: 'interval' })
    produce(partition, 1, 2)
    partition.hold.add('append').add('sync')
    produce(partition, 2, 2)
    fire(partition, 'flush')
    expect(lines(partition.held).map((line) => line.split(' ')[0])).toEqual(['append', 'sync'])
    release(partition)
    expect(decodeCheckpoint(partition.files.get('checkpoint-1')!)).toMatchObject({ recoveryPoint: 2 })
  })

  test('goes on while a failed append is taken back: what it finds out is not missed', () => {
    for (const error of ['io', null] as const) {
      const partition = leading({ flush: 'interval' })
      produce(partition, 1)
      partition.hold.add('sync')
      fire(partition, 'flush')
      partition.failing.set('append', 'full')
      produce(partition, 2)
      partition.failing.clear()
      if (error !== null) partition.failing.set('sync', error)
      release(partition)
      expect(partition.stage.state.phase).toBe(error === null ? 'leading' : 'failed')
      expect(partition.files.has('checkpoint-1')).toBe(error === null)
    }
  })

  test('that fails takes a partition offline that promises no more than the page cache', () => {
    const partition = leading({ flush: 'os' })
    produce(partition, 1, 2)
    partition.stage.state.bytesSinceFlush = 2 ** 30
    partition.failing.set('sync', 'io')
    expect(lines(produce(partition, 2)).at(-1)).toBe('timer reopen in 1000 ms')
    expect(partition.files.has('checkpoint-1')).toBe(false)
  })
})

describe('retention', () => {
  test('looks every now and then, drops old segments, and says so in a checkpoint', () => {
    const partition = threeSegments({ ...small, retentionMillis: 1000 })
    expect(lines(fire(partition, 'retention', 900))).toEqual(['timer retention in 30000 ms'])
    expect(shapeOf(partition.stage.state.log)).toMatch(/^0:/)
    fire(partition, 'retention', 102)
    expect(partition.stage.state.log.logStartOffset).toBe(2)
    expect([...partition.files.keys()].filter((name) => Number.parseInt(name, 10) < 2)).toEqual([])
    const newest = decodeCheckpoint(partition.files.get('checkpoint-1')!)
    expect(newest).toMatchObject({ logStartOffset: 2, recoveryPoint: 6 })
    expect(sentOne(fetch(partition, 1, 0), 'fetchResponse').errorMessage).toBe('t-0 has offsets 2 to 5, not 0')
  })

  test('whose files a crash has left removes them when a checkpoint is proven, not before', () => {
    const partition = threeSegments({ ...small, retentionMillis: 1000 })
    const before = new Map(partition.files)
    fire(partition, 'retention', 1002)
    const again = partitionOn(new Map([...before, ...partition.files]), { ...small, retentionMillis: 1000 })
    again.hold.add('remove')
    drive(again, again.stage.deliver({ kind: 'started' }))
    expect(again.held).toEqual([])
    fire(again, 'retention', 1)
    expect(lines(again.held)).toEqual([expect.stringMatching(/^remove 0\.log/)])
    expect(decodeCheckpoint(again.files.get('checkpoint-0')!)).toMatchObject({ logStartOffset: 2, sequence: 4 })
  })

  test('closes an active segment that is too old, so that it can go', () => {
    const partition = threeSegments({ ...small, retentionMillis: 1000 })
    fire(partition, 'retention', 60_000)
    expect(shapeOf(partition.stage.state.log)).toBe('6:0')
    expect(partition.stage.state.highWatermark).toEqual({ offset: 6, segmentBaseOffset: 6, position: 0 })
    expect(lines(produce(partition, 9)).slice(0, 1)).toEqual(['to client: produceResponse #9 at offset 6'])
    expect(reopened(partition.files).stage.state.log).toMatchObject({ logStartOffset: 6, logEndOffset: 7 })
  })

  test('leaves what an open transaction has written: nobody who reads what is committed has seen any of it', () => {
    const partition = leading({ ...small, retentionMillis: 1000 })
    produce(partition, 0, 1, { valueBytes: 14_000, timestamp: 1_000_000 })
    sendAdded(partition, 1, { valueBytes: 14_000, timestamp: 1_000_000 })
    produce(partition, 2, 1, { valueBytes: 14_000, timestamp: 1_000_000 })
    fire(partition, 'retention', 60_000)
    expect(partition.stage.state.log.logStartOffset).toBe(1)
    mark(partition, 3)
    fire(partition, 'retention', 60_000)
    expect(partition.stage.state.log.logStartOffset).toBe(4)
  })

  test('removes nothing while the checkpoint cannot be written, or synced, and tries again', () => {
    const partition = threeSegments({ ...small, retentionMillis: 1000 })
    const before = new Map(partition.files)
    partition.failing.set('replace', 'full')
    fire(partition, 'retention', 1002)
    expect(partition.stage.state).toMatchObject({ flush: null, log: { logStartOffset: 2 } })
    expect(partition.files).toEqual(before)
    partition.failing.clear()
    partition.hold.add('sync')
    fire(partition, 'retention')
    expect(lines(partition.held)).toEqual(['sync checkpoint-1'])
    partition.failing.set('sync', 'io')
    release(partition)
    expect(partition.files.has(LOG)).toBe(true)
    partition.failing.clear()
    fire(partition, 'retention')
    expect(partition.files.has(LOG)).toBe(false)
    expect(decodeCheckpoint(partition.files.get('checkpoint-1')!)).toMatchObject({ logStartOffset: 2, sequence: 7 })
  })

  test('leaves a log of which one checkpoint is durable, whatever becomes of the one that is written', () => {
    const shortened = threeSegments({ ...small, retentionMillis: 1000 })
    fire(shortened, 'retention', 1002)
    const partition = reopened(shortened.files)
    produce(partition, 1)
    partition.hold.add('sync').add('replace')
    drain(partition)
    const steps = new Set<string>()
    while (partition.held.length > 0) {
      for (const line of lines(partition.held)) steps.add(line)
      releaseOne(partition)
    }
    expect([...steps]).toEqual(['sync 4.log', 'sync checkpoint-1', 'replace 4.index', 'replace checkpoint-0', 'sync checkpoint-0'])
  })

  test('writes its next checkpoint at once when there is nothing in the other file', () => {
    const shortened = threeSegments({ ...small, retentionMillis: 1000 })
    fire(shortened, 'retention', 1002)
    const checkpoint = decodeCheckpoint(shortened.files.get('checkpoint-1')!) as Checkpoint
    shortened.files.delete('checkpoint-0')
    shortened.files.set('checkpoint-1', encodeCheckpoint({ ...checkpoint, sequence: 1 }))
    const partition = reopened(shortened.files)
    partition.hold.add('sync').add('replace')
    drain(partition)
    const asked: string[] = []
    for (; partition.held.length > 0; releaseOne(partition)) asked.push(...lines(partition.held.slice(0, 1)))
    expect(asked.filter((line) => line.includes('checkpoint'))).toEqual(['replace checkpoint-0', 'sync checkpoint-0'])
  })

  test('does not close a segment with appends that are not acknowledged', () => {
    const partition = leading({ retentionMillis: 1000 })
    partition.hold.add('sync')
    produce(partition, 1)
    fire(partition, 'retention', 60_000)
    expect(shapeOf(partition.stage.state.log)).toMatch(/^0:\d+$/)
  })

  test('goes by new settings at once', () => {
    const partition = threeSegments()
    const config = configOf({ ...small, retentionBytes: 20_000 })
    drive(partition, partition.stage.deliver({ kind: 'configureReplica', topicId: 5, config }))
    expect(partition.stage.state.log.logStartOffset).toBe(2)
  })
})
