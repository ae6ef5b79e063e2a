// A new cluster takes the directories of its nodes as they were prepared: empty ones, or links to empty ones on other disks. Nothing else may be there.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { inSync } from './cluster-support.ts'
import { clusterIdOf } from './node-directory-support.ts'
import { failureOf, openCluster, temporaryDirectory } from './support.ts'

test('a new cluster has its nodes where links and directories that are there say, and keeps them there', async () => {
  const [directory, disk] = [temporaryDirectory(), temporaryDirectory()]
  symlinkSync(disk, join(directory, 'node-1'))
  mkdirSync(join(directory, 'node-2'))
  {
    await using cluster = await openCluster(directory, { nodes: 4 })
    await cluster.admin.createTopic('t', { replicationFactor: 3 })
    await cluster.producer().send({ topic: 't', value: new Uint8Array(1) })
  }
  expect(readlinkSync(join(directory, 'node-1'))).toBe(disk)
  const claims = [0, 1, 2, 3].map((node) => JSON.parse(readFileSync(join(directory, `node-${node}`, 'node.json'), 'utf8')) as unknown)
  expect(claims).toEqual([0, 1, 2, 3].map((node) => ({ clusterId: clusterIdOf(directory), node })))
  expect(readdirSync(disk)).toContain('__cluster_metadata-0.0')
  await using cluster = await openCluster(directory)
  await inSync(cluster)
})

/** What may be in the way, made in a directory; another one that is not empty; and what is said. */
const refusals: [what: string, make: (directory: string, full: string) => void, said: RegExp][] = [
  ['a node too many', (directory) => mkdirSync(join(directory, 'node-2')), /holds node-2 and no odradek\.json/],
  ['no name of a node', (directory) => mkdirSync(join(directory, 'node-00')), /holds node-00 and no odradek\.json/],
  ['something else', (directory) => writeFileSync(join(directory, 'a.txt'), 'a'), /holds a\.txt and no odradek\.json/],
  [
    'the root of a file system',
    (directory) => mkdirSync(join(directory, 'lost+found')),
    /is the root of a file system; choose a directory in it/,
  ],
  ['a directory with something in it', (directory) => mkdirSync(join(directory, 'node-1', 'x'), { recursive: true }), /holds node-1 and/],
  ['a link to such a one', (directory, full) => symlinkSync(full, join(directory, 'node-1')), /holds node-1 and no odradek\.json/],
  ['a link to itself', (directory) => symlinkSync(directory, join(directory, 'node-1')), /holds node-1 and no odradek\.json/],
  ['a file', (directory) => writeFileSync(join(directory, 'node-1'), ''), /node-1 is not a directory/],
  [
    'a link to nothing',
    (directory) => symlinkSync('nowhere', join(directory, 'node-1')),
    /node-1 is a link to nowhere, which is not there/,
  ],
  ['a link to the other node', (directory) => symlinkSync('node-0', join(directory, 'node-1')), /node-0 and \S+node-1 are both/],
]

test.each(refusals)('a directory is no new cluster, and is left alone, where there is %s', async (_, make, said) => {
  const [directory, full] = [temporaryDirectory(), temporaryDirectory()]
  writeFileSync(join(full, 'a.txt'), 'a')
  mkdirSync(join(directory, 'node-0'))
  make(directory, full)
  const before = [directory, full].map(namesBelow)
  const error = await failureOf(() => openCluster(directory, { nodes: 2 }))
  expect([error.name, error.message]).toEqual(['FOREIGN_DIRECTORY', expect.stringMatching(said)])
  expect([directory, full].map(namesBelow)).toEqual(before)
  // Without it the directory is one.
  for (const name of readdirSync(directory)) if (name !== 'node-0') rmSync(join(directory, name), { recursive: true })
  symlinkSync(mkdtempSync(join(full, 'disk-')), join(directory, 'node-1'))
  await (await openCluster(directory, { nodes: 2 })).close()
})

function namesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted()
}
