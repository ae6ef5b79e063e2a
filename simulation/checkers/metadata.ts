/**
 * Looks at the metadata that is committed. ISR: who is fenced leads nothing, and is in no ISR that has another member, but for those who have been there since all had stopped
 * together, until they are back or let go of; and that they are when nobody has heard of them for a session.
 */
import type { CoordinatorState } from '../../actors/coordinator.ts'
import { isLive } from '../../coordinator/metadata.ts'
import type { MetadataImage } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Truth } from '../truth.ts'

/** A coordinator has handled a message. Topics that are in what is committed no longer are deleted. */
export function checkMetadata(truth: Truth, state: CoordinatorState, message: Message): void {
  const { image, isActive, quorum } = state.seat
  if (!isActive) return
  if (message.kind === 'timerFired' && message.timer === 'brokers') checkLetGo(truth, state)
  if (truth.metadataOffset >= image.endOffset) return
  // What the coordinator before has decided last, nobody may have seen.
  const isSeen = truth.metadataEpoch === (quorum?.epoch ?? -1)
  truth.metadataEpoch = quorum?.epoch ?? -1
  truth.metadataOffset = image.endOffset
  for (const { name, topicId, partitions } of image.topics.values())
    partitions.forEach((partition, index) => {
      const log = `${topicId}/${index}`
      const former = truth.resting.get(log) ?? []
      const resting = partition.isr.filter((node) => isAtRest(image, partition, node, former, isSeen))
      truth.resting.set(log, resting)
      const fenced = wronglyCounted(image, partition, resting, isSeen)
      if (fenced !== undefined) truth.world.fail('ISR', `${name}-${index}: node ${fenced} is fenced, but leads or is in sync with others`)
    })
  for (const partition of truth.partitions.values()) {
    if (partition.topicId > 0 && partition.topicId < image.nextTopicId && !image.names.has(partition.topicId)) partition.isOver = true
  }
}

/** Whether a node has been in sync since it stopped, and nobody led: it has not been live since. */
function isAtRest(image: MetadataImage, { leader }: PartitionImage, node: number, former: readonly number[], isSeen: boolean): boolean {
  if (isLive(image, node)) return false
  return former.includes(node) || (isWaitedFor(image, node) && (leader < 0 || !isSeen))
}

function isWaitedFor({ brokers }: MetadataImage, node: number): boolean {
  return brokers.get(node)?.resting === true
}

/** Who must not be in sync, or lead. Where nobody leads, it may be the one that was live last, which died while the others were not back. */
function wronglyCounted(
  image: MetadataImage,
  { leader, isr }: PartitionImage,
  resting: readonly number[],
  isSeen: boolean,
): number | undefined {
  if (leader < 0) {
    const others = isr.filter((node) => !resting.includes(node))
    return isSeen && isr.length > 1 ? others[1] : undefined
  }
  const counted = isr.length > 1 ? [...isr, leader] : [leader]
  return counted.find((node) => !isLive(image, node) && !(resting.includes(node) && isWaitedFor(image, node)))
}

/** The sessions have just been looked at: whoever is waited for has been heard of, or is about to be let go of. */
function checkLetGo(truth: Truth, { brokers: { sessions, lookedAt }, seat, config }: CoordinatorState): void {
  for (const { node } of seat.image.brokers.values()) {
    const session = sessions.get(node)
    if (session === undefined || session.isChanging || !isWaitedFor(seat.image, node)) continue
    const millis = lookedAt - session.heardAt
    if (millis >= config.sessionTimeoutMillis)
      truth.world.fail('ISR', `node ${node} is waited for, and nobody has heard of it for ${millis} ms`)
  }
}
