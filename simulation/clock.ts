/**
 * The clocks of one host: a monotonic one, and a wall clock that may step. Whole milliseconds, as actors see them.
 */
import type { World } from './world.ts'

/** Where wall clocks begin: 2025-01-01T00:00Z. */
const EPOCH_MILLIS = 1_735_689_600_000

/** Time as one host tells it. */
export class Clock {
  readonly #world: World
  #stepMillis = 0

  constructor(world: World) {
    this.#world = world
  }

  /** Monotonic milliseconds. */
  uptime(): number {
    return Math.floor(this.#world.nowMicros / 1000)
  }

  /** Wall clock. */
  now(): number {
    return EPOCH_MILLIS + this.uptime() + this.#stepMillis
  }

  /** Somebody sets the wall clock; it stays off by so much, the steps before forgotten. */
  step(millis: number): void {
    this.#stepMillis = millis
  }
}
