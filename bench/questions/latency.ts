/**
 * Question: how long does a record take from its arrival at the producer to the consumer, at 1,000 records per second? Open loop: a thread of its own
 * (latency-pacer.ts) lets records arrive on schedule, whatever the engine does, and the clock of a record starts when it arrives. A stall therefore
 * counts for every record that arrives meanwhile (no coordinated omission), and waking the caller's thread is part of the time.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Consumer, Producer } from '../../edge/client/api.ts'
import { open } from '../../edge/client/index.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { nowNanos, pacerUrl } from '../latency-pacer.ts'
import type { Pace } from '../latency-pacer.ts'
import { scaled } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { TOPIC, VALUE_BYTES, benchRecord, readAll } from '../records.ts'
import { percentile } from '../statistics.ts'
import { makeWorkspace } from '../workspace.ts'

interface LatencyParameters {
  readonly directory: string
  readonly warmUpCount: number
  readonly recordCount: number
}

const RECORDS_PER_SECOND = 1000
const RECORDS = 20_000
const WARM_UP_RECORDS = 3000
const SPACE_BYTES = 2 ** 26

const PERCENTILES: readonly (readonly [name: string, fraction: number])[] = [
  ['p50', 0.5],
  ['p99', 0.99],
  ['p999', 0.999],
]

/** How long a record is under way. */
export const latency: Question = {
  name: 'latency',
  question: 'How long is a record under way from send to receive, at 1,000 records per second?',
  results: PERCENTILES.map(([name]) => name),
  goals: [
    { kind: 'atMost', result: 'p50', value: 150 },
    { kind: 'atMost', result: 'p99', value: 1000 },
  ],
  conditions: (options) => ({
    threads: 'caller (producer and consumer) + 1 node + pacer',
    acks: 'quorum',
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: 1,
    records: `${scaled(RECORDS, options)} at ${RECORDS_PER_SECOND}/s, after ${scaled(WARM_UP_RECORDS, options)} to warm up`,
    measured: 'arrival (a message of the pacing thread) to the consumer has the record; open loop, no coordinated omission',
  }),
  run,
}

/** Measures one run: the percentiles in the order of `PERCENTILES`, in microseconds. */
export const latencyTask: Task<LatencyParameters, number[]> = { url: import.meta.url, name: 'latencyTask', run: measure }

async function run(options: RunOptions): Promise<Measurement[]> {
  const measurements = PERCENTILES.map(([name]) => ({ name, unit: 'µs', samples: [] as number[] }))
  for (let round = 1; round <= options.runs; round++) {
    options.progress(`run ${round} of ${options.runs}`)
    using workspace = makeWorkspace(SPACE_BYTES)
    const recordCount = scaled(RECORDS, options)
    const found = await inChild(latencyTask, { directory: workspace.directory, recordCount, warmUpCount: scaled(WARM_UP_RECORDS, options) })
    measurements.forEach(({ samples }, index) => samples.push(found[index] ?? NaN))
  }
  return measurements
}

async function measure({ directory, warmUpCount, recordCount }: LatencyParameters): Promise<number[]> {
  await using cluster = await open(directory)
  await cluster.admin.createTopic(TOPIC, { partitions: 1, config: { flush: 'os' } })
  await using producer = cluster.producer()
  await using consumer = await readAll(cluster)
  const count = warmUpCount + recordCount
  const received = receive(consumer, count)
  await sendOnSchedule(producer, count)
  const micros = (await received).subarray(warmUpCount).toSorted()
  return PERCENTILES.map(([, fraction]) => percentile(micros, fraction))
}

async function sendOnSchedule(producer: Producer, count: number): Promise<void> {
  const pace: Pace = { count, intervalMillis: 1000 / RECORDS_PER_SECOND }
  const pacer = new Worker(new URL(pacerUrl), { workerData: pace })
  const record = benchRecord()
  const view = viewOf(record.value)
  const failures: unknown[] = []
  pacer.on('message', (arrivedAtNanos: number) => {
    view.setFloat64(0, arrivedAtNanos)
    producer.send(record).catch((error: unknown) => failures.push(error))
  })
  await once(pacer, 'exit')
  await producer.flush()
  if (failures.length > 0) throw new Error('a record was refused', { cause: failures[0] })
}

async function receive(consumer: Consumer, count: number): Promise<Float64Array> {
  const micros = new Float64Array(count)
  let received = 0
  for await (const { value } of consumer) {
    micros[received] = (nowNanos() - viewOf(value).getFloat64(0)) / 1000
    if (++received === count) break
  }
  return micros
}

function viewOf(value: Uint8Array | null): DataView {
  if (value === null) throw new Error('the record has no value')
  return new DataView(value.buffer, value.byteOffset, value.length)
}
