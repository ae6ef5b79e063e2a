/**
 * Who coordinated groups and share groups before this node does: whether their members were told that it is over.
 */
import type { TopicImage } from '../coordinator/metadata.ts'
import type { BrokerState, FormerLeaders } from './broker-state.ts'

/** Others lead it, or nobody does. */
export function noteFormerLeaders({ image, self }: BrokerState, formerLeaders: FormerLeaders, topic: TopicImage): void {
  topic.partitions.forEach(({ leader, leaderEpoch }, partition) => {
    const broker = image.brokers.get(leader)
    const former = formerLeaders.get(partition)
    if (broker !== undefined && leader !== self.node)
      formerLeaders.set(partition, { node: leader, brokerEpoch: broker.brokerEpoch, leaderEpoch })
    // Nobody leads in that epoch.
    else if (leader < 0 && former !== undefined && leaderEpoch === former.leaderEpoch + 1)
      formerLeaders.set(partition, { ...former, leaderEpoch })
  })
}

/** Its members do not know that it is over; unless somebody else has led since. */
export function noteOwnReign(
  { self, brokerEpoch }: BrokerState,
  formerLeaders: FormerLeaders,
  partition: number,
  leaderEpoch: number,
): void {
  if ((formerLeaders.get(partition)?.leaderEpoch ?? -1) < leaderEpoch)
    formerLeaders.set(partition, { node: self.node, brokerEpoch, leaderEpoch })
}

/**
 * Members of a group whose node died were told so, and have let go; others may hold what they had until they hear from the group again. Who led in epochs that were not seen
 * here may be alive.
 */
export function graceOf(
  { config, deadNodes, image, self }: BrokerState,
  formerLeaders: FormerLeaders,
  partition: number,
  leaderEpoch: number,
): number {
  const former = formerLeaders.get(partition)
  if (former === undefined) return config.groupStartGraceMillis
  const isAnother = image.brokers.get(former.node)?.brokerEpoch !== former.brokerEpoch && former.node !== self.node
  const isDead = isAnother || deadNodes.get(former.node) === former.brokerEpoch
  return isDead && leaderEpoch === former.leaderEpoch + 1 ? config.groupStartGraceMillis : config.groupGraceMillis
}
