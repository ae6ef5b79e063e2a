/**
 * `simulate`: the user's own code against a simulated cluster, from many seeds. When one of them breaks it, the run is made smaller, and the error tells its story.
 */
import type { Plan } from '../simulation/plan.ts'
import { describeReduction, parseReduction, reducePlan, wholeOf } from '../simulation/reduction.ts'
import type { Reduction } from '../simulation/reduction.ts'
import { shrink } from '../simulation/shrink.ts'
import { Story } from '../simulation/story.ts'
import type { FaultKind } from '../simulation/faults.ts'
import { planScenario, runScenario, SCENARIO_KINDS } from './scenario.ts'
import type { Scenario, ScenarioFaultChoice, ScenarioResult } from './scenario.ts'

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

/** What all runs came to. */
export interface SimulationReport {
  readonly seeds: number
  readonly firstSeed: number
  readonly virtualSeconds: number
  /** How often each kind of fault struck. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  /** Of the first run: the same seed gives the same. */
  readonly hash: string
}

/** A scenario is broken. The message says which seed does it, what is left of it, and its story; `cause` is what the scenario threw. */
export class SimulationError extends Error {
  override readonly name: string = 'SimulationError'
  readonly seed: number
  /** For the option `keep`. */
  readonly keep: string
  readonly story: readonly string[]

  constructor(
    message: string,
    details: { readonly seed: number; readonly keep: string; readonly story: readonly string[]; readonly cause: unknown },
  ) {
    super(message, { cause: details.cause })
    this.seed = details.seed
    this.keep = details.keep
    this.story = details.story
  }
}

const RUNS = 20
const NODES = 3
const NODES_MAX = 5
const SECONDS = 30
const SHRINK_MILLIS = 20_000

/** One run of so many is repeated, to see that it is the same again. */
const REPEATED = 20

interface Settings {
  readonly firstSeed: number
  readonly runs: number
  readonly nodes: number
  readonly faults: ScenarioFaultChoice
  readonly seconds: number
  readonly shrinkMillis: number
  readonly keep: string | null
}

/** Simulations of one thread follow each other: time and chance are replaced for all of it. */
let last: Promise<unknown> = Promise.resolve()

/**
 * Runs a scenario from many seeds, each in virtual time and with faults of its own; resolves when all of them have come to their end. Throws a SimulationError for
 * the first that has not: it threw, it left the simulation, it did not end, or the cluster broke a promise. Throws a RangeError or TypeError for options that make no sense.
 */
export function simulate(scenario: Scenario, options: SimulateOptions = {}): Promise<SimulationReport> {
  return simulateAfter(0, scenario, options)
}

/** The same for one example of many, of which so many seeds were simulated before: of all of them, one in twenty is repeated. */
export function simulateAfter(before: number, scenario: Scenario, options: SimulateOptions): Promise<SimulationReport> {
  const settings = settingsOf(options)
  const mine = last.then(() => runAll(scenario, settings, before))
  last = mine.catch(() => undefined)
  return mine
}

async function runAll(scenario: Scenario, settings: Settings, before: number): Promise<SimulationReport> {
  if (settings.keep !== null) return runKept(scenario, settings, settings.keep)
  const faults: Partial<Record<FaultKind, number>> = {}
  let virtualSeconds = 0
  let hash = ''
  for (let i = 0; i < settings.runs; i++) {
    const seed = settings.firstSeed + i
    const result = await runSeed(scenario, settings, seed)
    if (result.violation !== null) throw await explained(scenario, settings, result)
    if ((before + i) % REPEATED === 0 && (await runSeed(scenario, settings, seed)).hash !== result.hash) throw unsteady(seed)
    if (i === 0) ({ hash } = result)
    virtualSeconds += result.virtualSeconds
    for (const [kind, count] of Object.entries(result.faults))
      if (count > 0) faults[kind as FaultKind] = (faults[kind as FaultKind] ?? 0) + count
  }
  return { seeds: settings.runs, firstSeed: settings.firstSeed, virtualSeconds: Math.round(virtualSeconds), faults, hash }
}

function runSeed(scenario: Scenario, { nodes, seconds, faults }: Settings, seed: number): Promise<ScenarioResult> {
  return runScenario(scenario, planScenario(seed, nodes, seconds, faults))
}

/** Makes the run smaller, and runs what is left once more, for its story. */
async function explained(scenario: Scenario, settings: Settings, broken: ScenarioResult): Promise<SimulationError> {
  const { nodes, seconds, faults, shrinkMillis } = settings
  const plan = planScenario(broken.seed, nodes, seconds, faults)
  const whole: Reduction = wholeOf(plan)
  const until = performance.now() + shrinkMillis
  const { timed } = broken
  const shrunk = await shrink(whole, {
    run: (reduction) => runScenario(scenario, reducePlan(plan, reduction), { timed, kept: reduction.strikes }),
    isOver: () => performance.now() >= until,
    onProgress: () => undefined,
  })
  if (shrunk === null) return unsteady(broken.seed)
  return await told(scenario, broken, plan, shrunk.reduction)
}

async function told(
  scenario: Scenario,
  { seed, timed, error, violation: first }: ScenarioResult,
  plan: Plan,
  reduction: Reduction,
): Promise<SimulationError> {
  const story = new Story()
  const result = await runScenario(scenario, reducePlan(plan, reduction), { timed, kept: reduction.strikes }, story.hear)
  const violation = result.violation ?? first
  const lines = story.tell(violation)
  const keep = describeReduction(plan, reduction)
  const what = violation === null ? '' : violation.code === 'SCENARIO' ? violation.message : `${violation.code}: ${violation.message}`
  const message = `${what}

seed ${seed}, with no more of it than ${keep}

${lines.join('\n')}

again: simulate(…, { seed: ${seed}, keep: '${keep}' }), with the same nodes, seconds and faults
`
  return new SimulationError(message, { seed, keep, story: lines, cause: result.error ?? error })
}

async function runKept(scenario: Scenario, settings: Settings, keep: string): Promise<SimulationReport> {
  const { firstSeed, nodes, seconds, faults } = settings
  const plan = planScenario(firstSeed, nodes, seconds, faults)
  const whole = await runScenario(scenario, plan)
  const reduction = parseReduction(plan, keep)
  const result = await runScenario(scenario, reducePlan(plan, reduction), { timed: whole.timed, kept: reduction.strikes })
  if (result.violation !== null) throw await told(scenario, { ...whole, error: result.error }, plan, reduction)
  const { hash, virtualSeconds, faults: struck } = result
  return { seeds: 1, firstSeed, virtualSeconds: Math.round(virtualSeconds), faults: struck, hash }
}

function unsteady(seed: number): SimulationError {
  const message = `seed ${seed} does not give the same run twice: the code under simulation depends on something that the seed does not decide (state from a run before, an object that outlives it, the order of a Set of objects by address)`
  return new SimulationError(message, { seed, keep: '', story: [], cause: undefined })
}

function settingsOf(options: SimulateOptions): Settings {
  const { seed, runs, nodes = NODES, faults = 'swarm', seconds = SECONDS, shrinkMillis = SHRINK_MILLIS, keep = null } = options
  const known = ['seed', 'runs', 'nodes', 'faults', 'seconds', 'shrinkMillis', 'keep']
  for (const name of Object.keys(options))
    if (!known.includes(name)) throw new TypeError(`simulate has no option ${name}, only ${known.join(', ')}`)
  const given = process.env['ODRADEK_SEED']
  const fromOutside = given === undefined || given === '' ? undefined : Number(given)
  checkFaults(faults)
  return {
    firstSeed: wholeNumber('seed', seed ?? fromOutside ?? Math.floor(Math.random() * 2 ** 31) + 1, 1, Number.MAX_SAFE_INTEGER - 1_000_000),
    runs: wholeNumber('runs', runs ?? (seed === undefined && fromOutside !== undefined ? 1 : RUNS), 1, 1_000_000),
    nodes: wholeNumber('nodes', nodes, 1, NODES_MAX),
    faults,
    seconds: wholeNumber('seconds', seconds, 1, 100_000),
    shrinkMillis: wholeNumber('shrinkMillis', shrinkMillis, 0, 86_400_000),
    keep,
  }
}

function wholeNumber(name: string, value: number, min: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new RangeError(`simulate option ${name} must be a whole number from ${min} to ${max}, not ${value}`)
  return value
}

function checkFaults(faults: ScenarioFaultChoice): void {
  if (faults === 'swarm' || faults === 'none') return
  if (typeof faults !== 'object' || faults === null) throw new TypeError("simulate option faults must be 'swarm', 'none', or an object")
  const kinds: readonly string[] = SCENARIO_KINDS
  for (const [kind, value] of Object.entries(faults)) {
    if (!kinds.includes(kind)) throw new TypeError(`simulate option faults knows no ${kind}, only ${kinds.join(', ')}`)
    wholeNumber(`faults.${kind}`, value, 0, Number.MAX_SAFE_INTEGER)
  }
}
