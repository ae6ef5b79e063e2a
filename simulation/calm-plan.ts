/**
 * Which seeds go on when everything has come to its end, and with what: one thing at a time happens then, and is dealt with before the next one. Where much happens at once, the
 * next rebalance makes up for what was forgotten in the one before; here nothing does. A stream of its own: all that comes before stays as it is.
 */
import { Random } from './random.ts'

/** Something that happens when all is calm. */
export type CalmStep =
  /** A topic has one more partition. */
  | 'addPartition'
  /** The same while a member is away that comes back. */
  | 'addPartitionWhileAway'
  /** Another process has the instance id of a member that lives. */
  | 'twin'
  /** A member dies, and nobody comes in its place. */
  | 'loseMember'
  /** A node dies, or loses power, and comes back. */
  | 'killNode'
  | 'powerLoss'

/** The steps of a run, in their order. */
export type CalmPlan = readonly CalmStep[]

/** Of so many seeds one has them. */
const SHARE = 5

const STEPS_MAX = 3

const STEPS: readonly CalmStep[] = ['addPartition', 'addPartitionWhileAway', 'addPartitionWhileAway', 'twin', 'killNode', 'powerLoss']

/** The steps of a seed; null: it has none. A member is lost last: whoever comes back makes the others share out anew. */
export function drawCalm(seed: number): CalmPlan | null {
  const random = new Random(seed, 'calm')
  if (random.below(SHARE) > 0) return null
  const steps = Array.from({ length: random.between(1, STEPS_MAX) }, () => random.pick(STEPS))
  return [...steps, 'loseMember']
}
