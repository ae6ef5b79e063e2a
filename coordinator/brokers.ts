/**
 * What happens to partitions when nodes come and go (KIP-631, KIP-966): registrations, fencing and unfencing become records. A node is fenced from its
 * registration until it has caught up with the metadata, when it is silent for too long, when it is known to be dead, and when it wants to stop.
 */
import type { ErrorName } from '../protocol/errors.ts'
import { isCoordinatorTopic, isLive, lossOf, OFFSETS_TOPIC, topicById } from './metadata.ts'
import type { BrokerImage, MetadataImage, MetadataRecord, StorageState, TopicImage } from './metadata.ts'
import {
  minInsyncOf,
  replicaCountOf,
  targetCountOf,
  withFirstLeader,
  withIsr,
  withLeader,
  withNewBeginning,
  withdrawn,
  withoutLoser,
  withoutNode,
  withOtherLeader,
  withoutLeader,
  withPreferredLeader,
  withTargetReached,
} from './partition-image.ts'
import type { Damage, Electorate, PartitionImage } from './partition-image.ts'

/** A node presents itself. */
export interface Registration {
  readonly node: number
  readonly incarnation: number
  readonly rack: string | null
  readonly previousBrokerEpoch: number
  readonly isUnsyncedSafe: boolean
}

/** What a node that presents itself must be assumed to have; its last incarnation may have lost something and never have been active. */
export function storageStateOf(image: MetadataImage, { node, previousBrokerEpoch, isUnsyncedSafe }: Registration): StorageState {
  const known = knownAs(image.brokers.get(node), previousBrokerEpoch)
  const activeEpoch = known?.activeEpoch ?? -1
  const isSuccessor = known?.brokerEpoch === previousBrokerEpoch
  if (previousBrokerEpoch < activeEpoch || (isSuccessor && known.storage === 'unknown')) return 'unknown'
  if (isSuccessor && known.storage === 'unsyncedLost') return 'unsyncedLost'
  return isUnsyncedSafe || activeEpoch < 0 ? 'intact' : 'unsyncedLost'
}

/** A node as it was registered then; as it is registered now, if nothing is known of that, or it lacked nothing. */
function knownAs(
  broker: BrokerImage | undefined,
  brokerEpoch: number,
): Pick<BrokerImage, 'brokerEpoch' | 'activeEpoch' | 'storage'> | undefined {
  const former = broker?.former?.find(([epoch]) => epoch === brokerEpoch)
  return broker === undefined || former === undefined ? broker : { activeEpoch: broker.activeEpoch, brokerEpoch, storage: former[1] }
}

/** A node, as long as it lives. */
export interface Incarnation {
  readonly node: number
  readonly brokerEpoch: number
}

/** A replica that asks not to be counted on: of which image, and how it is damaged; by default some batches are. */
export interface Withdrawal {
  readonly topicId: number
  readonly partition: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly damage?: Exclude<Damage, 'partial'>
}

/** A leader's proposal for its ISR: nodes with the registrations that it knows. */
export interface IsrProposal {
  readonly topicId: number
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly isr: readonly Incarnation[]
}

/** The records that register a node: it is fenced. What it has lost counts when it is unfenced: a registration may be late, and its node dead. */
export function registerBroker(image: MetadataImage, registration: Registration): MetadataRecord[] {
  const { node, incarnation, rack } = registration
  const storage = storageStateOf(image, registration)
  const loss = lossOf(storage)
  // The offset behind the record: whoever has applied it has this much metadata.
  const records: MetadataRecord[] = [{ type: 'brokerRegistered', node, incarnation, rack, brokerEpoch: image.endOffset + 1, ...loss }]
  // One that has stopped is in sync where it still is: nothing has been committed without it.
  if (image.brokers.get(node)?.resting === true && storage === 'intact') return records
  return records.concat(changePartitions(image, node, (partition, _, electorate) => withoutNode(partition, node, electorate)))
}

/**
 * The records that fence a node, or let go of one that has stopped and is not back: it is in sync no more where another one leads, and where nobody does, somebody may now
 * perhaps who waited for it. Nothing if it is so.
 */
export function fenceBroker(image: MetadataImage, node: number): MetadataRecord[] {
  const broker = image.brokers.get(node)
  if (broker === undefined || (broker.fenced && !broker.resting)) return []
  const stop = broker.stopping ? { stopping: true, letGo: true } : {}
  const records: MetadataRecord[] = [{ type: 'brokerFenced', node, fenced: true, ...stop }]
  return records.concat(
    changePartitions(image, node, (partition, _, electorate) =>
      merged(partition, withoutNode(partition, node, electorate), (left) => withLeader(left, electorate)),
    ),
  )
}

/**
 * The records that let a node stop (KIP-631's controlled shutdown): others lead what it leads, it is out of the ISRs that have another member, and it is
 * fenced until it registers again, so that it joins none of them while it stops (KIP-841). Nothing if it is so, or another incarnation speaks.
 */
export function shutDownBroker(image: MetadataImage, node: number, brokerEpoch: number): MetadataRecord[] {
  const broker = image.brokers.get(node)
  if (broker?.brokerEpoch !== brokerEpoch || broker.stopping) return []
  const records: MetadataRecord[] = [{ type: 'brokerFenced', node, fenced: true, stopping: true }]
  return records.concat(changePartitions(image, node, (partition, _, electorate) => withoutNode(partition, node, electorate)))
}

/**
 * The records that let all nodes stop together: they are fenced until they register again, and nobody leads. INVALID_REQUEST: somebody is live who does not want to
 * stop. Nothing if they have stopped, or other incarnations speak.
 */
export function shutDownTogether(image: MetadataImage, stopping: readonly Incarnation[]): MetadataRecord[] | ErrorName {
  const nodes = stopping.filter(({ node, brokerEpoch }) => image.brokers.get(node)?.brokerEpoch === brokerEpoch).map(({ node }) => node)
  if ([...image.brokers.keys()].some((node) => isLive(image, node) && !nodes.includes(node))) return 'INVALID_REQUEST'
  const records: MetadataRecord[] = nodes
    .filter((node) => image.brokers.get(node)?.stopping === false)
    .map((node) => ({ type: 'brokerFenced', node, fenced: true, stopping: true }))
  for (const topic of image.topics.values()) {
    topic.partitions.forEach((partition, index) => {
      const changed = withoutLeader(partition)
      if (changed !== null) records.push(changeOf(topic, index, changed))
    })
  }
  return records
}

/**
 * The records that unfence a node: unless it is stopping: it is out of every ISR for whose records it cannot vouch; where nobody leads, it may, and where nobody ever has, it does. Where it was the last one of a
 * topic of coordinators, that begins anew with it: nobody may delete such a topic, or have somebody lead who has fallen behind. (Who has, and is there, does not lead in its
 * place: what a coordinator has given out since, epochs and partitions, it would give out again. From nothing everybody begins as new.)
 */
export function unfenceBroker(image: MetadataImage, node: number): MetadataRecord[] {
  const broker = image.brokers.get(node)
  if (broker?.fenced !== true || broker.stopping) return []
  const { storage } = broker
  const begun: Set<PartitionImage> = new Set()
  const changes = changePartitions(image, node, (partition, topic, electorate) => {
    const first = withFirstLeader(partition, node)
    if (first !== null) return first
    const isLoser = storage === 'unknown' || (storage === 'unsyncedLost' && topic.config.flush !== 'commit')
    const lost = isLoser ? withoutLoser(partition, node, electorate, storage === 'unsyncedLost') : null
    const isNowLive = (other: number): boolean => other === node || electorate.isLive(other)
    const led = merged(partition, lost, (left) => withLeader(left, { ...electorate, isLive: isNowLive }))
    const anew = isCoordinatorTopic(topic.name) ? withNewBeginning(led ?? partition, node) : null
    if (anew !== null) begun.add(anew)
    return anew ?? led
  })
  const anew = (record: PartitionChanged): MetadataRecord => (begun.has(record.image) ? { ...record, anew: true } : record)
  return [{ type: 'brokerFenced', node, fenced: false }, ...changes.map(anew)]
}

/** A leader cannot go on in its epoch: its disk failed. What is not of this epoch any more changes nothing. */
export function relieveLeader(image: MetadataImage, node: number, topicId: number, index: number, leaderEpoch: number): MetadataRecord[] {
  const topic = topicById(image, topicId)
  const partition = topic?.partitions[index]
  if (topic === undefined || partition?.leader !== node || partition.leaderEpoch !== leaderEpoch) return []
  return [changeOf(topic, index, withOtherLeader(partition, electorateOf(image, topic, replicaCountOf(partition))))]
}

/**
 * A replica is damaged: it leads no more, and is neither in sync nor eligible, unless it is the last one that is and something is left of it. What comes late changes nothing: the replica may
 * have been copied anew, and be in sync again. A new leader epoch begins, whoever leads, so that what it has said of its log does not count for the copy.
 */
export function withdrawReplica(image: MetadataImage, node: number, withdrawal: Withdrawal): MetadataRecord[] {
  const { topicId, partition: index, leaderEpoch, partitionEpoch, damage = 'partial' } = withdrawal
  const topic = topicById(image, topicId)
  const partition = topic?.partitions[index]
  if (topic === undefined || partition?.leaderEpoch !== leaderEpoch || partition.partitionEpoch !== partitionEpoch) return []
  const changed = withdrawn(partition, node, electorateOf(image, topic, replicaCountOf(partition)), damage)
  return changed === null ? [] : [changeOf(topic, index, changed)]
}

/**
 * Leaders go back to where they are preferred; at most `limit` at once. Not those of groups: with another coordinator their members begin anew where they had committed
 * (decision 24).
 */
export function preferLeaders(image: MetadataImage, limit: number): MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const topic of image.topics.values()) {
    if (topic.name === OFFSETS_TOPIC) continue
    for (let index = 0; index < topic.partitions.length && records.length < limit; index++) {
      const partition = topic.partitions[index]
      if (partition === undefined || partition.leader === partition.replicas[0]) continue
      const changed = withPreferredLeader(partition, electorateOf(image, topic, replicaCountOf(partition)))
      if (changed !== null) records.push(changeOf(topic, index, changed))
    }
  }
  return records
}

/** Judges a proposal: the records, or why it is refused. */
export function changeIsr(image: MetadataImage, proposal: IsrProposal): MetadataRecord[] | ErrorName {
  const { topicId, partition: index, leader, leaderEpoch, partitionEpoch, isr } = proposal
  const topic = topicById(image, topicId)
  const partition = topic?.partitions[index]
  if (topic === undefined || partition === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
  if (leaderEpoch < partition.leaderEpoch) return 'FENCED_LEADER_EPOCH'
  if (leaderEpoch > partition.leaderEpoch) return 'NOT_CONTROLLER'
  if (leader !== partition.leader) return 'INVALID_REQUEST'
  if (partitionEpoch !== partition.partitionEpoch) return 'INVALID_UPDATE_VERSION'
  if (!isr.some(({ node }) => node === leader) || !isr.every(({ node }) => partition.replicas.includes(node))) return 'INVALID_REQUEST'
  for (const { node, brokerEpoch } of isr) {
    // One that is not back since all stopped together stays until it is too late: nothing is committed without it.
    const stays = partition.isr.includes(node)
    const isKnown = brokerEpoch === -1 ? stays : image.brokers.get(node)?.brokerEpoch === brokerEpoch
    if (node !== leader && ((!isLive(image, node) && !stays) || !isKnown)) return 'INELIGIBLE_REPLICA'
  }
  const electorate = electorateOf(image, topic, replicaCountOf(partition))
  const changed = withIsr(
    partition,
    isr.map(({ node }) => node),
    electorate.minInsync,
  )
  return [changeOf(topic, index, withTargetReached(changed, electorateOf(image, topic, targetCountOf(changed))) ?? changed)]
}

/** What an election has to know of a partition with so many replicas. */
export function electorateOf(image: MetadataImage, topic: Pick<TopicImage, 'config'>, replicaCount: number): Electorate {
  return {
    isLive: (node) => isLive(image, node),
    isResting: (node) => image.brokers.get(node)?.resting === true,
    minInsync: minInsyncOf(topic.config.minInsyncReplicas, replicaCount),
    unclean: topic.config.uncleanLeaderElection,
  }
}

type Change = (partition: PartitionImage, topic: TopicImage, electorate: Electorate) => PartitionImage | null

/** Changes of the partitions that a node has a replica of, as if that node were not live, nor to be waited for. */
type PartitionChanged = Extract<MetadataRecord, { readonly type: 'partitionChanged' }>

function changePartitions(image: MetadataImage, node: number, change: Change): PartitionChanged[] {
  const records: PartitionChanged[] = []
  for (const topic of image.topics.values()) {
    topic.partitions.forEach((partition, index) => {
      if (!partition.replicas.includes(node)) return
      const electorate = electorateOf(image, topic, replicaCountOf(partition))
      const others: Electorate = {
        ...electorate,
        isLive: (other) => other !== node && electorate.isLive(other),
        isResting: (other) => other !== node && electorate.isResting(other),
      }
      const changed = change(partition, topic, others)
      if (changed !== null) records.push(changeOf(topic, index, changed))
    })
  }
  return records
}

/** Two changes, one after the other, as one. */
function merged(
  before: PartitionImage,
  first: PartitionImage | null,
  then: (partition: PartitionImage) => PartitionImage | null,
): PartitionImage | null {
  const second = then(first ?? before)
  return second ?? first
}

function changeOf(topic: TopicImage, partition: number, image: PartitionImage): PartitionChanged {
  return { type: 'partitionChanged', topicId: topic.topicId, partition, image }
}
