/**
 * What befalls a run that has guests beside its faults, at times drawn by generators of their own: a voter that goes, starts again without a coordinator, and comes back; a transactor that is
 * succeeded while some of its markers are not written, and does not hear of it, so that it goes on until a leader tells it; and clients that hear late.
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import type { CoordinatorState } from '../actors/coordinator.ts'
import { TRANSACTIONS_TOPIC } from '../coordinator/metadata.ts'
import type { Cluster } from './cluster.ts'
import { Random } from './random.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Between two changes of the voters, until the node starts again, and until it votes again, on average, in microseconds. */
const VOTERS_MICROS = 5_000_000
const BARE_MICROS = 500_000
const RETURN_MICROS = 3_000_000

/** Between two transactors that are succeeded, on average, in microseconds. */
const SUCCESSION_MICROS = 4_000_000

/** A leader is paused, so that markers wait for it; then the transactor is succeeded, and does not hear of it for so long, in microseconds. */
const PAUSE_MICROS = 1_500_000
const MARKERS_MICROS = 700_000
const UNAWARE_MICROS = 2_600_000

/** Between two clients that hear late, on average, and how late, in microseconds: later than they wait for an answer, or than a session lasts. */
const LAG_MICROS = 1_500_000
const LAGS_MICROS = [250_000, 400_000, 800_000, 3_500_000] as const

/** Begins; it ends when the run heals. */
export function unleashGuests(cluster: Cluster, admin: AdminWorkload): void {
  const repeat = (purpose: string, micros: number, strike: (random: Random) => void): void => {
    const random = new Random(cluster.world.seed, `guests/${purpose}`)
    const next = (): void =>
      cluster.world.after(random.exponential(micros), () => {
        if (!cluster.faults.active) return
        strike(random)
        next()
      })
    next()
  }
  if (cluster.voters.length > 1) repeat('voters', VOTERS_MICROS, (random) => changeVoter(cluster, admin, random))
  if (cluster.plan.transactions !== null) repeat('succession', SUCCESSION_MICROS, (random) => succeed(cluster, admin, random))
  repeat('lag', LAG_MICROS, (random) => lag(cluster, random))
}

function changeVoter(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  const { world, voters, faults } = cluster
  if (cluster.votersNow().length < voters.length) return
  const node = random.pick(voters)
  const soon = (micros: number, run: () => void): void =>
    world.after(random.exponential(micros), () => {
      if (faults.active) run()
    })
  world.log?.(`guests: node ${node} shall not vote for a while`)
  admin.changeVoter('removeRaftVoter', node)
  soon(BARE_MICROS, () => cluster.crash(node, false))
  soon(RETURN_MICROS, () => admin.changeVoter('addRaftVoter', node))
}

/** A transactor is succeeded while some of its markers are not written, and does not hear of it. */
export function succeed(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  const { nodes, world, faults } = cluster
  const partitions = cluster.latestImage()?.topics.get(TRANSACTIONS_TOPIC)?.partitions ?? []
  if (partitions.length === 0) return
  const partition = random.below(partitions.length)
  const { leader, replicas } = partitions[partition]!
  const heirs = replicas.filter((node) => node !== leader)
  const active = nodes.findIndex(({ host }) => (host.stateOf(COORDINATOR_ACTOR) as CoordinatorState | undefined)?.seat.isActive === true)
  const others = nodes.filter(({ host: { node } }) => node !== leader && node !== active)
  if (leader < 0 || heirs.length === 0 || active < 0 || active === leader || others.length === 0) return
  random.pick(others).host.pause(world.nowMicros + PAUSE_MICROS)
  world.after(MARKERS_MICROS, () => {
    if (!faults.active) return
    world.log?.(`the transactor of partition ${partition} on node ${leader} is succeeded, and does not hear of it`)
    cluster.cut(active, leader, UNAWARE_MICROS)
    admin.place(TRANSACTIONS_TOPIC, partition, [...heirs, leader])
  })
}

/** What nodes say to a client arrives together, when nobody may wait for it any more. */
function lag(cluster: Cluster, random: Random): void {
  const client = random.pick([...cluster.clients])
  const micros = random.pick(LAGS_MICROS)
  for (const { host } of cluster.nodes) cluster.clog(host.node, client.node, micros)
}
