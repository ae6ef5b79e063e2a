// Who leads when nobody is in sync or eligible any more: the last one that only doubts its log (KIP-966), or, where all of a log is lost, another one.

import { describe, expect, test } from 'vitest'
import { fenceBroker, registerBroker, unfenceBroker, withdrawReplica } from '../../coordinator/brokers.ts'
import type { Registration, Withdrawal } from '../../coordinator/brokers.ts'
import { imageRecords, OFFSETS_TOPIC } from '../../coordinator/metadata.ts'
import type { MetadataImage } from '../../coordinator/metadata.ts'
import { withdrawn, withLeader, withNewBeginning } from '../../coordinator/partition-image.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { after, clusterWith, registration } from './brokers-support.ts'
import { imageOf, nodes, partitionOf, topicWith } from './support.ts'

/** A cluster in which one node leads alone, and another one, which is away, is eligible. */
function alone(configs: Record<string, unknown> = {}, leader = 0, elr: readonly number[] = [1]): MetadataImage {
  const image = clusterWith([partitionOf([0, 1, 2], { isr: [leader], elr, leader })], { minInsyncReplicas: 2, ...configs })
  after(image, fenceBroker(image, 1 - leader))
  return image
}

/** Node 0 finds its log damaged. */
function damaged(image: MetadataImage, damage?: Withdrawal['damage'], node = 0): PartitionImage | undefined {
  const { leaderEpoch, partitionEpoch } = image.topics.get('t')!.partitions[0]!
  const how = damage === undefined ? {} : { damage }
  return after(image, withdrawReplica(image, node, { topicId: 1, partition: 0, leaderEpoch, partitionEpoch, ...how }))
}

/** Node 1 comes back, by default with an empty directory. */
function back(image: MetadataImage, changes: Partial<Registration> = { previousBrokerEpoch: -1 }): PartitionImage | undefined {
  after(image, registerBroker(image, registration(changes)))
  return after(image, unfenceBroker(image, 1))
}

describe('one that doubts its log, and gives way to one that is away', () => {
  test('leads with what it has when that one is wiped: nobody has more', () => {
    const image = alone()
    expect(damaged(image, 'doubtful')).toMatchObject({ isr: [], elr: [1], leader: -1, lastKnown: [0] })
    const led = back(image)
    expect(led).toMatchObject({ isr: [0], elr: [], leader: 0 })
    expect(led).not.toHaveProperty('lastKnown')
  })

  test('is still known when the metadata are read from a snapshot', () => {
    const image = alone()
    damaged(image, 'doubtful')
    const copy = imageOf(...imageRecords(image))
    copy.endOffset = image.endOffset
    expect(back(copy)).toMatchObject({ isr: [0], leader: 0 })
  })

  test('does not lead when that one is back with everything, nor ever after', () => {
    const image = alone()
    damaged(image, 'doubtful')
    const led = back(image, {})
    expect(led).toMatchObject({ isr: [1], leader: 1 })
    expect(led).not.toHaveProperty('lastKnown')
    // It is wiped now: whoever did not follow it since has less.
    expect(back(image)).toMatchObject({ isr: [], elr: [], leader: -1 })
  })

  test('does not lead if it is wiped itself', () => {
    const image = alone({}, 1, [0])
    expect(damaged(image, 'doubtful', 1)).toMatchObject({ isr: [], elr: [0], lastKnown: [1] })
    expect(back(image)).not.toHaveProperty('lastKnown')
  })

  test('waits while somebody is eligible, whoever is live', () => {
    const image = alone()
    const partition = damaged(image, 'doubtful')!
    const electorate = { isLive: () => true, isResting: () => false, minInsync: 2, unclean: true }
    expect(withLeader(partition, { ...electorate, isLive: (node) => node !== 1, unclean: false })).toBeNull()
    expect(withLeader({ ...partition, elr: [] }, electorate)).toMatchObject({ leader: 0, isr: [0] })
  })
})

test('one that has damaged batches, and gives way, is not the last that is known', () => {
  const image = alone()
  expect(damaged(image)).not.toHaveProperty('lastKnown')
  expect(back(image)).toMatchObject({ isr: [], elr: [], leader: -1 })
})

test('a partition of coordinators does not begin anew while one is away that only doubts its log', () => {
  const partition = partitionOf([0, 1], { isr: [], leader: -1, leaderEpoch: 3, lastKnown: [0] })
  const image = imageOf(...nodes([0, 1, 2], [0]), topicWith(OFFSETS_TOPIC, 1, [partition], { flush: 'commit' }))
  expect(withNewBeginning(image.topics.get(OFFSETS_TOPIC)!.partitions[0]!, 1)).toBeNull()
})

describe('the last one, whose log cannot be opened at all,', () => {
  test('gives way to whoever is live where the topic allows that', () => {
    expect(damaged(alone({ uncleanLeaderElection: true }, 0, []), 'total')).toMatchObject({ isr: [2], leader: 2, leaderEpoch: 1 })
  })

  test('stays where it does not, and wherever something is left of it', () => {
    expect(damaged(alone({}, 0, []), 'total')).toMatchObject({ isr: [0], leader: 0, leaderEpoch: 0 })
    expect(damaged(alone({ uncleanLeaderElection: true }, 0, []))).toMatchObject({ isr: [0], leader: 0, leaderEpoch: 0 })
    expect(damaged(alone({ uncleanLeaderElection: true }, 0, []), 'doubtful')).toMatchObject({ isr: [0], leader: 0, leaderEpoch: 0 })
  })

  test('gives way to the one that only doubted its log before', () => {
    const image = alone()
    damaged(image, 'doubtful')
    const partition = image.topics.get('t')!.partitions[0]!
    expect(withdrawn(partition, 1, { isLive: () => true, isResting: () => false, minInsync: 2, unclean: false }, 'total')).toMatchObject({
      isr: [0],
      elr: [],
      leader: 0,
    })
  })
})
