/**
 * Which groups have committed offsets: read from `__consumer_offsets`, where the commits are.
 */
import { NONE } from '../../protocol/errors.ts'
import { CONSUMER_REPLICA } from '../../protocol/messages/fetch.ts'
import { walkBatches } from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { Requests } from './requests.ts'

const CHUNK_BYTES = 1024 * 1024
const OFFSETS_TOPIC = '__consumer_offsets'

/** By group: the keys of its commits, as texts. */
type Commits = Map<string, Set<string>>

/** The ids of all groups with commits. */
export async function groupsInLog(requests: Requests): Promise<Set<string>> {
  const groups: Commits = new Map()
  const { topics } = await requests.askCoordinator({ kind: 'metadata', topics: [OFFSETS_TOPIC] }, 'metadataResponse')
  const topic = topics[0]
  if (topic === undefined || topic.errorCode !== NONE) return new Set()
  for (const { partition } of topic.partitions) await scanPartition(requests, topic, partition, groups)
  return new Set(groups.keys())
}

async function scanPartition(requests: Requests, topic: TopicMetadata, partition: number, groups: Commits): Promise<void> {
  const to = requests.leaderOf(topic, partition)
  for (let fetchOffset = 0, end = 1; fetchOffset < end;) {
    const response = await requests.ask(
      to,
      {
        kind: 'fetch',
        topicId: topic.topicId,
        leaderEpoch: -1,
        replicaId: CONSUMER_REPLICA,
        brokerEpoch: -1,
        lastFetchedEpoch: -1,
        fetchOffset,
        logStartOffset: -1,
        minBytes: 1,
        maxBytes: CHUNK_BYTES,
        maxWaitMillis: 0,
        mode: 'bytes',
      },
      'fetchResponse',
    )
    end = response.highWatermark
    const bytes = response.records ?? new Uint8Array(0)
    const batches = walkBatches(bytes)
    if (batches.length === 0) return
    for (const { at } of batches) {
      for (const record of readRecords(bytes, at)) {
        if (record.key !== null) take(groups, record.key, record.value === null)
        fetchOffset = record.offset + 1
      }
    }
  }
}

/** The key of a commit begins with version i16 = 1 and the group as an i16 length and UTF-8. A tombstone takes the commit back. */
function take(groups: Commits, key: Uint8Array, isTombstone: boolean): void {
  if (key.length < 4 || key[0] !== 0 || key[1] !== 1) return
  const end = 4 + (((key[2] ?? 0) << 8) | (key[3] ?? 0))
  if (end > key.length) return
  const group = new TextDecoder('utf-8', { ignoreBOM: true }).decode(key.subarray(4, end))
  const keys = groups.get(group) ?? new Set()
  if (isTombstone) keys.delete(key.toString())
  else keys.add(key.toString())
  if (keys.size === 0) groups.delete(group)
  else groups.set(group, keys)
}
