/**
 * Reads records that a share group has given to a member, where their partition is led. Markers, what is aborted, and what compaction or retention has taken are
 * no records: nobody needs to look at them.
 */
import { errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { FetchResponse, IsolationLevel } from '../../protocol/messages/fetch.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { AcquiredRange } from '../../protocol/messages/share.ts'
import type { LogRecord } from '../../protocol/record-batch.ts'
import { Chunk } from './chunk-reader.ts'
import { ConsumedPartition } from './consumed-partition.ts'
import { fetchOf } from './fetched-bytes.ts'
import type { QuotaGate } from './quota-gate.ts'
import type { Requests } from './requests.ts'

/** Answers in a row without anything new, after which the rest is given back. */
const EMPTY_COUNT_MAX = 10

/** What was found of a range: its records, and where reading ended. */
export interface ReadRange {
  readonly records: readonly LogRecord[]
  /** What lies from here on could not be read now. */
  readonly endOffset: number
}

/** The records of a range. Throws CORRUPT_MESSAGE, and what asking the leader throws. */
export async function readAcquired(
  requests: Requests,
  topic: TopicMetadata,
  { first, last, partition, topicId }: AcquiredRange,
  isolationLevel: IsolationLevel,
  gate: QuotaGate,
): Promise<ReadRange> {
  const one = new ConsumedPartition(topic.topic, partition)
  one.position = first
  const records: LogRecord[] = []
  for (let emptyCount = 0; one.position <= last && emptyCount < EMPTY_COUNT_MAX;) {
    const before: number = one.position
    const response = await requests.askLeader(topic, partition, fetchOf(topicId, before, isolationLevel), 'fetchResponse')
    gate.charge(response.records?.length ?? 0)
    if (!takeAnswer(one, response)) break
    if (takeRecords(one, last, records)) break
    if (one.position === before) emptyCount++
  }
  return { records, endOffset: one.position }
}

/** False: there is nothing any more. */
function takeAnswer(one: ConsumedPartition, { errorCode, logStartOffset, records, abortedTransactions }: FetchResponse): boolean {
  const position = one.position ?? 0
  const { name } = errorOf(errorCode)
  if (name === 'OFFSET_OUT_OF_RANGE' && logStartOffset > position) {
    one.position = logStartOffset
    return true
  }
  if (name === 'CORRUPT_MESSAGE') throw damaged(one)
  if (errorCode !== NONE) return false
  if (records === null || records.length === 0) return true
  const chunk = new Chunk(records, position, null)
  if (chunk.positions.length === 0) throw damaged(one)
  one.aborted.add(abortedTransactions)
  one.push(chunk)
  return true
}

/** Says whether the end of the range was passed; the position is behind it then. */
function takeRecords(one: ConsumedPartition, last: number, records: LogRecord[]): boolean {
  for (let record = one.nextRecord(true); record !== null; record = one.nextRecord(true)) {
    const { offset, timestamp, key, value, headers } = record
    if (offset > last) return true
    records.push({ offset, timestamp, key, value, headers })
  }
  return false
}

function damaged({ topic, partition, position }: ConsumedPartition): KafkaError {
  const name = topicPartitionName(topic, partition)
  return new KafkaError('CORRUPT_MESSAGE', `the batch at offset ${position} of ${name} is damaged; what the group had of it is given again`)
}
