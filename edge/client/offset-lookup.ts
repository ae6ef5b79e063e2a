/**
 * Where logs begin and end, and where in them a time begins, as their leaders say.
 */
import type { TopicPartition } from '../../protocol/ids.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import { LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { IsolationLevel } from '../../protocol/messages/fetch.ts'
import { throwIfError } from './requests.ts'
import type { Requests } from './requests.ts'

/** How `admin.listOffsets` looks. */
export interface ListOffsetsOptions {
  /** 'read_committed': not beyond what such a consumer reads. Default 'read_uncommitted'. */
  readonly isolationLevel?: IsolationLevel
  /** Only these. Default: all. */
  readonly partitions?: readonly number[]
}

/**
 * Where a timestamp is in partitions of a topic; those without a record that young are absent. Throws like `Requests.ask`, and so as long as one of them has
 * no leader.
 */
export async function offsetsOf(
  requests: Requests,
  topic: TopicMetadata,
  timestamp: number,
  options: ListOffsetsOptions = {},
): Promise<Map<number, number>> {
  const { isolationLevel = 'read_uncommitted', partitions = topic.partitions.map(({ partition }) => partition) } = options
  const asked = { kind: 'listOffsets', topicId: topic.topicId, timestamp, isolationLevel } as const
  const responses = await Promise.all(partitions.map((partition) => requests.askLeader(topic, partition, asked, 'listOffsetsResponse')))
  const offsets = new Map<number, number>()
  responses.forEach(({ errorCode, errorMessage, offset }, index) => {
    throwIfError(errorCode, errorMessage)
    if (offset >= 0) offsets.set(partitions[index]!, offset)
  })
  return offsets
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
