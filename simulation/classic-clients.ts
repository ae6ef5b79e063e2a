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

/** Tells the generators and the lives of members apart that have one place. */
const TWIN = 10

/** What there is, where there is such a group. */
interface Parts {
  readonly plan: ClassicPlan
  readonly group: GroupTruth
  readonly members: ConsumerWorkload[]
  /** By place: those that somebody else has taken the name of, and that must give way. */
  readonly former: ConsumerWorkload[]
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

  /** Its members that are to live. */
  get members(): readonly ConsumerWorkload[] {
    return this.#parts?.members ?? []
  }

  /** Another process comes under the name of a static member, which lives: that one must notice, and give way (KIP-345). */
  twin(random: Random): void {
    const parts = this.#parts
    if (parts === null || !parts.plan.isStatic) return
    const index = random.below(parts.members.length)
    const former = parts.members[index]
    if (former === undefined) return
    former.giveWay()
    parts.former.push(former)
    const member = memberOf(this.#cluster, parts, index, TWIN * parts.former.length)
    parts.members[index] = member
    member.start()
  }

  /** Who has not come to the end of a partition; null if the group has. */
  laggard(name: string, end: number): string | null {
    if (this.#parts === null) return null
    const { members, former, group } = this.#parts
    if (former.some(({ isAlive }) => isAlive)) return `: two members of ${CLASSIC_GROUP} have one instance id`
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
  const members = plan.assignors.map((_, index) => memberOf(cluster, { plan, group }, index))
  return { plan, group, members, former: [] }
}

/** The member at a place, or (`twin`) another one that is meant to take it. */
function memberOf(cluster: Cluster, { plan, group }: Pick<Parts, 'plan' | 'group'>, index: number, twin = 0): ConsumerWorkload {
  const instanceId = plan.isStatic ? `joiner-${index}` : null
  const { hasPattern, restartMillis, releaseMillis, isRestless } = plan
  const assignors = plan.assignors[index] ?? []
  return new ConsumerWorkload(cluster, twin + index, group, {
    assignors,
    instanceId,
    restartMillis,
    releaseMillis,
    isRestless,
    hasPattern: hasPattern[index] ?? false,
  })
}
