/**
 * Question: how fast is a log compacted, and what do those who are served meanwhile notice of it? A partition with 10 % distinct keys is compacted at once; from the
 * moment when its replica has begun until it has ended counts. Beside it records arrive at another partition of the same node, before and during that: an
 * open loop (open-loop.ts); the ratio is that of the 99th percentiles.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../../edge/client/api.ts'
import { open } from '../../edge/client/index.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { sendOnSchedule } from '../open-loop.ts'
import { scaled } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { STORED_RECORD_BYTES, TOPIC, VALUE_BYTES } from '../records.ts'
import { percentile } from '../statistics.ts'
import { makeWorkspace } from '../workspace.ts'

const TABLE = 'table'
const RECORDS = 8_000_000
const DISTINCT_SHARE = 0.1
const SEGMENT_BYTES = 2 ** 26
const KEY_BYTES = 16
/** Before and during the compaction, at 1,000 a second. */
const SERVED_RECORDS = 5000
const LOOK_MILLIS = 5
const WAIT_MILLIS_MAX = 60_000

/** What compaction costs. */
export const compaction: Question = {
  name: 'compaction',
  question: 'How fast is a log compacted, and what becomes of the latency meanwhile?',
  results: ['rate', 'serving-p99-ratio'],
  goals: [
    { kind: 'atLeast', result: 'rate', value: 2_000_000 },
    { kind: 'atMost', result: 'serving-p99-ratio', value: 2 },
  ],
  conditions: (options) => ({
    threads: 'caller + 1 node + 1 job + pacer',
    acks: 'quorum',
    flush: 'os',
    valueBytes: VALUE_BYTES,
    records: `${scaled(RECORDS, options)}, ${DISTINCT_SHARE * 100} % distinct keys`,
    'page cache': 'warm',
    measured: 'rate: without other load; ratio: 99th percentile from arrival to acknowledgement in another partition, during and before',
  }),
  run,
}

/** A compaction to measure. */
interface Load {
  readonly directory: string
  readonly records: number
  readonly segmentBytes: number
  readonly servedRecords: number
}

/** Measures the rate, in records per second. */
export const compactionRateTask: Task<Load, number> = { url: import.meta.url, name: 'compactionRateTask', run: measureRate }

/** Measures by how much others wait longer. */
export const compactionRatioTask: Task<Load, number> = { url: import.meta.url, name: 'compactionRatioTask', run: measureRatio }

async function run(options: RunOptions): Promise<Measurement[]> {
  const records = scaled(RECORDS, options)
  const load = { records, segmentBytes: Math.max(16_384, scaled(SEGMENT_BYTES, options)), servedRecords: scaled(SERVED_RECORDS, options) }
  const rates: number[] = []
  const ratios: number[] = []
  for (let i = 1; i <= options.runs; i++) {
    for (const [task, samples] of [[compactionRateTask, rates] as const, [compactionRatioTask, ratios] as const]) {
      options.progress(`${task.name}, run ${i} of ${options.runs}`)
      using workspace = makeWorkspace(records * (STORED_RECORD_BYTES + KEY_BYTES) * 2)
      samples.push(await inChild(task, { ...load, directory: workspace.directory }))
    }
  }
  return [
    { name: 'rate', unit: 'records/s', samples: rates },
    { name: 'serving-p99-ratio', unit: 'x', samples: ratios },
  ]
}

async function measureRate(load: Load): Promise<number> {
  await using cluster = await open(load.directory)
  await fill(cluster, load)
  await cluster.admin.alterConfig(TABLE, { minCompactionLagMillis: 0 })
  const startedAt = await begun(cluster)
  return (load.records * 1000) / ((await ended(cluster)) - startedAt)
}

async function measureRatio(load: Load): Promise<number> {
  await using cluster = await open(load.directory)
  await fill(cluster, load)
  await cluster.admin.createTopic(TOPIC, { partitions: 1, config: { flush: 'os' } })
  await using producer = cluster.producer()
  await sendOnSchedule(producer, load.servedRecords)
  const before = await sendOnSchedule(producer, load.servedRecords)
  await cluster.admin.alterConfig(TABLE, { minCompactionLagMillis: 0 })
  await begun(cluster)
  const during = await sendOnSchedule(producer, load.servedRecords)
  // What came after its end counts for both.
  await ended(cluster)
  return percentile(during.toSorted(), 0.99) / percentile(before.toSorted(), 0.99)
}

/** Writes the records; nothing is compacted before somebody allows it. */
async function fill(cluster: Cluster, { records, segmentBytes }: Load): Promise<void> {
  const config = { cleanupPolicy: 'compact', minCleanableDirtyRatio: 0, minCompactionLagMillis: 3_600_000, flush: 'os', segmentBytes }
  await cluster.admin.createTopic(TABLE, { partitions: 1, config })
  await using producer = cluster.producer()
  const distinct = Math.max(1, Math.round(records * DISTINCT_SHARE))
  const key = new Uint8Array(KEY_BYTES)
  const view = new DataView(key.buffer)
  const record = { topic: TABLE, key, value: new Uint8Array(VALUE_BYTES).fill(120) }
  for (let written = 0; written < records; written++) {
    // A prime step visits all keys in an order that is not that of the log.
    view.setUint32(KEY_BYTES - 4, (written * 7919) % distinct)
    if (!producer.write(record)) await producer.drained()
  }
  await producer.flush()
}

function begun(cluster: Cluster): Promise<number> {
  return until(cluster, ({ isRunning, cleanedOffset }) => isRunning || cleanedOffset > 0)
}

function ended(cluster: Cluster): Promise<number> {
  return until(cluster, ({ isRunning, cleanedOffset }) => !isRunning && cleanedOffset > 0)
}

interface Cleaning {
  readonly isRunning: boolean
  readonly cleanedOffset: number
}

/** When the replica's compaction stood so, by performance.now(). */
async function until(cluster: Cluster, isSo: (cleaning: Cleaning) => boolean): Promise<number> {
  for (const deadline = performance.now() + WAIT_MILLIS_MAX; performance.now() < deadline; await sleep(LOOK_MILLIS)) {
    const { nodes } = (await cluster.inspect()) as { readonly nodes: Record<string, Record<string, { readonly cleaning?: Cleaning }>> }
    const cleaning = nodes['0']?.[`replica/${TABLE}-0`]?.cleaning
    if (cleaning !== undefined && isSo(cleaning)) return performance.now()
  }
  throw new Error('nothing was compacted')
}
