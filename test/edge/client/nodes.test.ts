// Nodes that join and leave, partitions that are moved between them, and voters that come and go: with threads and files.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'
import { terminateNode } from '../../../edge/client/testing.ts'
import { inSync } from './cluster-support.ts'
import { failureOf, openCluster, take, temporaryDirectory } from './support.ts'

async function fill(cluster: Cluster, topic: string, count: number): Promise<void> {
  await using producer = cluster.producer({ value: string })
  for (let n = 0; n < count; n++) producer.write({ topic, value: `value ${n}` })
  await producer.flush()
}

async function countOf(cluster: Cluster, topic: string, partitions: number): Promise<number> {
  await using consumer = cluster.consumer({ value: string })
  consumer.assign(Array.from({ length: partitions }, (_, partition) => ({ topic, partition })))
  const ends = await cluster.admin.listOffsets(topic, 'latest')
  return (
    await take(
      consumer,
      [...ends.values()].reduce((a, b) => a + b, 0),
    )
  ).length
}

function identityOf(directory: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(directory, 'odradek.json'), 'utf8')) as Record<string, unknown>
}

async function replicaCounts(cluster: Cluster): Promise<number[]> {
  return (await cluster.admin.describeCluster()).nodes.map(({ replicas }) => replicas)
}

describe('a cluster that grows and shrinks', () => {
  test('is whole when it is open: what is asked of it first counts every node', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory()
    {
      await using cluster = await openCluster(directory)
      await cluster.admin.createTopic('t', { partitions: 6 })
    }
    {
      await using cluster = await openCluster(directory, { nodes: 3 })
      await cluster.admin.rebalance()
      expect(await replicaCounts(cluster)).toEqual([2, 2, 2])
    }
    // The metadata says that all of them were active: in their lives before.
    for (const node of [2, 1]) {
      await using cluster = await openCluster(directory)
      const { nodes } = await cluster.admin.describeCluster()
      expect(nodes.map(({ fenced }) => fenced)).toEqual([false, false, false])
      await cluster.admin.drainNode(node)
      expect((await replicaCounts(cluster))[node]).toBe(0)
    }
  })

  test('takes new nodes in, drains old ones, lets them go, and keeps every record', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory()
    {
      await using cluster = await openCluster(directory, { nodes: 3 })
      await cluster.admin.createTopic('t', { partitions: 6, replicationFactor: 2 })
      await fill(cluster, 't', 600)
    }
    {
      await using cluster = await openCluster(directory, { nodes: 5 })
      await cluster.admin.rebalance()
      expect(Math.max(...(await replicaCounts(cluster))) - Math.min(...(await replicaCounts(cluster)))).toBeLessThanOrEqual(1)
      await cluster.admin.drainNode(3)
      expect((await replicaCounts(cluster))[3]).toBe(0)
      expect(await cluster.admin.listReassignments()).toEqual([])
      await cluster.admin.removeNode(3)
      expect((await cluster.admin.describeCluster()).nodes.map(({ node }) => node)).toEqual([0, 1, 2, 4])
      await inSync(cluster)
      expect(await countOf(cluster, 't', 6)).toBe(600)
    }
    expect(identityOf(directory)).toMatchObject({ nodes: 5, removed: [3] })
    const error = await failureOf(() => openCluster(directory, { nodes: 3 }))
    expect(error.message).toMatch(/a cluster of 4 node\(s\), and 3 would leave replicas behind.*removeNode/)
    {
      await using cluster = await openCluster(directory, { nodes: 4 })
      expect(await countOf(cluster, 't', 6)).toBe(600)
    }
    // An id is not used again.
    await using cluster = await openCluster(directory, { nodes: 5 })
    expect((await cluster.admin.describeCluster()).nodes.map(({ node }) => node)).toEqual([0, 1, 2, 4, 5])
    await cluster.admin.rebalance()
    await inSync(cluster)
    expect(await countOf(cluster, 't', 6)).toBe(600)
  })

  test('spreads its bytes, as leaders say them, where topics are not equally large', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory()
    {
      await using cluster = await openCluster(directory, { nodes: 2 })
      await cluster.admin.createTopic('small', { partitions: 8, replicationFactor: 1 })
      await cluster.admin.createTopic('large', { partitions: 4, replicationFactor: 1 })
      await fill(cluster, 'small', 8)
      await using producer = cluster.producer({ value: string })
      await producer.send(Array.from({ length: 40 }, (_, i) => ({ topic: 'large', partition: i % 4, value: 'x'.repeat(20_000) })))
    }
    await using cluster = await openCluster(directory, { nodes: 4 })
    await cluster.admin.rebalance({ by: 'bytes' })
    const { partitions } = await cluster.admin.describeTopic('large')
    expect(new Set(partitions.map(({ replicas }) => replicas[0]))).toEqual(new Set([0, 1, 2, 3]))
    for (const { sizeBytes } of partitions) expect(sizeBytes).toBeGreaterThan(200_000)
    // Nobody copies what is nearly nothing.
    const small = await cluster.admin.describeTopic('small')
    expect(small.partitions.every(({ replicas }) => replicas[0]! < 2)).toBe(true)
  })

  test('refuses to let a node go that somebody counts on, or that nobody knows; it goes on running', async () => {
    const cluster = await openCluster(':memory:', { nodes: 4 })
    await cluster.admin.createTopic('orders', { partitions: 4, replicationFactor: 2 })
    expect(await failureOf(() => cluster.admin.removeNode(3))).toMatchObject({
      name: 'INVALID_REQUEST',
      message: expect.stringMatching(/node 3 still has replicas of orders; .*drainNode/) as string,
    })
    expect((await failureOf(() => cluster.admin.removeNode(1))).message).toMatch(/votes.*removeVoter/)
    expect((await failureOf(() => cluster.admin.removeNode(9))).name).toBe('BROKER_ID_NOT_REGISTERED')
    expect((await failureOf(() => cluster.admin.removeNode(-1))).name).toBe('INVALID_REQUEST')
    const { nodes } = await cluster.admin.describeCluster()
    expect(nodes.map(({ fenced }) => fenced)).toEqual([false, false, false, false])
  })

  test.each([0, 1])(
    'starts a node again that somebody has come to count on while it stopped, with threads: %d',
    { timeout: 60_000 },
    async (threads) => {
      const directory = temporaryDirectory()
      const cluster = await openCluster(directory, { nodes: 4, threads })
      const [refused] = await Promise.all([
        failureOf(() => cluster.admin.removeNode(3)),
        cluster.admin.createTopic('t', { partitions: 4, replicationFactor: 4, config: { minInsyncReplicas: 4 } }),
      ])
      expect(refused).toMatchObject({ name: 'INVALID_REQUEST', message: expect.stringMatching(/node 3 still has replicas of t/) as string })
      await inSync(cluster)
      await fill(cluster, 't', 100)
      expect(await countOf(cluster, 't', 4)).toBe(100)
      expect(Object.keys((await cluster.inspect())['nodes'] as object)).toContain('3')
      expect(identityOf(directory)).toMatchObject({ nodes: 4, removed: [] })
      // What has brought it back does not keep it.
      await cluster.admin.deleteTopic('t')
      await cluster.admin.removeNode(3)
      expect((await cluster.admin.describeCluster()).nodes.map(({ node }) => node)).toEqual([0, 1, 2])
    },
  )

  test.each([0, 1])('takes one change of a node at a time, with threads: %d', { timeout: 60_000 }, async (threads) => {
    const cluster = await openCluster(':memory:', { nodes: 5, threads })
    const { admin } = cluster
    const going = admin.removeNode(3)
    const isGoing = { name: 'REASSIGNMENT_IN_PROGRESS', message: 'node 3 is just being removed' }
    expect(await failureOf(() => admin.addVoter(3))).toMatchObject(isGoing)
    expect(await failureOf(() => admin.removeNode(3))).toMatchObject(isGoing)
    await going
    for (const again of [() => admin.addVoter(3), () => admin.removeNode(3)])
      expect(await failureOf(again)).toMatchObject({ name: 'BROKER_ID_NOT_REGISTERED' })
    const coming = admin.addVoter(4)
    expect(await failureOf(() => admin.removeNode(4))).toMatchObject({
      name: 'REASSIGNMENT_IN_PROGRESS',
      message: 'node 4 is just becoming a voter',
    })
    await coming
    expect((await admin.describeCluster()).voters).toEqual([0, 1, 2, 4])
  })

  test('cannot drain a node that is needed: nothing moves', async () => {
    const cluster = await openCluster(':memory:', { nodes: 3 })
    await cluster.admin.createTopic('t')
    expect(await failureOf(() => cluster.admin.drainNode(1))).toMatchObject({
      name: 'INVALID_REPLICATION_FACTOR',
      message: 't-0 has 3 replicas, and without node 1 there are 2 active nodes',
    })
    expect((await failureOf(() => cluster.admin.drainNode(7))).name).toBe('BROKER_ID_NOT_REGISTERED')
    expect(await replicaCounts(cluster)).toEqual([1, 1, 1])
  })

  test('moves as fast as it is told to, and is told while it moves', { timeout: 60_000 }, async () => {
    const cluster = await openCluster(temporaryDirectory(), { nodes: 2, reassignmentBytesPerSecond: 1000 })
    await cluster.admin.createTopic('t', { replicationFactor: 1 })
    await fill(cluster, 't', 20_000)
    const { leader } = (await cluster.admin.describeTopic('t')).partitions[0]!
    const moved = cluster.admin.drainNode(leader)
    // At that pace it would take minutes.
    while ((await cluster.admin.listReassignments()).length === 0);
    expect((await failureOf(() => cluster.admin.throttleReassignments(-1))).name).toBe('INVALID_REQUEST')
    expect(await cluster.admin.describeCluster()).toMatchObject({ reassignmentBytesPerSecond: null })
    await cluster.admin.throttleReassignments(0)
    await moved
    expect(await cluster.admin.describeCluster()).toMatchObject({ reassignmentBytesPerSecond: 0 })
    expect(await countOf(cluster, 't', 1)).toBe(20_000)
  })

  test('takes moves in a row back to what was before the first of them', { timeout: 60_000 }, async () => {
    const cluster = await openCluster(temporaryDirectory(), { nodes: 3, reassignmentBytesPerSecond: 1000 })
    await cluster.admin.createTopic('t', { replicationFactor: 1 })
    await fill(cluster, 't', 20_000)
    const { leader } = (await cluster.admin.describeTopic('t')).partitions[0]!
    const [first, second] = [0, 1, 2].filter((node) => node !== leader) as [number, number]
    await cluster.admin.reassign('t', 0, [first, second])
    await cluster.admin.reassign('t', 0, [second])
    expect(await cluster.admin.listReassignments()).toEqual([
      { topic: 't', partition: 0, replicas: [second, leader], adding: [second], removing: [leader] },
    ])
    await cluster.admin.reassign('t', 0, null)
    expect(await cluster.admin.listReassignments()).toEqual([])
    expect((await cluster.admin.describeTopic('t')).partitions[0]).toMatchObject({ leader, replicas: [leader], isr: [leader] })

    await cluster.admin.throttleReassignments(0)
    await cluster.admin.reassign('t', 0, [first])
    await expect.poll(async () => (await cluster.admin.describeTopic('t')).partitions[0]?.replicas).toEqual([first])
    expect(await countOf(cluster, 't', 1)).toBe(20_000)
  })

  test('gives a wait up when it is told to; the moves go on', async () => {
    const cluster = await openCluster(':memory:', { nodes: 2 })
    await cluster.admin.createTopic('t', { replicationFactor: 1 })
    await expect(cluster.admin.drainNode(0, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
  })

  test('drains several nodes at once, none of them to another, also while replicas are spread', { timeout: 60_000 }, async () => {
    const cluster = await openCluster(':memory:', { nodes: 5 })
    await cluster.admin.createTopic('t', { partitions: 4, replicationFactor: 3 })
    await Promise.all([cluster.admin.drainNode(3), cluster.admin.drainNode(4), cluster.admin.rebalance()])
    expect(await replicaCounts(cluster)).toEqual([4, 4, 4, 0, 0])
    expect(await cluster.admin.listReassignments()).toEqual([])
    const outcomes = await Promise.allSettled([3, 0, 4].map((node) => cluster.admin.drainNode(node)))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({
      reason: { name: 'INVALID_REPLICATION_FACTOR', message: 't-0 has 3 replicas, and without nodes 0, 3, 4 there are 2 active nodes' },
    })
    // When nobody else is drained, it is a node like others.
    await cluster.admin.drainNode(0)
    const counts = await replicaCounts(cluster)
    expect(counts[0]).toBe(0)
    expect(counts[3]! + counts[4]!).toBe(4)
  })

  test('keeps off a node whose drain nobody waits for any more, as long as it goes on', { timeout: 60_000 }, async () => {
    const cluster = await openCluster(temporaryDirectory(), { nodes: 3, reassignmentBytesPerSecond: 1000 })
    await cluster.admin.createTopic('t', { replicationFactor: 1 })
    await fill(cluster, 't', 20_000)
    const { leader } = (await cluster.admin.describeTopic('t')).partitions[0]!
    const enough = new AbortController()
    const drained = cluster.admin.drainNode(leader, { signal: enough.signal })
    while ((await cluster.admin.listReassignments()).length === 0);
    const reason = new Error('enough')
    enough.abort(reason)
    await expect(drained).rejects.toBe(reason)

    const target = (await cluster.admin.listReassignments())[0]!.adding[0]!
    const last = [0, 1, 2].find((node) => node !== leader && node !== target)!
    const next = cluster.admin.drainNode(target)
    while (!(await cluster.admin.listReassignments()).some((one) => one.adding.includes(last)));
    await cluster.admin.throttleReassignments(0)
    await next
    await expect.poll(() => cluster.admin.listReassignments()).toEqual([])
    expect((await cluster.admin.describeTopic('t')).partitions[0]).toMatchObject({ replicas: [last] })
    // Its moves are over.
    await cluster.admin.drainNode(last)
    expect((await replicaCounts(cluster))[last]).toBe(0)
    expect(await countOf(cluster, 't', 1)).toBe(20_000)
  })

  test('a node on the caller`s thread hands over what it leads before it goes', async () => {
    const cluster = await openCluster(':memory:', { nodes: 4 })
    await cluster.admin.createTopic('t', { partitions: 4, replicationFactor: 2 })
    await cluster.admin.drainNode(3)
    await cluster.admin.removeNode(3)
    await fill(cluster, 't', 100)
    expect(await countOf(cluster, 't', 4)).toBe(100)
    expect(await cluster.admin.listGroups()).toEqual([])
    expect(Object.keys((await cluster.inspect())['nodes'] as object)).not.toContain('3')
  })
})

describe('the voters', () => {
  test('of a cluster that began with one node become three, and outlive any of them', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory()
    await (await openCluster(directory)).close()
    {
      await using cluster = await openCluster(directory, { nodes: 3 })
      expect((await cluster.admin.describeCluster()).voters).toEqual([0])
      await cluster.admin.addVoter(1)
      await cluster.admin.addVoter(2)
      await cluster.admin.createTopic('t')
      expect((await cluster.admin.describeCluster()).voters).toEqual([0, 1, 2])
      expect(identityOf(directory)).toMatchObject({ voters: [0, 1, 2] })
      await terminateNode(cluster, 0)
      await cluster.admin.createTopic('u')
    }
    await using cluster = await openCluster(directory)
    expect(await cluster.admin.listTopics()).toEqual(['t', 'u'])
    const { voters, nodes } = await cluster.admin.describeCluster()
    expect([voters, nodes.map(({ isVoter }) => isVoter)]).toEqual([
      [0, 1, 2],
      [true, true, true],
    ])
  })

  test('move to other nodes one by one, and who asks finds them', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory()
    {
      await using cluster = await openCluster(directory, { nodes: 2 })
      await using producer = cluster.producer({ value: string })
      await cluster.admin.createTopic('t')
      await producer.send({ topic: 't', value: 'x' })
      await cluster.admin.addVoter(1)
      await cluster.admin.removeVoter(0)
      expect(await cluster.admin.describeCluster()).toMatchObject({ controller: 1, voters: [1] })
      await cluster.admin.createTopic('u')
      await producer.send({ topic: 'u', value: 'x' })
      expect(identityOf(directory)).toMatchObject({ voters: [1] })
    }
    await using cluster = await openCluster(directory)
    expect(await cluster.admin.listTopics()).toEqual(['t', 'u'])
    await cluster.admin.drainNode(0).catch(() => undefined)
    expect(await cluster.admin.describeCluster()).toMatchObject({ controller: 1 })
  })

  test('do not change for bad reasons', async () => {
    const directory = temporaryDirectory()
    const cluster = await openCluster(directory, { nodes: 2 })
    const { admin } = cluster
    expect(await failureOf(() => admin.removeVoter(0))).toMatchObject({
      name: 'INVALID_REQUEST',
      message: expect.stringMatching(/node 0 is the last voter/) as string,
    })
    expect((await failureOf(() => admin.removeVoter(1))).name).toBe('VOTER_NOT_FOUND')
    expect((await failureOf(() => admin.addVoter(0))).name).toBe('DUPLICATE_VOTER')
    expect((await failureOf(() => admin.addVoter(7))).name).toBe('BROKER_ID_NOT_REGISTERED')
    expect((await failureOf(() => admin.addVoter(1.5))).name).toBe('INVALID_REQUEST')
    expect((await admin.describeCluster()).voters).toEqual([0])
    expect(identityOf(directory)).toMatchObject({ voters: [0] })
  })
})
