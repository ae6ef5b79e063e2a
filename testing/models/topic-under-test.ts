/**
 * A topic of a simulated cluster for a model run: what the commands do to it, through the ordinary clients. A test may put functions of its own in the place of these.
 */
import type { ConsumerOptions, ConsumerRecord, Producer, ProducerOptions, ProducerRecord, RecordMetadata } from '../../edge/client/api.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { string } from '../../edge/client/serdes.ts'
import { PARTITIONS } from '../arbitraries.ts'
import type { ScenarioContext } from '../scenario.ts'
import { toSend } from './numbered-record.ts'
import type { NumberedRecord } from './numbered-record.ts'
import { newTopicModel } from './topic-model.ts'
import type { TopicModel } from './topic-model.ts'

/** The topic, and who writes and reads it. */
export interface TopicUnderTestOptions {
  /** Default 'topic-under-test'. */
  readonly topic?: string
  /** Default 2; as many as the commands were drawn for. */
  readonly partitions?: number
  readonly replicationFactor?: number
  /** Default: synced before it is acknowledged, so that nothing that a fault does may lose a record. */
  readonly config?: Readonly<Record<string, unknown>>
  /** More options of the producers. Default: acknowledged by the quorum, however long that takes. */
  readonly producer?: Omit<ProducerOptions<string, string>, 'key' | 'value' | 'transactionalId'>
  /** More options of the reader. */
  readonly consumer?: Omit<ConsumerOptions<string, string>, 'key' | 'value' | 'group' | 'topics'>
}

/** How a transaction came out: `unknown` if nobody said whether its commit was carried out. */
export interface TransactionOutcome {
  readonly outcome: 'committed' | 'aborted' | 'unknown'
  /** Where its records are, unless it was aborted. */
  readonly places: readonly RecordMetadata[]
}

/** The real topic: what commands ask of it. */
export interface TopicReal {
  readonly context: ScenarioContext
  /** Rejects with REQUEST_TIMED_OUT if it may be there or not. */
  readonly send: (records: readonly NumberedRecord[]) => Promise<readonly RecordMetadata[]>
  readonly transaction: (records: readonly NumberedRecord[], end: 'commit' | 'abort') => Promise<TransactionOutcome>
  /** Rejects with REQUEST_TIMED_OUT if it may have been done or not. */
  readonly deleteRecords: (partition: number, beforeOffset: number) => Promise<void>
  /** All partitions, from their beginning to the end of what is committed. */
  readonly read: () => Promise<readonly ConsumerRecord<string, string>[]>
}

/** Both sides of a model run. */
export interface TopicUnderTest {
  readonly model: TopicModel
  readonly real: TopicReal
}

/** Longer than faults last: what fails for them is tried until it succeeds. */
export const DELIVERY_MILLIS = 250_000
const POLL_MILLIS = 200
/** What is not read in that time is not there. */
const READ_MILLIS = 20_000

/** Makes a topic, and both sides of a model run for it: `fc.asyncModelRun(() => topicUnderTest(context), commands)`. */
export async function topicUnderTest(context: ScenarioContext, options: TopicUnderTestOptions = {}): Promise<TopicUnderTest> {
  const { cluster } = context
  const { topic = 'topic-under-test', partitions = PARTITIONS, replicationFactor, config = { flush: 'commit' } } = options
  const factor = replicationFactor === undefined ? {} : { replicationFactor }
  await cluster.admin.createTopic(topic, { partitions, config, ...factor, ifNotExists: true })
  const producerOptions = { deliveryTimeoutMillis: DELIVERY_MILLIS, ...options.producer, key: string, value: string }
  const producer = cluster.producer<string, string>(producerOptions)
  const transaction = transactionRunner(() =>
    cluster.producer<string, string>({ ...producerOptions, acks: 'quorum', transactionalId: topic }),
  )
  const real: TopicReal = {
    context,
    send: (records) => producer.send(toSend(topic, records)),
    transaction: (records, end) => transaction(toSend(topic, records), end),
    deleteRecords: async (partition, beforeOffset) => void (await cluster.admin.deleteRecords([{ topic, partition, beforeOffset }])),
    read: () => readAll(context, topic, partitions, options.consumer ?? {}),
  }
  return { model: newTopicModel(partitions), real }
}

type RunTransaction = (records: readonly ProducerRecord<string, string>[], end: 'commit' | 'abort') => Promise<TransactionOutcome>

/** One transaction after the other, by one producer until something fails; then by another one of that name, which ends what the former has left open. */
function transactionRunner(open: () => Producer<string, string>): RunTransaction {
  let producer: Producer<string, string> | null = null
  return async (records, end) => {
    let places: RecordMetadata[] = []
    let isCommitAsked = false
    producer ??= open()
    try {
      const transaction = await producer.beginTransaction()
      places = await transaction.send(records)
      isCommitAsked = end === 'commit'
      await (isCommitAsked ? transaction.commit() : transaction.abort())
      return { outcome: isCommitAsked ? 'committed' : 'aborted', places }
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      await producer.close().catch(() => undefined)
      producer = null
      return { outcome: isCommitAsked ? 'unknown' : 'aborted', places }
    }
  }
}

async function readAll(
  { cluster, clock }: ScenarioContext,
  topic: string,
  partitions: number,
  options: Omit<ConsumerOptions<string, string>, 'key' | 'value' | 'group' | 'topics'>,
): Promise<ConsumerRecord<string, string>[]> {
  const ends = await cluster.admin.listOffsets(topic, 'latest', { isolationLevel: 'read_committed' })
  await using consumer = cluster.consumer<string, string>({ isolationLevel: 'read_committed', ...options, key: string, value: string })
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  consumer.assign(all)
  const records: ConsumerRecord<string, string>[] = []
  const deadline = clock.uptime + READ_MILLIS
  const isAtEnd = (): boolean => all.every((one) => (consumer.position(one) ?? -1) >= (ends.get(one.partition) ?? 0))
  while (!isAtEnd() && clock.uptime < deadline) records.push(...(await consumer.poll({ timeoutMillis: POLL_MILLIS })))
  return records
}
