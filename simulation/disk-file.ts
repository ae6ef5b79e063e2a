/**
 * One file of a simulated disk: what the page cache holds, and what of it would outlive a power loss. The contract is that of the storage effects:
 * a synced prefix stays; of what is not synced, each 512-byte sector stays or reads as zeros; a failed sync may lose what it should have
 * written although later syncs succeed, as on Linux.
 */
import type { StorageError } from '../protocol/messages/storage.ts'
import type { Random } from './random.ts'

/** The unit in which a disk writes or does not. */
export const SECTOR_BYTES = 512

const NOTHING = new Uint8Array(0)

/** A file. `bytes` has room beyond `sizeBytes`. */
export interface SimulatedFile {
  bytes: Uint8Array
  /** As the page cache has it. */
  sizeBytes: number
  /** Bytes that outlive a power loss. */
  durableBytes: number
  /** The directory entry outlives a power loss. */
  isEntryDurable: boolean
  /** From here a failed sync may have lost pages; -1 if none did. Nothing above becomes durable any more. */
  lostFrom: number
  /** A sync of what was last put there has failed: whoever wrote it has not counted on it. */
  isDoubted: boolean
  /** Where the disk has other bytes than were written, and those that were; -1 if it has not. */
  rottenAt: number
  rottenBytes: Uint8Array
  /** Somebody has written what was there over it; what a power loss brings back until that is synced, null if nobody has. */
  mendedOver: Uint8Array | null
  /** An append failed and may have left some bytes. */
  isTorn: boolean
  /** What a power loss may bring back after `replace`; undefined if the file was not replaced since its last sync, null if it did not exist. */
  before: Uint8Array | null | undefined
  /** Counts the times that durable bytes were cut or replaced: while it stays, they only grow. */
  generation: number
}

/** A file that has just been created. */
export function newFile(): SimulatedFile {
  return {
    bytes: new Uint8Array(1024),
    sizeBytes: 0,
    durableBytes: 0,
    isEntryDurable: false,
    lostFrom: -1,
    isDoubted: false,
    rottenAt: -1,
    rottenBytes: NOTHING,
    mendedOver: null,
    isTorn: false,
    before: undefined,
    generation: 0,
  }
}

/** Adds bytes at the end; they are copied. */
export function appendBytes(file: SimulatedFile, bytes: Uint8Array): void {
  const end = file.sizeBytes + bytes.length
  if (end > file.bytes.length) {
    const grown = new Uint8Array(Math.max(end, 2 * file.bytes.length))
    grown.set(file.bytes.subarray(0, file.sizeBytes))
    file.bytes = grown
  }
  file.bytes.set(bytes, file.sizeBytes)
  file.sizeBytes = end
}

/** Bytes that the file has are written again: if a failed sync had lost them, the next one covers them. Or what was there is written over what has rotted. */
export function rewriteBytes(file: SimulatedFile, position: number, bytes: Uint8Array): void {
  const end = position + bytes.length
  if (isOverRot(file, position, end)) {
    file.mendedOver ??= file.bytes.slice(file.rottenAt, file.rottenAt + file.rottenBytes.length)
    file.bytes.set(bytes, position)
  }
  if (file.lostFrom < 0 || position > file.lostFrom) return
  file.lostFrom = end >= file.sizeBytes ? -1 : Math.max(file.lostFrom, end)
}

/** Whether everything that has rotted lies there. */
function isOverRot({ rottenAt, rottenBytes }: SimulatedFile, from: number, end: number): boolean {
  return rottenAt >= from && rottenAt + rottenBytes.length <= end
}

/** Cuts the file, durably. */
export function truncateFile(file: SimulatedFile, sizeBytes: number): void {
  if (sizeBytes < file.durableBytes) file.generation++
  file.sizeBytes = Math.min(file.sizeBytes, sizeBytes)
  file.durableBytes = Math.min(file.durableBytes, sizeBytes)
  if (file.lostFrom >= sizeBytes) file.lostFrom = -1
  keepRot(file, sizeBytes)
  file.isTorn = false
}

/** Replaces the content; what was there may come back with a power loss. */
export function replaceContent(file: SimulatedFile, bytes: Uint8Array, isNew: boolean): void {
  if (file.before === undefined) file.before = isNew ? null : file.bytes.slice(0, file.sizeBytes)
  file.bytes = bytes.slice()
  file.sizeBytes = bytes.length
  file.durableBytes = 0
  file.generation++
  file.lostFrom = -1
  file.isDoubted = false
}

/** Puts other bytes where these were, in the page cache and beneath it. */
export function rotBytes(file: SimulatedFile, position: number, bytes: Uint8Array): void {
  file.rottenAt = position
  file.rottenBytes = file.bytes.slice(position, position + bytes.length)
  file.bytes.set(bytes, position)
}

/** Somebody puts back what was written. */
export function mendBytes(file: SimulatedFile): void {
  file.bytes.set(file.rottenBytes, file.rottenAt)
  file.rottenAt = -1
  file.mendedOver = null
}

/** What was written: the content of a file, before something of it rotted. A copy, if it has. */
export function writtenBytes({ bytes, sizeBytes, rottenAt, rottenBytes }: SimulatedFile): Uint8Array {
  if (rottenAt < 0) return bytes.subarray(0, sizeBytes)
  const written = bytes.slice(0, sizeBytes)
  written.set(rottenBytes, rottenAt)
  return written
}

/** What has rotted beyond the end is gone. */
function keepRot(file: SimulatedFile, sizeBytes: number): void {
  if (file.rottenAt >= sizeBytes) Object.assign(file, { rottenAt: -1, mendedOver: null })
  else if (file.rottenAt >= 0) file.rottenBytes = file.rottenBytes.subarray(0, sizeBytes - file.rottenAt)
}

/** A successful sync: everything written so far is durable, unless an earlier failure lost some of it. */
export function syncFile(file: SimulatedFile): void {
  file.durableBytes = file.lostFrom < 0 ? file.sizeBytes : Math.max(file.durableBytes, Math.min(file.lostFrom, file.sizeBytes))
  file.isEntryDurable = true
  if (file.lostFrom < 0) file.before = undefined
  if (file.mendedOver !== null) mendBytes(file)
}

/** A failed sync: the pages count as clean from now on, written or not. */
export function failSync(file: SimulatedFile): void {
  if (file.sizeBytes <= file.durableBytes) return
  file.isDoubted = true
  if (file.lostFrom < 0) file.lostFrom = file.durableBytes
}

/** What is left of the file when the power comes back; null if nothing is. */
export function afterPowerLoss(file: SimulatedFile, random: Random, isTearing: boolean): SimulatedFile | null {
  if (file.before !== undefined) return afterTornReplace(file, file.before, random, isTearing)
  if (!file.isEntryDurable && random.below(2) === 0) return null
  const kept = keptBytes(file, random, isTearing)
  const survivor = {
    ...newFile(),
    bytes: file.bytes.slice(0, Math.max(kept, 1)),
    sizeBytes: kept,
    durableBytes: kept,
    isEntryDurable: true,
    rottenAt: file.rottenAt,
    rottenBytes: file.rottenBytes,
  }
  if (file.mendedOver !== null) survivor.bytes.set(file.mendedOver.subarray(0, Math.max(0, kept - file.rottenAt)), file.rottenAt)
  keepRot(survivor, kept)
  if (isTearing || file.lostFrom >= 0) loseSectors(survivor, file.durableBytes, random)
  return survivor
}

/** The file as it was before it was replaced, because the rename was not durable; null if there was none. */
export function beforeReplace({ before }: SimulatedFile): SimulatedFile | null {
  if (before === undefined || before === null) return null
  return { ...newFile(), bytes: before, sizeBytes: before.length, durableBytes: before.length, isEntryDurable: true }
}

function keptBytes(file: SimulatedFile, random: Random, isTearing: boolean): number {
  const unsynced = file.sizeBytes - file.durableBytes
  if (unsynced <= 0) return file.sizeBytes
  const fate = random.below(4)
  if (fate <= 1) return file.durableBytes
  return fate === 2 && isTearing ? file.durableBytes + random.below(unsynced + 1) : file.sizeBytes
}

function loseSectors(file: SimulatedFile, from: number, random: Random): void {
  for (let at = from; at < file.sizeBytes;) {
    const end = Math.min(file.sizeBytes, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES)
    if (random.below(2) === 0) file.bytes.fill(0, at, end)
    at = end
  }
}

function afterTornReplace(file: SimulatedFile, before: Uint8Array | null, random: Random, isTearing: boolean): SimulatedFile | null {
  const fate = random.below(3)
  if (fate === 0 && before === null) return null
  const now = file.bytes.subarray(0, file.sizeBytes)
  let content = fate === 0 && before !== null ? before : now.slice()
  if (fate === 2 && isTearing) {
    content = now.slice(0, random.below(now.length + 1))
    if (before !== null) content.set(before.subarray(0, random.below(Math.min(before.length, content.length) + 1)))
  }
  return { ...newFile(), bytes: content, sizeBytes: content.length, durableBytes: content.length, isEntryDurable: true }
}

/** Gives a file another name, if it is there; one that had that name is gone. */
export function renameFile(files: Map<string, SimulatedFile>, from: string, to: string): void {
  const file = files.get(from)
  if (file === undefined) return
  files.delete(from)
  files.set(to, file)
}

/** What a file holds from a position on, as far as it goes; one that is not there cannot be read. */
export function readFile(
  file: SimulatedFile | undefined,
  position: number,
  sizeBytes: number,
): { records: Uint8Array | null; error: StorageError | null } {
  if (file === undefined) return { records: null, error: 'io' }
  return { records: file.bytes.slice(position, Math.max(position, Math.min(position + sizeBytes, file.sizeBytes))), error: null }
}
