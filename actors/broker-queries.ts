/**
 * What clients ask a broker: topics and their leaders, where a group lives, which groups run here. Answered from the node's own image, which may be a little behind.
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { TopicMetadata } from '../protocol/messages/metadata.ts'
import { isLive, offsetsPartitionOf, OFFSETS_TOPIC } from '../coordinator/metadata.ts'
import type { MetadataImage, TopicImage } from '../coordinator/metadata.ts'
import type { Context, Outbox } from './actor.ts'
import type { BrokerState } from './broker-state.ts'

/** Partitions of `__consumer_offsets` when it is first needed; it keeps them for ever. */
const OFFSETS_PARTITIONS = 4

/** Topics by name, or all. */
export function answerMetadata(state: BrokerState, request: MessageOf<'metadata'>, context: Context, outbox: Outbox): void {
  const { image } = state
  const { correlationId } = request
  // Who has not been told of itself yet has nothing to tell.
  if (state.brokerEpoch < 0 || image.endOffset < state.brokerEpoch)
    return outbox.push({ kind: 'send', to: context.from, message: { kind: 'undeliverable', correlationId } })
  const names = request.topics ?? [...image.topics.keys()].toSorted()
  const topics = names.map((name) => describe(image, name, image.topics.get(name)))
  const brokers = [...image.brokers.values()].map(({ node, brokerEpoch, rack, fenced }) => ({ node, brokerEpoch, rack, fenced }))
  const { endOffset: metadataOffset, nextTopicId } = image
  const message = {
    kind: 'metadataResponse',
    correlationId,
    metadataOffset,
    controller: state.controller,
    brokers,
    nextTopicId,
    topics,
  } as const
  outbox.push({ kind: 'send', to: context.from, message })
}

/** The node that leads the group's partition of `__consumer_offsets`; the topic is made when it is first needed. */
export function answerFindCoordinator(state: BrokerState, request: MessageOf<'findCoordinator'>, context: Context, outbox: Outbox): void {
  const topic = state.image.topics.get(OFFSETS_TOPIC)
  if (topic === undefined && state.brokerEpoch >= 0) createOffsetsTopic(state, outbox)
  const partition = topic === undefined ? -1 : offsetsPartitionOf(request.group, topic.partitions.length)
  const node = topic?.partitions[partition]?.leader ?? -1
  const error: ErrorName | null = node < 0 || !isLive(state.image, node) ? 'COORDINATOR_NOT_AVAILABLE' : null
  outbox.push({
    kind: 'send',
    to: context.from,
    message: {
      kind: 'findCoordinatorResponse',
      correlationId: request.correlationId,
      errorCode: error === null ? NONE : codeOf(error),
      node: error === null ? node : -1,
      partition,
      topicId: topic?.topicId ?? -1,
    },
  })
}

/** The groups whose actors run here. */
export function answerListGroups(state: BrokerState, request: MessageOf<'listGroups'>, context: Context, outbox: Outbox): void {
  const groups = [...state.groups.keys()].toSorted()
  outbox.push({ kind: 'send', to: context.from, message: { kind: 'groupsListed', correlationId: request.correlationId, groups } })
}

function describe(image: MetadataImage, name: string, topic: TopicImage | undefined): TopicMetadata {
  if (topic === undefined)
    return { topic: name, topicId: -1, errorCode: codeOf('UNKNOWN_TOPIC_OR_PARTITION'), partitions: [], config: null }
  const partitions = topic.partitions.map(({ leader, leaderEpoch, replicas, isr, elr }, partition) => ({
    partition,
    leader: isLive(image, leader) ? leader : -1,
    leaderEpoch,
    replicas,
    isr,
    elr,
  }))
  return { topic: name, topicId: topic.topicId, errorCode: NONE, partitions, config: topic.config }
}

/** Whoever else makes it at the same time has made it. */
function createOffsetsTopic(state: BrokerState, outbox: Outbox): void {
  const configs = { flush: 'commit', retentionMillis: -1 }
  const topics = [{ name: OFFSETS_TOPIC, numPartitions: OFFSETS_PARTITIONS, replicationFactor: -1, configs }]
  const to = { node: state.controller, actor: COORDINATOR_ACTOR }
  outbox.push({ kind: 'send', to, message: { kind: 'createTopics', correlationId: 0, topics, validateOnly: false } })
}
