/**
 * The data directory: whose it is (`odradek.json` with format version, cluster id, and its nodes), and that one process at a time uses it
 * (`lock`, with the owner's process id). A lock whose process is gone is taken over, by one process.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, unlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { KafkaError } from '../../protocol/errors.ts'
import { codeOf, explain, replaceDurably, writeDurably } from './durable-file.ts'
import { claimNodes } from './node-directory.ts'

/** What `odradek.json` says. */
export interface DirectoryIdentity {
  readonly format: number
  readonly clusterId: string
  /** How many nodes it ever had: their ids count from 0, and are not used again. */
  readonly nodes: number
  /** Those of them that are none any more. */
  readonly removed: readonly number[]
  /** The nodes that vote in the metadata quorum, or are about to: each has a coordinator. */
  readonly voters: readonly number[]
}

/** A directory that this process holds. */
export interface DataDirectory {
  readonly path: string
  /** As it is now. */
  readonly identity: DirectoryIdentity
  /** Changes what the directory says, durably. */
  update(change: Partial<Pick<DirectoryIdentity, 'voters' | 'removed'>>): void
  release(): void
}

/** The newest format that this code reads, and the one that it writes. */
export const FORMAT_VERSION = 1

const IDENTITY_FILE = 'odradek.json'
const LOCK_FILE = 'lock'

/** Members of the metadata quorum of a new cluster, if it has so many nodes. */
const VOTERS = 3

/** How often, and how long, an opening waits for one that is under way elsewhere: a fifth of a second is more than that takes. */
const LOCK_ATTEMPTS_MAX = 20
const LOCK_PAUSE_MILLIS = 10

/** A lock that we take: its file, the private file that becomes it, and what both say. */
interface Lock {
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

/** Takes hold of a directory; makes it unless it must exist. `nodes` null: as many as it has (1 in a new one); more than it has join it. */
export function openDataDirectory(directory: string, nodes: number | null, mustExist: boolean): DataDirectory {
  const path = resolve(directory)
  prepare(path, mustExist)
  checkForeign(path)
  const lock = takeLock(path)
  try {
    sweep(path)
    const found = readIdentity(path) ?? writeIdentity(path, newIdentity(nodes ?? 1))
    const identity = grow(path, found, nodes ?? nodesOf(found).length)
    claimNodes(path, identity.clusterId, nodesOf(identity))
    if (identity.nodes > found.nodes) writeIdentity(path, identity)
    return heldDirectory(path, identity, lock)
  } catch (error) {
    releaseLock(lock)
    throw error
  }
}

/** The ids of the nodes that there are, in ascending order. */
export function nodesOf({ nodes, removed }: Pick<DirectoryIdentity, 'nodes' | 'removed'>): number[] {
  return Array.from({ length: nodes }, (_, node) => node).filter((node) => !removed.includes(node))
}

function heldDirectory(path: string, first: DirectoryIdentity, lock: Lock): DataDirectory {
  let identity = first
  return {
    path,
    get identity() {
      return identity
    },
    update: (change) => {
      identity = writeIdentity(path, { ...identity, ...change })
    },
    release: () => releaseLock(lock),
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
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have made it just now.
    if (codeOf(error) !== 'EEXIST') throw error
    readdirSync(path)
  }
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

function newIdentity(nodes: number): DirectoryIdentity {
  return { format: FORMAT_VERSION, clusterId: randomUUID(), nodes, removed: [], voters: votersOf(nodesOf({ nodes, removed: [] })) }
}

/** The nodes that vote in the metadata quorum: three of them outlive the loss of one; two would only be slower than one. */
export function votersOf(nodes: readonly number[]): number[] {
  return nodes.slice(0, nodes.length < VOTERS ? 1 : VOTERS)
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

function isNodeList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((node) => Number.isInteger(node) && node >= 0)
}

function parseIdentity(text: string): DirectoryIdentity | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return null
    if (!('format' in value) || !('clusterId' in value) || !('nodes' in value)) return null
    const { format, clusterId, nodes } = value
    if (typeof format !== 'number' || typeof clusterId !== 'string' || typeof nodes !== 'number') return null
    // Before clusters could grow, the voters followed from the number of nodes.
    const voters = 'voters' in value ? value.voters : votersOf(nodesOf({ nodes, removed: [] }))
    const removed = 'removed' in value ? value.removed : []
    return isNodeList(voters) && voters.length > 0 && isNodeList(removed) ? { format, clusterId, nodes, removed, voters } : null
  } catch {
    return null
  }
}

/** More nodes may join, and are spread over by what is created from then on. Those that there are stay, unless they are removed one by one. */
function grow(path: string, identity: DirectoryIdentity, nodes: number): DirectoryIdentity {
  const present = nodesOf(identity).length
  if (nodes >= present) return { ...identity, nodes: identity.nodes + nodes - present }
  throw new KafkaError(
    'INVALID_OPTION',
    `${path} belongs to a cluster of ${present} node(s), and ${nodes} would leave replicas behind; leave the option nodes out, ` +
      'or remove nodes first (admin.drainNode, admin.removeNode)',
  )
}

function writeIdentity(path: string, identity: DirectoryIdentity): DirectoryIdentity {
  try {
    replaceDurably(join(path, IDENTITY_FILE), `${JSON.stringify(identity, null, 2)}\n`, join(path, `${LOCK_FILE}.identity`))
  } catch (error) {
    throw explain(error, path)
  }
  return identity
}

// ── the lock ──

/** Makes `lock` a second name of a file that is already whole, so that nobody ever reads half an owner. */
function takeLock(path: string): Lock {
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
    removeFile(lock.own)
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
    removeFile(guard)
  }
  return true
}

/** What crashed processes left. Only the lock's holder does this: as long as it lives, no guard protects anything. */
function sweep(path: string): void {
  for (const name of readdirSync(path)) {
    if (!name.startsWith(`${LOCK_FILE}.`)) continue
    const owner = readOwner(join(path, name))
    if (owner !== null && owner !== 'unknown' && !isAlive(owner)) removeFile(join(path, name))
  }
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

function releaseLock({ file, line }: Lock): void {
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
