/**
 * How a leader puts a batch at the end of its log: rolls the segment if it must, gives the batch its offset and its epoch, and asks the disk to write it. Whether
 * it may be there has been judged before.
 */
import * as batch from '../protocol/record-batch.ts'
import { noteEpoch } from '../partitions/epochs.ts'
import { rememberBatch } from '../partitions/idempotence.ts'
import type { NumberedBatch } from '../partitions/idempotence.ts'
import { appendBatch, mustRoll, nameOfSegment } from '../partitions/log.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { PendingAppend, ReplicaState } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'
import { rollSegment } from './replica-flush.ts'

/** Appends a batch, whose header is stamped in place; `said` is what it says of its producer. Nobody waits for it yet. */
export function appendRecords(
  state: ReplicaState,
  records: Uint8Array,
  said: NumberedBatch | null,
  context: Context,
  outbox: Outbox,
): PendingAppend {
  const { now } = context
  const stamped = state.config.messageTimestampType === 'LogAppendTime'
  if (stamped) batch.stampLogAppendTime(records, 0, now)
  const numbered = stamped && said !== null ? { ...said, maxTimestamp: now } : said
  if (mustRoll(state.log, state.config, records.length, now)) rollSegment(state, now, outbox)
  const extent = { count: batch.lastOffsetDelta(records, 0) + 1, sizeBytes: records.length, maxTimestamp: batch.maxTimestamp(records, 0) }
  const { baseOffset, segment, position } = appendBatch(state.log, state.config, extent, now)
  batch.stampBaseOffset(records, 0, baseOffset)
  batch.stampLeaderEpoch(records, 0, state.role.leaderEpoch)
  const entry: PendingAppend = {
    baseOffset,
    endOffset: state.log.logEndOffset,
    segmentBaseOffset: segment.baseOffset,
    endPosition: position + records.length,
    logAppendTime: stamped ? now : -1,
    numbered,
    waiters: [],
    written: false,
    synced: false,
  }
  noteEpoch(state.epochs, state.role.leaderEpoch, baseOffset)
  if (numbered !== null) rememberBatch(state.appended, numbered)
  state.pending.push(entry)
  state.dirty.add(segment.baseOffset)
  const token = expectAnswer(state, { kind: 'append', entries: [entry] })
  outbox.push({ kind: 'append', log: state.logName, file: nameOfSegment(segment), position, bytes: records, token })
  return entry
}
