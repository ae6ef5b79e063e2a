// Bit rot: what was synced is not what is read back.

import { expect, test } from 'vitest'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { ListOffsetsRequest } from '../../protocol/messages/fetch.ts'
import { FIELD } from '../../protocol/record-batch.ts'
import { ALONE, drive, fetch, fetchRequest, fire, leading, partitionOn, produce, reopened } from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { ReplicatedPartition } from './replication-support.ts'
import { lines, sentOne } from './stage.ts'

/** Flips a bit of the record of the batch at some position of a node's first segment. */
function rot(partition: ReplicatedPartition, node: number, batch: number): void {
  const files = partition.at(node).disk.logs.get(partition.state(node).logName)!
  const bytes = files.get('00000000000000000000.log')!
  const size = bytes.length / partition.log(node).length
  bytes[batch * size + size - 1]! ^= 4
}

/** What a consumer is answered. */
function read(partition: ReplicatedPartition, node: number, fetchOffset: number): string {
  const request = { ...fetchRequest(1, fetchOffset), leaderEpoch: partition.state(node).role.leaderEpoch }
  partition.deliver(node, request)
  const answer = partition.answers.findLast(({ kind }) => kind === 'fetchResponse')
  if (answer?.kind !== 'fetchResponse') return 'nothing'
  return answer.errorCode === NONE ? `${answer.records?.length ?? 0} bytes` : `error ${answer.errorCode}`
}

function timestampRequest(timestamp: number): ListOffsetsRequest {
  return { kind: 'listOffsets', correlationId: 3, topicId: 5, timestamp, isolationLevel: 'read_uncommitted' }
}

function written(replicas: number): ReplicatedPartition {
  const partition = new ReplicatedPartition(replicas)
  for (let i = 0; i < 3; i++) partition.produce(0, 'quorum', 1, i)
  return partition
}

test('a leader serves what is sound, and finds what is damaged', () => {
  const partition = written(2)
  const whole = read(partition, 0, 0)
  rot(partition, 0, 2)
  expect(read(partition, 0, 0)).toBe(`${(Number.parseInt(whole, 10) / 3) * 2} bytes`)
  expect(read(partition, 0, 2)).toBe(`error ${codeOf('NOT_LEADER_OR_FOLLOWER')}`)
})

test.each([
  ['upwards', 0x10],
  ['downwards', 0x03],
])('a leader takes a base offset that was moved %s for damage', (_, mask) => {
  const partition = written(2)
  const whole = read(partition, 0, 0)
  const bytes = partition.at(0).disk.logs.get(partition.state(0).logName)!.get('00000000000000000000.log')!
  bytes[(bytes.length / 3) * 2 + 7]! ^= mask
  expect(read(partition, 0, 0)).toBe(`${(Number.parseInt(whole, 10) / 3) * 2} bytes`)
  expect(read(partition, 0, 2)).toMatch(/^error/)
})

/** Changes the first byte of the length of a batch on a node's disk: what is there is not one any more, or ends far behind. */
function misLength(partition: ReplicatedPartition, node: number, batch: number, mask: number): void {
  const bytes = partition.at(node).disk.logs.get(partition.state(node).logName)!.get('00000000000000000000.log')!
  bytes[(bytes.length / partition.log(node).length) * batch + FIELD.batchLength]! ^= mask
}

test.each([0x40, 0x80])('a leader takes a length that is not possible for damage that others can mend, whoever reads it (%d)', (mask) => {
  const partition = written(3)
  misLength(partition, 0, 1, mask)
  expect(read(partition, 0, 1)).toBe(`error ${codeOf('NOT_LEADER_OR_FOLLOWER')}`)
  partition.deliver(0, timestampRequest(2))
  expect(partition.answers.at(-1)).toMatchObject({ kind: 'listOffsetsResponse', errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') })
  expect(partition.failed).toEqual([{ node: 0, leaderEpoch: 0 }])
})

test('a file that ends too soon is damage', () => {
  const partition = written(2)
  const files = partition.at(0).disk.logs.get(partition.state(0).logName)!
  const bytes = files.get('00000000000000000000.log')!
  files.set('00000000000000000000.log', bytes.slice(0, bytes.length / 3 + 70))
  expect(read(partition, 0, 2)).toBe(`error ${codeOf('NOT_LEADER_OR_FOLLOWER')}`)
  partition.deliver(0, timestampRequest(2))
  expect(partition.answers.at(-1)).toMatchObject({ kind: 'listOffsetsResponse', errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') })
})

test('a follower that copies a log finds its damage, and the leader hears of it', () => {
  const partition = written(3)
  rot(partition, 0, 1)
  partition.stop(2)
  partition.at(2).disk.logs.clear()
  partition.start(2)
  expect(partition.log(2)).toHaveLength(1)
  expect(partition.failed).toEqual([{ node: 0, leaderEpoch: 0 }])
})

test('a leader whose log is damaged asks not to be counted on, again when it is still, and mends the log when it is not', () => {
  const partition = written(3)
  const sound = partition.log(1)
  rot(partition, 0, 1)
  read(partition, 0, 1)
  expect(partition.failed).toEqual([{ node: 0, leaderEpoch: 0 }])
  expect(partition.state(0)).toMatchObject({ phase: 'leading', damage: 'partial' })
  partition.elect(1)
  expect(partition.failed.at(-1)).toEqual({ node: 0, leaderEpoch: 1 })
  partition.decide({ isr: [1, 2] })
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
  expect(partition.log(0)).toEqual(sound)
  partition.elect(0)
  expect(read(partition, 0, 1)).toMatch(/bytes$/)
})

test('the last replica in sync serves what is left, and mends itself when another is in sync again', () => {
  const partition = written(2)
  partition.decide({ isr: [0] })
  rot(partition, 0, 1)
  expect(read(partition, 0, 1)).toBe(`error ${codeOf('KAFKA_STORAGE_ERROR')}`)
  expect(read(partition, 0, 2)).toMatch(/bytes$/)
  const asked = partition.failed.length
  partition.pass(500)
  expect(partition.failed.length).toBeGreaterThan(asked)
  partition.decide({ isr: [0, 1] })
  expect(read(partition, 0, 1)).toBe(`error ${codeOf('NOT_LEADER_OR_FOLLOWER')}`)
  partition.elect(1, [1])
  expect(partition.log(0)).toEqual(partition.log(1))
})

/** Changes the leader epoch of a batch on a node's disk. */
function misLead(partition: ReplicatedPartition, node: number, batch: number, byte: number, mask: number): void {
  const bytes = partition.at(node).disk.logs.get(partition.state(node).logName)!.get('00000000000000000000.log')!
  bytes[(bytes.length / partition.log(node).length) * batch + FIELD.leaderEpoch + byte]! ^= mask
}

test('a leader takes an epoch that is not that of the offset for damage', () => {
  const partition = written(2)
  partition.elect(0)
  misLead(partition, 0, 2, 1, 0x80)
  expect(read(partition, 0, 2)).toBe(`error ${codeOf('NOT_LEADER_OR_FOLLOWER')}`)
  expect(partition.failed).toEqual([{ node: 0, leaderEpoch: 1 }])
})

test('an epoch that has rotted where nobody else has the batch costs nothing: it is known, and who copies the log gets it', () => {
  const partition = written(2)
  partition.decide({ isr: [0] })
  const sound = partition.log(0)
  misLead(partition, 0, 1, 1, 0x80)
  expect(read(partition, 0, 1)).toMatch(/bytes$/)
  partition.stop(1)
  partition.at(1).disk.logs.clear()
  partition.start(1)
  expect(partition.log(1)).toEqual(sound)
})

test.each([
  ['above that of the leader', 1, 0x80],
  ['below that of the batch before', 3, 0x01],
])('a follower takes no batch with an epoch %s, and asks again', (_, byte, mask) => {
  const partition = new ReplicatedPartition(2)
  partition.elect(0)
  partition.produce(0, 'quorum', 1, 0)
  partition.isolate(0)
  partition.produce(0, 'leader', 1, 1)
  // Above the high watermark a leader does not look.
  misLead(partition, 0, 1, byte, mask)
  partition.isolate(0, false)
  partition.pass(3000)
  expect(partition.log(1)).toEqual(['0/1@0'])
  misLead(partition, 0, 1, byte, mask)
  partition.pass(3000)
  expect(partition.log(1)).toEqual(['0/1@0', '1/1@1'])
})

test('who reads back an epoch in which nobody has led yet can lead all the same, where it is alone', () => {
  const alone = leading()
  for (let i = 0; i < 2; i++) produce(alone, i)
  const name = '00000000000000000000.log'
  const bytes = alone.files.get(name)!.slice()
  bytes[bytes.length / 2 + FIELD.leaderEpoch + 1]! ^= 0x80
  const again = leading({}, new Map([[name, bytes.slice()]]))
  expect(again.stage.state).toMatchObject({ phase: 'leading', damage: 'none', epochs: [{ epoch: 0, startOffset: 0 }] })
  expect(sentOne(produce(again, 7), 'produceResponse')).toMatchObject({ errorCode: NONE, baseOffset: 2 })
  expect(sentOne(fetch(again, 8, 1), 'fetchResponse')).toMatchObject({ errorCode: NONE })
  // What follows it is not taken for what was cut in a former life, not even where nothing was closed.
  expect(reopened(again.files, {}).stage.state).toMatchObject({ phase: 'leading', damage: 'none', cutBytes: 0, log: { logEndOffset: 3 } })
  // Nothing else is left.
  bytes[FIELD.leaderEpoch + 1]! ^= 0x80
  expect(leading({}, new Map([[name, bytes]])).stage.state.epochs).toEqual([{ epoch: 0, startOffset: 0 }])
})

test('one of several that reads back such an epoch asks not to be counted on, and is mended', () => {
  const partition = written(2)
  const sound = partition.log(0)
  partition.stop(0)
  const files = partition.at(0).disk.logs.get(partition.state(0).logName)!
  for (const file of files.keys()) if (file.startsWith('checkpoint')) files.delete(file)
  misLead(partition, 0, 2, 1, 0x80)
  partition.start(0)
  expect(partition.state(0)).toMatchObject({ phase: 'leading', damage: 'partial' })
  expect(partition.failed).toEqual([{ node: 0, leaderEpoch: 0 }])
  partition.elect(1, [1])
  expect(partition.log(0)).toEqual(sound)
  expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
})

test('damage in the only copy there is is final', () => {
  const partition = leading()
  produce(partition, 1)
  partition.files.get('00000000000000000000.log')![70]! ^= 1
  expect(sentOne(fetch(partition, 2, 0), 'fetchResponse')).toMatchObject({ errorCode: codeOf('CORRUPT_MESSAGE'), records: null })
})

test('a time is not looked up in what is damaged', () => {
  const partition = leading()
  produce(partition, 1, 1, { timestamp: 1000 })
  partition.files.get('00000000000000000000.log')![64]! ^= 64
  const effects = drive(partition, partition.stage.deliver(timestampRequest(1000)))
  expect(sentOne(effects, 'listOffsetsResponse')).toMatchObject({ errorCode: codeOf('CORRUPT_MESSAGE'), offset: -1 })
})

test('a log that cannot be opened, and that nobody counts on, is copied anew although nobody says so again', () => {
  const files = new Map([
    ['00000000000000000005.log', new Uint8Array(9)],
    ['checkpoint-0', new Uint8Array(9)],
  ])
  const partition = partitionOn(files)
  partition.stage.deliver({ ...ALONE, partitionEpoch: 1, leaderEpoch: 1, leader: 1, replicas: [0, 1], isr: [1] })
  const effects = drive(partition, partition.stage.deliver({ kind: 'started' }))
  expect(partition.stage.state).toMatchObject({ phase: 'failed', damage: 'total' })
  expect(lines(effects)).toContain('timer resign in 500 ms')
  drive(partition, partition.stage.deliver({ kind: 'timerFired', timer: 'resign' }))
  expect(partition.stage.state).toMatchObject({ phase: 'following', damage: 'none', log: { logEndOffset: 0 } })
})

/** A replica that opens a log of three batches, the second of which is damaged, with no checkpoint that vouches for it. */
function doubtful(role: Partial<typeof ALONE>): Partition {
  const partition = leading({ flush: 'os' })
  for (let i = 0; i < 3; i++) produce(partition, i)
  const name = '00000000000000000000.log'
  const bytes = partition.files.get(name)!.slice()
  bytes[(bytes.length / 3) * 2 - 1]! ^= 1
  const again = partitionOn(new Map([[name, bytes]]), { flush: 'os' })
  again.stage.deliver({ ...ALONE, partitionEpoch: 1, leaderEpoch: 1, ...role })
  drive(again, again.stage.deliver({ kind: 'started' }))
  return again
}

test('a log that may have been longer is not opened while others are counted on: it asks not to be counted on, is cut, and follows', () => {
  const partition = doubtful({ leader: 0, replicas: [0, 1], isr: [0], elr: [1] })
  expect(partition.stage.state).toMatchObject({ phase: 'failed', damage: 'doubtful' })
  const before = partition.files.get('00000000000000000000.log')!.length
  expect(sentOne(fire(partition, 'resign'), 'replicaFailed')).toMatchObject({ isDamaged: true, damage: 'doubtful' })
  expect(partition.files.get('00000000000000000000.log')!.length).toBe(before)
  const withdrawn = { ...ALONE, leader: 1, replicas: [0, 1], isr: [1], partitionEpoch: 2, leaderEpoch: 2 }
  drive(partition, partition.stage.deliver(withdrawn))
  expect(partition.stage.state).toMatchObject({ phase: 'following', damage: 'none', log: { logEndOffset: 1 } })
})

test.each([
  ['the only one', { replicas: [0] }],
  ['the last one that counts', { replicas: [0, 1], isr: [0] }],
])('a log that may have been longer is cut and serves where it is %s', (_, role) => {
  const partition = doubtful(role)
  fire(partition, 'resign')
  // One of several asks for another epoch before it leads, like any whose log had to be opened again.
  drive(partition, partition.stage.deliver({ ...ALONE, ...role, partitionEpoch: 2, leaderEpoch: 2 }))
  expect(partition.stage.state).toMatchObject({ phase: 'leading', damage: 'none', log: { logEndOffset: 1 } })
})

/** A replica that has had files, and finds none when it is started. */
function emptied(role: Partial<typeof ALONE>): Partition {
  const partition = partitionOn(new Map())
  partition.stage.deliver({ ...ALONE, partitionEpoch: 1, leaderEpoch: 1, ...role })
  const [list] = partition.stage.deliver({ kind: 'started' }).filter(({ kind }) => kind === 'list')
  if (list?.kind !== 'list') throw new Error('a replica that starts looks for its files')
  drive(partition, partition.stage.deliver({ kind: 'listed', token: list.token, files: [], isGone: true, error: null }))
  return partition
}

test('a log whose files are gone is no new one: it is not opened while others are counted on, and follows when it is not counted on', () => {
  const partition = emptied({ leader: 0, replicas: [0, 1, 2], isr: [0], elr: [1] })
  expect(partition.stage.state).toMatchObject({ phase: 'failed', damage: 'doubtful', failure: 'its files are gone' })
  // It does not only doubt what it has: there is nothing that it could lead with.
  expect(sentOne(fire(partition, 'resign'), 'replicaFailed')).not.toHaveProperty('damage')
  drive(partition, partition.stage.deliver({ ...ALONE, leader: 1, replicas: [0, 1, 2], isr: [1], partitionEpoch: 2, leaderEpoch: 2 }))
  expect(partition.stage.state).toMatchObject({ phase: 'following', damage: 'none', log: { logEndOffset: 0 } })
})

test('the only copy whose files are gone begins anew', () => {
  const partition = emptied({ replicas: [0] })
  fire(partition, 'resign')
  expect(partition.stage.state).toMatchObject({ phase: 'leading', damage: 'none', log: { logEndOffset: 0 } })
})

/** Of three durable batches one rots; then a sync fails, and the log is opened again. */
function reopenedRotten(batch: number): Partition {
  const partition = leading({ flush: 'commit' })
  for (let i = 0; i < 3; i++) produce(partition, i)
  drive(partition, partition.stage.deliver({ ...ALONE, partitionEpoch: 1, replicas: [0, 1], isr: [0, 1] }))
  const bytes = partition.files.get('00000000000000000000.log')!
  const size = bytes.length / 3
  bytes[batch * size + size - 1]! ^= 4
  partition.failing.set('sync', 'io')
  // One that is too small to hold a batch: nothing sound follows.
  if (batch === 2) partition.failing.set('append', 'io')
  produce(partition, 3)
  expect(partition.stage.state.phase).toBe('failed')
  partition.failing.clear()
  fire(partition, 'reopen')
  return partition
}

test.each([0, 2])(
  'a log that was durable up to where it is not sound any more is not cut when it is opened again in the same life (batch %d)',
  (batch) => {
    const partition = reopenedRotten(batch)
    expect(partition.stage.state).toMatchObject({ phase: 'failed', damage: 'doubtful' })
    expect(partition.files.get('00000000000000000000.log')?.length).toBeGreaterThan(0)

    // Nobody else is counted on: what is sound is all that is left.
    drive(partition, partition.stage.deliver({ ...ALONE, leaderEpoch: 1, partitionEpoch: 2, replicas: [0, 1], isr: [0] }))
    expect(partition.stage.state.log.logEndOffset).toBe(batch)
  },
)

test('nor is it when what was found the first time could not be synced, and it rots before the next', () => {
  const partition = leading({ flush: 'commit' })
  for (let i = 0; i < 3; i++) produce(partition, i)
  drive(partition, partition.stage.deliver({ ...ALONE, partitionEpoch: 1, replicas: [0, 1], isr: [0, 1] }))
  partition.failing.set('sync', 'io')
  produce(partition, 3)
  fire(partition, 'reopen')
  expect(partition.stage.state).toMatchObject({ phase: 'failed', damage: 'none' })
  const bytes = partition.files.get('00000000000000000000.log')!
  bytes[bytes.length / 2 - 1]! ^= 4
  partition.failing.clear()
  fire(partition, 'reopen')
  expect(partition.stage.state).toMatchObject({ phase: 'failed', damage: 'doubtful' })
  expect(partition.files.get('00000000000000000000.log')).toHaveLength(bytes.length)
})
