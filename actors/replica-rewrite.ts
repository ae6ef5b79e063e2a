/**
 * What becomes of files whose sync has failed, when their log is opened again (fsyncgate): the disk may have dropped what the page cache still
 * shows, and the next sync succeeds without it. So everything that no checkpoint vouches for is written once more, in its place; then the
 * next sync speaks of it. A power loss meanwhile does no harm: what is written is what is there.
 *
 * What it does not do: know of syncs that failed in another life of the process.
 */
import { fileOfSegment, logFileName, segmentOf } from '../partitions/log.ts'
import type { Segment } from '../partitions/log.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { Continuation, ReplicaState } from '../partitions/replica-state.ts'
import { floorByOffset } from '../partitions/segment-index.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { Outbox } from './actor.ts'
import { failReplica } from './replica-flush.ts'

type Reading = Extract<Continuation, { kind: 'rewriteRead' }>
type Rewriting = Extract<Continuation, { kind: 'rewritten' }>

/** One read and rewrite. */
const REWRITE_BYTES = 1024 * 1024

/** Begins to write distrusted segments again; false if there are none with anything above the recovery point. */
export function beginRewrites(state: ReplicaState, recoveryPoint: number, outbox: Outbox): boolean {
  const { log, distrusted } = state
  log.segments.forEach((segment, i) => {
    const endOffset = log.segments[i + 1]?.baseOffset ?? log.logEndOffset
    if (segment.sizeBytes === 0 || endOffset <= recoveryPoint) distrusted.delete(segment.baseOffset)
  })
  for (const base of distrusted) if (!log.segments.some(({ baseOffset }) => baseOffset === base)) distrusted.delete(base)
  const first = log.segments.find(({ baseOffset }) => distrusted.has(baseOffset))
  if (first === undefined) return false
  readForRewrite(state, first, unprovenFrom(first, recoveryPoint), outbox)
  return true
}

/** The bytes are here: they go to where they came from. */
export function onRewriteRead(state: ReplicaState, reading: Reading, message: MessageOf<'readCompleted'>, outbox: Outbox): void {
  const { segmentBaseOffset, position } = reading
  const { records } = message
  if (records === null || records.length === 0) return failReplica(state, problemWith(segmentBaseOffset), 'passing', outbox)
  const token = expectAnswer(state, { kind: 'rewritten', segmentBaseOffset, endPosition: position + records.length })
  outbox.push({ kind: 'rewrite', log: state.logName, file: fileOfSegment(state.log, segmentBaseOffset), position, bytes: records, token })
}

/** Some bytes are written again: goes on with the next; true if there are no more. */
export function onRewritten(state: ReplicaState, rewriting: Rewriting, message: MessageOf<'storageDone'>, outbox: Outbox): boolean {
  const { segmentBaseOffset, endPosition } = rewriting
  if (message.error !== null) {
    failReplica(state, problemWith(segmentBaseOffset), 'passing', outbox)
    return false
  }
  const segment = segmentOf(state.log, segmentBaseOffset)
  if (segment !== null && endPosition < segment.sizeBytes) {
    readForRewrite(state, segment, endPosition, outbox)
    return false
  }
  state.distrusted.delete(segmentBaseOffset)
  const next = state.log.segments.find(({ baseOffset }) => state.distrusted.has(baseOffset))
  // Only the first one can begin below the recovery point.
  if (next !== undefined) readForRewrite(state, next, 0, outbox)
  return next === undefined
}

function readForRewrite(state: ReplicaState, segment: Segment, position: number, outbox: Outbox): void {
  const { baseOffset, generation, sizeBytes } = segment
  const token = expectAnswer(state, { kind: 'rewriteRead', segmentBaseOffset: baseOffset, position })
  const wanted = Math.min(REWRITE_BYTES, sizeBytes - position)
  outbox.push({ kind: 'read', log: state.logName, file: logFileName(baseOffset, generation), position, sizeBytes: wanted, token })
}

/** Where in a segment begins what no checkpoint vouches for, or a little before. */
function unprovenFrom({ index, baseOffset }: Segment, recoveryPoint: number): number {
  return index === null || baseOffset >= recoveryPoint ? 0 : floorByOffset(index, recoveryPoint, baseOffset).position
}

function problemWith(segmentBaseOffset: number): string {
  return `the disk failed while ${logFileName(segmentBaseOffset)} was written again`
}
