/**
 * When things go wrong with whole hosts: kills (one, or a storm of them), power losses, clean stops (of one node, or of all in turn), pauses, clock steps,
 * disks that are full or broken, crashing clients, topics that come and go, replicas and voters that move, each at times drawn by its own generator, until the
 * run heals.
 */
import type { Cluster } from './cluster.ts'
import { Damage } from './damage.ts'
import type { FaultKind, Strike } from './faults.ts'
import type { Host } from './host.ts'
import type { Struck } from './onlooker.ts'
import { Random } from './random.ts'
import type { DeleterWorkload } from './workloads/deleter.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** The lengths of pauses, in milliseconds: some outlast a session. */
const PAUSES_MILLIS = [20, 200, 1000, 4000, 9000] as const

/** A wall clock steps at most so far, in milliseconds. */
const STEP_MILLIS = 60_000

/** A wall clock runs at most so much too fast or too slow, in millionths. */
const DRIFT_PPM = 100_000

/** Kills of a storm, least and most, and the time between two on average. */
const STORM_KILLS = [3, 6] as const
const STORM_MICROS = 500_000

/** Whoever restarts all nodes in turn looks so often whether a node is down, or up again. */
const ROLLING_LOOK_MICROS = 200_000

/** Somebody notices a disk that fails to sync after so long on average, and starts the node again. */
const NOTICE_MICROS = 8_000_000

/** Of nodes that were stopped together, the last one stays away so long at most: for several sessions. */
const AWAY_MICROS_MAX = 6_000_000

/** A full disk gets room again after so long on average. */
const FULL_MICROS = 800_000

/** Sets all timers of misfortune. `crashClient` says false if there is none. */
export function unleash(
  cluster: Cluster,
  crashClient: (random: Random) => boolean | void,
  admin: AdminWorkload,
  deleter: DeleterWorkload,
): void {
  const node = (random: Random): number => random.below(cluster.nodes.length)
  const repeat: (kind: FaultKind, strike: Strike) => void = (kind, strike) => cluster.faults.repeat(cluster.world, kind, strike)
  repeat('kill', (random) => onNode(node(random), (one) => cluster.crash(one, false)))
  repeat('powerLoss', (random) => onNode(node(random), (one) => cluster.crash(one, true)))
  repeat('cleanRestart', (random) => onNode(node(random), (one) => cluster.stopCleanly(one)))
  repeat('appendError', (random) => fill(cluster, node(random), random))
  repeat('pause', (random) => pause(cluster, random))
  repeat('clockStep', (random) => stepClock(anyHost(cluster, random), random.below(2 * STEP_MILLIS) - STEP_MILLIS))
  repeat('clockDrift', (random) => drift(anyHost(cluster, random), random.below(2 * DRIFT_PPM) - DRIFT_PPM))
  repeat('clientCrash', crashClient)
  repeat('rebalanceStorm', (random) => stormClients(cluster, crashClient, random))
  repeat('recreateTopic', (random) => admin.recreate(random))
  repeat('addPartitions', (random) => admin.addPartition(random))
  repeat('voterChange', (random) => admin.changeVoters(random))
  repeat('rebalance', (random) => admin.rebalance(random))
  repeat('reassign', (random) => admin.reassign(random))
  repeat('transferLeader', (random) => admin.transferLeader(random))
  repeat('configChange', (random) => admin.configure(random))
  repeat('deleteRecords', (random) => deleter.delete(random))
  if (cluster.faults.options.uncleanElection > 0) cluster.faults.counts.uncleanElection++
  const damage = new Damage(cluster)
  repeat('bitRot', (random) => damage.rot(node(random), random))
  repeat('droppedWrite', (random) => damage.dropWrite(node(random), random))
  repeat('misdirectedWrite', (random) => damage.misdirectWrite(node(random), random))
  repeat('wipe', (random) => damage.wipe(node(random)))
  repeat('lostFile', (random, timed) => damage.loseFile(node(random), random, timed))
  repeat('restartStorm', (random) => onNode(node(random), (one) => storm(cluster, one, random)))
  repeat('rollingRestart', (random) => roll(cluster, node(random)))
  repeat('lostLog', (random, timed) => damage.loseLog(node(random), random, timed))
  repeat('closeAll', (random) => closeAll(cluster, node(random), random))
  repeat('stickySyncError', (random) => breakDisk(cluster, node(random), random))
}

function onNode(node: number, strike: (node: number) => void): Struck {
  strike(node)
  return { hosts: [node] }
}

function stepClock({ node, clock }: Host, millis: number): Struck {
  clock.step(millis)
  return { hosts: [node], text: `${millis} ms` }
}

function drift({ node, clock }: Host, ppm: number): Struck {
  clock.drift(ppm)
  return { hosts: [node], text: `${ppm} ppm` }
}

/** Clients die, one after the other: their groups hand over what they have no time to take. */
function stormClients(cluster: Cluster, crashClient: (random: Random) => boolean | void, random: Random): boolean | void {
  let after = 0
  for (let left = random.between(...STORM_KILLS) - 1; left > 0; left--) {
    const own = Random.from(random.state)
    random.next()
    cluster.world.after((after += random.exponential(STORM_MICROS)), () => {
      if (cluster.faults.active) crashClient(own)
    })
  }
  return crashClient(random)
}

/** Kills, each of which may come before the node has found its feet again. */
function storm(cluster: Cluster, node: number, random: Random): void {
  let after = 0
  for (let left = random.between(...STORM_KILLS); left > 0; left--, after += random.exponential(STORM_MICROS)) {
    cluster.world.after(after, () => {
      if (cluster.faults.active) cluster.crash(node, false)
    })
  }
}

/** Stops all nodes together, as when the cluster is closed; one may stay away for longer than the others. */
function closeAll(cluster: Cluster, last: number, random: Random): void {
  const away = random.below(AWAY_MICROS_MAX)
  for (const { host } of cluster.nodes) cluster.stopCleanly(host.node, false, host.node === last ? away : 0)
}

/** Stops every node cleanly, each when the one before it is up again. */
function roll(cluster: Cluster, first: number): void {
  const count = cluster.nodes.length
  const stop = (index: number): void => {
    const node = (first + index) % count
    if (index === count) return
    cluster.stopCleanly(node)
    wait(false, node, () => wait(true, node, () => stop(index + 1)))
  }
  const wait = (isUp: boolean, node: number, then: () => void): void => {
    if (!cluster.faults.active) return
    if (cluster.nodes[node]!.host.isUp === isUp) then()
    else cluster.world.after(ROLLING_LOOK_MICROS, () => wait(isUp, node, then))
  }
  stop(0)
}

function breakDisk(cluster: Cluster, node: number, random: Random): false | Struck {
  const { disk, host } = cluster.nodes[node]!
  if (!host.isUp) return false
  disk.failsToSync = true
  cluster.world.after(random.exponential(NOTICE_MICROS), () => {
    if (disk.failsToSync && cluster.faults.active) cluster.crash(node, false)
  })
  return { hosts: [node] }
}

function fill(cluster: Cluster, node: number, random: Random): Struck {
  const { disk } = cluster.nodes[node]!
  disk.fullUntil = cluster.world.nowMicros + random.exponential(FULL_MICROS)
  return { untilMicros: disk.fullUntil, hosts: [node] }
}

function pause(cluster: Cluster, random: Random): Struck {
  const host = anyHost(cluster, random)
  const until = cluster.world.nowMicros + random.pick(PAUSES_MILLIS) * 1000
  host.pause(until)
  return { untilMicros: until, hosts: [host.node] }
}

function anyHost(cluster: Cluster, random: Random): Host {
  return random.pick([...cluster.nodes.map(({ host }) => host), ...cluster.clients])
}
