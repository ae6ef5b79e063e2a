/**
 * Timers by the millisecond in a hierarchical wheel (Varghese and Lauck): level n has 64 slots of 64^n milliseconds. A
 * timer lies on the lowest level on which its time and the wheel's time differ only in that digit (base 64), so every
 * slot is either past or entirely ahead, and timers of one slot are always in the order in which they were started:
 *
 *     level 0   | 1 ms  x 64 |   a slot is one tick; it fires
 *     level 1   | 64 ms x 64 |   when the wheel reaches a slot, its timers move to the levels below
 *     level 2   | 4 s   x 64 |   ... up to level 7
 *
 * Start and cancel cost a constant; `advance` skips empty slots, however far the clock jumps. It does NOT read a clock.
 */

interface Timer<Payload> {
  readonly key: string
  readonly tick: number
  readonly payload: Payload
  /** Null once the timer has fired or was cancelled. */
  slot: Slot<Payload> | null
}

interface Slot<Payload> {
  readonly level: number
  readonly timers: Set<Timer<Payload>>
}

interface Level<Payload> {
  readonly slots: readonly Slot<Payload>[]
  /** Milliseconds that one slot covers. */
  readonly slotMillis: number
  timerCount: number
}

const LEVEL_COUNT = 8
const SLOT_COUNT = 64

/** Times lie below 64^8 ms, the year 10889; a later one (or Infinity) is a mistake. */
const TICK_MAX = SLOT_COUNT ** LEVEL_COUNT - 1

/** Named timers, each with a payload. Fires by (time, order of starting). */
export class TimerWheel<Payload> {
  readonly #levels: readonly Level<Payload>[]
  readonly #timers: Map<string, Timer<Payload>> = new Map()
  #now: number
  /** Null when it has to be searched again. */
  #nextAt: number | null = Infinity

  /** A wheel that stands at `now`, in milliseconds. */
  constructor(now: number = 0) {
    this.#now = Math.floor(now)
    this.#levels = Array.from({ length: LEVEL_COUNT }, (_, level) => ({
      slots: Array.from({ length: SLOT_COUNT }, () => ({ level, timers: new Set<Timer<Payload>>() })),
      slotMillis: SLOT_COUNT ** level,
      timerCount: 0,
    }))
  }

  /** How many timers run. */
  get size(): number {
    return this.#timers.size
  }

  /** When the next timer fires, in milliseconds; Infinity without one. Never before the wheel's own time. */
  get nextAt(): number {
    return (this.#nextAt ??= this.#findNextAt())
  }

  /**
   * Starts the timer `key`, instead of a running one of that name. It fires at the first `advance` to `atMillis` or later;
   * a time that is past counts as the wheel's time. Throws a RangeError for a time that is no number below 64^8.
   */
  start(key: string, atMillis: number, payload: Payload): void {
    if (!(atMillis <= TICK_MAX)) throw new RangeError(`a timer cannot be set to ${atMillis}`)
    this.cancel(key)
    const timer: Timer<Payload> = { key, tick: Math.max(Math.ceil(atMillis), this.#now), payload, slot: null }
    this.#timers.set(key, timer)
    this.#place(timer)
    if (this.#nextAt !== null && timer.tick < this.#nextAt) this.#nextAt = timer.tick
  }

  /** Stops the timer `key`; nothing happens if there is none. */
  cancel(key: string): void {
    const timer = this.#timers.get(key)
    if (timer === undefined) return
    this.#timers.delete(key)
    this.#unplace(timer)
    if (timer.tick === this.#nextAt) this.#nextAt = null
  }

  /**
   * Moves the wheel to `now` (never back) and fires what is due, in order; returns how many. `fire` may start and cancel:
   * a timer that is cancelled before its turn does not fire, one that is started waits for the next `advance`.
   */
  advance(now: number, fire: (payload: Payload) => void): number {
    const end = Math.max(Math.floor(now), this.#now)
    if (this.nextAt > end) {
      this.#turn(end)
      return 0
    }
    const due = this.#collect(end)
    let count = 0
    for (const timer of due) {
      if (this.#timers.get(timer.key) !== timer) continue
      this.#timers.delete(timer.key)
      count++
      fire(timer.payload)
    }
    return count
  }

  /** Takes every timer up to `end` out of its slot, in firing order, and leaves the wheel at `end`. */
  #collect(end: number): Timer<Payload>[] {
    const due: Timer<Payload>[] = []
    for (let next = this.nextAt; next <= end; next = this.#findNextAt()) {
      this.#turn(next)
      for (const timer of this.#slotOf(0, next).timers) {
        this.#unplace(timer)
        due.push(timer)
      }
    }
    this.#turn(end)
    this.#nextAt = null
    return due
  }

  /** Moves to `tick`, not beyond the next timer, and hands the timers of the slots that begin there to the levels below. */
  #turn(tick: number): void {
    const before = this.#now
    this.#now = tick
    for (let level = LEVEL_COUNT - 1; level > 0; level--) {
      const { slotMillis, timerCount } = this.#level(level)
      if (timerCount === 0 || Math.floor(before / slotMillis) === Math.floor(tick / slotMillis)) continue
      for (const timer of this.#slotOf(level, tick).timers) {
        this.#unplace(timer)
        this.#place(timer)
      }
    }
  }

  #findNextAt(): number {
    const level = this.#levels.find(({ timerCount }) => timerCount > 0)
    if (level === undefined) return Infinity
    const firstIndex = Math.floor(this.#now / level.slotMillis) % SLOT_COUNT
    let first = Infinity
    for (let index = firstIndex; index < SLOT_COUNT && first === Infinity; index++) {
      for (const { tick } of level.slots[index]?.timers ?? []) first = Math.min(first, tick)
    }
    return first
  }

  #place(timer: Timer<Payload>): void {
    const level = this.#levels.findIndex(({ slotMillis }) => {
      const turnMillis = slotMillis * SLOT_COUNT
      return Math.floor(timer.tick / turnMillis) === Math.floor(this.#now / turnMillis)
    })
    const slot = this.#slotOf(level, timer.tick)
    slot.timers.add(timer)
    timer.slot = slot
    this.#level(level).timerCount++
  }

  #unplace(timer: Timer<Payload>): void {
    if (timer.slot === null) return
    timer.slot.timers.delete(timer)
    this.#level(timer.slot.level).timerCount--
    timer.slot = null
  }

  #slotOf(index: number, tick: number): Slot<Payload> {
    const level = this.#level(index)
    const slot = level.slots[Math.floor(tick / level.slotMillis) % SLOT_COUNT]
    if (slot === undefined) throw new RangeError(`no slot for ${tick} on level ${index}`)
    return slot
  }

  #level(index: number): Level<Payload> {
    const level = this.#levels[index]
    if (level === undefined) throw new RangeError(`no level ${index}`)
    return level
  }
}
