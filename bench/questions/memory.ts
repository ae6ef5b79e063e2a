/**
 * Question: how much memory does the process hold after it has produced and consumed ten million records, with one node, and with three that all have
 * them? Resident size as the system sees it, all threads together, without asking the collector to tidy up first. What is measured is the built package,
 * as it is installed: from the sources, taking the types out of each file would hold some of it.
 */
import { open } from '../../edge/client/index.ts'
import { inBuiltChild } from '../built.ts'
import type { Task } from '../child.ts'
import { interleave, scaled } from '../question.ts'
import type { Question } from '../question.ts'
import { partitionsOf, pollRecords, REPLICAS, STORED_RECORD_BYTES, TOPIC, VALUE_BYTES, writeRecords } from '../records.ts'
import { makeWorkspace } from '../workspace.ts'

interface MemoryParameters {
  readonly directory: string
  readonly nodes: number
  readonly recordCount: number
}

const PARTITIONS = 4
const RECORDS = 10_000_000

/** How much memory the work leaves behind. */
export const memory: Question = memoryQuestion({
  name: 'memory',
  question: 'How much memory is resident after producing and consuming 10 M records?',
  nodes: 1,
  goalMegabytes: 150,
})

/** How much memory the work leaves behind on three nodes. */
export const replicatedMemory: Question = memoryQuestion({
  name: 'replicated-memory',
  question: 'How much memory is resident after producing and consuming 10 M records on three nodes?',
  nodes: REPLICAS,
  goalMegabytes: 300,
})

/** Measures one run, in megabytes. */
export const memoryTask: Task<MemoryParameters, number> = { url: import.meta.url, name: 'memoryTask', run: measure }

interface MemoryQuestion {
  readonly name: string
  readonly question: string
  readonly nodes: number
  readonly goalMegabytes: number
}

function memoryQuestion({ name, question, nodes, goalMegabytes }: MemoryQuestion): Question {
  return {
    name,
    question,
    results: ['rss'],
    goals: [{ kind: 'atMost', result: 'rss', value: goalMegabytes }],
    conditions: (options) => ({
      threads: nodes === 1 ? 'caller + 1 node' : `caller + ${nodes} nodes`,
      acks: 'quorum',
      ...(nodes === 1 ? {} : { replicas: nodes }),
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
        using workspace = makeWorkspace(recordCount * STORED_RECORD_BYTES * nodes)
        return await inBuiltChild(memoryTask, { directory: workspace.directory, nodes, recordCount })
      }),
  }
}

async function measure({ directory, nodes, recordCount }: MemoryParameters): Promise<number> {
  await using cluster = await open(directory, { nodes })
  await cluster.admin.createTopic(TOPIC, { partitions: PARTITIONS, config: { flush: 'os' } })
  await using producer = cluster.producer()
  await using consumer = cluster.consumer()
  consumer.assign(await partitionsOf(cluster.admin))
  await writeRecords(producer, recordCount)
  await pollRecords(consumer, recordCount)
  return process.memoryUsage.rss() / 1e6
}
