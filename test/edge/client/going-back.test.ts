// An application whose work fails goes back, over all that it is assigned, while the group has asked for a partition that it had records of: nobody skips them.
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster, Consumer, ConsumerOptions, ConsumerRecord, Producer, TopicPartition } from '../../../edge/client/index.ts'
import { askedForPartitions, openCluster, take } from './support.ts'

type Member = Consumer<Uint8Array, string>
type Options = ConsumerOptions<Uint8Array, string>

const PROTOCOLS: Readonly<Record<string, Options>> = {
  consumer: {},
  cooperative: { groupProtocol: 'classic', partitionAssignors: ['cooperative-sticky'] },
  eager: { groupProtocol: 'classic', partitionAssignors: ['range'] },
}

const PLACES: readonly TopicPartition[] = [0, 1].map((partition) => ({ topic: 't', partition }))

/** A cluster with five records in each of two partitions, and what makes members of one protocol. */
async function scene(
  protocol: string,
  counts: readonly number[] = [5, 5],
): Promise<{ cluster: Cluster; member: (options?: Options) => Member }> {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t', { partitions: 2 })
  await cluster.admin.createTopic('results')
  await fill(cluster, counts)
  const common: Options = { group: 'g', topics: ['t'], value: string, isolationLevel: 'read_committed', heartbeatIntervalMillis: 20 }
  return { cluster, member: (options = {}) => cluster.consumer({ ...common, ...PROTOCOLS[protocol], ...options }) }
}

async function fill(cluster: Cluster, counts: readonly number[]): Promise<void> {
  await using producer = cluster.producer({ value: string })
  await producer.send(
    counts.flatMap((count, partition) => Array.from({ length: count }, (_, n) => ({ topic: 't', partition, value: `${partition}:${n}` }))),
  )
}

/** Another member asks for records all the time; the group has asked the first one for some of its partitions, and that has heard of it. */
async function join(
  cluster: Cluster,
  other: Member,
  onRecords: (records: readonly ConsumerRecord<Uint8Array, string>[]) => unknown,
): Promise<AsyncDisposable> {
  const done = new AbortController()
  const ended = (async () => {
    while (!done.signal.aborted) {
      const records = await other.poll({ timeoutMillis: 20 })
      if (records.length > 0) await onRecords(records)
    }
  })()
  await askedForPartitions(cluster)
  return {
    async [Symbol.asyncDispose]() {
      done.abort()
      await ended
    },
  }
}

/** How an application says what is processed. */
const COMMITS: Readonly<Record<string, (one: Member, producer: Producer<Uint8Array, string>) => Promise<unknown>>> = {
  commit: (one) => one.commit(),
  sendOffsets: (one, producer) =>
    producer.transaction(async (transaction) => {
      transaction.write({ topic: 'results', value: 'done' })
      await transaction.sendOffsets(one)
    }),
  'auto-commit': () => Promise.resolve(),
}

/** How it goes back. */
const WAYS: Readonly<Record<string, (one: Member) => unknown>> = {
  seek: async (one) => {
    for (const place of one.assignment()) one.seek(place, (await one.committed([place]))[0]?.offset ?? 0)
  },
  seekToTimestamp: (one) => one.seekToTimestamp(0),
}

const CASES = Object.keys(PROTOCOLS).flatMap((protocol) =>
  Object.keys(COMMITS).flatMap((how) => Object.keys(WAYS).map((way) => ({ protocol, how, way }))),
)

describe('who goes back while the group has asked for a partition', () => {
  test.each(CASES)('skips nothing of it ($protocol, $how, $way)', async ({ protocol, how, way }) => {
    const { cluster, member } = await scene(protocol)
    const done = new Set<string>()
    const autoCommit = how === 'auto-commit'
    const one = member({ autoCommit, autoCommitIntervalMillis: 10, onRevoked: () => sleep(100) })
    const producer = cluster.producer({ value: string, transactionalId: 'x' })
    await take(one, 10)
    const other = member({ autoCommit })
    const note = (records: readonly ConsumerRecord<Uint8Array, string>[]): void => {
      for (const { value } of records) done.add(value ?? '')
    }
    await using _other = await join(cluster, other, note)
    await WAYS[way]!(one)
    for (const until = performance.now() + 3000; done.size < 10 && performance.now() < until;) {
      const records = await one.poll({ timeoutMillis: 20 })
      if (records.length === 0) continue
      await COMMITS[how]!(one, producer)
      note(records)
    }
    expect([...done].toSorted()).toEqual(PLACES.flatMap(({ partition }) => [0, 1, 2, 3, 4].map((n) => `${partition}:${n}`)))
  })
})

describe('onRevoked is not called', () => {
  test.each(['consumer', 'cooperative'])(
    'while the application is at work, with whatever records: it may commit all (%s)',
    async (protocol) => {
      const { cluster, member } = await scene(protocol, [5, 0])
      const heard: TopicPartition[] = []
      const one: Member = member({
        autoCommit: false,
        onRevoked: async (partitions) => {
          heard.push(...partitions)
          await one.commit()
        },
      })
      await take(one, 5)
      while (one.assignment().length < 2) await one.poll({ timeoutMillis: 20 })
      one.seek(PLACES[0]!, 0)
      await take(one, 5)
      await using _other = await join(cluster, member({ autoCommit: false }), () => undefined)
      expect(heard).toEqual([])
      expect(one.assignment()).toHaveLength(2)
      await WAYS['seek']!(one)
      while (heard.length === 0) await one.poll({ timeoutMillis: 20 })
      expect(heard).toEqual([PLACES[1]])
    },
  )
})

test.each(['consumer', 'cooperative'])(
  'nothing is given out while onRevoked is at work: it may commit all at its end (%s)',
  async (protocol) => {
    const { cluster, member } = await scene(protocol, [5, 5])
    let isAtWork = false
    const one: Member = member({
      autoCommit: false,
      maxPollRecords: 1,
      onRevoked: async () => {
        isAtWork = true
        await sleep(200)
        await one.commit()
        isAtWork = false
      },
    })
    await take(one, 2)
    await using _other = await join(cluster, member({ autoCommit: false }), () => undefined)
    await one.poll({ timeoutMillis: 0 })
    const given: boolean[] = []
    for (const until = performance.now() + 500; performance.now() < until;)
      for (const _ of await one.poll({ timeoutMillis: 20 })) given.push(isAtWork)
    expect(given).toContain(false)
    expect(given).not.toContain(true)
  },
)

test.each(Object.keys(PROTOCOLS))('who wants nothing any more lets go of what the group had asked for at once (%s)', async (protocol) => {
  const { cluster, member } = await scene(protocol)
  const one = member({ autoCommit: false, rebalanceTimeoutMillis: 20_000 })
  await take(one, 10)
  const done = new Set<string>()
  await using _other = await join(cluster, member(), (records) => {
    for (const { value } of records) done.add(value ?? '')
  })
  one.subscribe([])
  for (const until = performance.now() + 5000; done.size < 10 && performance.now() < until;) await sleep(10)
  expect(done.size).toBe(10)
})

describe('a partition whose onRevoked is at work', () => {
  test.each(['consumer', 'cooperative'])('is assigned until that is done, and a commit of everything has it (%s)', async (protocol) => {
    const { cluster, member } = await scene(protocol)
    const { promise: isCommitted, resolve: committed } = Promise.withResolvers<void>()
    const { promise: isAtWork, resolve: atWork } = Promise.withResolvers<number>()
    const one: Member = member({
      autoCommit: false,
      onRevoked: async () => {
        atWork(one.assignment().length)
        await isCommitted
      },
    })
    await take(one, 10)
    await using _other = await join(cluster, member({ autoCommit: false }), () => undefined)
    await one.poll({ timeoutMillis: 20 })
    expect([await isAtWork, one.assignment().length]).toEqual([2, 2])
    await one.commit()
    expect((await one.committed()).map(({ offset }) => offset)).toEqual([5, 5])
    committed()
    while (one.assignment().length === 2) await sleep(5)
    expect(one.assignment()).toHaveLength(1)
  })

  test.each(['consumer', 'cooperative'])('can be paused, resumed and sought in, as all that is assigned (%s)', async (protocol) => {
    const { cluster, member } = await scene(protocol)
    const { promise: isOver, resolve: over } = Promise.withResolvers<void>()
    const one: Member = member({ autoCommit: false, onRevoked: () => isOver })
    await take(one, 10)
    await using _other = await join(cluster, member({ autoCommit: false }), () => undefined)
    await one.poll({ timeoutMillis: 20 })
    one.pause()
    one.resume()
    for (const place of one.assignment()) one.seek(place, 2)
    await one.commit()
    expect((await one.committed()).map(({ offset }) => offset)).toEqual([2, 2])
    over()
  })
})

test('partitions that go while somebody looks where to seek to are left out', async () => {
  const { member } = await scene('consumer')
  const one = member()
  await take(one, 10)
  const sought = one.seekToTimestamp(0)
  one.subscribe([])
  await sought
  expect(one.assignment()).toEqual([])
})

test.each(['consumer', 'cooperative'])('whoever hears that it is closed can go back, and that is committed (%s)', async (protocol) => {
  const { cluster, member } = await scene(protocol)
  const one: Member = member({
    autoCommitIntervalMillis: 60_000,
    onRevoked: async (partitions) => {
      one.pause(partitions)
      one.resume(partitions)
      for (const place of partitions) one.seek(place, 2)
      one.seek(PLACES[1]!, 3)
      await sleep(20)
    },
  })
  await take(one, 10)
  await one.poll({ timeoutMillis: 0 })
  await one.close()
  expect((await cluster.admin.describeGroup('g')).offsets.map(({ partition, offset }) => `${partition}@${offset}`).toSorted()).toEqual([
    '0@2',
    '1@3',
  ])
})
