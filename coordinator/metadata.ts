/**
 * The cluster's metadata as an image: topics, their partitions and settings, producer ids. It is what the records of the
 * metadata log say, in order; nothing else changes it. Records are JSON, so that anybody can read a dump of the log.
 */
import { assert, unreachable } from '../protocol/assert.ts'
import { parseTopicConfig } from '../protocol/topic-config.ts'
import type { TopicConfig } from '../protocol/topic-config.ts'

/** The metadata log's topic. */
export const METADATA_TOPIC = '__cluster_metadata'

/** The topic that holds committed offsets. */
export const OFFSETS_TOPIC = '__consumer_offsets'

/** One change of the metadata. */
export type MetadataRecord =
  | {
      readonly type: 'topicCreated'
      readonly name: string
      readonly topicId: number
      readonly leaders: readonly number[]
      readonly configs: Readonly<Record<string, unknown>>
    }
  | { readonly type: 'topicDeleted'; readonly topicId: number }
  | { readonly type: 'partitionsAdded'; readonly topicId: number; readonly leaders: readonly number[] }
  | { readonly type: 'topicConfigured'; readonly topicId: number; readonly configs: Readonly<Record<string, unknown>> }
  | { readonly type: 'producerIdsReserved'; readonly nextProducerId: number }
  | { readonly type: 'topicIdsUsed'; readonly nextTopicId: number }

/** A topic in the image. */
export interface TopicImage {
  readonly name: string
  readonly topicId: number
  /** The leader's node, by partition. */
  readonly leaders: readonly number[]
  /** What was set, by camel-case name. */
  readonly configs: Readonly<Record<string, unknown>>
  /** What that means, defaults included. */
  readonly config: TopicConfig
}

/** All metadata at one point of the metadata log. */
export interface MetadataImage {
  readonly topics: Map<string, TopicImage>
  readonly names: Map<number, string>
  nextTopicId: number
  nextProducerId: number
  /** One past the last record applied. */
  endOffset: number
}

/** The image before the first record. */
export function emptyImage(): MetadataImage {
  return { topics: new Map(), names: new Map(), nextTopicId: 1, nextProducerId: 1, endOffset: 0 }
}

/** Applies one record of the log. */
export function applyRecord(image: MetadataImage, record: MetadataRecord): void {
  image.endOffset++
  switch (record.type) {
    case 'topicCreated':
      image.nextTopicId = Math.max(image.nextTopicId, record.topicId + 1)
      image.names.set(record.topicId, record.name)
      return setTopic(image, { name: record.name, topicId: record.topicId, leaders: record.leaders, configs: record.configs })
    case 'topicDeleted':
      image.topics.delete(topicOf(image, record.topicId).name)
      image.names.delete(record.topicId)
      return
    case 'partitionsAdded': {
      const topic = topicOf(image, record.topicId)
      return setTopic(image, { ...topic, leaders: [...topic.leaders, ...record.leaders] })
    }
    case 'topicConfigured': {
      const topic = topicOf(image, record.topicId)
      return setTopic(image, { ...topic, configs: record.configs })
    }
    case 'producerIdsReserved':
      image.nextProducerId = record.nextProducerId
      return
    case 'topicIdsUsed':
      image.nextTopicId = Math.max(image.nextTopicId, record.nextTopicId)
      return
    default:
      return unreachable(record)
  }
}

/** Records that make the image out of an empty one, except its end offset: what a snapshot holds. */
export function imageRecords(image: MetadataImage): MetadataRecord[] {
  const topics = [...image.topics.values()].toSorted((a, b) => a.topicId - b.topicId)
  return [
    ...topics.map(({ name, topicId, leaders, configs }) => ({ type: 'topicCreated' as const, name, topicId, leaders, configs })),
    { type: 'topicIdsUsed', nextTopicId: image.nextTopicId },
    { type: 'producerIdsReserved', nextProducerId: image.nextProducerId },
  ]
}

/** The record's bytes in the log. */
export function encodeMetadataRecord(record: MetadataRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record))
}

/** Reads back what `encodeMetadataRecord` wrote; the log's CRC has vouched for the bytes. */
export function decodeMetadataRecord(bytes: Uint8Array): MetadataRecord {
  return JSON.parse(new TextDecoder().decode(bytes)) as MetadataRecord
}

/** Kafka's choice of the partition that holds a group: Java's String.hashCode, made positive, modulo the partitions. */
export function offsetsPartitionOf(group: string, partitionCount: number): number {
  let hash = 0
  for (let i = 0; i < group.length; i++) hash = (Math.imul(hash, 31) + group.charCodeAt(i)) | 0
  return (hash & 0x7fffffff) % partitionCount
}

function topicOf(image: MetadataImage, topicId: number): TopicImage {
  const topic = image.topics.get(image.names.get(topicId) ?? '')
  assert(topic !== undefined, `M1 metadata records speak of topics that exist (topic id ${topicId})`)
  return topic
}

function setTopic(image: MetadataImage, topic: Omit<TopicImage, 'config'>): void {
  const parsed = parseTopicConfig(topic.configs)
  assert(parsed.ok, 'M2 only sound settings are written to the metadata log')
  image.topics.set(topic.name, { ...topic, config: parsed.config })
}
