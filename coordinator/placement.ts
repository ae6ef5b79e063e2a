/**
 * Which nodes hold the replicas of new partitions: leaders go round the nodes, so do the followers of each leader (so that a dead node's load spreads over all
 * others), and the replicas of a partition are on different racks as far as there are racks.
 */

/** A node that can take replicas. */
export interface PlaceableNode {
  readonly node: number
  readonly rack: string | null
}

/** The replicas of partitions `first` to `first + count - 1`; the preferred leader is the first of each. `start` shifts where the round begins. */
export function placeReplicas(
  nodes: readonly PlaceableNode[],
  replicationFactor: number,
  { start, first, count }: { readonly start: number; readonly first: number; readonly count: number },
): number[][] {
  const ring = interleaveRacks(nodes)
  return Array.from({ length: count }, (_, i) => placeOne(ring, replicationFactor, start, first + i))
}

/** Nodes in an order in which neighbours are on different racks, as far as that is possible. */
function interleaveRacks(nodes: readonly PlaceableNode[]): PlaceableNode[] {
  const racks = new Map<string, PlaceableNode[]>()
  for (const one of nodes.toSorted((a, b) => a.node - b.node)) {
    const key = one.rack ?? `node ${one.node}`
    const members = racks.get(key)
    if (members === undefined) racks.set(key, [one])
    else members.push(one)
  }
  const lists = [...racks.values()]
  const ring: PlaceableNode[] = []
  for (let i = 0; ring.length < nodes.length; i++) for (const list of lists) if (list[i] !== undefined) ring.push(list[i]!)
  return ring
}

function placeOne(ring: readonly PlaceableNode[], replicationFactor: number, start: number, partition: number): number[] {
  const size = ring.length
  const leader = (start + partition) % size
  // With each round of leaders the followers begin one node further on.
  const shift = Math.floor(partition / size) % Math.max(1, size - 1)
  const order = [leader]
  for (let i = 0; i + 1 < size; i++) order.push((leader + 1 + ((i + shift) % (size - 1))) % size)
  const chosen: PlaceableNode[] = []
  const takes = (one: PlaceableNode, isStrict: boolean): boolean =>
    chosen.length < replicationFactor && !chosen.includes(one) && !(isStrict && chosen.some((other) => sameRack(other, one)))
  for (const isStrict of [true, false]) {
    for (const at of order) {
      const one = ring[at]
      if (one !== undefined && takes(one, isStrict)) chosen.push(one)
    }
  }
  return chosen.map(({ node }) => node)
}

function sameRack(a: PlaceableNode, b: PlaceableNode): boolean {
  return a.rack !== null && a.rack === b.rack
}
