// Processing of partitions that were assigned by hand.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster, Consumer, ConsumerRecord, Outlet } from '../../../edge/client/index.ts'
import { Processing } from '../../../edge/client/process.ts'
import { results } from './process-support.ts'
import { openCluster } from './support.ts'

test('a position that is set anew while offsets are sent leads the round back, and does not end the processing', async () => {
  const place = { topic: 'in', partition: 0 }
  const stop = new AbortController()
  const outcomes: string[] = []
  let polls = 0
  const hooks = {
    mustLetGo: () => false,
    isAssignedByHand: () => true,
    held: () => [place],
    goBack: () => undefined,
    poll: () => {
      processing.polled()
      if (++polls > 2) stop.abort()
      return Promise.resolve(polls > 2 ? [] : [{ ...place, offset: 7 }])
    },
  }
  const transaction = {
    sendOffsets: () => {
      if (polls === 1) processing.lost([place])
      return Promise.resolve()
    },
    commit: () => Promise.resolve(void outcomes.push('commit')),
    abort: () => Promise.resolve(void outcomes.push('abort')),
  }
  const output = { beginTransaction: () => Promise.resolve(transaction) }
  const plan = { guarantee: 'exactly-once', commitIntervalMillis: 0, rememberedKeys: 0, deduplicateBy: null } as const
  const processing = new Processing({} as never, hooks as never, output as never, () => undefined, plan)
  await processing.run(stop.signal)
  expect(outcomes).toEqual(['abort', 'commit'])
})

test('a record is handled when what its handler has answered is, be it a Promise or a query that begins when it is awaited', async () => {
  const stop = new AbortController()
  const place = { topic: 'in', partition: 0 }
  const steps: string[] = []
  const polled = [[{ ...place, offset: 7 }], []]
  const hooks = {
    mustLetGo: () => false,
    isAssignedByHand: () => true,
    held: () => [place],
    goBack: () => undefined,
    poll: () => Promise.resolve(polled.shift() ?? []),
  }
  const one = { commit: () => Promise.resolve(void steps.push('commit')) }
  const output = { flush: () => Promise.resolve() }
  const query: PromiseLike<void> = {
    // oxlint-disable-next-line unicorn/no-thenable -- it is what builders of queries are
    then: (onDone) => {
      steps.push('query')
      stop.abort()
      return Promise.resolve().then(onDone)
    },
  }
  const plan = { guarantee: 'at-least-once', commitIntervalMillis: 0, rememberedKeys: 0, deduplicateBy: null } as const
  const processing = new Processing(one as never, hooks as never, output as never, () => query, plan)
  await processing.run(stop.signal)
  expect(steps).toEqual(['query', 'commit'])
})

const BOTH = [0, 1].map((partition) => ({ topic: 'in', partition }))
const RECORDS = 100

/** Two partitions, filled in turn. */
async function openFilled(): Promise<Cluster> {
  const cluster = await openCluster()
  await cluster.admin.createTopic('in', { partitions: 2 })
  await cluster.admin.createTopic('out')
  await using producer = cluster.producer({ value: string })
  await producer.send(Array.from({ length: RECORDS }, (_, n) => ({ topic: 'in', partition: n % 2, value: `${n}` })))
  return cluster
}

/** Processes each record exactly once, until all are, and 200 ms longer. `seen` is called before each one. */
async function processAll(
  cluster: Cluster,
  consumers: readonly Consumer<Uint8Array, string>[],
  seen: (count: number) => void,
): Promise<void> {
  const end = new AbortController()
  const handled = new Set<string | null>()
  let count = 0
  const handle = async ({ value }: ConsumerRecord<Uint8Array, string>, outlet: Outlet<Uint8Array, string>): Promise<void> => {
    seen(++count)
    outlet.write({ topic: 'out', value: value ?? '' })
    if (handled.add(value).size === RECORDS) setTimeout(() => end.abort(), 200)
    await sleep(1)
  }
  const options = { guarantee: 'exactly-once', commitIntervalMillis: 20, output: { value: string }, signal: end.signal } as const
  await Promise.all(consumers.map((one) => one.process(handle, options)))
  expect((await results(cluster)).toSorted((a, b) => a - b)).toEqual(Array.from({ length: RECORDS }, (_, n) => n))
}

test.each([0, 10])('a partition that assign() takes from a processing, and gives back after %i ms, is processed once', async (millis) => {
  const cluster = await openFilled()
  await using one = cluster.consumer({ group: 'g', value: string })
  one.assign(BOTH)
  await processAll(cluster, [one], (count) => {
    if (count !== 30) return
    one.assign(BOTH.slice(1))
    if (millis === 0) one.assign(BOTH)
    else setTimeout(() => one.assign(BOTH), millis)
  })
})

test('a partition that assign() hands over from one processing to another is processed once', async () => {
  const cluster = await openFilled()
  await using one = cluster.consumer({ group: 'g', value: string })
  await using other = cluster.consumer({ group: 'g', value: string })
  one.assign(BOTH)
  await processAll(cluster, [one, other], (count) => {
    if (count !== 30) return
    one.assign(BOTH.slice(1))
    other.assign(BOTH.slice(0, 1))
  })
})

/** Handles one record of each partition, with the second one being taken away while the first is in work; what was handled, by partition, and committed. */
async function processLosing(
  guarantee: 'at-most-once' | 'at-least-once',
  during: 'handle' | 'flush',
): Promise<{ handled: number[]; committed: number[] }> {
  const stop = new AbortController()
  const [kept, gone] = BOTH
  const handled: number[] = []
  const committed: number[] = []
  const polled = [
    [
      { ...kept, offset: 7 },
      { ...gone, offset: 7 },
    ],
    [],
  ]
  const lose = (): void => processing.lost([gone!])
  const hooks = {
    mustLetGo: () => false,
    isAssignedByHand: () => true,
    held: () => [kept],
    goBack: () => undefined,
    poll: () => {
      const some = polled.shift() ?? []
      if (some.length === 0) stop.abort()
      processing.polled()
      return Promise.resolve(some)
    },
  }
  const one = {
    commit: (offsets: { partition: number }[]) => Promise.resolve(void committed.push(...offsets.map(({ partition }) => partition))),
  }
  const output = { flush: () => Promise.resolve(during === 'flush' ? lose() : undefined) }
  const plan = { guarantee, commitIntervalMillis: 0, rememberedKeys: 0, deduplicateBy: null } as const
  const handle = ({ partition }: { partition: number }): Promise<void> => {
    handled.push(partition)
    if (during === 'handle' && handled.length === 1) lose()
    return Promise.resolve()
  }
  const processing = new Processing(one as never, hooks as never, output as never, handle, plan)
  await processing.run(stop.signal)
  return { handled, committed }
}

test('at most once handles no record twice because another partition went while it was in work', async () => {
  expect(await processLosing('at-most-once', 'handle')).toEqual({ handled: [0], committed: [0, 1] })
})

test('a partition that goes while the results of a round are on their way is not committed with it', async () => {
  expect((await processLosing('at-least-once', 'flush')).committed).toEqual([])
})

test('what was polled before is processed, and committed', async () => {
  const cluster = await openFilled()
  await using one = cluster.consumer({ group: 'g', value: string, maxPollRecords: 10 })
  one.assign(BOTH.slice(0, 1))
  await one.poll()
  await one.process(() => undefined, { signal: AbortSignal.abort() })
  await expect.poll(() => one.committed()).toMatchObject([{ partition: 0, offset: 10 }])
})
