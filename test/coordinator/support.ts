// What the tests of the coordinator share: partitions, nodes and an image made by records, and answers of a partition that holds a state log.

import fc from 'fast-check'
import { applyRecord, emptyImage } from '../../coordinator/metadata.ts'
import type { MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { NONE } from '../../protocol/errors.ts'
import type { FetchResponse } from '../../protocol/messages/fetch.ts'

// The same examples in every run: a failure is the change's, never the day's. ODRADEK_SEED tries others.
fc.configureGlobal({ seed: Number(process.env['ODRADEK_SEED'] ?? 1883) })

/** A partition whose replicas are all in sync, led by the first. */
export function partitionOf(replicas: readonly number[], changes: Partial<PartitionImage> = {}): PartitionImage {
  const leader = replicas[0] ?? -1
  return { replicas, isr: replicas, elr: [], leader, leaderEpoch: 0, partitionEpoch: 0, adding: [], removing: [], ...changes }
}

/** A topic whose partitions have one replica each, on these nodes, which lead. */
export function created(
  name: string,
  topicId: number,
  leaders: readonly number[] = [0],
  configs: Record<string, unknown> = {},
): MetadataRecord {
  return { type: 'topicCreated', name, topicId, partitions: leaders.map((node) => partitionOf([node])), configs }
}

/** A topic with these partitions. */
export function topicWith(
  name: string,
  topicId: number,
  partitions: readonly PartitionImage[],
  configs: Record<string, unknown> = {},
): MetadataRecord {
  return { type: 'topicCreated', name, topicId, partitions, configs }
}

/** Nodes that are registered, in the broker epoch `100 + node`, and live unless they are said to be fenced. */
export function nodes(
  ids: readonly number[],
  fenced: readonly number[] = [],
  racks: Readonly<Record<number, string>> = {},
): MetadataRecord[] {
  return ids.flatMap((node): MetadataRecord[] => {
    const brokerEpoch = 100 + node
    const activeEpoch = fenced.includes(node) ? -1 : brokerEpoch
    const record: MetadataRecord = {
      type: 'brokerRegistered',
      node,
      brokerEpoch,
      incarnation: 1000 + node,
      rack: racks[node] ?? null,
      activeEpoch,
    }
    return fenced.includes(node) ? [record] : [record, { type: 'brokerFenced', node, fenced: false }]
  })
}

/** The image after these records. */
export function imageOf(...records: readonly MetadataRecord[]): MetadataImage {
  const image = emptyImage()
  for (const record of records) applyRecord(image, record)
  return image
}

/** What a replica answers to a fetch that found these bytes. */
export function fetched(records: Uint8Array | null, highWatermark: number, changes: Partial<FetchResponse> = {}): FetchResponse {
  return {
    kind: 'fetchResponse',
    correlationId: 1,
    errorCode: NONE,
    errorMessage: null,
    highWatermark,
    lastStableOffset: highWatermark,
    abortedTransactions: [],
    logStartOffset: 0,
    epochStartOffset: 0,
    syncedByAll: -1,
    divergingEpoch: -1,
    divergingEndOffset: -1,
    range: null,
    records,
    ...changes,
  }
}
