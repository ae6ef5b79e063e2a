/**
 * The cluster's metadata as an image: brokers, topics, their partitions and settings, producer ids. It is what the records of the
 * metadata log say, in order; nothing else changes it. Records are JSON, so that anybody can read a dump of the log. Every node has
 * an image of its own, made of the same records: two images of the same offset are equal. That of a broker leaves out what partitions are like that are
 * elsewhere: otherwise a hundred nodes would remember each partition a hundred times.
 */
import { assert, unreachable } from '../protocol/assert.ts'
import type { ClientQuotaEntity, ClientQuotaKey } from '../protocol/messages/quota.ts'
import { cappedConfigs, parseTopicConfig } from '../protocol/topic-config.ts'
import type { TopicConfig } from '../protocol/topic-config.ts'
import { NO_LEADER } from './partition-image.ts'
import type { PartitionImage } from './partition-image.ts'
import { quotaRecords, withQuota } from './quotas.ts'
import type { ClientQuotas } from './quotas.ts'

/** The metadata log's topic. */
export const METADATA_TOPIC = '__cluster_metadata'

/** The topic that holds committed offsets. */
export const OFFSETS_TOPIC = '__consumer_offsets'

/** The topic that holds what transactors know. */
export const TRANSACTIONS_TOPIC = '__transaction_state'

/** The topic that holds what share groups have done with, and what they try again. */
export const SHARE_TOPIC = '__share_group_state'

/** Whether a topic belongs to coordinators: somebody's place in it follows from a hash, and what is in it is nobody else's. */
export function isCoordinatorTopic(name: string): boolean {
  return name === OFFSETS_TOPIC || name === TRANSACTIONS_TOPIC || name === SHARE_TOPIC
}

/**
 * What a node has of what it had when it was active last: everything; perhaps not what was never synced (the system was started anew); or it
 * cannot say (an empty directory, an old copy).
 */
export type StorageState = 'intact' | 'unsyncedLost' | 'unknown'

/** A registration, and what the node must be assumed to have had then. */
export type FormerLoss = readonly [brokerEpoch: number, storage: StorageState]

/** One change of the metadata. */
export type MetadataRecord =
  | {
      readonly type: 'topicCreated'
      readonly name: string
      readonly topicId: number
      readonly partitions: readonly PartitionImage[]
      readonly configs: Readonly<Record<string, unknown>>
    }
  | { readonly type: 'topicDeleted'; readonly topicId: number }
  | { readonly type: 'partitionsAdded'; readonly topicId: number; readonly partitions: readonly PartitionImage[] }
  | {
      readonly type: 'partitionChanged'
      readonly topicId: number
      readonly partition: number
      readonly image: PartitionImage
      /** What it held is lost: nobody had it any more. */
      readonly anew?: boolean
    }
  | { readonly type: 'topicConfigured'; readonly topicId: number; readonly configs: Readonly<Record<string, unknown>> }
  | { readonly type: 'producerIdsReserved'; readonly nextProducerId: number }
  | {
      readonly type: 'brokerRegistered'
      readonly node: number
      readonly brokerEpoch: number
      readonly incarnation: number
      readonly rack: string | null
      /** Without it: everything. */
      readonly storage?: StorageState
      /** In snapshots only. */
      readonly activeEpoch?: number
      readonly resting?: boolean
      readonly former?: readonly FormerLoss[]
    }
  | {
      readonly type: 'brokerFenced'
      readonly node: number
      readonly fenced: boolean
      /** It wants to stop: it stays fenced until it registers again. */
      readonly stopping?: boolean
      /** That was long ago: it is not waited for any longer. */
      readonly letGo?: boolean
    }
  | { readonly type: 'brokerRemoved'; readonly node: number }
  | { readonly type: 'topicIdsUsed'; readonly nextTopicId: number }
  | { readonly type: 'reassignmentsThrottled'; readonly bytesPerSecond: number | null }
  | {
      readonly type: 'clientQuota'
      readonly entity: ClientQuotaEntity
      readonly key: ClientQuotaKey
      /** Null: it has none any more. */
      readonly value: number | null
    }

/** A topic in the image. */
export interface TopicImage {
  readonly name: string
  readonly topicId: number
  /** They change in place: a copy for each change would cost as much as the topic is large. */
  readonly partitions: PartitionImage[]
  /** What was set, by camel-case name. */
  readonly configs: Readonly<Record<string, unknown>>
  /** What that means, defaults included. */
  readonly config: TopicConfig
}

/** A node in the image. */
export interface BrokerImage {
  readonly node: number
  /** Grows with each registration: a node that starts again is another one (KIP-380). */
  readonly brokerEpoch: number
  readonly incarnation: number
  /** The broker epoch in which it was last unfenced, -1 if never: what it may have acknowledged, it acknowledged up to then. */
  readonly activeEpoch: number
  /** What it must be assumed to have; it counts when the node is unfenced, for until then nobody knows whether this incarnation lives. */
  readonly storage: StorageState
  /** The same of the last of its other registrations since then, where it is not everything: one that comes late may be between two of one incarnation. */
  readonly former?: readonly FormerLoss[]
  readonly rack: string | null
  /** A fenced node leads nothing and is in no ISR that has another member. */
  readonly fenced: boolean
  /** It is stopping, and stays fenced in this incarnation (KIP-841). */
  readonly stopping: boolean
  /** It has stopped, and may be back soon: it is neither unfenced yet, be it registered again or not, nor let go of. */
  readonly resting: boolean
}

/** All metadata at one point of the metadata log. */
export interface MetadataImage {
  /** The node whose partitions it is about (those of coordinators' topics it knows all); null: it is about all of them. */
  readonly node: number | null
  readonly topics: Map<string, TopicImage>
  readonly names: Map<number, string>
  readonly brokers: Map<number, BrokerImage>
  nextTopicId: number
  nextProducerId: number
  /** What a node copies at most for reassignments; 0: no limit; null: what it was started with. */
  reassignmentBytesPerSecond: number | null
  /** Another map after each change. */
  quotas: ClientQuotas
  /** One past the last record applied. */
  endOffset: number
}

/** What a node's image says of a partition that is elsewhere: that it is there. */
const ELSEWHERE: PartitionImage = {
  replicas: [],
  isr: [],
  elr: [],
  leader: NO_LEADER,
  leaderEpoch: -1,
  partitionEpoch: -1,
  adding: [],
  removing: [],
}

/** So many registrations of a node are known that came before its last one. */
const FORMER_MAX = 8

/** The image before the first record: of everything, or of what a node has to know. */
export function emptyImage(node: number | null = null): MetadataImage {
  const [topics, names, brokers] = [new Map(), new Map(), new Map()]
  const none = { nextTopicId: 1, nextProducerId: 1, reassignmentBytesPerSecond: null, quotas: new Map(), endOffset: 0 }
  return { node, topics, names, brokers, ...none }
}

/** Applies one record of the log. */
export function applyRecord(image: MetadataImage, record: MetadataRecord): void {
  image.endOffset++
  switch (record.type) {
    case 'topicCreated':
      image.nextTopicId = Math.max(image.nextTopicId, record.topicId + 1)
      image.names.set(record.topicId, record.name)
      return setTopic(image, {
        name: record.name,
        topicId: record.topicId,
        partitions: partitionsOf(image, record.name, record),
        configs: record.configs,
      })
    case 'topicDeleted':
      image.topics.delete(topicOf(image, record.topicId).name)
      image.names.delete(record.topicId)
      return
    case 'partitionsAdded': {
      const topic = topicOf(image, record.topicId)
      return setTopic(image, { ...topic, partitions: [...topic.partitions, ...partitionsOf(image, topic.name, record)] })
    }
    case 'partitionChanged':
      return applyPartition(image, record)
    case 'topicConfigured': {
      const topic = topicOf(image, record.topicId)
      return setTopic(image, { ...topic, configs: record.configs })
    }
    case 'producerIdsReserved':
      image.nextProducerId = record.nextProducerId
      return
    case 'brokerRegistered': {
      const { node, brokerEpoch, incarnation, rack, storage = 'intact' } = record
      const known = image.brokers.get(node)
      const activeEpoch = record.activeEpoch ?? known?.activeEpoch ?? -1
      const resting = record.resting ?? known?.resting ?? false
      const about = { node, brokerEpoch, incarnation, activeEpoch, storage, rack, fenced: true, stopping: false, resting }
      image.brokers.set(node, { ...about, ...formerly(record.former ?? formerLosses(known)) })
      return
    }
    case 'brokerFenced':
      return applyFencing(image, record)
    case 'brokerRemoved':
      image.brokers.delete(record.node)
      return
    case 'topicIdsUsed':
      image.nextTopicId = Math.max(image.nextTopicId, record.nextTopicId)
      return
    case 'reassignmentsThrottled':
      image.reassignmentBytesPerSecond = record.bytesPerSecond
      return
    case 'clientQuota':
      image.quotas = withQuota(image.quotas, record.entity, record.key, record.value)
      return
    default:
      return unreachable(record)
  }
}

function applyFencing(image: MetadataImage, { node, fenced, stopping = false, letGo = false }: BrokerFenced): void {
  const { former = [], ...broker } = brokerOf(image, node)
  const activeEpoch = fenced ? broker.activeEpoch : broker.brokerEpoch
  const storage = fenced ? broker.storage : 'intact'
  image.brokers.set(node, {
    ...broker,
    ...formerly(fenced ? former : []),
    fenced,
    activeEpoch,
    storage,
    stopping,
    resting: stopping && !letGo,
  })
}

/** What a node has said of itself since it was last unfenced, that it has not lost nothing. */
function formerLosses(known: BrokerImage | undefined): readonly FormerLoss[] {
  if (known === undefined) return []
  const { former = [], brokerEpoch, storage } = known
  return storage === 'intact' ? former : [...former, [brokerEpoch, storage] as const].slice(-FORMER_MAX)
}

function formerly(former: readonly FormerLoss[]): Pick<BrokerImage, 'former'> {
  return former.length === 0 ? {} : { former }
}

type BrokerFenced = Extract<MetadataRecord, { readonly type: 'brokerFenced' }>

/** Some records, and the offset behind them in the log. */
export type MetadataBatch = readonly [endOffset: number, records: readonly MetadataRecord[]]

/** What some records change: by topic id which partitions; null: any may have changed. */
export type ChangedTopics = Map<number, Set<number> | null>

/** Applies what lies beyond the image's end; what this changes. */
export function applyBatches(image: MetadataImage, batches: readonly MetadataBatch[]): ChangedTopics {
  const changed: ChangedTopics = new Map()
  for (const [endOffset, records] of batches) {
    if (endOffset <= image.endOffset) continue
    for (const record of records) {
      applyRecord(image, record)
      if ('topicId' in record) noteChange(changed, record)
    }
    // Batches that hold no metadata take offsets, too.
    image.endOffset = endOffset
  }
  return changed
}

/** Records that make the image anew from an empty one: what a snapshot holds. The offset must be set beside. */
export function imageRecords(image: MetadataImage): MetadataRecord[] {
  const records: MetadataRecord[] = []
  const brokers = [...image.brokers.values()].toSorted((a, b) => a.node - b.node)
  const topics = [...image.topics.values()].toSorted((a, b) => a.topicId - b.topicId)
  for (const { node, brokerEpoch, incarnation, activeEpoch, storage, former, rack, fenced, stopping, resting } of brokers) {
    const rest = resting && !stopping ? { resting } : {}
    records.push({
      type: 'brokerRegistered',
      node,
      brokerEpoch,
      incarnation,
      activeEpoch,
      rack,
      ...lossOf(storage),
      ...rest,
      ...formerly(former ?? []),
    })
    if (!fenced) records.push({ type: 'brokerFenced', node, fenced })
    else if (stopping) records.push({ type: 'brokerFenced', node, fenced, stopping, ...(resting ? {} : { letGo: true }) })
  }
  for (const { name, topicId, partitions, configs } of topics) {
    records.push({ type: 'topicCreated', name, topicId, partitions, configs })
  }
  const { nextTopicId, nextProducerId, reassignmentBytesPerSecond: bytesPerSecond } = image
  records.push({ type: 'topicIdsUsed', nextTopicId }, { type: 'producerIdsReserved', nextProducerId })
  if (bytesPerSecond !== null) records.push({ type: 'reassignmentsThrottled', bytesPerSecond })
  records.push(...quotaRecords(image.quotas))
  return records
}

/** What the record of a registration says of what the node has: nothing, if it has everything. */
export function lossOf(storage: StorageState): { readonly storage?: StorageState } {
  return storage === 'intact' ? {} : { storage }
}

/** Whether a node is registered and not fenced. */
export function isLive(image: MetadataImage, node: number): boolean {
  return image.brokers.get(node)?.fenced === false
}

/** The topic of that id; undefined if there is none (any more). */
export function topicById(image: MetadataImage, topicId: number): TopicImage | undefined {
  return image.topics.get(image.names.get(topicId) ?? '')
}

/** The record's bytes in the log. */
export function encodeMetadataRecord(record: MetadataRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record))
}

/** Reads back what `encodeMetadataRecord` wrote; the log's CRC has vouched for the bytes. */
export function decodeMetadataRecord(bytes: Uint8Array): MetadataRecord {
  return JSON.parse(new TextDecoder().decode(bytes)) as MetadataRecord
}

/** Kafka's choice of the partition that holds a group, or a transactional id: Java's String.hashCode, made positive, modulo the partitions. */
export function coordinatorPartitionOf(key: string, partitionCount: number): number {
  let hash = 0
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0
  return (hash & 0x7fffffff) % partitionCount
}

function applyPartition(image: MetadataImage, { topicId, partition, image: changed }: MetadataRecord & { type: 'partitionChanged' }): void {
  const topic = topicOf(image, topicId)
  const present = topic.partitions[partition]
  assert(present !== undefined, 'M10 a changed partition is there')
  assert(changed.partitionEpoch > present.partitionEpoch, 'M11 partition epochs grow with every change')
  assert(changed.leaderEpoch >= present.leaderEpoch, 'M12 leader epochs never go back')
  topic.partitions[partition] = asSeen(image, topic.name, changed)
}

function noteChange(changed: ChangedTopics, record: MetadataRecord & { readonly topicId: number }): void {
  const partitions = changed.get(record.topicId)
  if (record.type !== 'partitionChanged') changed.set(record.topicId, null)
  else if (partitions === undefined) changed.set(record.topicId, new Set([record.partition]))
  else partitions?.add(record.partition)
}

/** Version 0.1 wrote nothing but the leaders, one replica each. */
function partitionsOf(
  image: MetadataImage,
  topic: string,
  record: { readonly partitions?: readonly PartitionImage[]; readonly leaders?: readonly number[] },
): PartitionImage[] {
  const partitions = record.partitions ?? (record.leaders ?? []).map(loneReplica)
  return partitions.map((partition) => asSeen(image, topic, partition))
}

function asSeen({ node }: MetadataImage, topic: string, partition: PartitionImage): PartitionImage {
  return node === null || isCoordinatorTopic(topic) || partition.replicas.includes(node) ? partition : ELSEWHERE
}

/** A partition with one replica, whose node has not registered yet. */
function loneReplica(node: number): PartitionImage {
  return { replicas: [node], isr: [node], elr: [], leader: NO_LEADER, leaderEpoch: 0, partitionEpoch: 0, adding: [], removing: [] }
}

function brokerOf(image: MetadataImage, node: number): BrokerImage {
  const broker = image.brokers.get(node)
  assert(broker !== undefined, `M10 metadata records speak of brokers that are registered (node ${node})`)
  return broker
}

function topicOf(image: MetadataImage, topicId: number): TopicImage {
  const topic = topicById(image, topicId)
  assert(topic !== undefined, `M1 metadata records speak of topics that exist (topic id ${topicId})`)
  return topic
}

function setTopic(image: MetadataImage, topic: Omit<TopicImage, 'config'>): void {
  const configs = cappedConfigs(topic.configs)
  const parsed = parseTopicConfig(configs)
  assert(parsed.ok, 'M2 only sound settings are written to the metadata log')
  image.topics.set(topic.name, { ...topic, configs, config: parsed.config })
}
