// What becomes of partitions when nodes come and go: registrations, fencing, unfencing, and what leaders propose (KIP-631, KIP-841, KIP-903, KIP-966).

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  changeIsr,
  fenceBroker,
  preferLeaders,
  registerBroker,
  relieveLeader,
  shutDownBroker,
  storageStateOf,
  unfenceBroker,
} from '../../coordinator/brokers.ts'
import type { IsrProposal } from '../../coordinator/brokers.ts'
import { applyRecord, imageRecords, isLive } from '../../coordinator/metadata.ts'
import type { MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import { newPartition } from '../../coordinator/partition-image.ts'
import { after, clusterWith, registration } from './brokers-support.ts'
import { imageOf, nodes, partitionOf, topicWith } from './support.ts'

describe('a node that presents itself', () => {
  const image = clusterWith([])

  test('has what it had when it remembers its last active incarnation, and has stopped cleanly or kept its page cache', () => {
    expect(storageStateOf(image, registration())).toBe('intact')
    expect(storageStateOf(image, registration({ previousBrokerEpoch: 150 }))).toBe('intact')
  })

  test('may lack what was not synced when the system was started anew', () => {
    expect(storageStateOf(image, registration({ isUnsyncedSafe: false }))).toBe('unsyncedLost')
  })

  test('cannot vouch for anything with an empty directory, or an old copy of one', () => {
    expect(storageStateOf(image, registration({ previousBrokerEpoch: -1 }))).toBe('unknown')
    expect(storageStateOf(image, registration({ previousBrokerEpoch: 100 }))).toBe('unknown')
  })

  test('for the first time, or without ever having been active, has nothing to lose', () => {
    const empty = { previousBrokerEpoch: -1, isUnsyncedSafe: false }
    expect(storageStateOf(image, registration({ node: 9, ...empty }))).toBe('intact')
    expect(storageStateOf(imageOf(...nodes([1], [1])), registration(empty))).toBe('intact')
  })
})

describe('a registration', () => {
  test('is the offset behind its record: whoever has applied it has this much metadata', () => {
    const image = clusterWith([])
    const { endOffset } = image
    const [record] = registerBroker(image, registration({ rack: 'a' }))
    expect(record).toEqual({ type: 'brokerRegistered', node: 1, incarnation: 77, rack: 'a', brokerEpoch: endOffset + 1 })
    applyRecord(image, record!)
    expect(image.brokers.get(1)).toMatchObject({ fenced: true, activeEpoch: 101 })
    expect(image.endOffset).toBe(endOffset + 1)
  })

  test('takes the node out of every ISR that has another member, and it leads no more', () => {
    const image = clusterWith([partitionOf([1, 0, 2]), partitionOf([0, 1]), partitionOf([0, 2])])
    const records = registerBroker(image, registration())
    expect(records.slice(1)).toMatchObject([
      { partition: 0, image: { isr: [0, 2], leader: 0, leaderEpoch: 1 } },
      { partition: 1, image: { isr: [0], leader: 0, leaderEpoch: 0 } },
    ])
  })

  test('leaves the node in the ISR where it is the last one, and has what it had', () => {
    const image = clusterWith([partitionOf([1, 0], { isr: [1] })])
    expect(after(image, registerBroker(image, registration()))).toMatchObject({ isr: [1], leader: -1, leaderEpoch: 1 })
    expect(after(image, unfenceBroker(image, 1))).toMatchObject({ isr: [1], leader: 1, leaderEpoch: 2 })
  })

  test('changes nothing else, whatever the node has lost: it may be late, and its node dead', () => {
    for (const loss of [{ isUnsyncedSafe: false }, { previousBrokerEpoch: -1 }]) {
      const image = clusterWith([partitionOf([1, 0], { isr: [1] })], { flush: 'os' })
      expect(after(image, registerBroker(image, registration(loss)))).toMatchObject({ isr: [1], leader: -1 })
      const { brokerEpoch } = image.brokers.get(1)!
      // The living one was active, and has not heard of it.
      expect(brokerEpoch).toBeGreaterThan(101)
      expect(storageStateOf(image, registration({ incarnation: 78, previousBrokerEpoch: 101 }))).toBe('intact')
      expect(storageStateOf(image, registration({ incarnation: 78, previousBrokerEpoch: brokerEpoch }))).not.toBe('intact')
    }
  })

  test('says what the node has lost until it is unfenced, also when one of a former life comes between and it must register again', () => {
    for (const [loss, storage] of [
      [{ isUnsyncedSafe: false }, 'unsyncedLost'],
      [{ previousBrokerEpoch: -1 }, 'unknown'],
    ] as const) {
      const image = clusterWith([partitionOf([0, 1], { isr: [0], elr: [1] })], { flush: 'os', minInsyncReplicas: 2 })
      after(image, registerBroker(image, registration(loss)))
      const { brokerEpoch } = image.brokers.get(1)!
      after(image, registerBroker(image, registration({ incarnation: 76 })))
      const again = registration({ incarnation: 78, previousBrokerEpoch: brokerEpoch })
      expect(storageStateOf(imageOf(...imageRecords(image)), again)).toBe(storage)
      after(image, registerBroker(image, again))
      expect(after(image, unfenceBroker(image, 1))).toMatchObject({ isr: [0], elr: [] })
      expect(storageStateOf(image, registration({ incarnation: 79, previousBrokerEpoch: image.brokers.get(1)!.brokerEpoch }))).toBe(
        'intact',
      )
    }
  })
})

describe('fencing', () => {
  test('takes a node out of the ISRs and elects others', () => {
    const image = clusterWith([partitionOf([1, 2]), partitionOf([1], {}), partitionOf([0, 2])])
    const records = fenceBroker(image, 1)
    expect(records).toMatchObject([
      { type: 'brokerFenced', node: 1, fenced: true },
      { partition: 0, image: { isr: [2], leader: 2, leaderEpoch: 1 } },
      { partition: 1, image: { isr: [1], leader: -1, leaderEpoch: 1 } },
    ])
    after(image, records)
    expect(isLive(image, 1)).toBe(false)
  })

  test('never elects a node that is fenced itself', () => {
    const image = clusterWith([partitionOf([1, 2, 0])], {}, [2])
    expect(after(image, fenceBroker(image, 1))).toMatchObject({ leader: 0 })
  })

  test('of a node that is fenced, or that nobody knows, is nothing', () => {
    const image = clusterWith([partitionOf([1])], {}, [1])
    expect([...fenceBroker(image, 1), ...fenceBroker(image, 9)]).toEqual([])
  })
})

describe('a node that wants to stop', () => {
  test('is fenced in its incarnation; others lead, and it is in no ISR that has another member', () => {
    const image = clusterWith([partitionOf([1, 2]), partitionOf([1]), partitionOf([0, 1])])
    const records = shutDownBroker(image, 1, 101)
    expect(records).toMatchObject([
      { type: 'brokerFenced', node: 1, fenced: true, stopping: true },
      { partition: 0, image: { isr: [2], leader: 2, leaderEpoch: 1 } },
      { partition: 1, image: { isr: [1], leader: -1, leaderEpoch: 1 } },
      { partition: 2, image: { isr: [0], leader: 0, leaderEpoch: 0 } },
    ])
    after(image, records)
    expect(shutDownBroker(image, 1, 101)).toEqual([])
  })

  test('joins no ISR, and leads nothing, until it registers again (KIP-841)', () => {
    const image = clusterWith([partitionOf([0, 1]), partitionOf([1])])
    after(image, shutDownBroker(image, 1, 101))
    expect(unfenceBroker(image, 1)).toEqual([])
    const { partitionEpoch } = image.topics.get('t')!.partitions[0]!
    const isr = [0, 1].map((node) => ({ node, brokerEpoch: 100 + node }))
    const proposal: IsrProposal = { topicId: 1, partition: 0, leader: 0, leaderEpoch: 0, partitionEpoch, isr }
    expect(changeIsr(image, proposal)).toBe('INELIGIBLE_REPLICA')
    after(image, registerBroker(image, registration()))
    expect(after(image, unfenceBroker(image, 1), 1)).toMatchObject({ leader: 1 })
  })

  test('is not the incarnation that speaks too late', () => {
    expect(shutDownBroker(clusterWith([partitionOf([1, 2])]), 1, 99)).toEqual([])
    expect(shutDownBroker(clusterWith([]), 9, 99)).toEqual([])
  })

  test('stays so in a snapshot', () => {
    const image = clusterWith([])
    after(image, shutDownBroker(image, 1, 101))
    expect(imageOf(...imageRecords(image)).brokers.get(1)).toEqual(image.brokers.get(1))
  })
})

describe('unfencing', () => {
  test('lets a node lead where nobody does and it may, and puts it into no other ISR', () => {
    const partitions = [
      partitionOf([1], { leader: -1, leaderEpoch: 3 }),
      partitionOf([0, 1], { isr: [0] }),
      partitionOf([2, 1], { isr: [2], leader: -1, leaderEpoch: 3 }),
      partitionOf([2, 1], { isr: [2], elr: [1], leader: -1, leaderEpoch: 3 }),
    ]
    expect(unfenceBroker(clusterWith(partitions, {}, [1, 2]), 1)).toMatchObject([
      { type: 'brokerFenced', node: 1, fenced: false },
      { partition: 0, image: { leader: 1, isr: [1], leaderEpoch: 4 } },
      { partition: 3, image: { leader: 1, isr: [1], elr: [2], leaderEpoch: 4 } },
    ])
  })

  test('of a node that is live, or that nobody knows, is nothing', () => {
    const image = clusterWith([])
    expect([...unfenceBroker(image, 1), ...unfenceBroker(image, 9)]).toEqual([])
  })

  test('has the first replica that is live lead what was created while none was; one that a reassignment brings waits', () => {
    const unled = newPartition([0, 1], () => false)
    const image = clusterWith([unled, { ...unled, replicas: [1, 0], adding: [1] }], {}, [0, 1, 2])
    after(image, unfenceBroker(image, 1))
    expect(image.topics.get('t')?.partitions).toMatchObject([
      { isr: [1], elr: [], leader: 1, leaderEpoch: 1 },
      { isr: [0], elr: [], leader: -1, leaderEpoch: 0 },
    ])
    // Another one has nothing either, but is in sync when the leader says so.
    expect(after(image, unfenceBroker(image, 0))).toMatchObject({ isr: [1], leader: 1 })
  })
})

describe('a proposed ISR', () => {
  const partition = partitionOf([0, 1, 2], { isr: [0, 1], leaderEpoch: 4, partitionEpoch: 9 })
  const image = clusterWith([partition], {}, [2])

  /** What becomes of a proposal of the leader that is sound, but for what is given. */
  function verdict(changes: Partial<IsrProposal>, own: MetadataImage = image): ReturnType<typeof changeIsr> {
    const isr = [{ node: 0, brokerEpoch: 100 }]
    return changeIsr(own, { topicId: 1, partition: 0, leader: 0, leaderEpoch: 4, partitionEpoch: 9, isr, ...changes })
  }

  test('that is sound is the new ISR', () => {
    expect(verdict({})).toEqual([
      { type: 'partitionChanged', topicId: 1, partition: 0, image: { ...partition, isr: [0], elr: [1], partitionEpoch: 10 } },
    ])
  })

  test('is judged for the partition as it is now', () => {
    expect(verdict({ topicId: 9 })).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(verdict({ partition: 1 })).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(verdict({ leaderEpoch: 3 })).toBe('FENCED_LEADER_EPOCH')
    expect(verdict({ leaderEpoch: 5 })).toBe('NOT_CONTROLLER')
    expect(verdict({ leader: 1 })).toBe('INVALID_REQUEST')
    expect(verdict({ partitionEpoch: 8 })).toBe('INVALID_UPDATE_VERSION')
    expect(verdict({ partitionEpoch: 10 })).toBe('INVALID_UPDATE_VERSION')
  })

  test('has the leader, and none but replicas', () => {
    expect(verdict({ isr: [{ node: 1, brokerEpoch: 101 }] })).toBe('INVALID_REQUEST')
    const stranger = [...[0, 7].map((node) => ({ node, brokerEpoch: 100 + node }))]
    expect(verdict({ isr: stranger })).toBe('INVALID_REQUEST')
  })

  test('has nobody who is fenced (KIP-841)', () => {
    const isr = [0, 2].map((node) => ({ node, brokerEpoch: 100 + node }))
    expect(verdict({ isr })).toBe('INELIGIBLE_REPLICA')
    expect(verdict({ isr }, clusterWith([partition]))).toMatchObject([{ image: { isr: [0, 2] } }])
  })

  test('has nobody who is not the incarnation that the leader has heard (KIP-903)', () => {
    const isr = (brokerEpoch: number): IsrProposal['isr'] => [
      { node: 0, brokerEpoch: 100 },
      { node: 1, brokerEpoch },
    ]
    expect(verdict({ isr: isr(101) })).toMatchObject([{ image: { isr: [0, 1] } }])
    expect(verdict({ isr: isr(99) })).toBe('INELIGIBLE_REPLICA')
    expect(verdict({ isr: isr(150) })).toBe('INELIGIBLE_REPLICA')
  })

  test('may keep those whom the leader has not heard yet, but not take them in', () => {
    const isr = (node: number): IsrProposal['isr'] => [
      { node: 0, brokerEpoch: 100 },
      { node, brokerEpoch: -1 },
    ]
    const live = clusterWith([partition])
    expect(verdict({ isr: isr(1) }, live)).toMatchObject([{ image: { isr: [0, 1] } }])
    expect(verdict({ isr: isr(2) }, live)).toBe('INELIGIBLE_REPLICA')
  })

  test('with which the new replicas of a reassignment are in sync ends it', () => {
    const moving = partitionOf([2, 1, 0], { isr: [0, 1], leader: 0, adding: [2], removing: [0], leaderEpoch: 4, partitionEpoch: 9 })
    const isr = [0, 1, 2].map((node) => ({ node, brokerEpoch: 100 + node }))
    expect(verdict({ isr }, clusterWith([moving]))).toMatchObject([
      { image: { replicas: [2, 1], isr: [2, 1], leader: 2, leaderEpoch: 5, adding: [], removing: [] } },
    ])
    expect(verdict({ isr: isr.slice(0, 2) }, clusterWith([moving]))).toMatchObject([{ image: { adding: [2], removing: [0] } }])
  })
})

describe('a leader that asks to be relieved', () => {
  test('is followed by another, in that partition only', () => {
    const image = clusterWith([partitionOf([0, 1]), partitionOf([0, 1])])
    expect(relieveLeader(image, 0, 1, 1, 0)).toMatchObject([{ partition: 1, image: { leader: 1, leaderEpoch: 1, isr: [0, 1] } }])
  })

  test('of another epoch, or that does not lead, changes nothing', () => {
    const image = clusterWith([partitionOf([0, 1], { leaderEpoch: 2 })])
    expect(relieveLeader(image, 0, 1, 0, 1)).toEqual([])
    expect(relieveLeader(image, 1, 1, 0, 2)).toEqual([])
    expect(relieveLeader(image, 0, 9, 0, 2)).toEqual([])
    expect(relieveLeader(image, 0, 1, 5, 2)).toEqual([])
  })
})

describe('preferred leaders', () => {
  const away = { leader: 1 }

  test('lead again where they are in sync and live, so many at once', () => {
    const partitions = [
      partitionOf([0, 1], away),
      partitionOf([0, 1]),
      partitionOf([0, 1], { ...away, isr: [1] }),
      partitionOf([0, 1], away),
    ]
    expect(preferLeaders(clusterWith(partitions), 10)).toMatchObject([
      { partition: 0, image: { leader: 0 } },
      { partition: 3, image: { leader: 0 } },
    ])
    expect(preferLeaders(clusterWith(partitions), 1)).toMatchObject([{ partition: 0 }])
    expect(preferLeaders(clusterWith(partitions, {}, [0]), 10)).toEqual([])
    // Whoever would coordinate its groups next does not know their members.
    const offsets = imageOf(...nodes([0, 1, 2]), topicWith('__consumer_offsets', 1, partitions))
    expect(preferLeaders(offsets, 10)).toEqual([])
  })
})

test('whatever nodes do, every record can be applied, and no fenced node leads or is in sync beside another', () => {
  const step = fc.record({
    kind: fc.constantFrom('register', 'lose', 'wipe', 'fence', 'unfence', 'join', 'relieve', 'prefer'),
    node: fc.nat(2),
  })
  const settings = fc.record({ flush: fc.constantFrom('commit', 'os'), minInsyncReplicas: fc.integer({ min: 1, max: 3 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), settings, (steps, configs) => {
      const image = clusterWith([partitionOf([0, 1, 2]), partitionOf([1, 2]), partitionOf([2])], configs)
      for (const one of steps) {
        for (const record of recordsOf(image, one.kind, one.node)) applyRecord(image, record)
        for (const { isr, leader } of image.topics.get('t')?.partitions ?? []) {
          if (leader >= 0) expect(isLive(image, leader) && isr.includes(leader)).toBe(true)
          if (isr.length > 1) expect(isr.every((node) => isLive(image, node))).toBe(true)
        }
      }
    }),
    { numRuns: 500 },
  )
})

/** What a step of a node comes to. */
function recordsOf(image: MetadataImage, kind: string, node: number): readonly MetadataRecord[] {
  const previousBrokerEpoch = image.brokers.get(node)?.brokerEpoch ?? -1
  const [partition] = image.topics.get('t')?.partitions ?? []
  switch (kind) {
    case 'register':
      return registerBroker(image, registration({ node, previousBrokerEpoch }))
    case 'lose':
      return registerBroker(image, registration({ node, previousBrokerEpoch, isUnsyncedSafe: false }))
    case 'wipe':
      return registerBroker(image, registration({ node, previousBrokerEpoch: -1 }))
    case 'fence':
      return fenceBroker(image, node)
    case 'unfence':
      return unfenceBroker(image, node)
    case 'relieve':
      return relieveLeader(image, node, 1, 0, partition?.leaderEpoch ?? -1)
    case 'prefer':
      return preferLeaders(image, 10)
    default: {
      if (partition === undefined || partition.leader < 0) return []
      const { leader, leaderEpoch, partitionEpoch } = partition
      const isr = [...new Set([...partition.isr, node])].map((one) => ({
        node: one,
        brokerEpoch: image.brokers.get(one)?.brokerEpoch ?? -1,
      }))
      const ruled = changeIsr(image, { topicId: 1, partition: 0, leader, leaderEpoch, partitionEpoch, isr })
      return typeof ruled === 'string' ? [] : ruled
    }
  }
}
