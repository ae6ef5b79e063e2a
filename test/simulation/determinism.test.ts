import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { runSeed } from '../../simulation/run.ts'

const main = fileURLToPath(new URL('../../simulation/main.ts', import.meta.url))

describe('a run', () => {
  test.each([1, 2, 3])('from seed %i is the same run every time', (seed) => {
    const first = runSeed(seed, { seconds: 20 })
    expect(runSeed(seed, { seconds: 20 })).toEqual(first)
    expect(first.violation).toBeNull()
  })

  test('writes the same transcript every time, and writing it changes nothing', () => {
    const lines: [string[], string[]] = [[], []]
    const hashes = lines.map((to) => runSeed(4, { seconds: 5 }, (line) => to.push(line)).hash)
    expect(lines[0]).toEqual(lines[1])
    expect(lines[0].length).toBeGreaterThan(100)
    expect(new Set([...hashes, runSeed(4, { seconds: 5 }).hash]).size).toBe(1)
  })

  test('differs from seed to seed', () => {
    expect(new Set([1, 2, 3, 4].map((seed) => runSeed(seed, { seconds: 2 }).hash)).size).toBe(4)
  })

  test('does not let ambient time and chance in, and gives them back afterwards', () => {
    expect(() => runSeed(1, { seconds: 1 }, () => Date.now())).toThrow(/Date\.now in a simulation/)
    expect(() => runSeed(1, { seconds: 1 }, () => crypto.randomUUID())).toThrow(/randomUUID in a simulation/)
    expect(Date.now()).toBeGreaterThan(0)
    expect(crypto.randomUUID()).toHaveLength(36)
  })
})

describe('a fleet', () => {
  test('has the same hash with one worker and with two', async () => {
    const [one, two] = await Promise.all([simulate('--workers', '1'), simulate('--workers', '2')])
    expect(two['hash']).toBe(one['hash'])
    expect(two['faults']).toEqual(one['faults'])
    expect(one['violations']).toEqual([])
    expect(one['seeds']).toBe(6)
  })
})

async function simulate(...args: string[]): Promise<Record<string, unknown>> {
  const child = fork(main, ['--seed', '11', '--runs', '6', '--seconds', '10', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  let text = ''
  child.stdout?.on('data', (part: Buffer) => (text += part.toString()))
  await new Promise((resolve) => child.on('close', resolve))
  return JSON.parse(text) as Record<string, unknown>
}
