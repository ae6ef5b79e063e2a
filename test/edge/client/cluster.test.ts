// Three nodes on threads of their own: what is acknowledged by the quorum outlives the death of any of them, and a node that comes back is caught up.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'
import { terminateNode } from '../../../edge/client/testing.ts'
import { inSync, replicaLogs } from './cluster-support.ts'
import { failureOf, openCluster, take, temporaryDirectory } from './support.ts'

const TOPIC = 't'

/** Sends numbered values one after the other until it is told to stop; offsets of what was acknowledged. */
async function sendUntil(cluster: Cluster, partition: number, isOver: () => boolean): Promise<Map<number, string>> {
  await using producer = cluster.producer({ value: string })
  const acknowledged = new Map<number, string>()
  const pending = new Set<Promise<void>>()
  for (let n = 0; !isOver(); n++) {
    const value = `${partition}: ${n}`
    const sent = producer.send({ topic: TOPIC, partition, value }).then(({ offset }) => {
      expect(acknowledged.has(offset)).toBe(false)
      acknowledged.set(offset, value)
    })
    pending.add(sent)
    void sent.finally(() => pending.delete(sent))
    if (pending.size >= 20) await sent
    else await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(pending)
  return acknowledged
}

async function read(cluster: Cluster, partition: number): Promise<Map<number, string | null>> {
  await using consumer = cluster.consumer({ value: string })
  consumer.assign([{ topic: TOPIC, partition }])
  const end = (await cluster.admin.listOffsets(TOPIC, 'latest')).get(partition) ?? 0
  return new Map((await take(consumer, end)).map(({ offset, value }) => [offset, value]))
}

describe('the death of a leader under load', () => {
  test('loses nothing that was acknowledged, keeps the order, and the node catches up', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory()
    const cluster = await openCluster(directory, { nodes: 3 })
    await cluster.admin.createTopic(TOPIC, { partitions: 3, config: { flush: 'os', segmentBytes: 65_536 } })
    let isOver = false
    const sending = [0, 1, 2].map((partition) => sendUntil(cluster, partition, () => isOver))
    for (const round of [0, 1, 2]) {
      const { partitions } = await cluster.admin.describeTopic(TOPIC)
      const isUp = new Promise((resolve) => cluster.on('nodeUp', resolve))
      await terminateNode(cluster, partitions[round]?.leader ?? 0)
      await isUp
      await inSync(cluster)
    }
    isOver = true
    const acknowledged = await Promise.all(sending)
    for (const [partition, sent] of acknowledged.entries()) {
      const found = await read(cluster, partition)
      for (const [offset, value] of sent) expect(found.get(offset), `${partition} at ${offset}`).toBe(value)
      expect([...found.values()]).toEqual(Array.from(found, (_, n) => `${partition}: ${n}`))
    }
    await inSync(cluster)
    await cluster.close()
    for (const partition of [0, 1, 2]) {
      const [first, ...others] = replicaLogs(directory, TOPIC, partition)
      expect(first?.length).toBeGreaterThan(0)
      for (const other of others) expect(other).toEqual(first)
    }
  })
})

describe('a node whose directory is gone', () => {
  test.each([0, 1, 2])('is caught up from empty: node %i', { timeout: 60_000 }, async (node) => {
    const directory = temporaryDirectory()
    {
      await using cluster = await openCluster(directory, { nodes: 3 })
      await cluster.admin.createTopic(TOPIC, { partitions: 3 })
      await using producer = cluster.producer({ value: string })
      for (let n = 0; n < 300; n++) producer.write({ topic: TOPIC, partition: n % 3, value: `value ${n}` })
      await producer.flush()
    }
    rmSync(join(directory, `node-${node}`), { recursive: true })
    const cluster = await openCluster(directory)
    await inSync(cluster)
    for (const partition of [0, 1, 2]) expect((await read(cluster, partition)).size).toBe(100)
    await cluster.close()
    for (const partition of [0, 1, 2]) {
      const [first, ...others] = replicaLogs(directory, TOPIC, partition)
      expect(first?.length).toBeGreaterThan(0)
      for (const other of others) expect(other).toEqual(first)
    }
  })
})

describe('more than there are nodes', () => {
  test('replicas are refused', async () => {
    const cluster = await openCluster(':memory:', { nodes: 3 })
    const error = await failureOf(() => cluster.admin.createTopic(TOPIC, { replicationFactor: 4 }))
    expect(error.name).toBe('INVALID_REPLICATION_FACTOR')
    expect(error.message).toMatch(/3/)
    expect(await cluster.admin.listTopics()).toEqual([])
  })

  test('replicas in sync are not asked for: no record could be acknowledged', async () => {
    const cluster = await openCluster(':memory:', { nodes: 3 })
    const options = { replicationFactor: 2, config: { minInsyncReplicas: 3 } }
    const error = await failureOf(() => cluster.admin.createTopic(TOPIC, options))
    const refusal = ['INVALID_CONFIG', expect.stringMatching(/minInsyncReplicas \(3\) is more than .* \(2\)/)]
    expect([error.name, error.message]).toEqual(refusal)
    expect(await cluster.admin.listTopics()).toEqual([])
    await cluster.admin.createTopic(TOPIC, { replicationFactor: 2, config: { minInsyncReplicas: 2 } })
    const altered = await failureOf(() => cluster.admin.alterConfig(TOPIC, { minInsyncReplicas: 3, segmentBytes: 20_000 }))
    expect([altered.name, altered.message]).toEqual(refusal)
    const { config } = await cluster.admin.describeTopic(TOPIC)
    expect([config.minInsyncReplicas, config.segmentBytes]).toEqual([2, 67_108_864])
    // Nor can it be moved to so few nodes.
    expect((await failureOf(() => cluster.admin.reassign(TOPIC, 0, [0]))).message).toMatch(/minInsyncReplicas is 2/)
  })

  test('a partition cannot be moved to a node that nobody knows', async () => {
    const cluster = await openCluster(':memory:', { nodes: 3 })
    await cluster.admin.createTopic(TOPIC)
    const error = await failureOf(() => cluster.admin.reassign(TOPIC, 0, [0, 7]))
    expect(error.name).toBe('INVALID_REPLICA_ASSIGNMENT')
    expect(error.message).toMatch(/7/)
    for (const nodes of [[], [0, 0], [-1], [0.5]])
      expect((await failureOf(() => cluster.admin.reassign(TOPIC, 0, nodes))).name).toBe('INVALID_REPLICA_ASSIGNMENT')
    expect((await failureOf(() => cluster.admin.reassign(TOPIC, 1, [0]))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect((await cluster.admin.describeTopic(TOPIC)).partitions[0]).toMatchObject({ replicas: [0, 1, 2], adding: [], removing: [] })
  })
})
