/**
 * The event loop of a simulation: a heap of events by (time, tie), where the tie is drawn, so that nothing depends on the order in which
 * events were made. Virtual time is whole microseconds and jumps from event to event; nothing ever waits.
 * A violation stops the loop: the first one is the one to understand.
 */
import type { Address } from '../protocol/address.ts'
import type { Message } from '../protocol/messages/message.ts'
import { noPairs } from './coverage/pairs.ts'
import type { Host } from './host.ts'
import type { Frame } from './network.ts'
import type { Onlooker } from './onlooker.ts'
import { Random } from './random.ts'
import { TraceHash } from './trace-hash.ts'

/** A broken promise: which property, what happened, and when (virtual microseconds). */
export interface Violation {
  readonly code: string
  readonly message: string
  readonly atMicros: number
}

/** An actor has been given a message, and its effects are still to come. */
export interface Seen {
  readonly host: Host
  readonly actor: string
  /** What kind of actor it is, and what state it is in now, as the coverage names them. */
  readonly kind: string
  readonly state: string
  readonly from: Address
  /** How often such a message has come to such an actor in the state that it was in. */
  readonly times: number
}

/** Lies in wait, and may strike; other than an onlooker it is part of the run. */
export interface Lookout {
  /** A message is on its way to another host. */
  sent(to: Address, message: Message, frame: Frame): void
  saw(seen: Seen): void
}

interface Scheduled {
  readonly time: number
  readonly tie: number
  readonly run: () => void
}

/** A run with more events than that does not come to an end: somebody is busy with nothing. */
const EVENTS_MAX = 1_500_000

/** Time, order and verdict of one run. */
export class World {
  readonly seed: number
  readonly trace: TraceHash = new TraceHash()
  /** Virtual microseconds since the beginning. */
  nowMicros = 0
  eventCount = 0
  violation: Violation | null = null
  /** The promises that count; null: all. */
  asserted: ReadonlySet<string> | null = null
  /** How often another one was broken. */
  forgivenCount = 0
  /** How often each kind of message came to an actor in each of its states. */
  readonly pairs: Uint32Array = noPairs()
  /** Takes lines of the transcript; null unless somebody wants one. */
  log: ((line: string) => void) | null = null
  /** Looks at what happens; null unless somebody does. */
  onlooker: Onlooker | null = null
  /** Lies in wait; null unless somebody does. */
  lookout: Lookout | null = null
  readonly #eventsMax: number
  readonly #ties: Random
  readonly #heap: Scheduled[] = []

  /** `eventsMax`: a run with more of them fails. */
  constructor(seed: number, eventsMax: number = EVENTS_MAX) {
    this.seed = seed
    this.#eventsMax = eventsMax
    this.#ties = new Random(seed, 'schedule')
  }

  /** Runs something at a time that is not over. */
  at(time: number, run: () => void): void {
    const heap = this.#heap
    const event = { time: Math.max(time, this.nowMicros), tie: this.#ties.next(), run }
    let child = heap.length
    heap.push(event)
    while (child > 0) {
      const parent = (child - 1) >> 1
      const above = heap[parent]!
      if (!isEarlier(event, above)) break
      heap[child] = above
      child = parent
    }
    heap[child] = event
  }

  /** Runs something after a delay. */
  after(micros: number, run: () => void): void {
    this.at(this.nowMicros + micros, run)
  }

  /** Notes the first broken promise; the loop ends with the event at hand. */
  fail(code: string, message: string): void {
    if (this.asserted?.has(code) === false) {
      this.forgivenCount++
      return this.log?.(`forgiven ${code} ${message}`)
    }
    this.violation ??= { code, message, atMicros: this.nowMicros }
    this.log?.(`VIOLATION ${code} ${message}`)
  }

  /** Runs events until that time, or until `isDone` says so, or a violation. */
  runUntil(time: number, isDone: () => boolean = () => false): void {
    while (this.violation === null && !isDone()) {
      const next = this.#heap[0]
      if (next === undefined || next.time > time) {
        this.nowMicros = time
        return
      }
      this.#dropFirst()
      this.nowMicros = next.time
      if (++this.eventCount > this.#eventsMax) this.fail('LIVE', `more than ${this.#eventsMax} events: somebody is busy with nothing`)
      next.run()
    }
  }

  #dropFirst(): void {
    const heap = this.#heap
    const moved = heap.pop()!
    const { length } = heap
    if (length === 0) return
    let parent = 0
    for (let child = 1; child < length; child = 2 * parent + 1) {
      if (child + 1 < length && isEarlier(heap[child + 1]!, heap[child]!)) child++
      const below = heap[child]!
      if (!isEarlier(below, moved)) break
      heap[parent] = below
      parent = child
    }
    heap[parent] = moved
  }
}

function isEarlier(a: Scheduled, b: Scheduled): boolean {
  return a.time < b.time || (a.time === b.time && a.tie < b.tie)
}
