// What breaks a run, wherever it is thrown: it is told as what a scenario throws is, with its seed, its story, and what was thrown as the cause.

import { setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KafkaError } from '../../edge/client/index.ts'
import { property, simulate } from '../../testing/index.ts'
import type { PropertyOptions, Scenario, ScenarioContext, SimulateOptions } from '../../testing/index.ts'
import { brokenBy, plain, quiet } from './broken-by.ts'

const boom = new RangeError('boom')

const fail = (): never => {
  throw boom
}

const broken: readonly (readonly [string, (context: ScenarioContext) => unknown])[] = [
  ['by the scenario', fail],
  ['by a timer', () => void setTimeout(fail, 10)],
  ['by an interval', () => void setInterval(fail, 10)],
  ['by a turn', () => void setImmediate(fail)],
  ['by a microtask', () => queueMicrotask(fail)],
  ['by a listener', () => AbortSignal.timeout(10).addEventListener('abort', fail)],
  ['by a promise that nobody waits for', () => void Promise.reject(boom)],
  ['by a process', ({ spawn }) => void spawn('worker', () => Promise.reject(boom))],
  ['by a process at once', ({ spawn }) => void spawn('worker', fail)],
  [
    'by a process in its second life',
    async ({ spawn, clock }) => {
      const worker = spawn('worker', (({ life }: { life: number }) =>
        life > 1 ? fail() : new Promise(() => undefined)) as () => Promise<void>)
      await clock.sleep(1)
      worker.kill()
    },
  ],
]

describe('what is thrown', () => {
  test.each(broken)('%s has a seed, a story, and a cause', async (_, act) => {
    const error = await brokenBy(async (context) => {
      context.note('it begins')
      await act(context)
      await context.clock.sleep(60_000)
    })
    expect(error.message).toMatch(/^(process worker: )?RangeError: boom\n/)
    expect(error.message).toContain("again: simulate(…, { seed: 5, keep: '")
    expect(error).toMatchObject({ seed: 5 })
    expect(error.story.join('\n')).toMatch(/it begins[^]*broken: SCENARIO (process worker: )?RangeError: boom/)
    expect(error.cause).toBe(boom)
  })

  test('is made smaller, and leaves nothing behind', { timeout: 60_000 }, async () => {
    const before = ['uncaughtException', 'unhandledRejection'].map((event) => process.rawListeners(event))
    const error = await brokenBy(
      async ({ clock }) => {
        setTimeout(fail, 10)
        await clock.sleep(100)
      },
      { seed: 5, runs: 1, shrinkMillis: 5000 },
    )
    expect(error.keep).toMatch(/^seconds=1\b/)
    expect(['uncaughtException', 'unhandledRejection'].map((event) => process.rawListeners(event))).toEqual(before)
    await simulate(async ({ clock }) => clock.sleep(100), quiet)
  })

  test('by the dead is nothing', async () => {
    await simulate(async ({ spawn, clock }) => {
      const worker = spawn('worker', async ({ life }) => {
        if (life > 1) return
        setTimeout(() => {
          worker.kill()
          void Promise.reject(new Error('of the dead'))
        }, 10)
        await clock.sleep(1000)
      })
      await worker.done
    }, quiet)
  })

  test.each([undefined, null, 0, { code: 7 }])('and is no error (%j) breaks a run as well', async (thrown) => {
    const error = await brokenBy(() => Promise.reject(thrown))
    expect(error.message).toMatch(/^what was thrown is no error: (undefined|null|0|\{ code: 7 \})\n/)
    expect(error.cause).toEqual(thrown)
  })
})

describe('what cannot be', () => {
  test.each([
    ['kill', 99],
    ['powerLoss', -1],
    ['kill', 1.5],
  ] as const)('faults.%s(%d) says which nodes there are', async (name, node) => {
    const error = await brokenBy(async ({ faults }) => faults[name](node), { ...quiet, shrinkMillis: 5000 })
    expect(error.message).toContain(`there is no node ${node}, only 0 or 1 or 2`)
    expect(error.cause).toBeInstanceOf(KafkaError)
    expect(error.cause).toMatchObject({ name: 'INVALID_REQUEST' })
  })

  test('a simulation inside of a simulation, which would wait for itself', async () => {
    const error = await brokenBy(async () => void (await simulate(() => Promise.resolve(), quiet)))
    expect(error.message).toMatch(/^Error: simulate is called by code under simulation: it would wait for itself/)
  })

  test('a share of more than everything is refused', () => {
    const options: SimulateOptions = { faults: { loss: 1_000_001 } }
    expect(() => simulate(() => Promise.resolve(), options)).toThrow('faults.loss must be a whole number from 0 to 1000000, not 1000001')
    expect(() => simulate(() => Promise.resolve(), { faults: { kill: 1_000_001 }, runs: 0 })).toThrow('runs')
  })

  test('no scenario is refused', async () => {
    expect(() => simulate(undefined as unknown as Scenario)).toThrow('simulate needs a scenario, an async function, not undefined')
    await expect(property(fc.nat(), 5 as never)).rejects.toThrow('property needs a scenario')
  })

  test.each([
    [{ examples: 0 }, 'property option examples must be a whole number from 1'],
    [{ seedsPerExample: 0 }, 'property option seedsPerExample must be a whole number from 1'],
    [{ seconds: 0 }, 'option seconds must be'],
    [{ sead: 1 }, 'no option sead'],
  ])('a property with %j is refused, and not tried', async (options, message) => {
    let tries = 0
    const tried = property(fc.nat(), async () => void tries++, options as PropertyOptions)
    await expect(tried).rejects.toThrow(message)
    await expect(tried).rejects.not.toThrow('Counterexample')
    expect(tries).toBe(0)
  })
})

describe('timers as Node has them', () => {
  test('turns take time: who waits for a timer by them sees it', async () => {
    await simulate(async ({ clock }) => {
      for (const pass of [() => new Promise((resolve) => setImmediate(resolve)), () => turn()]) {
        const begun = clock.uptime
        let isDone = false
        setTimeout(() => (isDone = true), 2)
        while (!isDone) await pass()
        expect(clock.uptime - begun).toBeCloseTo(2, 0)
      }
    }, quiet)
  })

  test('promises of them, cleared by their number, and what is no callback', async () => {
    await simulate(async ({ clock }) => {
      const begun = clock.uptime
      expect(await promisify(setTimeout)(25, 'value')).toBe('value')
      expect(clock.uptime - begun).toBeCloseTo(25, 0)
      expect(await promisify(setImmediate)('soon')).toBe('soon')
      const fired: string[] = []
      clearTimeout(+setTimeout(() => fired.push('by number'), 10))
      clearTimeout(`${+setTimeout(() => fired.push('by text'), 10)}`)
      clearInterval(+setInterval(() => fired.push('interval'), 10))
      setTimeout(() => fired.push('not cleared'), 10)
      await clock.sleep(50)
      expect(fired).toEqual(['not cleared'])
      expect(() => setTimeout('code' as unknown as () => void, 1)).toThrow(TypeError)
    }, quiet)
  })
})

describe('a run that is made smaller', () => {
  const late: Scenario = async ({ clock }) => {
    await clock.sleep(20_000)
    fail()
  }

  test('says when its time ran out, and how to give it more', { timeout: 60_000 }, async () => {
    const error = await brokenBy(late, { seed: 5, runs: 1, shrinkMillis: 1 })
    expect(error.message).toMatch(/\(there was no time for less: shrinkMillis, 1 now, gives it more\)/)
    expect((await brokenBy(late, plain)).message).toMatch(/\(shrinkMillis is 0: not made smaller\)/)
    expect((await brokenBy(async () => fail(), { ...quiet, shrinkMillis: 60_000 })).message).not.toContain('shrinkMillis')
  })

  test('and that of a property with commands is of the faults that were drawn', { timeout: 60_000 }, async () => {
    const wait = fc.constant({ check: () => true, run: fail, toString: () => 'fail' })
    const drawn = fc.record({ commands: fc.commands([wait]), faults: fc.constant({ kill: 1000 }) })
    const chosen: unknown[] = []
    const error: unknown = await property(
      drawn,
      async ({ commands }) => fc.asyncModelRun(() => ({ model: {}, real: {} }), commands as Iterable<never>),
      { seed: 1, examples: 20, shrinkMillis: 60_000, faults: ({ faults }) => (chosen.push(faults), faults) },
    ).catch((reason: unknown) => reason)
    expect(new Set(chosen.map((one) => JSON.stringify(one)))).toEqual(new Set(['{"kill":1000}']))
    expect(String(error)).toContain('RangeError: boom')
    expect(String(error)).not.toContain('shrinkMillis')
  })

  test('so does that of a property', { timeout: 60_000 }, async () => {
    const error: unknown = await property(fc.nat(), (_, context) => late(context), { seed: 1, examples: 1, shrinkMillis: 1 }).catch(
      (reason: unknown) => reason,
    )
    expect(String(error)).toContain('(there was no time for less: shrinkMillis, 1 now, gives it more)')
  })
})
