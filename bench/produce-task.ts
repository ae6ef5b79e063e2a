/**
 * One run of producing, in its own process: opens a directory, creates the topic, warms the code up, measures, and counts afterwards that every
 * record is there. It does NOT measure opening and closing.
 */
import type { Producer } from '../edge/client/api.ts'
import { open } from '../edge/client/index.ts'
import type { Task } from './child.ts'
import { TOPIC, benchRecord, countRecords, writeRecords } from './records.ts'

/** How records are handed over: without promises, by many callers who each await theirs, or each after the acknowledgement of the one before. */
export type ProduceLane = 'write' | 'promises' | 'oneByOne'

/** What a run of producing is. */
export interface ProduceParameters {
  readonly directory: string
  /** Default 1. */
  readonly nodes?: number
  readonly partitions: number
  readonly flush: 'os' | 'commit'
  readonly lane: ProduceLane
  /** Default true. */
  readonly enableIdempotence?: boolean
  /** Each partition gets a record before. Default false. */
  readonly hasFiles?: boolean
  readonly warmUpCount: number
  readonly recordCount: number
}

/** Callers of the lane `promises`, and so promises under way at a time. */
export const PROMISES_IN_FLIGHT = 10_000

/** Measures one run, in records per second. */
export const produceTask: Task<ProduceParameters, number> = { url: import.meta.url, name: 'produceTask', run: produce }

async function produce(parameters: ProduceParameters): Promise<number> {
  const { directory, nodes = 1, partitions, flush, lane, warmUpCount, recordCount, enableIdempotence = true, hasFiles = false } = parameters
  await using cluster = await open(directory, { nodes })
  await cluster.admin.createTopic(TOPIC, { partitions, config: { flush } })
  await using producer = cluster.producer({ enableIdempotence })
  if (hasFiles) await touchPartitions(producer, partitions)
  await lanes[lane](producer, warmUpCount)
  const startedAt = performance.now()
  await lanes[lane](producer, recordCount)
  const elapsedMillis = performance.now() - startedAt
  const counted = await countRecords(cluster.admin)
  const expected = (hasFiles ? partitions : 0) + warmUpCount + recordCount
  if (counted !== expected) throw new Error(`wrote ${expected} records, the topic has ${counted}`)
  return (recordCount / elapsedMillis) * 1000
}

async function touchPartitions(producer: Producer, partitions: number): Promise<void> {
  const record = benchRecord()
  for (let partition = 0; partition < partitions; partition++) if (!producer.write({ ...record, partition })) await producer.drained()
  await producer.flush()
}

const lanes: Readonly<Record<ProduceLane, (producer: Producer, count: number) => Promise<void>>> = {
  write: writeRecords,
  promises: sendConcurrently,
  oneByOne: sendOneByOne,
}

/** So many callers at a time, each of whom awaits its record before it sends the next. */
async function sendConcurrently(producer: Producer, count: number): Promise<void> {
  const record = benchRecord()
  let sent = 0
  const caller = async (): Promise<void> => {
    while (sent < count) {
      sent++
      await producer.send(record)
    }
  }
  await Promise.all(Array.from({ length: PROMISES_IN_FLIGHT }, caller))
}

async function sendOneByOne(producer: Producer, count: number): Promise<void> {
  const record = benchRecord()
  for (let sent = 0; sent < count; sent++) await producer.send(record)
}
