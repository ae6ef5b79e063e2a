/**
 * Question: how long does a record take from its arrival at the producer to the consumer, at 1,000 records per second? An open loop (open-loop.ts); waking
 * the caller's thread is part of the time.
 */
import { open } from '../../edge/client/index.ts'
import type { Task } from '../child.ts'
import { measureToConsumer, openLoopConditions, runOpenLoop } from '../open-loop.ts'
import type { OpenLoop, Percentiles } from '../open-loop.ts'
import type { Question } from '../question.ts'

const PERCENTILES: Percentiles = { p50: 0.5, p99: 0.99, p999: 0.999 }

/** How long a record is under way. */
export const latency: Question = {
  name: 'latency',
  question: 'How long is a record under way from send to receive, at 1,000 records per second?',
  results: Object.keys(PERCENTILES),
  goals: [
    { kind: 'atMost', result: 'p50', value: 150 },
    { kind: 'atMost', result: 'p99', value: 1000 },
  ],
  conditions: (options) => ({
    threads: 'caller (producer and consumer) + 1 node + pacer',
    ...openLoopConditions(options),
    measured: 'arrival (a message of the pacing thread) to the consumer has the record; open loop, no coordinated omission',
  }),
  run: (options) => runOpenLoop(PERCENTILES, options, latencyTask),
}

/** Measures one run. */
export const latencyTask: Task<OpenLoop, number[]> = { url: import.meta.url, name: 'latencyTask', run: measure }

async function measure(loop: OpenLoop): Promise<number[]> {
  await using cluster = await open(loop.directory)
  return await measureToConsumer(cluster, PERCENTILES, loop)
}
