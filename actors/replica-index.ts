/**
 * The indexes of closed segments: loaded when somebody reads there, rebuilt from the segment if the index file is not sound, and forgotten when there are too many.
 */
import type { Address } from '../protocol/address.ts'
import type { FetchRequest, ListOffsetsRequest } from '../protocol/messages/fetch.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import * as batch from '../protocol/record-batch.ts'
import { indexFileName } from '../partitions/log.ts'
import type { Segment } from '../partitions/log.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { Continuation, ReplicaState } from '../partitions/replica-state.ts'
import { addEntry, decodeIndex, emptyIndex } from '../partitions/segment-index.ts'
import type { Outbox } from './actor.ts'
import { lookUp, readFor, SCAN_BYTES, serveFetch } from './replica-read.ts'

type IndexLoading = Extract<Continuation, { kind: 'index' }>
type Rebuilding = Extract<Continuation, { kind: 'rebuild' }>

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

/** An index file was read: takes it, or rebuilds the index if it is not sound. */
export function onIndexRead(state: ReplicaState, loading: IndexLoading, message: MessageOf<'readCompleted'>, outbox: Outbox): void {
  const { segmentBaseOffset, generation } = loading
  const index = message.records === null ? null : decodeIndex(message.records, segmentBaseOffset)
  if (index !== null) return onIndexLoaded(state, loading, index, outbox)
  const fresh = { index: emptyIndex(), position: 0, sizeBytes: SCAN_BYTES, maxTimestamp: -1 }
  rebuild(state, { kind: 'rebuild', segmentBaseOffset, generation, ...fresh }, outbox)
}

function rebuild(state: ReplicaState, rebuilding: Rebuilding, outbox: Outbox): void {
  const segment = findSegment(state, rebuilding)
  if (segment === undefined || rebuilding.position >= segment.sizeBytes) return onIndexLoaded(state, rebuilding, rebuilding.index, outbox)
  readFor(state, rebuilding, segment, Math.min(rebuilding.sizeBytes, segment.sizeBytes - rebuilding.position), outbox)
}

/** Takes the batches read into the index that is being rebuilt. */
export function onRebuildRead(state: ReplicaState, rebuilding: Rebuilding, message: MessageOf<'readCompleted'>, outbox: Outbox): void {
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
  // A damaged batch ends the index early: readers behind it start from its last entry and find the damage themselves.
  if (at === 0 && wanted <= records.length) return onIndexLoaded(state, rebuilding, index, outbox)
  rebuild(state, { ...rebuilding, position: position + at, maxTimestamp, sizeBytes: Math.max(SCAN_BYTES, wanted) }, outbox)
}

function onIndexLoaded(
  state: ReplicaState,
  loading: IndexLoading | Rebuilding,
  index: ReturnType<typeof emptyIndex>,
  outbox: Outbox,
): void {
  const { segmentBaseOffset } = loading
  const segment = findSegment(state, loading)
  if (segment !== undefined && segment.index === null) {
    segment.index = index
    state.loadedIndexes.push(segmentBaseOffset)
    evictIndexes(state)
  }
  const ready = state.indexWaiters.filter((waiter) => waiter.segmentBaseOffset === segmentBaseOffset)
  state.indexWaiters = state.indexWaiters.filter((waiter) => waiter.segmentBaseOffset !== segmentBaseOffset)
  for (const { from, request } of ready) {
    if (request.kind === 'fetch') serveFetch(state, from, request, null, outbox)
    else lookUp(state, from, request, outbox)
  }
}

/** The segment whose index is being loaded, unless compaction has replaced it: then the index speaks of another file. */
function findSegment({ log }: ReplicaState, { segmentBaseOffset, generation }: IndexLoading | Rebuilding): Segment | undefined {
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
