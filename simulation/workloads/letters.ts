/**
 * The client that writes what readers process (reader.ts): records with keys, of which some are sent again soon. It never dies; what it sends is acknowledged, or it is not there.
 */
import { actor } from '../../actors/producer.ts'
import type { ProducerConfig } from '../../actors/producer-state.ts'
import { NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Delivered } from '../../protocol/messages/client.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { Random } from '../random.ts'
import { READER_TOPIC } from '../reader-plan.ts'
import type { ReaderPlan } from '../reader-plan.ts'
import { buildKeyedBatch } from '../records.ts'
import { acknowledge, lifeOf, PRODUCER_LIVES_MAX } from '../truth.ts'

/** Its number, times the lives of one. */
const WRITER = 30 * PRODUCER_LIVES_MAX

/** Keys are one byte, and come back when all were there. */
const KEYS = 250

/** Some keys are sent again, soon or later: of the newest so many. */
const NEWEST_KEYS = [12, 80] as const

/** Batches that may wait for their outcome. */
const OUTSTANDING_MAX = 20

interface Submitted {
  readonly partition: number
  readonly values: readonly number[]
  readonly atMicros: number
}

/** The writing client. */
export class LetterWriter {
  readonly #cluster: Cluster
  readonly #plan: ReaderPlan
  readonly #random: Random
  readonly #outstanding: Map<number, Submitted> = new Map()
  #host: Host | null = null
  #token = 0
  #counter = 0
  #keys = 0
  #isStopped = false
  #failedLately = 0

  constructor(cluster: Cluster, plan: ReaderPlan) {
    this.#cluster = cluster
    this.#plan = plan
    this.#random = new Random(cluster.world.seed, 'letters')
  }

  /** Begins to write. */
  start(): void {
    const host = this.#cluster.newClient('letters')
    this.#host = host
    const config: ProducerConfig = {
      client: { node: host.node, actor: 'client' },
      coordinatorNodes: this.#cluster.voters,
      acks: 'quorum',
      requestTimeoutMillis: 300,
      deliveryTimeoutMillis: this.#cluster.plan.deliveryTimeoutMillis,
      retryBackoffMillis: 50,
      isIdempotent: true,
      transactionalId: null,
      transactionTimeoutMillis: 60_000,
    }
    host.attach('client', { receive: (message) => this.#receive(message) })
    host.spawn('producer', actor.url, config)
    this.#loop(host)
  }

  /** Writes no more of its own accord. */
  stop(): void {
    this.#isStopped = true
  }

  /** Everything is answered. */
  get isIdle(): boolean {
    return this.#outstanding.size === 0
  }

  /** Batches that failed since the last round began. */
  get failedLately(): number {
    return this.#failedLately
  }

  /** One batch for each partition; all must succeed. */
  lastRound(): void {
    this.#failedLately = 0
    for (let partition = 0; partition < this.#plan.partitions; partition++) this.#submit(partition)
  }

  #loop(host: Host): void {
    host.after(this.#random.exponential(this.#plan.pauseMillis * 1000), () => {
      if (this.#isStopped) return
      if (this.#outstanding.size < OUTSTANDING_MAX) this.#submit(this.#random.below(this.#plan.partitions))
      this.#loop(host)
    })
  }

  #submit(partition: number): void {
    const host = this.#host
    if (host === null) return
    const { truth, world } = this.#cluster
    const records = Array.from({ length: this.#random.between(1, 3) }, () => ({
      value: (WRITER + 1) * 0x1_0000_0000 + ++this.#counter,
      key: this.#nextKey(),
      isTombstone: false,
    }))
    for (const { value, key, isTombstone } of records) truth.keyed.set(value, { key, isTombstone, atMicros: world.nowMicros })
    const token = ++this.#token
    this.#outstanding.set(token, { partition, values: records.map(({ value }) => value), atMicros: world.nowMicros })
    const batch = buildKeyedBatch(records, this.#random.between(8, 100), host.clock.now())
    host.send(
      { node: host.node, actor: 'client' },
      { node: host.node, actor: 'producer' },
      { kind: 'submit', token, topic: READER_TOPIC, partition, records: batch },
    )
  }

  /** A new one, or one of the newest. */
  #nextKey(): number {
    const among = Math.min(this.#keys, this.#random.pick(NEWEST_KEYS))
    const isNew = this.#random.below(3) > 0 || among === 0
    return (isNew ? this.#keys++ : this.#keys - this.#random.between(1, among)) % KEYS
  }

  #receive(message: Message): void {
    if (message.kind === 'delivered') this.#onDelivered(message)
  }

  #onDelivered(message: Delivered): void {
    const { truth, world, clientWatcher } = this.#cluster
    const submitted = this.#outstanding.get(message.token)
    if (submitted === undefined) return world.fail('ASSERT', `token ${message.token} is delivered twice`)
    this.#outstanding.delete(message.token)
    if (message.errorCode !== NONE) {
      this.#failedLately++
      return
    }
    const name = topicPartitionName(READER_TOPIC, submitted.partition)
    const life = lifeOf(truth, name, clientWatcher.topicIdOf(message))
    if (life === undefined) return world.fail('ASSERT', `${name} acknowledged, but no replica was ever there`)
    acknowledge(truth, life, message.baseOffset, submitted.values, submitted.atMicros)
  }
}
