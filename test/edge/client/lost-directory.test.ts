// Directories of nodes that go while the cluster is open: nodes get others, which say whose they are.
import { cpSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import { terminateNode } from '../../../edge/client/testing.ts'
import { inSync } from './cluster-support.ts'
import { clusterIdOf, threeNodes } from './node-directory-support.ts'
import { openCluster } from './support.ts'

describe('the directory of a node', () => {
  test.each([
    ['a thread', false],
    ['the calls', true],
  ])('that is lost while its node runs is its own again, with what was copied anew, where %s opens it', async (_, isLocal) => {
    const directory = await threeNodes()
    {
      await using cluster = await openCluster(directory, isLocal ? { threads: 0 } : {})
      await inSync(cluster)
      rmSync(join(directory, 'node-1'), { recursive: true })
      if (!isLocal) await terminateNode(cluster, 1)
      await using producer = cluster.producer({ value: string })
      await producer.send({ topic: 't', value: 'y' })
      if (!isLocal) await inSync(cluster)
    }
    await using cluster = await openCluster(directory)
    await inSync(cluster)
    expect((await cluster.admin.describeTopic('t')).partitions[0]).toMatchObject({ endOffset: 2, isr: [0, 1, 2] })
    expect(readdirSync(join(directory, 'node-1'))).toContain('node.json')
  })

  test('is not made anew where all of the cluster is gone, and it is said', async () => {
    const directory = await threeNodes()
    await using cluster = await openCluster(directory)
    const failures: string[] = []
    cluster.on('error', ({ node, error }) => failures.push(`${node}: ${error.name}: ${error.message}`))
    rmSync(directory, { recursive: true })
    await terminateNode(cluster, 1)
    await expect.poll(() => failures.join('\n'), { timeout: 10_000 }).toMatch(/^1: KAFKA_STORAGE_ERROR: .* has lost its odradek\.json/m)
    expect(existsSync(join(directory, 'node-1'))).toBe(false)
  })

  test('of another cluster is not taken while the cluster is open: its node stays away, and says why', async () => {
    const [directory, other] = [await threeNodes(), await threeNodes()]
    await using cluster = await openCluster(directory)
    const failures: string[] = []
    cluster.on('error', ({ node, error }) => failures.push(`${node}: ${error.message}`))
    renameSync(join(directory, 'node-1'), join(directory, 'gone'))
    cpSync(join(other, 'node-1'), join(directory, 'node-1'), { recursive: true })
    await terminateNode(cluster, 1)
    await expect.poll(() => failures.join(), { timeout: 10_000 }).toContain(`belongs to cluster ${clusterIdOf(other)}`)
    expect(failures.find((one) => one.startsWith('1: '))).toContain(join(directory, 'node-1'))
    rmSync(join(directory, 'node-1'), { recursive: true })
    renameSync(join(directory, 'gone'), join(directory, 'node-1'))
    await inSync(cluster)
  })
})
