// What a consumer is told whose leader had fallen behind when it was elected, where that was allowed: its log parts from what was read (KIP-320).

import { describe, expect, test } from 'vitest'
import type { MessageOf } from '../../protocol/messages/message.ts'
import { fetchRequest } from './replica-support.ts'
import { ReplicatedPartition } from './replication-support.ts'

const NONE = 0

describe('a consumer of a leader that had fallen behind when it was elected', () => {
  /** What it is told that has read up to an offset, in an epoch. */
  function told(partition: ReplicatedPartition, node: number, fetchOffset: number, lastFetchedEpoch: number): object {
    const { leaderEpoch } = partition.role
    partition.deliver(node, { ...fetchRequest(1, fetchOffset), leaderEpoch, lastFetchedEpoch, maxWaitMillis: 0 })
    const { errorCode, divergingEpoch, divergingEndOffset } = partition.answers.at(-1) as MessageOf<'fetchResponse'>
    return { errorCode, divergingEpoch, divergingEndOffset }
  }

  const SAME = { errorCode: NONE, divergingEpoch: -1, divergingEndOffset: -1 }

  test('is told where its log parts from the former one, however long it has grown since', () => {
    const partition = new ReplicatedPartition(3)
    for (let n = 0; n < 3; n++) partition.produce(0)
    partition.isolate(2)
    partition.decide({ isr: [0, 1] })
    for (let n = 0; n < 3; n++) partition.produce(0)
    expect(told(partition, 0, 6, 0)).toEqual(SAME)
    for (const node of [0, 1]) partition.stop(node)
    partition.elect(2, [2])
    const parted = { errorCode: NONE, divergingEpoch: 0, divergingEndOffset: 3 }
    expect(told(partition, 2, 6, 0)).toEqual(parted)
    for (let n = 0; n < 5; n++) partition.produce(2)
    expect(told(partition, 2, 6, 0)).toEqual(parted)
    expect(told(partition, 2, 3, 0)).toEqual(SAME)
    expect(told(partition, 2, 6, 1)).toEqual(SAME)
    // One that does not know has to take it as it is.
    expect(told(partition, 2, 6, -1)).toEqual(SAME)
  })

  test('goes on where it was with a leader that has everything, and where the log has lost its beginning', () => {
    const partition = new ReplicatedPartition(3)
    for (let n = 0; n < 3; n++) partition.produce(0)
    partition.elect(1)
    expect(told(partition, 1, 3, 0)).toEqual(SAME)
    for (let n = 0; n < 3; n++) partition.produce(1)
    partition.elect(2)
    expect(told(partition, 2, 3, 0)).toEqual(SAME)
    expect(told(partition, 2, 6, 1)).toEqual(SAME)
    partition.deliver(2, { kind: 'deleteRecords', correlationId: 9, topicId: 5, beforeOffset: 5 })
    expect(told(partition, 2, 5, 1)).toEqual(SAME)
    expect(told(partition, 2, 7, 1)).toMatchObject({ divergingEndOffset: 6 })
  })
})
