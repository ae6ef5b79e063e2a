/**
 * `simulate`: the user's own code against a simulated cluster, from many seeds. When one of them breaks it, the run is made smaller, and the error tells its story.
 */
import type { Plan } from '../simulation/plan.ts'
import { describeReduction, parseReduction, reducePlan, wholeOf } from '../simulation/reduction.ts'
import type { Reduction } from '../simulation/reduction.ts'
import { shrink } from '../simulation/shrink.ts'
import { Story } from '../simulation/story.ts'
import type { FaultKind } from '../simulation/faults.ts'
import { Leak } from './leaks.ts'
import { isUnderSimulation } from './processes.ts'
import { Recording } from './recording.ts'
import { planScenario, runScenario } from './scenario.ts'
import type { Scenario, ScenarioResult } from './scenario.ts'
import { settingsOf } from './settings.ts'
import type { Settings, SimulateOptions } from './settings.ts'

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

/** One run of so many is repeated, to see that it is the same again. */
const REPEATED = 20

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
  checkScenario('simulate', scenario)
  const settings = settingsOf(options)
  if (isUnderSimulation()) return Promise.reject(new Error('simulate is called by code under simulation: it would wait for itself'))
  const mine = last.then(() => runAll(scenario, settings, before))
  last = mine.catch(() => undefined)
  return mine
}

/** Who has nothing to run hears it at once. */
export function checkScenario(caller: string, scenario: unknown): void {
  if (typeof scenario !== 'function') throw new TypeError(`${caller} needs a scenario, an async function, not ${String(scenario)}`)
}

async function runAll(scenario: Scenario, settings: Settings, before: number): Promise<SimulationReport> {
  if (settings.keep !== null) return runKept(scenario, settings, settings.keep)
  const faults: Partial<Record<FaultKind, number>> = {}
  let virtualSeconds = 0
  let hash = ''
  for (let i = 0; i < settings.runs; i++) {
    const seed = settings.firstSeed + i
    const once = (before + i) % REPEATED === 0 ? new Recording() : null
    const result = await runSeed(scenario, settings, seed, once)
    if (result.violation !== null) throw await explained(scenario, settings, result)
    if (once !== null) await assertSteady(scenario, settings, result, once)
    if (i === 0) ({ hash } = result)
    virtualSeconds += result.virtualSeconds
    for (const [kind, count] of Object.entries(result.faults))
      if (count > 0) faults[kind as FaultKind] = (faults[kind as FaultKind] ?? 0) + count
  }
  return { seeds: settings.runs, firstSeed: settings.firstSeed, virtualSeconds: Math.round(virtualSeconds), faults, hash }
}

function runSeed(
  scenario: Scenario,
  { nodes, seconds, faults }: Settings,
  seed: number,
  recording: Recording | null,
): Promise<ScenarioResult> {
  return runScenario(scenario, planScenario(seed, nodes, seconds, faults), { recording })
}

/** The same seed gives the same again. */
async function assertSteady(scenario: Scenario, settings: Settings, { seed, hash }: ScenarioResult, once: Recording): Promise<void> {
  const again = new Recording(once)
  const result = await runSeed(scenario, settings, seed, again)
  if (result.hash !== hash) throw unsteady(seed, again.tellDifference(), result)
}

/** Makes the run smaller, and runs what is left once more, for its story. */
async function explained(scenario: Scenario, settings: Settings, broken: ScenarioResult): Promise<SimulationError> {
  const { nodes, seconds, faults, shrinkMillis } = settings
  const plan = planScenario(broken.seed, nodes, seconds, faults)
  const whole: Reduction = wholeOf(plan)
  const until = performance.now() + shrinkMillis
  const { timed } = broken
  const shrunk = await shrink(whole, {
    run: (reduction) => runScenario(scenario, reducePlan(plan, reduction), { repetition: { timed, kept: reduction.strikes } }),
    isOver: () => performance.now() >= until,
    onProgress: () => undefined,
  })
  // What left the simulation may not have to do so again (a connection is kept, say): it is named all the same.
  if (shrunk === null)
    return broken.error instanceof Leak ? await told(scenario, broken, plan, whole) : await brokenOnce(scenario, settings, broken)
  const isOut = performance.now() >= until
  const noTime = `there was no time for less: shrinkMillis, ${shrinkMillis} now, gives it more`
  const remark = shrinkMillis === 0 ? ' (shrinkMillis is 0: not made smaller)' : isOut ? ` (${noTime})` : ''
  return await told(scenario, broken, plan, shrunk.reduction, remark)
}

/** It was broken, and is not again: two more runs may say where they part. */
async function brokenOnce(scenario: Scenario, settings: Settings, broken: ScenarioResult): Promise<SimulationError> {
  const { seed } = broken
  const once = new Recording()
  await runSeed(scenario, settings, seed, once)
  const again = new Recording(once)
  await runSeed(scenario, settings, seed, again)
  return unsteady(seed, `two runs after it: ${again.tellDifference()}`, broken)
}

async function told(
  scenario: Scenario,
  { seed, timed, error, violation: first }: ScenarioResult,
  plan: Plan,
  reduction: Reduction,
  remark = '',
): Promise<SimulationError> {
  const story = new Story()
  const result = await runScenario(scenario, reducePlan(plan, reduction), {
    repetition: { timed, kept: reduction.strikes },
    log: story.hear,
  })
  const violation = result.violation ?? first
  const lines = story.tell(violation)
  const keep = describeReduction(plan, reduction)
  const what = violation === null ? '' : violation.code === 'SCENARIO' ? violation.message : `${violation.code}: ${violation.message}`
  const message = `${what}

seed ${seed}, with no more of it than ${keep}${remark}

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
  const result = await runScenario(scenario, reducePlan(plan, reduction), { repetition: { timed: whole.timed, kept: reduction.strikes } })
  if (result.violation !== null) throw await told(scenario, { ...whole, error: result.error }, plan, reduction)
  const { hash, virtualSeconds, faults: struck } = result
  return { seeds: 1, firstSeed, virtualSeconds: Math.round(virtualSeconds), faults: struck, hash }
}

/** `broken` may be one of the runs that is. */
function unsteady(seed: number, difference: string, { violation, error }: ScenarioResult): SimulationError {
  const causes = 'a clock or chance that it has taken hold of before, state from a run before, an object that outlives it'
  const what =
    violation === null
      ? ''
      : `\n\nbroken in one of its runs: ${violation.code === 'SCENARIO' ? '' : `${violation.code}: `}${violation.message}`
  const message = `seed ${seed} does not give the same run twice: the code under simulation depends on something that the seed does not decide (${causes})${what}

${difference}
`
  return new SimulationError(message, { seed, keep: '', story: [], cause: error })
}
