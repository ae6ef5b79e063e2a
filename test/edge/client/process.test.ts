// consumer.process with each guarantee: what becomes of records when a handler fails, a consumer goes without a word, and partitions change hands.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { open, string } from '../../../edge/client/index.ts'
import type { Cluster, Consumer, ConsumerOptions, ConsumerRecord, Guarantee, Outlet, ProcessOptions } from '../../../edge/client/index.ts'
import { askedForPartitions } from './support.ts'

type Options = ProcessOptions<string, string, string, string>

let cluster: Cluster

beforeEach(async () => {
  cluster = await open(':memory:')
  await cluster.admin.createTopic('in', { partitions: 4 })
  await cluster.admin.createTopic('out', { partitions: 2 })
})

afterEach(() => cluster.close())

function consumer(options: ConsumerOptions<string, string> = {}): Consumer<string, string> {
  return cluster.consumer({ group: 'g', topics: ['in'], key: string, value: string, heartbeatIntervalMillis: 20, ...options })
}

async function fill(count: number, keyOf: (n: number) => string = String): Promise<void> {
  await using producer = cluster.producer({ key: string, value: string })
  await producer.send(Array.from({ length: count }, (_, n) => ({ topic: 'in', key: keyOf(n), value: `${n}` })))
}

/** Passes each record on. */
function pass(record: ConsumerRecord<string, string>, outlet: Outlet<string, string>): void {
  outlet.write({ topic: 'out', key: record.key, value: record.value })
}

const OUTPUT = { output: { key: string, value: string } } as const

async function results(): Promise<number[]> {
  await using reader = cluster.consumer({ value: string, isolationLevel: 'read_committed' })
  reader.assign([0, 1].map((partition) => ({ topic: 'out', partition })))
  const values: number[] = []
  for (let records = await reader.poll(); records.length > 0; records = await reader.poll({ timeoutMillis: 100 }))
    values.push(...records.map(({ value }) => Number(value)))
  return values.toSorted((a, b) => a - b)
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}

/** Processes until the handler has seen so many records. */
async function processed(
  one: Consumer<string, string>,
  count: number,
  options: Options,
  handler: (record: ConsumerRecord<string, string>, outlet: Outlet<string, string>) => void | Promise<void> = pass,
): Promise<void> {
  const controller = new AbortController()
  let seen = 0
  await one.process<string, string>(
    async (record, outlet) => {
      await handler(record, outlet)
      if (++seen === count) controller.abort()
    },
    { ...OUTPUT, ...options, signal: controller.signal },
  )
}

const all: [Guarantee, Options][] = [
  ['at-most-once', {}],
  ['at-least-once', {}],
  ['effectively-once', { deduplicateBy: ({ key }) => key ?? '' }],
  ['exactly-once', {}],
]

describe('processing', () => {
  test.each(all)('%s hands each record over once when nothing fails, and commits what was handled', async (guarantee, options) => {
    await fill(500)
    {
      await using one = consumer()
      await processed(one, 500, { ...options, guarantee })
    }
    expect(await results()).toEqual(upTo(500))
    const committed = await cluster.admin.describeGroup('g')
    expect(committed.lags.map(({ lag }) => lag)).toEqual([0, 0, 0, 0])
  })

  test.each([
    ['at-most-once', 9],
    ['at-least-once', 10],
    ['exactly-once', 10],
  ] as const)('%s: a handler that throws is heard of, and %i of 10 records come through in the end', async (guarantee, count) => {
    await fill(10, () => 'k')
    await using one = consumer({ maxPollRecords: 1 })
    let isBroken = true
    const failing = processed(one, 10, { guarantee, commitIntervalMillis: 60_000 }, (record, outlet) => {
      if (record.value === '4' && isBroken) throw new Error('broken')
      pass(record, outlet)
    })
    await expect(failing).rejects.toThrow('broken')
    isBroken = false
    await processed(one, guarantee === 'at-most-once' ? 5 : 10, { guarantee })
    const seen = await results()
    expect([...new Set(seen)]).toEqual(count === 10 ? upTo(10) : upTo(10).filter((n) => n !== 4))
    // What was sent before the failure was sent, unless it belonged to a transaction.
    expect(seen.length).toBe(guarantee === 'at-least-once' ? 14 : count)
  })

  test.each([
    ['consumer', 'effectively-once', [4, 4]],
    ['consumer', 'exactly-once', [4]],
    ['classic', 'effectively-once', [4, 4]],
    ['classic', 'exactly-once', [4]],
  ] as const)(
    'a handler that throws while other partitions go (%s): %s handles its record again',
    async (groupProtocol, guarantee, fours) => {
      await using producer = cluster.producer({ key: string, value: string })
      await producer.send(Array.from({ length: 10 }, (_, n) => ({ topic: 'in', partition: 0, key: `${n}`, value: `${n}` })))
      const options: ConsumerOptions<string, string> = { groupProtocol, rebalanceTimeoutMillis: 10_000 }
      if (groupProtocol === 'classic') Object.assign(options, { partitionAssignors: ['cooperative-sticky'] })
      const plan: Options = { guarantee, ...(guarantee === 'effectively-once' ? { deduplicateBy: ({ key }) => key ?? '' } : {}) }
      const one = consumer(options)
      const controller = new AbortController()
      const handled: number[] = []
      const running: Promise<void>[] = []
      const failing = processed(one, 10, plan, async (record, outlet) => {
        pass(record, outlet)
        if (record.value !== '4') return void handled.push(Number(record.value))
        running.push(
          consumer(options).process<string, string>(
            (again, outlet2) => {
              pass(again, outlet2)
              handled.push(Number(again.value))
            },
            { ...OUTPUT, ...plan, signal: controller.signal },
          ),
        )
        await askedForPartitions(cluster)
        throw new Error('broken')
      })
      await expect(failing).rejects.toThrow('broken')
      await one.close()
      await expect.poll(async () => (await cluster.admin.describeGroup('g')).lags.map(({ lag }) => lag)[0], { timeout: 10_000 }).toBe(0)
      controller.abort()
      await Promise.all(running)
      expect([...new Set(handled)].toSorted((a, b) => a - b)).toEqual(upTo(10))
      expect((await results()).filter((n) => n === 4)).toEqual(fours)
    },
  )

  test('effectively once leaves out a key that was handled before, by another consumer, too', async () => {
    const options: Options = { guarantee: 'effectively-once', deduplicateBy: ({ key }) => key ?? '' }
    await fill(20, (n) => `${n % 10}`)
    {
      await using one = consumer()
      await processed(one, 10, options)
    }
    await fill(12, (n) => `${n}`)
    {
      await using two = consumer()
      await processed(two, 2, options)
    }
    expect(await results()).toEqual(upTo(12))
  })

  test('effectively once remembers the keys of what it keeps when partitions go to another member', async () => {
    const counts = new Map<string, number>()
    const controller = new AbortController()
    const options = {
      guarantee: 'effectively-once',
      deduplicateBy: ({ key }) => key ?? '',
      commitIntervalMillis: 20,
    } as const satisfies Options
    const count = ({ key }: ConsumerRecord<string, string>): void => void counts.set(key ?? '', (counts.get(key ?? '') ?? 0) + 1)
    const members: Consumer<string, string>[] = []
    const runs: Promise<void>[] = []
    for (let i = 0; i < 4; i++) {
      members.push(consumer({ maxPollRecords: 3 }))
      runs.push(members[i]!.process<string, string>(count, { ...OUTPUT, ...options, signal: controller.signal }))
      for (let round = 0; round < 20; round++) {
        await fill(40)
        await sleep(5)
      }
    }
    await expect
      .poll(async () => (await cluster.admin.describeGroup('g')).lags.every(({ lag }) => lag === 0), { timeout: 20_000, interval: 50 })
      .toBe(true)
    controller.abort()
    await Promise.all(runs)
    expect([...counts].filter(([, times]) => times !== 1)).toEqual([])
    expect(counts.size).toBe(40)
    for (const one of members) await one.close()
  })

  test('exactly once: what a consumer had handled that went without a word is handled again, and seen once', async () => {
    await fill(200)
    const lost = consumer({ sessionTimeoutMillis: 200, rebalanceTimeoutMillis: 300 })
    let handled = 0
    const never = new Promise<void>(() => undefined)
    void lost
      .process<string, string>(
        async (record, outlet) => {
          pass(record, outlet)
          if (++handled === 50) await never
        },
        { ...OUTPUT, guarantee: 'exactly-once', output: { ...OUTPUT.output, transactionalId: 'worker' }, commitIntervalMillis: 60_000 },
      )
      .catch(() => undefined)
    await expect.poll(() => handled).toBe(50)
    expect(await results()).toEqual([])
    await using other = consumer()
    const options: Options = { guarantee: 'exactly-once', output: { ...OUTPUT.output, transactionalId: 'worker' } }
    // The first hangs, and has its partitions taken away after its rebalance time-out; until then the other has half of them.
    void lost.close()
    await processed(other, 200, options)
    expect(await results()).toEqual(upTo(200))
  })

  test('exactly once: a round that fails does not lead back to an offset of a topic that was deleted meanwhile', async () => {
    await using one = consumer()
    await fill(40)
    await processed(one, 40, { guarantee: 'exactly-once' })
    await fill(40)
    let handled = 0
    let isBroken = true
    const options = { ...OUTPUT, guarantee: 'exactly-once', commitIntervalMillis: 60_000 } as const
    const failing = one.process<string, string>((record, outlet) => {
      if (++handled > 40 && isBroken) throw new Error('broken')
      pass(record, outlet)
    }, options)
    await expect.poll(() => handled).toBe(40)
    await cluster.admin.deleteTopic('in')
    await cluster.admin.createTopic('in', { partitions: 4 })
    await fill(80, (n) => `${n % 40}`)
    await expect(failing).rejects.toThrow('broken')
    isBroken = false
    await processed(one, 80, { guarantee: 'exactly-once' })
    expect(await results()).toEqual([...upTo(40), ...upTo(80)].toSorted((a, b) => a - b))
  })

  test('exactly once: members come and go, and each result is there once', async () => {
    await fill(1000)
    const controller = new AbortController()
    const members = [0, 1, 2].map(() => consumer({ maxPollRecords: 7 }))
    const options = { ...OUTPUT, guarantee: 'exactly-once', commitIntervalMillis: 20, signal: controller.signal } as const
    const runs = members.map(async (one, i) => {
      await sleep(i * 60)
      const end = one.process<string, string>(async (record, outlet) => {
        pass(record, outlet)
        await sleep(record.offset % 10 === 0 ? 1 : 0)
      }, options)
      if (i === 1) {
        await sleep(150)
        await one.close()
        await end.catch(() => undefined)
      } else await end
    })
    await expect
      .poll(async () => (await cluster.admin.describeGroup('g').catch(() => null))?.lags.every(({ lag }) => lag === 0), {
        timeout: 20_000,
        interval: 100,
      })
      .toBe(true)
    controller.abort()
    await Promise.all(runs)
    expect(await results()).toEqual(upTo(1000))
    for (const one of members) await one.close()
  })

  test('commits between two records when it is time, ends at the record in work when it is asked to, and puts back what it has polled', async () => {
    await fill(40, () => 'k')
    await using one = consumer()
    const controller = new AbortController()
    const seen: string[] = []
    const slow = async ({ value }: ConsumerRecord<string, string>): Promise<void> => {
      seen.push(value ?? '')
      await sleep(5)
      if (seen.length === 12) {
        const { lags } = await cluster.admin.describeGroup('g')
        expect(Math.max(...lags.map(({ committed }) => committed ?? 0))).toBeGreaterThan(0)
      }
      if (seen.length === 20) controller.abort()
    }
    await one.process<string, string>(slow, { ...OUTPUT, commitIntervalMillis: 10, signal: controller.signal })
    expect(seen).toHaveLength(20)
    await processed(one, 20, {})
    expect(await results()).toEqual(upTo(40).slice(20))
  })

  test.each(['at-most-once', 'exactly-once'] as const)(
    '%s: a consumer that is closed handles the record in work, and no other',
    async (guarantee) => {
      await fill(40, () => 'k')
      const one = consumer()
      let handled = 0
      let isClosed = false
      const process = one.process<string, string>(
        async (record, outlet) => {
          expect(isClosed).toBe(false)
          pass(record, outlet)
          await sleep(5)
          if (++handled === 10) void one.close().then(() => (isClosed = true))
        },
        { ...OUTPUT, guarantee },
      )
      await process
      await one.close()
      expect(handled).toBe(10)
      await using other = consumer()
      await processed(other, 30, { guarantee })
      expect(await results()).toEqual(upTo(40))
    },
  )

  test('exactly once: a handler may take longer for what is polled at once than a transaction may take', async () => {
    await fill(40, () => 'k')
    await using one = consumer()
    const output = { ...OUTPUT.output, transactionTimeoutMillis: 1500 }
    await processed(one, 40, { guarantee: 'exactly-once', output, commitIntervalMillis: 50 }, async (record, outlet) => {
      pass(record, outlet)
      await sleep(60)
    })
    expect(await results()).toEqual(upTo(40))
  })

  test('at least once: a record whose result is missing is not committed, whether anybody awaits it or not', async () => {
    await fill(1)
    await using one = consumer()
    const broken = processed(one, 1, {}, (_, outlet) => void outlet.send({ topic: 'nowhere', value: 'x' }))
    await expect(broken).rejects.toMatchObject({ name: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await processed(one, 1, {})
    expect(await results()).toEqual([0])
  })

  test('takes the consumer for itself', async () => {
    await using one = consumer()
    const controller = new AbortController()
    const running = one.process(() => undefined, { signal: controller.signal })
    await expect(one.poll()).rejects.toMatchObject({ name: 'INVALID_REQUEST' })
    await expect(one.process(() => undefined)).rejects.toMatchObject({ name: 'INVALID_REQUEST' })
    controller.abort()
    await running
    expect(await one.poll({ timeoutMillis: 0 })).toEqual([])
    await expect(one.process(undefined as never)).rejects.toMatchObject({ name: 'INVALID_REQUEST' })
  })

  test('refuses what makes no sense', async () => {
    await using one = consumer()
    const refused = async (options: object): Promise<unknown> => one.process(() => undefined, options).catch((error: Error) => error.name)
    expect(await refused({ guarantee: 'sometimes' })).toBe('INVALID_OPTION')
    expect(await refused({ guarantee: 'effectively-once' })).toBe('INVALID_OPTION')
    expect(await refused({ deduplicateBy: () => '' })).toBe('INVALID_OPTION')
    expect(await refused({ output: { transactionalId: 'x' } })).toBe('INVALID_OPTION')
    await cluster.producer().send({ topic: 'in', value: new Uint8Array(1) })
    const unkeyed = { guarantee: 'effectively-once', deduplicateBy: () => undefined as never }
    await expect(one.process(() => undefined, unkeyed as never)).rejects.toThrow(
      'deduplicateBy returns a string, not undefined, as for in-',
    )
    await using alone = cluster.consumer()
    expect(await alone.process(() => undefined).catch((error: Error) => error.name)).toBe('INVALID_GROUP_ID')
  })
})
