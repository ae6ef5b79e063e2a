/**
 * What a consumer actor knows, as plain data: its partitions, its place in the group, and the commits on their way.
 */
import type { Address } from '../protocol/address.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { FetchMode, IsolationLevel } from '../protocol/messages/fetch.ts'
import type { ClassicAssignorName } from '../protocol/messages/classic-group.ts'
import { JOIN_EPOCH } from '../protocol/messages/group.ts'
import type { AssignorName, TopicOffset } from '../protocol/messages/group.ts'
import type { TopicPattern } from '../protocol/topic-pattern.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { Context, Outbox } from './actor.ts'
import { newClientQuota } from './client-quota.ts'
import type { ClientQuotaState, QuotaIdentity } from './client-quota.ts'
import { newClassicMembership } from './consumer-classic-state.ts'
import type { ClassicMembership } from './consumer-classic-state.ts'
import { newLeaderCache } from './leader-cache.ts'
import type { LastLeader, LeaderCache } from './leader-cache.ts'

/** What a consumer actor is started with. */
export interface ConsumerConfig {
  /** Hears chunks, assignments and failures. */
  readonly client: Address
  readonly coordinatorNodes: readonly number[]
  readonly group: string | null
  /** Unique among all members that ever were. */
  readonly memberId: string
  /** Names the member across its lives (KIP-345); null: each life is another member. */
  readonly instanceId: string | null
  readonly assignor: AssignorName | null
  /** It speaks the classic protocol with its group, and likes the first of these best; without them that of KIP-848. */
  readonly partitionAssignors?: readonly ClassicAssignorName[]
  readonly autoOffsetReset: 'earliest' | 'latest' | 'none'
  readonly autoCommit: boolean
  readonly autoCommitIntervalMillis: number
  readonly sessionTimeoutMillis: number
  /** How long it may take to give partitions up; after that it counts itself as lost. */
  readonly rebalanceTimeoutMillis: number
  readonly heartbeatIntervalMillis: number
  readonly fetchMinBytes: number
  readonly fetchMaxBytes: number
  /** Of the chunks of all partitions together. */
  readonly bufferMemoryBytes: number
  readonly fetchMaxWaitMillis: number
  readonly fetchMode: FetchMode
  readonly isolationLevel: IsolationLevel
  readonly requestTimeoutMillis: number
  /** Whose quota it keeps to; without it nobody counts. */
  readonly quota?: QuotaIdentity
  readonly retryBackoffMillis: number
}

/**
 *   locating ─► fetching ─► revoking (gone when the application has released it and its progress is committed)
 */
export interface ConsumedPartition extends LastLeader {
  readonly name: string
  phase: 'locating' | 'fetching' | 'revoking'
  /** Chunks of another session are stale. */
  session: number
  /** The topic's incarnation that the offsets belong to; -1 while it is not known. */
  topicId: number
  /** The topic in which a look-up searches the next position. */
  lookupTopicId: number
  fetchOffset: number
  /** The last leader epoch whose leader had everything below that offset; -1: none has said so yet. */
  fetchedEpoch: number
  /** Everything below it is processed; -1 until it is located, or sought. */
  position: number
  /** As last committed or found committed; -1 if never. */
  committed: number
  /** The application waits for a chunk. */
  hungry: boolean
  /** What its application has read of the leader's file is damaged: the leader is to read it. */
  isDoubted: boolean
  /** What it was asked last it had nothing for. */
  isAtEnd: boolean
  paused: boolean
  /** Of the request under way; -1 while there is none. */
  correlationId: number
  /** The leader epoch in which the offset was said to be out of range; -1 if it was not. */
  refusedEpoch: number
  /** Retention of the leader that said so has taken it; another one may have more: nobody begins anew below where he was. */
  isOvertaken: boolean
  /** When a leader that has not answered it is looked up again. */
  doubtAt: number
  timeoutAt: number
  retryAt: number
  failures: number
  /** So many times in a row it was not there when it was looked for. */
  absences: number
  /** It cannot go on until the application has sought: its position means nothing any more. */
  isRefused: boolean
  /** While locating: the group has no offset for it, the reset policy decides. */
  resetting: boolean
  released: boolean
  /** Uptime until which the group waits for it to be given up; Infinity if it does not. */
  revokeBy: number
}

/** A commit that waits for its turn, or (the first) for its answer. */
export interface QueuedCommit {
  /** The client's; -1 for an automatic one. */
  readonly clientCorrelationId: number
  offsets: readonly TopicOffset[]
  readonly deadline: number
  correlationId: number
  timeoutAt: number
  retryAt: number
  /** Not answered until then, it may be with a node that does not have the group any more. */
  doubtAt: number
}

/** A transaction is to commit these, and some of their topics are being looked up. */
export interface MemberQuestion {
  readonly clientCorrelationId: number
  offsets: readonly TopicOffset[]
  readonly deadline: number
}

/** Where the consumer stands with its group. */
export interface GroupMembership {
  step: 'finding' | 'ready' | 'leaving'
  /** The group has given our partitions away: nothing more is committed, and we join again when the application has released them. */
  lost: boolean
  /** Why the group does not take it, as it has said last; null: it has taken it, or not answered yet. */
  refusal: ErrorName | null
  /** The subscribed topics; empty without a subscription. */
  topics: readonly string[]
  topicPattern: TopicPattern | null
  /** As the group knows it; empty: the group has not given it one yet. */
  memberId: string
  /** Of a classic group: the generation. Below 1: it is in none. */
  memberEpoch: number
  /** The group may have it among its members: it was asked for something, and has neither said that it does not know this member, nor is gone. */
  mayBeKnown: boolean
  /** While closing: uptime until which the farewell may take; Infinity while it is not due. */
  farewellBy: number
  /** Null: it speaks the protocol of KIP-848. */
  readonly classic: ClassicMembership | null
  node: number
  /** The group's partition of `__consumer_offsets`. */
  partition: number
  /** Of the find, ensure or heartbeat request under way; -1 while there is none. */
  correlationId: number
  sentAt: number
  timeoutAt: number
  /** When the next request is due. */
  dueAt: number
  /** The group has something for it, or wants something back: the answer that is awaited may not know that yet. */
  isRoused: boolean
  /** Uptime until which the group waits to hear that partitions were given up, which it may not have heard yet; Infinity if it has. */
  confirmBy: number
  /** Some were given up since the newest heartbeat was sent. */
  hasMoreToConfirm: boolean
  /** When the last heartbeat that was answered had been sent. */
  aliveAt: number
  offsetsCorrelationId: number
  offsetsTimeoutAt: number
}

/** What a consumer knows. */
export interface ConsumerState {
  readonly self: Address
  readonly config: ConsumerConfig
  readonly leaders: LeaderCache
  readonly quota: ClientQuotaState | null
  readonly partitions: Map<string, ConsumedPartition>
  readonly membership: GroupMembership
  readonly commits: QueuedCommit[]
  readonly questions: MemberQuestion[]
  /** It commits what has been processed, from time to time and before partitions go. */
  commitsItself: boolean
  autoCommitAt: number
  /** The client's, while closing; -1 before. */
  closing: number
  nextCorrelationId: number
  /** When the timer fires; Infinity if it does not run. */
  tickAt: number
}

/** A consumer that has nothing to consume yet. */
export function newConsumerState(self: Address, config: ConsumerConfig): ConsumerState {
  const classic = config.partitionAssignors === undefined ? null : newClassicMembership(config.partitionAssignors)
  return {
    self,
    config,
    leaders: newLeaderCache(config.coordinatorNodes, config.requestTimeoutMillis),
    quota: newClientQuota(config.quota),
    partitions: new Map(),
    membership: {
      step: 'finding',
      lost: false,
      refusal: null,
      topics: [],
      topicPattern: null,
      memberId: classic === null ? config.memberId : '',
      memberEpoch: 0,
      mayBeKnown: false,
      farewellBy: Infinity,
      classic,
      node: -1,
      partition: -1,
      correlationId: -1,
      sentAt: 0,
      timeoutAt: 0,
      dueAt: 0,
      isRoused: false,
      confirmBy: Infinity,
      hasMoreToConfirm: false,
      aliveAt: 0,
      offsetsCorrelationId: -1,
      offsetsTimeoutAt: 0,
    },
    commits: [],
    questions: [],
    commitsItself: config.autoCommit,
    autoCommitAt: Infinity,
    closing: -1,
    nextCorrelationId: 1,
    tickAt: Infinity,
  }
}

/** It wants topics of its group, by name or by a pattern. */
export function isSubscribed({ membership }: ConsumerState): boolean {
  return membership.topics.length > 0 || membership.topicPattern !== null
}

/** The group knows of it, and has not heard yet that it leaves. */
export function hasJoined({ membership: { classic, memberId, memberEpoch } }: ConsumerState): boolean {
  return memberEpoch > 0 || (classic !== null && memberId !== '')
}

/** It is a member of its group, wants to be one, or has not left yet. */
export function isMember(state: ConsumerState): boolean {
  return isSubscribed(state) || hasJoined(state)
}

/** The farewell is answered, or nobody will answer it: the group knows, or finds out by the session's end. */
export function endMembership({ membership }: ConsumerState): void {
  membership.memberEpoch = JOIN_EPOCH
  membership.mayBeKnown = false
  membership.step = 'finding'
  if (membership.classic === null) return
  membership.memberId = ''
  membership.classic.phase = 'joining'
}

/** It has something that the group may give away when it does not hear of it. */
export function hasSession({ membership: { classic, memberEpoch }, partitions }: ConsumerState): boolean {
  return memberEpoch > 0 && (classic === null || partitions.size > 0)
}

/** How often it says that it lives. */
export function heartbeatMillis({ config }: ConsumerState): number {
  return Math.max(1, Math.min(config.heartbeatIntervalMillis, Math.floor(config.rebalanceTimeoutMillis / 3)))
}

/** When the group gives the first partition away that it does not know to be given up by then. */
export function revokeDue({ partitions, membership, config }: ConsumerState): number {
  // A classic group may have begun to wait for it as soon as it was heard last.
  if (membership.classic !== null) return membership.classic.steadyAt + config.rebalanceTimeoutMillis
  let due = membership.confirmBy
  for (const one of partitions.values()) if (one.phase === 'revoking') due = Math.min(due, one.revokeBy)
  return due
}

/** The consumer is to consume a partition; where it begins is still to be found. */
export function addPartition(state: ConsumerState, topic: string, partition: number): void {
  const name = topicPartitionName(topic, partition)
  if (state.partitions.has(name)) return
  const added = newPartition(topic, partition, name)
  added.resetting = state.config.group === null
  state.partitions.set(name, added)
}

/** The partition begins (again) at an offset; the client is told. */
export function locate(state: ConsumerState, one: ConsumedPartition, offset: number, outbox: Outbox): void {
  const first = one.phase === 'locating' && one.position < 0
  one.phase = 'fetching'
  one.resetting = false
  one.isOvertaken = false
  one.isRefused = false
  one.fetchOffset = offset
  one.fetchedEpoch = -1
  one.position = offset
  one.hungry = true
  one.isDoubted = false
  one.isAtEnd = false
  one.failures = 0
  if (first) tellAssigned(state, one, outbox)
}

/** The client hears that the partition is its own, and where it begins, if that is known. */
export function tellAssigned({ config }: ConsumerState, one: ConsumedPartition, outbox: Outbox): void {
  const { topic, partition, position, session } = one
  outbox.push({ kind: 'send', to: config.client, message: { kind: 'assigned', partitions: [{ topic, partition, position, session }] } })
}

/** Makes sure that the actor wakes at `at` at the latest. */
export function wakeAt(state: ConsumerState, at: number, context: Context, outbox: Outbox): void {
  if (at >= state.tickAt) return
  state.tickAt = at
  outbox.push({ kind: 'startTimer', timer: 'tick', afterMillis: Math.max(0, at - context.uptime) })
}

/** Exponential pause before the next attempt. */
export function backOff(state: ConsumerState, one: { failures: number; retryAt: number }, context: Context, outbox: Outbox): void {
  const pause = Math.min(state.config.retryBackoffMillis * 2 ** one.failures, RETRY_BACKOFF_MAX_MILLIS)
  one.failures = Math.min(one.failures + 1, 16)
  one.retryAt = context.uptime + pause + (context.random % state.config.retryBackoffMillis)
  wakeAt(state, one.retryAt, context, outbox)
}

function newPartition(topic: string, partition: number, name: string): ConsumedPartition {
  return {
    topic,
    partition,
    name,
    leader: -1,
    leaderEpoch: -1,
    goneUntil: 0,
    phase: 'locating',
    session: 1,
    topicId: -1,
    lookupTopicId: -1,
    fetchOffset: -1,
    fetchedEpoch: -1,
    position: -1,
    committed: -1,
    hungry: true,
    isDoubted: false,
    isAtEnd: false,
    paused: false,
    correlationId: -1,
    refusedEpoch: -1,
    isOvertaken: false,
    doubtAt: 0,
    timeoutAt: 0,
    retryAt: 0,
    failures: 0,
    absences: 0,
    isRefused: false,
    resetting: false,
    released: false,
    revokeBy: Infinity,
  }
}

/** Longest pause between two attempts: within a process, another one costs little. */
const RETRY_BACKOFF_MAX_MILLIS = 250
