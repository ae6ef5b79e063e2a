// The command line of the simulator, as a person uses it: what it runs, what it refuses, and what a program reads.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const directory = mkdtempSync(join(tmpdir(), 'odradek-simulate-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function simulate(...parameters: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['simulation/main.ts', ...parameters], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

describe('npm run simulate', { timeout: 120_000 }, () => {
  test('alone goes on from seed to seed until one is broken', async () => {
    const { code, stdout } = await simulate('--mutant', 'C1', '--no-shrink')
    expect(code).toBe(1)
    expect(stdout).toMatch(/npm run simulate -- --seed \d+ --until-fail --time 10s --small --mutant C1\n/)
    expect(stdout).toContain('DUP at ')
    expect(stdout).toContain('(the promise: each record is in the log once)')
  })

  test('in small says how the same run comes again', async () => {
    const { code, stdout } = await simulate('--small', '--mutant', 'C1', '--seed', '1', '--runs', '40', '--until-fail')
    expect(code).toBe(1)
    const [, replay = ''] = /The least of seed \d+ [^]*\n {2}npm run simulate -- (.+) --trace trace.txt/.exec(stdout) ?? []
    expect(replay).toMatch(/^--seed \d+ --small --mutant C1 --keep /)
    const again = await simulate(...replay.split(' '))
    expect([again.code, again.stdout]).toEqual([1, expect.stringContaining('DUP at ')])
  })

  test('says what few seeds without a broken promise prove', async () => {
    const { code, stdout } = await simulate('--seed', '3', '--seconds', '2')
    expect(code).toBe(0)
    expect(stdout).toMatch(/npm run simulate -- --seed 3 --runs 1 --seconds 2\n/)
    expect(stdout).toContain('Nothing is broken: in 1 run')
    expect(stdout).toContain('So few seeds prove little')
  })

  test('explains to a program, too', async () => {
    const { code, stdout } = await simulate('--mutant', 'C1', '--seed', '1', '--json', '--explain')
    const { violations, least } = JSON.parse(stdout) as { violations: unknown[]; least: { seed: number; keep: string; story: string[] } }
    expect(code).toBe(1)
    expect(violations).toMatchObject([{ code: 'DUP', seed: 1 }])
    expect(least).toMatchObject({ seed: 1, keep: expect.stringContaining('seconds=') })
    expect(least.story.length).toBeGreaterThan(3)
  })

  test('ends at the last seed that there is', async () => {
    const { code, stdout } = await simulate('--seed', `${Number.MAX_SAFE_INTEGER - 1}`, '--runs', '2', '--seconds', '1', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ seeds: 2 })
  })
})

describe('npm run simulate refuses', () => {
  test.each([
    [['--seed', `${Number.MAX_SAFE_INTEGER - 1}`, '--runs', '3'], '--runs is a whole number from 1 to 2'],
    [['--trace', 'x.txt', '--runs', '3'], '--trace runs one seed'],
    [['--keep', 'seconds=2', '--until-fail'], '--keep runs one seed'],
    [['--quorum', '--mutant', 'A3'], 'mutant A3 is not met by the metadata quorum in small'],
    [['--quorum', '--keep', 'seconds=2'], 'the quorum in small is not made smaller'],
    [['--quorum', '--timeline', 'x.html'], 'the quorum in small has no timeline'],
    [['--quorum', '--small'], 'the quorum in small is no cluster'],
    [['--explain', '--no-shrink'], 'leave out --no-shrink'],
    [['--trace', join(directory, 'absent', 'trace.txt')], 'cannot be written'],
    [['--timeline', join(directory, 'absent', 'page.html')], 'cannot be written'],
    [['--state', join(directory, 'absent', 'state.json'), '--runs', '2'], 'cannot be written'],
    [['--trace', directory], 'it is a directory'],
  ])('%j', async (parameters, what) => {
    const { code, stdout, stderr } = await simulate(...parameters)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(what)
  })
})
