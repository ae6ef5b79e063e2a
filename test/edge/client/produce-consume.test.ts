// The way of records through the public client: on a worker thread with files, and on the caller's thread in memory.
import { describe, expect, test } from 'vitest'
import { json, string } from '../../../edge/client/index.ts'
import type { Compression } from '../../../edge/client/index.ts'
import { openCluster, take, temporaryDirectory } from './support.ts'

describe.each([
  ['in memory, on the caller thread', (): string => ':memory:', 0],
  ['in memory, on a worker thread', (): string => ':memory:', 1],
  ['on disk, on a worker thread', temporaryDirectory, 1],
  ['on disk, on the caller thread', temporaryDirectory, 0],
])('%s', (_name, directory, threads) => {
  test('what is sent is consumed, in order per partition, with key, headers and timestamp', async () => {
    const cluster = await openCluster(directory(), { threads })
    await cluster.admin.createTopic('orders', { partitions: 3 })
    const producer = cluster.producer({ key: string, value: json<{ n: number }>() })
    const sent = await producer.send(
      Array.from({ length: 100 }, (_, n) => ({
        topic: 'orders',
        key: `k${n % 7}`,
        value: { n },
        timestamp: 1000 + n,
        headers: { h: `v${n}` },
      })),
    )
    expect(new Set(sent.map(({ partition, offset }) => `${partition}/${offset}`)).size).toBe(100)
    const consumer = cluster.consumer({ key: string, value: json<{ n: number }>() })
    consumer.assign([0, 1, 2].map((partition) => ({ topic: 'orders', partition })))
    const records = await take(consumer, 100)
    for (const { partition, offset, value, timestamp, headers, key } of records) {
      const n = value?.n ?? -1
      expect(sent[n]).toEqual({ topic: 'orders', partition, offset, timestamp })
      expect(timestamp).toBe(1000 + n)
      expect(key).toBe(`k${n % 7}`)
      expect(headers.map((header) => [header.key, new TextDecoder().decode(header.value ?? undefined)])).toEqual([['h', `v${n}`]])
    }
    for (const partition of [0, 1, 2]) {
      const offsets = records.filter((record) => record.partition === partition).map((record) => record.offset)
      expect(offsets).toEqual(offsets.map((_, i) => i))
    }
  })

  test('the fast lane delivers everything, and flush waits for it', async () => {
    const cluster = await openCluster(directory(), { threads })
    await cluster.admin.createTopic('many', { partitions: 4, config: { flush: 'os', segmentBytes: 65_536 } })
    const producer = cluster.producer({ bufferMemoryBytes: 262_144, batchSizeBytes: 8192 })
    const value = new Uint8Array(100)
    for (let i = 0; i < 20_000; i++) {
      new DataView(value.buffer).setUint32(0, i)
      if (!producer.write({ topic: 'many', value })) await producer.drained()
    }
    await producer.flush()
    const consumer = cluster.consumer({ fetchMaxBytes: 20_000 })
    consumer.assign([0, 1, 2, 3].map((partition) => ({ topic: 'many', partition })))
    const seen = new Set<number>()
    const last = [-1, -1, -1, -1]
    for await (const batch of consumer.batches()) {
      for (const record of batch) {
        const n = new DataView(record.value!.buffer, record.value!.byteOffset).getUint32(0)
        expect(n).toBeGreaterThan(last[record.partition]!)
        last[record.partition] = n
        seen.add(n)
      }
      if (seen.size === 20_000) break
    }
    expect(seen.size).toBe(20_000)
  })

  test('a record larger than a batch, a ring quarter and a chunk travels whole', async () => {
    const cluster = await openCluster(directory(), { threads })
    await cluster.admin.createTopic('large', { config: { maxMessageBytes: 10_000_000 } })
    const producer = cluster.producer()
    const value = Uint8Array.from({ length: 5_000_000 }, (_, i) => i % 251)
    await producer.send([
      { topic: 'large', value: new Uint8Array(3) },
      { topic: 'large', value },
      { topic: 'large', value: new Uint8Array(4) },
    ])
    const consumer = cluster.consumer({ fetchMaxBytes: 65_536 })
    consumer.assign([{ topic: 'large', partition: 0 }])
    const records = await take(consumer, 3)
    expect(records.map((record) => record.value?.length)).toEqual([3, 5_000_000, 4])
    expect(Buffer.compare(records[1]!.value!, value)).toBe(0)
  })

  test.each<Compression>(['gzip', 'snappy', 'lz4', 'zstd'])('compression %s', async (compression) => {
    const cluster = await openCluster(directory(), { threads })
    await cluster.admin.createTopic('packed')
    const producer = cluster.producer({ value: string, compression })
    await producer.send(Array.from({ length: 50 }, (_, n) => ({ topic: 'packed', value: `value ${n} `.repeat(20) })))
    const consumer = cluster.consumer({ value: string })
    consumer.assign([{ topic: 'packed', partition: 0 }])
    expect((await take(consumer, 50)).map((record) => record.value)).toEqual(Array.from({ length: 50 }, (_, n) => `value ${n} `.repeat(20)))
  })
})

test('acks none is answered without an offset, and the record arrives', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('quick')
  const producer = cluster.producer({ value: string, acks: 'none' })
  expect(await producer.send({ topic: 'quick', value: 'x', timestamp: 5 })).toEqual({
    topic: 'quick',
    partition: 0,
    offset: -1,
    timestamp: 5,
  })
  const consumer = cluster.consumer({ value: string })
  consumer.assign([{ topic: 'quick', partition: 0 }])
  expect((await take(consumer, 1))[0]?.value).toBe('x')
})

test('the same key goes where the Java client sends it; a partition given and a partitioner go first', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t', { partitions: 10 })
  const producer = cluster.producer({ key: string, value: string })
  // toPositive(murmur2(key)) % 10 of Kafka's own test vectors.
  expect((await producer.send({ topic: 't', key: 'foobar', value: '' })).partition).toBe((-790332482 & 0x7fffffff) % 10)
  expect((await producer.send({ topic: 't', key: 'abc', value: '' })).partition).toBe((479470107 & 0x7fffffff) % 10)
  expect((await producer.send({ topic: 't', key: 'abc', value: '', partition: 3 })).partition).toBe(3)
  const chosen = cluster.producer({ value: string, partitioner: (record, count) => record.value!.length % count })
  expect((await chosen.send({ topic: 't', value: 'four' })).partition).toBe(4)
})

test('records without a key stay together until their batch is sent', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t', { partitions: 4 })
  const producer = cluster.producer({ value: string })
  await producer.send({ topic: 't', value: 'warm' })
  const together = await producer.send(Array.from({ length: 10 }, () => ({ topic: 't', value: 'x' })))
  expect(new Set(together.map(({ partition }) => partition)).size).toBe(1)
  const next = await producer.send({ topic: 't', value: 'y' })
  expect(next.partition).not.toBe(together[0]?.partition)
})

test('LogAppendTime stamps the leader clock over the producer timestamp', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t', { config: { messageTimestampType: 'LogAppendTime' } })
  const producer = cluster.producer({ value: string })
  const before = Date.now()
  const { timestamp } = await producer.send({ topic: 't', value: 'x', timestamp: 5 })
  expect(timestamp).toBeGreaterThanOrEqual(before - 1000)
  const consumer = cluster.consumer({ value: string })
  consumer.assign([{ topic: 't', partition: 0 }])
  expect((await take(consumer, 1))[0]?.timestamp).toBe(timestamp)
})

test('a tombstone arrives as null', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ key: string, value: string })
  await producer.send({ topic: 't', key: 'gone', value: null })
  const consumer = cluster.consumer({ key: string, value: string })
  consumer.assign([{ topic: 't', partition: 0 }])
  expect((await take(consumer, 1))[0]).toMatchObject({ key: 'gone', value: null })
})

test('seek, position, pause, resume, and seek to a timestamp', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string, batchSizeBytes: 512 })
  await producer.send(Array.from({ length: 100 }, (_, n) => ({ topic: 't', value: `${n}`, timestamp: 10_000 + n * 10 })))
  const partition = { topic: 't', partition: 0 }
  const consumer = cluster.consumer({ value: string, maxPollRecords: 10 })
  consumer.assign([partition])
  expect((await consumer.poll())[0]?.value).toBe('0')
  expect(consumer.position(partition)).toBe(10)
  consumer.seek(partition, 42)
  expect((await consumer.poll())[0]?.value).toBe('42')
  await consumer.seekToTimestamp(10_555)
  expect((await consumer.poll())[0]?.value).toBe('56')
  await consumer.seekToTimestamp(99_999_999)
  expect(await consumer.poll({ timeoutMillis: 50 })).toEqual([])
  expect(consumer.position(partition)).toBe(100)
  consumer.seek(partition, 0)
  consumer.pause()
  expect(await consumer.poll({ timeoutMillis: 50 })).toEqual([])
  consumer.resume()
  expect((await consumer.poll())[0]?.value).toBe('0')
  // Far beyond the end: the reset policy sends it to the beginning.
  consumer.seek(partition, 1_000_000)
  expect((await consumer.poll())[0]?.value).toBe('0')
})

test('a parked consumer hears of a new record; aborting ends its wait', async () => {
  const cluster = await openCluster(temporaryDirectory())
  await cluster.admin.createTopic('t')
  const consumer = cluster.consumer({ value: string })
  consumer.assign([{ topic: 't', partition: 0 }])
  const waiting = consumer.poll({ timeoutMillis: 20_000 })
  const producer = cluster.producer({ value: string })
  await producer.send({ topic: 't', value: 'news' })
  expect((await waiting)[0]?.value).toBe('news')
  const controller = new AbortController()
  const aborted = consumer.poll({ timeoutMillis: 20_000, signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(aborted).rejects.toThrow('enough')
})

test('a running producer finds added partitions', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string })
  await producer.send({ topic: 't', value: 'x' })
  await cluster.admin.createPartitions('t', 2)
  const partitions = new Set<number>()
  while (partitions.size < 2) partitions.add((await producer.send({ topic: 't', value: 'x' })).partition)
  expect([...partitions].toSorted((a, b) => a - b)).toEqual([0, 1])
})
