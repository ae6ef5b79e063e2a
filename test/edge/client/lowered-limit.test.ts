// A producer whose topic takes less at once from some moment on (maxMessageBytes): what is too large goes in parts, in order.
import { expect, test } from 'vitest'
import { bytes } from '../../../edge/client/index.ts'
import type { Cluster, Producer, ProducerOptions } from '../../../edge/client/index.ts'
import { openCluster, take } from './support.ts'

const LIMIT_BYTES = 2000

/** Its topic takes less than the producer has been told. */
async function lowered(options: ProducerOptions<Uint8Array, Uint8Array> = {}): Promise<[Cluster, Producer<Uint8Array, Uint8Array>]> {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: bytes, ...options })
  if (options.transactionalId === undefined) await producer.send({ topic: 't', value: valueOf(0, 1) })
  else await producer.transaction((transaction) => void transaction.write({ topic: 't', value: valueOf(0, 1) }))
  await cluster.admin.alterConfig('t', { maxMessageBytes: LIMIT_BYTES })
  return [cluster, producer]
}

/** Begins with its number. */
function valueOf(n: number, sizeBytes: number): Uint8Array {
  const value = new Uint8Array(Math.max(sizeBytes, 4))
  new DataView(value.buffer).setInt32(0, n)
  // What does not compress.
  for (let i = 4; i < sizeBytes; i++) value[i] = (Math.imul(i + n * 31, 2_654_435_761) >>> 13) & 0xff
  return value
}

async function numbersOf(cluster: Cluster, count: number): Promise<number[]> {
  await using consumer = cluster.consumer({ value: bytes, isolationLevel: 'read_committed' })
  consumer.assign([{ topic: 't', partition: 0 }])
  const records = await take(consumer, count)
  return records.map(({ value }) => new DataView(value!.buffer, value!.byteOffset).getInt32(0))
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}

test.each([
  ['as it is', {}],
  ['compressed', { compression: 'lz4' }],
  ['in small batches', { batchSizeBytes: 5000 }],
  ['with a quota of memory', { bufferMemoryBytes: 65_536 }],
] as const)('batches that were made too large are split, and their records are there once, in order (%s)', async (_, options) => {
  const [cluster, producer] = await lowered(options)
  const sent: Promise<unknown>[] = []
  for (let n = 1; n < 1000; n++) {
    const record = { topic: 't', value: valueOf(n, 100 + (n % 3) * 500) }
    if (n % 2 === 0) sent.push(producer.send(record))
    else if (!producer.write(record)) await producer.drained()
  }
  await producer.flush()
  expect(await numbersOf(cluster, 1000)).toEqual(upTo(1000))
  expect((await Promise.all(sent)).map((one) => (one as { offset: number }).offset)).toEqual(upTo(1000).filter((n) => n > 0 && n % 2 === 0))
  expect((await cluster.admin.listOffsets('t', 'latest')).get(0)).toBe(1000)
})

test('without numbers they may come in another order, but they come once', async () => {
  const [cluster, producer] = await lowered({ enableIdempotence: false })
  for (let n = 1; n < 1000; n++) if (!producer.write({ topic: 't', value: valueOf(n, 500) })) await producer.drained()
  await producer.flush()
  expect((await numbersOf(cluster, 1000)).toSorted((a, b) => a - b)).toEqual(upTo(1000))
  expect((await cluster.admin.listOffsets('t', 'latest')).get(0)).toBe(1000)
})

test('a record that is too large by itself fails alone', async () => {
  const [cluster, producer] = await lowered()
  const sent = upTo(10).map((n) => producer.send({ topic: 't', value: valueOf(n + 1, n === 5 ? 3000 : 500) }))
  const outcomes = await Promise.allSettled(sent)
  expect(outcomes.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([5])
  expect(outcomes[5]).toMatchObject({ reason: { name: 'MESSAGE_TOO_LARGE' } })
  expect(await numbersOf(cluster, 10)).toEqual([0, 1, 2, 3, 4, 5, 7, 8, 9, 10])
})

test('flush waits for the parts, too', async () => {
  const [cluster, producer] = await lowered()
  for (let n = 1; n < 10; n++) producer.write({ topic: 't', value: valueOf(n, 500) })
  await producer.flush()
  expect((await cluster.admin.listOffsets('t', 'latest')).get(0)).toBe(10)
})

test('a transaction splits them, and is one all the same', async () => {
  const [cluster, producer] = await lowered({ transactionalId: 'x' })
  await producer.transaction((transaction) => {
    for (let n = 1; n < 100; n++) transaction.write({ topic: 't', value: valueOf(n, 500) })
  })
  expect(await numbersOf(cluster, 100)).toEqual(upTo(100))
})
