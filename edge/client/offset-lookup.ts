/**
 * Where logs begin and end, and where in them a time begins, as their leaders say. They cannot look into compressed batches: where the time may begin in one of those,
 * it is read and looked into here.
 */
import { errorOf, KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import { LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { FetchResponse, IsolationLevel } from '../../protocol/messages/fetch.ts'
import { findOffsetByTimestamp, RecordBatchView } from '../../protocol/record-batch-reader.ts'
import { nodeCompressor } from '../../runtime/compressor.ts'
import { Chunk } from './chunk-reader.ts'
import { fetchOf } from './fetched-bytes.ts'
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
  const offsets = new Map<number, number>()
  const found = await Promise.all(partitions.map((partition) => offsetIn(requests, topic, partition, timestamp, isolationLevel)))
  found.forEach((offset, index) => {
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
  for (const wanted of [timestamp, LATEST_TIMESTAMP]) {
    const offset = await offsetIn(requests, metadata, partition, wanted, isolationLevel)
    if (offset >= 0) return offset
  }
  return 0
}

/** -1: there is no record that young. */
async function offsetIn(
  requests: Requests,
  topic: TopicMetadata,
  partition: number,
  timestamp: number,
  isolationLevel: IsolationLevel,
): Promise<number> {
  const asked = { kind: 'listOffsets', topicId: topic.topicId, timestamp, isolationLevel } as const
  const found = await requests.askLeader(topic, partition, asked, 'listOffsetsResponse')
  throwIfError(found.errorCode, found.errorMessage)
  const isSure = timestamp < 0 || found.offset < 0 || found.timestamp >= 0
  if (isSure) return found.offset
  const read = (offset: number): Promise<FetchResponse> =>
    requests.askLeader(topic, partition, fetchOf(topic.topicId, offset, isolationLevel), 'fetchResponse')
  return search(read, topicPartitionName(topic.topic, partition), timestamp, found.offset)
}

/** Looks through what is read from an offset on, which is one batch, unless its header promises more than its records keep. */
async function search(read: (offset: number) => Promise<FetchResponse>, name: string, timestamp: number, begin: number): Promise<number> {
  for (let offset = begin; ;) {
    const { errorCode, errorMessage, logStartOffset, records } = await read(offset)
    if (errorOf(errorCode).name === 'OFFSET_OUT_OF_RANGE' && logStartOffset > offset) {
      offset = logStartOffset
      continue
    }
    throwIfError(errorCode, errorMessage)
    if (records === null || records.length === 0) return -1
    const { bytes, positions } = new Chunk(records, offset, null)
    if (positions.length === 0) throw new KafkaError('CORRUPT_MESSAGE', `the batch at offset ${offset} of ${name} is damaged`)
    for (const { at } of positions) {
      const batch = new RecordBatchView(bytes, at, nodeCompressor)
      const hit = findOffsetByTimestamp(batch, timestamp, Math.max(offset, logStartOffset))
      if (hit !== null) return hit.offset
      offset = batch.lastOffset + 1
    }
  }
}
