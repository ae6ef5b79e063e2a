/**
 * Runs many seeds, on this thread or on several worker threads. Each run is a function of its seed, so the results are the same however
 * the seeds are spread. This file is also what the workers run.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { findMutant, installMutant } from './mutants/loader.ts'
import type { Onlooking } from './onlooker.ts'
import type { PlanOptions } from './plan.ts'
import type { RunResult } from './run.ts'

/** Runs one seed. */
export type Runner = (seed: number, options?: PlanOptions, log?: ((line: string) => void) | null, onlooking?: Onlooking | null) => RunResult

/** What to run. */
export interface FleetOptions {
  readonly firstSeed: number
  readonly runs: number
  readonly workers: number
  /** Stop after the first run with a violation. */
  readonly untilFail: boolean
  readonly mutant: string | null
  /** Only the metadata quorum, in small. */
  readonly isQuorum: boolean
  readonly plan: PlanOptions
}

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

/** Runs the seeds; `onResult` hears of each as it ends. */
export async function runFleet(options: FleetOptions, onResult: (result: RunResult) => void): Promise<RunResult[]> {
  const results: RunResult[] = []
  const take = (result: RunResult): void => {
    results.push(result)
    onResult(result)
  }
  // A thread that has loaded a mutant keeps it: it gets one of its own.
  if (options.workers > 1 || options.mutant !== null) await runWorkers(options, take)
  else await runHere(options, take)
  return results
}

async function runHere(options: FleetOptions, take: (result: RunResult) => void): Promise<void> {
  const runSeed = await loadRunner(options.mutant, options.isQuorum)
  for (let i = 0; i < options.runs; i++) {
    const result = runSeed(options.firstSeed + i, options.plan)
    take(result)
    if (options.untilFail && result.violation !== null) return
  }
}

async function runWorkers(options: FleetOptions, take: (result: RunResult) => void): Promise<void> {
  let next = 0
  let isOver = false
  const hand = (worker: Worker): void => {
    if (isOver || next >= options.runs) worker.postMessage(null)
    else worker.postMessage(options.firstSeed + next++)
  }
  const workers = Array.from({ length: options.workers }, async () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: options })
    worker.on('message', (result: RunResult | null) => {
      if (result !== null) take(result)
      if (options.untilFail && result !== null && result.violation !== null) isOver = true
      hand(worker)
    })
    await new Promise<void>((resolve, reject) => {
      worker.on('error', reject)
      worker.on('exit', () => resolve())
    })
  })
  await Promise.all(workers)
}

async function serve(options: FleetOptions): Promise<void> {
  const runSeed = await loadRunner(options.mutant, options.isQuorum)
  parentPort?.on('message', (seed: number | null) => {
    if (seed === null) parentPort?.close()
    else parentPort?.postMessage(runSeed(seed, options.plan))
  })
  parentPort?.postMessage(null)
}

if (!isMainThread && workerData !== null && typeof workerData === 'object' && 'firstSeed' in workerData)
  await serve(workerData as FleetOptions)
