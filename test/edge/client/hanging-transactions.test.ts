// Transactions that are open in a partition, and that no transactor has any more: they are found, and aborted; whatever else is open stays so.
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'
import { batchAt, concat, markerAt } from '../../partitions/support.ts'
import { directoryWith, failureOf, openCluster, take, temporaryDirectory } from './support.ts'

const TRANSACTIONS = '__transaction_state'

/** A reader of what is committed, of its first records; those are all that it is given, for now. */
async function committedValues(cluster: Cluster, count: number): Promise<(string | null)[]> {
  await using reader = cluster.consumer({ value: string, isolationLevel: 'read_committed' })
  reader.assign([{ topic: 't', partition: 0 }])
  const records = await take(reader, count)
  return [...records, ...(await reader.poll({ timeoutMillis: 300 }))].map(({ value }) => value)
}

/** Three nodes, of which the third alone has what transactors know. */
async function clusterBefore(directory: string): Promise<Cluster> {
  const cluster = await openCluster(directory, { nodes: 3 })
  const { admin } = cluster
  await admin.createTopic('t')
  const producer = cluster.producer({ value: string, transactionalId: 'lost' })
  await producer.transaction((transaction) => void transaction.write({ topic: 't', value: 'whole' }))
  const { partitions } = await admin.describeTopic(TRANSACTIONS)
  for (const { partition } of partitions) await admin.reassign(TRANSACTIONS, partition, [2])
  await vi.waitFor(async () => expect(await admin.listReassignments()).toEqual([]), 20_000)
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string, autoOffsetReset: 'earliest' })
  await take(consumer, 1)
  const transaction = await producer.beginTransaction()
  await transaction.send({ topic: 't', value: 'hanging' })
  await transaction.sendOffsets(consumer)
  return cluster
}

/** The nodes as they are while a transaction is open, without the third. */
async function copyWithoutThird(directory: string): Promise<string> {
  const copy = `${directory}-copy`
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }))
  cpSync(directory, copy, { recursive: true, filter: (path) => !path.startsWith(join(directory, 'node-2')) && !/\/lock(\.|$)/.test(path) })
  return copy
}

test('one whose transactor has lost everything is found, and aborted: readers and its group go on', { timeout: 60_000 }, async () => {
  const directory = temporaryDirectory()
  const before = await clusterBefore(directory)
  expect(await before.admin.findHangingTransactions()).toEqual([])
  const [known] = await before.admin.listTransactions()
  const { producerId = -1, producerEpoch = -1, partitions = [] } = known ?? {}
  const copy = await copyWithoutThird(directory)
  await before.close()
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const cluster = await openCluster(copy)
  const { admin } = cluster
  await cluster.producer({ value: string }).send({ topic: 't', value: 'behind' })
  expect(await committedValues(cluster, 1)).toEqual(['whole'])
  const member = cluster.consumer({
    group: 'g',
    topics: ['t'],
    value: string,
    autoOffsetReset: 'earliest',
    isolationLevel: 'read_committed',
  })
  expect(await member.poll({ timeoutMillis: 1500 })).toEqual([])

  const hanging = await admin.findHangingTransactions()
  expect(hanging.map(({ topic, partition }) => ({ topic, partition }))).toEqual(partitions.toSorted((a, b) => (a.topic < b.topic ? -1 : 1)))
  expect(hanging).toMatchObject([
    { topic: '__consumer_offsets', producerId, producerEpoch },
    { topic: 't', producerId, producerEpoch, startOffset: 2 },
  ])
  for (const one of hanging) await admin.abortTransaction(one)

  expect(await admin.findHangingTransactions()).toEqual([])
  expect(await committedValues(cluster, 2)).toEqual(['whole', 'behind'])
  expect((await take(member, 2)).map(({ value }) => value)).toEqual(['whole', 'behind'])
  await member.commit()
  expect(await member.committed()).toMatchObject([{ topic: 't', offset: 5 }])
  expect((await failureOf(() => admin.abortTransaction(hanging[1]!))).name).toBe('INVALID_TXN_STATE')
})

test('one that its transactor has is left alone, and is committed', async () => {
  const cluster = await openCluster()
  const { admin } = cluster
  await admin.createTopic('t')
  const producer = cluster.producer({ value: string, transactionalId: 'alive' })
  const transaction = await producer.beginTransaction()
  await transaction.send({ topic: 't', value: 'a' })
  const error = await failureOf(() => admin.abortTransaction({ topic: 't', partition: 0, startOffset: 0 }))
  expect([error.name, error.message]).toEqual(['CONCURRENT_TRANSACTIONS', expect.stringContaining('it is that of "alive"')])
  expect(await admin.findHangingTransactions()).toEqual([])
  expect(await admin.describeProducers('t', 0)).toMatchObject([{ producerEpoch: 0, lastSequence: 0, currentTransactionStartOffset: 0 }])
  await transaction.commit()
  expect(await committedValues(cluster, 1)).toEqual(['a'])
  expect(await admin.describeProducers('t', 0)).toMatchObject([
    { producerEpoch: 1, lastSequence: null, currentTransactionStartOffset: null },
  ])
  expect((await failureOf(() => admin.abortTransaction({ topic: 't', partition: 0, startOffset: 0 }))).name).toBe('INVALID_TXN_STATE')
})

/** One transaction that is committed, one that hangs, and a record behind them. */
function log(): Uint8Array {
  const seven = { producerId: 7, transactional: true }
  return concat(
    batchAt(0, 1, { ...seven, producerEpoch: 0, baseSequence: 0 }),
    markerAt(1, true, { producerId: 7, producerEpoch: 1 }),
    batchAt(2, 1, { ...seven, producerEpoch: 1, baseSequence: 0 }),
    batchAt(3, 1),
  )
}

const HANGING = { topic: 't', partition: 0, startOffset: 2, producerId: 7, producerEpoch: 1 }

test('what is not there is not aborted, and nothing is changed', async () => {
  const { admin } = await openCluster(await directoryWith(log()))
  const refusal = async (topic: string, partition: number, startOffset: number): Promise<string> => {
    const { name, message } = await failureOf(() => admin.abortTransaction({ topic, partition, startOffset }))
    return `${name}: ${message}`
  }
  const open = 'those that are open there begin at 2'
  expect(await refusal('t', 0, 0)).toBe(`INVALID_TXN_STATE: no transaction that is open begins at 0 of t-0: ${open}`)
  expect(await refusal('t', 0, 3)).toContain('INVALID_TXN_STATE')
  expect(await refusal('t', 1, 2)).toContain('UNKNOWN_TOPIC_OR_PARTITION')
  expect(await refusal('u', 0, 2)).toContain('UNKNOWN_TOPIC_OR_PARTITION')
  expect((await failureOf(() => admin.describeProducers('t', 1))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  expect((await failureOf(() => admin.findHangingTransactions('u'))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  expect(await admin.findHangingTransactions('t')).toEqual([HANGING])
})

test('the command finds what hangs, and aborts it for good', async () => {
  const directory = await directoryWith(log())
  const main = fileURLToPath(new URL('../../../edge/cli/main.ts', import.meta.url))
  const run = (...rest: readonly string[]): string => {
    const { stdout, stderr } = spawnSync(process.execPath, [main, 'transactions', ...rest, '--directory', directory], { encoding: 'utf8' })
    return `${stdout}${stderr}`
  }
  expect(run('find-hanging')).toBe('topic  partition  start  producer  epoch\nt              0      2         7      1\n')
  expect(JSON.parse(run('find-hanging', '--topic', 't', '--json'))).toEqual([HANGING])
  expect(run('abort', 't', '0', '1')).toContain('INVALID_TXN_STATE: no transaction that is open begins at 1 of t-0')
  expect(run('abort', 't', '0', '2')).toBe('aborted the transaction at 2 of t-0\n')
  expect(JSON.parse(run('find-hanging', '--json'))).toEqual([])
  const cluster = await openCluster(directory)
  expect((await committedValues(cluster, 2)).length).toBe(2)
  expect(await cluster.admin.listOffsets('t', 'latest', { isolationLevel: 'read_committed' })).toEqual(new Map([[0, 5]]))
})
