/**
 * What an actor writes over what it has. REC: of two files that take turns (`quorum-state-0` and `quorum-state-1`, say) the only one that a power loss leaves is not written over, unless nobody
 * needs it: a checkpoint of a whole log; nor is a snapshot that is there.
 */
import type { Effect } from '../../actors/effect.ts'
import { decodeVote } from '../../coordinator/quorum-files.ts'
import { decodeSnapshot } from '../../coordinator/quorum-records.ts'
import { decodeCheckpoint } from '../../partitions/checkpoint.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import type { Disk } from '../disk.ts'
import type { SimulatedFile } from '../disk-file.ts'
import type { World } from '../world.ts'

const SERVING: ReadonlySet<string> = new Set<ReplicaState['phase']>(['leading', 'following', 'idle', 'rollingBack'])

const TURN = /^(.+-)([01])$/

/** An actor has handled a message; its effects are still to come. */
export function checkRewrites(world: World, disk: Disk, state: unknown, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.kind !== 'replace') continue
    const { log, file } = effect
    const files = disk.files(log)
    const target = files.get(file)
    if (target === undefined) continue
    const [, name = '', turn = ''] = TURN.exec(file) ?? []
    const other = files.get(name + (turn === '0' ? '1' : '0'))
    if (name !== '' && isNeeded(name, target, state) && isSafe(target) && !isSafe(other))
      world.fail('REC', `${log}: ${file} is written over, and a power loss leaves no other`)
    if (file.endsWith('.checkpoint') && isSnapshot(target)) world.fail('REC', `${log}: ${file} is there, and is written again`)
  }
}

/** Whether a power loss leaves all of it. */
function isSafe(file: SimulatedFile | undefined): boolean {
  if (file === undefined) return false
  return file.isEntryDurable && file.before === undefined && file.durableBytes === file.sizeBytes && file.rottenAt < 0
}

/**
 * Whether it is needed, if it is sound. A log from which nothing was removed says itself where it begins, and one that is given up needs nothing. A vote whose sync
 * failed was told to nobody: its member has begun anew, and has what it read written before it says anything; that all was synced once more meanwhile changes nothing.
 */
function isNeeded(name: string, { bytes, sizeBytes, isDoubted }: SimulatedFile, state: unknown): boolean {
  const content = bytes.subarray(0, sizeBytes)
  if (name === 'quorum-state-') return !isDoubted && typeof decodeVote(content) !== 'string'
  if (name !== 'checkpoint-') return isJson(content)
  const checkpoint = decodeCheckpoint(content)
  if (typeof checkpoint === 'string') return false
  return checkpoint.logStartOffset > 0 && SERVING.has((state as ReplicaState).phase)
}

function isJson(content: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(content))
    return true
  } catch {
    return false
  }
}

/** Whether it may count by now, or soon: no sync of it has failed. */
function isSnapshot({ bytes, sizeBytes, lostFrom }: SimulatedFile): boolean {
  return lostFrom < 0 && decodeSnapshot(bytes.subarray(0, sizeBytes)) !== null
}
