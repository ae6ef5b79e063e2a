/**
 * Administration of transactions: which transactional ids there are, what is open, and (KIP-664) how a transaction is ended that hangs: it is open in a partition, and no
 * transactor knows of it any more, so that nobody else will end it. Each partition of `__transaction_state` is asked where it is led.
 *
 * A leader takes the first batch of a transaction when the transactor has written down that it will end it there, and that is forgotten when its marker is committed. So what was open
 * before the transactors were asked, and is open afterwards, hangs if none of them has it. The marker names the begin and the epoch: it ends that one, or nothing.
 */
import { transactorActor } from '../../protocol/address.ts'
import { errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { ProducerDescription, TransactionDescription } from '../../protocol/messages/transaction.ts'
import type { HangingTransaction, TransactionToAbort } from './admin-api.ts'
import { throwIfError } from './requests.ts'
import type { Requests } from './requests.ts'

const TRANSACTIONS_TOPIC = '__transaction_state'

/** What a leader knows of a producer that has a transaction open. */
interface OpenProducer extends ProducerDescription {
  readonly currentTransactionStartOffset: number
}

/** All transactional ids that transactors know, sorted; none before somebody has used one. */
export async function listTransactions(requests: Requests): Promise<TransactionDescription[]> {
  const all = await transactionsOf(requests, false)
  return all.toSorted((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1))
}

/** The producers that the leader of a partition knows, by their ids. Throws UNKNOWN_TOPIC_OR_PARTITION. */
export async function describeProducers(requests: Requests, topic: TopicMetadata, partition: number): Promise<ProducerDescription[]> {
  const asked = { kind: 'describeProducers', topicId: topic.topicId } as const
  const { errorCode, producers } = await requests.askLeader(topic, partition, asked, 'describeProducersResponse')
  throwIfError(errorCode, null)
  return [...producers]
}

/** Those of all topics, or of one. Throws what cannot be known, of any partition or transactor. */
export async function findHangingTransactions(requests: Requests, topic: string | null): Promise<HangingTransaction[]> {
  const topics = topic === null ? await allTopics(requests) : [await requests.topic(topic)]
  const before: HangingTransaction[] = []
  for (const one of topics) before.push(...(await openTransactions(requests, one)))
  if (before.length === 0) return []
  const known = await transactionsOf(requests, true)
  const suspects = before.filter((one) => holderOf(known, one) === null)
  const names = new Set(suspects.map((one) => one.topic))
  const after: HangingTransaction[] = []
  for (const one of topics) if (names.has(one.topic)) after.push(...(await openTransactions(requests, one)))
  return suspects.filter((one) => after.some((other) => isSame(one, other)))
}

/** Aborts one that hangs; done when its marker is committed. Throws, and nothing is changed, if there is none, or a transactor has it, or may have it. */
export async function abortTransaction(requests: Requests, { topic, partition, startOffset }: TransactionToAbort): Promise<void> {
  const name = topicPartitionName(topic, partition)
  const metadata = await requests.topic(topic)
  const open = (await describeProducers(requests, metadata, partition)).filter(isOpen)
  const found = open.find((one) => one.currentTransactionStartOffset === startOffset)
  if (found === undefined) throw notOpen(name, startOffset, open)
  const { producerId, producerEpoch, coordinatorEpoch } = found
  const holder = holderOf(await transactionsOf(requests, true), found)
  if (holder !== null)
    throw new KafkaError(
      'CONCURRENT_TRANSACTIONS',
      `the transaction at ${startOffset} of ${name} does not hang: it is that of ${JSON.stringify(holder)}, and its transactor ends it`,
    )
  const marker = { producerId, producerEpoch: producerEpoch + 1, committed: false, coordinatorEpoch: coordinatorEpoch ?? -1, startOffset }
  const asked = { kind: 'writeTransactionMarker', topicId: metadata.topicId, ...marker } as const
  const { errorCode } = await requests.askLeader(metadata, partition, asked, 'writeTransactionMarkerResponse')
  const isOver = errorOf(errorCode).name === 'INVALID_TXN_STATE'
  throwIfError(errorCode, isOver ? `the transaction at ${startOffset} of ${name} has ended meanwhile` : null)
}

/** What all transactors know; whole: with all that anybody may have open. */
async function transactionsOf(requests: Requests, mustBeWhole: boolean): Promise<TransactionDescription[]> {
  const { topics } = await requests.metadata([TRANSACTIONS_TOPIC])
  const topic = topics[0]
  if (topic === undefined || topic.errorCode !== NONE) return []
  const asked = { kind: 'listTransactions', ...(mustBeWhole ? { mustBeWhole } : {}) } as const
  const lists = await Promise.all(
    topic.partitions.map(({ partition }) =>
      requests.askLeader(topic, partition, asked, 'listTransactionsResponse', transactorActor(partition)),
    ),
  )
  for (const { errorCode } of lists) throwIfError(errorCode, null)
  return lists.flatMap(({ transactions }) => transactions)
}

async function allTopics(requests: Requests): Promise<readonly TopicMetadata[]> {
  return (await requests.metadata(null)).topics
}

async function openTransactions(requests: Requests, topic: TopicMetadata): Promise<HangingTransaction[]> {
  const known = await Promise.all(topic.partitions.map(({ partition }) => describeProducers(requests, topic, partition)))
  return known.flatMap((producers, index) =>
    producers.filter(isOpen).map(({ producerId, producerEpoch, currentTransactionStartOffset: startOffset }) => {
      return { topic: topic.topic, partition: topic.partitions[index]?.partition ?? index, startOffset, producerId, producerEpoch }
    }),
  )
}

function isOpen(one: ProducerDescription): one is OpenProducer {
  return one.currentTransactionStartOffset !== null
}

function isSame(one: HangingTransaction, other: HangingTransaction): boolean {
  return (Object.keys(one) as (keyof HangingTransaction)[]).every((key) => one[key] === other[key])
}

/** Whose transaction it is that a producer has open in that epoch, or that is being ended, which raises the epoch; null if nobody knows of it. */
function holderOf(
  known: readonly TransactionDescription[],
  { producerId, producerEpoch }: Pick<ProducerDescription, 'producerId' | 'producerEpoch'>,
): string | null {
  const found = known.find((one) => {
    if (one.producerId !== producerId) return false
    if (one.state === 'ongoing') return one.producerEpoch === producerEpoch
    return (one.state === 'prepareCommit' || one.state === 'prepareAbort') && one.producerEpoch === producerEpoch + 1
  })
  return found?.transactionalId ?? null
}

function notOpen(name: string, startOffset: number, open: readonly OpenProducer[]): KafkaError {
  const begins = open.map((one) => one.currentTransactionStartOffset).toSorted((a, b) => a - b)
  const others = begins.length === 0 ? 'none is open there' : `those that are open there begin at ${begins.join(', ')}`
  return new KafkaError('INVALID_TXN_STATE', `no transaction that is open begins at ${startOffset} of ${name}: ${others}`)
}
