/**
 * Question: how many records per second does one consumer read from a directory whose files are in the page cache, as objects one by one, and as
 * whole batches that nobody decodes? The log is written by one process and read by others, so nothing is left in their memory.
 */
import { open } from '../../edge/client/index.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { produceTask } from '../produce-task.ts'
import { formatNumber } from '../goals.ts'
import { interleave, scaled } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import {
  STORED_RECORD_BYTES,
  VALUE_BYTES,
  POLL_RECORDS,
  consumeBatches,
  countRecords,
  iterateRecords,
  pollRecords,
  readAll,
} from '../records.ts'
import { median } from '../statistics.ts'
import { makeWorkspace } from '../workspace.ts'

interface ConsumeParameters {
  readonly directory: string
  readonly way: string
  readonly recordCount: number
  readonly warmUpCount: number
}

const PARTITIONS = 4
const RECORDS = 10_000_000
const WARM_UP_RECORDS = 1_000_000

/** Beside the two results: `for await` over records, whose cost is mostly that of an async iterator; it becomes a note. */
const FOR_AWAIT = 'for await'

const WAYS: Readonly<Record<string, typeof pollRecords>> = {
  records: pollRecords,
  batches: consumeBatches,
  [FOR_AWAIT]: iterateRecords,
}

/** How fast records are read. */
export const consume: Question = {
  name: 'consume',
  question: 'How many records per second does one consumer read from disk (page cache)?',
  results: ['records', 'batches'],
  goals: [
    { kind: 'atLeast', result: 'records', value: 8_000_000 },
    { kind: 'atLeast', result: 'batches', value: 50_000_000 },
  ],
  conditions: (options) => ({
    threads: 'caller + 1 node',
    valueBytes: VALUE_BYTES,
    partitions: PARTITIONS,
    consumers: 1,
    records: scaled(RECORDS, options),
    'warm-up': `${scaled(WARM_UP_RECORDS, options)} records, by another consumer`,
    ways: `records: poll, up to ${POLL_RECORDS} at a time; batches: for await over batches, not decoded`,
    measured: 'making the consumer to its last record, a fresh process for each run',
  }),
  run,
}

/** Measures one run, in records per second. */
export const consumeTask: Task<ConsumeParameters, number> = { url: import.meta.url, name: 'consumeTask', run: consumeOnce }

async function run(options: RunOptions): Promise<Measurement[]> {
  const recordCount = scaled(RECORDS, options)
  const warmUpCount = scaled(WARM_UP_RECORDS, options)
  using workspace = makeWorkspace(recordCount * STORED_RECORD_BYTES)
  const { directory } = workspace
  options.progress('writing the log')
  await inChild(produceTask, { directory, partitions: PARTITIONS, flush: 'os', lane: 'write', recordCount, warmUpCount: 0 })
  const measurements = await interleave(Object.keys(WAYS), 'records/s', options, (way) =>
    inChild(consumeTask, { directory, way, recordCount, warmUpCount }),
  )
  const forAwait = measurements.find(({ name }) => name === FOR_AWAIT)
  if (forAwait !== undefined) options.note(`for await over records: median ${formatNumber(median(forAwait.samples))} records/s`)
  return measurements.filter(({ name }) => name !== FOR_AWAIT)
}

async function consumeOnce({ directory, way, recordCount, warmUpCount }: ConsumeParameters): Promise<number> {
  const consumeBy = WAYS[way]
  if (consumeBy === undefined) throw new Error(`no way of consuming is called ${way}`)
  await using cluster = await open(directory)
  if ((await countRecords(cluster.admin)) !== recordCount) throw new Error('the log does not hold what was written')
  {
    await using consumer = await readAll(cluster)
    await consumeBy(consumer, warmUpCount)
  }
  const startedAt = performance.now()
  await using consumer = await readAll(cluster)
  const sizeBytes = await consumeBy(consumer, recordCount)
  const elapsedMillis = performance.now() - startedAt
  if (sizeBytes < recordCount * VALUE_BYTES) throw new Error(`${recordCount} records had only ${sizeBytes} bytes`)
  return (recordCount / elapsedMillis) * 1000
}
