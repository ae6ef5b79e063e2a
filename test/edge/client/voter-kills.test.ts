// A process that is killed while it adds voters leaves a directory that opens again, whatever had been written by then.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { open } from '../../../edge/client/index.ts'
import { openCluster, temporaryDirectory } from './support.ts'

/** Adds two voters at once, and is killed when the directory says something. */
const CHILD = `
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { open } from ${JSON.stringify(new URL('../../../edge/client/index.ts', import.meta.url).href)}
const [, , directory, when] = process.argv
const logOf = (node) => join(directory, 'node-' + node, '__cluster_metadata-0.0', '00000000000000000000.log')
const hasLog = (node) => existsSync(logOf(node)) && statSync(logOf(node)).size > 0
const votersOf = () => JSON.parse(readFileSync(join(directory, 'odradek.json'), 'utf8')).voters.length
const isTime = {
  'it is written down that they shall vote': () => true,
  'the first has begun to take the log': () => [1, 2].some(hasLog),
  'the second has begun to take the log': () => [1, 2].every(hasLog),
  'it is written down that one votes': () => votersOf() === 2,
  'it is written down that both vote': () => votersOf() === 3,
}[when]
const cluster = await open(directory)
async function add(node) {
  for (;;) {
    try {
      return await cluster.admin.addVoter(node)
    } catch (error) {
      if (error.name !== 'REASSIGNMENT_IN_PROGRESS') throw error
    }
  }
}
void add(1)
void add(2)
const look = () => (isTime() ? process.kill(process.pid, 'SIGKILL') : setImmediate(look))
look()`

interface Identity {
  readonly voters: readonly number[]
  readonly observers?: readonly number[]
}

function identityOf(directory: string): Identity {
  return JSON.parse(readFileSync(join(directory, 'odradek.json'), 'utf8')) as Identity
}

function changeIdentity(directory: string, change: Record<string, unknown>): void {
  writeFileSync(join(directory, 'odradek.json'), JSON.stringify({ ...identityOf(directory), ...change }))
}

/** Three nodes, of which the first votes, and a topic. */
const before = mkdtempSync(join(tmpdir(), 'odradek-test-'))
beforeAll(async () => {
  await (await open(before)).close()
  await using cluster = await open(before, { nodes: 3 })
  await cluster.admin.createTopic('t')
})
afterAll(() => rmSync(before, { recursive: true }))

function copyOf(directory: string): string {
  const copy = temporaryDirectory()
  cpSync(directory, copy, { recursive: true })
  return copy
}

function killed(when: string): string {
  const directory = copyOf(before)
  const program = join(temporaryDirectory(), 'child.mjs')
  writeFileSync(program, CHILD)
  const { signal, stderr } = spawnSync(process.execPath, [program, directory, when], { encoding: 'utf8' })
  expect([signal, stderr]).toEqual(['SIGKILL', ''])
  return directory
}

/** Opens it, has what was begun finished, and opens it again. */
async function expectWhole(directory: string): Promise<void> {
  {
    await using cluster = await openCluster(directory)
    const { voters, nodes } = await cluster.admin.describeCluster()
    expect(nodes.map(({ fenced }) => fenced)).toEqual([false, false, false])
    expect(voters[0]).toBe(0)
    expect(identityOf(directory).voters).toEqual(voters)
    expect(identityOf(directory).observers ?? []).toEqual([])
    expect(await cluster.admin.listTopics()).toEqual(['t'])
    for (const node of [1, 2]) if (!voters.includes(node)) await cluster.admin.addVoter(node)
    await cluster.admin.createTopic('u')
    expect(identityOf(directory).voters).toEqual([0, 1, 2])
  }
  await using cluster = await openCluster(directory)
  expect(await cluster.admin.listTopics()).toEqual(['t', 'u'])
  expect((await cluster.admin.describeCluster()).voters).toEqual([0, 1, 2])
}

describe('a cluster that was killed while it added two voters is opened again', () => {
  test.each([
    'it is written down that they shall vote',
    'the first has begun to take the log',
    'the second has begun to take the log',
    'it is written down that one votes',
    'it is written down that both vote',
  ])('after %s', { timeout: 60_000 }, async (when) => {
    await expectWhole(killed(when))
  })

  test.each([
    [[0], [1, 2]],
    [[0, 1], [2]],
  ])(
    'after both have come to vote, and before it was written down: %j vote, and %j may',
    { timeout: 60_000 },
    async (voters, observers) => {
      const directory = killed('it is written down that both vote')
      changeIdentity(directory, { voters, observers })
      await expectWhole(directory)
    },
  )

  test('after it was written by a version that did not tell them apart, where they vote', { timeout: 60_000 }, async () => {
    const directory = killed('it is written down that both vote')
    changeIdentity(directory, { observers: undefined })
    await expectWhole(directory)
  })
})

test('a node that is to vote and has no log founds no quorum, although it comes first', { timeout: 60_000 }, async () => {
  const directory = copyOf(before)
  {
    await using cluster = await openCluster(directory)
    await cluster.admin.addVoter(2)
    await cluster.admin.removeVoter(0)
    expect(identityOf(directory)).toMatchObject({ voters: [2], observers: [0] })
  }
  changeIdentity(directory, { observers: [0, 1] })
  expect(existsSync(join(directory, 'node-1', '__cluster_metadata-0.0'))).toBe(false)
  await using cluster = await openCluster(directory)
  expect(await cluster.admin.listTopics()).toEqual(['t'])
  expect(await cluster.admin.describeCluster()).toMatchObject({ controller: 2, voters: [2] })
  expect(identityOf(directory)).toMatchObject({ voters: [2], observers: [] })
})
