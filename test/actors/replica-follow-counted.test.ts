// A follower that has to copy its cleaned log anew, while others may still elect it.

import { expect, test } from 'vitest'
import { fetched } from '../coordinator/support.ts'
import { ALONE, drive, fire, leading, produce, small } from './replica-support.ts'
import { sent } from './stage.ts'

const compacted = { ...small, cleanupPolicy: 'compact', minCleanableDirtyRatio: 0, deleteRetentionMillis: 60_000 } as const

test('a follower that has to copy its cleaned log anew asks not to be counted on first, where it is eligible', () => {
  const partition = leading(compacted)
  for (let id = 0; id < 6; id++) produce(partition, id, 1, { keys: ['ab'[id % 2]!], valueBytes: 7000, timestamp: 1_000_000 })
  fire(partition, 'cleaning')
  const led = { ...ALONE, leader: 1, leaderEpoch: 1, partitionEpoch: 1, replicas: [0, 1], isr: [1] }
  drive(partition, partition.stage.deliver({ ...led, elr: [0] }))
  const { correlationId } = partition.stage.state.following!
  const diverging = fetched(null, 0, { correlationId, divergingEpoch: 0, divergingEndOffset: 2 })
  const effects = partition.stage.deliver(diverging, { node: 1, actor: 'replica/t-0' })
  expect(sent(effects, 'replicaFailed')).toMatchObject([{ leaderEpoch: 1, isDamaged: true }])
  expect(partition.stage.state.log.logEndOffset).toBe(6)
  drive(partition, partition.stage.deliver({ ...led, leaderEpoch: 2, partitionEpoch: 2 }))
  const again = partition.stage.state.following!.correlationId
  drive(partition, partition.stage.deliver({ ...diverging, correlationId: again }, { node: 1, actor: 'replica/t-0' }))
  expect(partition.stage.state.log.logEndOffset).toBe(0)
})
