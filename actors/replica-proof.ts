/**
 * How the checkpoint that was read when a log was opened is proved. It may be in the page cache only, and the other file be the one that a power loss leaves: so it is
 * synced before the other one is written over. If that fails, nothing is known of it, and later syncs prove nothing (the disk says so only once): it is written once more, in its place, and synced
 * then. It is never written over with another one: files may be gone on its word, which the one before it still names. A flush that cannot prove it writes no checkpoint; the next one tries again.
 */
import { checkpointFile, decodeCheckpoint } from '../partitions/checkpoint.ts'
import { expectAnswer } from '../partitions/replica-state.ts'
import type { Continuation, ReplicaState } from '../partitions/replica-state.ts'
import { assert, unreachable } from '../protocol/assert.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import type { Outbox } from './actor.ts'
import { endFlush, writeCheckpoint } from './replica-flush.ts'
import { openIfSettled } from './replica-open.ts'

type Proof = Extract<Continuation, { kind: 'checkpointProof' | 'proofRead' | 'proofWritten' }>

/** The disk has answered a step of a proof. */
export function onProofAnswer(state: ReplicaState, proof: Proof, message: StorageAnswer, outbox: Outbox): void {
  goOn(state, proof, message, outbox)
  openIfSettled(state, outbox)
}

function goOn(state: ReplicaState, proof: Proof, message: StorageAnswer, outbox: Outbox): void {
  switch (proof.kind) {
    case 'checkpointProof':
      assert(message.kind === 'synced', 'P4 a sync is answered by synced')
      return onCheckpointProved(state, proof, message, outbox)
    case 'proofRead':
      assert(message.kind === 'readCompleted', 'P6 a read is answered by readCompleted')
      return onProofRead(state, proof, message, outbox)
    case 'proofWritten':
      assert(message.kind === 'storageDone', 'P5 a rewrite is answered by storageDone')
      return onProofWritten(state, proof, message, outbox)
    default:
      return unreachable(proof)
  }
}

/** The checkpoint is synced, or is not. */
function onCheckpointProved(state: ReplicaState, { flush }: Proof, { error }: MessageOf<'synced'>, outbox: Outbox): void {
  const isFirst = state.checkpointTrust === 'unknown'
  state.checkpointTrust = error === null ? 'safe' : 'doubted'
  if (state.flush !== flush) return
  if (error === null || isFirst) writeCheckpoint(state, outbox)
  else endFlush(state, flush, outbox)
}

/** The checkpoint is here: it goes to where it came from. */
function onProofRead(state: ReplicaState, { flush }: Proof, { records }: MessageOf<'readCompleted'>, outbox: Outbox): void {
  if (state.flush !== flush) return
  const checkpoint = records === null ? 'unsound' : decodeCheckpoint(records)
  if (records === null || typeof checkpoint === 'string' || checkpoint.sequence !== state.checkpointSequence)
    return endFlush(state, flush, outbox)
  const token = expectAnswer(state, { kind: 'proofWritten', flush })
  outbox.push({ kind: 'rewrite', log: state.logName, file: checkpointFile(checkpoint.sequence), position: 0, bytes: records, token })
}

/** It is written once more: now a sync speaks of it. */
function onProofWritten(state: ReplicaState, { flush }: Proof, { error }: MessageOf<'storageDone'>, outbox: Outbox): void {
  if (state.flush !== flush) return
  if (error !== null) return endFlush(state, flush, outbox)
  const token = expectAnswer(state, { kind: 'checkpointProof', flush })
  outbox.push({ kind: 'sync', log: state.logName, file: checkpointFile(state.checkpointSequence), token })
}
