/**
 * What a recording says of the actors of a thread, in the order in which it happened: one was started, one was stopped, one was given a message and
 * this came of it. All that an actor ever learns is in it, so that the same code gives the same effects again (docs/replay.md).
 *
 *     spawned  1, node, actor, behaviour, configuration
 *     stopped  2, node, actor
 *     step     3, node, actor, node and actor of the sender, f64 random, message, outcome
 *              4, f64 now, f64 uptime, then as 3; where they are those of the step before, which is in the same chunk, they are left out
 *     outcome  count, effects with digests in place of bytes; or a text: the error that the actor has thrown
 */
import type { Address } from '../address.ts'
import type { Message } from '../messages/message.ts'
import { CHUNK_HEADER_BYTES, sealChunk } from './layout.ts'
import { ValueReader } from './value-reader.ts'
import { ValueWriter } from './value-writer.ts'

/** An actor began, in place of one of that name, if there was one. */
export interface SpawnedEntry {
  readonly kind: 'spawned'
  readonly node: number
  readonly actor: string
  /** Which one, wherever its module lies: see `behaviourName`. */
  readonly behaviour: string
  readonly config: unknown
}

/** An actor is gone. */
export interface StoppedEntry {
  readonly kind: 'stopped'
  readonly node: number
  readonly actor: string
}

/** What an actor may know while it handles a message: its context. */
export interface StepContext {
  readonly from: Address
  readonly now: number
  readonly uptime: number
  readonly random: number
}

/** What came of a message: effects in order, bytes in them as digests; or the message of the error that was thrown. */
export type Outcome = { readonly effects: readonly unknown[] } | { readonly thrown: string }

/** An actor has handled a message. */
export interface StepEntry {
  readonly kind: 'step'
  readonly node: number
  readonly actor: string
  readonly context: StepContext
  readonly message: Message
  readonly outcome: Outcome
}

/** One thing that happened. */
export type Entry = SpawnedEntry | StoppedEntry | StepEntry

const SPAWNED = 1
const STOPPED = 2
const STEP = 3
const STEP_AND_CLOCK = 4

/** Writes entries of one chunk after the other. */
export class EntryWriter {
  readonly #values: ValueWriter = new ValueWriter()
  /** Where the last whole entry ends. */
  #end = CHUNK_HEADER_BYTES
  #now = Number.NaN
  #uptime = Number.NaN

  constructor() {
    this.#values.reset(CHUNK_HEADER_BYTES)
  }

  /** Bytes of whole entries. */
  get sizeBytes(): number {
    return this.#end - CHUNK_HEADER_BYTES
  }

  spawned(node: number, actor: string, behaviour: string, config: unknown): void {
    this.#values.byte(SPAWNED)
    this.#name(node, actor)
    this.#values.value(behaviour)
    this.#values.value(config)
    this.#end = this.#values.size
  }

  stopped(node: number, actor: string): void {
    this.#values.byte(STOPPED)
    this.#name(node, actor)
    this.#end = this.#values.size
  }

  /** The first half of a step: to be written before the message is handled, which may change it. */
  beginStep(node: number, actor: string, { from, now, uptime, random }: StepContext, message: Message): void {
    const values = this.#values
    if (now === this.#now && uptime === this.#uptime) values.byte(STEP)
    else {
      values.byte(STEP_AND_CLOCK)
      values.float((this.#now = now))
      values.float((this.#uptime = uptime))
    }
    this.#name(node, actor)
    this.#name(from.node, from.actor)
    values.float(random)
    values.value(message)
  }

  /** The second half: to be written before the effects are carried out. */
  endStep(effects: readonly object[]): void {
    this.#values.value(effects.length)
    for (const effect of effects) this.#values.valueWithDigests(effect)
    this.#end = this.#values.size
  }

  /** The second half, where an error was thrown. */
  failStep(thrown: string): void {
    this.#values.value(thrown)
    this.#end = this.#values.size
  }

  /** The chunk with all whole entries, ready to be appended to a file; valid until the next entry is written. Begins the next chunk. */
  takeChunk(): Uint8Array {
    const chunk = this.#values.bytes.subarray(0, this.#end)
    sealChunk(chunk)
    this.#values.reset(CHUNK_HEADER_BYTES)
    this.#end = CHUNK_HEADER_BYTES
    this.#now = this.#uptime = Number.NaN
    return chunk
  }

  #name(node: number, actor: string): void {
    this.#values.value(node)
    this.#values.value(actor)
  }
}

/** The entries of a chunk; null if that is not what these bytes are. */
export function readEntries(bytes: Uint8Array): Entry[] | null {
  const values = new ValueReader(bytes)
  const entries: Entry[] = []
  const clock = { now: Number.NaN, uptime: Number.NaN }
  while (!values.done) {
    const entry = readEntry(values, clock)
    if (entry === null || values.failed) return null
    entries.push(entry)
  }
  return entries
}

/** A behaviour by its room and file, `actors/replica`: where the module lies is different on each machine, and in the package. */
export function behaviourName(url: string): string {
  return url
    .split('/')
    .slice(-2)
    .join('/')
    .replace(/(\.part)?\.[jt]s$/, '')
}

function readEntry(values: ValueReader, clock: { now: number; uptime: number }): Entry | null {
  const tag = values.byte()
  if (tag === STEP || tag === STEP_AND_CLOCK) return readStep(values, tag, clock)
  if (tag !== SPAWNED && tag !== STOPPED) return null
  const node = values.integer()
  const actor = values.text()
  if (tag === STOPPED) return { kind: 'stopped', node, actor }
  return { kind: 'spawned', node, actor, behaviour: values.text(), config: values.value() }
}

function readStep(values: ValueReader, tag: number, clock: { now: number; uptime: number }): StepEntry | null {
  if (tag === STEP_AND_CLOCK) {
    clock.now = values.float()
    clock.uptime = values.float()
  }
  const node = values.integer()
  const actor = values.text()
  const from = { node: values.integer(), actor: values.text() }
  const context = { from, ...clock, random: values.float() }
  const message = values.value()
  const outcome = readOutcome(values)
  if (outcome === null || !isMessage(message)) return null
  return { kind: 'step', node, actor, context, message, outcome }
}

function readOutcome(values: ValueReader): Outcome | null {
  const first = values.value()
  if (typeof first === 'string') return { thrown: first }
  if (typeof first !== 'number') return null
  const effects: unknown[] = []
  for (let index = 0; index < first && !values.failed; index++) effects.push(values.value())
  return { effects }
}

/** That it is one of ours is for its actor to find out: a later version may have others. */
function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string'
}
