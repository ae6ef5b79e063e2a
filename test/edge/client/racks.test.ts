// Racks are given once: the directory remembers them, for whoever opens it next.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Cluster, ClusterOptions } from '../../../edge/client/index.ts'
import { failureOf, openCluster, temporaryDirectory } from './support.ts'

const RACKS = ['a', 'a', 'b', 'b']

describe('the racks of nodes', () => {
  test('are remembered: what is made and moved later keeps to them', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory()
    await (await openCluster(directory, { nodes: 4, racks: RACKS })).close()
    await using cluster = await openCluster(directory)
    await cluster.admin.createTopic('t', { partitions: 8, replicationFactor: 2 })
    expect(await onOneRack(cluster, 't')).toEqual([])
    await cluster.admin.reassign('t', 0, [0, 1])
    await cluster.admin.rebalance()
    expect(await onOneRack(cluster, 't')).toEqual([])
  })

  test('are replaced by others, also by none; nodes that join without are on none', async () => {
    const directory = temporaryDirectory()
    expect(await racksOf(directory, { nodes: 2, racks: ['a', null] })).toEqual(['a', null])
    expect(await racksOf(directory, { nodes: 3 })).toEqual(['a', null, null])
    expect(await racksOf(directory, { nodes: 4, racks: ['b', 'c', 'd', 'e'] })).toEqual(['b', 'c', 'd', 'e'])
    expect(await racksOf(directory, {})).toEqual(['b', 'c', 'd', 'e'])
    expect(await racksOf(directory, { racks: [null, null, null, null] })).toEqual([null, null, null, null])
    expect(await racksOf(directory, {})).toEqual([null, null, null, null])
  })

  test('stay those of the nodes that stay, when one between them goes', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory()
    {
      await using cluster = await openCluster(directory, { nodes: 4, racks: ['a', 'b', 'c', 'd'] })
      await cluster.admin.removeVoter(1)
      await cluster.admin.drainNode(1)
      await cluster.admin.removeNode(1)
    }
    expect(await racksOf(directory, {})).toEqual(['a', 'c', 'd'])
    expect(await racksOf(directory, { racks: ['e', null, 'f', 'g'] })).toEqual(['e', 'f', 'g'])
    expect(await racksOf(directory, {})).toEqual(['e', 'f', 'g'])
  })

  test('are written when they change, and only then', async () => {
    const directory = temporaryDirectory()
    await racksOf(directory, { nodes: 2, racks: ['a', 'b'] })
    const file = join(directory, 'odradek.json')
    const before = statSync(file).mtimeMs
    for (const options of [{}, { racks: ['a', 'b'] }]) {
      expect(await racksOf(directory, options)).toEqual(['a', 'b'])
      expect(statSync(file).mtimeMs).toBe(before)
    }
    const text = readFileSync(file, 'utf8')
    expect((await failureOf(() => openCluster(directory, { racks: ['c'] }))).name).toBe('INVALID_OPTION')
    expect((await failureOf(() => openCluster(directory, { nodes: 1, racks: ['c'] }))).name).toBe('INVALID_OPTION')
    expect([statSync(file).mtimeMs, readFileSync(file, 'utf8')]).toEqual([before, text])
  })

  test('are nobody`s in a directory from before they were remembered, which is not written for that', async () => {
    const directory = temporaryDirectory()
    await (await openCluster(directory, { nodes: 2 })).close()
    const file = join(directory, 'odradek.json')
    const { racks: _, ...before } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    writeFileSync(file, JSON.stringify(before))
    for (const options of [{}, { racks: [null, null] }]) expect(await racksOf(directory, options)).toEqual([null, null])
    expect(readFileSync(file, 'utf8')).toBe(JSON.stringify(before))
    writeFileSync(file, JSON.stringify({ ...before, racks: ['a', 7] }))
    expect((await failureOf(() => openCluster(directory))).message).toMatch(/odradek\.json is damaged/)
  })
})

/** The partitions whose replicas share a rack. */
async function onOneRack(cluster: Cluster, topic: string): Promise<number[]> {
  const { partitions } = await cluster.admin.describeTopic(topic)
  return partitions.filter(({ replicas }) => new Set(replicas.map((node) => RACKS[node])).size < 2).map(({ partition }) => partition)
}

async function racksOf(directory: string, options: ClusterOptions): Promise<(string | null)[]> {
  await using cluster = await openCluster(directory, options)
  return (await cluster.admin.describeCluster()).nodes.map(({ rack }) => rack)
}
