/**
 * Counts how often each kind of message came to each kind of actor in each of its states: one number per pair, in a fixed order. Counting takes nothing from the run: no draw, no
 * event, nothing of the fingerprint.
 */
import { CHART } from './states.ts'
import type { Charted, Kind } from './states.ts'

/** A state of an actor, and a kind of message that it can get. */
export interface Pair {
  readonly actor: string
  readonly state: string
  readonly kind: Kind
}

/** Finds the pair of a step. */
export interface Probe {
  /** The kind of actor. */
  readonly name: string
  readonly stateOf: (state: unknown) => string
  /** Where the pairs of a state begin, and which of them is that of a kind. */
  readonly rows: ReadonlyMap<string, number>
  readonly columns: ReadonlyMap<string, number>
}

/** All pairs, in the order of their counts. */
export const PAIRS: readonly Pair[] = CHART.flatMap(({ name: actor, states, kinds }) =>
  states.flatMap((state) => kinds.map((kind) => ({ actor, state, kind }))),
)

const PROBES: ReadonlyMap<string, Probe> = new Map(CHART.map((charted, index) => [charted.url, newProbe(charted, index)]))

/** How often each pair was met: never. */
export function noPairs(): Uint32Array {
  return new Uint32Array(PAIRS.length)
}

/** The probe of a behaviour; null for one that is not charted. */
export function probeOf(url: string): Probe | null {
  return PROBES.get(url) ?? null
}

/** A message comes to an actor in this state. Returns how often it has by now; 0: it is not charted. */
export function countPair(counts: Uint32Array, { stateOf, rows, columns }: Probe, state: unknown, kind: string): number {
  const pair = (rows.get(stateOf(state)) ?? -Infinity) + (columns.get(kind) ?? -Infinity)
  return pair >= 0 ? ++counts[pair]! : 0
}

function newProbe({ name, states, kinds, stateOf }: Charted, index: number): Probe {
  const begin = CHART.slice(0, index).reduce((sum, before) => sum + before.states.length * before.kinds.length, 0)
  return {
    name,
    stateOf,
    rows: new Map(states.map((state, row) => [state, begin + row * kinds.length])),
    columns: new Map(kinds.map((kind, column) => [kind, column])),
  }
}
