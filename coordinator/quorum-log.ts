/**
 * The metadata log in memory: a snapshot, and every batch behind it. Metadata is small, so a voter keeps all of it at hand; what is on disk is
 * the business of quorum-storage.ts.
 *
 *   offsets   0 ……… snapshot.endOffset ─ batch ─ batch ─ batch ─► end
 */
import { assert } from '../protocol/assert.ts'
import type { QuorumBatch, QuorumSnapshot } from './quorum-records.ts'

/** See the header. */
export interface QuorumLog {
  snapshot: QuorumSnapshot
  readonly batches: QuorumBatch[]
  /** The bytes of the batches. */
  sizeBytes: number
  /** Who votes, as of the end of the log: an entry counts as soon as it is there, committed or not. The first is the snapshot's. */
  readonly voterSets: { readonly endOffset: number; readonly voters: readonly number[] }[]
}

/** A log that begins with a snapshot. */
export function newQuorumLog(snapshot: QuorumSnapshot): QuorumLog {
  return { snapshot, batches: [], sizeBytes: 0, voterSets: [{ endOffset: snapshot.endOffset, voters: snapshot.voters }] }
}

/** The snapshot of nothing. `voters`: who founds the quorum. */
export function emptySnapshot(voters: readonly number[]): QuorumSnapshot {
  return { endOffset: 0, epoch: 0, voters, bytes: new Uint8Array(0) }
}

/** One past the last offset. */
export function endOf(log: QuorumLog): number {
  return log.batches[log.batches.length - 1]?.endOffset ?? log.snapshot.endOffset
}

/** The epoch of the last record. */
export function lastEpochOf(log: QuorumLog): number {
  return log.batches[log.batches.length - 1]?.epoch ?? log.snapshot.epoch
}

/** Who votes. */
export function votersOf(log: QuorumLog): readonly number[] {
  return log.voterSets[log.voterSets.length - 1]?.voters ?? []
}

/** Who voted before the last change, if the log still says so. */
export function votersBefore(log: QuorumLog): readonly number[] {
  return log.voterSets[log.voterSets.length - 2]?.voters ?? []
}

/** Who voted as of an offset that the log still has. */
export function votersAt(log: QuorumLog, offset: number): readonly number[] {
  return log.voterSets.findLast(({ endOffset }) => endOffset <= offset)?.voters ?? log.snapshot.voters
}

/** Where the batch ends that says who votes. */
export function votersEndOf(log: QuorumLog): number {
  return log.voterSets[log.voterSets.length - 1]?.endOffset ?? 0
}

/** The epoch of the record before an offset between two batches; null if the log has no such point, or only in its snapshot. */
export function epochBefore(log: QuorumLog, offset: number): number | null {
  if (offset === log.snapshot.endOffset) return log.snapshot.epoch
  const batch = log.batches[indexBehind(log, offset) - 1]
  return batch?.endOffset === offset ? batch.epoch : null
}

/** Adds a batch. */
export function appendToLog(log: QuorumLog, batch: QuorumBatch): void {
  assert(batch.baseOffset === endOf(log), 'Q1 a batch begins where the log ends')
  assert(batch.epoch >= lastEpochOf(log), 'Q2 epochs in the log do not go back')
  log.batches.push(batch)
  log.sizeBytes += batch.bytes.length
  if (batch.voters !== null) log.voterSets.push({ endOffset: batch.endOffset, voters: batch.voters })
}

/** Cuts everything from an offset between two batches on. */
export function truncateLog(log: QuorumLog, offset: number): void {
  while (endOf(log) > offset) {
    const batch = log.batches.pop()
    assert(batch !== undefined, 'Q3 a snapshot is not cut')
    log.sizeBytes -= batch.bytes.length
    if (batch.voters !== null) log.voterSets.pop()
  }
}

/** Puts a snapshot in the place of what it covers. If the log does not agree with it, nothing of the log is left; says whether it did. */
export function installSnapshot(log: QuorumLog, snapshot: QuorumSnapshot): 'kept' | 'replaced' {
  const isKept = epochBefore(log, snapshot.endOffset) === snapshot.epoch
  const kept = isKept ? log.batches.slice(indexBehind(log, snapshot.endOffset)) : []
  Object.assign(log, { ...newQuorumLog(snapshot) })
  for (const batch of kept) appendToLog(log, batch)
  return isKept ? 'kept' : 'replaced'
}

/** The batches from an offset between two of them on, the first whatever its size, as many as fit. */
export function batchesFrom(log: QuorumLog, offset: number, bytesMax: number): QuorumBatch[] {
  const batches: QuorumBatch[] = []
  let left = bytesMax
  for (let i = indexBehind(log, offset); i < log.batches.length; i++) {
    const batch = log.batches[i]!
    left -= batch.bytes.length
    if (batches.length > 0 && left < 0) break
    batches.push(batch)
  }
  return batches
}

/** Where the epoch begins in which the record before `offset` was written, or the snapshot ends. */
export function beginOfEpoch(log: QuorumLog, offset: number): number {
  let index = indexBehind(log, offset - 1)
  const epoch = log.batches[index]?.epoch
  while (index > 0 && log.batches[index - 1]?.epoch === epoch) index--
  return log.batches[index]?.baseOffset ?? log.snapshot.endOffset
}

/** The last offset between two batches that is not behind `offset`; `offset` itself where only the snapshot is left. */
export function boundaryBefore(log: QuorumLog, offset: number): number {
  return log.batches[indexBehind(log, offset) - 1]?.endOffset ?? Math.min(offset, log.snapshot.endOffset)
}

/** The index of the first batch that ends behind an offset. */
export function indexBehind(log: QuorumLog, offset: number): number {
  let low = 0
  let high = log.batches.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((log.batches[middle]?.endOffset ?? 0) <= offset) low = middle + 1
    else high = middle
  }
  return low
}
