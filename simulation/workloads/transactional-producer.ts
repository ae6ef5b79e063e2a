/**
 * One life of a transactional producer as its process uses it: begins, submits, sends offsets and ends, one transaction after the other, and tells the truth what
 * it sent and what it was told. It decides nothing: that is what transactions.ts and pipeline.ts do.
 */
import { actor } from '../../actors/producer.ts'
import type { ProducerConfig, ProducerState } from '../../actors/producer-state.ts'
import { errorOf, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Delivered } from '../../protocol/messages/client.ts'
import type { GroupMember, TopicOffset } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { isDeleted } from '../checkers/deleted.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import type { TransactionStage } from '../onlooker.ts'
import { TABLE } from '../plan.ts'
import { Random } from '../random.ts'
import { buildBatch } from '../records.ts'
import { newPresence } from '../transactions-truth.ts'
import type { PlacedRecord, TransactionalPresence, TransactionTruth } from '../transactions-truth.ts'
import { acknowledge, lifeOf, nameOf } from '../truth.ts'
import { keyedBatch } from './keyed.ts'
import { limited } from './quotas.ts'

/** Hears how a request ended; null: well. */
export type Answer = (error: ErrorName | null) => void

/** Who it is. */
export interface ProducerIdentity {
  readonly transactionalId: string
  readonly transactionTimeoutMillis: number
  /** A number that no other life of a producer has. */
  readonly writer: number
}

/** What is to be written. */
export interface Output {
  readonly topic: string
  readonly partition: number
  readonly count: number
  readonly sizeBytes: number
  /** What the first record is made from; null: nothing. */
  readonly input: PlacedRecord | null
}

interface Submitted {
  readonly topic: string
  readonly partition: number
  readonly values: readonly number[]
  readonly atMicros: number
  readonly transaction: TransactionTruth
}

/** Errors that say nothing about how a transaction ended. */
const UNKNOWN: ReadonlySet<string> = new Set([
  'REQUEST_TIMED_OUT',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
])

/** Errors that say that somebody else has the transactional id. */
const FENCED: ReadonlySet<string> = new Set(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING'])

/** The process's side of one producer actor. */
export class TransactionalProducer {
  readonly host: Host
  readonly #cluster: Cluster
  readonly #identity: ProducerIdentity
  /** Of keys, and what is a tombstone. */
  readonly #keys: Random
  readonly #presence: TransactionalPresence
  readonly #waiting: Map<number, Answer> = new Map()
  readonly #outstanding: Map<number, Submitted> = new Map()
  #correlationId = 0
  #token = 0
  #counter = 0
  #ordinal = 0
  #transaction: TransactionTruth | null = null
  /** Something of the open transaction has failed: it can only be aborted. */
  isBroken = false
  /** Is told when everything that was submitted is answered. */
  onSettled: () => void = () => undefined

  constructor(cluster: Cluster, host: Host, identity: ProducerIdentity) {
    this.#cluster = cluster
    this.host = host
    this.#identity = identity
    this.#keys = new Random(cluster.world.seed, `keys/${identity.writer}`)
    const { transactionalId, transactionTimeoutMillis } = identity
    const config: ProducerConfig = {
      client: { node: host.node, actor: 'client' },
      coordinatorNodes: cluster.voters,
      acks: 'quorum',
      requestTimeoutMillis: 300,
      deliveryTimeoutMillis: cluster.plan.deliveryTimeoutMillis,
      retryBackoffMillis: 50,
      isIdempotent: true,
      transactionalId,
      transactionTimeoutMillis,
      ...(cluster.plan.guests === null ? {} : limited(cluster, host, 'producerByteRate')),
    }
    this.#presence = newPresence(cluster.truth.transactions, transactionalId, () => host.isUp)
    host.spawn('producer', actor.url, config)
    cluster.world.log?.(`producer of ${transactionalId} lives as writer ${identity.writer} on ${host.node}`)
  }

  get outstandingCount(): number {
    return this.#outstanding.size
  }

  /** Takes what the actor says; false: it is not for the producer. */
  receive(message: Message): boolean {
    if (message.kind === 'delivered') this.#onDelivered(message)
    else if (message.kind === 'transactionResult') this.#onResult(message.correlationId, message.errorCode)
    else return false
    return true
  }

  begin(done: Answer): void {
    this.#ask(
      (correlationId) => ({ kind: 'beginTransaction', correlationId }),
      (error) => {
        if (error === null) this.#open()
        done(error)
      },
    )
  }

  /** Submits one batch in the open transaction. */
  submit({ topic, partition, count, sizeBytes, input }: Output): void {
    const transaction = this.#transaction
    if (transaction === null) return
    const { world, truth } = this.#cluster
    const values = Array.from({ length: count }, () => this.#identity.writer * 0x1_0000_0000 + ++this.#counter)
    for (const value of values) truth.transactions.byValue.set(value, transaction)
    if (input !== null) truth.transactions.inputs.set(values[0] ?? 0, input)
    const timestamp = this.host.clock.now()
    const records =
      topic === TABLE
        ? keyedBatch(truth, this.#keys, values, {
            sizeBytes,
            timestamp,
            transactional: true,
            turnover: this.#cluster.plan.turnover,
          })
        : buildBatch(values, sizeBytes, timestamp, true)
    const token = ++this.#token
    this.#outstanding.set(token, { topic, partition, values, atMicros: world.nowMicros, transaction })
    this.#tell({ kind: 'submit', token, topic, partition, records })
  }

  sendOffsets(group: string, member: GroupMember | null, offsets: readonly TopicOffset[], done: Answer): void {
    this.#ask((correlationId) => ({ kind: 'sendOffsets', correlationId, group, member, offsets }), done)
  }

  /** Commits, when everything is delivered, or aborts. */
  finish(committed: boolean, done: Answer): void {
    const transaction = this.#transaction
    if (transaction === null) return
    if (committed) transaction.commitAskedAt = this.#cluster.world.nowMicros
    this.#show(transaction, committed ? 'committing' : 'aborting')
    this.#ask(
      (correlationId) => ({ kind: 'finishTransaction', correlationId, committed }),
      (error) => {
        this.#note(transaction, committed, error)
        done(error)
      },
    )
  }

  #note(transaction: TransactionTruth, committed: boolean, error: ErrorName | null): void {
    const { counts } = this.#cluster.truth.transactions
    if (error !== null && FENCED.has(error)) counts.fenced++
    if (error === 'INVALID_TXN_STATE' && committed) counts.timedOut++
    if (error === null) {
      transaction.outcome = committed ? 'committed' : 'aborted'
      counts[transaction.outcome]++
      this.#transaction = null
    } else if (!committed) this.#transaction = null
    else if (UNKNOWN.has(error)) {
      transaction.outcome = 'unknown'
      counts.unknown++
    } else transaction.outcome = 'aborted'
    this.#show(transaction, transaction.outcome === 'open' ? 'failed' : transaction.outcome)
    this.#cluster.world.log?.(`${transaction.name} ${committed ? 'commit' : 'abort'}: ${error ?? 'done'}`)
  }

  #open(): void {
    const { world, truth } = this.#cluster
    const { transactionalId, writer } = this.#identity
    const { producerId, transaction } = this.host.stateOf('producer') as ProducerState
    const producerEpoch = transaction?.producerEpoch ?? -1
    const ordinal = ++this.#ordinal
    this.#presence.hasBegun = true
    if (ordinal === 1) {
      const life = { transactionalId, writer, producerId, producerEpoch, begunAtMicros: world.nowMicros }
      truth.transactions.lives.push(life)
    }
    const name = `transaction ${ordinal} of ${transactionalId} (w${writer}, ${producerId}/${producerEpoch})`
    const begun: TransactionTruth = {
      name,
      transactionalId,
      writer,
      producerId,
      producerEpoch,
      outcome: 'open',
      commitAskedAt: -1,
      records: [],
    }
    truth.transactions.all.push(begun)
    this.#transaction = begun
    this.isBroken = false
    world.log?.(`${name} begins`)
    this.#show(begun, 'open')
  }

  #show({ transactionalId, name }: TransactionTruth, stage: TransactionStage): void {
    this.#cluster.world.onlooker?.transacted({ transactionalId, name, host: this.host.node }, stage)
  }

  #ask(request: (correlationId: number) => Message, done: Answer): void {
    const correlationId = ++this.#correlationId
    this.#waiting.set(correlationId, done)
    this.#tell(request(correlationId))
  }

  #tell(message: Message): void {
    this.host.send({ node: this.host.node, actor: 'client' }, { node: this.host.node, actor: 'producer' }, message)
  }

  #onResult(correlationId: number, errorCode: number): void {
    const done = this.#waiting.get(correlationId)
    if (done === undefined) return this.#cluster.world.fail('ASSERT', `request ${correlationId} of a transaction is answered twice`)
    this.#waiting.delete(correlationId)
    const error = errorCode === NONE ? null : errorOf(errorCode).name
    const { transactionalId, mayBeFenced } = this.#presence
    if (error === 'PRODUCER_FENCED' && !mayBeFenced)
      return this.#cluster.world.fail('FENCE', `a producer of ${transactionalId} is fenced, and nobody has come after it`)
    done(error)
  }

  #onDelivered(message: Delivered): void {
    const { truth, world, clientWatcher } = this.#cluster
    const submitted = this.#outstanding.get(message.token)
    if (submitted === undefined) return world.fail('ASSERT', `token ${message.token} is delivered twice`)
    this.#outstanding.delete(message.token)
    const { topic, partition, values, transaction, atMicros } = submitted
    if (message.errorCode === NONE) {
      const name = topicPartitionName(topic, partition)
      const life = lifeOf(truth, name, clientWatcher.topicIdOf(message))
      if (life === undefined) return world.fail('ASSERT', `${name} acknowledged, but no replica was ever there`)
      const isPlaced = message.baseOffset >= 0
      if (!isPlaced && !isDeleted(life, values))
        return world.fail('ACK', `${name} acknowledges ${nameOf(values[0] ?? -1)} without its offset`)
      acknowledge(truth, life, message.baseOffset, values, atMicros)
      if (isPlaced) values.forEach((value, i) => transaction.records.push({ partition: life, offset: message.baseOffset + i, value }))
    } else if (transaction === this.#transaction) this.isBroken = true
    if (this.#outstanding.size === 0) this.onSettled()
  }
}
