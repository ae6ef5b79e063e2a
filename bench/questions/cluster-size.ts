/**
 * Question: what does a partition cost in a cluster of a hundred nodes, compared with one of three? Ten thousand partitions with three replicas each, in
 * the simulator's world (large-cluster.ts): messages from node to node while nothing is written, and while each partition gets a record every second;
 * and the memory that everything takes. It does NOT measure speed, nor the making of the topic.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { LargeCluster } from '../large-cluster.ts'
import { scaled } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { REPLICAS, VALUE_BYTES } from '../records.ts'

interface SizeParameters {
  readonly nodes: number
  readonly partitions: number
}

/** What a partition costs. */
interface Cost {
  /** Messages per second while nothing is written. */
  readonly idle: number
  /** Messages per second under the load. */
  readonly messages: number
  /** Kilobytes. */
  readonly memory: number
}

const SIZES: readonly number[] = [3, 100]
const PARTITIONS = 10_000

/** Virtual seconds of each phase, after one to settle. */
const SECONDS = 5

const UNITS: Readonly<Record<keyof Cost, string>> = { idle: 'messages/s', messages: 'messages/s', memory: 'kB' }
const FIGURES = Object.keys(UNITS) as readonly (keyof Cost)[]

/** How the cost of a partition depends on the number of nodes. */
export const clusterSize: Question = {
  name: 'cluster-size',
  question: 'What does each of 10,000 partitions cost in a cluster of 100 nodes, compared with 3?',
  results: FIGURES.flatMap((figure) => SIZES.map((size) => `${figure}-${size}`)),
  goals: FIGURES.map((figure) => ({ kind: 'ratioAtMost', result: `${figure}-100`, over: `${figure}-3`, value: 1.5 })),
  conditions: (options) => ({
    threads: 1,
    acks: 'quorum',
    replicas: REPLICAS,
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: scaled(PARTITIONS, options),
    seconds: `${SECONDS} virtual ones idle, then ${SECONDS} with a record per partition and second`,
    measured:
      'per partition; messages from node to node, heartbeats and metadata included (idle, messages); what is on the heap after a collection, the simulated disks included (memory)',
  }),
  run,
}

/** Measures one run of one size. */
export const clusterSizeTask: Task<SizeParameters, Cost> = { url: import.meta.url, name: 'clusterSizeTask', run: measure }

async function run(options: RunOptions): Promise<Measurement[]> {
  const samples = new Map(clusterSize.results.map((name) => [name, [] as number[]]))
  for (let round = 1; round <= options.runs; round++) {
    for (const nodes of SIZES) {
      options.progress(`${nodes} nodes, run ${round} of ${options.runs}`)
      const cost = await inChild(clusterSizeTask, { nodes, partitions: scaled(PARTITIONS, options) })
      for (const figure of FIGURES) samples.get(`${figure}-${nodes}`)?.push(cost[figure])
    }
  }
  return FIGURES.flatMap((figure) =>
    SIZES.map((size) => ({ name: `${figure}-${size}`, unit: UNITS[figure], samples: samples.get(`${figure}-${size}`) ?? [] })),
  )
}

async function measure({ nodes, partitions }: SizeParameters): Promise<Cost> {
  const emptyBytes = heapBytes()
  const cluster = new LargeCluster(nodes)
  cluster.createTopic(partitions)
  cluster.run(1)
  const idle = countedPerPartition(cluster, partitions, () => cluster.run(SECONDS))
  const messages = countedPerPartition(cluster, partitions, () => {
    for (let second = 0; second < SECONDS; second++) cluster.produceForASecond()
  })
  cluster.run(1)
  const missing = SECONDS * partitions - cluster.acknowledgedCount
  if (missing !== 0) throw new Error(`${missing} records were not acknowledged`)
  return { idle, messages, memory: (heapBytes() - emptyBytes) / 1000 / partitions }
}

function countedPerPartition(cluster: LargeCluster, partitions: number, work: () => void): number {
  const before = cluster.messageCount
  work()
  return (cluster.messageCount - before) / SECONDS / partitions
}

/** What is reachable. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
