/**
 * The transactions of a producer (KIP-98, KIP-890): finds its transactor, asks it for an epoch, and ends what it has begun. The leaders of the partitions tell the
 * transactor where it writes. One transaction at a time; what goes wrong in it leaves nothing but to abort it, and what goes wrong with the id ends them all.
 */
import { transactorActor } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { codeOf, errorOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { TransactionOf } from '../protocol/messages/transaction.ts'
import type { Context, Outbox } from './actor.ts'
import { coordinatorOf, nextCoordinator } from './coordinator-finder.ts'
import { failure, finish } from './producer-delivery.ts'
import { takeInFlight } from './producer-queue.ts'
import type { OutgoingBatch, PartitionQueue, ProducerState } from './producer-state.ts'
import type { ProducerTransaction, TransactionFailure } from './producer-transaction-state.ts'

/** A coordinator, or a transactor, that is silent for so long is looked for again. */
const ANSWER_MILLIS = 1000

/** Pause before a request is sent again; it doubles with each failure. */
const RETRY_MILLIS_MIN = 2
const RETRY_MILLIS_MAX = 250

/** Of the time at which a life begins so much goes into what it begins with, beside 32 bits that are drawn: together they fit into a whole number. */
const INIT_MILLIS = 2 ** 21

/** Errors that say: ask again, here or elsewhere. */
const ELSEWHERE: ReadonlySet<string> = new Set(['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS'])

/** Errors that say: somebody else has the transactional id. */
const FENCED: ReadonlySet<string> = new Set(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING'])

// ── what the client asks ──

/** A transaction begins as soon as the epoch for it is known. */
export function onBeginTransaction(
  state: ProducerState,
  { correlationId }: MessageOf<'beginTransaction'>,
  context: Context,
  outbox: Outbox,
): void {
  const tx = transactionOf(state)
  if (tx.fatal !== null) return answer(state, correlationId, tx.fatal, outbox)
  assert(tx.phase !== 'open' && tx.phase !== 'ending' && tx.beginner === null, 'Y1 one transaction at a time')
  tx.beginner = { correlationId, deadline: context.uptime + state.config.deliveryTimeoutMillis }
  advanceTransaction(state, context, outbox)
}

/** The transaction ends: at the transactor, if anything of it may have got there. */
export function onFinishTransaction(state: ProducerState, asked: MessageOf<'finishTransaction'>, context: Context, outbox: Outbox): void {
  const tx = transactionOf(state)
  const { correlationId, committed } = asked
  if (!committed) dropBatches(state, outbox)
  if (tx.fatal !== null) return answer(state, correlationId, tx.fatal, outbox)
  assert(tx.phase === 'open', 'Y2 only an open transaction ends')
  if (committed && tx.failure !== null) return answer(state, correlationId, tx.failure, outbox)
  if (committed && isBusy(state)) {
    const errorMessage = 'the transaction has records that are not acknowledged yet'
    return answer(state, correlationId, { errorCode: codeOf('INVALID_TXN_STATE'), errorMessage }, outbox)
  }
  if (!tx.isUsed) {
    close(tx)
    return answer(state, correlationId, null, outbox)
  }
  tx.phase = 'ending'
  tx.ending = { correlationId, committed, deadline: context.uptime + state.config.deliveryTimeoutMillis }
  advanceTransaction(state, context, outbox)
}

function isBusy({ queues }: ProducerState): boolean {
  return [...queues.values()].some(({ batches }) => batches.length > 0)
}

/** What is not delivered will not be: the transaction is aborted. */
function dropBatches(state: ProducerState, outbox: Outbox): void {
  const outcome = failure(codeOf('TRANSACTION_ABORTABLE'), 'the transaction was aborted before the record was acknowledged')
  for (const queue of state.queues.values()) {
    for (const one of queue.batches.slice()) {
      if (one.correlationId >= 0) takeInFlight(state, one.correlationId)
      finish(state, queue, one, outcome, outbox)
    }
  }
}

// ── batches ──

/** Says of a batch whose it is; null: it cannot be sent now. */
export function transactionFor(tx: ProducerTransaction): TransactionOf | null {
  if (tx.transactor === null || tx.phase !== 'open' || tx.failure !== null) return null
  tx.isUsed = true
  const { transactionalId, transactor } = tx
  return { transactionalId, transactorNode: transactor.node, transactorPartition: transactor.partition }
}

/** Whether an error fails the transaction, for it would not help to ask again. One that says that the transactor may be elsewhere has it looked for. */
export function failsTransaction(state: ProducerState, error: ErrorName): boolean {
  const tx = transactionOf(state)
  if (ELSEWHERE.has(error)) tx.transactor = null
  return !errorOf(codeOf(error)).retriable
}

/** Why all batches of the transaction fail from now on; null while it goes well. */
export function failureOf({ failure: first, fatal }: ProducerTransaction): TransactionFailure | null {
  return fatal ?? first
}

/** One batch has failed: those that are not on their way fail with it, the others when they are answered. */
export function failTransaction(state: ProducerState, why: TransactionFailure, outbox: Outbox): void {
  const tx = transactionOf(state)
  if (tx.phase === 'open') tx.failure ??= why
  for (const queue of state.queues.values())
    for (const one of queue.batches.slice()) if (one.correlationId < 0) failBatch(state, queue, one, why, outbox)
}

function failBatch(state: ProducerState, queue: PartitionQueue, one: OutgoingBatch, why: TransactionFailure, outbox: Outbox): void {
  finish(state, queue, one, failure(why.errorCode, why.errorMessage), outbox)
}

// ── coordinator and transactor ──

/** Sends the request that is needed next, if one is and none is under way. Says whether time must go on. */
export function advanceTransaction(state: ProducerState, context: Context, outbox: Outbox): boolean {
  const tx = transactionOf(state)
  giveUpWaiting(state, tx, context, outbox)
  if (tx.fatal !== null) return false
  if (tx.phase === 'idle' && tx.beginner !== null) begin(state, tx, tx.beginner.correlationId, outbox)
  const isNeeded = tx.phase === 'starting' || tx.phase === 'ending' || (tx.phase === 'open' && tx.transactor === null)
  if (!isNeeded) return tx.beginner !== null
  const { uptime } = context
  if (tx.initId < 0) tx.initId = (context.now % INIT_MILLIS) * 2 ** 32 + context.random
  if (tx.correlationId >= 0 && uptime >= tx.timeoutAt) onSilence(state, tx, context)
  if (tx.correlationId >= 0 || uptime < tx.retryAt) return true
  tx.correlationId = state.nextCorrelationId++
  tx.timeoutAt = uptime + ANSWER_MILLIS
  if (tx.transactor === null) find(state, tx, outbox)
  else ask(state, tx, tx.transactor, outbox)
  return true
}

function find(state: ProducerState, { correlationId, transactionalId: key }: ProducerTransaction, outbox: Outbox): void {
  const to = coordinatorOf(state.leaders.coordinators)
  outbox.push({ kind: 'send', to, message: { kind: 'findCoordinator', correlationId, keyType: 'transaction', key } })
}

function ask(
  { config, producerId }: ProducerState,
  tx: ProducerTransaction,
  { node, partition }: { readonly node: number; readonly partition: number },
  outbox: Outbox,
): void {
  const to = { node, actor: transactorActor(partition) }
  const { correlationId, transactionalId, initId, formerInitId, producerEpoch, ending } = tx
  const { transactionTimeoutMillis } = config
  const message =
    ending === null
      ? ({ kind: 'initTransactions', correlationId, transactionalId, transactionTimeoutMillis, initId, formerInitId } as const)
      : ({ kind: 'endTransaction', correlationId, transactionalId, producerId, producerEpoch, committed: ending.committed } as const)
  outbox.push({ kind: 'send', to, message })
}

function onSilence(state: ProducerState, tx: ProducerTransaction, context: Context): void {
  if (tx.transactor === null) nextCoordinator(state.leaders.coordinators)
  retry(tx, context, true)
  tx.retryAt = context.uptime
}

/** A request of the transaction's is over. False: it was none. */
export function takeTransactionAnswer(state: ProducerState, correlationId: number): boolean {
  const tx = state.transaction
  if (tx === null || tx.correlationId < 0 || tx.correlationId !== correlationId) return false
  tx.correlationId = -1
  return true
}

/** Where the transactions are kept. */
export function onTransactorFound(
  state: ProducerState,
  response: MessageOf<'findCoordinatorResponse'>,
  context: Context,
  outbox: Outbox,
): void {
  const tx = transactionOf(state)
  if (response.errorCode === NONE) {
    const { node, partition } = response
    tx.transactor = { node, partition }
    tx.retryAt = context.uptime
  } else retry(tx, context, true)
  advanceTransaction(state, context, outbox)
}

/** The epoch for the next transaction, or why there is none. */
export function onTransactorAnswer(
  state: ProducerState,
  response: MessageOf<'initTransactionsResponse' | 'endTransactionResponse'>,
  context: Context,
  outbox: Outbox,
): void {
  const tx = transactionOf(state)
  const { name, retriable, message } = errorOf(response.errorCode)
  if (response.errorCode === NONE) onEpoch(state, tx, response, outbox)
  else if (response.kind === 'initTransactionsResponse' && isNews(tx, response)) tx.formerInitId = response.latestInitId
  else if (retriable) retry(tx, context, ELSEWHERE.has(name))
  else
    onRefusal(
      state,
      tx,
      name,
      { errorCode: response.errorCode, errorMessage: response.errorMessage ?? reasonOf(state, name) ?? message },
      outbox,
    )
  advanceTransaction(state, context, outbox)
}

/** Who goes on with what is not open any more, or wants to commit it, should hear why. */
export function reasonOf({ config }: ProducerState, error: ErrorName): string | null {
  if (error !== 'INVALID_TXN_STATE') return null
  const limit = `transactionTimeoutMillis (${config.transactionTimeoutMillis})`
  return `the transaction was aborted, for it took longer than ${limit}: make it smaller, or raise that; or by an administrator`
}

/** Another life has begun than the one that this one was to follow: it is to follow that, and asks at once. */
function isNews({ formerInitId }: ProducerTransaction, { latestInitId }: MessageOf<'initTransactionsResponse'>): boolean {
  return latestInitId >= 0 && latestInitId !== formerInitId
}

/** A request came to nothing: it is sent again, after the transactor is found again. */
export function retryTransaction(state: ProducerState, context: Context): void {
  retry(transactionOf(state), context, true)
}

function retry(tx: ProducerTransaction, { uptime }: Context, isElsewhere: boolean): void {
  tx.correlationId = -1
  if (isElsewhere) tx.transactor = null
  tx.retryAt = uptime + Math.min(RETRY_MILLIS_MIN * 2 ** tx.failures, RETRY_MILLIS_MAX)
  tx.failures = Math.min(tx.failures + 1, 16)
}

function onEpoch(
  state: ProducerState,
  tx: ProducerTransaction,
  { producerId, producerEpoch }: MessageOf<'initTransactionsResponse' | 'endTransactionResponse'>,
  outbox: Outbox,
): void {
  const { ending } = tx
  state.producerId = producerId
  tx.producerEpoch = producerEpoch
  tx.failures = 0
  for (const queue of state.queues.values()) {
    assert(queue.batches.length === 0, 'Y3 no batch outlives its transaction')
    queue.producerEpoch = producerEpoch
    queue.nextSequence = 0
  }
  close(tx)
  if (ending !== null) answer(state, ending.correlationId, null, outbox)
}

function onRefusal(state: ProducerState, tx: ProducerTransaction, error: ErrorName, why: TransactionFailure, outbox: Outbox): void {
  const { ending } = tx
  // The transactor has aborted it, for it took too long: the application hears of it, and aborts it, too, to go on.
  if (ending?.committed === true && !FENCED.has(error)) {
    tx.phase = 'open'
    tx.ending = null
    tx.failure = why
    return answer(state, ending.correlationId, why, outbox)
  }
  endForGood(state, tx, why, outbox)
}

/** There can be no transaction any more; whoever waits hears why. */
function endForGood(state: ProducerState, tx: ProducerTransaction, why: TransactionFailure, outbox: Outbox): void {
  const { ending, beginner } = tx
  tx.fatal = why
  tx.ending = null
  tx.beginner = null
  for (const waiter of [ending, beginner]) if (waiter !== null) answer(state, waiter.correlationId, why, outbox)
}

function begin(state: ProducerState, tx: ProducerTransaction, correlationId: number, outbox: Outbox): void {
  tx.beginner = null
  tx.phase = 'open'
  answer(state, correlationId, null, outbox)
}

function close(tx: ProducerTransaction): void {
  tx.phase = 'idle'
  tx.ending = null
  tx.failure = null
  tx.isUsed = false
}

/** Nobody waits longer than deliveryTimeoutMillis. How a transaction ended then is not known here: only another producer of that id can find out. */
function giveUpWaiting(state: ProducerState, tx: ProducerTransaction, { uptime }: Context, outbox: Outbox): void {
  const errorCode = codeOf('REQUEST_TIMED_OUT')
  const after = `within deliveryTimeoutMillis (${state.config.deliveryTimeoutMillis})`
  const { beginner, ending } = tx
  if (beginner !== null && (tx.fatal !== null || uptime >= beginner.deadline)) {
    tx.beginner = null
    answer(state, beginner.correlationId, tx.fatal ?? { errorCode, errorMessage: `no answer of the transactor ${after}` }, outbox)
  }
  if (ending === null || uptime < ending.deadline) return
  const errorMessage = `the transactor did not say ${after} how the transaction ended: open another producer with this transactional id`
  endForGood(state, tx, { errorCode, errorMessage }, outbox)
}

/** Tells the client what became of its request. */
export function answer(state: ProducerState, correlationId: number, why: TransactionFailure | null, outbox: Outbox): void {
  const { errorCode, errorMessage } = why ?? { errorCode: NONE, errorMessage: null }
  outbox.push({ kind: 'send', to: state.config.client, message: { kind: 'transactionResult', correlationId, errorCode, errorMessage } })
}

/** The producer has a transactional id. */
export function transactionOf({ transaction }: ProducerState): ProducerTransaction {
  assert(transaction !== null, 'Y4 only a producer with a transactional id has transactions')
  return transaction
}
