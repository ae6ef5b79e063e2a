/**
 * Who is counted on. ISR: whoever is in sync has everything that was exposed, from the moment at which it joins; and who was without power, and could not sync what it had acknowledged, is counted on no more, neither as
 * in sync nor as eligible, unless nobody else is. FENCE: when a replica is taken away, or let go of because it is damaged, a new leader epoch begins, so that what it has said before does not count for its next copy.
 * CMP: a leader takes for synced by all what each of them has said that it has synced, and nothing else.
 */
import type { Effect } from '../../actors/effect.ts'
import type { CoordinatorState } from '../../actors/coordinator.ts'
import { isLive } from '../../coordinator/metadata.ts'
import type { BrokerImage, MetadataImage, TopicImage } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import { NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { lifeOf } from '../truth.ts'
import type { Truth } from '../truth.ts'

/** What nodes really are. */
export interface Copies {
  /** The broker epoch of the life that a node has now; -1: it is down, or not registered. */
  readonly epochOf: (node: number) => number
  /** The broker epoch in which a node was registered last when it lost its page cache last; undefined: it never has. */
  readonly lostPowerIn: (node: number) => number | undefined
  readonly replicaOf: (node: number, topic: string, partition: number) => ReplicaState | undefined
  /** A node is the only one in sync somewhere by now: if its copy has rotted meanwhile, what is sound of it is all that there is. */
  readonly noteAlone: (node: number) => void
}

/** What was committed when somebody looked last. */
export interface CountedOn {
  readonly truth: Truth
  readonly copies: Copies
  epoch: number
  endOffset: number
  partitions: Map<string, PartitionImage>
  brokers: Map<number, BrokerImage>
  /** Who asked in which version of a partition not to be counted on; null: its leader has proposed something in the same. */
  readonly withdrawn: Map<string, number | null>
  /** By leader and partition: how much it exposes. */
  readonly exposed: Map<string, number>
  /** By replica and leader epoch: up to where it has said that it has synced everything. */
  readonly synced: Map<string, number>
}

/** Nothing is committed yet. */
export function newCountedOn(truth: Truth, copies: Copies): CountedOn {
  return {
    truth,
    copies,
    epoch: -1,
    endOffset: 0,
    partitions: new Map(),
    brokers: new Map(),
    withdrawn: new Map(),
    exposed: new Map(),
    synced: new Map(),
  }
}

/** A coordinator has handled a message. */
export function checkCountedOn(counted: CountedOn, { seat: { image, isActive, quorum } }: CoordinatorState, message: Message): void {
  if (!isActive) return
  if (message.kind === 'alterPartition' && message.isr !== null) {
    const key = `${message.topicId}/${message.partition}/${message.partitionEpoch}`
    counted.withdrawn.set(key, message.isr.length === 0 && !counted.withdrawn.has(key) ? message.node : null)
  }
  if (image.endOffset <= counted.endOffset) return
  // What the coordinator before has decided last, nobody may have seen.
  const isSeen = counted.epoch === (quorum?.epoch ?? -1)
  const { partitions: before } = counted
  const partitions = new Map<string, PartitionImage>()
  for (const topic of image.topics.values())
    topic.partitions.forEach((partition, index) => {
      const key = `${topic.topicId}/${index}`
      partitions.set(key, partition)
      const former = before.get(key)
      if (former !== partition && partition.isr.length === 1) counted.copies.noteAlone(partition.isr[0]!)
      if (isSeen && former !== undefined && former !== partition) checkChange(counted, image, { topic, index, former, partition })
      if (isSeen) checkPowerless(counted, image, { topic, index, partition })
    })
  Object.assign(counted, { epoch: quorum?.epoch ?? -1, endOffset: image.endOffset, partitions, brokers: new Map(image.brokers) })
}

/** A partition has changed. */
interface Changed {
  readonly topic: TopicImage
  readonly index: number
  readonly former: PartitionImage
  readonly partition: PartitionImage
}

function checkChange(counted: CountedOn, image: MetadataImage, { topic, index, former, partition }: Changed): void {
  const { world } = counted.truth
  const name = topicPartitionName(topic.name, index)
  if (partition.leaderEpoch === former.leaderEpoch) {
    const gone = former.replicas.find((node) => !partition.replicas.includes(node))
    if (gone !== undefined)
      world.fail('FENCE', `${name}: node ${gone} is taken away, and may still speak in leader epoch ${former.leaderEpoch}`)
    const loser = counted.withdrawn.get(`${topic.topicId}/${index}/${former.partitionEpoch}`) ?? -1
    const isLoss = partition.partitionEpoch === former.partitionEpoch + 1 && isCounted(former, loser) && !isCounted(partition, loser)
    if (isLoss && isLive(image, loser) && counted.brokers.get(loser)?.fenced === false)
      world.fail('FENCE', `${name}: node ${loser} is damaged, and what it has said in leader epoch ${former.leaderEpoch} still counts`)
  }
  for (const node of partition.isr)
    if (!former.isr.includes(node) && former.leader >= 0 && node !== partition.leader) checkWhole(counted, image, { topic, index, node })
}

function isCounted({ isr, elr }: PartitionImage, node: number): boolean {
  return isr.includes(node) || elr.includes(node)
}

/** Nodes are live again that have lost what was not synced. */
function checkPowerless(counted: CountedOn, image: MetadataImage, { topic, index, partition }: Omit<Changed, 'former'>): void {
  const { truth, copies, brokers } = counted
  if (topic.config.flush === 'commit') return
  for (const node of [...partition.isr, ...partition.elr]) {
    const former = brokers.get(node)
    const now = image.brokers.get(node)
    if (former === undefined || now === undefined || former.activeEpoch < 0 || former.activeEpoch === now.activeEpoch) continue
    const lostIn = copies.lostPowerIn(node) ?? -1
    // It may have been unfenced in that epoch since, by a write that was under way when it died.
    if (former.activeEpoch > lostIn || now.activeEpoch <= lostIn || copies.epochOf(node) !== now.brokerEpoch) continue
    if (partition.isr.length + partition.elr.length > 1)
      truth.world.fail('ISR', `${topicPartitionName(topic.name, index)}: node ${node} has lost power, and is counted on beside others`)
  }
}

/** A copy that is counted on. */
interface Copy {
  readonly topic: Pick<TopicImage, 'name' | 'topicId'>
  readonly index: number
  readonly node: number
}

/** Everything that was exposed must be there, as far as one can look into it: the log is open, and not known to be damaged. */
function checkWhole({ truth, copies }: CountedOn, image: MetadataImage, { topic, index, node }: Copy, exposedEnd?: number): void {
  if (!isLive(image, node) || copies.epochOf(node) !== image.brokers.get(node)?.brokerEpoch) return
  const name = topicPartitionName(topic.name, index)
  const partition = lifeOf(truth, name, topic.topicId)
  const replica = copies.replicaOf(node, topic.name, index)
  if (partition === undefined || partition.isOver || partition.isUnclean || partition.lossFloor >= 0) return
  if (replica === undefined || replica.topicId !== topic.topicId || replica.damage !== 'none') return
  if (replica.phase === 'recovering' || replica.phase === 'failed') return
  const end = exposedEnd ?? partition.exposedEnd
  if (replica.log.logEndOffset < end)
    truth.world.fail(
      'ISR',
      `${name}: node ${node} is in sync, but its log ends at ${replica.log.logEndOffset}, and everything below ${end} is exposed`,
    )
}

/** A replica has handled a message: when it exposes more, all that are in sync have that, be it that the leader has not heard yet of one that has joined. */
export function checkExposed(
  counted: CountedOn,
  { phase, role, topic, topicId, partition: index, highWatermark, self }: ReplicaState,
): void {
  const key = `${self.node}/${topicId}/${index}`
  if (phase !== 'leading' || (counted.exposed.get(key) ?? -1) === highWatermark.offset) return
  counted.exposed.set(key, highWatermark.offset)
  const partition = counted.partitions.get(`${topicId}/${index}`)
  if (partition === undefined || partition.leader !== self.node || partition.leaderEpoch !== role.leaderEpoch) return
  // It has heard of one that has left, and who looks here has not.
  if (role.partitionEpoch > partition.partitionEpoch) return
  const image = { brokers: counted.brokers } as MetadataImage
  for (const node of partition.isr)
    if (node !== self.node) checkWhole(counted, image, { topic: { name: topic, topicId }, index, node }, highWatermark.offset)
}

/** A replica has handled a message: by what is on all disks of a compacted topic tombstones go. */
export function checkSynced(
  { truth, synced }: CountedOn,
  { phase, self, topic, topicId, partition, role }: ReplicaState,
  effects: readonly Effect[],
): void {
  const name = topicPartitionName(topic, partition)
  const keyOf = (node: number, leaderEpoch: number): string => `${node}/${name}.${topicId}/${leaderEpoch}`
  for (const effect of effects) {
    if (effect.kind !== 'send') continue
    const { message } = effect
    if (message.kind === 'fetch' && message.replicaId === self.node) {
      const key = keyOf(self.node, message.leaderEpoch)
      synced.set(key, Math.max(synced.get(key) ?? -1, message.syncedOffset))
    }
    // What was read when it led still is answered when it does not.
    if (phase !== 'leading' || message.kind !== 'fetchResponse' || message.errorCode !== NONE || message.syncedByAll <= 0) continue
    const late = role.replicas.find((node) => node !== self.node && (synced.get(keyOf(node, role.leaderEpoch)) ?? 0) < message.syncedByAll)
    if (late !== undefined)
      truth.world.fail('CMP', `${name}: everything below ${message.syncedByAll} counts as synced by all, but node ${late} has not said so`)
  }
}
