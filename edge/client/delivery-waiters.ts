/**
 * Who waits for a producer: for room in its buffer, or until everything that was given to it so far is delivered. It does NOT know the batches: their
 * tokens, which grow, are enough.
 */

/** Everything with a lower token; Infinity while some of what is waited for has no token yet. */
interface FlushWaiter {
  target: number
  readonly resolve: () => void
}

/** The waiters of one producer. */
export class DeliveryWaiters {
  #flushes: FlushWaiter[] = []
  #drained: (() => void)[] = []

  /** Resolves when `tellRoom` is called next. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#drained.push(resolve))
  }

  /** Resolves when all tokens below `target` are delivered. */
  delivered(target: number): Promise<void> {
    return new Promise((resolve) => this.#flushes.push({ target, resolve }))
  }

  /** Somebody waits for records that had no token when he came. */
  hasUntold(): boolean {
    return this.#flushes.some(({ target }) => target === Infinity)
  }

  /** Those records have tokens now, all below `target`. */
  setTarget(target: number): void {
    for (const flush of this.#flushes) flush.target = Math.min(flush.target, target)
  }

  /** What had a token has others instead, all below `target`. */
  replaced(token: number, target: number): void {
    for (const flush of this.#flushes) if (flush.target > token) flush.target = Math.max(flush.target, target)
  }

  tellRoom(): void {
    for (const resolve of this.#drained.splice(0)) resolve()
  }

  /** `oldest` is the lowest token that is not delivered; Infinity if there is none. */
  tellDelivered(oldest: number): void {
    if (this.#flushes.length === 0) return
    const done = this.#flushes.filter(({ target }) => target <= oldest)
    if (done.length === 0) return
    this.#flushes = this.#flushes.filter(({ target }) => target > oldest)
    for (const { resolve } of done) resolve()
  }
}
