/**
 * Mending in place: a damaged replica that nobody counts on reads its log from the first batch to the last, and writes the leader's batch over each that is not what
 * was written. In one leader epoch an offset is given once (KIP-101): a batch with the same offset and epoch is the same, to the byte. So what is sound stays, and
 * copies that are damaged in different places mend each other, one after the other.
 *
 *   read ─► sound: read on ─► the end ─► sync the files ─► over
 *    ▲  └─► unsound: ask the leader ─► write ─┐
 *    └────────────────────────────────────────┘       whatever does not fit: the log is copied anew
 *
 * What it does not do: mend a compacted log. There the same records are other bytes in each copy.
 */
import { assert, unreachable } from '../protocol/assert.ts'
import { CONSUMER_REPLICA } from '../protocol/messages/fetch.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { FetchResponse } from '../protocol/messages/fetch.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import * as batch from '../protocol/record-batch.ts'
import { isCleaned } from '../partitions/compaction.ts'
import { epochAt, isOfEpoch } from '../partitions/epochs.ts'
import { nameOfSegment } from '../partitions/log.ts'
import type { Segment } from '../partitions/log.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { Mending } from '../partitions/mending.ts'
import type { Continuation, ReplicaState } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'
import { SCAN_BYTES } from './replica-index.ts'
import { cutLog, restartLog } from './replica-open.ts'

/** What the disk is asked for, for a mending. */
type MendingWork = Extract<Continuation, { kind: 'mendRead' | 'mendWritten' | 'mendSynced' }>
type MendingRead = Extract<Continuation, { kind: 'mendRead' }>

/** Most bytes that the leader is asked for at once; a first batch may be larger. */
const BATCH_BYTES = 64 * 1024

/** A question that is not answered, or comes to nothing, is asked again after so long. A new leader may not know for a while what is committed. */
const ASK_MILLIS = 500

/** So often the leader says that nothing there is committed; then it is nobody's yet, and is copied as such. */
const EMPTY_COUNT_MAX = 20

/** Whether the log can be mended in place: it is open, there is something in it, and the leader has the same bytes. */
export function isMendable({ damage, phase, log, config }: ReplicaState): boolean {
  const isOpen = phase === 'leading' || phase === 'following' || phase === 'idle'
  const isEmpty = log.segments.every(({ sizeBytes }) => sizeBytes === 0)
  return damage === 'partial' && isOpen && !isEmpty && config.cleanupPolicy === 'delete' && !isCleaned(log)
}

/** Begins at the first batch. */
export function beginMending(state: ReplicaState, outbox: Outbox): void {
  const [first] = state.log.segments
  const { baseOffset } = first ?? { baseOffset: state.log.logStartOffset }
  state.mending = {
    segmentBaseOffset: baseOffset,
    position: 0,
    offset: baseOffset,
    correlationId: -1,
    askAt: -1,
    emptyCount: 0,
    mended: -1,
    syncing: 0,
    cutAt: -1,
  }
  readOn(state, state.mending, SCAN_BYTES, outbox)
}

/** The disk has answered; nobody cares if the role is another one by now. */
export function onMendAnswer(state: ReplicaState, work: MendingWork, message: StorageAnswer, context: Context, outbox: Outbox): void {
  if (!goesOn(state, work.mending)) return
  switch (work.kind) {
    case 'mendRead':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onRead(state, work, message, context, outbox)
    case 'mendWritten':
      assert(message.kind === 'storageDone', 'P5 a rewrite is answered by storageDone')
      return message.error === null ? readOn(state, work.mending, SCAN_BYTES, outbox) : copyAnew(state, outbox)
    case 'mendSynced':
      assert(message.kind === 'synced', 'P4 a sync is answered by synced')
      return message.error === null ? onSynced(state, work.mending, outbox) : copyAnew(state, outbox)
    default:
      return unreachable(work)
  }
}

/** Reads what comes next, of the next segment if this one is over. */
function readOn(state: ReplicaState, mending: Mending, sizeBytes: number, outbox: Outbox): void {
  const segment = segmentIn(state, mending)
  if (segment === undefined) return copyAnew(state, outbox)
  const left = segment.sizeBytes - mending.position
  if (left > 0) {
    const token = expectAnswer(state, { kind: 'mendRead', mending, sizeBytes: Math.min(sizeBytes, left) })
    const { position } = mending
    return outbox.push({
      kind: 'read',
      log: state.logName,
      file: nameOfSegment(segment),
      position,
      sizeBytes: Math.min(sizeBytes, left),
      token,
    })
  }
  if (mending.offset !== endOf(state, segment)) return copyAnew(state, outbox)
  const next = state.log.segments.find(({ baseOffset }) => baseOffset > segment.baseOffset)
  if (next === undefined) return syncMended(state, mending, outbox)
  Object.assign(mending, { segmentBaseOffset: next.baseOffset, position: 0 })
  readOn(state, mending, SCAN_BYTES, outbox)
}

/** Some of the log is here: passes over what is sound, and asks for the first batch that is not. */
function onRead(
  state: ReplicaState,
  { mending, sizeBytes }: MendingRead,
  message: MessageOf<'readCompleted'>,
  context: Context,
  outbox: Outbox,
): void {
  const { records, error } = message
  if (records === null || error !== null) return copyAnew(state, outbox)
  const passed = soundBytes(state, records, mending)
  if (passed > 0) {
    mending.position += passed
    return readOn(state, mending, SCAN_BYTES, outbox)
  }
  // The file ends too soon.
  if (records.length < sizeBytes) return copyAnew(state, outbox)
  const wanted = records.length >= batch.LOG_OVERHEAD_BYTES ? batch.batchSizeBytes(records, 0) : 0
  const left = (segmentIn(state, mending)?.sizeBytes ?? 0) - mending.position
  if (wanted > sizeBytes && wanted <= left) return readOn(state, mending, wanted, outbox)
  ask(state, mending, context, outbox)
}

/** Bytes of the whole, sound batches that come next in the log. */
function soundBytes({ epochs }: ReplicaState, records: Uint8Array, mending: Mending): number {
  let end = 0
  for (const { at, sizeBytes } of batch.walkBatches(records)) {
    if (batch.baseOffset(records, at) !== mending.offset || !batch.checkBatch(records, at, sizeBytes, 'sparse').ok) break
    if (!isOfEpoch(epochs, mending.offset, batch.leaderEpoch(records, at))) break
    mending.offset = batch.lastOffset(records, at) + 1
    end = at + sizeBytes
  }
  return end
}

// ── the leader's batch ──

/** As any reader of what is committed: what this replica has counts for nothing meanwhile. */
function ask(state: ReplicaState, mending: Mending, context: Context, outbox: Outbox): void {
  // What was written over it is not there either.
  if (mending.mended === mending.offset) return copyAnew(state, outbox)
  const { role, self, topicId, durableStartOffset: logStartOffset } = state
  mending.correlationId = state.nextToken++
  mending.askAt = context.uptime + ASK_MILLIS
  outbox.push({
    kind: 'send',
    to: { node: role.leader, actor: self.actor },
    message: {
      kind: 'fetch',
      correlationId: mending.correlationId,
      topicId,
      leaderEpoch: role.leaderEpoch,
      replicaId: CONSUMER_REPLICA,
      brokerEpoch: -1,
      lastFetchedEpoch: -1,
      fetchOffset: mending.offset,
      logStartOffset,
      syncedOffset: -1,
      minBytes: 1,
      maxBytes: BATCH_BYTES,
      maxWaitMillis: ASK_MILLIS / 2,
      mode: 'bytes',
      isolationLevel: 'read_uncommitted',
    },
  })
  outbox.push({ kind: 'startTimer', timer: 'mend', afterMillis: ASK_MILLIS })
}

/** Nobody has answered, or not with a batch. */
export function onMendTimer(state: ReplicaState, context: Context, outbox: Outbox): void {
  const { mending } = state
  if (mending !== null && mending.askAt >= 0 && context.uptime >= mending.askAt && goesOn(state, mending))
    ask(state, mending, context, outbox)
}

/** The leader has answered: its batch is written where the unsound one is, if it fits there. */
export function onMendFetched(state: ReplicaState, mending: Mending, response: FetchResponse, outbox: Outbox): void {
  if (response.correlationId !== mending.correlationId || !goesOn(state, mending)) return
  if (response.errorCode === codeOf('OFFSET_OUT_OF_RANGE')) return copyAnew(state, outbox)
  const { records } = response
  const isEmpty = response.errorCode === NONE && (records === null || records.length === 0)
  if (isEmpty && ++mending.emptyCount === EMPTY_COUNT_MAX) return cut(state, mending, outbox)
  // The timer asks again: the leader may be another one then, or may have more that is committed.
  if (response.errorCode !== NONE || records === null || records.length === 0) return
  const segment = segmentIn(state, mending)
  const sizeBytes = batch.wholeBatchSize(records, 0)
  if (segment === undefined || !fits(state, mending, segment, records, sizeBytes)) return copyAnew(state, outbox)
  Object.assign(mending, { correlationId: -1, askAt: -1, emptyCount: 0, mended: mending.offset })
  const token = expectAnswer(state, { kind: 'mendWritten', mending })
  const { position } = mending
  outbox.push({ kind: 'rewrite', log: state.logName, file: nameOfSegment(segment), position, bytes: records.subarray(0, sizeBytes), token })
}

/** Whether the leader's batch is the one that was here: it has its offset, its epoch, and room. */
function fits(state: ReplicaState, { offset, position }: Mending, segment: Segment, records: Uint8Array, sizeBytes: number): boolean {
  if (sizeBytes === 0 || !batch.checkBatch(records, 0, sizeBytes, 'sparse').ok) return false
  if (batch.baseOffset(records, 0) !== offset || batch.leaderEpoch(records, 0) !== epochAt(state.epochs, offset)) return false
  return position + sizeBytes <= segment.sizeBytes && batch.lastOffset(records, 0) < endOf(state, segment)
}

// ── the end ──

/** Nobody may count on what is only in the page cache: also what a former mending wrote that was broken off, perhaps in a former life. So every file is synced. */
function syncMended(state: ReplicaState, mending: Mending, outbox: Outbox): void {
  const written = state.log.segments.filter(({ sizeBytes }) => sizeBytes > 0)
  mending.syncing = written.length
  for (const segment of written) {
    const token = expectAnswer(state, { kind: 'mendSynced', mending })
    outbox.push({ kind: 'sync', log: state.logName, file: nameOfSegment(segment), token })
  }
}

/** What is before is kept: it was mended, perhaps. */
function cut(state: ReplicaState, mending: Mending, outbox: Outbox): void {
  Object.assign(mending, { correlationId: -1, askAt: -1, cutAt: mending.offset })
  syncMended(state, mending, outbox)
}

function onSynced(state: ReplicaState, mending: Mending, outbox: Outbox): void {
  mending.syncing--
  if (mending.syncing > 0) return
  if (mending.cutAt >= 0) return cutLog(state, mending.cutAt, outbox)
  endMending(state)
}

/** The log is what was written: it may follow again. */
function endMending(state: ReplicaState): void {
  state.mending = null
  state.damage = 'none'
}

function copyAnew(state: ReplicaState, outbox: Outbox): void {
  restartLog(state, 0, outbox)
}

/** False: the role is another one by now, or the replica is being stopped. */
function goesOn(state: ReplicaState, mending: Mending): boolean {
  if (state.mending !== mending) return false
  if (state.isDraining) state.mending = null
  return !state.isDraining
}

function segmentIn({ log }: ReplicaState, { segmentBaseOffset }: Mending): Segment | undefined {
  return log.segments.find(({ baseOffset }) => baseOffset === segmentBaseOffset)
}

/** One past the last offset of a segment. */
function endOf({ log }: ReplicaState, segment: Segment): number {
  return log.segments.find(({ baseOffset }) => baseOffset > segment.baseOffset)?.baseOffset ?? log.logEndOffset
}
