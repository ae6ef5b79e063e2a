/**
 * The disk answers. Every storage effect names a token; its answer brings the token back, in the order of the effects per file
 * (but for `compacted`).
 */

import type { Cleaned, CleaningFailure } from '../cleaning.ts'

/** What went wrong on the disk: no space left, the file is not there (any more), or any other I/O error. */
export type StorageError = 'full' | 'gone' | 'io'

/** One file of a log directory. */
export interface FileStat {
  readonly name: string
  readonly sizeBytes: number
}

/** The bytes are in the page cache, whole (`error` null), or some of them may be (error). */
export interface Appended {
  readonly kind: 'appended'
  readonly token: number
  readonly error: StorageError | null
}

/** The first `sizeBytes` of the file outlive a power loss. */
export interface Synced {
  readonly kind: 'synced'
  readonly token: number
  readonly file: string
  readonly sizeBytes: number
  readonly error: StorageError | null
}

/**
 * The bytes at the position; fewer than asked for at the end of the file; null with an error, but for a file that was removed while it was open (`gone`): nobody but
 * who has it open can read it. Owned by the receiver.
 */
export interface ReadCompleted {
  readonly kind: 'readCompleted'
  readonly token: number
  readonly records: Uint8Array | null
  readonly error: StorageError | null
}

/** The file was cut or written again, the files were removed or renamed, or the small file was replaced. */
export interface StorageDone {
  readonly kind: 'storageDone'
  readonly token: number
  readonly error: StorageError | null
}

/** The files of a log directory, sorted by name; empty if there is none. */
export interface Listed {
  readonly kind: 'listed'
  readonly token: number
  readonly files: readonly FileStat[]
  /** There were some, and nobody has removed them here. */
  readonly isGone?: true
  readonly error: StorageError | null
}

/** The log directories of a node, sorted by name. */
export interface LogsListed {
  readonly kind: 'logsListed'
  readonly token: number
  readonly logs: readonly string[]
}

/** Segments were cleaned into new files, or why not: then no new file is left. */
export interface Compacted {
  readonly kind: 'compacted'
  readonly token: number
  readonly cleaned: Cleaned | null
  readonly error: CleaningFailure | null
}

/** Everything that the disk may answer. */
export type StorageAnswer = Compacted | Appended | Synced | ReadCompleted | StorageDone | Listed | LogsListed
