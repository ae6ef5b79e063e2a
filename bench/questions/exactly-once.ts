/**
 * Question: how many records per second does a pipeline read, process and write exactly once, and how fast is that against at least once? The log is written by one
 * process and read by others.
 */
import { open } from '../../edge/client/index.ts'
import type { Guarantee } from '../../edge/client/index.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { produceTask } from '../produce-task.ts'
import { scaled } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { POLL_RECORDS, STORED_RECORD_BYTES, TOPIC, VALUE_BYTES } from '../records.ts'
import { makeWorkspace } from '../workspace.ts'

interface PipelineParameters {
  readonly directory: string
  readonly guarantee: Guarantee
  readonly recordCount: number
  readonly run: string
}

const PARTITIONS = 4
const RECORDS = 5_000_000
const COMMIT_MILLIS = 100

/** How fast a pipeline is that does everything once. */
export const exactlyOnce: Question = {
  name: 'exactly-once',
  question: 'How many records per second does a pipeline read, process and write exactly once?',
  results: ['ratio', 'rate', 'at-least-once'],
  goals: [
    { kind: 'atLeast', result: 'ratio', value: 0.85 },
    { kind: 'atLeast', result: 'rate', value: 2_000_000 },
  ],
  conditions: (options) => ({
    threads: 'caller + 1 node',
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: `${PARTITIONS} in, ${PARTITIONS} out`,
    records: scaled(RECORDS, options),
    'commit interval': `${COMMIT_MILLIS} ms`,
    handler: 'writes each record to another topic',
    measured: 'making the consumer to the last commit, a fresh process for each run',
    ratio: 'exactly once to at least once, of two runs that follow each other',
  }),
  run,
}

/** Measures one run, in records per second. */
export const pipelineTask: Task<PipelineParameters, number> = { url: import.meta.url, name: 'pipelineTask', run: measure }

async function run(options: RunOptions): Promise<Measurement[]> {
  const recordCount = scaled(RECORDS, options)
  const samples: { exactly: number[]; atLeast: number[]; ratio: number[] } = { exactly: [], atLeast: [], ratio: [] }
  for (let run = 1; run <= options.runs; run++) {
    options.progress(`run ${run} of ${options.runs}`)
    using workspace = makeWorkspace(3 * recordCount * STORED_RECORD_BYTES)
    const { directory } = workspace
    await inChild(produceTask, { directory, partitions: PARTITIONS, flush: 'os', lane: 'write', recordCount, warmUpCount: 0 })
    const measureOne = (guarantee: Guarantee): Promise<number> =>
      inChild(pipelineTask, { directory, guarantee, recordCount, run: `${run}` })
    // Who comes first has the disk as the other one left it: they take turns.
    const order: Guarantee[] = run % 2 === 0 ? ['exactly-once', 'at-least-once'] : ['at-least-once', 'exactly-once']
    const rates = new Map<Guarantee, number>()
    for (const guarantee of order) rates.set(guarantee, await measureOne(guarantee))
    const exactly = rates.get('exactly-once') ?? NaN
    const atLeast = rates.get('at-least-once') ?? NaN
    samples.exactly.push(exactly)
    samples.atLeast.push(atLeast)
    samples.ratio.push(exactly / atLeast)
  }
  return [
    { name: 'ratio', unit: 'x', samples: samples.ratio },
    { name: 'rate', unit: 'records/s', samples: samples.exactly },
    { name: 'at-least-once', unit: 'records/s', samples: samples.atLeast },
  ]
}

async function measure({ directory, guarantee, recordCount, run: label }: PipelineParameters): Promise<number> {
  await using cluster = await open(directory)
  const topic = `out-${guarantee}-${label}`
  await cluster.admin.createTopic(topic, { partitions: PARTITIONS, config: { flush: 'os' } })
  const startedAt = performance.now()
  await using consumer = cluster.consumer({ group: `${guarantee}-${label}`, topics: [TOPIC], maxPollRecords: POLL_RECORDS })
  const controller = new AbortController()
  let remaining = recordCount
  await consumer.process(
    ({ value }, outlet) => {
      const hasRoom = outlet.write({ topic, value })
      if (--remaining === 0) controller.abort()
      if (!hasRoom) return outlet.drained()
    },
    { guarantee, commitIntervalMillis: COMMIT_MILLIS, signal: controller.signal },
  )
  const elapsedMillis = performance.now() - startedAt
  await countOnce(cluster, topic, recordCount)
  return (recordCount / elapsedMillis) * 1000
}

async function countOnce(cluster: Awaited<ReturnType<typeof open>>, topic: string, recordCount: number): Promise<void> {
  await using reader = cluster.consumer({ isolationLevel: 'read_committed', maxPollRecords: POLL_RECORDS })
  reader.assign(Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition })))
  let count = 0
  for (let polled = await reader.poll(); polled.length > 0; polled = await reader.poll({ timeoutMillis: 500 })) count += polled.length
  if (count !== recordCount) throw new Error(`the pipeline read ${recordCount} records and wrote ${count}`)
}
