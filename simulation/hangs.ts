/**
 * Disks that do nothing for a while, as volumes of a cloud do: whoever writes there is not answered, and goes on with everything else. It is the disk of a node that coordinates. Meanwhile its node dies, perhaps, and what waited is never
 * written; another node is to coordinate; or a topic is deleted and created again.
 */
import { coordinatorPartitionOf, OFFSETS_TOPIC } from '../coordinator/metadata.ts'
import { again } from './again.ts'
import type { Cluster } from './cluster.ts'
import { ledByCoordinators } from './led.ts'
import { COORDINATOR_PARTITIONS } from './plan.ts'
import { Random } from './random.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Between two, on average, and how long one lasts, in microseconds. */
const PAUSE_MICROS = 1_800_000
const HANGS_MICROS = [150_000, 600_000, 1_500_000, 3_500_000, 4_500_000, 6_000_000] as const

/** What happens meanwhile. */
type Turn = 'nothing' | 'death' | 'succession' | 'rebirth'

const TURNS: readonly Turn[] = ['nothing', 'nothing', 'death', 'succession', 'rebirth', 'rebirth']

/** One in so many is where a group of consumers is coordinated, whatever else there is. */
const GROUP_SHARE = 2

/** Begins; it ends when the run heals. */
export function hangDisks(cluster: Cluster, admin: AdminWorkload): void {
  again(cluster, PAUSE_MICROS, new Random(cluster.world.seed, 'hardships/hangs'), (random) => hang(cluster, admin, random))
}

function hang(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  const { world, faults, nodes } = cluster
  const led = ledByCoordinators(cluster)
  if (led.length === 0) return
  const group = random.below(GROUP_SHARE) === 0 ? random.pick(cluster.groups.inside).name : null
  const those = led.filter(
    (one) => group !== null && one.name === OFFSETS_TOPIC && one.partition === coordinatorPartitionOf(group, COORDINATOR_PARTITIONS),
  )
  const { name, partition, leader, replicas } = random.pick(those.length > 0 ? those : led)
  const micros = Math.min(random.pick(HANGS_MICROS), cluster.plan.seconds * 1_000_000 - world.nowMicros)
  const turn = random.pick(TURNS)
  const isPowerLoss = random.below(4) === 0
  world.log?.(`hardship: the disk of node ${leader}, which leads ${name}-${partition}, does nothing for ${micros} us (${turn})`)
  nodes[leader]!.disk.hangsUntil = world.nowMicros + micros
  world.after(random.below(micros), () => {
    if (!faults.active) return
    const heirs = replicas.filter((node) => node !== leader)
    if (turn === 'death') cluster.crash(leader, isPowerLoss)
    if (!admin.isIdle) return
    if (turn === 'succession' && heirs.length > 0) admin.place(name, partition, [...heirs, leader])
    if (turn === 'rebirth') admin.recreate(random)
  })
}
