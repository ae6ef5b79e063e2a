// A cluster of one node and its clients in one queue, without threads, clocks or faults but those that a scenario asks for. It writes down
// what is said and how states change, so that a reader can follow. Timers are left out of the transcript: they only say "again later".

import type { Actor } from '../../actors/actor.ts'
import { actor as broker } from '../../actors/broker.ts'
import { actor as consumer } from '../../actors/consumer.ts'
import type { ConsumerState } from '../../actors/consumer-state.ts'
import { actor as coordinator } from '../../actors/coordinator.ts'
import type { Effect, StorageEffect } from '../../actors/effect.ts'
import { actor as groups } from '../../actors/groups.ts'
import type { Group, GroupsState } from '../../actors/groups-state.ts'
import { actor as producer } from '../../actors/producer.ts'
import { actor as replica } from '../../actors/replica.ts'
import { actor as transactor } from '../../actors/transactor.ts'
import type { TransactorState } from '../../actors/transactor-state.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { StorageAnswer } from '../../protocol/messages/storage.ts'
import { perform } from '../actors/disk.ts'
import type { Disk } from '../actors/disk.ts'
import { describeEffect, describeMessage } from '../actors/describe.ts'

interface Cell {
  readonly address: Address
  readonly behaviour: Actor<unknown, unknown>
  readonly state: unknown
}

interface Timer {
  readonly cell: Cell
  readonly timer: string
  readonly at: number
}

const actors = [broker, consumer, coordinator, groups, producer, replica, transactor]
const behaviours = new Map(actors.map((one) => [one.url, one as Actor<unknown, unknown>]))

/** Wall clock minus uptime. */
const EPOCH_MILLIS = 1_700_000_000_000

/** The node that has a disk, and the host of the clients. */
export const NODE = 0
/** See NODE. */
export const CLIENTS = -1

/** A small cluster. */
export class World {
  /** What happened since `listen`. */
  readonly lines: string[] = []
  /** What clients heard, all of it. */
  readonly heard: Message[] = []
  readonly disk: Disk = { logs: new Map(), failing: new Map() }
  uptime = 0
  readonly #cells: Map<string, Cell> = new Map()
  readonly #queue: { readonly to: Address; readonly from: Address; readonly message: Message }[] = []
  readonly #timers: Map<string, Timer> = new Map()
  readonly #shown: Map<string, string> = new Map()
  #listening: RegExp | null = null
  #except: RegExp = /^(?!)/

  /** Writes down from now on: what one of these actors says, hears or is, except messages that begin like `except`. */
  listen(actors: RegExp, except: RegExp = /^(?!)/): void {
    this.#listening = actors
    this.#except = except
    for (const [name, cell] of this.#cells) this.#shown.set(name, summaryOf(cell))
  }

  /** A heading in the transcript. */
  say(text: string): void {
    if (this.lines.length > 0) this.lines.push('')
    this.lines.push(`# ${text}`)
  }

  /** Starts an actor. */
  spawn(node: number, actor: string, url: string, config: unknown): void {
    const behaviour = behaviours.get(url)
    if (behaviour === undefined || this.#cells.has(actor)) return
    const address = { node, actor }
    this.#cells.set(actor, { address, behaviour, state: behaviour.start(address, config) })
    this.#queue.push({ to: address, from: address, message: { kind: 'started' } })
  }

  /** An actor is gone, as after a crash; the disk stays. */
  stop(actor: string): void {
    this.#cells.delete(actor)
    this.#shown.delete(actor)
  }

  /** The client, or whom the test plays, sends a message, and everything that follows from it happens. */
  send(actor: string, message: Message, from: Address = { node: CLIENTS, actor: 'client' }): void {
    const to = this.#cells.get(actor)?.address ?? { node: NODE, actor }
    this.#queue.push({ to, from, message })
    this.run()
  }

  /** Handles messages until there is none left. */
  run(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#handle(next.to, next.from, next.message)
  }

  /** Time passes, timer by timer. */
  advance(millis: number): void {
    const end = this.uptime + millis
    for (;;) {
      this.run()
      const next = [...this.#timers].filter(([, { at }]) => at <= end).toSorted(([, a], [, b]) => a.at - b.at)[0]
      if (next === undefined) break
      const [key, { cell, timer, at }] = next
      this.#timers.delete(key)
      this.uptime = Math.max(this.uptime, at)
      this.#queue.push({ to: cell.address, from: cell.address, message: { kind: 'timerFired', timer } })
    }
    this.uptime = end
  }

  #handle(to: Address, from: Address, message: Message): void {
    const cell = this.#cells.get(to.actor)
    if (message.kind !== 'timerFired' && message.kind !== 'started') this.#write(from.actor, to.actor, describeAnswer(message))
    if (cell === undefined) return void this.heard.push(message)
    const effects: Effect[] = []
    const context = { from, now: EPOCH_MILLIS + this.uptime, uptime: this.uptime, random: 0 }
    cell.behaviour.receive(cell.state, message, context, { push: (effect) => void effects.push(effect) })
    this.#writeState(to.actor, cell)
    for (const effect of effects) this.#perform(cell, effect)
  }

  #perform(cell: Cell, effect: Effect): void {
    const { actor, node } = cell.address
    if (effect.kind === 'send') this.#queue.push({ to: effect.to, from: cell.address, message: effect.message })
    else if (effect.kind === 'startTimer')
      this.#timers.set(`${actor}/${effect.timer}`, { cell, timer: effect.timer, at: this.uptime + effect.afterMillis })
    else if (effect.kind === 'cancelTimer') this.#timers.delete(`${actor}/${effect.timer}`)
    else if (effect.kind === 'spawn') this.spawn(node, effect.actor, effect.url, effect.config)
    else if (effect.kind === 'stop') this.#cells.delete(effect.actor)
    else if (effect.kind !== 'fatal' && effect.kind !== 'report') this.#askDisk(cell, effect)
  }

  #askDisk(cell: Cell, effect: StorageEffect): void {
    this.#write(cell.address.actor, 'disk', describeEffect(effect))
    const message: StorageAnswer = perform(this.disk, effect)
    this.#queue.push({ to: cell.address, from: { node: NODE, actor: 'disk' }, message })
  }

  #write(from: string, to: string, text: string): void {
    if (this.#listening === null || this.#except.test(text) || !(this.#listening.test(from) || this.#listening.test(to))) return
    this.lines.push(`${`${from} -> ${to}`.padEnd(24)} ${text}`)
  }

  #writeState(name: string, cell: Cell): void {
    const summary = summaryOf(cell)
    if (this.#listening?.test(name) !== true || summary === (this.#shown.get(name) ?? '')) return
    this.#shown.set(name, summary)
    this.lines.push(`${' '.repeat(24)} ${name} is now: ${summary}`)
  }
}

/** Answers of the disk carry tokens that no reader needs. */
function describeAnswer(message: Message): string {
  return 'token' in message && message.kind !== 'submit' && message.kind !== 'delivered'
    ? describeMessage(message).replace(/ #\d+/, '')
    : describeMessage(message)
}

/** What a reader wants to know of a state. */
function summaryOf({ behaviour, state }: Cell): string {
  if (behaviour.url === replica.url) return replicaSummary(state as ReplicaState)
  if (behaviour.url === consumer.url) return consumerSummary(state as ConsumerState)
  if (behaviour.url === transactor.url) return transactorSummary(state as TransactorState)
  return behaviour.url === groups.url ? [...(state as GroupsState).groups.values()].map(groupSummary).join('; ') : ''
}

function replicaSummary({ phase, log, highWatermark, pending, parked, parkedBatches, transactions }: ReplicaState): string {
  const segments = log.segments.map(({ baseOffset, sizeBytes }) => `${baseOffset}.log ${sizeBytes} bytes`).join(', ')
  const waiting = parked.length === 0 ? '' : `, readers waiting: ${parked.length}`
  const open = pending.length === 0 ? '' : `, not acknowledged: ${pending.length}`
  const stable = [...transactions.open.values()][0]?.offset
  const end = stable === undefined ? '' : `, last stable offset ${stable}`
  const asking = parkedBatches.length === 0 ? '' : `, batches that wait for the transactor: ${parkedBatches.length}`
  return `${phase}, [${segments}], log end ${log.logEndOffset}, high watermark ${highWatermark.offset}${end}${open}${asking}${waiting}`
}

function transactorSummary({ phase, ids }: TransactorState): string {
  const known = [...ids.values()].map(({ id, transaction, markers }) => {
    const where = transaction?.partitions.map(({ topic, partition }) => `${topic}-${partition}`) ?? []
    const missing = markers.size === 0 ? '' : `, markers missing: ${markers.size}`
    return `${id} ${transaction?.state ?? 'unknown'}${where.length === 0 ? '' : ` in ${where.join(' ')}`}${missing}`
  })
  return `${phase}, ${known.join('; ') || 'no ids'}`
}

function consumerSummary({ partitions, membership }: ConsumerState): string {
  const held = [...partitions.values()].map(({ name, phase, position }) => `${name} ${phase}${position < 0 ? '' : ` at ${position}`}`)
  return `${membership.memberEpoch > 0 ? `epoch ${membership.memberEpoch}, ` : ''}${held.join(', ') || 'nothing'}`
}

function groupSummary({ membership, offsets }: Group): string {
  const members = [...(membership?.members.values() ?? [])].map(({ memberId, epoch, assigned, revoking }) => {
    const gives = revoking.size === 0 ? '' : `, gives up ${[...revoking.keys()].join(' ')}`
    return `${memberId} (epoch ${epoch}) has ${[...assigned].join(' ') || 'nothing'}${gives}`
  })
  const committed = [...offsets].map(([name, { offset }]) => `${name} at ${offset}`)
  return `${members.join('; ') || 'no members'}${committed.length === 0 ? '' : `; committed ${committed.join(', ')}`}`
}
