/**
 * What nodes have while moves are thought over: how much in all and of each topic, as replicas and as preferred leaders; and which partition should go from one
 * node to another. It counts replicas, or the bytes of them. Which moves there should be is in rebalance.ts.
 */
import { topicPartitionName } from '../protocol/ids.ts'
import type { MetadataImage, TopicImage } from './metadata.ts'
import { isLive } from './metadata.ts'

/** Bytes of partitions, by their names. */
export type PartitionSizes = ReadonlyMap<string, number>

/** A partition, as its reassignment, if there is one, and the moves so far will leave it. */
export interface Place {
  readonly topic: string
  readonly partition: number
  /** The preferred leader first. */
  replicas: readonly number[]
  /** Somebody leads it, whom others can copy. */
  readonly isLed: boolean
  /** One, or its bytes. */
  readonly weight: number
  isMoved: boolean
}

/** How much each node has, in all and of each topic. Only nodes that may take something are counted. */
export interface Tally {
  readonly all: Map<number, number>
  readonly topics: Map<string, Map<number, number>>
}

/** What the nodes have that may take something. */
export interface Loads {
  readonly image: MetadataImage
  readonly replicas: Tally
  /** Of what they are the preferred leaders of. */
  readonly leaders: Tally
}

/** Two nodes of which the first has so much more that something should go from it to the other one. */
export interface Gap {
  readonly from: number
  readonly to: number
  readonly gap: number
}

/** By bytes, nodes are even that are not further apart than this part of what a node has on average: copying costs more than it would bring. */
const EVEN_PART = 0.1

/** All partitions, the oldest topic first. */
export function placesOf(image: MetadataImage, sizes: PartitionSizes | null): Place[] {
  const topics = [...image.topics.values()].toSorted((a, b) => a.topicId - b.topicId)
  return topics.flatMap(({ name, partitions }: TopicImage) =>
    partitions.map(({ replicas, removing, leader }, partition) => ({
      topic: name,
      partition,
      replicas: replicas.filter((node) => !removing.includes(node)),
      isLed: leader >= 0,
      weight: sizes === null ? 1 : (sizes.get(topicPartitionName(name, partition)) ?? 0),
      isMoved: false,
    })),
  )
}

/** What the active nodes have that are none of `without`. */
export function loadsOf(image: MetadataImage, places: readonly Place[], without: readonly number[]): Loads {
  const nodes = [...image.brokers.keys()].filter((node) => !without.includes(node) && isLive(image, node)).toSorted((a, b) => a - b)
  const loads = { image, replicas: emptyTally(nodes), leaders: emptyTally(nodes) }
  for (const place of places) {
    for (const node of place.replicas) add(loads.replicas, place, node, 1)
    if (place.replicas[0] !== undefined) add(loads.leaders, place, place.replicas[0], 1)
  }
  return loads
}

/** A replica, or the preferred leadership, goes from a node, if it was somewhere, to another one. */
export function give(tally: Tally, place: Place, from: number | null, to: number): void {
  if (from !== null) add(tally, place, from, -1)
  add(tally, place, to, 1)
}

/** Nodes that are too far apart, the furthest first. */
export function gapsOf({ all }: Tally, isByBytes: boolean): Gap[] {
  const counts = [...all]
  const mean = counts.reduce((sum, [, count]) => sum + count, 0) / counts.length
  const least = isByBytes ? Math.max(1, mean * EVEN_PART) : 2
  const gaps = counts.flatMap(([from, most]) => counts.map(([to, fewest]) => ({ from, to, gap: most - fewest })))
  return gaps.filter(({ gap }) => gap >= least).toSorted((a, b) => b.gap - a.gap || a.from - b.from || a.to - b.to)
}

/**
 * Of the partitions that `may` go: the one that brings two nodes closest together; of several, one of the topic of which the first has most compared with the other
 * one; then one that takes its leadership along, if the first has more of these, too. Null if there is none that brings them closer. `may` is asked of few.
 */
export function bestOf(
  places: readonly Place[],
  tally: Tally,
  { from, to, gap }: Gap,
  leaders: Tally | null,
  may: (place: Place) => boolean,
): Place | null {
  const leads = leaders === null ? 0 : Math.sign((leaders.all.get(from) ?? 0) - (leaders.all.get(to) ?? 0))
  const excesses = new Map([...tally.topics].map(([topic, own]) => [topic, (own.get(from) ?? 0) - (own.get(to) ?? 0)]))
  let best: Place | null = null
  let [least, most, lead] = [Infinity, -Infinity, -Infinity]
  for (const place of places) {
    const { weight, replicas, topic } = place
    if (weight === 0 || weight >= gap || !replicas.includes(from)) continue
    const rest = Math.abs(gap - 2 * weight)
    if (rest > least) continue
    const excess = excesses.get(topic) ?? 0
    if (rest === least && excess < most) continue
    const led = replicas[0] === from ? leads : -leads
    if (rest === least && excess === most && led <= lead) continue
    if (may(place)) [best, least, most, lead] = [place, rest, excess, led]
  }
  return best
}

function emptyTally(nodes: readonly number[]): Tally {
  return { all: new Map(nodes.map((node) => [node, 0])), topics: new Map() }
}

function add({ all, topics }: Tally, { topic, weight }: Place, node: number, sign: 1 | -1): void {
  const known = all.get(node)
  if (known === undefined) return
  all.set(node, known + sign * weight)
  const own = topics.get(topic) ?? new Map<number, number>()
  own.set(node, (own.get(node) ?? 0) + sign * weight)
  topics.set(topic, own)
}
