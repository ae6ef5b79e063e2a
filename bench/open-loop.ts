/**
 * Open loops, for the questions about latency: a thread of its own (latency-pacer.ts) lets records arrive on schedule, whatever the engine does, and the
 * clock of a record starts when it arrives. A stall therefore counts for every record that arrives meanwhile (no coordinated omission).
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Cluster, Consumer, Producer } from '../edge/client/api.ts'
import { inChild } from './child.ts'
import type { Task } from './child.ts'
import { nowNanos, pacerUrl } from './latency-pacer.ts'
import type { Pace } from './latency-pacer.ts'
import { scaled, together } from './question.ts'
import type { Conditions, Measurement, RunOptions } from './question.ts'
import { benchRecord, readAll, TOPIC, VALUE_BYTES } from './records.ts'
import { percentile } from './statistics.ts'
import { makeWorkspace } from './workspace.ts'

/** What a run of an open loop is. */
export interface OpenLoop {
  readonly directory: string
  readonly warmUpCount: number
  readonly recordCount: number
}

/** Which part of all records a figure covers, by the name of its result. */
export type Percentiles = Readonly<Record<string, number>>

const RECORDS_PER_SECOND = 1000
const RECORDS = 20_000
const WARM_UP_RECORDS = 3000
const SPACE_BYTES = 2 ** 27

/** What all open loops have in common. */
export function openLoopConditions(options: RunOptions): Conditions {
  return {
    acks: 'quorum',
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: 1,
    records: `${scaled(RECORDS, options)} at ${RECORDS_PER_SECOND}/s, after ${scaled(WARM_UP_RECORDS, options)} to warm up`,
  }
}

/** Runs an open loop in processes of their own. The task answers with percentiles in microseconds, in the order of their names. */
export function runOpenLoop(percentiles: Percentiles, options: RunOptions, task: Task<OpenLoop, number[]>): Promise<Measurement[]> {
  return together(Object.keys(percentiles), 'µs', options, async () => {
    using workspace = makeWorkspace(SPACE_BYTES)
    const counts = { recordCount: scaled(RECORDS, options), warmUpCount: scaled(WARM_UP_RECORDS, options) }
    return await inChild(task, { directory: workspace.directory, ...counts })
  })
}

/** The percentiles of what was measured after the first records. */
function percentilesOf(percentiles: Percentiles, micros: Float64Array, { warmUpCount }: OpenLoop): number[] {
  const ascending = micros.subarray(warmUpCount).toSorted()
  return Object.values(percentiles).map((fraction) => percentile(ascending, fraction))
}

/** The percentiles of how long records take from their arrival to a consumer, in a new topic with one partition. */
export async function measureToConsumer(cluster: Cluster, percentiles: Percentiles, loop: OpenLoop): Promise<number[]> {
  await cluster.admin.createTopic(TOPIC, { partitions: 1, config: { flush: 'os' } })
  await using producer = cluster.producer()
  await using consumer = await readAll(cluster)
  const count = loop.warmUpCount + loop.recordCount
  const received = receive(consumer, count)
  await sendOnSchedule(producer, count)
  return percentilesOf(percentiles, await received, loop)
}

async function receive(consumer: Consumer, count: number): Promise<Float64Array> {
  const micros = new Float64Array(count)
  let received = 0
  for await (const { value } of consumer) {
    micros[received] = microsSince(viewOf(value).getFloat64(0))
    if (++received === count) break
  }
  return micros
}

/** Sends records as they arrive, each with the time of its arrival; how long their promises took, in the order of arrival, in microseconds. */
export async function sendOnSchedule(producer: Producer, count: number): Promise<Float64Array> {
  const pace: Pace = { count, intervalMillis: 1000 / RECORDS_PER_SECOND }
  const pacer = new Worker(new URL(pacerUrl), { workerData: pace })
  const record = benchRecord()
  const view = viewOf(record.value)
  const micros = new Float64Array(count)
  const failures: unknown[] = []
  let arrived = 0
  pacer.on('message', (arrivedAtNanos: number) => {
    const index = arrived++
    const note = (): void => void (micros[index] = microsSince(arrivedAtNanos))
    view.setFloat64(0, arrivedAtNanos)
    producer.send(record).then(note, (error: unknown) => failures.push(error))
  })
  await once(pacer, 'exit')
  await producer.flush()
  if (failures.length > 0) throw new Error('a record was refused', { cause: failures[0] })
  return micros
}

function microsSince(nanos: number): number {
  return (nowNanos() - nanos) / 1000
}

function viewOf(value: Uint8Array | null): DataView {
  if (value === null) throw new Error('the record has no value')
  return new DataView(value.buffer, value.byteOffset, value.length)
}
