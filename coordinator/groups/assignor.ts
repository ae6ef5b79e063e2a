/**
 * Which member of a group shall have which partitions, in the way of Kafka's sticky assignor: evenly (no partition could go, directly or by way
 * of others, to a member that has two fewer), and nothing moves that does not even it out. Deterministic: the same members and partitions give
 * the same assignment.
 *
 *   keep      everybody keeps what it has and still wants
 *   give      what is free goes to those who have least
 *   level     from those who have most, along the shortest chain of members, to one that has at least two fewer
 *   return    what moved, and need not have, goes back
 *
 * Members that have most and reach nobody with two fewer are settled, and with them all whom they reach: nothing will enter or leave that circle.
 * So each round moves a partition or settles a member, and takes as long as there are members and subscriptions.
 */
import { assert } from '../../protocol/assert.ts'

/** A member, as the assignor sees it. */
export interface AssignableMember {
  readonly memberId: string
  readonly subscribedTopics: readonly string[]
  /** Names of the partitions that it has now. */
  readonly current: ReadonlySet<string>
}

/** A partition that can be assigned. */
export interface AssignablePartition {
  readonly name: string
  readonly topic: string
}

/** A member while partitions are dealt out. */
interface Holder {
  readonly memberId: string
  readonly wants: ReadonlySet<string>
  /** What it holds, by topic; no topic without a partition. */
  readonly held: Map<string, Shelf>
  count: number
  isSettled: boolean
}

/** Partitions of one topic in one hand: those that were there from the beginning, and the others. */
interface Shelf {
  readonly home: Piece[]
  readonly away: Piece[]
}

/** A partition while it is dealt out. */
interface Piece {
  readonly name: string
  readonly topic: string
  /** Who had it and still wants it. */
  readonly home: Holder | null
  holder: Holder | null
}

/** A step of a chain: `from` can give a partition of `topic` to the member that was reached. */
interface Step {
  readonly from: Holder
  readonly topic: string
}

/** By topic: who subscribes to it, by member id. */
type Subscribers = ReadonlyMap<string, readonly Holder[]>

/** The target: partition names by member id. Partitions of topics that nobody subscribes to are left out. */
export function assignPartitions(
  members: readonly AssignableMember[],
  partitions: readonly AssignablePartition[],
): Map<string, Set<string>> {
  const holders = members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1)).map(toHolder)
  const subscribers = subscribersOf(holders)
  const pieces = toPieces(members, holders, partitions)
  for (const piece of pieces) if (piece.home !== null) give(piece, piece.home)
  for (const piece of pieces) {
    const least = piece.home === null ? leastLoaded(subscribers.get(piece.topic) ?? []) : null
    if (least !== null) give(piece, least)
  }
  level(holders, subscribers)
  bringBack(pieces)
  const target = new Map(holders.map(({ memberId }) => [memberId, new Set<string>()]))
  for (const { name, holder } of pieces) if (holder !== null) target.get(holder.memberId)?.add(name)
  return target
}

function toHolder({ memberId, subscribedTopics }: AssignableMember): Holder {
  return { memberId, wants: new Set(subscribedTopics), held: new Map(), count: 0, isSettled: false }
}

function subscribersOf(holders: readonly Holder[]): Subscribers {
  const subscribers = new Map<string, Holder[]>()
  for (const holder of holders) {
    for (const topic of holder.wants) {
      const known = subscribers.get(topic)
      if (known === undefined) subscribers.set(topic, [holder])
      else known.push(holder)
    }
  }
  return subscribers
}

function toPieces(members: readonly AssignableMember[], holders: readonly Holder[], partitions: readonly AssignablePartition[]): Piece[] {
  const byId = new Map(holders.map((holder) => [holder.memberId, holder]))
  const owners = new Map<string, Holder>()
  for (const { memberId, current } of members) {
    const holder = byId.get(memberId)
    if (holder !== undefined) for (const name of current) owners.set(name, holder)
  }
  return partitions.map(({ name, topic }) => {
    const owner = owners.get(name)
    return { name, topic, home: owner?.wants.has(topic) === true ? owner : null, holder: null }
  })
}

function give(piece: Piece, to: Holder): void {
  if (piece.holder !== null) take(piece, piece.holder)
  const shelf = to.held.get(piece.topic) ?? { home: [], away: [] }
  to.held.set(piece.topic, shelf)
  listOf(shelf, piece, to).push(piece)
  to.count++
  piece.holder = to
}

function take(piece: Piece, from: Holder): void {
  const shelf = from.held.get(piece.topic)
  if (shelf === undefined) return
  const list = listOf(shelf, piece, from)
  // Nearly always the last one.
  list.splice(list.lastIndexOf(piece), 1)
  if (shelf.home.length + shelf.away.length === 0) from.held.delete(piece.topic)
  from.count--
}

function listOf(shelf: Shelf, piece: Piece, holder: Holder): Piece[] {
  return piece.home === holder ? shelf.home : shelf.away
}

function leastLoaded(holders: readonly Holder[]): Holder | null {
  let least: Holder | null = null
  for (const holder of holders) if (least === null || holder.count < least.count) least = holder
  return least
}

// ── levelling ──

function level(holders: readonly Holder[], subscribers: Subscribers): void {
  for (;;) {
    const open = holders.filter((holder) => !holder.isSettled)
    if (open.length === 0) return
    const most = Math.max(...open.map(({ count }) => count))
    const chain = shortestChain(open.filter(({ count }) => count === most).toReversed(), most, subscribers)
    // From its end, so that nobody gives what it has just been given.
    for (const { from, topic, to } of chain) give(pick(from, topic, to), to)
  }
}

/**
 * The steps, last one first, from one of the fullest members to the nearest that has two fewer, of several the emptiest. None: whoever was reached
 * is settled.
 */
function shortestChain(fullest: readonly Holder[], most: number, subscribers: Subscribers): (Step & { readonly to: Holder })[] {
  const reachedBy = new Map<Holder, Step | null>(fullest.map((holder) => [holder, null]))
  const spread = new Set<string>()
  let ring: readonly Holder[] = fullest
  while (ring.length > 0) {
    const next: Holder[] = []
    for (const from of ring) {
      for (const topic of from.held.keys()) {
        // Whoever subscribes to it was reached by the first who could give it.
        if (spread.has(topic)) continue
        spread.add(topic)
        for (const to of subscribers.get(topic) ?? []) {
          if (to.isSettled || reachedBy.has(to)) continue
          reachedBy.set(to, { from, topic })
          next.push(to)
        }
      }
    }
    const target = leastLoaded(next)
    if (target !== null && target.count <= most - 2) return stepsTo(target, reachedBy)
    ring = next
  }
  for (const holder of reachedBy.keys()) holder.isSettled = true
  return []
}

function stepsTo(target: Holder, reachedBy: ReadonlyMap<Holder, Step | null>): (Step & { readonly to: Holder })[] {
  const steps: (Step & { readonly to: Holder })[] = []
  let to = target
  for (let step = reachedBy.get(to); step !== undefined && step !== null; step = reachedBy.get(to)) {
    steps.push({ ...step, to })
    to = step.from
  }
  return steps
}

/** What costs least to give: what comes home by it, or else is not at home anyway; of several the last. */
function pick(from: Holder, topic: string, to: Holder): Piece {
  const { home = [], away = [] } = from.held.get(topic) ?? {}
  const piece = away.findLast((one) => one.home === to) ?? away.at(-1) ?? home.at(-1)
  assert(piece !== undefined, 'G4 a member gives only what it holds')
  return piece
}

/** Partitions that have moved go home where that leaves things as even as they are. */
function bringBack(pieces: readonly Piece[]): void {
  for (let hasChanged = true; hasChanged;) {
    hasChanged = false
    for (const piece of pieces) {
      const { home, holder } = piece
      if (home === null || holder === null || home === holder || home.count >= holder.count) continue
      give(piece, home)
      hasChanged = true
    }
  }
}
