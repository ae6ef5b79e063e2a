// A leader that is asked how its partition is: where the log begins and ends, and how far the replicas are behind.
import { describe, expect, test } from 'vitest'
import { codeOf, NONE } from '../../protocol/errors.ts'
import { ReplicatedPartition } from './replication-support.ts'

describe('a leader that is asked how its replicas are', () => {
  const ask = (partition: ReplicatedPartition, node: number, topicId = 5): unknown => {
    partition.deliver(node, { kind: 'describePartition', correlationId: 1, topicId })
    return partition.answers.at(-1)
  }

  test('says how far they are behind its log end, and where readers are', () => {
    const partition = new ReplicatedPartition(3)
    partition.produce(0, 'quorum', 2)
    partition.isolate(2)
    partition.produce(0, 'leader', 3)
    const lags = [
      { node: 0, lag: 0 },
      { node: 1, lag: 0 },
      { node: 2, lag: 3 },
    ]
    expect(ask(partition, 0)).toMatchObject({
      errorCode: NONE,
      logStartOffset: 0,
      highWatermark: 2,
      lags,
      sizeBytes: expect.any(Number) as number,
    })
    const [before, after] = [0, 3].map((count) => {
      if (count > 0) partition.produce(0, 'leader', count)
      return ask(partition, 0) as { sizeBytes: number }
    })
    expect(before!.sizeBytes).toBeGreaterThan(0)
    expect(after!.sizeBytes).toBeGreaterThan(before!.sizeBytes)
    expect(ask(partition, 1)).toMatchObject({
      errorCode: codeOf('NOT_LEADER_OR_FOLLOWER'),
      logStartOffset: -1,
      highWatermark: -1,
      lags: [],
    })
    expect(ask(partition, 0, 6)).toMatchObject({ errorCode: codeOf('UNKNOWN_TOPIC_ID'), lags: [] })
  })

  test('says it also before it knows where readers are', () => {
    const partition = new ReplicatedPartition(2)
    partition.produce(0, 'leader', 1, 1)
    partition.isolate(1)
    partition.elect(1, [0, 1])
    const lags = [
      { node: 0, lag: -1 },
      { node: 1, lag: 0 },
    ]
    expect(ask(partition, 1)).toMatchObject({ errorCode: codeOf('OFFSET_NOT_AVAILABLE'), logStartOffset: 0, highWatermark: -1, lags })
  })
})
