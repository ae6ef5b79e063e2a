/**
 * The guests of a run, if it has some: an inspector and wanderers.
 */
import { topicPartitionName } from '../protocol/ids.ts'
import { newOutsideGroup } from './checkers/outside-groups.ts'
import type { Cluster } from './cluster.ts'
import { WANDERER_GROUP } from './guest-plan.ts'
import { unleashGuests } from './guest-strikes.ts'
import { InspectorWorkload } from './workloads/inspector.ts'
import type { Knowledge } from './workloads/questions.ts'
import type { AdminWorkload } from './workloads/topics.ts'
import { WANDERED_TOPICS, WandererWorkload } from './workloads/wanderer.ts'

/** See the header. */
export class GuestClients {
  readonly #cluster: Cluster
  readonly #inspector: InspectorWorkload | null
  readonly #wanderers: readonly WandererWorkload[]

  constructor(cluster: Cluster, wanted: Knowledge['wanted'], endOf: Knowledge['endOf']) {
    const { guests, offsetsRetentionMillis } = cluster.plan
    this.#cluster = cluster
    this.#inspector = guests === null ? null : new InspectorWorkload(cluster, guests, wanted, endOf)
    this.#wanderers = (guests?.wanderers ?? []).map((plan, index) => new WandererWorkload(cluster, index, plan))
    if (guests !== null) cluster.groups.outside.push(newOutsideGroup(cluster.truth, WANDERER_GROUP, offsetsRetentionMillis))
  }

  start(admin: AdminWorkload): void {
    if (this.#inspector !== null) unleashGuests(this.#cluster, admin)
    this.#inspector?.start()
    for (const wanderer of this.#wanderers) wanderer.start()
  }

  /** They leave nothing behind that would keep others from coming to their end, and come to theirs. */
  rest(): void {
    this.#inspector?.tidy()
    for (const wanderer of this.#wanderers) wanderer.rest()
  }

  /** Who has not come to the end of a partition; null if all have. */
  laggard(topic: string, partition: number, end: number): string | null {
    if (!WANDERED_TOPICS.some((one) => one === topic)) return null
    const name = topicPartitionName(topic, partition)
    const alone = this.#wanderers.filter(({ isMember }) => !isMember).map((wanderer) => wanderer.positionOf(name))
    const members = this.#wanderers.filter(({ isMember }) => isMember)
    const owners = members.map((wanderer) => wanderer.positionOf(name)).filter((position) => position >= 0)
    if (members.length > 0 && owners.length !== 1) return `: ${owners.length} wanderers have ${name} and nothing to do`
    const position = [...alone, ...owners].find((one) => one !== end)
    return position === undefined ? null : `: a wanderer is at ${position} of ${end} in ${name}`
  }

  /** Everything has settled: what is asked now must be answered as it is. */
  examine(): void {
    this.#inspector?.examine()
  }

  /** It was. */
  get isContent(): boolean {
    return this.#inspector?.isContent ?? true
  }

  /** What was wrong last. */
  get complaint(): string {
    return this.#inspector?.complaint ?? ''
  }
}
