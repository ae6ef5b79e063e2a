// A fleet: who runs which seed, what is run twice, what is kept when it is put away, and when it proves too little.

import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { Dispatch, isGuarded } from '../../simulation/dispatch.ts'
import type { DispatchOptions } from '../../simulation/dispatch.ts'
import { FAULT_KINDS, mapKinds } from '../../simulation/faults.ts'
import { progressLine } from '../../simulation/progress.ts'
import { describeReport, exitCodeOf, reportOf } from '../../simulation/report.ts'
import { runSeed } from '../../simulation/run.ts'
import type { RunResult } from '../../simulation/run.ts'
import { runSession } from '../../simulation/session.ts'
import type { SessionOptions } from '../../simulation/session.ts'
import { loadFleet } from '../../simulation/state-file.ts'
import { addResult, newTotals } from '../../simulation/totals.ts'
import type { Totals } from '../../simulation/totals.ts'

const sample = runSeed(1, { seconds: 1, quiet: true })

function dispatch(options: Partial<DispatchOptions>): Dispatch {
  return new Dispatch({ firstSeed: 1, runs: 3, workers: 2, untilFail: false, isGuarded: true, ...options })
}

function ran(seed: number, hash = `hash of ${seed}`): RunResult {
  return { ...sample, seed, hash }
}

/** The first seed of `count` in a row of which none is run twice in any fleet. */
function firstOfLonely(count: number): number {
  for (let first = 1; ; first++) if (!Array.from({ length: count }, (_, i) => first + i).some(isGuarded)) return first
}

describe('the seeds of a fleet', () => {
  test('are handed out in order, and each worker hears when all are done', () => {
    const desk = dispatch({ isGuarded: false })
    expect([desk.next(0), desk.next(1)]).toEqual([1, 2])
    expect(desk.done(1, ran(2))).toEqual({ result: ran(2), isRepeated: false })
    expect(desk.next(1)).toBe(3)
    desk.done(0, ran(1))
    expect(desk.next(0)).toBe('wait')
    desk.done(1, ran(3))
    expect([desk.next(0), desk.next(1)]).toEqual([null, null])
  })

  test('are run twice by another worker, if there is one: about one in twenty, and one at least', () => {
    const firstSeed = firstOfLonely(3)
    const desk = dispatch({ firstSeed })
    expect([desk.next(0), desk.next(1)]).toEqual([firstSeed, firstSeed + 1])
    expect(desk.done(0, ran(firstSeed))).toBeNull()
    expect(desk.next(0)).toBe(firstSeed + 2)
    desk.done(1, ran(firstSeed + 1))
    expect(desk.next(1)).toBe(firstSeed)
    expect(desk.done(1, ran(firstSeed))).toEqual({ result: ran(firstSeed), isRepeated: true })
    const share = Array.from({ length: 20_000 }, (_, i) => i + 1).filter(isGuarded).length / 20_000
    expect(share).toBeGreaterThan(0.045)
    expect(share).toBeLessThan(0.055)
  })

  test('that are another run the second time are reported', () => {
    const firstSeed = firstOfLonely(1)
    const desk = dispatch({ firstSeed, runs: 1, workers: 1 })
    desk.next(0)
    expect(desk.done(0, ran(firstSeed, 'a'))).toBeNull()
    expect(desk.next(0)).toBe(firstSeed)
    const finished = desk.done(0, ran(firstSeed, 'b'))
    expect(finished?.result.violation).toMatchObject({ code: 'DET', message: expect.stringContaining('its hash is b') as string })
    expect(desk.next(0)).toBeNull()
  })

  test('are no longer handed out when one is broken, or somebody says so; what is to be compared still is', () => {
    const desk = dispatch({ firstSeed: firstOfLonely(3), untilFail: true, workers: 1 })
    const seed = desk.next(0) as number
    expect(desk.done(0, { ...ran(seed), violation: { code: 'LOST', message: '', atMicros: 0 } })).toBeNull()
    expect(desk.next(0)).toBe(seed)
    desk.done(0, ran(seed))
    expect(desk.next(0)).toBeNull()
  })

  test('show an actor that remembers other runs', async () => {
    const program = fileURLToPath(new URL('forgetless.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [program])
    expect(stdout).toBe('DET\n')
  })
})

describe('a fleet that is put away', () => {
  const directory = mkdtempSync(join(tmpdir(), 'odradek-fleet-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const fleet = { firstSeed: 1, runs: 5, workers: 1, untilFail: false, isGuarded: true, mutant: null, isQuorum: true, plan: {} }
  const identity = { commit: 'abc', runs: 5 }
  const session = (options: Partial<SessionOptions>): ReturnType<typeof runSession> =>
    runSession({ fleet, stateFile: null, identity, timeMillis: null, show: null, ...options })

  test('goes on where it was, and comes to the same', async () => {
    const stateFile = join(directory, 'goes-on')
    let sessions = 0
    for (let seeds = 0; seeds < 5; sessions++) {
      const { totals } = await session({ stateFile, timeMillis: sessions < 2 ? 1 : null })
      expect(totals.seeds).toBeGreaterThan(seeds)
      seeds = totals.seeds
    }
    expect(sessions).toBeGreaterThan(1)
    const whole = await session({})
    expect(whole.totals).toMatchObject(loadFleet(stateFile, identity)!.totals)
    expect(readdirSync(directory)).toEqual(['goes-on'])
  })

  test('is refused for other code, with other options, and when it is none', async () => {
    const stateFile = join(directory, 'refused')
    await session({ stateFile, timeMillis: 1 })
    await expect(session({ stateFile, identity: { ...identity, commit: 'def' } })).rejects.toThrow(
      /refused is of another fleet: its commit is abc, and now it would be def/,
    )
    await expect(session({ stateFile, identity: { ...identity, mutant: 'A1' } })).rejects.toThrow(
      /its mutant is none, and now it would be A1/,
    )
    writeFileSync(stateFile, readFileSync(stateFile, 'utf8').slice(0, 100))
    await expect(session({ stateFile })).rejects.toThrow(/refused is no state of a fleet/)
  })

  test('is written by one process at a time, however the one before has ended', async () => {
    const stateFile = join(directory, 'held')
    writeFileSync(`${stateFile}.lock`, `${process.pid}`)
    await expect(session({ stateFile, timeMillis: 1 })).rejects.toThrow(
      `held is being written by process ${process.pid}: wait for it, or name another file`,
    )
    // No process has such a number.
    writeFileSync(`${stateFile}.lock`, `${2 ** 30}`)
    await session({ stateFile, timeMillis: 1 })
    expect([existsSync(stateFile), existsSync(`${stateFile}.lock`)]).toEqual([true, false])
  })
})

describe('a report', () => {
  function totals(seeds: number, change: Partial<Totals> = {}): Totals {
    const sums = newTotals()
    for (const counts of [sums.anomalies, sums.transactions, sums.readers])
      for (const kind of Object.keys(counts)) Object.assign(counts, { [kind]: 1 })
    return { ...sums, seeds, faults: mapKinds(() => 1), ...change }
  }
  const context = { commit: 'abc', realSeconds: 1, isWhole: true }

  test('of 200 seeds in which a kind of fault never struck names it, and fails', () => {
    for (const kind of FAULT_KINDS) {
      const report = reportOf(totals(200, { faults: { ...mapKinds(() => 1), [kind]: 0 } }), context)
      expect(report.unseen).toEqual([kind])
      expect(describeReport(report)).toContain(`never struck: ${kind}.`)
      expect(exitCodeOf(report, true)).toBe(1)
    }
  })

  test('of less, or of something else than the product, has nothing to say about that', () => {
    const faults = mapKinds(() => 0)
    expect(reportOf(totals(200), context).unseen).toEqual([])
    expect([false, true].map((isInterrupted) => exitCodeOf(reportOf(totals(200), context), isInterrupted))).toEqual([0, 130])
    expect(reportOf(totals(199, { faults }), context).unseen).toEqual([])
    expect(reportOf(totals(200, { faults }), { ...context, isWhole: false }).unseen).toEqual([])
  })

  test('keeps no more violations than anybody reads, and counts all', () => {
    const sums = newTotals()
    for (let seed = 1; seed <= 1100; seed++)
      addResult(sums, { ...ran(seed), violation: { code: 'LOST', message: 'x', atMicros: 1 } }, false)
    expect([sums.violations.length, sums.violationCount]).toEqual([1000, 1100])
  })
})

describe('the line of progress', () => {
  test('says how far, how fast, what has struck and what is broken', () => {
    const sums: Totals = { ...newTotals(), seeds: 50, virtualSeconds: 7200, faults: { ...mapKinds(() => 0), kill: 3 } }
    const pace = { runs: 100, seedsBefore: 20, millis: 60_000, timeMillis: null }
    const many = FAULT_KINDS.length
    expect(progressLine(sums, pace)).toBe(
      `██████████░░░░░░░░░░ · 50 of 100 seeds · 30/min · 2 h virtual · 1 of ${many} faults · 0 % covered · nothing broken`,
    )
    sums.violations.push({ seed: 7, code: 'LOST', message: 'x', atSeconds: 1 })
    const endless = { ...pace, runs: Number.MAX_SAFE_INTEGER }
    expect(progressLine(sums, endless)).toBe(`50 seeds · 30/min · 2 h virtual · 1 of ${many} faults · 0 % covered · LOST with seed 7`)
    expect(progressLine(sums, { ...endless, timeMillis: 240_000 })).toMatch(/^█████░{15} · 50 seeds/)
  })
})
