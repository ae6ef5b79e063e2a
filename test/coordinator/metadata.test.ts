// The metadata image: what the records of the log say, in their order, and where a group belongs.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  applyRecord,
  decodeMetadataRecord,
  emptyImage,
  encodeMetadataRecord,
  imageRecords,
  offsetsPartitionOf,
} from '../../coordinator/metadata.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'
import { created, imageOf } from './support.ts'

const history: readonly MetadataRecord[] = [
  created('a', 1, [0], { flush: 'os' }),
  { type: 'producerIdsReserved', nextProducerId: 1001 },
  { type: 'partitionsAdded', topicId: 1, leaders: [1, 2] },
  created('b', 2, [2]),
  { type: 'topicConfigured', topicId: 1, configs: { segmentBytes: '20000' } },
  { type: 'topicDeleted', topicId: 2 },
]

describe('the image', () => {
  test('is what the records say', () => {
    const image = imageOf(...history)
    expect(image).toEqual({
      topics: new Map([
        [
          'a',
          {
            name: 'a',
            topicId: 1,
            leaders: [0, 1, 2],
            configs: { segmentBytes: '20000' },
            config: { ...defaultTopicConfig, segmentBytes: 20_000 },
          },
        ],
      ]),
      names: new Map([[1, 'a']]),
      nextTopicId: 3,
      nextProducerId: 1001,
      endOffset: 6,
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
        const again = imageOf(...imageRecords(image).map(encodeMetadataRecord).map(decodeMetadataRecord))
        expect({ ...again, endOffset: image.endOffset }).toEqual(image)
      }),
    )
  })

  test('is not changed by what happens to a snapshot of a topic', () => {
    const image = imageOf(created('a', 1, [0]))
    const before = image.topics.get('a')
    applyRecord(image, { type: 'partitionsAdded', topicId: 1, leaders: [1] })
    expect(before?.leaders).toEqual([0])
  })

  test('takes no record of a topic that is not there, and no settings that mean nothing', () => {
    expect(() => applyRecord(emptyImage(), { type: 'topicDeleted', topicId: 1 })).toThrow('M1')
    expect(() => applyRecord(imageOf(created('a', 1), { type: 'topicDeleted', topicId: 1 }), history[2]!)).toThrow('M1')
    expect(() => applyRecord(emptyImage(), created('a', 1, [0], { segmentBytes: 1 }))).toThrow('M2')
  })
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
  expect(offsetsPartitionOf(group, 2 ** 31)).toBe(hash & 0x7fffffff)
  expect(offsetsPartitionOf(group, 50)).toBe((hash & 0x7fffffff) % 50)
})
