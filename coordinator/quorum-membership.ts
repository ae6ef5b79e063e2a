/**
 * Who votes, and how that changes (KIP-853): one voter at a time, so that every majority of the old set meets every majority of the new one. A set
 * counts as soon as it is in the log. The next change waits until that is committed, and until the leader has committed something of its own
 * epoch: otherwise two leaders could each have a change that the other does not know.
 */
import type { ErrorName } from '../protocol/errors.ts'
import { appendToLog, endOf, votersEndOf, votersOf } from './quorum-log.ts'
import { votersBatch } from './quorum-records.ts'
import { advanceHighWatermark, heartbeat, newProgress, replicate } from './quorum-replication.ts'
import type { QuorumState, QuorumStep } from './quorum-state.ts'

/** Whether this member leads and may act as the leader: a batch of its own epoch is committed, and so is everything before it. */
export function isActive({ role, highWatermark, epochEndOffset }: QuorumState): boolean {
  return role === 'leader' && highWatermark >= epochEndOffset
}

/** Sends a node the log, which makes it ready to become a voter. */
export function addObserver(step: QuorumStep, node: number): void {
  const { state, uptime } = step
  if (state.role !== 'leader' || state.progress.has(node) || node === state.config.node) return
  state.observers.add(node)
  state.progress.set(node, newProgress(state.log, uptime))
  heartbeat(step)
}

/** A node that does not vote is not sent the log any more. */
export function dropObserver({ state }: QuorumStep, node: number): void {
  if (state.observers.delete(node)) state.progress.delete(node)
}

/** Changes who votes; null, or why not. */
export function changeVoters(step: QuorumStep, voters: readonly number[]): ErrorName | null {
  const { state, now } = step
  const { log, epoch } = state
  const refusal = refuseChange(state, voters)
  if (refusal !== null) return refusal
  const before = votersOf(log)
  const batch = votersBatch({ baseOffset: endOf(log), epoch, now }, voters)
  appendToLog(log, batch)
  // Who is removed is sent the log for a while, so that it hears of it.
  for (const node of before) if (!voters.includes(node) && node !== state.config.node) state.observers.add(node)
  for (const node of voters) state.observers.delete(node)
  step.outputs.push({ kind: 'append', batch })
  replicate(step)
  advanceHighWatermark(step)
  return null
}

function refuseChange(state: QuorumState, voters: readonly number[]): ErrorName | null {
  if (!isActive(state)) return 'NOT_CONTROLLER'
  if (votersEndOf(state.log) > state.highWatermark) return 'REASSIGNMENT_IN_PROGRESS'
  const before = votersOf(state.log)
  const added = voters.filter((node) => !before.includes(node))
  const removed = before.filter((node) => !voters.includes(node))
  if (added.length + removed.length !== 1 || voters.length === 0) return 'INVALID_REQUEST'
  const [newcomer] = added
  const isReady = newcomer === undefined || (state.progress.get(newcomer)?.matchOffset ?? 0) >= state.epochEndOffset
  return isReady ? null : 'REPLICA_NOT_AVAILABLE'
}
