/**
 * Temporary directories for benchmarks and soak tests: made below ODRADEK_TEMPORARY_DIRECTORY (default: the system's), always removed, and never
 * begun where there is too little space.
 */
import { mkdtempSync, readdirSync, rmSync, statSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atEnd } from './cleanup.ts'

/** A directory that is gone after `using`, or when the process ends. */
export interface Workspace extends Disposable {
  readonly directory: string
  /** Leaves the directory where it is. */
  keep(): void
}

/** Beyond what is asked for: indexes, checkpoints, and other people. */
const RESERVE_BYTES = 2 ** 28

/** A killed process may still be finishing a write: removing is tried again for up to a second. */
const REMOVE_OPTIONS = { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }

/** Makes an empty directory with room for `sizeBytes`; fails, with a sentence, where there is less. */
export function makeWorkspace(sizeBytes: number): Workspace {
  const root = process.env['ODRADEK_TEMPORARY_DIRECTORY'] ?? tmpdir()
  const { bavail, bsize } = statfsSync(root)
  const freeBytes = bavail * bsize
  if (freeBytes < sizeBytes + RESERVE_BYTES) {
    const [needed, free] = [sizeBytes + RESERVE_BYTES, freeBytes].map((bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`)
    throw new Error(`${root} has ${free} free, ${needed} are needed: set ODRADEK_TEMPORARY_DIRECTORY to a directory on another disk`)
  }
  const directory = mkdtempSync(join(root, 'odradek-'))
  let isKept = false
  const remove = atEnd(() => {
    if (!isKept) rmSync(directory, REMOVE_OPTIONS)
  })
  const keep = (): void => {
    isKept = true
  }
  return { directory, keep, [Symbol.dispose]: remove }
}

/** The size of all log files below a directory, in bytes. */
export function logBytesBelow(directory: string): number {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true })
  const logs = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.log'))
  return logs.reduce((sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0), 0)
}
