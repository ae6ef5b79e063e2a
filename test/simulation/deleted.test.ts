import { expect, test } from 'vitest'
import { newReplicaState } from '../../partitions/replica-state.ts'
import { stampBaseOffset } from '../../protocol/record-batch.ts'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'
import { isDeleted, noteStart } from '../../simulation/checkers/deleted.ts'
import type { Disk } from '../../simulation/disk.ts'
import { appendBytes, newFile } from '../../simulation/disk-file.ts'
import { buildBatch } from '../../simulation/records.ts'
import { newTruth, partitionTruth } from '../../simulation/truth.ts'
import { World } from '../../simulation/world.ts'

const CONFIG = { topic: 'orders', topicId: 1, partition: 0, topicConfig: defaultTopicConfig, replicaLagMillis: 1000 }

test('a batch may be acknowledged without its offset when all of it was in the log and is deleted, not when some is left, nor when it was never there', () => {
  const partition = partitionTruth(newTruth(new World(1), []), 'orders-0', 1, defaultTopicConfig)
  const state = newReplicaState({ node: 0, actor: 'replica/orders-0' }, CONFIG)
  const beginAt = (logStartOffset: number): void => {
    state.log = { ...state.log, logStartOffset, logEndOffset: 4 }
    noteStart(partition, state, { files: () => new Map([['00000000000000000000.log', file]]) } as unknown as Disk)
  }
  const file = newFile()
  for (const [baseOffset, values] of [
    [0, [10, 11]],
    [2, [12, 13]],
  ] as const) {
    const records = buildBatch([...values], 8, 0)
    stampBaseOffset(records, 0, baseOffset)
    appendBytes(file, records)
  }
  beginAt(0)
  expect(isDeleted(partition, [10, 11])).toBe(false)
  beginAt(3)
  expect(partition.startOffset).toBe(3)
  expect([[10, 11], [12], [12, 13], [9], [14]].map((values) => isDeleted(partition, values))).toEqual([true, true, false, false, false])
  beginAt(1)
  expect(partition.startOffset).toBe(3)
})
