// Bits that flip, and files that go, on the disk of a leader whose followers have the same records: readers get all of them, and the leader's copy is mended.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster, Consumer, ConsumerOptions } from '../../../edge/client/index.ts'
import { KafkaError } from '../../../protocol/errors.ts'
import { FIELD, walkBatches } from '../../../protocol/record-batch.ts'
import { inSync, replicaLogs } from './cluster-support.ts'
import { failureOf, openCluster, take, temporaryDirectory } from './support.ts'

const PARTITION = { topic: 't', partition: 0 }
const COUNT = 20
const DAMAGED = 10
const VALUES = Array.from({ length: COUNT }, (_, n) => `value ${n} `.padEnd(100, '.'))
const SEALED = { segmentBytes: 16_384 }

/** Opens three nodes, on the caller's thread unless said otherwise. */
async function openThree(directory: string, threads = 0): Promise<Cluster> {
  const cluster = await openCluster(directory, { nodes: 3, threads })
  await inSync(cluster)
  return cluster
}

/** Writes records of one batch each; with small segments, enough of others behind them. */
async function fill(cluster: Cluster, config: Readonly<Record<string, unknown>> = {}): Promise<void> {
  await cluster.admin.createTopic('t', { replicationFactor: 3, config })
  await using producer = cluster.producer({ value: string })
  for (const value of VALUES) await producer.send({ topic: 't', value })
  if (config === SEALED) for (let n = 0; n < 2; n++) await producer.send({ topic: 't', value: 'x'.repeat(16_000) })
  await inSync(cluster)
}

/** Changes bits of a batch in the first segment of the partition on one node. */
function damage(directory: string, node: number, at: number, mask = 0x04, index = DAMAGED): void {
  const replica = join(directory, `node-${node}`, 't-0.1')
  const file = join(
    replica,
    readdirSync(replica).find((name) => name.startsWith('00000000000000000000') && name.endsWith('.log'))!,
  )
  const bytes = readFileSync(file)
  const batch = walkBatches(bytes)[index]!
  bytes[batch.at + (at < 0 ? batch.sizeBytes + at : at)]! ^= mask
  writeFileSync(file, bytes)
}

async function leaderOf(cluster: Cluster): Promise<number> {
  return (await cluster.admin.describeTopic('t')).partitions[0]!.leader
}

function reader(cluster: Cluster, options: ConsumerOptions<Uint8Array, string> = {}): Consumer<Uint8Array, string> {
  const consumer = cluster.consumer({ ...options, value: string })
  consumer.assign([PARTITION])
  return consumer
}

/** Waits until all three replicas hold the same bytes and are in sync; the test's own time-out ends it. */
async function mended(cluster: Cluster, directory: string): Promise<void> {
  for (;;) {
    await inSync(cluster)
    const [first, ...others] = replicaLogs(directory, 't', 0)
    if (others.length === 2 && others.every((other) => first?.equals(other) === true)) return
    await sleep(20)
  }
}

test.each([
  ['a record', -1, 0x04],
  ['the length, upwards', FIELD.batchLength + 3, 0x10],
  ['the length, far upwards', FIELD.batchLength, 0x40],
  ['the length, below zero', FIELD.batchLength, 0x80],
  ['the base offset', 7, 0x10],
  ['the last offset', FIELD.lastOffsetDelta, 0x7f],
  ['the control bit', FIELD.attributes + 1, 0x20],
])('a bit of %s that flips while a cluster is open costs a reader nothing, and is mended', { timeout: 60_000 }, async (_, at, mask) => {
  const directory = temporaryDirectory()
  const cluster = await openThree(directory)
  await fill(cluster)
  const former = await leaderOf(cluster)
  damage(directory, former, at, mask)
  const records = await take(reader(cluster), COUNT)
  expect(records.map(({ value }) => value)).toEqual(VALUES)
  expect(records.map(({ offset }) => offset)).toEqual(VALUES.map((_value, n) => n))
  await mended(cluster, directory)
})

// To who reads records it is all the same: who copies the log finds it.
test.each([
  ['far upwards', FIELD.leaderEpoch + 1, 0x80, DAMAGED],
  ['upwards', FIELD.leaderEpoch + 3, 0x04, DAMAGED],
  ['upwards, at the very end', FIELD.leaderEpoch + 3, 0x04, COUNT - 1],
  ['below zero', FIELD.leaderEpoch, 0x80, DAMAGED],
])(
  'a bit of the leader epoch that flips %s is mended when another replica copies the log',
  { timeout: 60_000 },
  async (_, at, mask, index) => {
    const directory = temporaryDirectory()
    const cluster = await openThree(directory)
    await fill(cluster)
    const failures: string[] = []
    cluster.on('error', ({ error }) => failures.push(error.message))
    const former = await leaderOf(cluster)
    const [second, third] = [(former + 1) % 3, (former + 2) % 3]
    await cluster.admin.reassign('t', 0, [former, second])
    while ((await cluster.admin.listReassignments()).length > 0) await sleep(20)
    damage(directory, former, at, mask, index)
    await cluster.admin.reassign('t', 0, [former, second, third])
    while ((await cluster.admin.listReassignments()).length > 0) await sleep(20)
    await mended(cluster, directory)
    expect((await take(reader(cluster), COUNT)).map(({ value }) => value)).toEqual(VALUES)
    expect(failures.filter((message) => message.includes('O1'))).toEqual([])
  },
)

test(
  'a closed segment that is damaged while the cluster is closed is mended, and a group commits nothing that it was not given',
  { timeout: 60_000 },
  async () => {
    const directory = temporaryDirectory()
    let former: number
    {
      await using cluster = await openThree(directory, 3)
      await fill(cluster, SEALED)
      former = await leaderOf(cluster)
    }
    damage(directory, former, -1)
    const cluster = await openThree(directory, 3)
    while ((await leaderOf(cluster)) !== former) await sleep(20)
    const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string, autoOffsetReset: 'earliest', autoCommit: false })
    expect((await take(consumer, DAMAGED)).map(({ value }) => value)).toEqual(VALUES.slice(0, DAMAGED))
    await consumer.commit()
    expect((await consumer.committed())[0]?.offset).toBe(DAMAGED)
    expect((await take(consumer, COUNT - DAMAGED)).slice(0, COUNT - DAMAGED).map(({ value }) => value)).toEqual(VALUES.slice(DAMAGED))
    await mended(cluster, directory)
  },
)

test('copies that are damaged in different places mend each other, one after the other', { timeout: 60_000 }, async () => {
  const directory = temporaryDirectory()
  const cluster = await openThree(directory)
  await fill(cluster)
  for (const node of [0, 1, 2]) damage(directory, node, -1, 0x04, 2 + 5 * node)
  for (const preferred of [0, 1, 2]) {
    await cluster.admin.reassign('t', 0, [preferred, (preferred + 1) % 3, (preferred + 2) % 3])
    await inSync(cluster)
    while ((await leaderOf(cluster)) !== preferred) await sleep(20)
    await using consumer = reader(cluster)
    const seen: (string | null)[] = []
    // As long as the two others are on their way back nobody in sync has more: that is said, and over soon.
    while (seen.length < COUNT) {
      const polled = await consumer.poll({ timeoutMillis: 100 }).catch((error: unknown) => {
        if (!(error instanceof KafkaError) || error.name !== 'CORRUPT_MESSAGE') throw error
        return []
      })
      seen.push(...polled.map(({ value }) => value))
    }
    expect(seen).toEqual(VALUES)
    await inSync(cluster)
  }
  await mended(cluster, directory)
})

test('a batch that turns out to be damaged when it is iterated comes again, whole', { timeout: 60_000 }, async () => {
  const directory = temporaryDirectory()
  const cluster = await openThree(directory)
  await fill(cluster)
  damage(directory, await leaderOf(cluster), -1)
  const consumer = reader(cluster)
  const seen: string[] = []
  const failures: string[] = []
  for await (const batch of consumer.batches()) {
    try {
      for (const { value } of batch) seen.push(value ?? '')
    } catch (error) {
      failures.push(String(error))
    }
    if (seen.length >= COUNT) break
  }
  expect(seen).toEqual(VALUES)
  expect(failures).toEqual([expect.stringMatching(/the batch at offset 10 of t-0 is damaged \(crc\)/)])
  await mended(cluster, directory)
})

test('what all replicas have lost is named with its offset until a seek', { timeout: 60_000 }, async () => {
  const directory = temporaryDirectory()
  const cluster = await openThree(directory)
  await fill(cluster)
  // A follower that has this knows that what is before it is committed.
  await cluster.producer({ value: string }).send({ topic: 't', value: 'more' })
  await inSync(cluster)
  for (const node of [0, 1, 2]) damage(directory, node, -1)
  const consumer = reader(cluster)
  expect((await take(consumer, DAMAGED)).map(({ value }) => value)).toEqual(VALUES.slice(0, DAMAGED))
  const error = await failureOf(() => take(consumer, 1))
  expect(error).toMatchObject({
    name: 'CORRUPT_MESSAGE',
    message: expect.stringMatching(/the batch at offset 10 of t-0 is damaged \(crc\)/),
  })
  consumer.seek(PARTITION, DAMAGED + 1)
  const rest = await take(consumer, COUNT - DAMAGED - 1)
  expect(rest.slice(0, COUNT - DAMAGED - 1).map(({ value }) => value)).toEqual(VALUES.slice(DAMAGED + 1))
})

test.each([0, 1, 2])(
  'a replica whose directory is taken away while the cluster is closed is copied anew (node %i)',
  { timeout: 60_000 },
  async (node) => {
    const directory = temporaryDirectory()
    for (let round = 0; round < 2; round++) {
      {
        await using cluster = await openThree(directory)
        if (round === 0) await fill(cluster)
        expect((await take(reader(cluster), COUNT)).map(({ value }) => value)).toEqual(VALUES)
        await mended(cluster, directory)
      }
      rmSync(join(directory, `node-${node}`, 't-0.1'), { recursive: true })
    }
    const cluster = await openThree(directory)
    expect((await take(reader(cluster), COUNT)).map(({ value }) => value)).toEqual(VALUES)
    await mended(cluster, directory)
  },
)

/** Removes the log files of the partition on one node. */
function removeLog(directory: string, node: number): void {
  const replica = join(directory, `node-${node}`, 't-0.1')
  for (const name of readdirSync(replica)) if (name.endsWith('.log')) rmSync(join(replica, name))
}

test('a log file of the leader that is removed costs a reader nothing, and is copied anew', { timeout: 60_000 }, async () => {
  const directory = temporaryDirectory()
  const cluster = await openThree(directory)
  const told: string[] = []
  cluster.on('error', ({ error }) => void told.push(error.message))
  await fill(cluster)
  const former = await leaderOf(cluster)
  removeLog(directory, former)
  expect((await take(reader(cluster), COUNT)).map(({ value }) => value)).toEqual(VALUES)
  expect(await leaderOf(cluster)).not.toBe(former)
  await mended(cluster, directory)
  expect(told).toEqual([expect.stringMatching(/00000000000000000000\.log was removed while it was open$/)])
})

test.each(['commit', 'interval'])(
  'flush %s: nothing is acknowledged that is in a removed file only',
  { timeout: 60_000 },
  async (flush) => {
    const directory = temporaryDirectory()
    const cluster = await openThree(directory)
    cluster.on('error', () => undefined)
    await fill(cluster, { flush })
    const former = await leaderOf(cluster)
    removeLog(directory, former)
    const producer = cluster.producer({ value: string })
    const more = ['a', 'b', 'c']
    for (const value of more) await producer.send({ topic: 't', value })
    if (flush === 'commit') expect(await leaderOf(cluster)).not.toBe(former)
    expect((await take(reader(cluster), COUNT + more.length)).map(({ value }) => value)).toEqual([...VALUES, ...more])
    await mended(cluster, directory)
  },
)

test('a follower whose log file is removed is copied anew', { timeout: 60_000 }, async () => {
  const directory = temporaryDirectory()
  const cluster = await openThree(directory)
  cluster.on('error', () => undefined)
  await fill(cluster)
  const leader = await leaderOf(cluster)
  for (const node of [0, 1, 2]) if (node !== leader) removeLog(directory, node)
  await cluster.producer({ value: string }).send({ topic: 't', value: 'more' })
  await mended(cluster, directory)
  expect(await leaderOf(cluster)).toBe(leader)
  expect((await take(reader(cluster), COUNT + 1)).map(({ value }) => value)).toEqual([...VALUES, 'more'])
})

test(
  'the only copy is served as long as it is open; the next record is refused, with the name of the file',
  { timeout: 60_000 },
  async () => {
    const directory = temporaryDirectory()
    const cluster = await openCluster(directory, { threads: 0 })
    cluster.on('error', () => undefined)
    await cluster.admin.createTopic('t')
    const producer = cluster.producer({ value: string, deliveryTimeoutMillis: 2000 })
    for (const value of VALUES) await producer.send({ topic: 't', value })
    removeLog(directory, 0)
    expect((await take(reader(cluster), COUNT)).map(({ value }) => value)).toEqual(VALUES)
    const error = await failureOf(() => producer.send({ topic: 't', value: 'more' }))
    expect(error.message).toMatch(/the leader's last answer was KAFKA_STORAGE_ERROR \(.*00000000000000000000\.log is gone from the disk/)
    const unread = await failureOf(() => take(reader(cluster), 1))
    expect(unread).toMatchObject({ name: 'KAFKA_STORAGE_ERROR', message: expect.stringMatching(/00000000000000000000\.log is gone/) })
    await cluster.close()
    // It is not taken for an empty one either when it is opened again.
    const again = await openCluster(directory, { threads: 0 })
    expect(await failureOf(() => take(reader(again), 1))).toMatchObject({ name: 'KAFKA_STORAGE_ERROR' })
  },
)
