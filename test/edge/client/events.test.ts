// What a cluster tells its listeners, with threads that die.
import { expect, test } from 'vitest'
import type { ClusterEventDetails } from '../../../edge/client/index.ts'
import { terminateNode } from '../../../edge/client/testing.ts'
import { catchUncaught, openCluster, temporaryDirectory } from './support.ts'

test('a node that dies is fenced, others lead, and it leads again where it is preferred when it is back', { timeout: 60_000 }, async () => {
  const cluster = await openCluster(temporaryDirectory(), { nodes: 3 })
  await cluster.admin.createTopic('t', { partitions: 3 })
  const { partitions } = await cluster.admin.describeTopic('t')
  const { partition, leader } = partitions.find((one) => one.leader === one.replicas[0])!
  const events: string[] = []
  const leaders: number[] = []
  for (const event of ['nodeFenced', 'nodeUnfenced'] as const) cluster.on(event, ({ node }) => events.push(`${event} ${String(node)}`))
  const home = new Promise<void>((resolve) => {
    cluster.on('leaderChanged', ({ topic, partition: index, leader: next, formerLeader }) => {
      if (topic !== 't' || index !== partition) return
      if (leaders.length === 0) expect(formerLeader).toBe(leader)
      leaders.push(Number(next))
      if (next === leader) resolve()
    })
  })
  // An answer to what was asked later: the cluster is watched.
  await cluster.admin.listTopics()
  await terminateNode(cluster, leader)
  await home
  expect(leaders.length).toBeGreaterThanOrEqual(2)
  expect(leaders[0]).not.toBe(leader)
  expect(events).toEqual([`nodeFenced ${leader}`, `nodeUnfenced ${leader}`])
})

test('who leads is told when a partition is moved; a cluster that is closed tells nothing', async () => {
  const cluster = await openCluster(':memory:', { nodes: 2 })
  await cluster.admin.createTopic('t', { replicationFactor: 1 })
  const { leader } = (await cluster.admin.describeTopic('t')).partitions[0]!
  const unheard: unknown[] = []
  const listener = (detail: unknown): void => void unheard.push(detail)
  cluster.on('leaderChanged', listener)
  cluster.off('leaderChanged', listener)
  const changed = new Promise<ClusterEventDetails['leaderChanged']>((resolve) => cluster.on('leaderChanged', resolve))
  await cluster.admin.listTopics()
  await cluster.admin.reassign('t', 0, [1 - leader])
  expect(await changed).toMatchObject({ topic: 't', partition: 0, leader: 1 - leader, formerLeader: leader })
  expect(unheard).toEqual([])
  await cluster.close()
  cluster.on('leaderChanged', () => undefined)
})

test('under-replicated, under-min-ISR and offline partitions are counted', { timeout: 60_000 }, async () => {
  const cluster = await openCluster(temporaryDirectory(), { nodes: 3 })
  await cluster.admin.createTopic('three', { partitions: 2, config: { minInsyncReplicas: 3 } })
  await cluster.admin.createTopic('lone', { partitions: 3, replicationFactor: 1 })
  const whole = { underReplicatedPartitions: 0, underMinIsrPartitions: 0, offlinePartitions: 0 }
  expect(await cluster.admin.describeCluster()).toMatchObject(whole)
  const seen = new Promise<unknown>((resolve) => {
    cluster.on('nodeFenced', () => void cluster.admin.describeCluster().then(resolve))
  })
  await cluster.admin.listTopics()
  await terminateNode(cluster, 1)
  const { underReplicatedPartitions, underMinIsrPartitions, offlinePartitions } = (await seen) as typeof whole
  expect([underReplicatedPartitions, underMinIsrPartitions, offlinePartitions]).toEqual([2, 2, 1])
})

test.each(['in memory', 'on disk'])(
  'a listener that throws ends nothing, %s: others are called, the cluster goes on, and the error is an uncaught exception',
  async (where) => {
    const uncaught = catchUncaught()
    const cluster = await openCluster(where === 'on disk' ? temporaryDirectory() : ':memory:', { nodes: 2 })
    await cluster.admin.createTopic('t', { replicationFactor: 1 })
    const { leader } = (await cluster.admin.describeTopic('t')).partitions[0]!
    const error = new Error('a listener throws')
    cluster.on('leaderChanged', () => {
      throw error
    })
    const changed = new Promise<ClusterEventDetails['leaderChanged']>((resolve) => cluster.on('leaderChanged', resolve))
    await cluster.admin.listTopics()
    await cluster.admin.reassign('t', 0, [1 - leader])
    expect(await changed).toMatchObject({ leader: 1 - leader })
    await cluster.admin.createTopic('more')
    expect(uncaught).toEqual([error])
  },
)
