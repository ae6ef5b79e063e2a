/**
 * A client that produces: builds batches of records that nobody else writes, submits them in bursts, and tells the truth what became of each. After a
 * crash it lives again as a new producer, with new records; what it had not heard of may be in the log or not.
 */
import { actor } from '../../actors/producer.ts'
import type { ProducerConfig } from '../../actors/producer-state.ts'
import { NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Delivered } from '../../protocol/messages/client.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import { Backlog } from '../backlog.ts'
import { isDeleted } from '../checkers/deleted.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { Random } from '../random.ts'
import { TABLE } from '../plan.ts'
import { buildBatch } from '../records.ts'
import { PRODUCER_LIVES_MAX, acknowledge, isLeaderOnly, lifeOf, nameOf } from '../truth.ts'
import { keyedBatch, Turns } from './keyed.ts'
import { limited } from './quotas.ts'
import { configOf } from './topics.ts'

interface Submitted {
  readonly topic: string
  readonly partition: number
  readonly values: readonly number[]
  readonly atMicros: number
  /** Of each value. */
  readonly sizeBytes: number
}

/** Batches that may wait for their outcome. */
const OUTSTANDING_MAX = 40

/** One producing client, through all its lives. */
export class ProducerWorkload {
  readonly #cluster: Cluster
  readonly #random: Random
  /** Of keys, and what is a tombstone. */
  readonly #keys: Random
  readonly #index: number
  readonly #turns: Turns
  readonly #acks: Acks
  /** How many copies it asks for, if it does. */
  readonly #copies: Random | null
  /** What it says waits in line, now and then; null: never. */
  readonly #backlog: Backlog | null
  #host: Host | null = null
  #life = 0
  #counter = 0
  #token = 0
  #isStopped = false
  #submissions = 0
  readonly #outstanding: Map<number, Submitted> = new Map()
  /**
   * What waited where it has split a batch, and its parts, if there was something behind. That may be under way: it comes late, behind all parts, and of more than five batches the leader
   * has forgotten where the first one is.
   */
  readonly #crowded: Set<number> = new Set()
  /** Batches of the last round that failed: after healing nothing may. */
  failedLately = 0

  constructor(cluster: Cluster, index: number) {
    this.#cluster = cluster
    this.#index = index
    this.#random = new Random(cluster.world.seed, `producer/${index}`)
    this.#keys = new Random(cluster.world.seed, `keys/${index}`)
    this.#turns = new Turns(cluster, `producer/${index}`)
    this.#acks = cluster.plan.acks[index] ?? 'quorum'
    this.#copies = cluster.plan.countsCopies && index === 1 ? new Random(cluster.world.seed, 'copies/asked') : null
    this.#backlog = cluster.plan.hardships.includes('backlog') ? new Backlog(`producer/${index}`, cluster.plan) : null
  }

  get outstandingCount(): number {
    return this.#outstanding.size
  }

  /** Begins a life. */
  start(): void {
    const { plan, world } = this.#cluster
    const host = this.#cluster.newClient(`producer ${this.#index}`)
    this.#host = host
    this.#life++
    this.#counter = 0
    this.#crowded.clear()
    const config: ProducerConfig = {
      client: { node: host.node, actor: 'client' },
      coordinatorNodes: this.#cluster.voters,
      acks: this.#acks,
      requestTimeoutMillis: 300,
      deliveryTimeoutMillis: plan.deliveryTimeoutMillis,
      retryBackoffMillis: 50,
      isIdempotent: true,
      transactionalId: null,
      transactionTimeoutMillis: 60_000,
      splitsBatches: plan.hasLimits,
      ...(this.#index === 0 ? limited(this.#cluster, host, 'producerByteRate') : {}),
    }
    host.attach('client', { receive: (message) => this.#receive(message) })
    host.spawn('producer', actor.url, config)
    world.log?.(`producer ${this.#index} lives as writer ${this.#writer()} on ${host.node}`)
    this.#loop(host)
  }

  /** Dies, and lives again. */
  crash(): void {
    if (this.#host === null) return
    this.#cluster.killClient(this.#host)
    this.#host = null
    this.#outstanding.clear()
    this.#cluster.world.after(this.#random.exponential(300_000), () => this.start())
  }

  /** No more submissions of its own accord. */
  stop(): void {
    this.#isStopped = true
    this.failedLately = 0
  }

  /** Submits one batch to every partition; all of them must succeed. */
  lastRound(): void {
    for (const [name, partitions] of this.#cluster.topics) {
      for (let partition = 0; partition < partitions; partition++) this.#submit(name, partition)
    }
  }

  get isAlive(): boolean {
    return this.#host !== null
  }

  #writer(): number {
    return this.#index * PRODUCER_LIVES_MAX + this.#life
  }

  #loop(host: Host): void {
    host.after(this.#random.exponential(this.#cluster.plan.submitMillis * 1000), () => {
      if (this.#isStopped || ++this.#submissions > this.#cluster.plan.submissionsMax) return
      const burst = this.#random.below(4) === 0 ? this.#random.between(2, 8) : 1
      const { name, partitions } = this.#turns.turn(this.#random.pick(this.#cluster.plan.topics))
      const partition = this.#random.below(this.#cluster.topics.get(name) ?? partitions)
      for (let i = 0; i < burst && this.#outstanding.size < OUTSTANDING_MAX; i++) this.#submit(name, partition)
      this.#loop(host)
    })
  }

  #submit(topic: string, partition: number): void {
    const host = this.#host
    if (host === null) return
    const count = this.#random.between(1, 4)
    const values = Array.from({ length: count }, () => this.#writer() * 0x1_0000_0000 + ++this.#counter)
    const sizeBytes = this.#random.between(8, 500)
    const timestamp = host.clock.now()
    const records =
      topic === TABLE
        ? keyedBatch(this.#cluster.truth, this.#keys, values, {
            sizeBytes,
            timestamp,
            transactional: false,
            turnover: this.#cluster.plan.turnover,
          })
        : buildBatch(values, sizeBytes, timestamp)
    const token = ++this.#token
    this.#outstanding.set(token, { topic, partition, values, sizeBytes, atMicros: this.#cluster.world.nowMicros })
    this.#tell(host, { kind: 'submit', token, topic, partition, records, ...this.#copiesOf(topic) })
  }

  #tell(host: Host, message: Message): void {
    const say = (): void => host.send({ node: host.node, actor: 'client' }, { node: host.node, actor: 'producer' }, message)
    const waits = this.#backlog?.wait(message, this.#cluster.world.nowMicros) ?? 0
    if (waits === 0) say()
    else host.after(waits, say)
  }

  /** Any number of copies that the topic can have. */
  #copiesOf(topic: string): { readonly acks?: number } {
    return this.#copies === null ? {} : { acks: this.#copies.between(1, configOf(this.#cluster.plan, topic)?.replicationFactor ?? 1) }
  }

  #receive(message: Message): void {
    if (message.kind === 'delivered') this.#onDelivered(message)
    if (message.kind === 'tooLarge') this.#split(message.token)
  }

  /** Each record goes in a batch of its own. */
  #split(token: number): void {
    const host = this.#host
    const whole = this.#outstanding.get(token)
    if (host === null || whole === undefined) return
    this.#outstanding.delete(token)
    const others = [...this.#outstanding].filter(([, { topic, partition }]) => topic === whole.topic && partition === whole.partition)
    const parts = whole.values.map((value) => {
      const part = ++this.#token
      this.#outstanding.set(part, { ...whole, values: [value] })
      return { token: part, records: buildBatch([value], whole.sizeBytes, host.clock.now()) }
    })
    const together = [...others.map(([one]) => one), ...parts.map((part) => part.token)]
    if (others.some(([one]) => one > token)) for (const one of together) this.#crowded.add(one)
    this.#tell(host, { kind: 'splitBatch', token, parts })
  }

  #onDelivered(message: Delivered): void {
    const { truth, world } = this.#cluster
    const submitted = this.#outstanding.get(message.token)
    if (submitted === undefined) return world.fail('ASSERT', `token ${message.token} is delivered twice`)
    this.#outstanding.delete(message.token)
    if (message.errorCode !== NONE) {
      this.failedLately++
      return
    }
    const name = topicPartitionName(submitted.topic, submitted.partition)
    const partition = lifeOf(truth, name, this.#cluster.clientWatcher.topicIdOf(message))
    if (partition === undefined || configOf(this.#cluster.plan, submitted.topic) === undefined)
      return world.fail('ASSERT', `${name} acknowledged, but no replica was ever there`)
    if (message.baseOffset < 0 && !this.#crowded.has(message.token) && !isDeleted(partition, submitted.values))
      return world.fail('ACK', `${name} acknowledges ${nameOf(submitted.values[0] ?? -1)} without its offset`)
    // What only one of several has may go with it: nobody relies on where it is.
    if (isLeaderOnly(truth, partition, submitted.values[0] ?? 0)) for (const value of submitted.values) partition.leaderOnly.add(value)
    else acknowledge(truth, partition, message.baseOffset, submitted.values, submitted.atMicros)
  }
}
