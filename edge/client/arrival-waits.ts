/**
 * Who waits for something to arrive: until he is roused, his time is over, or his signal aborts.
 */
import { KafkaError } from '../../protocol/errors.ts'

/** The longest delay that setTimeout takes. */
const TIMEOUT_MILLIS_MAX = 2 ** 31 - 1

/** The waits of one consumer. */
export class ArrivalWaits {
  readonly #wakes: Set<() => void> = new Set()

  /** Somebody waits. */
  get areAny(): boolean {
    return this.#wakes.size > 0
  }

  /** Ends all of them. */
  rouse(): void {
    for (const wake of this.#wakes) wake()
  }

  /** `deadline` by performance.now(); `onEnd` is called as soon as it is over. Rejects when aborted. */
  wait(signal: AbortSignal | undefined, deadline: number, onEnd: () => void): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const millis = Math.min(Math.max(0, deadline - performance.now()), TIMEOUT_MILLIS_MAX)
      const timer = deadline === Infinity ? null : setTimeout(() => wake(), millis)
      const end = (): void => {
        if (timer !== null) clearTimeout(timer)
        onEnd()
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
