/**
 * Watches that an application goes on asking for records (KIP-62): one that hangs keeps its heartbeats, and would keep its partitions for ever.
 * It sleeps until the interval could be over; a question costs it nothing.
 */

/** Who is watched. */
export interface Watched {
  /** When it last asked, by performance.now(). */
  readonly askedAt: number
  /** It is waiting for an answer. */
  readonly isWaiting: boolean
}

/** Tells once when the application has not asked for records for too long. */
export class PollWatch {
  readonly #intervalMillis: number
  readonly #watched: Watched
  readonly #onOverdue: () => void
  #timer: NodeJS.Timeout | null = null
  #startedAt = 0

  constructor(intervalMillis: number, watched: Watched, onOverdue: () => void) {
    this.#intervalMillis = intervalMillis
    this.#watched = watched
    this.#onOverdue = onOverdue
  }

  /** The interval begins (again). */
  start(): void {
    this.#startedAt = performance.now()
    if (this.#timer === null) this.#sleep(this.#intervalMillis)
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #sleep(millis: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.ceil(millis))
    this.#timer.unref()
  }

  #look(): void {
    const { askedAt, isWaiting } = this.#watched
    const now = performance.now()
    const since = isWaiting ? now : Math.max(askedAt, this.#startedAt)
    const left = since + this.#intervalMillis - now
    if (left > 0) return this.#sleep(left)
    this.#timer = null
    this.#onOverdue()
  }
}
