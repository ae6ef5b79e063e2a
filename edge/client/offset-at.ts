/**
 * Where a partition has its first record of a certain age.
 */
import type { TopicPartition } from '../../protocol/ids.ts'
import { LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import { throwIfError } from './requests.ts'
import type { Requests } from './requests.ts'

/** The first offset at least that young, or the end of the partition. */
export async function offsetAt(requests: Requests, { topic, partition }: TopicPartition, timestamp: number): Promise<number> {
  const metadata = await requests.topic(topic)
  const to = requests.leaderOf(metadata, partition)
  for (const wanted of [timestamp, LATEST_TIMESTAMP]) {
    const asked = { kind: 'listOffsets', topicId: metadata.topicId, timestamp: wanted, isolationLevel: 'read_uncommitted' } as const
    const found = await requests.ask(to, asked, 'listOffsetsResponse')
    throwIfError(found.errorCode, found.errorMessage)
    if (found.offset >= 0) return found.offset
  }
  return 0
}
