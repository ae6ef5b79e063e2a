/**
 * Storage in real files: `<node directory>/<log>/<file>`. Writes and reads are synchronous (the page cache answers in
 * microseconds, a thread pool in tens of them); syncs are asynchronous and grouped: one fdatasync per file and cycle, for all who asked.
 */
import {
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
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
import type { FileStat, StorageError } from '../protocol/messages/storage.ts'
import type { CleaningOutcome } from '../protocol/log-cleaner.ts'
import { makeLogDirectory, namesIn, renameIfThere, syncDirectory, syncDirectoryLater, unlinkIfThere, unlinkInTurn } from './directories.ts'
import type { Done } from './directories.ts'
import { DiskErrors, isMissing, removedError } from './disk-errors.ts'
import type { JobPool } from './jobs.ts'
import { KnownLogs } from './known-logs.ts'
import { isRemoved, OpenFiles } from './open-files.ts'
import type { OpenFile } from './open-files.ts'
import type { Answer, Storage } from './storage.ts'

/** How a storage fits into its process. */
export interface FileStorageOptions {
  /** Descriptors that are kept open. */
  readonly openFilesMax?: number
  /** Hears which error the operating system has answered with; the same one once in a while only. */
  readonly onError?: (error: Error) => void
}

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
  readonly #files: OpenFiles
  readonly #errors: DiskErrors
  /** Syncs asked for in this cycle, by path. */
  #wanted: Map<string, WantedSync> = new Map()
  #pendingSyncs = 0
  #pendingJobs = 0
  readonly #jobs: JobPool
  /** How long the last sync took; high until one was seen. */
  #syncMillis = Infinity
  /** Paths of files that were made and not synced since. */
  readonly #fresh: Set<string> = new Set()
  /** Once the first log was listed. */
  #known: KnownLogs | null = null
  #closed = false
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers()

  /** The node's own directory; it is made if it is not there, now, and never again. The pool belongs to whoever made it. */
  constructor(directory: string, jobs: JobPool, { openFilesMax, onError = () => undefined }: FileStorageOptions = {}) {
    this.#directory = directory
    this.#jobs = jobs
    this.#files = new OpenFiles(openFilesMax)
    this.#errors = new DiskErrors(directory, onError)
    this.#attempt(() => mkdirSync(directory, { recursive: true }))
  }

  get pendingSyncs(): number {
    return this.#pendingSyncs + this.#pendingJobs
  }

  perform(effect: StorageEffect, answer: Answer): void {
    switch (effect.kind) {
      case 'append':
        return answer({ kind: 'appended', token: effect.token, error: this.#attempt(() => this.#append(effect)) })
      case 'rewrite':
        return answer({ kind: 'storageDone', token: effect.token, error: this.#attempt(() => this.#rewrite(effect)) })
      case 'read':
        return this.#read(effect, answer)
      case 'sync':
        return this.#wantSync(effect, answer)
      case 'truncate':
        return answer({ kind: 'storageDone', token: effect.token, error: this.#attempt(() => this.#truncate(effect)) })
      case 'replace':
        return answer({ kind: 'storageDone', token: effect.token, error: this.#attempt(() => this.#replace(effect)) })
      case 'remove':
        if (effect.later === true && effect.files !== null) return this.#removeLater(effect, effect.files, answer)
        return answer({ kind: 'storageDone', token: effect.token, error: this.#attempt(() => this.#remove(effect)) })
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

  close(): Promise<void> {
    this.#closed = true
    this.#onEnd()
    return this.#ended.promise
  }

  /** Something under way has ended, or nothing more is to begin. */
  #onEnd(): void {
    if (!this.#closed || this.#pendingSyncs > 0) return
    this.#files.closeAll()
    if (this.#pendingJobs === 0) this.#ended.resolve()
  }

  #endJob(): void {
    this.#pendingJobs--
    this.#onEnd()
  }

  readonly #onMade = (path: string): void => {
    this.#fresh.add(path)
    // What cannot be written down is not missed later.
    this.#attempt(() => this.#logsKnown().note(basename(dirname(path))))
  }

  #logsKnown(): KnownLogs {
    this.#known ??= new KnownLogs(this.#directory, this.#logs())
    return this.#known
  }

  #path(log: string, file: string): string {
    return `${this.#directory}/${log}/${file}`
  }

  #append({ log, file, position, bytes }: AppendEffect): void {
    // One that goes on in the middle makes no file: what was before it would be lost in silence.
    const open = this.#files.open(this.#path(log, file), position === 0, this.#onMade)
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
    const error = this.#attempt(() => {
      const open = this.#files.open(this.#path(log, file), false)
      const bytes = new Uint8Array(Math.max(0, Math.min(sizeBytes, open.sizeBytes - position)))
      let count = 0
      for (let read = 1; read > 0 && count < bytes.length; count += read)
        read = readSync(open.fd, bytes, count, bytes.length - count, position + count)
      records = count === bytes.length ? bytes : bytes.subarray(0, count)
      if (isRemoved(open)) throw removedError(open.path)
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
    let found: OpenFile | null = null
    const error = this.#attempt(() => (found = this.#openLinked(path)))
    const open = found as OpenFile | null
    if (open === null) return answerSyncs(effects, answers, 0, error)
    const { sizeBytes } = open
    if (alone && this.#syncMillis < INLINE_SYNC_MILLIS && !this.#fresh.has(path)) return this.#syncInline(open, effects, answers)
    const startedAt = performance.now()
    const finish = (failure: Error | null): void => {
      this.#files.endSync(open)
      this.#pendingSyncs--
      this.#syncMillis = performance.now() - startedAt
      answerSyncs(effects, answers, sizeBytes, failure === null ? null : this.#errors.note(failure))
      this.#onEnd()
    }
    open.syncs++
    this.#pendingSyncs++
    if (this.#fresh.has(path)) this.#syncFresh(path, open, finish)
    else fdatasync(open.fd, finish)
  }

  /** The file, unless somebody has removed it. Its space is given back then. */
  #openLinked(path: string): OpenFile {
    const open = this.#files.open(path, false)
    if (!isRemoved(open)) return open
    this.#files.close(path)
    throw removedError(path)
  }

  /** One file, a fast disk, and nothing else under way: two changes of threads would cost more than they could save. */
  #syncInline(open: OpenFile, effects: readonly SyncEffect[], answers: readonly Answer[]): void {
    const startedAt = performance.now()
    const error = this.#attempt(() => fdatasyncSync(open.fd))
    this.#syncMillis = performance.now() - startedAt
    answerSyncs(effects, answers, open.sizeBytes, error)
  }

  /** The first sync of a file makes its directory entry durable, too, and that of its directory. */
  #syncFresh(path: string, { fd }: OpenFile, finish: (failure: Error | null) => void): void {
    this.#syncDirectoryLater(dirname(path), (failure) => {
      if (failure !== null) return finish(failure)
      this.#syncDirectoryLater(this.#directory, (second) => {
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
      makeLogDirectory(dirname(path))
      writeFileSync(path, bytes)
    }
    this.#onMade(path)
  }

  #remove({ log, files }: RemoveEffect): void {
    const directory = `${this.#directory}/${log}`
    if (files === null) {
      this.#files.closeAllIn(directory)
      // A cleaning may be writing there.
      rmSync(directory, { recursive: true, force: true, maxRetries: 3, retryDelay: 1 })
      this.#logsKnown().forget(log)
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
    const error = this.#attempt(() => {
      for (const { from, to } of renames) renameSync(`${directory}/${from}`, `${directory}/${to}`)
    })
    if (error !== null) return answer({ kind: 'storageDone', token, error })
    this.#pendingJobs++
    this.#syncDirectoryLater(directory, (failure) => {
      this.#endJob()
      answer({ kind: 'storageDone', token, error: failure === null ? null : this.#errors.note(failure) })
    })
  }

  /** Large files take the file system a while: they get names that mean nothing, and go on another thread. */
  #removeLater({ log, token }: RemoveEffect, files: readonly string[], answer: Answer): void {
    const directory = `${this.#directory}/${log}`
    const doomed: string[] = []
    const error = this.#attempt(() => {
      for (const file of files) {
        const path = `${directory}/${file}`
        this.#files.close(path)
        if (renameIfThere(path, `${path}${DOOMED}`)) doomed.push(`${path}${DOOMED}`)
      }
    })
    if (error !== null) return answer({ kind: 'storageDone', token, error })
    this.#pendingJobs++
    const finish: Done = (failure) => {
      this.#endJob()
      answer({ kind: 'storageDone', token, error: failure === null ? null : this.#errors.note(failure) })
    }
    const go =
      (then: Done): Done =>
      (failure) =>
        failure === null ? then(null) : finish(failure)
    // The directory is synced before as well: what was renamed before must not come after what is removed now.
    const syncAgain = go(() => this.#syncDirectoryLater(directory, finish))
    this.#syncDirectoryLater(
      directory,
      go(() => unlinkInTurn(doomed, syncAgain)),
    )
  }

  /** On a thread of the pool: nothing waits for it here. */
  #compact({ log, order, token }: CompactEffect, answer: Answer): void {
    const finish = (outcome: CleaningOutcome): void => {
      this.#endJob()
      const { ok } = outcome
      answer({ kind: 'compacted', token, cleaned: ok ? outcome.cleaned : null, error: ok ? null : outcome.error })
    }
    this.#pendingJobs++
    this.#jobs.run('compact', { directory: `${this.#directory}/${log}`, order }).then(finish, () => finish({ ok: false, error: 'io' }))
  }

  #list(log: string, token: number, answer: Answer): void {
    const directory = `${this.#directory}/${log}`
    let files: FileStat[] = []
    let wasMade = false
    const error = this.#attempt(() => {
      const sizes = namesIn(directory).map((name) => ({ name, stat: statSync(`${directory}/${name}`, { throwIfNoEntry: false }) }))
      // What is gone by now is not there.
      files = sizes.flatMap(({ name, stat }) => (stat === undefined ? [] : [{ name, sizeBytes: stat.size }]))
      wasMade = this.#logsKnown().has(log)
    })
    const listed = { kind: 'listed', token, files: files.toSorted((a, b) => (a.name < b.name ? -1 : 1)), error } as const
    answer(wasMade && files.length === 0 ? { ...listed, isGone: true } : listed)
  }

  /** Whoever asks wants to know what may go: what cannot be listed stays. */
  #logs(): string[] {
    let names: string[] = []
    this.#attempt(() => (names = namesIn(this.#directory)))
    return names.filter((name) => LOG_DIRECTORY.test(name)).toSorted()
  }

  #syncDirectoryLater(directory: string, done: Done): void {
    syncDirectoryLater(directory, () => this.#files.closeOldest(), done)
  }

  /** Does it, and says why not. It may be done twice, if there is no descriptor for it at first. */
  #attempt(work: () => void): StorageError | null {
    try {
      this.#files.withDescriptors(work)
      return null
    } catch (error) {
      return this.#errors.note(error)
    }
  }
}

function writeAt(fd: number, bytes: Uint8Array, position: number): void {
  let written = 0
  while (written < bytes.length) written += writeSync(fd, bytes, written, bytes.length - written, position + written)
}

function answerSyncs(effects: readonly SyncEffect[], answers: readonly Answer[], sizeBytes: number, error: StorageError | null): void {
  effects.forEach(({ token, file }, i) => answers[i]?.({ kind: 'synced', token, file, sizeBytes, error }))
}
