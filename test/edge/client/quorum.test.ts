// The metadata quorum through the public client, with real threads and files: the loss of any node leaves the administration alive.

import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import { openCluster, temporaryDirectory } from './support.ts'

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
