/**
 * The members of the classic group of a run, if it has one, and whether the group has come to its end.
 */
import { committedOf, newGroupTruth } from './checkers/groups.ts'
import type { GroupTruth } from './checkers/groups.ts'
import { CLASSIC_GROUP } from './classic-plan.ts'
import type { ClassicPlan } from './classic-plan.ts'
import { SESSION_MILLIS } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { Random } from './random.ts'
import { ConsumerWorkload } from './workloads/consumer.ts'

/** What there is, where there is such a group. */
interface Parts {
  readonly plan: ClassicPlan
  readonly group: GroupTruth
  readonly members: readonly ConsumerWorkload[]
}

/** See the header. */
export class ClassicClients {
  readonly #cluster: Cluster
  readonly #crashes: Random
  readonly #parts: Parts | null

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#crashes = new Random(cluster.world.seed, 'classic/crashes')
    this.#parts = cluster.plan.classic === null ? null : partsOf(cluster, cluster.plan.classic)
  }

  /** Members begin to read, and die, as long as faults strike. */
  start(): void {
    if (this.#parts === null) return
    for (const member of this.#parts.members) member.start()
    this.#misfortune(this.#parts)
  }

  #misfortune({ members, plan }: Parts): void {
    const random = this.#crashes
    this.#cluster.world.after(random.exponential(plan.crashMillis * 1000), () => {
      if (!this.#cluster.faults.active || this.#parts === null) return
      random.pick(members).crash()
      this.#misfortune(this.#parts)
    })
  }

  /** Who has not come to the end of a partition; null if the group has. */
  laggard(name: string, end: number): string | null {
    if (this.#parts === null) return null
    const { members, group } = this.#parts
    const owners = members.filter((member) => member.positionOf(name) >= 0)
    if (owners.length !== 1) return `: ${owners.length} members of ${CLASSIC_GROUP} have ${name}`
    const position = owners[0]?.positionOf(name)
    if (position !== end) return `: the member of ${CLASSIC_GROUP} is at ${position} of ${end} in ${name}`
    const committed = committedOf(group, name)
    return committed < end ? `: ${CLASSIC_GROUP} has committed ${committed} of ${end} in ${name}` : null
  }
}

function partsOf(cluster: Cluster, plan: ClassicPlan): Parts {
  const group = newGroupTruth(cluster.truth, CLASSIC_GROUP, SESSION_MILLIS, cluster.plan.offsetsRetentionMillis)
  group.isClassic = true
  cluster.groups.inside.push(group)
  const members = plan.assignors.map((assignors, index) => {
    const instanceId = plan.isStatic ? `joiner-${index}` : null
    const { hasPattern, restartMillis } = plan
    return new ConsumerWorkload(cluster, index, group, { assignors, instanceId, restartMillis, hasPattern: hasPattern[index] ?? false })
  })
  return { plan, group, members }
}
