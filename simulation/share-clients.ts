/**
 * The members of the share group of a run, if it has one, and whether the group has come to its end.
 */
import type { Share, SharesState } from '../actors/shares-state.ts'
import { sharesActor } from '../protocol/address.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import { newShareTruth, passedOver } from './checkers/share.ts'
import type { ShareTruth } from './checkers/share.ts'
import type { Cluster } from './cluster.ts'
import { COORDINATOR_PARTITIONS, SHARE_GROUP, sharedTopics } from './plan.ts'
import { lifeOf } from './truth.ts'
import { DELIVERY_COUNT_LIMIT, SharerWorkload } from './workloads/sharer.ts'

/** See the header. */
export class ShareClients {
  readonly #cluster: Cluster
  readonly #group: ShareTruth
  readonly #sharers: SharerWorkload[]

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#group = newShareTruth(cluster.truth, SHARE_GROUP)
    cluster.groups.shared.push(this.#group)
    cluster.truth.acknowledgedBy.set(SHARE_GROUP, (partition, end) => passedOver(this.#group, partition, end, DELIVERY_COUNT_LIMIT))
    this.#sharers = Array.from({ length: cluster.plan.sharerCount }, (_, index) => new SharerWorkload(cluster, index, this.#group))
  }

  start(): void {
    for (const sharer of this.#sharers) sharer.start()
  }

  /** The group is done with everything; SHARE: it has passed a record over. */
  isAtEnd(endOf: (topic: string, partition: number) => number): boolean {
    if (this.#sharers.length === 0) return true
    return sharedTopics(this.#cluster.plan).every((topic) => this.#isAtEndOf(topic, endOf))
  }

  #isAtEndOf(topic: string, endOf: (topic: string, partition: number) => number): boolean {
    for (let partition = 0; partition < (this.#cluster.topics.get(topic) ?? 0); partition++) {
      const share = this.#shareOf(topic, partition)
      if (share === undefined || share.startOffset !== endOf(topic, partition)) return false
      const name = topicPartitionName(topic, partition)
      const life = lifeOf(this.#cluster.truth, name, share.topicId)
      const lost = life === undefined ? null : passedOver(this.#group, life, share.startOffset, DELIVERY_COUNT_LIMIT)
      if (lost !== null) this.#cluster.world.fail('SHARE', `${name}: ${lost} is passed over`)
    }
    return true
  }

  /** As whoever is in charge has it. */
  #shareOf(topic: string, partition: number): Share | undefined {
    const names = Array.from({ length: COORDINATOR_PARTITIONS }, (_, index) => sharesActor(index))
    const states = this.#cluster.nodes.flatMap(({ host }) => names.map((name) => host.stateOf(name) as SharesState | undefined))
    const shares = states.flatMap((state) => [...(state?.groups.get(SHARE_GROUP)?.partitions.values() ?? [])])
    return shares.filter((one) => one.topic === topic && one.partition === partition).toSorted((a, b) => b.topicId - a.topicId)[0]
  }
}
