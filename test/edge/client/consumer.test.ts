// What a consumer promises when things go wrong or change in the middle: nothing is skipped, nothing unprocessed is committed.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { json, open, string } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'
import { failureOf, openCluster, take, temporaryDirectory } from './support.ts'

const PARTITION = { topic: 't', partition: 0 }

async function fill(cluster: Cluster, values: readonly string[], partitions = 1): Promise<void> {
  await cluster.admin.createTopic('t', { partitions })
  const producer = cluster.producer({ value: string })
  await producer.send(values.map((value, n) => ({ topic: 't', value, partition: n % partitions })))
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, n) => String(n))
}

test('records in front of one that cannot be read are returned first; the error comes again until a seek', async () => {
  const cluster = await openCluster()
  await fill(cluster, ['0', '1', '2', '{', '4'])
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: json<number>() })
  expect((await consumer.poll({ timeoutMillis: 10_000 })).map((record) => record.value)).toEqual([0, 1, 2])
  for (let i = 0; i < 2; i++) expect((await failureOf(() => consumer.poll())).message).toMatch(/offset 3 of t-0/)
  consumer.seek(PARTITION, 4)
  expect((await consumer.poll({ timeoutMillis: 10_000 })).map((record) => record.value)).toEqual([4])
})

test('a damaged batch is met again until a seek, and nothing behind it is delivered or committed', async () => {
  const directory = temporaryDirectory()
  {
    await using cluster = await open(directory)
    await cluster.admin.createTopic('t')
    const producer = cluster.producer({ value: string })
    for (const value of numbers(5)) await producer.send({ topic: 't', value })
  }
  const file = join(directory, 'node-0', 't-0.1', '00000000000000000000.log')
  const bytes = readFileSync(file)
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  writeFileSync(file, bytes)
  const cluster = await openCluster(directory)
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string })
  expect((await consumer.poll({ timeoutMillis: 10_000 })).map((record) => record.value)).toEqual(['0', '1'])
  for (let i = 0; i < 2; i++) expect((await failureOf(() => consumer.poll())).name).toBe('CORRUPT_MESSAGE')
  await consumer.commit()
  expect((await consumer.committed())[0]?.offset).toBe(2)
  consumer.seek(PARTITION, 3)
  expect((await consumer.poll({ timeoutMillis: 10_000 })).map((record) => record.value)).toEqual(['3', '4'])
})

test('records of one poll are not committed by a close, whatever partitions they are of', async () => {
  const cluster = await openCluster()
  await fill(cluster, numbers(20), 2)
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string })
  await take(consumer, 20)
  await consumer.close()
  const { offsets } = await cluster.admin.describeGroup('g')
  expect(offsets.filter(({ offset }) => offset > 0)).toHaveLength(0)
})

test('batches after a poll begin where the poll ended', async () => {
  const cluster = await openCluster()
  await fill(cluster, numbers(10))
  const consumer = cluster.consumer({ value: string, maxPollRecords: 3 })
  consumer.assign([PARTITION])
  const seen = (await consumer.poll({ timeoutMillis: 10_000 })).map((record) => record.value)
  for await (const batch of consumer.batches()) {
    for (const record of batch) seen.push(record.value)
    if (seen.length === 10) break
  }
  expect(seen).toEqual(numbers(10))
})

test('partitions take turns', async () => {
  const cluster = await openCluster(temporaryDirectory())
  await cluster.admin.createTopic('t', { partitions: 2 })
  const producer = cluster.producer({ value: string, batchSizeBytes: 512 })
  await producer.send(numbers(2000).map((value, n) => ({ topic: 't', value, partition: n % 2 })))
  const consumer = cluster.consumer({ value: string, fetchMaxBytes: 1024 })
  consumer.assign([0, 1].map((partition) => ({ topic: 't', partition })))
  let switches = 0
  let last = -1
  for (const { partition } of await take(consumer, 2000)) {
    if (partition !== last) switches++
    last = partition
  }
  expect(switches).toBeGreaterThan(10)
})

test('what a callback throws is thrown by the next poll, and the partitions are handed over all the same', async () => {
  const cluster = await openCluster()
  await fill(cluster, numbers(10), 2)
  const options = { group: 'g', topics: ['t'], value: string, heartbeatIntervalMillis: 20 }
  const onRevoked = (): void => {
    throw new Error('boom')
  }
  const first = cluster.consumer({ ...options, onRevoked })
  await take(first, 10)
  const second = cluster.consumer(options)
  const problems: string[] = []
  while (second.assignment().length === 0) {
    await first.poll({ timeoutMillis: 20 }).catch((error: unknown) => problems.push(String(error)))
    await second.poll({ timeoutMillis: 20 })
  }
  expect(first.assignment()).toHaveLength(1)
  while (problems.length === 0) await first.poll({ timeoutMillis: 20 }).catch((error: unknown) => problems.push(String(error)))
  expect(problems[0]).toMatch(/boom/)
})

test('what a callback throws when the consumer is closed is thrown by close, which closes all the same', async () => {
  const cluster = await openCluster()
  await fill(cluster, numbers(10))
  for (const onRevoked of [() => raise(new Error('boom')), () => Promise.reject(new Error('boom'))]) {
    const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string, onRevoked })
    await consumer.poll({ timeoutMillis: 10_000 })
    await expect(consumer.close()).rejects.toThrow('boom')
    await expect(consumer.poll()).rejects.toMatchObject({ name: 'CLIENT_CLOSED' })
    expect((await cluster.admin.describeGroup('g')).members).toEqual([])
  }
})

test('an abort ends a stream that flows, and a wait', async () => {
  const cluster = await openCluster()
  await fill(cluster, numbers(100))
  const consumer = cluster.consumer({ value: string })
  consumer.assign([PARTITION])
  const controller = new AbortController()
  let seen = 0
  const reading = (async () => {
    for await (const _ of consumer.records({ signal: controller.signal })) if (++seen === 10) controller.abort(new Error('enough'))
  })()
  await expect(reading).rejects.toThrow('enough')
  expect(seen).toBe(10)
})

test('a consumer either subscribes or is assigned; partitions of commits are checked', async () => {
  const cluster = await openCluster()
  await fill(cluster, ['x'])
  const consumer = cluster.consumer({ group: 'g', value: string })
  consumer.subscribe(['t'])
  expect((await failureOf(() => consumer.assign([PARTITION]))).name).toBe('INVALID_REQUEST')
  expect((await failureOf(() => consumer.commit([{ topic: 't', partition: -3, offset: 5, metadata: '' }]))).name).toBe(
    'UNKNOWN_TOPIC_OR_PARTITION',
  )
  expect((await failureOf(() => consumer.poll({ timeoutMillis: Number.NaN }))).name).toBe('INVALID_OPTION')
})

test('is given what is there by polls that do not wait, one after the other', async () => {
  const cluster = await openCluster()
  await fill(cluster, numbers(5))
  const consumer = cluster.consumer({ value: string })
  consumer.assign([PARTITION])
  await using sharer = cluster.shareConsumer({ group: 'g', topics: ['t'], value: string, autoOffsetReset: 'earliest' })
  for (const poll of [() => consumer.poll({ timeoutMillis: 0 }), () => sharer.poll({ timeoutMillis: 0 })]) {
    const seen: (string | null)[] = []
    for (let polls = 0; polls < 10_000 && seen.length < 5; polls++) for (const { value } of await poll()) seen.push(value)
    expect(seen).toEqual(numbers(5))
  }
})

test('an assigned topic that is deleted is read anew when it is created again, and said to be gone when it is not', async () => {
  const cluster = await openCluster()
  await fill(cluster, ['old 0', 'old 1'])
  const consumer = cluster.consumer({ value: string, fetchMaxWaitMillis: 50 })
  consumer.assign([PARTITION])
  await take(consumer, 2)
  expect(await consumer.poll({ timeoutMillis: 0 })).toEqual([])
  await cluster.admin.deleteTopic('t')
  await fill(cluster, numbers(6))
  expect((await take(consumer, 6)).map(({ offset, value }) => `${offset}=${value}`)).toEqual(numbers(6).map((n) => `${n}=${n}`))
  await cluster.admin.deleteTopic('t')
  expect((await failureOf(() => take(consumer, 1))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  expect(consumer.assignment()).toEqual([PARTITION])
})

test('an assigned topic that is gone keeps no other from being read, and is read when it is there again, whoever assigns the same meanwhile', async () => {
  const cluster = await openCluster()
  await fill(cluster, ['old 0', 'old 1'])
  await cluster.admin.createTopic('u')
  const producer = cluster.producer({ value: string })
  const consumer = cluster.consumer({ value: string, fetchMaxWaitMillis: 50 })
  const partitions = [PARTITION, { topic: 'u', partition: 0 }]
  consumer.assign(partitions)
  consumer.seek(PARTITION, 1)
  expect((await take(consumer, 1)).map(({ value }) => value)).toEqual(['old 1'])
  await cluster.admin.deleteTopic('t')
  expect((await failureOf(() => take(consumer, 1))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  for (const value of ['a', 'b']) {
    await producer.send({ topic: 'u', value })
    expect((await take(consumer, 1)).map((record) => record.value)).toEqual([value])
    consumer.assign(partitions)
  }
  await fill(cluster, ['new 0', 'new 1'])
  expect((await take(consumer, 2)).map(({ value }) => value)).toEqual(['new 0', 'new 1'])
})

function raise(error: Error): never {
  throw error
}
