import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { mutants } from '../../simulation/mutants/catalogue.ts'
import { applyEdit } from '../../simulation/mutants/loader.ts'

const run = promisify(execFile)
const root = new URL('../../', import.meta.url)
const main = fileURLToPath(new URL('simulation/main.ts', root))

/** The slowest takes 20 s alone; others run beside it. */
const FIND_MILLIS_MAX = 180_000

/** Found by one of the first seeds, or in small, where runs take milliseconds. */
const quick = mutants.filter(({ seedsToFind, run: kind }) => seedsToFind > 0 && (seedsToFind <= 40 || kind !== undefined))

describe('a mutant', () => {
  test('is written for code that is there', () => {
    for (const { edits } of mutants) {
      for (const edit of edits) expect(applyEdit(readFileSync(new URL(edit.file, root), 'utf8'), edit)).not.toBe('')
    }
  })

  test('fails loudly when its text is gone', () => {
    expect(() => applyEdit('nothing', { file: 'a.ts', text: 'something', replacement: '' })).toThrow(/0 times, not once/)
    expect(() => applyEdit('x x', { file: 'a.ts', text: 'x', replacement: '' })).toThrow(/2 times, not once/)
  })

  test('has a name of its own, and there are enough that are found quickly', () => {
    expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length)
    expect(quick.length).toBeGreaterThanOrEqual(10)
  })

  test.concurrent.each(quick)(
    '$id is found: $title',
    async ({ id, seed }) => {
      const found = await run(process.execPath, [main, '--mutant', id, '--seed', String(seed), '--json'], {
        timeout: FIND_MILLIS_MAX,
      }).then(
        () => null,
        (error: { code: number; stdout: string }) => error,
      )
      expect(found?.code).toBe(1)
      expect(JSON.parse(found?.stdout ?? '{}')).toMatchObject({ violations: [{ seed }] })
    },
    FIND_MILLIS_MAX,
  )
})
