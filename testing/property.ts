/**
 * `property`: a scenario for whatever fast-check draws (records, commands, faults), each example under a seed of its own. A counterexample is made smaller by fast-check,
 * and the simulation of what is left by `simulate`.
 */
import type * as FastCheck from 'fast-check'
import type { ScenarioContext, ScenarioFaultChoice } from './scenario.ts'
import { settingsOf, wholeNumber } from './settings.ts'
import type { SimulateOptions } from './settings.ts'
import { checkScenario, simulateAfter } from './simulate.ts'

/** How a property is checked. */
export interface PropertyOptions<Value = unknown> extends Omit<SimulateOptions, 'runs' | 'keep' | 'faults'> {
  /** Examples. Default 20. */
  readonly examples?: number
  /** Seeds for each example. Default 1. */
  readonly seedsPerExample?: number
  /** The counterexample of before, as the error says it beside the seed: it is run again, and not made smaller. */
  readonly path?: string
  /** What goes wrong, as for `simulate`; or a function that says it of what was drawn, so that fast-check makes that smaller, too. */
  readonly faults?: ScenarioFaultChoice | ((value: Value) => ScenarioFaultChoice)
}

const EXAMPLES = 20
const OPTIONS = ['seed', 'examples', 'seedsPerExample', 'path', 'nodes', 'faults', 'seconds', 'shrinkMillis']

/**
 * Checks that a scenario holds for all values of an arbitrary; needs the package fast-check beside this one. The seed of an option or of ODRADEK_SEED is that of
 * fast-check as well. Throws what fast-check reports, with the least counterexample; `cause` is the SimulationError of that, which was made smaller in its turn.
 */
export async function property<Value>(
  arbitrary: FastCheck.Arbitrary<Value>,
  scenario: (value: Value, context: ScenarioContext) => Promise<void>,
  options: PropertyOptions<Value> = {},
): Promise<void> {
  checkScenario('property', scenario)
  checkOptions(options)
  const fc = await import('fast-check')
  const { examples = EXAMPLES, seedsPerExample = 1, path, seed = seedOfEnvironment(), faults, ...rest } = options
  let seedsBefore = 0
  const run = async (value: Value, exampleSeed: number, more: SimulateOptions): Promise<void> => {
    const choice = typeof faults === 'function' ? faults(value) : faults
    const chosen = choice === undefined ? {} : { faults: choice }
    const simulateOptions = { ...rest, ...chosen, ...more, seed: exampleSeed, runs: seedsPerExample }
    const before = seedsBefore
    seedsBefore += seedsPerExample
    await simulateAfter(before, (context) => scenario(value, context), simulateOptions)
  }
  const seeds = fc.noShrink(fc.integer({ min: 1, max: 2 ** 31 - 1 }))
  const drawn = fc.asyncProperty(arbitrary, seeds, (value, exampleSeed) => run(value, exampleSeed, { shrinkMillis: 0 }))
  const where = { ...(path === undefined ? {} : { path, endOnFailure: true }), ...(seed === undefined ? {} : { seed }) }
  const details = await fc.check(drawn, { numRuns: examples, ...where })
  if (!details.failed) return
  const [value, exampleSeed] = details.counterexample ?? []
  // Not a clone of it: once a record with commands has been made smaller, the clone has nothing but the commands.
  const again = exampleSeed === undefined ? Promise.resolve() : run(value as Value, exampleSeed, {})
  const error = await again.then(
    () => details.errorInstance,
    (reason: unknown) => reason,
  )
  throw new Error(`${await fc.asyncDefaultReportMessage(details)}\n\nGot ${String(error)}`, { cause: error })
}

/** What makes no sense is refused before anything is drawn: it is no counterexample. */
function checkOptions<Value>({ faults, ...rest }: PropertyOptions<Value>): void {
  settingsOf({ ...rest, seed: 1, ...(faults === undefined || typeof faults === 'function' ? {} : { faults }) }, 'property', OPTIONS)
  wholeNumber('property', 'examples', rest.examples ?? EXAMPLES, 1, 1_000_000)
  wholeNumber('property', 'seedsPerExample', rest.seedsPerExample ?? 1, 1, 1_000_000)
}

function seedOfEnvironment(): number | undefined {
  const given = process.env['ODRADEK_SEED']
  return given === undefined || given === '' ? undefined : Number(given)
}
