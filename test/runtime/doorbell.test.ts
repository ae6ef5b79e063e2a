/** A doorbell wakes who sleeps, costs nothing for who is awake, and never loses a wake-up. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { Doorbell, allocateDoorbells } from '../../runtime/doorbell.ts'
import { type PingPong, play } from './ping-pong.ts'

describe('a doorbell', () => {
  test('does not ring for a thread that is awake', () => {
    expect(bell().ring()).toBe(false)
  })

  test('does not let a thread sleep that has work', async () => {
    const own = bell()
    expect(own.waitBlocking(60_000, () => true)).toBe('work')
    expect(await own.waitAsync(60_000, () => true)).toBe('work')
    expect(own.ring()).toBe(false)
  })

  test('lets the event loop turn, even if there is always work already', async () => {
    const own = bell()
    for (const hasWork of [() => true, () => !own.ring()]) {
      let hasTurned = false
      setImmediate(() => (hasTurned = true))
      for (let waits = 0; waits < 100 && !hasTurned; waits++) await own.waitAsync(60_000, hasWork)
      expect(hasTurned).toBe(true)
    }
  })

  test('does not let a thread sleep for which it rings while the thread looks at its work', async () => {
    const own = bell()
    const ringAndFindNothing = (): boolean => !own.ring()
    expect(own.waitBlocking(60_000, ringAndFindNothing)).toBe('rung')
    expect(await own.waitAsync(60_000, ringAndFindNothing)).toBe('rung')
  })

  test('ends a wait after its time, and is awake then', async () => {
    const own = bell()
    expect(own.waitBlocking(1, nothing)).toBe('timeout')
    expect(own.ring()).toBe(false)
    expect(await own.waitAsync(1, nothing)).toBe('timeout')
    expect(own.ring()).toBe(false)
  })

  test('ends the wait of its own thread, once', async () => {
    const own = bell()
    const wait = own.waitAsync(Infinity, nothing)
    expect(own.ring()).toBe(true)
    expect(own.ring()).toBe(false)
    expect(await wait).toBe('rung')
  })

  test('rings for one thread and not for its neighbours', async () => {
    const shared = allocateDoorbells(3)
    const [left, middle, right] = [0, 1, 2].map((thread) => new Doorbell(shared, thread))
    const wait = middle?.waitAsync(60_000, nothing)
    expect(left?.ring()).toBe(false)
    expect(right?.ring()).toBe(false)
    expect(middle?.ring()).toBe(true)
    expect(await wait).toBe('rung')
  })

  test('belongs to a thread that exists', () => {
    for (const thread of [-1, 2]) expect(() => new Doorbell(allocateDoorbells(2), thread)).toThrow(RangeError)
  })

  test('loses no wake-up in 100,000 turns of two threads that block', { timeout: 120_000 }, async () => {
    expect(await timeouts(100_000, [])).toEqual([0, 0])
  })

  test('loses no wake-up in 40,000 turns of two threads whose event loops run', { timeout: 120_000 }, async () => {
    expect(await timeouts(40_000, [0, 1])).toEqual([0, 0])
  })

  test('wakes a thread without asking how it sleeps', { timeout: 120_000 }, async () => {
    expect(await timeouts(10_000, [0])).toEqual([0, 0])
    expect(await timeouts(10_000, [1])).toEqual([0, 0])
  })
})

function bell(): Doorbell {
  return new Doorbell(allocateDoorbells(1), 0)
}

function nothing(): boolean {
  return false
}

/** How many waits of each side ended by time-out, of two threads that played all turns. */
async function timeouts(turnCount: number, asyncThreads: readonly number[]): Promise<number[]> {
  const counter = new SharedArrayBuffer(4)
  const task: PingPong = { bells: allocateDoorbells(2), counter, turnCount, asyncThreads }
  const worker = new Worker(new URL('./ping-pong.ts', import.meta.url), { workerData: task })
  const theirs = once(worker, 'message')
  const ours = await play(task, 0)
  const [reasons] = (await theirs) as [typeof ours]
  expect(new Int32Array(counter)[0]).toBe(turnCount)
  expect(ours.rung + reasons.rung).toBeGreaterThan(0)
  return [ours.timeout, reasons.timeout]
}
