// What commands leave of a cluster's directory, and keep of it.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { open } from '../../../edge/client/index.ts'

const main = fileURLToPath(new URL('../../../edge/cli/main.ts', import.meta.url))
let directory = ''

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'odradek-cli-')), 'data')
})

afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }))

test('topics are made and replicas moved on the racks that an application has given', { timeout: 60_000 }, async () => {
  const racks = ['a', 'a', 'b', 'b']
  const onOneRack = (topic: unknown): number[] =>
    (topic as { partitions: { partition: number; replicas: number[] }[] }).partitions
      .filter(({ replicas }) => new Set(replicas.map((node) => racks[node])).size < 2)
      .map(({ partition }) => partition)
  {
    await using cluster = await open(directory, { nodes: 4, racks })
    await cluster.admin.createTopic('before', { partitions: 8, replicationFactor: 2 })
  }
  expect(onOneRack(json('topics', 'create', 'since', '-p', '8', '-r', '2'))).toEqual([])
  const { nodes } = json('nodes', 'rebalance') as { nodes: { rack: string | null }[] }
  expect(nodes.map(({ rack }) => rack)).toEqual(racks)
  for (const topic of ['before', 'since']) expect(onOneRack(json('topics', 'describe', topic))).toEqual([])
})

test('a new cluster is not made for a topic that it could not have', () => {
  const refused = (nodes: number, ...parameters: string[]): void => {
    const { status, stderr } = run(['topics', 'create', 'bad', '--replication-factor', '4', ...parameters])
    const message = `INVALID_REPLICATION_FACTOR: a partition has 1 to ${nodes} replicas here, one per node, not 4\n`
    expect([status, stderr]).toEqual([1, message])
  }
  refused(3, '--nodes', '3', '--record', join(directory, '../recording'))
  refused(1)
  expect(readdirSync(join(directory, '..'))).toEqual([])
  mkdirSync(directory)
  refused(2, '--nodes', '2')
  expect(readdirSync(directory)).toEqual([])
  // One that is there says so itself: the same.
  json('topics', 'create', 'good', '--nodes', '3', '--replication-factor', '3')
  refused(3)
  refused(3, '--nodes', '3')
  json('topics', 'create', 'better', '--nodes', '4', '--replication-factor', '4')
})

test.each([
  ['../escape', [], 'INVALID_TOPIC_EXCEPTION'],
  ['good', ['--config', 'minInsyncReplicas=2'], 'INVALID_CONFIG'],
  ['good', ['--config', 'segmentBytes=1'], 'INVALID_CONFIG'],
])('a new cluster is not made for the topic %s %j: it would refuse it', (name, parameters, error) => {
  const { status, stderr } = run(['topics', 'create', name, ...parameters])
  expect([status, stderr]).toEqual([1, expect.stringContaining(error)])
  expect(readdirSync(join(directory, '..'))).toEqual([])
})

function run(parameters: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, '--directory', directory, ...parameters], { encoding: 'utf8' })
}

function json(...parameters: string[]): unknown {
  const { status, stdout, stderr } = run([...parameters, '--json'])
  expect([status, stderr], parameters.join(' ')).toEqual([0, ''])
  return JSON.parse(stdout)
}
