/**
 * Which groups have ever committed: read from `__consumer_offsets`, where the commits are.
 */
import { NONE } from '../../protocol/errors.ts'
import { walkBatches } from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { Requests } from './requests.ts'

const CHUNK_BYTES = 1024 * 1024
const OFFSETS_TOPIC = '__consumer_offsets'

/** The ids of all groups with commits. */
export async function groupsInLog(requests: Requests): Promise<Set<string>> {
  const groups = new Set<string>()
  const { topics } = await requests.askCoordinator({ kind: 'metadata', topics: [OFFSETS_TOPIC] }, 'metadataResponse')
  const topic = topics[0]
  if (topic === undefined || topic.errorCode !== NONE) return groups
  for (const { partition } of topic.partitions) await scanPartition(requests, topic, partition, groups)
  return groups
}

async function scanPartition(requests: Requests, topic: TopicMetadata, partition: number, groups: Set<string>): Promise<void> {
  const to = requests.leaderOf(topic, partition)
  for (let fetchOffset = 0, end = 1; fetchOffset < end;) {
    const response = await requests.ask(
      to,
      {
        kind: 'fetch',
        topicId: topic.topicId,
        leaderEpoch: -1,
        fetchOffset,
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
        if (record.key !== null) addGroup(record.key, groups)
        fetchOffset = record.offset + 1
      }
    }
  }
}

/** The key of a commit begins with version i16 = 1 and the group as an i16 length and UTF-8. */
function addGroup(key: Uint8Array, groups: Set<string>): void {
  if (key.length < 4 || key[0] !== 0 || key[1] !== 1) return
  const end = 4 + (((key[2] ?? 0) << 8) | (key[3] ?? 0))
  if (end <= key.length) groups.add(new TextDecoder().decode(key.subarray(4, end)))
}
