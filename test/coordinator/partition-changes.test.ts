/** What becomes of reassignments that only take away, of several in a row, and of eligible leaders when fewer have to be in sync. */
import { describe, expect, test } from 'vitest'
import { ruleAlterConfigs, ruleCreatePartitions, ruleReassign } from '../../coordinator/administration.ts'
import { relieveLeader } from '../../coordinator/brokers.ts'
import { applyRecord } from '../../coordinator/metadata.ts'
import type { MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import { withIsr, withTargetReached } from '../../coordinator/partition-image.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { created, imageOf, nodes, partitionOf, topicWith } from './support.ts'

function move(image: MetadataImage, replicas: readonly number[] | null): PartitionImage | undefined {
  const { records } = ruleReassign(image, {
    kind: 'alterPartitionReassignments',
    correlationId: 1,
    partitions: [{ topic: 't', partition: 0, replicas }],
  })
  for (const record of records) applyRecord(image, record)
  return image.topics.get('t')?.partitions[0]
}

describe('a reassignment that adds nobody', () => {
  test('ends at once: no leader will propose another ISR because of it', () => {
    const image = imageOf(...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([0, 1, 2])]))
    expect(move(image, [0, 1])).toMatchObject({ replicas: [0, 1], isr: [0, 1], leaderEpoch: 1, removing: [] })
    expect(move(image, [1])).toMatchObject({ replicas: [1], isr: [1], leader: 1, leaderEpoch: 2, removing: [] })
  })

  test('given up before the new replica is in sync, ends at once', () => {
    const image = imageOf(...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([0, 1])]))
    move(image, [2, 1])
    expect(move(image, null)).toMatchObject({ replicas: [1, 0], adding: [], removing: [] })
  })
})

describe('of several reassignments in a row', () => {
  const world = { isLive: () => true, isResting: () => false, minInsync: 1, unclean: false }

  function moved(first: PartitionImage, ...targets: readonly (readonly number[] | null)[]): PartitionImage {
    const image = imageOf(...nodes([0, 1, 2, 3]), topicWith('t', 1, [first]))
    return targets.reduce((partition, target) => move(image, target) ?? partition, first)
  }

  test('the last one, given up, leaves what there was before the first (KIP-455)', () => {
    expect(moved(partitionOf([0]), [1, 2], [2], null)).toMatchObject({ replicas: [0], isr: [0], leader: 0, adding: [], removing: [] })
    expect(moved(partitionOf([0, 1]), [2, 1], [3, 1], [2, 3], null)).toMatchObject({ replicas: [1, 0], isr: [0, 1], leader: 0, adding: [] })
  })

  test('each lets go at once of what only the ones before were adding, in a new leader epoch', () => {
    const redirected = moved(partitionOf([0]), [1, 2], [2])
    expect(redirected).toEqual(partitionOf([2, 0], { isr: [0], leader: 0, adding: [2], removing: [0], leaderEpoch: 1, partitionEpoch: 3 }))
  })

  test('each keeps of it what is in sync, until it ends or is given up', () => {
    const leading = moved(partitionOf([1, 2, 0], { isr: [1, 0], leader: 1, adding: [1, 2], removing: [0] }), [2])
    expect(leading).toMatchObject({ replicas: [2, 1, 0], isr: [1, 0], leader: 1, leaderEpoch: 0, adding: [2, 1], removing: [1, 0] })
    expect(withTargetReached(withIsr(leading, [0, 1, 2], 1), world)).toMatchObject({ replicas: [2], isr: [2], leader: 2, leaderEpoch: 1 })
    expect(moved(leading, null)).toMatchObject({ replicas: [0], isr: [0], leader: 0, leaderEpoch: 1, adding: [], removing: [] })
  })

  test('one that is given up while only what it was adding has everything ends when somebody else has it, too', () => {
    const alone = moved(partitionOf([1, 2, 0], { isr: [1], leader: 1, adding: [1, 2], removing: [0] }), [2], null)
    expect(alone).toMatchObject({ replicas: [0, 1], isr: [1], leader: 1, adding: [1], removing: [1] })
    expect(withTargetReached(withIsr(alone, [0, 1], 1), world)).toMatchObject({
      replicas: [0],
      isr: [0],
      leader: 0,
      adding: [],
      removing: [],
    })
    // Or it is wanted after all.
    expect(moved(alone, [1, 0])).toMatchObject({ replicas: [1, 0], isr: [1], leader: 1, adding: [], removing: [] })
  })
})

test('nobody is eligible any more when fewer have to be in sync: the high watermark moves without them (KIP-966)', () => {
  const image = imageOf(...nodes([0, 1]), topicWith('t', 1, [partitionOf([0, 1], { isr: [0], elr: [1] })], { minInsyncReplicas: 2 }))
  const { records } = ruleAlterConfigs(image, {
    kind: 'incrementalAlterConfigs',
    correlationId: 1,
    topic: 't',
    configs: { minInsyncReplicas: 1 },
  })
  for (const record of records) applyRecord(image, record)
  // Node 0 acknowledges records alone now. Its disk fails.
  const relieved: MetadataRecord[] = relieveLeader(image, 0, 1, 0, image.topics.get('t')?.partitions[0]?.leaderEpoch ?? -1)
  expect(relieved).not.toMatchObject([{ image: { leader: 1 } }])
})

test('partitions that are added before any node has registered are refused, not left without replicas', () => {
  const image = imageOf(created('t', 1, [0]))
  const { records, verdicts } = ruleCreatePartitions(image, {
    kind: 'createPartitions',
    correlationId: 1,
    topics: [{ name: 't', count: 2 }],
  })
  expect(verdicts[0]?.error).not.toBeNull()
  expect(records).toEqual([])
})

const moving = partitionOf([2, 3, 0, 1], { isr: [0, 1], leader: 0, adding: [2, 3], removing: [0, 1] })

test('partitions that are added while the first one is being moved have as many replicas as it had', () => {
  const image = imageOf(...nodes([0, 1, 2, 3]), topicWith('t', 1, [moving]))
  const { records } = ruleCreatePartitions(image, { kind: 'createPartitions', correlationId: 1, topics: [{ name: 't', count: 2 }] })
  const [record] = records
  expect(record?.type === 'partitionsAdded' ? record.partitions[0]?.replicas.length : null).toBe(2)
})

test('while a partition is being moved, no more in-sync replicas can be asked for than it will have', () => {
  const image = imageOf(...nodes([0, 1, 2, 3]), topicWith('t', 1, [moving]))
  const ruling = ruleAlterConfigs(image, {
    kind: 'incrementalAlterConfigs',
    correlationId: 1,
    topic: 't',
    configs: { minInsyncReplicas: 4 },
  })
  expect(ruling.verdicts[0]?.error).toBe('INVALID_CONFIG')
})

test('an unclean election that is allowed later takes place then: the nodes that could lead are live already', () => {
  const image = imageOf(...nodes([0, 1], [1]), topicWith('t', 1, [partitionOf([1, 0], { isr: [1], leader: -1 })]))
  const request = { kind: 'incrementalAlterConfigs', correlationId: 1, topic: 't', configs: { uncleanLeaderElection: true } } as const
  expect(ruleAlterConfigs(image, request).records).toMatchObject([{}, { type: 'partitionChanged', image: { leader: 0 } }])
})
