/**
 * What outlives a topic: it is deleted and created again while the disk of the node that coordinates its group does nothing, so that commits of before are on their way for long, and what the coordinator knows is of a topic that is
 * gone. The new one is young, and so was the one before: its offsets are soon as high.
 */
import { coordinatorPartitionOf, OFFSETS_TOPIC } from '../coordinator/metadata.ts'
import { soon } from './again.ts'
import type { Cluster } from './cluster.ts'
import { ledByCoordinators } from './led.ts'
import { COORDINATOR_PARTITIONS, INSIDE_GROUP } from './plan.ts'
import { Random } from './random.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Between two, on average; how old the topic is by then, least and most; and how long the disk does nothing, in microseconds: leaders ask groups every two seconds. */
const REST_MICROS = 500_000
const YOUNG_MICROS = [400_000, 1_500_000] as const
const HANGS_MICROS = [2_500_000, 3_500_000, 5_000_000] as const

/** The new topic comes so long after the disk has stopped, at most, in microseconds. */
const LATE_MICROS = 400_000

/** Begins; it ends when the run heals. */
export function leaveRelics(cluster: Cluster, admin: AdminWorkload): void {
  const random = new Random(cluster.world.seed, 'hardships/relics')
  const next = (): void =>
    soon(cluster, random.exponential(REST_MICROS), () => {
      const micros = random.pick(HANGS_MICROS)
      const young = random.between(...YOUNG_MICROS)
      if (admin.isIdle) admin.recreate(random)
      soon(cluster, young, () => leave(cluster, admin, random, micros))
      soon(cluster, young + micros, next)
    })
  next()
}

function leave(cluster: Cluster, admin: AdminWorkload, random: Random, micros: number): void {
  const { world, nodes, plan } = cluster
  const kept = coordinatorPartitionOf(INSIDE_GROUP, COORDINATOR_PARTITIONS)
  const one = ledByCoordinators(cluster).find(({ name, partition }) => name === OFFSETS_TOPIC && partition === kept)
  if (one === undefined) return
  world.log?.(
    `hardship: the disk of node ${one.leader}, which coordinates ${INSIDE_GROUP}, does nothing for ${micros} us, and a topic is another one`,
  )
  nodes[one.leader]!.disk.hangsUntil = Math.min(world.nowMicros + micros, plan.seconds * 1_000_000)
  soon(cluster, random.below(LATE_MICROS), () => {
    if (admin.isIdle) admin.recreate(random)
  })
}
