/**
 * One process at a time uses a directory: `lock` names it, with the time of its start. A lock whose process is gone is taken over, by one process.
 */
import { randomBytes } from 'node:crypto'
import { linkSync, readdirSync, readFileSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { KafkaError } from '../../protocol/errors.ts'
import { codeOf, explain, writeDurably } from './durable-file.ts'

/** The lock's name; what begins like it is the lock's business, too. */
export const LOCK_FILE = 'lock'

/** Whether a file is the lock, or the lock's business. */
export function isLockFile(name: string): boolean {
  return name === LOCK_FILE || name.startsWith(`${LOCK_FILE}.`)
}

/** How often, and how long, an opening waits for one that is under way elsewhere: a fifth of a second is more than that takes. */
const LOCK_ATTEMPTS_MAX = 20
const LOCK_PAUSE_MILLIS = 10

/** A lock that we take: its file, the private file that becomes it, and what both say. */
export interface Lock {
  readonly file: string
  readonly own: string
  readonly line: string
}

/** Whose lock it is. */
interface Owner {
  readonly line: string
  readonly pid: number
  readonly started: string
}

/** Takes the lock of a directory, or throws DIRECTORY_LOCKED. It becomes a second name of a file that is whole, so that nobody ever reads half an owner. */
export function takeLock(path: string): Lock {
  const id = randomBytes(8).toString('hex')
  const lock: Lock = { file: join(path, LOCK_FILE), own: join(path, `${LOCK_FILE}.${process.pid}.${id}`), line: ownerLine(process.pid, id) }
  try {
    // Synced: an empty lock after a power failure would count as one that is being written.
    writeDurably(lock.own, lock.line, 'wx')
    const owner = linkUnlessOwned(lock, lock.file)
    if (owner !== null) throw lockedError(path, lock.file, owner)
    return lock
  } catch (error) {
    throw explain(error, path)
  } finally {
    removeIfPossible(lock.own)
  }
}

/** Links our owner line to `name`, after the removal of a dead owner's. Null if it is ours now; otherwise who has it. */
function linkUnlessOwned({ file, own, line }: Lock, name: string): Owner | 'unknown' | null {
  let owner: Owner | 'unknown' = 'unknown'
  for (let attempts = 0; attempts < LOCK_ATTEMPTS_MAX; attempts++) {
    if (tryLink(own, name)) return null
    const found = readOwner(name)
    if (found === null) continue
    owner = found
    const alive = owner === 'unknown' || isAlive(owner)
    // A guard is held for a moment only: that one is worth waiting for.
    if (owner !== 'unknown' && alive && name === file) return owner
    if (owner !== 'unknown' && !alive && removeStale({ file, own, line }, name, owner)) continue
    pause()
  }
  return owner
}

/**
 * Removes a dead owner's file; false if somebody else is at it. Whoever removes it holds a file that is named on the dead owner, and looks
 * again under it: so a file that replaced the dead owner's is never removed. That guard may be left by a crash, too, and is judged the same way.
 */
function removeStale(lock: Lock, name: string, dead: Owner): boolean {
  const guard = `${lock.file}.takeover.${dead.line.trim().replaceAll(' ', '.')}`
  if (linkUnlessOwned(lock, guard) !== null) return false
  try {
    const now = readOwner(name)
    if (now !== null && now !== 'unknown' && now.line === dead.line) removeFile(name)
  } finally {
    removeIfPossible(guard)
  }
  return true
}

/** Removes what crashed processes left. Only the lock's holder does this: as long as it lives, no guard protects anything. */
export function sweepLocks(path: string): void {
  for (const name of readdirSync(path)) {
    if (!name.startsWith(`${LOCK_FILE}.`)) continue
    const owner = readOwner(join(path, name))
    if (owner !== null && owner !== 'unknown' && !isAlive(owner)) removeFile(join(path, name))
  }
}

/** Throws DIRECTORY_LOCKED if a process that lives has the lock of a directory. */
export function checkUnlocked(path: string): void {
  const file = join(path, LOCK_FILE)
  const owner = readOwner(file)
  if (owner !== null && owner !== 'unknown' && isAlive(owner)) throw lockedError(path, file, owner)
}

function lockedError(path: string, file: string, owner: Owner | 'unknown'): KafkaError {
  if (owner === 'unknown') {
    return new KafkaError('DIRECTORY_LOCKED', `${path} is being opened by another process; if there is none, remove the file ${file}`)
  }
  const who = owner.pid === process.pid ? `this process (${owner.pid})` : `process ${owner.pid}`
  return new KafkaError('DIRECTORY_LOCKED', `${path} is in use by ${who}; close it there first`)
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(codeOf(error))) throw error
    throw new KafkaError('READ_ONLY_DIRECTORY', `${to} cannot be linked: the lock needs a file system with hard links`, { cause: error })
  }
}

/** Null if there is no such file; 'unknown' if it cannot be read or does not say whose it is (yet). */
function readOwner(file: string): Owner | 'unknown' | null {
  try {
    const line = readFileSync(file, 'utf8')
    const [, pid, started] = /^([1-9]\d{0,9}) (\d+|-)(?: [0-9a-f]+)?\n$/.exec(line) ?? []
    return pid === undefined || started === undefined ? 'unknown' : { line, pid: Number(pid), started }
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? null : 'unknown'
  }
}

/** Gives a lock back; no effect if somebody else has it by now. */
export function releaseLock({ file, line }: Lock): void {
  const owner = readOwner(file)
  if (owner !== null && owner !== 'unknown' && owner.line === line) removeFile(file)
}

function removeFile(file: string): void {
  try {
    unlinkSync(file)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

/** For what is cleaned up after an error: that one is to be told. What stays is swept by the next holder. */
function removeIfPossible(file: string): void {
  try {
    removeFile(file)
  } catch {
    // On a file system that refuses, nothing else works either.
  }
}

/** Opening is synchronous, and what is waited for is a few system calls of another process. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_PAUSE_MILLIS)
}

/** Process id and, where the system tells it, the time of its start, for ids are used again; and which opening of that process it is. */
function ownerLine(pid: number, id: string): string {
  return `${pid} ${startTimeOf(pid) ?? '-'} ${id}\n`
}

function isAlive({ pid, started }: Owner): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
  }
  const now = processOf(pid)
  if (now === null) return true
  return !now.isDead && (started === '-' || started === now.started)
}

function startTimeOf(pid: number): string | null {
  return processOf(pid)?.started ?? null
}

/** What the system tells of a process; null if it tells nothing. One that has ended stays listed until its parent asks for it (zombie): that is dead. */
function processOf(pid: number): { readonly isDead: boolean; readonly started: string } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, started] = [fields[0], fields[19]]
    return started === undefined ? null : { isDead: state === 'Z' || state === 'X', started }
  } catch {
    return null
  }
}
