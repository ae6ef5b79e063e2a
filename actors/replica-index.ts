/**
 * The indexes of closed segments: loaded when somebody reads there, rebuilt from the segment if the index file is not sound, and forgotten when there are too many.
 */
import type { Address } from '../protocol/address.ts'
import type { FetchRequest, ListOffsetsRequest } from '../protocol/messages/fetch.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import * as batch from '../protocol/record-batch.ts'
import { indexFileName, nameOfSegment } from '../partitions/log.ts'
import type { Segment } from '../partitions/log.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { Continuation, ReplicaState } from '../partitions/replica-state.ts'
import { addEntry, decodeIndex, emptyIndex } from '../partitions/segment-index.ts'
import type { SegmentIndex } from '../partitions/segment-index.ts'
import type { Outbox } from './actor.ts'

type IndexLoading = Extract<Continuation, { kind: 'index' }>
type Rebuilding = Extract<Continuation, { kind: 'rebuild' }>

/** The answer of the disk to a question for an index, or for the segment that it is rebuilt from. */
export type IndexReading = IndexLoading | Rebuilding

/** One read while looking for a timestamp or rebuilding an index. */
export const SCAN_BYTES: number = 1024 * 1024

/** Indexes of closed segments kept in memory per replica. */
const LOADED_INDEXES_MAX = 32

/** Serves a request when the index of its segment is in memory. */
export function waitForIndex(
  state: ReplicaState,
  segment: Segment,
  from: Address,
  request: FetchRequest | ListOffsetsRequest,
  outbox: Outbox,
): void {
  const loading = state.indexWaiters.some((waiter) => waiter.segmentBaseOffset === segment.baseOffset)
  state.indexWaiters.push({ segmentBaseOffset: segment.baseOffset, from, request })
  if (loading) return
  const { baseOffset: segmentBaseOffset, generation } = segment
  const token = expectAnswer(state, { kind: 'index', segmentBaseOffset, generation })
  outbox.push({
    kind: 'read',
    log: state.logName,
    file: indexFileName(segmentBaseOffset, generation),
    position: 0,
    sizeBytes: segment.sizeBytes,
    token,
  })
}

/** An index file was read: takes it, or rebuilds the index if it is not sound; whether it is there now. */
export function onIndexRead(state: ReplicaState, loading: IndexLoading, message: MessageOf<'readCompleted'>, outbox: Outbox): boolean {
  const { segmentBaseOffset, generation } = loading
  const index = message.records === null ? null : decodeIndex(message.records, segmentBaseOffset)
  if (index !== null) return onIndexLoaded(state, loading, index)
  const fresh = { index: emptyIndex(), position: 0, sizeBytes: SCAN_BYTES, maxTimestamp: -1 }
  return rebuild(state, { kind: 'rebuild', segmentBaseOffset, generation, ...fresh }, outbox)
}

function rebuild(state: ReplicaState, rebuilding: Rebuilding, outbox: Outbox): boolean {
  const segment = findSegment(state, rebuilding)
  if (segment === undefined || rebuilding.position >= segment.sizeBytes) return onIndexLoaded(state, rebuilding, rebuilding.index)
  readFor(state, rebuilding, segment, Math.min(rebuilding.sizeBytes, segment.sizeBytes - rebuilding.position), outbox)
  return false
}

/** Takes the batches read into the index that is being rebuilt; whether it is there now. */
export function onRebuildRead(state: ReplicaState, rebuilding: Rebuilding, message: MessageOf<'readCompleted'>, outbox: Outbox): boolean {
  const { index, position } = rebuilding
  const records = message.records ?? new Uint8Array(0)
  let { maxTimestamp } = rebuilding
  let at = 0
  for (const found of batch.walkBatches(records)) {
    maxTimestamp = Math.max(maxTimestamp, batch.maxTimestamp(records, found.at))
    const last = index.positions[index.positions.length - 1]
    if (last === undefined || position + found.at - last >= state.config.indexIntervalBytes) {
      addEntry(index, batch.baseOffset(records, found.at), position + found.at, maxTimestamp)
    }
    at = found.at + found.sizeBytes
  }
  const wanted = at === 0 && records.length >= batch.LOG_OVERHEAD_BYTES ? batch.batchSizeBytes(records, 0) : 0
  const left = (findSegment(state, rebuilding)?.sizeBytes ?? 0) - position
  const isCutShort = wanted > left || records.length < Math.min(rebuilding.sizeBytes, left)
  // A damaged batch ends the index early: readers behind it start from its last entry and find the damage themselves.
  if (at === 0 && (wanted <= records.length || isCutShort)) return onIndexLoaded(state, rebuilding, index)
  return rebuild(state, { ...rebuilding, position: position + at, maxTimestamp, sizeBytes: Math.max(SCAN_BYTES, wanted) }, outbox)
}

function onIndexLoaded(state: ReplicaState, loading: IndexReading, index: SegmentIndex): boolean {
  const segment = findSegment(state, loading)
  if (segment !== undefined && segment.index === null) {
    segment.index = index
    state.loadedIndexes.push(segment.baseOffset)
    evictIndexes(state)
  }
  return true
}

/** The segment whose index is being loaded, unless compaction has replaced it: then the index speaks of another file. */
function findSegment({ log }: ReplicaState, { segmentBaseOffset, generation }: IndexReading): Segment | undefined {
  return log.segments.find((one) => one.baseOffset === segmentBaseOffset && one.generation === generation)
}

/** Keeps the number of loaded indexes bounded, the oldest loading goes first. From the high watermark on they stay: the log may be cut there. */
export function evictIndexes(state: ReplicaState): void {
  while (state.loadedIndexes.length > LOADED_INDEXES_MAX) {
    const at = state.loadedIndexes.findIndex((base) => base < state.highWatermark.segmentBaseOffset)
    if (at < 0) return
    const [base] = state.loadedIndexes.splice(at, 1)
    const segment = state.log.segments.find((one) => one.baseOffset === base)
    if (segment !== undefined) segment.index = null
  }
}

/** Reads a piece of a segment. */
export function readFor(
  state: ReplicaState,
  continuation: Extract<Continuation, { kind: 'fetch' | 'timestamp' | 'rebuild' }>,
  segment: Segment,
  sizeBytes: number,
  outbox: Outbox,
): void {
  const token = expectAnswer(state, continuation)
  outbox.push({
    kind: 'read',
    log: state.logName,
    file: nameOfSegment(segment),
    position: continuation.position,
    sizeBytes,
    token,
  })
}
