/**
 * Question: how much faster than real time is a simulation, on one core, with all checks on? Conditions: the plans that seeds draw (one or two nodes,
 * three or four topics, five to six clients, about half of the fault kinds), 60 virtual seconds of trouble, healing, draining and the last check of all files.
 * It does NOT measure a fleet on several cores: seeds are independent, so that scales with them.
 */
import { runSeed } from '../simulation/run.ts'

/** One line of a benchmark: every run is a sample, in `unit`. */
export interface SimulatorSamples {
  readonly name: string
  readonly unit: string
  readonly samples: number[]
}

const SAMPLE_COUNT = 3
const WARM_UP_SEEDS = 10
const SEEDS_PER_SAMPLE = 40

/** Measures virtual seconds per second, and events per second, three samples over the same seeds. */
export async function benchSimulator(): Promise<SimulatorSamples[]> {
  const speed: SimulatorSamples = { name: 'speed', unit: 'virtual s/s', samples: [] }
  const events: SimulatorSamples = { name: 'events', unit: 'events/s', samples: [] }
  for (let seed = 1; seed <= WARM_UP_SEEDS; seed++) runSeed(seed)
  for (let sample = 0; sample < SAMPLE_COUNT; sample++) {
    const startedAt = performance.now()
    let virtualSeconds = 0
    let eventCount = 0
    for (let seed = 1; seed <= SEEDS_PER_SAMPLE; seed++) {
      const result = runSeed(seed)
      virtualSeconds += result.virtualSeconds
      eventCount += result.events
    }
    const realSeconds = (performance.now() - startedAt) / 1000
    speed.samples.push(Math.round(virtualSeconds / realSeconds))
    events.samples.push(Math.round(eventCount / realSeconds))
    await new Promise((resolve) => setImmediate(resolve))
  }
  return [speed, events]
}
