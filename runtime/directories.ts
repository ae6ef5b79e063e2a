/**
 * Directories of a node: what they hold, and how a change of theirs (a file is made, renamed, removed) is made durable, at once or off this thread.
 */
import { close, closeSync, fsync, fsyncSync, mkdirSync, open, openSync, readdirSync, renameSync, unlink, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { isExisting, isMissing, isOutOfDescriptors, removedError } from './disk-errors.ts'

/** Hears of the end of something that was done off this thread. */
export type Done = (failure: Error | null) => void

/** The names in a directory; none if it is not there. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Makes the directory of a log in that of its node, which was there when the node began: where it is gone, so is all that it had, and nobody says of a new one whose it is. */
export function makeLogDirectory(directory: string): void {
  try {
    mkdirSync(directory)
  } catch (error) {
    if (isMissing(error)) throw removedError(dirname(directory))
    if (!isExisting(error)) throw error
  }
}

/** Whether there was something to rename. */
export function renameIfThere(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** Removes a file; whether it was there does not matter. */
export function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

/** Returns when what the directory holds outlives a power loss. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Off this thread: a file system may write out much more than the directory. Where there is no descriptor left, `makeRoom` is asked for one. */
export function syncDirectoryLater(directory: string, makeRoom: () => boolean, done: Done): void {
  open(directory, 'r', (failure, fd) => {
    if (failure !== null) {
      if (isOutOfDescriptors(failure) && makeRoom()) return syncDirectoryLater(directory, makeRoom, done)
      return done(failure)
    }
    fsync(fd, (syncFailure) => {
      close(fd, () => done(syncFailure))
    })
  })
}

/** Off this thread, one after the other. */
export function unlinkInTurn(paths: readonly string[], done: Done): void {
  const next = (index: number): void => {
    const path = paths[index]
    if (path === undefined) return done(null)
    unlink(path, (failure) => (failure === null || failure.code === 'ENOENT' ? next(index + 1) : done(failure)))
  }
  next(0)
}
