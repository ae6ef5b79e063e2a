// Where the time of a question goes: what counts as work, whose thread it is, and the command that says so.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { linesOf, summarise } from '../../bench/profile-summary.ts'
import type { CpuProfile } from '../../bench/profile-summary.ts'

const ROOT = 'file:///project/'

/** A profile in which each function, by module and name, was seen for so many microseconds. */
function profileOf(functions: readonly (readonly [module: string, name: string, micros: number])[]): CpuProfile {
  const nodes = functions.map(([module, functionName], id) => ({
    id,
    callFrame: { functionName, url: module === '' ? '' : `${ROOT}${module}.ts`, lineNumber: 1 },
  }))
  return { nodes, samples: nodes.map(({ id }) => id), timeDeltas: functions.map(([, , micros]) => micros) }
}

describe('the summary of a profile', () => {
  test('has the parts of the work, the largest first, and leaves out what is none', () => {
    const profile = profileOf([
      ['', '(idle)', 500_000],
      ['runtime/doorbell', 'waitBlocking', 200_000],
      ['actors/replica', 'receive', 75_000],
      ['', 'writeBuffer', 225_000],
    ])
    expect(summarise(profile, ROOT)).toEqual({
      thread: 'caller',
      seconds: 1,
      busy: 0.3,
      parts: [
        { what: 'writeBuffer', share: 0.75 },
        { what: 'actors/replica receive', share: 0.25 },
      ],
    })
  })

  test('adds up what was called in several ways', () => {
    const twice = profileOf([
      ['protocol/crc32c', 'crc32cOf', 10],
      ['protocol/crc32c', 'crc32cOf', 30],
    ])
    expect(summarise(twice, ROOT).parts).toEqual([{ what: 'protocol/crc32c crc32cOf', share: 1 }])
  })

  test.each([
    ['runtime/worker', 'run', 'node'],
    ['runtime/job-worker', 'compact', 'job'],
    ['bench/latency-pacer', 'pace', 'pacer'],
    ['bench/latency-pacer', 'nowNanos', 'caller'],
  ])('knows a thread by what it runs: %s %s', (module, name, thread) => {
    expect(summarise(profileOf([[module, name, 10]]), ROOT).thread).toBe(thread)
  })

  test('of a thread that never did anything is empty', () => {
    expect(summarise(profileOf([]), ROOT)).toMatchObject({ busy: 0, parts: [] })
  })

  test('says as lines as much as one wants to read', () => {
    const profile = profileOf([
      ['', '(idle)', 1_000_000],
      ['', 'fdatasync', 600_000],
      ['', 'writeBuffer', 400_000],
    ])
    expect(linesOf(summarise(profile, ROOT), 1)).toEqual(['caller: 2.0 s, works 50.0 % of it, there', '  60.0 %  fdatasync'])
  })
})

test('npm run profile asks the question, and tells of the threads of all its processes', async () => {
  const program = fileURLToPath(new URL('../../bench/profile.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'consume', '--json', '--scale', '0.02'])
  expect(stdout).toMatch(/^\{"question":"consume"/)
  expect(stdout).toMatch(/\nnode: [\d.]+ s, works [\d.]+ % of it, there\n +[\d.]+ % {2}\S/)
  expect(stdout).toMatch(/\ncaller: (?:.*\n)+.*edge\/client/)
})
