/** Loads the simulator: everything, or only the metadata quorum; with a mutant in it, if one is wanted. */
import { findMutant, installMutant } from './mutants/loader.ts'
import type { Onlooking } from './onlooker.ts'
import type { PlanOptions } from './plan.ts'
import type { RunResult } from './run.ts'

/** Runs one seed. */
export type Runner = (seed: number, options?: PlanOptions, log?: ((line: string) => void) | null, onlooking?: Onlooking | null) => RunResult

/** Loads the simulator, with a mutant if one is wanted. */
export async function loadRunner(mutant: string | null, isQuorum: boolean): Promise<Runner> {
  if (mutant !== null) {
    const found = findMutant(mutant)
    if (found === undefined) throw new Error(`there is no mutant ${mutant}`)
    installMutant(found)
  }
  if (isQuorum) return (await import('./quorum/run.ts')).runQuorum
  return (await import('./run.ts')).runSeed
}
