/**
 * Runs the witness of a mutant: the one test that must be red with the mutant in the code. In a process of its own, which never gets rid of a mutant.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { WITNESSES } from './witnesses.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** A test that takes longer goes round in circles. */
const WITNESS_MILLIS_MAX = 120_000

/** Whether the witness of a mutant is red with it; false if it has none, or does not come to an end. */
export async function isNoticed(id: string): Promise<boolean> {
  const witness = WITNESSES[id]
  if (witness === undefined) return false
  const [file, name] = witness
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.mutant.config.ts']
  const args = [...vitest, `test/${file}.test.ts`, '-t', name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)]
  const env = { ...process.env, MUTANT: id, NO_COLOR: '1' }
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env, timeout: WITNESS_MILLIS_MAX }).catch(
    (error: { readonly stdout: string }) => error,
  )
  return /Tests .*[1-9]\d* failed/.test(stdout)
}
