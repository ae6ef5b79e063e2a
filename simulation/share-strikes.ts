/**
 * What befalls the coordinator of the share group where it is succeeded often (share-plan.ts): another node is to lead its partition; or its node has so much to do that it stops altogether for longer than its session, with
 * writes under way, and does not know when it goes on that others have gone on without it.
 */
import { SHARE_TOPIC } from '../coordinator/metadata.ts'
import type { Cluster } from './cluster.ts'
import { Random } from './random.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** One of so many strikes is a node that stops; it has too much to do for so long before, and stops for so long, least and most, in microseconds. */
const STOP_SHARE = 3
const BUSY_MICROS = 400_000
const STOP_MICROS = [4_000_000, 7_000_000] as const

/** Begins; it ends when the run heals. */
export function succeedShares(cluster: Cluster, admin: AdminWorkload): void {
  const { world, faults, plan } = cluster
  if (plan.shareSuccession === null || plan.sharerCount === 0) return
  const { pauseMillis } = plan.shareSuccession
  const random = new Random(world.seed, 'sharers/succession')
  const again = (): void =>
    world.after(random.exponential(pauseMillis * 1000), () => {
      if (!faults.active) return
      strike(cluster, admin, random)
      again()
    })
  again()
}

function strike(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  const partitions = cluster.latestImage()?.topics.get(SHARE_TOPIC)?.partitions ?? []
  if (partitions.length === 0) return
  const partition = random.below(partitions.length)
  const { leader, replicas } = partitions[partition]!
  const heirs = replicas.filter((node) => node !== leader)
  if (leader < 0 || heirs.length === 0) return
  if (random.below(STOP_SHARE) === 0) return stop(cluster, leader, random)
  cluster.world.log?.(`the coordinator of share groups ${partition} on node ${leader} is succeeded`)
  if (admin.isIdle) admin.place(SHARE_TOPIC, partition, [...heirs, leader])
}

function stop({ nodes, world, faults }: Cluster, node: number, random: Random): void {
  const { host } = nodes[node]!
  for (const one of nodes) one.disk.strainedUntil = world.nowMicros + BUSY_MICROS
  world.after(random.below(BUSY_MICROS), () => {
    if (!faults.active) return
    world.log?.(`node ${node}, which coordinates share groups, stops for a while`)
    host.pause(world.nowMicros + random.between(...STOP_MICROS))
  })
}
