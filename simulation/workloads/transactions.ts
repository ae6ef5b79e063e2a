/**
 * A client that writes in transactions: over several partitions and topics, of random size, committed or aborted; sometimes it is silent until its transaction has
 * timed out. It dies in the middle, and a successor with its transactional id begins; or it does not die, and goes on as a zombie until it is told.
 */
import type { ErrorName } from '../../protocol/errors.ts'
import type { Cluster } from '../cluster.ts'
import type { PlannedTransactionalProducer, TransactionPlan } from '../transaction-plan.ts'
import { TABLE } from '../plan.ts'
import type { PlannedTopic } from '../plan.ts'
import { Random } from '../random.ts'
import { PRODUCER_LIVES_MAX } from '../truth.ts'
import { keptOffset } from '../checkers/mixed-groups.ts'
import type { MixedGroup } from '../checkers/mixed-groups.ts'
import { LEDGER_TOPIC } from '../transaction-plan.ts'
import { Turns } from './keyed.ts'
import { placesOf } from './places.ts'
import { TransactionalProducer } from './transactional-producer.ts'

/** What the client is to do. */
export interface TransactionSetting {
  readonly plan: TransactionPlan
  readonly planned: PlannedTransactionalProducer
  /** The group that it commits for; null: it does not. */
  readonly ledger: MixedGroup | null
}

/** One process. */
interface Life {
  readonly producer: TransactionalProducer
  /** A transaction is under way. */
  isBusy: boolean
  /** Beginnings in a row that came to nothing. */
  failures: number
}

/** What the client is after: one transaction after the other; no more; a last one, which must be committed; nothing. */
type Goal = 'work' | 'rest' | 'last' | 'done'

/** Writers of transactions are numbered from here, times the lives of one. */
const FIRST_WRITER = 10

/** Batches of one transaction, at most. */
const BATCHES_MAX = 6

/** After one in so many batches offsets are committed. */
const OFFSETS_SHARE = 3

/** Between two batches on average, in microseconds. */
const GAP_MICROS = 20_000

/** Somebody who is silent for too long is so for so many time-outs. */
const SILENT_FACTOR = 1.5

/** A zombie is stopped after so long on average, in microseconds. */
const ZOMBIE_MICROS = 5_000_000

/** Where producers are hasty, what they say for so long at first comes again, in microseconds. */
const HASTY_MICROS = 300_000

/** A process that is gone comes back after so long on average, in microseconds. */
const RESTART_MICROS = 300_000

/** A process that can do nothing any more is noticed after so long on average, in microseconds. */
const LINGER_MICROS = 400_000

/** A process whose transactions do not begin so often is started anew. */
const FAILURES_MAX = 3

/** One transactional client, through all its lives. */
export class TransactionWorkload {
  readonly #cluster: Cluster
  readonly #index: number
  readonly #plan: TransactionPlan
  readonly #planned: PlannedTransactionalProducer
  /** The group that it commits for; null: it does not. */
  readonly #ledger: MixedGroup | null
  readonly #random: Random
  /** Whether, and what, it commits for a group. */
  readonly #offsets: Random
  /** Where there are guests: what it tries in a transaction that has failed. */
  readonly #trials: Random
  readonly #turns: Turns
  /** Where it writes. */
  readonly #topics: readonly PlannedTopic[]
  readonly #zombies: Set<Life> = new Set()
  #life: Life | null = null
  #lives = 0
  #goal: Goal = 'work'

  constructor(cluster: Cluster, index: number, { plan, planned, ledger }: TransactionSetting) {
    this.#cluster = cluster
    this.#index = index
    this.#plan = plan
    this.#planned = planned
    this.#ledger = ledger
    this.#random = new Random(cluster.world.seed, `transactions/${index}`)
    this.#offsets = new Random(cluster.world.seed, `transactions/${index}/offsets`)
    this.#trials = new Random(cluster.world.seed, `guests/transactions/${index}`)
    this.#turns = new Turns(cluster, `transactions/${index}`)
    this.#topics = cluster.plan.topics.filter(({ name }) => plan.hasKeys || name !== TABLE)
  }

  /** Begins a life, and dies from time to time. */
  start(): void {
    this.#live()
    this.#misfortune()
  }

  /** Dies, or becomes a zombie; its successor has the same transactional id. */
  crash(): void {
    const life = this.#life
    if (life === null || this.#goal === 'done') return
    this.#life = null
    if (this.#plan.hasZombies && this.#cluster.faults.active && this.#random.below(2) === 0) {
      this.#zombies.add(life)
      life.producer.host.after(this.#random.exponential(ZOMBIE_MICROS), () => this.#kill(life))
    } else this.#kill(life)
    this.#cluster.world.after(this.#random.exponential(RESTART_MICROS), () => this.#live())
  }

  /** Begins no more transactions of its own accord. Zombies are stopped; one whose id somebody else has ends for good. */
  stop(hasId: boolean): void {
    this.#goal = hasId ? 'rest' : 'done'
    for (const zombie of this.#zombies) this.#kill(zombie)
    if (hasId || this.#life === null) return
    this.#kill(this.#life)
    this.#life = null
  }

  /** Nothing is under way. */
  get isIdle(): boolean {
    return this.#goal === 'done' || (this.#life !== null && !this.#life.isBusy)
  }

  /** One transaction over all partitions; it must be committed in the end. */
  lastRound(): void {
    if (this.#goal === 'done') return
    this.#goal = 'last'
    if (this.#life !== null) this.#begin(this.#life)
  }

  /** The last transaction is committed. */
  get isDone(): boolean {
    return this.#goal === 'done'
  }

  #kill(life: Life): void {
    this.#zombies.delete(life)
    if (life.producer.host.isUp) this.#cluster.killClient(life.producer.host)
  }

  #misfortune(): void {
    this.#cluster.world.after(this.#random.exponential(this.#plan.crashMillis * 1000), () => {
      if (!this.#cluster.faults.active) return
      this.crash()
      this.#misfortune()
    })
  }

  #live(): void {
    if (this.#goal === 'done') return
    const host = this.#cluster.newClient(this.#planned.transactionalId)
    if (this.#plan.isHasty && this.#cluster.faults.active) this.#cluster.network.echo(host.node, HASTY_MICROS)
    const writer = (FIRST_WRITER + this.#index) * PRODUCER_LIVES_MAX + ++this.#lives
    const producer = new TransactionalProducer(this.#cluster, host, { ...this.#planned, writer })
    host.attach('client', { receive: (message) => void producer.receive(message) })
    const life = { producer, isBusy: false, failures: 0 }
    this.#life = life
    this.#next(life)
  }

  #next(life: Life): void {
    life.isBusy = false
    const pause = this.#goal === 'last' ? GAP_MICROS : this.#random.exponential(this.#plan.pauseMillis * 1000)
    life.producer.host.after(pause, () => this.#begin(life))
  }

  #begin(life: Life): void {
    if (life.isBusy || this.#goal === 'rest' || this.#goal === 'done') return
    life.isBusy = true
    life.producer.begin((error) => {
      if (error !== null) return this.#onBeginFailed(life, error)
      life.failures = 0
      if (this.#goal === 'last') this.#writeEverywhere(life)
      else this.#write(life, this.#random.between(1, BATCHES_MAX))
    })
  }

  #onBeginFailed(life: Life, error: ErrorName): void {
    life.isBusy = false
    if (error !== 'REQUEST_TIMED_OUT' || ++life.failures >= FAILURES_MAX) this.#replace(life)
    else this.#next(life)
  }

  #write(life: Life, left: number): void {
    const { producer } = life
    if (left === 0) return this.#end(life)
    const { name: topic, partitions } = this.#turns.turn(this.#random.pick(this.#topics))
    const partition = this.#random.below(this.#cluster.topics.get(topic) ?? partitions)
    producer.submit({ topic, partition, count: this.#random.between(1, 3), sizeBytes: this.#random.between(8, 300), input: null })
    const next = (): void => producer.host.after(this.#random.exponential(GAP_MICROS), () => this.#write(life, left - 1))
    if (this.#ledger === null || this.#offsets.below(OFFSETS_SHARE) > 0) next()
    else this.#sendOffsets(life, this.#ledger, next)
  }

  #sendOffsets({ producer }: Life, ledger: MixedGroup, then: () => void): void {
    const places = placesOf(this.#cluster, [LEDGER_TOPIC])
    if (places.length === 0) return then()
    const place = this.#offsets.pick(places)
    const offset = this.#offsets.between(Math.max(0, keptOffset(ledger, place.life)), place.life.exposedEnd)
    const { topic, partition, life } = place
    producer.sendOffsets(ledger.name, null, [{ topic, partition, offset, metadata: '', topicId: life.topicId }], (error) => {
      if (error !== null) producer.isBroken = true
      then()
    })
  }

  #writeEverywhere(life: Life): void {
    for (const { name: topic } of this.#topics) {
      const partitions = this.#cluster.topics.get(topic) ?? 0
      for (let partition = 0; partition < partitions; partition++)
        life.producer.submit({ topic, partition, count: 1, sizeBytes: 8, input: null })
    }
    this.#whenDelivered(life, () => this.#finish(life, true))
  }

  #end(life: Life): void {
    const draw = this.#random.below(10)
    if (draw === 0) return this.#finish(life, false)
    const isCommit = draw > 2
    const isSilent = draw === 9 && this.#cluster.faults.active
    const wait = isSilent ? this.#planned.transactionTimeoutMillis * SILENT_FACTOR * 1000 : 1
    life.producer.host.after(wait, () => this.#whenDelivered(life, () => this.#finish(life, isCommit)))
  }

  #whenDelivered({ producer }: Life, then: () => void): void {
    if (producer.outstandingCount === 0) return then()
    producer.onSettled = () => {
      producer.onSettled = () => undefined
      then()
    }
  }

  #finish(life: Life, isCommit: boolean): void {
    const { producer } = life
    const committed = isCommit && !producer.isBroken
    producer.finish(committed, (error) => {
      if (error === null) return this.#onEnded(life, committed)
      if (committed && this.#cluster.plan.guests !== null) this.#goOn(life, () => this.#finish(life, false))
      else if (committed) this.#finish(life, false)
      else this.#giveUp(life)
    })
  }

  /** An application may not look at what became of its commit: it writes on, and nothing of that may count. */
  #goOn({ producer }: Life, then: () => void): void {
    const { name: topic } = this.#trials.pick(this.#topics)
    for (let left = this.#trials.below(3); left > 0; left--) producer.submit({ topic, partition: 0, count: 1, sizeBytes: 8, input: null })
    const place = placesOf(this.#cluster, [LEDGER_TOPIC])[0]
    if (this.#ledger === null || place === undefined) return producer.host.after(this.#trials.exponential(GAP_MICROS), then)
    const offsets = [{ topic: place.topic, partition: place.partition, offset: 0, metadata: '', topicId: place.life.topicId }]
    producer.sendOffsets(this.#ledger.name, null, offsets, (error) => {
      if (error === null)
        this.#cluster.world.fail('FENCE', `offsets are taken for a transaction of ${this.#planned.transactionalId} that has failed`)
      then()
    })
  }

  /** It cannot even be aborted. Some applications only believe that when no other one begins. */
  #giveUp(life: Life): void {
    if (this.#cluster.plan.guests === null) return this.#replace(life)
    life.producer.begin((error) => {
      if (error === null)
        this.#cluster.world.fail(
          'FENCE',
          `a producer of ${this.#planned.transactionalId} begins again, although it does not know how it has ended`,
        )
      // Answers may still come.
      life.producer.host.after(this.#trials.exponential(LINGER_MICROS), () => this.#replace(life))
    })
  }

  #onEnded(life: Life, committed: boolean): void {
    if (committed && this.#goal === 'last' && life === this.#life) this.#goal = 'done'
    this.#next(life)
  }

  /** There can be no transaction any more in this process. */
  #replace(life: Life): void {
    this.#kill(life)
    if (life !== this.#life) return
    this.#life = null
    this.#cluster.world.after(this.#random.exponential(RESTART_MICROS), () => this.#live())
  }
}
