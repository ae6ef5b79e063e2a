/**
 * What the operating system says against a disk operation: in the protocol's words for the actor that asked, and in its own words for whoever looks after the
 * node. Actors try again, so the latter hears of the same thing once in a while only.
 */
import type { StorageError } from '../protocol/messages/storage.ts'

/** The same error is told again after so long. */
const TELL_MILLIS = 10_000

/** What network file systems say of such a file by themselves. */
const REMOVED = 'ESTALE'

/** The errors of one node's disk. See the header. */
export class DiskErrors {
  readonly #directory: string
  readonly #onError: (error: Error) => void
  /** When an error was told last, by its code. */
  readonly #toldAt: Map<string, number> = new Map()

  /** `onError` hears what no answer says: which error it was. */
  constructor(directory: string, onError: (error: Error) => void) {
    this.#directory = directory
    this.#onError = onError
  }

  /** The answer to whoever asked. */
  note(error: unknown): StorageError {
    const code = codeOf(error)
    const now = performance.now()
    // Files come and go: that one is missing is an answer like others.
    if (!isMissing(error) && now - (this.#toldAt.get(code) ?? -Infinity) >= TELL_MILLIS) {
      this.#toldAt.set(code, now)
      const reason = error instanceof Error ? error.message : String(error)
      const told = new Error(`the disk with ${this.#directory} failed: ${reason}`, { cause: error })
      // Where in our code it was does not help.
      told.stack = told.message
      this.#onError(told)
    }
    return storageErrorOf(error)
  }
}

/** That a file, or a directory, which is in use has no name any more: whoever opens the log again will not find it. */
export function removedError(path: string): Error {
  return Object.assign(new Error(`${path} was removed while it was open`), { code: REMOVED })
}

/** An error in the protocol's words. */
export function storageErrorOf(error: unknown): StorageError {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === REMOVED) return 'gone'
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG' ? 'full' : 'io'
}

/** Whether the process, or the system, has no file descriptor left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'EMFILE' || code === 'ENFILE'
}

/** Whether it was said because a file, or its directory, is not there. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT'
}

/** Whether it was said because there is something already. */
export function isExisting(error: unknown): boolean {
  return codeOf(error) === 'EEXIST'
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
