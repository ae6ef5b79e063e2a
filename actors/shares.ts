/**
 * The coordinator of all share groups (KIP-932) that are hashed to one partition of `__share_group_state`; it lives where that partition is led, for one reign.
 * What members ask is in shares-fetch.ts, where logs end in shares-ends.ts, what operators ask in shares-admin.ts; here it begins, writes, and keeps time.
 *
 *   barrier (all that may be on its way to the log is decided) ─► loading (reads the partition) ─► active
 *      ▲                                                                                            │
 *      └──────────────────────── a write failed, and may be in the log all the same ────────────────┘
 *
 * Nothing is given out, and nothing counts as done with, before it is written. That is why two coordinators at once cannot both do so, and why an attempt counts even
 * if it ends with the process.
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { errorOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import { checkSharePartition, expireLocks, takeBack, untoldRanges } from '../coordinator/share/share-partition.ts'
import { decodeShareRecord, encodeShareKey, encodeShareValue } from '../coordinator/share/share-record.ts'
import type { ShareRecord } from '../coordinator/share/share-record.ts'
import { appendRequest, loadRequest, takeLoaded } from '../coordinator/state-log.ts'
import type { StateRecord } from '../coordinator/state-log.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import { TRUST_MILLIS } from './share-trust.ts'
import { avoidCoordinator, followController, replaceCoordinators } from './coordinator-finder.ts'
import { askForDoubted, doubtTopic, giveUpRequest, takeTopics, topicOrAsk } from './leader-cache.ts'
import {
  answerDeletions,
  answerOffsets,
  onDeleteShareGroup,
  onDescribeOffsets,
  onDescribeShareGroup,
  onListShareGroups,
} from './shares-admin.ts'
import { onEnd, onEndUndeliverable } from './shares-ends.ts'
import { answerWritten, onShareFetch, refuse, serveWaiting } from './shares-fetch.ts'
import { answerMember, barrier, dropIfGone, newLog, newSharesState, noteChange, shareGroupOf, shareName } from './shares-state.ts'
import type { SharesConfig, SharesState } from './shares-state.ts'

/** Pause before the log is tried again; it doubles up to the sixth. */
const LOAD_RETRY_MILLIS = 5
const LOAD_RETRY_MILLIS_MAX = 160

/** How often locks and members are looked at, while there are any. */
const TICK_MILLIS = 50

/** How often the metadata is asked for again, so that added partitions and new leaders are found. */
const REFRESH_MILLIS = 1000

/** Who is silent for so long, and holds nothing, is no member any more. */
const SESSION_MILLIS = 45_000

/** Members whose coordinator has forgotten them come within so long, most of them. */
const EXPECT_MILLIS = 10_000

/** What goes into one batch of the log, at most: it takes 1 MB. */
const WRITE_BYTES_MAX = 500_000

/** The behaviour of a coordinator of share groups. */
export const actor: Actor<SharesState, SharesConfig> = {
  url: import.meta.url,
  start: newSharesState,
  receive(state: SharesState, message: Message, context: Context, outbox: Outbox): void {
    handle(state, message, context, outbox)
    if (state.phase !== 'active') return
    if (state.hasNews || message.kind === 'shareFetch') serveWaiting(state, context, outbox)
    state.hasNews = false
    writeChanges(state, context, outbox)
    answerWritten(state, context, outbox)
    answerOffsets(state, outbox)
    keepTicking(state, outbox)
  },
}

function handle(state: SharesState, message: Message, context: Context, outbox: Outbox): void {
  switch (message.kind) {
    case 'started':
      // Answers to a former life must not be taken for answers to this one.
      state.nextCorrelationId += context.random
      return load(state, context, outbox)
    case 'timerFired':
      return message.timer === 'load' ? load(state, context, outbox) : onTick(state, context, outbox)
    case 'votersChanged':
      return replaceCoordinators(state.leaders.coordinators, message.voters)
    case 'leaseExtended':
      state.leaseUntil = message.until
      return
    case 'produceResponse':
      return onWritten(state, message, context, outbox)
    case 'fetchResponse':
      return message.correlationId === state.loadId ? onLoaded(state, message, context, outbox) : onEnd(state, message, context)
    case 'metadataResponse':
      return onMetadata(state, message)
    case 'notController':
      followController(state.leaders.coordinators, context.from.node, message.controller)
      return giveUpRequest(state.leaders)
    case 'undeliverable':
      return onUndeliverable(state, message.correlationId, context, outbox)
    default:
      return onRequest(state, message, context, outbox)
  }
}

function onRequest(state: SharesState, message: Message, context: Context, outbox: Outbox): void {
  const isReady = state.phase === 'active' && context.uptime < state.leaseUntil
  const { from: to } = context
  switch (message.kind) {
    case 'shareFetch':
      if (isReady) return onShareFetch(state, message, context, outbox)
      return refuseFetch(message, context, outbox)
    case 'describeShareGroup':
      return onDescribeShareGroup(state, message, context, outbox)
    case 'describeShareGroupOffsets':
      return onDescribeOffsets(state, message, to, outbox)
    case 'listShareGroups':
      return onListShareGroups(state, message, to, outbox)
    case 'deleteShareGroup':
      return onDeleteShareGroup(state, message, context, outbox)
    default:
      assert(false, `a coordinator of share groups does not understand ${message.kind}`)
  }
}

function refuseFetch({ correlationId }: MessageOf<'shareFetch'>, { from: to }: Context, outbox: Outbox): void {
  refuse(correlationId, 'COORDINATOR_LOAD_IN_PROGRESS', to, outbox)
}

// ── loading ──

/** Writes the barrier, or reads on. */
function load(state: SharesState, { now }: Context, outbox: Outbox): void {
  if (state.phase === 'active') return
  state.loadId = state.nextCorrelationId++
  const { log, loadId } = state
  const message = state.phase === 'barrier' ? appendRequest(log, loadId, barrier(), now) : loadRequest(log, loadId)
  outbox.push({ kind: 'send', to: log.replica, message })
}

function loadLater(state: SharesState, outbox: Outbox): void {
  state.loadId = -1
  const afterMillis = Math.min(LOAD_RETRY_MILLIS * 2 ** state.loadFailures++, LOAD_RETRY_MILLIS_MAX)
  outbox.push({ kind: 'startTimer', timer: 'load', afterMillis })
}

function onLoaded(state: SharesState, response: MessageOf<'fetchResponse'>, context: Context, outbox: Outbox): void {
  const records = takeLoaded(state.log, response)
  if (records === null) return loadLater(state, outbox)
  state.loadFailures = 0
  for (const { key, value } of records) {
    const record = decodeShareRecord(key, value)
    if (record !== null && record.group !== '') takeRecord(state, record)
  }
  if (!state.log.loaded) return load(state, context, outbox)
  state.loadId = -1
  state.phase = 'active'
  state.reign = context.random
  state.trustUntil = context.uptime + state.trustMillis
  state.expectUntil = context.uptime + state.expectMillis
  takeBackUntold(state)
  // Some of their topics may be gone.
  const topics = new Set([...state.groups.values()].flatMap(({ partitions }) => [...partitions.values()].map(({ topic }) => topic)))
  for (const topic of topics) topicOrAsk(state.leaders, topic, state.nextCorrelationId++, context.uptime, outbox)
}

/** What did not get into the log is forgotten. */
function takeBackUntold(state: SharesState): void {
  state.untold = state.untold.flatMap((one) => {
    const share = state.groups.get(one.group)?.partitions.get(shareName(one))
    return share !== undefined && takeBack(share, one) ? { ...one, change: noteChange(state, share) } : []
  })
}

function takeRecord(state: SharesState, { group: id, topicId, partition, kept }: ShareRecord): void {
  const group = shareGroupOf(state, id)
  const name = shareName({ topicId, partition })
  if (kept === null) group.partitions.delete(name)
  else group.partitions.set(name, { ...kept, group: id, topicId, partition })
  dropIfGone(state, group)
}

// ── the log ──

function writeChanges(state: SharesState, { now }: Context, outbox: Outbox): void {
  if (state.writing !== null || state.dirty.size === 0) return
  const records: StateRecord[] = []
  let sizeBytes = 0
  for (const [name, one] of state.dirty) {
    if (sizeBytes > WRITE_BYTES_MAX) break
    const share = state.groups.get(one.group)?.partitions.get(shareName(one))
    if (share !== undefined) checkSharePartition(share)
    const record = { key: encodeShareKey(one), value: share === undefined ? null : encodeShareValue(share) }
    records.push(record)
    sizeBytes += record.key.length + (record.value?.length ?? 0)
    state.dirty.delete(name)
  }
  const [left] = state.dirty.values()
  const change = left === undefined ? state.changeCount : left.change - 1
  const correlationId = state.nextCorrelationId++
  state.writing = { correlationId, change }
  outbox.push({ kind: 'send', to: state.log.replica, message: appendRequest(state.log, correlationId, records, now) })
}

function onWritten(state: SharesState, response: MessageOf<'produceResponse'>, context: Context, outbox: Outbox): void {
  const { correlationId, errorCode } = response
  const error = errorCode === NONE ? null : errorOf(errorCode).name
  if (correlationId === state.loadId && state.phase === 'barrier') {
    if (error !== null) return loadLater(state, outbox)
    state.loadFailures = 0
    state.phase = 'loading'
    return load(state, context, outbox)
  }
  if (correlationId !== state.writing?.correlationId) return
  if (error !== null) return beginAnew(state, context, outbox)
  state.writtenCount = state.writing.change
  state.writing = null
  state.untold = state.untold.filter(({ change }) => change > state.writtenCount)
  answerDeletions(state, outbox)
}

/** A write may be in the log although it was refused, or lost: only the log can say what counts. */
function beginAnew(state: SharesState, context: Context, outbox: Outbox): void {
  const error: ErrorName = 'COORDINATOR_LOAD_IN_PROGRESS'
  rememberUntold(state)
  for (const one of state.waiting) answerMember(state, one, error, context.uptime, outbox)
  state.waiting = []
  state.writtenCount = state.changeCount
  answerDeletions(state, outbox, error)
  // Leaders ask again, and what was to be written may not be in the log.
  state.offsetsAsked = []
  state.groups.clear()
  state.dirty.clear()
  state.writing = null
  state.phase = 'barrier'
  state.trustMillis = TRUST_MILLIS
  state.expectMillis = EXPECT_MILLIS
  state.log = newLog(state.self, state.config)
  loadLater(state, outbox)
}

/** Attempts that may be in the log, though nobody will ever hear of them. */
function rememberUntold(state: SharesState): void {
  for (const { partitions } of state.groups.values()) {
    for (const share of partitions.values()) {
      const { group, topicId, partition } = share
      for (const { first, last, deliveryCount } of untoldRanges(share))
        state.untold.push({ group, topicId, partition, first, last, deliveryCount, change: Infinity })
    }
  }
}

function onUndeliverable(state: SharesState, correlationId: number, context: Context, outbox: Outbox): void {
  if (context.from.actor === COORDINATOR_ACTOR) {
    avoidCoordinator(state.leaders.coordinators, context.from.node)
    return giveUpRequest(state.leaders)
  }
  if (onEndUndeliverable(state, correlationId, context)) return
  if (correlationId === state.loadId) return loadLater(state, outbox)
  if (correlationId === state.writing?.correlationId) beginAnew(state, context, outbox)
}

// ── topics ──

function onMetadata(state: SharesState, response: MessageOf<'metadataResponse'>): void {
  takeTopics(state.leaders, response)
  state.hasNews = true
  for (const { topic, topicId, errorCode } of response.topics) {
    // Topic ids are not given twice: who knows of later ones, and not of this one, knows that it was deleted.
    const isGone = (id: number): boolean =>
      id < response.nextTopicId && (errorCode === NONE ? topicId > id : errorOf(errorCode).name === 'UNKNOWN_TOPIC_OR_PARTITION')
    forgetTopicOf(state, topic, isGone)
  }
}

function forgetTopicOf(state: SharesState, topic: string, isGone: (topicId: number) => boolean): void {
  for (const group of [...state.groups.values()]) {
    for (const [name, share] of [...group.partitions]) {
      if (share.topic !== topic || !isGone(share.topicId)) continue
      group.partitions.delete(name)
      noteChange(state, share)
    }
    dropIfGone(state, group)
  }
  for (const [name, end] of [...state.ends]) if (end.topic === topic && isGone(end.topicId)) state.ends.delete(name)
}

// ── time ──

function keepTicking(state: SharesState, outbox: Outbox): void {
  const isNeeded = [...state.groups.values()].some(({ members }) => members.size > 0)
  if (state.isTicking || !isNeeded) return
  state.isTicking = true
  outbox.push({ kind: 'startTimer', timer: 'tick', afterMillis: TICK_MILLIS })
}

function onTick(state: SharesState, context: Context, outbox: Outbox): void {
  const { uptime } = context
  state.isTicking = false
  if (state.phase !== 'active') return
  state.hasNews = true
  for (const group of [...state.groups.values()]) {
    for (const share of group.partitions.values()) expireLocks(share, uptime)
    forgetSilent(state, group.id, uptime)
  }
  if (uptime >= state.refreshAt) {
    state.refreshAt = uptime + REFRESH_MILLIS
    for (const one of state.waiting) for (const topic of one.request.topics) doubtTopic(state.leaders, topic)
  }
  askForDoubted(state.leaders, state.nextCorrelationId++, uptime, outbox)
}

function forgetSilent(state: SharesState, id: string, uptime: number): void {
  const group = state.groups.get(id)
  if (group === undefined) return
  const held = new Set([...group.partitions.values()].flatMap(({ ranges }) => ranges.map(({ memberId }) => memberId)))
  for (const { memberId, heardAt } of [...group.members.values()])
    if (uptime - heardAt >= SESSION_MILLIS && !held.has(memberId)) group.members.delete(memberId)
  dropIfGone(state, group)
}
