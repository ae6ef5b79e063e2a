/**
 * The thread that lets records arrive on schedule for bench/open-loop.ts: it sleeps until the next moment of a fixed grid and posts the time
 * of arrival. It knows nothing of the engine, so a stall there cannot slow it down; after a delay of its own it catches up.
 */
import { parentPort, workerData } from 'node:worker_threads'

/** How many arrivals, and how far apart. */
export interface Pace {
  readonly count: number
  readonly intervalMillis: number
}

/** Where a worker loads this module from. */
export const pacerUrl: string = import.meta.url

/** A clock that all threads of the process share, in nanoseconds. */
export function nowNanos(): number {
  return Number(process.hrtime.bigint())
}

if (parentPort !== null) pace(workerData as Pace, parentPort)

function pace({ count, intervalMillis }: Pace, port: NonNullable<typeof parentPort>): void {
  const nobody = new Int32Array(new SharedArrayBuffer(4))
  const beganAt = nowNanos()
  for (let index = 0; index < count; index++) {
    const dueAt = beganAt + index * intervalMillis * 1e6
    for (let now = nowNanos(); now < dueAt; now = nowNanos()) Atomics.wait(nobody, 0, 0, (dueAt - now) / 1e6)
    port.postMessage(nowNanos())
  }
}
