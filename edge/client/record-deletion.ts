/**
 * How an administrator deletes records: all that is asked for is looked at before the first of it is done, so that what is wrong with one of several partitions leaves the
 * others as they are. What fails afterwards (a leader that is gone) leaves what was done before.
 */
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import { isInternalTopic } from '../../protocol/topic-name.ts'
import type { PartitionBegin, RecordsToDelete } from './admin-api.ts'
import { throwIfError } from './requests.ts'
import type { Requests } from './requests.ts'

/** One by one; where each of them begins then. Throws what is wrong with any of them. */
export async function deleteRecords(requests: Requests, wanted: readonly RecordsToDelete[]): Promise<PartitionBegin[]> {
  const topics = new Map<string, TopicMetadata>()
  for (const { topic } of wanted) if (!topics.has(topic)) topics.set(topic, await requests.topic(topic))
  const known = wanted.map((one) => ({ ...one, metadata: topics.get(one.topic)! }))
  if (wanted.length > 1) await Promise.all(known.map((one) => check(requests, one.metadata, one)))
  const begins: PartitionBegin[] = []
  for (const { topic, partition, beforeOffset, metadata } of known) {
    const asked = { kind: 'deleteRecords', topicId: metadata.topicId, beforeOffset } as const
    const response = await requests.askLeader(metadata, partition, asked, 'deleteRecordsResponse')
    throwIfError(response.errorCode, response.errorMessage)
    begins.push({ topic, partition, beginOffset: response.logStartOffset })
  }
  return begins
}

/** Throws what its leader would refuse. */
async function check(requests: Requests, metadata: TopicMetadata, { topic, partition, beforeOffset }: RecordsToDelete): Promise<void> {
  const asked = { kind: 'describePartition', topicId: metadata.topicId } as const
  const { errorCode, highWatermark } = await requests.askLeader(metadata, partition, asked, 'describePartitionResponse')
  throwIfError(errorCode, null)
  const name = topicPartitionName(topic, partition)
  if (isInternalTopic(topic))
    throw new KafkaError('INVALID_TOPIC_EXCEPTION', `${topic} is an internal topic: its records cannot be deleted`)
  if (metadata.config?.cleanupPolicy === 'compact')
    throw new KafkaError('POLICY_VIOLATION', `${topic} is compacted: its records cannot be deleted`)
  if (beforeOffset > highWatermark)
    throw new KafkaError(
      'OFFSET_OUT_OF_RANGE',
      `the records of ${name} can be deleted up to its high watermark ${highWatermark}, not up to ${beforeOffset}`,
    )
}
