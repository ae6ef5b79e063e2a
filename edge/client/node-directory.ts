/**
 * Whose a node's directory is: `node.json` in each says the cluster and the node. One that was copied from another cluster, or that two nodes are given
 * by a link, would mix two histories; it is refused before anything is read, or written to any of them. One without the file gets it if it is new, was
 * emptied, or is from before; with logs and without the file it is refused, too.
 * And whether the voters have the metadata still: without it the cluster would begin anew.
 */
import { accessSync, constants, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { BROKER_LOG } from '../../actors/broker-registration.ts'
import { defectOfMetadata, METADATA_LOG } from '../../actors/coordinator-quorum.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { checkUnlocked, isLockFile, releaseLock, takeLock } from './directory-lock.ts'
import type { Lock } from './directory-lock.ts'
import { codeOf, explain, replaceDurably } from './durable-file.ts'

/** What `node.json` says. */
interface NodeIdentity {
  readonly clusterId: string
  readonly node: number
}

const NODE_FILE = 'node.json'

/** What the directory of a log is called. */
const LOG_DIRECTORY = /^.+-\d+\.\d+$/

/** Where a node of the cluster in `path` keeps everything. */
export function nodeDirectory(path: string, node: number): string {
  return join(path, `node-${node}`)
}

/** What in a directory keeps it from becoming a new cluster: all but empty directories of the nodes that it is to have, and links to some. A link to nothing is told of as such later. */
export function foreignName(path: string, names: readonly string[], nodes: number): string | null {
  const own = Array.from({ length: nodes }, (_, node) => basename(nodeDirectory(path, node)))
  return names.find((name) => !own.includes(name) || !namesIn(join(path, name)).every(isLockFile)) ?? null
}

/**
 * A cluster that was open has its metadata log on the disks of most voters; so has one with partitions, which are made when the metadata says so. Without them (disks that
 * are not mounted, say), or with damage in the middle of it, those that have nothing could elect one of them, and begin anew. One that a crash has kept from its first
 * opening has neither. Throws FOREIGN_DIRECTORY.
 */
export function checkMetadata(
  path: string,
  nodes: readonly number[],
  { opened, voters }: { readonly opened: boolean; readonly voters: readonly number[] },
): void {
  const defects = voters.flatMap((node) => {
    const defect = metadataDefectOf(path, node)
    return defect === null ? [] : [`${join(`node-${node}`, METADATA_LOG)} ${defect}`]
  })
  if (defects.length * 2 <= voters.length) return
  if (!opened && !nodes.some((node) => logsIn(nodeDirectory(path, node)).some((log) => log !== METADATA_LOG && log !== BROKER_LOG))) return
  throw new KafkaError(
    'FOREIGN_DIRECTORY',
    `${path} is no new cluster, and the metadata of what it has is gone from ${defects.length} of the ${voters.length} voters that keep it: ${defects.join('; ')}. ` +
      'Mount their disks, or put back their directories; to begin anew, remove the whole directory',
  )
}

/** Why a voter's directory does not have the metadata that it had, in words; null if it may have it. */
export function metadataDefectOf(path: string, node: number): string | null {
  const log = join(nodeDirectory(path, node), METADATA_LOG)
  return defectOfMetadata(namesIn(log), (name) => readFileSync(join(log, name)))
}

/**
 * The nodes whose directories are not there, or say nothing: they are to be claimed. Looks at all of them, and changes nothing. `isOld`: the cluster is from before
 * they said whose they are, and what says nothing is taken for its own. Throws FOREIGN_DIRECTORY if one cannot be had, or two are the same.
 */
export function unclaimedNodes(path: string, clusterId: string, nodes: readonly number[], isOld: boolean): number[] {
  const unclaimed = nodes.filter((node) => isUnclaimed(nodeDirectory(path, node), { clusterId, node }, isOld))
  const taken = new Map<string, string>()
  for (const directory of unclaimed.map((node) => nodeDirectory(path, node)).filter((one) => existsSync(one))) {
    const real = realpathSync(directory)
    const other = taken.get(real)
    if (other !== undefined)
      throw new KafkaError('FOREIGN_DIRECTORY', `${other} and ${directory} are both ${real}: each node needs a directory of its own`)
    taken.set(real, directory)
  }
  return unclaimed
}

function isUnclaimed(directory: string, own: NodeIdentity, isOld: boolean): boolean {
  try {
    const entry = lstatSync(directory, { throwIfNoEntry: false })
    if (entry === undefined) return true
    if (entry.isSymbolicLink() && !existsSync(directory)) {
      const problem = `${directory} is a link to ${readlinkSync(directory)}, which is not there`
      throw new KafkaError('FOREIGN_DIRECTORY', `${problem}: mount its disk, or remove the link to have the node caught up`)
    }
    const found = readNodeIdentity(join(directory, NODE_FILE))
    if (found === 'damaged' || (found === null && !isOld && logsIn(directory).length > 0)) throw unnamed(directory, own, found)
    if (found !== null) checkNodeIdentity(directory, found, own)
    else accessSync(directory, constants.W_OK)
    return found === null
  } catch (error) {
    throw explain(error, directory)
  }
}

/** Makes directories of nodes that are not there, and writes whose they are. For those that were found to be unclaimed. */
export function claimNodes(path: string, clusterId: string, unclaimed: readonly number[]): void {
  for (const node of unclaimed) {
    const directory = nodeDirectory(path, node)
    try {
      if (!existsSync(directory)) mkdirSync(directory)
      writeNodeIdentity(directory, { clusterId, node })
    } catch (error) {
      throw explain(error, directory)
    }
  }
}

/**
 * Another cluster directory may be a copy of this one, with the same ids, and have a link to the same node. Who follows a link locks what it leads to, and
 * looks whether the cluster there is open; who follows none looks whether somebody came by a link. Locks first, looks second: one of two sees the other.
 */
export function lockLinkedNodes(path: string, nodes: readonly number[]): Lock[] {
  const locks: Lock[] = []
  try {
    for (const node of nodes) {
      const directory = nodeDirectory(path, node)
      if (!existsSync(directory)) continue
      const real = realpathSync(directory)
      // Two nodes of this cluster on one directory are told apart by what it says.
      if (locks.some(({ file }) => dirname(file) === real)) continue
      if (real === nodeDirectory(realpathSync(path), node)) {
        checkUnlocked(real)
        continue
      }
      locks.push(takeLock(real))
      if (dirname(real) !== realpathSync(path)) checkUnlocked(dirname(real))
    }
    return locks
  } catch (error) {
    locks.forEach(releaseLock)
    throw error
  }
}

function logsIn(directory: string): string[] {
  return namesIn(directory).filter((name) => LOG_DIRECTORY.test(name))
}

/** What is in a directory; nothing if there is none. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw explain(error, directory)
  }
}

/** A directory that does not say whose it is. */
function unnamed(directory: string, own: NodeIdentity, found: 'damaged' | null): KafkaError {
  const file = join(directory, NODE_FILE)
  const problem = found === null ? `${directory} holds ${logsIn(directory)[0] ?? 'logs'} and no ${NODE_FILE}` : `${file} is damaged`
  return new KafkaError(
    'FOREIGN_DIRECTORY',
    `${problem}, so that nothing says whose it is: move the whole directory away to have the node caught up, if other nodes have what it has; ` +
      `if it is this node's for certain, write ${JSON.stringify(own)} to ${file}`,
  )
}

function checkNodeIdentity(directory: string, found: NodeIdentity, expected: NodeIdentity): void {
  if (found.clusterId !== expected.clusterId) {
    throw new KafkaError(
      'FOREIGN_DIRECTORY',
      `${directory} belongs to cluster ${found.clusterId}, and this is ${expected.clusterId}: put back its own, or move it away to have the node caught up`,
    )
  }
  if (found.node !== expected.node) {
    throw new KafkaError(
      'FOREIGN_DIRECTORY',
      `${directory} belongs to node ${found.node}, not to node ${expected.node}: each node needs a directory of its own; put back its own, or move it away to have the node caught up`,
    )
  }
}

function readNodeIdentity(file: string): NodeIdentity | 'damaged' | null {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
  return parse(text) ?? 'damaged'
}

function parse(text: string): NodeIdentity | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('clusterId' in value) || !('node' in value)) return null
    const { clusterId, node } = value
    return typeof clusterId === 'string' && typeof node === 'number' ? { clusterId, node } : null
  } catch {
    return null
  }
}

function writeNodeIdentity(directory: string, identity: NodeIdentity): void {
  const file = join(directory, NODE_FILE)
  replaceDurably(file, `${JSON.stringify(identity, null, 2)}\n`, `${file}.new`)
}
