/**
 * What a replica is in its partition, as the coordinator says: leader, follower, or nothing while nobody leads. A leader keeps track of who is in sync and
 * proposes changes of the ISR; the coordinator decides (KIP-497).
 */
import { BROKER_ACTOR } from '../protocol/address.ts'
import { errorOf, NONE } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { confirmIsr, newReplication, wantedIsr } from '../partitions/replication.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'
import { armCleaning } from './cleaning-timer.ts'
import { armConsumed } from './replica-consumed.ts'
import { distrustEpochs, mayCutDoubtful, mustRebuild, resignIfBroken } from './replica-damage.ts'
import { moveStop, requestFlush } from './replica-flush.ts'
import { beginMending, isMendable } from './replica-mend.ts'
import { changePace, follow, stopFollowing } from './replica-follow.ts'
import { reopenLog, restartLog } from './replica-open.ts'
import { progress } from './replica-progress.ts'
import { refuseParked } from './replica-read.ts'
import { refuseDeletions, refuseQuorumWaiters, refuseWaiters } from './replica-waiters.ts'

/** The first look after a log was opened. */
const RETENTION_FIRST_MILLIS = 1000

/** A proposal that is not answered is made again after so long. */
const PROPOSAL_TIMEOUT_MILLIS = 500

/** The coordinator has spoken. A word that is older than what is known changes nothing. */
export function onLeaderAndIsr(state: ReplicaState, message: MessageOf<'leaderAndIsr'>, context: Context, outbox: Outbox): void {
  const { role: before } = state
  if (message.topicId !== state.topicId) return
  if (message.partitionEpoch < before.partitionEpoch || message.leaderEpoch < before.leaderEpoch) return
  const { kind: _kind, topicId: _topicId, ...role } = message
  state.role = role
  const isMending = state.mending !== null
  if (resignOrRebuild(state, outbox) || state.phase === 'failed') return
  if (state.phase === 'recovering' || state.phase === 'settling') return
  if (role.leaderEpoch > before.leaderEpoch || isMending) {
    stepDown(state, outbox)
    return takeRole(state, context, outbox)
  }
  const { replication } = state
  if (replication === null) return changePace(state, before.throttleBytesPerSecond, context, outbox)
  confirmIsr(replication, role, role.minInsync)
  if (before.replicas.length <= 1) armIsr(state, outbox)
  if (role.isr.length < role.minInsync) refuseQuorumWaiters(state, outbox)
  progress(state, context, outbox)
}

/** Whoever waits is sent away; the log stays as it is. Does nothing while a roll-back is under way: its end takes the role up. */
function stepDown(state: ReplicaState, outbox: Outbox): void {
  refuseWaiters(state, 'NOT_LEADER_OR_FOLLOWER', outbox)
  refuseParked(state, outbox)
  refuseDeletions(state, outbox)
  stopFollowing(state, outbox)
  state.replication = null
  if (state.phase !== 'rollingBack') state.phase = 'idle'
}

/** A damaged log is mended, or copied anew from the leader, when it may be, or cut; then it is true. One that is still counted on says that it must not be. */
export function resignOrRebuild(state: ReplicaState, outbox: Outbox): boolean {
  if (mayCutDoubtful(state)) {
    reopenLog(state, outbox)
    return true
  }
  if (mustRebuild(state)) {
    if (state.mending === null || !isMendable(state)) rebuild(state, outbox)
    return true
  }
  state.mending = null
  resignIfBroken(state, outbox)
  return false
}

function rebuild(state: ReplicaState, outbox: Outbox): void {
  const isMended = isMendable(state)
  stepDown(state, outbox)
  if (isMended) beginMending(state, outbox)
  else restartLog(state, 0, outbox)
}

/** Becomes what the coordinator says, once the log is open and nothing is being rolled back. */
export function takeRole(state: ReplicaState, context: Context, outbox: Outbox): void {
  if (state.phase === 'rollingBack') return
  const { role, self } = state
  state.phase = 'idle'
  if (role.leader === self.node) {
    if (role.leaderEpoch > state.brokenEpoch) lead(state, context, outbox)
    else resignIfBroken(state, outbox)
  } else if (role.leader >= 0 && role.replicas.includes(self.node)) follow(state, context, outbox)
  moveStop(state, outbox)
}

function lead(state: ReplicaState, context: Context, outbox: Outbox): void {
  const { role, self, log } = state
  state.phase = 'leading'
  state.replication = newReplication(self.node, role, log, role.minInsync)
  state.ledSince = context.uptime
  const isDistrusted = distrustEpochs(state, outbox)
  armIsr(state, outbox)
  progress(state, context, outbox)
  if (isDistrusted) requestFlush(state, false, outbox)
}

/** Timers that run whatever the role is. What has grown too old, or was given other settings, while the log was closed need not wait long. */
export function armTimers(state: ReplicaState, outbox: Outbox): void {
  outbox.push({ kind: 'startTimer', timer: 'retention', afterMillis: RETENTION_FIRST_MILLIS })
  armFlush(state, outbox)
  armConsumed(state, outbox)
  armCleaning(state, outbox)
}

/** Syncs between commits, where the topic asks for them. */
export function armFlush(state: ReplicaState, outbox: Outbox): void {
  if (state.config.flush === 'interval') outbox.push({ kind: 'startTimer', timer: 'flush', afterMillis: state.config.flushIntervalMillis })
}

// ── the ISR ──

/** Twice in the time that a follower may lag, as in Kafka. */
function armIsr(state: ReplicaState, outbox: Outbox): void {
  if (state.role.replicas.length > 1) outbox.push({ kind: 'startTimer', timer: 'isr', afterMillis: state.replicaLagMillis / 2 })
}

/** Time alone changes who is in sync. */
export function onIsrTimer(state: ReplicaState, context: Context, outbox: Outbox): void {
  if (state.phase !== 'leading') return
  armIsr(state, outbox)
  proposeIsr(state, context, outbox)
  progress(state, context, outbox)
}

/** Proposes what the ISR should be, if it is not that; asks again for what was not answered. */
export function proposeIsr(state: ReplicaState, context: Context, outbox: Outbox): void {
  const { replication, role } = state
  if (replication === null) return
  const { pending } = replication
  if (pending !== null && !pending.isRefused && context.uptime < pending.timeoutAt) return
  const options = { lagMillis: state.replicaLagMillis, ledSince: state.ledSince }
  // A refused proposal may still be under way a second time: a change, be it none, makes sure that it comes too late.
  const wanted = pending === null ? wantedIsr(replication, state.highWatermark.offset, context.uptime, options) : replication.isr
  if (wanted === null) return
  const isAgain = pending !== null && !pending.isRefused
  const isr = isAgain ? pending.isr : wanted.map((node) => ({ node, brokerEpoch: brokerEpochOf(state, node) }))
  const correlationId = state.nextToken++
  const union = [...new Set([...(pending?.union ?? []), ...isr.map(({ node }) => node)])]
  replication.pending = { isr, union, correlationId, timeoutAt: context.uptime + PROPOSAL_TIMEOUT_MILLIS, isRefused: false }
  outbox.push({
    kind: 'send',
    to: { node: state.self.node, actor: BROKER_ACTOR },
    message: {
      kind: 'alterPartition',
      correlationId,
      node: state.self.node,
      brokerEpoch: role.brokerEpoch,
      topicId: state.topicId,
      partition: state.partition,
      leaderEpoch: role.leaderEpoch,
      partitionEpoch: replication.partitionEpoch,
      isr,
    },
  })
}

/** Accepted: the new image follows with the metadata. Refused, or unknown: the proposal counts until a newer image says otherwise. */
export function onProposalAnswer(state: ReplicaState, message: MessageOf<'alterPartitionResponse'>): void {
  const pending = state.replication?.pending ?? null
  if (pending === null || pending.correlationId !== message.correlationId || message.errorCode === NONE) return
  if (errorOf(message.errorCode).name === 'INELIGIBLE_REPLICA') pending.isRefused = true
}

/** -1: not heard of in this epoch. */
function brokerEpochOf(state: ReplicaState, node: number): number {
  if (node === state.self.node) return state.role.brokerEpoch
  return state.replication?.followers.get(node)?.brokerEpoch ?? -1
}
