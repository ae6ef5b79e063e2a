/**
 * Question: how fast does a new replica take over what the others have? Two nodes have the records; the partitions are moved so that a third one has them,
 * too, and the time until it is in sync counts. Nothing else goes on meanwhile, and the files are in the page cache.
 */
import { open } from '../../edge/client/index.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { interleave, scaled } from '../question.ts'
import type { Question, RunOptions } from '../question.ts'
import { REPLICAS, STORED_RECORD_BYTES, TOPIC, VALUE_BYTES, untilInSync, writeRecords } from '../records.ts'
import { logBytesBelow, makeWorkspace } from '../workspace.ts'

interface CatchUpParameters {
  readonly directory: string
  readonly recordCount: number
}

const PARTITIONS = 4
const RECORDS = 5_000_000

/** How fast an empty replica fills. */
export const catchUp: Question = {
  name: 'catch-up',
  question: 'How many megabytes per second does an empty replica take over?',
  results: ['catch-up'],
  goals: [{ kind: 'atLeast', result: 'catch-up', value: 500 }],
  conditions: (options) => ({
    threads: `caller + ${REPLICAS} nodes`,
    replicas: `${REPLICAS - 1}, then ${REPLICAS}`,
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: PARTITIONS,
    records: scaled(RECORDS, options),
    measured: 'reassigning all partitions to all nodes in sync; bytes of the log (1 MB = 1,000,000 bytes)',
  }),
  run: (options) => interleave(['catch-up'], 'MB/s', options, () => measureOnce(options)),
}

/** Measures one run, in megabytes per second. */
export const catchUpTask: Task<CatchUpParameters, number> = { url: import.meta.url, name: 'catchUpTask', run: measure }

async function measureOnce(options: RunOptions): Promise<number> {
  const recordCount = scaled(RECORDS, options)
  using workspace = makeWorkspace(recordCount * STORED_RECORD_BYTES * REPLICAS)
  return await inChild(catchUpTask, { directory: workspace.directory, recordCount })
}

async function measure({ directory, recordCount }: CatchUpParameters): Promise<number> {
  await using cluster = await open(directory, { nodes: REPLICAS })
  const { admin } = cluster
  await admin.createTopic(TOPIC, { partitions: PARTITIONS, replicationFactor: REPLICAS - 1, config: { flush: 'os' } })
  {
    await using producer = cluster.producer()
    await writeRecords(producer, recordCount)
  }
  await untilInSync(cluster)
  const sizeBytes = logBytesBelow(directory) / (REPLICAS - 1)
  const { partitions } = await admin.describeTopic(TOPIC)
  const startedAt = performance.now()
  for (const { partition, replicas } of partitions) {
    const added = Array.from({ length: REPLICAS }, (_, node) => node).filter((node) => !replicas.includes(node))
    await admin.reassign(TOPIC, partition, [...replicas, ...added])
  }
  await untilInSync(cluster, (described) => described.every(({ isr }) => isr.length === REPLICAS))
  const elapsedMillis = performance.now() - startedAt
  return sizeBytes / 1000 / elapsedMillis
}
