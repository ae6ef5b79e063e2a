// What a command says and does while what it waits for does not come.
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Interrupted, movesNews, offlineNews, untilInterrupted, withNews } from '../../../edge/cli/waiting.ts'
import { open } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'

const main = fileURLToPath(new URL('../../../edge/cli/main.ts', import.meta.url))

afterEach(() => vi.restoreAllMocks())

describe('a wait', () => {
  test('ends with what comes of it, or with the signal, whichever is first', async () => {
    const controller = new AbortController()
    expect(await untilInterrupted(controller.signal, () => Promise.resolve(1))).toBe(1)
    const failing = untilInterrupted(controller.signal, () => Promise.reject(new Error('failed')))
    await expect(failing).rejects.toThrow('failed')
    const given = untilInterrupted(controller.signal, () => sleep(60_000, undefined, { ref: false }))
    controller.abort()
    await expect(given).rejects.toBeInstanceOf(Interrupted)
    const work = vi.fn<() => Promise<void>>()
    await expect(untilInterrupted(controller.signal, work)).rejects.toBeInstanceOf(Interrupted)
    expect(work).not.toHaveBeenCalled()
  })

  test('that is short, or that nothing is known of, says nothing', async () => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    expect(
      await withNews(
        () => Promise.resolve('news'),
        () => Promise.resolve(1),
      ),
    ).toBe(1)
    await withNews(
      () => Promise.resolve(null),
      () => sleep(50),
      1,
    )
    await withNews(
      () => Promise.reject(new Error('nobody answers')),
      () => sleep(50),
      1,
    )
    expect(said).not.toHaveBeenCalled()
    await withNews(
      () => Promise.resolve('news'),
      () => sleep(50),
      1,
    )
    expect(said.mock.calls).toEqual([['news\n']])
  })
})

test('what keeps a command is what is offline, and what moves', async () => {
  const partitions = Array.from({ length: 12 }, (_, partition) => ({ topic: 't', partition }))
  const cluster = (moves: readonly unknown[], offline: readonly unknown[]): Cluster =>
    ({
      admin: { listReassignments: () => Promise.resolve(moves), describeCluster: () => Promise.resolve({ offline }) },
    }) as unknown as Cluster
  expect(await offlineNews(cluster([], []))()).toBeNull()
  expect(await offlineNews(cluster([], partitions), ({ partition }) => partition < 2)()).toBe('Still waiting; offline: t-0 t-1')
  expect(await movesNews(cluster([], []))()).toBeNull()
  expect(await movesNews(cluster(partitions, [{ topic: 'u', partition: 1 }]))()).toBe(
    'Still waiting; 12 partitions left to move: t-0 t-1 t-2 t-3 t-4 t-5 t-6 t-7 t-8 t-9 and 2 more; offline: u-1',
  )
  expect(await movesNews(cluster([], partitions.slice(0, 1)))()).toBe('Still waiting; offline: t-0')
})

test('a command that waits for a partition that is offline says so, and Ctrl-C ends it', { timeout: 60_000 }, async () => {
  const parent = mkdtempSync(join(tmpdir(), 'odradek-cli-'))
  try {
    const directory = join(parent, 'data')
    const lost = await loseOne(directory)
    const offline = `Still waiting; offline: ${lost}\n`
    expect(await interrupt(directory, 'consume', 't')).toEqual({
      code: 130,
      stdout: '',
      stderr: expect.stringContaining(offline) as string,
    })
    // What was given to a producer is finished, unless somebody insists.
    const { child, result } = run(directory, 'produce', 't', '--json')
    child.stdin.end(JSON.stringify({ value: 'x', partition: Number(lost.slice(2)) }))
    child.stderr.on('data', () => child.kill('SIGINT'))
    expect(await result).toMatchObject({ code: 130, stderr: `${offline}Still finishing what has begun. Ctrl-C once more does not wait.\n` })
    const drained = await interrupt(directory, 'nodes', 'drain', '2', '--json')
    expect(drained.code).toBe(130)
    expect(drained.stderr).toContain(`Still waiting; 1 partition left to move: ${lost}; offline: ${lost}\nNot everything has moved.`)
    expect(JSON.parse(drained.stdout)).toMatchObject({ offlinePartitions: 1 })
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
})

/** One of three partitions loses its only disk. */
async function loseOne(directory: string): Promise<string> {
  await using cluster = await open(directory, { nodes: 3 })
  await cluster.admin.createTopic('t', { partitions: 3, replicationFactor: 1 })
  const { partitions } = await cluster.admin.describeTopic('t')
  await cluster.close()
  rmSync(join(directory, 'node-2'), { recursive: true })
  return `t-${partitions.find(({ replicas }) => replicas[0] === 2)?.partition}`
}

interface Result {
  readonly code: unknown
  readonly stdout: string
  readonly stderr: string
}

/** What a command has said when it was interrupted at its first words. */
function interrupt(directory: string, ...parameters: string[]): Promise<Result> {
  const { child, result } = run(directory, ...parameters)
  child.stderr.once('data', () => child.kill('SIGINT'))
  return result
}

function run(directory: string, ...parameters: string[]): { child: ChildProcessWithoutNullStreams; result: Promise<Result> } {
  const child = spawn(process.execPath, [main, '-d', directory, ...parameters])
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return { child, result: once(child, 'close').then(([code]: unknown[]) => ({ code, stdout, stderr })) }
}
