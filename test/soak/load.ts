/**
 * The load of a soak test: producers and a group of consumers on one topic that is synced before each acknowledgement and one that is left to the page
 * cache, in small segments. Everything that the engine confirms is reported at once, in the order in which it was confirmed.
 */
import type { Cluster, Consumer, ConsumerRecord, Producer, RecordMetadata } from '../../edge/client/api.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { SoakEvent } from './event.ts'
import { encodeValue } from './value.ts'

/** Takes an event; when it returns, the event is out of this process. */
export type Report = (event: SoakEvent) => void

/** A load under way. */
export interface Load {
  /** Lets everything that was begun end, and the consumers leave. Rejects if a record was refused. */
  stop(): Promise<void>
}

const TOPICS: Readonly<Record<string, 'commit' | 'os'>> = { 'soak-commit': 'commit', 'soak-os': 'os' }
const PARTITIONS = 3
const GROUP = 'soak'
const MEMBERS = 2

/** Producers of one load; the authors of load n are n * AUTHORS_PER_LOAD and the following. */
export const AUTHORS_PER_LOAD = 3

/** Sends that each producer has under way at a time. */
const LANES = 4

/** Records of one send. */
const BURST_MAX = 24

/** Small, so that segments roll under the load. */
const SEGMENT_BYTES = 262_144

/** All partitions of the load. */
export const TARGETS: readonly TopicPartition[] = Object.keys(TOPICS).flatMap((topic) =>
  Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition })),
)

/** Makes the topics, unless they are there. */
export async function createTopics({ admin }: Cluster): Promise<void> {
  for (const [topic, flush] of Object.entries(TOPICS)) {
    await admin.createTopic(topic, { partitions: PARTITIONS, config: { flush, segmentBytes: SEGMENT_BYTES }, ifNotExists: true })
  }
}

/** Says what the group has committed. */
export async function reportCommitted(cluster: Cluster, report: Report): Promise<void> {
  await using consumer = cluster.consumer({ group: GROUP })
  const committed = await consumer.committed(TARGETS)
  for (const { topic, partition } of TARGETS) {
    const found = committed.find((one) => one.topic === topic && one.partition === partition)
    report({ kind: 'found', where: topicPartitionName(topic, partition), offset: found?.offset ?? 0 })
  }
}

/** Starts producing and consuming. */
export function startLoad(cluster: Cluster, loadNumber: number, report: Report): Load {
  const stopping = new AbortController()
  const authors = Array.from({ length: AUTHORS_PER_LOAD }, (_, index) => loadNumber * AUTHORS_PER_LOAD + index)
  const producing = authors.map((author) => produce(cluster.producer(), author, report, stopping.signal))
  const consuming = Array.from({ length: MEMBERS }, () => consume(cluster, report, stopping.signal))
  const ended = Promise.all([...producing, ...consuming])
  // A failure must be heard at once, not when the load is stopped.
  ended.catch((error: unknown) => {
    throw error
  })
  return {
    stop: async () => {
      stopping.abort()
      await ended
    },
  }
}

async function produce(producer: Producer, author: number, report: Report, stopping: AbortSignal): Promise<void> {
  await using _ = producer
  const sequences = new Map<TopicPartition, number>()
  const lane = async (): Promise<void> => {
    while (!stopping.aborted) {
      const target = TARGETS[randomBelow(TARGETS.length)] ?? failTarget()
      const sequence = sequences.get(target) ?? 0
      const count = 1 + randomBelow(BURST_MAX)
      sequences.set(target, sequence + count)
      const values = Array.from({ length: count }, (__, index) => encodeValue({ author, sequence: sequence + index }))
      if (randomBelow(4) === 0) await writeBurst(producer, target, { author, sequence }, values, report)
      else await sendBurst(producer, target, { author, sequence }, values, report)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** With promises: the engine says where each record is. */
async function sendBurst(
  producer: Producer,
  target: TopicPartition,
  { author, sequence }: { readonly author: number; readonly sequence: number },
  values: readonly Uint8Array[],
  report: Report,
): Promise<void> {
  const written = await producer.send(values.map((value) => ({ ...target, value })))
  const where = topicPartitionName(target.topic, target.partition)
  for (const { begin, count } of runsOf(written)) {
    report({ kind: 'acknowledged', where, offset: written[begin]?.offset ?? -1, author, sequence: sequence + begin, count })
  }
}

/** Without promises: the engine says only that all are written. */
async function writeBurst(
  producer: Producer,
  target: TopicPartition,
  { author, sequence }: { readonly author: number; readonly sequence: number },
  values: readonly Uint8Array[],
  report: Report,
): Promise<void> {
  // Waiting for room between them would let another lane of the author overtake; a burst is small.
  for (const value of values) producer.write({ ...target, value })
  await producer.flush()
  const where = topicPartitionName(target.topic, target.partition)
  report({ kind: 'flushed', where, author, sequenceEnd: sequence + values.length, count: values.length })
}

async function consume(cluster: Cluster, report: Report, stopping: AbortSignal): Promise<void> {
  await using consumer = cluster.consumer({ group: GROUP, topics: Object.keys(TOPICS), autoCommit: false })
  while (!stopping.aborted) {
    const records = await consumer.poll({ timeoutMillis: 100 })
    for (const { begin, count } of runsOf(records)) {
      const first = records[begin]
      if (first !== undefined)
        report({ kind: 'delivered', where: topicPartitionName(first.topic, first.partition), offset: first.offset, count })
    }
    await commit(consumer, records, report)
  }
}

/** Commits what was polled; a member that has lost its partitions meanwhile is refused, which is right. */
async function commit(consumer: Consumer, records: readonly ConsumerRecord[], report: Report): Promise<void> {
  const offsets = runsOf(records).flatMap(({ begin, count }) => {
    const last = records[begin + count - 1]
    return last === undefined ? [] : [{ topic: last.topic, partition: last.partition, offset: last.offset + 1, metadata: '' }]
  })
  try {
    if (offsets.length > 0) await consumer.commit(offsets)
  } catch (error) {
    if (error instanceof KafkaError) return
    throw error
  }
  for (const { topic, partition, offset } of offsets) report({ kind: 'committed', where: topicPartitionName(topic, partition), offset })
}

/** Stretches of neighbouring offsets of one partition. */
export function runsOf(
  records: readonly Pick<RecordMetadata, 'topic' | 'partition' | 'offset'>[],
): { readonly begin: number; readonly count: number }[] {
  const runs: { begin: number; count: number }[] = []
  records.forEach((record, index) => {
    const before = records[index - 1]
    const run = runs.at(-1)
    const isNext = before?.offset === record.offset - 1 && before.partition === record.partition && before.topic === record.topic
    if (run !== undefined && isNext) run.count++
    else runs.push({ begin: index, count: 1 })
  })
  return runs
}

function randomBelow(end: number): number {
  return Math.floor(Math.random() * end)
}

function failTarget(): never {
  throw new Error('there is nothing to write to')
}
