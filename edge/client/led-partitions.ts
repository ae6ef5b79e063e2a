/**
 * What leaders know of the partitions of a topic. They are asked at the same time, and not for long: what the others say does not wait for one that is not there.
 */
import { errorOf, NONE } from '../../protocol/errors.ts'
import type { PartitionMetadata, PartitionSize, TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { TopicDescription } from './admin-api.ts'
import { throwIfError } from './requests.ts'
import type { Requests } from './requests.ts'

type LedPartition = Pick<TopicDescription['partitions'][number], 'beginOffset' | 'endOffset' | 'lags' | 'sizeBytes'>

/** Of each partition, by its number. Throws CLIENT_CLOSED, and UNKNOWN_TOPIC_OR_PARTITION. */
export function ledPartitions(requests: Requests, topic: TopicMetadata): Promise<LedPartition[]> {
  return Promise.all(topic.partitions.map((one) => ledPartition(requests, topic, one)))
}

/** Where the logs end for readers, as far as that is known. Throws likewise. */
export async function knownEndsOf(requests: Requests, topic: TopicMetadata): Promise<Map<number, number>> {
  const ends = new Map<number, number>()
  for (const [partition, { endOffset }] of (await ledPartitions(requests, topic)).entries())
    if (endOffset !== null) ends.set(partition, endOffset)
  return ends
}

/** Bytes of the partitions, each of which is waited for. Throws likewise, and REQUEST_TIMED_OUT for one without a leader. */
export function sizesOf(requests: Requests, topic: TopicMetadata): Promise<PartitionSize[]> {
  const asked = { kind: 'describePartition', topicId: topic.topicId } as const
  return Promise.all(
    topic.partitions.map(async ({ partition }) => {
      const { errorCode, sizeBytes } = await requests.askLeader(topic, partition, asked, 'describePartitionResponse')
      throwIfError(errorCode, null)
      return { topic: topic.topic, partition, sizeBytes }
    }),
  )
}

async function ledPartition(requests: Requests, topic: TopicMetadata, { partition, replicas }: PartitionMetadata): Promise<LedPartition> {
  const asked = { kind: 'describePartition', topicId: topic.topicId } as const
  const told = await requests.askLeaderBriefly(topic, partition, asked, 'describePartitionResponse')
  const isTold = told !== null && (told.errorCode === NONE || errorOf(told.errorCode).name === 'OFFSET_NOT_AVAILABLE')
  const lags = replicas.map((node) => ({ node, lag: known(isTold ? told.lags.find((one) => one.node === node)?.lag : -1) }))
  const { logStartOffset = -1, highWatermark = -1, sizeBytes = -1 } = isTold ? told : {}
  return { beginOffset: known(logStartOffset), endOffset: known(highWatermark), lags, sizeBytes: known(sizeBytes) }
}

function known(value: number = -1): number | null {
  return value < 0 ? null : value
}
