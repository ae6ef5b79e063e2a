/**
 * Writes down what an onlooker hears of a run, as a timeline. What was said is put into words at once, because messages and states live on and change.
 */
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { DeathKind, FlightKind, FlightLoss, Onlooker, SeenTransaction, Struck, TransactionStage } from '../onlooker.ts'
import { describeMessage } from '../transcript.ts'
import type { Violation } from '../world.ts'
import { familyOf } from './families.ts'
import { Hosts } from './hosts.ts'
import { COPIES, FATES } from './model.ts'
import type { Decision, Fault, Flights, Steps, Timeline, TimelineHead, TransactionHistory, ViolationMark } from './model.ts'
import { Partitions } from './partitions.ts'
import { Terms } from './terms.ts'
import { decisionsOf } from './transactors.ts'

/** What is known of a run when it is over. */
export interface RunEnd {
  readonly head: TimelineHead
  readonly healedAt: number
  readonly violation: Violation | null
}

type Columns<Of> = { -readonly [Name in keyof Of]: number[] }

/** Records one run. */
export class Recorder implements Onlooker {
  readonly #world: { readonly nowMicros: number }
  readonly #hosts: Hosts = new Hosts()
  readonly #partitions: Partitions = new Partitions()
  readonly #actors: Terms = new Terms()
  readonly #bodies: Terms = new Terms()
  readonly #kinds: Terms = new Terms()
  readonly #families: Timeline['kinds'][number][] = []
  readonly #flights: Columns<Flights>
  readonly #steps: Columns<Steps>
  readonly #faults: Fault[] = []
  readonly #transactions: Map<string, { -readonly [Name in 'stages']: TransactionHistory['stages'][number][] } & TransactionHistory> =
    new Map()
  readonly #decisions: Decision[] = []
  /** By transactional id: what was last decided. */
  readonly #decided: Map<string, string> = new Map()
  #lastTold: { readonly host: number; readonly at: number } | null = null

  constructor(world: { readonly nowMicros: number }) {
    this.#world = world
    this.#flights = { sentAt: [], took: [], from: [], to: [], fromActor: [], toActor: [], kind: [], body: [], fate: [], copy: [] }
    this.#steps = { at: [], host: [], fromActor: [], toActor: [], kind: [], body: [] }
  }

  booted(host: number, role: string | null): void {
    this.#hosts.booted(this.#world.nowMicros, host, role)
  }

  died(host: number, how: DeathKind): void {
    this.#hosts.died(this.#world.nowMicros, host, how)
    this.#partitions.died(this.#world.nowMicros, host)
  }

  paused(host: number, untilMicros: number): void {
    this.#hosts.paused(this.#world.nowMicros, host, untilMicros)
  }

  noted(host: number, text: string): void {
    this.#hosts.noted(this.#world.nowMicros, host, text)
  }

  sent(from: Address, to: Address, message: Message, copy: FlightKind): number {
    const flights = this.#flights
    const kind = this.#kindOf(message.kind, from, to)
    flights.from.push(from.node)
    flights.to.push(to.node)
    flights.fromActor.push(this.#actors.of(from.actor))
    flights.toActor.push(this.#actors.of(to.actor))
    flights.kind.push(kind)
    flights.body.push(this.#bodies.of(describeMessage(message)))
    flights.took.push(-1)
    flights.fate.push(FATES.indexOf('under way'))
    flights.copy.push(COPIES.indexOf(copy))
    return flights.sentAt.push(this.#world.nowMicros) - 1
  }

  arrived(flight: number): void {
    this.#land(flight, 'arrived')
  }

  missed(flight: number, loss: FlightLoss): void {
    this.#land(flight, loss)
  }

  told(to: Address, from: Address, message: Message): void {
    const at = this.#world.nowMicros
    this.#lastTold = { host: to.node, at }
    if (from.node !== to.node) return
    const steps = this.#steps
    steps.at.push(at)
    steps.host.push(to.node)
    steps.fromActor.push(this.#actors.of(from.actor))
    steps.toActor.push(this.#actors.of(to.actor))
    steps.kind.push(this.#kindOf(message.kind, from, to))
    steps.body.push(this.#bodies.of(describeMessage(message)))
  }

  became(actor: Address, state: unknown): void {
    const at = this.#world.nowMicros
    this.#partitions.became(at, actor, state)
    for (const decision of decisionsOf(at, actor, state)) {
      const { transactionalId, state: name, producerEpoch } = decision
      const said = `${name} ${producerEpoch}`
      if (this.#decided.get(transactionalId) === said) continue
      this.#decided.set(transactionalId, said)
      this.#decisions.push(decision)
    }
  }

  struck(kind: string, { untilMicros, hosts, text }: Struck): void {
    const begin = this.#world.nowMicros
    this.#faults.push({ kind, begin, end: Math.max(begin, untilMicros ?? begin), hosts: hosts ?? [], text: text ?? '' })
  }

  transacted({ transactionalId, name, host }: SeenTransaction, stage: TransactionStage): void {
    const known = this.#transactions.get(name) ?? { transactionalId, name, host, stages: [] }
    this.#transactions.set(name, known)
    known.stages.push({ at: this.#world.nowMicros, stage })
  }

  /** What was recorded, when the run is over. */
  timeline({ head, healedAt, violation }: RunEnd): Timeline {
    return {
      head,
      end: this.#world.nowMicros,
      healedAt,
      lanes: this.#hosts.lanes(),
      actors: this.#actors.all,
      kinds: this.#families,
      bodies: this.#bodies.all,
      flights: this.#flights,
      steps: this.#steps,
      faults: this.#faults,
      partitions: this.#partitions.histories(),
      transactions: [...this.#transactions.values()],
      decisions: this.#decisions,
      violation: violation === null ? null : this.#mark(violation),
    }
  }

  #land(flight: number, fate: (typeof FATES)[number]): void {
    this.#flights.took[flight] = this.#world.nowMicros - this.#flights.sentAt[flight]!
    this.#flights.fate[flight] = FATES.indexOf(fate)
  }

  #kindOf(name: string, from: Address, to: Address): number {
    const family = familyOf(name, from.actor, to.actor)
    const index = this.#kinds.of(`${name} ${family}`)
    this.#families[index] ??= { name, family }
    return index
  }

  #mark({ code, message, atMicros }: Violation): ViolationMark {
    const last = this.#lastTold
    return { code, message, at: atMicros, host: last?.at === atMicros ? last.host : null }
  }
}
