// What outlives a close, a crash of the worker, and damage on disk.
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { open, string } from '../../../edge/client/index.ts'
import { terminateNode } from '../../../edge/client/testing.ts'
import { failureOf, openCluster, take, temporaryDirectory } from './support.ts'

const PARTITION = { topic: 't', partition: 0 }

async function fill(directory: string, count: number, config: Record<string, unknown> = {}): Promise<void> {
  await using cluster = await open(directory)
  await cluster.admin.createTopic('t', { config, ifNotExists: true })
  const producer = cluster.producer({ value: string, batchSizeBytes: 1024 })
  await producer.send(Array.from({ length: count }, (_, n) => ({ topic: 't', value: `value ${n}`, timestamp: 1000 + n })))
}

function segmentFiles(directory: string): string[] {
  const log = join(directory, 'node-0', 't-0.1')
  return readdirSync(log)
    .filter((name) => name.endsWith('.log'))
    .map((name) => join(log, name))
}

test('records, settings, offsets and topic ids outlive a close', async () => {
  const directory = temporaryDirectory()
  await fill(directory, 100)
  {
    await using cluster = await open(directory)
    const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string, maxPollRecords: 30 })
    expect(await consumer.poll({ timeoutMillis: 10_000 })).toHaveLength(30)
    await consumer.commit()
  }
  const cluster = await openCluster(directory)
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string })
  const rest = await take(consumer, 70)
  expect(rest[0]?.value).toBe('value 30')
  expect(await cluster.admin.listGroups()).toEqual([{ group: 'g', state: 'stable' }])
})

test('old segments are read through their index files, by offset and by time', async () => {
  const directory = temporaryDirectory()
  await fill(directory, 5000, { segmentBytes: 16_384, flush: 'os' })
  expect(segmentFiles(directory).length).toBeGreaterThan(5)
  const cluster = await openCluster(directory)
  const consumer = cluster.consumer({ value: string, maxPollRecords: 1 })
  consumer.assign([PARTITION])
  for (const offset of [4999, 0, 2500, 1234, 4321]) {
    consumer.seek(PARTITION, offset)
    expect((await consumer.poll({ timeoutMillis: 10_000 }))[0]).toMatchObject({ offset, value: `value ${offset}` })
    await consumer.seekToTimestamp(1000 + offset)
    expect((await consumer.poll({ timeoutMillis: 10_000 }))[0]?.offset).toBe(offset)
  }
})

test('a torn tail is cut, and everything in front of it is there', async () => {
  const directory = temporaryDirectory()
  await fill(directory, 100)
  const [file = ''] = segmentFiles(directory)
  writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.from('half a batch that never was')]))
  const cluster = await openCluster(directory)
  const producer = cluster.producer({ value: string })
  expect((await producer.send({ topic: 't', value: 'next' })).offset).toBe(100)
  const consumer = cluster.consumer({ value: string })
  consumer.assign([PARTITION])
  expect((await take(consumer, 101)).map((record) => record.offset)).toEqual(Array.from({ length: 101 }, (_, i) => i))
})

test('acknowledged records that are missing are said to be missing, and nothing is made up', async () => {
  const directory = temporaryDirectory()
  await fill(directory, 100)
  const [file = ''] = segmentFiles(directory)
  truncateSync(file, 500)
  const cluster = await openCluster(directory)
  const consumer = cluster.consumer({ value: string })
  consumer.assign([PARTITION])
  const error = await failureOf(() => consumer.poll({ timeoutMillis: 10_000 }))
  expect(error.name).toBe('KAFKA_STORAGE_ERROR')
  expect(error.message).toMatch(/t-0 cannot be read/)
})

test('a damaged batch is named with its offset, and one can seek behind it', async () => {
  const directory = temporaryDirectory()
  await fill(directory, 100)
  const [file = ''] = segmentFiles(directory)
  const bytes = readFileSync(file)
  bytes[100] = bytes[100]! ^ 1
  writeFileSync(file, bytes)
  const cluster = await openCluster(directory)
  const consumer = cluster.consumer({ value: string })
  consumer.assign([PARTITION])
  const error = await failureOf(() => consumer.poll({ timeoutMillis: 10_000 }))
  expect(error.name).toBe('CORRUPT_MESSAGE')
  expect(error.message).toMatch(/offset 0 of t-0/)
  consumer.seek(PARTITION, 80)
  expect((await consumer.poll({ timeoutMillis: 10_000 }))[0]?.value).toBe('value 80')
})

test('a worker that dies is restarted; what was acknowledged is there and sending goes on', async () => {
  const cluster = await openCluster(temporaryDirectory())
  const events: string[] = []
  cluster.on('nodeDown', () => events.push('down'))
  cluster.on('nodeUp', () => events.push('up'))
  await cluster.admin.createTopic('t', { partitions: 2 })
  const producer = cluster.producer({ value: string })
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string })
  const seen = new Set<string>()
  const consuming = (async () => {
    while (seen.size < 60) for (const record of await consumer.poll({ timeoutMillis: 10_000 })) seen.add(record.value ?? '')
  })()
  for (let n = 0; n < 60; n++) {
    if (n === 20 || n === 40) await terminateNode(cluster, 0)
    await producer.send({ topic: 't', value: `value ${n}` })
  }
  await consuming
  expect(seen.size).toBe(60)
  expect(events.filter((event) => event === 'down')).toHaveLength(2)
  const ends = await cluster.admin.listOffsets('t', 'latest')
  expect([...ends.values()].reduce((a, b) => a + b, 0)).toBe(60)
})

test('retention by size drops whole old segments and moves the beginning', async () => {
  const directory = temporaryDirectory()
  await fill(directory, 3000, { segmentBytes: 16_384, flush: 'os', retentionMillis: -1 })
  const before = segmentFiles(directory).length
  const cluster = await openCluster(directory)
  await cluster.admin.alterConfig('t', { retentionBytes: 20_000 })
  const { partitions } = await waitFor(
    () => cluster.admin.describeTopic('t'),
    ({ partitions: [one] }) => (one?.beginOffset ?? 0) > 0 && segmentFiles(directory).length < before,
  )
  expect(partitions[0]?.endOffset).toBe(3000)
  const consumer = cluster.consumer({ value: string })
  consumer.assign([PARTITION])
  consumer.seek(PARTITION, 0)
  expect((await consumer.poll({ timeoutMillis: 10_000 }))[0]?.offset).toBe(partitions[0]?.beginOffset)
})

/** Asks again until the answer is right; the test's own time-out ends it. */
async function waitFor<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (isRight(answer)) return answer
  }
}

test('retention by time drops what is too old, the last segment included', async () => {
  const directory = temporaryDirectory()
  await fill(directory, 100)
  const cluster = await openCluster(directory)
  await cluster.admin.alterConfig('t', { retentionMillis: 60_000 })
  const { partitions } = await waitFor(
    () => cluster.admin.describeTopic('t'),
    ({ partitions: [one] }) => (one?.beginOffset ?? 0) > 0,
  )
  expect(partitions[0]).toMatchObject({ beginOffset: 100, endOffset: 100 })
  const producer = cluster.producer({ value: string })
  expect((await producer.send({ topic: 't', value: 'next' })).offset).toBe(100)
})
