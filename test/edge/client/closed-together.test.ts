// All nodes of a cluster stop together when it is closed: what was acknowledged is with every replica then, and each of them counts when it is opened again.
import { existsSync, readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'
import { inSync, replicaLogs } from './cluster-support.ts'
import { openBelow, openCluster, take, temporaryDirectory } from './support.ts'

const COUNT = 1000

async function reopened(directory: string, threads: number): Promise<Cluster> {
  return openCluster(directory, { nodes: 3, threads })
}

/** The values of the topic from its beginning. */
async function valuesOf(cluster: Cluster, count: number): Promise<(string | null)[]> {
  await using consumer = cluster.consumer({ value: string })
  consumer.assign([{ topic: 't', partition: 0 }])
  return (await take(consumer, count)).map(({ value }) => value)
}

test.each([0, 3])(
  'nothing that the leader has acknowledged is lost, and all replicas are in sync at once (%i threads)',
  async (threads) => {
    const directory = temporaryDirectory()
    const expected: string[] = []
    for (let life = 0; life < 3; life++) {
      const cluster = await reopened(directory, threads)
      if (life === 0) await cluster.admin.createTopic('t', { replicationFactor: 3 })
      const [partition] = (await cluster.admin.describeTopic('t')).partitions
      expect(partition).toMatchObject({ isr: [0, 1, 2], elr: [] })
      expect(await valuesOf(cluster, expected.length)).toEqual(expected)
      const producer = cluster.producer({ value: string, acks: 'leader' })
      const values = Array.from({ length: COUNT }, (_, n) => `${life}/${n}`)
      await Promise.all(values.map((value) => producer.send({ topic: 't', value })))
      expected.push(...values)
      const told: unknown[] = []
      cluster.on('leaderChanged', ({ leader }) => leader < 0 && told.push(leader))
      cluster.on('nodeFenced', ({ node }) => told.push(node))
      await cluster.close()
      expect(told).toEqual([])
      const [first, ...others] = replicaLogs(directory, 't', 0)
      expect(others.map((other) => first?.equals(other))).toEqual([true, true])
    }
  },
)

test.each([0, 1, 2])('one sound copy of three is enough, whoever has it (node %i)', { timeout: 60_000 }, async (sound) => {
  const directory = temporaryDirectory()
  const values = ['a', 'b', 'c', 'd']
  {
    await using cluster = await reopened(directory, 0)
    await cluster.admin.createTopic('t', { replicationFactor: 3, config: { minInsyncReplicas: 1 } })
    const producer = cluster.producer({ value: string })
    for (const value of values) await producer.send({ topic: 't', value })
  }
  for (const node of [0, 1, 2]) {
    const replica = join(directory, `node-${node}`, 't-0.1')
    for (const name of readdirSync(replica)) if (name.endsWith('.log') && node !== sound) truncateSync(join(replica, name), 100)
  }
  const cluster = await reopened(directory, 0)
  expect(await valuesOf(cluster, values.length)).toEqual(values)
  await inSync(cluster)
  expect(await valuesOf(cluster, values.length)).toEqual(values)
})

// Elsewhere nothing says which files are open.
test.skipIf(!existsSync('/proc/self/fd')).each([0, 3])('no file is open when they have stopped (%i threads)', async (threads) => {
  const directory = temporaryDirectory()
  const cluster = await reopened(directory, threads)
  await cluster.admin.createTopic('t', { partitions: 2 })
  await using producer = cluster.producer({ value: string })
  await producer.send({ topic: 't', value: 'x' })
  await cluster.close()
  expect(openBelow(directory)).toEqual([])
})
