/**
 * Small files that are whole or absent, and what a person is told when the file system refuses.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { KafkaError } from '../../protocol/errors.ts'

/** Writes a file and syncs it. */
export function writeDurably(path: string, text: string, flags: 'w' | 'wx'): void {
  const fd = openSync(path, flags)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Writes aside, syncs and renames: a crash leaves the former file or the new one. `temporary` is a name on the same file system. */
export function replaceDurably(path: string, text: string, temporary: string): void {
  writeDurably(temporary, text, 'w')
  renameSync(temporary, path)
  const fd = openSync(dirname(path), 'r')
  fsyncSync(fd)
  closeSync(fd)
}

/** The system's name of an error; empty if it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** The error with what happened to `path`, and what to do. */
export function explain(error: unknown, path: string): Error {
  const code = codeOf(error)
  const cause = { cause: error }
  if (error instanceof KafkaError) return error
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new KafkaError('READ_ONLY_DIRECTORY', `${path} cannot be written (${code}): a log needs a directory that it may write to`, cause)
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') return new KafkaError('DISK_FULL', `there is no space left for ${path}`, cause)
  if (code === 'ENOENT')
    return new KafkaError(
      'FOREIGN_DIRECTORY',
      `there is no directory ${path}: name an existing one, or leave out the option mustExist to make it`,
      cause,
    )
  if (code === 'ENOTDIR' || code === 'EEXIST')
    return new KafkaError(
      'FOREIGN_DIRECTORY',
      `${path} is not a directory, or lies below a file: name a directory that is there or can be made`,
      cause,
    )
  return error instanceof Error ? error : new Error(String(error))
}
