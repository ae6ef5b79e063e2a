import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import type { FetchRequest } from '../../protocol/messages/fetch.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { checkHistory } from '../../simulation/checkers/final.ts'
import type { LogContent } from '../../simulation/checkers/final.ts'
import { beginAt, beginBelief, checkGroup, committedOf, endBelief, markProcessed, newGroupTruth } from '../../simulation/checkers/groups.ts'
import type { GroupTruth } from '../../simulation/checkers/groups.ts'
import { noteQuotaUse, noteQuotaNews } from '../../simulation/checkers/quotas.ts'
import type { SeenRecord } from '../../simulation/records.ts'
import { acknowledge, forgetFrom, newTruth, partitionTruth, place } from '../../simulation/truth.ts'
import type { PartitionTruth, Truth } from '../../simulation/truth.ts'
import { World } from '../../simulation/world.ts'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'
import type { TopicConfig } from '../../protocol/topic-config.ts'

const SOUND: readonly SeenRecord[] = [10, 20, 11, 12, 21, 13].map((value, offset) => ({ offset, value: writerOf(value) + value }))

describe('a history of a partition', () => {
  test('that is sound passes', () => expect(verdict(SOUND)).toBeNull())

  test.each<[string, string, (records: SeenRecord[]) => SeenRecord[]]>([
    ['without its last record', 'LOST', (records) => records.slice(0, -1)],
    ['without its first record', 'LOST', (records) => records.slice(1)],
    ['without a record in the middle', 'REC', (records) => records.toSpliced(2, 1)],
    ['with two values of a writer swapped', 'ORD', (records) => withValues(records, [10, 20, 12, 11, 21, 13])],
    ['with a value twice', 'DUP', (records) => withValues(records, [10, 20, 11, 11, 21, 13])],
    ['with another value than was acknowledged', 'CHG', (records) => withValues(records, [10, 20, 11, 12, 22, 13])],
  ])('%s is found: %s', (_, code, change) => expect(verdict(change([...SOUND]))).toBe(code))
})

describe('what is seen of an offset', () => {
  test('must stay what it was', () => {
    const { truth, partition } = newHistory()
    place(truth, partition, 0, 1, 0, 'a reader')
    place(truth, partition, 0, 1, 0, 'another reader')
    expect(truth.world.violation).toBeNull()
    place(truth, partition, 0, 2, 0, 'a third reader')
    expect(truth.world.violation?.code).toBe('CHG')
  })

  test('must not be seen elsewhere', () => {
    const { truth, partition } = newHistory()
    place(truth, partition, 0, 1, 0, 'a reader')
    place(truth, partition, 5, 1, 0, 'a reader')
    expect(truth.world.violation?.code).toBe('DUP')
  })

  test('may change, be lost and come twice where somebody who has fallen behind may lead, and only there', () => {
    for (const uncleanLeaderElection of [true, false]) {
      const { truth, partition } = newHistory({ uncleanLeaderElection })
      acknowledge(truth, partition, 0, [1, 2, 3], 0)
      place(truth, partition, 1, 4, 0, 'a reader')
      place(truth, partition, 4, 3, 0, 'a reader')
      checkHistory(truth, partition, contentOf([{ offset: 0, value: 1 }]))
      expect(truth.world.violation === null).toBe(uncleanLeaderElection)
    }
  })

  test('may be anything in a topic that was deleted or created again', () => {
    const { truth, partition } = newHistory()
    place(truth, partition, 0, 1, 0, 'a reader')
    place(truth, partitionTruth(truth, 'orders-0', 2, defaultTopicConfig), 0, 2, 0, 'a reader')
    partition.isOver = true
    place(truth, partition, 0, 3, 0, 'a reader')
    expect(truth.world.violation).toBeNull()
  })

  test('may change after a power loss where the topic promises no more, and that is counted', () => {
    const { truth, partition } = newHistory()
    acknowledge(truth, partition, 0, [1, 2, 3], 0)
    partition.exposedEnd = 3
    forgetFrom(truth, partition, 1)
    expect(truth.anomalies.unsyncedLost).toBe(1)
    acknowledge(truth, partition, 1, [4, 5], 0)
    expect(truth.world.violation).toBeNull()
  })
})

describe('a group', () => {
  test('may commit what is processed, and no more', () => {
    const { truth, group, partition } = newGroup()
    markProcessed(group, partition, 0)
    commit(group, 'a', 1)
    expect(truth.world.violation).toBeNull()
    commit(group, 'a', 2)
    expect(truth.world.violation?.code).toBe('SKIP')
  })

  test('may not go back behind what a member was told', () => {
    const { truth, group, partition } = newGroup()
    for (const offset of [0, 1, 2]) markProcessed(group, partition, offset)
    commit(group, 'a', 3)
    told(group, 3)
    commit(group, 'a', 2)
    told(group, 2)
    expect(truth.world.violation?.code).toBe('BACK')
  })

  test('may not let a commit count from a member that has lost the partition', () => {
    const { truth, group, partition } = newGroup()
    markProcessed(group, partition, 0)
    group.partitions.set('orders-0', { owner: 'b', believers: new Map() })
    commit(group, 'a', 1)
    expect(truth.world.violation).toBeNull()
    told(group, 1)
    expect(truth.world.violation?.code).toBe('FENCE')
  })

  test('begins anew with a topic that was created again, and inherits nothing of the old one', () => {
    const { truth, group, partition } = newGroup()
    for (const offset of [0, 1, 2]) markProcessed(group, partition, offset)
    commit(group, 'a', 3)
    told(group, 3)
    partition.isOver = true
    const successor = partitionTruth(truth, 'orders-0', 2, defaultTopicConfig)
    expect(committedOf(group, 'orders-0')).toBe(-1)
    beginAt(group, successor, 0, 'a')
    markProcessed(group, successor, 0)
    commit(group, 'a', 1, 2)
    expect(truth.world.violation).toBeNull()
    beginAt(group, successor, 3, 'a')
    expect(truth.world.violation?.code).toBe('SKIP')
  })

  test('may not forget what it took for a topic because of another one of that name', () => {
    const { truth, group, partition } = newGroup()
    for (const offset of [0, 1, 2]) markProcessed(group, partition, offset)
    commit(group, 'a', 3)
    told(group, 3)
    tell(group, 3, 1)
    expect(truth.world.violation).toBeNull()
    tell(group, 7, 0)
    expect(truth.world.violation?.code).toBe('BACK')
  })

  test('may not begin behind a record that nobody has processed', () => {
    const { truth, group, partition } = newGroup()
    beginAt(group, partition, 1, 'a')
    expect(truth.world.violation?.code).toBe('SKIP')
  })

  test('may not have two members that believe in the same partition', () => {
    const { truth, group } = newGroup()
    group.heardAt.set('a', 0)
    beginBelief(group, 'orders-0', 'a')
    beginBelief(group, 'orders-0', 'b')
    expect(truth.world.violation?.code).toBe('EXCL')
  })

  test('may hand over what a consumer has said is lost, though its application has not heard it yet', () => {
    const { truth, group } = newGroup()
    group.heardAt.set('a', 0)
    beginBelief(group, 'orders-0', 'a', { isPaused: false, unheard: [revoking(0, true)] })
    beginBelief(group, 'orders-0', 'b')
    expect(truth.world.violation).toBeNull()
    expect(truth.anomalies.zombieBelief).toBe(1)
  })

  test.each([
    [1000, 2_999_999, 'EXCL'],
    [1000, 3_000_000, undefined],
    [2_999_999, 3_000_000, undefined],
    [3_000_000, 3_000_000, 'EXCL'],
    [3_000_000, 3_000_001, 'EXCL'],
  ])(
    'may have an application that hears of what its consumer said %i us after it was heard, in its session, %i us after that: %s',
    (said, now, code) => {
      const { truth, group } = newGroup()
      group.heardAt.set('a', 0)
      truth.world.runUntil(now)
      group.heardAt.set('b', now)
      beginBelief(group, 'orders-0', 'b')
      beginBelief(group, 'orders-0', 'a', null, said)
      expect(truth.world.violation?.code).toBe(code)
    },
  )

  test.each([
    ['another partition is lost', revoking(1, true)],
    ['it is to let go', revoking(0, false)],
  ])('may not hand over what an application has, only because it has not heard yet that %s', (_, told) => {
    const { truth, group } = newGroup()
    group.heardAt.set('a', 0)
    beginBelief(group, 'orders-0', 'a', { isPaused: false, unheard: [told] })
    beginBelief(group, 'orders-0', 'b')
    expect(truth.world.violation?.code).toBe('EXCL')
  })

  test('may hand over what was let go, and what belonged to a member that has outlived its session', () => {
    const { truth, group } = newGroup()
    beginBelief(group, 'orders-0', 'a')
    endBelief(group, 'orders-0', 'a')
    group.heardAt.set('b', 0)
    beginBelief(group, 'orders-0', 'b')
    truth.world.runUntil(3_000_000)
    beginBelief(group, 'orders-0', 'c')
    expect(truth.world.violation).toBeNull()
    expect(truth.anomalies.zombieBelief).toBe(1)
  })
})

function revoking(partition: number, lost: boolean): Message {
  return { kind: 'revoking', partitions: [{ topic: 'orders', partition }], lost }
}

/** Batches of one record each. */
function contentOf(records: readonly SeenRecord[]): LogContent {
  return { records, begin: records[0]?.offset ?? -1, end: (records.at(-1)?.offset ?? -2) + 1 }
}

function verdict(records: readonly SeenRecord[]): string | null {
  const { truth, partition } = newHistory()
  acknowledge(
    truth,
    partition,
    0,
    SOUND.map(({ value }) => value),
    0,
  )
  checkHistory(truth, partition, contentOf(records))
  return truth.world.violation?.code ?? null
}

function withValues(records: readonly SeenRecord[], values: readonly number[]): SeenRecord[] {
  return records.map(({ offset }, i) => ({ offset, value: writerOf(values[i] ?? 0) + (values[i] ?? 0) }))
}

/** Values 10 to 19 are of writer 1, 20 to 29 of writer 2. */
function writerOf(value: number): number {
  return Math.floor(value / 10) * 0x1_0000_0000
}

function newHistory(settings: Partial<TopicConfig> = {}): { truth: Truth; partition: PartitionTruth } {
  const truth = newTruth(new World(1), [])
  return { truth, partition: partitionTruth(truth, 'orders-0', 1, { ...defaultTopicConfig, ...settings }) }
}

function newGroup(): { truth: Truth; group: GroupTruth; partition: PartitionTruth } {
  const history = newHistory()
  return { ...history, group: newGroupTruth(history.truth, 'billing', 3000) }
}

const CLIENT = { node: -1, actor: 'consumer' }
const STATE = { config: { partition: 0, leaderEpoch: 0 }, groups: new Map() } as unknown as GroupsState

function commit(group: GroupTruth, memberId: string, offset: number, topicId = 1): void {
  const message: Message = {
    kind: 'offsetCommit',
    correlationId: offset,
    group: 'billing',
    memberId,
    memberEpoch: 1,
    offsets: [{ topic: 'orders', partition: 0, offset, metadata: '', topicId }],
  }
  const produce: Message = {
    kind: 'produce',
    correlationId: 1,
    topicId: 1,
    leaderEpoch: -1,
    acks: 'leader',
    transaction: null,
    isFirst: false,
    records: new Uint8Array(0),
  }
  checkGroup(group, STATE, message, CLIENT, [send(produce)])
}

/** The group's log has taken the commit of an offset: its member hears of it. */
function told(group: GroupTruth, offset: number): void {
  const produced: Message = {
    kind: 'produceResponse',
    correlationId: 1,
    errorCode: 0,
    errorMessage: null,
    baseOffset: 0,
    logAppendTime: -1,
    logStartOffset: 0,
  }
  checkGroup(group, STATE, produced, CLIENT, [
    send({ kind: 'offsetCommitResponse', correlationId: offset, errorCode: 0, errorMessage: null }),
  ])
}

/** The group says what is committed. */
function tell(group: GroupTruth, offset: number, topicId: number): void {
  const asked: Message = { kind: 'offsetFetch', correlationId: 9, group: 'billing', partitions: [{ topic: 'orders', partitions: [0] }] }
  const offsets = [{ topic: 'orders', partition: 0, offset, metadata: '', topicId }]
  checkGroup(group, STATE, asked, CLIENT, [
    send({ kind: 'offsetFetchResponse', correlationId: 9, errorCode: 0, requested: ['orders-0'], offsets }),
  ])
}

function send(message: Message): Effect {
  return { kind: 'send', to: CLIENT, message }
}

describe('what a client with a quota gets', () => {
  const FETCH: FetchRequest = {
    kind: 'fetch',
    correlationId: 1,
    topicId: 1,
    leaderEpoch: 0,
    replicaId: -1,
    brokerEpoch: -1,
    lastFetchedEpoch: -1,
    fetchOffset: 0,
    logStartOffset: -1,
    syncedOffset: -1,
    minBytes: 1,
    maxBytes: 1,
    maxWaitMillis: 1,
    mode: 'bytes',
    isolationLevel: 'read_uncommitted',
  }
  const CHUNK = { kind: 'chunk', topic: 't', partition: 0, session: 1, fetchOffset: 0, highWatermark: 9 } as const

  function used(...pieces: readonly (readonly [atMillis: number, sizeBytes: number])[]): string | null {
    const world = new World(1)
    const common = {
      name: 'a reader',
      bytesPerSecondMax: 1000,
      beganMicros: 0,
      underWayBytes: 50,
      usedBytes: 0,
      microsPerSecondMax: null,
      usedMicros: 0,
      isTold: false,
      isOver: false,
    }
    const account = { world, ...common }
    for (const [atMillis, sizeBytes] of pieces) {
      world.runUntil(atMillis * 1000)
      noteQuotaUse(account, { ...CHUNK, abortedTransactions: [], node: 0, range: null, records: new Uint8Array(sizeBytes) })
    }
    return world.violation?.code ?? null
  }

  test('may be the burst, the rate, and what was under way, and one piece more', () => {
    expect(used([0, 151], [0, 5000], [5100, 1])).toBeNull()
  })

  test('is, of the time of its requests, what was due, and each of them is timed', () => {
    const spent = (...steps: readonly (readonly [atMillis: number, micros: number])[]): string | null => {
      const world = new World(1)
      const about = { name: 'a reader', bytesPerSecondMax: 1, beganMicros: 0, underWayBytes: 0, usedBytes: 0 }
      const account = { world, ...about, microsPerSecondMax: 1000, usedMicros: 0, isTold: false, isOver: false }
      for (const [atMillis, micros] of steps) {
        world.runUntil(atMillis * 1000)
        if (micros > 0) noteQuotaNews(account, { kind: 'requestTimed', correlationId: 1, micros })
        else noteQuotaUse(account, micros < 0 ? FETCH : { ...FETCH, isTimed: true })
      }
      return world.violation?.code ?? null
    }
    expect(spent([0, 0], [0, 101], [0, 0], [0, 50], [50, 0])).toBeNull()
    expect(spent([0, 102], [0, 0])).toBe('QUOTA')
    expect(spent([0, -1])).toBe('QUOTA')
  })

  test('is not more', () => {
    expect(used([0, 152], [0, 1])).toBe('QUOTA')
    expect(used([0, 5000], [4800, 1])).toBe('QUOTA')
  })
})
