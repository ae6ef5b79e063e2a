/**
 * The metadata quorum's door: what may happen to a member, one function each. A function changes the state that it is given and pushes what shall be
 * done; it never waits and never looks at a clock. Sources: Ongaro's dissertation (Raft), KIP-595 (Kafka's words), KIP-996 (pre-vote), KIP-853
 * (voters come and go). What differs from KRaft: the leader pushes; see docs/decisions/0008-metadata-quorum.md.
 */
import { unreachable } from '../protocol/assert.ts'
import type { QuorumMessage } from '../protocol/messages/quorum.ts'
import { checkQuorum, countVotes, mayStand, onElectionTimeout, onEndEpoch, onVote, onVoteResponse } from './quorum-election.ts'
import { appendToLog, endOf, votersOf } from './quorum-log.ts'
import { isActive } from './quorum-membership.ts'
import { dataBatch } from './quorum-records.ts'
import {
  acknowledge,
  advanceHighWatermark,
  heartbeat,
  onAppend,
  onAppendResponse,
  onSnapshotChunk,
  onSnapshotResponse,
  replicate,
} from './quorum-replication.ts'
import { adoptEpoch, draw, persistVote, send } from './quorum-state.ts'
import type { QuorumState, QuorumStep } from './quorum-state.ts'

/** Begins. What is remembered may come from the page cache: nothing leaves before it is synced again. */
export function startQuorum(step: QuorumStep): void {
  const { state, uptime, random } = step
  // A sole voter has the vote of its next epoch written at once.
  const voters = votersOf(state.log)
  if (voters.length === 1 && voters[0] === state.config.node) return onElectionTimeout(step)
  persistVote(step)
  const isFounder = endOf(state.log) === 0 && mayStand(state)
  state.electionAt = isFounder ? uptime : uptime + draw(random, state.config.electionTimeoutMillis)
}

/** Another member has said something. */
export function onQuorumMessage(step: QuorumStep, from: number, message: QuorumMessage): void {
  const { state } = step
  if (message.epoch > state.epoch) adoptEpoch(step, message.epoch)
  if (message.epoch < state.epoch) return refuseOld(step, from, message)
  switch (message.kind) {
    case 'quorumVote':
      return onVote(step, from, message)
    case 'quorumVoteResponse':
      return onVoteResponse(step, from, message)
    case 'quorumAppend':
      return onAppend(step, from, message)
    case 'quorumAppendResponse':
      return onAppendResponse(step, from, message)
    case 'quorumEndEpoch':
      return onEndEpoch(step, from, message)
    case 'quorumSnapshot':
      return onSnapshotChunk(step, from, message)
    case 'quorumSnapshotResponse':
      return onSnapshotResponse(step, from, message)
    default:
      return unreachable(message)
  }
}

/** Time has passed. Call it when `nextDeadline` is reached. */
export function onQuorumTick(step: QuorumStep): void {
  const { state, uptime } = step
  if (state.role === 'leader') {
    if (uptime < state.heartbeatAt) return
    checkQuorum(step)
    // It may have resigned.
    if (isLeading(state)) heartbeat(step)
  } else if (uptime >= state.electionAt) onElectionTimeout(step)
}

/** When `onQuorumTick` has something to do; Infinity if it never has. */
export function nextDeadline(state: QuorumState): number {
  return state.role === 'leader' ? state.heartbeatAt : state.electionAt
}

/** The disk: the epoch and the vote of a `persistVote` outlive a power loss. */
export function onVotePersisted(step: QuorumStep, sequence: number): void {
  const { state, outputs } = step
  state.persistedSequence = Math.max(state.persistedSequence, sequence)
  if (state.persistedSequence < state.voteSequence) return
  for (const { to, message } of state.withheld.splice(0)) outputs.push({ kind: 'send', to, message })
  if (state.role !== 'leader') return countVotes(step)
  outputs.push({ kind: 'elected' })
  advanceHighWatermark(step)
}

/** The disk: the log outlives a power loss up to an offset. */
export function onLogSynced(step: QuorumStep, endOffset: number): void {
  const { state } = step
  state.syncedEndOffset = Math.max(state.syncedEndOffset, endOffset)
  if (state.role === 'leader') return advanceHighWatermark(step)
  const isNews = Math.min(state.matchedEndOffset, state.syncedEndOffset) > state.toldEndOffset
  if (state.role === 'follower' && state.leader >= 0 && isNews) acknowledge(step)
}

/** Appends records as one batch: all of them come to be committed, or none. Returns one past its last offset. Only for the active leader. */
export function propose(step: QuorumStep, values: readonly Uint8Array[]): number {
  const { state, now } = step
  const batch = dataBatch({ baseOffset: endOf(state.log), epoch: state.epoch, now }, values)
  appendToLog(state.log, batch)
  step.outputs.push({ kind: 'append', batch })
  replicate(step)
  return batch.endOffset
}

function isLeading({ role }: QuorumState): boolean {
  return role === 'leader'
}

/** Whoever speaks in an old epoch is told the present one; an answer of an old epoch says nothing. */
function refuseOld(step: QuorumStep, from: number, message: QuorumMessage): void {
  const { epoch } = step.state
  if (message.kind === 'quorumVote')
    return send(step, from, { kind: 'quorumVoteResponse', epoch, preVote: message.preVote, voteGranted: false })
  if (message.kind === 'quorumAppend' || message.kind === 'quorumSnapshot')
    send(step, from, { kind: 'quorumAppendResponse', epoch, isMatch: false, endOffset: 0 })
}

export { isActive }
