/**
 * Question: for how long is nothing acknowledged when the thread of a leader dies under load, and when it hangs? Some callers each await their record before
 * they send the next one, and the longest time between two acknowledgements counts. A leader that is dead is known to be so at once; one that hangs keeps
 * its session until nodeSessionTimeoutMillis, and holds everybody up for so long.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Producer } from '../../edge/client/api.ts'
import { open } from '../../edge/client/index.ts'
import { hangNode, terminateNode } from '../../edge/client/testing.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { scaled, together } from '../question.ts'
import type { Question } from '../question.ts'
import { REPLICAS, TOPIC, VALUE_BYTES, benchRecord, untilInSync } from '../records.ts'
import { percentile } from '../statistics.ts'
import { makeWorkspace } from '../workspace.ts'

interface FailoverParameters {
  readonly directory: string
  readonly deaths: number
  readonly hangs: number
}

const DEATHS = 100
const HANGS = 5
const CALLERS = 16

/** The default of nodeSessionTimeoutMillis, and what may come on top of it. */
const SESSION_MILLIS = 2000
const HANG_SLACK_MILLIS = 100

/** So that the session is over long before the leader goes on. */
const HANG_MILLIS = 2 * SESSION_MILLIS

/** Load before a leader dies, and after everybody is in sync again. */
const LOAD_MILLIS = 300

const SPACE_BYTES = 2 ** 30

/** How long a partition stands still. */
export const failover: Question = {
  name: 'failover',
  question: 'How long is nothing acknowledged when the thread of a leader dies under load, or hangs?',
  results: ['gap-p50', 'gap-p99', 'hang'],
  goals: [
    { kind: 'atMost', result: 'gap-p50', value: 50 },
    { kind: 'atMost', result: 'gap-p99', value: 200 },
    { kind: 'atMost', result: 'hang', value: SESSION_MILLIS + HANG_SLACK_MILLIS },
  ],
  conditions: (options) => ({
    threads: `caller + ${REPLICAS} nodes`,
    acks: 'quorum',
    replicas: REPLICAS,
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: 1,
    callers: CALLERS,
    deaths: scaled(DEATHS, options),
    hangs: `${scaled(HANGS, options)}, of ${HANG_MILLIS} ms`,
    nodeSessionTimeoutMillis: SESSION_MILLIS,
    measured:
      'the longest time between two acknowledgements from the moment when the worker of the leader is terminated (gap) or blocked (hang), until all are in sync again; of all hangs, the longest',
  }),
  run: (options) =>
    together(failover.results, 'ms', options, async () => {
      using workspace = makeWorkspace(SPACE_BYTES)
      const counts = { deaths: scaled(DEATHS, options), hangs: scaled(HANGS, options) }
      return await inChild(failoverTask, { directory: workspace.directory, ...counts })
    }),
}

/** Measures one run: the results in their order, in milliseconds. */
export const failoverTask: Task<FailoverParameters, number[]> = { url: import.meta.url, name: 'failoverTask', run: measure }

async function measure({ directory, deaths, hangs }: FailoverParameters): Promise<number[]> {
  await using cluster = await open(directory, { nodes: REPLICAS, nodeSessionTimeoutMillis: SESSION_MILLIS })
  await cluster.admin.createTopic(TOPIC, { partitions: 1, config: { flush: 'os' } })
  await using producer = cluster.producer()
  const load = startLoad(producer)
  const gaps = await gapsOf(deaths, cluster, load, killLeader)
  const hanging = await gapsOf(hangs, cluster, load, hangLeader)
  await load.stop()
  return [percentile(gaps, 0.5), percentile(gaps, 0.99), percentile(hanging, 1)]
}

/** Hurts the cluster so often; the longest gap of each round, ascending, in milliseconds. */
async function gapsOf(
  rounds: number,
  cluster: Cluster,
  load: AcknowledgedLoad,
  hurt: (cluster: Cluster) => Promise<void>,
): Promise<Float64Array> {
  const gaps = new Float64Array(rounds)
  for (let round = 0; round < rounds; round++) {
    await sleep(LOAD_MILLIS)
    load.longestGap()
    await hurt(cluster)
    await untilInSync(cluster)
    await sleep(LOAD_MILLIS)
    gaps[round] = load.longestGap()
  }
  return gaps.toSorted()
}

/** Resolves when the node is back: before its death is known, everybody seems to be in sync. */
async function killLeader(cluster: Cluster): Promise<void> {
  const { promise: isUp, resolve } = Promise.withResolvers<void>()
  cluster.on('nodeUp', () => resolve())
  await terminateNode(cluster, await leaderOf(cluster))
  await isUp
}

/** Resolves when the node goes on. */
async function hangLeader(cluster: Cluster): Promise<void> {
  await hangNode(cluster, await leaderOf(cluster), HANG_MILLIS)
}

async function leaderOf(cluster: Cluster): Promise<number> {
  const { partitions } = await cluster.admin.describeTopic(TOPIC)
  return partitions[0]?.leader ?? 0
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
