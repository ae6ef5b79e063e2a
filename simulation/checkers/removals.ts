/**
 * What an actor takes away. REC: of a log whose power may fail nothing is removed, and no other file put in its place, that the checkpoint speaks of which the power loss would leave.
 */
import type { Effect } from '../../actors/effect.ts'
import { decodeCheckpoint, newestCheckpoint } from '../../partitions/checkpoint.ts'
import type { Checkpoint } from '../../partitions/checkpoint.ts'
import { logFileName } from '../../partitions/log.ts'
import type { Disk } from '../disk.ts'
import type { SimulatedFile } from '../disk-file.ts'
import type { World } from '../world.ts'

/** A replica has handled a message; its effects are still to come. */
export function checkRemovals(world: World, disk: Disk, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.kind !== 'remove' || effect.files === null || !effect.files.some((file) => file.endsWith('.log'))) continue
    const files = disk.files(effect.log)
    const checkpoint = survivor(files)
    const needed =
      checkpoint === null ? undefined : neededFiles(checkpoint).find((file) => effect.files?.includes(file) === true && files.has(file))
    if (needed !== undefined)
      world.fail('REC', `${effect.log}: ${needed} is removed, and a power loss leaves a checkpoint that speaks of it`)
  }
}

/** The checkpoint that a power loss leaves, if it takes what it can. Null: none, or one that nobody can read. */
function survivor(files: ReadonlyMap<string, SimulatedFile>): Checkpoint | null {
  const contents = ['checkpoint-0', 'checkpoint-1'].map((name) => contentLeft(files.get(name)))
  const newest = newestCheckpoint(contents.filter((one) => one !== null).map((bytes) => decodeCheckpoint(bytes)))
  return newest === 'newer' ? null : newest
}

function contentLeft(file: SimulatedFile | undefined): Uint8Array | null {
  if (file === undefined || file.rottenAt >= 0) return null
  if (file.before !== undefined) return file.before
  return file.isEntryDurable && file.durableBytes === file.sizeBytes ? file.bytes.subarray(0, file.sizeBytes) : null
}

/** The segments that must be there, by their names. */
function neededFiles({ segments, cleaning, recoveryPoint, logStartOffset }: Checkpoint): string[] {
  const generations = new Map(cleaning.segments.map(({ baseOffset, generation }) => [baseOffset, generation]))
  return segments
    .filter(
      ({ baseOffset, sizeBytes }, i) =>
        sizeBytes > 0 && baseOffset < recoveryPoint && (segments[i + 1]?.baseOffset ?? Infinity) > logStartOffset,
    )
    .map(({ baseOffset }) => logFileName(baseOffset, generations.get(baseOffset) ?? 0))
}
