// The metadata quorum through the public client, with real threads and files: the loss of any node leaves the administration alive.

import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import { openCluster, take, temporaryDirectory } from './support.ts'

test('three nodes go on when the active coordinator dies, and know everything that was confirmed', async () => {
  const directory = temporaryDirectory()
  const cluster = await openCluster(directory, { nodes: 3 })
  const names: string[] = []
  for (const node of [0, 1, 2, 0]) {
    for (let i = 0; i < 3; i++) {
      names.push(`topic-${names.length}`)
      await cluster.admin.createTopic(names.at(-1)!)
    }
    await (cluster as unknown as { terminateNode(node: number): Promise<void> }).terminateNode(node)
  }
  expect((await cluster.admin.listTopics()).toSorted()).toEqual(names.toSorted())
  await using producer = cluster.producer({ value: string })
  for (const topic of names) await producer.send({ topic, value: topic })
  await cluster.close()
  const again = await openCluster(directory, { nodes: 3 })
  expect((await again.admin.listTopics()).toSorted()).toEqual(names.toSorted())
})

test('three nodes on one thread found a quorum, too', async () => {
  const cluster = await openCluster(':memory:', { nodes: 3 })
  await cluster.admin.createTopic('t', { partitions: 3 })
  expect(await cluster.admin.listTopics()).toEqual(['t'])
})

test('all that voted first are replaced and removed: who was there before, and idle, finds those who vote now', async () => {
  const cluster = await openCluster(':memory:', { nodes: 6 })
  const { admin } = cluster
  await admin.createTopic('t', { partitions: 4, replicationFactor: 1 })
  await using producer = cluster.producer({ value: string })
  await producer.send({ topic: 't', partition: 0, value: 'a' })
  await using consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string, autoOffsetReset: 'earliest' })
  const leaders: number[] = []
  cluster.on('leaderChanged', ({ partition, leader }) => void (partition === 0 && leaders.push(leader)))
  for (const node of [3, 4, 5]) await admin.addVoter(node)
  for (const node of [0, 1, 2]) await admin.removeVoter(node)
  for (const node of [0, 1, 2]) {
    await admin.drainNode(node)
    await admin.removeNode(node)
  }
  expect(await admin.describeCluster()).toMatchObject({ voters: [3, 4, 5], nodes: [{ node: 3 }, { node: 4 }, { node: 5 }] })
  await producer.send([1, 2, 3].map((partition) => ({ topic: 't', partition, value: 'b' })))
  const values = (await take(consumer, 4)).map(({ value }) => value)
  expect(values.filter((value) => value === 'b')).toHaveLength(3)
  expect(values).toContain('a')
  const [first] = (await admin.describeTopic('t')).partitions
  const next = first?.leader === 3 ? 4 : 3
  await admin.reassign('t', 0, [next])
  await expect.poll(() => leaders.at(-1)).toBe(next)
})
