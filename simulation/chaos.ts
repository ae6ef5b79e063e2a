/**
 * When things go wrong with whole hosts: kills, power losses, clean stops, pauses, clock steps, full disks and crashing clients, topics that come and
 * go, replicas and voters that move, each at times drawn by its own generator, until the run heals.
 */
import type { Cluster } from './cluster.ts'
import type { FaultKind } from './faults.ts'
import type { Random } from './random.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** A client that can crash: its workload starts a new life. */
export interface Crashable {
  crash(): void
}

/** The lengths of pauses, in milliseconds: some outlast a session. */
const PAUSES_MILLIS = [20, 200, 1000, 4000, 9000] as const

/** A wall clock steps at most so far, in milliseconds. */
const STEP_MILLIS = 60_000

/** A full disk gets room again after so long on average. */
const FULL_MICROS = 800_000

/** Sets all timers of misfortune. */
export function unleash(cluster: Cluster, clients: readonly Crashable[], admin: AdminWorkload): void {
  const node = (random: Random): number => random.below(cluster.nodes.length)
  repeat(cluster, 'kill', (random) => cluster.crash(node(random), false))
  repeat(cluster, 'powerLoss', (random) => cluster.crash(node(random), true))
  repeat(cluster, 'cleanRestart', (random) => cluster.stopCleanly(node(random)))
  repeat(cluster, 'appendError', (random) => fill(cluster, node(random), random))
  repeat(cluster, 'pause', (random) => pause(cluster, random))
  repeat(cluster, 'clockStep', (random) => anyHost(cluster, random).clock.step(random.below(2 * STEP_MILLIS) - STEP_MILLIS))
  repeat(cluster, 'clientCrash', (random) => random.pick(clients).crash())
  repeat(cluster, 'recreateTopic', (random) => admin.recreate(random))
  repeat(cluster, 'addPartitions', (random) => admin.addPartition(random))
  repeat(cluster, 'voterChange', (random) => admin.changeVoters(random))
  repeat(cluster, 'rebalance', (random) => admin.rebalance(random))
}

function repeat(cluster: Cluster, kind: FaultKind, strike: (random: Random) => void): void {
  const { faults, world } = cluster
  const mean = faults.options[kind]
  if (mean === 0) return
  const random = faults.draws(kind)
  world.after(random.exponential(mean * 1000), () => {
    if (!faults.active) return
    faults.counts[kind]++
    world.log?.(`fault ${kind}`)
    strike(random)
    repeat(cluster, kind, strike)
  })
}

function fill(cluster: Cluster, node: number, random: Random): void {
  const { disk } = cluster.nodes[node]!
  disk.fullUntil = cluster.world.nowMicros + random.exponential(FULL_MICROS)
}

function pause(cluster: Cluster, random: Random): void {
  const host = anyHost(cluster, random)
  host.pause(cluster.world.nowMicros + random.pick(PAUSES_MILLIS) * 1000)
}

function anyHost(cluster: Cluster, random: Random): Cluster['nodes'][number]['host'] {
  return random.pick([...cluster.nodes.map(({ host }) => host), ...cluster.clients])
}
