// Compacted topics from outside: what can still be read, what is refused, and that consumers get to the end.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import { failureOf, openCluster, take, temporaryDirectory } from './support.ts'

const compacted = { cleanupPolicy: 'compact', segmentBytes: 16_384, minCleanableDirtyRatio: 0 } as const

/** Names of log files of the only partition. */
function logs(directory: string): string[] {
  const node = join(directory, 'node-0')
  const log = readdirSync(node).find((name) => name.startsWith('t-0.'))
  return log === undefined ? [] : readdirSync(join(node, log)).filter((name) => name.includes('.log'))
}

test.each([[1], [0]])('the newest record of each key is left, on disk (%i threads)', { timeout: 60_000 }, async (threads) => {
  const directory = temporaryDirectory()
  const cluster = await openCluster(directory, { threads })
  await cluster.admin.createTopic('t', { config: compacted })
  const producer = cluster.producer({ key: string, value: string })
  const value = 'v'.repeat(1000)
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 10; i++) await producer.send({ topic: 't', key: `key-${i}`, value: `${round} ${value}` })
  }
  await expect.poll(() => logs(directory).filter((name) => /\.\d+\.log$/.test(name)).length, { timeout: 30_000 }).toBeGreaterThan(0)
  await expect.poll(() => logs(directory).length, { timeout: 30_000 }).toBe(2)
  const consumer = cluster.consumer({ key: string, value: string })
  consumer.assign([{ topic: 't', partition: 0 }])
  const seen = new Map<string | null, string>()
  let count = 0
  while (consumer.position({ topic: 't', partition: 0 }) !== 100) {
    for (const record of await consumer.poll({ timeoutMillis: 10_000 })) {
      seen.set(record.key, record.value?.split(' ')[0] ?? '')
      count++
    }
  }
  expect(count).toBeLessThan(40)
  expect([...seen.values()]).toEqual(Array.from({ length: 10 }, () => '9'))
  await cluster.close()
  const again = await openCluster(directory, { threads })
  const reader = again.consumer({ key: string, value: string })
  reader.assign([{ topic: 't', partition: 0 }])
  expect(await take(reader, count)).toHaveLength(count)
})

test('a record without a key is refused, and nothing of what it came with is there', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t', { config: compacted })
  const producer = cluster.producer({ key: string, value: string })
  const error = await failureOf(() => producer.send({ topic: 't', value: 'x' }))
  expect([error.name, error.message]).toEqual(['INVALID_RECORD', "the topic 't' is compacted: every record needs a key"])
  expect((await cluster.admin.listOffsets('t', 'latest')).get(0)).toBe(0)
  expect((await producer.send({ topic: 't', key: 'k', value: 'x' })).offset).toBe(0)
})
