/**
 * The data directory: whose it is (`odradek.json` with format version, cluster id, its nodes and their racks, who votes, and whether it was ever open), and that
 * one process at a time uses it (directory-lock.ts).
 */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { KafkaError } from '../../protocol/errors.ts'
import type { ClusterOptions } from './api.ts'
import { areRacks, checkRackCount } from './arguments.ts'
import { isLockFile, LOCK_FILE, releaseLock, sweepLocks, takeLock } from './directory-lock.ts'
import type { Lock } from './directory-lock.ts'
import { codeOf, explain, replaceDurably } from './durable-file.ts'
import { checkMetadata, claimNodes, foreignName, lockLinkedNodes, unclaimedNodes } from './node-directory.ts'

/** What `odradek.json` says. */
export interface DirectoryIdentity {
  readonly format: number
  readonly clusterId: string
  /** How many nodes it ever had: their ids count from 0, and are not used again. */
  readonly nodes: number
  /** Those of them that are none any more. */
  readonly removed: readonly number[]
  /** The rack of each node, by its id, as it was given last; null, or no place in the list: it is on none. */
  readonly racks: readonly (string | null)[]
  /** The nodes that vote in the metadata quorum, as it said last: they have its log. */
  readonly voters: readonly number[]
  /** Other nodes that have a coordinator: they may vote by now, or never will. None while the cluster is not open. */
  readonly observers: readonly number[]
  /** Whether it has been open: then it has metadata, and is not a new one that a crash kept from beginning. False, too, if that was before this was noted. */
  readonly opened: boolean
}

/** What was found. `isOld`: it is from before clusters could grow, and node directories said whose they are. */
interface FoundIdentity {
  readonly identity: DirectoryIdentity
  readonly isOld: boolean
}

/** A directory that this process holds. */
export interface DataDirectory {
  readonly path: string
  /** As it is now. */
  readonly identity: DirectoryIdentity
  /** Changes what the directory says, durably. */
  update(change: Partial<Pick<DirectoryIdentity, 'voters' | 'observers' | 'removed' | 'opened'>>): void
  /** Makes sure that a directory belongs to its node. Throws KAFKA_STORAGE_ERROR if all of it is gone, and FOREIGN_DIRECTORY. */
  claim(node: number): void
  release(): void
}

/** The newest format that this code reads, and the one that it writes. */
export const FORMAT_VERSION = 1

const IDENTITY_FILE = 'odradek.json'

/** Members of the metadata quorum of a new cluster, if it has so many nodes. */
const VOTERS = 3

/**
 * Takes hold of a directory; makes it unless it must exist. `nodes` null: as many as it has (1 in a new one); more than it has join it. Without `racks` nodes are where
 * the directory says. Throws INVALID_OPTION if there is not one for each node: then nothing is written.
 */
export function openDataDirectory(
  directory: string,
  nodes: number | null,
  mustExist: boolean,
  racks?: ClusterOptions['racks'],
): DataDirectory {
  const path = resolve(directory)
  prepare(path, mustExist)
  checkForeign(path, nodes ?? 1)
  const locks = [takeLock(path)]
  try {
    sweepLocks(path)
    const known = readIdentity(path)
    const { identity: found, isOld } = known ?? { identity: newIdentity(nodes ?? 1), isOld: false }
    const identity = onRacks(grow(path, found, nodes ?? nodesOf(found).length), racks)
    locks.push(...lockLinkedNodes(path, nodesOf(identity)))
    checkMetadata(path, nodesOf(found), found)
    const unclaimed = unclaimedNodes(path, identity.clusterId, nodesOf(identity), isOld)
    if (known === null) writeIdentity(path, identity)
    claimNodes(path, identity.clusterId, unclaimed)
    if (known !== null && !isDeepStrictEqual(identity, found)) writeIdentity(path, identity)
    return heldDirectory(path, identity, locks)
  } catch (error) {
    locks.forEach(releaseLock)
    throw error
  }
}

/** Whether there is a cluster in a directory: it is not a new one. */
export function isDataDirectory(directory: string): boolean {
  return existsSync(join(directory, IDENTITY_FILE))
}

/** The ids of the nodes that there are, in ascending order. */
export function nodesOf({ nodes, removed }: Pick<DirectoryIdentity, 'nodes' | 'removed'>): number[] {
  return Array.from({ length: nodes }, (_, node) => node).filter((node) => !removed.includes(node))
}

function heldDirectory(path: string, first: DirectoryIdentity, locks: readonly Lock[]): DataDirectory {
  let identity = first
  return {
    path,
    get identity() {
      return identity
    },
    update: (change) => {
      identity = writeIdentity(path, { ...identity, ...change })
    },
    claim: (node) => {
      if (!isDataDirectory(path))
        throw new KafkaError(
          'KAFKA_STORAGE_ERROR',
          `${path} has lost its ${IDENTITY_FILE} while the cluster was open: put the directory back`,
        )
      // Nobody else puts logs there meanwhile: what does not say whose it is was made by the node itself.
      claimNodes(path, identity.clusterId, unclaimedNodes(path, identity.clusterId, [node], true))
    },
    release: () => locks.forEach(releaseLock),
  }
}

function prepare(path: string, mustExist: boolean): void {
  try {
    if (mustExist) readdirSync(path)
    else makeDirectory(path)
  } catch (error) {
    throw mustExist ? explain(error, path) : notMade(error, path)
  }
}

/** Why a directory cannot be made: what we know better than the system, or what it says. */
function notMade(error: unknown, path: string): Error {
  const explained = codeOf(error) === 'ENOENT' ? error : explain(error, path)
  if (explained instanceof KafkaError) return explained
  const reason = error instanceof Error ? error.message : String(error)
  return new KafkaError('FOREIGN_DIRECTORY', `the directory ${path} cannot be made: ${reason}`, { cause: error })
}

/** Makes a directory with its parents, or reads one that is there. Step by step: Node's own recursive mkdir never returns where a file system answers ENOENT for ever (/proc). */
export function makeDirectory(path: string): void {
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

/** A directory with files but without our identity is somebody else's: nothing is written there. Directories for the nodes of a new cluster may be there. */
function checkForeign(path: string, nodes: number): void {
  const names = readdirSync(path).filter((name) => !isLockFile(name))
  const foreign = names.includes(IDENTITY_FILE) ? null : foreignName(path, names, nodes)
  if (foreign === null) return
  // Whoever writes into the root of a file system writes beside it when it is not mounted.
  if (foreign === 'lost+found')
    throw new KafkaError('FOREIGN_DIRECTORY', `${path} holds lost+found: it is the root of a file system; choose a directory in it`)
  throw new KafkaError(
    'FOREIGN_DIRECTORY',
    `${path} holds ${foreign} and no ${IDENTITY_FILE}: it is not a data directory; choose an empty one`,
  )
}

function newIdentity(nodes: number): DirectoryIdentity {
  const voters = votersOf(nodesOf({ nodes, removed: [] }))
  return { format: FORMAT_VERSION, clusterId: randomUUID(), nodes, removed: [], racks: [], voters, observers: [], opened: false }
}

/** The nodes that vote in the metadata quorum: three of them outlive the loss of one; two would only be slower than one. */
export function votersOf(nodes: readonly number[]): number[] {
  return nodes.slice(0, nodes.length < VOTERS ? 1 : VOTERS)
}

function readIdentity(path: string): FoundIdentity | null {
  let text: string
  try {
    text = readFileSync(join(path, IDENTITY_FILE), 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw explain(error, path)
  }
  const found = parseIdentity(text)
  if (found === null)
    throw new KafkaError(
      'FOREIGN_DIRECTORY',
      `${join(path, IDENTITY_FILE)} is damaged: restore it from a backup, or choose another directory`,
    )
  const { identity } = found
  if (!Number.isInteger(identity.format) || identity.format < 1) {
    throw new KafkaError(
      'UNSUPPORTED_FORMAT_VERSION',
      `${join(path, IDENTITY_FILE)} says format ${identity.format}, and there is no such format: restore the file from a backup`,
    )
  }
  if (identity.format > FORMAT_VERSION) {
    throw new KafkaError(
      'UNSUPPORTED_FORMAT_VERSION',
      `${path} has format ${identity.format}; this version reads up to ${FORMAT_VERSION}. Use a newer version of odradek`,
    )
  }
  return found
}

function isNodeList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((node) => Number.isInteger(node) && node >= 0)
}

function parseIdentity(text: string): FoundIdentity | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return null
    if (!('format' in value) || !('clusterId' in value) || !('nodes' in value)) return null
    const { format, clusterId, nodes } = value
    if (typeof format !== 'number' || typeof clusterId !== 'string' || typeof nodes !== 'number') return null
    // Before clusters could grow, the voters followed from the number of nodes.
    const isOld = !('voters' in value)
    const voters = 'voters' in value ? value.voters : votersOf(nodesOf({ nodes, removed: [] }))
    const observers = 'observers' in value ? value.observers : []
    const removed = 'removed' in value ? value.removed : []
    const racks = 'racks' in value ? value.racks : []
    const opened = 'opened' in value ? value.opened : false
    if (!isNodeList(voters) || voters.length === 0 || !isNodeList(observers)) return null
    if (!isNodeList(removed) || !areRacks(racks) || typeof opened !== 'boolean') return null
    return { identity: { format, clusterId, nodes, removed, racks, voters, observers, opened }, isOld }
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

/** With other racks, if some are given: what says nothing of a node that there is is forgotten. */
function onRacks(identity: DirectoryIdentity, racks: ClusterOptions['racks']): DirectoryIdentity {
  if (racks === undefined) return identity
  const ids = nodesOf(identity)
  checkRackCount(racks, ids)
  const known = racks.map((rack, node) => (ids.includes(node) ? rack : null))
  return { ...identity, racks: known.every((rack) => rack === null) ? [] : known }
}

function writeIdentity(path: string, identity: DirectoryIdentity): DirectoryIdentity {
  try {
    replaceDurably(join(path, IDENTITY_FILE), `${JSON.stringify(identity, null, 2)}\n`, join(path, `${LOCK_FILE}.identity`))
  } catch (error) {
    throw explain(error, path)
  }
  return identity
}
