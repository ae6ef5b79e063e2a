// What applications hear of the cluster: found in records, or, where only a snapshot is left, between two images.

import { describe, expect, test } from 'vitest'
import { fenceBroker, preferLeaders, registerBroker, shutDownBroker, unfenceBroker } from '../../coordinator/brokers.ts'
import { applyWithEvents, eventsBetween } from '../../coordinator/cluster-events.ts'
import { applyRecord, isLive } from '../../coordinator/metadata.ts'
import type { MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import { imageOf, nodes, partitionOf, topicWith } from './support.ts'

function cluster(): MetadataImage {
  return imageOf(...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([1, 2]), partitionOf([0, 1])]))
}

/** Applies records as one batch; the events. */
function happen(image: MetadataImage, records: readonly MetadataRecord[]): ReturnType<typeof applyWithEvents> {
  return applyWithEvents(image, [[image.endOffset + records.length, records]])
}

describe('events', () => {
  test('of a node that is fenced, comes back, and leads again where it is preferred', () => {
    const image = cluster()
    const formerIsr = [0, 1]
    expect(happen(image, fenceBroker(image, 1))).toEqual([
      { type: 'nodeFenced', node: 1 },
      { type: 'leaderChanged', topic: 't', partition: 0, leader: 2, leaderEpoch: 1, formerLeader: 1 },
      { type: 'isrChanged', topic: 't', partition: 0, isr: [2], formerIsr: [1, 2] },
      { type: 'isrChanged', topic: 't', partition: 1, isr: [0], formerIsr },
    ])
    const registration = { node: 1, incarnation: 5, rack: null, previousBrokerEpoch: 101, isUnsyncedSafe: true }
    expect(happen(image, registerBroker(image, registration))).toEqual([])
    expect(happen(image, unfenceBroker(image, 1))).toEqual([{ type: 'nodeUnfenced', node: 1 }])
    const topic = image.topics.get('t')!
    const joined = { ...topic.partitions[0]!, isr: [1, 2], partitionEpoch: 9 }
    happen(image, [{ type: 'partitionChanged', topicId: 1, partition: 0, image: joined }])
    expect(happen(image, preferLeaders(image, 9))).toEqual([
      { type: 'leaderChanged', topic: 't', partition: 0, leader: 1, leaderEpoch: 2, formerLeader: 2 },
    ])
  })

  test('of a node that stops, or starts again before anybody has noticed', () => {
    const stopping = cluster()
    expect(happen(stopping, shutDownBroker(stopping, 2, 102))[0]).toEqual({ type: 'nodeFenced', node: 2 })
    const again = cluster()
    const registration = { node: 2, incarnation: 5, rack: null, previousBrokerEpoch: 102, isUnsyncedSafe: true }
    expect(happen(again, registerBroker(again, registration))[0]).toEqual({ type: 'nodeFenced', node: 2 })
  })

  test('are not told twice', () => {
    const image = cluster()
    const batch = [image.endOffset + 1, fenceBroker(image, 1)] as const
    expect(applyWithEvents(image, [batch])).not.toEqual([])
    expect(applyWithEvents(image, [batch])).toEqual([])
  })

  test('are those that are different in a snapshot; topics and partitions that have come are no event', () => {
    const [before, after] = [cluster(), cluster()]
    for (const record of fenceBroker(after, 1)) applyRecord(after, record)
    for (const record of [topicWith('u', 2, [partitionOf([0])]), ...nodes([3])]) applyRecord(after, record)
    const image = cluster()
    expect(eventsBetween(before, after)).toEqual(happen(image, fenceBroker(image, 1)).toSpliced(1, 0, { type: 'nodeUnfenced', node: 3 }))
    expect(isLive(after, 3)).toBe(true)
    expect(eventsBetween(after, after)).toEqual([])
  })
})
