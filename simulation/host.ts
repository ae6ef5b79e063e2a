/**
 * One host of a simulation: it runs the actors of a node, or of a client, under the contract of the real hosts. `start`, then `started`; effects in
 * order after `receive`; local messages in order and for certain, others as bytes through the network; answers of the disk and timers
 * of actors that are gone are dropped. A host can be killed, paused, and started again.
 */
import { InvariantViolation } from '../protocol/assert.ts'
import type { Address } from '../protocol/address.ts'
import { isRequest, isTimed } from '../protocol/messages/message.ts'
import type { Message, Request } from '../protocol/messages/message.ts'
import type { Effect, SendEffect, StorageEffect } from '../actors/effect.ts'
import type { Envelope } from '../runtime/codec.ts'
import { behaviourOf } from './behaviours.ts'
import type { Behaviour } from './behaviours.ts'
import type { Clock } from './clock.ts'
import { countPair, probeOf } from './coverage/pairs.ts'
import type { Probe } from './coverage/pairs.ts'
import type { Disk } from './disk.ts'
import type { Faults } from './faults.ts'
import type { Frame, Network } from './network.ts'
import { Random } from './random.ts'
import { hashText } from './trace-hash.ts'
import { describeMessage } from './transcript.ts'
import type { Seen, World } from './world.ts'

/** Something that lives on a host and is not an actor: a workload that plays the client's part. */
export interface Resident {
  receive(message: Message, from: Address): void
}

/** Who watches actors from outside; called after each message, before its effects. */
export interface Watcher {
  spawned(host: Host, name: string, config: unknown): void
  received(host: Host, name: string, state: unknown, message: Message, from: Address, effects: readonly Effect[]): void
}

/** What a host is made of. */
export interface HostParts {
  readonly world: World
  readonly network: Network
  readonly clock: Clock
  readonly disk: Disk | null
  readonly faults: Faults
  readonly watcher: Watcher | null
}

interface Cell {
  readonly address: Address
  readonly nameHash: number
  readonly behaviour: Behaviour | null
  readonly probe: Probe | null
  readonly resident: Resident | null
  state: unknown
  /** By timer name: which start of it counts. */
  readonly timers: Map<string, number>
  isAlive: boolean
}

/** A local message takes at most so long, in microseconds. */
const LOCAL_MICROS = 8

/** Where there is too much to do, a local message takes so much longer at most, in microseconds. */
const STRAINED_MICROS = 30_000

/** No timer fires sooner: an actor that asks for "now" again and again gets virtual time to pass, as it would really. */
const TIMER_MICROS_MIN = 100

/** A late timer is so much too late on average, in microseconds. */
const LATE_TIMER_MICROS = 200_000

/**
 * What a thread is busy with a request that sends or reads, with each byte of a batch, and with another request, in microseconds: much, so that quotas of it bind the few clients
 * of a run; and of the others so little that they leave something to send and read.
 */
const REQUEST_MICROS = 200
const QUESTION_MICROS = 20
const BYTE_MICROS = 0.2

/** A host. It starts out dead. */
export class Host {
  readonly node: number
  readonly clock: Clock
  isUp = false
  /** Effects of the message at hand that are still carried out before the host dies; -1 while it is not to die. */
  dieAfterEffects = -1
  /** Does the dying. */
  onDeath: () => void = () => undefined
  readonly #world: World
  readonly #network: Network
  readonly #disk: Disk | null
  readonly #faults: Faults
  readonly #watcher: Watcher | null
  readonly #random: Random
  readonly #cells: Map<string, Cell> = new Map()
  readonly #context: { from: Address; now: number; uptime: number; random: number }
  readonly #effects: Effect[] = []
  #life = 0
  #timerCount = 0
  #lastLocal = 0
  #pausedUntil = 0
  /** Timers that come too late: when they were due, and when they come. */
  #lateTimers: { readonly dueMicros: number; readonly firesMicros: number }[] = []
  #strainedUntil = 0
  /** What was said here while there was too much to do, and when it is heard. */
  #saidLate: { readonly message: Message; readonly heardMicros: number }[] = []
  /** How late local messages are meanwhile. */
  readonly #strain: Random
  readonly #deferred: (() => void)[] = []

  constructor(node: number, parts: HostParts) {
    this.node = node
    this.clock = parts.clock
    this.#world = parts.world
    this.#network = parts.network
    this.#disk = parts.disk
    this.#faults = parts.faults
    this.#watcher = parts.watcher
    this.#random = new Random(parts.world.seed, `actors/${node}`)
    this.#strain = new Random(parts.world.seed, `ordeals/strain/${node}`)
    this.#context = { from: { node, actor: '' }, now: 0, uptime: 0, random: 0 }
  }

  /** Begins a life without any actor. */
  boot(): void {
    this.isUp = true
    this.#network.join(this)
  }

  /** Everything in memory is gone. */
  die(): void {
    this.isUp = false
    this.#life++
    for (const cell of this.#cells.values()) cell.isAlive = false
    this.#cells.clear()
    this.#deferred.length = 0
    this.#pausedUntil = 0
    this.#lateTimers = []
    this.#saidLate = []
    this.dieAfterEffects = -1
  }

  /** Nothing runs here until then; what arrives waits. */
  pause(untilMicros: number): void {
    if (!this.isUp || untilMicros <= this.#pausedUntil) return
    this.#pausedUntil = untilMicros
    this.#world.onlooker?.paused(this.node, untilMicros)
    this.#world.at(untilMicros, () => this.#resume(untilMicros))
  }

  /** There is too much to do for so long, in microseconds: what actors say to each other takes its time. */
  strain(micros: number): void {
    this.#strainedUntil = this.#world.nowMicros + micros
  }

  /** Nothing runs here, or something that is due has not run yet: whoever is here may not know what time it is. */
  get isPaused(): boolean {
    const { nowMicros } = this.#world
    return (
      nowMicros < this.#pausedUntil ||
      this.#deferred.length > 0 ||
      this.#lateTimers.some(({ dueMicros, firesMicros }) => dueMicros <= nowMicros && nowMicros < firesMicros)
    )
  }

  /** What somebody here was told, and has not heard yet, because there is too much to do. */
  get unheard(): Message[] {
    return this.#saidLate.filter(({ heardMicros }) => heardMicros >= this.#world.nowMicros).map(({ message }) => message)
  }

  /** A pause ends at once. */
  wake(): void {
    if (this.#pausedUntil <= this.#world.nowMicros) return
    this.#pausedUntil = this.#world.nowMicros
    this.#world.onlooker?.paused(this.node, this.#pausedUntil)
    this.#resume(this.#pausedUntil)
  }

  /** Starts an actor. No effect if the name is taken. */
  spawn(name: string, url: string, config: unknown): void {
    const behaviour = behaviourOf(url)
    if (behaviour === undefined) return this.#world.fail('ASSERT', `no behaviour ${url}`)
    if (this.#cells.has(name)) return
    const cell = this.#cell(name, behaviour, null)
    cell.state = behaviour.start(cell.address, config)
    this.#watcher?.spawned(this, name, config)
    this.#soon(() => this.#receive(cell, { kind: 'started' }, cell.address))
  }

  /** Gives a resident a name. */
  attach(name: string, resident: Resident): void {
    this.#cell(name, null, resident)
  }

  /** Takes an actor or a resident away: its timers and outstanding answers are dropped. */
  stop(name: string): void {
    const cell = this.#cells.get(name)
    if (cell === undefined) return
    cell.isAlive = false
    cell.timers.clear()
    this.#cells.delete(name)
  }

  /** A resident's own timer: nothing happens if the host has died meanwhile. */
  after(micros: number, run: () => void): void {
    const life = this.#life
    this.#world.after(micros, () => {
      if (life === this.#life) this.#run(run)
    })
  }

  /** A message from somebody on this host, to anybody. */
  send(from: Address, to: Address, message: Message): void {
    if (to.node !== this.node) return this.#network.send(to, from, message)
    this.#soon(() => this.#deliver(to, from, message))
    const { nowMicros } = this.#world
    if (nowMicros >= this.#strainedUntil + STRAINED_MICROS) return
    this.#saidLate = this.#saidLate.filter(({ heardMicros }) => heardMicros >= nowMicros)
    this.#saidLate.push({ message, heardMicros: this.#lastLocal })
  }

  /** Tells something to every actor here. */
  announce(message: Message): void {
    for (const cell of [...this.#cells.values()]) {
      if (cell.behaviour !== null) this.#receive(cell, message, { node: this.node, actor: '' })
    }
  }

  /** A message has come through the network. */
  arrive(envelope: Envelope, { view, start, end }: Frame): void {
    this.#world.trace.addBytes(view, start, end)
    this.#run(() => this.#deliver(envelope.to, envelope.from, envelope.message))
  }

  /** The state of an actor, for checkers; undefined if there is none. */
  stateOf(name: string): unknown {
    return this.#cells.get(name)?.state
  }

  #cell(name: string, behaviour: Behaviour | null, resident: Resident | null): Cell {
    const address = { node: this.node, actor: name }
    const probe = behaviour === null ? null : probeOf(behaviour.url)
    const cell: Cell = { address, nameHash: hashText(name), behaviour, probe, resident, state: undefined, timers: new Map(), isAlive: true }
    this.#cells.set(name, cell)
    return cell
  }

  /** Local things happen one after the other, each a little later. */
  #soon(run: () => void): void {
    const life = this.#life
    const { nowMicros } = this.#world
    const lateMicros = this.#faults.active && nowMicros < this.#strainedUntil ? this.#strain.below(STRAINED_MICROS) : 0
    this.#lastLocal = Math.max(this.#lastLocal, nowMicros + lateMicros) + 1 + (this.#random.next() % LOCAL_MICROS)
    this.#world.at(this.#lastLocal, () => {
      if (life === this.#life) this.#run(run)
    })
  }

  #run(run: () => void): void {
    if (!this.isUp) return
    if (this.#world.nowMicros < this.#pausedUntil || this.#deferred.length > 0) this.#deferred.push(run)
    else run()
  }

  #resume(untilMicros: number): void {
    if (this.#pausedUntil !== untilMicros) return
    const life = this.#life
    while (life === this.#life && this.#deferred.length > 0) {
      const next = this.#deferred[0]!
      next()
      if (life === this.#life) this.#deferred.shift()
    }
  }

  #deliver(to: Address, from: Address, message: Message): void {
    const cell = this.#cells.get(to.actor)
    if (cell !== undefined) return this.#receive(cell, message, from)
    if (!isRequest(message)) return
    this.send(to, from, { kind: 'undeliverable', correlationId: message.correlationId })
  }

  #receive(cell: Cell, message: Message, from: Address): void {
    if (!cell.isAlive || this.#world.violation !== null) return
    this.#note(cell, message, from)
    if (cell.resident !== null) return cell.resident.receive(message, from)
    const times = cell.probe === null ? 0 : countPair(this.#world.pairs, cell.probe, cell.state, message.kind)
    const context = this.#context
    context.from = from
    context.now = this.clock.now()
    context.uptime = this.clock.uptime()
    context.random = this.#random.next()
    const effects = this.#effects
    effects.length = 0
    try {
      cell.behaviour?.receive(cell.state, message, context, effects)
      this.#watcher?.received(this, cell.address.actor, cell.state, message, from, effects)
      this.#world.onlooker?.became(cell.address, cell.state)
    } catch (error) {
      const what =
        error instanceof InvariantViolation ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)
      return this.#world.fail('ASSERT', `${cell.address.actor}@${this.node} on ${message.kind}: ${what}`)
    }
    if (cell.probe !== null) this.#world.lookout?.saw(seenOf(this, cell, cell.probe, from, times))
    const life = this.#life
    this.#perform(cell, effects)
    if (isTimed(message) && life === this.#life) this.#sayTime(cell, message, from)
  }

  /** Nothing takes time here: what a request would take is a rule. */
  #sayTime(cell: Cell, message: Request, from: Address): void {
    const sizeBytes = message.kind === 'produce' ? message.records.length : 0
    const isPiece = message.kind === 'produce' || message.kind === 'fetch'
    const micros = (isPiece ? REQUEST_MICROS : QUESTION_MICROS) + Math.ceil(sizeBytes * BYTE_MICROS)
    this.send(cell.address, from, { kind: 'requestTimed', correlationId: message.correlationId, micros })
  }

  /** Every step goes into the fingerprint: when, who, what. */
  #note(cell: Cell, message: Message, from: Address): void {
    const { trace, nowMicros, log, onlooker } = this.#world
    trace.addTime(nowMicros)
    trace.add(cell.nameHash + this.node)
    if (message.kind === 'timerFired') trace.add(hashText(message.timer))
    else if (from.node === this.node) trace.addValue(message)
    onlooker?.told(cell.address, from, message)
    if (log !== null) log(`${from.actor}@${from.node} -> ${cell.address.actor}@${this.node} ${describeMessage(message)}`)
  }

  #perform(cell: Cell, effects: readonly Effect[]): void {
    const life = this.#life
    for (const effect of effects) {
      if (this.dieAfterEffects === 0) return this.onDeath()
      if (this.dieAfterEffects > 0) this.dieAfterEffects--
      this.#performOne(cell, effect)
      if (life !== this.#life) return
    }
  }

  #performOne(cell: Cell, effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        return this.#sendEffect(cell, effect)
      case 'startTimer':
        return this.#startTimer(cell, effect.timer, effect.afterMillis)
      case 'cancelTimer':
        cell.timers.delete(effect.timer)
        return
      case 'spawn':
        return this.spawn(effect.actor, effect.url, effect.config)
      case 'stop':
        return this.stop(effect.actor)
      case 'fatal':
        this.#world.log?.(`node ${this.node} stops: ${effect.reason}`)
        this.#world.onlooker?.noted(this.node, `stops: ${effect.reason}`)
        return this.onDeath()
      case 'report':
        return this.#world.log?.(effect.reason)
      default:
        return this.#storage(cell, effect)
    }
  }

  #sendEffect(cell: Cell, effect: SendEffect): void {
    this.send(cell.address, effect.to, effect.message)
  }

  #startTimer(cell: Cell, timer: string, afterMillis: number): void {
    const start = ++this.#timerCount
    cell.timers.set(timer, start)
    const lateMicros = this.#faults.strikes('lateTimer') ? this.#faults.draws('lateTimer').exponential(LATE_TIMER_MICROS) : 0
    const micros = Math.max(TIMER_MICROS_MIN, Math.ceil(afterMillis * 1000))
    if (lateMicros > 0) this.#noteLate(micros, lateMicros)
    this.after(micros + lateMicros, () => {
      if (cell.timers.get(timer) !== start) return
      cell.timers.delete(timer)
      this.#receive(cell, { kind: 'timerFired', timer }, cell.address)
    })
  }

  #noteLate(micros: number, lateMicros: number): void {
    const { nowMicros } = this.#world
    const dueMicros = nowMicros + micros
    this.#lateTimers = this.#lateTimers.filter(({ firesMicros }) => firesMicros > nowMicros)
    this.#lateTimers.push({ dueMicros, firesMicros: dueMicros + lateMicros })
  }

  #storage(cell: Cell, effect: StorageEffect): void {
    const life = this.#life
    this.#disk?.submit(effect, (message) => {
      if (life === this.#life) this.#run(() => this.#receive(cell, message, cell.address))
    })
  }
}

function seenOf(host: Host, { address, state }: Cell, { name: kind, stateOf }: Probe, from: Address, times: number): Seen {
  return { host, actor: address.actor, kind, state: stateOf(state), from, times }
}
