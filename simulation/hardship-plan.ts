/**
 * Which clusters in small have hardships, and which: what networks, disks, applications and administrators do that clients and their coordinators seldom meet together. Their streams are
 * their own: what other seeds do stays as it is.
 */
import { Random } from './random.ts'

/** A kind of hardship. */
export type Hardship =
  /** A disk does nothing for a while, where a coordinator writes; then it goes on, or its node dies. */
  | 'hang'
  /** The beginnings of logs move, while what coordinators write takes its time. */
  | 'tide'
  /** A client falls asleep with a question under way. */
  | 'nap'
  /** What clients said to a coordinator comes to the next one on that node. */
  | 'revenant'
  /** Topics are away for a while, and what clients are told comes later than they wait for it. */
  | 'lateness'
  /** What an application says to its producer waits in line. */
  | 'backlog'
  /** Somebody looks in at a group, and is gone in a moment. */
  | 'visit'
  /** An administrator asks how groups are. */
  | 'inquiry'
  /** A topic is another one while the coordinator of its group cannot write. */
  | 'relic'

/** Of so many small seeds one has them: which of them is chosen so that seeds stay what they are known for. */
const SHARE = 4
const CHOSEN = 2

/** Of so many kinds that suit it, a seed has one, but one at least. */
const KIND_SHARE = 2

/** What groups of consumers meet. */
const OF_GROUPS: readonly Hardship[] = ['hang', 'nap', 'revenant', 'visit', 'inquiry']

/** What suits whom. */
const SUITED: Readonly<Record<string, readonly Hardship[]>> = {
  log: ['lateness', 'backlog'],
  table: ['lateness'],
  queue: ['hang', 'nap'],
  group: OF_GROUPS,
  classic: OF_GROUPS,
  readers: ['hang', 'nap', 'revenant'],
  transactions: ['hang', 'nap'],
  sharers: ['tide'],
}

/** Those of a cluster in small; none, mostly. */
export function drawHardships(seed: number, cast: string): Hardship[] {
  const random = new Random(seed, 'small/hardships')
  if (random.below(SHARE) !== CHOSEN) return []
  const suited = SUITED[cast] ?? []
  const drawn = suited.filter(() => random.below(KIND_SHARE) === 0)
  return drawn.length > 0 || suited.length === 0 ? drawn : [random.pick(suited)]
}

/** Of so many clusters with a topic whose records go, one has relics, alone or with what else it has. */
const RELICS_SHARE = 4

/** Those that came later have a stream of their own. */
export function withLaterHardships(seed: number, cast: string, hardships: readonly Hardship[]): readonly Hardship[] {
  return cast === 'queue' && new Random(seed, 'small/relics').below(RELICS_SHARE) === 0 ? [...hardships, 'relic'] : hardships
}
