// Quotas of a real cluster: who has one is slow, nobody else is; they change while clients work; and what is no quota is refused.
import { describe, expect, test } from 'vitest'
import type { Cluster } from '../../../edge/client/index.ts'
import { failureOf, openCluster, temporaryDirectory } from './support.ts'

const RATE = 50_000
const VALUE = new Uint8Array(1000)

/** Writes so many records of a kilobyte, in turn to all partitions; resolves when all are acknowledged. */
async function write(cluster: Cluster, count: number, clientId?: string): Promise<void> {
  const producer = cluster.producer({ batchSizeBytes: 4096, ...(clientId === undefined ? {} : { clientId }) })
  for (let i = 0; i < count; i++) if (!producer.write({ topic: 'orders', value: VALUE, partition: i % 4 })) await producer.drained()
  await producer.flush()
  await producer.close()
}

async function written(cluster: Cluster): Promise<number> {
  const { partitions } = await cluster.admin.describeTopic('orders')
  return partitions.reduce((sum, { endOffset }) => sum + endOffset, 0)
}

/** Reads so many records from the beginning, and answers with the time that it took. */
async function read(cluster: Cluster, count: number, options: { clientId?: string; group?: string } = {}): Promise<number> {
  await using consumer = cluster.consumer(options)
  consumer.assign([0, 1, 2, 3].map((partition) => ({ topic: 'orders', partition })))
  const begin = performance.now()
  let seen = 0
  for await (const batch of consumer.batches()) {
    seen += batch.count
    if (seen >= count) break
  }
  return performance.now() - begin
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

  test('a producer keeps to its quota, and another one is not touched', async () => {
    const one = await cluster()
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { producerByteRate: RATE })
    const begin = performance.now()
    const slow = write(one, 100, 'slow')
    await write(one, 2000)
    const seconds = (performance.now() - begin) / 1000
    // The burst, the rate, and one batch.
    expect(await written(one)).toBeLessThanOrEqual(2000 + (RATE * (seconds + 0.2) + 5000) / 1000)
    await slow
    expect(performance.now() - begin).toBeGreaterThan(1800)
  })

  test('two producers of one name share its quota, which is raised while they wait', async () => {
    const one = await cluster()
    await one.admin.alterClientQuotas({ clientId: null }, { producerByteRate: 1000 })
    const slow = [write(one, 40, 'slow'), write(one, 40, 'slow')]
    await write(one, 2, 'another one')
    expect(await written(one)).toBeLessThan(30)
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { producerByteRate: 10_000_000 })
    await Promise.all(slow)
    expect(await written(one)).toBe(82)
  })

  test('consumers keep to the quotas of their name and of their group', async () => {
    const one = await cluster()
    await write(one, 200)
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { consumerByteRate: 100_000 })
    await one.admin.alterClientQuotas({ group: 'slower' }, { consumerByteRate: RATE })
    expect(await read(one, 200)).toBeLessThan(1000)
    expect(await read(one, 100, { clientId: 'slow' })).toBeGreaterThan(700)
    expect(await read(one, 100, { clientId: 'slow', group: 'slower' })).toBeGreaterThan(1500)
    await one.admin.alterClientQuotas({ clientId: 'slow' }, { consumerByteRate: null })
    expect(await read(one, 200, { clientId: 'slow' })).toBeLessThan(1000)
  })
})

test('a consumer that has a long way to read by itself is stopped by a new quota', async () => {
  const cluster = await openCluster(temporaryDirectory())
  await cluster.admin.createTopic('orders', { partitions: 4 })
  await write(cluster, 20_000)
  await using consumer = cluster.consumer({ clientId: 'c' })
  consumer.assign([0, 1, 2, 3].map((partition) => ({ topic: 'orders', partition })))
  let seen = (await consumer.poll({ timeoutMillis: 5000 })).length
  await cluster.admin.alterClientQuotas({ clientId: 'c' }, { consumerByteRate: RATE })
  for (const end = performance.now() + 1000; performance.now() < end;) seen += (await consumer.poll({ timeoutMillis: 100 })).length
  // What had arrived by then, and what the quota lets through.
  expect(seen).toBeLessThan(5000)
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
})

test('what is no quota, no entity and no name is refused, and nothing is changed', async () => {
  const cluster = await openCluster()
  const { admin } = cluster
  const alter = async (entity: unknown, quotas: unknown): Promise<string> =>
    (await failureOf(() => admin.alterClientQuotas(entity as object, quotas as object))).name
  for (const entity of [{}, { ip: 'x' }, { clientId: 7 }, { clientId: '' }, null, 'c', { group: 'g', user: 'u' }])
    expect(await alter(entity, { consumerByteRate: 1 })).toBe('INVALID_REQUEST')
  for (const quotas of [{}, null, { speed: 1 }, { requestPercentage: 1 }, { consumerByteRate: 1, producerByteRate: -1 }])
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
  await cluster.admin.alterClientQuotas({ user: 'u' }, { producerByteRate: RATE })
  const begin = performance.now()
  await write(cluster, 40)
  expect(performance.now() - begin).toBeGreaterThan(500)
})
