/**
 * `property`: a scenario for whatever fast-check draws (records, keys, workloads), each example under a seed of its own. A counterexample is made smaller by fast-check,
 * and the simulation of what is left by `simulate`.
 */
import type * as FastCheck from 'fast-check'
import { simulate } from './simulate.ts'
import type { SimulateOptions } from './simulate.ts'
import type { ScenarioContext } from './scenario.ts'

/** How a property is checked. */
export interface PropertyOptions extends Omit<SimulateOptions, 'runs' | 'keep'> {
  /** Examples. Default 20. */
  readonly examples?: number
  /** Seeds for each example. Default 1. */
  readonly seedsPerExample?: number
  /** Where fast-check shall go on, as its error says it. */
  readonly path?: string
}

const EXAMPLES = 20

/**
 * Checks that a scenario holds for all values of an arbitrary; needs the package fast-check beside this one. The seed of an option or of ODRADEK_SEED is that of
 * fast-check as well. Throws fast-check's error, with the counterexample, whose cause is the SimulationError.
 */
export async function property<Value>(
  arbitrary: FastCheck.Arbitrary<Value>,
  scenario: (value: Value, context: ScenarioContext) => Promise<void>,
  options: PropertyOptions = {},
): Promise<void> {
  const fc = await import('fast-check')
  const { examples = EXAMPLES, seedsPerExample = 1, path, seed = seedOfEnvironment(), ...rest } = options
  const drawn = fc.asyncProperty(arbitrary, fc.noShrink(fc.integer({ min: 1, max: 2 ** 31 - 1 })), async (value, exampleSeed) => {
    await simulate((context) => scenario(value, context), { ...rest, seed: exampleSeed, runs: seedsPerExample })
  })
  const where = { ...(path === undefined ? {} : { path }), ...(seed === undefined ? {} : { seed }) }
  await fc.assert(drawn, { numRuns: examples, includeErrorInReport: true, ...where })
}

function seedOfEnvironment(): number | undefined {
  const given = process.env['ODRADEK_SEED']
  return given === undefined || given === '' ? undefined : Number(given)
}
