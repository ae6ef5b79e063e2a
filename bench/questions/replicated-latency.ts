/**
 * Question: how long does it take from the arrival of a record at the producer until three nodes have it and the producer is told, at 1,000 records per
 * second? An open loop (open-loop.ts); waking the caller's thread is part of the time.
 */
import { open } from '../../edge/client/index.ts'
import type { Task } from '../child.ts'
import { openLoopConditions, percentilesOf, runOpenLoop, sendOnSchedule } from '../open-loop.ts'
import type { OpenLoop, Percentiles } from '../open-loop.ts'
import type { Question } from '../question.ts'
import { REPLICAS, TOPIC } from '../records.ts'

const PERCENTILES: Percentiles = { p50: 0.5, p99: 0.99 }

/** How long the promise of the quorum takes. */
export const replicatedLatency: Question = {
  name: 'replicated-latency',
  question: 'How long does it take until the quorum of three nodes has acknowledged a record, at 1,000 records per second?',
  results: Object.keys(PERCENTILES),
  goals: [
    { kind: 'atMost', result: 'p50', value: 500 },
    { kind: 'atMost', result: 'p99', value: 3000 },
  ],
  conditions: (options) => ({
    threads: `caller + ${REPLICAS} nodes + pacer`,
    ...openLoopConditions(options),
    replicas: REPLICAS,
    measured: 'arrival (a message of the pacing thread) to the promise of send resolves; open loop, no coordinated omission',
  }),
  run: (options) => runOpenLoop(PERCENTILES, options, replicatedLatencyTask),
}

/** Measures one run. */
export const replicatedLatencyTask: Task<OpenLoop, number[]> = { url: import.meta.url, name: 'replicatedLatencyTask', run: measure }

async function measure(loop: OpenLoop): Promise<number[]> {
  await using cluster = await open(loop.directory, { nodes: REPLICAS })
  await cluster.admin.createTopic(TOPIC, { partitions: 1, config: { flush: 'os' } })
  await using producer = cluster.producer()
  return percentilesOf(PERCENTILES, await sendOnSchedule(producer, loop.warmUpCount + loop.recordCount), loop)
}
