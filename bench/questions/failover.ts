/**
 * Question: for how long is nothing acknowledged when the thread of a leader dies under load? Some callers each await their record before they send the
 * next one; a leader's worker is ended without warning, and the longest time between two acknowledgements counts. It does NOT measure a leader that
 * hangs: that one is fenced after nodeSessionTimeoutMillis.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Producer } from '../../edge/client/api.ts'
import { open } from '../../edge/client/index.ts'
import { terminateNode } from '../../edge/client/testing.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { scaled } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { REPLICAS, TOPIC, VALUE_BYTES, benchRecord, untilInSync } from '../records.ts'
import { percentile } from '../statistics.ts'
import { makeWorkspace } from '../workspace.ts'

interface FailoverParameters {
  readonly directory: string
  readonly rounds: number
}

const ROUNDS = 20
const CALLERS = 16

/** Load before a leader dies, and after everybody is in sync again. */
const LOAD_MILLIS = 300

const SPACE_BYTES = 2 ** 30

const STATISTICS: readonly (readonly [name: string, fraction: number])[] = [
  ['p50', 0.5],
  ['p99', 0.99],
  ['max', 1],
]

/** How long a partition stands still. */
export const failover: Question = {
  name: 'failover',
  question: 'How long is nothing acknowledged when the thread of a leader dies under load?',
  results: STATISTICS.map(([name]) => name),
  goals: [
    { kind: 'atMost', result: 'p50', value: 50 },
    { kind: 'atMost', result: 'p99', value: 200 },
  ],
  conditions: (options) => ({
    threads: `caller + ${REPLICAS} nodes`,
    acks: 'quorum',
    replicas: REPLICAS,
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: 1,
    callers: CALLERS,
    rounds: scaled(ROUNDS, options),
    measured: 'the longest time between two acknowledgements while the worker of the leader is terminated, and until all are in sync again',
  }),
  run,
}

/** Measures one run: the longest gap of each round, in milliseconds. */
export const failoverTask: Task<FailoverParameters, number[]> = { url: import.meta.url, name: 'failoverTask', run: measure }

async function run(options: RunOptions): Promise<Measurement[]> {
  const measurements = STATISTICS.map(([name]) => ({ name, unit: 'ms', samples: [] as number[] }))
  for (let round = 1; round <= options.runs; round++) {
    options.progress(`run ${round} of ${options.runs}`)
    using workspace = makeWorkspace(SPACE_BYTES)
    const gaps = await inChild(failoverTask, { directory: workspace.directory, rounds: scaled(ROUNDS, options) })
    const ascending = gaps.toSorted((a, b) => a - b)
    measurements.forEach(({ samples }, index) => samples.push(percentile(ascending, STATISTICS[index]?.[1] ?? 1)))
  }
  return measurements
}

async function measure({ directory, rounds }: FailoverParameters): Promise<number[]> {
  await using cluster = await open(directory, { nodes: REPLICAS })
  await cluster.admin.createTopic(TOPIC, { partitions: 1, config: { flush: 'os' } })
  await using producer = cluster.producer()
  const load = startLoad(producer)
  const gaps: number[] = []
  for (let round = 0; round < rounds; round++) {
    await sleep(LOAD_MILLIS)
    load.longestGap()
    await killLeader(cluster)
    await untilInSync(cluster)
    await sleep(LOAD_MILLIS)
    gaps.push(load.longestGap())
  }
  await load.stop()
  return gaps
}

/** Resolves when the node is back: before its death is known, everybody seems to be in sync. */
async function killLeader(cluster: Cluster): Promise<void> {
  const { partitions } = await cluster.admin.describeTopic(TOPIC)
  const { promise: isUp, resolve } = Promise.withResolvers<void>()
  cluster.on('nodeUp', () => resolve())
  await terminateNode(cluster, partitions[0]?.leader ?? 0)
  await isUp
}

interface AcknowledgedLoad {
  /** The longest time between two acknowledgements since it was asked last, in milliseconds. */
  longestGap(): number
  stop(): Promise<void>
}

function startLoad(producer: Producer): AcknowledgedLoad {
  const record = benchRecord()
  let isOver = false
  let longest = 0
  let lastAt = performance.now()
  const caller = async (): Promise<void> => {
    while (!isOver) {
      await producer.send(record)
      const now = performance.now()
      longest = Math.max(longest, now - lastAt)
      lastAt = now
    }
  }
  const callers = Promise.all(Array.from({ length: CALLERS }, caller))
  return {
    longestGap: () => {
      const found = Math.max(longest, performance.now() - lastAt)
      longest = 0
      return found
    },
    stop: async () => {
      isOver = true
      await callers
    },
  }
}
