/**
 * What the coordinator of share groups knows, as plain data: all groups of one partition of `__share_group_state`, their members, their share partitions, where the
 * logs end that they read, and what is on its way to the log.
 */
import { SHARE_TOPIC } from '../coordinator/metadata.ts'
import { beginLocks, heldOf } from '../coordinator/share/share-partition.ts'
import { encodeShareKey } from '../coordinator/share/share-record.ts'
import type { KeptShare, ShareKey } from '../coordinator/share/share-record.ts'
import { openStateLog } from '../coordinator/state-log.ts'
import type { StateLog, StateRecord } from '../coordinator/state-log.ts'
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { IsolationLevel } from '../protocol/messages/fetch.ts'
import type { AcquiredRange, ShareAcknowledgement, ShareFetchRequest } from '../protocol/messages/share.ts'
import type { Outbox } from './actor.ts'
import { newLeaderCache } from './leader-cache.ts'
import type { LastLeader, LeaderCache } from './leader-cache.ts'

/** What the coordinator of share groups is started with. */
export interface SharesConfig {
  /** The partition of `__share_group_state` that holds what it knows, led by this node. */
  readonly partition: number
  readonly topicId: number
  /** The reign of this node in which it lives; a later one begins it anew. */
  readonly leaderEpoch: number
  readonly coordinatorNodes: readonly number[]
  /** Until this uptime nobody else can be in charge; it is extended again and again. */
  readonly leaseUntil: number
  /** So long are members of its predecessor sure of what that one has given them; 0: they know that it is dead, or there was none. */
  readonly trustMillis: number
  /** So long are there perhaps members that it does not know yet, of its predecessor; 0: there was none. */
  readonly expectMillis: number
}

/** A request of a member, from when it comes until it is answered, and after that as long as it may be repeated. */
export interface MemberRequest {
  readonly request: ShareFetchRequest
  /** Whoever asked last. */
  from: Address
  correlationId: number
  /** Uptime until which it waits for records. */
  readonly deadline: number
  /** Null while it waits for records. */
  acquired: readonly AcquiredRange[] | null
  readonly refused: readonly ShareAcknowledgement[]
  /** The change that must be written before it is answered. */
  change: number
  isAnswered: boolean
  /** Uptime at which it came last, */
  arrivedAt: number
  /** and at which it was found out what it is answered. */
  decidedAt: number
}

/** A member of a share group: whoever has asked of late. */
export interface ShareMember {
  readonly memberId: string
  current: MemberRequest
  heardAt: number
  /** Partitions take turns. */
  turn: number
}

/** A share group. */
export interface ShareGroup {
  readonly id: string
  readonly members: Map<string, ShareMember>
  /** By topic id and partition. */
  readonly partitions: Map<string, Share>
  /** By topic id: partitions that the topic had when the group came to it; what is added later is read from its first record. */
  readonly firstCounts: Map<number, number>
}

/** A share partition with its name. */
export interface Share extends KeptShare, ShareKey {}

/** Where a partition ends, for readers of one kind. */
export interface PartitionEnd extends LastLeader {
  readonly topicId: number
  readonly isolationLevel: IsolationLevel
  /** -1: not known. */
  endOffset: number
  logStartOffset: number
  /** The reign that said so. */
  endEpoch: number
  /** Of the fetch that waits there for news; -1: there is none. */
  correlationId: number
  timeoutAt: number
  /** Not asked before this uptime. */
  retryAt: number
}

/** Records that were to be given out, and nobody was told. */
export interface UntoldAttempt extends ShareKey {
  readonly first: number
  readonly last: number
  readonly deliveryCount: number
  /** The change that takes it back; Infinity: none yet. */
  readonly change: number
}

/** A write under way. */
export interface ShareWrite {
  readonly correlationId: number
  /** Every change up to this one is in it, or was written before. */
  readonly change: number
}

/** What the coordinator of share groups knows. */
export interface SharesState {
  readonly self: Address
  readonly config: SharesConfig
  log: StateLog
  /** `barrier`: it waits until all that may be on its way to the log is decided. */
  phase: 'barrier' | 'loading' | 'active'
  /** Of the barrier or the read that is under way. */
  loadId: number
  loadFailures: number
  /** Drawn anew when nothing is known any more of who has what. */
  reign: number
  /** So long nothing is given out when it has read its log: others may be sure that they have it. */
  trustMillis: number
  /** Until this uptime. */
  trustUntil: number
  /** So long, from when it has read its log, a group may have members that have not come yet. */
  expectMillis: number
  /** Until this uptime. */
  expectUntil: number
  /** Nobody is told anything after this uptime: who is in charge then may have given it to somebody else. */
  leaseUntil: number
  readonly groups: Map<string, ShareGroup>
  /** Members that have left, by id and group, with the uptime of that, the oldest first. Their groups may be gone. */
  readonly departed: Map<string, number>
  /** Requests that wait for records, or for the write of what they say. */
  waiting: MemberRequest[]
  /** What differs from the log, with the first change that is not written; in the order of those. */
  readonly dirty: Map<string, ShareKey & { readonly change: number }>
  changeCount: number
  /** Changes that are in the log. */
  writtenCount: number
  writing: ShareWrite | null
  /** Attempts of before the log was read anew, which nobody was told of; until the log says so. */
  untold: UntoldAttempt[]
  /** Who asked for a deletion, and waits for it to be written. */
  deletions: { readonly from: Address; readonly correlationId: number; readonly change: number }[]
  /** Leaders that ask how far a group is, and what they will hear when that is written. */
  offsetsAsked: { readonly from: Address; readonly correlationId: number; readonly change: number; readonly startOffset: number }[]
  readonly leaders: LeaderCache
  readonly ends: Map<string, PartitionEnd>
  /** Something has changed: whoever waits for records may get some. */
  hasNews: boolean
  isTicking: boolean
  refreshAt: number
  nextCorrelationId: number
}

/** The coordinator of the cluster is asked again after so long. */
const REQUEST_TIMEOUT_MILLIS = 1000

/** Nothing is read yet. */
export function newSharesState(self: Address, config: SharesConfig): SharesState {
  return {
    self,
    config,
    log: newLog(self, config),
    phase: 'barrier',
    loadId: -1,
    loadFailures: 0,
    reign: 0,
    trustMillis: config.trustMillis,
    trustUntil: 0,
    expectMillis: config.expectMillis,
    expectUntil: 0,
    leaseUntil: config.leaseUntil,
    groups: new Map(),
    departed: new Map(),
    waiting: [],
    dirty: new Map(),
    changeCount: 0,
    writtenCount: 0,
    writing: null,
    untold: [],
    deletions: [],
    offsetsAsked: [],
    leaders: newLeaderCache(config.coordinatorNodes, REQUEST_TIMEOUT_MILLIS),
    ends: new Map(),
    hasNews: false,
    isTicking: false,
    refreshAt: 0,
    nextCorrelationId: 1,
  }
}

/** The log, not read yet. */
export function newLog(self: Address, config: SharesConfig): StateLog {
  return openStateLog(self.node, SHARE_TOPIC, config)
}

/** When it is committed, so is everything that was written before it. */
export function barrier(): StateRecord[] {
  return [{ key: encodeShareKey({ group: '', topicId: 0, partition: 0 }), value: null }]
}

/** The group, begun if there is none. */
export function shareGroupOf(state: SharesState, id: string): ShareGroup {
  const known = state.groups.get(id)
  if (known !== undefined) return known
  const group: ShareGroup = { id, members: new Map(), partitions: new Map(), firstCounts: new Map() }
  state.groups.set(id, group)
  return group
}

/** A group that has nothing any more is none. */
export function dropIfGone(state: SharesState, group: ShareGroup): void {
  if (group.members.size === 0 && group.partitions.size === 0) state.groups.delete(group.id)
}

/** A share partition's name within its group. */
export function shareName({ topicId, partition }: { readonly topicId: number; readonly partition: number }): string {
  return `${topicId}/${partition}`
}

/** It is to be written; says which change that is. */
export function noteChange(state: SharesState, { group, topicId, partition }: ShareKey): number {
  const change = ++state.changeCount
  const name = `${shareName({ topicId, partition })}/${group}`
  if (!state.dirty.has(name)) state.dirty.set(name, { group, topicId, partition, change })
  state.hasNews = true
  return change
}

/**
 * Answers a member with what was found out, or with an error. Its locks begin with the first answer, however long it took to write them down; what it has lost since
 * it was given it, or when it asks again, it does not hear of, but of all the rest.
 */
export function answerMember(state: SharesState, one: MemberRequest, error: ErrorName | null, uptime: number, outbox: Outbox): void {
  const { from, correlationId, request } = one
  const errorCode = error === null ? NONE : codeOf(error)
  const shares = state.groups.get(request.group)?.partitions
  for (const range of one.isAnswered ? [] : (one.acquired ?? [])) {
    const share = shares?.get(shareName(range))
    if (share !== undefined) beginLocks(share, range, request.memberId, uptime + request.lockMillis)
  }
  one.isAnswered = true
  const stillHeld = (range: AcquiredRange): AcquiredRange[] => {
    const share = shares?.get(shareName(range))
    return share === undefined ? [] : heldOf(share, range, request.memberId, uptime).map((part) => ({ ...range, ...part }))
  }
  const acquired = error === null ? (one.acquired ?? []).flatMap(stillHeld) : []
  const refused = error === null ? one.refused : []
  const about = { correlationId, errorCode, reign: state.reign, waitedMillis: one.decidedAt - one.arrivedAt }
  outbox.push({ kind: 'send', to: from, message: { kind: 'shareFetchResponse', ...about, acquired, refused } })
}
