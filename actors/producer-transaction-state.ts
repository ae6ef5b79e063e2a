/**
 * What a transactional producer knows of its transactions, as plain data.
 */
import type { SendOffsets } from '../protocol/messages/client.ts'

/**
 *   starting ─► idle ◄─► open ─► ending ─► idle          and, from anywhere, fatal: somebody else has the transactional id, or nobody knows how it ended
 */
export type TransactionPhase = 'starting' | 'idle' | 'open' | 'ending'

/** An error as its client hears it. */
export interface TransactionFailure {
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** A client that waits for something to be done. */
export interface TransactionWaiter {
  readonly correlationId: number
  /** Uptime until which it waits. */
  readonly deadline: number
}

/** Offsets on their way to the coordinator of their group. */
export interface OffsetsOnTheWay {
  readonly asked: SendOffsets
  readonly deadline: number
  /** Where the group is coordinated; null: it is to be found. */
  coordinator: { readonly node: number; readonly partition: number } | null
  /** Of the request under way; -1 while there is none. */
  correlationId: number
  timeoutAt: number
  retryAt: number
}

/** The transactions of one producer, one after the other. */
export interface ProducerTransaction {
  readonly transactionalId: string
  /** What this life begins with; -1 until it does. */
  initId: number
  /** What the life before it has begun with, as the transactor says; -1: not known, or there is none. */
  formerInitId: number
  phase: TransactionPhase
  /** Where its transactions are kept; null: it is to be found. */
  transactor: { readonly node: number; readonly partition: number } | null
  /** Under which its batches go; -1 until it is known. */
  producerEpoch: number
  /** Of the request to a coordinator that is under way; -1 while there is none. */
  correlationId: number
  timeoutAt: number
  retryAt: number
  failures: number
  /** Something was sent in the open transaction: the transactor must hear of its end. */
  isUsed: boolean
  /** Why the open transaction can only be aborted. */
  failure: TransactionFailure | null
  /** Why there can be no transaction any more. */
  fatal: TransactionFailure | null
  /** Wants to begin. */
  beginner: TransactionWaiter | null
  /** Wants to end, and how. */
  ending: (TransactionWaiter & { readonly committed: boolean }) | null
  readonly offsets: OffsetsOnTheWay[]
}

/** The transactions of a producer that has not asked for its epoch yet. */
export function newProducerTransaction(transactionalId: string): ProducerTransaction {
  return {
    transactionalId,
    initId: -1,
    formerInitId: -1,
    phase: 'starting',
    transactor: null,
    producerEpoch: -1,
    correlationId: -1,
    timeoutAt: 0,
    retryAt: 0,
    failures: 0,
    isUsed: false,
    failure: null,
    fatal: null,
    beginner: null,
    ending: null,
    offsets: [],
  }
}
