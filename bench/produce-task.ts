/**
 * One run of producing, in its own process: opens a directory, creates the topic, warms the code up, measures, and counts afterwards that every
 * record is there. It does NOT measure opening and closing.
 */
import type { Producer } from '../edge/client/api.ts'
import { open } from '../edge/client/index.ts'
import type { Task } from './child.ts'
import { TOPIC, benchRecord, countRecords, writeRecords } from './records.ts'

/** How records are handed over: without promises, with a window of promises, or each after the acknowledgement of the one before. */
export type ProduceLane = 'write' | 'promises' | 'oneByOne'

/** What a run of producing is. */
export interface ProduceParameters {
  readonly directory: string
  readonly partitions: number
  readonly flush: 'os' | 'commit'
  readonly lane: ProduceLane
  readonly warmUpCount: number
  readonly recordCount: number
}

/** Promises under way at a time in the lane `promises`. */
export const PROMISES_IN_FLIGHT = 10_000

/** Measures one run, in records per second. */
export const produceTask: Task<ProduceParameters, number> = { url: import.meta.url, name: 'produceTask', run: produce }

async function produce({ directory, partitions, flush, lane, warmUpCount, recordCount }: ProduceParameters): Promise<number> {
  await using cluster = await open(directory)
  await cluster.admin.createTopic(TOPIC, { partitions, config: { flush } })
  await using producer = cluster.producer()
  await lanes[lane](producer, warmUpCount)
  const startedAt = performance.now()
  await lanes[lane](producer, recordCount)
  const elapsedMillis = performance.now() - startedAt
  const counted = await countRecords(cluster.admin)
  if (counted !== warmUpCount + recordCount) throw new Error(`wrote ${warmUpCount + recordCount} records, the topic has ${counted}`)
  return (recordCount / elapsedMillis) * 1000
}

const lanes: Readonly<Record<ProduceLane, (producer: Producer, count: number) => Promise<void>>> = {
  write: writeRecords,
  promises: sendInWindow,
  oneByOne: sendOneByOne,
}

/** Every promise is awaited; a new record is sent when the oldest of the window is acknowledged. */
async function sendInWindow(producer: Producer, count: number): Promise<void> {
  const record = benchRecord()
  const window: Promise<unknown>[] = Array.from({ length: Math.min(PROMISES_IN_FLIGHT, count) }, () => Promise.resolve())
  for (let sent = 0; sent < count; sent++) {
    const slot = sent % window.length
    await window[slot]
    window[slot] = producer.send(record)
  }
  await Promise.all(window)
}

async function sendOneByOne(producer: Producer, count: number): Promise<void> {
  const record = benchRecord()
  for (let sent = 0; sent < count; sent++) await producer.send(record)
}
