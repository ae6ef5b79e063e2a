/**
 * A long fleet that can be put away: what it came to so far, beside what it is a fleet of. The file is replaced as a whole, so that it is whole whenever the process ends.
 * Another commit or another command line is another fleet: it is refused, and says why.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { newTotals } from './totals.ts'
import type { Totals } from './totals.ts'

/** What a fleet is a fleet of: the code, and the options that decide about its runs. */
export type FleetIdentity = Readonly<Record<string, string | number | boolean | null>>

/** A fleet that was put away. */
export interface SavedFleet {
  readonly identity: FleetIdentity
  readonly firstSeed: number
  readonly realSeconds: number
  readonly totals: Totals
}

/** The commit of the working tree, with a plus if it was changed since. */
export function currentCommit(): string {
  try {
    return git('rev-parse', '--short', 'HEAD').trim() + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+')
  } catch {
    return 'unknown'
  }
}

/** The same, for a fleet that goes on later: two changed working trees are two programs. */
export function currentCode(): string {
  const commit = currentCommit()
  return commit.endsWith('+') ? commit + createHash('sha256').update(git('diff', 'HEAD')).digest('hex').slice(0, 8) : commit
}

/** Writes the file anew. */
export function saveFleet(path: string, fleet: SavedFleet): void {
  const fresh = `${path}.new`
  writeFileSync(fresh, `${JSON.stringify(fleet)}\n`)
  renameSync(fresh, path)
}

/** Takes the file for this process, until what it returns is called. Throws an Error if another process that lives has it. */
export function holdFile(path: string): () => void {
  const lock = `${path}.lock`
  try {
    writeFileSync(lock, `${process.pid}`, { flag: 'wx' })
  } catch {
    const holder = Number(readFileSync(lock, 'utf8'))
    if (isAlive(holder)) throw new Error(`${path} is being written by process ${holder}: wait for it, or name another file`)
    writeFileSync(lock, `${process.pid}`)
  }
  return () => rmSync(lock, { force: true })
}

function isAlive(holder: number): boolean {
  try {
    return holder > 0 && process.kill(holder, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The fleet in the file; null if there is no file. Throws an Error that says why if it is of another fleet, or none of ours. */
export function loadFleet(path: string, wanted: FleetIdentity): SavedFleet | null {
  if (!existsSync(path)) return null
  const saved = readFleet(path)
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(saved.identity)])) {
    const [is, was] = [wanted[name] ?? 'none', saved.identity[name] ?? 'none']
    if (is !== was)
      throw new Error(
        `${path} is of another fleet: its ${name} is ${was}, and now it would be ${is}. Go on as it was, or name another file`,
      )
  }
  return saved
}

function readFleet(path: string): SavedFleet {
  let saved: Partial<SavedFleet>
  try {
    saved = JSON.parse(readFileSync(path, 'utf8')) as Partial<SavedFleet>
  } catch {
    saved = {}
  }
  const { identity, firstSeed, realSeconds, totals } = saved
  if (identity === undefined || firstSeed === undefined || realSeconds === undefined || totals === undefined)
    throw new Error(`${path} is no state of a fleet: name another file`)
  return { identity, firstSeed, realSeconds, totals: { ...newTotals(), ...totals } }
}

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 28 })
}
