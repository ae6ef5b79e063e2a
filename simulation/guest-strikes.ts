/**
 * What befalls a run that has guests beside its faults, at times drawn by generators of their own: a voter that goes, starts again without a coordinator, and comes back; and a transactor that is
 * succeeded while it hears nobody for a while, and the coordinators for longer, so that it goes on until a leader tells it.
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
const SUCCESSION_MICROS = 5_000_000

/** How long such a one hears nobody, and how long it hears no coordinator, in microseconds. */
const DEAF_MICROS = 1_200_000
const UNAWARE_MICROS = 2_600_000

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

function succeed(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  const { nodes, voters, world } = cluster
  const partitions = cluster.latestImage()?.topics.get(TRANSACTIONS_TOPIC)?.partitions ?? []
  if (partitions.length === 0) return
  const partition = random.below(partitions.length)
  const { leader, replicas } = partitions[partition]!
  const others = replicas.filter((node) => node !== leader)
  const isActive = (nodes[leader]?.host.stateOf(COORDINATOR_ACTOR) as CoordinatorState | undefined)?.seat.isActive === true
  if (leader < 0 || others.length === 0 || isActive) return
  world.log?.(`guests: the transactor of partition ${partition} on node ${leader} is succeeded, and does not hear of it`)
  for (const { host } of nodes) cluster.cut(host.node, leader, voters.includes(host.node) ? UNAWARE_MICROS : DEAF_MICROS)
  admin.lead(TRANSACTIONS_TOPIC, partition, [...others, leader])
}
