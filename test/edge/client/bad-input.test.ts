// Bad input: a clear KafkaError at the edge, and nothing half done.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bytes, json, open, string } from '../../../edge/client/index.ts'
import type { ProducerOptions } from '../../../edge/client/index.ts'
import { failureOf, openCluster, temporaryDirectory } from './support.ts'
import { BATCH_BYTES_MAX } from '../../../protocol/topic-config.ts'

test.each([
  ['../x', /./],
  ['', /./],
  ['.', /./],
  ['a b', /./],
  ['x'.repeat(250), /249/],
])('the topic name %j is refused', async (name, reason) => {
  const cluster = await openCluster()
  const error = await failureOf(() => cluster.admin.createTopic(name))
  expect(error).toMatchObject({ name: 'INVALID_TOPIC_EXCEPTION', code: 17, retriable: false })
  expect(error.message).toMatch(reason)
  expect(await cluster.admin.listTopics()).toEqual([])
})

test('topics: exists already, unknown, too few partitions, unknown setting, setting out of range', async () => {
  const { admin } = await openCluster()
  await admin.createTopic('t', { partitions: 2 })
  expect((await failureOf(() => admin.createTopic('t'))).name).toBe('TOPIC_ALREADY_EXISTS')
  await admin.createTopic('t', { ifNotExists: true })
  expect((await failureOf(() => admin.deleteTopic('u'))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  expect((await failureOf(() => admin.describeTopic('u'))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  expect((await failureOf(() => admin.createTopic('v', { partitions: 0 }))).name).toBe('INVALID_PARTITIONS')
  expect((await failureOf(() => admin.createTopic('v', { partitions: 1.5 }))).name).toBe('INVALID_PARTITIONS')
  expect((await failureOf(() => admin.createPartitions('t', 2))).message).toMatch(/has 2 partitions/)
  expect((await failureOf(() => admin.createTopic('v', { config: { retentionMilis: 5 } }))).message).toMatch(/retentionMilis/)
  expect((await failureOf(() => admin.alterConfig('t', { segmentBytes: 1 }))).message).toMatch(/segmentBytes/)
  expect((await failureOf(() => admin.alterConfig('t', { flush: 'never' }))).name).toBe('INVALID_CONFIG')
  expect((await failureOf(() => admin.listOffsets('t', -5))).name).toBe('INVALID_REQUEST')
  expect(await admin.listTopics()).toEqual(['t'])
  expect((await admin.describeTopic('t')).config.segmentBytes).toBe(67_108_864)
})

test('sending to an unknown topic or partition fails; what is sent elsewhere is not disturbed', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t', { partitions: 2 })
  const producer = cluster.producer({ value: string })
  const [bad, good] = await Promise.allSettled([producer.send({ topic: 'u', value: 'x' }), producer.send({ topic: 't', value: 'y' })])
  expect(bad).toMatchObject({ status: 'rejected', reason: { name: 'UNKNOWN_TOPIC_OR_PARTITION' } })
  expect(good.status).toBe('fulfilled')
  expect((await failureOf(() => producer.send({ topic: 't', value: 'x', partition: 2 }))).message).toMatch(/partitions 0 to 1, not 2/)
  expect((await failureOf(() => producer.send({ topic: 't', value: 'x', partition: -1 }))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  const ends = await cluster.admin.listOffsets('t', 'latest')
  expect([...ends.values()].reduce((a, b) => a + b)).toBe(1)
})

test('a record that is too large is refused with both sizes, and the ones around it arrive', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t', { config: { maxMessageBytes: 2000 } })
  const producer = cluster.producer()
  const results = await Promise.allSettled([10, 3000, 20].map((size) => producer.send({ topic: 't', value: new Uint8Array(size) })))
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(results[1]).toMatchObject({ reason: { name: 'MESSAGE_TOO_LARGE', message: expect.stringMatching(/2000/) as string } })
  expect((await cluster.admin.listOffsets('t', 'latest')).get(0)).toBe(2)
})

test('a record that is too large for any batch is refused, compressed or not, and no topic takes one', async () => {
  const cluster = await openCluster()
  const config = { maxMessageBytes: BATCH_BYTES_MAX }
  await cluster.admin.createTopic('t', { config })
  const value = new Uint8Array(BATCH_BYTES_MAX)
  for (const compression of ['none', 'zstd'] as const) {
    const failure = await failureOf(() => cluster.producer({ compression }).send({ topic: 't', value }))
    expect([failure.name, failure.message]).toEqual(['MESSAGE_TOO_LARGE', expect.stringMatching(/any may be \(67108864\)/)])
  }
  const larger = { maxMessageBytes: BATCH_BYTES_MAX + 1 }
  expect((await failureOf(() => cluster.admin.createTopic('u', { config: larger }))).name).toBe('INVALID_CONFIG')
  expect((await failureOf(() => cluster.admin.alterConfig('t', larger))).name).toBe('INVALID_CONFIG')
})

test('values of the wrong type, values that cannot be serialised, wrong timestamps and headers', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const raw = cluster.producer({ value: bytes })
  expect((await failureOf(() => raw.send({ topic: 't', value: 'text' as unknown as Uint8Array }))).name).toBe('SERIALIZATION_FAILED')
  expect((await failureOf(() => raw.send({ topic: 't', value: new Uint8Array(1), timestamp: 1.5 }))).name).toBe('INVALID_TIMESTAMP')
  expect((await failureOf(() => raw.send({ topic: 't', value: null, headers: { h: 5 as unknown as string } }))).name).toBe(
    'SERIALIZATION_FAILED',
  )
  expect((await failureOf(() => raw.send(null as never))).name).toBe('INVALID_RECORD')
  const typed = cluster.producer({ value: json<unknown>() })
  expect((await failureOf(() => typed.send({ topic: 't', value: { big: 1n } }))).name).toBe('SERIALIZATION_FAILED')
  expect((await failureOf(() => typed.send({ topic: 't', value: () => 1 }))).name).toBe('SERIALIZATION_FAILED')
  expect((await cluster.admin.listOffsets('t', 'latest')).get(0)).toBe(0)
})

test('a failed record of the fast lane fails the next flush, once', async () => {
  const cluster = await openCluster()
  const producer = cluster.producer({ value: string })
  producer.write({ topic: 'nowhere', value: 'x' })
  expect((await failureOf(() => producer.flush())).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  await producer.flush()
})

test.each([
  [{ lingerMillis: -1 }, /lingerMillis must be a whole number from 0 to 60000, not -1/],
  [{ acks: 'all' }, /acks must be 'quorum', 'leader', 'none', or how many/],
  [{ batchSize: 5 }, /no option "batchSize"/],
  [{ compression: 'rar' }, /compression/],
  [{ partitioner: 3 }, /a function/],
  [{ clientId: '' }, /^producer option clientId must be a text of 1 to 255 characters, not ""$/],
  [{ clientId: 'c'.repeat(256) }, /^producer option clientId must be a text of 1 to 255 characters, not one of 256 characters$/],
  [{ transactionalId: '' }, /^producer option transactionalId must be a text of 1 to 1000 characters, not ""$/],
  [{ transactionalId: 't', acks: 'leader' }, /^producer option acks must be 'quorum' with a transactionalId, not "leader"$/],
  [
    { transactionalId: 't', enableIdempotence: false },
    /^producer option enableIdempotence must be true with a transactionalId, not false$/,
  ],
])('producer option %j is refused by name', async (options, reason) => {
  const cluster = await openCluster()
  const error = await failureOf(() => cluster.producer(options as unknown as ProducerOptions<Uint8Array, Uint8Array>))
  expect(error.name).toBe('INVALID_OPTION')
  expect(error.message).toMatch(reason)
})

test('consumers: no group, unknown topic, not assigned, negative offset, no offset and no policy', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  expect((await failureOf(() => cluster.consumer({ topics: ['t'] }))).name).toBe('INVALID_GROUP_ID')
  expect((await failureOf(() => cluster.consumer({ group: 'g', topics: [] }))).name).toBe('INVALID_OPTION')
  const stray = cluster.consumer({ group: 'g', topics: ['u'] })
  expect((await failureOf(() => stray.poll({ timeoutMillis: 10_000 }))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  const consumer = cluster.consumer({ autoOffsetReset: 'none' })
  consumer.assign([{ topic: 't', partition: 0 }])
  expect(await failureOf(() => consumer.poll({ timeoutMillis: 10_000 }))).toMatchObject({
    name: 'OFFSET_OUT_OF_RANGE',
    retriable: false,
    message:
      "no offset to begin at for t-0: the consumer has no group that could have committed one, and autoOffsetReset is 'none'; seek to go on",
  })
  const member = cluster.consumer({ group: 'h', topics: ['t'], autoOffsetReset: 'none' })
  expect((await failureOf(() => member.poll({ timeoutMillis: 10_000 }))).message).toMatch(
    /t-0: group "h" has committed none, and autoOffsetReset is 'none'/,
  )
  expect((await failureOf(() => consumer.seek({ topic: 't', partition: 0 }, -1))).name).toBe('OFFSET_OUT_OF_RANGE')
  expect((await failureOf(() => consumer.seek({ topic: 't', partition: 1 }, 0))).message).toMatch(/t-1 is not assigned/)
  expect((await failureOf(() => consumer.commit())).name).toBe('INVALID_GROUP_ID')
  const beyond = cluster.consumer()
  beyond.assign([{ topic: 't', partition: 7 }])
  expect((await failureOf(() => beyond.poll({ timeoutMillis: 10_000 }))).message).toMatch(/t-7/)
})

test.each([false, true])(
  'a partition that was not there is said to be missing once, and read when it is there (sought: %s)',
  async (isSought) => {
    const cluster = await openCluster()
    const consumer = cluster.consumer()
    const partition = { topic: 't', partition: 0 }
    consumer.assign([partition])
    expect(await failureOf(() => consumer.poll({ timeoutMillis: 10_000 }))).toMatchObject({
      name: 'UNKNOWN_TOPIC_OR_PARTITION',
      retriable: true,
    })
    expect(await consumer.poll({ timeoutMillis: 1000 })).toEqual([])
    await cluster.admin.createTopic('t')
    const producer = cluster.producer({ value: string })
    await producer.send({ topic: 't', value: 'x' })
    if (isSought) consumer.seek(partition, 0)
    expect(await consumer.poll({ timeoutMillis: 10_000 })).toHaveLength(1)
  },
)

test('clients do not write to internal topics; groups do', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  await cluster.admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 0 }])
  const producer = cluster.producer()
  for (const send of [
    () => producer.send({ topic: '__consumer_offsets', value: null }),
    () => producer.write({ topic: '__consumer_offsets', value: null }),
  ])
    expect((await failureOf(send)).name).toBe('INVALID_TOPIC_EXCEPTION')
  expect(await cluster.admin.listOffsets('__consumer_offsets', 'latest')).toBeDefined()
})

test('the text of a committed offset has a limit, by whatever way it comes', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const consumer = cluster.consumer({ group: 'g' })
  const offsets = [{ topic: 't', partition: 0, offset: 1, metadata: 'x'.repeat(4097) }]
  for (const commit of [() => consumer.commit(offsets), () => cluster.admin.alterGroupOffsets('g', offsets)]) {
    const error = await failureOf(commit)
    expect(error).toMatchObject({ name: 'OFFSET_METADATA_TOO_LARGE', message: expect.stringMatching(/t-0.*4097.*4096/) as string })
  }
  await consumer.commit([{ topic: 't', partition: 0, offset: 1, metadata: 'x'.repeat(4096) }])
  expect((await consumer.committed())[0]?.metadata).toHaveLength(4096)
})

test('a value that cannot be read is named with its offset, is met again, and can be passed by a seek', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string })
  await producer.send([
    { topic: 't', value: '{"n":1}' },
    { topic: 't', value: '{oops' },
    { topic: 't', value: '{"n":3}' },
  ])
  const partition = { topic: 't', partition: 0 }
  const consumer = cluster.consumer({ value: json<{ n: number }>(), maxPollRecords: 1 })
  consumer.assign([partition])
  expect((await consumer.poll({ timeoutMillis: 10_000 }))[0]?.value).toEqual({ n: 1 })
  for (let again = 0; again < 2; again++) {
    const error = await failureOf(() => consumer.poll({ timeoutMillis: 10_000 }))
    expect(error).toMatchObject({ name: 'SERIALIZATION_FAILED', message: expect.stringMatching(/offset 1 of t-0/) as string })
  }
  consumer.seek(partition, 2)
  expect((await consumer.poll({ timeoutMillis: 10_000 }))[0]?.value).toEqual({ n: 3 })
})

test('closed clients and clusters say so', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string })
  const consumer = cluster.consumer()
  await producer.close()
  await consumer.close()
  expect((await failureOf(() => producer.send({ topic: 't', value: 'x' }))).name).toBe('CLIENT_CLOSED')
  expect((await failureOf(() => consumer.poll())).name).toBe('CLIENT_CLOSED')
  for (const records of [consumer, consumer.records(), consumer.batches()])
    expect((await failureOf(() => records[Symbol.asyncIterator]().next())).name).toBe('CLIENT_CLOSED')
  await cluster.close()
  expect((await failureOf(() => cluster.producer())).name).toBe('CLIENT_CLOSED')
  expect((await failureOf(() => cluster.admin.listTopics())).name).toBe('CLIENT_CLOSED')
  await cluster.close()
})

test('a directory in use names the process that uses it; a dead process does not hold it', async () => {
  const directory = temporaryDirectory()
  const cluster = await open(directory)
  const error = await failureOf(() => open(directory))
  expect(error.name).toBe('DIRECTORY_LOCKED')
  expect(error.message).toContain(String(process.pid))
  await cluster.close()
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  writeFileSync(join(directory, 'lock'), `${dead} 1\n`)
  await (await open(directory)).close()
  expect(readdirSync(directory)).not.toContain('lock')
})

test('foreign, damaged, newer, absent and impossible directories are refused and left as they are', async () => {
  const foreign = temporaryDirectory()
  writeFileSync(join(foreign, 'thesis.txt'), 'mine')
  expect((await failureOf(() => open(foreign))).message).toMatch(/thesis\.txt/)
  expect(readdirSync(foreign)).toEqual(['thesis.txt'])

  const damaged = temporaryDirectory()
  writeFileSync(join(damaged, 'odradek.json'), '{"format":')
  expect((await failureOf(() => open(damaged))).name).toBe('FOREIGN_DIRECTORY')

  const newer = temporaryDirectory()
  await (await open(newer)).close()
  const identity = JSON.parse(readFileSync(join(newer, 'odradek.json'), 'utf8')) as object
  writeFileSync(join(newer, 'odradek.json'), JSON.stringify({ ...identity, format: 99 }))
  expect((await failureOf(() => open(newer))).name).toBe('UNSUPPORTED_FORMAT_VERSION')
  for (const format of [0, -1, 0.5]) {
    writeFileSync(join(newer, 'odradek.json'), JSON.stringify({ ...identity, format }))
    expect(await failureOf(() => open(newer))).toMatchObject({
      name: 'UNSUPPORTED_FORMAT_VERSION',
      message: expect.stringContaining(`says format ${format}, and there is no such format`) as string,
    })
  }

  expect((await failureOf(() => open(join(foreign, 'absent'), { mustExist: true }))).message).toMatch(
    /there is no directory .*absent: .*mustExist/,
  )
  const file = join(temporaryDirectory(), 'file')
  writeFileSync(file, '')
  for (const path of [file, join(file, 'below')]) {
    expect(await failureOf(() => open(path))).toMatchObject({
      name: 'FOREIGN_DIRECTORY',
      message: expect.stringMatching(/not a directory.*name a/) as string,
    })
  }
  expect((await failureOf(() => open(''))).name).toBe('INVALID_OPTION')
  expect((await failureOf(() => open(':memory:', { nodes: 0 }))).message).toMatch(/nodes must be a whole number from 1/)
})

test('a directory keeps its nodes', async () => {
  const directory = temporaryDirectory()
  mkdirSync(directory, { recursive: true })
  await (await open(directory, { nodes: 2 })).close()
  const error = await failureOf(() => open(directory, { nodes: 1 }))
  expect([error.name, error.message]).toEqual(['INVALID_OPTION', expect.stringMatching(/2 node.*leave the option nodes out/)])
  await (await open(directory)).close()
})

test('one client more than maxConnections is refused, and room is made by closing one', async () => {
  const cluster = await openCluster(':memory:', { maxConnections: 3 })
  await cluster.admin.createTopic('t')
  const producer = cluster.producer()
  cluster.consumer()
  cluster.shareConsumer({ group: 'g', topics: ['t'] })
  for (const more of [() => cluster.producer(), () => cluster.consumer(), () => cluster.shareConsumer({ group: 'g', topics: ['t'] })]) {
    const refused = await failureOf(more)
    expect([refused.name, refused.message]).toEqual([
      'POLICY_VIOLATION',
      expect.stringMatching(/^3 producers and consumers are open .*maxConnections/),
    ])
  }
  await producer.close()
  const next = cluster.producer({ value: string })
  expect((await next.send({ topic: 't', value: 'x' })).offset).toBe(0)
  for (const maxConnections of [0, -1, 1.5, '3', 1_000_001]) {
    const refused = await failureOf(() => openCluster(':memory:', { maxConnections: maxConnections as number }))
    expect([refused.name, refused.message]).toEqual([
      'INVALID_OPTION',
      expect.stringMatching(/^open option maxConnections must be a whole number from 1 to 1000000, not /),
    ])
  }
})
