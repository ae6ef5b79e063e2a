/**
 * The transactions of a public producer: one at a time, each an object that is over when it is committed or aborted. What its records and offsets go through is
 * decided in actors/producer-transaction.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaError } from '../../protocol/errors.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import { foreignCommitError, isOutOfStep } from '../../protocol/messages/group.ts'
import type { GroupProtocolName, TopicOffset } from '../../protocol/messages/group.ts'
import type { Consumer, ConsumerBatch, OffsetToCommit, ProducerRecord, RecordMetadata, Transaction } from './api.ts'
import type { MemberOffsets } from './commit-requests.ts'
import { closedError } from './engine.ts'
import type { ActorLink, Engine } from './engine.ts'
import { describe } from './options.ts'
import { errorFrom } from './requests.ts'

/** A member whose epoch has just changed is asked again so often, after this pause. */
const STALE_RETRIES_MAX = 100
const STALE_MILLIS = 10

/** How a transaction reaches its producer. */
export interface TransactionOwner<K, V> {
  /** Of its cluster. */
  readonly engine: Engine
  send(record: ProducerRecord<K, V>): Promise<RecordMetadata>
  write(record: ProducerRecord<K, V>): boolean
  drained(): Promise<void>
  /** Throws the first failure of a record for which nobody waits. */
  flush(): Promise<void>
  /** Hands everything that it has to its actor, or fails it: it is not to be sent any more. */
  giveUp(error: KafkaError): void
  /** What has failed so far was given up. */
  forgetFailure(): void
}

/** A consumer that can say what it would commit. */
interface OffsetsSource {
  isOf(engine: Engine): boolean
  memberOffsets(what?: ConsumerBatch<unknown, unknown> | readonly OffsetToCommit[]): Promise<MemberOffsets>
  markCommitted(offsets: readonly TopicOffset[]): void
}

/** The conversation with the producer's actor, and the transaction that is open. */
export class Transactions<K, V> {
  readonly #owner: TransactionOwner<K, V>
  readonly #link: () => ActorLink
  readonly #waiting: Map<number, (error: KafkaError | null) => void> = new Map()
  #nextCorrelationId = 1
  #open: ClientTransaction<K, V> | null = null
  #isBusy = false
  /** The producer is being closed, and what is open is aborted with it. */
  #isClosing = false
  /** Nobody answers any more. */
  #ended: KafkaError | null = null

  constructor(owner: TransactionOwner<K, V>, link: () => ActorLink) {
    this.#owner = owner
    this.#link = link
  }

  /** Throws INVALID_TXN_STATE while one is open. */
  async begin(): Promise<ClientTransaction<K, V>> {
    if (this.#isBusy) throw new KafkaError('INVALID_TXN_STATE', 'a transaction of this producer is open; one producer has one at a time')
    this.#isBusy = true
    try {
      await this.ask((correlationId) => ({ kind: 'beginTransaction', correlationId }))
    } catch (error) {
      this.#isBusy = false
      throw error
    }
    this.#open = new ClientTransaction(this, this.#owner)
    return this.#open
  }

  /** One transaction around some work: committed when it is done, aborted when it throws. Throws INVALID_REQUEST for what is no work. */
  async run<T>(work: (transaction: Transaction<K, V>) => T | Promise<T>): Promise<T> {
    if (typeof work !== 'function') throw new KafkaError('INVALID_REQUEST', `transaction takes a function, not ${describe(work)}`)
    const transaction = await this.begin()
    try {
      const result = await work(transaction)
      await transaction.finish()
      return result
    } catch (error) {
      await transaction.abort().catch(() => undefined)
      throw transaction.reasonOf(error)
    }
  }

  /** The producer is being closed. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#open?.abortFor(closedError('producer')).catch(() => undefined)
  }

  /** The producer is closed. */
  end(error: KafkaError): void {
    this.#ended = error
    this.#giveUp(error)
  }

  #giveUp(error: KafkaError): void {
    for (const answer of this.#waiting.values()) answer(error)
  }

  /** The actor has crashed: what is open is not known to the one that is there now, which begins with its end. */
  onCrash(error: KafkaError): void {
    this.#open?.lose(error)
    this.#giveUp(error)
  }

  /** The transaction is over. */
  onOver(): void {
    this.#open = null
    this.#isBusy = false
  }

  /** What is said to who uses a transaction that is over. */
  overError(): KafkaError {
    return this.#isClosing ? closedError('producer') : overError()
  }

  /** Asks the actor; throws what it answers. */
  async ask(request: (correlationId: number) => MessageOf<'beginTransaction' | 'sendOffsets' | 'finishTransaction'>): Promise<void> {
    if (this.#ended !== null) throw this.#ended
    const correlationId = this.#nextCorrelationId++
    const error = await new Promise<KafkaError | null>((resolve) => {
      this.#waiting.set(correlationId, resolve)
      this.#link().send(request(correlationId))
    })
    this.#waiting.delete(correlationId)
    if (error !== null) throw error
  }

  onResult({ correlationId, errorCode, errorMessage }: MessageOf<'transactionResult'>): void {
    this.#waiting.get(correlationId)?.(errorFrom(errorCode, errorMessage))
  }
}

/** One transaction. */
export class ClientTransaction<K, V> implements Transaction<K, V> {
  readonly #transactions: Transactions<K, V>
  readonly #owner: TransactionOwner<K, V>
  #state: 'open' | 'ending' | 'over' = 'open'
  #isAborted = false
  /** Its actor has crashed. */
  #isLost = false
  #endUnderWay: Promise<void> | null = null
  #failure: KafkaError | null = null
  /** One of its requests was refused for its epoch. */
  #isOutdated = false
  /** Why it could not even be aborted. */
  #fatal: unknown = null
  /** Why it is over, and not committed, although nobody has aborted it who uses it; null where it is not so. */
  #overBy: KafkaError | null = null
  /** How the groups speak whose offsets it commits. */
  #protocol: GroupProtocolName = 'consumer'
  readonly #committed: { readonly source: OffsetsSource; readonly offsets: readonly TopicOffset[] }[] = []
  readonly #offsetsUnderWay: Set<Promise<void>> = new Set()

  constructor(transactions: Transactions<K, V>, owner: TransactionOwner<K, V>) {
    this.#transactions = transactions
    this.#owner = owner
  }

  send(record: ProducerRecord<K, V>): Promise<RecordMetadata>
  send(records: readonly ProducerRecord<K, V>[]): Promise<RecordMetadata[]>
  send(input: ProducerRecord<K, V> | readonly ProducerRecord<K, V>[]): Promise<RecordMetadata> | Promise<RecordMetadata[]> {
    // Unlike `map`, it does not leave out what is missing.
    if (Array.isArray(input)) return Promise.all(Array.from(input as readonly ProducerRecord<K, V>[], (record) => this.#sendOne(record)))
    return this.#sendOne(input as ProducerRecord<K, V>)
  }

  #sendOne(record: ProducerRecord<K, V>): Promise<RecordMetadata> {
    const sent = this.#refuse() ?? this.#owner.send(record)
    // Whether somebody looks at it or not: a transaction without one of its records must not be committed.
    sent.catch((error: unknown) => this.#fail(error))
    return sent
  }

  #refuse(): Promise<never> | null {
    return this.#state === 'open' ? null : Promise.reject(this.#transactions.overError())
  }

  write(record: ProducerRecord<K, V>): boolean {
    this.#assertOpen()
    try {
      return this.#owner.write(record)
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  drained(): Promise<void> {
    return this.#refuse() ?? this.#owner.drained()
  }

  sendOffsets(consumer: Consumer<unknown, unknown>, what?: ConsumerBatch<unknown, unknown> | readonly OffsetToCommit[]): Promise<void> {
    const sent = this.#refuse() ?? this.#sendOffsets(consumer, what)
    this.#offsetsUnderWay.add(sent)
    sent.catch((error: unknown) => this.#fail(error)).finally(() => this.#offsetsUnderWay.delete(sent))
    return sent
  }

  async #sendOffsets(consumer: unknown, what?: ConsumerBatch<unknown, unknown> | readonly OffsetToCommit[]): Promise<void> {
    if (!isSource(consumer)) throw new KafkaError('INVALID_REQUEST', 'sendOffsets takes a consumer of this cluster')
    if (!consumer.isOf(this.#owner.engine))
      throw new KafkaError('INVALID_REQUEST', 'sendOffsets takes a consumer of this cluster, not of another one')
    for (let retries = 0; ; retries++) {
      const { group, protocol, member, offsets } = await consumer.memberOffsets(what)
      this.#protocol = protocol
      // The producer may be in its next transaction by now.
      if (this.#isAborted) throw this.#transactions.overError()
      try {
        await this.#transactions.ask((correlationId) => ({ kind: 'sendOffsets', correlationId, group, member, offsets }))
        this.#committed.push({ source: consumer, offsets })
        return
      } catch (error) {
        // The group has given its member another epoch meanwhile, and perhaps the same partitions.
        if (!(error instanceof KafkaError) || !isOutOfStep(error.name) || retries >= STALE_RETRIES_MAX) throw asForeign(error, protocol)
        await sleep(STALE_MILLIS)
      }
    }
  }

  /** It cannot be ended any more. */
  lose(error: KafkaError): void {
    this.#failure = error
    this.#isLost = true
    this.#overBy = error
    this.#end()
  }

  /** The work is done: it is committed, unless the work has ended it, or has begun to. Throws why it is not committed if that was somebody else. */
  async finish(): Promise<void> {
    while (this.#endUnderWay !== null) await this.#endUnderWay
    if (this.#state !== 'over') return this.commit()
    if (this.#overBy !== null) throw this.#overBy
  }

  async commit(): Promise<void> {
    if (this.#isLost && this.#failure !== null) throw this.#failure
    this.#assertOpen()
    await this.#endBy(this.#commit())
  }

  async #commit(): Promise<void> {
    this.#state = 'ending'
    try {
      await Promise.allSettled(this.#offsetsUnderWay)
      // What has failed already does not wait for what is on its way.
      this.#throwFailure()
      await this.#owner.flush()
      this.#throwFailure()
      await this.#finish(true)
      // Whatever has happened meanwhile, it is committed.
      this.#overBy = null
      for (const { source, offsets } of this.#committed) source.markCommitted(offsets)
    } catch (error) {
      this.#fail(error)
      if (isEpochOld(error)) {
        await this.#abort().catch(() => undefined)
        const reason = this.reasonOf(error)
        this.#overBy = reason instanceof KafkaError ? reason : this.#failure
        throw reason
      }
      // It may still be aborted; nothing else can be done with it.
      if (this.#state === 'ending') this.#state = 'open'
      throw asForeign(error, this.#protocol)
    }
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure
  }

  async abort(): Promise<void> {
    await this.abortFor(null)
    this.#overBy = null
  }

  /** Whoever uses it does not know that it is aborted, and shall hear why; null: it is he. */
  async abortFor(reason: KafkaError | null): Promise<void> {
    // One end at a time: who aborts what is being committed hears when that is decided.
    while (this.#endUnderWay !== null) await this.#endUnderWay.catch(() => undefined)
    if (this.#state === 'over') return
    this.#overBy = reason
    await this.#endBy(this.#abort())
  }

  async #endBy(end: Promise<void>): Promise<void> {
    this.#endUnderWay = end
    try {
      await end
    } finally {
      this.#endUnderWay = null
    }
  }

  async #abort(): Promise<void> {
    this.#state = 'ending'
    this.#isAborted = true
    this.#owner.giveUp(new KafkaError('TRANSACTION_ABORTABLE', 'the transaction was aborted before the record was acknowledged'))
    try {
      await this.#finish(false)
    } catch (fatal) {
      this.#fatal = fatal
      throw fatal
    } finally {
      this.#owner.forgetFailure()
      this.#end()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort()
  }

  /** It was aborted because of an error. What went wrong first is what the caller must hear, unless the end of the transaction shows why it did. */
  reasonOf(error: unknown): unknown {
    if (!this.#isOutdated || !isEpochOld(error)) return error
    if (this.#fatal !== null) return this.#fatal
    const reason = 'the transaction took longer than transactionTimeoutMillis, and was aborted: make it smaller, or raise that'
    return new KafkaError('INVALID_TXN_STATE', reason, { cause: error })
  }

  async #finish(committed: boolean): Promise<void> {
    await this.#transactions.ask((correlationId) => ({ kind: 'finishTransaction', correlationId, committed }))
    if (committed) this.#end()
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#transactions.onOver()
  }

  #fail(error: unknown): void {
    this.#isOutdated ||= isEpochOld(error)
    this.#failure ??= error instanceof KafkaError ? error : new KafkaError('UNKNOWN_SERVER_ERROR', String(error), { cause: error })
  }

  #assertOpen(): void {
    if (this.#isLost && this.#failure !== null) throw this.#failure
    if (this.#state !== 'open') throw this.#transactions.overError()
  }
}

/** The epoch has moved on: the transaction has timed out, or somebody else has the transactional id. Its end tells the actor, too. */
function isEpochOld(error: unknown): boolean {
  return error instanceof KafkaError && (error.name === 'INVALID_PRODUCER_EPOCH' || error.name === 'PRODUCER_FENCED')
}

/** The group calls it otherwise when a member commits for what others hold: it has the name that it has for all commits. */
function asForeign(error: unknown, protocol: GroupProtocolName): unknown {
  if (!(error instanceof KafkaError) || error.name !== 'FENCED_MEMBER_EPOCH') return error
  return new KafkaError(foreignCommitError(protocol), error.message, { cause: error })
}

function overError(): KafkaError {
  return new KafkaError('INVALID_TXN_STATE', 'this transaction is over, or about to end: begin another one')
}

function isSource(consumer: unknown): consumer is OffsetsSource {
  return typeof consumer === 'object' && consumer !== null && 'memberOffsets' in consumer
}

/** A producer with a transactional id sends in transactions only. */
export function outsideError(method: 'send' | 'write'): KafkaError {
  return new KafkaError(
    'INVALID_TXN_STATE',
    `${method} outside of a transaction: a producer with a transactionalId sends with transaction(work)`,
  )
}
