/**
 * What happens in some runs when everything has come to its end (calm-plan.ts): one step after the other, each of which must be dealt with before the next one.
 */
import type { CalmStep } from './calm-plan.ts'
import type { ClassicClients } from './classic-clients.ts'
import type { Cluster } from './cluster.ts'
import { Random } from './random.ts'
import type { ConsumerWorkload } from './workloads/consumer.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Who is struck, beside the nodes. */
export interface Struck {
  readonly admin: AdminWorkload
  readonly members: readonly ConsumerWorkload[]
  readonly classic: ClassicClients
}

/** Goes on until it is so; false if it never is. */
type Settle = (isSettled: () => boolean, what: string) => boolean

/** Plays the steps; false if one of them was not dealt with. `isAtEnd`: everybody has read everything. */
export function playCalm(cluster: Cluster, struck: Struck, isAtEnd: () => boolean, settle: Settle): boolean {
  const random = new Random(cluster.world.seed, 'calm/steps')
  return (cluster.plan.calm ?? []).every((step) => {
    cluster.world.log?.(`calm: ${step}`)
    strike(cluster, struck, step, random)
    const { admin } = struck
    return settle(() => admin.isIdle && isAtEnd(), `after ${step} consumers did not reach the end`)
  })
}

function strike(cluster: Cluster, { admin, members, classic }: Struck, step: CalmStep, random: Random): void {
  switch (step) {
    case 'addPartition':
      return admin.addPartition(random)
    case 'addPartitionWhileAway':
      random.pick(classic.members.length > 0 ? classic.members : members).restart()
      return admin.addPartition(random)
    case 'twin':
      return classic.twin(random)
    case 'loseMember':
      if (members.length > 1) random.pick(members).retire()
      if (classic.members.length > 1) random.pick(classic.members).retire()
      return
    case 'killNode':
    case 'powerLoss':
      // What is not synced may lose the marker of a transaction with a power loss: only the next one of that producer makes up for it.
      return cluster.crash(random.pick(cluster.nodes).host.node, step === 'powerLoss' && cluster.plan.transactions === null)
  }
}
