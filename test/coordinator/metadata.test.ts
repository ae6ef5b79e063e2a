// The metadata image: what the records of the log say, in their order, and where a group belongs.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  applyBatches,
  applyRecord,
  decodeMetadataRecord,
  emptyImage,
  encodeMetadataRecord,
  imageRecords,
  isLive,
  OFFSETS_TOPIC,
  coordinatorPartitionOf,
  topicById,
} from '../../coordinator/metadata.ts'
import type { MetadataBatch, MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'
import { created, imageOf, nodes, partitionOf, topicWith } from './support.ts'
import { BATCH_BYTES_MAX } from '../../protocol/topic-config.ts'

const history: readonly MetadataRecord[] = [
  created('a', 1, [0], { flush: 'os' }),
  { type: 'producerIdsReserved', nextProducerId: 1001 },
  { type: 'partitionsAdded', topicId: 1, partitions: [partitionOf([1, 2]), partitionOf([2])] },
  created('b', 2, [2]),
  { type: 'topicConfigured', topicId: 1, configs: { segmentBytes: '20000' } },
  { type: 'topicDeleted', topicId: 2 },
  ...nodes([0, 1], [1], { 0: 'a' }),
  {
    type: 'partitionChanged',
    topicId: 1,
    partition: 1,
    image: partitionOf([1, 2], { leader: 2, isr: [2], leaderEpoch: 1, partitionEpoch: 1 }),
  },
  { type: 'brokerFenced', node: 0, fenced: true },
  { type: 'reassignmentsThrottled', bytesPerSecond: 5000 },
  { type: 'clientQuota', entity: { clientId: 'a' }, key: 'consumerByteRate', value: 7 },
  { type: 'clientQuota', entity: { clientId: null, user: 'u' }, key: 'producerByteRate', value: 8 },
  { type: 'clientQuota', entity: { user: 'u', clientId: null }, key: 'consumerByteRate', value: 9 },
  { type: 'clientQuota', entity: { clientId: 'a' }, key: 'consumerByteRate', value: null },
]

describe('the image', () => {
  test('is what the records say', () => {
    const image = imageOf(...history)
    expect(image).toEqual({
      node: null,
      topics: new Map([
        [
          'a',
          {
            name: 'a',
            topicId: 1,
            partitions: [
              partitionOf([0]),
              partitionOf([1, 2], { leader: 2, isr: [2], leaderEpoch: 1, partitionEpoch: 1 }),
              partitionOf([2]),
            ],
            configs: { segmentBytes: '20000' },
            config: { ...defaultTopicConfig, segmentBytes: 20_000 },
          },
        ],
      ]),
      names: new Map([[1, 'a']]),
      brokers: new Map([
        [
          0,
          {
            node: 0,
            brokerEpoch: 100,
            incarnation: 1000,
            activeEpoch: 100,
            storage: 'intact',
            rack: 'a',
            fenced: true,
            stopping: false,
            resting: false,
          },
        ],
        [
          1,
          {
            node: 1,
            brokerEpoch: 101,
            incarnation: 1001,
            activeEpoch: -1,
            storage: 'intact',
            rack: null,
            fenced: true,
            stopping: false,
            resting: false,
          },
        ],
      ]),
      nextTopicId: 3,
      reassignmentBytesPerSecond: 5000,
      nextProducerId: 1001,
      quotas: new Map([['["u",null,0]', { entity: { user: 'u', clientId: null }, quotas: { producerByteRate: 8, consumerByteRate: 9 } }]]),
      endOffset: history.length,
    })
  })

  test('is the same when it is made in two lives', () => {
    for (let cut = 0; cut <= history.length; cut++) {
      const image = imageOf(...history.slice(0, cut))
      expect(image.endOffset).toBe(cut)
      for (const record of history.slice(cut)) applyRecord(image, record)
      expect(image).toEqual(imageOf(...history))
    }
  })

  test('never gives the id of a deleted topic to its successor', () => {
    const image = imageOf(created('a', 1), { type: 'topicDeleted', topicId: 1 })
    expect(image.nextTopicId).toBe(2)
    applyRecord(image, created('a', 2))
    expect(image.topics.get('a')?.topicId).toBe(2)
    expect([...image.names]).toEqual([[2, 'a']])
  })

  test('is made again by its records, wherever a snapshot is taken', () => {
    const ends = fc.integer({ min: 0, max: history.length })
    fc.assert(
      fc.property(ends, fc.array(fc.nat(20), { maxLength: 8 }), (end, deleted) => {
        const image = imageOf(...history.slice(0, end))
        for (const topicId of deleted) if (image.names.has(topicId)) applyRecord(image, { type: 'topicDeleted', topicId })
        for (const name of ['x', 'y']) applyRecord(image, created(name, image.nextTopicId, [0, 1], { flush: 'os' }))
        for (const node of deleted) for (const record of nodes([node], node % 2 === 0 ? [node] : [])) applyRecord(image, record)
        const again = imageOf(...imageRecords(image).map(encodeMetadataRecord).map(decodeMetadataRecord))
        expect({ ...again, endOffset: image.endOffset }).toEqual(image)
      }),
    )
  })

  test('is not changed by what happens to a snapshot of a topic', () => {
    const image = imageOf(created('a', 1, [0]))
    const before = image.topics.get('a')
    applyRecord(image, { type: 'partitionsAdded', topicId: 1, partitions: [partitionOf([1])] })
    expect(before?.partitions).toEqual([partitionOf([0])])
  })

  test('takes no record of a topic that is not there, and no settings that mean nothing', () => {
    expect(() => applyRecord(emptyImage(), { type: 'topicDeleted', topicId: 1 })).toThrow('M1')
    expect(() => applyRecord(imageOf(created('a', 1), { type: 'topicDeleted', topicId: 1 }), history[2]!)).toThrow('M1')
    expect(() => applyRecord(emptyImage(), created('a', 1, [0], { segmentBytes: 1 }))).toThrow('M2')
  })

  test('takes the settings of a former version, as far as they are allowed now', () => {
    for (const maxMessageBytes of [2 ** 31 - 1, '2147483647']) {
      const topic = imageOf(created('a', 1, [0], { maxMessageBytes, segmentBytes: 16_384 })).topics.get('a')
      expect(topic?.configs).toEqual({ maxMessageBytes: BATCH_BYTES_MAX, segmentBytes: 16_384 })
      expect(topic?.config).toMatchObject({ maxMessageBytes: BATCH_BYTES_MAX, segmentBytes: 16_384 })
    }
  })

  test('takes no change of a partition that is not there, nor one that goes back', () => {
    const change = (partition: number, partitionEpoch: number, leaderEpoch: number): MetadataRecord => {
      return { type: 'partitionChanged', topicId: 1, partition, image: partitionOf([0], { partitionEpoch, leaderEpoch }) }
    }
    const image = (): MetadataImage => imageOf(topicWith('a', 1, [partitionOf([0], { partitionEpoch: 4, leaderEpoch: 2 })]))
    expect(() => applyRecord(image(), change(1, 5, 2))).toThrow('a changed partition is there')
    expect(() => applyRecord(image(), change(0, 4, 2))).toThrow('partition epochs grow')
    expect(() => applyRecord(image(), change(0, 5, 1))).toThrow('leader epochs never go back')
    expect(() => applyRecord(image(), change(0, 5, 2))).not.toThrow()
  })
})

describe('a node in the image', () => {
  const register = (brokerEpoch: number): MetadataRecord => ({ type: 'brokerRegistered', node: 1, brokerEpoch, incarnation: 7, rack: null })
  const fence = (fenced: boolean): MetadataRecord => ({ type: 'brokerFenced', node: 1, fenced })

  test('is fenced from its registration until it is unfenced, and remembers the epoch in which it was last active', () => {
    const image = imageOf(register(1))
    expect([isLive(image, 1), image.brokers.get(1)?.activeEpoch]).toEqual([false, -1])
    applyRecord(image, fence(false))
    expect([isLive(image, 1), image.brokers.get(1)?.activeEpoch]).toEqual([true, 1])
    applyRecord(image, register(9))
    expect([isLive(image, 1), image.brokers.get(1)]).toEqual([
      false,
      {
        node: 1,
        brokerEpoch: 9,
        incarnation: 7,
        activeEpoch: 1,
        storage: 'intact',
        rack: null,
        fenced: true,
        stopping: false,
        resting: false,
      },
    ])
    applyRecord(image, fence(false))
    applyRecord(image, fence(true))
    expect(image.brokers.get(1)).toMatchObject({ activeEpoch: 9, fenced: true })
  })

  test('that nobody knows is not live, and cannot be fenced; one that is removed is forgotten', () => {
    expect(isLive(emptyImage(), 1)).toBe(false)
    expect(() => applyRecord(emptyImage(), fence(true))).toThrow('M10')
    expect(imageOf(register(1), { type: 'brokerRemoved', node: 1 }).brokers.size).toBe(0)
  })
})

describe("a node's image", () => {
  const log: MetadataBatch[] = [
    [1, [created('a', 1, [0, 1])]],
    [2, [created(OFFSETS_TOPIC, 2, [0, 1])]],
  ]
  const move = (node: number, partitionEpoch: number): MetadataRecord => {
    return { type: 'partitionChanged', topicId: 1, partition: 0, image: partitionOf([node], { partitionEpoch }) }
  }
  const seen = (image: MetadataImage): unknown => image.topics.get('a')?.partitions.map(({ replicas, leader }) => [leader, replicas])

  test('knows that there are partitions elsewhere, and all about those that groups need', () => {
    const image = emptyImage(1)
    applyBatches(image, log)
    expect(seen(image)).toEqual([
      [-1, []],
      [1, [1]],
    ])
    expect(image.topics.get(OFFSETS_TOPIC)).toEqual(imageOf(...log.flatMap(([, records]) => records)).topics.get(OFFSETS_TOPIC))
  })

  test('follows a partition that comes, goes and comes back', () => {
    const image = emptyImage(1)
    applyBatches(image, [...log, [3, [move(1, 1)]]])
    expect(seen(image)).toEqual([
      [1, [1]],
      [1, [1]],
    ])
    applyBatches(image, [[4, [move(0, 2)]]])
    expect(seen(image)).toEqual([
      [-1, []],
      [1, [1]],
    ])
    applyBatches(image, [[5, [move(1, 3)]]])
    expect(seen(image)).toEqual([
      [1, [1]],
      [1, [1]],
    ])
  })
})

describe('batches of the log', () => {
  const [first, second, third] = [created('a', 1), created('b', 2), created('c', 3)]

  test('are applied once, in order, and say which topics they change', () => {
    const image = emptyImage()
    expect(applyBatches(image, [[3, [first]]])).toEqual(new Map([[1, null]]))
    // Batches without metadata take offsets, too: the image ends where the log does.
    expect(image.endOffset).toBe(3)
    const deletion: MetadataRecord = { type: 'topicDeleted', topicId: 1 }
    const changed = applyBatches(image, [
      [3, [first]],
      [5, [second, ...nodes([0])]],
      [8, [third, deletion]],
    ])
    expect([...changed]).toEqual([2, 3, 1].map((topicId) => [topicId, null]))
    expect([...image.topics.keys()]).toEqual(['b', 'c'])
    expect(image.endOffset).toBe(8)
    expect([topicById(image, 1), topicById(image, 2)?.name]).toEqual([undefined, 'b'])
  })

  test('say which partitions they change, as long as nothing else of the topic has changed', () => {
    const change = (partition: number): MetadataRecord => {
      return { type: 'partitionChanged', topicId: 1, partition, image: partitionOf([1], { partitionEpoch: 1 }) }
    }
    const image = imageOf(created('a', 1, [0, 1, 2]))
    expect(
      applyBatches(image, [
        [2, [change(2)]],
        [3, [change(0)]],
      ]),
    ).toEqual(new Map([[1, new Set([2, 0])]]))
    const configured: MetadataRecord = { type: 'topicConfigured', topicId: 1, configs: { flush: 'os' } }
    expect(applyBatches(image, [[5, [change(1), configured]]])).toEqual(new Map([[1, null]]))
    expect(applyBatches(imageOf(created('a', 1, [0, 1])), [[3, [configured, change(1)]]])).toEqual(new Map([[1, null]]))
  })

  test('make the same image whether they come one by one or in a snapshot', () => {
    const log = history.map((record, i): MetadataBatch => [2 * i + 3, [record]])
    for (let cut = 0; cut <= log.length; cut++) {
      const before = emptyImage()
      applyBatches(before, log.slice(0, cut))
      const image = emptyImage()
      applyBatches(image, [[before.endOffset, imageRecords(before)]])
      applyBatches(image, log)
      const whole = emptyImage()
      applyBatches(whole, log)
      expect(image).toEqual(whole)
    }
  })
})

test('what version 0.1 wrote, leaders and nothing else, is read as partitions with one replica that nobody leads yet', () => {
  const written = [
    '{"type":"topicCreated","name":"a","topicId":1,"leaders":[0,1],"configs":{"flush":"os"}}',
    '{"type":"partitionsAdded","topicId":1,"leaders":[2]}',
  ]
  const image = imageOf(...written.map((text) => decodeMetadataRecord(new TextEncoder().encode(text))))
  expect(image.topics.get('a')).toMatchObject({
    configs: { flush: 'os' },
    partitions: [0, 1, 2].map((node) => partitionOf([node], { leader: -1 })),
  })
  expect(imageOf(...imageRecords(image)).topics).toEqual(image.topics)
})

describe('a record', () => {
  test('is read back as it was written', () => {
    for (const record of history) expect(decodeMetadataRecord(encodeMetadataRecord(record))).toEqual(record)
  })

  test('is text that anybody can read', () => {
    expect(new TextDecoder().decode(encodeMetadataRecord(history[1]!))).toBe('{"type":"producerIdsReserved","nextProducerId":1001}')
  })
})

test.each([
  // What Java's String.hashCode says; Kafka's Utils.abs takes off the sign bit.
  ['', 0],
  ['a', 97],
  ['orders', -1_008_770_331],
  ['my-group', -1_906_497_762],
  ['polygenelubricants', -2_147_483_648],
  ['console-consumer-12345', 158_455_506],
  ['grüße', 98_768_023],
  ['日本', 835_047],
  ['🚀', 1_773_027],
])('the group %j has the hash %d, and its partition', (group, hash) => {
  expect(coordinatorPartitionOf(group, 2 ** 31)).toBe(hash & 0x7fffffff)
  expect(coordinatorPartitionOf(group, 50)).toBe((hash & 0x7fffffff) % 50)
})
