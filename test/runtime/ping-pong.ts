/**
 * Two threads that count in turns and sleep between: thread 0 makes the counter odd, thread 1 makes it even. If a wake-up
 * got lost, the sleeper would wait for its time-out. Run as a worker's module, this file plays thread 1.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { Doorbell, type WakeReason } from '../../runtime/doorbell.ts'

/** What the two sides share; `asyncThreads` are those that wait by `waitAsync`. */
export interface PingPong {
  readonly bells: SharedArrayBuffer
  readonly counter: SharedArrayBuffer
  readonly turnCount: number
  readonly asyncThreads: readonly number[]
}

/** So long that only a lost wake-up can end a wait this way. */
const LOST_MILLIS = 20_000

/** Plays one side to the end; how its waits ended. */
export async function play(task: PingPong, thread: number): Promise<Record<WakeReason, number>> {
  const counter = new Int32Array(task.counter)
  const own = new Doorbell(task.bells, thread)
  const other = new Doorbell(task.bells, 1 - thread)
  const reasons = { work: 0, rung: 0, timeout: 0 }
  for (let turn = thread; turn < task.turnCount && reasons.timeout === 0; turn += 2) {
    const isMyTurn = (): boolean => Atomics.load(counter, 0) >= turn
    for (let spins = turn % 97; spins > 0 && !isMyTurn(); spins--);
    while (!isMyTurn() && reasons.timeout === 0) {
      const isAsync = task.asyncThreads.includes(thread)
      reasons[isAsync ? await own.waitAsync(LOST_MILLIS, isMyTurn) : own.waitBlocking(LOST_MILLIS, isMyTurn)]++
    }
    Atomics.store(counter, 0, turn + 1)
    other.ring()
  }
  return reasons
}

if (!isMainThread && isPingPong(workerData)) parentPort?.postMessage(await play(workerData, 1))

function isPingPong(data: unknown): data is PingPong {
  return typeof data === 'object' && data !== null && 'turnCount' in data
}
