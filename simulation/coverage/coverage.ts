/**
 * Which pairs of states and messages a fleet has met, of those that it can meet.
 */
import { IMPOSSIBLE, pairsOf } from './exceptions.ts'
import { PAIRS } from './pairs.ts'

/** What a fleet has met. Pairs are named `actor state message`. */
export interface Coverage {
  readonly covered: number
  /** Pairs that can be met. */
  readonly possible: number
  /** Possible, and not met. */
  readonly never: readonly string[]
  /** Met, although they are said not to be. */
  readonly unexpected: readonly string[]
}

const NAMES: readonly string[] = PAIRS.map(({ actor, state, kind }) => `${actor} ${state} ${kind}`)
const IMPOSSIBLE_NAMES: ReadonlySet<string> = new Set(IMPOSSIBLE.flatMap(pairsOf))

/** What the counts of all pairs come to. */
export function coverageOf(counts: readonly number[]): Coverage {
  const expected = NAMES.filter((name) => !IMPOSSIBLE_NAMES.has(name))
  const isMet = new Set(NAMES.filter((_, pair) => (counts[pair] ?? 0) > 0))
  const never = expected.filter((name) => !isMet.has(name))
  return {
    covered: expected.length - never.length,
    possible: expected.length,
    never,
    unexpected: NAMES.filter((name) => isMet.has(name) && IMPOSSIBLE_NAMES.has(name)),
  }
}

/** In one line. */
export function describeCoverage({ covered, possible }: Coverage): string {
  return `${covered} of ${possible} pairs of states and messages (${((covered / possible) * 100).toFixed(1)} %)`
}
