/**
 * The options of `simulate` and `property`, their defaults, and what of them makes no sense.
 */
import { SCENARIO_KINDS } from './scenario.ts'
import type { ScenarioFaultChoice, ScenarioFaultKind } from './scenario.ts'

/** How a scenario is simulated. */
export interface SimulateOptions {
  /** The first seed, a whole number. Default: that of the environment variable ODRADEK_SEED, or a random one. */
  readonly seed?: number
  /** How many seeds, counting up. Default 20; 1 if a seed is given by the environment. */
  readonly runs?: number
  /** Nodes of the cluster, 1 to 5. Default 3. */
  readonly nodes?: number
  /** What goes wrong: 'swarm' (default) has each seed choose; an object names kinds and how often they strike (`docs/testing.md`). */
  readonly faults?: ScenarioFaultChoice
  /** Virtual seconds in which things go wrong, from when all nodes are there. Default 30. */
  readonly seconds?: number
  /** How long a broken run is made smaller, in real milliseconds; 0: not at all. Default 20,000. */
  readonly shrinkMillis?: number
  /** What is kept of the seed, as an error has said it: for running just that again. */
  readonly keep?: string
}

const RUNS = 20
const NODES = 3
const NODES_MAX = 5
const SECONDS = 30
const SHRINK_MILLIS = 20_000

const OPTIONS = ['seed', 'runs', 'nodes', 'faults', 'seconds', 'shrinkMillis', 'keep']

/** The kinds of faults whose intensity is a share: so many of so many. */
const SHARES: ReadonlySet<string> = new Set<ScenarioFaultKind>([
  ...(['latencyTail', 'loss', 'duplicate', 'lateReplay', 'reorder', 'replyLost', 'slowDisk', 'syncError', 'readError'] as const),
  ...(['killPending', 'tornWrite', 'renameLost', 'lateTimer'] as const),
])
const ALL = 1_000_000

/** Options as they are, defaults included. */
export interface Settings {
  readonly firstSeed: number
  readonly runs: number
  readonly nodes: number
  readonly faults: ScenarioFaultChoice
  readonly seconds: number
  readonly shrinkMillis: number
  readonly keep: string | null
}

/** Checks options; throws a RangeError or TypeError for those that make no sense. `caller` is who has them, `known` are its options. */
export function settingsOf(options: SimulateOptions, caller = 'simulate', known: readonly string[] = OPTIONS): Settings {
  const { seed, runs, nodes = NODES, faults = 'swarm', seconds = SECONDS, shrinkMillis = SHRINK_MILLIS, keep = null } = options
  for (const name of Object.keys(options))
    if (!known.includes(name)) throw new TypeError(`${caller} has no option ${name}, only ${known.join(', ')}`)
  const given = process.env['ODRADEK_SEED']
  const fromOutside = given === undefined || given === '' ? undefined : Number(given)
  checkFaults(faults, caller)
  const whole = (name: string, value: number, min: number, max: number): number => wholeNumber(caller, name, value, min, max)
  return {
    firstSeed: whole('seed', seed ?? fromOutside ?? Math.floor(Math.random() * 2 ** 31) + 1, 1, Number.MAX_SAFE_INTEGER - 1_000_000),
    runs: whole('runs', runs ?? (seed === undefined && fromOutside !== undefined ? 1 : RUNS), 1, 1_000_000),
    nodes: whole('nodes', nodes, 1, NODES_MAX),
    faults,
    seconds: whole('seconds', seconds, 1, 100_000),
    shrinkMillis: whole('shrinkMillis', shrinkMillis, 0, 86_400_000),
    keep,
  }
}

/** A number that an option has, or a RangeError. */
export function wholeNumber(caller: string, name: string, value: number, min: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new RangeError(`${caller} option ${name} must be a whole number from ${min} to ${max}, not ${value}`)
  return value
}

function checkFaults(faults: ScenarioFaultChoice, caller: string): void {
  if (faults === 'swarm' || faults === 'none') return
  if (typeof faults !== 'object' || faults === null) throw new TypeError(`${caller} option faults must be 'swarm', 'none', or an object`)
  const kinds: readonly string[] = SCENARIO_KINDS
  for (const [kind, value] of Object.entries(faults)) {
    if (!kinds.includes(kind)) throw new TypeError(`${caller} option faults knows no ${kind}, only ${kinds.join(', ')}`)
    wholeNumber(caller, `faults.${kind}`, value, 0, SHARES.has(kind) ? ALL : Number.MAX_SAFE_INTEGER)
  }
}
