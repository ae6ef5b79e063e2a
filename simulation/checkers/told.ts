/**
 * TOLD: what whoever asks is told is so. A coordinator tells of topics, nodes and quotas what its image says, all of it and nothing else (that this is what the log says is META), and one that does not lead says so;
 * a leader that nobody has succeeded says where its log ends, and does not leave out what readers may have seen, and nobody is ahead of it; a transactor knows every transactional id, and does not call a transaction
 * open whose end somebody was told. What groups tell, groups.ts and outside-groups.ts compare with what is committed.
 */
import type { Effect } from '../../actors/effect.ts'
import type { CoordinatorState } from '../../actors/coordinator.ts'
import type { TransactorState } from '../../actors/transactor-state.ts'
import { isLive, TRANSACTIONS_TOPIC } from '../../coordinator/metadata.ts'
import type { MetadataImage } from '../../coordinator/metadata.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import { NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import type { ClientQuota } from '../../protocol/messages/quota.ts'
import { livesOf } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'
import { isKeptIn, isLastReign } from './in-charge.ts'

/** A coordinator has handled a message: what it tells of topics, nodes and quotas is what its image says. */
export function checkCoordinatorTold(
  { world }: Truth,
  { seat: { image, isActive } }: CoordinatorState,
  message: Message,
  effects: readonly Effect[],
): void {
  for (const effect of effects) {
    if (effect.kind !== 'send') continue
    const told = effect.message
    if (told.kind === 'metadataResponse' && message.kind === 'metadata' && told.metadataOffset === image.endOffset) {
      const due = metadataOf(image, message.topics ?? [...image.topics.keys()])
      const said = saidOf(told)
      if (said !== due) world.fail('TOLD', `a coordinator says ${said}, but it is ${due}`)
      if (isActive !== told.controller >= 0) world.fail('TOLD', `node ${told.controller} is said to be the active coordinator`)
      const absent = told.topics.find(({ topicId }) => topicId < 0)
      if (!isActive && absent !== undefined)
        world.fail('TOLD', `${absent.topic} is said not to be there by a coordinator that may not have heard of it`)
    }
    if (told.kind === 'clientQuotasDescribed' && told.entries !== null) {
      const due = quotasOf(image.quotas.values())
      const said = quotasOf(told.entries)
      if (said !== due) world.fail('TOLD', `a coordinator says that quotas are ${said}, but they are ${due}`)
    }
  }
}

/** A leader has handled a message: where it says that its log begins, and ends for readers. */
export function checkOffsetsTold(
  { world }: Truth,
  partition: PartitionTruth,
  { role, phase, log }: ReplicaState,
  message: Message,
  effects: readonly Effect[],
): void {
  if (message.kind !== 'listOffsets' || phase !== 'leading' || partition.isUnclean || partition.lossFloor >= 0) return
  if (!isLastReign(partition, role.leaderEpoch)) return
  for (const effect of effects) {
    if (effect.kind !== 'send' || effect.message.kind !== 'listOffsetsResponse' || effect.message.errorCode !== NONE) continue
    const { offset } = effect.message
    const isEnd = message.timestamp === LATEST_TIMESTAMP && message.isolationLevel === 'read_uncommitted'
    if (isEnd && offset !== partition.exposedEnd)
      world.fail('TOLD', `${partition.name} is said to end at ${offset}, but readers may have seen it up to ${partition.exposedEnd}`)
    if (message.timestamp === EARLIEST_TIMESTAMP && offset !== log.logStartOffset)
      world.fail('TOLD', `${partition.name} is said to begin at ${offset}, but it does at ${log.logStartOffset}`)
  }
}

/** A leader has handled a message: how far it says that the replicas are behind it, and where its log begins, and ends for readers. */
export function checkLagsTold(
  { world }: Truth,
  partition: PartitionTruth,
  { self, role, phase, log }: ReplicaState,
  effects: readonly Effect[],
): void {
  for (const effect of effects) {
    if (effect.kind !== 'send' || effect.message.kind !== 'describePartitionResponse') continue
    const { errorCode, logStartOffset, highWatermark, lags } = effect.message
    if (lags.length === 0) continue
    const isRight = lags.every(({ node, lag }) => (node === self.node ? lag === 0 : lag >= -1 && lag <= log.logEndOffset))
    if (!isRight || lags.map(({ node }) => node).join() !== role.replicas.join())
      world.fail('TOLD', `${partition.name} is said to have lags ${lags.map(({ node, lag }) => `${node}: ${lag}`).join()}`)
    if (errorCode !== NONE || phase !== 'leading' || partition.isUnclean || partition.lossFloor >= 0) continue
    if (!isLastReign(partition, role.leaderEpoch)) continue
    if (logStartOffset !== log.logStartOffset || highWatermark !== partition.exposedEnd)
      world.fail(
        'TOLD',
        `${partition.name} is said to have ${logStartOffset} to ${highWatermark}, but readers may have seen it up to ${partition.exposedEnd}`,
      )
  }
}

/** A transactor has handled a message: what it tells of its transactional ids, unless it has been succeeded. */
export function checkTransactionsTold(truth: Truth, { config }: TransactorState, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.kind !== 'send' || effect.message.kind !== 'listTransactionsResponse' || effect.message.errorCode !== NONE) continue
    const log = livesOf(truth, topicPartitionName(TRANSACTIONS_TOPIC, config.partition)).at(-1)
    if (!isLastReign(log, config.leaderEpoch)) continue
    compareTransactions(truth, config.partition, effect.message)
  }
}

function compareTransactions(truth: Truth, partition: number, { transactions }: MessageOf<'listTransactionsResponse'>): void {
  const { lives, all } = truth.transactions
  const missing = lives.find(
    ({ transactionalId: id }) => isKeptIn(partition, id) && !transactions.some(({ transactionalId }) => transactionalId === id),
  )
  if (missing !== undefined) truth.world.fail('TOLD', `${missing.transactionalId} is not among the transactional ids of its transactor`)
  const ongoing = transactions.filter(({ state }) => state === 'ongoing')
  const open = new Set(ongoing.map((one) => `${one.producerId}/${one.producerEpoch}`))
  const ended = all.find(
    ({ producerId, producerEpoch, outcome, records }) =>
      outcome === 'committed' && records.length > 0 && open.has(`${producerId}/${producerEpoch}`),
  )
  if (ended !== undefined) truth.world.fail('TOLD', `${ended.name} is said to be open, but its producer was told that it is committed`)
}

function metadataOf(image: MetadataImage, names: readonly string[]): string {
  const topics = names.toSorted().map((name) => {
    const topic = image.topics.get(name)
    const partitions = (topic?.partitions ?? []).map(({ leader, leaderEpoch, replicas, isr }) =>
      [isLive(image, leader) ? leader : -1, leaderEpoch, replicas, isr].join('/'),
    )
    return `${name}.${topic?.topicId ?? -1}: ${partitions.join(' ')}`
  })
  return [...topics, nodesOf([...image.brokers.values()])].join('; ')
}

function saidOf({ topics, brokers }: MessageOf<'metadataResponse'>): string {
  const said = topics
    .toSorted((a, b) => (a.topic < b.topic ? -1 : 1))
    .map(({ topic, topicId, partitions }) => {
      const parts = partitions.map(({ leader, leaderEpoch, replicas, isr }) => [leader, leaderEpoch, replicas, isr].join('/'))
      return `${topic}.${topicId}: ${parts.join(' ')}`
    })
  return [...said, nodesOf(brokers)].join('; ')
}

function nodesOf(brokers: readonly { readonly node: number; readonly brokerEpoch: number; readonly fenced: boolean }[]): string {
  return brokers
    .map(({ node, brokerEpoch, fenced }) => `node ${node} in ${brokerEpoch}${fenced ? ', fenced' : ''}`)
    .toSorted()
    .join('; ')
}

function quotasOf(quotas: Iterable<ClientQuota>): string {
  return Array.from(quotas, ({ entity, quotas: values }) =>
    [...Object.entries(entity), ...Object.entries(values)].map(([key, value]) => `${key} ${value}`).join(),
  )
    .toSorted()
    .join(' ')
}
