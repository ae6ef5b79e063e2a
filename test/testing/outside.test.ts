// What leaves the simulation, or would: real servers, threads, clocks and chance. It is put in the seed's hands, or named, with the line that does it.

import * as crypto from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MessageChannel } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { json } from '../../edge/client/index.ts'
import { simulate } from '../../testing/index.ts'
import type { Scenario, ScenarioContext } from '../../testing/index.ts'
import { brokenBy, plain, quiet } from './broken-by.ts'

const realNow = Date.now
const realImmediate = setImmediate

/** Sends what was made of time and chance: two runs differ if it does. */
async function sendOf(context: ScenarioContext, value: unknown): Promise<void> {
  await context.cluster.admin.createTopic('values')
  await using producer = context.cluster.producer({ value: json<unknown>() })
  await producer.send({ topic: 'values', value })
}

describe('code that leaves the simulation is named:', () => {
  test('a request to a real server, again and again', async () => {
    const server = createServer((_, response) => void response.end('hi'))
    await new Promise<void>((resolve) => server.listen(0, resolve))
    const { port } = server.address() as AddressInfo
    const ask: Scenario = async () => void (await (await fetch(`http://127.0.0.1:${port}/`)).text())
    try {
      for (const options of [plain, { ...quiet, shrinkMillis: 1000 }]) {
        const error = await brokenBy(ask, options)
        expect(error.message).toMatch(/^Leak: the code under simulation waits for a server \(fetch\), at .*outside\.test\.ts/)
        expect(error.cause).toMatchObject({ name: 'Leak' })
      }
      const caught = await brokenBy((context) => ask(context).catch(() => Promise.reject(new Error('no answer'))))
      expect(caught.message).toMatch(/^Leak: .*a server \(fetch\)/)
      expect(caught.story.filter((line) => line.includes('broken:'))).toHaveLength(1)
      const spawned = await brokenBy((context) => context.spawn('asker', () => ask(context)).done)
      expect(spawned.message).toMatch(/a server \(fetch\), at .*outside\.test\.ts/)
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  const elsewhere: readonly (readonly [string, RegExp, () => unknown])[] = [
    ['a digest', /a thread of the pool \(HASHREQUEST\)/, () => crypto.subtle.digest('SHA-256', new Uint8Array(3))],
    [
      'a key of WebCrypto',
      /a thread of the pool \(KEYGENREQUEST\)/,
      () => crypto.subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt']),
    ],
    ['hkdf', /a thread of the pool \(\w+\)/, () => new Promise((resolve) => crypto.hkdf('sha256', 'a', 'b', 'c', 16, resolve))],
    ['a pair of keys', /\(KEYPAIRGENREQUEST\)/, () => new Promise((resolve) => crypto.generateKeyPair('ed25519', {}, resolve))],
    ['a pair of keys at once', /chance \(generateKeyPairSync\)/, () => crypto.generateKeyPairSync('ed25519')],
    ['a prime', /chance \(generatePrimeSync\)/, () => crypto.generatePrimeSync(32)],
    ['a channel', /another thread, or itself \(MESSAGEPORT\)/, () => new MessageChannel().port1.close()],
    ['a broadcast', /another thread, or itself \(MESSAGEPORT\)/, () => new BroadcastChannel('x').close()],
    ['a web socket', /a server \(WebSocket\)/, () => new WebSocket('ws://127.0.0.1:9')],
    ['shared memory', /another thread \(waitAsync\)/, () => waitForOthers()],
    ['the standard input', /the standard input \(stdin\)/, () => process.stdin.on('data', () => undefined)],
    ['a compiler', /a thread of the pool \(compile\)/, () => compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))],
    ['a blob', /a blob \(BLOBREADER\)/, () => new Blob(['x']).arrayBuffer()],
    ['a turn of the real loop', /a turn of the real event loop \(Immediate\)/, () => new Promise((resolve) => realImmediate(resolve))],
  ]
  test.each(elsewhere)('%s', async (_, what, leave) => {
    const error = await brokenBy(async ({ clock }) => {
      await leave()
      await clock.sleep(1)
    })
    expect(error.message).toMatch(what)
    expect(error.message.split('\n')[0]).toMatch(/, at .*outside\.test\.ts/)
  })

  test('but a stand-in of the code for it is not', async () => {
    const real = globalThis.fetch
    await simulate(async () => {
      globalThis.fetch = () => Promise.resolve(new Response('hi'))
      expect(await (await fetch('http://example.org/')).text()).toBe('hi')
    }, quiet)
    expect(globalThis.fetch).toBe(real)
    globalThis.fetch = () => Promise.resolve(new Response('ho'))
    try {
      await simulate(async () => expect(await (await fetch('http://example.org/')).text()).toBe('ho'), quiet)
    } finally {
      globalThis.fetch = real
    }
  })
})

function compile(bytes: Uint8Array): unknown {
  return (Reflect.get(globalThis, 'WebAssembly') as { compile(from: Uint8Array): unknown }).compile(bytes)
}

function waitForOthers(): unknown {
  const atomics = Atomics as unknown as { waitAsync(array: Int32Array, at: number, value: number, millis: number): { value: unknown } }
  return atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1).value
}

describe('chance and clocks that the seed decides:', () => {
  test('chance that calls back', async () => {
    const drawn: string[] = []
    const draw: Scenario = async ({ clock }) => {
      const before = clock.uptime
      let isLater = false
      const bytes = new Promise<Buffer>((resolve, reject) =>
        crypto.randomBytes(4, (error, some) => {
          expect(isLater).toBe(true)
          if (error === null) resolve(some)
          else reject(error)
        }),
      )
      isLater = true
      const below = new Promise<number>((resolve) => crypto.randomInt(100, (_, n) => resolve(n)))
      const between = new Promise<number>((resolve) => crypto.randomInt(1000, 2000, (_, n) => resolve(n)))
      const filled = new Promise<Buffer>((resolve) => crypto.randomFill(Buffer.alloc(4), 1, 2, (_, some) => resolve(some)))
      const key = crypto.generateKeySync('aes', { length: 128 }).export().toString('hex')
      const later = new Promise<string>((resolve) =>
        crypto.generateKey('hmac', { length: 64 }, (_, made) => resolve(made.export().toString('hex'))),
      )
      const all = [(await bytes).toString('hex'), await below, await between, (await filled).toString('hex'), key, await later]
      expect((await filled)[0]).toBe(0)
      expect((await filled)[3]).toBe(0)
      expect(key).toHaveLength(32)
      expect(await later).toHaveLength(16)
      expect(clock.uptime).toBeGreaterThan(before)
      drawn.push(all.join(' '))
    }
    await simulate(draw, quiet)
    expect(drawn).toHaveLength(2)
    expect(drawn[0]).toBe(drawn[1])
    await simulate(async () => expect(() => crypto.randomInt(5, 5)).toThrow(RangeError), quiet)
  })

  test('marks, measures, the origin of time, and when an event happened', async () => {
    await simulate(async (context) => {
      const { clock } = context
      const begun = clock.uptime
      const mark = performance.mark('begin', { detail: 1 })
      expect(mark).toMatchObject({ name: 'begin', startTime: begun, detail: 1 })
      await clock.sleep(25)
      expect(performance.measure('all', 'begin').duration).toBe(clock.uptime - begun)
      expect(performance.measure('all of it', { start: begun }).duration).toBe(clock.uptime - begun)
      expect(performance.measure('from the origin').duration).toBe(clock.uptime)
      expect(performance.measure('of a length', { start: 1, duration: 2 }).duration).toBe(2)
      performance.clearMarks()
      performance.clearMeasures()
      expect(Math.abs(performance.timeOrigin + performance.now() - Date.now())).toBeLessThan(1)
      expect(new Event('x').timeStamp).toBe(clock.uptime)
      await sendOf(context, [mark.startTime, performance.timeOrigin, new Event('x').timeStamp, process.cpuUsage()])
    }, quiet)
  })
})

describe('what a run leaves behind', () => {
  test('is nothing to the next one', async () => {
    const report = await simulate((context) => sendOf(context, Math.random()), quiet)
    let [isGoing, isNext] = [true, false]
    await brokenBy(async ({ clock }) => {
      void (async () => {
        while (isGoing) {
          await new Promise((resolve) => realImmediate(resolve))
          setTimeout(() => undefined, Math.random())
          void clock.sleep(1)
          if (isNext) void Promise.reject(new Error('left behind'))
        }
      })()
      await clock.sleep(1)
    })
    const next: Scenario = async (context) => {
      isNext = true
      await sendOf(context, Math.random())
      isNext = false
    }
    expect((await simulate(next, quiet)).hash).toBe(report.hash)
    isGoing = false
    await new Promise((resolve) => realImmediate(resolve))
  })
})

describe('two runs that differ are told by the first that does:', () => {
  test('a record', async () => {
    const error = await brokenBy((context) => sendOf(context, { text: 'hello', at: realNow() + Math.random() }))
    expect(error.message).toMatch(/^seed 5 does not give the same run twice/)
    expect(error.message).toMatch(/first that differs, at \d+\.\d+ s, of scenario: .*sends submit/)
    const [once, again] = ['once', 'again'].map((which) => new RegExp(`^ +${which}: +(.*)$`, 'm').exec(error.message)?.[1])
    expect(once).toContain('"at":')
    expect(again).toContain('"at":')
    expect(once).not.toBe(again)
  })

  test('how long somebody waits, and the line', async () => {
    let runs = 0
    const error = await brokenBy(async ({ clock, cluster, spawn }) => {
      runs++
      await spawn('sleeper', async () => {
        await clock.sleep(5)
        await new Promise((resolve) => setTimeout(resolve, 100 * runs))
        await cluster.admin.listTopics()
      }).done
    })
    expect(error.message).toMatch(/first that differs, at \d+\.\d+ s, of sleeper: a timer/)
    expect(error.message).toMatch(/once: +100 ms\n +again: +200 ms\n +at .*outside\.test\.ts:\d+/)
  })

  test('what one of them does not do', async () => {
    let runs = 0
    const error = await brokenBy(async ({ cluster, note }) => {
      if (++runs === 1) note('the first time')
      await cluster.admin.createTopic(`topic-${runs}`)
    })
    expect(error.message).toMatch(/once: +a note: the first time .*\n +again: +a timer: .*\n +at .*outside\.test\.ts:\d+/)
  })

  test('one that is broken, and not when it is run again', async () => {
    let runs = 0
    const error = await brokenBy(
      async () => {
        if (++runs === 1) throw new RangeError('only once')
      },
      { ...quiet, shrinkMillis: 1000 },
    )
    expect(error.message).toMatch(/^seed 5 does not give the same run twice/)
    expect(error.message).toContain('RangeError: only once')
    expect(error.cause).toMatchObject({ message: 'only once' })
  })
})
