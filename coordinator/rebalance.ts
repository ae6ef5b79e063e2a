/**
 * Which replicas should go where: off a node that is to be removed, or evenly over all nodes, and the preferred leaders with them. Says only what should be;
 * the moves themselves are reassignments (KIP-455). As few replicas move as possible, and each partition is on as many racks as it can be, which counts more than even nodes.
 */
import type { MetadataImage } from './metadata.ts'
import { isCoordinatorTopic } from './metadata.ts'
import { bestOf, gapsOf, give, loadsOf, placesOf } from './rebalance-loads.ts'
import type { Gap, Loads, PartitionSizes, Place } from './rebalance-loads.ts'

/** A partition and the nodes that should have it, the preferred leader first. */
export interface Move {
  readonly topic: string
  readonly partition: number
  readonly replicas: readonly number[]
}

/** Moves of one request: each is a record. Who asks again gets the next ones. */
const MOVES_MAX = 500

/** What `balanceMoves` may be told. */
export interface BalanceOptions {
  /** Nodes that take nothing and give nothing. Default: none. */
  readonly avoid?: readonly number[]
  /**
   * Topics of coordinators get so many replicas of each partition, as far as there are nodes: they were made when somebody first needed them, perhaps by one
   * node alone. Default: 1.
   */
  readonly stateReplicas?: number
  /** Nodes are evened out by the bytes of their partitions. Null, the default: by the number of their replicas. */
  readonly sizes?: PartitionSizes | null
}

/** Takes everything off a node: each replica goes to the node that has fewest, and is none of `avoid`. Or says for which partition there is no other node. */
export function drainMoves(image: MetadataImage, node: number, avoid: readonly number[] = []): Move[] | string {
  const places = placesOf(image, null)
  const without = [node, ...avoid]
  const loads = loadsOf(image, places, without)
  let left = MOVES_MAX
  for (const place of places) {
    if (!place.replicas.includes(node) || left-- <= 0) continue
    const target = bestTarget(loads, place, node)
    if (target === null) {
      const count = place.replicas.length
      const those = without.length === 1 ? `node ${node}` : `nodes ${without.join(', ')}`
      return `${place.topic}-${place.partition} has ${count} replicas, and without ${those} there are ${loads.replicas.all.size} active nodes`
    }
    moveReplica(loads, place, node, target)
  }
  return movesOf(places)
}

/**
 * Evens out the replicas, then the preferred leaders, over the active nodes, and those of each topic as far as that leaves it; nothing if they are even, as far as
 * that is possible.
 */
export function balanceMoves(image: MetadataImage, { avoid = [], stateReplicas = 1, sizes = null }: BalanceOptions = {}): Move[] {
  const places = placesOf(image, sizes)
  const loads = loadsOf(image, places, avoid)
  const isByBytes = sizes !== null
  let left = MOVES_MAX
  for (const place of places) while (left > 0 && isCoordinatorTopic(place.topic) && addReplica(loads, place, stateReplicas)) left--
  for (const place of places) while (left > 0 && spreadReplica(loads, place)) left--
  while (left > 0 && moveOne(loads, places, isByBytes)) left--
  while (left > 0 && leadOne(loads, places, isByBytes)) left--
  return movesOf(places)
}

function movesOf(places: readonly Place[]): Move[] {
  return places.filter(({ isMoved }) => isMoved).map(({ topic, partition, replicas }) => ({ topic, partition, replicas }))
}

/** One replica more, if there are less than `count`, and a node that has none. */
function addReplica(loads: Loads, place: Place, count: number): boolean {
  const target = place.isLed && place.replicas.length < count ? bestTarget(loads, place, null) : null
  if (target === null) return false
  place.replicas = [...place.replicas, target]
  place.isMoved = true
  give(loads.replicas, place, null, target)
  return true
}

/** One replica to a rack where there is none yet, from one where there is another one; of several such moves, from the node that has most to the one that has least. */
function spreadReplica(loads: Loads, place: Place): boolean {
  const { image } = loads
  const { all } = loads.replicas
  const { replicas } = place
  const present = racksOf(image, replicas)
  if (!place.isLed || present === replicas.length || present >= racksOf(image, [...replicas, ...all.keys()])) return false
  const [best] = replicas
    .flatMap((from) => {
      const most = all.get(from)
      const target = most === undefined ? null : bestTarget(loads, place, from)
      if (most === undefined || target === null || racksOf(image, exchanged(replicas, from, target)) <= present) return []
      return [{ from, target, gap: most - (all.get(target) ?? 0) }]
    })
    .toSorted((a, b) => b.gap - a.gap || a.from - b.from)
  if (best === undefined) return false
  moveReplica(loads, place, best.from, best.target)
  return true
}

/** One replica from a node that has too much more than another one to that. False if there is none that may. */
function moveOne(loads: Loads, places: readonly Place[], isByBytes: boolean): boolean {
  for (const gap of gapsOf(loads.replicas, isByBytes)) {
    const place = bestOf(places, loads.replicas, gap, loads.leaders, (one) => mayMove(loads, one, gap))
    if (place === null) continue
    moveReplica(loads, place, gap.from, gap.to)
    return true
  }
  return false
}

/** One preferred leadership from a node that has too much more than another one to that, where both have the partition. */
function leadOne({ leaders }: Loads, places: readonly Place[], isByBytes: boolean): boolean {
  for (const gap of gapsOf(leaders, isByBytes)) {
    const { from, to } = gap
    const place = bestOf(places, leaders, gap, null, ({ replicas }) => replicas[0] === from && replicas.includes(to))
    if (place === null) continue
    place.replicas = [to, ...place.replicas.filter((node) => node !== to)]
    place.isMoved = true
    give(leaders, place, from, to)
    return true
  }
  return false
}

function mayMove({ image }: Loads, { replicas }: Place, { from, to }: Gap): boolean {
  if (replicas.includes(to)) return false
  return racksOf(image, exchanged(replicas, from, to)) >= racksOf(image, replicas)
}

/** The node for a replica that leaves `from`, or (null) for one more: one on another rack than the others, if there is one; of those the one that has least. */
function bestTarget({ image, replicas: { all } }: Loads, { replicas }: Place, from: number | null): number | null {
  const free = [...all].filter(([node]) => !replicas.includes(node))
  const others = replicas.filter((node) => node !== from)
  const racks = (node: number): number => racksOf(image, [...others, node])
  const [best] = free.toSorted(([a, x], [b, y]) => racks(b) - racks(a) || x - y || a - b)
  return best?.[0] ?? null
}

function moveReplica(loads: Loads, place: Place, from: number, to: number): void {
  if (place.replicas[0] === from) give(loads.leaders, place, from, to)
  place.replicas = exchanged(place.replicas, from, to)
  place.isMoved = true
  give(loads.replicas, place, from, to)
}

function exchanged(replicas: readonly number[], from: number, to: number): number[] {
  return replicas.map((node) => (node === from ? to : node))
}

/** Racks that these nodes are on; a node without one is a rack of its own. */
function racksOf({ brokers }: MetadataImage, nodes: readonly number[]): number {
  return new Set(nodes.map((node) => brokers.get(node)?.rack ?? `node ${node}`)).size
}
