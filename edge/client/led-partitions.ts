/**
 * What leaders know of the partitions of a topic. They are asked at the same time, and not for long: what the others say does not wait for one that is not there.
 */
import { errorOf, NONE } from '../../protocol/errors.ts'
import type { PartitionMetadata, TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { TopicDescription } from './admin-api.ts'
import type { Requests } from './requests.ts'

type LedPartition = Pick<TopicDescription['partitions'][number], 'beginOffset' | 'endOffset' | 'lags'>

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

async function ledPartition(requests: Requests, topic: TopicMetadata, { partition, replicas }: PartitionMetadata): Promise<LedPartition> {
  const asked = { kind: 'describePartition', topicId: topic.topicId } as const
  const told = await requests.askLeaderBriefly(topic, partition, asked, 'describePartitionResponse')
  const isTold = told !== null && (told.errorCode === NONE || errorOf(told.errorCode).name === 'OFFSET_NOT_AVAILABLE')
  const lags = replicas.map((node) => ({ node, lag: known(isTold ? told.lags.find((one) => one.node === node)?.lag : -1) }))
  return { beginOffset: known(isTold ? told.logStartOffset : -1), endOffset: known(isTold ? told.highWatermark : -1), lags }
}

function known(value: number = -1): number | null {
  return value < 0 ? null : value
}
