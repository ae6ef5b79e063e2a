/** What strikes again and again, or later, until a run heals. */
import type { Cluster } from './cluster.ts'
import type { Random } from './random.ts'

/** Again and again, until the run heals. */
export function again(cluster: Cluster, micros: number, random: Random, strike: (random: Random) => void): void {
  soon(cluster, random.exponential(micros), () => {
    strike(random)
    again(cluster, micros, random, strike)
  })
}

/** Later, unless the run heals before. */
export function soon({ world, faults }: Cluster, micros: number, run: () => void): void {
  world.after(micros, () => {
    if (faults.active) run()
  })
}
