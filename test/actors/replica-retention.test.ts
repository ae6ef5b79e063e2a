// Records that an administrator deletes: where the log begins then, what followers have of it, and when the answer comes (KIP-107). (By the topic's settings:
// replica-life.test.ts)

import { describe, expect, test } from 'vitest'
import { decodeCheckpoint, encodeCheckpoint } from '../../partitions/checkpoint.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { DeleteRecordsRequest } from '../../protocol/messages/fetch.ts'
import { CONSUMER_REPLICA } from '../../protocol/messages/fetch.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { walkBatches } from '../../protocol/record-batch.ts'
import { shapeOf } from '../partitions/support.ts'
import {
  ALONE,
  partitionOn,
  small,
  fetch,
  fetchRequest,
  produce,
  release,
  reopened,
  threeSegments,
  drive,
  leading,
} from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { ReplicatedPartition } from './replication-support.ts'
import { sent, sentOne } from './stage.ts'

function request(beforeOffset: number, correlationId = 77): DeleteRecordsRequest {
  return { kind: 'deleteRecords', correlationId, topicId: 5, beforeOffset }
}

function remove(partition: Partition, beforeOffset: number): ReturnType<typeof drive> {
  return drive(partition, partition.stage.deliver(request(beforeOffset)))
}

/** Base offsets of the log files. */
function bases(partition: Partition): number[] {
  return [...partition.files.keys()].filter((name) => name.endsWith('.log')).map((name) => Number.parseInt(name, 10))
}

describe('a deletion', () => {
  test('moves the log start into the midst of a segment, and removes the segments before it', () => {
    const partition = threeSegments()
    expect(sentOne(remove(partition, 3), 'deleteRecordsResponse')).toMatchObject({ correlationId: 77, errorCode: 0, logStartOffset: 3 })
    expect(bases(partition)).toEqual([2, 4])
    expect(sentOne(fetch(partition, 1, 2), 'fetchResponse')).toMatchObject({
      errorCode: codeOf('OFFSET_OUT_OF_RANGE'),
      logStartOffset: 3,
      records: null,
    })
    const { records } = sentOne(fetch(partition, 2, 3), 'fetchResponse')
    expect(walkBatches(records!)).toHaveLength(1)
    expect(reopened(partition.files).stage.state.log).toMatchObject({ logStartOffset: 3, logEndOffset: 6 })
  })

  test('in the midst of a segment leaves nothing uncompared: a follower whose log differs below is told where to cut', () => {
    const partition = threeSegments()
    drive(partition, partition.stage.deliver({ ...ALONE, leaderEpoch: 2, partitionEpoch: 1, replicas: [0, 1] }))
    remove(partition, 5)
    expect(bases(partition)).toEqual([4])
    // Its last record was written in an epoch that this log has nothing of.
    const follower = { leaderEpoch: 2, replicaId: 1, brokerEpoch: 1, logStartOffset: 0, lastFetchedEpoch: 1 }
    expect(sentOne(fetch(partition, 1, 5, follower), 'fetchResponse')).toMatchObject({
      divergingEpoch: 0,
      divergingEndOffset: 6,
      records: null,
    })
    expect(sentOne(fetch(partition, 2, 4, follower), 'fetchResponse').records).not.toBeNull()
  })

  test('of everything leaves an empty log that goes on with the next offset', () => {
    const partition = threeSegments()
    expect(sentOne(remove(partition, -1), 'deleteRecordsResponse').logStartOffset).toBe(6)
    expect(shapeOf(partition.stage.state.log)).toBe('6:0')
    expect(sentOne(produce(partition, 9), 'produceResponse').baseOffset).toBe(6)
    expect(reopened(partition.files).stage.state.log).toMatchObject({ logStartOffset: 6, logEndOffset: 7 })
  })

  test('of everything leaves nothing that could be compared: a follower begins anew where a leader goes on that had fallen behind', () => {
    const { files } = threeSegments()
    const [name, bytes] = [...files].findLast(([file]) => file.startsWith('checkpoint'))!
    const known = decodeCheckpoint(bytes)
    if (typeof known === 'string') throw new Error(known)
    files.clear()
    files.set(name, encodeCheckpoint({ ...known, recoveryPoint: 6, logStartOffset: 6, segments: [], epochs: [] }))
    const partition = partitionOn(files)
    partition.stage.deliver({ ...ALONE, leader: 1, leaderEpoch: 1, partitionEpoch: 1, replicas: [1, 0], isr: [1] })
    const { correlationId, fetchOffset } = sent(drive(partition, partition.stage.deliver({ kind: 'started' })), 'fetch').at(-1)!
    expect(fetchOffset).toBe(6)
    const answer: Message = {
      ...{ kind: 'fetchResponse', correlationId, errorCode: codeOf('OFFSET_OUT_OF_RANGE'), errorMessage: null, highWatermark: 4 },
      ...{
        logStartOffset: 1,
        epochStartOffset: 4,
        syncedByAll: -1,
        divergingEpoch: -1,
        divergingEndOffset: -1,
        range: null,
        records: null,
      },
      ...{ lastStableOffset: 4, abortedTransactions: [] },
    }
    drive(partition, partition.stage.deliver(answer, { node: 1, actor: 'replica/t-0' }))
    expect(partition.stage.state).toMatchObject({ phase: 'following', log: { logStartOffset: 1, logEndOffset: 1 } })
  })

  test('is known after a crash before what follows it: the high watermark is not below the log start then', () => {
    const partition = threeSegments({ ...small, flush: 'os' })
    remove(partition, 5)
    const { files } = partition
    const known = decodeCheckpoint(files.get('checkpoint-1')!)
    if (typeof known === 'string') throw new Error(known)
    files.delete('checkpoint-0')
    files.set('checkpoint-1', encodeCheckpoint({ ...known, recoveryPoint: 4, segments: [] }))
    const again = partitionOn(files, { ...small, flush: 'os' })
    again.stage.deliver({ ...ALONE, leader: 1, leaderEpoch: 1, partitionEpoch: 1, replicas: [1, 0], isr: [1] })
    drive(again, again.stage.deliver({ kind: 'started' }))
    expect(again.stage.state).toMatchObject({ phase: 'following', log: { logStartOffset: 5 }, highWatermark: { offset: 5 } })
  })

  test('ends at the high watermark', () => {
    const partition = leading()
    produce(partition, 1, 3)
    partition.hold.add('sync')
    produce(partition, 2, 3)
    expect(sentOne(remove(partition, 4), 'deleteRecordsResponse')).toMatchObject({
      errorCode: codeOf('OFFSET_OUT_OF_RANGE'),
      errorMessage: 'the records of t-0 can be deleted up to its high watermark 3, not up to 4',
    })
    remove(partition, -1)
    expect(partition.stage.state.log.logStartOffset).toBe(3)
  })

  test('below the log start is done already', () => {
    const partition = threeSegments()
    remove(partition, 3)
    expect(sentOne(remove(partition, 1), 'deleteRecordsResponse')).toMatchObject({ errorCode: 0, logStartOffset: 3 })
  })

  test('is answered, and its files go, when a checkpoint outlives a power loss', () => {
    const partition = threeSegments()
    partition.hold.add('sync')
    expect(sent(remove(partition, 3), 'deleteRecordsResponse')).toEqual([])
    expect(bases(partition)).toEqual([0, 2, 4])
    partition.failing.set('sync', 'io')
    expect(sent(release(partition), 'deleteRecordsResponse')).toEqual([])
    partition.failing.clear()
    // Whoever asks again hears of it; the one before is not answered twice.
    expect(sent(remove(partition, 3), 'deleteRecordsResponse')).toHaveLength(1)
    expect(bases(partition)).toEqual([2, 4])
    expect(decodeCheckpoint(partition.files.get('checkpoint-1')!)).toMatchObject({ logStartOffset: 3 })
  })

  test('is refused where the replica does not lead, and in internal topics', () => {
    const partition = threeSegments()
    const other = partition.stage.deliver({ ...request(1), topicId: 6 })
    expect(sentOne(other, 'deleteRecordsResponse').errorCode).toBe(codeOf('UNKNOWN_TOPIC_ID'))
    const replicas = new ReplicatedPartition(2)
    replicas.deliver(1, request(0))
    expect(replicas.answers.at(-1)).toMatchObject({ kind: 'deleteRecordsResponse', errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') })
  })
})

describe('followers', () => {
  function three(): ReplicatedPartition {
    const partition = new ReplicatedPartition(3, { segmentBytes: 16_384 })
    for (let i = 0; i < 4; i++) partition.produce(0)
    return partition
  }
  const starts = (partition: ReplicatedPartition): number[] => [0, 1, 2].map((node) => partition.state(node).log.logStartOffset)
  const answered = (partition: ReplicatedPartition): unknown => partition.answers.findLast(({ kind }) => kind === 'deleteRecordsResponse')

  test('hear where the log begins, and the answer waits until all in sync say that theirs does, too', () => {
    const partition = three()
    partition.isolate(2)
    partition.deliver(0, request(2))
    expect(starts(partition)).toEqual([2, 2, 0])
    expect(answered(partition)).toBeUndefined()
    partition.isolate(2, false)
    partition.pass(2000)
    expect(starts(partition)).toEqual([2, 2, 2])
    expect(answered(partition)).toMatchObject({ errorCode: 0, logStartOffset: 2 })
  })

  test('do not join while they have what was deleted', () => {
    const partition = three()
    partition.isolate(2)
    partition.decide({ isr: [0, 1] })
    partition.deliver(0, request(2))
    expect(answered(partition)).toMatchObject({ errorCode: 0, logStartOffset: 2 })
    partition.proposals.length = 0
    let reported = -1
    partition.onMessage = (from, _to, message) => {
      if (message.kind === 'fetch' && from.node === 2) reported = message.logStartOffset
      if (message.kind === 'alterPartition') expect(reported).toBe(2)
    }
    partition.isolate(2, false)
    partition.pass(2500)
    expect(partition.proposals.at(-1)).toMatchObject({ isr: [{ node: 0 }, { node: 1 }, { node: 2 }] })
  })

  test('a new one copies the batch in whose midst the log begins, and begins there itself', () => {
    const partition = new ReplicatedPartition(2, { segmentBytes: 16_384 }, 1, 1)
    partition.produce(0, 'quorum', 4)
    partition.produce(0, 'quorum', 1)
    partition.deliver(0, request(2))
    partition.decide({ replicas: [0, 1] })
    partition.start(1)
    partition.pass(2500)
    expect(partition.log(1)).toEqual(partition.log(0))
    expect(partition.state(1).log).toMatchObject({ logStartOffset: 2, logEndOffset: 5 })
    expect(partition.proposals.at(-1)).toMatchObject({ isr: [{ node: 0 }, { node: 1 }] })
  })

  test('a new one begins with the first segment that is left', () => {
    const partition = new ReplicatedPartition(2, { segmentBytes: 16_384, segmentMillis: 1 }, 1, 1)
    for (let i = 0; i < 4; i++) {
      partition.produce(0, 'quorum', 2)
      partition.at(0).stage.now += 10
    }
    partition.deliver(0, request(5))
    partition.decide({ replicas: [0, 1] })
    partition.start(1)
    partition.pass(2500)
    expect(partition.log(1).map((line) => Number.parseInt(line, 10))).toEqual([4, 6])
    expect(partition.state(1).log.logStartOffset).toBe(5)
  })
})

test('consumers read nothing below the log start, followers the rest of its segment', () => {
  const partition = threeSegments()
  remove(partition, 3)
  const asConsumer = partition.stage.deliver(fetchRequest(1, 2, { replicaId: CONSUMER_REPLICA }))
  expect(sentOne(asConsumer, 'fetchResponse').errorCode).toBe(codeOf('OFFSET_OUT_OF_RANGE'))
})
