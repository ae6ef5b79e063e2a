/**
 * One consumer group: its members (rules in coordinator/groups/membership.ts) and its committed offsets, which are records of
 * `__consumer_offsets`. A commit is answered when its records are in the log; only then does a fetch of offsets show it. Offsets whose topic
 * was deleted go (rules in coordinator/groups/kept-offsets.ts).
 *
 *   loading (reads the partition of __consumer_offsets) ─► checking (which topics of its offsets are still there) ─► active
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import type { Address } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { OffsetCommitRequest } from '../protocol/messages/group.ts'
import { LEAVE_EPOCH, OFFSET_METADATA_LENGTH_MAX } from '../protocol/messages/group.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import { keepOffset, orphanedOffsets } from '../coordinator/groups/kept-offsets.ts'
import type { KeptOffsets } from '../coordinator/groups/kept-offsets.ts'
import { namesOf, parseName, partitionsOf } from '../coordinator/groups/names.ts'
import { decodeGroupCommit, encodeOffsetKey, encodeOffsetValue } from '../coordinator/groups/offset-record.ts'
import { emptyMembership, expiredMembers, isStable, removeMember, setPartitions, takeHeartbeat } from '../coordinator/groups/membership.ts'
import type { Membership } from '../coordinator/groups/membership.ts'
import { OFFSETS_TOPIC } from '../coordinator/metadata.ts'
import { appendRequest, loadRequest, openStateLog, takeLoaded } from '../coordinator/state-log.ts'
import type { StateLog } from '../coordinator/state-log.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import {
  avoidCoordinator,
  coordinatorOf,
  followController,
  learnCoordinators,
  newCoordinatorFinder,
  nextCoordinator,
} from './coordinator-finder.ts'
import type { CoordinatorFinder } from './coordinator-finder.ts'

/** What a group is started with. */
export interface GroupConfig {
  readonly group: string
  /** The partition of `__consumer_offsets` that holds its commits, led by this node. */
  readonly partition: number
  readonly topicId: number
  /** The reign of this node in which the group lives; a later one begins it anew. */
  readonly leaderEpoch: number
  readonly coordinatorNodes: readonly number[]
  readonly graceMillis: number
}

/** A commit on its way to the log. */
interface PendingCommit {
  readonly from: Address
  readonly request: OffsetCommitRequest
}

/** What a group knows. */
export interface GroupState {
  readonly self: Address
  readonly config: GroupConfig
  readonly log: StateLog
  readonly membership: Membership
  readonly offsets: KeptOffsets
  /** The topics of the loaded offsets have been looked up. */
  checked: boolean
  readonly pending: Map<number, PendingCommit>
  /** Partition counts of the topics that members subscribe to. */
  readonly topics: Map<string, number>
  /** How much of the metadata log they reflect: a late answer may know less. */
  metadataOffset: number
  readonly coordinators: CoordinatorFinder
  /** The coordinator was asked for metadata and has not answered. */
  isAsking: boolean
  nextCorrelationId: number
}

const LOAD_RETRY_MILLIS = 5

/** How often sessions are checked and the partitions of the subscribed topics are looked up. */
const TICK_MILLIS = 250

/** Every so many ticks the metadata is asked for again, so that added partitions are found. */
const REFRESH_MILLIS = 1000

/** Pause before another coordinator is asked. */
const ASK_AGAIN_MILLIS = 50

/** The behaviour of a group. */
export const actor: Actor<GroupState, GroupConfig> = {
  url: import.meta.url,
  start: (self, config) => ({
    self,
    config,
    log: openStateLog(self.node, OFFSETS_TOPIC, config),
    membership: emptyMembership(),
    offsets: new Map(),
    checked: false,
    pending: new Map(),
    topics: new Map(),
    metadataOffset: -1,
    coordinators: newCoordinatorFinder(config.coordinatorNodes),
    isAsking: false,
    nextCorrelationId: 1,
  }),
  receive(state: GroupState, message: Message, context: Context, outbox: Outbox): void {
    switch (message.kind) {
      case 'started':
        state.membership.graceUntil = context.uptime + state.config.graceMillis
        // Epochs of a former life must not come again: what was sent under them may still be on its way.
        state.membership.epoch = context.random >>> 2
        outbox.push({ kind: 'startTimer', timer: 'sessions', afterMillis: TICK_MILLIS })
        outbox.push({ kind: 'startTimer', timer: 'refresh', afterMillis: REFRESH_MILLIS })
        return load(state, outbox)
      case 'timerFired':
        return onTimer(state, message.timer, context, outbox)
      case 'notController':
        followController(state.coordinators, context.from.node, message.controller)
        return askMetadataSoon(state, outbox)
      case 'undeliverable':
        if (context.from.actor === COORDINATOR_ACTOR) {
          avoidCoordinator(state.coordinators, context.from.node)
          return askMetadataSoon(state, outbox)
        }
        if (!isActive(state)) outbox.push({ kind: 'startTimer', timer: 'load', afterMillis: LOAD_RETRY_MILLIS })
        return
      case 'fetchResponse':
        return onLoaded(state, message, outbox)
      case 'produceResponse':
        return onCommitted(state, message, outbox)
      case 'metadataResponse':
        return onMetadata(state, message, context, outbox)
      case 'consumerGroupHeartbeat':
        return onHeartbeat(state, message, context, outbox)
      case 'offsetCommit':
        return onOffsetCommit(state, message, context, outbox)
      case 'offsetFetch':
        return onOffsetFetch(state, message, context, outbox)
      case 'describeGroup':
        return onDescribe(state, message, context, outbox)
      default:
        assert(false, `a group does not understand ${message.kind}`)
    }
  },
}

// ── loading ──

function load(state: GroupState, outbox: Outbox): void {
  if (!state.log.loaded)
    return outbox.push({ kind: 'send', to: state.log.replica, message: loadRequest(state.log, state.nextCorrelationId++) })
  if (state.offsets.size === 0) state.checked = true
  if (!state.checked) askMetadata(state, outbox)
}

function isActive(state: GroupState): boolean {
  return state.log.loaded && state.checked
}

function onLoaded(state: GroupState, response: MessageOf<'fetchResponse'>, outbox: Outbox): void {
  if (state.log.loaded) return
  const records = takeLoaded(state.log, response)
  if (records === null) return outbox.push({ kind: 'startTimer', timer: 'load', afterMillis: LOAD_RETRY_MILLIS })
  for (const record of records) {
    const commit = decodeGroupCommit(record.key, record.value)
    if (commit === null || commit.group !== state.config.group) continue
    if (commit.committed !== null) keepOffset(state.offsets, commit.committed, 0)
    else state.offsets.delete(topicPartitionName(commit.topic, commit.partition))
  }
  load(state, outbox)
}

// ── members ──

function onHeartbeat(state: GroupState, request: MessageOf<'consumerGroupHeartbeat'>, context: Context, outbox: Outbox): void {
  const { membership } = state
  const { memberId, memberEpoch, sessionTimeoutMillis, subscribedTopics } = request
  if (!isActive(state)) return answerHeartbeat(request, context.from, 'COORDINATOR_LOAD_IN_PROGRESS', outbox)
  if (request.correlationId <= (membership.members.get(memberId)?.lastHeartbeatId ?? -1)) return
  if (memberEpoch === LEAVE_EPOCH) {
    removeMember(membership, memberId)
    return answerHeartbeat(request, context.from, null, outbox, LEAVE_EPOCH)
  }
  const heartbeat = { memberId, memberEpoch, sessionTimeoutMillis, subscribedTopics, owned: namesOf(request.ownedPartitions) }
  const member = takeHeartbeat(membership, heartbeat, context.uptime)
  if (typeof member === 'string') return answerHeartbeat(request, context.from, member, outbox)
  member.lastHeartbeatId = request.correlationId
  if (subscribedTopics.some((topic) => !state.topics.has(topic))) askMetadata(state, outbox)
  answerHeartbeat(request, context.from, null, outbox, member.epoch, member.assigned)
}

function answerHeartbeat(
  request: MessageOf<'consumerGroupHeartbeat'>,
  to: Address,
  error: ErrorName | null,
  outbox: Outbox,
  memberEpoch = -1,
  assigned: ReadonlySet<string> = new Set(),
): void {
  outbox.push({
    kind: 'send',
    to,
    message: {
      kind: 'consumerGroupHeartbeatResponse',
      correlationId: request.correlationId,
      errorCode: error === null ? NONE : codeOf(error),
      memberEpoch,
      assignment: partitionsOf(assigned),
    },
  })
}

function onTimer(state: GroupState, timer: string, context: Context, outbox: Outbox): void {
  if (timer === 'load') return load(state, outbox)
  if (timer === 'refresh') {
    outbox.push({ kind: 'startTimer', timer, afterMillis: REFRESH_MILLIS })
    if (state.log.loaded && (state.membership.members.size > 0 || state.offsets.size > 0)) askMetadata(state, outbox)
    return
  }
  outbox.push({ kind: 'startTimer', timer, afterMillis: TICK_MILLIS })
  for (const memberId of expiredMembers(state.membership, context.uptime)) removeMember(state.membership, memberId)
}

function subscribedTopics(state: GroupState): Set<string> {
  return new Set([...state.membership.members.values()].flatMap((member) => member.subscribedTopics))
}

function askMetadata(state: GroupState, outbox: Outbox): void {
  const topics = subscribedTopics(state)
  for (const { committed } of state.offsets.values()) topics.add(committed.topic)
  if (state.isAsking) nextCoordinator(state.coordinators)
  state.isAsking = true
  const to = coordinatorOf(state.coordinators)
  outbox.push({ kind: 'send', to, message: { kind: 'metadata', correlationId: state.nextCorrelationId++, topics: [...topics].toSorted() } })
}

function askMetadataSoon(state: GroupState, outbox: Outbox): void {
  state.isAsking = false
  outbox.push({ kind: 'startTimer', timer: 'refresh', afterMillis: ASK_AGAIN_MILLIS })
}

function onMetadata(state: GroupState, response: MessageOf<'metadataResponse'>, context: Context, outbox: Outbox): void {
  state.isAsking = false
  // A log that is half read has old offsets only: their tombstones would come after the newer commits, which are still to be read.
  if (!state.log.loaded || response.metadataOffset < state.metadataOffset) return
  state.metadataOffset = response.metadataOffset
  learnCoordinators(state.coordinators, response.voters)
  state.checked = true
  dropOrphans(state, orphanedOffsets(state.offsets, response), context, outbox)
  takePartitions(state, response)
}

function takePartitions(state: GroupState, response: MessageOf<'metadataResponse'>): void {
  const wanted = subscribedTopics(state)
  let changed = false
  for (const { topic, partitions } of response.topics) {
    if (!wanted.has(topic) || state.topics.get(topic) === partitions.length) continue
    state.topics.set(topic, partitions.length)
    changed = true
  }
  if (!changed) return
  const all = [...state.topics].toSorted(([a], [b]) => (a < b ? -1 : 1))
  setPartitions(
    state.membership,
    all.flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => ({ topic, name: topicPartitionName(topic, partition) })),
    ),
  )
}

// ── offsets ──

function onOffsetCommit(state: GroupState, request: OffsetCommitRequest, context: Context, outbox: Outbox): void {
  const refusal = refuseCommit(state, request)
  if (refusal !== null) return answerCommit(request, context.from, codeOf(refusal), null, outbox)
  const member = state.membership.members.get(request.memberId)
  if (member !== undefined) {
    // One that comes twice, or late: it has its answer, or gets it when it is in the log.
    if (request.correlationId <= member.lastCommitId) return
    member.lastCommitId = request.correlationId
  }
  if (request.offsets.length === 0) return answerCommit(request, context.from, NONE, null, outbox)
  const records = request.offsets.map((one) => ({
    key: encodeOffsetKey(state.config.group, one.topic, one.partition),
    value: encodeOffsetValue(one, context.now),
  }))
  const correlationId = state.nextCorrelationId++
  state.pending.set(correlationId, { from: context.from, request })
  outbox.push({ kind: 'send', to: state.log.replica, message: appendRequest(state.log, correlationId, records, context.now) })
}

/** A member commits for what it holds, under its present epoch; outsiders may commit while the group is empty. */
function refuseCommit(state: GroupState, request: OffsetCommitRequest): ErrorName | null {
  const { membership } = state
  if (!isActive(state)) return 'COORDINATOR_LOAD_IN_PROGRESS'
  if (request.offsets.some(({ metadata }) => metadata.length > OFFSET_METADATA_LENGTH_MAX)) return 'OFFSET_METADATA_TOO_LARGE'
  if (request.memberEpoch < 0) return membership.members.size === 0 ? null : 'NON_EMPTY_GROUP'
  const member = membership.members.get(request.memberId)
  if (member === undefined) return 'UNKNOWN_MEMBER_ID'
  if (request.memberEpoch !== member.epoch) return 'STALE_MEMBER_EPOCH'
  const holdsAll = request.offsets.every((one) => membership.holders.get(topicPartitionName(one.topic, one.partition)) === request.memberId)
  return holdsAll ? null : 'FENCED_MEMBER_EPOCH'
}

function onCommitted(state: GroupState, response: MessageOf<'produceResponse'>, outbox: Outbox): void {
  const commit = state.pending.get(response.correlationId)
  if (commit === undefined) return
  state.pending.delete(response.correlationId)
  if (response.errorCode === NONE) for (const one of commit.request.offsets) keepOffset(state.offsets, one, state.nextCorrelationId)
  answerCommit(commit.request, commit.from, response.errorCode, response.errorMessage, outbox)
}

function answerCommit(request: OffsetCommitRequest, to: Address, errorCode: number, errorMessage: string | null, outbox: Outbox): void {
  outbox.push({
    kind: 'send',
    to,
    message: { kind: 'offsetCommitResponse', correlationId: request.correlationId, errorCode, errorMessage },
  })
}

/**
 * Forgets offsets whose topic is gone, and says so in the log. Should that fail, they are found again after a restart. A partition with a commit
 * on its way is left alone: the tombstone would come after it.
 */
function dropOrphans(state: GroupState, names: readonly string[], context: Context, outbox: Outbox): void {
  const committing = new Set(
    [...state.pending.values()].flatMap(({ request }) => request.offsets.map((one) => topicPartitionName(one.topic, one.partition))),
  )
  const dropped = names.filter((name) => !committing.has(name))
  if (dropped.length === 0) return
  const records = dropped.map((name) => {
    const { topic, partition } = parseName(name)
    return { key: encodeOffsetKey(state.config.group, topic, partition), value: null }
  })
  for (const name of dropped) state.offsets.delete(name)
  outbox.push({ kind: 'send', to: state.log.replica, message: appendRequest(state.log, state.nextCorrelationId++, records, context.now) })
}

/** While a commit is on its way to the log, nobody is told an offset that it would take back: the reader asks again. */
function onOffsetFetch(state: GroupState, request: MessageOf<'offsetFetch'>, context: Context, outbox: Outbox): void {
  const error: ErrorName | null = !isActive(state)
    ? 'COORDINATOR_LOAD_IN_PROGRESS'
    : state.pending.size > 0
      ? 'UNSTABLE_OFFSET_COMMIT'
      : null
  const wanted = request.partitions === null ? [...state.offsets.keys()].toSorted() : [...namesOf(request.partitions)]
  const offsets = error !== null ? [] : wanted.map((name) => state.offsets.get(name)?.committed).filter((one) => one !== undefined)
  outbox.push({
    kind: 'send',
    to: context.from,
    message: {
      kind: 'offsetFetchResponse',
      correlationId: request.correlationId,
      errorCode: error === null ? NONE : codeOf(error),
      requested: wanted,
      offsets,
    },
  })
}

function onDescribe(state: GroupState, request: MessageOf<'describeGroup'>, context: Context, outbox: Outbox): void {
  const { membership } = state
  const members = [...membership.members.values()].map(({ memberId, epoch, subscribedTopics, assigned }) => ({
    memberId,
    memberEpoch: epoch,
    subscribedTopics,
    assignment: partitionsOf(assigned),
  }))
  outbox.push({
    kind: 'send',
    to: context.from,
    message: {
      kind: 'describeGroupResponse',
      correlationId: request.correlationId,
      errorCode: isActive(state) ? NONE : codeOf('COORDINATOR_LOAD_IN_PROGRESS'),
      state: members.length === 0 ? 'empty' : isStable(membership) ? 'stable' : 'reconciling',
      epoch: membership.epoch,
      members,
      offsets: [...state.offsets.values()].map(({ committed: { topic, partition, offset, metadata } }) => ({
        topic,
        partition,
        offset,
        metadata,
      })),
    },
  })
}
