// A replica that is being stopped: what it waits for, what it leaves behind, and that it takes nothing afterwards.

import { describe, expect, test } from 'vitest'
import { decodeCheckpoint } from '../../partitions/checkpoint.ts'
import { indexFileName, logFileName } from '../../partitions/log.ts'
import { drain, drive, fetch, fire, leading, partitionOn, produce, release, small, threeSegments } from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { ReplicatedPartition } from './replication-support.ts'
import { lines, sentOne } from './stage.ts'

const LOG = logFileName(0)

/** Whether a replica that is drained now says that everything is synced. */
function drained(partition: Partition): boolean {
  const effects = partition.stage.deliver({ kind: 'drain' }, { node: 0, actor: 'broker' })
  return sentOne(drive(partition, effects), 'drained').isSynced
}

describe('draining', () => {
  test('writes a clean checkpoint and the index, then answers', () => {
    const partition = leading()
    produce(partition, 1, 2)
    expect(drain(partition)).toEqual(['to broker: drained'])
    expect(decodeCheckpoint(partition.files.get('checkpoint-1')!)).toMatchObject({ clean: true, recoveryPoint: 2 })
    expect(partition.files.has(indexFileName(0))).toBe(true)
  })

  test('leaves nothing behind where nothing ever was', () => {
    const partition = leading()
    expect(drain(partition)).toEqual(['to broker: drained'])
    expect([...partition.files.keys()]).toEqual([])
  })

  test('waits for what is not acknowledged yet, and takes nothing new', () => {
    const partition = leading()
    partition.hold.add('sync')
    produce(partition, 1)
    expect(drain(partition)).toEqual([])
    expect(lines(produce(partition, 2))).toEqual(['to client: produceResponse #2 NOT_LEADER_OR_FOLLOWER'])
    expect(lines(release(partition))).toEqual(['to client: produceResponse #1 at offset 0', 'to broker: drained'])
  })

  test('waits for the flush under way, and makes one of its own', () => {
    const partition = leading({ flush: 'interval' })
    produce(partition, 1)
    partition.hold.add('sync')
    fire(partition, 'flush')
    expect(drain(partition)).toEqual([])
    expect(lines(release(partition))).toEqual(['to broker: drained'])
    expect(decodeCheckpoint(partition.files.get('checkpoint-0')!)).toMatchObject({ clean: true, sequence: 2 })
  })

  test('is over although the checkpoint cannot be written: the log is not closed cleanly', () => {
    const partition = leading()
    produce(partition, 1, 2)
    partition.failing.set('replace', 'full')
    expect(drain(partition)).toEqual(['to broker: drained'])
    expect(partition.files.has('checkpoint-1')).toBe(false)
  })

  test('waits for its own flush, whatever becomes of one that a failure has ended', () => {
    const partition = leading({ flush: 'os' })
    produce(partition, 1)
    partition.stage.state.bytesSinceFlush = 2 ** 30
    partition.hold.add('replace')
    produce(partition, 2)
    expect(lines(partition.held)).toEqual(['replace checkpoint-1'])
    partition.failing.set('append', 'full')
    produce(partition, 3)
    partition.failing.clear()
    expect(drain(partition)).toEqual([])
    expect(lines(release(partition))).toEqual(['to broker: drained'])
    expect(decodeCheckpoint(partition.files.get('checkpoint-0')!)).toMatchObject({ clean: true })
  })

  test('is for good: nothing is taken, flushed or removed until the replica is started again', () => {
    const partition = threeSegments({ ...small, flush: 'interval', retentionMillis: 1000 })
    drain(partition)
    const before = new Map(partition.files)
    expect(lines(produce(partition, 9))).toEqual(['to client: produceResponse #9 NOT_LEADER_OR_FOLLOWER'])
    fire(partition, 'retention', 60_000)
    fire(partition, 'flush')
    expect(partition.files).toEqual(before)
    expect(sentOne(fetch(partition, 1, 5), 'fetchResponse').errorCode).toBe(0)
    expect(drain(partition)).toEqual(['to broker: drained'])
  })

  test('is for good for a partition that is offline, too', () => {
    const partition = leading()
    partition.failing.set('sync', 'io').set('truncate', 'io')
    produce(partition, 1)
    drain(partition)
    partition.failing.clear()
    expect(lines(fire(partition, 'reopen'))).toEqual([])
    expect(lines(produce(partition, 2))).toEqual(['to client: produceResponse #2 KAFKA_STORAGE_ERROR'])
  })

  test('is over at once for a partition that is offline: nobody knows what of it is on the disk', () => {
    const partition = leading()
    partition.failing.set('sync', 'io').set('truncate', 'io')
    produce(partition, 1)
    expect(drained(partition)).toBe(false)
    partition.failing.clear()
    expect(drained(partition)).toBe(false)
  })

  test('says that all is synced if it is, although the checkpoint cannot be written', () => {
    const partition = leading({ flush: 'interval' })
    produce(partition, 1)
    partition.failing.set('replace', 'full')
    expect(drained(partition)).toBe(true)
    expect(drained(partition)).toBe(true)
  })

  test('that cannot sync says so', () => {
    const partition = leading({ flush: 'interval' })
    produce(partition, 1)
    partition.failing.set('sync', 'io')
    expect(drained(partition)).toBe(false)
  })

  test('is over at once for a log that is being opened: what its last life has left in the page cache nobody has synced', () => {
    const former = leading({ flush: 'interval' })
    produce(former, 1)
    const partition = partitionOn(former.files, { flush: 'interval' })
    partition.hold.add('read')
    drive(partition, partition.stage.deliver({ kind: 'started' }))
    expect(drained(partition)).toBe(false)
    release(partition)
    expect(partition.stage.state.log.logEndOffset).toBe(1)
    expect(drained(partition)).toBe(false)
  })

  test('goes on after a roll back', () => {
    const partition = leading()
    partition.hold.add('sync')
    produce(partition, 1)
    drain(partition)
    partition.failing.set('sync', 'io')
    partition.hold.delete('sync')
    const [sync] = partition.held.splice(0)
    const token = sync !== undefined && 'token' in sync ? sync.token : 0
    partition.failing.clear()
    const effects = partition.stage.deliver({ kind: 'synced', token, file: LOG, sizeBytes: 0, error: 'io' })
    expect(lines(drive(partition, effects))).toEqual(['to client: produceResponse #1 KAFKA_STORAGE_ERROR', 'to broker: drained'])
  })
})

describe('settling', () => {
  /** What a replica has said to that when the test looks. */
  function settle(partition: ReplicatedPartition, node: number): string[] {
    const said: string[] = []
    partition.onMessage = (from, _to, { kind }) => void (from.node === node && kind === 'settled' && said.push(kind))
    partition.deliver(node, { kind: 'settle' })
    return said
  }

  test('waits until all that are in sync have what is led here now, and for nothing that comes later', () => {
    const partition = new ReplicatedPartition(3)
    partition.isolate(2)
    partition.produce(0, 'leader')
    const said = settle(partition, 0)
    expect(said).toEqual([])
    partition.isolate(2, false)
    partition.cut.add('0>1')
    partition.produce(0, 'leader')
    partition.pass(1100)
    expect(partition.log(2)).toHaveLength(2)
    expect(partition.state(0).highWatermark.offset).toBe(1)
    expect(said).toEqual(['settled'])
  })

  test('waits for nobody else where fewer are in sync than the high watermark needs to move', () => {
    const partition = new ReplicatedPartition(2, {}, 3)
    partition.isolate(1)
    partition.produce(0, 'leader')
    const said = settle(partition, 0)
    partition.pass(500)
    expect(said).toEqual([])
    partition.isolate(1, false)
    partition.pass(1100)
    expect(partition.state(0).highWatermark.offset).toBe(0)
    expect(said).toEqual(['settled'])
  })

  test('is over when who lacks something is not in sync any more', () => {
    const partition = new ReplicatedPartition(2, {}, 2)
    partition.isolate(1)
    partition.produce(0, 'leader')
    const said = settle(partition, 0)
    expect(said).toEqual([])
    partition.decide({ isr: [0], elr: [1] })
    expect(said).toEqual(['settled'])
  })

  test('is over when the replica does not lead any more, or never did', () => {
    const partition = new ReplicatedPartition(3)
    expect(settle(partition, 1)).toEqual(['settled'])
    partition.isolate(2)
    partition.produce(0, 'leader')
    const said = settle(partition, 0)
    expect(said).toEqual([])
    partition.elect(1)
    expect(said).toEqual(['settled'])
  })
})
