// Bits that flip in the header of a batch: nothing is skipped or given another offset in silence, whatever the bit.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { open, string } from '../../../edge/client/index.ts'
import type { Cluster, Consumer } from '../../../edge/client/index.ts'
import { walkBatches } from '../../../protocol/record-batch.ts'
import { failureOf, openCluster, temporaryDirectory } from './support.ts'

const PARTITION = { topic: 't', partition: 0 }
const COUNT = 20
const DAMAGED = 10

/** A closed cluster with records of one batch each, of which the header of one is changed. */
async function damaged(at: number, mask: number): Promise<Cluster> {
  const directory = temporaryDirectory()
  {
    await using cluster = await open(directory, { threads: 0 })
    await cluster.admin.createTopic('t')
    const producer = cluster.producer({ value: string })
    for (let n = 0; n < COUNT; n++) await producer.send({ topic: 't', value: String(n) })
  }
  const file = join(directory, 'node-0', 't-0.1', '00000000000000000000.log')
  const bytes = readFileSync(file)
  const batch = walkBatches(bytes)[DAMAGED]!
  bytes[batch.at + at]! ^= mask
  writeFileSync(file, bytes)
  return openCluster(directory, { threads: 0 })
}

function consumerAt(cluster: Cluster, offset: number): Consumer<Uint8Array, string> {
  const consumer = cluster.consumer({ value: string })
  consumer.assign([PARTITION])
  consumer.seek(PARTITION, offset)
  return consumer
}

/** Polls until a poll brings nothing, or fails. */
async function readAll(consumer: Consumer<Uint8Array, string>): Promise<string[]> {
  const seen: string[] = []
  for (;;) {
    const records = await consumer.poll({ timeoutMillis: 5000 })
    for (const { offset, value } of records) seen.push(`${offset}=${value}`)
    if (records.length === 0 || records.at(-1)?.offset === COUNT - 1) return seen
  }
}

function range(begin: number, end: number): string[] {
  return Array.from({ length: end - begin }, (_, n) => `${begin + n}=${begin + n}`)
}

test.each([
  ['the control bit', 22, 0x20],
  ['the last offset, upwards', 23, 0x7f],
  ['the last offset, below the first', 23, 0xff],
  ['the last offset, by a little', 26, 0x04],
  ['the base offset, far upwards', 3, 0x01],
  ['the base offset, upwards', 7, 0x10],
  ['the base offset, downwards', 7, 0x02],
  ['the base offset, below zero', 0, 0x80],
  ['the count', 60, 0x02],
])('a bit of %s is damage that is met until a seek', async (_, at, mask) => {
  const cluster = await damaged(at, mask)
  const consumer = consumerAt(cluster, 0)
  const seen: string[] = []
  const polled = (async () => {
    for (;;) for (const { offset, value } of await consumer.poll({ timeoutMillis: 5000 })) seen.push(`${offset}=${value}`)
  })()
  const error = await failureOf(() => polled)
  expect(error.name).toBe('CORRUPT_MESSAGE')
  expect(error.message).toMatch(/^the batch at offset 10 of t-0 is damaged \([a-z]+\); seek behind it to go on$/)
  expect(seen).toEqual(range(0, DAMAGED))
  expect((await failureOf(() => consumer.poll())).message).toBe(error.message)
  consumer.seek(PARTITION, DAMAGED + 1)
  expect(await readAll(consumer)).toEqual(range(DAMAGED + 1, COUNT))
  // Who begins there, from a range that begins in front of it, meets it, too.
  expect((await failureOf(() => consumerAt(cluster, DAMAGED).poll({ timeoutMillis: 5000 }))).message).toBe(error.message)
  expect(await readAll(consumerAt(cluster, COUNT - 1))).toEqual(range(COUNT - 1, COUNT))
})

test.each([
  ['the control bit', 22, 0x20],
  ['the last offset', 23, 0x7f],
  ['the base offset', 7, 0x10],
])('batches that nobody decodes are not skipped for a bit of %s', async (_, at, mask) => {
  const consumer = consumerAt(await damaged(at, mask), 0)
  const seen: number[] = []
  const error = await failureOf(async () => {
    for await (const { baseOffset } of consumer.batches()) seen.push(baseOffset)
  })
  expect(error.name).toBe('CORRUPT_MESSAGE')
  expect(seen).toEqual(Array.from({ length: DAMAGED }, (_unused, n) => n))
})
