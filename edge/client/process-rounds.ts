/**
 * How each guarantee of `consumer.process` does its rounds: what happens before records are handled, and what when they were.
 */
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import { RecentKeys } from '../../protocol/recent-keys.ts'
import type { Consumer, OffsetToCommit, Producer, Transaction } from './api.ts'
import type { Outlet } from './process-api.ts'
import type { ProcessPlan } from './process-options.ts'

/** A record, as far as rounds look at it. */
export type Place = TopicPartition & { readonly offset: number }

/** The rounds of a guarantee. */
export interface Rounds<OK, OV> {
  /** Where the handler sends its results; there are these records to handle. */
  begin(records: readonly Place[]): Promise<Outlet<OK, OV>>
  /** What was handled counts from now on. */
  commit(handled: readonly OffsetToCommit[]): Promise<void>
  /** It does not. */
  abort(): Promise<void>
}

/** Results and offsets in one transaction. `isLost`: the group has given something away meanwhile. */
export function transactionalRounds<OK, OV>(
  consumer: Consumer<unknown, unknown>,
  producer: Producer<OK, OV>,
  isLost: () => boolean,
): Rounds<OK, OV> {
  let transaction: Transaction<OK, OV> | null = null
  return {
    begin: async () => (transaction ??= await producer.beginTransaction()),
    commit: async (handled) => {
      await transaction?.sendOffsets(consumer, handled)
      // Offsets of a topic that is gone may have been sent for the one that has its name now.
      if (isLost()) throw new KafkaError('UNKNOWN_MEMBER_ID', 'partitions were lost while their offsets were committed')
      await transaction?.commit()
      transaction = null
    },
    abort: async () => {
      const open = transaction
      transaction = null
      await open?.abort()
    },
  }
}

/** Results first, then offsets; or (at most once) the other way round. `recent`: the keys that were seen, by partition. */
export function committedRounds<OK, OV>(
  consumer: Consumer<unknown, unknown>,
  producer: Producer<OK, OV>,
  { guarantee, rememberedKeys }: Pick<ProcessPlan<unknown, unknown>, 'guarantee' | 'rememberedKeys'>,
  recent: Map<string, RecentKeys>,
): Rounds<OK, OV> {
  let failure: Error | null = null
  const outlet: Outlet<OK, OV> = {
    send: (record) => {
      const sent = producer.send(record)
      // Whether somebody awaits it or not: a record whose result is missing is not committed.
      sent.catch((error: unknown) => (failure ??= error instanceof Error ? error : new Error(String(error))))
      return sent
    },
    write: (record) => producer.write(record),
    drained: () => producer.drained(),
  }
  return {
    begin: async (records) => {
      if (guarantee === 'at-most-once') await consumer.commit(endsOf(records))
      if (guarantee === 'effectively-once') await recall(consumer, recent, records, rememberedKeys)
      return outlet
    },
    commit: async (handled) => {
      await producer.flush()
      const missing = failure
      failure = null
      if (missing !== null) throw missing
      if (guarantee === 'at-least-once') await consumer.commit(handled)
      if (guarantee === 'effectively-once') await consumer.commit(handled.map((one) => withKeys(one, recent)))
    },
    // What was sent was sent.
    abort: async () => {
      failure = null
    },
  }
}

/** The keys that were seen before the offset at which each partition begins. */
async function recall(
  consumer: Consumer<unknown, unknown>,
  recent: Map<string, RecentKeys>,
  records: readonly TopicPartition[],
  rememberedKeys: number,
): Promise<void> {
  const wanted = new Map(records.map(({ topic, partition }) => [topicPartitionName(topic, partition), { topic, partition }]))
  const missing = [...wanted].filter(([name]) => !recent.has(name))
  if (missing.length === 0) return
  const committed = await consumer.committed(missing.map(([, partition]) => partition))
  const texts = new Map(committed.map(({ topic, partition, metadata }) => [topicPartitionName(topic, partition), metadata]))
  for (const [name] of missing) recent.set(name, RecentKeys.decode(texts.get(name) ?? '', rememberedKeys))
}

function withKeys(one: OffsetToCommit, recent: ReadonlyMap<string, RecentKeys>): OffsetToCommit {
  return { ...one, metadata: recent.get(topicPartitionName(one.topic, one.partition))?.encode() ?? '' }
}

/** The first record of each run of records of one partition. */
export function* firstsOf<R extends TopicPartition>(records: Iterable<R>): Generator<R> {
  let last: R | null = null
  for (const record of records) {
    if (record.partition === last?.partition && record.topic === last.topic) continue
    last = record
    yield record
  }
}

/** The first record of each partition, as an offset to commit, or to go back to. */
export function beginsOf(records: Iterable<Place>): Map<string, Place> {
  const begins = new Map<string, Place>()
  for (const { topic, partition, offset } of firstsOf(records)) {
    const name = topicPartitionName(topic, partition)
    if (!begins.has(name)) begins.set(name, { topic, partition, offset })
  }
  return begins
}

/** Behind the last record of each partition. */
function endsOf(records: readonly Place[]): OffsetToCommit[] {
  const ends = new Map<string, OffsetToCommit>()
  for (const { topic, partition, offset } of records)
    ends.set(topicPartitionName(topic, partition), { topic, partition, offset: offset + 1 })
  return [...ends.values()]
}
