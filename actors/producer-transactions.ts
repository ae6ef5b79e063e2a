/**
 * What of a producer's messages is about its transactions: whose answer is what, and what time does. The transactions themselves are in producer-transaction.ts,
 * their offsets in producer-offsets.ts.
 */
import type { MessageOf } from '../protocol/messages/message.ts'
import type { Context, Outbox } from './actor.ts'
import { advanceOffsets, onGroupFound, onOffsetsAnswer, onSendOffsets, retryOffsets, takeOffsetsAnswer } from './producer-offsets.ts'
import type { ProducerState } from './producer-state.ts'
import {
  advanceTransaction,
  onBeginTransaction,
  onFinishTransaction,
  onTransactorAnswer,
  onTransactorFound,
  retryTransaction,
  takeTransactionAnswer,
} from './producer-transaction.ts'

/** What coordinators answer to a transactional producer. */
export type TransactionAnswer = MessageOf<
  'findCoordinatorResponse' | 'initTransactionsResponse' | 'endTransactionResponse' | 'offsetCommitResponse'
>

/** The client wants something of its transaction. */
export function onTransactionAsked(
  state: ProducerState,
  message: MessageOf<'beginTransaction' | 'sendOffsets' | 'finishTransaction'>,
  context: Context,
  outbox: Outbox,
): void {
  if (message.kind === 'beginTransaction') onBeginTransaction(state, message, context, outbox)
  else if (message.kind === 'finishTransaction') onFinishTransaction(state, message, context, outbox)
  else onSendOffsets(state, message, context, outbox)
}

/** A coordinator has answered; late answers are ignored. */
export function onTransactionAnswer(state: ProducerState, message: TransactionAnswer, context: Context, outbox: Outbox): void {
  const { correlationId } = message
  const offsets = takeOffsetsAnswer(state, correlationId)
  if (offsets !== null && message.kind === 'findCoordinatorResponse') return onGroupFound(state, offsets, message, context, outbox)
  if (offsets !== null && message.kind === 'offsetCommitResponse') return onOffsetsAnswer(state, offsets, message, context, outbox)
  if (!takeTransactionAnswer(state, correlationId) || message.kind === 'offsetCommitResponse') return
  if (message.kind === 'findCoordinatorResponse') onTransactorFound(state, message, context, outbox)
  else onTransactorAnswer(state, message, context, outbox)
}

/** A request came to nothing: nobody was there, or another coordinator leads. False: it was none of a transaction. */
export function isTransactionLost(state: ProducerState, correlationId: number, context: Context): boolean {
  const offsets = takeOffsetsAnswer(state, correlationId)
  const isOurs = offsets !== null || takeTransactionAnswer(state, correlationId)
  if (!isOurs) return false
  if (offsets === null) retryTransaction(state, context)
  else retryOffsets(offsets, context)
  return true
}

/** Where a node has died, its transactors are led elsewhere. */
export function onTransactorDown({ transaction }: ProducerState, node: number): void {
  if (transaction === null || transaction.transactor?.node !== node) return
  transaction.transactor = null
  transaction.correlationId = -1
}

/** Asks for what is needed next. Says whether time must go on. */
export function advanceTransactions(state: ProducerState, context: Context, outbox: Outbox): boolean {
  if (state.transaction === null) return false
  const isAsking = advanceTransaction(state, context, outbox)
  return advanceOffsets(state, context, outbox) || isAsking
}
