/**
 * `npm run bench` as a program sees it, with tiny amounts of work: one JSON object of the agreed form, the agreed names, and nothing left behind.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { questions } from '../../bench/questions.ts'

/** The names that others read. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  ring: ['ring-100B', 'ring-16KiB', 'message-port-100B'],
  produce: ['os', 'commit', 'promise-os', 'one-by-one-os', 'one-by-one-commit'],
  consume: ['records', 'batches'],
  latency: ['p50', 'p99', 'p999'],
  start: ['memory', 'directory'],
  memory: ['rss'],
  recovery: ['open'],
  partitions: ['1', '100', '1000', '10000'],
  records: ['1M', '10M', '100M'],
  simulator: ['speed', 'events'],
  'replicated-produce': ['os', 'commit'],
  'replicated-latency': ['p50', 'p99'],
  'replicated-memory': ['rss'],
  failover: ['gap-p50', 'gap-p99', 'hang'],
  'catch-up': ['catch-up'],
  'cluster-size': ['idle-3', 'idle-100', 'messages-3', 'messages-100', 'memory-3', 'memory-100'],
  rebalance: ['rebalance', 'paused'],
  groups: ['rss', 'load'],
  quota: ['error'],
  idempotence: ['ratio', 'idempotent', 'plain'],
  transaction: ['p50', 'p99'],
  'exactly-once': ['ratio', 'rate', 'at-least-once'],
  compaction: ['rate', 'serving-p99-ratio'],
}

/** Those that are really run here; the others take too many processes for a test. */
const RUN: readonly (readonly [name: string, unit: string])[] = [
  ['ring', 'messages/s'],
  ['consume', 'records/s'],
  ['latency', 'µs'],
  ['recovery', 'ms'],
  ['replicated-produce', 'records/s'],
  ['replicated-latency', 'µs'],
  ['failover', 'ms'],
  ['catch-up', 'MB/s'],
  ['quota', '%'],
  ['transaction', 'µs'],
]

const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url))
let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'odradek-bench-test-'))
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('a question', () => {
  test.each(RUN)('%s is answered by one JSON object (%s), and leaves nothing behind', async (name, unit) => {
    const stdout = await bench(name, '--json', '--runs', '1', '--quick', '--scale', '0.001')
    const answer = JSON.parse(stdout) as { readonly question: string; readonly conditions: object; readonly results: readonly object[] }
    expect(Object.keys(answer)).toEqual(['question', 'conditions', 'results'])
    expect(answer.question).toBe(name)
    expect(answer.conditions).toMatchObject({ cpu: expect.any(String), cores: expect.any(Number), node: process.versions.node, runs: 1 })
    expect(answer.results).toEqual((NAMES[name] ?? []).map((result) => shapeOf(result, unit)))
    expect(readdirSync(directory)).toEqual([])
  })

  test('may be answered in more than one unit', async () => {
    const answer = JSON.parse(await bench('cluster-size', '--json', '--runs', '1', '--scale', '0.001')) as { readonly results: object[] }
    const units = ['messages/s', 'messages/s', 'messages/s', 'messages/s', 'kB', 'kB']
    expect(answer.results).toEqual((NAMES['cluster-size'] ?? []).map((result, i) => shapeOf(result, units[i] ?? '')))
  })

  test('has results by the agreed names, and goals about them', () => {
    for (const { name, results, goals } of questions) {
      expect(results).toEqual(NAMES[name])
      for (const goal of goals) if (goal.kind !== 'flat') expect(results).toContain(goal.result)
    }
  })

  test('that nobody knows is refused with the names of all', async () => {
    await expect(bench('nonsense')).rejects.toThrow(/Allowed choices are ring, produce/)
  })
})

async function bench(...parameters: string[]): Promise<string> {
  const env = { ...process.env, ODRADEK_TEMPORARY_DIRECTORY: directory }
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...parameters], { env, encoding: 'utf8' })
  return stdout
}

function shapeOf(name: string, unit: string): object {
  const number: unknown = expect.any(Number)
  return { name, unit, runs: 1, min: number, median: number, max: number }
}
