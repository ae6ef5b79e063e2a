// Where replicas should go: off a node, or evenly over all, with as few moves as possible and racks as different as before.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyRecord, OFFSETS_TOPIC } from '../../coordinator/metadata.ts'
import type { MetadataImage } from '../../coordinator/metadata.ts'
import { ruleRebalance } from '../../coordinator/node-changes.ts'
import { balanceMoves, drainMoves } from '../../coordinator/rebalance.ts'
import type { Move } from '../../coordinator/rebalance.ts'
import { imageOf, nodes, partitionOf, topicWith } from './support.ts'

const ALL = { kind: 'rebalance', correlationId: 1, drain: null } as const

function clusterOf(
  ids: readonly number[],
  replicas: readonly (readonly number[])[],
  racks: Readonly<Record<number, string>> = {},
): MetadataImage {
  const partitions = replicas.map((one) => partitionOf(one))
  return imageOf(...nodes(ids, [], racks), topicWith('t', 1, partitions))
}

/** What the partitions look like when the moves are over. */
function moved(image: MetadataImage, moves: readonly Move[]): number[][] {
  const all = image.topics.get('t')!.partitions.map(({ replicas }) => [...replicas])
  for (const { partition, replicas } of moves) all[partition] = [...replicas]
  return all
}

function countsOf(ids: readonly number[], replicas: readonly (readonly number[])[]): number[] {
  return ids.map((node) => replicas.filter((one) => one.includes(node)).length)
}

function racksOf(replicas: readonly number[], racks: Readonly<Record<number, string>>): number {
  return new Set(replicas.map((node) => racks[node])).size
}

function gapOf(counts: readonly number[]): number {
  return Math.max(...counts) - Math.min(...counts)
}

describe('draining a node', () => {
  test('gives each of its replicas to the node that has fewest, in the same place', () => {
    const image = clusterOf(
      [0, 1, 2, 3],
      [
        [0, 1],
        [1, 2],
        [2, 0],
      ],
    )
    expect(drainMoves(image, 1)).toEqual([
      { topic: 't', partition: 0, replicas: [0, 3] },
      { topic: 't', partition: 1, replicas: [3, 2] },
    ])
  })

  test('keeps racks different, as far as there are racks', () => {
    const image = clusterOf([0, 1, 2, 3], [[0, 1], [2]], { 0: 'a', 1: 'b', 2: 'b', 3: 'a' })
    expect(drainMoves(image, 1)).toEqual([{ topic: 't', partition: 0, replicas: [0, 2] }])
  })

  test('is impossible where a partition needs every node, and says so', () => {
    const image = clusterOf([0, 1, 2], [[0], [0, 1, 2]])
    expect(drainMoves(image, 1)).toBe('t-1 has 3 replicas, and without node 1 there are 2 active nodes')
    expect(ruleRebalance(image, { ...ALL, drain: 1 })).toMatchObject({ records: [], verdicts: [{ error: 'INVALID_REPLICATION_FACTOR' }] })
    expect(ruleRebalance(image, { ...ALL, drain: 9 })).toMatchObject({ records: [], verdicts: [{ error: 'BROKER_ID_NOT_REGISTERED' }] })
  })

  test('leaves alone what is on its way from there already, and counts it where it goes', () => {
    const image = imageOf(
      ...nodes([0, 1, 2]),
      topicWith('t', 1, [partitionOf([2, 1], { adding: [2], removing: [1], leader: 1, isr: [1] }), partitionOf([1])]),
    )
    expect(drainMoves(image, 1)).toEqual([{ topic: 't', partition: 1, replicas: [0] }])
  })

  test('moves nothing to nodes that are drained at the same time, and says so where there is no other', () => {
    const image = clusterOf([0, 1, 2, 3], [[3, 0, 1], [2]])
    expect(drainMoves(image, 3)).toEqual([{ topic: 't', partition: 0, replicas: [2, 0, 1] }])
    expect(drainMoves(image, 3, [2])).toBe('t-0 has 3 replicas, and without nodes 3, 2 there are 2 active nodes')
    expect(drainMoves(image, 2, [3, 0])).toEqual([{ topic: 't', partition: 1, replicas: [1] }])
    const { records } = ruleRebalance(image, { ...ALL, drain: 2, avoid: [3, 0] })
    expect(records).toMatchObject([{ partition: 1, image: { replicas: [1, 2], adding: [1], removing: [2] } }])
  })

  test('never uses a node that is fenced', () => {
    const image = imageOf(...nodes([0, 1, 2], [2]), topicWith('t', 1, [partitionOf([1])]))
    expect(drainMoves(image, 1)).toEqual([{ topic: 't', partition: 0, replicas: [0] }])
  })
})

describe('balancing', () => {
  test('spreads replicas and leaders over nodes that have joined', () => {
    const image = clusterOf([0, 1, 2], [[0], [0], [0], [0], [0], [0]])
    const after = moved(image, balanceMoves(image))
    expect(countsOf([0, 1, 2], after)).toEqual([2, 2, 2])
  })

  test('moves only who leads where the replicas are even', () => {
    const image = clusterOf(
      [0, 1],
      [
        [0, 1],
        [0, 1],
        [0, 1],
        [0, 1],
      ],
    )
    const moves = balanceMoves(image)
    expect(moves.map(({ replicas }) => replicas)).toEqual([
      [1, 0],
      [1, 0],
    ])
    const { records } = ruleRebalance(image, ALL)
    expect(records).toMatchObject(moves.map(() => ({ type: 'partitionChanged', image: { adding: [], removing: [], isr: [0, 1] } })))
  })

  test('adds no replica to what nobody leads, and moves none of it to another rack: there is nobody to copy from', () => {
    const orphan = partitionOf([1], { leader: -1, isr: [], elr: [1] })
    const image = imageOf(...nodes([0, 1, 2], [1]), topicWith(OFFSETS_TOPIC, 1, [orphan]))
    expect(balanceMoves(image, { stateReplicas: 3 })).toEqual([])
    const racked = nodes([0, 1, 2], [], { 0: 'a', 1: 'a', 2: 'b' })
    expect(balanceMoves(imageOf(...racked, topicWith('t', 1, [partitionOf([0, 1], { leader: -1, isr: [], elr: [0] })])))).toEqual([])
  })

  test('leaves nodes alone that are being drained', () => {
    const image = clusterOf([0, 1, 2], [[0], [0], [0], [0], [2], [2], [2]])
    const moves = balanceMoves(image, { avoid: [2] })
    expect(moves.map(({ replicas }) => replicas)).toEqual([[1], [1]])
    expect(ruleRebalance(image, { ...ALL, avoid: [2] }).records).toHaveLength(2)
    expect(balanceMoves(image, { avoid: [1, 2] })).toEqual([])
  })

  test('does nothing where everything is even', () => {
    const image = clusterOf(
      [0, 1, 2],
      [
        [0, 1],
        [1, 2],
        [2, 0],
      ],
    )
    expect(balanceMoves(image)).toEqual([])
    expect(ruleRebalance(image, ALL)).toEqual({ records: [], verdicts: [] })
  })
})

/** Topics by name: the replicas of their partitions. */
type Layout = Readonly<Record<string, readonly (readonly number[])[]>>

function imageWith(ids: readonly number[], layout: Layout): MetadataImage {
  const topics = Object.entries(layout).map(([name, replicas], i) =>
    topicWith(
      name,
      i + 1,
      replicas.map((one) => partitionOf(one)),
    ),
  )
  return imageOf(...nodes(ids), ...topics)
}

function layoutAfter(layout: Layout, moves: readonly Move[]): Layout {
  const after = Object.fromEntries(Object.entries(layout).map(([name, replicas]) => [name, [...replicas]]))
  for (const { topic, partition, replicas } of moves) after[topic]![partition] = [...replicas]
  return after
}

/** As they are made where there are so many nodes. */
function made(nodeCount: number, partitions: number, replicas: number): number[][] {
  return Array.from({ length: partitions }, (_, p) => Array.from({ length: replicas }, (_, r) => (p + r) % nodeCount))
}

function leadersOf(ids: readonly number[], replicas: readonly (readonly number[])[]): number[] {
  return ids.map((node) => replicas.filter((one) => one[0] === node).length)
}

describe('a cluster that has grown', () => {
  test.each([
    ['from three to six', 6, { hot: made(3, 12, 3), cold: made(3, 12, 3) }],
    ['from two to four', 4, { hot: made(2, 8, 2), cold: made(2, 8, 2) }],
    ['from one to three', 3, { hot: made(1, 6, 1), cold: made(1, 12, 1) }],
    ['with a topic that nobody else has a copy of', 4, { hot: made(3, 6, 1), cold: made(3, 6, 3) }],
  ])('%s has an even share of each topic on every node, also of what it leads', (_, count, layout) => {
    const ids = Array.from({ length: count }, (_none, node) => node)
    const after = layoutAfter(layout, balanceMoves(imageWith(ids, layout)))
    const all = Object.values(after).flat()
    expect(gapOf(countsOf(ids, all))).toBe(0)
    expect(gapOf(leadersOf(ids, all))).toBe(0)
    for (const replicas of Object.values(after)) {
      expect(gapOf(countsOf(ids, replicas))).toBeLessThanOrEqual(1)
      expect(gapOf(leadersOf(ids, replicas))).toBeLessThanOrEqual(1)
    }
  })
})

describe('by bytes', () => {
  const sizesOf = (sizes: readonly number[]): Map<string, number> => new Map(sizes.map((bytes, partition) => [`t-${partition}`, bytes]))

  test('nodes have as many bytes, however many replicas that is', () => {
    const image = clusterOf([0, 1], [[0], [0], [1], [1], [1], [1]])
    const moves = balanceMoves(image, { sizes: sizesOf([500, 500, 10, 10, 10, 10]) })
    expect(moves).toEqual([{ topic: 't', partition: 0, replicas: [1] }])
    expect(balanceMoves(image)).toEqual([{ topic: 't', partition: 2, replicas: [0] }])
  })

  test('leaders have as many bytes where replicas cannot go', () => {
    const image = clusterOf(
      [0, 1],
      made(1, 4, 1).map(() => [0, 1]),
    )
    const moves = balanceMoves(image, { sizes: sizesOf([900, 300, 300, 300]) })
    expect(moves).toEqual([{ topic: 't', partition: 0, replicas: [1, 0] }])
  })

  test('nothing is copied for less than a tenth, nor what is empty, nor what is unknown', () => {
    expect(balanceMoves(clusterOf([0, 1], [[0], [0], [1]]), { sizes: sizesOf([1000, 90, 1000]) })).toEqual([])
    expect(balanceMoves(clusterOf([0, 1], [[0], [0], [0], [0]]), { sizes: sizesOf([0, 0]) })).toEqual([])
  })

  test('the coordinator takes the sizes that it is told, of partitions that it has', () => {
    const image = clusterOf([0, 1], [[0], [0], [1]])
    const sizes = [
      { topic: 't', partition: 0, sizeBytes: 100 },
      { topic: 't', partition: 1, sizeBytes: 100 },
      { topic: 'gone', partition: 0, sizeBytes: 1_000_000 },
    ]
    expect(ruleRebalance(image, { ...ALL, sizes }).records).toMatchObject([{ partition: 0, image: { adding: [1] } }])
    expect(ruleRebalance(image, ALL).records).toEqual([])
  })
})

describe('racks', () => {
  const AABB = { 0: 'a', 1: 'a', 2: 'b', 3: 'b' }

  test('get one replica each of what was made before there were racks, and the nodes stay even', () => {
    const together = [
      [0, 1],
      [0, 1],
      [2, 3],
      [2, 3],
    ]
    const image = clusterOf([0, 1, 2, 3], together, AABB)
    const after = moved(image, balanceMoves(image))
    for (const replicas of after) expect(racksOf(replicas, AABB)).toBe(2)
    expect(countsOf([0, 1, 2, 3], after)).toEqual([2, 2, 2, 2])
    // One replica of each has moved, the other has stayed.
    after.forEach((replicas, i) => expect(replicas.filter((node) => together[i]!.includes(node))).toHaveLength(1))
    expect(balanceMoves(clusterOf([0, 1, 2, 3], after, AABB))).toEqual([])
  })

  test('count more than even nodes, as they do for what is created', () => {
    const racks = { 0: 'a', 1: 'b', 2: 'b', 3: 'b' }
    const image = clusterOf(
      [0, 1, 2, 3],
      [
        [1, 2],
        [2, 3],
        [3, 1],
      ],
      racks,
    )
    for (const replicas of moved(image, balanceMoves(image))) expect(replicas).toContain(0)
  })

  test('of nodes that are fenced, or are being drained, take nothing', () => {
    const fenced = imageOf(
      ...nodes([0, 1, 2], [2], { 0: 'a', 1: 'a', 2: 'b' }),
      topicWith('t', 1, [partitionOf([0, 1]), partitionOf([1, 0])]),
    )
    expect(balanceMoves(fenced)).toEqual([])
    const drained = clusterOf(
      [0, 1, 2],
      [
        [0, 1],
        [1, 0],
      ],
      { 0: 'a', 1: 'a', 2: 'b' },
    )
    expect(balanceMoves(drained, { avoid: [2] })).toEqual([])
  })
})

describe('topics of coordinators', () => {
  function offsetsOf(
    replicas: readonly (readonly number[])[],
    ids: readonly number[] = [0, 1, 2, 3],
    fenced: readonly number[] = [],
  ): MetadataImage {
    const partitions = replicas.map((one) => partitionOf(one))
    return imageOf(...nodes(ids, fenced), topicWith(OFFSETS_TOPIC, 1, partitions), topicWith('t', 2, [partitionOf([0])]))
  }

  test('get as many replicas as they would be made with now; others keep theirs', () => {
    const image = offsetsOf([[0], [0], [0, 1], [1, 2, 3]])
    const moves = balanceMoves(image, { stateReplicas: 3 })
    expect(moves.filter(({ topic }) => topic === 't').every(({ replicas }) => replicas.length === 1)).toBe(true)
    for (const record of ruleRebalance(image, ALL, 3).records) applyRecord(image, record)
    const [offsets] = image.topics.values()
    expect(offsets!.partitions.map(({ replicas, removing }) => replicas.length - removing.length)).toEqual([3, 3, 3, 3])
    // Nobody who has something is given up before the others have it.
    offsets!.partitions.forEach(({ isr }, i) => expect(isr).toEqual([[0], [0], [0, 1], [1, 2, 3]][i]))
    expect(balanceMoves(image, { stateReplicas: 3 })).toEqual([])
  })

  test('get no more than there are active nodes that are not being drained', () => {
    const lengths = (moves: readonly Move[]): number[] => moves.filter(({ topic }) => topic !== 't').map(({ replicas }) => replicas.length)
    expect(lengths(balanceMoves(offsetsOf([[0]], [0, 1]), { stateReplicas: 3 }))).toEqual([2])
    expect(lengths(balanceMoves(offsetsOf([[0]], [0, 1, 2], [2]), { stateReplicas: 3 }))).toEqual([2])
    expect(lengths(balanceMoves(offsetsOf([[0]], [0, 1, 2]), { avoid: [2], stateReplicas: 3 }))).toEqual([2])
  })
})

const CLUSTERS = fc.integer({ min: 2, max: 6 }).chain((count) => {
  const ids = Array.from({ length: count }, (_, node) => node)
  const replicas = fc.array(fc.shuffledSubarray(ids, { minLength: 1, maxLength: Math.min(3, count) }), { minLength: 1, maxLength: 20 })
  return fc.record({ ids: fc.constant(ids), replicas })
})

test('whatever the cluster is: each partition keeps its number of replicas, all different, and what is done is done', () => {
  fc.assert(
    fc.property(CLUSTERS, ({ ids, replicas }) => {
      const image = clusterOf(ids, replicas)
      const after = moved(image, balanceMoves(image))
      after.forEach((one, i) => {
        expect(one).toHaveLength(replicas[i]!.length)
        expect(new Set(one).size).toBe(one.length)
      })
      expect(gapOf(countsOf(ids, after))).toBeLessThanOrEqual(Math.max(1, gapOf(countsOf(ids, replicas)) - 1))
      expect(balanceMoves(clusterOf(ids, after))).toEqual([])
    }),
  )
})

test('whatever the sizes are: nodes come no further apart, each partition keeps its number of replicas, and what is done is done', () => {
  fc.assert(
    fc.property(CLUSTERS, fc.array(fc.nat(1000), { minLength: 20, maxLength: 20 }), ({ ids, replicas }, bytes) => {
      const sizes = new Map(bytes.map((one, partition) => [`t-${partition}`, one]))
      const bytesOf = (all: readonly (readonly number[])[]): number[] =>
        ids.map((node) => all.reduce((sum, one, partition) => sum + (one.includes(node) ? bytes[partition]! : 0), 0))
      const after = moved(clusterOf(ids, replicas), balanceMoves(clusterOf(ids, replicas), { sizes }))
      after.forEach((one, i) => {
        expect(one).toHaveLength(replicas[i]!.length)
        expect(new Set(one).size).toBe(one.length)
      })
      const squares = (all: readonly number[]): number => all.reduce((sum, one) => sum + one * one, 0)
      expect(squares(bytesOf(after))).toBeLessThanOrEqual(squares(bytesOf(replicas)))
      expect(balanceMoves(clusterOf(ids, after), { sizes })).toEqual([])
    }),
  )
})

test('whatever racks the nodes are on: replicas are on as many as there are, all different, and what is done is done', () => {
  fc.assert(
    fc.property(CLUSTERS, fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 6, maxLength: 6 }), ({ ids, replicas }, drawn) => {
      const racks = Object.fromEntries(ids.map((node) => [node, drawn[node]!]))
      const image = clusterOf(ids, replicas, racks)
      const after = moved(image, balanceMoves(image))
      after.forEach((one, i) => {
        expect(one).toHaveLength(replicas[i]!.length)
        expect(new Set(one).size).toBe(one.length)
        expect(racksOf(one, racks)).toBe(Math.min(one.length, racksOf(ids, racks)))
      })
      expect(balanceMoves(clusterOf(ids, after, racks))).toEqual([])
    }),
  )
})

test('whatever is drained is empty when its moves are over', () => {
  fc.assert(
    fc.property(CLUSTERS, fc.nat(5), ({ ids, replicas }, draw) => {
      const node = draw % ids.length
      const image = clusterOf(ids, replicas)
      const moves = drainMoves(image, node)
      expect(typeof moves === 'string').toBe(replicas.some((one) => one.length === ids.length && one.includes(node)))
      if (typeof moves === 'string') return
      const after = moved(image, moves)
      expect(countsOf([node], after)).toEqual([0])
      for (const record of ruleRebalance(image, { ...ALL, drain: node }).records) applyRecord(image, record)
      expect(drainMoves(image, node)).toEqual([])
    }),
  )
})
