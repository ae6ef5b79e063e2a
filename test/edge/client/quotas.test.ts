// Quotas of a real cluster: who has one goes on by its burst and no further, nobody else is held up; they change while clients work; and what is no quota is refused.
// Rates here are a byte per second, or next to nothing of a thread: one piece is paid for by more than an hour, so that what happens does not depend on how fast the
// machine is. How long a rate lets wait is arithmetic, with a clock of its own: test/actors/quotas.test.ts and test/coordinator/quota-bucket.test.ts.
import { describe, expect, test } from 'vitest'
import type { ClientQuotaState } from '../../../actors/client-quota.ts'
import type { QuotasState } from '../../../actors/quotas.ts'
import type { Cluster, Consumer, ConsumerOptions, ProducerOptions } from '../../../edge/client/index.ts'
import { failureOf, openCluster, temporaryDirectory } from './support.ts'

const VALUE = new Uint8Array(1000)

/** Three records of a kilobyte, and not four. */
const BATCH_BYTES = 4096
const BATCH_RECORDS = 3

/** What is left of what was taken, until somebody lets go of it. */
const NEXT_TO_NOTHING = 1

const PARTITIONS = [0, 1, 2, 3].map((partition) => ({ topic: 'orders', partition }))

/** Writes so many records of a kilobyte, one partition after the other; resolves when all are acknowledged. */
async function write(cluster: Cluster, count: number, options: ProducerOptions<Uint8Array, Uint8Array> = {}): Promise<void> {
  await using producer = cluster.producer({ batchSizeBytes: BATCH_BYTES, ...options })
  for (let i = 0; i < count; i++) {
    const partition = Math.floor(i / BATCH_RECORDS) % 4
    if (!producer.write({ topic: 'orders', value: VALUE, partition })) await producer.drained()
  }
  await producer.flush()
}

async function written(cluster: Cluster): Promise<number> {
  const ends = await cluster.admin.listOffsets('orders', 'latest')
  return [...ends.values()].reduce((sum, end) => sum + end, 0)
}

/** How many records there are, once there are so many: what was sent may not be safe yet. */
async function writtenFrom(cluster: Cluster, count: number): Promise<number> {
  await until(async () => (await written(cluster)) >= count)
  return written(cluster)
}

function reader(cluster: Cluster, options: ConsumerOptions<Uint8Array, Uint8Array> = {}): Consumer {
  const consumer = cluster.consumer(options)
  consumer.assign(PARTITIONS)
  return consumer
}

/** Reads so many records. */
async function read(consumer: Consumer, count: number): Promise<number> {
  let seen = 0
  while (seen < count) seen += (await consumer.poll({ timeoutMillis: 10_000 })).length
  return seen
}

/** Everything that lies there already. */
async function drain(consumer: Consumer): Promise<number> {
  let seen = 0
  for (let count = -1; count !== 0; seen += count) count = (await consumer.poll({ timeoutMillis: 0 })).length
  return seen
}

/** The actors of the clients, and the keeper of their quotas, as they are now. */
async function actors(cluster: Cluster): Promise<Readonly<Record<string, unknown>>> {
  const { nodes } = (await cluster.inspect()) as { nodes: Record<string, Record<string, unknown>> }
  return nodes['-1'] ?? {}
}

/** How the clients stand whose actors are called so. */
async function standing(cluster: Cluster, kind: 'producer' | 'consumer'): Promise<ClientQuotaState[]> {
  const names = Object.entries(await actors(cluster)).filter(([name]) => name.startsWith(`${kind}-`))
  return names.map(([, state]) => (state as { quota: ClientQuotaState }).quota)
}

/** Resolves when it is so; the test's own limit ends what never becomes so. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve))
}

/** So many clients of that kind have taken something, and are not to go on. */
async function untilMuted(cluster: Cluster, kind: 'producer' | 'consumer', count: number): Promise<void> {
  const isMuted = ({ isLimited, charges, answered, mutedUntil }: ClientQuotaState): boolean =>
    isLimited && charges > 0 && answered === charges && mutedUntil > 0
  await until(async () => (await standing(cluster, kind)).filter(isMuted).length === count)
}

/** The keeper has heard of the quotas of so many entities. */
async function untilKnown(cluster: Cluster, count: number): Promise<void> {
  await until(async () => ((await actors(cluster))['quotas'] as QuotasState).quotas?.size === count)
}

describe.each([
  ['on the thread of the caller', ':memory:', 1],
  ['of three nodes with threads of their own', 'disk', 3],
] as const)('clients of a cluster %s', (_, place, nodes) => {
  async function cluster(): Promise<Cluster> {
    const opened = await openCluster(place === 'disk' ? temporaryDirectory() : place, { nodes })
    await opened.admin.createTopic('orders', { partitions: 4, replicationFactor: 1 })
    return opened
  }

  test('a producer goes no further than one batch beyond its quota, and another one is not touched', async () => {
    const one = await cluster()
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { producerByteRate: NEXT_TO_NOTHING })
    await untilKnown(one, 1)
    const slow = write(one, 100, { clientId: 'slow' })
    await write(one, 2000)
    await untilMuted(one, 'producer', 1)
    expect(await writtenFrom(one, 2000 + BATCH_RECORDS)).toBe(2000 + BATCH_RECORDS)
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { producerByteRate: null })
    await slow
    expect(await written(one)).toBe(2100)
  })

  test('two producers of one name share its quota, which is raised while they wait', async () => {
    const one = await cluster()
    await one.admin.alterClientQuotas({ clientId: null }, { producerByteRate: NEXT_TO_NOTHING })
    await untilKnown(one, 1)
    const slow = [write(one, 40, { clientId: 'slow' }), write(one, 40, { clientId: 'slow' })]
    await write(one, 2, { clientId: 'another one' })
    await untilMuted(one, 'producer', 2)
    const { buckets } = (await actors(one))['quotas'] as QuotasState
    expect(buckets.size).toBe(2)
    // Each of them may have taken one batch before it heard that the bucket is empty.
    expect([2 + BATCH_RECORDS, 2 + 2 * BATCH_RECORDS]).toContain(await writtenFrom(one, 2 + BATCH_RECORDS))
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { producerByteRate: 10_000_000 })
    await Promise.all(slow)
    expect(await written(one)).toBe(82)
  })

  test('consumers go no further than one answer beyond the quotas of their name and of their group', async () => {
    const one = await cluster()
    await write(one, 200)
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { consumerByteRate: NEXT_TO_NOTHING })
    await one.admin.alterClientQuotas({ group: 'slower' }, { consumerByteRate: NEXT_TO_NOTHING })
    await untilKnown(one, 2)
    const [named, grouped, free] = [reader(one, { clientId: 'slow' }), reader(one, { group: 'slower' }), reader(one)]
    expect(await read(free, 200)).toBe(200)
    await untilMuted(one, 'consumer', 2)
    expect([await drain(named), await drain(grouped)]).toEqual([BATCH_RECORDS, BATCH_RECORDS])
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { consumerByteRate: null })
    expect(await read(named, 200 - BATCH_RECORDS)).toBe(200 - BATCH_RECORDS)
    expect(await drain(grouped)).toBe(0)
  })

  test.each([{ consumerByteRate: NEXT_TO_NOTHING }, { requestPercentage: 0.01 }])(
    'members of a share group ask for no more before what they were given is paid for: %j',
    async (quotas) => {
      const one = await cluster()
      await write(one, 40)
      await one.admin.alterClientQuotas({ group: 'slow' }, quotas)
      await untilKnown(one, 1)
      const options = { topics: ['orders'], autoOffsetReset: 'earliest', maxPollRecords: 10 } as const
      const slow = one.shareConsumer({ ...options, group: 'slow' })
      const first = await slow.poll({ timeoutMillis: 10_000 })
      await until(async () => [...((await actors(one))['quotas'] as QuotasState).buckets.values()].some(({ tokens }) => tokens < 0))
      let isGiven = false
      const second = slow.poll({ timeoutMillis: 30_000 }).finally(() => (isGiven = true))
      const free = one.shareConsumer({ ...options, group: 'free' })
      let seen = 0
      while (seen < 40) seen += (await free.poll({ timeoutMillis: 10_000 })).length
      expect([first.length > 0, seen, isGiven]).toEqual([true, 40, false])
      await one.admin.alterClientQuotas({ group: 'slow' }, { consumerByteRate: null, requestPercentage: null })
      expect((await second).length).toBeGreaterThan(0)
    },
  )

  test('whose requests are limited in time send one, hear from the host of the leader what it took, and wait', async () => {
    const one = await cluster()
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { requestPercentage: 0.01 })
    await untilKnown(one, 1)
    const slow = write(one, 4000, { clientId: 'slow' })
    await write(one, 2000)
    await untilMuted(one, 'producer', 1)
    const [bucket] = ((await actors(one))['quotas'] as QuotasState).buckets.values()
    // 100 us in a second, and a tenth of that at once: no thread writes a batch in 10 us.
    expect(bucket).toMatchObject({ perSecond: 100 })
    expect(bucket?.tokens).toBeLessThan(0)
    expect(await written(one)).toBeLessThan(6000)
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { requestPercentage: null })
    await slow
    expect(await written(one)).toBe(6000)
  })
})

test('whoever asks much of the administration waits for what it took, a while each time, and can still change that', async () => {
  const cluster = await openCluster(':memory:', { user: 'u' })
  const { admin } = cluster
  await admin.createTopic('orders')
  await admin.alterClientQuotas({ user: 'u' }, { requestPercentage: 0.01 })
  const bucketOf = async () => [...((await actors(cluster))['quotas'] as QuotasState).buckets.values()][0]
  await until(async () => (await bucketOf())?.perSecond === 100)
  // 100 us in a second, and a tenth of that at once: each question takes a few.
  for (let tokens = 1; tokens >= 0; tokens = (await bucketOf())?.tokens ?? -1) await admin.describeTopic('orders')
  await admin.alterClientQuotas({ user: 'u' }, { requestPercentage: null })
  await until(async () => ((await actors(cluster))['quotas'] as QuotasState).quotas?.size === 0)
  expect(await admin.describeClientQuotas()).toEqual([])
})

test('a question that waits for what others took ends with its cluster', async () => {
  const cluster = await openCluster(':memory:', { user: 'u' })
  const { admin } = cluster
  await admin.createTopic('orders')
  await admin.alterClientQuotas({ user: 'u' }, { requestPercentage: 0.01 })
  const isPaying = async (): Promise<boolean> =>
    [...((await actors(cluster))['quotas'] as QuotasState).buckets.values()].some(({ tokens }) => tokens < 0)
  while (!(await isPaying())) await admin.describeTopic('orders')
  const questions = Array.from({ length: 20 }, () => failureOf(() => admin.describeTopic('orders')))
  await cluster.close()
  expect((await Promise.all(questions)).map(({ name }) => name)).toEqual(questions.map(() => 'CLIENT_CLOSED'))
})

test('a member of a share group pays for its questions, also where there is nothing to read', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('orders')
  await cluster.admin.alterClientQuotas({ group: 'slow' }, { requestPercentage: 0.01 })
  await untilKnown(cluster, 1)
  const slow = cluster.shareConsumer({ group: 'slow', topics: ['orders'] })
  const isPaying = async (): Promise<boolean> =>
    [...((await actors(cluster))['quotas'] as QuotasState).buckets.values()].some(({ tokens }) => tokens < 0)
  for (let isOver = false; !isOver; isOver = await isPaying()) expect(await slow.poll({ timeoutMillis: 1 })).toEqual([])
  await cluster.admin.alterClientQuotas({ group: 'slow' }, { requestPercentage: null })
})

test('a consumer that has a long way to read by itself is stopped by a new quota', async () => {
  const cluster = await openCluster(temporaryDirectory())
  await cluster.admin.createTopic('orders', { partitions: 4 })
  await write(cluster, 20_000)
  await using consumer = reader(cluster, { clientId: 'c' })
  let seen = await read(consumer, 1)
  await cluster.admin.alterClientQuotas({ clientId: 'c' }, { consumerByteRate: NEXT_TO_NOTHING })
  await until(async () => (await standing(cluster, 'consumer')).every(({ isLimited }) => isLimited))
  // What had arrived by then, and the one answer that is always given.
  seen += await drain(consumer)
  await untilMuted(cluster, 'consumer', 1)
  seen += await drain(consumer)
  expect(seen).toBeLessThan(10_000)
  const [stopped] = await standing(cluster, 'consumer')
  expect(stopped).toMatchObject({ charges: 1, answered: 1 })
  await cluster.admin.alterClientQuotas({ clientId: 'c' }, { consumerByteRate: null })
  expect(seen + (await read(consumer, 20_000 - seen))).toBe(20_000)
})

test('quotas are kept, described, filtered and removed', async () => {
  const directory = temporaryDirectory()
  const entity = { user: 'u', clientId: null }
  {
    await using cluster = await openCluster(directory)
    await cluster.admin.alterClientQuotas({ clientId: 'a' }, { producerByteRate: 1, consumerByteRate: 2 })
    await cluster.admin.alterClientQuotas(entity, { consumerByteRate: 3 })
    await cluster.admin.alterClientQuotas({ clientId: 'a' }, { producerByteRate: null })
  }
  const { admin } = await openCluster(directory)
  expect(await admin.describeClientQuotas()).toEqual([
    { entity, quotas: { consumerByteRate: 3 } },
    { entity: { clientId: 'a' }, quotas: { consumerByteRate: 2 } },
  ])
  expect(await admin.describeClientQuotas({ clientId: null })).toEqual([{ entity, quotas: { consumerByteRate: 3 } }])
  expect(await admin.describeClientQuotas({ group: 'g' })).toEqual([])
  const nonsense = admin.describeClientQuotas({ client: 'a' } as never)
  await expect(nonsense).rejects.toMatchObject({ name: 'INVALID_REQUEST', message: expect.stringContaining('not "client"') })
})

test('what is no quota, no entity and no name is refused, and nothing is changed', async () => {
  const cluster = await openCluster()
  const { admin } = cluster
  const alter = async (entity: unknown, quotas: unknown): Promise<string> =>
    (await failureOf(() => admin.alterClientQuotas(entity as object, quotas as object))).name
  for (const entity of [{}, { ip: 'x' }, { clientId: 7 }, { clientId: '' }, null, 'c', { group: 'g', user: 'u' }])
    expect(await alter(entity, { consumerByteRate: 1 })).toBe('INVALID_REQUEST')
  for (const quotas of [{}, null, { speed: 1 }, { requestPercentage: 0 }, { consumerByteRate: 1, producerByteRate: -1 }])
    expect(await alter({ clientId: 'c' }, quotas)).toBe('INVALID_REQUEST')
  for (const value of [0, -1, 0.5, Number.NaN, Infinity, '7', true, {}])
    expect(await alter({ clientId: 'c' }, { consumerByteRate: value })).toBe('INVALID_REQUEST')
  expect(await admin.describeClientQuotas()).toEqual([])
  expect((await failureOf(() => cluster.producer({ clientId: '' }))).name).toBe('INVALID_OPTION')
  expect((await failureOf(() => cluster.consumer({ clientId: 'c'.repeat(256) }))).name).toBe('INVALID_OPTION')
  expect((await failureOf(() => openCluster(':memory:', { user: '' }))).name).toBe('INVALID_OPTION')
})

test('quotas of a user bind the clients of a cluster object that says so', async () => {
  const cluster = await openCluster(':memory:', { user: 'u' })
  await cluster.admin.createTopic('orders', { partitions: 4 })
  await cluster.admin.alterClientQuotas({ user: 'other' }, { producerByteRate: NEXT_TO_NOTHING })
  await untilKnown(cluster, 1)
  await write(cluster, 40)
  await cluster.admin.alterClientQuotas({ user: 'u' }, { producerByteRate: NEXT_TO_NOTHING })
  await untilKnown(cluster, 2)
  const slow = write(cluster, 40)
  await untilMuted(cluster, 'producer', 1)
  expect(await writtenFrom(cluster, 40 + BATCH_RECORDS)).toBe(40 + BATCH_RECORDS)
  await cluster.admin.alterClientQuotas({ user: 'u' }, { producerByteRate: null })
  await slow
  expect(await written(cluster)).toBe(80)
})
