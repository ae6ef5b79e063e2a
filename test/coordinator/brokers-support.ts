// A cluster of three nodes with one topic, for the rules of brokers.

import type { Registration } from '../../coordinator/brokers.ts'
import { applyRecord } from '../../coordinator/metadata.ts'
import type { MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { imageOf, nodes, topicWith } from './support.ts'

/** Three live nodes, in the broker epochs 100, 101 and 102, and topic 1 with these partitions. */
export function clusterWith(
  partitions: readonly PartitionImage[],
  configs: Record<string, unknown> = {},
  fenced: readonly number[] = [],
): MetadataImage {
  const image = imageOf(...nodes([0, 1, 2], fenced), topicWith('t', 1, partitions, configs))
  image.endOffset = 200
  return image
}

/** Node 1 presents itself: by default with everything that it had. */
export function registration(changes: Partial<Registration> = {}): Registration {
  return { node: 1, incarnation: 77, rack: null, previousBrokerEpoch: 101, isUnsyncedSafe: true, ...changes }
}

/** A partition after some records. */
export function after(image: MetadataImage, records: readonly MetadataRecord[], partition = 0): PartitionImage | undefined {
  for (const record of records) applyRecord(image, record)
  return image.topics.get('t')?.partitions[partition]
}
