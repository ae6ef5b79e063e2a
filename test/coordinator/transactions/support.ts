// What the tests of transactions share: ids in each of their states, and requests about them.

import { ruleTransaction } from '../../../coordinator/transactions/transaction-rules.ts'
import type { TransactionRequest, TransactionRuling } from '../../../coordinator/transactions/transaction-rules.ts'
import { completed, newTransaction, prepared, withPartition } from '../../../coordinator/transactions/transaction-state.ts'
import type { EndedBy, Transaction } from '../../../coordinator/transactions/transaction-state.ts'
import type { TransactionStateName } from '../../../protocol/messages/transaction.ts'
import '../support.ts'

/** The producer id that most tests speak of. */
export const PRODUCER = 7

/** One that nobody has had. */
export const SPARE = 8

/** The id `t` of producer 7 in a state, in which epoch 3 may be used, or will be. */
export function transactionIn(state: TransactionStateName, endedBy: EndedBy = 'producer', epoch = 3): Transaction {
  const isEnded = state !== 'empty' && state !== 'ongoing'
  const empty = { ...newTransaction('t', PRODUCER, 60_000, 0), producerEpoch: isEnded ? epoch - 1 : epoch }
  if (state === 'empty') return empty
  const ongoing = withPartition(empty, { topic: 'orders', topicId: 5, partition: 0 }, 10)
  if (state === 'ongoing') return ongoing
  const decided = prepared(ongoing, state === 'prepareCommit' || state === 'completeCommit', endedBy, 20, SPARE)
  if (decided === null) throw new Error('there is a spare producer id')
  return state === 'prepareCommit' || state === 'prepareAbort' ? decided : completed(decided, 30)
}

/** A new life of the producer of `t`. */
export function init(transactionTimeoutMillis = 60_000, transactionalId = 't', initId = 5, formerInitId = -1): TransactionRequest {
  return { kind: 'initTransactions', correlationId: 1, transactionalId, transactionTimeoutMillis, initId, formerInitId }
}

/** A leader adds a partition of `orders`. */
export function add(producerEpoch: number, partition = 1, producerId: number = PRODUCER): TransactionRequest {
  const of = { topic: 'orders', topicId: 5, partition }
  return { kind: 'addPartitionToTransaction', correlationId: 1, transactionalId: 't', producerId, producerEpoch, ...of }
}

/** The producer ends its transaction. */
export function end(producerEpoch: number, committed: boolean, producerId: number = PRODUCER): TransactionRequest {
  return { kind: 'endTransaction', correlationId: 1, transactionalId: 't', producerId, producerEpoch, committed }
}

/** The ruling at 100 ms, with a spare producer id unless there is none. */
export function rule(transaction: Transaction | null, request: TransactionRequest, spareProducerId: number = SPARE): TransactionRuling {
  return ruleTransaction(transaction, request, { now: 100, spareProducerId })
}

/** A ruling in a few words: the error, what is written and answered, or what it waits for. */
export function outcome(transaction: Transaction | null, request: TransactionRequest, spareProducerId: number = SPARE): string {
  const ruling = rule(transaction, request, spareProducerId)
  if (ruling.kind === 'wait' || ruling.kind === 'needProducerId') return ruling.kind
  if (ruling.kind === 'answer') return ruling.error ?? 'done'
  const { next, error } = ruling
  const written =
    next === null ? 'forgotten' : `${next.state} ${next.producerId === PRODUCER ? '' : `${next.producerId}/`}${next.producerEpoch}`
  return error === null ? written : `${written}, ${error}`
}

/** What is written, which must be something. */
export function writtenBy(transaction: Transaction | null, request: TransactionRequest): Transaction {
  const ruling = rule(transaction, request)
  if (ruling.kind !== 'write' || ruling.next === null) throw new Error(`nothing is written: ${outcome(transaction, request)}`)
  return ruling.next
}
