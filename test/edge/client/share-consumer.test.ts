// Share groups through the public API: several members, acknowledgements, time-outs, restarts.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { json, KafkaError, open, string } from '../../../edge/client/index.ts'
import type { Cluster, RefusedAcknowledgement, ShareConsumer, ShareConsumerOptions, ShareRecord } from '../../../edge/client/index.ts'
import { catchUncaught } from './support.ts'

let cluster: Cluster

beforeEach(async () => {
  cluster = await open(':memory:')
  await cluster.admin.createTopic('jobs', { partitions: 2 })
})

afterEach(() => cluster.close())

function member(options: Partial<ShareConsumerOptions<string, string>> = {}): ShareConsumer<string, string> {
  return cluster.shareConsumer({ group: 'workers', topics: ['jobs'], autoOffsetReset: 'earliest', key: string, value: string, ...options })
}

async function write(count: number, first = 0, partition?: number): Promise<void> {
  await using producer = cluster.producer({ key: string, value: string })
  const where = partition === undefined ? {} : { partition }
  await producer.send(Array.from({ length: count }, (_, i) => ({ topic: 'jobs', value: `job ${first + i}`, ...where })))
}

/** All that comes until there is nothing for a while. */
async function drain(one: ShareConsumer<string, string>, timeoutMillis = 200): Promise<ShareRecord<string, string>[]> {
  const all: ShareRecord<string, string>[] = []
  for (let records = await one.poll({ timeoutMillis }); records.length > 0; records = await one.poll({ timeoutMillis }))
    all.push(...records)
  return all
}

function valuesOf(records: readonly ShareRecord<string, string>[]): string[] {
  return records.map(({ value }) => value ?? '').toSorted()
}

describe('a share group', () => {
  test('gives every record to one of its members', async () => {
    await write(100)
    await using a = member({ maxPollRecords: 10 })
    await using b = member({ maxPollRecords: 10 })
    const [firstOfA, firstOfB] = [await a.poll(), await b.poll()]
    expect([firstOfA.length, firstOfB.length]).toEqual([10, 10])
    const [restOfA, restOfB] = await Promise.all([drain(a), drain(b)])
    const [fromA, fromB] = [firstOfA.concat(restOfA), firstOfB.concat(restOfB)]
    const all = valuesOf([...fromA, ...fromB])
    expect(all).toHaveLength(100)
    expect(new Set(all).size).toBe(100)
    expect(fromA.every(({ deliveryCount }) => deliveryCount === 1)).toBe(true)
  })

  test('wakes who waits for records', async () => {
    await using one = member()
    const polled = one.poll({ timeoutMillis: 5000 })
    await new Promise((resolve) => setTimeout(resolve, 50))
    await write(1)
    expect(valuesOf(await polled)).toEqual(['job 0'])
  })

  test('gives again what is released, and what is rejected to nobody', async () => {
    await write(3, 0, 0)
    await using one = member()
    const [first, second, third] = await one.poll()
    one.acknowledge(first!, 'release')
    one.acknowledge(second!, 'reject')
    one.acknowledge(third!)
    const again = await one.poll()
    expect(again.map(({ value, deliveryCount }) => [value, deliveryCount])).toEqual([['job 0', 2]])
    expect(await drain(one)).toEqual([])
    expect(() => one.acknowledge(first!)).toThrow(expect.objectContaining({ name: 'INVALID_RECORD_STATE' }))
    for (const none of [null, undefined, 't-0@0', {}])
      expect(() => one.acknowledge(none as never)).toThrow(expect.objectContaining({ name: 'INVALID_REQUEST' }))
  })

  test('gives to others what a member holds for too long, and hears its acknowledgement no more', async () => {
    await write(1)
    const refused: RefusedAcknowledgement[] = []
    await using slow = member({ acquisitionLockMillis: 100, onRefused: (some) => refused.push(...some) })
    await using other = member()
    expect(await slow.poll()).toHaveLength(1)
    const [taken] = await other.poll({ timeoutMillis: 2000 })
    expect(taken).toMatchObject({ value: 'job 0', deliveryCount: 2 })
    await expect(slow.commit()).rejects.toMatchObject({ name: 'INVALID_RECORD_STATE' })
    expect(refused).toMatchObject([{ topic: 'jobs', firstOffset: 0, lastOffset: 0, type: 'accept' }])
    await other.commit()
  })

  test.each<[string, (one: ShareConsumer<string, string>) => Promise<readonly ShareRecord<string, string>[]>]>([
    ['by the timer', () => sleep(100, [])],
    ['with a poll', (one) => one.poll({ timeoutMillis: 0 })],
    ['with a step of records()', async (one) => [(await one.records()[Symbol.asyncIterator]().next()).value!]],
  ])('says at commit that acknowledgements came too late which went before, %s', async (_how, goOn) => {
    await write(2, 0, 0)
    await using one = member({ acquisitionLockMillis: 100, deliveryCountLimit: 100 })
    const records = await one.poll()
    await sleep(200)
    for (const record of records) one.acknowledge(record)
    for (const record of await goOn(one)) one.acknowledge(record, 'release')
    await expect(one.commit()).rejects.toMatchObject({ name: 'INVALID_RECORD_STATE' })
    await one.close()
    await using other = member({ deliveryCountLimit: 100 })
    expect(await drain(other)).toHaveLength(2)
  })

  test('says it to all commits that wait for it, and to none after them', async () => {
    await write(1)
    await using one = member({ acquisitionLockMillis: 50 })
    const [record] = await one.poll()
    await sleep(100)
    one.acknowledge(record!)
    const commits = await Promise.allSettled([one.commit(), one.commit()])
    expect(commits.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await one.commit()
  })

  test('goes on when the listener for refusals throws, which is an uncaught exception', async () => {
    const uncaught = catchUncaught()
    await write(1)
    const error = new Error('a listener throws')
    const onRefused = (): never => {
      throw error
    }
    await using slow = member({ acquisitionLockMillis: 100, onRefused })
    await using other = member()
    expect(await slow.poll()).toHaveLength(1)
    expect(await other.poll({ timeoutMillis: 2000 })).toHaveLength(1)
    await expect(slow.commit()).rejects.toMatchObject({ name: 'INVALID_RECORD_STATE' })
    expect(uncaught).toEqual([error])
    await other.commit()
  })

  test('hands nothing over whose lock is over by the time that it is asked for', async () => {
    await write(2, 0, 0)
    await using one = member({ acquisitionLockMillis: 100, deliveryCountLimit: 100 })
    const attempts: number[] = []
    for await (const { deliveryCount } of one) {
      attempts.push(deliveryCount)
      if (attempts.length === 2) break
      // No timer fires meanwhile.
      for (const end = performance.now() + 150; performance.now() < end;);
    }
    expect(attempts).toEqual([1, 2])
  })

  test('archives what nobody accepts in so many attempts', async () => {
    await write(2, 0, 1)
    await using one = member({ deliveryCountLimit: 3 })
    const counts: number[] = []
    for (let records = await one.poll(); records.length > 0; records = await one.poll({ timeoutMillis: 200 })) {
      for (const record of records) {
        if (record.value === 'job 0') counts.push(record.deliveryCount)
        one.acknowledge(record, record.value === 'job 0' ? 'release' : 'accept')
      }
    }
    expect(counts).toEqual([1, 2, 3])
    await one.commit()
    const { partitions } = await cluster.admin.describeShareGroup('workers')
    expect(partitions[1]).toMatchObject({ startOffset: 2, inFlight: 0, lag: 0 })
  })

  test('accepts a record when the next one is asked for', async () => {
    await write(3, 0, 0)
    const values: (string | null)[] = []
    {
      await using one = member()
      for await (const record of one) {
        values.push(record.value)
        if (values.length === 2) break
      }
    }
    await using other = member()
    values.push(...valuesOf(await drain(other)))
    expect(values).toEqual(['job 0', 'job 1', 'job 1', 'job 2'])
  })

  test('begins at the end of a topic, unless it is told otherwise', async () => {
    await write(2)
    await using one = member({ group: 'late', autoOffsetReset: 'latest' })
    expect(await one.poll({ timeoutMillis: 200 })).toEqual([])
    await write(1, 2)
    expect(valuesOf(await one.poll())).toEqual(['job 2'])
  })

  test('hands over records that cannot be read as an error, and goes on with the others', async () => {
    await write(1, 0, 0)
    await using one = cluster.shareConsumer({
      group: 'j',
      topics: ['jobs'],
      autoOffsetReset: 'earliest',
      value: json(),
      deliveryCountLimit: 2,
    })
    await expect(one.poll()).rejects.toMatchObject({ name: 'SERIALIZATION_FAILED' })
    await expect(one.poll()).rejects.toMatchObject({ name: 'SERIALIZATION_FAILED' })
    expect(await one.poll({ timeoutMillis: 200 })).toEqual([])
  })

  test('skips markers, and what is aborted if it reads what is committed', async () => {
    await using producer = cluster.producer({ transactionalId: 'x', value: string })
    await producer.transaction((transaction) => transaction.send({ topic: 'jobs', partition: 0, value: 'yes' }))
    await producer
      .transaction(async (transaction) => {
        await transaction.send({ topic: 'jobs', partition: 0, value: 'no' })
        throw new Error('abort')
      })
      .catch(() => undefined)
    await using one = member({ isolationLevel: 'read_committed' })
    expect(valuesOf(await drain(one))).toEqual(['yes'])
    await one.commit()
    await expect
      .poll(async () => (await cluster.admin.describeShareGroup('workers')).partitions[0])
      .toMatchObject({ startOffset: 4, lag: 0 })
  })

  test('is described, listed, and deleted when nobody is in it', async () => {
    await write(5, 0, 0)
    const one = member({ maxPollRecords: 3 })
    expect(await one.poll()).toHaveLength(3)
    const { state, members, partitions } = await cluster.admin.describeShareGroup('workers')
    expect({ state, members }).toMatchObject({ state: 'stable', members: [{ topics: ['jobs'] }] })
    expect(partitions[0]).toEqual({ topic: 'jobs', partition: 0, startOffset: 0, endOffset: 5, inFlight: 3, lag: 5 })
    expect(await cluster.admin.listShareGroups()).toEqual([{ group: 'workers', state: 'stable' }])
    await expect(cluster.admin.deleteShareGroup('workers')).rejects.toMatchObject({ name: 'NON_EMPTY_GROUP' })
    await one.close()
    expect(await cluster.admin.listShareGroups()).toEqual([{ group: 'workers', state: 'empty' }])
    await cluster.admin.deleteShareGroup('workers')
    expect(await cluster.admin.listShareGroups()).toEqual([])
    await expect(cluster.admin.describeShareGroup('workers')).rejects.toBeInstanceOf(KafkaError)
  })

  test('says what is wrong', async () => {
    expect(() => member({ group: '' })).toThrow(expect.objectContaining({ name: 'INVALID_GROUP_ID' }))
    expect(() => member({ topics: [] })).toThrow(expect.objectContaining({ name: 'INVALID_OPTION' }))
    const one = member({ topics: ['nothing'] })
    await expect(one.poll().then(() => one.poll())).rejects.toMatchObject({ name: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await one.close()
    await expect(one.poll()).rejects.toMatchObject({ name: 'CLIENT_CLOSED' })
  })
})

test('what was accepted, and how often the rest was given out, survives a restart', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'odradek-share-'))
  try {
    await cluster.close()
    cluster = await open(directory)
    await cluster.admin.createTopic('jobs')
    await write(4, 0, 0)
    const one = member()
    const [first, second, third] = await one.poll()
    one.acknowledge(first!)
    one.acknowledge(second!, 'release')
    one.acknowledge(third!, 'reject')
    await one.close()
    await cluster.close()
    cluster = await open(directory)
    await using other = member({ autoOffsetReset: 'latest' })
    const again = await other.poll()
    expect(again.map(({ offset, deliveryCount }) => [offset, deliveryCount])).toEqual([
      [1, 2],
      [3, 2],
    ])
  } finally {
    await cluster.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
