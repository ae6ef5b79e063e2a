/**
 * Question: how long does a record take from its arrival at the producer to the consumer, which is given what all three nodes have, at 1,000 records per second? An open loop
 * (open-loop.ts); waking the caller's thread is part of the time.
 */
import { open } from '../../edge/client/index.ts'
import type { Task } from '../child.ts'
import { measureToConsumer, openLoopConditions, runOpenLoop } from '../open-loop.ts'
import type { OpenLoop, Percentiles } from '../open-loop.ts'
import type { Question } from '../question.ts'
import { REPLICAS } from '../records.ts'

const PERCENTILES: Percentiles = { p50: 0.5, p99: 0.99 }

/** How long a record is under way that three nodes have. */
export const replicatedLatency: Question = {
  name: 'replicated-latency',
  question: 'How long is a record under way from send to receive, by way of three nodes, at 1,000 records per second?',
  results: Object.keys(PERCENTILES),
  goals: [
    { kind: 'atMost', result: 'p50', value: 500 },
    { kind: 'atMost', result: 'p99', value: 3000 },
  ],
  conditions: (options) => ({
    threads: `caller (producer and consumer) + ${REPLICAS} nodes + pacer`,
    ...openLoopConditions(options),
    replicas: REPLICAS,
    measured: 'arrival (a message of the pacing thread) to the consumer has the record; open loop, no coordinated omission',
  }),
  run: (options) => runOpenLoop(PERCENTILES, options, replicatedLatencyTask),
}

/** Measures one run. */
export const replicatedLatencyTask: Task<OpenLoop, number[]> = { url: import.meta.url, name: 'replicatedLatencyTask', run: measure }

async function measure(loop: OpenLoop): Promise<number[]> {
  await using cluster = await open(loop.directory, { nodes: REPLICAS })
  return await measureToConsumer(cluster, PERCENTILES, loop)
}
