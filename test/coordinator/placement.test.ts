// Where replicas go: evenly over nodes, on different racks, and always to the same places.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { placeReplicas } from '../../coordinator/placement.ts'
import type { PlaceableNode } from '../../coordinator/placement.ts'
import './support.ts'

/** Nodes 0 to count - 1 without racks. */
function plain(count: number): PlaceableNode[] {
  return Array.from({ length: count }, (_, node) => ({ node, rack: null }))
}

/** Nodes by rack: `racked({ a: [0, 1], b: [2] })`. */
function racked(racks: Readonly<Record<string, readonly number[]>>): PlaceableNode[] {
  return Object.entries(racks).flatMap(([rack, members]) => members.map((node) => ({ node, rack })))
}

function place(nodes: readonly PlaceableNode[], replicationFactor: number, count: number, start = 0, first = 0): number[][] {
  return placeReplicas(nodes, replicationFactor, { start, first, count })
}

/** How often each node occurs. */
function counts(nodes: readonly number[]): number[] {
  const byNode = new Map<number, number>()
  for (const node of nodes) byNode.set(node, (byNode.get(node) ?? 0) + 1)
  return [...byNode].toSorted(([a], [b]) => a - b).map(([, count]) => count)
}

function rackOf(nodes: readonly PlaceableNode[], node: number): string | null {
  return nodes.find((one) => one.node === node)?.rack ?? null
}

describe('replicas', () => {
  test('go round the nodes, and topics begin at different ones', () => {
    expect(place(plain(3), 2, 4)).toEqual([
      [0, 1],
      [1, 2],
      [2, 0],
      [0, 2],
    ])
    expect(place(plain(3), 1, 3, 2).flat()).toEqual([2, 0, 1])
  })

  test('of one leader are followed by different nodes from round to round, so that all share the load of a dead one', () => {
    const followers = place(plain(4), 2, 12).filter(([leader]) => leader === 0)
    expect(followers.map(([, follower]) => follower)).toEqual([1, 2, 3])
  })

  test('are spread evenly: leaders, and replicas of a whole number of rounds', () => {
    for (const size of [1, 2, 3, 4, 5, 6]) {
      for (let factor = 1; factor <= size; factor++) {
        const placed = place(plain(size), factor, size * Math.max(1, size - 1))
        expect(new Set(counts(placed.map(([leader]) => leader ?? -1)))).toEqual(new Set([Math.max(1, size - 1)]))
        expect(new Set(counts(placed.flat()))).toEqual(new Set([factor * Math.max(1, size - 1)]))
      }
    }
  })

  test('do not depend on the order in which nodes are listed', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(plain(5), { minLength: 5 }), (nodes) => {
        expect(place(nodes, 3, 7, 2)).toEqual(place(plain(5), 3, 7, 2))
      }),
    )
  })

  test('of partitions that are added later are where they would have been', () => {
    expect(place(plain(4), 3, 4, 1, 6)).toEqual(place(plain(4), 3, 10, 1).slice(6))
  })
})

describe('racks', () => {
  test('are all different while there are enough of them', () => {
    const nodes = racked({ a: [0, 1], b: [2, 3], c: [4, 5] })
    for (const replicas of place(nodes, 3, 30)) expect(new Set(replicas.map((node) => rackOf(nodes, node))).size).toBe(3)
  })

  test('are used up before one is used twice', () => {
    const nodes = racked({ a: [0, 1, 2], b: [3] })
    for (const replicas of place(nodes, 3, 12)) {
      expect(new Set(replicas).size).toBe(3)
      expect(new Set(replicas.map((node) => rackOf(nodes, node)))).toEqual(new Set(['a', 'b']))
    }
  })

  test('of equal size have equally many leaders', () => {
    const nodes = racked({ a: [0, 1], b: [2, 3] })
    expect(counts(place(nodes, 2, 8).map(([leader]) => leader ?? -1))).toEqual([2, 2, 2, 2])
  })

  test('do not matter to nodes that have none', () => {
    const nodes = [...racked({ a: [0, 1] }), { node: 2, rack: null }, { node: 3, rack: null }]
    for (const replicas of place(nodes, 3, 12)) {
      expect(new Set(replicas).size).toBe(3)
      expect(replicas.filter((node) => node < 2)).toHaveLength(1)
    }
  })
})

test('whatever the nodes, each partition has as many replicas as asked for, all different, on as many racks as possible', () => {
  const node = fc.record({ node: fc.nat(30), rack: fc.option(fc.constantFrom('a', 'b', 'c')) })
  const cluster = fc.uniqueArray(node, { selector: (one) => one.node, minLength: 1, maxLength: 9 })
  fc.assert(
    fc.property(cluster, fc.integer({ min: 1, max: 9 }), fc.nat(20), fc.nat(20), (nodes, wanted, start, first) => {
      const factor = Math.min(wanted, nodes.length)
      const places = (replicas: readonly number[]): number => new Set(replicas.map((one) => rackOf(nodes, one) ?? one)).size
      const most = Math.min(factor, places(nodes.map((one) => one.node)))
      for (const replicas of place(nodes, factor, 8, start, first)) {
        expect(new Set(replicas).size).toBe(factor)
        expect(places(replicas)).toBe(most)
      }
    }),
  )
})
