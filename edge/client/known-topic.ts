/**
 * A topic as a producer uses it: its partitions, the open batch of each, and which partition a record goes to.
 */
import type { Compression } from '../../protocol/compression.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { BATCH_BYTES_MAX, isCompacted } from '../../protocol/topic-config.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import { partitionForKey } from '../../protocol/murmur2.ts'
import type { OpenBatch } from './open-batch.ts'

/** What a producer knows of one topic. */
export interface KnownTopic {
  metadata: TopicMetadata
  /** When it was asked for last, by performance.now(). */
  checkedAt: number
  /** By partition. */
  readonly open: (OpenBatch | null)[]
  /** By partition: batches submitted and not delivered. */
  readonly outstanding: number[]
  /** As large as the producer makes batches. */
  readonly batchSizeBytes: number
  batchBytesMax: number
  /** Where records without a key go until the batch is sent. */
  stickyPartition: number
}

/** Added partitions are used after this time; Kafka's metadata.max.age.ms is 300,000, and asking costs little here. */
const METADATA_MAX_AGE_MILLIS = 2000

/** A topic that has just been described. Batches are at most as large as both the producer and the topic want. */
export function newKnownTopic(metadata: TopicMetadata, batchSizeBytes: number): KnownTopic {
  return {
    metadata,
    checkedAt: performance.now(),
    open: metadata.partitions.map(() => null),
    outstanding: metadata.partitions.map(() => 0),
    batchSizeBytes,
    batchBytesMax: batchBytesMax(metadata, batchSizeBytes),
    stickyPartition: 0,
  }
}

/** Whether it is time to look for added partitions; says so once per period. */
export function isStale(topic: KnownTopic): boolean {
  const now = performance.now()
  if (now - topic.checkedAt < METADATA_MAX_AGE_MILLIS) return false
  topic.checkedAt = now
  return true
}

/** Takes a newer description: a topic only ever grows, but its batches may have to be smaller from now on. */
export function renewTopic(topic: KnownTopic, metadata: TopicMetadata): void {
  topic.metadata = metadata
  topic.batchBytesMax = batchBytesMax(metadata, topic.batchSizeBytes)
  for (let partition = topic.open.length; partition < metadata.partitions.length; partition++) {
    topic.open.push(null)
    topic.outstanding.push(0)
  }
}

/**
 * Where a record goes: as it was chosen, by its key as Kafka's Java client does, or where its predecessor went; -1 if that partition is not there, as far as is known.
 * Throws UNKNOWN_TOPIC_OR_PARTITION for what is never one, and INVALID_RECORD where the topic needs a key.
 */
export function partitionOf(topic: KnownTopic, chosen: number | undefined, key: Uint8Array | null): number {
  const { config, topic: name } = topic.metadata
  if (key === null && config !== null && isCompacted(config))
    throw new KafkaError('INVALID_RECORD', `the topic '${name}' is compacted: every record needs a key`)
  const count = topic.metadata.partitions.length
  if (chosen === undefined) return key === null ? topic.stickyPartition : partitionForKey(key, count)
  if (Number.isInteger(chosen) && chosen >= 0) return chosen < count ? chosen : -1
  throw missingPartition(topic, chosen)
}

/** UNKNOWN_TOPIC_OR_PARTITION for a partition that is not there, or what a partitioner has chosen. */
export function missingPartition({ metadata }: KnownTopic, chosen: number | undefined): KafkaError {
  const what = chosen === undefined ? 'the one that the partitioner has chosen' : String(chosen)
  return new KafkaError(
    'UNKNOWN_TOPIC_OR_PARTITION',
    `${metadata.topic} has partitions 0 to ${metadata.partitions.length - 1}, not ${what}`,
  )
}

/** MESSAGE_TOO_LARGE for a record that no batch of the topic may hold; null if one may. */
export function tooLarge({ metadata }: KnownTopic, sizeBytes: number, compression: Compression): KafkaError | null {
  const { maxMessageBytes } = metadata.config ?? { maxMessageBytes: BATCH_BYTES_MAX }
  // How large it is when it is compressed shows later; what it unfolds to must not be too large for readers.
  const limit = compression === 'none' ? maxMessageBytes : BATCH_BYTES_MAX
  if (sizeBytes <= limit) return null
  const whose = limit < BATCH_BYTES_MAX ? `${metadata.topic}'s maxMessageBytes (${limit}); raise that, or` : `any may be (${limit});`
  return new KafkaError('MESSAGE_TOO_LARGE', `a record of ${sizeBytes} bytes (with its batch) is larger than ${whose} split the record`)
}

function batchBytesMax({ config }: TopicMetadata, batchSizeBytes: number): number {
  return Math.min(batchSizeBytes, config?.maxMessageBytes ?? Infinity)
}
