// Clusters that have lost what coordinators know with a disk: groups and transactions of those partitions begin anew.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'
import { openCluster, take, temporaryDirectory } from './support.ts'

const STATE_TOPICS = ['__consumer_offsets', '__transaction_state']

/** Commits in a group, and in a transaction. */
async function use(cluster: Cluster, name: string): Promise<void> {
  await using producer = cluster.producer({ value: string, transactionalId: name })
  await producer.transaction((transaction) => void transaction.write({ topic: 't', value: name }))
  await using consumer = cluster.consumer({ group: name, topics: ['t'], value: string, autoOffsetReset: 'earliest' })
  await take(consumer, 1)
  await consumer.commit()
}

async function replicasOf(cluster: Cluster): Promise<(readonly number[])[]> {
  const topics = await Promise.all(STATE_TOPICS.map((topic) => cluster.admin.describeTopic(topic)))
  return topics.flatMap(({ partitions }) => partitions.map(({ replicas }) => replicas))
}

test(
  'groups and transactions whose state was lost with the only disk that had it work again, and it is said',
  { timeout: 60_000 },
  async () => {
    const directory = temporaryDirectory()
    {
      await using cluster = await openCluster(directory, { nodes: 3 })
      await cluster.admin.createTopic('t')
      await use(cluster, 'first')
      for (const topic of STATE_TOPICS) {
        const { partitions } = await cluster.admin.describeTopic(topic)
        for (const { partition } of partitions) await cluster.admin.reassign(topic, partition, [2])
      }
      await vi.waitFor(async () => expect(await cluster.admin.listReassignments()).toEqual([]), 20_000)
    }
    rmSync(join(directory, 'node-2'), { recursive: true })
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    await using cluster = await openCluster(directory)
    await vi.waitFor(() => expect(written.mock.calls.flat().join('')).toMatch(/storage on node 2.*__consumer_offsets-0.*lost/), 10_000)
    written.mockRestore()
    expect(await cluster.admin.listGroups()).toEqual([])
    expect(await cluster.admin.listTransactions()).toEqual([])
    for (const name of ['first', 'b', 'c', 'd']) await use(cluster, name)
    expect(await cluster.admin.listGroups()).toHaveLength(4)
  },
)

test(
  "a cluster that has grown from one node has its coordinators' state on three of them when it is rebalanced",
  { timeout: 60_000 },
  async () => {
    const directory = temporaryDirectory()
    {
      await using cluster = await openCluster(directory)
      await cluster.admin.createTopic('t')
      await use(cluster, 'first')
      expect((await replicasOf(cluster)).every((replicas) => replicas.length === 1)).toBe(true)
    }
    {
      await using cluster = await openCluster(directory, { nodes: 3 })
      await cluster.admin.addVoter(1)
      await cluster.admin.addVoter(2)
      await cluster.admin.rebalance()
      expect((await replicasOf(cluster)).map((replicas) => replicas.toSorted((a, b) => a - b))).toEqual(Array(8).fill([0, 1, 2]))
      expect((await cluster.admin.describeTopic('t')).partitions[0]!.replicas).toHaveLength(1)
    }
    rmSync(join(directory, 'node-2'), { recursive: true })
    await using cluster = await openCluster(directory)
    expect((await cluster.admin.listGroups()).map(({ group }) => group)).toEqual(['first'])
    expect((await cluster.admin.describeGroup('first')).offsets).toMatchObject([{ topic: 't', partition: 0 }])
  },
)
