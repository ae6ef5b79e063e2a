/**
 * What a transactor knows, as plain data: all transactional ids of one partition of `__transaction_state`, who waits for what, what is on its way to the log, and
 * which markers are still to be written.
 */
import { encodeTransactionKey } from '../coordinator/transactions/transaction-record.ts'
import type { TransactionRequest } from '../coordinator/transactions/transaction-rules.ts'
import { currentLife } from '../coordinator/transactions/transaction-state.ts'
import type { Transaction, TransactionPartition } from '../coordinator/transactions/transaction-state.ts'
import { TRANSACTIONS_TOPIC } from '../coordinator/metadata.ts'
import { openStateLog } from '../coordinator/state-log.ts'
import type { StateLog, StateRecord } from '../coordinator/state-log.ts'
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { Message } from '../protocol/messages/message.ts'
import type { Outbox } from './actor.ts'
import { newLeaderCache } from './leader-cache.ts'
import type { LeaderCache } from './leader-cache.ts'

/** What a transactor is started with. */
export interface TransactorConfig {
  /** The partition of `__transaction_state` that holds what it knows, led by this node. */
  readonly partition: number
  readonly topicId: number
  /** The reign of this node in which it lives; a later one begins it anew. Markers carry it. */
  readonly leaderEpoch: number
  readonly coordinatorNodes: readonly number[]
  /** Until this uptime nobody else can be in charge; it is extended again and again. */
  readonly leaseUntil: number
}

/** A request whose turn has not come: something is being written, or must be done before. */
export interface WaitingRequest {
  readonly request: TransactionRequest
  /** Null: the transactor itself. */
  readonly from: Address | null
  /** Uptime after which it is refused. */
  readonly deadline: number
}

/** An answer that is given when what it says is committed. */
export interface OpenAnswer extends Pick<WaitingRequest, 'request' | 'from'> {
  readonly error: ErrorName | null
}

/** What is on its way to the log; null: a tombstone. */
export interface PendingTransaction {
  readonly next: Transaction | null
  readonly answers: readonly OpenAnswer[]
}

/** A marker that is not known to be written. */
export interface MarkerTask extends TransactionPartition {
  /** Of the request under way; -1: there is none. */
  correlationId: number
  /** Uptime after which the request under way counts as lost. */
  timeoutAt: number
  /** Not sent before this uptime. */
  retryAt: number
  failures: number
}

/** One transactional id, and what goes on around it. */
export interface TransactionalId {
  readonly id: string
  /** As committed; null: nobody has used the id. */
  transaction: Transaction | null
  /** Its newest record is not understood: nobody can judge what is asked. */
  isUnreadable: boolean
  /** One write at a time. */
  pending: PendingTransaction | null
  queue: WaitingRequest[]
  readonly markers: Map<string, MarkerTask>
  /** Uptime of the last change, and of the begin of the open transaction. */
  usedSince: number
  openSince: number
}

/** What a transactor knows. */
export interface TransactorState {
  readonly self: Address
  readonly config: TransactorConfig
  log: StateLog
  /** `barrier`: it waits until all that may be on its way to the log is decided; `deposed`: somebody newer is in charge. */
  phase: 'barrier' | 'loading' | 'active' | 'deposed'
  /** What whoever asks hears before it is active. */
  refusal: ErrorName
  /** Of the barrier or the read that is under way. */
  loadId: number
  loadFailures: number
  leaseUntil: number
  readonly ids: Map<string, TransactionalId>
  /** By correlation id of the write: whose. */
  readonly pending: Map<number, string>
  /** Markers that are not known to be written, of all ids; */
  markerCount: number
  /** and those of them that are on their way, by correlation id of the request. */
  readonly markersSent: Map<number, { readonly id: string; readonly name: string; readonly node: number }>
  /** Those that have markers to write. */
  readonly ending: Set<string>
  readonly leaders: LeaderCache
  /** The node that died last: until then the coordinator may still say that it leads. */
  gone: { readonly node: number; readonly until: number }
  /** Topics that shall be looked up again when the message is done with. */
  readonly staleTopics: Set<string>
  /** Nobody has had them. */
  readonly producerIds: number[]
  /** Those that wait for one, */
  readonly wanting: Set<string>
  /** and requests for one: until when they may be answered. */
  readonly producerIdAsks: Map<number, number>
  isRetrying: boolean
  nextCorrelationId: number
}

/** The coordinator of the cluster is asked again after so long. */
const REQUEST_TIMEOUT_MILLIS = 1000

/** Nothing is read yet. */
export function newTransactorState(self: Address, config: TransactorConfig): TransactorState {
  return {
    self,
    config,
    log: newLog(self, config),
    phase: 'barrier',
    refusal: 'COORDINATOR_LOAD_IN_PROGRESS',
    loadId: -1,
    loadFailures: 0,
    leaseUntil: config.leaseUntil,
    ids: new Map(),
    pending: new Map(),
    markerCount: 0,
    markersSent: new Map(),
    ending: new Set(),
    leaders: newLeaderCache(config.coordinatorNodes, REQUEST_TIMEOUT_MILLIS),
    gone: { node: -1, until: -1 },
    staleTopics: new Set(),
    producerIds: [],
    wanting: new Set(),
    producerIdAsks: new Map(),
    isRetrying: false,
    nextCorrelationId: 1,
  }
}

/** The log, not read yet. */
export function newLog(self: Address, config: TransactorConfig): StateLog {
  return openStateLog(self.node, TRANSACTIONS_TOPIC, config)
}

/** When it is committed, so is everything that was written before it. */
export function barrier(): StateRecord[] {
  return [{ key: encodeTransactionKey(''), value: null }]
}

/** Why nobody is answered now; null: it is active, and nobody else can be in charge. */
export function refusalOf({ phase, refusal, leaseUntil }: TransactorState, uptime: number): ErrorName | null {
  if (phase !== 'active') return refusal
  return uptime < leaseUntil ? null : 'NOT_COORDINATOR'
}

/** The id, begun if nobody has used it. */
export function idOf(state: TransactorState, id: string, uptime: number): TransactionalId {
  const known = state.ids.get(id)
  if (known !== undefined) return known
  const entry: TransactionalId = {
    id,
    transaction: null,
    isUnreadable: false,
    pending: null,
    queue: [],
    markers: new Map(),
    usedSince: uptime,
    openSince: uptime,
  }
  state.ids.set(id, entry)
  return entry
}

/** An id that nobody uses is forgotten. */
export function dropIfUnused(state: TransactorState, entry: TransactionalId): void {
  const { id, transaction, isUnreadable, pending, queue } = entry
  if (transaction === null && !isUnreadable && pending === null && queue.length === 0 && state.ids.get(id) === entry) state.ids.delete(id)
}

/** Answers whoever asked; without an error, by what is known of the id. */
export function respond({ request, from, error }: OpenAnswer, transaction: Transaction | null, outbox: Outbox): void {
  if (from === null || !('correlationId' in request)) return
  const { correlationId } = request
  const about = { correlationId, errorCode: error === null ? NONE : codeOf(error), errorMessage: null }
  if (request.kind === 'addPartitionToTransaction')
    return outbox.push({ kind: 'send', to: from, message: { kind: 'addPartitionToTransactionResponse', ...about } })
  const life = error !== null || transaction === null ? { producerId: -1, producerEpoch: -1 } : currentLife(transaction)
  const answer = { ...about, ...life }
  const message: Message =
    request.kind === 'initTransactions'
      ? { kind: 'initTransactionsResponse', ...answer, latestInitId: transaction?.latestInitId ?? -1 }
      : { kind: 'endTransactionResponse', ...answer }
  outbox.push({ kind: 'send', to: from, message })
}

/** Refuses everybody who waits, and forgets all there is: it will be read again, or is somebody else's business. */
export function forgetAll(state: TransactorState, error: ErrorName, outbox: Outbox): void {
  for (const { pending, queue } of state.ids.values())
    for (const waiting of [...(pending?.answers ?? []), ...queue]) respond({ ...waiting, error }, null, outbox)
  state.ids.clear()
  state.pending.clear()
  state.markersSent.clear()
  state.markerCount = 0
  state.ending.clear()
  state.wanting.clear()
}
