/**
 * The metadata coordinator: one on each voting node. One of them leads the metadata quorum (coordinator-quorum.ts); it rules on requests against the
 * image, and tells brokers what to serve. Writes go one at a time: a request is judged when the one before it is committed. The others answer
 * NOT_CONTROLLER, and who leads.
 *
 *   inactive (reads its disk, follows) ◄──► active (leads; what was committed before is applied)
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
import { ruleAlterConfigs, ruleCreatePartitions, ruleCreateTopics, ruleDeleteTopics } from '../coordinator/administration.ts'
import type { Ruling, Verdict } from '../coordinator/administration.ts'
import { offsetsPartitionOf, OFFSETS_TOPIC } from '../coordinator/metadata.ts'
import type { TopicImage } from '../coordinator/metadata.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import {
  controllerOf,
  newQuorumSeat,
  onSeatMessage,
  onSeatNodeDown,
  onSeatStorage,
  onSeatTimer,
  proposeRecords,
  takeSeat,
} from './coordinator-quorum.ts'
import type { QuorumSeat, QuorumSettings } from './coordinator-quorum.ts'

/** What a coordinator is started with. */
export interface CoordinatorConfig extends QuorumSettings {
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

/** A ruling in the log that is not committed yet. */
interface OpenWrite {
  readonly ruling: Ruling
  /** It counts when the image goes so far. */
  readonly endOffset: number
  /** The first producer id that the image had not reserved. */
  readonly nextProducerId: number
}

/** What the coordinator knows. */
export interface CoordinatorState {
  readonly self: Address
  readonly config: CoordinatorConfig
  readonly seat: QuorumSeat
  /** As of the last message. */
  wasActive: boolean
  /** Producer ids that may be given out without a write: up to the image's `nextProducerId`. */
  freeProducerId: number
  readonly queue: QueuedWrite[]
  /** Null while nothing is written. */
  writing: OpenWrite | null
  /** By node: how much of the metadata it has applied. */
  readonly brokers: Map<number, number>
}

/** Producer ids are reserved in the log by blocks. */
const PRODUCER_ID_BLOCK = 1000

/** Writes that may wait; more are refused. */
const QUEUE_MAX = 10_000

/** The behaviour of the coordinator. */
export const actor: Actor<CoordinatorState, CoordinatorConfig> = {
  url: import.meta.url,
  start: (self, config) => ({
    self,
    config,
    seat: newQuorumSeat(self, config),
    wasActive: false,
    freeProducerId: 0,
    queue: [],
    writing: null,
    brokers: new Map(),
  }),
  receive(state: CoordinatorState, message: Message, context: Context, outbox: Outbox): void {
    handle(state, message, context, outbox)
    followUp(state, context, outbox)
  },
}

function handle(state: CoordinatorState, message: Message, context: Context, outbox: Outbox): void {
  const { seat } = state
  switch (message.kind) {
    case 'started':
      return takeSeat(seat, outbox)
    case 'timerFired':
      return onSeatTimer(seat, message.timer, context, outbox)
    case 'nodeDown':
      return onSeatNodeDown(seat, message.node, context, outbox)
    case 'quorumVote':
    case 'quorumVoteResponse':
    case 'quorumAppend':
    case 'quorumAppendResponse':
    case 'quorumSnapshot':
    case 'quorumSnapshotResponse':
      return onSeatMessage(seat, message, context, outbox)
    case 'appended':
    case 'synced':
    case 'readCompleted':
    case 'storageDone':
    case 'listed':
    case 'logsListed':
      return onSeatStorage(seat, message, context, outbox)
    case 'registerBroker':
      return onRegisterBroker(state, message, outbox)
    case 'metadata':
    case 'findCoordinator':
    case 'createTopics':
    case 'deleteTopics':
    case 'createPartitions':
    case 'incrementalAlterConfigs':
    case 'initProducerId':
      if (!seat.isActive) return refuse(state, context.from, message.correlationId, false, outbox)
      return onRequest(state, message, context, outbox)
    default:
      assert(false, `the coordinator does not understand ${message.kind}`)
  }
}

function onRequest(
  state: CoordinatorState,
  message: WriteRequest | MessageOf<'metadata'> | MessageOf<'findCoordinator'>,
  context: Context,
  outbox: Outbox,
): void {
  switch (message.kind) {
    case 'metadata':
      return onMetadata(state, message, context, outbox)
    case 'findCoordinator':
      return onFindCoordinator(state, message, context, outbox)
    case 'initProducerId':
      return onInitProducerId(state, message, context, outbox)
    default:
      return enqueue(state, { from: context.from, request: message }, context, outbox)
  }
}

function refuse(state: CoordinatorState, to: Address, correlationId: number, isUncertain: boolean, outbox: Outbox): void {
  outbox.push({
    kind: 'send',
    to,
    message: { kind: 'notController', correlationId, controller: controllerOf(state.seat), isUncertain },
  })
}

// ── leadership ──

/** Every message may have brought or taken the leadership, or have committed what was being written. */
function followUp(state: CoordinatorState, context: Context, outbox: Outbox): void {
  const { seat } = state
  if (state.wasActive && !seat.isActive) resign(state, outbox)
  if (!state.wasActive && seat.isActive) activate(state, outbox)
  const { writing } = state
  if (writing === null || seat.image.endOffset < writing.endOffset) return
  onCommitted(state, writing, outbox)
  writeNext(state, context, outbox)
}

function activate(state: CoordinatorState, outbox: Outbox): void {
  state.wasActive = true
  state.freeProducerId = state.seat.image.nextProducerId
  tellBrokers(state, outbox)
}

/** What was not begun was not done; what was being written may yet be committed by the next leader. */
function resign(state: CoordinatorState, outbox: Outbox): void {
  state.wasActive = false
  state.queue.forEach(({ from, request }, i) => {
    if (from !== null) refuse(state, from, request.correlationId, i === 0 && state.writing !== null, outbox)
  })
  state.queue.length = 0
  state.writing = null
}

// ── writes ──

function enqueue(state: CoordinatorState, write: QueuedWrite, context: Context, outbox: Outbox): void {
  if (state.queue.length >= QUEUE_MAX) {
    const errorCode = codeOf('THROTTLING_QUOTA_EXCEEDED')
    if (write.request.kind === 'initProducerId') return respondProducerId(write, errorCode, -1, outbox)
    return respond(write, [{ name: '', topicId: -1, errorCode, errorMessage: null }], outbox)
  }
  state.queue.push(write)
  writeNext(state, context, outbox)
}

function writeNext(state: CoordinatorState, context: Context, outbox: Outbox): void {
  for (let write = state.queue[0]; write !== undefined && state.writing === null; write = state.queue[0]) {
    const ruling = rule(state, write.request)
    if (ruling.records.length === 0) {
      state.queue.shift()
      respond(write, ruling.verdicts.map(toResult), outbox)
      continue
    }
    const { nextProducerId } = state.seat.image
    state.writing = { ruling, nextProducerId, endOffset: proposeRecords(state.seat, ruling.records, context, outbox) }
  }
}

function rule(state: CoordinatorState, request: WriteRequest): Ruling {
  const { seat, config } = state
  const { image } = seat
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

function onCommitted(state: CoordinatorState, { ruling, nextProducerId }: OpenWrite, outbox: Outbox): void {
  const write = state.queue.shift()
  assert(write !== undefined, 'M4 one write at a time is under way')
  state.writing = null
  tellBrokers(state, outbox)
  if (write.request.kind !== 'initProducerId') return respond(write, ruling.verdicts.map(toResult), outbox)
  state.freeProducerId = nextProducerId
  respondProducerId(write, NONE, state.freeProducerId++, outbox)
}

function toResult({ name, topicId, error, reason }: Verdict): {
  name: string
  topicId: number
  errorCode: number
  errorMessage: string | null
} {
  return { name, topicId, errorCode: error === null ? NONE : codeOf(error), errorMessage: reason }
}

function respond({ from: to, request }: QueuedWrite, results: MessageOf<'adminResponse'>['results'], outbox: Outbox): void {
  if (to !== null) outbox.push({ kind: 'send', to, message: { kind: 'adminResponse', correlationId: request.correlationId, results } })
}

function respondProducerId({ from: to, request }: QueuedWrite, errorCode: number, producerId: number, outbox: Outbox): void {
  assert(to !== null, 'M5 producer ids are given to somebody')
  const { correlationId } = request
  outbox.push({ kind: 'send', to, message: { kind: 'initProducerIdResponse', correlationId, errorCode, producerId, producerEpoch: 0 } })
}

function onInitProducerId(state: CoordinatorState, request: InitProducerIdRequest, context: Context, outbox: Outbox): void {
  const write = { from: context.from, request }
  if (state.freeProducerId < state.seat.image.nextProducerId) return respondProducerId(write, NONE, state.freeProducerId++, outbox)
  enqueue(state, write, context, outbox)
}

// ── brokers ──

function onRegisterBroker(state: CoordinatorState, message: MessageOf<'registerBroker'>, outbox: Outbox): void {
  state.brokers.set(message.node, message.metadataOffset)
  if (state.seat.isActive && message.metadataOffset !== state.seat.image.endOffset) tellBroker(state, message.node, outbox)
}

function tellBrokers(state: CoordinatorState, outbox: Outbox): void {
  for (const node of state.brokers.keys()) tellBroker(state, node, outbox)
}

function tellBroker(state: CoordinatorState, node: number, outbox: Outbox): void {
  const partitions: PartitionAssignment[] = []
  for (const topic of state.seat.image.topics.values()) {
    topic.leaders.forEach((leader, partition) => {
      if (leader === node) partitions.push({ topic: topic.name, topicId: topic.topicId, partition, leaderEpoch: 0, config: topic.config })
    })
  }
  const message: AssignPartitions = { kind: 'assignPartitions', metadataOffset: state.seat.image.endOffset, partitions }
  outbox.push({ kind: 'send', to: { node, actor: BROKER_ACTOR }, message })
}

// ── reads ──

function onMetadata(state: CoordinatorState, request: MessageOf<'metadata'>, context: Context, outbox: Outbox): void {
  const names = request.topics ?? [...state.seat.image.topics.keys()].toSorted()
  const topics = names.map((name) => describe(state, name, state.seat.image.topics.get(name)))
  outbox.push({
    kind: 'send',
    to: context.from,
    message: { kind: 'metadataResponse', correlationId: request.correlationId, metadataOffset: state.seat.image.endOffset, topics },
  })
}

function describe(state: CoordinatorState, name: string, topic: TopicImage | undefined): TopicMetadata {
  if (topic === undefined)
    return { topic: name, topicId: -1, errorCode: codeOf('UNKNOWN_TOPIC_OR_PARTITION'), partitions: [], config: null }
  const partitions = topic.leaders.map((node, partition) => ({ partition, leader: state.brokers.has(node) ? node : -1, leaderEpoch: 0 }))
  return { topic: name, topicId: topic.topicId, errorCode: NONE, partitions, config: topic.config }
}

function onFindCoordinator(state: CoordinatorState, request: MessageOf<'findCoordinator'>, context: Context, outbox: Outbox): void {
  const topic = state.seat.image.topics.get(OFFSETS_TOPIC)
  const { correlationId, group } = request
  if (topic === undefined) {
    createOffsetsTopic(state, context, outbox)
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
