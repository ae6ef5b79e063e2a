// How a replica compacts its log: when, what it asks of the disk, what a crash leaves at every step, and what happens to the log meanwhile.

import { describe, expect, test } from 'vitest'
import { emptyBatch } from '../../protocol/batch-rewrite.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import { walkBatches } from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'

import { shapeOf } from '../partitions/support.ts'
import { drive, fetch, fire, leading, partitionOn, produce, release, releaseOne, reopened, small, ALONE } from './replica-support.ts'
import type { Operation, Partition } from './replica-support.ts'
import { perform } from './disk.ts'
import { lines, sentOne } from './stage.ts'

const compacted = { ...small, cleanupPolicy: 'compact', minCleanableDirtyRatio: 0, deleteRetentionMillis: 60_000 } as const

/** Closed segments 0 and 2 of two batches each, of the keys a and b in turn, and an active one. */
function threeKeyedSegments(settings: Parameters<typeof leading>[0] = compacted): Partition {
  const partition = leading(settings)
  for (let id = 0; id < 6; id++) put(partition, id, 'ab'[id % 2]!)
  return partition
}

function put(partition: Partition, id: number, key: string): void {
  produce(partition, id, 1, { keys: [key], valueBytes: 7000, timestamp: 1_000_000 })
}

/** Offsets that can be read, from 0 on. */
function readable(partition: Partition): number[] {
  const offsets: number[] = []
  const { state } = partition.stage
  for (let next = state.log.logStartOffset; next < state.highWatermark.offset;) {
    const { errorCode, records } = sentOne(fetch(partition, 1000 + next, next), 'fetchResponse')
    expect(errorCode).toBe(0)
    const batches = walkBatches(records!)
    expect(batches.length).toBeGreaterThan(0)
    for (const { at } of batches) {
      for (const { offset } of readRecords(records!, at)) if (offset >= next) offsets.push(offset)
    }
    const last = batches.at(-1)!.at
    next = Number(new DataView(records!.buffer, records!.byteOffset + last).getBigInt64(0)) + 1
    next += new DataView(records!.buffer, records!.byteOffset + last).getInt32(23)
  }
  return offsets
}

function logs(files: ReadonlyMap<string, unknown>): string[] {
  return [...files.keys()]
    .filter((name) => /\.log/.test(name))
    .map((name) => name.replace(/^0{1,19}/, ''))
    .toSorted()
}

const STEPS: readonly Operation[] = ['list', 'read', 'sync', 'replace', 'remove', 'rename', 'compact']

describe('a cleaning', () => {
  test('keeps the newest record of each key in closed segments; a reader of the old offsets goes on', () => {
    const partition = threeKeyedSegments()
    expect(readable(partition)).toEqual([0, 1, 2, 3, 4, 5])
    fire(partition, 'cleaning')
    expect(readable(partition)).toEqual([2, 3, 4, 5])
    expect(shapeOf(partition.stage.state.log).replace(/:\d+/g, '')).toBe('0 4')
    expect(logs(partition.files)).toEqual(['0.1.log', '4.log'])
    const again = reopened(partition.files, compacted)
    expect(readable(again)).toEqual([2, 3, 4, 5])
    expect(again.stage.state.cleaning).toMatchObject({ cleanedOffset: 4, generation: 1 })
  })

  test('asks for new files, names them, and removes the old ones when a checkpoint without them is synced', () => {
    const partition = threeKeyedSegments()
    for (const kind of STEPS) partition.hold.add(kind)
    fire(partition, 'cleaning')
    const done: string[] = []
    while (partition.held.length > 0) {
      done.push(...lines(partition.held.slice(0, 1)))
      releaseOne(partition)
    }
    expect(done).toEqual([
      'compact 0.log 2.log',
      'rename 0.1.log.cleaned to 0.1.log',
      'replace 0.1.index',
      'sync 4.log',
      'replace checkpoint-1',
      'sync checkpoint-1',
      'remove 0.log 0.index 2.log 2.index',
    ])
  })

  test('that is cut short by a crash at any step leaves everything that was there, or what came of it', () => {
    const partition = threeKeyedSegments()
    for (const kind of STEPS) partition.hold.add(kind)
    fire(partition, 'cleaning')
    let isCleaned = false
    for (let step = 0; partition.held.length > 0; step++) {
      releaseOne(partition)
      const again = reopened(partition.files, compacted)
      const offsets = readable(again)
      expect([
        [0, 1, 2, 3, 4, 5],
        [2, 3, 4, 5],
      ]).toContainEqual(offsets)
      // What has been seen cleaned stays so, unless only the page cache knew.
      isCleaned ||= offsets.length === 4
      if (isCleaned) expect(offsets).toHaveLength(4)
      // Nothing is left of the attempt, and the next one comes to the same.
      expect(logs(again.files).filter((name) => name.endsWith('.cleaned'))).toEqual([])
      fire(again, 'cleaning')
      expect(readable(again)).toEqual([2, 3, 4, 5])
      fire(again, 'retention')
      expect(logs(again.files)).toHaveLength(2)
    }
    expect(isCleaned).toBe(true)
  })

  test('takes nothing at or above the high watermark, nor the segment in which it stands', () => {
    const partition = leading(compacted)
    for (let id = 0; id < 3; id++) put(partition, id, 'a')
    partition.hold.add('sync')
    for (let id = 3; id < 6; id++) put(partition, id, 'a')
    expect(partition.stage.state.highWatermark.offset).toBe(3)
    fire(partition, 'cleaning')
    expect(partition.held.filter(({ kind }) => kind === 'compact')).toEqual([])
    expect(partition.stage.state.log.segments.map(({ baseOffset, generation }) => [baseOffset, generation])).toEqual([
      [0, 1],
      [2, 0],
      [4, 0],
    ])
  })

  test('takes nothing of a transaction that is open, nor what comes after it', () => {
    const partition = leading(compacted)
    for (let id = 0; id < 6; id++) put(partition, id, 'a')
    partition.stage.state.transactions.open.set(9, { offset: 3, segmentBaseOffset: 2, position: 100 })
    fire(partition, 'cleaning')
    expect(partition.stage.state.log.segments.map(({ baseOffset, generation }) => [baseOffset, generation])).toEqual([
      [0, 1],
      [2, 0],
      [4, 0],
    ])
  })

  test('knows what was aborted', () => {
    const partition = leading(compacted)
    partition.stage.state.transactions.aborted.push({ producerId: 9, firstOffset: 1, lastOffset: 3 })
    partition.hold.add('compact')
    for (let id = 0; id < 6; id++) put(partition, id, 'a')
    fire(partition, 'cleaning')
    const [effect] = partition.held
    expect(effect?.kind === 'compact' ? effect.order.aborted : []).toEqual([{ producerId: 9, firstOffset: 1, lastOffset: 3 }])
  })

  test('leaves young records alone, and waits until enough is dirty', () => {
    const young = threeKeyedSegments({ ...compacted, minCompactionLagMillis: 60_000 })
    fire(young, 'cleaning', 1000)
    expect(readable(young)).toHaveLength(6)
    fire(young, 'cleaning', 60_000)
    expect(readable(young)).toEqual([2, 3, 4, 5])
    const lazy = threeKeyedSegments({ ...compacted, minCleanableDirtyRatio: 1 })
    fire(lazy, 'cleaning')
    for (let id = 6; id < 10; id++) put(lazy, id, 'ab'[id % 2]!)
    fire(lazy, 'cleaning')
    expect(readable(lazy)).toEqual([2, 3, 4, 5, 6, 7, 8, 9])
    lazy.stage.state.config = { ...lazy.stage.state.config, maxCompactionLagMillis: 5000 }
    fire(lazy, 'cleaning', 6000)
    fire(lazy, 'cleaning', 6000)
    expect(readable(lazy)).toEqual([8, 9])
  })

  test('is not begun twice, nor in a topic that is not compacted', () => {
    const partition = threeKeyedSegments()
    partition.hold.add('compact')
    fire(partition, 'cleaning')
    fire(partition, 'cleaning')
    expect(partition.held).toHaveLength(1)
    const other = threeKeyedSegments({ ...compacted, cleanupPolicy: 'delete' })
    fire(other, 'cleaning')
    expect(readable(other)).toHaveLength(6)
  })

  test('keeps what producers are compared with: a batch that comes again is answered with its offset', () => {
    const partition = leading(compacted)
    const numbered = { producerId: 9, producerEpoch: 0, keys: ['a'], valueBytes: 7000, timestamp: 1_000_000 }
    for (let id = 0; id < 4; id++) produce(partition, id, 1, { ...numbered, baseSequence: id })
    for (let id = 4; id < 6; id++) put(partition, id, 'a')
    fire(partition, 'cleaning')
    partition.files.delete('checkpoint-0')
    partition.files.delete('checkpoint-1')
    const again = reopened(partition.files, compacted)
    expect(readable(again)).toEqual([3, 4, 5])
    expect(sentOne(produce(again, 7, 1, { ...numbered, baseSequence: 1 }), 'produceResponse')).toMatchObject({
      errorCode: 0,
      baseOffset: 1,
    })
    expect(sentOne(produce(again, 8, 1, { ...numbered, baseSequence: 4 }), 'produceResponse')).toMatchObject({
      errorCode: 0,
      baseOffset: 6,
    })
  })

  test('of a damaged segment changes nothing', () => {
    const partition = threeKeyedSegments()
    partition.files.get('00000000000000000002.log')![100]! ^= 1
    fire(partition, 'cleaning')
    expect(logs(partition.files)).toEqual(['0.log', '2.log', '4.log'])
    expect(partition.stage.state.cleaning).toMatchObject({ isRunning: false, isStopped: true, cleanedOffset: 0 })
  })
})

/** The broker says that node 1 leads; its answer to the follower's fetch. */
function follow(partition: Partition, answer: Partial<MessageOf<'fetchResponse'>>): void {
  const role = { ...ALONE, leader: 1, leaderEpoch: 1, partitionEpoch: 1, replicas: [0, 1], isr: [1] }
  drive(partition, partition.stage.deliver(role))
  const { correlationId } = partition.stage.state.following!
  const message: MessageOf<'fetchResponse'> = {
    ...{ kind: 'fetchResponse', correlationId, errorCode: 0, errorMessage: null, highWatermark: 0, logStartOffset: 0 },
    ...{ epochStartOffset: 0, syncedByAll: -1, divergingEpoch: -1, divergingEndOffset: -1, range: null, records: null },
    ...{ lastStableOffset: 0, abortedTransactions: [] },
    ...answer,
  }
  drive(partition, partition.stage.deliver(message, { node: 1, actor: 'replica/t-0' }))
}

describe('files that a cleaning has left', () => {
  test('half written are not taken for the log, although no checkpoint says what is', () => {
    const partition = threeKeyedSegments()
    partition.hold.add('compact')
    fire(partition, 'cleaning')
    const [effect] = partition.held
    if (effect?.kind !== 'compact') throw new Error('nothing is cleaned')
    const [input] = effect.order.inputs
    partition.files.set(input!.outputFile, partition.files.get(input!.file)!.slice(0, 7100))
    partition.files.delete('checkpoint-0')
    partition.files.delete('checkpoint-1')
    expect(readable(reopened(partition.files, compacted))).toEqual([0, 1, 2, 3, 4, 5])
  })

  test('whole are the log where no checkpoint says what is, whatever is there of what they were made of', () => {
    const partition = threeKeyedSegments()
    const before = new Map(partition.files)
    fire(partition, 'cleaning')
    for (const name of ['00000000000000000000.log', '00000000000000000002.log', 'checkpoint-0', 'checkpoint-1']) {
      const files = new Map(partition.files)
      files.delete('checkpoint-0')
      files.delete('checkpoint-1')
      if (name.endsWith('.log')) files.set(name, before.get(name)!)
      const again = reopened(files, compacted)
      expect(readable(again)).toEqual([2, 3, 4, 5])
      expect(logs(again.files)).toEqual(['0.1.log', '4.log'])
    }
  })
})

describe('a follower', () => {
  test('whose log ends inside of what its leader has made one empty batch of takes the rest of it', () => {
    const partition = leading(compacted)
    produce(partition, 1, 3, { keys: ['a', 'b', 'c'] })
    const records = emptyBatch({ baseOffset: 1, lastOffset: 9, leaderEpoch: 0, maxTimestamp: 1000 })
    follow(partition, { records, highWatermark: 10 })
    expect(partition.stage.state.log.logEndOffset).toBe(10)
    expect(reopened(partition.files, compacted).stage.state.log.logEndOffset).toBe(10)
  })

  test('that is told to cut inside of an empty batch cuts all of it', () => {
    const partition = leading(compacted)
    follow(partition, { records: emptyBatch({ baseOffset: 0, lastOffset: 9, leaderEpoch: 1, maxTimestamp: 1000 }) })
    drive(partition, partition.stage.deliver({ ...ALONE, leader: 1, leaderEpoch: 2, partitionEpoch: 2, replicas: [0, 1], isr: [1] }))
    follow(partition, { divergingEpoch: 1, divergingEndOffset: 5 })
    expect(partition.stage.state.log.logEndOffset).toBe(0)
  })

  test('that has to cut what took the place of older records and batches copies its log anew: its leader has those', () => {
    for (const end of [2, 5]) {
      const partition = threeKeyedSegments()
      fire(partition, 'cleaning')
      follow(partition, { divergingEpoch: 0, divergingEndOffset: end })
      expect(partition.stage.state.log.logEndOffset).toBe(0)
      expect(logs(partition.files)).toEqual([])
    }
  })

  test('does so where no checkpoint says how far the cleaning came', () => {
    const partition = threeKeyedSegments()
    fire(partition, 'cleaning')
    const again = reopened(new Map([...partition.files].filter(([name]) => !name.startsWith('checkpoint'))), compacted)
    again.stage.state.highWatermark = { offset: 0, segmentBaseOffset: 0, position: 0 }
    follow(again, { divergingEpoch: 0, divergingEndOffset: 4 })
    expect(again.stage.state.log.logEndOffset).toBe(0)
  })

  test('that has to cut only what was not committed keeps what was cleaned', () => {
    const partition = threeKeyedSegments()
    fire(partition, 'cleaning')
    follow(partition, { records: emptyBatch({ baseOffset: 6, lastOffset: 9, leaderEpoch: 1, maxTimestamp: 1000 }) })
    expect(partition.stage.state.log.logEndOffset).toBe(10)
    drive(partition, partition.stage.deliver({ ...ALONE, leader: 1, leaderEpoch: 2, partitionEpoch: 2, replicas: [0, 1], isr: [1] }))
    follow(partition, { divergingEpoch: 0, divergingEndOffset: 6 })
    expect(partition.stage.state.log.logEndOffset).toBe(6)
    expect(readable(reopened(partition.files, compacted))).toEqual([2, 3, 4, 5])
  })

  test('that begins anew is cleaned anew', () => {
    const partition = threeKeyedSegments()
    fire(partition, 'cleaning')
    expect(partition.stage.state.cleaning.cleanedOffset).toBe(4)
    follow(partition, { errorCode: codeOf('OFFSET_OUT_OF_RANGE'), logStartOffset: 20 })
    expect(partition.stage.state.cleaning).toMatchObject({ cleanedOffset: 0, generation: 1 })
  })
})

describe('while a cleaning runs', () => {
  function running(): Partition {
    const partition = threeKeyedSegments()
    partition.hold.add('compact')
    fire(partition, 'cleaning')
    partition.hold.clear()
    return partition
  }

  test('a log that is cut keeps nothing of what it was', () => {
    const partition = running()
    // The files are written, but the replica has not heard of it yet.
    const answer = perform(partition.disk, partition.held.splice(0)[0]!)
    follow(partition, { divergingEpoch: 0, divergingEndOffset: 1 })
    expect(partition.stage.state.log.logEndOffset).toBe(1)
    drive(partition, partition.stage.deliver(answer, partition.stage.self))
    expect(logs(partition.files)).toEqual(['0.log'])
    expect(reopened(partition.files, compacted).stage.state.log.logEndOffset).toBe(1)
  })

  test('a drain leaves the log as it is', () => {
    const partition = running()
    drive(partition, partition.stage.deliver({ kind: 'drain' }, { node: 0, actor: 'broker' }))
    release(partition)
    expect(logs(partition.files)).toEqual(['0.log', '2.log', '4.log'])
  })

  test('segments that retention drops are not brought back', () => {
    const partition = threeKeyedSegments({ ...compacted, cleanupPolicy: 'compact,delete', retentionMillis: 1000 })
    partition.hold.add('compact')
    fire(partition, 'cleaning')
    partition.hold.clear()
    fire(partition, 'retention', 5000)
    expect(partition.stage.state.log.logStartOffset).toBe(6)
    release(partition)
    expect(logs(partition.files)).toEqual([])
  })

  test('a reader that has begun to read the old file goes on in the new one', () => {
    const partition = running()
    partition.hold.add('read')
    const request = { maxBytes: 1 }
    expect(fetch(partition, 1, 1, request)).toEqual([])
    const [read] = partition.held.splice(1)
    partition.hold.clear()
    release(partition)
    expect(logs(partition.files)).toEqual(['0.1.log', '4.log'])
    const response = sentOne(drive(partition, partition.stage.deliver(shortRead(read!), partition.stage.self)), 'fetchResponse')
    expect(response.errorCode).toBe(0)
    expect(readRecords(response.records!, walkBatches(response.records!)[0]!.at).map(({ offset }) => offset)).toEqual([])
  })
})

function shortRead(effect: Partition['held'][number]): { kind: 'readCompleted'; token: number; records: Uint8Array; error: null } {
  return { kind: 'readCompleted', token: effect.token, records: new Uint8Array(1), error: null }
}

describe('a compacted topic', () => {
  test('takes no record without a key', () => {
    const partition = leading(compacted)
    expect(sentOne(produce(partition, 1), 'produceResponse')).toMatchObject({
      errorCode: codeOf('INVALID_RECORD'),
      errorMessage: 't is compacted: every record needs a key',
    })
    expect(partition.stage.state.log.logEndOffset).toBe(0)
    expect(sentOne(produce(partition, 2, 2, { keys: ['a', 'b'] }), 'produceResponse').baseOffset).toBe(0)
    expect(sentOne(produce(partition, 3, 2, { keys: ['a'] }), 'produceResponse').errorCode).toBe(codeOf('INVALID_RECORD'))
  })

  test('has its records deleted by nobody', () => {
    const partition = threeKeyedSegments()
    const request = { kind: 'deleteRecords', correlationId: 1, topicId: 5, beforeOffset: 2 } as const
    expect(sentOne(drive(partition, partition.stage.deliver(request)), 'deleteRecordsResponse').errorCode).toBe(codeOf('POLICY_VIOLATION'))
  })

  test('keeps old records whatever their age, unless it is told to delete them as well', () => {
    const partition = threeKeyedSegments({ ...compacted, retentionMillis: 1000 })
    fire(partition, 'retention', 10_000)
    expect(readable(partition)).toHaveLength(6)
  })

  test('is looked at only when it has something closed', () => {
    const partition = partitionOn(new Map(), compacted)
    const effects = drive(partition, partition.stage.deliver({ kind: 'started' }))
    expect(lines(effects).filter((line) => line.includes('cleaning'))).toEqual([])
    for (let id = 0; id < 2; id++) put(partition, id, 'a')
    const rolled = lines(produce(partition, 3, 1, { keys: ['a'], valueBytes: 7000 }))
    expect(rolled).toContain('timer cleaning in 5000 ms')
  })
})
