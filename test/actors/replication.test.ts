// Several replicas of one partition: what followers copy, when producers are answered, and what happens when leaders change (KIP-101, 279, 320, 497, 966).

import { describe, expect, test } from 'vitest'
import { codeOf } from '../../protocol/errors.ts'
import type { Effect } from '../../actors/effect.ts'
import { LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { FetchRequest, FetchResponse } from '../../protocol/messages/fetch.ts'
import { logFileName } from '../../partitions/log.ts'
import { answerTo, ReplicatedPartition } from './replication-support.ts'
import { sentOne } from './stage.ts'

const NONE = 0

/** A fetch of the follower on node 1, in a life of its node. */
function followerFetch(brokerEpoch: number, fetchOffset: number): FetchRequest {
  return {
    kind: 'fetch',
    correlationId: 1,
    topicId: 5,
    leaderEpoch: 0,
    replicaId: 1,
    brokerEpoch,
    lastFetchedEpoch: fetchOffset > 0 ? 0 : -1,
    fetchOffset,
    logStartOffset: 0,
    syncedOffset: -1,
    minBytes: 1,
    maxBytes: 1000,
    maxWaitMillis: 500,
    mode: 'bytes',
    isolationLevel: 'read_uncommitted',
  }
}

describe('a leader and its followers', () => {
  test('have the same bytes, and a producer that asked for the quorum is answered when all in sync have its batch', () => {
    const partition = new ReplicatedPartition(3)
    const produced = partition.produce(0, 'quorum', 2, 100)
    expect(partition.outcome(produced)).toEqual({ errorCode: NONE, baseOffset: 0 })
    expect([0, 1, 2].map((node) => partition.log(node))).toEqual(Array.from({ length: 3 }, () => ['0/0@100']))
    expect(partition.state(0).highWatermark.offset).toBe(2)
  })

  test('a batch is not acknowledged to the quorum while one that is in sync does not have it', () => {
    const partition = new ReplicatedPartition(3)
    partition.isolate(2)
    const quorum = partition.produce(0)
    const leader = partition.produce(0, 'leader')
    const two = partition.produce(0, 2)
    const three = partition.produce(0, 3)
    expect(partition.outcome(quorum)).toBeUndefined()
    expect(partition.outcome(leader)).toEqual({ errorCode: NONE, baseOffset: 1 })
    expect(partition.outcome(two)).toEqual({ errorCode: NONE, baseOffset: 2 })
    expect(partition.outcome(three)).toBeUndefined()
    expect(partition.state(0).highWatermark.offset).toBe(0)
    partition.isolate(2, false)
    partition.pass(1100)
    expect(partition.outcome(quorum)).toEqual({ errorCode: NONE, baseOffset: 0 })
    expect(partition.outcome(three)).toEqual({ errorCode: NONE, baseOffset: 3 })
  })

  test('the leader proposes to go on without a follower that has been silent for too long, and is heard', () => {
    const partition = new ReplicatedPartition(3)
    partition.isolate(2)
    const produced = partition.produce(0)
    partition.pass(1300)
    expect(partition.proposals.at(-1)).toMatchObject({ isr: [{ node: 0 }, { node: 1 }], leaderEpoch: 0, partitionEpoch: 0 })
    expect(partition.outcome(produced)).toBeUndefined()
    partition.decide({ isr: [0, 1] })
    expect(partition.outcome(produced)).toEqual({ errorCode: NONE, baseOffset: 0 })
  })

  test.each([100, 400, 500, 2000])('nobody is given up where nothing is written, if a replica may lag for %d ms', (replicaLagMillis) => {
    const partition = new ReplicatedPartition(3, { replicaLagMillis })
    partition.produce(0)
    partition.pass(10_000)
    expect(partition.proposals).toEqual([])
    partition.isolate(2)
    partition.pass(2 * replicaLagMillis)
    expect(partition.proposals[0]?.isr?.map(({ node }) => node)).toEqual([0, 1])
  })

  test('a follower that has caught up is proposed, and counts for the high watermark before the coordinator has answered', () => {
    const partition = new ReplicatedPartition(2)
    partition.isolate(1)
    partition.pass(1300)
    partition.decide({ isr: [0] })
    expect(partition.outcome(partition.produce(0))).toEqual({ errorCode: NONE, baseOffset: 0 })
    partition.isolate(1, false)
    partition.pass(1100)
    expect(partition.proposals.at(-1)).toMatchObject({ isr: [{ node: 0 }, { node: 1, brokerEpoch: 1 }] })
    // Told that it failed, the leader cannot know that it has: somebody may have carried it out.
    partition.isolate(1)
    for (let i = 0; i < 6; i++) {
      const { correlationId } = partition.proposals.at(-1)!
      const failed = { kind: 'alterPartitionResponse', correlationId, errorCode: codeOf('NOT_CONTROLLER') } as const
      partition.at(0).stage.deliver(failed, { node: 0, actor: 'broker' })
      partition.pass(250)
    }
    expect(partition.outcome(partition.produce(0))).toBeUndefined()
  })

  test('a proposal that is made again is that of the life of the node that had caught up, and what that life says later is refused', () => {
    const partition = new ReplicatedPartition(2)
    partition.stop(1)
    partition.decide({ isr: [0] })
    partition.produce(0)
    const fetch = (brokerEpoch: number, fetchOffset: number): Effect[] =>
      partition.at(0).stage.deliver(followerFetch(brokerEpoch, fetchOffset), { node: 1, actor: 'replica/t-0' })
    const first = sentOne(fetch(7, 1), 'alterPartition')
    expect(first.isr).toEqual([
      { node: 0, brokerEpoch: 1 },
      { node: 1, brokerEpoch: 7 },
    ])
    // The node has lost its disk meanwhile, and registers again.
    fetch(9, 0)
    partition.pass(2000)
    expect(partition.proposals.at(-1)).toEqual({ ...first, correlationId: expect.any(Number) as number })
    expect(sentOne(fetch(7, 1), 'fetchResponse').errorCode).toBe(codeOf('NOT_LEADER_OR_FOLLOWER'))
    expect(partition.state(0).replication?.followers.get(1)).toMatchObject({ brokerEpoch: 9, endOffset: 0 })
  })

  test('what a former life of a follower says late is refused, also when the log of its present one differs', () => {
    const partition = new ReplicatedPartition(2)
    partition.stop(1)
    partition.decide({ isr: [0] })
    partition.produce(0)
    const fetch = (brokerEpoch: number, fetchOffset: number): FetchResponse =>
      sentOne(partition.at(0).stage.deliver(followerFetch(brokerEpoch, fetchOffset), { node: 1, actor: 'replica/t-0' }), 'fetchResponse')
    expect(fetch(9, 5)).toMatchObject({ errorCode: NONE, divergingEpoch: 0, divergingEndOffset: 1 })
    expect(fetch(7, 0).errorCode).toBe(codeOf('NOT_LEADER_OR_FOLLOWER'))
    expect(partition.state(0).replication?.followers.get(1)).toMatchObject({ brokerEpoch: 9, endOffset: -1 })
  })

  test('below the minimum of in-sync replicas nothing is acknowledged to the quorum, nor exposed', () => {
    const partition = new ReplicatedPartition(3, {}, 2)
    partition.isolate(1)
    partition.isolate(2)
    const waiting = partition.produce(0)
    partition.decide({ isr: [0] })
    expect(partition.outcome(waiting)).toMatchObject({ errorCode: codeOf('NOT_ENOUGH_REPLICAS_AFTER_APPEND') })
    expect(partition.outcome(partition.produce(0))).toMatchObject({ errorCode: codeOf('NOT_ENOUGH_REPLICAS') })
    expect(partition.outcome(partition.produce(0, 2))).toMatchObject({ errorCode: codeOf('NOT_ENOUGH_REPLICAS') })
    expect(partition.outcome(partition.produce(0, 4))).toMatchObject({ errorCode: codeOf('INVALID_REQUIRED_ACKS') })
    expect(partition.outcome(partition.produce(0, 'leader'))).toMatchObject({ errorCode: NONE })
    expect(partition.state(0).highWatermark.offset).toBe(0)
  })
})

test('what only its leader has acknowledged is read by nobody before others have it', () => {
  const partition = new ReplicatedPartition(2)
  partition.isolate(1)
  expect(partition.outcome(partition.produce(0, 'leader'))?.errorCode).toBe(NONE)
  expect(partition.state(0)).toMatchObject({ durableEndOffset: 1, highWatermark: { offset: 0 } })
})

describe('when the leader changes', () => {
  test('what was acknowledged to the quorum is there, whoever of those in sync leads (KIP-101, scenario 1)', () => {
    const partition = new ReplicatedPartition(2)
    const first = partition.produce(0, 'quorum', 1, 1)
    const second = partition.produce(0, 'quorum', 1, 2)
    expect([first, second].map((one) => partition.outcome(one)?.errorCode)).toEqual([NONE, NONE])
    // The follower has not heard of the last high watermark. It restarts, and the leader dies before it can ask.
    partition.stop(1)
    partition.isolate(1)
    partition.start(1)
    partition.stop(0)
    partition.elect(1, [1])
    expect(partition.log(1)).toEqual(['0/0@1', '1/0@2'])
    expect(partition.state(1).highWatermark.offset).toBe(2)
  })

  test('a former leader cuts what it alone had, and copies what was written since (KIP-101, scenario 2)', () => {
    const partition = new ReplicatedPartition(3)
    partition.produce(0, 'quorum', 1, 1)
    partition.isolate(0)
    const lost = partition.produce(0, 'quorum', 1, 2)
    partition.elect(1, [1, 2], [0])
    partition.produce(1, 'quorum', 1, 3)
    partition.isolate(0, false)
    partition.decide({})
    partition.pass(2000)
    expect(partition.outcome(lost)).toMatchObject({ errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') })
    expect([0, 1, 2].map((node) => partition.log(node))).toEqual(Array.from({ length: 3 }, () => ['0/0@1', '1/1@3']))
  })

  test('logs that differ over several reigns are cut until they agree (KIP-279)', () => {
    const partition = new ReplicatedPartition(3)
    partition.produce(0, 'quorum', 1, 1)
    // Each of the next leaders writes one record that nobody copies.
    for (const leader of [1, 0, 1]) {
      partition.isolate(0)
      partition.isolate(1)
      partition.isolate(2)
      partition.elect(leader, [leader])
      partition.produce(leader, 'leader', 1, 10 + partition.role.leaderEpoch)
    }
    partition.elect(2, [2])
    partition.produce(2, 'leader', 2, 20)
    partition.cut.clear()
    partition.decide({})
    partition.pass(3000)
    const logs = [0, 1, 2].map((node) => partition.log(node))
    expect(logs).toEqual(Array.from({ length: 3 }, () => ['0/0@1', '1/4@20']))
  })

  test('a leader of the past is not obeyed, nor does it learn anything: fetches carry the epoch (KIP-320)', () => {
    const partition = new ReplicatedPartition(3)
    partition.elect(1, [0, 1, 2], [0, 2])
    // Node 2 follows node 0 still, which leads still, as far as both know.
    const produced = partition.produce(0, 'quorum', 1, 5)
    expect(partition.outcome(produced)).toBeUndefined()
    expect(partition.state(0).highWatermark.offset).toBe(0)
  })

  test('a new leader tells nobody where the log ends before its high watermark has caught up (KIP-207)', () => {
    const partition = new ReplicatedPartition(2)
    partition.produce(0, 'leader', 1, 1)
    partition.isolate(1)
    partition.produce(0, 'leader', 1, 2)
    partition.elect(1, [0, 1])
    expect(partition.state(1).replication?.epochStartOffset).toBe(1)
    expect(partition.state(1).highWatermark.offset).toBe(0)
    const whereItEnds = (): unknown => {
      partition.deliver(1, {
        kind: 'listOffsets',
        correlationId: 1,
        topicId: 5,
        timestamp: LATEST_TIMESTAMP,
        isolationLevel: 'read_uncommitted',
      })
      return partition.answers.at(-1)
    }
    expect(whereItEnds()).toMatchObject({ errorCode: codeOf('OFFSET_NOT_AVAILABLE') })
    partition.isolate(1, false)
    partition.pass(1500)
    expect(partition.state(1).highWatermark.offset).toBe(1)
    expect(whereItEnds()).toMatchObject({ errorCode: NONE, offset: 1 })
    expect(partition.log(0)).toEqual(['0/0@1'])
  })
})

describe('a follower', () => {
  test('that hears of a new leader before that one does asks again at once, and then more and more seldom', () => {
    const partition = new ReplicatedPartition(3)
    partition.elect(1, [0, 1, 2], [1])
    const asked: number[] = []
    for (let at = 0; at < 150; at++) {
      const before = partition.state(2).nextToken
      partition.pass(1)
      if (partition.state(2).nextToken > before) asked.push(partition.uptime)
    }
    expect(asked).toEqual([1, 3, 7, 15, 31, 63, 103, 143])
    partition.decide({})
    partition.pass(40)
    const produced = partition.produce(1)
    expect(partition.outcome(produced)).toMatchObject({ baseOffset: 0 })
  })

  test('that was away copies everything, from an empty directory, too', () => {
    const partition = new ReplicatedPartition(2)
    partition.stop(1)
    partition.decide({ isr: [0] })
    for (let i = 0; i < 50; i++) partition.produce(0, 'quorum', 3, i)
    partition.at(1).disk.logs.clear()
    partition.start(1)
    partition.pass(2000)
    expect(partition.log(1)).toEqual(partition.log(0))
    expect(partition.proposals.at(-1)?.isr?.map(({ node }) => node)).toEqual([0, 1])
  })

  test('that a reassignment brings copies no faster than it may', () => {
    const partition = new ReplicatedPartition(2)
    partition.stop(1)
    partition.decide({ isr: [0] })
    for (let i = 0; i < 20; i++) partition.produce(0, 'quorum', 3, i)
    const files = partition.at(0).disk.logs.get(partition.state(0).logName)!
    const sizeBytes = files.get(logFileName(0))!.length
    partition.at(1).disk.logs.clear()
    partition.role = { ...partition.role, throttleBytesPerSecond: sizeBytes / 4 }
    partition.start(1)
    const copied = (): number => partition.state(1).log.logEndOffset / partition.state(0).log.logEndOffset
    // A second's worth at once, then as it may: the whole takes four seconds, less the last pause.
    expect(copied()).toBeCloseTo(0.25)
    partition.pass(1500)
    expect(copied()).toBeCloseTo(0.5)
    partition.pass(2000)
    expect(copied()).toBe(1)
    expect(partition.log(1)).toEqual(partition.log(0))
  })

  test('that waits for its pace goes on when there is no limit any more', () => {
    const partition = new ReplicatedPartition(2)
    partition.stop(1)
    partition.decide({ isr: [0] })
    for (let i = 0; i < 20; i++) partition.produce(0, 'quorum', 3, i)
    partition.at(1).disk.logs.clear()
    partition.role = { ...partition.role, throttleBytesPerSecond: 1 }
    partition.start(1)
    expect(partition.state(1).log.logEndOffset).toBeLessThan(partition.state(0).log.logEndOffset)
    partition.decide({ throttleBytesPerSecond: 0 })
    expect(partition.log(1)).toEqual(partition.log(0))
  })

  test('begins where the leader begins, when retention has taken what it lacks', () => {
    const partition = new ReplicatedPartition(2, { segmentBytes: 16_384, retentionBytes: 20_000 })
    partition.stop(1)
    partition.pass(1300)
    partition.decide({ isr: [0] })
    for (let i = 0; i < 600; i++) partition.produce(0, 'quorum', 5, i)
    partition.pass(31_000)
    const begin = partition.state(0).log.logStartOffset
    expect(begin).toBeGreaterThan(0)
    partition.start(1)
    partition.pass(5000)
    expect(partition.state(1).log.logStartOffset).toBe(begin)
    expect(partition.log(1)).toEqual(partition.log(0))
    // It knows so after a restart, too.
    partition.stop(1)
    partition.start(1)
    expect(partition.state(1).log.logStartOffset).toBe(begin)
  })

  test('does not take an answer to its former life for one to this life', () => {
    const partition = new ReplicatedPartition(2)
    partition.produce(0)
    partition.stop(1)
    partition.isolate(1)
    partition.start(1, 12_345)
    for (let correlationId = 1; correlationId < 100; correlationId++) {
      expect(partition.at(1).stage.deliver(answerTo(correlationId), { node: 0, actor: 'replica/t-0' })).toEqual([])
    }
    expect(partition.state(1)).toMatchObject({ phase: 'following', log: { logEndOffset: 1 } })
  })

  test('whose disk fails opens its log again and goes on', () => {
    const partition = new ReplicatedPartition(2)
    partition.produce(0, 'quorum', 1, 1)
    partition.at(1).disk.failing.set('sync', 'io')
    const produced = partition.produce(0, 'quorum', 1, 2)
    expect(partition.outcome(produced)).toBeUndefined()
    partition.at(1).disk.failing.clear()
    partition.pass(3000)
    expect(partition.outcome(produced)).toEqual({ errorCode: NONE, baseOffset: 1 })
    expect(partition.log(1)).toEqual(partition.log(0))
  })
})

test('a leader whose disk is full says so to whoever waits', () => {
  const partition = new ReplicatedPartition(2)
  partition.at(0).disk.failing.set('append', 'full')
  const produced = partition.produce(0, 'quorum', 1, 1)
  expect(partition.outcome(produced)).toMatchObject({ errorCode: codeOf('KAFKA_STORAGE_ERROR') })
  expect(partition.state(0).failure).toBe('the disk is full')
})

test('a leader whose disk fails asks to be relieved, and does not lead again in that epoch', () => {
  const partition = new ReplicatedPartition(2)
  partition.produce(0, 'quorum', 1, 1)
  partition.at(0).disk.failing.set('sync', 'io')
  const produced = partition.produce(0, 'quorum', 1, 2)
  expect(partition.outcome(produced)).toMatchObject({ errorCode: codeOf('KAFKA_STORAGE_ERROR') })
  expect(partition.failed).toEqual([{ node: 0, leaderEpoch: 0 }])
  partition.at(0).disk.failing.clear()
  partition.pass(1500)
  expect(partition.state(0).phase).toBe('idle')
  partition.elect(0)
  partition.pass(1500)
  expect(partition.state(0).phase).toBe('leading')
  expect(partition.log(1)).toEqual(partition.log(0))
})

test('a leader that was alone when it began notices, too, that a replica which was added falls behind', () => {
  const partition = new ReplicatedPartition(2)
  partition.stop(1)
  partition.decide({ leader: 0, leaderEpoch: 1, replicas: [0], isr: [0] })
  partition.pass(5000)
  partition.decide({ replicas: [0, 1] })
  partition.start(1)
  partition.pass(1500)
  expect(partition.proposals.at(-1)?.isr?.map(({ node }) => node)).toEqual([0, 1])
  partition.decide({ isr: [0, 1] })
  partition.isolate(1)
  partition.pass(5000)
  expect(partition.proposals.at(-1)?.isr?.map(({ node }) => node)).toEqual([0])
})
