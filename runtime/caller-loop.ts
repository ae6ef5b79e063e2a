/**
 * Drives the duty cycle on the caller's thread, whose event loop belongs to the application: a cycle runs when the client has posted
 * something (`kick`), when another thread rings, and when a timer is due.
 */
import type { ThreadRuntime } from './thread-runtime.ts'

/** Longest sleep; also how long a lost ring could delay things. */
const SLEEP_MILLIS_MAX = 1000

/** Cycles in a row before the application's own events get their turn. */
const CYCLES_MAX = 64

/**
 * How long kicks may follow each other before the application's timers and other events get their turn: who awaits one answer after the other, of a node on this
 * thread, is never out of the microtasks otherwise.
 */
const TURN_MILLIS_MAX = 10

/** Runs the cycles of the caller's thread. See the header. */
export class CallerLoop {
  readonly #runtime: ThreadRuntime
  #open = true
  /** When the sleep under way ends by itself, by performance.now(). */
  #wakesAt = Infinity
  /** When the turn of the event loop began in which the last kick was, as far as kicks know; -1: a new one has begun since. */
  #turnBeganAt = -1
  /** A kick waits for the next turn. */
  #isDeferred = false
  readonly #ended: Promise<void>
  readonly #beforeCycle: () => void

  /** `beforeCycle` runs before the cycles that other threads or timers cause. */
  constructor(runtime: ThreadRuntime, beforeCycle: () => void = () => undefined) {
    this.#runtime = runtime
    this.#beforeCycle = beforeCycle
    this.#ended = this.#run()
    runtime.onWake(() => this.kick())
  }

  /** Runs cycles now, until there is nothing to do at once; or in the next turn of the event loop, if this one has lasted too long. */
  kick(): void {
    if (this.#isDeferred || this.#isTurnOver()) return
    for (let i = 0; i < CYCLES_MAX && this.#runtime.cycle(); i++);
    const next = performance.now() + this.#runtime.millisToNextTimer()
    if (next < this.#wakesAt || this.#runtime.hasWork()) this.#runtime.bell.ring()
  }

  #isTurnOver(): boolean {
    const now = performance.now()
    if (this.#turnBeganAt < 0) {
      this.#turnBeganAt = now
      setImmediate(() => (this.#turnBeganAt = -1))
    }
    this.#isDeferred = now - this.#turnBeganAt >= TURN_MILLIS_MAX
    if (this.#isDeferred)
      setImmediate(() => {
        this.#isDeferred = false
        this.kick()
      })
    return this.#isDeferred
  }

  /** Ends the loop; resolves when nothing of it is left. */
  close(): Promise<void> {
    this.#open = false
    this.#runtime.bell.ring()
    return this.#ended
  }

  async #run(): Promise<void> {
    while (this.#open) {
      this.#beforeCycle()
      let cycles = 0
      while (this.#runtime.cycle() && ++cycles < CYCLES_MAX);
      if (cycles === CYCLES_MAX) {
        await new Promise((resolve) => setImmediate(resolve))
        continue
      }
      const millis = Math.min(this.#runtime.millisToNextTimer(), SLEEP_MILLIS_MAX)
      this.#wakesAt = performance.now() + millis
      await this.#runtime.bell.waitAsync(Math.ceil(millis), () => !this.#open || this.#runtime.hasWork())
      this.#wakesAt = Infinity
    }
  }
}
