/**
 * The metadata coordinator: owns the metadata log, rules on requests against the image, and tells brokers what to serve.
 * Writes go one at a time: a request is judged when the one before it is in the log.
 *
 *   loading (reads the metadata log) ─► active
 */
import { BROKER_ACTOR } from '../protocol/address.ts'
import type { Address } from '../protocol/address.ts'
import { assert, unreachable } from '../protocol/assert.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { AssignPartitions, PartitionAssignment } from '../protocol/messages/lifecycle.ts'
import type {
  AlterConfigsRequest,
  CreatePartitionsRequest,
  CreateTopicsRequest,
  DeleteTopicsRequest,
  InitProducerIdRequest,
  TopicMetadata,
} from '../protocol/messages/metadata.ts'
import { parseTopicConfig } from '../protocol/topic-config.ts'
import { ruleAlterConfigs, ruleCreatePartitions, ruleCreateTopics, ruleDeleteTopics } from '../coordinator/administration.ts'
import type { Ruling, Verdict } from '../coordinator/administration.ts'
import {
  applyRecord,
  decodeMetadataRecord,
  emptyImage,
  encodeMetadataRecord,
  METADATA_TOPIC,
  offsetsPartitionOf,
  OFFSETS_TOPIC,
} from '../coordinator/metadata.ts'
import type { MetadataImage, MetadataRecord, TopicImage } from '../coordinator/metadata.ts'
import { appendRequest, loadRequest, openStateLog, takeLoaded } from '../coordinator/state-log.ts'
import type { StateLog } from '../coordinator/state-log.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import { actor as replica } from './replica.ts'
import type { ReplicaConfig } from '../partitions/replica-state.ts'

/** What a coordinator is started with. */
export interface CoordinatorConfig {
  /** Nodes 0 … nodeCount - 1. */
  readonly nodeCount: number
  /** Partitions of `__consumer_offsets`; fixed when the topic is first needed. */
  readonly offsetsPartitions: number
}

type WriteRequest = CreateTopicsRequest | DeleteTopicsRequest | CreatePartitionsRequest | AlterConfigsRequest | InitProducerIdRequest

/** A write that waits for its turn, or (the first) for the log. `from` null: the coordinator's own. */
interface QueuedWrite {
  readonly from: Address | null
  readonly request: WriteRequest
}

/** What the coordinator knows. */
export interface CoordinatorState {
  readonly self: Address
  readonly config: CoordinatorConfig
  readonly log: StateLog
  readonly image: MetadataImage
  /** Producer ids that may be given out without a write: up to the image's `nextProducerId`. */
  freeProducerId: number
  readonly queue: QueuedWrite[]
  /** The ruling that is being written; null while nothing is. */
  writing: Ruling | null
  /** By node: how much of the metadata it has applied. */
  readonly brokers: Map<number, number>
  nextCorrelationId: number
}

/** Producer ids are reserved in the log by blocks. */
const PRODUCER_ID_BLOCK = 1000

/** Pause before the metadata log is asked again while it opens. */
const LOAD_RETRY_MILLIS = 5

/** Writes that may wait; more are refused. */
const QUEUE_MAX = 10_000

/** The behaviour of the coordinator. */
export const actor: Actor<CoordinatorState, CoordinatorConfig> = {
  url: import.meta.url,
  start: (self, config) => ({
    self,
    config,
    log: openStateLog(self.node, METADATA_TOPIC, 0, 0),
    image: emptyImage(),
    freeProducerId: 0,
    queue: [],
    writing: null,
    brokers: new Map(),
    nextCorrelationId: 1,
  }),
  receive(state: CoordinatorState, message: Message, context: Context, outbox: Outbox): void {
    switch (message.kind) {
      case 'started':
        return onStarted(state, outbox)
      case 'timerFired':
      case 'undeliverable':
        return load(state, outbox)
      case 'fetchResponse':
        return onLoaded(state, message, outbox)
      case 'produceResponse':
        return onWritten(state, message, context, outbox)
      case 'registerBroker':
        return onRegisterBroker(state, message, outbox)
      case 'metadata':
        return onMetadata(state, message, context, outbox)
      case 'findCoordinator':
        return onFindCoordinator(state, message, context, outbox)
      case 'createTopics':
      case 'deleteTopics':
      case 'createPartitions':
      case 'incrementalAlterConfigs':
        return enqueue(state, { from: context.from, request: message }, context, outbox)
      case 'initProducerId':
        return onInitProducerId(state, message, context, outbox)
      default:
        assert(false, `the coordinator does not understand ${message.kind}`)
    }
  },
}

// ── loading ──

function onStarted(state: CoordinatorState, outbox: Outbox): void {
  const parsed = parseTopicConfig({ flush: 'commit', retentionMillis: -1 })
  assert(parsed.ok, 'M3 the metadata log has sound settings')
  const config: ReplicaConfig = { topic: METADATA_TOPIC, topicId: 0, partition: 0, leaderEpoch: 0, topicConfig: parsed.config }
  outbox.push({ kind: 'spawn', actor: state.log.replica.actor, url: replica.url, config })
  load(state, outbox)
}

function load(state: CoordinatorState, outbox: Outbox): void {
  if (state.log.loaded) return
  outbox.push({ kind: 'send', to: state.log.replica, message: loadRequest(state.log, state.nextCorrelationId++) })
}

function onLoaded(state: CoordinatorState, response: MessageOf<'fetchResponse'>, outbox: Outbox): void {
  if (state.log.loaded) return
  const records = takeLoaded(state.log, response)
  if (records === null) return outbox.push({ kind: 'startTimer', timer: 'load', afterMillis: LOAD_RETRY_MILLIS })
  for (const { value } of records) {
    if (value !== null) applyRecord(state.image, decodeMetadataRecord(value))
  }
  if (!state.log.loaded) return load(state, outbox)
  state.freeProducerId = state.image.nextProducerId
  tellBrokers(state, outbox)
}

// ── writes ──

function enqueue(state: CoordinatorState, write: QueuedWrite, context: Context, outbox: Outbox): void {
  if (!state.log.loaded || state.queue.length >= QUEUE_MAX) {
    const error = codeOf(state.log.loaded ? 'THROTTLING_QUOTA_EXCEEDED' : 'COORDINATOR_LOAD_IN_PROGRESS')
    return respond(state, write, [{ name: '', topicId: -1, errorCode: error, errorMessage: null }], -1, outbox)
  }
  state.queue.push(write)
  writeNext(state, context, outbox)
}

function writeNext(state: CoordinatorState, context: Context, outbox: Outbox): void {
  for (let write = state.queue[0]; write !== undefined && state.writing === null; write = state.queue[0]) {
    const ruling = rule(state, write.request)
    if (ruling.records.length === 0) {
      state.queue.shift()
      respond(state, write, ruling.verdicts.map(toResult), -1, outbox)
      continue
    }
    state.writing = ruling
    const records = ruling.records.map((record) => ({ key: null, value: encodeMetadataRecord(record) }))
    outbox.push({ kind: 'send', to: state.log.replica, message: appendRequest(state.log, state.nextCorrelationId++, records, context.now) })
  }
}

function rule(state: CoordinatorState, request: WriteRequest): Ruling {
  const { image, config } = state
  switch (request.kind) {
    case 'createTopics':
      return ruleCreateTopics(image, request, config.nodeCount)
    case 'deleteTopics':
      return ruleDeleteTopics(image, request)
    case 'createPartitions':
      return ruleCreatePartitions(image, request, config.nodeCount)
    case 'incrementalAlterConfigs':
      return ruleAlterConfigs(image, request)
    case 'initProducerId':
      return { records: [{ type: 'producerIdsReserved', nextProducerId: image.nextProducerId + PRODUCER_ID_BLOCK }], verdicts: [] }
    default:
      return unreachable(request)
  }
}

function onWritten(state: CoordinatorState, response: MessageOf<'produceResponse'>, context: Context, outbox: Outbox): void {
  const { writing } = state
  const write = state.queue.shift()
  assert(writing !== null && write !== undefined, 'M4 one write at a time is under way')
  state.writing = null
  if (response.errorCode !== NONE) {
    const results = writing.verdicts.map((verdict) => ({
      ...toResult(verdict),
      errorCode: response.errorCode,
      errorMessage: response.errorMessage,
    }))
    respond(state, write, results, -1, outbox)
  } else {
    for (const record of writing.records) apply(state, record)
    tellBrokers(state, outbox)
    respond(state, write, writing.verdicts.map(toResult), state.freeProducerId++, outbox)
  }
  writeNext(state, context, outbox)
}

function apply(state: CoordinatorState, record: MetadataRecord): void {
  if (record.type === 'producerIdsReserved') state.freeProducerId = state.image.nextProducerId
  applyRecord(state.image, record)
}

function toResult({ name, topicId, error, reason }: Verdict): {
  name: string
  topicId: number
  errorCode: number
  errorMessage: string | null
} {
  return { name, topicId, errorCode: error === null ? NONE : codeOf(error), errorMessage: reason }
}

function respond(
  state: CoordinatorState,
  write: QueuedWrite,
  results: MessageOf<'adminResponse'>['results'],
  producerId: number,
  outbox: Outbox,
): void {
  const { from: to, request } = write
  if (request.kind !== 'initProducerId') {
    if (to !== null) outbox.push({ kind: 'send', to, message: { kind: 'adminResponse', correlationId: request.correlationId, results } })
    state.freeProducerId -= producerId < 0 ? 0 : 1
    return
  }
  const errorCode = producerId < 0 ? (results[0]?.errorCode ?? codeOf('COORDINATOR_NOT_AVAILABLE')) : NONE
  assert(to !== null, 'M5 producer ids are given to somebody')
  outbox.push({
    kind: 'send',
    to,
    message: { kind: 'initProducerIdResponse', correlationId: request.correlationId, errorCode, producerId, producerEpoch: 0 },
  })
}

function onInitProducerId(state: CoordinatorState, request: InitProducerIdRequest, context: Context, outbox: Outbox): void {
  const write = { from: context.from, request }
  if (state.log.loaded && state.freeProducerId < state.image.nextProducerId)
    return respond(state, write, [], state.freeProducerId++, outbox)
  enqueue(state, write, context, outbox)
}

// ── brokers ──

function onRegisterBroker(state: CoordinatorState, message: MessageOf<'registerBroker'>, outbox: Outbox): void {
  state.brokers.set(message.node, message.metadataOffset)
  if (state.log.loaded && message.metadataOffset !== state.image.endOffset) tellBroker(state, message.node, outbox)
}

function tellBrokers(state: CoordinatorState, outbox: Outbox): void {
  for (const node of state.brokers.keys()) tellBroker(state, node, outbox)
}

function tellBroker(state: CoordinatorState, node: number, outbox: Outbox): void {
  const partitions: PartitionAssignment[] = []
  for (const topic of state.image.topics.values()) {
    topic.leaders.forEach((leader, partition) => {
      if (leader === node) partitions.push({ topic: topic.name, topicId: topic.topicId, partition, leaderEpoch: 0, config: topic.config })
    })
  }
  const message: AssignPartitions = { kind: 'assignPartitions', metadataOffset: state.image.endOffset, partitions }
  outbox.push({ kind: 'send', to: { node, actor: BROKER_ACTOR }, message })
}

// ── reads ──

function onMetadata(state: CoordinatorState, request: MessageOf<'metadata'>, context: Context, outbox: Outbox): void {
  if (!state.log.loaded)
    return outbox.push({ kind: 'send', to: context.from, message: { kind: 'undeliverable', correlationId: request.correlationId } })
  const names = request.topics ?? [...state.image.topics.keys()].toSorted()
  const topics = names.map((name) => describe(state, name, state.image.topics.get(name)))
  outbox.push({
    kind: 'send',
    to: context.from,
    message: { kind: 'metadataResponse', correlationId: request.correlationId, metadataOffset: state.image.endOffset, topics },
  })
}

function describe(state: CoordinatorState, name: string, topic: TopicImage | undefined): TopicMetadata {
  if (topic === undefined)
    return { topic: name, topicId: -1, errorCode: codeOf('UNKNOWN_TOPIC_OR_PARTITION'), partitions: [], config: null }
  const partitions = topic.leaders.map((node, partition) => ({ partition, leader: state.brokers.has(node) ? node : -1, leaderEpoch: 0 }))
  return { topic: name, topicId: topic.topicId, errorCode: NONE, partitions, config: topic.config }
}

function onFindCoordinator(state: CoordinatorState, request: MessageOf<'findCoordinator'>, context: Context, outbox: Outbox): void {
  const topic = state.image.topics.get(OFFSETS_TOPIC)
  const { correlationId, group } = request
  if (!state.log.loaded || topic === undefined) {
    if (state.log.loaded) createOffsetsTopic(state, context, outbox)
    const errorCode = codeOf('COORDINATOR_NOT_AVAILABLE')
    return outbox.push({
      kind: 'send',
      to: context.from,
      message: { kind: 'findCoordinatorResponse', correlationId, errorCode, node: -1, partition: -1, topicId: -1 },
    })
  }
  const partition = offsetsPartitionOf(group, topic.leaders.length)
  const node = topic.leaders[partition]
  assert(node !== undefined, 'M6 the hash of a group names a partition')
  outbox.push({
    kind: 'send',
    to: context.from,
    message: { kind: 'findCoordinatorResponse', correlationId, errorCode: NONE, node, partition, topicId: topic.topicId },
  })
}

function createOffsetsTopic(state: CoordinatorState, context: Context, outbox: Outbox): void {
  const topics = [{ name: OFFSETS_TOPIC, numPartitions: state.config.offsetsPartitions, configs: { flush: 'commit', retentionMillis: -1 } }]
  if (state.queue.some((write) => write.from === null)) return
  enqueue(state, { from: null, request: { kind: 'createTopics', correlationId: 0, topics, validateOnly: false } }, context, outbox)
}
