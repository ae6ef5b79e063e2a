/**
 * Question: how exactly does a quota hold? Two producers of one client id write as fast as they may, two consumers of another read as fast as they may, all of them
 * on all partitions of several nodes; after a moment the bytes that pass in some seconds are compared with the quotas.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { open } from '../../edge/client/index.ts'
import type { Cluster, Consumer } from '../../edge/client/index.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { makeWorkspace } from '../workspace.ts'

interface QuotaParameters {
  readonly directory: string
  readonly windowMillis: number
}

/** In percent of the quota. */
interface QuotaOutcome {
  readonly producers: number
  readonly consumers: number
}

const NODES = 3
const PARTITIONS = 4
const CLIENTS = 2
const BYTES_PER_SECOND = 2_000_000
const VALUE = new Uint8Array(1000)

/** The burst at the beginning is over, and everything is warm. */
const WARM_UP_MILLIS = 1000
const WINDOW_MILLIS = 5000

/** What the consumers need, and some more. */
const RECORDS_TO_READ = ((WARM_UP_MILLIS + WINDOW_MILLIS) * BYTES_PER_SECOND * 1.5) / 1000 / VALUE.length
const WORKSPACE_BYTES = 2 ** 28

/** How exactly quotas hold. */
export const quota: Question = {
  name: 'quota',
  question: 'How far are the bytes that clients with a quota send and read from what the quota says?',
  results: ['error'],
  goals: [{ kind: 'atMost', result: 'error', value: 5 }],
  conditions: (options) => ({
    threads: `caller + ${NODES} nodes`,
    partitions: PARTITIONS,
    acks: 'quorum',
    flush: 'os',
    valueBytes: VALUE.length,
    quota: `${BYTES_PER_SECOND} bytes/s, of ${CLIENTS} producers together, and of ${CLIENTS} consumers together`,
    measured: `bytes of batches in ${windowMillis(options)} ms, from ${WARM_UP_MILLIS} ms after the beginning on; the larger of the two errors`,
  }),
  run,
}

/** Measures one run. */
export const quotaTask: Task<QuotaParameters, QuotaOutcome> = { url: import.meta.url, name: 'quotaTask', run: measure }

function windowMillis({ scale }: RunOptions): number {
  return Math.max(500, Math.round(WINDOW_MILLIS * scale))
}

async function run(options: RunOptions): Promise<Measurement[]> {
  const samples: number[] = []
  for (let run = 1; run <= options.runs; run++) {
    options.progress(`run ${run} of ${options.runs}`)
    using workspace = makeWorkspace(WORKSPACE_BYTES)
    const { directory } = workspace
    const { producers, consumers } = await inChild(quotaTask, { directory, windowMillis: windowMillis(options) })
    options.note(`run ${run}: producers ${producers.toFixed(2)} % off, consumers ${consumers.toFixed(2)} % off`)
    samples.push(Math.max(Math.abs(producers), Math.abs(consumers)))
  }
  return [{ name: 'error', unit: '%', samples }]
}

async function measure({ directory, windowMillis: millis }: QuotaParameters): Promise<QuotaOutcome> {
  await using cluster = await open(directory, { nodes: NODES })
  const topic = { partitions: PARTITIONS, replicationFactor: NODES, config: { flush: 'os' } }
  await cluster.admin.createTopic('written', topic)
  await cluster.admin.createTopic('read', topic)
  await fill(cluster)
  await cluster.admin.alterClientQuotas({ clientId: 'writers' }, { producerByteRate: BYTES_PER_SECOND })
  await cluster.admin.alterClientQuotas({ clientId: 'readers' }, { consumerByteRate: BYTES_PER_SECOND })
  const end = new AbortController()
  const passed = { written: 0, read: 0 }
  const clients = Array.from({ length: CLIENTS }, (_, i) => [writeOn(cluster, end.signal), readOn(cluster, i, passed, end.signal)])
  const work = Promise.all([...clients.flat(), watch(cluster, passed, end.signal)])
  await sleep(WARM_UP_MILLIS)
  const before = { ...passed }
  const begin = performance.now()
  await sleep(millis)
  const seconds = (performance.now() - begin) / 1000
  const off = (bytes: number): number => (bytes / seconds / BYTES_PER_SECOND - 1) * 100
  const outcome = { producers: off(passed.written - before.written), consumers: off(passed.read - before.read) }
  end.abort()
  for (const clientId of ['writers', 'readers'])
    await cluster.admin.alterClientQuotas({ clientId }, { producerByteRate: null, consumerByteRate: null })
  await work
  return outcome
}

async function fill(cluster: Cluster): Promise<void> {
  await using producer = cluster.producer({ batchSizeBytes: 16_384 })
  for (let i = 0; i < RECORDS_TO_READ; i++)
    if (!producer.write({ topic: 'read', value: VALUE, partition: i % PARTITIONS })) await producer.drained()
  await producer.flush()
}

async function writeOn(cluster: Cluster, signal: AbortSignal): Promise<void> {
  await using producer = cluster.producer({ clientId: 'writers', batchSizeBytes: 16_384, bufferMemoryBytes: 1_000_000 })
  for (let i = 0; !signal.aborted; i++)
    if (!producer.write({ topic: 'written', value: VALUE, partition: i % PARTITIONS })) await producer.drained()
}

/** Each of the consumers has its share of the partitions. */
async function readOn(cluster: Cluster, index: number, passed: { read: number }, signal: AbortSignal): Promise<void> {
  await using consumer = cluster.consumer({ clientId: 'readers' })
  consumer.assign(partitionsOf('read').filter(({ partition }) => partition % CLIENTS === index))
  await count(consumer, signal, (bytes) => (passed.read += bytes))
}

/** Somebody without a quota sees what is written. */
async function watch(cluster: Cluster, passed: { written: number }, signal: AbortSignal): Promise<void> {
  await using consumer = cluster.consumer()
  consumer.assign(partitionsOf('written'))
  await count(consumer, signal, (bytes) => (passed.written += bytes))
}

async function count(consumer: Consumer, signal: AbortSignal, add: (bytes: number) => void): Promise<void> {
  try {
    for await (const { sizeBytes } of consumer.batches({ signal })) add(sizeBytes)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function partitionsOf(topic: string): { readonly topic: string; readonly partition: number }[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }))
}
