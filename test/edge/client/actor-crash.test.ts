// What clients are told when their actor fails by a bug: what it was asked is not answered any more.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'
import { crashActor } from '../../../edge/client/testing.ts'
import { openCluster, take, temporaryDirectory } from './support.ts'

const CRASH = {
  name: 'UNKNOWN_SERVER_ERROR',
  message: expect.stringMatching(/has crashed \(.*does not understand clusterEvents/) as string,
}

/** On disk: what is asked there is not answered in the same turn. Its errors are heard of. */
async function openOnDisk(): Promise<[Cluster, unknown[]]> {
  const cluster = await openCluster(temporaryDirectory())
  const errors: unknown[] = []
  cluster.on('error', ({ actor }) => errors.push(actor))
  await cluster.admin.createTopic('t')
  return [cluster, errors]
}

test('what a producer has under way fails, and the next records go on', async () => {
  const [cluster, errors] = await openOnDisk()
  await cluster.admin.alterClientQuotas({ clientId: 'slow' }, { producerByteRate: 1 })
  const producer = cluster.producer({ value: string, clientId: 'slow' })
  await producer.send({ topic: 't', value: 'before' })
  // Its quota keeps it from sending more.
  const sent = producer.send({ topic: 't', value: 'under way' })
  producer.write({ topic: 't', value: 'under way, too' })
  const flushed = producer.flush()
  crashActor(cluster, 'producer-1')
  await expect(sent).rejects.toMatchObject(CRASH)
  await expect(flushed).rejects.toMatchObject(CRASH)
  await cluster.admin.alterClientQuotas({ clientId: 'slow' }, { producerByteRate: null })
  await producer.send({ topic: 't', value: 'after' })
  await producer.close()
  expect(errors).toEqual(['producer-1'])
})

test('the end of a transaction is not awaited for ever, and the next one goes on', async () => {
  const [cluster, errors] = await openOnDisk()
  const producer = cluster.producer({ value: string, transactionalId: 'x' })
  const begun = producer.beginTransaction()
  crashActor(cluster, 'producer-1')
  await expect(begun).rejects.toMatchObject(CRASH)
  const transaction = await producer.beginTransaction()
  await transaction.send({ topic: 't', value: 'a' })
  const committed = transaction.commit()
  crashActor(cluster, 'producer-1')
  await expect(committed).rejects.toMatchObject(CRASH)
  await expect(transaction.commit()).rejects.toMatchObject(CRASH)
  await transaction.abort()
  const open = await producer.beginTransaction()
  open.write({ topic: 't', value: 'b' })
  crashActor(cluster, 'producer-1')
  await expect(open.commit()).rejects.toMatchObject(CRASH)
  await producer.transaction((next) => void next.write({ topic: 't', value: 'c' }))
  const told = producer.transaction(async (next) => {
    await next.send({ topic: 't', value: 'd' })
    crashActor(cluster, 'producer-1')
    await sleep(50)
  })
  await expect(told).rejects.toMatchObject(CRASH)
  await producer.close()
  expect(errors).toEqual(['producer-1', 'producer-1', 'producer-1', 'producer-1'])
})

test('a consumer says at every question that its actor has crashed, and can be closed', async () => {
  const [cluster, errors] = await openOnDisk()
  await cluster.producer({ value: string }).send({ topic: 't', value: 'a' })
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string })
  await take(consumer, 1)
  const waiting = consumer.poll({ timeoutMillis: 60_000 })
  const committed = consumer.commit()
  crashActor(cluster, 'consumer-2')
  await expect(waiting).rejects.toMatchObject(CRASH)
  // Unless it was answered before.
  await committed.catch((error: unknown) => expect(error).toMatchObject(CRASH))
  await expect(consumer.poll()).rejects.toMatchObject(CRASH)
  await expect(consumer.commit()).rejects.toMatchObject(CRASH)
  await expect(consumer.process(() => undefined)).rejects.toMatchObject(CRASH)
  await consumer.close()
  expect(errors).toEqual(['consumer-2'])
})

test('a consumer whose actor crashes while it is closed is closed', async () => {
  const [cluster] = await openOnDisk()
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string })
  await consumer.poll({ timeoutMillis: 0 })
  const closed = consumer.close()
  crashActor(cluster, 'consumer-1')
  await closed
})
