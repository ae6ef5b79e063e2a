/**
 * The data directory: whose it is (`odradek.json` with format version and cluster id), and that one process at a time uses it
 * (`lock`, with the owner's process id). A lock whose process is gone is taken over.
 */
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { KafkaError } from '../../protocol/errors.ts'

/** What `odradek.json` says. */
export interface DirectoryIdentity {
  readonly format: number
  readonly clusterId: string
  readonly nodes: number
}

/** A directory that this process holds. */
export interface DataDirectory {
  readonly path: string
  readonly identity: DirectoryIdentity
  release(): void
}

/** The newest format that this code reads, and the one that it writes. */
export const FORMAT_VERSION = 1

const IDENTITY_FILE = 'odradek.json'
const LOCK_FILE = 'lock'

/** Takes hold of a directory; makes it unless it must exist. `nodes` null: as many as it has (1 in a new one). */
export function openDataDirectory(directory: string, nodes: number | null, mustExist: boolean): DataDirectory {
  const path = resolve(directory)
  prepare(path, mustExist)
  checkForeign(path)
  const lock = takeLock(path)
  try {
    const identity = readIdentity(path) ?? writeIdentity(path, nodes ?? 1)
    if (nodes !== null && nodes !== identity.nodes) {
      throw new KafkaError(
        'INVALID_OPTION',
        `${path} belongs to a cluster of ${identity.nodes} node(s), not ${nodes}; leave the option nodes out`,
      )
    }
    return { path, identity, release: () => releaseLock(lock) }
  } catch (error) {
    releaseLock(lock)
    throw error
  }
}

function prepare(path: string, mustExist: boolean): void {
  try {
    if (mustExist) readdirSync(path)
    else makeDirectory(path)
  } catch (error) {
    throw explain(error, path)
  }
}

/** With its parents. Step by step: Node's own recursive mkdir never returns where a file system answers ENOENT for ever (/proc). */
function makeDirectory(path: string): void {
  if (existsSync(path)) return void readdirSync(path)
  const parent = dirname(path)
  if (parent !== path) makeDirectory(parent)
  mkdirSync(path)
}

/** A directory with files but without our identity is somebody else's: nothing is written there. */
function checkForeign(path: string): void {
  const names = readdirSync(path).filter((name) => name !== LOCK_FILE && !name.startsWith(`${LOCK_FILE}.`))
  if (names.length === 0 || names.includes(IDENTITY_FILE)) return
  throw new KafkaError(
    'FOREIGN_DIRECTORY',
    `${path} holds ${names[0] ?? 'files'} and no ${IDENTITY_FILE}: it is not a data directory; choose an empty one`,
  )
}

function readIdentity(path: string): DirectoryIdentity | null {
  let text: string
  try {
    text = readFileSync(join(path, IDENTITY_FILE), 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw explain(error, path)
  }
  const identity = parseIdentity(text)
  if (identity === null)
    throw new KafkaError(
      'FOREIGN_DIRECTORY',
      `${join(path, IDENTITY_FILE)} is damaged: restore it from a backup, or choose another directory`,
    )
  if (identity.format > FORMAT_VERSION) {
    throw new KafkaError(
      'UNSUPPORTED_FORMAT_VERSION',
      `${path} has format ${identity.format}; this version reads up to ${FORMAT_VERSION}. Use a newer version of odradek`,
    )
  }
  return identity
}

function parseIdentity(text: string): DirectoryIdentity | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return null
    if (!('format' in value) || !('clusterId' in value) || !('nodes' in value)) return null
    const { format, clusterId, nodes } = value
    return typeof format === 'number' && typeof clusterId === 'string' && typeof nodes === 'number' ? { format, clusterId, nodes } : null
  } catch {
    return null
  }
}

/** Written aside, synced and renamed: a crash leaves the file whole or absent. */
function writeIdentity(path: string, nodes: number): DirectoryIdentity {
  const identity: DirectoryIdentity = { format: FORMAT_VERSION, clusterId: randomUUID(), nodes }
  const temporary = join(path, `${LOCK_FILE}.identity`)
  try {
    writeDurably(temporary, `${JSON.stringify(identity, null, 2)}\n`, 'w')
    renameSync(temporary, join(path, IDENTITY_FILE))
    const fd = openSync(path, 'r')
    fsyncSync(fd)
    closeSync(fd)
  } catch (error) {
    throw explain(error, path)
  }
  return identity
}

function writeDurably(path: string, text: string, flags: 'w' | 'wx'): void {
  const fd = openSync(path, flags)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

// ── the lock ──

function takeLock(path: string): string {
  const lock = join(path, LOCK_FILE)
  for (let attempts = 0; attempts < 3; attempts++) {
    try {
      writeDurably(lock, ownerLine(process.pid), 'wx')
      return lock
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw explain(error, path)
    }
    removeStaleLock(lock, path)
  }
  throw new KafkaError('DIRECTORY_LOCKED', `${path} is being opened by another process`)
}

/** Throws if the lock's owner lives; otherwise the lock is gone afterwards, unless somebody else was faster. */
function removeStaleLock(lock: string, path: string): void {
  const owner = readOwner(lock)
  if (owner === null) return
  if (isAlive(owner)) {
    const pid = Number(owner.split(' ')[0])
    const who = pid === process.pid ? `this process (${pid})` : `process ${pid}`
    throw new KafkaError('DIRECTORY_LOCKED', `${path} is in use by ${who}; close it there first`)
  }
  const aside = `${lock}.${process.pid}`
  try {
    renameSync(lock, aside)
    // Another process may have taken the stale lock over in between: then it was its lock that we moved, and it gets it back.
    if (readOwner(aside) !== owner) linkSync(aside, lock)
    unlinkSync(aside)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw explain(error, path)
  }
}

function readOwner(lock: string): string | null {
  try {
    return readFileSync(lock, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** Process id and, where the system tells it, the time of its start: ids are used again. */
function ownerLine(pid: number): string {
  return `${pid} ${startTimeOf(pid) ?? '-'}\n`
}

function isAlive(owner: string): boolean {
  const [pidText = '', started = '-'] = owner.trim().split(' ')
  const pid = Number(pidText)
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
  }
  const startedNow = startTimeOf(pid)
  return started === '-' || startedNow === null || startedNow === started
}

function startTimeOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

function releaseLock(lock: string): void {
  try {
    unlinkSync(lock)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

function explain(error: unknown, path: string): Error {
  const code = codeOf(error)
  const cause = { cause: error }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new KafkaError('READ_ONLY_DIRECTORY', `${path} cannot be written (${code}): a log needs a directory that it may write to`, cause)
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') return new KafkaError('DISK_FULL', `there is no space left for ${path}`, cause)
  if (code === 'ENOENT') return new KafkaError('FOREIGN_DIRECTORY', `${path} does not exist`, cause)
  if (code === 'ENOTDIR' || code === 'EEXIST') return new KafkaError('FOREIGN_DIRECTORY', `${path} is not a directory`, cause)
  return error instanceof Error ? error : new Error(String(error))
}
