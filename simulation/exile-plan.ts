/**
 * Which seeds have exiles: a node that coordinates groups, and some of their members, hear only each other for longer than anybody may count on that node. Its successor has the groups by
 * then, and the others have what they had. A stream of its own: what other seeds do stays as it is.
 */
import { Random } from './random.ts'

/** Of so many seeds one has them. */
const SHARE = 6

/** With fewer nodes nobody succeeds the one that is away. */
const NODES_MIN = 3

/** Whether a seed has them. */
export function drawExiles(seed: number, nodeCount: number): boolean {
  return new Random(seed, 'exiles/drawn').below(SHARE) === 0 && nodeCount >= NODES_MIN
}
