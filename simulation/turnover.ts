/**
 * What the replicas of the table go through where it is turned over (turnover-plan.ts): again and again one of them hears nothing for as long as a few cleanings take, with its power gone before or after or not at all;
 * when it is back, it may be the one that leads.
 */
import type { PartitionImage } from '../coordinator/partition-image.ts'
import type { Cluster } from './cluster.ts'
import { TABLE } from './plan.ts'
import { Random } from './random.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** A replica is away for so long, least and most, in microseconds: a log is looked at every five seconds, and a tombstone goes with the second look. */
const AWAY_MICROS = [2_000_000, 18_000_000] as const

/** When it is back it is to lead after so long on average, in microseconds. */
const RETURNED_MICROS = 1_500_000

/** Its power goes so long after its return at most, in microseconds: others have cleaned once more by then. */
const RELAPSE_MICROS = 8_000_000

/** A node dies so long after the beginning of its absence on average, in microseconds. */
const DEATH_MICROS = 300_000

/** Begins the absences of a run. */
export function turnOver(cluster: Cluster, admin: AdminWorkload): void {
  const { turnover } = cluster.plan
  if (turnover === null) return
  for (const { disk } of cluster.nodes) disk.cleaningFactor = turnover.cleaningFactor
  const random = new Random(cluster.world.seed, 'turnover/absences')
  const again = (): void =>
    soon(cluster, random.exponential(turnover.absenceMillis * 1000), () => {
      leave(cluster, admin, random)
      again()
    })
  again()
}

function soon({ world, faults }: Cluster, micros: number, run: () => void): void {
  world.after(micros, () => {
    if (faults.active) run()
  })
}

/** The partition of the table, as far as anybody knows. */
function tableOf(cluster: Cluster): PartitionImage | undefined {
  return [...(cluster.latestImage()?.topics.values() ?? [])].find(({ name }) => name === TABLE)?.partitions[0]
}

function leave(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  const table = tableOf(cluster)
  if (table === undefined || table.replicas.length < 2) return
  const node = random.pick(table.replicas)
  const micros = random.between(...AWAY_MICROS)
  const end = random.below(4)
  for (const other of [...cluster.nodes.map(({ host }) => host), ...cluster.clients]) {
    cluster.cut(node, other.node, micros)
    cluster.cut(other.node, node, micros)
  }
  cluster.world.log?.(`turnover: node ${node} is away for ${micros} us`)
  if (random.below(2) === 0) soon(cluster, random.exponential(DEATH_MICROS), () => cluster.crash(node, true))
  soon(cluster, micros + random.exponential(RETURNED_MICROS), () => {
    if (end === 0) soon(cluster, random.below(RELAPSE_MICROS), () => cluster.crash(node, true))
    if (end === 1) lead(cluster, admin, node)
    const leader = tableOf(cluster)?.leader ?? -1
    if (end === 2 && leader >= 0) cluster.crash(leader, random.below(2) === 0)
  })
}

/** Of the replicas that there are, this one is to lead. */
function lead(cluster: Cluster, admin: AdminWorkload, node: number): void {
  const table = tableOf(cluster)
  const isSettled = table !== undefined && table.adding.length === 0 && table.removing.length === 0
  if (!isSettled || !admin.isIdle || !table.replicas.includes(node)) return
  admin.place(TABLE, 0, [node, ...table.replicas.filter((one) => one !== node)])
}
