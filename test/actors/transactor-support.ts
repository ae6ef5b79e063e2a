// A transactor, and the producers, leaders and logs that it talks to, as a test plays them.

import type { Effect } from '../../actors/effect.ts'
import { actor } from '../../actors/transactor.ts'
import type { TransactorConfig, TransactorState } from '../../actors/transactor-state.ts'
import { appendRequest, openStateLog } from '../../coordinator/state-log.ts'
import { decodeTransactionRecord, encodeTransactionKey, encodeTransactionValue } from '../../coordinator/transactions/transaction-record.ts'
import type { Transaction } from '../../coordinator/transactions/transaction-state.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { fetched } from '../coordinator/support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent, sentOne, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

const config: TransactorConfig = { partition: 3, topicId: 2, leaderEpoch: 4, coordinatorNodes: [0, 1], leaseUntil: Infinity }

/** A transactor that has not begun. */
export function transactorStage(changes: Partial<TransactorConfig> = {}): Stage<TransactorState> {
  return stageOf(actor, { node: 1, actor: 'transactor/3' }, { ...config, ...changes })
}

/** The bytes of a log of `__transaction_state`; null: a tombstone of `t`. */
export function logOf(...transactions: readonly (Transaction | null)[]): Uint8Array {
  const records = transactions.map((one) => ({
    key: encodeTransactionKey(one?.transactionalId ?? 't'),
    value: one === null ? null : encodeTransactionValue(one),
  }))
  return appendRequest(openStateLog(0, 'o', { partition: 0, topicId: 0, leaderEpoch: 0 }), 1, records, 0).records
}

/** Hands over what the log holds, to one that has begun, or begins anew; the effects. */
export function load(stage: Stage<TransactorState>, begun: readonly Effect[], ...transactions: readonly (Transaction | null)[]): Effect[] {
  const { correlationId } = sentOne(written(stage, sentOne(begun, 'produce').correlationId), 'fetch')
  const records = transactions.length === 0 ? null : logOf(...transactions)
  return stage.deliver(fetched(records, transactions.length, { correlationId }))
}

/** One that has read its log. */
export function active(...transactions: readonly (Transaction | null)[]): Stage<TransactorState> {
  const stage = transactorStage()
  load(stage, stage.deliver({ kind: 'started' }), ...transactions)
  return stage
}

/** The log has taken a write, or refuses it. */
export function written(stage: Stage<TransactorState>, correlationId: number, error?: ErrorName): Effect[] {
  const errorCode = error === undefined ? 0 : codeOf(error)
  const offsets = { baseOffset: 0, logAppendTime: -1, logStartOffset: 0 }
  return stage.deliver(
    { kind: 'produceResponse', correlationId, errorCode, errorMessage: null, ...offsets },
    { node: 1, actor: 'replica/__transaction_state-3' },
  )
}

/** The write among the effects is committed; what comes of it. */
export function commit(stage: Stage<TransactorState>, effects: readonly Effect[]): Effect[] {
  return written(stage, sentOne(effects, 'produce').correlationId)
}

/** What the write among the effects says; null: a tombstone, or a barrier. */
export function recordOf(effects: readonly Effect[]): Transaction | null {
  const { records } = sentOne(effects, 'produce')
  const record = readRecords(records, 0)[0]
  const decoded = record === undefined ? null : decodeTransactionRecord(record.key, record.value)
  if (decoded === null || decoded.transaction === 'unreadable') throw new Error('no such record')
  return decoded.transaction
}

/** A new life of the producer of `t`. */
export function init(
  stage: Stage<TransactorState>,
  correlationId = 1,
  transactionalId = 't',
  initId: number = correlationId,
  formerInitId = -1,
): Effect[] {
  const transactionTimeoutMillis = 1000
  return stage.deliver({ kind: 'initTransactions', correlationId, transactionalId, transactionTimeoutMillis, initId, formerInitId })
}

/** The leader of a partition of `orders` adds it to the transaction of `t`. */
export function add(stage: Stage<TransactorState>, correlationId: number, producerEpoch: number, partition = 0, producerId = 7): Effect[] {
  const of = { topic: 'orders', topicId: 5, partition }
  return stage.deliver({ kind: 'addPartitionToTransaction', correlationId, transactionalId: 't', producerId, producerEpoch, ...of })
}

/** The producer of `t` ends its transaction. */
export function end(stage: Stage<TransactorState>, correlationId: number, producerEpoch: number, committed = true): Effect[] {
  return stage.deliver({ kind: 'endTransaction', correlationId, transactionalId: 't', producerId: 7, producerEpoch, committed })
}

/** The coordinator says who leads `orders`. */
export function leaders(stage: Stage<TransactorState>, nodes: readonly number[], metadataOffset = 0): Effect[] {
  return stage.deliver(topicsAnswer({ orders: nodes }, metadataOffset), { node: 0, actor: 'coordinator' })
}

/** A leader answers a marker. */
export function marked(stage: Stage<TransactorState>, { correlationId }: MessageOf<'writeTransactionMarker'>, error?: ErrorName): Effect[] {
  return stage.deliver({ kind: 'writeTransactionMarkerResponse', correlationId, errorCode: error === undefined ? 0 : codeOf(error) })
}

/** The markers among the effects, each answered; the effects of the last answer. */
export function markAll(stage: Stage<TransactorState>, effects: readonly Effect[]): Effect[] {
  return (
    sent(effects, 'writeTransactionMarker')
      .map((marker) => marked(stage, marker))
      .at(-1) ?? []
  )
}

/** Time passes, and a timer fires. */
export function tick(stage: Stage<TransactorState>, uptime: number, timer = 'tick'): Effect[] {
  stage.uptime = uptime
  return stage.deliver({ kind: 'timerFired', timer })
}

/** `t` as committed, which must be there. */
export function transactionOf({ state }: Stage<TransactorState>): Transaction {
  const transaction = state.ids.get('t')?.transaction ?? null
  if (transaction === null) throw new Error('there is no t')
  return transaction
}
