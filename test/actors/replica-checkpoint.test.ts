// What a replica knows of its two checkpoints, of which the older one counts when a power loss takes the newer. (What they say: replica-life.test.ts)

import { expect, test } from 'vitest'
import { fire, produce, releaseOne, small, steps, threeSegments } from './replica-support.ts'
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
