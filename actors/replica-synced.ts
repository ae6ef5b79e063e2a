/**
 * What is on the disk for certain. A topic may promise less than that (flush `os`), and what its replicas have in the page cache a power loss takes: so what compaction
 * takes away for good, a tombstone or a marker, must be on every disk, for whoever loses it would not be given it again, and would keep what it has ended.
 */
import type { ReplicaState } from '../partitions/replica-state.ts'
import { syncedByAll } from '../partitions/replication.ts'

/** Segments of which nobody knows yet whether the disk has them. */
export function unsyncedSegments({ dirty, syncing, distrusted, flush }: ReplicaState): Set<number> {
  return new Set([...dirty, ...syncing, ...distrusted, ...(flush?.segmentBaseOffsets ?? [])])
}

/** Whether these syncs succeed nobody will hear. */
export function distrustSyncing(state: ReplicaState): void {
  for (const continuation of state.continuations.values()) {
    if (continuation.kind === 'sync' || continuation.kind === 'flush') state.distrusted.add(continuation.segmentBaseOffset)
  }
}

/**
 * The log is opened again, and whatever was asked of the disk is answered in vain. A sync that is under way may fail, which the disk says only once, or succeed: neither is known of what it covers, so that
 * a segment is written again before it is synced, and so is a checkpoint; until then nothing is written over the checkpoint, nor over the other one.
 */
export function distrustUnheard(state: ReplicaState): void {
  distrustSyncing(state)
  for (const { kind } of state.continuations.values()) {
    if (kind === 'checkpointSync' || kind === 'checkpointProof') state.checkpointTrust = 'doubted'
  }
}

/** Everything below is on the disk here. */
export function syncedEnd(state: ReplicaState): number {
  return Math.min(state.log.logEndOffset, ...unsyncedSegments(state))
}

/** Everything is on the disk here, whatever was promised for it. Of a log that is not open nobody knows that. */
export function isAllSynced(state: ReplicaState): boolean {
  if (state.phase === 'failed' || state.phase === 'recovering') return false
  const unsynced = unsyncedSegments(state)
  return state.log.segments.every(({ baseOffset, sizeBytes }) => sizeBytes === 0 || !unsynced.has(baseOffset))
}

/** Everything below is on every replica's disk, as the leader knows; -1: nobody has said so yet. */
export function knownSyncedByAll(state: ReplicaState): number {
  const { phase, replication, following } = state
  if (phase === 'leading' && replication !== null) return syncedByAll(replication, syncedEnd(state))
  return phase === 'following' ? (following?.syncedByAll ?? -1) : -1
}
