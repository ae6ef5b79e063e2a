/**
 * Producers that wait until their batch is as safe as they were promised: how they are answered, and how they are sent away.
 */
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { ReplicaState, Waiter } from '../partitions/replica-state.ts'
import type { Outbox } from './actor.ts'

/** Everybody who waits is told to try elsewhere, or again. */
export function refuseWaiters(state: ReplicaState, error: ErrorName, outbox: Outbox): void {
  for (const entry of state.pending) {
    for (const waiter of entry.waiters) refuseWaiter(waiter, error, outbox)
    entry.waiters = []
  }
  for (const { waiter } of state.countedWaiters) refuseWaiter(waiter, error, outbox)
  state.countedWaiters = []
}

/** Who waits for a quorum that is not there any more is told so; the batch is in the log, and a retry finds it (KAFKA: NOT_ENOUGH_REPLICAS_AFTER_APPEND). */
export function refuseQuorumWaiters(state: ReplicaState, outbox: Outbox): void {
  for (const entry of state.pending) {
    for (const waiter of entry.waiters) {
      if (waiter.acks === 'quorum') refuseWaiter(waiter, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', outbox)
    }
    entry.waiters = entry.waiters.filter((waiter) => waiter.acks !== 'quorum')
  }
}

/** The batch is as safe as the waiter was promised. */
export function answer(
  state: ReplicaState,
  waiter: Waiter,
  { baseOffset, logAppendTime }: { readonly baseOffset: number; readonly logAppendTime: number },
  outbox: Outbox,
): void {
  outbox.push({
    kind: 'send',
    to: waiter.from,
    message: {
      kind: 'produceResponse',
      correlationId: waiter.correlationId,
      errorCode: NONE,
      errorMessage: null,
      baseOffset,
      logAppendTime,
      logStartOffset: state.log.logStartOffset,
    },
  })
}

function refuseWaiter(waiter: Waiter, error: ErrorName, outbox: Outbox): void {
  outbox.push({
    kind: 'send',
    to: waiter.from,
    message: {
      kind: 'produceResponse',
      correlationId: waiter.correlationId,
      errorCode: codeOf(error),
      errorMessage: null,
      baseOffset: -1,
      logAppendTime: -1,
      logStartOffset: -1,
    },
  })
}
