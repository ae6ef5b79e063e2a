// Syncs that are under way when a replica opens its log again: nobody hears how they end, and if one fails, the disk says so only once.

import { describe, expect, test } from 'vitest'
import { logFileName } from '../../partitions/log.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import { batchAt } from '../partitions/support.ts'
import { ALONE, drive, fire, leading, produce, release, releaseOne, small, threeSegments } from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { lines } from './stage.ts'

/** Among several. */
const SECOND = { ...ALONE, partitionEpoch: 1, replicas: [0, 1] }

const FOLLOWER = { ...SECOND, leader: 1, leaderEpoch: 1, partitionEpoch: 2, isr: [1] }

/** The answer of a leader on node 1 to the last fetch. */
function answer(partition: Partition, changes: Partial<MessageOf<'fetchResponse'>>): void {
  const { correlationId } = partition.stage.state.following!
  const message: MessageOf<'fetchResponse'> = {
    ...{ kind: 'fetchResponse', correlationId, errorCode: 0, errorMessage: null, highWatermark: 0, logStartOffset: 0 },
    ...{ epochStartOffset: 0, syncedByAll: -1, divergingEpoch: -1, divergingEndOffset: -1, range: null, records: null },
    ...{ lastStableOffset: 0, abortedTransactions: [] },
    ...changes,
  }
  drive(partition, partition.stage.deliver(message, { node: 1, actor: 'replica/t-0' }))
}

/** What was asked of the disk first fails. */
function failFirst(partition: Partition): void {
  partition.failing.set('sync', 'io')
  releaseOne(partition)
  partition.failing.clear()
}

/** A log that retention has shortened, which checkpoint-1 says; the next one is in checkpoint-0, and is being synced. */
function checkpointing(): Partition {
  const partition = threeSegments({ ...small, flush: 'os', retentionMillis: 1000 })
  fire(partition, 'retention', 1002)
  expect(partition.stage.state).toMatchObject({ checkpointSequence: 3, checkpointTrust: 'safe', log: { logStartOffset: 2 } })
  partition.hold.add('sync')
  produce(partition, 6, 1, { valueBytes: 100 })
  fire(partition, 'flush')
  while (lines(partition.held)[0] !== 'sync checkpoint-0') releaseOne(partition)
  return partition
}

describe('a checkpoint that is being synced', () => {
  test('when the disk fails is written once more before the other one is written over', () => {
    const partition = checkpointing()
    drive(partition, partition.stage.deliver(SECOND))
    partition.failing.set('append', 'io')
    produce(partition, 7, 1, { valueBytes: 100 })
    expect(partition.stage.state.phase).toBe('failed')
    partition.failing.clear()
    failFirst(partition)
    release(partition)
    const done = checkpointSteps(partition, () => fire(partition, 'reopen'))
    done.push(...checkpointSteps(partition, () => drive(partition, partition.stage.deliver(FOLLOWER))))
    expect(done).toEqual(OPENED_AGAIN)
  })

  test('when the log is cut is written once more, too', () => {
    const partition = checkpointing()
    drive(partition, partition.stage.deliver(FOLLOWER))
    answer(partition, { records: batchAt(7, 1) })
    drive(partition, partition.stage.deliver({ ...FOLLOWER, leaderEpoch: 2, partitionEpoch: 3 }))
    const done = checkpointSteps(partition, () => {
      answer(partition, { divergingEpoch: 0, divergingEndOffset: 7 })
      failFirst(partition)
    })
    expect(done).toEqual(OPENED_AGAIN)
  })

  /** Nobody knows which of them a power loss would leave, until one was written again. */
  const OPENED_AGAIN = [
    'read checkpoint-0 at 0',
    'read checkpoint-1 at 0',
    'read checkpoint-0 at 0',
    'rewrite checkpoint-0 at 0',
    'sync checkpoint-0',
    'replace checkpoint-1',
    'sync checkpoint-1',
  ]

  /** What the replica asks for of checkpoints from then on. */
  function checkpointSteps(partition: Partition, act: () => void): string[] {
    const done: string[] = []
    for (const kind of ['list', 'read', 'rewrite', 'sync', 'replace'] as const) partition.hold.add(kind)
    act()
    for (; partition.held.length > 0; releaseOne(partition)) done.push(lines(partition.held.slice(0, 1))[0]!.replace(/: .*/, ''))
    return done.filter((line) => line.includes('checkpoint'))
  }
})

test('what is being synced when the log is cut is written again before it is synced', () => {
  const partition = leading()
  drive(partition, partition.stage.deliver(FOLLOWER))
  partition.hold.add('sync')
  answer(partition, { records: batchAt(0, 1) })
  answer(partition, { records: batchAt(1, 1) })
  expect(lines(partition.held)).toEqual(['sync 0.log'])
  drive(partition, partition.stage.deliver({ ...FOLLOWER, leaderEpoch: 2, partitionEpoch: 3 }))
  partition.hold.add('rewrite')
  answer(partition, { divergingEpoch: 0, divergingEndOffset: 1 })
  failFirst(partition)
  expect(lines(partition.held).map((line) => line.replace(/:.*/, ''))).toEqual(['rewrite 0.log at 0'])
  release(partition)
  expect(partition.stage.state).toMatchObject({ phase: 'following', durableEndOffset: 1, distrusted: new Set() })
  expect(partition.files.get(logFileName(0))).toHaveLength(batchAt(0, 1).length)
})

test('what is being synced when the log begins anew is gone: what takes its place is trusted as usual', () => {
  const partition = leading()
  drive(partition, partition.stage.deliver(FOLLOWER))
  partition.hold.add('sync')
  answer(partition, { records: batchAt(0, 1) })
  answer(partition, { errorCode: codeOf('OFFSET_OUT_OF_RANGE'), logStartOffset: 5 })
  release(partition)
  expect(partition.stage.state).toMatchObject({ phase: 'following', log: { logStartOffset: 5 }, distrusted: new Set() })
})
