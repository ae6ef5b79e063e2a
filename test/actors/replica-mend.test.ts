// A damaged log that is mended in place: what is written, what it is taken from, and when the log is copied anew instead.

import { expect, test } from 'vitest'
import { roll } from '../../partitions/log.ts'
import { FIELD } from '../../protocol/record-batch.ts'
import { fetchRequest } from './replica-support.ts'
import { ReplicatedPartition } from './replication-support.ts'

const FIRST = '00000000000000000000.log'

/** Three nodes with the same six batches, in segments of two. */
function written(): ReplicatedPartition {
  const partition = new ReplicatedPartition(3, { segmentBytes: 200 })
  for (let i = 0; i < 6; i++) partition.produce(0, 'quorum', 1, i)
  return partition
}

function filesOf(partition: ReplicatedPartition, node: number): Map<string, Uint8Array> {
  return partition.at(node).disk.logs.get(partition.state(node).logName)!
}

/** What a node's log files hold. */
function content(partition: ReplicatedPartition, node: number): Record<string, string> {
  const logs = [...filesOf(partition, node)].filter(([name]) => name.endsWith('.log'))
  return Object.fromEntries(logs.map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]))
}

/** A batch's bytes in the files of a node; batches have one record each, and one size. */
function batchOf(partition: ReplicatedPartition, node: number, offset: number): Uint8Array {
  const name = [...filesOf(partition, node).keys()]
    .filter((one) => one.endsWith('.log') && Number.parseInt(one, 10) <= offset)
    .toSorted()
    .at(-1)!
  const bytes = filesOf(partition, node).get(name)!
  const size = filesOf(partition, node).get(FIRST)!.length / 2
  const at = (offset - Number.parseInt(name, 10)) * size
  return bytes.subarray(at, at + size)
}

function rot(partition: ReplicatedPartition, node: number, offset: number, field = 65, mask = 4): void {
  batchOf(partition, node, offset)[field]! ^= mask
}

/** A consumer reads there: if that is damaged, the leader finds out. */
function look(partition: ReplicatedPartition, node: number, fetchOffset: number): void {
  partition.deliver(node, { ...fetchRequest(1, fetchOffset), leaderEpoch: partition.state(node).role.leaderEpoch })
}

/** The leader finds damage, resigns, and another one leads. */
function depose(partition: ReplicatedPartition, from: number, to: number): void {
  partition.elect(
    to,
    partition.role.isr.filter((node) => node !== from),
  )
}

function asked(partition: ReplicatedPartition): number[] {
  const offsets: number[] = []
  partition.onMessage = (from, to, message) => {
    if (message.kind === 'fetch' && message.replicaId < 0 && from.node >= 0 && to.node >= 0) offsets.push(message.fetchOffset)
  }
  return offsets
}

test('only what is damaged is asked for and written, found or not: in the middle, across batches, at the end; then it follows', () => {
  const partition = written()
  const whole = content(partition, 1)
  expect(content(partition, 0)).toEqual(whole)
  for (const offset of [1, 4]) rot(partition, 0, offset)
  // The length of one, and all of the next.
  rot(partition, 0, 2, FIELD.batchLength, 0x40)
  batchOf(partition, 0, 3).fill(0)
  look(partition, 0, 1)
  const offsets = asked(partition)
  depose(partition, 0, 1)
  expect(offsets).toEqual([1, 2, 3, 4])
  expect(content(partition, 0)).toEqual(whole)
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none', mending: null })
  partition.decide({ isr: [0, 1, 2] })
  const answer = partition.produce(1)
  expect(partition.outcome(answer)).toEqual({ errorCode: 0, baseOffset: 6 })
})

test.each([1, 3])('a leader epoch that rots is mended, too, upwards and downwards (byte %d)', (byte) => {
  const partition = written()
  partition.elect(0)
  partition.elect(0)
  for (let i = 6; i < 8; i++) partition.produce(0, 'quorum', 1, i)
  const whole = content(partition, 1)
  for (const offset of [1, 7]) rot(partition, 0, offset, FIELD.leaderEpoch + byte, 0x02)
  look(partition, 0, 1)
  expect(partition.state(0)).toMatchObject({ damage: 'partial' })
  const offsets = asked(partition)
  depose(partition, 0, 1)
  expect(offsets).toEqual([1, 7])
  expect(content(partition, 0)).toEqual(whole)
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
})

test('copies that are damaged in different places mend each other', () => {
  const partition = written()
  const whole = content(partition, 0)
  for (const node of [0, 1, 2]) rot(partition, node, 2 * node)
  for (const [leader, next] of [
    [0, 1],
    [1, 2],
    [2, 0],
  ] as const) {
    look(partition, leader, 2 * leader)
    depose(partition, leader, next)
    partition.decide({ isr: [0, 1, 2] })
  }
  for (const node of [0, 1, 2]) expect(content(partition, node)).toEqual(whole)
})

test('what the leader cannot say yet is asked for again, of whoever leads then', () => {
  const partition = written()
  const whole = content(partition, 1)
  rot(partition, 0, 1)
  look(partition, 0, 1)
  partition.cut.add('1>0')
  const offsets = asked(partition)
  depose(partition, 0, 1)
  partition.pass(500)
  expect([offsets, partition.state(0).damage]).toEqual([[1, 1], 'partial'])
  partition.elect(2, [1, 2])
  partition.pass(500)
  expect(content(partition, 0)).toEqual(whole)
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
})

test('a batch of another epoch is not the one that was there: the log is copied anew', () => {
  const partition = written()
  partition.isolate(0)
  partition.elect(1, [1, 2], [0])
  // Both go on from the same offset, and neither hears of the other's.
  partition.produce(0, 'leader', 1, 6)
  partition.produce(1, 'quorum', 1, 7)
  rot(partition, 0, 6)
  look(partition, 0, 6)
  partition.state(0).damage = 'partial'
  const torn = batchOf(partition, 0, 6)
  const before = torn.slice()
  partition.isolate(0, false)
  partition.decide({})
  partition.pass(1000)
  expect(torn).toEqual(before)
  expect(content(partition, 0)).toEqual(content(partition, 1))
})

test.each(['rewrite', 'sync', 'read'] as const)(
  'a disk that fails the %s has the log copied anew: nobody counts on what was mended before',
  (kind) => {
    const partition = written()
    rot(partition, 0, 1)
    look(partition, 0, 1)
    partition.at(0).disk.failing.set(kind, 'io')
    const offsets = asked(partition)
    depose(partition, 0, 1)
    partition.at(0).disk.failing.clear()
    partition.pass(3000)
    expect(offsets.length).toBeLessThanOrEqual(1)
    expect(content(partition, 0)).toEqual(content(partition, 1))
    expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
  },
)

test('what is mended counts when it is on the disk: with a sync that fails, the log is copied from its beginning', () => {
  const partition = written()
  rot(partition, 0, 1)
  look(partition, 0, 1)
  partition.at(0).disk.failing.set('sync', 'io')
  const copied: number[] = []
  partition.onMessage = (_from, _to, message) =>
    void (message.kind === 'fetch' && message.replicaId === 0 && copied.push(message.fetchOffset))
  depose(partition, 0, 1)
  partition.at(0).disk.failing.clear()
  partition.pass(3000)
  expect(copied[0]).toBe(0)
})

test('so does what a former life has mended, and not synced: the mending that finds nothing there syncs it', () => {
  const partition = written()
  for (const offset of [1, 4]) rot(partition, 0, offset)
  look(partition, 0, 1)
  partition.onMessage = (_from, _to, message) => {
    if (message.kind === 'fetch' && message.replicaId < 0 && message.fetchOffset === 4) partition.cut.add('1>0')
  }
  depose(partition, 0, 1)
  expect(partition.state(0).mending).toMatchObject({ offset: 4, mended: 1 })
  partition.stop(0)
  partition.start(0)
  partition.cut.clear()
  partition.state(0).damage = 'partial'
  partition.at(0).disk.failing.set('sync', 'io')
  const copied: number[] = []
  partition.onMessage = (_from, _to, message) =>
    void (message.kind === 'fetch' && message.replicaId === 0 && copied.push(message.fetchOffset))
  // The bit that is wrong at 4 was on its way from the disk.
  rot(partition, 0, 4)
  partition.elect(2, [1, 2])
  partition.at(0).disk.failing.clear()
  partition.pass(3000)
  expect(copied[0]).toBe(0)
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
})

test('a segment that nothing was written to yet has no file to sync: the rest is mended in place', () => {
  const partition = written()
  roll(partition.state(0).log, 0)
  rot(partition, 0, 1)
  look(partition, 0, 1)
  const copied: number[] = []
  partition.onMessage = (_from, _to, message) =>
    void (message.kind === 'fetch' && message.replicaId === 0 && copied.push(message.fetchOffset))
  depose(partition, 0, 1)
  expect(copied[0]).toBe(6)
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
})

test.each(['too short', 'of a compacted topic'])('a file that is %s is copied anew', (what) => {
  const partition = written()
  const files = filesOf(partition, 0)
  if (what === 'too short') files.set(FIRST, files.get(FIRST)!.slice(0, 70))
  else {
    partition.state(0).config = { ...partition.state(0).config, cleanupPolicy: 'compact' }
    rot(partition, 0, 1)
  }
  look(partition, 0, 1)
  const offsets = asked(partition)
  depose(partition, 0, 1)
  expect(offsets).toEqual([])
  expect(content(partition, 0)).toEqual(content(partition, 1))
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
})

test('what is damaged where nothing is committed is cut, and copied with the rest', () => {
  const partition = written()
  partition.decide({ minInsync: 3 })
  partition.stop(2)
  partition.produce(0)
  rot(partition, 0, 6)
  // A consumer cannot see that; a follower that copies it does.
  partition.state(0).damage = 'partial'
  depose(partition, 0, 1)
  expect(partition.state(0).mending).toMatchObject({ offset: 6 })
  partition.pass(20_000)
  expect(content(partition, 0)).toEqual(content(partition, 1))
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
})

test('what was mended before what is cut counts when it is on the disk, too', () => {
  const partition = written()
  partition.decide({ minInsync: 3 })
  partition.stop(2)
  partition.produce(0)
  for (const offset of [1, 6]) rot(partition, 0, offset)
  partition.state(0).damage = 'partial'
  depose(partition, 0, 1)
  expect(partition.state(0).mending).toMatchObject({ offset: 6, mended: 1 })
  const copied: number[] = []
  partition.onMessage = (_from, _to, message) =>
    void (message.kind === 'fetch' && message.replicaId === 0 && copied.push(message.fetchOffset))
  partition.at(0).disk.failing.set('sync', 'io')
  while (partition.state(0).mending !== null) partition.pass(100)
  partition.at(0).disk.failing.clear()
  partition.pass(3000)
  expect(copied[0]).toBe(0)
  expect(content(partition, 0)).toEqual(content(partition, 1))
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
})

test('who is stopped while it is being mended stops, and follows in its next life', () => {
  const partition = written()
  rot(partition, 0, 1)
  look(partition, 0, 1)
  partition.cut.add('1>0')
  depose(partition, 0, 1)
  partition.deliver(0, { kind: 'drain' })
  expect(partition.state(0)).toMatchObject({ isDraining: true, drainWaiter: null })
  partition.pass(1000)
  partition.cut.clear()
  partition.stop(0)
  partition.start(0)
  expect(partition.state(0)).toMatchObject({ phase: 'following', mending: null })
})

test('of an empty log there is nothing to mend: it is begun anew, and follows', () => {
  const partition = new ReplicatedPartition(3, { segmentBytes: 200 })
  partition.state(0).damage = 'partial'
  depose(partition, 0, 1)
  partition.pass(5000)
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none', mending: null })
  partition.produce(1, 'quorum', 1, 1)
  partition.pass(5000)
  expect(content(partition, 0)).toEqual(content(partition, 1))
})
