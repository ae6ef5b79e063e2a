/**
 * How a leader serves readers: fetches below what they may see (replica-read-answers.ts), parked while there is nothing new;
 * offsets by timestamp; and the indexes of closed segments, loaded when somebody reads there and rebuilt from the segment if the index file is not sound.
 */
import type { Address } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { CONSUMER_REPLICA, EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../protocol/messages/fetch.ts'
import type { FetchRequest, ListOffsetsRequest } from '../protocol/messages/fetch.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import * as batch from '../protocol/record-batch.ts'
import { findOffsetByTimestamp, RecordBatchView } from '../protocol/record-batch-reader.ts'
import { nameOfSegment, planRead, segmentOf } from '../partitions/log.ts'
import type { LogPosition, ReadPlan, Segment } from '../partitions/log.ts'
import type { Continuation, ParkedFetch, ReplicaState } from '../partitions/replica-state.ts'
import { floorByTimestamp } from '../partitions/segment-index.ts'
import type { Context, Outbox } from './actor.ts'
import { onDamage, soundBatches } from './replica-damage.ts'
import { onIndexRead, onRebuildRead, readFor, SCAN_BYTES, waitForIndex } from './replica-index.ts'
import type { IndexReading } from './replica-index.ts'
import { beginOf, limitOf, refusalOfFailed, replyFetch, replyOffset } from './replica-read-answers.ts'

type FetchReading = Extract<Continuation, { kind: 'fetch' }>
type TimestampReading = Extract<Continuation, { kind: 'timestamp' }>

/** Most bytes that one fetch is answered with, whatever it asks for (a first batch may be larger). */
const FETCH_BYTES_MAX = 16 * 1024 * 1024

// ── fetch ──

/** Serves a fetch at once, or parks it. */
export function serveOrPark(state: ReplicaState, request: FetchRequest, context: Context, outbox: Outbox): void {
  const limit = limitOf(state, request)
  const isThere = request.fetchOffset < limit.offset && availableBytes(state, request) >= request.minBytes
  if (isThere || request.maxWaitMillis <= 0) return serveFetch(state, context.from, request, null, outbox)
  const deadline = context.uptime + request.maxWaitMillis
  state.parked.push({ from: context.from, request, deadline, position: request.fetchOffset === limit.offset ? limit : null })
  if (deadline < state.parkedTimerAt) armFetchTimer(state, deadline, context, outbox)
}

/** Answers with what lies between the offset and the limit, perhaps nothing. */
function serveFetch(state: ReplicaState, from: Address, request: FetchRequest, begin: LogPosition | null, outbox: Outbox): void {
  const { fetchOffset } = request
  if (fetchOffset >= limitOf(state, request).offset) return replyFetch(state, from, request, null, null, null, outbox)
  if (fetchOffset < beginOf(state, request)) return replyFetch(state, from, request, 'OFFSET_OUT_OF_RANGE', null, null, outbox)
  const segment = segmentOf(state.log, fetchOffset)
  assert(segment !== null, 'P9 an offset in range has a segment')
  if (segment.index === null) return waitForIndex(state, segment, from, request, outbox)
  const plan = planFrom(state, request, segment, begin)
  const sizeBytes = Math.min(Math.max(request.maxBytes, 1), FETCH_BYTES_MAX, plan.endPosition - plan.position)
  if (request.mode === 'range') {
    const path = `${state.logName}/${nameOfSegment(segment)}`
    const range = { path, position: plan.position, sizeBytes, availableBytes: plan.endPosition - plan.position }
    return replyFetch(state, from, request, null, range, null, outbox)
  }
  const { generation } = segment
  const { position, endPosition } = plan
  readFor(state, { kind: 'fetch', from, request, generation, position, endPosition, sizeBytes }, segment, sizeBytes, outbox)
}

/** A reader that waited at the limit need not be looked up in the index: its position was noted. */
function planFrom(state: ReplicaState, request: FetchRequest, segment: Segment, begin: LogPosition | null): ReadPlan {
  const plan = planRead(state.log, request.fetchOffset, limitOf(state, request))
  const known = begin !== null && begin.segmentBaseOffset === segment.baseOffset && begin.offset === request.fetchOffset
  return known && begin.position >= plan.position ? { ...plan, position: begin.position } : plan
}

/** The bytes for a fetch are here: answers with the whole batches among them. */
export function onFetchRead(state: ReplicaState, reading: FetchReading, message: MessageOf<'readCompleted'>, outbox: Outbox): void {
  const { from, request, position, endPosition } = reading
  const segment = segmentOf(state.log, request.fetchOffset)
  const { records } = message
  if (request.fetchOffset < beginOf(state, request) || segment === null)
    return replyFetch(state, from, request, 'OFFSET_OUT_OF_RANGE', null, null, outbox)
  if (records === null) return replyFetch(state, from, request, 'KAFKA_STORAGE_ERROR', null, null, outbox)
  let begin = 0
  let sizeBytes = batch.wholeBatchSize(records, 0)
  while (sizeBytes > 0 && batch.lastOffset(records, begin) < request.fetchOffset) {
    begin += sizeBytes
    sizeBytes = batch.wholeBatchSize(records, begin)
  }
  if (sizeBytes === 0 && !isAsPlanned(segment, reading)) return serveFetch(state, from, request, null, outbox)
  if (sizeBytes === 0) return readMore(state, reading, records, begin, segment, outbox)
  assert(position + begin + sizeBytes <= endPosition, 'P10 nothing above the limit is served')
  const sound = soundBatches(state, records, begin, request.fetchOffset)
  const error = sound.length === 0 ? onDamage(state, outbox) : null
  replyFetch(state, from, request, error, null, error === null ? sound : null, outbox)
}

/** False: compaction has replaced the file, and what was read of it is right, but where it goes on is somewhere else; or the log was cut. */
function isAsPlanned(segment: Segment | null, { generation, endPosition }: FetchReading | TimestampReading): boolean {
  return segment !== null && segment.generation === generation && segment.sizeBytes >= endPosition
}

/** The batch that was asked for is not wholly there: reads again from its beginning, enough of it. */
function readMore(state: ReplicaState, reading: FetchReading, records: Uint8Array, begin: number, segment: Segment, outbox: Outbox): void {
  const position = reading.position + begin
  const available = records.length - begin
  const wanted = available >= batch.LOG_OVERHEAD_BYTES ? batch.batchSizeBytes(records, begin) : batch.BATCH_HEADER_BYTES
  const isShort = records.length < reading.sizeBytes
  if (isShort || wanted < batch.BATCH_HEADER_BYTES || position + wanted > reading.endPosition) {
    return replyFetch(state, reading.from, reading.request, onDamage(state, outbox), null, null, outbox)
  }
  const sizeBytes = Math.min(Math.max(wanted, Math.min(reading.request.maxBytes, FETCH_BYTES_MAX)), reading.endPosition - position)
  readFor(state, { ...reading, position, sizeBytes }, segment, sizeBytes, outbox)
}

/** How much a fetch at this offset would find, at least. */
function availableBytes(state: ReplicaState, request: FetchRequest): number {
  const { log } = state
  const { fetchOffset } = request
  const limit = limitOf(state, request)
  const segment = segmentOf(log, fetchOffset)
  if (segment === null || segment.index === null || segment.baseOffset !== limit.segmentBaseOffset) return Infinity
  return limit.position - planRead(log, fetchOffset, limit).position
}

// ── waiting for news ──

/** An end has moved: serves whoever waited for it. */
export function wakeParked(state: ReplicaState, outbox: Outbox): void {
  if (state.parked.length === 0) return
  const waiting: ParkedFetch[] = []
  for (const fetch of state.parked) {
    const { from, request, position } = fetch
    if (request.fetchOffset < limitOf(state, request).offset && availableBytes(state, request) >= request.minBytes) {
      serveFetch(state, from, request, position, outbox)
    } else waiting.push(fetch)
  }
  state.parked = waiting
}

/** Answers those who have waited long enough. */
export function onFetchTimer(state: ReplicaState, context: Context, outbox: Outbox): void {
  const over = state.parked.filter((fetch) => fetch.deadline <= context.uptime)
  state.parked = state.parked.filter((fetch) => fetch.deadline > context.uptime)
  for (const { from, request, position } of over) serveFetch(state, from, request, position, outbox)
  state.parkedTimerAt = Infinity
  let next = Infinity
  for (const fetch of state.parked) next = Math.min(next, fetch.deadline)
  if (next < Infinity) armFetchTimer(state, next, context, outbox)
}

/** Followers hear of a log start at once: their parked fetches are answered with whatever there is. */
export function answerFollowers(state: ReplicaState, outbox: Outbox): void {
  const waiting = state.parked.filter(({ request }) => request.replicaId !== CONSUMER_REPLICA)
  state.parked = state.parked.filter(({ request }) => request.replicaId === CONSUMER_REPLICA)
  for (const { from, request, position } of waiting) serveFetch(state, from, request, position, outbox)
}

/** The partition goes offline: nobody waits any longer. */
export function refuseParked(state: ReplicaState, outbox: Outbox): void {
  for (const { from, request } of state.parked) replyFetch(state, from, request, 'NOT_LEADER_OR_FOLLOWER', null, null, outbox)
  state.parked = []
}

function armFetchTimer(state: ReplicaState, deadline: number, context: Context, outbox: Outbox): void {
  state.parkedTimerAt = deadline
  outbox.push({ kind: 'startTimer', timer: 'fetch', afterMillis: Math.max(0, deadline - context.uptime) })
}

// ── offsets by time ──

/** Answers with an end of the log, or looks a timestamp up. */
export function onListOffsets(state: ReplicaState, request: ListOffsetsRequest, context: Context, outbox: Outbox): void {
  const { from } = context
  if (request.topicId !== state.topicId) return replyOffset(state, from, request, 'UNKNOWN_TOPIC_ID', -1, -1, outbox)
  if (state.phase === 'failed') return replyOffset(state, from, request, refusalOfFailed(state), -1, -1, outbox)
  if (state.phase !== 'leading' && state.phase !== 'rollingBack')
    return replyOffset(state, from, request, 'NOT_LEADER_OR_FOLLOWER', -1, -1, outbox)
  // A new leader's high watermark may be behind what readers have seen: it waits until it has caught up (KIP-207).
  if (request.timestamp !== EARLIEST_TIMESTAMP && state.highWatermark.offset < (state.replication?.epochStartOffset ?? 0))
    return replyOffset(state, from, request, 'OFFSET_NOT_AVAILABLE', -1, -1, outbox)
  if (request.timestamp === LATEST_TIMESTAMP) return replyOffset(state, from, request, null, limitOf(state, request).offset, -1, outbox)
  if (request.timestamp === EARLIEST_TIMESTAMP) return replyOffset(state, from, request, null, state.log.logStartOffset, -1, outbox)
  lookUp(state, from, request, outbox)
}

/** Looks in the first segment after `after` that may have the timestamp: one from which young records were cut has it no longer. */
function lookUp(state: ReplicaState, from: Address, request: ListOffsetsRequest, outbox: Outbox, after = -1): void {
  const segment = state.log.segments.find((one) => one.baseOffset > after && one.sizeBytes > 0 && one.maxTimestamp >= request.timestamp)
  const limit = limitOf(state, request)
  if (segment === undefined || segment.baseOffset > limit.segmentBaseOffset) return replyOffset(state, from, request, null, -1, -1, outbox)
  if (segment.index === null) return waitForIndex(state, segment, from, request, outbox)
  const { position } = floorByTimestamp(segment.index, request.timestamp, segment.baseOffset)
  const endPosition = segment.baseOffset === limit.segmentBaseOffset ? limit.position : segment.sizeBytes
  const { baseOffset: segmentBaseOffset, generation } = segment
  readTimestamps(state, { kind: 'timestamp', from, request, segmentBaseOffset, generation, position, endPosition }, SCAN_BYTES, outbox)
}

function readTimestamps(state: ReplicaState, reading: TimestampReading, sizeBytes: number, outbox: Outbox): void {
  const segment = segmentOf(state.log, reading.segmentBaseOffset)
  const left = reading.endPosition - reading.position
  if (left > 0 && segment?.generation !== reading.generation) return lookUp(state, reading.from, reading.request, outbox)
  if (segment === null || left <= 0) return lookUp(state, reading.from, reading.request, outbox, reading.segmentBaseOffset)
  readFor(state, reading, segment, Math.min(sizeBytes, left), outbox)
}

/** Looks for the timestamp in the batches read, and reads on if it is not among them. Into a compressed one whoever asks has to look himself. */
export function onTimestampRead(state: ReplicaState, reading: TimestampReading, message: MessageOf<'readCompleted'>, outbox: Outbox): void {
  const { records } = message
  const { from, request } = reading
  if (records === null) return replyOffset(state, from, request, 'KAFKA_STORAGE_ERROR', -1, -1, outbox)
  let at = 0
  for (const found of batch.walkBatches(records)) {
    if (!batch.checkBatch(records, found.at, found.sizeBytes).ok)
      return replyOffset(state, from, request, onDamage(state, outbox), -1, -1, outbox)
    const hit = findOffsetByTimestamp(new RecordBatchView(records, found.at), request.timestamp, state.log.logStartOffset)
    if (hit !== null) return replyOffset(state, from, request, null, hit.offset, hit.timestamp, outbox)
    at = found.at + found.sizeBytes
  }
  const wanted = at === 0 && records.length >= batch.LOG_OVERHEAD_BYTES ? batch.batchSizeBytes(records, 0) : 0
  if (at === 0 && (wanted <= records.length || isCutShort(reading, wanted, records.length))) {
    if (!isAsPlanned(segmentOf(state.log, reading.segmentBaseOffset), reading)) return lookUp(state, from, request, outbox)
    return replyOffset(state, from, request, onDamage(state, outbox), -1, -1, outbox)
  }
  readTimestamps(state, { ...reading, position: reading.position + at }, Math.max(SCAN_BYTES, wanted), outbox)
}

/** A batch does not end before the end of what there is to read, or the file does not have all of that. */
function isCutShort({ position, endPosition }: TimestampReading, wanted: number, sizeBytes: number): boolean {
  return position + wanted > endPosition || sizeBytes < Math.min(SCAN_BYTES, endPosition - position)
}

// ── indexes of closed segments ──

/** An index is being loaded: whoever waited for it is served when it is there. */
export function onIndexAnswer(state: ReplicaState, reading: IndexReading, message: MessageOf<'readCompleted'>, outbox: Outbox): void {
  const isLoaded = reading.kind === 'index' ? onIndexRead(state, reading, message, outbox) : onRebuildRead(state, reading, message, outbox)
  if (!isLoaded) return
  const ready = state.indexWaiters.filter((waiter) => waiter.segmentBaseOffset === reading.segmentBaseOffset)
  state.indexWaiters = state.indexWaiters.filter((waiter) => waiter.segmentBaseOffset !== reading.segmentBaseOffset)
  for (const { from, request } of ready) {
    if (request.kind === 'fetch') serveFetch(state, from, request, null, outbox)
    else lookUp(state, from, request, outbox)
  }
}
