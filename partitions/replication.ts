/**
 * What a leader knows of its followers, and what follows from it: how far the high watermark may move, who is in sync, and whether enough have a batch
 * (KIP-497, KIP-903, KIP-966). Offsets of followers are what they have made as durable as the topic promises.
 *
 *   committed ISR   as the coordinator last confirmed it
 *   maximal ISR     with those whom the leader has proposed to add: they count for the high watermark already, because the coordinator may have
 *                   accepted them, and elect them, before the leader hears of it
 */
import { assert } from '../protocol/assert.ts'
import type { ReplicaLag } from '../protocol/messages/fetch.ts'

/** How far one follower is, in the present leader epoch. */
export interface Follower {
  readonly node: number
  /** Everything below is durable there; -1 until it has fetched in this epoch. */
  endOffset: number
  /** Its log begins there, at least, whatever becomes of it. */
  startOffset: number
  /** Everything below is on its disk. */
  syncedOffset: number
  /** Uptime when it last had everything there was; -Infinity if never. */
  caughtUpAt: number
  /** Where this log ended when the follower's last fetch was answered, and when: a fetch from there on has caught up with that moment. */
  lastFetchEnd: number
  lastFetchAt: number
  /** Its registration, so that a node that came back with less is not taken for the one before (KIP-903). */
  brokerEpoch: number
}

/** A replica that shall be in sync. */
export interface ProposedReplica {
  readonly node: number
  /** The registration of its node; -1: not heard of in this leader epoch. */
  readonly brokerEpoch: number
}

/** A change of the ISR that the coordinator has not answered yet. */
export interface PendingIsr {
  /** As it was proposed: who had caught up is that registration of a node, and no later one (KIP-903). */
  readonly isr: readonly ProposedReplica[]
  /** With those of earlier proposals that may still be accepted: they were made for the same partition epoch. */
  readonly union: readonly number[]
  readonly correlationId: number
  readonly timeoutAt: number
  /** The coordinator said no. */
  isRefused: boolean
}

/** Replication as the leader sees it. */
export interface Replication {
  readonly self: number
  replicas: readonly number[]
  isr: readonly number[]
  minInsync: number
  partitionEpoch: number
  /** Where the log ended when this leader began. */
  readonly epochStartOffset: number
  /** Where the logs of all who may lead begin, at least: what was deleted does not come back with whoever joins. */
  deletedOffset: number
  readonly followers: Map<number, Follower>
  pending: PendingIsr | null
}

/** A leader that has not heard of any follower yet. `uptime`: those in the ISR count as caught up until they show that they are not. */
export function newReplication(
  self: number,
  partition: { readonly replicas: readonly number[]; readonly isr: readonly number[]; readonly partitionEpoch: number },
  log: { readonly logStartOffset: number; readonly logEndOffset: number },
  minInsync: number,
): Replication {
  return {
    self,
    replicas: partition.replicas,
    isr: partition.isr,
    minInsync,
    partitionEpoch: partition.partitionEpoch,
    epochStartOffset: log.logEndOffset,
    deletedOffset: log.logStartOffset,
    followers: new Map(),
    pending: null,
  }
}

/** Takes the coordinator's newer word on replicas and ISR. What was proposed is answered by it, one way or the other. */
export function confirmIsr(
  replication: Replication,
  partition: { readonly replicas: readonly number[]; readonly isr: readonly number[]; readonly partitionEpoch: number },
  minInsync: number,
): void {
  assert(partition.partitionEpoch >= replication.partitionEpoch, 'H1 partition epochs never go back')
  if (partition.partitionEpoch > replication.partitionEpoch) replication.pending = null
  replication.replicas = partition.replicas
  replication.isr = partition.isr
  replication.minInsync = minInsync
  replication.partitionEpoch = partition.partitionEpoch
  for (const node of replication.followers.keys()) if (!partition.replicas.includes(node)) replication.followers.delete(node)
}

/** Notes a follower's fetch: it has made everything below `endOffset` durable. */
export function noteFetch(replication: Replication, fetch: FollowerFetch, logEndOffset: number, uptime: number): Follower {
  const follower = noteLife(replication, fetch)
  if (fetch.endOffset >= logEndOffset) follower.caughtUpAt = uptime
  else if (fetch.endOffset >= follower.lastFetchEnd) follower.caughtUpAt = Math.max(follower.caughtUpAt, follower.lastFetchAt)
  follower.endOffset = fetch.endOffset
  follower.startOffset = fetch.startOffset
  follower.syncedOffset = fetch.syncedOffset
  follower.lastFetchEnd = logEndOffset
  follower.lastFetchAt = uptime
  return follower
}

/** What a follower says with a fetch. */
export interface FollowerFetch {
  readonly node: number
  readonly brokerEpoch: number
  readonly endOffset: number
  readonly startOffset: number
  readonly syncedOffset: number
}

/** Everyone that may be elected before the leader hears of it. */
export function maximalIsr({ isr, pending }: Replication): readonly number[] {
  if (pending === null) return isr
  return [...isr, ...pending.union.filter((node) => !isr.includes(node))]
}

/**
 * Where the high watermark may stand: everything below is durable with everyone in the maximal ISR, and with those who have nearly caught up (else
 * nobody could ever join under load). It stands still while fewer than `minInsync` are in sync (KIP-966).
 */
export function highWatermarkOf(replication: Replication, ownEndOffset: number, uptime: number, lagMillis: number): number {
  const { isr, minInsync, self, replicas } = replication
  if (isr.length < minInsync) return -1
  const needed = maximalIsr(replication)
  let offset = ownEndOffset
  for (const node of replicas) {
    if (node === self) continue
    const follower = replication.followers.get(node)
    const isJoining = follower !== undefined && uptime - follower.caughtUpAt < lagMillis
    if (needed.includes(node) || isJoining) offset = Math.min(offset, follower?.endOffset ?? -1)
  }
  return offset
}

/** How many replicas, the leader included, have made everything below an offset durable. */
export function copiesOf(replication: Replication, endOffset: number, ownEndOffset: number): number {
  let count = ownEndOffset >= endOffset ? 1 : 0
  for (const follower of replication.followers.values()) if (follower.endOffset >= endOffset) count++
  return count
}

/** Whether all followers that may be elected have made everything below an offset durable. */
export function isWithFollowers(replication: Replication, endOffset: number): boolean {
  const { self, followers } = replication
  return maximalIsr(replication).every((node) => node === self || (followers.get(node)?.endOffset ?? -1) >= endOffset)
}

/** How far each replica is behind the leader's log end; -1: it has not fetched in this leader epoch, so nobody knows. */
export function lagsOf({ replicas, followers, self }: Replication, logEndOffset: number): ReplicaLag[] {
  return replicas.map((node) => {
    const endOffset = node === self ? logEndOffset : (followers.get(node)?.endOffset ?? -1)
    return { node, lag: endOffset < 0 ? -1 : logEndOffset - endOffset }
  })
}

/** Where the logs of all these replicas begin, at least; -1 if one of them has not been heard of. */
export function startOf({ followers, self }: Replication, nodes: Iterable<number>, ownStartOffset: number): number {
  let startOffset = ownStartOffset
  for (const node of nodes) if (node !== self) startOffset = Math.min(startOffset, followers.get(node)?.startOffset ?? -1)
  return startOffset
}

/** Up to where every replica has everything on its disk; -1 while not all are in sync, or one has not been heard of. */
export function syncedByAll({ replicas, isr, followers, self }: Replication, ownSyncedOffset: number): number {
  if (replicas.length === 0 || isr.length < replicas.length) return -1
  let offset = ownSyncedOffset
  for (const node of replicas) if (node !== self) offset = Math.min(offset, followers.get(node)?.syncedOffset ?? -1)
  return offset
}

/** The ISR that the leader should propose now, or null: without those who have fallen behind for too long, with one that has caught up. */
export function wantedIsr(replication: Replication, highWatermark: number, uptime: number, options: IsrOptions): number[] | null {
  if (replication.pending !== null) return null
  const { isr, self, followers, replicas } = replication
  const kept = isr.filter((node) => node === self || !isBehind(replication, node, uptime, options))
  if (kept.length < isr.length) return kept
  const joins = replicas.filter((node) => {
    const follower = followers.get(node)
    if (follower === undefined || isr.includes(node) || uptime - follower.caughtUpAt >= options.lagMillis) return false
    return hasCaughtUp(replication, follower, highWatermark)
  })
  return joins.length > 0 ? [...isr, ...joins] : null
}

/** When a follower counts as behind. */
export interface IsrOptions {
  readonly lagMillis: number
  /** When this leader began: followers have that long to show themselves. */
  readonly ledSince: number
}

/**
 * Whether a follower may join: it has everything below the high watermark, and what this leader found when it began (KAFKA-7128), and nothing that was deleted. Whether its node
 * is alive, and still the same, is for the coordinator to say (KIP-841, KIP-903).
 */
function hasCaughtUp({ epochStartOffset, deletedOffset }: Replication, follower: Follower, highWatermark: number): boolean {
  if (follower.startOffset < deletedOffset) return false
  return follower.endOffset >= highWatermark && follower.endOffset >= epochStartOffset
}

function isBehind({ followers }: Replication, node: number, uptime: number, { lagMillis, ledSince }: IsrOptions): boolean {
  const caughtUpAt = Math.max(followers.get(node)?.caughtUpAt ?? -Infinity, ledSince)
  return uptime - caughtUpAt >= lagMillis
}

/** The follower in this life of its node: of a new one nothing is known yet. */
export function noteLife(replication: Replication, fetch: Pick<FollowerFetch, 'node' | 'brokerEpoch'>): Follower {
  const known = replication.followers.get(fetch.node)
  const follower = known !== undefined && known.brokerEpoch === fetch.brokerEpoch ? known : newFollower(fetch)
  replication.followers.set(fetch.node, follower)
  return follower
}

function newFollower({ node, brokerEpoch }: Pick<FollowerFetch, 'node' | 'brokerEpoch'>): Follower {
  const never = { endOffset: -1, startOffset: -1, syncedOffset: -1, caughtUpAt: -Infinity, lastFetchEnd: Infinity, lastFetchAt: -Infinity }
  return { node, brokerEpoch, ...never }
}
