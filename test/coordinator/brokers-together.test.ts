// What becomes of partitions when all nodes stop together and come back one by one: who was in sync is waited for, but not for ever.

import { describe, expect, test } from 'vitest'
import { changeIsr, fenceBroker, registerBroker, shutDownTogether, unfenceBroker } from '../../coordinator/brokers.ts'
import { imageRecords, isLive } from '../../coordinator/metadata.ts'
import type { MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { after, clusterWith, registration } from './brokers-support.ts'
import { imageOf, partitionOf } from './support.ts'

const ALL = [0, 1, 2].map((node) => ({ node, brokerEpoch: 100 + node }))

describe('nodes that stop together', () => {
  test('are fenced until they register again; nobody leads, and whoever is in sync stays that', () => {
    const image = clusterWith([partitionOf([1, 0, 2]), partitionOf([2, 0], { isr: [2], elr: [0] })])
    const records = shutDownTogether(image, ALL)
    expect(after(image, records as MetadataRecord[])).toMatchObject({ isr: [1, 0, 2], leader: -1, leaderEpoch: 1, partitionEpoch: 1 })
    expect(image.topics.get('t')?.partitions[1]).toMatchObject({ isr: [2], elr: [0], leader: -1 })
    expect([0, 1, 2].map((node) => [isLive(image, node), image.brokers.get(node)?.stopping])).toEqual([
      [false, true],
      [false, true],
      [false, true],
    ])
    expect(shutDownTogether(image, ALL)).toEqual([])
  })

  test('are all that are live: otherwise nothing is done', () => {
    const image = clusterWith([partitionOf([1, 0])], {}, [2])
    expect(shutDownTogether(image, ALL.slice(0, 1))).toBe('INVALID_REQUEST')
    expect(shutDownTogether(image, [ALL[0]!, { node: 1, brokerEpoch: 99 }])).toBe('INVALID_REQUEST')
    // One that is fenced need not say anything.
    expect(shutDownTogether(image, ALL.slice(0, 2))).toHaveLength(3)
  })

  test('come back in any order, and are all in sync, led by the first', () => {
    const image = clusterWith([partitionOf([1, 0, 2])], { minInsyncReplicas: 1 })
    after(image, shutDownTogether(image, ALL) as MetadataRecord[])
    for (const node of [2, 1, 0]) {
      after(image, registerBroker(image, registration({ node, previousBrokerEpoch: 100 + node, incarnation: node })))
      after(image, unfenceBroker(image, node))
      expect(image.topics.get('t')?.partitions[0]).toMatchObject({ isr: [1, 0, 2], leader: 2, leaderEpoch: 2 })
    }
  })

  test('are not in sync when they come back without what they had', () => {
    const image = clusterWith([partitionOf([1, 0, 2])], { flush: 'os' })
    after(image, shutDownTogether(image, ALL) as MetadataRecord[])
    for (const [node, changes] of [
      [0, { previousBrokerEpoch: 100 }],
      [1, { previousBrokerEpoch: -1 }],
      [2, { previousBrokerEpoch: 102, isUnsyncedSafe: false }],
    ] as const)
      after(image, registerBroker(image, registration({ node, incarnation: node, ...changes })))
    for (const node of [0, 1, 2]) after(image, unfenceBroker(image, node))
    expect(image.topics.get('t')?.partitions[0]).toMatchObject({ isr: [0], leader: 0 })
  })

  test('who is not back keeps nobody from joining, and is let go of when it is silent for too long', () => {
    const image = clusterWith([partitionOf([1, 0, 2], { isr: [1, 2] })], { minInsyncReplicas: 1 })
    after(image, shutDownTogether(image, ALL) as MetadataRecord[])
    for (const node of [1, 0]) {
      after(image, registerBroker(image, registration({ node, previousBrokerEpoch: 100 + node, incarnation: node })))
      after(image, unfenceBroker(image, node))
    }
    expect(image.topics.get('t')?.partitions[0]).toMatchObject({ isr: [1, 2], leader: 1 })
    const { leaderEpoch, partitionEpoch } = image.topics.get('t')!.partitions[0]!
    const known = (node: number): { node: number; brokerEpoch: number } => ({ node, brokerEpoch: image.brokers.get(node)!.brokerEpoch })
    const proposal = { topicId: 1, partition: 0, leader: 1, leaderEpoch, partitionEpoch }
    const joined = changeIsr(image, { ...proposal, isr: [known(1), known(0), { node: 2, brokerEpoch: -1 }] })
    expect(after(image, joined as MetadataRecord[])).toMatchObject({ isr: [1, 0, 2], leader: 1 })
    expect(after(image, fenceBroker(image, 2))).toMatchObject({ isr: [1, 0], leader: 1 })
    const next = { ...proposal, partitionEpoch: partitionEpoch + 2 }
    expect(changeIsr(image, { ...next, isr: [known(1), known(0), known(2)] })).toBe('INELIGIBLE_REPLICA')
  })

  test('lead nothing that they do not have: the first to come back may die before the others are there', () => {
    const image = clusterWith([partitionOf([1, 0, 2])])
    after(image, shutDownTogether(image, ALL) as MetadataRecord[])
    after(image, registerBroker(image, registration({ node: 1, incarnation: 5 })))
    after(image, unfenceBroker(image, 1))
    expect(after(image, fenceBroker(image, 1))).toMatchObject({ isr: [1, 0, 2], leader: -1 })
    after(image, unfenceBroker(image, 1))
    expect(image.topics.get('t')?.partitions[0]).toMatchObject({ isr: [1, 0, 2], leader: 1 })
  })

  test('who is let go of while nobody leads is not in sync with whoever leads later', () => {
    const image = clusterWith([partitionOf([1, 0, 2], { isr: [1, 2] })], { minInsyncReplicas: 2 })
    after(image, shutDownTogether(image, ALL) as MetadataRecord[])
    expect(after(image, fenceBroker(image, 2))).toMatchObject({ isr: [1, 2], leader: -1, partitionEpoch: 1 })
    // It does not come back by what it has said before.
    expect(unfenceBroker(image, 2)).toEqual([])
    expect(fenceBroker(image, 2)).toEqual([])
    expect(back(image, 1)).toMatchObject({ isr: [1], elr: [2], leader: 1 })
    expect(back(image, 2)).toMatchObject({ isr: [1], elr: [2], leader: 1 })
  })
})

describe('after all have stopped together, one that has fallen behind', () => {
  /** Nodes 0 and 1 are in sync, or one is and the other eligible; 2 is not, and may lead all the same where nobody else is left. All have stopped. */
  function stopped(changes: Partial<PartitionImage> = { isr: [0, 1] }): MetadataImage {
    const image = clusterWith([partitionOf([0, 1, 2], changes)], { uncleanLeaderElection: true, minInsyncReplicas: 2 })
    after(image, shutDownTogether(image, ALL) as MetadataRecord[])
    return image
  }

  test.each([{ isr: [0, 1] }, { isr: [0], elr: [1] }])('leads nothing while somebody who was in sync may be back soon (%j)', (changes) => {
    for (const first of [0, 1]) {
      const image = stopped(changes)
      expect(back(image, 2)).toMatchObject({ leader: -1 })
      // Registered, it is not ready yet.
      after(image, registered(image, first))
      expect(after(image, fenceBroker(image, 1 - first))).toMatchObject({ leader: -1 })
      const copy = imageOf(...imageRecords(image))
      expect(after(copy, unfenceBroker(copy, first))).toMatchObject({ isr: [first], leader: first })
    }
  })

  test('leads when all of those have been let go of, be it before it is back or after', () => {
    for (const steps of [
      ['back 2', 'let go 0', 'let go 1'],
      ['let go 0', 'back 2', 'let go 1'],
      ['let go 0', 'let go 1', 'back 2'],
    ]) {
      const image = stopped()
      steps.forEach((step, index) => {
        const node = Number(step.at(-1))
        if (step.startsWith('back')) back(image, node)
        else after(image, fenceBroker(image, node))
        expect(image.topics.get('t')?.partitions[0]?.leader).toBe(index === 2 ? 2 : -1)
      })
      expect(image.topics.get('t')?.partitions[0]).toMatchObject({ isr: [2], elr: [] })
    }
  })

  test('leads when those have died again before they were ready', () => {
    const image = stopped()
    for (const node of [0, 1]) after(image, registered(image, node))
    back(image, 2)
    for (const node of [0, 1]) after(image, fenceBroker(image, node))
    expect(image.topics.get('t')?.partitions[0]).toMatchObject({ isr: [2], leader: 2 })
  })

  test('leads when those have lost what they had', () => {
    const image = stopped()
    for (const node of [2, 1, 0]) {
      after(image, registerBroker(image, registration({ node, incarnation: node, previousBrokerEpoch: node === 2 ? 102 : -1 })))
      expect(after(image, unfenceBroker(image, node))?.leader).toBe(node === 0 ? 1 : -1)
    }
  })

  test('does not take over from the first one who is back, and dies before the other is there', () => {
    const image = stopped()
    for (const node of [2, 0]) back(image, node)
    expect(after(image, fenceBroker(image, 0))).toMatchObject({ isr: [0, 1], leader: -1 })
    expect(back(image, 1)).toMatchObject({ isr: [1], leader: 1 })
  })
})

/** A node presents itself with everything that it had. */
function registered(image: MetadataImage, node: number): MetadataRecord[] {
  return registerBroker(image, registration({ node, previousBrokerEpoch: 100 + node, incarnation: node }))
}

/** A node comes back; the partition then. */
function back(image: MetadataImage, node: number): PartitionImage | undefined {
  after(image, registered(image, node))
  return after(image, unfenceBroker(image, node))
}
