/**
 * Question: how long does it take from the arrival of a record at the producer until three nodes have it and the producer is told, at 1,000 records per
 * second? Open loop, as in latency.ts: a thread of its own lets records arrive on schedule, and the clock of a record starts when it arrives.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Producer } from '../../edge/client/api.ts'
import { open } from '../../edge/client/index.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { nowNanos, pacerUrl } from '../latency-pacer.ts'
import type { Pace } from '../latency-pacer.ts'
import { scaled } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { REPLICAS, TOPIC, VALUE_BYTES, benchRecord } from '../records.ts'
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
const SPACE_BYTES = 2 ** 27

const PERCENTILES: readonly (readonly [name: string, fraction: number])[] = [
  ['p50', 0.5],
  ['p99', 0.99],
]

/** How long the promise of the quorum takes. */
export const replicationLatency: Question = {
  name: 'replication-latency',
  question: 'How long does it take until the quorum of three nodes has acknowledged a record, at 1,000 records per second?',
  results: PERCENTILES.map(([name]) => name),
  goals: [
    { kind: 'atMost', result: 'p50', value: 500 },
    { kind: 'atMost', result: 'p99', value: 3000 },
  ],
  conditions: (options) => ({
    threads: `caller + ${REPLICAS} nodes + pacer`,
    acks: 'quorum',
    replicas: REPLICAS,
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: 1,
    records: `${scaled(RECORDS, options)} at ${RECORDS_PER_SECOND}/s, after ${scaled(WARM_UP_RECORDS, options)} to warm up`,
    measured: 'arrival (a message of the pacing thread) to the promise of send resolves; open loop, no coordinated omission',
  }),
  run,
}

/** Measures one run: the percentiles in the order of `PERCENTILES`, in microseconds. */
export const replicationLatencyTask: Task<LatencyParameters, number[]> = {
  url: import.meta.url,
  name: 'replicationLatencyTask',
  run: measure,
}

async function run(options: RunOptions): Promise<Measurement[]> {
  const measurements = PERCENTILES.map(([name]) => ({ name, unit: 'µs', samples: [] as number[] }))
  for (let round = 1; round <= options.runs; round++) {
    options.progress(`run ${round} of ${options.runs}`)
    using workspace = makeWorkspace(SPACE_BYTES)
    const counts = { recordCount: scaled(RECORDS, options), warmUpCount: scaled(WARM_UP_RECORDS, options) }
    const found = await inChild(replicationLatencyTask, { directory: workspace.directory, ...counts })
    measurements.forEach(({ samples }, index) => samples.push(found[index] ?? NaN))
  }
  return measurements
}

async function measure({ directory, warmUpCount, recordCount }: LatencyParameters): Promise<number[]> {
  await using cluster = await open(directory, { nodes: REPLICAS })
  await cluster.admin.createTopic(TOPIC, { partitions: 1, config: { flush: 'os' } })
  await using producer = cluster.producer()
  const micros = (await sendOnSchedule(producer, warmUpCount + recordCount)).subarray(warmUpCount).toSorted()
  return PERCENTILES.map(([, fraction]) => percentile(micros, fraction))
}

/** How long each record took, in the order of their arrival. */
async function sendOnSchedule(producer: Producer, count: number): Promise<Float64Array> {
  const pace: Pace = { count, intervalMillis: 1000 / RECORDS_PER_SECOND }
  const pacer = new Worker(new URL(pacerUrl), { workerData: pace })
  const record = benchRecord()
  const micros = new Float64Array(count)
  const failures: unknown[] = []
  let arrived = 0
  pacer.on('message', (arrivedAtNanos: number) => {
    const index = arrived++
    const note = (): void => void (micros[index] = (nowNanos() - arrivedAtNanos) / 1000)
    producer
      .send(record)
      .then(note)
      .catch((error: unknown) => failures.push(error))
  })
  await once(pacer, 'exit')
  await producer.flush()
  if (failures.length > 0) throw new Error('a record was refused', { cause: failures[0] })
  return micros
}
