// What the active coordinator writes together: when a node dies or comes back, each of its partitions asks for a change.

import { expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { errorOf, NONE } from '../../protocol/errors.ts'
import { recordCount } from '../../protocol/record-batch.ts'
import { nodes, partitionOf, topicWith } from '../coordinator/support.ts'
import { active, tell } from './coordinator-support.ts'
import { perform } from './disk.ts'
import { sent } from './stage.ts'

test('what leaders propose for different partitions while something is written is written together, each judged for itself', () => {
  const partitions = [0, 1, 2, 3].map(() => partitionOf([0, 1], { isr: [0] }))
  const one = active([...nodes([0, 1]), topicWith('t', 1, partitions)])
  const isr = [0, 1].map((node) => ({ node, brokerEpoch: 100 + node }))
  const send = (correlationId: number, index: number, partitionEpoch = 0): Effect[] => {
    const request = { topicId: 1, partition: index, leaderEpoch: 0, partitionEpoch, isr, node: 0, brokerEpoch: 100 }
    return tell(one, { kind: 'alterPartition', correlationId, ...request }, { node: 0, actor: 'broker' })
  }
  send(1, 0)
  const { endOffset } = one.stage.state.seat.image
  // The first is being written; of what comes meanwhile, the fourth is too old, and the fifth is for a partition that was asked for before.
  for (const [correlationId, index, epoch] of [
    [2, 1],
    [3, 2],
    [4, 3, 7],
    [5, 1],
  ] as const)
    send(correlationId, index, epoch)
  const appends: number[] = []
  const answers = []
  for (let step = one.pending.shift(); step !== undefined; step = one.pending.shift()) {
    if (step.kind === 'append') appends.push(recordCount(step.bytes, 0))
    answers.push(...sent(tell(one, perform(one.disk, step)), 'alterPartitionResponse'))
  }
  expect(appends).toEqual([1, 2])
  const outcomes = answers.map(({ correlationId, errorCode }) => [correlationId, errorCode === NONE ? null : errorOf(errorCode).name])
  expect(outcomes).toEqual([
    [1, null],
    [2, null],
    [3, null],
    [4, 'INVALID_UPDATE_VERSION'],
    [5, 'INVALID_UPDATE_VERSION'],
  ])
  expect(one.stage.state.seat.image.endOffset).toBe(endOffset + 3)
  expect(one.stage.state.seat.image.topics.get('t')?.partitions.map(({ isr: now }) => now.length)).toEqual([2, 2, 2, 1])
})
