// Transactions while nodes die and hang: what was committed is there as a whole, what was aborted is not, and the time-out ends what nobody ends.
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'
import { hangNode, terminateNode } from '../../../edge/client/testing.ts'
import { inSync } from './cluster-support.ts'
import { failureOf, openCluster, take, temporaryDirectory } from './support.ts'

const PARTITIONS = [0, 1, 2, 3]

/** How many transactions a worker runs at least: one of them is aborted. */
const TRANSACTIONS_MIN = 5

/** Commits four of five transactions, each with a record in all partitions, until the signal; however long they took. */
async function work(cluster: Cluster, name: string, signal: AbortSignal, committed: Set<string>): Promise<void> {
  await using producer = cluster.producer({ transactionalId: name, value: string })
  for (let n = 0; !signal.aborted || n < TRANSACTIONS_MIN; n++) {
    await turn()
    const value = `${name}.${n}`
    const transaction = await producer.beginTransaction()
    await Promise.all(PARTITIONS.map((partition) => transaction.send({ topic: 'a', partition, value })))
    if (n % 5 === 4) {
      await transaction.abort()
      continue
    }
    await transaction.commit()
    committed.add(value)
  }
}

test('whoever dies, a transaction is there as a whole or not at all', { timeout: 60_000 }, async () => {
  // On disk, for only then each node has a thread of its own.
  const cluster = await openCluster(temporaryDirectory(), { nodes: 3 })
  await cluster.admin.createTopic('a', { partitions: PARTITIONS.length })
  const committed = new Set<string>()
  const over = new AbortController()
  const workers = Promise.all(['t0', 't1', 't2'].map((name) => work(cluster, name, over.signal, committed)))
  for (const node of [0, 1, 2]) {
    await sleep(200)
    await terminateNode(cluster, node)
    await inSync(cluster)
  }
  await hangNode(cluster, 0, 1500)
  over.abort()
  await workers
  expect((await cluster.admin.listTransactions()).map(({ transactionalId }) => transactionalId)).toEqual(['t0', 't1', 't2'])
  const consumer = cluster.consumer({
    topics: ['a'],
    group: 'g',
    value: string,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
  })
  const records = await take(consumer, committed.size * PARTITIONS.length)
  const seen = new Set(records.map(({ value, partition }) => `${value} ${partition}`))
  expect(seen).toEqual(new Set([...committed].flatMap((value) => PARTITIONS.map((partition) => `${value} ${partition}`))))
})

test('one that is open for too long is aborted, and its producer goes on', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('a')
  const producer = cluster.producer({ transactionalId: 'late', value: string, transactionTimeoutMillis: 100 })
  const late = await producer.beginTransaction()
  await late.send({ topic: 'a', value: 'late' })
  const stateOf = async (): Promise<string | undefined> => (await cluster.admin.listTransactions())[0]?.state
  while ((await stateOf()) !== 'completeAbort') await sleep(10)
  expect(await failureOf(() => late.commit())).toMatchObject({ name: 'INVALID_TXN_STATE', message: expect.stringContaining('took longer') })
  await late.abort()
  const again = await producer.beginTransaction()
  await again.send({ topic: 'a', value: 'late' })
  while ((await stateOf()) !== 'completeAbort') await sleep(10)
  expect((await failureOf(() => again.send({ topic: 'a', value: 'later' }))).name).toBe('INVALID_PRODUCER_EPOCH')
  expect(await failureOf(() => again.commit())).toMatchObject({
    name: 'INVALID_TXN_STATE',
    message: expect.stringContaining('took longer'),
  })
  await producer.transaction((transaction) => transaction.send({ topic: 'a', value: 'fine' }))
  const consumer = cluster.consumer({
    topics: ['a'],
    group: 'g',
    value: string,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
  })
  expect((await take(consumer, 1)).map(({ value }) => value)).toEqual(['fine'])
})

test('a topic that is deleted meanwhile holds nothing back', async () => {
  const cluster = await openCluster(':memory:', { nodes: 3 })
  for (const name of ['a', 'b']) await cluster.admin.createTopic(name)
  const producer = cluster.producer({ transactionalId: 't', value: string })
  const transaction = await producer.beginTransaction()
  for (const topic of ['a', 'b']) await transaction.send({ topic, value: 'v' })
  await cluster.admin.deleteTopic('b')
  await transaction.commit()
  await producer.transaction((next) => next.send({ topic: 'a', value: 'w' }))
  expect(await cluster.admin.listTransactions()).toMatchObject([{ transactionalId: 't', producerEpoch: 2 }])
})
