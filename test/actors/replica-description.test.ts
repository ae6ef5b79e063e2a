// A leader that is asked how its partition is: where the log begins and ends, and how far the replicas are behind.
import { describe, expect, test } from 'vitest'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { DescribeProducersResponse } from '../../protocol/messages/transaction.ts'
import { drive, leading, produce } from './replica-support.ts'
import { ReplicatedPartition } from './replication-support.ts'
import { sentOne } from './stage.ts'
import { mark, sendAdded } from './transactions-support.ts'

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

describe('a leader that is asked which producers it knows', () => {
  test('names each with its epoch and last sequence, and where its transaction begins that is open', () => {
    const partition = leading()
    const ask = (topicId = 5): unknown =>
      sentOne(
        drive(partition, partition.stage.deliver({ kind: 'describeProducers', correlationId: 1, topicId })),
        'describeProducersResponse',
      )
    produce(partition, 1)
    produce(partition, 2, 2, { producerId: 9, producerEpoch: 0, baseSequence: 0 })
    sendAdded(partition, 3)
    const nine = { producerId: 9, producerEpoch: 0, lastSequence: 1, coordinatorEpoch: null, currentTransactionStartOffset: null }
    const seven = { producerId: 7, producerEpoch: 0, lastSequence: 0, coordinatorEpoch: null, currentTransactionStartOffset: 3 }
    expect(ask()).toMatchObject({ errorCode: NONE, producers: [seven, nine] })
    const timestamps = (): unknown[] => (ask() as DescribeProducersResponse).producers.map(({ lastTimestamp }) => lastTimestamp)
    expect(timestamps()).toEqual([1000, 1000])
    partition.stage.now = 9000
    mark(partition, 4)
    expect(timestamps()).toEqual([9000, 1000])
    const ended = { ...seven, producerEpoch: 1, lastSequence: null, coordinatorEpoch: 3, currentTransactionStartOffset: null }
    expect(ask()).toMatchObject({ errorCode: NONE, producers: [ended, nine] })
    expect(ask(6)).toMatchObject({ errorCode: codeOf('UNKNOWN_TOPIC_ID'), producers: [] })
  })

  test('says when it has taken what the last batch brings, where that counts', () => {
    const partition = leading({ messageTimestampType: 'LogAppendTime' })
    produce(partition, 1, 1, { producerId: 9, producerEpoch: 0, baseSequence: 0 })
    const effects = drive(partition, partition.stage.deliver({ kind: 'describeProducers', correlationId: 1, topicId: 5 }))
    expect(sentOne(effects, 'describeProducersResponse').producers).toMatchObject([{ lastTimestamp: partition.stage.now }])
  })

  test('leaves that to the leader, where it follows', () => {
    const partition = new ReplicatedPartition(2)
    partition.onMessage = (_, to, message) => {
      if (to.node < 0 && message.kind === 'describeProducersResponse') answers.push(message.errorCode)
    }
    const answers: number[] = []
    partition.deliver(1, { kind: 'describeProducers', correlationId: 1, topicId: 5 })
    partition.deliver(0, { kind: 'describeProducers', correlationId: 2, topicId: 5 })
    expect(answers).toEqual([codeOf('NOT_LEADER_OR_FOLLOWER'), NONE])
  })
})
