// A file of an open log that somebody has removed: nothing that goes there counts, and the log is not taken for one that was never longer.

import { expect, test } from 'vitest'
import { codeOf, NONE } from '../../protocol/errors.ts'
import { drive, fetch, fetchRequest, leading, partitionOn, produce } from './replica-support.ts'
import { ReplicatedPartition } from './replication-support.ts'
import { sentOne } from './stage.ts'

const FILE = '00000000000000000000.log'

function written(replicas: number): ReplicatedPartition {
  const partition = new ReplicatedPartition(replicas, { flush: 'commit' })
  for (let i = 0; i < 3; i++) partition.produce(0, 'quorum', 1, i)
  return partition
}

/** Removes the log file of a node. */
function remove(partition: ReplicatedPartition, node: number): void {
  partition.at(node).disk.logs.get(partition.state(node).logName)!.delete(FILE)
}

/** What a consumer is answered. */
function read(partition: ReplicatedPartition, node: number, fetchOffset: number): number {
  partition.deliver(node, { ...fetchRequest(1, fetchOffset), leaderEpoch: partition.state(node).role.leaderEpoch })
  const answer = partition.answers.findLast(({ kind }) => kind === 'fetchResponse')
  return answer?.kind === 'fetchResponse' && answer.records === null ? answer.errorCode : NONE
}

test.each(['sync', 'append'] as const)(
  'a leader whose file is gone at %s acknowledges nothing, and copies the log anew when others lead',
  (operation) => {
    const partition = written(3)
    partition.at(0).disk.failing.set(operation, 'gone')
    const sent = partition.produce(0, 'leader', 1, 3)
    expect(partition.outcome(sent)?.errorCode).toBe(codeOf('KAFKA_STORAGE_ERROR'))
    expect(partition.state(0)).toMatchObject({ phase: 'failed', damage: 'total', failure: `${FILE} is gone from the disk` })
    expect(partition.failed).toEqual([{ node: 0, leaderEpoch: 0 }])
    expect(read(partition, 0, 0)).toBe(codeOf('NOT_LEADER_OR_FOLLOWER'))
    partition.at(0).disk.failing.clear()
    remove(partition, 0)
    partition.elect(1)
    partition.decide({ isr: [1, 2] })
    expect(partition.state(0)).toMatchObject({ phase: 'following', damage: 'none' })
    expect(partition.log(0)).toEqual(partition.log(1))
  },
)

test.each(['fetch', 'listOffsets'] as const)('a leader whose file is gone at a %s sends the reader to the next one', (kind) => {
  const partition = written(2)
  partition.at(0).disk.failing.set('read', 'gone')
  if (kind === 'fetch') read(partition, 0, 0)
  else partition.deliver(0, { kind, correlationId: 3, topicId: 5, timestamp: 1, isolationLevel: 'read_uncommitted' })
  expect(partition.answers.at(-1)).toMatchObject({ errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') })
  expect(partition.state(0)).toMatchObject({ phase: 'failed', damage: 'total' })
})

test('where nobody else is in sync, what is open is read', () => {
  const partition = written(2)
  partition.decide({ isr: [0] })
  partition.at(0).disk.failing.set('read', 'gone')
  expect(read(partition, 0, 0)).toBe(NONE)
  expect(partition.state(0)).toMatchObject({ phase: 'leading', damage: 'none' })
})

test('the only replica refuses what it cannot sync, names the file, and is not taken for an empty one when it is opened again', () => {
  const partition = leading({ flush: 'commit' })
  produce(partition, 1)
  partition.failing.set('sync', 'gone')
  const refused = sentOne(produce(partition, 2), 'produceResponse')
  expect(refused).toMatchObject({
    errorCode: codeOf('KAFKA_STORAGE_ERROR'),
    errorMessage: expect.stringContaining(`${FILE} is gone from the disk`),
  })
  expect(sentOne(fetch(partition, 3, 0), 'fetchResponse').errorCode).toBe(codeOf('KAFKA_STORAGE_ERROR'))
  partition.files.delete(FILE)
  const again = partitionOn(partition.files)
  drive(again, again.stage.deliver({ kind: 'started' }))
  expect(again.stage.state).toMatchObject({ phase: 'failed', damage: 'total' })
})

test('a follower that has not heard that anything is committed is not taken for an empty one either', () => {
  const partition = new ReplicatedPartition(3, { flush: 'commit', replicaLagMillis: 100_000 })
  partition.isolate(2)
  const sent = partition.produce(0, 'quorum', 1, 0)
  partition.isolate(1)
  partition.isolate(2, false)
  partition.cut.add('0>1').add('1>0')
  partition.pass(5000)
  expect(partition.outcome(sent)).toEqual({ errorCode: NONE, baseOffset: 0 })
  expect(partition.state(1)).toMatchObject({ highWatermark: { offset: 0 }, durableEndOffset: 1 })
  partition.at(1).disk.failing.set('sync', 'gone')
  partition.deliver(1, { kind: 'drain' })
  partition.at(1).disk.failing.clear()
  remove(partition, 1)
  partition.cut.clear()
  partition.start(1)
  expect(partition.state(1)).toMatchObject({ phase: 'failed', damage: 'total' })
})

test('a file that compaction has replaced, or retention removed, nobody misses', () => {
  const partition = leading({ flush: 'commit' })
  partition.hold.add('sync')
  produce(partition, 1)
  const [{ token } = { token: -1 }] = partition.held.splice(0) as { token: number }[]
  partition.hold.clear()
  drive(
    partition,
    partition.stage.deliver({ kind: 'synced', token, file: 'another.log', sizeBytes: 0, error: 'gone' }, partition.stage.self),
  )
  expect(partition.stage.state).toMatchObject({ phase: 'leading', damage: 'none' })
})
