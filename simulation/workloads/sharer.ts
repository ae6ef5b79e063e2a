/**
 * A member of a share group: it asks for records, works on them for a while, and accepts most, releases some, rejects a few. It may be slow beyond its lock, and it dies
 * while it holds some. A question that is not answered is repeated as it was (checkers/share.ts knows what answers mean). What it is given waits in it for a while before its
 * application has it, as in the public one; only what it is sure to have then (actors/share-trust.ts) is handed over. When it is not sure it asks before it goes on, and what is
 * somebody else's by then is dropped.
 */
import { coordinatorOf, learnFrom, newCoordinatorFinder, nextCoordinator } from '../../actors/coordinator-finder.ts'
import type { CoordinatorFinder } from '../../actors/coordinator-finder.ts'
import { newShareTrust, trustAnswer, trustIn } from '../../actors/share-trust.ts'
import type { ShareHold, ShareTrust } from '../../actors/share-trust.ts'
import { sharesActor } from '../../protocol/address.ts'
import type { Address } from '../../protocol/address.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import type { AcknowledgeType, AcquiredRange, ShareAcknowledgement, ShareFetchRequest } from '../../protocol/messages/share.ts'
import { checkHandedOver } from '../checkers/share.ts'
import type { ShareTruth } from '../checkers/share.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { sharedTopics } from '../plan.ts'
import { Random } from '../random.ts'
import { ShareGate } from './share-gate.ts'

/** How long a member has for a record. */
const LOCK_MILLIS = 1500

/** After so many attempts a record is archived. */
export const DELIVERY_COUNT_LIMIT = 5

/** How long the coordinator keeps a question that finds nothing. */
const WAIT_MILLIS = 300

/** A question that is not answered for so long is repeated, in microseconds. */
const ANSWER_MICROS = 700_000

/** The coordinator is looked for again after so long, in microseconds. */
const FIND_MICROS = 200_000

/** The most time for a range of a quick application, and how long a slow one takes on average, in microseconds. */
const QUICK_MICROS = 30_000
const SLOW_MICROS = 3_000_000

/** A member dies after so long on average, and comes back as somebody else, in microseconds. */
const LIFE_MICROS = 8_000_000
const DEATH_MICROS = 400_000

/** What a member was given, and under what. */
interface Given {
  readonly range: AcquiredRange
  readonly hold: ShareHold
}

/** One member, through all its lives. */
export class SharerWorkload {
  readonly #cluster: Cluster
  readonly #index: number
  readonly #group: ShareTruth
  readonly #random: Random
  /** How long what it is given waits in it: draws of their own. */
  readonly #waits: Random
  readonly #handling: Random
  #trust: ShareTrust = newShareTrust()
  /** When the last attempt at its question was sent. */
  #askedAt = 0
  #host: Host | null = null
  /** Of this life; null: it keeps to no quota, and does not read what it is given. */
  #gate: ShareGate | null = null
  #life = 0
  #coordinators: CoordinatorFinder
  #coordinator: Address | null = null
  #sessionEpoch = 0
  #correlationId = 0
  /** The question under way. */
  #asked: Omit<ShareFetchRequest, 'correlationId'> | null = null
  /** What it says with its next question. */
  #said: ShareAcknowledgement[] = []
  /** It is not sure that it has these still: the question under way will tell. */
  #doubted: Given[] = []

  constructor(cluster: Cluster, index: number, group: ShareTruth) {
    this.#cluster = cluster
    this.#index = index
    this.#group = group
    this.#random = new Random(cluster.world.seed, `sharer/${index}`)
    this.#waits = new Random(cluster.world.seed, `sharer/${index}/waits`)
    this.#handling = new Random(cluster.world.seed, `sharer/${index}/handling`)
    this.#coordinators = newCoordinatorFinder(cluster.voters)
  }

  /** Begins a life as a new member. */
  start(): void {
    const host = this.#cluster.newClient(`sharer ${this.#index}`)
    const { shareQuota } = this.#cluster.plan
    this.#host = host
    this.#gate = shareQuota === null ? null : new ShareGate(this.#cluster, host, shareQuota)
    this.#life++
    this.#sessionEpoch = 0
    this.#trust = newShareTrust()
    this.#coordinator = null
    this.#asked = null
    this.#said = []
    this.#doubted = []
    host.attach('sharer', { receive: (message) => this.#receive(host, message) })
    this.#find(host)
    host.after(this.#random.exponential(LIFE_MICROS), () => this.#end(host))
  }

  get #memberId(): string {
    return `sharer-${this.#index}-${this.#life}`
  }

  /** It dies with all that it holds, or leaves; not any more when all shall come to its end. */
  #end(host: Host): void {
    if (!this.#cluster.faults.active || host !== this.#host) return
    if (this.#random.below(3) === 0) this.#ask(host, { leaves: true, maxRecords: 0 })
    this.#cluster.world.log?.(`${this.#memberId} dies`)
    this.#host = null
    host.after(1000, () => this.#cluster.killClient(host))
    this.#cluster.world.after(1000 + this.#random.exponential(DEATH_MICROS), () => this.start())
  }

  #find(host: Host): void {
    if (host !== this.#host || this.#coordinator !== null) return
    const message = { kind: 'findCoordinator', correlationId: ++this.#correlationId, keyType: 'share', key: this.#group.name } as const
    this.#post(host, coordinatorOf(this.#coordinators), message)
    nextCoordinator(this.#coordinators)
    host.after(FIND_MICROS, () => this.#find(host))
  }

  #post(host: Host, to: Address, message: Message): void {
    if (this.#gate === null) host.send({ node: host.node, actor: 'sharer' }, to, message)
    else this.#gate.send('sharer', to, message)
  }

  /** It wants more; what is to be said does not wait for that. */
  #more(host: Host): void {
    const gate = this.#gate
    const ask = (): void => {
      if (this.#asked === null) this.#ask(host, { leaves: false, maxRecords: this.#random.between(1, 30) })
    }
    if (gate === null) return ask()
    if (gate.isShut && this.#said.length > 0) return this.#ask(host, { leaves: false, maxRecords: 0 })
    gate.pass(ask)
  }

  /** The next question; it says what is to be said. */
  #ask(host: Host, wish: { readonly leaves: boolean; readonly maxRecords: number }): void {
    const acknowledgements = this.#said
    this.#said = []
    this.#asked = {
      kind: 'shareFetch',
      group: this.#group.name,
      memberId: this.#memberId,
      sessionEpoch: ++this.#sessionEpoch,
      topics: sharedTopics(this.#cluster.plan),
      reset: 'earliest',
      isolationLevel: 'read_uncommitted',
      lockMillis: LOCK_MILLIS,
      deliveryCountLimit: DELIVERY_COUNT_LIMIT,
      maxWaitMillis: WAIT_MILLIS,
      acknowledgements,
      ...wish,
    }
    this.#send(host)
  }

  #send(host: Host): void {
    const asked = this.#asked
    if (asked === null || host !== this.#host) return
    if (this.#coordinator === null) return this.#find(host)
    this.#askedAt = host.clock.uptime()
    this.#post(host, this.#coordinator, { ...asked, correlationId: ++this.#correlationId })
    host.after(ANSWER_MICROS, () => {
      if (this.#asked === asked) this.#look(host)
    })
  }

  /** Whoever was asked is in charge no more, or not there. */
  #look(host: Host): void {
    this.#coordinator = null
    this.#find(host)
  }

  #receive(host: Host, message: Message): void {
    if (host !== this.#host) return
    switch (message.kind) {
      case 'metadataResponse':
        return learnFrom(this.#coordinators, message)
      case 'findCoordinatorResponse':
        if (message.errorCode !== NONE || this.#coordinator !== null) return
        this.#coordinator = { node: message.node, actor: sharesActor(message.partition) }
        if (this.#asked === null) return this.#more(host)
        return this.#send(host)
      case 'requestTimed':
        return this.#gate?.onTimed(message)
      case 'shareFetchResponse':
        return this.#onAnswer(host, message)
      default:
        return
    }
  }

  #onAnswer(host: Host, answer: MessageOf<'shareFetchResponse'>): void {
    const { correlationId, errorCode, acquired } = answer
    if (this.#asked === null || correlationId !== this.#correlationId) return
    const isOver = errorCode === NONE || errorCode === codeOf('INVALID_SHARE_SESSION_EPOCH')
    if (!isOver) {
      host.after(ANSWER_MICROS / 4, () => this.#look(host))
      return
    }
    const asked = { request: this.#asked, askedAt: this.#askedAt }
    const hold = errorCode === NONE ? trustAnswer(this.#trust, asked, answer) : { reign: 0, lockUntil: 0 }
    this.#asked = null
    const given = [...this.#doubted.splice(0), ...acquired.map((range) => ({ range, hold }))]
    if (this.#gate === null) this.#work(host, given)
    else this.#gate.read(acquired, () => this.#work(host, given))
  }

  /** Whoever has records takes a while for them. */
  #work(host: Host, given: readonly Given[]): void {
    const { faults } = this.#cluster
    const isSlow = given.length > 0 && faults.strikes('slowConsumer', 4)
    const delay = isSlow
      ? faults.draws('slowConsumer').exponential(SLOW_MICROS)
      : this.#handlingMicros(this.#random.between(1, QUICK_MICROS))
    const handed: AcquiredRange[] = []
    const waitMax = Math.max(1, Math.floor(delay))
    for (const one of given) host.after(this.#waits.below(waitMax), () => void (this.#handOver(host, one) && handed.push(one.range)))
    host.after(delay, () => {
      for (const { range } of given) if (handed.includes(range)) this.#judge(range)
      if (this.#asked !== null) return
      if (this.#doubted.length > 0) this.#ask(host, { leaves: false, maxRecords: 0 })
      else this.#more(host)
    })
  }

  /** Where coordinators are succeeded often, every other time it takes longer than that takes. */
  #handlingMicros(quick: number): number {
    const { shareSuccession } = this.#cluster.plan
    return shareSuccession === null || this.#handling.below(2) === 0
      ? quick
      : this.#handling.between(1, shareSuccession.handlingMillis * 1000)
  }

  /** Its application has it now; false if it may be somebody else's. */
  #handOver(host: Host, one: Given): boolean {
    const trust = trustIn(this.#trust, one.hold, host.clock.uptime())
    if (trust === 'unsure') this.#doubted.push(one)
    if (trust === 'sure') checkHandedOver(this.#group, one.range, this.#memberId)
    return trust === 'sure'
  }

  /** Says something of the whole range, or of its halves; of some it says nothing. */
  #judge({ topic, topicId, partition, first, last }: AcquiredRange): void {
    const middle = this.#random.between(first, last)
    for (const [begin, end] of [
      [first, middle],
      [middle + 1, last],
    ] as const) {
      const type = this.#opinion()
      if (begin <= end && type !== null) this.#said.push({ topic, topicId, partition, first: begin, last: end, type })
    }
  }

  #opinion(): AcknowledgeType | null {
    const draw = this.#random.below(20)
    if (!this.#cluster.faults.active) return 'accept'
    if (draw < 3) return 'release'
    if (draw === 3) return 'reject'
    return draw === 4 ? null : 'accept'
  }
}
