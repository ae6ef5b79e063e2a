/**
 * `npm run profile -- QUESTION [options of bench]`: asks a question of the benchmark once, with V8's profiler in each of its threads, and says where their time went. The figures
 * themselves are a little lower than without.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { linesOf, summarise } from './profile-summary.ts'
import type { CpuProfile } from './profile-summary.ts'

/** The largest parts of each thread. */
const PARTS = 12

/** Threads that did next to nothing are left out. */
const SECONDS_MIN = 0.05

const ROOT = new URL('..', import.meta.url).href
const directory = mkdtempSync(join(tmpdir(), 'odradek-profile-'))
try {
  const program = fileURLToPath(new URL('main.ts', import.meta.url))
  const flags = ['--cpu-prof', `--cpu-prof-dir=${directory}`]
  const { status } = spawnSync(process.execPath, [...flags, program, '--runs', '1', ...process.argv.slice(2)], { stdio: 'inherit' })
  process.exitCode = status ?? 1
  const profiles = readdirSync(directory).map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')) as CpuProfile)
  const summaries = profiles.map((profile) => summarise(profile, ROOT)).filter(({ seconds, busy }) => seconds * busy >= SECONDS_MIN)
  for (const summary of summaries) console.log(`\n${linesOf(summary, PARTS).join('\n')}`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
