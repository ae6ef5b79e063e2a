// What a producer promises about the objects it is given, flushing and closing.
import { expect, test } from 'vitest'
import { bytes, open, string } from '../../../edge/client/index.ts'
import { failureOf, openCluster, take } from './support.ts'

test('a record is taken as it is when it is given, even while its topic is not known yet', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: bytes })
  const value = new Uint8Array([1])
  const record = { topic: 't', value }
  const sent = [producer.send(record)]
  value[0] = 2
  sent.push(producer.send(record))
  value[0] = 3
  await Promise.all(sent)
  const consumer = cluster.consumer()
  consumer.assign([{ topic: 't', partition: 0 }])
  expect((await take(consumer, 2)).map((one) => one.value?.[0])).toEqual([1, 2])
})

test('flush does not wait for the linger time, and resolves while others go on sending', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string, lingerMillis: 60_000 })
  producer.write({ topic: 't', value: 'first' })
  await producer.flush()
  expect((await cluster.admin.listOffsets('t', 'latest')).get(0)).toBe(1)
  let flushed = false
  const busy = cluster.producer({ value: string })
  const sending = (async () => {
    while (!flushed) await busy.send({ topic: 't', value: 'x' })
  })()
  busy.write({ topic: 't', value: 'mine' })
  await busy.flush()
  flushed = true
  await sending
})

test('drained resolves although everything is delivered at once, while it asks for that', async () => {
  const cluster = await openCluster(':memory:', { threads: 0 })
  await cluster.admin.createTopic('t', { config: { flush: 'os' } })
  const producer = cluster.producer({ bufferMemoryBytes: 65_536, batchSizeBytes: 1_000_000 })
  await producer.send({ topic: 't', value: new Uint8Array(1) })
  while (producer.write({ topic: 't', value: new Uint8Array(1000) }));
  await producer.drained()
  expect(producer.write({ topic: 't', value: new Uint8Array(1) })).toBe(true)
})

test('close sends everything, waits for it, and is one promise however often it is called', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string })
  const sent = Promise.all(Array.from({ length: 1000 }, (_, n) => producer.send({ topic: 't', value: String(n) })))
  const closing = producer.close()
  expect(producer.close()).toBe(closing)
  await closing
  expect(await sent).toHaveLength(1000)
})

test('closing the cluster closes its clients first, and says what was never acknowledged', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string })
  const sent = Promise.all(Array.from({ length: 1000 }, (_, n) => producer.send({ topic: 't', value: String(n) })))
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string })
  const closing = consumer.close()
  producer.write({ topic: 'nowhere', value: 'x' })
  expect((await failureOf(() => cluster.close())).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  await closing
  expect(await sent).toHaveLength(1000)
})

test('a program that awaits one record after the other in memory still has its timers', async () => {
  await using cluster = await open(':memory:')
  await cluster.admin.createTopic('turns')
  await using producer = cluster.producer({ value: string })
  let hasFired = false
  setTimeout(() => (hasFired = true), 1)
  for (let sent = 0; sent < 200_000 && !hasFired; sent++) await producer.send({ topic: 'turns', value: 'x' })
  expect(hasFired).toBe(true)
})

test.each(['send', 'write'] as const)('a partition that was added since is written to at once by %s, and in order', async (how) => {
  await using cluster = await open(':memory:')
  await cluster.admin.createTopic('t')
  await using producer = cluster.producer({ value: string })
  await producer.send({ topic: 't', value: 'before' })
  await cluster.admin.createPartitions('t', 3)
  const records = Array.from({ length: 20 }, (_, i) => ({ topic: 't', value: `${i}`, partition: i % 3 }))
  if (how === 'send') await producer.send(records)
  else for (const record of records) producer.write(record)
  await producer.flush()
  await using consumer = cluster.consumer({ value: string })
  consumer.assign([0, 1, 2].map((partition) => ({ topic: 't', partition })))
  const read: string[][] = [[], [], []]
  for (let count = 0; count < 21;)
    for (const { partition, value } of await consumer.poll()) {
      read[partition]!.push(value ?? '')
      count++
    }
  expect(read).toEqual([
    ['before', '0', '3', '6', '9', '12', '15', '18'],
    ['1', '4', '7', '10', '13', '16', '19'],
    ['2', '5', '8', '11', '14', '17'],
  ])
})

test('a partition that is not there fails its record only, whoever waits for it', async () => {
  await using cluster = await open(':memory:')
  await cluster.admin.createTopic('t', { partitions: 2 })
  await using producer = cluster.producer({ value: string })
  await producer.send({ topic: 't', value: 'first' })
  const sent = await Promise.allSettled([1, 2, 0].map((partition) => producer.send({ topic: 't', value: 'x', partition })))
  const missing = { name: 'UNKNOWN_TOPIC_OR_PARTITION', message: 't has partitions 0 to 1, not 2' }
  expect(sent).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: missing }, { status: 'fulfilled' }])
  producer.write({ topic: 't', value: 'y', partition: 2 })
  await expect(producer.flush()).rejects.toMatchObject(missing)
  await producer.flush()
  for (const partition of [-1, 0.5])
    await expect(producer.send({ topic: 't', value: 'z', partition })).rejects.toMatchObject({ name: missing.name })
})
