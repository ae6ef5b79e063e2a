// Consumers of topics with transactions: nobody is given a marker, and who reads what is committed gets nothing of what is aborted or open.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Cluster, ConsumerOptions } from '../../../edge/client/index.ts'
import { string } from '../../../edge/client/index.ts'
import { batchAt, concat, markerAt } from '../../partitions/support.ts'
import { directoryWith, failureOf, openCluster } from './support.ts'

type Isolation = NonNullable<ConsumerOptions<unknown, string>['isolationLevel']>

const T = { topic: 't', partition: 0 }

/** What somebody has sent: `0` is no producer, an open transaction has no end. */
function log(): Uint8Array {
  const seven = { producerId: 7, transactional: true }
  const eight = { producerId: 8, transactional: true }
  return concat(
    batchAt(0, 1),
    batchAt(1, 2, { ...seven, producerEpoch: 0, baseSequence: 0 }),
    batchAt(3, 1, { ...eight, producerEpoch: 0, baseSequence: 0 }),
    markerAt(4, false, { producerId: 7, producerEpoch: 1 }),
    markerAt(5, true, { producerId: 8, producerEpoch: 1 }),
    batchAt(6, 1, { ...seven, producerEpoch: 1, baseSequence: 0 }),
    markerAt(7, false, { producerId: 7, producerEpoch: 2 }),
    batchAt(8, 1, { ...eight, producerEpoch: 1, baseSequence: 0 }),
    batchAt(9, 1),
  )
}

async function clusterWith(bytes: Uint8Array): Promise<Cluster> {
  return openCluster(await directoryWith(bytes))
}

/** Record by record: what is read until nothing comes, and the position then. */
async function readAll(
  cluster: Cluster,
  isolationLevel: Isolation,
): Promise<{ readonly offsets: number[]; readonly position: number | undefined }> {
  await using consumer = cluster.consumer({ value: string, isolationLevel })
  consumer.assign([T])
  const offsets: number[] = []
  for (let idle = 0; idle < 3;) {
    const records = await consumer.poll({ timeoutMillis: 200 })
    offsets.push(...records.map(({ offset }) => offset))
    idle = records.length === 0 ? idle + 1 : 0
  }
  return { offsets, position: consumer.position(T) }
}

test('who reads what is committed is given that, and stops where a transaction is open', async () => {
  const cluster = await clusterWith(log())
  expect(await readAll(cluster, 'read_committed')).toEqual({ offsets: [0, 3], position: 8 })
  expect(await readAll(cluster, 'read_uncommitted')).toEqual({ offsets: [0, 1, 2, 3, 6, 8, 9], position: 10 })
})

test('batches come likewise', async () => {
  const cluster = await clusterWith(log())
  await using consumer = cluster.consumer({ value: string, isolationLevel: 'read_committed' })
  consumer.assign([T])
  const ends: number[] = []
  for await (const batch of consumer.batches()) {
    ends.push(batch.endOffset)
    if (ends.length === 2) break
  }
  expect(ends).toEqual([1, 4])
})

test('a position passes what nobody is given, up to the end', async () => {
  const aborted = concat(
    batchAt(0, 1, { producerId: 7, producerEpoch: 0, baseSequence: 0, transactional: true }),
    markerAt(1, false, { producerId: 7, producerEpoch: 1 }),
  )
  const cluster = await clusterWith(aborted)
  await using consumer = cluster.consumer({ group: 'g', topics: ['t'], isolationLevel: 'read_committed' })
  while (consumer.assignment().length === 0 || consumer.position(T) !== 2) expect(await consumer.poll({ timeoutMillis: 100 })).toEqual([])
  await consumer.commit()
  expect(await consumer.committed()).toMatchObject([{ offset: 2 }])
})

test('the end, and what is young, are looked for in what is committed', async () => {
  const cluster = await clusterWith(log())
  expect(await cluster.admin.listOffsets('t', 'latest', { isolationLevel: 'read_committed' })).toEqual(new Map([[0, 8]]))
  expect(await cluster.admin.listOffsets('t', 'latest')).toEqual(new Map([[0, 10]]))
  await using consumer = cluster.consumer({ isolationLevel: 'read_committed' })
  consumer.assign([T])
  await consumer.poll({ timeoutMillis: 1000 })
  await consumer.seekToTimestamp(5000)
  expect(consumer.position(T)).toBe(8)
  const error = await failureOf(() => cluster.consumer({ isolationLevel: 'serializable' as 'read_committed' }))
  expect(error.message).toMatch(/isolationLevel/)
})

test('the command prints what is committed, and ends', async () => {
  const directory = await directoryWith(log())
  const main = fileURLToPath(new URL('../../../edge/cli/main.ts', import.meta.url))
  const consume = (...rest: readonly string[]): string[] => {
    const { stdout } = spawnSync(process.execPath, [main, 'consume', 't', '--directory', directory, '--json', ...rest], {
      encoding: 'utf8',
    })
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => String((JSON.parse(line) as { offset: number }).offset))
  }
  expect(consume('--isolation-level', 'read_committed')).toEqual(['0', '3'])
  expect(consume()).toEqual(['0', '1', '2', '3', '6', '8', '9'])
})
