import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Figures } from '../../simulation/mutants/figures.ts'
import { searchTogether } from '../../simulation/mutants/search.ts'
import { noteInCatalogue, noteInReadme, noteInTable } from '../../simulation/mutants/notes.ts'

const run = promisify(execFile)
const main = fileURLToPath(new URL('../../simulation/mutants/hunt.ts', import.meta.url))

const CATALOGUE = ['A1', 'A10']
  .map(
    (id) => `  {\n    id: '${id}',\n    edits: [\n      {\n        text: 'x',\n      },\n    ],\n    seed: 1,\n    seedsToFind: 1,\n  },\n`,
  )
  .join('')
const TABLE = '| id | known as | found as | seeds |\n|---|---|---|---|\n| A1 | one | DUP | 1 |\n| A10 | ten: A1 | LOST | 1 |\n'

describe('a hunt', () => {
  test('runs again what is noted: the seed, and the witness', { timeout: 60_000 }, async () => {
    const { stdout } = await run(process.execPath, [main, '--id', 'B15', '--witnesses', '--json'])
    expect(JSON.parse(stdout)).toEqual({
      total: 1,
      applicable: 1,
      witness: { found: 1, missed: [] },
      unaided: { found: 1, medianSeeds: 1, missed: [] },
      missed: [],
      rerun: { seeds: 1, witnesses: 1 },
      off: [],
    })
  })

  test('fails when it looks for something in vain, and names it', { timeout: 60_000 }, async () => {
    const missed = await run(process.execPath, [main, '--id', 'E16', '--from', '1', '--max', '1', '--json']).catch(
      (error: { code: number; stdout: string }) => error,
    )
    expect(missed).toMatchObject({ code: 1 })
    expect(JSON.parse(missed.stdout)).toMatchObject({
      witness: { found: 1 },
      unaided: { found: 0, medianSeeds: null, missed: ['E16'] },
      missed: [],
      off: ['E16'],
    })
  })

  test('for several at once says who of them broke which seed, and goes on without those', { timeout: 120_000 }, async () => {
    const told: string[] = []
    await searchTogether(['A36', 'HW', 'E11'], { firstSeed: 1, runs: 2, workers: 1 }, (seed, found) => {
      told.push(...found.map(({ id, seeds }) => `${id} ${seed} ${seeds}`))
    })
    expect(told).toEqual(['HW 1 1', 'E11 2 2'])
  })

  test('says what is noted, and runs nothing, when that is asked for', async () => {
    const { stdout } = await run(process.execPath, [main, '--noted', '--json'])
    const figures = JSON.parse(stdout) as Figures
    expect(figures).toMatchObject({ missed: [], rerun: { seeds: 0, witnesses: 0 } })
    expect(figures.applicable).toBeGreaterThan(150)
    expect(figures.total).toBeGreaterThan(figures.applicable)
    expect(figures.unaided.found + figures.unaided.missed.length).toBe(figures.applicable)
  })

  test('refuses what it does not know', async () => {
    await expect(run(process.execPath, [main, '--id', 'X1'])).rejects.toMatchObject({ code: 2, stderr: 'there is no mutant X1\n' })
  })
})

describe('what a hunt has found', () => {
  const found = [{ id: 'A1', code: 'LIVE', run: undefined, seed: 7, seeds: 5 }]

  test('is noted in the catalogue, at that mutant only', () => {
    const noted = CATALOGUE.replace('seed: 1,\n    seedsToFind: 1', 'seed: 7,\n    seedsToFind: 5')
    expect(noteInCatalogue(['', CATALOGUE], found)).toEqual(['', noted])
  })

  test('is noted with the kind of run that has found it', () => {
    const noted = CATALOGUE.replace('seed: 1,\n    seedsToFind: 1', "run: 'small',\n    seed: 7,\n    seedsToFind: 5")
    expect(noteInCatalogue([CATALOGUE], [{ ...found[0]!, run: 'small' }])).toEqual([noted])
    expect(noteInCatalogue([noted], found)).toEqual([CATALOGUE.replace('seed: 1,\n    seedsToFind: 1', 'seed: 7,\n    seedsToFind: 5')])
  })

  test('is noted in the table, at that mutant only', () => {
    expect(noteInTable(TABLE, found)).toBe(TABLE.replace('| DUP | 1 |', '| LIVE | 5 |'))
  })

  test('is noted in README', () => {
    expect(noteInReadme('# A\n\nOf 1 known bugs many.\nMore.\n', 'Of 2 known bugs all.')).toBe('# A\n\nOf 2 known bugs all.\nMore.\n')
    expect(() => noteInReadme('# A\n', 'Of 2 known bugs all.')).toThrow(/no place/)
  })

  test('is not lost silently', () => {
    expect(() => noteInCatalogue(['', ''], found)).toThrow(/no place/)
    expect(() => noteInTable('', found)).toThrow(/no place/)
  })
})
