/**
 * The load that the questions share: records of 100 bytes, written as fast as the producer takes them, and read to the end. The loops allocate
 * nothing of their own, so that they measure the engine.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin, TopicDescription } from '../edge/client/admin-api.ts'
import type { Cluster, Consumer, Producer, ProducerRecord } from '../edge/client/api.ts'
import type { TopicPartition } from '../protocol/ids.ts'

/** The size of a value in all questions, unless they say otherwise. */
export const VALUE_BYTES = 100

/** What a record takes in the log: value, framing, and its share of the batch header; rounded up, to ask for enough space. */
export const STORED_RECORD_BYTES = 112

/** Nodes, and replicas of each partition, where a question is about more than one. */
export const REPLICAS = 3

/** Nodes that are not in sync after so long are a defect. */
const IN_SYNC_MILLIS_MAX = 60_000
const LOOK_MILLIS = 2

/** Records of one poll. */
export const POLL_RECORDS = 10_000

/** A poll that brings nothing for so long means that records are missing. */
const POLL_MILLIS_MAX = 10_000

/** The topic of all questions. */
export const TOPIC = 'bench'

/** A record without a key; the engine copies the value, so it can be sent again and again. */
export function benchRecord(): ProducerRecord {
  return { topic: TOPIC, value: new Uint8Array(VALUE_BYTES).fill(120) }
}

/** Writes `count` records by the lane without promises and waits until all are acknowledged. */
export async function writeRecords(producer: Producer, count: number): Promise<void> {
  const record = benchRecord()
  for (let written = 0; written < count; written++) {
    if (!producer.write(record)) await producer.drained()
  }
  await producer.flush()
}

/** A consumer of all partitions, from the first record. */
export async function readAll(cluster: Cluster): Promise<Consumer> {
  const consumer = cluster.consumer({ maxPollRecords: POLL_RECORDS })
  consumer.assign(await partitionsOf(cluster.admin))
  return consumer
}

/** Reads `count` records by `poll` and touches each; answers with the bytes of their values. */
export async function pollRecords(consumer: Consumer, count: number): Promise<number> {
  let sizeBytes = 0
  for (let remaining = count; remaining > 0;) {
    const polled = await consumer.poll({ timeoutMillis: POLL_MILLIS_MAX })
    if (polled.length === 0) throw new Error(`${remaining} of ${count} records did not come`)
    for (const { value } of polled) sizeBytes += value?.length ?? 0
    remaining -= polled.length
  }
  return sizeBytes
}

/** Reads `count` records by `for await` and touches each; answers with the bytes of their values. */
export async function iterateRecords(consumer: Consumer, count: number): Promise<number> {
  let sizeBytes = 0
  let remaining = count
  for await (const { value } of consumer) {
    sizeBytes += value?.length ?? 0
    if (--remaining === 0) break
  }
  return sizeBytes
}

/** Reads `count` records in whole batches without decoding them; answers with the bytes of the batches. */
export async function consumeBatches(consumer: Consumer, count: number): Promise<number> {
  let sizeBytes = 0
  let remaining = count
  for await (const batch of consumer.batches()) {
    sizeBytes += batch.sizeBytes
    remaining -= batch.count
    if (remaining <= 0) break
  }
  return sizeBytes
}

/** How many records the topic holds, by its offsets. */
export async function countRecords(admin: Admin): Promise<number> {
  const ends = await admin.listOffsets(TOPIC, 'latest')
  return [...ends.values()].reduce((sum, offset) => sum + offset, 0)
}

/** All partitions of the topic. */
export async function partitionsOf(admin: Admin): Promise<TopicPartition[]> {
  const { partitions } = await admin.describeTopic(TOPIC)
  return partitions.map(({ partition }) => ({ topic: TOPIC, partition }))
}

/** Resolves when all nodes are back and all replicas in sync, and the partitions of the topic are as they should be. */
export async function untilInSync(
  { admin }: Cluster,
  isRight: (partitions: TopicDescription['partitions']) => boolean = () => true,
): Promise<void> {
  const deadline = performance.now() + IN_SYNC_MILLIS_MAX
  for (;;) {
    const { nodes, underReplicatedPartitions } = await admin.describeCluster()
    const isWhole = underReplicatedPartitions === 0 && nodes.every(({ fenced }) => !fenced)
    if (isWhole && isRight((await admin.describeTopic(TOPIC)).partitions)) return
    if (performance.now() > deadline) throw new Error(`the replicas were not in sync after ${IN_SYNC_MILLIS_MAX} ms`)
    await sleep(LOOK_MILLIS)
  }
}
