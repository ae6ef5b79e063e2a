// Each node has a directory of its own, which knows the cluster and the node it belongs to; and a cluster may get more nodes.
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import { openDataDirectory } from '../../../edge/client/data-directory.ts'
import { NodeSet } from '../../../edge/client/node-set.ts'
import { inSync } from './cluster-support.ts'
import { clusterIdOf, threeNodes } from './node-directory-support.ts'
import { failureOf, openCluster, take, temporaryDirectory } from './support.ts'

describe('the directory of a node', () => {
  test('says whose it is', async () => {
    const directory = await threeNodes()
    for (const node of [0, 1, 2]) {
      const said: unknown = JSON.parse(readFileSync(join(directory, `node-${node}`, 'node.json'), 'utf8'))
      expect(said).toEqual({ clusterId: clusterIdOf(directory), node })
    }
  })

  test('from before that was written is taken as it is', async () => {
    const directory = await threeNodes()
    for (const node of [0, 1, 2]) rmSync(join(directory, `node-${node}`, 'node.json'))
    const identity = JSON.parse(readFileSync(join(directory, 'odradek.json'), 'utf8')) as Record<string, unknown>
    delete identity['voters']
    writeFileSync(join(directory, 'odradek.json'), JSON.stringify(identity))
    await using cluster = await openCluster(directory)
    expect((await cluster.admin.describeTopic('t')).partitions[0]).toMatchObject({ endOffset: 1, replicas: [0, 1, 2] })
    expect(readdirSync(join(directory, 'node-1'))).toContain('node.json')
  })

  test('that is a link to a disk which is not mounted is said to be one', async () => {
    const directory = await threeNodes()
    rmSync(join(directory, 'node-1'), { recursive: true })
    symlinkSync(join(directory, 'nowhere'), join(directory, 'node-1'))
    const error = await failureOf(() => openCluster(directory))
    expect([error.name, error.message]).toEqual([
      'FOREIGN_DIRECTORY',
      expect.stringMatching(/node-1 is a link to .*nowhere, which is not there: mount its disk, or remove the link/),
    ])
    rmSync(join(directory, 'node-1'))
    await using cluster = await openCluster(directory)
    await inSync(cluster)
  })

  test('of another cluster is refused, and nothing is written to it', async () => {
    const [directory, other] = [await threeNodes(), await threeNodes()]
    rmSync(join(directory, 'node-1'), { recursive: true })
    cpSync(join(other, 'node-1'), join(directory, 'node-1'), { recursive: true })
    const error = await failureOf(() => openCluster(directory))
    expect(error.name).toBe('FOREIGN_DIRECTORY')
    expect(error.message).toContain(join(directory, 'node-1'))
    expect(error.message).toContain(`belongs to cluster ${clusterIdOf(other)}, and this is ${clusterIdOf(directory)}`)
    rmSync(join(directory, 'node-1'), { recursive: true })
    await using cluster = await openCluster(directory)
    await inSync(cluster)
  })

  test('of another node is refused, also where a link gives two nodes one directory', async () => {
    const directory = await threeNodes()
    rmSync(join(directory, 'node-2'), { recursive: true })
    symlinkSync(join(directory, 'node-1'), join(directory, 'node-2'))
    const error = await failureOf(() => openCluster(directory))
    expect([error.name, error.message]).toEqual(['FOREIGN_DIRECTORY', expect.stringMatching(/belongs to node 1, not to node 2/)])
  })

  test('is not shared by two nodes of a new cluster either', async () => {
    const directory = temporaryDirectory()
    await (await openCluster(directory)).close()
    mkdirSync(join(directory, 'shared'))
    symlinkSync(join(directory, 'shared'), join(directory, 'node-1'))
    symlinkSync(join(directory, 'shared'), join(directory, 'node-2'))
    expect((await failureOf(() => openCluster(directory, { nodes: 3 }))).message).toMatch(
      /node-1 and \S+node-2 are both \S+shared: each node needs/,
    )
    await (await openCluster(directory, { nodes: 1 })).close()
  })

  test.each([
    ['the copy', false],
    ['the original', true],
  ])(
    'is not used by two clusters at a time, although one is a copy of the other and has a link to it: %s is refused',
    async (_, isCopyFirst) => {
      const directory = await threeNodes()
      const copy = `${directory}-copy`
      onTestFinished(() => rmSync(copy, { recursive: true, force: true }))
      cpSync(directory, copy, { recursive: true })
      rmSync(join(copy, 'node-1'), { recursive: true })
      symlinkSync(join(directory, 'node-1'), join(copy, 'node-1'))
      const [first, second] = isCopyFirst ? [copy, directory] : [directory, copy]
      const cluster = await openCluster(first)
      const error = await failureOf(() => openCluster(second))
      expect([error.name, error.message]).toEqual(['DIRECTORY_LOCKED', expect.stringContaining(String(process.pid))])
      await cluster.close()
      // Not the second: the two have different histories now, and share a voter.
      await (await openCluster(first)).close()
      expect(readdirSync(join(directory, 'node-1'))).not.toContain('lock')
    },
  )

  test('may be elsewhere, behind a link: on another disk', async () => {
    const directory = await threeNodes()
    const elsewhere = temporaryDirectory()
    cpSync(join(directory, 'node-1'), elsewhere, { recursive: true })
    rmSync(join(directory, 'node-1'), { recursive: true })
    symlinkSync(elsewhere, join(directory, 'node-1'))
    await using cluster = await openCluster(directory)
    await inSync(cluster)
    expect((await cluster.admin.describeTopic('t')).partitions[0]?.endOffset).toBe(1)
  })

  test.each([
    [
      'without its words',
      null,
      /node-1 holds .+-\d+\.\d+ and no node\.json, so that nothing says whose it is: move the whole directory away/,
    ],
    ['with damaged words', '{', /node\.json is damaged, so that nothing says whose it is: move the whole directory away/],
  ])('%s is refused, with what to do, and that helps', async (_, words, message) => {
    const [directory, elsewhere] = [await threeNodes(), temporaryDirectory()]
    const node = join(directory, 'node-1')
    if (words === null) rmSync(join(node, 'node.json'))
    else writeFileSync(join(node, 'node.json'), words)
    const before = treeOf(directory)
    const error = await failureOf(() => openCluster(directory))
    expect([error.name, error.message]).toEqual(['FOREIGN_DIRECTORY', expect.stringMatching(message)])
    expect(treeOf(directory)).toEqual(before)

    // If it is its own for certain, what it should say is written by hand.
    const own = JSON.stringify({ clusterId: clusterIdOf(directory), node: 1 })
    expect(error.message).toContain(`write ${own} to ${join(node, 'node.json')}`)
    writeFileSync(join(node, 'node.json'), own)
    await (await openCluster(directory)).close()

    renameSync(node, join(elsewhere, 'node-1'))
    await using cluster = await openCluster(directory)
    await inSync(cluster)
    expect((await cluster.admin.describeTopic('t')).partitions[0]).toMatchObject({ endOffset: 1, replicas: [0, 1, 2] })
  })

  test('of another cluster is refused without its words, too', async () => {
    const [directory, other] = [await threeNodes(), await threeNodes()]
    rmSync(join(directory, 'node-2'), { recursive: true })
    cpSync(join(other, 'node-2'), join(directory, 'node-2'), { recursive: true })
    rmSync(join(directory, 'node-2', 'node.json'))
    expect((await failureOf(() => openCluster(directory))).message).toMatch(/node-2 holds .* and no node\.json/)
  })
})

/** Everything below a directory, files with their contents. */
function treeOf(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true })
  return names
    .map((one) => join(one.parentPath, one.name) + (one.isFile() ? readFileSync(join(one.parentPath, one.name), 'latin1') : ''))
    .toSorted()
}

function changeIdentity(directory: string, change: Record<string, unknown>): void {
  const file = join(directory, 'odradek.json')
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...change }))
}

/** The voters that are told, when the cluster is opened, that they have less than they had. */
function doubtfulVoters(directory: string): number[] {
  const held = openDataDirectory(directory, null, true)
  const settings = { nodeSessionTimeoutMillis: 2000, offsetsRetentionMillis: -1, replicaLagMillis: 2000, reassignmentBytesPerSecond: 0 }
  try {
    const nodes = new NodeSet(held, settings)
    return nodes.ids.filter((node) => nodes.setupOf(node).actors.some(({ config }) => (config as { isDoubtful?: boolean }).isDoubtful))
  } finally {
    held.release()
  }
}

describe('a cluster that was open, and whose metadata is on no disk any more,', () => {
  test.each([1, 3, 4])('is refused, not begun anew, and nothing is written: %d node(s)', async (nodes) => {
    const directory = temporaryDirectory()
    await (await openCluster(directory, { nodes })).close()
    for (const node of [0, 1, 2].slice(0, nodes)) rmSync(join(directory, `node-${node}`), { recursive: true })
    // The mount point of a disk that is not there.
    mkdirSync(join(directory, 'node-0'))
    const before = treeOf(directory)
    for (const options of [{}, { mustExist: true }, { nodes: 5 }]) {
      const error = await failureOf(() => openCluster(directory, options))
      expect([error.name, error.message]).toEqual([
        'FOREIGN_DIRECTORY',
        expect.stringMatching(/is no new cluster.*node-0\/__cluster_metadata-0\.0 is empty.*put back/),
      ])
      expect(treeOf(directory)).toEqual(before)
    }
  })

  test.each([
    ['a byte near the beginning', (log: Uint8Array) => log.fill(log[150]! ^ 1, 150, 151), /is damaged at byte \d+/],
    [
      'a byte in the middle',
      (log: Uint8Array) => log.fill(log[log.length >> 1]! ^ 1, log.length >> 1, (log.length >> 1) + 1),
      /is damaged at byte \d+/,
    ],
    ['the size of a batch', (log: Uint8Array) => log.fill(255, 8, 12), /is damaged at byte 0/],
    ['everything', (log: Uint8Array) => log.fill(0), /has nothing that can be read/],
  ])('is refused with damage that is no torn tail, and nothing is written: %s', async (_, harm, said) => {
    const directory = temporaryDirectory()
    const cluster = await openCluster(directory)
    for (const topic of ['a', 'b', 'c', 'd']) await cluster.admin.createTopic(topic)
    await cluster.close()
    const file = join(directory, 'node-0', '__cluster_metadata-0.0', '00000000000000000000.log')
    const log = readFileSync(file)
    writeFileSync(file, harm(new Uint8Array(log)))
    const before = treeOf(directory)
    const error = await failureOf(() => openCluster(directory))
    expect([error.name, error.message]).toEqual(['FOREIGN_DIRECTORY', expect.stringMatching(said)])
    expect(treeOf(directory)).toEqual(before)
    // What a crash leaves of the last write is none.
    writeFileSync(file, log.subarray(0, -5))
    await using opened = await openCluster(directory)
    expect(await opened.admin.listTopics()).toEqual(expect.arrayContaining(['a', 'b', 'c']))
  })

  test('is refused, too, while those without it could elect each other', { timeout: 60_000 }, async () => {
    const directory = await threeNodes()
    const elsewhere = temporaryDirectory()
    cpSync(directory, elsewhere, { recursive: true })
    for (const node of ['node-0', 'node-1']) rmSync(join(directory, node), { recursive: true })
    expect((await failureOf(() => openCluster(directory))).message).toMatch(
      /gone from 2 of the 3 voters that keep it: node-0\S+ is empty; node-1/,
    )
    cpSync(join(elsewhere, 'node-0'), join(directory, 'node-0'), { recursive: true })
    await using cluster = await openCluster(directory)
    await inSync(cluster)
    expect((await cluster.admin.describeTopic('t')).partitions[0]).toMatchObject({ endOffset: 1 })
  })

  test('is as it was when its disks are back; one that stays away is caught up', { timeout: 60_000 }, async () => {
    const directory = await threeNodes()
    const elsewhere = temporaryDirectory()
    cpSync(directory, elsewhere, { recursive: true })
    for (const node of [0, 1, 2]) rmSync(join(directory, `node-${node}`), { recursive: true })
    await failureOf(() => openCluster(directory))
    for (const node of ['node-1', 'node-2']) cpSync(join(elsewhere, node), join(directory, node), { recursive: true })
    await using cluster = await openCluster(directory)
    await inSync(cluster)
    expect((await cluster.admin.describeTopic('t')).partitions[0]).toMatchObject({ endOffset: 1, replicas: [0, 1, 2] })
  })

  test.each(['damaged', 'gone'])(
    'has voters that say so: one whose metadata is %s, until it is caught up',
    { timeout: 60_000 },
    async (how) => {
      const directory = await threeNodes()
      const metadata = join(directory, 'node-1', '__cluster_metadata-0.0')
      const file = join(metadata, '00000000000000000000.log')
      const log = readFileSync(file)
      if (how === 'gone') rmSync(join(directory, 'node-1'), { recursive: true })
      else writeFileSync(file, log.fill(log[150]! ^ 1, 150, 151))
      expect(doubtfulVoters(directory)).toEqual([1])
      {
        await using cluster = await openCluster(directory)
        await inSync(cluster)
        expect((await cluster.admin.describeTopic('t')).partitions[0]).toMatchObject({ endOffset: 1, replicas: [0, 1, 2] })
        await expect.poll(() => readdirSync(metadata)).not.toContain('quorum-doubt')
      }
      expect(doubtfulVoters(directory)).toEqual([])
      await using cluster = await openCluster(directory)
      expect(await cluster.admin.listTopics()).toEqual(['t'])
    },
  )

  test('is known by its partitions, too, where it was not written down that it was open', async () => {
    const directory = temporaryDirectory()
    {
      await using cluster = await openCluster(directory, { nodes: 4 })
      await cluster.admin.createTopic('t', { partitions: 4 })
      await using producer = cluster.producer({ value: string })
      await producer.send([0, 1, 2, 3].map((partition) => ({ topic: 't', partition, value: 'x' })))
    }
    changeIdentity(directory, { opened: undefined })
    for (const node of [0, 1, 2]) rmSync(join(directory, `node-${node}`), { recursive: true })
    expect((await failureOf(() => openCluster(directory))).message).toMatch(/is no new cluster/)
  })
})

test('a cluster that a crash has kept from its first opening, wherever it was, is opened the next time', async () => {
  const directory = temporaryDirectory()
  await (await openCluster(directory)).close()
  changeIdentity(directory, { opened: false })
  const [broker, metadata] = ['node-0/__broker-0.0', 'node-0/__cluster_metadata-0.0']
  for (const missing of [[], [broker], [metadata], [broker, metadata], ['node-0']]) {
    for (const name of missing) rmSync(join(directory, name), { recursive: true })
    await (await openCluster(directory)).close()
    expect(JSON.parse(readFileSync(join(directory, 'odradek.json'), 'utf8'))).toMatchObject({ opened: true })
    changeIdentity(directory, { opened: false })
  }
})

describe('a cluster that is opened with more nodes', () => {
  test('has them: new topics are spread over them, and old partitions can be moved to them', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory()
    {
      await using cluster = await openCluster(directory)
      await cluster.admin.createTopic('old')
      await using producer = cluster.producer({ value: string })
      await producer.send([1, 2, 3].map((n) => ({ topic: 'old', value: `value ${n}` })))
    }
    {
      await using cluster = await openCluster(directory, { nodes: 3 })
      expect((await cluster.admin.describeCluster()).nodes.map(({ node, fenced }) => [node, fenced])).toEqual([
        [0, false],
        [1, false],
        [2, false],
      ])
      await cluster.admin.createTopic('new')
      expect((await cluster.admin.describeTopic('new')).partitions[0]?.replicas.toSorted()).toEqual([0, 1, 2])
      expect((await cluster.admin.describeTopic('old')).partitions[0]?.replicas).toEqual([0])
      await cluster.admin.reassign('old', 0, [2, 1])
      await expect.poll(async () => (await cluster.admin.describeTopic('old')).partitions[0]?.isr.toSorted()).toEqual([1, 2])
      await inSync(cluster)
    }
    await using cluster = await openCluster(directory)
    expect((await cluster.admin.describeCluster()).nodes).toHaveLength(3)
    await using consumer = cluster.consumer({ value: string })
    consumer.assign([{ topic: 'old', partition: 0 }])
    expect((await take(consumer, 3)).map(({ value }) => value)).toEqual(['value 1', 'value 2', 'value 3'])
  })

  test('is as it was where one of them cannot be had, and so are the directories that were to be theirs', async () => {
    const [directory, other] = [await threeNodes(), await threeNodes()]
    const [first, second] = [temporaryDirectory(), temporaryDirectory()]
    const [third, fourth, fifth] = [3, 4, 5].map((node) => join(directory, `node-${node}`)) as [string, string, string]
    const link = (to: string, from: string): void => (rmSync(from, { force: true }), symlinkSync(to, from))
    link(first, third)
    const refusals: [target: string, message: RegExp][] = [
      [first, /node-3 and \S+node-5 are both \S+: each node needs a directory of its own/],
      [join(directory, 'nowhere'), /node-5 is a link to .*nowhere, which is not there/],
      [join(other, 'node-1'), /belongs to cluster/],
      [join(directory, 'odradek.json'), /is not a directory/],
    ]
    for (const [target, message] of refusals) {
      link(target, fifth)
      const before = [directory, first].map(treeOf)
      const error = await failureOf(() => openCluster(directory, { nodes: 6 }))
      expect([error.name, error.message]).toEqual(['FOREIGN_DIRECTORY', expect.stringMatching(message)])
      expect([directory, first].map(treeOf)).toEqual(before)
    }
    // The obvious correction helps, whichever of the two it is that gets another directory.
    link(second, third)
    link(first, fifth)
    await using cluster = await openCluster(directory, { nodes: 6 })
    await inSync(cluster)
    const claimed = [second, fourth, first].map((node) => JSON.parse(readFileSync(join(node, 'node.json'), 'utf8')) as unknown)
    expect(claimed).toEqual([3, 4, 5].map((node) => ({ clusterId: clusterIdOf(directory), node })))
  })

  test('never loses nodes: fewer are refused', async () => {
    const directory = await threeNodes()
    const error = await failureOf(() => openCluster(directory, { nodes: 2 }))
    expect(error.name).toBe('INVALID_OPTION')
    expect(error.message).toMatch(/3 node\(s\), and 2 would leave replicas behind/)
  })
})
