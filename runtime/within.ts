/**
 * Waits for something, but not without end.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** What the work comes to, or `late` if it has not come to its end in so long. Rejects where the work does. */
export async function within<Result, Late>(millis: number, work: Promise<Result>, late: Late): Promise<Result | Late> {
  const waited = new AbortController()
  const isOver = sleep(millis, late, { signal: waited.signal }).catch(() => late)
  try {
    return await Promise.race([work, isOver])
  } finally {
    waited.abort()
  }
}
