/**
 * The error of a scenario that must be broken, for tests of what errors say.
 */
import { expect } from 'vitest'
import { simulate, SimulationError } from '../../testing/index.ts'
import type { Scenario, SimulateOptions } from '../../testing/index.ts'

/** One run in which nothing goes wrong by itself. */
export const quiet = { seed: 5, runs: 1, faults: 'none' } as const

/** The same, not made smaller when it is broken. */
export const plain: SimulateOptions = { ...quiet, shrinkMillis: 0 }

/** The error. */
export async function brokenBy(scenario: Scenario, options: SimulateOptions = plain): Promise<SimulationError> {
  const error: unknown = await simulate(scenario, options).then(
    () => 'it is not broken',
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(SimulationError)
  return error as SimulationError
}
