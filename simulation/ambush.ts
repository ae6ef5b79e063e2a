/**
 * The ambushes of a run that has some (ambush-plan.ts). Whoever lies in wait sees each message that an actor is given, and strikes when an actor comes into a state in which it seldom is, or is given in that state what
 * it seldom gets there: both as the coverage counts them (coverage/states.ts). The seldomer, the likelier.
 */
import type { Address } from '../protocol/address.ts'
import type { Message } from '../protocol/messages/message.ts'
import type { Cluster } from './cluster.ts'
import type { Manner } from './ambush-plan.ts'
import type { Host } from './host.ts'
import { Random } from './random.ts'
import type { Frame } from './network.ts'
import type { Lookout, Seen } from './world.ts'

/** A pair is rare up to so many times in a run. */
const RARE_MAX = 3

/** A state that actors have come into so often at most is waited for without a rest; not at the beginning, when all are. */
const PRECIOUS_MAX = 3
const BEGINNING_MICROS = 4_000_000

/** What only makes the most of such a state. */
const GENTLE: ReadonlySet<Manner> = new Set<Manner>(['linger', 'again', 'asked'])

/** Manners of one ambush, at most, beside those. */
const MANNERS_MAX = 3

/** A death comes so much later on average, in microseconds: within the next few messages. */
const DEATHS_MICROS = [50, 500, 5000, 300_000] as const

/** Another node dies so long after the host is back, on average, in microseconds. */
const RETURNED_MICROS = 600_000

/** The moment lasts so long, in microseconds. */
const LINGER_MICROS = [5000, 50_000, 500_000] as const

/** What comes once more, or is asked, comes within so long, in microseconds. */
const AGAIN_MICROS = [500, 20_000, 200_000] as const

/** The host is alone or asleep for so long, in microseconds: sessions of nodes are 1.5 s, those of members 3 s. */
const AWAY_MICROS = [50_000, 400_000, 2_000_000, 4_500_000] as const

/** So many messages of an actor are kept, and so many questions of its name. */
const KEPT_MAX = 32

/** What changes nothing, whoever is asked: clients may ask a node that is not in charge any more, or not yet. */
const QUESTIONS: ReadonlySet<Message['kind']> = new Set<Message['kind']>([
  'listOffsets',
  'describePartition',
  'describeProducers',
  'metadata',
  'findCoordinator',
  'describeClientQuotas',
  'describeGroup',
  'listGroups',
  'offsetFetch',
  'describeShareGroup',
  'describeShareGroupOffsets',
  'listShareGroups',
  'listTransactions',
  'describeBroker',
])

/** A message as it was sent to an actor on a node. */
interface Kept {
  readonly frame: Frame
  readonly sentAt: number
}

/** Lies in wait until the run heals. */
export function layAmbushes(cluster: Cluster): void {
  const { ambushes } = cluster.plan
  if (ambushes !== null) cluster.world.lookout = new Ambush(cluster, ambushes.manners, ambushes.pauseMicros)
}

class Ambush implements Lookout {
  readonly #cluster: Cluster
  readonly #manners: readonly Manner[]
  readonly #pauseMicros: number
  readonly #random: Random
  readonly #hosts: Map<number, Host>
  /** By host and actor: the state that it was in. */
  readonly #states = new Map<string, string>()
  /** How often an actor of a kind came into a state. */
  readonly #entered = new Map<string, number>()
  /** By host and actor, by kind: what it was sent last from elsewhere. */
  readonly #kept = new Map<string, Map<Message['kind'], Kept>>()
  /** By actor, wherever it is, by kind. */
  readonly #questions = new Map<string, Map<Message['kind'], Message>>()
  #restsUntil = 0
  #correlationId = 0
  /** Asks; what it is answered does not matter to it. */
  readonly #asker: Host

  constructor(cluster: Cluster, manners: readonly Manner[], pauseMicros: number) {
    this.#cluster = cluster
    this.#manners = manners
    this.#pauseMicros = pauseMicros
    this.#random = new Random(cluster.world.seed, 'ambushes/strikes')
    this.#hosts = new Map(cluster.nodes.map(({ host }) => [host.node, host]))
    this.#asker = cluster.newClient('curious')
    this.#asker.attach('curious', { receive: () => undefined })
  }

  sent(to: Address, message: Message, { bytes, start, end }: Frame): void {
    const copy = bytes.slice(start, end)
    const frame = { bytes: copy, view: new DataView(copy.buffer), start: 0, end: copy.length }
    keep(this.#kept, `${to.node} ${to.actor}`, message.kind, { frame, sentAt: this.#cluster.world.nowMicros })
    if (to.node >= 0 && QUESTIONS.has(message.kind)) keep(this.#questions, to.actor, message.kind, message)
  }

  saw({ host, actor, kind, state, from, times }: Seen): void {
    if (!this.#cluster.faults.active || host === this.#asker) return
    const name = `${host.node} ${actor}`
    const isNew = this.#states.get(name) !== state
    const isRare = times <= RARE_MAX && this.#random.below(RARE_MAX) === 0
    if (!isNew && !isRare) return
    this.#states.set(name, state)
    const moment = `${kind} ${state}`
    const count = (this.#entered.get(moment) ?? 0) + (isNew ? 1 : 0)
    this.#entered.set(moment, count)
    const { nowMicros } = this.#cluster.world
    const isPrecious = isNew && count <= PRECIOUS_MAX && nowMicros > BEGINNING_MICROS
    if (!isPrecious && (nowMicros < this.#restsUntil || (!isRare && this.#random.below(count + 2) > 2))) return
    this.#restsUntil = nowMicros + this.#random.exponential(this.#pauseMicros)
    const drawn = Array.from({ length: this.#random.between(1, MANNERS_MAX) }, () => this.#random.pick(this.#manners))
    const manners = new Set([...(isPrecious ? this.#manners.filter((manner) => GENTLE.has(manner)) : []), ...drawn])
    this.#cluster.world.log?.(`ambush: ${actor}@${host.node} is ${state} (${[...manners].join(', ')})`)
    for (const manner of manners) this.#strike(manner, host, actor, from)
  }

  #strike(manner: Manner, host: Host, actor: string, from: Address): void {
    switch (manner) {
      case 'linger':
        return this.#linger(host)
      case 'again':
        return this.#repeat(host.node, actor)
      case 'asked':
        return this.#ask(host.node, actor)
      case 'death':
        return this.#kill(host.node)
      case 'bereft':
        return this.#bereave(host.node, from.node)
      case 'alone':
        return this.#part(host.node)
      case 'asleep':
        return this.#soon(this.#random.exponential(this.#random.pick(DEATHS_MICROS)), () =>
          host.pause(this.#cluster.world.nowMicros + this.#random.pick(AWAY_MICROS)),
        )
    }
  }

  #soon(micros: number, run: () => void): void {
    this.#cluster.world.after(1 + micros, () => {
      if (this.#cluster.faults.active) run()
    })
  }

  #linger(host: Host): void {
    const micros = this.#random.pick(LINGER_MICROS)
    host.strain(micros)
    const disk = this.#cluster.nodes[host.node]?.disk
    if (disk !== undefined) disk.strainedUntil = this.#cluster.world.nowMicros + micros
  }

  #repeat(node: number, actor: string): void {
    const within = this.#random.pick(AGAIN_MICROS)
    for (const { frame, sentAt } of this.#kept.get(`${node} ${actor}`)?.values() ?? []) {
      if (this.#random.below(2) === 0) this.#soon(this.#random.below(within), () => this.#cluster.network.hearAgain(frame, sentAt))
    }
  }

  #ask(node: number, actor: string): void {
    if (node < 0) return
    const within = this.#random.pick(AGAIN_MICROS)
    for (const question of this.#questions.get(actor)?.values() ?? []) {
      const correlationId = ++this.#correlationId
      const from = { node: this.#asker.node, actor: 'curious' }
      this.#soon(this.#random.below(within), () => this.#asker.send(from, { node, actor }, { ...question, correlationId } as Message))
    }
  }

  #kill(node: number): void {
    if (node < 0) return
    this.#dies(node, this.#random.exponential(this.#random.pick(DEATHS_MICROS)))
    if (this.#random.below(2) === 0) this.#soon(this.#random.exponential(RETURNED_MICROS), () => this.#bereave(node, -1))
  }

  /** Somebody else dies: who has spoken, or anybody. */
  #bereave(node: number, speaker: number): void {
    const others = [...this.#hosts.keys()].filter((other) => other !== node)
    if (others.length === 0) return
    const victim = speaker >= 0 && speaker !== node && this.#random.below(3) > 0 ? speaker : this.#random.pick(others)
    this.#dies(victim, this.#random.exponential(this.#random.pick(DEATHS_MICROS)))
  }

  #dies(node: number, micros: number): void {
    const isPowerLoss = this.#random.below(2) === 0
    this.#soon(micros, () => this.#cluster.crash(node, isPowerLoss))
  }

  #part(node: number): void {
    const micros = this.#random.pick(AWAY_MICROS)
    const manner = this.#random.below(3)
    for (const other of this.#hosts.keys()) {
      if (manner !== 1) this.#cluster.cut(node, other, micros)
      if (manner !== 2) this.#cluster.cut(other, node, micros)
    }
  }
}

/** The newest of each kind; of kinds too many, the oldest goes. */
function keep<Value>(all: Map<string, Map<Message['kind'], Value>>, name: string, kind: Message['kind'], value: Value): void {
  let known = all.get(name)
  if (known === undefined) all.set(name, (known = new Map()))
  known.delete(kind)
  known.set(kind, value)
  if (known.size <= KEPT_MAX) return
  const [oldest] = known.keys()
  if (oldest !== undefined) known.delete(oldest)
}
