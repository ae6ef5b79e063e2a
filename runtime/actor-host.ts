/**
 * Runs the actors of one node: delivers one message at a time, performs the effects, keeps timers and a local queue. The same class
 * serves a worker thread and the caller's thread; only who calls `cycle` differs. Ports are addresses whose messages go to
 * a callback: that is how the public client, which is no actor, hears from actors.
 */
import type { Actor, Address, Outbox } from '../actors/actor.ts'
import type { Effect, SendEffect, SpawnEffect } from '../actors/effect.ts'
import { unreachable } from '../protocol/assert.ts'
import { isRequest, isTimed } from '../protocol/messages/message.ts'
import type { Message, Request } from '../protocol/messages/message.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import { withOwnRecords } from './recorder.ts'
import type { Recorder } from './recorder.ts'
import type { Storage } from './storage.ts'
import { TimerWheel } from './timer-wheel.ts'

/** A behaviour whose types are known to itself only. */
type AnyActor = Actor<unknown, unknown>

interface RunningActor {
  readonly address: Address
  readonly behaviour: AnyActor
  readonly url: string
  readonly config: unknown
  state: unknown
}

interface QueuedMessage {
  readonly to: string
  /** Who alone may have it, not the next one of the name; null: whoever has the name by then. */
  readonly only: RunningActor | null
  readonly from: Address
  readonly message: Message
}

interface MutableContext {
  from: Address
  now: number
  uptime: number
  random: number
}

/** What a host is made of. */
export interface HostOptions {
  readonly node: number
  readonly storage: Storage
  /** Takes messages for other nodes. */
  readonly sendAway: (to: Address, from: Address, message: Message) => void
  /** Something has been queued, perhaps outside a cycle: whoever runs the cycles must wake. */
  readonly onQueued: () => void
  /** An actor has broken an invariant, or the node cannot go on (`actor` null). */
  readonly onFailure: (actor: string | null, error: Error) => void
  /** Something is lost with the disk of a node. Default: nobody wants to know. */
  readonly onReport?: (node: number, error: Error) => void
  /** Writes down what actors are given and what they make of it. Default: nobody does. */
  readonly recorder?: Recorder | null
}

/** Messages of the local queue handled in one cycle, so that rings and timers get their turn. */
const LOCAL_MESSAGES_MAX = 10_000

/** The actors of one node. See the header. */
export class ActorHost {
  readonly node: number
  readonly #options: HostOptions
  readonly #recorder: Recorder | null
  readonly #behaviours: Map<string, AnyActor> = new Map()
  readonly #actors: Map<string, RunningActor> = new Map()
  /** Actors that are spawned as soon as their behaviour is loaded. */
  readonly #loading: Map<string, SpawnEffect> = new Map()
  readonly #ports: Map<string, (message: Message, from: Address) => void> = new Map()
  readonly #timers: TimerWheel<{ readonly actor: RunningActor; readonly timer: string }>
  readonly #outbox: Effect[] = []
  readonly #outboxFace: Outbox
  readonly #context: MutableContext
  #queue: QueuedMessage[] = []
  #started = performance.now()
  messagesHandled = 0

  constructor(options: HostOptions) {
    this.node = options.node
    this.#options = options
    this.#recorder = options.recorder ?? null
    this.#timers = new TimerWheel(0)
    this.#context = { from: { node: options.node, actor: '' }, now: 0, uptime: 0, random: 0 }
    this.#outboxFace = { push: (effect) => void this.#outbox.push(effect) }
  }

  /** Loads behaviours, so that actors can be spawned from them at once. */
  async preload(urls: readonly string[]): Promise<void> {
    for (const url of urls) {
      const module = (await import(url)) as { readonly actor: AnyActor }
      this.#behaviours.set(module.actor.url, module.actor)
    }
  }

  /** Starts an actor; its first message is `started`. */
  spawn(name: string, url: string, config: unknown): void {
    if (this.#actors.has(name)) return
    const behaviour = this.#behaviours.get(url)
    if (behaviour === undefined) return this.#options.onFailure(name, new Error(`no behaviour was loaded from ${url}`))
    const address = { node: this.node, actor: name }
    this.#recorder?.spawned(address, url, config)
    const actor = { address, behaviour, url, config, state: behaviour.start(address, config) }
    this.#actors.set(name, actor)
    this.#tell(actor, { kind: 'started' })
  }

  /** Stops an actor: its timers and outstanding answers are dropped. */
  stop(name: string): void {
    this.#loading.delete(name)
    if (this.#actors.delete(name)) this.#recorder?.stopped({ node: this.node, actor: name })
  }

  /** Opens an address on this host whose messages go to a callback. */
  openPort(name: string, onMessage: (message: Message, from: Address) => void): Address {
    this.#ports.set(name, onMessage)
    return { node: this.node, actor: name }
  }

  closePort(name: string): void {
    this.#ports.delete(name)
  }

  /** Sends a message from outside: it is handled in the next cycle. */
  post(to: Address, from: Address, message: Message): void {
    if (to.node === this.node) this.#queue.push({ to: to.actor, only: null, from, message })
    else this.#options.sendAway(to, from, message)
  }

  /** Handles a message from another thread now: its `records` are borrowed and gone when this returns and the effects are done. */
  deliver(to: string, from: Address, message: Message): void {
    this.#handle(to, from, message)
  }

  /** Refreshes the clocks; call once before a burst of messages. */
  tick(): void {
    this.#context.now = Date.now()
    this.#context.uptime = performance.now() - this.#started
  }

  /** Handles what is queued and due, and starts the syncs that were asked for. Returns whether there was anything. */
  cycle(): boolean {
    let handled = this.#timers.advance(this.#context.uptime, this.#fire)
    for (let queue = this.#queue; queue.length > 0 && handled < LOCAL_MESSAGES_MAX; queue = this.#queue) {
      this.#queue = []
      for (const { to, only, from, message } of queue) {
        if (only === null || this.#runs(only)) this.#handle(to, from, this.#recorder === null ? message : withOwnRecords(message))
      }
      handled += queue.length
    }
    this.#options.storage.startSyncs()
    return handled > 0
  }

  /** Whether `cycle` would find something without waiting. */
  hasWork(): boolean {
    return this.#queue.length > 0
  }

  /** Milliseconds until the next timer, Infinity without one. */
  millisToNextTimer(): number {
    return this.#timers.nextAt - (performance.now() - this.#started)
  }

  /** The state of every actor, as plain data. */
  inspect(): Record<string, unknown> {
    const states: Record<string, unknown> = {}
    for (const [name, { state }] of this.#actors) states[name] = state
    return states
  }

  /** Names of the actors that run here. */
  actorNames(): string[] {
    return [...this.#actors.keys()]
  }

  readonly #fire = ({ actor, timer }: { readonly actor: RunningActor; readonly timer: string }): void => {
    if (this.#runs(actor)) this.#receive(actor, actor.address, { kind: 'timerFired', timer })
  }

  /** False: it has been stopped, whether another one has its name by now or not. */
  #runs(actor: RunningActor): boolean {
    return this.#actors.get(actor.address.actor) === actor
  }

  /** What the host has to say to an actor, and to no other one: several may have had its name before the queue's turn comes. */
  #tell(actor: RunningActor, message: Message): void {
    this.#queue.push({ to: actor.address.actor, only: actor, from: actor.address, message })
  }

  #handle(to: string, from: Address, message: Message): void {
    const actor = this.#actors.get(to)
    if (actor !== undefined) return isTimed(message) ? this.#receiveTimed(actor, from, message) : this.#receive(actor, from, message)
    const port = this.#ports.get(to)
    if (port !== undefined) return port(message, from)
    if (isRequest(message)) {
      this.post(from, { node: this.node, actor: to }, { kind: 'undeliverable', correlationId: message.correlationId })
    }
  }

  /** Whoever asks for it hears how long the thread was busy with a request, effects included; not what other threads and later messages do for it. */
  #receiveTimed(actor: RunningActor, from: Address, message: Request): void {
    const begin = performance.now()
    this.#receive(actor, from, message)
    const micros = Math.ceil((performance.now() - begin) * 1000)
    this.post(from, actor.address, { kind: 'requestTimed', correlationId: message.correlationId, micros })
  }

  #receive(actor: RunningActor, from: Address, message: Message): void {
    const context = this.#context
    context.from = from
    context.random = (Math.random() * 0x1_0000_0000) >>> 0
    this.messagesHandled++
    const recorder = this.#recorder
    if (recorder !== null) recorder.received(actor.address, message, context)
    try {
      actor.behaviour.receive(actor.state, message, context, this.#outboxFace)
    } catch (error) {
      this.#outbox.length = 0
      if (recorder !== null) recorder.crashed(error)
      return this.#onCrash(actor, error)
    }
    if (recorder !== null) recorder.emitted(this.#outbox)
    this.#performAll(actor)
  }

  /** What cannot be done (a message that is too large to be sent, say) is a bug of the actor that wants it, not of all others on its thread. */
  #performAll(actor: RunningActor): void {
    const outbox = this.#outbox
    try {
      for (let i = 0; i < outbox.length; i++) this.#perform(actor, outbox[i]!)
    } catch (error) {
      outbox.length = 0
      return this.#onCrash(actor, error)
    }
    outbox.length = 0
  }

  #perform(actor: RunningActor, effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        return this.#send(actor, effect)
      case 'startTimer':
        return this.#timers.start(`${actor.address.actor}/${effect.timer}`, this.#context.uptime + effect.afterMillis, {
          actor,
          timer: effect.timer,
        })
      case 'cancelTimer':
        return this.#timers.cancel(`${actor.address.actor}/${effect.timer}`)
      case 'spawn':
        return this.#spawn(effect)
      case 'stop':
        return this.stop(effect.actor)
      case 'fatal':
        return this.#options.onFailure(null, new Error(effect.reason))
      case 'report':
        return this.#options.onReport?.(effect.node, withoutPlace(effect.reason))
      case 'append':
      case 'rewrite':
      case 'read':
      case 'sync':
      case 'truncate':
      case 'replace':
      case 'remove':
      case 'rename':
      case 'compact':
      case 'list':
      case 'listLogs':
        return this.#options.storage.perform(effect, (answer) => this.#onStorageAnswer(actor, answer))
      default:
        return unreachable(effect)
    }
  }

  #send(actor: RunningActor, { to, message }: SendEffect): void {
    if (to.node === this.node) this.#queue.push({ to: to.actor, only: null, from: actor.address, message })
    else this.#options.sendAway(to, actor.address, message)
  }

  #spawn(effect: SpawnEffect): void {
    const { actor, url, config } = effect
    if (this.#behaviours.has(url)) return this.spawn(actor, url, config)
    if (this.#loading.has(actor)) return
    this.#loading.set(actor, effect)
    this.preload([url]).then(
      () => this.#spawnLoaded(effect),
      (error: unknown) => {
        this.#loading.delete(actor)
        this.#options.onFailure(actor, error instanceof Error ? error : new Error(String(error)))
      },
    )
  }

  /** It may have been stopped meanwhile, and spawned as another one. */
  #spawnLoaded(effect: SpawnEffect): void {
    const { actor, url, config } = effect
    if (this.#loading.get(actor) !== effect) return
    this.#loading.delete(actor)
    this.spawn(actor, url, config)
    this.#options.onQueued()
  }

  /** Answers to an actor that has been stopped meanwhile are dropped. */
  #onStorageAnswer(actor: RunningActor, message: StorageAnswer): void {
    if (!this.#runs(actor)) return
    this.#tell(actor, message)
    this.#options.onQueued()
  }

  /** A bug, whether an assertion has noticed it or not: the actor starts again from what storage proves. */
  #onCrash(actor: RunningActor, error: unknown): void {
    if (!(error instanceof Error)) throw error
    this.#actors.delete(actor.address.actor)
    this.#options.onFailure(actor.address.actor, error)
    this.spawn(actor.address.actor, actor.url, actor.config)
  }
}

/** Where in our code it was does not help. */
function withoutPlace(reason: string): Error {
  const error = new Error(reason)
  error.stack = error.message
  return error
}
