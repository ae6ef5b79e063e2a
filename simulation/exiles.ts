/**
 * What befalls a run that has exiles (exile-plan.ts), at times drawn by a generator of its own, until it heals.
 */
import { coordinatorPartitionOf, OFFSETS_TOPIC } from '../coordinator/metadata.ts'
import type { Cluster } from './cluster.ts'
import { COORDINATOR_PARTITIONS } from './plan.ts'
import { Random } from './random.ts'

/** Between two of them on average, and how long one lasts, least and most, in microseconds: until somebody succeeds the node, and as long again as its lease may last. */
const PAUSE_MICROS = 6_000_000
const EXILE_MICROS = [5_000_000, 10_000_000] as const

/** Begins; nothing happens where a run has none. */
export function unleashExiles(cluster: Cluster): void {
  if (!cluster.plan.exiles) return
  const random = new Random(cluster.world.seed, 'exiles/strikes')
  const next = (): void =>
    cluster.world.after(random.exponential(PAUSE_MICROS), () => {
      if (!cluster.faults.active) return
      const micros = random.between(...EXILE_MICROS)
      exile(cluster, random, micros)
      cluster.world.after(micros, next)
    })
  next()
}

/** The node of a group, and half of all clients, hear nobody else. */
function exile(cluster: Cluster, random: Random, micros: number): void {
  const { name } = random.pick(cluster.groups.inside)
  const partition = coordinatorPartitionOf(name, COORDINATOR_PARTITIONS)
  const { leader = -1, replicas = [] } = cluster.latestImage()?.topics.get(OFFSETS_TOPIC)?.partitions[partition] ?? {}
  if (leader < 0 || replicas.length < 2) return
  cluster.world.log?.(`exile: node ${leader}, which coordinates ${name}, for ${micros} us`)
  const others = cluster.nodes.map(({ host }) => host.node).filter((node) => node !== leader)
  const clients = [...cluster.clients].filter(() => random.below(2) === 0).map(({ node }) => node)
  for (const other of others)
    for (const exiled of [leader, ...clients]) {
      cluster.cut(exiled, other, micros)
      cluster.cut(other, exiled, micros)
    }
}
