/**
 * Which seeds have ordeals, and which: trouble of a kind that comes again and again, where the faults of other seeds strike by chance. Each is something that clusters meet: disks
 * on which everything is cleaned early, power that flickers, leaders that move to and fro, nodes that are away for long. Their streams are their own: what other seeds do stays as it is.
 */
import { Random } from './random.ts'

/** A kind of trouble. */
export type Ordeal =
  /** A node or two hear nothing for longer than their session, and do not speak; when they are back, another one dies. */
  | 'absence'
  /** A node dies at the next step that it takes with one of its logs, however seldom it writes there, and often once more when it has hardly begun to recover. */
  | 'flicker'
  /** What is compacted is compacted at once, and nodes die while they do it. */
  | 'tidiness'
  /** Nodes die one after the other, each before the one before it has found its feet. */
  | 'chain'
  /** The leadership of a partition goes to another node and comes back; who led does not hear of it, perhaps. */
  | 'seesaw'
  /** A replica is taken away and put back at once, while what it said is still on its way. */
  | 'shuffle'
  /** A topic is deleted and created again, and a node does not hear of it for a while. */
  | 'rebirth'
  /** What a host has said for a while is heard again later, often by those who know its next life. */
  | 'echo'
  /** A node does not hear other nodes, and is not heard by them; clients reach it. */
  | 'island'
  /** What a client says, or is told, arrives after its session is over; or the client sleeps that long. */
  | 'molasses'
  /** Nodes have so much to do that all that their disks and actors do takes milliseconds, also when one of them has died; some of them are full. */
  | 'strain'
  /** What a node said in its former life comes among the first words of the next one, and another node dies then, perhaps. */
  | 'ghosts'
  /** What a disk is asked to do with checkpoints fails for a while, and other things now and then; its node loses power meanwhile, perhaps. */
  | 'ailing'
  /** A bit flips in a replica where it tells most, and its node opens the log again, perhaps. */
  | 'rot'
  /** A disk hangs when something is to be proved, and says once of some of what it was asked that it has failed; then the power goes, perhaps, or a bit flips, or another one leads meanwhile. */
  | 'hiccup'
  /** A node is to stop when it has hardly begun, or is told so again and again; the next life loses power when it has hardly begun. */
  | 'haste'

/** The ordeals of a run, and what it has beside them. */
export interface OrdealPlan {
  readonly nodeCount: number
  readonly kinds: readonly Ordeal[]
  /** What other seeds have now and then. */
  readonly company: readonly Company[]
}

/** A part that a run with ordeals may have for certain. */
export type Company = 'transactions' | 'readers' | 'classic' | 'sharers' | 'table' | 'queue'

/** So many nodes, least and most: alone, a node has nobody to disagree with. */
const NODES = [3, 5] as const

/** Of so many seeds one has them. */
const SHARE = 6

/** Kinds of a run, one less if one is drawn twice. */
const KINDS_COUNT = [2, 4] as const

/** What an ordeal is interesting with. */
const COMPANY: Readonly<Record<Ordeal, readonly Company[]>> = {
  absence: ['table', 'readers', 'transactions'],
  chain: ['transactions', 'sharers', 'table'],
  flicker: ['table', 'queue', 'transactions'],
  tidiness: ['table'],
  seesaw: ['transactions', 'transactions', 'sharers', 'classic'],
  shuffle: ['queue', 'transactions', 'table'],
  rebirth: ['queue', 'readers', 'classic'],
  echo: ['transactions', 'classic', 'sharers', 'queue'],
  island: ['classic', 'transactions', 'sharers'],
  molasses: ['classic', 'transactions', 'readers', 'sharers'],
  strain: ['transactions', 'sharers', 'queue'],
  ghosts: ['table'],
  ailing: ['table', 'queue'],
  rot: ['table'],
  hiccup: [],
  haste: [],
}

/** All kinds. */
export const ORDEALS: readonly Ordeal[] = Object.keys(COMPANY) as Ordeal[]

/** All that are drawn here. */
const DRAWN = ORDEALS.filter((kind) => kind !== 'hiccup' && kind !== 'haste')

/** Those of whole clusters: what their seeds are known for stays as it is. */
const WHOLE = DRAWN.filter((kind) => kind !== 'ghosts' && kind !== 'ailing' && kind !== 'rot')

/** Those of a cluster in small, half of them such as are interesting with what it has; null: it has none. */
export function drawOrdealsInSmall(seed: number, share: number, cast: string): OrdealPlan | null {
  const suited = DRAWN.filter((kind) => LOG_ORDEALS.has(kind) || COMPANY[kind].some((one) => one === cast))
  return drawOrdeals(seed, share, [...DRAWN, ...suited, ...suited])
}

/** What is interesting wherever there are replicas. */
const LOG_ORDEALS: ReadonlySet<Ordeal> = new Set(['ghosts', 'ailing', 'rot', 'flicker'])

/** The ordeals of a seed; null: it has none. */
export function drawOrdeals(seed: number, share: number = SHARE, all: readonly Ordeal[] = WHOLE): OrdealPlan | null {
  const random = new Random(seed, 'ordeals')
  if (random.below(share) > 0) return null
  const kinds = new Set(Array.from({ length: random.between(...KINDS_COUNT) }, () => random.pick(all)))
  const company = new Set([...kinds].map((kind) => random.pick(COMPANY[kind])))
  return { nodeCount: random.between(...NODES), kinds: [...kinds], company: [...company] }
}

/** Of so many small clusters one has trouble with proofs. */
const PROOFS_SHARE = 4

/** Which. */
const PROOF_ORDEALS: readonly (readonly Ordeal[])[] = [['hiccup'], ['hiccup'], ['haste'], ['hiccup', 'haste']]

/** So many nodes then: what one has lost that is alone nobody makes up for. */
const PROOF_NODES: readonly number[] = [1, 2, 3, 3]

/** Trouble when something is to be proved, in a quarter of small clusters, with what else they have or alone; by draws of its own. */
export function withProofs(seed: number, ordeals: OrdealPlan | null): OrdealPlan | null {
  const random = new Random(seed, 'ordeals/small')
  if (random.below(PROOFS_SHARE) > 0) return ordeals
  const own = random.pick(PROOF_ORDEALS)
  const others = random.below(2) === 0 ? [] : (ordeals?.kinds ?? [])
  return { nodeCount: random.pick(PROOF_NODES), kinds: [...others, ...own], company: [] }
}
