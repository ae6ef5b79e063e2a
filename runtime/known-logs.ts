/**
 * Which log directories a node has made: the file `logs` beside them, a line for each that was made (`+t-0.1`) or removed (`-t-0.1`). A directory that is in
 * it and not there was taken away behind the node's back: its log is not a new one, and whoever counts on it must hear that.
 *
 * It is written without a sync: what a power loss takes of it is not missed, for a node that has lost its disk says so anyway.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { isMissing } from './disk-errors.ts'

/** The name of the file. */
const FILE = 'logs'

/** With more lines that say nothing any more, the file is written anew when the node starts. */
const IDLE_LINES_MAX = 1000

/** The log directories that a node knows of. */
export class KnownLogs {
  readonly #path: string
  readonly #names: Set<string> = new Set()

  /** `there`: those that are there now; a node of a former version has not written them down. Throws what the disk says, but not that there is no such file. */
  constructor(directory: string, there: readonly string[]) {
    this.#path = `${directory}/${FILE}`
    const lines = linesOf(this.#path)
    for (const line of lines) {
      const name = line.slice(1)
      if (line.startsWith('+')) this.#names.add(name)
      else this.#names.delete(name)
    }
    for (const name of there) this.note(name)
    if (lines.length > 2 * this.#names.size + IDLE_LINES_MAX)
      writeFileSync(this.#path, [...this.#names].map((name) => `+${name}\n`).join(''))
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** A directory is made. */
  note(name: string): void {
    if (this.#names.has(name)) return
    appendFileSync(this.#path, `+${name}\n`)
    this.#names.add(name)
  }

  /** It is removed, as it should be. */
  forget(name: string): void {
    if (this.#names.delete(name)) appendFileSync(this.#path, `-${name}\n`)
  }
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
