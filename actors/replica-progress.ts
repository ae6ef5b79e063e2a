/**
 * What follows when more of the log has become safe, here or with the followers: the durable end and the high watermark move, producers are answered whose
 * promise is kept, readers are woken. Called after every event that may have moved one of the ends.
 */
import { assert } from '../protocol/assert.ts'
import { copiesOf, highWatermarkOf } from '../partitions/replication.ts'
import type { PendingAppend, ReplicaState, Waiter } from '../partitions/replica-state.ts'
import { noteCommitted } from '../partitions/transactions.ts'
import type { Context, Outbox } from './actor.ts'
import { moveStop, FLUSH_INTERVAL_BYTES, requestFlush } from './replica-flush.ts'
import { announceMarker } from './replica-markers.ts'
import { wakeParked } from './replica-read.ts'
import { answerDeletions, answer } from './replica-waiters.ts'

/** Looks at all ends; `context` gives the time. */
export function progress(state: ReplicaState, context: Context, outbox: Outbox): void {
  moveDurableEnd(state)
  const { replication } = state
  const before = state.highWatermark.offset
  if (state.phase === 'leading' && replication !== null) {
    const end = highWatermarkOf(replication, state.durableEndOffset, context.uptime, state.replicaLagMillis)
    raiseHighWatermark(state, end, outbox)
    answerKept(state, outbox)
  }
  answerDeletions(state, outbox)
  wakeParked(state, outbox)
  moveStop(state, outbox)
  if (state.highWatermark.offset > before && state.bytesSinceFlush >= FLUSH_INTERVAL_BYTES) requestFlush(state, false, outbox)
}

/** Moves the high watermark up to an offset, but not into a batch, nor beyond the log; whoever waited for a batch below it is answered. */
export function raiseHighWatermark(state: ReplicaState, offset: number, outbox: Outbox): void {
  for (let entry = state.pending[0]; entry !== undefined && entry.endOffset <= offset; entry = state.pending[0]) {
    assert(entry.baseOffset === state.highWatermark.offset, 'P7 the high watermark moves in offset order, without gaps')
    assert(entry.endOffset <= state.durableEndOffset, 'P12 nothing is exposed that is not durable here')
    state.pending.shift()
    const { segmentBaseOffset, numbered } = entry
    const begin = segmentBaseOffset === state.highWatermark.segmentBaseOffset ? state.highWatermark.position : 0
    if (numbered !== null)
      noteCommitted(state.producers, state.transactions, numbered, { offset: entry.baseOffset, segmentBaseOffset, position: begin })
    state.bytesSinceFlush += entry.endPosition - begin
    state.highWatermark = { offset: entry.endOffset, segmentBaseOffset: entry.segmentBaseOffset, position: entry.endPosition }
    for (const waiter of entry.waiters) answer(state, waiter, entry, outbox)
    if (numbered !== null && numbered.marker !== null) announceMarker(state, numbered, numbered.marker, outbox)
  }
  assert(state.highWatermark.offset <= state.log.logEndOffset, 'P8 the high watermark never passes the log end')
}

/** How far this log is as durable as the topic promises, without a gap. */
function moveDurableEnd(state: ReplicaState): void {
  const commits = state.config.flush === 'commit'
  for (const entry of state.pending) {
    if (entry.endOffset <= state.durableEndOffset) continue
    if (!entry.written || (commits && !entry.synced)) return
    state.durableEndOffset = entry.endOffset
  }
}

/** Promises that are kept although the high watermark has not come so far, or has passed: the leader's own log, and a number of logs. */
function answerKept(state: ReplicaState, outbox: Outbox): void {
  for (const entry of state.pending) {
    if (entry.endOffset > state.durableEndOffset) break
    if (entry.waiters.some(isLeaderOnly)) answerLeaderOnly(state, entry, outbox)
  }
  const { replication, durableEndOffset } = state
  if (state.countedWaiters.length === 0 || replication === null) return
  state.countedWaiters = state.countedWaiters.filter(({ waiter, baseOffset, endOffset, logAppendTime }) => {
    if (copiesOf(replication, endOffset, durableEndOffset) < Number(waiter.acks)) return true
    answer(state, waiter, { baseOffset, logAppendTime }, outbox)
    return false
  })
}

function answerLeaderOnly(state: ReplicaState, entry: PendingAppend, outbox: Outbox): void {
  for (const waiter of entry.waiters) if (isLeaderOnly(waiter)) answer(state, waiter, entry, outbox)
  entry.waiters = entry.waiters.filter((waiter) => !isLeaderOnly(waiter))
}

function isLeaderOnly({ acks }: Waiter): boolean {
  return acks === 'leader'
}
