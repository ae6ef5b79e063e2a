/**
 * How the metadata log comes to the voters, and what is committed: a batch of the leader's own epoch that a majority of the voters has synced, and
 * everything before it. Nobody counts what is not synced, the leader itself included.
 */
import { assert } from '../protocol/assert.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import {
  appendToLog,
  batchesFrom,
  beginOfEpoch,
  boundaryBefore,
  endOf,
  epochBefore,
  installSnapshot,
  truncateLog,
  votersEndOf,
  votersOf,
} from './quorum-log.ts'
import type { QuorumLog } from './quorum-log.ts'
import { endEpoch } from './quorum-hand-over.ts'
import { concat, decodeSnapshot, parseBatches } from './quorum-records.ts'
import type { QuorumBatch, QuorumSnapshot } from './quorum-records.ts'
import { armElection, follow, majorityOf, send } from './quorum-state.ts'
import type { QuorumStep, ReplicationProgress } from './quorum-state.ts'

/** Appends to one voter that are not acknowledged. */
const IN_FLIGHT_MAX = 4

/** Nothing is known of a voter yet: it is asked from the end of the log on. */
export function newProgress(log: QuorumLog, uptime: number): ReplicationProgress {
  return { nextOffset: endOf(log), matchOffset: 0, probeOffset: -1, inFlight: [], heardAt: uptime, snapshot: null }
}

// ── the leader's side ──

/** Tells everybody that the leader lives, how far the log is committed, and what they miss. */
export function heartbeat(step: QuorumStep): void {
  const { state, uptime } = step
  state.heartbeatAt = state.progress.size === 0 ? Infinity : uptime + state.config.heartbeatMillis
  for (const [node, progress] of state.progress) {
    // What was asked last may be lost.
    if (progress.probeOffset >= 0) Object.assign(progress, { nextOffset: progress.probeOffset, inFlight: [] })
    if (isBehindSnapshot(step, progress)) sendSnapshot(step, node, progress)
    else if (!sendMissing(step, node, progress)) sendAppend(step, node, progress, [])
  }
}

/** Sends everybody what it misses. */
export function replicate(step: QuorumStep): void {
  for (const [node, progress] of step.state.progress) sendMissing(step, node, progress)
}

/** An answer to an append, in our epoch. */
export function onAppendResponse(step: QuorumStep, from: number, message: MessageOf<'quorumAppendResponse'>): void {
  const progress = progressOf(step, from)
  if (progress === null) return
  if (message.isDoubtful === true) progress.matchOffset = 0
  if (message.isMatch) {
    assert(message.endOffset <= endOf(step.state.log), 'Q7 nobody has more of this epoch than its leader')
    progress.probeOffset = -1
    progress.matchOffset = Math.max(progress.matchOffset, message.endOffset)
    progress.nextOffset = Math.max(progress.nextOffset, message.endOffset)
    progress.inFlight = progress.inFlight.filter((end) => end > progress.matchOffset)
    if (progress.snapshot !== null && progress.matchOffset >= progress.snapshot.endOffset) progress.snapshot = null
    advanceHighWatermark(step)
  } else {
    // The answer to something that was sent before it was known where to look: as many appends for each would be more with every answer.
    if (progress.probeOffset >= 0 && message.endOffset >= progress.probeOffset) return
    progress.nextOffset = Math.min(progress.nextOffset, boundaryBefore(step.state.log, message.endOffset))
    progress.probeOffset = progress.nextOffset
    progress.inFlight = []
  }
  // A leader that is not a voter any more may have resigned with that.
  if (step.state.role !== 'leader') return
  if (isBehindSnapshot(step, progress)) return progress.snapshot === null ? sendSnapshot(step, from, progress) : undefined
  const isSent = sendMissing(step, from, progress)
  if (message.isDoubtful === true && isCommittedBelow(step, progress.matchOffset)) return sendAppend(step, from, progress, [], true)
  if (!isSent && !message.isMatch) sendAppend(step, from, progress, [])
}

/** Whether everything that is committed is known, and is below an offset. A leader knows it when it has committed something of its own epoch. */
function isCommittedBelow({ state }: QuorumStep, endOffset: number): boolean {
  return state.highWatermark >= state.epochEndOffset && endOffset >= state.highWatermark
}

/** The leader itself may be doubtful: elected by all, or by enough others. */
function endOwnDoubt(step: QuorumStep): void {
  if (isCommittedBelow(step, step.state.syncedEndOffset)) endDoubt(step)
}

/** Whatever this member has lost that it had acknowledged, it has all that is committed again. */
function endDoubt({ state, outputs }: QuorumStep): void {
  if (!state.isDoubtful) return
  state.isDoubtful = false
  outputs.push({ kind: 'caughtUp' })
}

/** A piece of the snapshot has arrived: the next one, if there is one. */
export function onSnapshotResponse(step: QuorumStep, from: number, message: MessageOf<'quorumSnapshotResponse'>): void {
  const progress = progressOf(step, from)
  if (progress === null || progress.snapshot?.endOffset !== message.endOffset) return
  const { snapshot } = step.state.log
  if (progress.snapshot.position === message.position) return
  progress.snapshot.position = message.position
  if (message.position < snapshot.bytes.length) sendSnapshot(step, from, progress)
}

/** Commits what a majority of the voters has synced, if it is of this epoch. */
export function advanceHighWatermark(step: QuorumStep): void {
  const { state } = step
  const voters = votersOf(state.log)
  const ends = voters.map((node) => (node === state.config.node ? state.syncedEndOffset : (state.progress.get(node)?.matchOffset ?? 0)))
  const committed = ends.toSorted((a, b) => b - a)[majorityOf(voters) - 1] ?? 0
  // A vote of our own that may yet be forgotten makes nobody a leader.
  if (state.persistedSequence < state.voteSequence) return
  if (committed < state.epochEndOffset || committed <= state.highWatermark) return endOwnDoubt(step)
  state.highWatermark = committed
  step.outputs.push({ kind: 'committed' })
  endOwnDoubt(step)
  if (voters.includes(state.config.node) || committed < votersEndOf(state.log)) return
  // Removed, and everybody may know it.
  heartbeat(step)
  endEpoch(step)
}

function progressOf({ state, uptime }: QuorumStep, from: number): ReplicationProgress | null {
  if (state.role !== 'leader') return null
  const progress = state.progress.get(from)
  if (progress === undefined) return null
  progress.heardAt = uptime
  return progress
}

function isBehindSnapshot({ state }: QuorumStep, progress: ReplicationProgress): boolean {
  return progress.nextOffset < state.log.snapshot.endOffset
}

/** Whether there was anything to send. */
function sendMissing(step: QuorumStep, node: number, progress: ReplicationProgress): boolean {
  const { log } = step.state
  if (isBehindSnapshot(step, progress)) return false
  const inFlightMax = progress.probeOffset >= 0 ? 1 : IN_FLIGHT_MAX
  let isSent = false
  while (progress.nextOffset < endOf(log) && progress.inFlight.length < inFlightMax) {
    sendAppend(step, node, progress, batchesFrom(log, progress.nextOffset, step.state.config.appendBytesMax))
    isSent = true
  }
  return isSent
}

function sendAppend(
  step: QuorumStep,
  node: number,
  progress: ReplicationProgress,
  batches: readonly QuorumBatch[],
  isCaughtUp = false,
): void {
  const { epoch, log, highWatermark } = step.state
  const prevOffset = progress.nextOffset
  const prevEpoch = epochBefore(log, prevOffset)
  assert(prevEpoch !== null, 'Q8 appends begin between two batches that the leader has')
  const records = batches.length === 0 ? null : concat(batches.map(({ bytes }) => bytes))
  const last = batches.at(-1)
  if (last !== undefined) {
    progress.nextOffset = last.endOffset
    progress.inFlight.push(last.endOffset)
  }
  const message = { kind: 'quorumAppend', epoch, prevOffset, prevEpoch, highWatermark, records } as const
  send(step, node, isCaughtUp ? { ...message, isCaughtUp } : message)
}

function sendSnapshot(step: QuorumStep, node: number, progress: ReplicationProgress): void {
  const { epoch, log, config } = step.state
  const { endOffset, epoch: lastEpoch, bytes } = log.snapshot
  if (progress.snapshot?.endOffset !== endOffset) progress.snapshot = { endOffset, position: 0 }
  const { position } = progress.snapshot
  const records = bytes.slice(position, position + config.appendBytesMax)
  send(step, node, { kind: 'quorumSnapshot', epoch, endOffset, lastEpoch, sizeBytes: bytes.length, position, records })
}

// ── the follower's side ──

/** The leader speaks: whoever hears it is its follower. */
export function hearLeader(step: QuorumStep, from: number): void {
  const { state, uptime } = step
  assert(state.role !== 'leader', 'Q9 an epoch has one leader')
  if (state.role !== 'follower' || state.leader !== from) follow(step, from)
  state.leaderHeardAt = uptime
  state.leaderHeard = from
  state.leaderIsDown = false
  armElection(step)
}

/** Takes the batches of the leader, if the logs agree up to them. */
export function onAppend(step: QuorumStep, from: number, message: MessageOf<'quorumAppend'>): void {
  const { state } = step
  const { log, epoch } = state
  const { prevOffset, prevEpoch } = message
  hearLeader(step, from)
  if (prevOffset > log.snapshot.endOffset && epochBefore(log, prevOffset) !== prevEpoch) {
    return answer(step, from, { kind: 'quorumAppendResponse', epoch, isMatch: false, endOffset: whereToGoOn(step, prevOffset) })
  }
  const batches = message.records === null ? [] : parseBatches(message.records)
  if (batches === null) return
  for (const batch of batches) takeBatch(step, batch)
  const endOffset = Math.max(batches.at(-1)?.endOffset ?? prevOffset, log.snapshot.endOffset)
  state.matchedEndOffset = Math.max(state.matchedEndOffset, endOffset)
  commitUpTo(step, Math.min(message.highWatermark, state.matchedEndOffset))
  if (message.isCaughtUp === true) endDoubt(step)
  acknowledge(step)
}

/** Says how much of the leader's log is synced here. */
export function acknowledge(step: QuorumStep): void {
  const { state } = step
  const endOffset = Math.min(state.matchedEndOffset, state.syncedEndOffset)
  state.toldEndOffset = endOffset
  answer(step, state.leader, { kind: 'quorumAppendResponse', epoch: state.epoch, isMatch: true, endOffset })
}

function answer(step: QuorumStep, to: number, message: MessageOf<'quorumAppendResponse'>): void {
  send(step, to, step.state.isDoubtful ? { ...message, isDoubtful: true } : message)
}

/** A piece of a snapshot: pieces are taken in order. */
export function onSnapshotChunk(step: QuorumStep, from: number, message: MessageOf<'quorumSnapshot'>): void {
  const { state } = step
  hearLeader(step, from)
  const { endOffset, lastEpoch, sizeBytes, position } = message
  if (endOffset <= state.highWatermark) {
    state.matchedEndOffset = Math.max(state.matchedEndOffset, state.highWatermark)
    return acknowledge(step)
  }
  if (state.incoming?.endOffset !== endOffset || state.incoming.lastEpoch !== lastEpoch) {
    state.incoming = { endOffset, lastEpoch, sizeBytes, parts: [], position: 0 }
  }
  const { incoming } = state
  if (position === incoming.position && position < sizeBytes) {
    incoming.parts.push(message.records.slice())
    incoming.position += message.records.length
    if (incoming.position === sizeBytes) saveIncoming(step, concat(incoming.parts))
  }
  const { epoch } = state
  send(step, from, { kind: 'quorumSnapshotResponse', epoch, endOffset, position: state.incoming?.position ?? 0 })
}

/** A snapshot is on the disk, ours or the leader's: it takes the place of what it covers. */
export function onSnapshotSaved(step: QuorumStep, snapshot: QuorumSnapshot): void {
  const { state } = step
  const { log } = state
  if (state.incoming?.endOffset === snapshot.endOffset) state.incoming = null
  if (snapshot.endOffset <= log.snapshot.endOffset) return
  const how = installSnapshot(log, snapshot)
  assert(how === 'kept' || snapshot.endOffset > state.highWatermark, 'Q10 what is committed agrees with every snapshot')
  if (how === 'replaced') state.syncedEndOffset = snapshot.endOffset
  state.syncedEndOffset = Math.max(state.syncedEndOffset, snapshot.endOffset)
  step.outputs.push({ kind: 'dropLog', endOffset: snapshot.endOffset, how })
  commitUpTo(step, snapshot.endOffset)
  if (state.role !== 'follower' || state.leader < 0) return
  state.matchedEndOffset = Math.max(state.matchedEndOffset, snapshot.endOffset)
  acknowledge(step)
}

/** A snapshot could not be saved: the leader sends it again. */
export function onSnapshotFailed({ state }: QuorumStep): void {
  state.incoming = null
}

function saveIncoming(step: QuorumStep, bytes: Uint8Array): void {
  const snapshot = decodeSnapshot(bytes)
  if (snapshot === null) step.state.incoming = null
  else step.outputs.push({ kind: 'saveSnapshot', snapshot })
}

/** Takes one batch that follows what is agreed; what is in its place and another goes. */
function takeBatch({ state, outputs }: QuorumStep, batch: QuorumBatch): void {
  const { log } = state
  if (batch.endOffset <= log.snapshot.endOffset || epochBefore(log, batch.endOffset) === batch.epoch) return
  if (batch.baseOffset < endOf(log)) {
    assert(batch.baseOffset >= state.highWatermark, 'Q11 nothing below the high watermark is cut')
    truncateLog(log, batch.baseOffset)
    state.syncedEndOffset = Math.min(state.syncedEndOffset, batch.baseOffset)
    outputs.push({ kind: 'truncate', endOffset: batch.baseOffset })
  }
  appendToLog(log, batch)
  outputs.push({ kind: 'append', batch })
}

/** An offset at which the logs may agree: one epoch further down, never below what is committed. */
function whereToGoOn({ state }: QuorumStep, prevOffset: number): number {
  const end = endOf(state.log)
  return end < prevOffset ? end : Math.max(state.highWatermark, beginOfEpoch(state.log, prevOffset))
}

function commitUpTo({ state, outputs }: QuorumStep, offset: number): void {
  if (offset <= state.highWatermark) return
  state.highWatermark = offset
  outputs.push({ kind: 'committed' })
}
