// Offsets by timestamp: the first record that is at least that young, whatever its batch is compressed with, and wherever in it it is.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { open, string } from '../../../edge/client/index.ts'
import type { Cluster, Compression } from '../../../edge/client/index.ts'
import { COMPRESSIONS } from '../../../protocol/compression.ts'

let cluster: Cluster

beforeEach(async () => {
  cluster = await open(':memory:')
  await cluster.admin.createTopic('t')
})

afterEach(() => cluster.close())

/** A batch of records with these timestamps. */
async function send(compression: Compression, timestamps: readonly number[]): Promise<void> {
  await using producer = cluster.producer({ value: string, compression, lingerMillis: 5 })
  await producer.send(timestamps.map((timestamp) => ({ topic: 't', value: 'x'.repeat(100), timestamp })))
}

async function find(timestamp: number, isolationLevel: 'read_committed' | 'read_uncommitted' = 'read_uncommitted'): Promise<number | null> {
  return (await cluster.admin.listOffsets('t', timestamp, { isolationLevel })).get(0) ?? null
}

describe.each(COMPRESSIONS)('with %s, the first record at least as young as a timestamp', (compression) => {
  const batches = [
    [100, 300, 200],
    [150, 250, 900],
    [400, 500, 600],
  ]
  const all = batches.flat()

  beforeEach(async () => {
    for (const timestamps of batches) await send(compression, timestamps)
  })

  test('is what everybody finds who asks by time', async () => {
    await using consumer = cluster.consumer({ value: string })
    consumer.assign([{ topic: 't', partition: 0 }])
    for (const timestamp of [0, 100, 101, 250, 300, 301, 500, 900]) {
      const offset = all.findIndex((one) => one >= timestamp)
      expect(await find(timestamp)).toBe(offset)
      expect(await find(timestamp, 'read_committed')).toBe(offset)
      await consumer.seekToTimestamp(timestamp)
      expect((await consumer.poll())[0]).toMatchObject({ offset, timestamp: all[offset] })
      await cluster.admin.resetGroupOffsets('g', 't', timestamp)
      expect((await cluster.admin.describeGroup('g')).offsets).toMatchObject([{ offset }])
    }
    expect([await find(901), await find(901, 'read_committed')]).toEqual([null, null])
    await consumer.seekToTimestamp(901)
    expect(consumer.position({ topic: 't', partition: 0 })).toBe(9)
  })

  test('is none that was deleted, though its batch is there', async () => {
    await cluster.admin.deleteRecords([{ topic: 't', partition: 0, beforeOffset: 2 }])
    expect([await find(0), await find(100), await find(300)]).toEqual([2, 2, 5])
  })

  test('is, for who reads what is committed, none of a transaction that is open', async () => {
    await using producer = cluster.producer({ value: string, compression, transactionalId: 'x' })
    const transaction = await producer.beginTransaction()
    const timestamps = [100, 1000]
    await transaction.send(timestamps.map((timestamp) => ({ topic: 't', value: 'y'.repeat(100), timestamp })))
    expect([await find(950), await find(950, 'read_committed')]).toEqual([10, null])
    await transaction.commit()
    expect(await find(950, 'read_committed')).toBe(10)
  })
})
