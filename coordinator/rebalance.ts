/**
 * Which replicas should go where: off a node that is to be removed, or evenly over all nodes, and the preferred leaders with them. Says only what should be;
 * the moves themselves are reassignments (KIP-455). As few replicas move as possible, and each partition is on as many racks as it can be, which counts more than even nodes.
 */
import type { MetadataImage, TopicImage } from './metadata.ts'
import { isCoordinatorTopic, isLive } from './metadata.ts'

/** A partition and the nodes that should have it, the preferred leader first. */
export interface Move {
  readonly topic: string
  readonly partition: number
  readonly replicas: readonly number[]
}

/** Moves of one request: each is a record. Who asks again gets the next ones. */
const MOVES_MAX = 500

/** A partition, as its reassignment, if there is one, will leave it. */
interface Place {
  readonly topic: string
  readonly partition: number
  replicas: readonly number[]
  /** Somebody leads it, whom others can copy. */
  readonly isLed: boolean
  isMoved: boolean
}

/** The nodes that may take replicas, and how many each has. */
interface Loads {
  readonly image: MetadataImage
  readonly replicas: Map<number, number>
}

/** Takes everything off a node: each replica goes to the node that has fewest, and is none of `avoid`. Or says for which partition there is no other node. */
export function drainMoves(image: MetadataImage, node: number, avoid: readonly number[] = []): Move[] | string {
  const places = placesOf(image)
  const without = [node, ...avoid]
  const loads = loadsOf(image, places, without)
  let left = MOVES_MAX
  for (const place of places) {
    if (!place.replicas.includes(node) || left-- <= 0) continue
    const target = bestTarget(loads, place, node)
    if (target === null) {
      const count = place.replicas.length
      const those = without.length === 1 ? `node ${node}` : `nodes ${without.join(', ')}`
      return `${place.topic}-${place.partition} has ${count} replicas, and without ${those} there are ${loads.replicas.size} active nodes`
    }
    moveReplica(loads, place, node, target)
  }
  return movesOf(places)
}

/**
 * Evens out the replicas, then the preferred leaders, over the active nodes that are none of `avoid`; nothing if they are even, as far as that is possible. Before that, topics
 * of coordinators get `stateReplicas` of each partition, as far as there are nodes: they were made when somebody first needed them, perhaps by one node alone.
 */
export function balanceMoves(image: MetadataImage, avoid: readonly number[] = [], stateReplicas = 1): Move[] {
  const places = placesOf(image)
  const loads = loadsOf(image, places, avoid)
  let left = MOVES_MAX
  for (const place of places) while (left > 0 && isCoordinatorTopic(place.topic) && addReplica(loads, place, stateReplicas)) left--
  for (const place of places) while (left > 0 && spreadReplica(loads, place)) left--
  while (left > 0 && moveOne(loads, places)) left--
  const leaders = new Map([...loads.replicas.keys()].map((node) => [node, places.filter(({ replicas }) => replicas[0] === node).length]))
  while (left > 0 && leadOne(leaders, places)) left--
  return movesOf(places)
}

function placesOf(image: MetadataImage): Place[] {
  const topics = [...image.topics.values()].toSorted((a, b) => a.topicId - b.topicId)
  return topics.flatMap(({ name, partitions }: TopicImage) =>
    partitions.map(({ replicas, removing, leader }, partition) => ({
      topic: name,
      partition,
      replicas: replicas.filter((node) => !removing.includes(node)),
      isLed: leader >= 0,
      isMoved: false,
    })),
  )
}

function loadsOf(image: MetadataImage, places: readonly Place[], without: readonly number[]): Loads {
  const replicas = new Map<number, number>()
  for (const node of [...image.brokers.keys()].toSorted((a, b) => a - b))
    if (!without.includes(node) && isLive(image, node)) replicas.set(node, 0)
  for (const place of places) for (const node of place.replicas) add(replicas, node, 1)
  return { image, replicas }
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
  add(loads.replicas, target, 1)
  return true
}

/** One replica to a rack where there is none yet, from one where there is another one; of several such moves, from the node with most replicas to the one with fewest. */
function spreadReplica(loads: Loads, place: Place): boolean {
  const { image, replicas: counts } = loads
  const { replicas } = place
  const present = racksOf(image, replicas)
  if (!place.isLed || present === replicas.length || present >= racksOf(image, [...replicas, ...counts.keys()])) return false
  const [best] = replicas
    .flatMap((from) => {
      const most = counts.get(from)
      const target = most === undefined ? null : bestTarget(loads, place, from)
      if (most === undefined || target === null || racksOf(image, exchanged(replicas, from, target)) <= present) return []
      return [{ from, target, gap: most - (counts.get(target) ?? 0) }]
    })
    .toSorted((a, b) => b.gap - a.gap || a.from - b.from)
  if (best === undefined) return false
  moveReplica(loads, place, best.from, best.target)
  return true
}

/** One replica from a node that has at least two more than another one to that. False if there is none that may. */
function moveOne(loads: Loads, places: readonly Place[]): boolean {
  for (const [from, to] of pairsOf(loads.replicas)) {
    const place = places.find((one) => mayMove(loads, one, from, to))
    if (place === undefined) continue
    moveReplica(loads, place, from, to)
    return true
  }
  return false
}

/** One preferred leadership from a node that has at least two more than another one to that, where both have the partition. */
function leadOne(leaders: Map<number, number>, places: readonly Place[]): boolean {
  for (const [from, to] of pairsOf(leaders)) {
    const place = places.find(({ replicas }) => replicas[0] === from && replicas.includes(to))
    if (place === undefined) continue
    place.replicas = [to, ...place.replicas.filter((node) => node !== to)]
    place.isMoved = true
    add(leaders, from, -1)
    add(leaders, to, 1)
    return true
  }
  return false
}

/** Pairs of nodes of which the first has at least two more, the most uneven first. */
function pairsOf(counts: ReadonlyMap<number, number>): [number, number][] {
  const all = [...counts].toSorted(([a, x], [b, y]) => y - x || a - b)
  const pairs = all.flatMap(([from, most]) =>
    all.filter(([, least]) => most - least >= 2).map(([to, least]) => ({ from, to, gap: most - least })),
  )
  return pairs.toSorted((a, b) => b.gap - a.gap || a.from - b.from || a.to - b.to).map(({ from, to }) => [from, to])
}

function mayMove({ image }: Loads, { replicas }: Place, from: number, to: number): boolean {
  if (!replicas.includes(from) || replicas.includes(to)) return false
  return racksOf(image, exchanged(replicas, from, to)) >= racksOf(image, replicas)
}

/** The node for a replica that leaves `from`, or (null) for one more: one on another rack than the others, if there is one; of those the one with the fewest replicas. */
function bestTarget({ image, replicas: counts }: Loads, { replicas }: Place, from: number | null): number | null {
  const free = [...counts].filter(([node]) => !replicas.includes(node))
  const others = replicas.filter((node) => node !== from)
  const racks = (node: number): number => racksOf(image, [...others, node])
  const [best] = free.toSorted(([a, x], [b, y]) => racks(b) - racks(a) || x - y || a - b)
  return best?.[0] ?? null
}

function moveReplica(loads: Loads, place: Place, from: number, to: number): void {
  place.replicas = exchanged(place.replicas, from, to)
  place.isMoved = true
  add(loads.replicas, from, -1)
  add(loads.replicas, to, 1)
}

function exchanged(replicas: readonly number[], from: number, to: number): number[] {
  return replicas.map((node) => (node === from ? to : node))
}

/** Racks that these nodes are on; a node without one is a rack of its own. */
function racksOf({ brokers }: MetadataImage, nodes: readonly number[]): number {
  return new Set(nodes.map((node) => brokers.get(node)?.rack ?? `node ${node}`)).size
}

/** Nodes that may take nothing are not counted. */
function add(counts: Map<number, number>, node: number, change: number): void {
  const count = counts.get(node)
  if (count !== undefined) counts.set(node, count + change)
}
