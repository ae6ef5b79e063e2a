/**
 * Questions for records that wait until something arrives, fails or is resumed.
 */
import { KafkaError } from '../../protocol/errors.ts'

/** The longest delay that setTimeout takes. */
const TIMEOUT_MILLIS_MAX = 2 ** 31 - 1

/** Those who wait. */
export class Wakes {
  readonly #wakes: Set<() => void> = new Set()
  readonly #onEnd: () => void

  /** `onEnd` is told of the end of each wait. */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  /** How many wait. */
  get count(): number {
    return this.#wakes.size
  }

  /** Ends all waits. */
  wakeAll(): void {
    for (const wake of this.#wakes) wake()
  }

  /** Waits to be woken, or until `deadline` (by performance.now()). Throws when aborted. */
  wait(signal: AbortSignal | undefined, deadline: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const millis = Math.min(Math.max(0, deadline - performance.now()), TIMEOUT_MILLIS_MAX)
      const timer = deadline === Infinity ? null : setTimeout(() => wake(), millis)
      const end = (): void => {
        if (timer !== null) clearTimeout(timer)
        this.#onEnd()
        signal?.removeEventListener('abort', onAbort)
        this.#wakes.delete(wake)
      }
      const wake = (): void => {
        end()
        resolve()
      }
      const onAbort = (): void => {
        end()
        reject(signal?.reason instanceof Error ? signal.reason : new KafkaError('REQUEST_TIMED_OUT', 'the wait was aborted'))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#wakes.add(wake)
    })
  }
}
