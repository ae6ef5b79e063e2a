/**
 * Open file descriptors of one node, bounded in number: thousands of partitions share them, the one used longest ago is closed
 * first. A file with a sync under way stays open. Where the process has no descriptor left all the same, they are closed one after the other.
 */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { constants } from 'node:fs'
import { dirname } from 'node:path'
import { makeLogDirectory } from './directories.ts'
import { isMissing, isOutOfDescriptors } from './disk-errors.ts'

/** A file of a log directory, opened for reading and writing. */
export interface OpenFile {
  readonly path: string
  readonly fd: number
  /** Tracked, so that nobody asks the operating system on the hot path. */
  sizeBytes: number
  /** Syncs under way. */
  syncs: number
  /** To be closed when the syncs are over: a descriptor that is closed under them may be somebody else's by then. */
  doomed: boolean
}

/** Descriptors of one node, if there is room for so many. */
const OPEN_FILES_MAX = 256

/** Descriptors of all nodes of a process together. The usual limit of a process is 1,024 or more, and it has other files, and sockets. */
const PROCESS_FILES_MAX = 640

/** A node's share in the descriptors of a process with so many nodes. */
export function openFilesPerNode(nodeCount: number): number {
  return Math.max(1, Math.min(OPEN_FILES_MAX, Math.floor(PROCESS_FILES_MAX / nodeCount)))
}

/** The open files of one node. See the header. */
export class OpenFiles {
  /** In order of use, the latest last. */
  readonly #files: Map<string, OpenFile> = new Map()
  readonly #limit: number

  constructor(limit: number = OPEN_FILES_MAX) {
    this.#limit = limit
  }

  /** The file, opened; made (with the directory of its log) if `create` says so, which `onMade` hears. Throws what the operating system says. */
  open(path: string, create: boolean, onMade: (path: string) => void = ignore): OpenFile {
    const known = this.#files.get(path)
    if (known !== undefined) {
      if (this.#files.size > 1) {
        this.#files.delete(path)
        this.#files.set(path, known)
      }
      return known
    }
    if (this.#files.size >= this.#limit) this.closeOldest()
    const file = openFile(path, create, onMade)
    this.#files.set(path, file)
    return file
  }

  /** Forgets a file. */
  close(path: string): void {
    const file = this.#files.get(path)
    if (file === undefined) return
    this.#files.delete(path)
    if (file.syncs > 0) file.doomed = true
    else closeSync(file.fd)
  }

  /** Forgets all files of a directory. */
  closeAllIn(directory: string): void {
    const prefix = `${directory}/`
    for (const path of this.#files.keys()) if (path.startsWith(prefix)) this.close(path)
  }

  /** A sync is over. */
  endSync(file: OpenFile): void {
    file.syncs--
    if (file.doomed && file.syncs === 0) closeSync(file.fd)
  }

  closeAll(): void {
    for (const file of this.#files.values()) closeSync(file.fd)
    this.#files.clear()
  }

  /** Does what takes a descriptor: while there is none left, the file used longest ago is closed, and it is done again. */
  withDescriptors(work: () => void): void {
    for (;;) {
      try {
        return work()
      } catch (error) {
        if (!isOutOfDescriptors(error) || !this.closeOldest()) throw error
      }
    }
  }

  /** Closes the file used longest ago; false if all have a sync under way. */
  closeOldest(): boolean {
    for (const file of this.#files.values()) {
      if (file.syncs > 0) continue
      this.#files.delete(file.path)
      closeSync(file.fd)
      return true
    }
    return false
  }
}

/** Whether somebody else has removed the file: what goes there is lost. One that was removed here while it was synced is nobody's loss. */
export function isRemoved({ fd, doomed }: OpenFile): boolean {
  return !doomed && fstatSync(fd).nlink === 0
}

function openFile(path: string, create: boolean, onMade: (path: string) => void): OpenFile {
  try {
    const fd = openSync(path, constants.O_RDWR)
    return { path, fd, sizeBytes: fstatSync(fd).size, syncs: 0, doomed: false }
  } catch (error) {
    if (!create || !isMissing(error)) throw error
  }
  makeLogDirectory(dirname(path))
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644)
  onMade(path)
  return { path, fd, sizeBytes: 0, syncs: 0, doomed: false }
}

function ignore(): void {
  // Whoever does not make files need not hear of new ones.
}
