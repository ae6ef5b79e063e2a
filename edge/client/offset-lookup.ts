/**
 * Where in a partition a time begins, as a consumer looks it up.
 */
import type { TopicPartition } from '../../protocol/ids.ts'
import { LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { IsolationLevel } from '../../protocol/messages/fetch.ts'
import { throwIfError } from './requests.ts'
import type { Requests } from './requests.ts'

/** How `admin.listOffsets` looks. */
export interface ListOffsetsOptions {
  /** 'read_committed': not beyond what such a consumer reads. Default 'read_uncommitted'. */
  readonly isolationLevel?: IsolationLevel
}

/** The first offset at least that young, or the end of what such a reader sees of the partition. */
export async function offsetAt(
  requests: Requests,
  { topic, partition }: TopicPartition,
  timestamp: number,
  isolationLevel: IsolationLevel = 'read_uncommitted',
): Promise<number> {
  const metadata = await requests.topic(topic)
  const to = requests.leaderOf(metadata, partition)
  for (const wanted of [timestamp, LATEST_TIMESTAMP]) {
    const asked = { kind: 'listOffsets', topicId: metadata.topicId, timestamp: wanted, isolationLevel } as const
    const found = await requests.ask(to, asked, 'listOffsetsResponse')
    throwIfError(found.errorCode, found.errorMessage)
    if (found.offset >= 0) return found.offset
  }
  return 0
}
