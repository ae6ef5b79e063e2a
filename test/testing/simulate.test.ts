// Users' own code under simulation: virtual time, seeds that repeat themselves, processes that die, what leaves the simulation, and errors that tell their story.

import { setTimeout as sleep } from 'node:timers/promises'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { json } from '../../edge/client/index.ts'
import { property, simulate } from '../../testing/index.ts'
import type { Scenario, SimulateOptions } from '../../testing/index.ts'
import { brokenBy, quiet } from './broken-by.ts'
import * as commitFirst from '../../examples/simulated/commit-first.ts'
import * as dualWrite from '../../examples/simulated/dual-write.ts'
import * as noKey from '../../examples/simulated/no-key.ts'

describe('a scenario', () => {
  test('produces and consumes with the ordinary clients', { timeout: 60_000 }, async () => {
    const seen: number[] = []
    const report = await simulate(
      async ({ cluster }) => {
        await cluster.admin.createTopic('numbers', { partitions: 2, replicationFactor: 3 })
        await using producer = cluster.producer<Uint8Array, number>({ value: json() })
        for (let n = 0; n < 10; n++) await producer.send({ topic: 'numbers', value: n, partition: n % 2 })
        await using consumer = cluster.consumer<Uint8Array, number>({ value: json(), group: 'g', topics: ['numbers'] })
        seen.length = 0
        while (seen.length < 10) for (const { value } of await consumer.poll()) if (value !== null) seen.push(value)
      },
      { seed: 1, runs: 3 },
    )
    expect(seen.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(report).toMatchObject({ seeds: 3, firstSeed: 1 })
    expect(Object.keys(report.faults).length).toBeGreaterThan(5)
  })

  test('has a time of its own: an hour takes no time, and all clocks agree', async () => {
    await simulate(
      async ({ clock }) => {
        const [wall, monotonic, uptime] = [Date.now(), performance.now(), clock.uptime]
        const fired: string[] = []
        setTimeout(() => fired.push('timeout'), 1000)
        const interval = setInterval(() => fired.push('interval'), 400)
        setImmediate(() => fired.push('immediate'))
        clearTimeout(setTimeout(() => fired.push('never'), 10))
        await sleep(1001)
        clearInterval(interval)
        expect(fired).toEqual(['immediate', 'interval', 'interval', 'timeout'])
        await new Promise((resolve) => AbortSignal.timeout(3_600_000).addEventListener('abort', resolve))
        expect(clock.uptime - uptime).toBeGreaterThanOrEqual(3_601_001)
        expect(performance.now() - monotonic).toBeCloseTo(clock.uptime - uptime, 0)
        expect(Math.abs(Date.now() - wall - (clock.uptime - uptime))).toBeLessThan(2)
        expect(new Date().getFullYear()).toBe(2025)
        await expect(sleep(1000, null, { signal: AbortSignal.abort() })).rejects.toThrow(/aborted/)
      },
      { ...quiet, seconds: 10_000 },
    )
  })

  test('draws the same chance from the same seed, and another from another one', async () => {
    const drawn: string[] = []
    const draw: Scenario = async () => {
      drawn.push(`${Math.random()} ${randomUUID()} ${crypto.randomUUID()}`)
    }
    for (const seed of [1, 1, 2]) await simulate(draw, { ...quiet, seed })
    // The first run of each is made twice.
    expect(drawn).toHaveLength(6)
    expect(new Set(drawn.slice(0, 4)).size).toBe(1)
    expect(drawn[4]).not.toBe(drawn[0])
  })

  test('gives time and chance back when it is over', async () => {
    await brokenBy(() => Promise.reject(new Error('over')), { ...quiet, shrinkMillis: 0 })
    expect(new Date().getFullYear()).toBeGreaterThan(2025)
    expect(randomUUID()).not.toBe(randomUUID())
    await sleep(1)
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('is the same run for the same seed', async () => {
    const options = { seed: 11, runs: 2 }
    const first = await simulate(noKey.fixed, options)
    expect(await simulate(noKey.fixed, options)).toEqual(first)
    expect((await simulate(noKey.fixed, { ...options, seed: 12 })).hash).not.toBe(first.hash)
  })

  test('runs after another one, not beside it', async () => {
    const order: string[] = []
    const one = (name: string): Promise<unknown> =>
      simulate(async ({ clock }) => {
        order.push(`${name} begins`)
        await clock.sleep(100)
        order.push(`${name} ends`)
      }, quiet)
    await Promise.all([one('a'), one('b')])
    const once = (name: string): string[] => [`${name} begins`, `${name} ends`]
    expect(order).toEqual([...once('a'), ...once('a'), ...once('b'), ...once('b')])
  })
})

describe('a process', () => {
  test('that is killed hears of nothing any more, and lives again', async () => {
    const lived: string[] = []
    await simulate(async ({ spawn, clock }) => {
      lived.length = 0
      const worker = spawn('worker', async ({ life, cluster }) => {
        lived.push(`life ${life}`)
        if (life > 1) return
        setTimeout(() => lived.push('a timer of the dead'), 500)
        const answer = cluster.admin.listTopics()
        await Promise.all([answer, clock.sleep(50)])
        lived.push('an answer for the dead')
      })
      await clock.sleep(20)
      worker.kill()
      await worker.done
      await clock.sleep(1000)
    }, quiet)
    expect(lived).toEqual(['life 1', 'life 2'])
  })

  test('that throws breaks the run', async () => {
    const error = await brokenBy(
      async ({ spawn, clock }) => {
        spawn('worker', () => Promise.reject(new RangeError('too far')))
        await clock.sleep(1000)
      },
      { ...quiet, shrinkMillis: 0 },
    )
    expect(error.message).toContain('process worker: RangeError: too far')
  })
})

describe('what is broken', () => {
  test('a scenario that never ends', async () => {
    const error = await brokenBy(() => new Promise(() => undefined), { ...quiet, shrinkMillis: 0 })
    expect(error.message).toMatch(/^LIVE: the scenario is not at its end/)
  })

  test('a scenario that waits for a file, by the name of the culprit', async () => {
    const error = await brokenBy(async () => void (await readFile(import.meta.filename)), { ...quiet, shrinkMillis: 0 })
    expect(error.message).toMatch(/waits for a file .*simulate\.test\.ts/)
  })

  test('a scenario that is not the same twice', async () => {
    let runs = 0
    const error = await brokenBy(async ({ clock, cluster }) => {
      await clock.sleep(++runs)
      await cluster.admin.listTopics()
    }, quiet)
    expect(error.message).toMatch(/^seed 5 does not give the same run twice/)
  })

  test('is told with its seed, what is left of it, and its story, and runs again from that', { timeout: 120_000 }, async () => {
    const options = { seed: 42, runs: 1, shrinkMillis: 20_000 }
    const error = await brokenBy(commitFirst.broken, options)
    expect(error.message).toMatch(/were never seen/)
    expect(error.message).toContain(`seed: 42, keep: '${error.keep}'`)
    expect(error.keep.split(',').length).toBeLessThanOrEqual(4)
    expect(error.story.at(-1)).toMatch(/broken: SCENARIO LawError/)
    const again = await brokenBy(commitFirst.broken, { ...options, keep: error.keep })
    expect(again.story).toEqual(error.story)
  })
})

describe('the examples', () => {
  test.each([
    ['an offset committed before the work', commitFirst],
    ['a handler that is not idempotent', noKey],
    ['a dual write', dualWrite],
  ])('%s is found, and mended', { timeout: 120_000 }, async (_, { broken, fixed }) => {
    const options = { seed: 21, runs: 20, shrinkMillis: 0 }
    expect((await brokenBy(broken, options)).message).toMatch(/LawError/)
    await expect(simulate(fixed, options)).resolves.toMatchObject({ seeds: 20 })
  })
})

describe('a property', () => {
  const holds = async (numbers: readonly number[]): Promise<void> => {
    if (numbers.some((n) => n >= 100)) throw new Error(`too large: ${Math.max(...numbers)}`)
  }

  test('that holds, holds', async () => {
    await property(fc.array(fc.integer({ max: 99 })), holds, { seed: 3, examples: 3, faults: 'none' })
  })

  test('that does not is shown with the least counterexample, and the simulation of it as its cause', { timeout: 60_000 }, async () => {
    const options = { seed: 3, examples: 20, faults: 'none', shrinkMillis: 0 } as const
    const error = await property(fc.array(fc.integer({ min: 0, max: 1000 })), holds, options).then(
      () => null,
      (reason: unknown) => reason as Error,
    )
    expect(error?.message).toMatch(/Counterexample: \[\[100\]/)
    expect(error?.message).toMatch(/SimulationError/)
  })
})

describe('options', () => {
  test.each([
    [{ seed: 0 }, 'seed must be a whole number'],
    [{ runs: 1.5 }, 'runs must be a whole number'],
    [{ nodes: 6 }, 'nodes must be a whole number from 1 to 5'],
    [{ faults: { kil: 1 } }, 'knows no kil'],
    [{ faults: { kill: -1 } }, 'faults.kill must be a whole number'],
    [{ faults: 'all' }, 'must be'],
    [{ sead: 1 }, 'has no option sead'],
  ])('%j are refused', (options, message) => {
    expect(() => simulate(() => Promise.resolve(), options as SimulateOptions)).toThrow(message)
  })

  afterEach(() => void delete process.env['ODRADEK_SEED'])

  test('take the seed from the environment', async () => {
    process.env['ODRADEK_SEED'] = '4711'
    await expect(simulate(() => Promise.resolve(), { faults: 'none' })).resolves.toMatchObject({ firstSeed: 4711, seeds: 1 })
  })
})
