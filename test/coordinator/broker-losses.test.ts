// What becomes of partitions when a node has lost something: its page cache, its directory, or some bits (KIP-966).

import { describe, expect, test } from 'vitest'
import { fenceBroker, registerBroker, unfenceBroker, withdrawReplica } from '../../coordinator/brokers.ts'
import type { Registration, Withdrawal } from '../../coordinator/brokers.ts'
import { imageRecords, OFFSETS_TOPIC } from '../../coordinator/metadata.ts'
import type { MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import { newPartition } from '../../coordinator/partition-image.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { after, clusterWith, registration } from './brokers-support.ts'
import { imageOf, nodes, partitionOf, topicWith } from './support.ts'

/** A replica asks not to be counted on. */
function withdrawal(changes: Partial<Withdrawal> = {}): Withdrawal {
  return { topicId: 1, partition: 0, leaderEpoch: 0, partitionEpoch: 0, ...changes }
}

describe('a replica that is damaged', () => {
  test('leads no more, and is neither in sync nor eligible', () => {
    const partitions = [partitionOf([1, 0, 2]), partitionOf([0, 1]), partitionOf([0, 1], { isr: [0], elr: [1] })]
    const image = clusterWith(partitions, { minInsyncReplicas: 2 })
    expect([0, 1, 2].flatMap((partition) => withdrawReplica(image, 1, withdrawal({ partition })))).toMatchObject([
      { partition: 0, image: { isr: [0, 2], leader: 0, leaderEpoch: 1 } },
      { partition: 1, image: { isr: [0], elr: [], leader: 0, leaderEpoch: 1 } },
      { partition: 2, image: { isr: [0], elr: [], leader: 0 } },
    ])
  })

  test('has said nothing that counts in the leader epoch that begins: it is copied anew', () => {
    const image = clusterWith([partitionOf([0, 1], { leaderEpoch: 4 })])
    expect(after(image, withdrawReplica(image, 1, withdrawal({ leaderEpoch: 4 })))).toMatchObject({ isr: [0], leader: 0, leaderEpoch: 5 })
  })

  test('gives way to one that is eligible, when that is live; the last one of all stays', () => {
    const waiting = clusterWith([partitionOf([1, 0], { isr: [1], elr: [0] })], { minInsyncReplicas: 2 }, [0])
    expect(after(waiting, withdrawReplica(waiting, 1, withdrawal()))).toMatchObject({ isr: [], elr: [0], leader: -1 })
    expect(after(waiting, unfenceBroker(waiting, 0))).toMatchObject({ isr: [0], leader: 0 })
    const last = clusterWith([partitionOf([1, 0], { isr: [1] })], { uncleanLeaderElection: true })
    expect(withdrawReplica(last, 1, withdrawal())).toEqual([])
  })

  test('of an older leader or partition epoch, or of a topic that is gone, changes nothing: it may have been mended since', () => {
    const image = clusterWith([partitionOf([1, 0], { leaderEpoch: 3, partitionEpoch: 7 })])
    const late = [
      { leaderEpoch: 2, partitionEpoch: 7 },
      { leaderEpoch: 3, partitionEpoch: 6 },
      { leaderEpoch: 3, partitionEpoch: 7, topicId: 9 },
    ]
    expect(late.flatMap((one) => withdrawReplica(image, 1, withdrawal(one)))).toEqual([])
    expect(withdrawReplica(image, 1, withdrawal({ leaderEpoch: 3, partitionEpoch: 7 }))).toHaveLength(1)
  })
})

describe('unfencing a node', () => {
  /** Registers node 1 and unfences it. */
  function back(image: MetadataImage, changes: Partial<Registration>): MetadataRecord[] {
    after(image, registerBroker(image, registration(changes)))
    return unfenceBroker(image, 1)
  }
  const lost = { isUnsyncedSafe: false }
  const wiped = { previousBrokerEpoch: -1 }

  test('that lost its page cache costs it nothing in topics that sync before they acknowledge', () => {
    const partition = partitionOf([1, 0, 2], { isr: [1], elr: [0] })
    const synced = clusterWith([partition], { flush: 'commit', minInsyncReplicas: 2 }, [0, 2])
    expect(after(synced, back(synced, lost))).toMatchObject({ isr: [1], elr: [0], leader: 1 })
    const unsynced = clusterWith([partition], { flush: 'os', minInsyncReplicas: 2 }, [0, 2])
    expect(after(unsynced, back(unsynced, lost))).toMatchObject({ isr: [], elr: [0], leader: -1 })
  })

  test('that lost its page cache leaves it where it is the last one: there may be something left', () => {
    const image = clusterWith([partitionOf([1, 0], { isr: [1] })], { flush: 'os' })
    expect(after(image, back(image, lost))).toMatchObject({ isr: [1], leader: 1 })
  })

  test('with a wiped directory takes it out of every ISR and ELR, even as the last one, whatever the topic syncs', () => {
    const partitions = [
      partitionOf([1, 0], { isr: [1] }),
      partitionOf([0, 1, 2], { isr: [0], elr: [1, 2] }),
      partitionOf([1, 2], { isr: [1], elr: [2] }),
    ]
    const image = clusterWith(partitions, { flush: 'commit', minInsyncReplicas: 2 })
    after(image, back(image, wiped))
    expect(image.topics.get('t')?.partitions).toMatchObject([
      { isr: [], elr: [], leader: -1 },
      { isr: [0], elr: [2], leader: 0 },
      { isr: [2], elr: [], leader: 2 },
    ])
    expect(image.brokers.get(1)).toMatchObject({ storage: 'intact' })
  })

  test('with a wiped directory leads what was created while no node was live: there is nothing of it to lose', () => {
    const image = clusterWith([])
    for (const node of [0, 1, 2]) after(image, fenceBroker(image, node))
    after(image, [topicWith('t', 1, [newPartition([1, 0], () => false)], {})])
    expect(after(image, back(image, wiped))).toMatchObject({ isr: [1], elr: [], leader: 1, leaderEpoch: 1 })
  })

  test('that was wiped and was the last one hands over to somebody who has less only where the topic allows that', () => {
    const partition = partitionOf([1, 0], { isr: [1] })
    const strict = clusterWith([partition])
    // The lost records are not replaced by silence, not even when the node comes back.
    expect(after(strict, back(strict, wiped))).toMatchObject({ isr: [], leader: -1 })
    const lenient = clusterWith([partition], { uncleanLeaderElection: true })
    expect(after(lenient, back(lenient, wiped))).toMatchObject({ isr: [0], leader: 0 })
  })

  test('that starts again before it was unfenced does not undo a loss, nor does a snapshot', () => {
    const image = clusterWith([partitionOf([0, 1, 2], { isr: [0], elr: [1, 2] })], { flush: 'os', minInsyncReplicas: 2 })
    after(image, registerBroker(image, registration(lost)))
    const copy = imageOf(...imageRecords(image))
    copy.endOffset = image.endOffset
    expect(copy.brokers).toEqual(image.brokers)
    const again = { incarnation: 78, previousBrokerEpoch: copy.brokers.get(1)?.brokerEpoch ?? -1 }
    expect(after(copy, back(copy, again))).toMatchObject({ isr: [0], elr: [2] })
  })
})

describe('a topic of coordinators', () => {
  /** Node 1 registers and is unfenced, in a cluster whose committed offsets lie in these partitions. */
  function offsetsAfter(partitions: readonly PartitionImage[], changes: Partial<Registration>, fenced: readonly number[] = []): Outcome {
    const image = imageOf(...nodes([0, 1, 2], fenced), topicWith(OFFSETS_TOPIC, 1, partitions, { flush: 'commit' }))
    image.endOffset = 200
    after(image, registerBroker(image, registration(changes)))
    const records = unfenceBroker(image, 1)
    after(image, records)
    const anew = records.flatMap((record) => (record.type === 'partitionChanged' && record.anew === true ? [record.partition] : []))
    return { partitions: image.topics.get(OFFSETS_TOPIC)!.partitions, anew }
  }

  interface Outcome {
    readonly partitions: readonly PartitionImage[]
    /** Numbers of those that begin anew, as the records say. */
    readonly anew: readonly number[]
  }
  const wiped = { previousBrokerEpoch: -1 }

  test('begins anew with the last one that was counted on, when its directory was wiped: nothing else could free it', () => {
    const { partitions, anew } = offsetsAfter([partitionOf([1]), partitionOf([1, 0], { isr: [1] }), partitionOf([0])], wiped)
    expect(partitions).toMatchObject([
      { isr: [1], elr: [], leader: 1 },
      // What node 0 has is older: epochs and offsets that were given out since would be given out again.
      { isr: [1], elr: [], leader: 1 },
      { isr: [0], leader: 0 },
    ])
    expect(anew).toEqual([0, 1])
    expect(partitions[0]!.leaderEpoch).toBeGreaterThan(1)
  })

  test('is led by whoever may still have everything, and waits for one that is not there', () => {
    const { partitions, anew } = offsetsAfter(
      [partitionOf([1, 0]), partitionOf([1, 2], { isr: [1, 2] }), partitionOf([1, 2], { isr: [1], elr: [2] })],
      wiped,
      [2],
    )
    expect(partitions).toMatchObject([
      { isr: [0], leader: 0 },
      { isr: [2], leader: -1 },
      { isr: [], elr: [2], leader: -1 },
    ])
    expect(anew).toEqual([])
  })

  test('begins anew, too, where nobody was left already, and not where the node has lost nothing', () => {
    const nobody = partitionOf([2, 1], { isr: [], leader: -1, leaderEpoch: 3 })
    expect(offsetsAfter([nobody, partitionOf([1])], {})).toMatchObject({
      partitions: [
        { isr: [1], leader: 1 },
        { isr: [1], leader: 1 },
      ],
      anew: [0],
    })
  })
})
