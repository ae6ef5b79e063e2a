/**
 * The metadata coordinator: one on each voting node. One of them leads the metadata quorum (coordinator-quorum.ts); it rules on requests against the
 * image, and tells brokers what to serve. Writes go one at a time, but for changes of different partitions: a request is judged when what was before it
 * is committed. The others answer NOT_CONTROLLER, and who leads.
 *
 *   inactive (reads its disk, follows) ◄──► active (leads; what was committed before is applied)
 */
import type { Address } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { InitProducerIdRequest, VoterRequest } from '../protocol/messages/metadata.ts'
import type { Verdict } from '../coordinator/administration.ts'
import { malformedField } from '../coordinator/request-shapes.ts'
import { STATE_TOPIC_CONFIGS } from '../coordinator/state-topics.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import {
  answerBrokerWrite,
  beginSessions,
  dueBrokerWrites,
  endBrokerWrite,
  millisToSessionEnd,
  newBrokerSessions,
  noteDeath,
  onBrokerHeartbeat,
  publish,
  reportLosses,
  unfencedDead,
} from './coordinator-brokers.ts'
import type { BrokerSessions } from './coordinator-brokers.ts'
import { answerFindCoordinator, answerMetadata, coordinatorTopicOf, tellUnled } from './coordinator-queries.ts'
import { refusalOf } from './coordinator-refusal.ts'
import {
  controllerOf,
  isLeaderless,
  leaveSeat,
  newQuorumSeat,
  onSeatMessage,
  onSeatNodeDown,
  onSeatStorage,
  onSeatTimer,
  proposeRecords,
  takeSeat,
} from './coordinator-quorum.ts'
import type { QuorumSeat, QuorumSettings } from './coordinator-quorum.ts'
import { addQuotaWatcher, answerQuotas, newQuotaWatch } from './coordinator-quotas.ts'
import type { QuotaWatch } from './coordinator-quotas.ts'
import { followVoterChange, onVoterRequest } from './coordinator-voters.ts'
import type { VoterChange } from './coordinator-voters.ts'
import { addWatcher, answerWatchers } from './coordinator-watchers.ts'
import type { MetadataWatcher } from './coordinator-watchers.ts'
import { adminResponse, firstWrites, ruleWrite } from './coordinator-writes.ts'
import type { OpenWrite, QueuedWrite, WriteRequest } from './coordinator-writes.ts'

/** What a coordinator is started with. */
export interface CoordinatorConfig extends QuorumSettings {
  /** Replicas of a partition where nobody says otherwise; not more than there are nodes. */
  readonly defaultReplicationFactor: number
  /** A node that is silent for so long is fenced. */
  readonly sessionTimeoutMillis: number
  /** Partitions of `__consumer_offsets`, and of `__transaction_state`; fixed when the topic is first needed. */
  readonly offsetsPartitions: number
}

/** What is asked of the coordinator from outside. */
type ClientRequest =
  | Extract<WriteRequest, Message>
  | VoterRequest
  | MessageOf<'metadata' | 'findCoordinator' | 'brokerHeartbeat' | 'watchMetadata' | 'describeClientQuotas'>

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
  /** Null while the voters stay as they are. */
  voterChange: VoterChange | null
  /** The node is about to stop, and nobody counts on it any more: somebody else shall lead the quorum. */
  isLeaving: boolean
  /** Who waits for the metadata to change. */
  readonly watchers: MetadataWatcher[]
  /** Who waits for quotas of clients to change. */
  readonly quotaWatch: QuotaWatch
  /** The nodes of the cluster, as this coordinator hears them while it is active. */
  readonly brokers: BrokerSessions
}

/** The timer that looks after the nodes of the cluster. */
const BROKERS_TIMER = 'brokers'

/** So often in a session, and when one would be over, it is looked which are. */
const SESSION_LOOKS = 20

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
    voterChange: null,
    isLeaving: false,
    watchers: [],
    quotaWatch: newQuotaWatch(),
    brokers: newBrokerSessions(),
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
      if (message.timer === BROKERS_TIMER) return onBrokersTimer(state, context, outbox)
      return onSeatTimer(seat, message.timer, context, outbox)
    case 'nodeDown':
      return onNodeDown(state, message.node, context, outbox)
    case 'quorumVote':
    case 'quorumVoteResponse':
    case 'quorumEndEpoch':
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
    case 'brokerHeartbeat':
    case 'registerBroker':
    case 'alterPartition':
    case 'metadata':
    case 'findCoordinator':
    case 'createTopics':
    case 'deleteTopics':
    case 'createPartitions':
    case 'incrementalAlterConfigs':
    case 'alterPartitionReassignments':
    case 'rebalance':
    case 'throttleReassignments':
    case 'unregisterBroker':
    case 'alterClientQuotas':
    case 'describeClientQuotas':
    case 'addRaftVoter':
    case 'removeRaftVoter':
    case 'watchMetadata':
    case 'initProducerId':
      if (!seat.isActive) return onUnledRequest(state, message, context, outbox)
      return onRequest(state, message, context, outbox)
    default:
      assert(false, `the coordinator does not understand ${message.kind}`)
  }
}

function onRequest(state: CoordinatorState, message: ClientRequest, context: Context, outbox: Outbox): void {
  const field = malformedField(message)
  if (field !== null) return refuseMalformed(message, field, context.from, outbox)
  switch (message.kind) {
    case 'brokerHeartbeat':
      return onHeartbeat(state, message, context, outbox)
    case 'metadata':
      return answerMetadata(state.seat, message, context.from, outbox)
    case 'findCoordinator':
      if (!answerFindCoordinator(state.seat.image, message, context.from, outbox))
        createCoordinatorTopic(state, coordinatorTopicOf(message), context, outbox)
      return
    case 'initProducerId':
      return onInitProducerId(state, message, context, outbox)
    case 'watchMetadata':
      return addWatcher(state.watchers, message, context)
    case 'describeClientQuotas':
      return addQuotaWatcher(state.quotaWatch, message, context)
    case 'addRaftVoter':
    case 'removeRaftVoter':
      state.voterChange = onVoterRequest(state.voterChange, state.seat, message, context, outbox)
      return
    default:
      return enqueue(state, { from: context.from, request: message }, context, outbox)
  }
}

/** Only the active coordinator rules. While there is none for long, what is committed can be told all the same, as far as it is known here. */
function onUnledRequest(state: CoordinatorState, message: ClientRequest, context: Context, outbox: Outbox): void {
  const { seat } = state
  const isQuestion = message.kind === 'metadata' || message.kind === 'findCoordinator'
  if (
    isQuestion &&
    isLeaderless(seat, context.uptime) &&
    malformedField(message) === null &&
    tellUnled(seat, message, context.from, outbox)
  )
    return
  refuse(state, context.from, message.correlationId, false, outbox)
}

/** What cannot be such a request changes nothing, and must not stop the coordinator: it would ask again after every start. */
function refuseMalformed(request: ClientRequest, field: string, to: Address, outbox: Outbox): void {
  const message = refusalOf(request, field)
  if (message !== null) outbox.push({ kind: 'send', to, message })
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
  if (state.watchers.length > 0) answerWatchers(state.watchers, seat, context, outbox)
  answerQuotas(state.quotaWatch, seat, context, outbox)
  if (state.voterChange !== null) state.voterChange = followVoterChange(state.voterChange, seat, context, outbox)
  reportLosses(state.brokers, seat, state.wasActive || seat.isActive, outbox)
  if (state.wasActive && !seat.isActive) resign(state, outbox)
  if (!state.wasActive && seat.isActive) activate(state, context, outbox)
  const { writing } = state
  if (writing !== null && seat.image.endOffset >= writing.endOffset) {
    onCommitted(state, writing, outbox)
    writeNext(state, context, outbox)
  }
  if (state.isLeaving) leave(state, context, outbox)
}

/** Everything that was begun is committed: another coordinator leads at once, not when this one is missed. Without another one, this one goes on. */
function leave(state: CoordinatorState, context: Context, outbox: Outbox): void {
  state.isLeaving = false
  leaveSeat(state.seat, context, outbox)
  if (state.seat.isActive) writeNext(state, context, outbox)
  else resign(state, outbox)
}

function activate(state: CoordinatorState, context: Context, outbox: Outbox): void {
  state.wasActive = true
  state.freeProducerId = state.seat.image.nextProducerId
  beginSessions(state.brokers, state.seat, context)
  armBrokers(state, context, outbox)
  for (const node of unfencedDead(state.brokers, state.seat.image)) fence(state, node, context, outbox)
}

/** What was not begun was not done; what was being written may yet be committed by the next leader. */
function resign(state: CoordinatorState, outbox: Outbox): void {
  state.wasActive = false
  const written = state.writing?.rulings.length ?? 0
  state.queue.forEach(({ from, request }, i) => {
    if (from !== null) refuse(state, from, request.correlationId, i < written, outbox)
  })
  state.queue.length = 0
  state.writing = null
}

// ── writes ──

function enqueue(state: CoordinatorState, write: QueuedWrite, context: Context, outbox: Outbox): void {
  if (state.queue.length >= QUEUE_MAX) {
    return respond(state, write, [{ name: '', topicId: -1, error: 'THROTTLING_QUOTA_EXCEEDED', reason: null }], outbox)
  }
  state.queue.push(write)
  writeNext(state, context, outbox)
}

function writeNext(state: CoordinatorState, context: Context, outbox: Outbox): void {
  while (state.queue.length > 0 && state.writing === null && !state.isLeaving) {
    const rulings = firstWrites(state.queue).map(({ request }) => ruleWrite(state.seat, request, state.config.defaultReplicationFactor))
    const records = rulings.flatMap((ruling) => ruling.records)
    if (records.length === 0) {
      for (const { verdicts } of rulings) respondNext(state, verdicts, outbox)
      continue
    }
    const { nextProducerId } = state.seat.image
    state.writing = { rulings, nextProducerId, endOffset: proposeRecords(state.seat, records, context, outbox) }
  }
}

function onCommitted(state: CoordinatorState, { rulings, nextProducerId }: OpenWrite, outbox: Outbox): void {
  state.writing = null
  publish(state.brokers, state.seat, outbox)
  if (state.queue[0]?.request.kind === 'initProducerId') state.freeProducerId = nextProducerId
  for (const { verdicts } of rulings) respondNext(state, verdicts, outbox)
}

function respondNext(state: CoordinatorState, verdicts: readonly Verdict[], outbox: Outbox): void {
  const write = state.queue.shift()
  assert(write !== undefined, 'M4 a write stays in the queue until it is answered')
  respond(state, write, verdicts, outbox)
}

/** Tells whoever asked what became of it. */
function respond(state: CoordinatorState, write: QueuedWrite, verdicts: readonly Verdict[], outbox: Outbox): void {
  const { from: to, request } = write
  const error = verdicts[0]?.error ?? null
  switch (request.kind) {
    case 'initProducerId':
      return respondProducerId(write, error === null ? NONE : codeOf(error), error === null ? state.freeProducerId++ : -1, outbox)
    case 'createTopics':
    case 'deleteTopics':
    case 'createPartitions':
    case 'incrementalAlterConfigs':
    case 'alterPartitionReassignments':
    case 'rebalance':
    case 'throttleReassignments':
    case 'unregisterBroker':
    case 'alterClientQuotas': {
      const message = adminResponse(request.correlationId, verdicts)
      return to === null ? undefined : outbox.push({ kind: 'send', to, message })
    }
    default:
      endBrokerWrite(state.brokers, request)
      state.isLeaving ||= request.kind === 'shutDownBroker' && error === null && request.node === state.self.node
      return answerBrokerWrite(state.brokers, state.seat, request, error, outbox)
  }
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

function onHeartbeat(state: CoordinatorState, message: MessageOf<'brokerHeartbeat'>, context: Context, outbox: Outbox): void {
  const write = onBrokerHeartbeat(state.brokers, state.seat, message, context, outbox)
  if (write === null) return
  enqueue(state, { from: write.kind === 'shutDownBroker' ? context.from : null, request: write }, context, outbox)
}

/** A node's process is dead: it is fenced at once, or as soon as there is an active coordinator: perhaps that one lived there, too. */
function onNodeDown(state: CoordinatorState, node: number, context: Context, outbox: Outbox): void {
  onSeatNodeDown(state.seat, node, context, outbox)
  noteDeath(state.brokers, state.seat.image, node)
  if (state.seat.isActive) fence(state, node, context, outbox)
}

function fence(state: CoordinatorState, node: number, context: Context, outbox: Outbox): void {
  enqueue(state, { from: null, request: { kind: 'fenceBroker', correlationId: -1, node } }, context, outbox)
}

function onBrokersTimer(state: CoordinatorState, context: Context, outbox: Outbox): void {
  if (!state.seat.isActive) return
  const due = dueBrokerWrites(state.brokers, state.seat.image, state.config.sessionTimeoutMillis, context)
  for (const request of due) enqueue(state, { from: null, request }, context, outbox)
  armBrokers(state, context, outbox)
}

function armBrokers({ brokers, seat, config }: CoordinatorState, context: Context, outbox: Outbox): void {
  const { sessionTimeoutMillis } = config
  const endMillis = millisToSessionEnd(brokers, seat.image, sessionTimeoutMillis, context)
  outbox.push({ kind: 'startTimer', timer: BROKERS_TIMER, afterMillis: Math.min(endMillis, sessionTimeoutMillis / SESSION_LOOKS) })
}

function createCoordinatorTopic(state: CoordinatorState, name: string, context: Context, outbox: Outbox): void {
  const topics = [{ name, numPartitions: state.config.offsetsPartitions, replicationFactor: -1, configs: STATE_TOPIC_CONFIGS }]
  if (state.queue.some(({ request }) => request.kind === 'createTopics' && request.topics.some((one) => one.name === name))) return
  enqueue(state, { from: null, request: { kind: 'createTopics', correlationId: -1, topics, validateOnly: false } }, context, outbox)
}
