/**
 * One partition replica: it leads (takes batches, gives them offsets, acknowledges them, serves readers below the high watermark) or follows another node's.
 * The rules are in partitions/; this file says which message leads to which rule. Opening is in replica-open.ts, roles and the ISR in replica-role.ts,
 * producing in replica-produce.ts, transactions in replica-transactions.ts and replica-markers.ts, following in replica-follow.ts, what moves the ends in replica-progress.ts, reading in replica-read.ts; what is deleted
 * in replica-retention.ts and replica-consumed.ts; syncing, checkpoints and rolling back in replica-flush.ts.
 *
 * Compaction is in replica-compact.ts.
 */
import { BROKER_ACTOR } from '../protocol/address.ts'
import { assert, unreachable } from '../protocol/assert.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import { newReplicaState } from '../partitions/replica-state.ts'
import type { Continuation, ReplicaConfig, ReplicaState } from '../partitions/replica-state.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import {
  moveStop,
  finishDrain,
  onCheckpointSynced,
  onCheckpointWritten,
  onFlushed,
  onRolledBack,
  onSynced,
  requestFlush,
} from './replica-flush.ts'
import { armConsumed, onAcknowledged, onConsumed, onConsumedTimer, onCoordinatorFound } from './replica-consumed.ts'
import { onDescribePartition, onDescribeProducers } from './replica-description.ts'
import { onFetch } from './replica-fetch.ts'
import { fetchMore, onFollowed, onFollowTimer, onFollowUndeliverable, reportStart } from './replica-follow.ts'
import { onRecoveryAnswer, openIfSettled, openLog, reopenLog, settleTail } from './replica-open.ts'
import { failIfGone } from './replica-gone.ts'
import { onMendAnswer, onMendFetched, onMendTimer } from './replica-mend.ts'
import { onWriteMarker } from './replica-markers.ts'
import { onAppended, onPartitionAdded, onProduce } from './replica-produce.ts'
import { progress } from './replica-progress.ts'
import { onProofAnswer } from './replica-proof.ts'
import { armCleaning } from './cleaning-timer.ts'
import { discardCleaned, onCleaningAnswer, onCleaningTimer } from './replica-compact.ts'
import { onFetchRead, onFetchTimer, onIndexAnswer, onListOffsets, onTimestampRead } from './replica-read.ts'
import { onDeleteRecords, onRetentionTimer } from './replica-retention.ts'
import { onAskUndeliverable, onTransactionTimer, onTransactorDown } from './replica-transactions.ts'
import { answerDeletions, refuseParkedProduces } from './replica-waiters.ts'
import { onRewriteRead, onRewritten } from './replica-rewrite.ts'
import { armFlush, armTimers, onIsrTimer, onLeaderAndIsr, onProposalAnswer, resignOrRebuild, takeRole } from './replica-role.ts'

/** The behaviour of a replica. */
export const actor: Actor<ReplicaState, ReplicaConfig> = {
  url: import.meta.url,
  start: (self, config) => newReplicaState(self, config),
  receive(state: ReplicaState, message: Message, context: Context, outbox: Outbox): void {
    switch (message.kind) {
      case 'started':
        return onStarted(state, context, outbox)
      case 'leaderAndIsr':
        return onLeaderAndIsr(state, message, context, outbox)
      case 'produce':
        return onProduce(state, message, context, outbox)
      case 'fetch':
        return onFetch(state, message, context, outbox)
      case 'fetchResponse':
        if (state.mending !== null) return onMendFetched(state, state.mending, message, outbox)
        return onFollowed(state, message, context, outbox)
      case 'writeTransactionMarker':
        return onWriteMarker(state, message, context, outbox)
      case 'addPartitionToTransactionResponse':
        return onPartitionAdded(state, message, context, outbox)
      case 'undeliverable':
        onAskUndeliverable(state, message.correlationId, outbox)
        return onFollowUndeliverable(state, message.correlationId, outbox)
      case 'nodeDown':
        return onTransactorDown(state, message.node, outbox)
      case 'alterPartitionResponse':
        return onProposalAnswer(state, message)
      case 'listOffsets':
        return onListOffsets(state, message, context, outbox)
      case 'describePartition':
        return onDescribePartition(state, message, context, outbox)
      case 'describeProducers':
        return onDescribeProducers(state, message, context, outbox)
      case 'deleteRecords':
        return onDeleteRecords(state, message, context, outbox)
      case 'findCoordinatorResponse':
        return onCoordinatorFound(state, message, outbox)
      case 'offsetFetchResponse':
        return onConsumed(state, message, context, outbox)
      case 'describeShareGroupOffsetsResponse':
        return onAcknowledged(state, message, context, outbox)
      case 'configureReplica':
        return onConfigure(state, message, context, outbox)
      case 'settle':
        return onSettle(state, context, outbox)
      case 'drain':
        return onDrain(state, context, outbox)
      case 'timerFired':
        return onTimer(state, message, context, outbox)
      case 'appended':
      case 'synced':
      case 'readCompleted':
      case 'storageDone':
      case 'listed':
      case 'logsListed':
      case 'compacted':
        return onStorageAnswer(state, message, context, outbox)
      default:
        assert(false, `a replica does not understand ${message.kind}`)
    }
  },
}

// ── life ──

/** The broker says what it is to be; one that starts again after a failure of its own must not go on in the epoch in which it failed. */
function onStarted(state: ReplicaState, context: Context, outbox: Outbox): void {
  // What a leader answers to a former life, on this node, must not be taken for an answer to this one.
  state.nextToken += context.random
  outbox.push({
    kind: 'send',
    to: { node: state.self.node, actor: BROKER_ACTOR },
    message: { kind: 'replicaStarted', topicId: state.topicId },
  })
  openLog(state, outbox)
}

/** New settings take effect at once, retention included. */
function onConfigure(state: ReplicaState, message: MessageOf<'configureReplica'>, context: Context, outbox: Outbox): void {
  if (message.topicId !== state.topicId) return
  state.config = message.config
  armFlush(state, outbox)
  armConsumed(state, outbox)
  armCleaning(state, outbox)
  onRetentionTimer(state, context, outbox)
}

function onTimer(state: ReplicaState, message: MessageOf<'timerFired'>, context: Context, outbox: Outbox): void {
  switch (message.timer) {
    case 'fetch':
      return onFetchTimer(state, context, outbox)
    case 'follow':
      return onFollowTimer(state, context, outbox)
    case 'transactions':
      return onTransactionTimer(state, context, outbox)
    case 'mend':
      return onMendTimer(state, context, outbox)
    case 'resign':
      return void resignOrRebuild(state, outbox)
    case 'isr':
      return onIsrTimer(state, context, outbox)
    case 'consumed':
      return onConsumedTimer(state, outbox)
    case 'cleaning':
      return onCleaningTimer(state, context, outbox)
    case 'retention':
      return onRetentionTimer(state, context, outbox)
    case 'flush':
      if (isOpen(state) && state.bytesSinceFlush > 0) requestFlush(state, false, outbox)
      return armFlush(state, outbox)
    case 'reopen':
      if (!state.isDraining) reopenLog(state, outbox)
      return
    default:
      assert(false, `a replica has no timer ${message.timer}`)
  }
}

/** Whoever is in sync is to have what is here now, if it is led here. */
function onSettle(state: ReplicaState, context: Context, outbox: Outbox): void {
  state.settling = { waiter: context.from, endOffset: state.log.logEndOffset }
  moveStop(state, outbox)
}

function onDrain(state: ReplicaState, context: Context, outbox: Outbox): void {
  const isOver = state.isDraining && state.drainWaiter === null
  state.isDraining = true
  state.drainWaiter = context.from
  refuseParkedProduces(state, outbox)
  if (isOver) return finishDrain(state, outbox)
  moveStop(state, outbox)
}

/** Whether the log is open and nothing is being rolled back. */
function isOpen({ phase }: ReplicaState): boolean {
  return phase === 'leading' || phase === 'following' || phase === 'idle'
}

// ── the disk answers ──

function onStorageAnswer(state: ReplicaState, message: StorageAnswer, context: Context, outbox: Outbox): void {
  const continuation = state.continuations.get(message.token)
  if (continuation === undefined) {
    if (message.kind === 'compacted') discardCleaned(state, message, outbox)
    return
  }
  const { phase, mending } = state
  state.continuations.delete(message.token)
  if (failIfGone(state, continuation, message, outbox)) return
  continueWith(state, continuation, message, context, outbox)
  if (state.phase !== 'idle') return
  if (phase === 'idle' && mending !== null && state.mending === null) return takeRole(state, context, outbox)
  if (phase === 'idle') return
  // The log is open, or has been rolled back: the replica takes up what it is to be.
  if (phase !== 'rollingBack') armTimers(state, outbox)
  takeRole(state, context, outbox)
}

function continueWith(state: ReplicaState, continuation: Continuation, message: StorageAnswer, context: Context, outbox: Outbox): void {
  switch (continuation.kind) {
    case 'recovery':
      return onRecoveryAnswer(state, message, outbox)
    case 'append':
      assert(message.kind === 'appended', 'P3 an append is answered by appended')
      onAppended(state, continuation.entries, message, outbox)
      return goOn(state, context, outbox)
    case 'sync':
      assert(message.kind === 'synced', 'P4 a sync is answered by synced')
      onSynced(state, continuation.segmentBaseOffset, message, outbox)
      return goOn(state, context, outbox)
    case 'flush':
      assert(message.kind === 'synced', 'P4 a sync is answered by synced')
      return onFlushed(state, continuation.flush, continuation.segmentBaseOffset, message, outbox)
    case 'checkpoint':
      assert(message.kind === 'storageDone', 'P5 a small file is replaced by storageDone')
      onCheckpointWritten(state, continuation.write, message, outbox)
      return onCheckpointMoved(state, context, outbox)
    case 'checkpointSync':
      assert(message.kind === 'synced', 'P4 a sync is answered by synced')
      onCheckpointSynced(state, continuation.write, message, outbox)
      return onCheckpointMoved(state, context, outbox)
    case 'checkpointProof':
    case 'proofRead':
    case 'proofWritten':
      return onProofAnswer(state, continuation, message, outbox)
    case 'rollBack':
      assert(message.kind === 'storageDone', 'P5 a truncation is answered by storageDone')
      return onRolledBack(state, message, outbox)
    case 'rewriteRead':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onRewriteRead(state, continuation, message, outbox)
    case 'rewritten':
      assert(message.kind === 'storageDone', 'P5 a rewrite is answered by storageDone')
      if (onRewritten(state, continuation, message, outbox)) settleTail(state, outbox)
      return
    case 'mendRead':
    case 'mendWritten':
    case 'mendSynced':
      return onMendAnswer(state, continuation, message, context, outbox)
    case 'ignore':
      return
    case 'cleaning':
    case 'swap':
      return onCleaningAnswer(state, continuation, message, context, outbox)
    case 'fetch':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onFetchRead(state, continuation, message, outbox)
    case 'timestamp':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onTimestampRead(state, continuation, message, outbox)
    case 'index':
    case 'rebuild':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onIndexAnswer(state, continuation, message, outbox)
    default:
      return unreachable(continuation)
  }
}

/** Where the log begins may outlast a power loss now, and what was recovered may be safe. */
function onCheckpointMoved(state: ReplicaState, context: Context, outbox: Outbox): void {
  answerDeletions(state, outbox)
  reportStart(state, context, outbox)
  openIfSettled(state, outbox)
}

/** More of the log is safe: whoever waits for that hears of it, and a follower asks for what comes next. */
function goOn(state: ReplicaState, context: Context, outbox: Outbox): void {
  progress(state, context, outbox)
  fetchMore(state, context, outbox)
}
