/**
 * Storage in real files: `<node directory>/<log>/<file>`. Writes and reads are synchronous (the page cache answers in
 * microseconds, a thread pool in tens of them); syncs are asynchronous and grouped: one fdatasync per file and cycle, for all who asked.
 */
import {
  close,
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  open,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlink,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type {
  AppendEffect,
  CompactEffect,
  ReadEffect,
  RemoveEffect,
  RenameEffect,
  ReplaceEffect,
  RewriteEffect,
  StorageEffect,
  SyncEffect,
  TruncateEffect,
} from '../actors/effect.ts'
import { unreachable } from '../protocol/assert.ts'
import type { StorageError } from '../protocol/messages/storage.ts'
import type { CleaningOutcome } from '../protocol/log-cleaner.ts'
import type { JobPool } from './jobs.ts'
import { isMissing, OpenFiles } from './open-files.ts'
import type { OpenFile } from './open-files.ts'
import type { Answer, Storage } from './storage.ts'

interface WantedSync {
  readonly effects: SyncEffect[]
  readonly answers: Answer[]
}

/** Syncs that are done in less time are done on this thread, if there is only one. */
const INLINE_SYNC_MILLIS = 1

/** What a file is called that is being removed; recovery removes what is left of them. */
const DOOMED = '.deleted'

/** Name of a directory that holds one log; other entries of the node directory are not ours to list. */
const LOG_DIRECTORY = /^.+-\d+\.\d+$/

/** Storage in a node's directory. See the header. */
export class FileStorage implements Storage {
  readonly #directory: string
  readonly #files: OpenFiles = new OpenFiles()
  /** Syncs asked for in this cycle, by path. */
  #wanted: Map<string, WantedSync> = new Map()
  #pendingSyncs = 0
  #pendingJobs = 0
  readonly #jobs: JobPool
  /** How long the last sync took; high until one was seen. */
  #syncMillis = Infinity
  /** Paths of files that were made and not synced since. */
  readonly #fresh: Set<string> = new Set()
  #closed = false

  /** The node's own directory; it is made when the first file is. The pool belongs to whoever made it. */
  constructor(directory: string, jobs: JobPool) {
    this.#directory = directory
    this.#jobs = jobs
  }

  get pendingSyncs(): number {
    return this.#pendingSyncs + this.#pendingJobs
  }

  perform(effect: StorageEffect, answer: Answer): void {
    switch (effect.kind) {
      case 'append':
        return answer({ kind: 'appended', token: effect.token, error: attempt(() => this.#append(effect)) })
      case 'rewrite':
        return answer({ kind: 'storageDone', token: effect.token, error: attempt(() => this.#rewrite(effect)) })
      case 'read':
        return this.#read(effect, answer)
      case 'sync':
        return this.#wantSync(effect, answer)
      case 'truncate':
        return answer({ kind: 'storageDone', token: effect.token, error: attempt(() => this.#truncate(effect)) })
      case 'replace':
        return answer({ kind: 'storageDone', token: effect.token, error: attempt(() => this.#replace(effect)) })
      case 'remove':
        if (effect.later === true && effect.files !== null) return this.#removeLater(effect, effect.files, answer)
        return answer({ kind: 'storageDone', token: effect.token, error: attempt(() => this.#remove(effect)) })
      case 'rename':
        return this.#rename(effect, answer)
      case 'compact':
        return this.#compact(effect, answer)
      case 'list':
        return this.#list(effect.log, effect.token, answer)
      case 'listLogs':
        return answer({ kind: 'logsListed', token: effect.token, logs: this.#logs() })
      default:
        return unreachable(effect)
    }
  }

  startSyncs(): void {
    if (this.#wanted.size === 0) return
    const wanted = this.#wanted
    this.#wanted = new Map()
    const alone = wanted.size === 1 && this.#pendingSyncs === 0
    for (const [path, sync] of wanted) this.#sync(path, sync, alone)
  }

  close(): void {
    this.#closed = true
    if (this.#pendingSyncs === 0) this.#files.closeAll()
  }

  readonly #onMade = (path: string): void => {
    this.#fresh.add(path)
  }

  #path(log: string, file: string): string {
    return `${this.#directory}/${log}/${file}`
  }

  #append({ log, file, position, bytes }: AppendEffect): void {
    const open = this.#files.open(this.#path(log, file), true, this.#onMade)
    try {
      writeAt(open.fd, bytes, position)
    } catch (error) {
      // A part of it may be there: whoever lists the file and reads it must find one and the same size.
      open.sizeBytes = fstatSync(open.fd).size
      throw error
    }
    open.sizeBytes = position + bytes.length
  }

  #rewrite({ log, file, position, bytes }: RewriteEffect): void {
    writeAt(this.#files.open(this.#path(log, file), false).fd, bytes, position)
  }

  #read({ log, file, position, sizeBytes, token }: ReadEffect, answer: Answer): void {
    let records: Uint8Array | null = null
    const error = attempt(() => {
      const open = this.#files.open(this.#path(log, file), false)
      const bytes = new Uint8Array(Math.max(0, Math.min(sizeBytes, open.sizeBytes - position)))
      let count = 0
      for (let read = 1; read > 0 && count < bytes.length; count += read)
        read = readSync(open.fd, bytes, count, bytes.length - count, position + count)
      records = count === bytes.length ? bytes : bytes.subarray(0, count)
    })
    answer({ kind: 'readCompleted', token, records, error })
  }

  #wantSync(effect: SyncEffect, answer: Answer): void {
    const path = this.#path(effect.log, effect.file)
    const wanted = this.#wanted.get(path)
    if (wanted === undefined) this.#wanted.set(path, { effects: [effect], answers: [answer] })
    else {
      wanted.effects.push(effect)
      wanted.answers.push(answer)
    }
  }

  #sync(path: string, { effects, answers }: WantedSync, alone: boolean): void {
    let open: OpenFile
    try {
      open = this.#files.open(path, false)
    } catch {
      return answerSyncs(effects, answers, 0, 'io')
    }
    const { sizeBytes } = open
    if (alone && this.#syncMillis < INLINE_SYNC_MILLIS && !this.#fresh.has(path)) return this.#syncInline(open, effects, answers)
    const startedAt = performance.now()
    const finish = (failure: Error | null): void => {
      this.#files.endSync(open)
      this.#pendingSyncs--
      this.#syncMillis = performance.now() - startedAt
      answerSyncs(effects, answers, sizeBytes, failure === null ? null : errorOf(failure))
      if (this.#closed && this.#pendingSyncs === 0) this.#files.closeAll()
    }
    open.syncs++
    this.#pendingSyncs++
    if (this.#fresh.has(path)) this.#syncFresh(path, open, finish)
    else fdatasync(open.fd, finish)
  }

  /** One file, a fast disk, and nothing else under way: two changes of threads would cost more than they could save. */
  #syncInline(open: OpenFile, effects: readonly SyncEffect[], answers: readonly Answer[]): void {
    const startedAt = performance.now()
    const error = attempt(() => fdatasyncSync(open.fd))
    this.#syncMillis = performance.now() - startedAt
    answerSyncs(effects, answers, open.sizeBytes, error)
  }

  /** The first sync of a file makes its directory entry durable, too, and that of its directory. */
  #syncFresh(path: string, { fd }: OpenFile, finish: (failure: Error | null) => void): void {
    syncDirectoryLater(dirname(path), (failure) => {
      if (failure !== null) return finish(failure)
      syncDirectoryLater(this.#directory, (second) => {
        if (second !== null) return finish(second)
        this.#fresh.delete(path)
        fdatasync(fd, finish)
      })
    })
  }

  #truncate({ log, file, sizeBytes }: TruncateEffect): void {
    const path = this.#path(log, file)
    const open = this.#files.open(path, true, this.#onMade)
    ftruncateSync(open.fd, sizeBytes)
    fdatasyncSync(open.fd)
    open.sizeBytes = sizeBytes
  }

  #replace({ log, file, bytes }: ReplaceEffect): void {
    const path = this.#path(log, file)
    this.#files.close(path)
    try {
      writeFileSync(path, bytes)
    } catch (error) {
      if (!isMissing(error)) throw error
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, bytes)
    }
    this.#fresh.add(path)
  }

  #remove({ log, files }: RemoveEffect): void {
    const directory = `${this.#directory}/${log}`
    if (files === null) {
      this.#files.closeAllIn(directory)
      // A cleaning may be writing there.
      rmSync(directory, { recursive: true, force: true, maxRetries: 3, retryDelay: 1 })
      return syncDirectory(this.#directory)
    }
    for (const file of files) {
      this.#files.close(`${directory}/${file}`)
      unlinkIfThere(`${directory}/${file}`)
    }
    syncDirectory(directory)
  }

  #rename({ log, renames, token }: RenameEffect, answer: Answer): void {
    const directory = `${this.#directory}/${log}`
    const error = attempt(() => {
      for (const { from, to } of renames) renameSync(`${directory}/${from}`, `${directory}/${to}`)
    })
    if (error !== null) return answer({ kind: 'storageDone', token, error })
    this.#pendingJobs++
    syncDirectoryLater(directory, (failure) => {
      this.#pendingJobs--
      answer({ kind: 'storageDone', token, error: failure === null ? null : errorOf(failure) })
    })
  }

  /** Large files take the file system a while: they get names that mean nothing, and go on another thread. */
  #removeLater({ log, token }: RemoveEffect, files: readonly string[], answer: Answer): void {
    const directory = `${this.#directory}/${log}`
    const doomed: string[] = []
    const error = attempt(() => {
      for (const file of files) {
        const path = `${directory}/${file}`
        this.#files.close(path)
        if (renameIfThere(path, `${path}${DOOMED}`)) doomed.push(`${path}${DOOMED}`)
      }
    })
    if (error !== null) return answer({ kind: 'storageDone', token, error })
    this.#pendingJobs++
    removeInTurn(directory, doomed, (failure) => {
      this.#pendingJobs--
      answer({ kind: 'storageDone', token, error: failure === null ? null : errorOf(failure) })
    })
  }

  /** On a thread of the pool: nothing waits for it here. */
  #compact({ log, order, token }: CompactEffect, answer: Answer): void {
    const finish = (outcome: CleaningOutcome): void => {
      this.#pendingJobs--
      const { ok } = outcome
      answer({ kind: 'compacted', token, cleaned: ok ? outcome.cleaned : null, error: ok ? null : outcome.error })
    }
    this.#pendingJobs++
    this.#jobs.run('compact', { directory: `${this.#directory}/${log}`, order }).then(finish, () => finish({ ok: false, error: 'io' }))
  }

  #list(log: string, token: number, answer: Answer): void {
    const directory = `${this.#directory}/${log}`
    let names: string[] = []
    const error = attempt(() => {
      names = namesIn(directory)
    })
    const files = names.toSorted().map((name) => ({ name, sizeBytes: statSync(`${directory}/${name}`).size }))
    answer({ kind: 'listed', token, files, error })
  }

  #logs(): string[] {
    return namesIn(this.#directory)
      .filter((name) => LOG_DIRECTORY.test(name))
      .toSorted()
  }
}

function writeAt(fd: number, bytes: Uint8Array, position: number): void {
  let written = 0
  while (written < bytes.length) written += writeSync(fd, bytes, written, bytes.length - written, position + written)
}

function attempt(work: () => void): StorageError | null {
  try {
    work()
    return null
  } catch (error) {
    return errorOf(error)
  }
}

function errorOf(error: unknown): StorageError {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG' ? 'full' : 'io'
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function renameIfThere(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** Off this thread, one after the other. The directory is synced before as well: what was renamed before must not come after what is removed now. */
function removeInTurn(directory: string, paths: readonly string[], done: (failure: Error | null) => void): void {
  const next = (index: number): void => {
    const path = paths[index]
    if (path === undefined) return syncDirectoryLater(directory, done)
    unlink(path, (failure) => (failure === null || failure.code === 'ENOENT' ? next(index + 1) : done(failure)))
  }
  syncDirectoryLater(directory, (failure) => (failure === null ? next(0) : done(failure)))
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

function answerSyncs(effects: readonly SyncEffect[], answers: readonly Answer[], sizeBytes: number, error: StorageError | null): void {
  effects.forEach(({ token, file }, i) => answers[i]?.({ kind: 'synced', token, file, sizeBytes, error }))
}

/** Off this thread: a file system may write out much more than the directory. */
function syncDirectoryLater(directory: string, done: (failure: Error | null) => void): void {
  open(directory, 'r', (failure, fd) => {
    if (failure !== null) return done(failure)
    fsync(fd, (syncFailure) => {
      close(fd, () => done(syncFailure))
    })
  })
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
