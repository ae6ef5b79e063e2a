/**
 * The clocks of one host: a monotonic one, and a wall clock that may step, and run at a pace of its own. Whole milliseconds, as actors see them.
 */
import type { World } from './world.ts'

/** Where wall clocks begin: 2025-01-01T00:00Z. */
const EPOCH_MILLIS = 1_735_689_600_000

/** Time as one host tells it. */
export class Clock {
  readonly #world: World
  #offMillis = 0
  /** How much faster the wall clock runs, in millionths, and since which uptime. */
  #driftPpm = 0
  #driftsFrom = 0

  constructor(world: World) {
    this.#world = world
  }

  /** Monotonic milliseconds. */
  uptime(): number {
    return Math.floor(this.#world.nowMicros / 1000)
  }

  /** Wall clock. */
  now(): number {
    return EPOCH_MILLIS + this.uptime() + this.#offMillis + this.#driftMillis()
  }

  /** Somebody sets the wall clock; it stays off by so much, the steps before forgotten. */
  step(millis: number): void {
    this.#offMillis = millis
    this.#driftsFrom = this.uptime()
  }

  /** The wall clock runs faster by so many millionths from now on, or slower. */
  drift(ppm: number): void {
    this.#offMillis += this.#driftMillis()
    this.#driftPpm = ppm
    this.#driftsFrom = this.uptime()
  }

  #driftMillis(): number {
    return Math.trunc(((this.uptime() - this.#driftsFrom) * this.#driftPpm) / 1_000_000)
  }
}
