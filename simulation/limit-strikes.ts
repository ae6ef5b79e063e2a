/**
 * What befalls producers that split where limits change often (plan.ts): while a topic takes smaller batches than before, or larger ones again, the answers of its leaders do not reach their clients for a while. What they have taken is
 * sent again, and would be too large by now.
 */
import type { Cluster } from './cluster.ts'
import { TABLE } from './plan.ts'
import { Random } from './random.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Between two changes on average, and how long answers are lost, least and most, in microseconds. */
const PAUSE_MICROS = 900_000
const LOST_MICROS = [30_000, 600_000] as const

/** Begins; it ends when the run heals. */
export function changeLimits(cluster: Cluster, admin: AdminWorkload): void {
  const { world, faults, plan } = cluster
  if (!plan.changesLimits) return
  const random = new Random(world.seed, 'limits/strikes')
  const again = (): void =>
    world.after(random.exponential(PAUSE_MICROS), () => {
      if (!faults.active) return
      strike(cluster, admin, random)
      again()
    })
  again()
}

function strike(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  const { name } = random.pick(cluster.plan.topics.filter((topic) => topic.name !== TABLE))
  const leaders = new Set(
    cluster
      .latestImage()
      ?.topics.get(name)
      ?.partitions.map(({ leader }) => leader),
  )
  const micros = random.between(...LOST_MICROS)
  if (random.below(2) === 0)
    for (const node of leaders) for (const client of cluster.clients) if (node >= 0) cluster.cut(node, client.node, micros)
  if (admin.isIdle) admin.limit(name)
}
