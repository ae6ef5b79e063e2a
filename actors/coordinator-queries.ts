/**
 * What clients ask the coordinator: topics and their leaders, the nodes, and where a group lives. Answered from the image of what is committed, by the active coordinator; or, while
 * there is none, by another one, whose image may be behind.
 */
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { TopicMetadata } from '../protocol/messages/metadata.ts'
import { coordinatorPartitionOf, isLive, OFFSETS_TOPIC, SHARE_TOPIC, TRANSACTIONS_TOPIC } from '../coordinator/metadata.ts'
import type { MetadataImage, TopicImage } from '../coordinator/metadata.ts'
import { minInsyncOf, replicaCountOf } from '../coordinator/partition-image.ts'
import type { Outbox } from './actor.ts'
import { seatVoters } from './coordinator-quorum.ts'
import type { QuorumSeat } from './coordinator-quorum.ts'

/** Topics by name, or all; and all nodes. */
export function answerMetadata(seat: QuorumSeat, request: MessageOf<'metadata'>, to: Address, outbox: Outbox): void {
  const { image, self } = seat
  const names = request.topics ?? [...image.topics.keys()].toSorted()
  const topics = names.map((name) => describe(image, name, image.topics.get(name)))
  const brokers = [...image.brokers.values()].map(({ node, brokerEpoch, rack, fenced }) => ({ node, brokerEpoch, rack, fenced }))
  const { correlationId } = request
  const { endOffset: metadataOffset, nextTopicId, reassignmentBytesPerSecond } = image
  const answer = {
    correlationId,
    metadataOffset,
    controller: seat.isActive ? self.node : -1,
    voters: seatVoters(seat),
    brokers,
    nextTopicId,
    topics,
  }
  const limit = reassignmentBytesPerSecond === null ? {} : { reassignmentBytesPerSecond }
  outbox.push({ kind: 'send', to, message: { kind: 'metadataResponse', ...answer, ...limit } })
}

/**
 * Nobody leads the quorum, and this coordinator tells what it knows, as Kafka's brokers do: leaders go on leading meanwhile. False: it says nothing, for it may only have not heard of
 * what is asked for.
 */
export function tellUnled(seat: QuorumSeat, request: MessageOf<'metadata' | 'findCoordinator'>, to: Address, outbox: Outbox): boolean {
  const { image } = seat
  const topics = request.kind === 'metadata' ? (request.topics ?? []) : [coordinatorTopicOf(request)]
  if (topics.some((topic) => !image.topics.has(topic))) return false
  if (request.kind === 'metadata') answerMetadata(seat, request, to, outbox)
  else answerFindCoordinator(image, request, to, outbox)
  return true
}

const COORDINATOR_TOPICS: Readonly<Record<MessageOf<'findCoordinator'>['keyType'], string>> = {
  group: OFFSETS_TOPIC,
  transaction: TRANSACTIONS_TOPIC,
  share: SHARE_TOPIC,
}

/** The topic that holds what coordinators of this kind know. */
export function coordinatorTopicOf({ keyType }: Pick<MessageOf<'findCoordinator'>, 'keyType'>): string {
  return COORDINATOR_TOPICS[keyType]
}

/** The node that leads the partition of the group, or of the transactional id. False: there is no such topic yet. */
export function answerFindCoordinator(image: MetadataImage, request: MessageOf<'findCoordinator'>, to: Address, outbox: Outbox): boolean {
  const topic = image.topics.get(coordinatorTopicOf(request))
  const partition = topic === undefined ? -1 : coordinatorPartitionOf(request.key, topic.partitions.length)
  const node = topic?.partitions[partition]?.leader ?? -1
  const error: ErrorName | null = isLive(image, node) ? null : 'COORDINATOR_NOT_AVAILABLE'
  outbox.push({
    kind: 'send',
    to,
    message: {
      kind: 'findCoordinatorResponse',
      correlationId: request.correlationId,
      errorCode: error === null ? NONE : codeOf(error),
      node: error === null ? node : -1,
      partition: error === null ? partition : -1,
      topicId: topic?.topicId ?? -1,
    },
  })
  return topic !== undefined
}

function describe(image: MetadataImage, name: string, topic: TopicImage | undefined): TopicMetadata {
  if (topic === undefined)
    return { topic: name, topicId: -1, errorCode: codeOf('UNKNOWN_TOPIC_OR_PARTITION'), partitions: [], config: null }
  const partitions = topic.partitions.map((one, partition) => {
    const { leader, leaderEpoch, replicas, isr, elr, removing } = one
    const adding = one.adding.filter((node) => !removing.includes(node))
    const minInsync = minInsyncOf(topic.config.minInsyncReplicas, replicaCountOf(one))
    return { partition, leader: isLive(image, leader) ? leader : -1, leaderEpoch, replicas, isr, elr, adding, removing, minInsync }
  })
  return { topic: name, topicId: topic.topicId, errorCode: NONE, partitions, config: topic.config }
}
