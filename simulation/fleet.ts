/**
 * Runs many seeds, on this thread or on several worker threads. Each run is a function of its seed, so the results are the same however
 * the seeds are spread.
 */
import { Worker } from 'node:worker_threads'
import { setImmediate } from 'node:timers/promises'
import { Dispatch } from './dispatch.ts'
import type { DispatchOptions } from './dispatch.ts'
import type { PlanOptions } from './plan.ts'
import type { RunResult } from './run.ts'
import { loadRunner } from './runner.ts'

/** Of the thread that runs seeds, or of what it was built into. */
const workerUrl = new URL(import.meta.url.endsWith('.ts') ? 'fleet-worker.ts' : 'fleet-worker.js', import.meta.url)

/** What to run. */
export interface FleetOptions extends DispatchOptions {
  readonly mutant: string | null
  /** Only the metadata quorum, in small. */
  readonly isQuorum: boolean
  readonly plan: PlanOptions
}

/** Hears of a seed when all is known of it; `isRepeated`: it was run twice. */
export type Take = (result: RunResult, isRepeated: boolean) => void

/** Runs the seeds; `take` hears of each as it ends, in whatever order. From when on `isOver` says so, no new ones are begun. */
export async function runFleet(options: FleetOptions, take: Take, isOver: () => boolean = () => false): Promise<void> {
  const dispatch = new Dispatch(options)
  const desk: Desk = {
    next: (worker) => {
      if (isOver()) dispatch.stop()
      return dispatch.next(worker)
    },
    done: (worker, result) => {
      const finished = dispatch.done(worker, result)
      if (finished !== null) take(finished.result, finished.isRepeated)
    },
  }
  // A thread that has loaded a mutant keeps it: it gets one of its own.
  if (options.workers > 1 || options.mutant !== null) await runWorkers(options, desk)
  else await runHere(options, desk)
}

/** Where workers get their work, and leave what they have done. */
interface Desk {
  next(worker: number): number | 'wait' | null
  done(worker: number, result: RunResult): void
}

async function runHere(options: FleetOptions, desk: Desk): Promise<void> {
  const runSeed = await loadRunner(options.mutant, options.isQuorum)
  for (let seed = desk.next(0); typeof seed === 'number'; seed = desk.next(0)) {
    desk.done(0, runSeed(seed, options.plan))
    // Signals are heard between two runs.
    await setImmediate()
  }
}

async function runWorkers(options: FleetOptions, desk: Desk): Promise<void> {
  const idle = new Map<number, Worker>()
  const hand = (index: number, worker: Worker): void => {
    const next = desk.next(index)
    if (next === 'wait') idle.set(index, worker)
    else worker.postMessage(next)
  }
  const workers = Array.from({ length: options.workers }, async (_, index) => {
    const worker = new Worker(workerUrl, { workerData: options })
    worker.on('message', (result: RunResult | null) => {
      if (result !== null) desk.done(index, result)
      const waiting = [...idle]
      idle.clear()
      for (const [other, one] of [[index, worker] as const, ...waiting]) hand(other, one)
    })
    await new Promise<void>((resolve, reject) => {
      worker.on('error', reject)
      worker.on('exit', () => resolve())
    })
  })
  await Promise.all(workers)
}
