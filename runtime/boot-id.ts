/**
 * Names the run of the operating system: while it is the same, what was written is still in the page cache, synced or not, whatever became of the process.
 * Where the system does not say, each process has a name of its own, which means that nothing unsynced is counted on.
 */
import { readFileSync } from 'node:fs'

let known: string | null = null

/** The name of this run of the system. */
export function bootId(): string {
  known ??= read()
  return known
}

function read(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // Loaded where it is needed, which is nearly nowhere: it takes 1 MB on each thread.
    return process.getBuiltinModule('node:crypto').randomUUID()
  }
}
