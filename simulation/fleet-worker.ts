/** A worker thread of a fleet: runs the seeds that it is handed, until it is handed none. Nothing imports it: the simulator could not be loaded by a module that waits for it. */
import { parentPort, workerData } from 'node:worker_threads'
import type { FleetOptions } from './fleet.ts'
import { loadRunner } from './runner.ts'

const options = workerData as FleetOptions
const runSeed = await loadRunner(options.mutant, options.isQuorum)
parentPort?.on('message', (seed: number | null) => {
  if (seed === null) parentPort?.close()
  else parentPort?.postMessage(runSeed(seed, options.plan))
})
parentPort?.postMessage(null)
