// What a replica knows of its two checkpoints, of which the older one counts when a power loss takes the newer. (What they say: replica-life.test.ts)

import { expect, test } from 'vitest'
import type { StorageEffect } from '../../actors/effect.ts'
import { ALONE, fire, produce, releaseOne, reopened, small, steps, threeSegments } from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { lines } from './stage.ts'

test('a checkpoint whose sync has failed is not proved by a later one, also when the log was opened again meanwhile', () => {
  const partition = threeSegments({ ...small, flush: 'os', retentionMillis: 1000 })
  fire(partition, 'retention', 1002)
  expect(partition.stage.state).toMatchObject({ checkpointSequence: 3, log: { logStartOffset: 2 } })

  // The next one fails, in checkpoint-0; the disk forgets what it could not write, and says so only once.
  partition.hold.add('sync')
  produce(partition, 6, 1, { valueBytes: 7000 })
  fire(partition, 'flush')
  while (partition.held.length > 0) {
    if (lines(partition.held)[0] === 'sync checkpoint-0') partition.failing.set('sync', 'io')
    releaseOne(partition)
    partition.failing.clear()
  }
  partition.hold.clear()
  expect(partition.stage.state).toMatchObject({ checkpointSequence: 4, checkpointTrust: 'torn' })

  // Another file fails, and the log is opened again.
  partition.failing.set('sync', 'io')
  produce(partition, 7, 1, { valueBytes: 7000 })
  fire(partition, 'flush')
  expect(partition.stage.state.phase).toBe('failed')
  partition.failing.clear()
  fire(partition, 'reopen')
  expect(partition.stage.state.checkpointSequence).toBe(4)
  produce(partition, 8, 1, { valueBytes: 100 })
  // checkpoint-1 is the only one that a power loss leaves.
  expect(steps(partition, 'flush').filter((line) => line.includes('checkpoint'))).toEqual(['replace checkpoint-0', 'sync checkpoint-0'])
})

test('a checkpoint that could not be proved is never written over with another one, for files are gone on its word: it is written once more', () => {
  const { files } = retained()
  const partition = reopened(files, settings)
  expect(partition.stage.state).toMatchObject({ checkpointSequence: 3, checkpointTrust: 'unknown' })
  produce(partition, 6, 1, { valueBytes: 100 })
  let failures = 0
  expect(stepsWhile(partition, 'flush', (effect) => isCheckpointSync(effect) && failures++ === 0)).toEqual([
    'sync checkpoint-1',
    'read checkpoint-1 at 0',
    'rewrite checkpoint-1 at 0',
    'sync checkpoint-1',
    'replace checkpoint-0',
    'sync checkpoint-0',
  ])
  expect(partition.stage.state).toMatchObject({ checkpointSequence: 4, checkpointTrust: 'safe' })
})

test('one that cannot be proved at all stays, and so does the other, also when the log was opened again meanwhile', () => {
  const { files } = retained()
  const partition = reopened(files, settings)
  expect(partition.stage.state).toMatchObject({ checkpointSequence: 3, checkpointTrust: 'unknown' })
  produce(partition, 6, 1, { valueBytes: 100 })
  expect(stepsWhile(partition, 'flush', isCheckpointSync)).toEqual([
    'sync checkpoint-1',
    'read checkpoint-1 at 0',
    'rewrite checkpoint-1 at 0',
    'sync checkpoint-1',
  ])
  expect(partition.stage.state).toMatchObject({ checkpointSequence: 3, checkpointTrust: 'doubted', flush: null })

  // Another file fails, and the log is opened again: a sync proves nothing now, unless what it speaks of is written first.
  produce(partition, 7, 1, { valueBytes: 100 })
  stepsWhile(partition, 'flush', ({ kind }) => kind === 'sync')
  expect(partition.stage.state.phase).toBe('failed')
  fire(partition, 'reopen')
  produce(partition, 8, 1, { valueBytes: 100 })
  expect(steps(partition, 'flush').filter((line) => line.includes('checkpoint'))).toEqual([
    'read checkpoint-1 at 0',
    'rewrite checkpoint-1 at 0',
    'sync checkpoint-1',
    'replace checkpoint-0',
    'sync checkpoint-0',
  ])
  expect(partition.stage.state).toMatchObject({ checkpointSequence: 4, checkpointTrust: 'safe' })
})

test('a checkpoint whose proof nobody heard of, because the log failed meanwhile, is written once more, too', () => {
  const { files } = retained()
  const partition = reopened(files, settings)
  produce(partition, 6, 1, { valueBytes: 100 })
  partition.hold.add('sync')
  fire(partition, 'flush')
  while (lines(partition.held)[0] !== 'sync checkpoint-1') releaseOne(partition)
  partition.hold.clear()
  partition.failing.set('append', 'io')
  // One among several opens its log again when the disk fails.
  partition.stage.deliver({ ...ALONE, partitionEpoch: 1, replicas: [0, 1] })
  produce(partition, 7, 1, { valueBytes: 100 })
  expect(partition.stage.state).toMatchObject({ phase: 'failed', checkpointTrust: 'doubted' })
})

const settings = { ...small, flush: 'os', retentionMillis: 1000 } as const

/** A log that retention has shortened, which checkpoint-1 says. */
function retained(): Partition {
  const partition = threeSegments(settings)
  fire(partition, 'retention', 1002)
  return partition
}

function isCheckpointSync(effect: StorageEffect): boolean {
  return effect.kind === 'sync' && effect.file.startsWith('checkpoint-')
}

/** What a timer makes the replica ask for of checkpoints, step by step, while some of what it asks for fails. */
function stepsWhile(partition: Partition, timer: string, fails: (effect: StorageEffect) => boolean): string[] {
  const done: string[] = []
  for (const kind of ['read', 'rewrite', 'sync', 'replace'] as const) partition.hold.add(kind)
  fire(partition, timer)
  while (partition.held.length > 0) {
    const [next] = partition.held
    done.push(lines([next!])[0]!.replace(/: .*/, ''))
    if (fails(next!)) partition.failing.set(next!.kind, 'io')
    releaseOne(partition)
    partition.failing.clear()
  }
  partition.hold.clear()
  return done.filter((line) => line.includes('checkpoint'))
}
