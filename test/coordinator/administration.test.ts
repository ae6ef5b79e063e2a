// What an administrator may ask: every refusal names its error, and a refused topic leaves no record behind.

import { PARTITIONS_PER_TOPIC_MAX } from '../../protocol/topic-config.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ruleAlterConfigs,
  ruleCreatePartitions,
  ruleCreateTopics,
  ruleDeleteTopics,
  ruleReassign,
} from '../../coordinator/administration.ts'
import type { Ruling } from '../../coordinator/administration.ts'
import { METADATA_TOPIC, OFFSETS_TOPIC, SHARE_TOPIC, TRANSACTIONS_TOPIC, applyRecord } from '../../coordinator/metadata.ts'
import type { MetadataImage } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { STATE_TOPIC_CONFIGS } from '../../coordinator/state-topics.ts'
import type { NewTopic } from '../../protocol/messages/metadata.ts'
import { created, imageOf, nodes, partitionOf, topicWith } from './support.ts'

const image = imageOf(...nodes([0, 1, 2]), created('orders', 1, [0, 1], { segmentBytes: 65_536 }), created(OFFSETS_TOPIC, 2, [0, 1, 2]))

function create(topics: readonly (Partial<NewTopic> & { readonly name: string })[], validateOnly = false): Ruling {
  const complete = topics.map((topic) => ({ numPartitions: 1, replicationFactor: 1, configs: {}, ...topic }))
  return ruleCreateTopics(image, { kind: 'createTopics', correlationId: 1, topics: complete, validateOnly }, 2)
}

function remove(...topics: readonly string[]): Ruling {
  return ruleDeleteTopics(image, { kind: 'deleteTopics', correlationId: 1, topics })
}

function grow(...topics: readonly { readonly name: string; readonly count: number }[]): Ruling {
  return ruleCreatePartitions(image, { kind: 'createPartitions', correlationId: 1, topics })
}

function alter(topic: string, configs: Record<string, unknown>): Ruling {
  return ruleAlterConfigs(image, { kind: 'incrementalAlterConfigs', correlationId: 1, topic, configs })
}

/** Partitions with one replica each. */
function lone(...leaders: readonly number[]): PartitionImage[] {
  return leaders.map((node) => partitionOf([node]))
}

/** The errors in order; null where the topic is accepted. */
function errors(ruling: Ruling): (string | null)[] {
  return ruling.verdicts.map(({ error }) => error)
}

describe('a new topic', () => {
  test('gets the next id, and leaders that go round the nodes', () => {
    const ruling = create([
      { name: 'a', numPartitions: 4 },
      { name: 'b', numPartitions: 2, configs: { 'segment.bytes': '20000', flush: 'os' } },
    ])
    expect(ruling.records).toEqual([
      { type: 'topicCreated', name: 'a', topicId: 3, partitions: lone(2, 0, 1, 2), configs: {} },
      { type: 'topicCreated', name: 'b', topicId: 4, partitions: lone(0, 1), configs: { segmentBytes: '20000', flush: 'os' } },
    ])
    expect(ruling.verdicts).toEqual([
      { name: 'a', topicId: 3, error: null, reason: null },
      { name: 'b', topicId: 4, error: null, reason: null },
    ])
  })

  test.each([
    ['', 'INVALID_TOPIC_EXCEPTION'],
    ['..', 'INVALID_TOPIC_EXCEPTION'],
    ['a b', 'INVALID_TOPIC_EXCEPTION'],
    ['a'.repeat(250), 'INVALID_TOPIC_EXCEPTION'],
    [METADATA_TOPIC, 'INVALID_TOPIC_EXCEPTION'],
    ['..consumer_offsets', 'INVALID_TOPIC_EXCEPTION'],
    ['orders', 'TOPIC_ALREADY_EXISTS'],
    [OFFSETS_TOPIC, 'TOPIC_ALREADY_EXISTS'],
  ])('cannot be called %j: %s', (name, error) => {
    expect(create([{ name }])).toMatchObject({ records: [], verdicts: [{ name, error }] })
  })

  test('cannot have names that are the same in those of metrics', () => {
    const own = imageOf(...nodes([0]), created('a.b_c', 1))
    const topics = ['a_b.c', 'a.b_c', 'a.b.d', 'a_b_d', 'ab_c'].map((name) => ({
      name,
      numPartitions: 1,
      replicationFactor: 1,
      configs: {},
    }))
    const { verdicts } = ruleCreateTopics(own, { kind: 'createTopics', correlationId: 1, topics, validateOnly: false }, 1)
    expect(verdicts.map(({ error }) => error)).toEqual([
      'INVALID_TOPIC_EXCEPTION',
      'TOPIC_ALREADY_EXISTS',
      null,
      'INVALID_TOPIC_EXCEPTION',
      null,
    ])
  })

  test.each([0, -1, 1.5, Number.NaN, PARTITIONS_PER_TOPIC_MAX + 1])('cannot have %d partitions', (numPartitions) => {
    expect(create([{ name: 'a', numPartitions }])).toMatchObject({ records: [], verdicts: [{ error: 'INVALID_PARTITIONS', topicId: -1 }] })
  })

  test('cannot have settings that mean nothing', () => {
    expect(create([{ name: 'a', configs: { 'no.such': 1 } }])).toMatchObject({ records: [], verdicts: [{ error: 'INVALID_CONFIG' }] })
    expect(create([{ name: 'a', configs: { segmentBytes: 1 } }]).verdicts[0]?.reason).toContain('segmentBytes')
  })

  test('that exists is answered with the id that it has', () => {
    expect(create([{ name: 'orders' }]).verdicts[0]?.topicId).toBe(1)
  })

  test('that stands twice in a request is created once', () => {
    const ruling = create([{ name: 'a' }, { name: 'a', numPartitions: 9 }])
    expect(errors(ruling)).toEqual([null, 'INVALID_REQUEST'])
    expect(ruling.records).toHaveLength(1)
  })

  test('takes no id from one that is refused beside it', () => {
    const ruling = create([{ name: 'a' }, { name: 'orders' }, { name: 'b' }])
    expect(errors(ruling)).toEqual([null, 'TOPIC_ALREADY_EXISTS', null])
    expect(ruling.verdicts.map(({ topicId }) => topicId)).toEqual([3, 1, 4])
  })

  test('is only judged when the request says so', () => {
    const ruling = create([{ name: 'a' }, { name: 'orders' }], true)
    expect(ruling.records).toEqual([])
    expect(errors(ruling)).toEqual([null, 'TOPIC_ALREADY_EXISTS'])
  })
})

describe('the replicas of a new topic', () => {
  test('are as many as asked for, on different nodes, all of them in sync, led by the first', () => {
    const [record] = create([{ name: 'a', numPartitions: 3, replicationFactor: 3 }]).records
    expect(record).toMatchObject({ partitions: [partitionOf([2, 0, 1]), partitionOf([0, 1, 2]), partitionOf([1, 2, 0])] })
  })

  test('are the default where nobody says otherwise, but not more than there are nodes', () => {
    const replicasIn = (own: MetadataImage): unknown => {
      const topics = [{ name: 'a', numPartitions: 1, replicationFactor: -1, configs: {} }]
      const [record] = ruleCreateTopics(own, { kind: 'createTopics', correlationId: 1, topics, validateOnly: false }, 2).records
      return record?.type === 'topicCreated' ? record.partitions[0]?.replicas : null
    }
    expect(replicasIn(imageOf(...nodes([0, 1, 2])))).toEqual([0, 1])
    expect(replicasIn(imageOf(...nodes([7])))).toEqual([7])
  })

  test.each([0, -2, 1.5, Number.NaN, 4])('cannot be %d on three nodes', (replicationFactor) => {
    expect(create([{ name: 'a', replicationFactor }])).toMatchObject({
      records: [],
      verdicts: [{ topicId: -1, error: 'INVALID_REPLICATION_FACTOR' }],
    })
  })

  test('cannot be fewer than have to be in sync', () => {
    expect(create([{ name: 'a', replicationFactor: 2, configs: { minInsyncReplicas: 3 } }])).toMatchObject({
      records: [],
      verdicts: [{ error: 'INVALID_CONFIG' }],
    })
    expect(errors(create([{ name: 'a', replicationFactor: 3, configs: { minInsyncReplicas: 3 } }]))).toEqual([null])
  })

  test('are on live nodes while there are enough of them; else those that are not live are out of sync', () => {
    const own = imageOf(...nodes([0, 1, 2], [0]))
    const place = (replicationFactor: number): unknown => {
      const topics = [{ name: 'a', numPartitions: 2, replicationFactor, configs: {} }]
      const [record] = ruleCreateTopics(own, { kind: 'createTopics', correlationId: 1, topics, validateOnly: false }, 1).records
      return record?.type === 'topicCreated' ? record.partitions : null
    }
    expect(place(2)).toEqual([partitionOf([1, 2]), partitionOf([2, 1])])
    expect(place(3)).toEqual([partitionOf([0, 1, 2], { isr: [1, 2], leader: 1 }), partitionOf([1, 2, 0], { isr: [1, 2] })])
  })

  test('of which none is live are led by nobody yet, and the first one will be', () => {
    const own = imageOf(...nodes([0, 1], [0, 1]))
    const topics = [{ name: 'a', numPartitions: 1, replicationFactor: 2, configs: {} }]
    const { records } = ruleCreateTopics(own, { kind: 'createTopics', correlationId: 1, topics, validateOnly: false }, 1)
    expect(records).toMatchObject([{ partitions: [partitionOf([0, 1], { isr: [0], leader: -1 })] }])
  })
})

describe('a deletion', () => {
  test('goes by id', () => {
    expect(remove('orders').records).toEqual([{ type: 'topicDeleted', topicId: 1 }])
  })

  test('of a topic that is not there, or internal, is refused', () => {
    const ruling = remove('none', OFFSETS_TOPIC, METADATA_TOPIC)
    expect(errors(ruling)).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TOPIC_EXCEPTION', 'UNKNOWN_TOPIC_OR_PARTITION'])
    expect(ruling.records).toEqual([])
  })

  test('and more partitions are refused where transactional ids are hashed to them', () => {
    const own = imageOf(...nodes([0, 1, 2]), created(TRANSACTIONS_TOPIC, 1))
    const deletion = ruleDeleteTopics(own, { kind: 'deleteTopics', correlationId: 1, topics: [TRANSACTIONS_TOPIC] })
    expect(errors(deletion)).toEqual(['INVALID_TOPIC_EXCEPTION'])
    const growth = { kind: 'createPartitions', correlationId: 1, topics: [{ name: TRANSACTIONS_TOPIC, count: 50 }] } as const
    expect(errors(ruleCreatePartitions(own, growth))).toEqual(['INVALID_PARTITIONS'])
  })

  test('that is asked for twice is done once', () => {
    expect(remove('orders', 'orders').records).toHaveLength(1)
  })
})

describe('more partitions', () => {
  test('go on round the nodes where the topic stopped', () => {
    expect(grow({ name: 'orders', count: 5 }).records).toEqual([{ type: 'partitionsAdded', topicId: 1, partitions: lone(2, 0, 1) }])
  })

  test.each([2, 1, 0, -3, 2.5, PARTITIONS_PER_TOPIC_MAX + 1])('cannot be %d in all where 2 are there', (count) => {
    expect(grow({ name: 'orders', count })).toMatchObject({ records: [], verdicts: [{ error: 'INVALID_PARTITIONS' }] })
  })

  test('are refused for a topic that is not there, and for the one that groups are hashed to', () => {
    const ruling = grow({ name: 'none', count: 3 }, { name: OFFSETS_TOPIC, count: 50 })
    expect(errors(ruling)).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_PARTITIONS'])
    expect(ruling.records).toEqual([])
  })

  test('that are asked for twice are added once', () => {
    const ruling = grow({ name: 'orders', count: 3 }, { name: 'orders', count: 4 })
    expect(errors(ruling)).toEqual([null, 'INVALID_REQUEST'])
    expect(ruling.records).toEqual([{ type: 'partitionsAdded', topicId: 1, partitions: lone(2) }])
  })
})

describe('changed settings', () => {
  test('leave what is not named, and null takes one back to its default', () => {
    expect(alter('orders', { 'retention.ms': 5 }).records).toEqual([
      { type: 'topicConfigured', topicId: 1, configs: { segmentBytes: 65_536, retentionMillis: 5 } },
    ])
    expect(alter('orders', { 'segment.bytes': null }).records).toEqual([{ type: 'topicConfigured', topicId: 1, configs: {} }])
  })

  test.each([
    ['none', { flush: 'os' }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['orders', { 'no.such': 1 }, 'INVALID_CONFIG'],
    ['orders', { 'no.such': null }, 'INVALID_CONFIG'],
    ['orders', { flush: 'never' }, 'INVALID_CONFIG'],
  ])('of %s to %j: %s', (topic, configs, error) => {
    expect(alter(topic, configs)).toMatchObject({ records: [], verdicts: [{ name: topic, error }] })
  })

  test.each([
    { cleanupPolicy: 'delete' },
    { 'cleanup.policy': 'compact,delete' },
    { cleanupPolicy: null },
    { uncleanLeaderElection: true },
    { deleteOnceConsumedBy: ['g'] },
    { deleteOnceAcknowledgedBy: ['g'] },
    { maxMessageBytes: 1000 },
  ])('of what coordinators keep are refused where %j would lose it, or keep it from being written', (configs) => {
    for (const name of [OFFSETS_TOPIC, TRANSACTIONS_TOPIC, SHARE_TOPIC]) {
      const internal = imageOf(...nodes([0, 1, 2]), created(name, 1, [0, 1, 2], STATE_TOPIC_CONFIGS))
      const altered = ruleAlterConfigs(internal, { kind: 'incrementalAlterConfigs', correlationId: 1, topic: name, configs })
      expect(altered).toMatchObject({ records: [], verdicts: [{ name, error: 'INVALID_CONFIG' }] })
      expect(altered.verdicts[0]?.reason).toMatch(/^__[a-z_]+ is internal: its [a-zA-Z]+ stays /)
    }
  })

  test('of what coordinators keep may be those that lose nothing', () => {
    const internal = imageOf(...nodes([0, 1, 2]), created(OFFSETS_TOPIC, 1, [0, 1, 2], STATE_TOPIC_CONFIGS))
    const configs = { segmentBytes: 65_536, minCleanableDirtyRatio: 0.1, flush: null, minInsyncReplicas: 1 }
    const altered = ruleAlterConfigs(internal, { kind: 'incrementalAlterConfigs', correlationId: 1, topic: OFFSETS_TOPIC, configs })
    expect(errors(altered)).toEqual([null])
  })

  test('that are given under both their names are refused with both: nobody could say which one counts', () => {
    for (const value of [5, null]) {
      const [verdict] = alter('orders', { 'retention.ms': 7, retentionMillis: value }).verdicts
      expect(verdict).toMatchObject({
        error: 'INVALID_CONFIG',
        reason: expect.stringMatching(/'retention.ms' and as 'retentionMillis'/) as string,
      })
    }
    const topics = [
      { name: 'new', numPartitions: 1, replicationFactor: 1, configs: { flush: 'os', 'segment.bytes': 65_536, segmentBytes: 65_536 } },
    ]
    const ruling = ruleCreateTopics(imageOf(...nodes([0])), { kind: 'createTopics', correlationId: 1, topics, validateOnly: false }, 1)
    expect(ruling).toMatchObject({ records: [], verdicts: [{ error: 'INVALID_CONFIG' }] })
  })

  test('are all taken or none', () => {
    expect(alter('orders', { flush: 'os', segmentBytes: 1 }).records).toEqual([])
  })
})

describe('a reassignment', () => {
  const moving = partitionOf([2, 1, 0], { isr: [1, 0], leader: 1, adding: [2], removing: [0], partitionEpoch: 4 })
  const own = imageOf(...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([0, 1]), moving], { minInsyncReplicas: 1 }))

  function move(partition: number, replicas: readonly number[] | null, topic = 't'): Ruling {
    return ruleReassign(own, { kind: 'alterPartitionReassignments', correlationId: 1, partitions: [{ topic, partition, replicas }] })
  }

  test('adds the new replicas to the old ones, which go when those are in sync', () => {
    expect(move(0, [1, 2])).toEqual({
      records: [
        {
          type: 'partitionChanged',
          topicId: 1,
          partition: 0,
          image: partitionOf([1, 2, 0], { isr: [0, 1], leader: 0, adding: [2], removing: [0], partitionEpoch: 1 }),
        },
      ],
      verdicts: [{ name: 't', topicId: 1, error: null, reason: null }],
    })
  })

  test('of a partition that is being moved takes the place of the one before', () => {
    expect(move(1, [0, 2]).records).toMatchObject([{ image: { replicas: [0, 2, 1], adding: [2], removing: [1], partitionEpoch: 5 } }])
  })

  test('that is given up takes away what it was adding, and leaves the others', () => {
    expect(move(1, null).records).toMatchObject([{ image: { replicas: [1, 0], isr: [1, 0], adding: [], removing: [] } }])
    expect(errors(move(0, null))).toEqual(['NO_REASSIGNMENT_IN_PROGRESS'])
  })

  test.each([
    [[], 'none'],
    [[1, 1], 'one twice'],
    [[0, 9], 'one that is not there'],
  ])('to %j, %s, is refused', (replicas) => {
    expect(move(0, replicas)).toMatchObject({ records: [], verdicts: [{ error: 'INVALID_REPLICA_ASSIGNMENT' }] })
  })

  test('to fewer than have to be in sync is refused', () => {
    const strict = imageOf(...nodes([0, 1]), topicWith('t', 1, [partitionOf([0, 1])], { minInsyncReplicas: 2 }))
    const partitions = [{ topic: 't', partition: 0, replicas: [1] }]
    const ruling = ruleReassign(strict, { kind: 'alterPartitionReassignments', correlationId: 1, partitions })
    expect(ruling).toMatchObject({ records: [], verdicts: [{ error: 'INVALID_REPLICA_ASSIGNMENT' }] })
  })

  test('of a partition that is not there is refused', () => {
    expect(errors(move(2, [0]))).toEqual(['UNKNOWN_TOPIC_OR_PARTITION'])
    expect(errors(move(0, [0], 'none'))).toEqual(['UNKNOWN_TOPIC_OR_PARTITION'])
  })
})

test('more in-sync replicas than there are replicas cannot be asked for later either', () => {
  expect(alter('orders', { minInsyncReplicas: 2 })).toMatchObject({ records: [], verdicts: [{ error: 'INVALID_CONFIG' }] })
  expect(errors(alter('orders', { minInsyncReplicas: 1 }))).toEqual([null])
})

test('the partition with the fewest replicas says how many may have to be in sync', () => {
  const small = partitionOf([0, 1, 2], { removing: [1, 2] })
  const own = imageOf(...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([0, 1, 2]), partitionOf([1, 2]), small]))
  const judged = (minInsyncReplicas: number): Ruling =>
    ruleAlterConfigs(own, { kind: 'incrementalAlterConfigs', correlationId: 1, topic: 't', configs: { minInsyncReplicas } })
  expect(judged(2)).toMatchObject({
    records: [],
    verdicts: [{ error: 'INVALID_CONFIG', reason: 'minInsyncReplicas (2) is more than the replicas of t-2 (1)' }],
  })
  expect(errors(judged(1))).toEqual([null])
})

test('judging changes nothing, and whatever is accepted can be applied', () => {
  const name = fc.oneof(fc.constantFrom('orders', OFFSETS_TOPIC, 'a', 'b', '..'), fc.string({ maxLength: 3 }))
  const settings = fc.dictionary(
    fc.constantFrom('flush', 'segment.bytes', 'retentionMillis', 'x'),
    fc.constantFrom('os', 20_000, '-1', null, true),
  )
  const topics = fc.array(
    fc.record({
      name,
      numPartitions: fc.integer({ min: -1, max: 5 }),
      replicationFactor: fc.integer({ min: -1, max: 4 }),
      configs: settings,
    }),
    { maxLength: 5 },
  )
  fc.assert(
    fc.property(topics, (wanted) => {
      const own = imageOf(...nodes([0, 1, 2], [2]), created('orders', 1), created(OFFSETS_TOPIC, 2))
      const before = structuredClone(own)
      const rulings = [
        ruleCreateTopics(own, { kind: 'createTopics', correlationId: 1, topics: wanted, validateOnly: false }, 3),
        ruleDeleteTopics(own, { kind: 'deleteTopics', correlationId: 1, topics: wanted.map((one) => one.name) }),
        ruleCreatePartitions(own, {
          kind: 'createPartitions',
          correlationId: 1,
          topics: wanted.map((one) => ({ name: one.name, count: one.numPartitions })),
        }),
        ...wanted.map((one) =>
          ruleAlterConfigs(own, { kind: 'incrementalAlterConfigs', correlationId: 1, topic: one.name, configs: one.configs }),
        ),
      ]
      expect(own).toEqual(before)
      for (const { records, verdicts } of rulings) {
        expect(records).toHaveLength(verdicts.filter(({ error }) => error === null).length)
        expect(verdicts.every(({ error, reason, topicId }) => (error === null ? topicId > 0 && reason === null : reason !== null))).toBe(
          true,
        )
        const applied = structuredClone(own)
        for (const record of records) applyRecord(applied, record)
      }
    }),
  )
})
