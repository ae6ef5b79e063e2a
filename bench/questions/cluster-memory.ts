/**
 * Question: how much memory does a process with three nodes hold after it has produced and consumed ten million records? As memory.ts, with three
 * replicas of each record.
 */
import { inBuiltChild } from '../built.ts'
import { interleave, scaled } from '../question.ts'
import type { Question } from '../question.ts'
import { REPLICAS, STORED_RECORD_BYTES, VALUE_BYTES } from '../records.ts'
import { makeWorkspace } from '../workspace.ts'
import { memoryTask } from './memory.ts'

const PARTITIONS = 4
const RECORDS = 10_000_000

/** How much memory the work leaves behind on three nodes. */
export const clusterMemory: Question = {
  name: 'cluster-memory',
  question: 'How much memory is resident after producing and consuming 10 M records on three nodes?',
  results: ['rss'],
  goals: [{ kind: 'atMost', result: 'rss', value: 300 }],
  conditions: (options) => ({
    threads: `caller + ${REPLICAS} nodes`,
    acks: 'quorum',
    replicas: REPLICAS,
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: PARTITIONS,
    records: scaled(RECORDS, options),
    polled: 'up to 500 at a time, the default',
    measured: 'the built package: resident size (1 MB = 1,000,000 bytes) with producer and consumer still open, no forced collection',
  }),
  run: (options) =>
    interleave(['rss'], 'MB', options, async () => {
      const recordCount = scaled(RECORDS, options)
      using workspace = makeWorkspace(recordCount * STORED_RECORD_BYTES * REPLICAS)
      return await inBuiltChild(memoryTask, { directory: workspace.directory, nodes: REPLICAS, recordCount })
    }),
}
