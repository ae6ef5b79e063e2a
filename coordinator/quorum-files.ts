/**
 * What the metadata quorum keeps on a disk, and how that becomes a member again. Log files hold batches; snapshots are whole before the log below them
 * goes; epoch and vote lie in two small files that take turns, so that a torn write leaves the other one.
 *
 *   __cluster_metadata-0.0/   <base offset, 20 digits>.log   <offset>-<epoch>.checkpoint   quorum-state-0, quorum-state-1
 *   quorum-doubt, as long as it has less than it may have acknowledged
 *   quorum-state: magic u32 'ODRV' | format version u32 | crc32c u32 of what follows | sequence i64 | epoch i32 | voted for i32
 */
import { readI32, readI64, readU32, writeI32, writeI64 } from '../protocol/bytes.ts'
import { crc32cOf } from '../protocol/crc32c.ts'
import { checkBatch } from '../protocol/record-batch.ts'
import { baseOffsetOfFile, logFileName } from '../partitions/log.ts'
import { hasSoundBatch } from '../partitions/torn-tail.ts'
import { appendToLog, emptySnapshot, newQuorumLog } from './quorum-log.ts'
import { batchOf, decodeSnapshot } from './quorum-records.ts'
import type { QuorumBatch, QuorumSnapshot } from './quorum-records.ts'
import type { RecoveredQuorum } from './quorum-state.ts'

/** A log file, and where the batches in it end. */
export interface QuorumLogFile {
  readonly baseOffset: number
  readonly ends: { readonly endOffset: number; readonly position: number }[]
}

/** Epoch and vote on a disk. */
export interface StoredVote {
  /** Counts the writes. */
  readonly sequence: number
  readonly epoch: number
  readonly votedFor: number
}

/** A member that can begin, and what has to go first. */
export interface OpenedQuorum {
  readonly recovered: RecoveredQuorum
  /** Ascending; the last one takes appends. */
  readonly files: QuorumLogFile[]
  readonly snapshotFile: string | null
  readonly voteSequence: number
  /** The slot of the newest vote; -1 without one. */
  readonly voteSlot: number
  /** A torn tail. */
  readonly cut: { readonly file: string; readonly sizeBytes: number } | null
  /** Newest first, so that what a crash leaves of a log is its beginning. */
  readonly removals: readonly string[]
}

/** Why a disk cannot be used. */
export interface QuorumDamage {
  readonly damage: string
}

const MAGIC = 0x4f445256
const FORMAT_VERSION = 1
const VOTE_BYTES = 28

/** Is there while the member has less than it may have acknowledged. */
export const DOUBT_FILE = 'quorum-doubt'

/** The name of a vote's file. */
export function voteFileName(slot: number): string {
  return `quorum-state-${slot}`
}

/** The name of a snapshot's file: Kafka's. */
export function snapshotFileName({ endOffset, epoch }: QuorumSnapshot): string {
  return `${String(endOffset).padStart(20, '0')}-${String(epoch).padStart(10, '0')}.checkpoint`
}

/** Whether a file is one that must be read. */
export function isQuorumFile(name: string): boolean {
  return baseOffsetOfFile(name) !== null || isSnapshotFile(name) || /^quorum-state-[01]$/.test(name) || name === DOUBT_FILE
}

/** The size of a log file. */
export function fileSizeOf({ ends }: QuorumLogFile): number {
  return ends[ends.length - 1]?.position ?? 0
}

/** The content of a vote's file. */
export function encodeVote({ sequence, epoch, votedFor }: StoredVote): Uint8Array {
  const bytes = new Uint8Array(VOTE_BYTES)
  writeI32(bytes, 0, MAGIC)
  writeI32(bytes, 4, FORMAT_VERSION)
  writeI64(bytes, 12, sequence)
  writeI32(bytes, 20, epoch)
  writeI32(bytes, 24, votedFor)
  writeI32(bytes, 8, crc32cOf(bytes, 12, VOTE_BYTES))
  return bytes
}

/** Never throws, whatever the bytes; 'newer' if a newer version of this software wrote them. */
export function decodeVote(bytes: Uint8Array): StoredVote | 'unsound' | 'newer' {
  if (bytes.length < 8 || readU32(bytes, 0) !== MAGIC) return 'unsound'
  if (readU32(bytes, 4) > FORMAT_VERSION) return 'newer'
  if (bytes.length !== VOTE_BYTES || readU32(bytes, 8) !== crc32cOf(bytes, 12, VOTE_BYTES)) return 'unsound'
  return { sequence: readI64(bytes, 12), epoch: readI32(bytes, 20), votedFor: readI32(bytes, 24) }
}

/**
 * A member from the contents of its files. Everything beyond `trustedEnd` is cut: after a failed write or sync in this process, only what was synced
 * before is known. `voters` found the quorum if nothing is there.
 */
export function openQuorum(
  contents: ReadonlyMap<string, Uint8Array>,
  voters: readonly number[],
  trustedEnd: number,
): OpenedQuorum | QuorumDamage {
  const vote = newestVote(contents)
  if (vote === 'newer') return { damage: 'the vote was written by a newer version of this software' }
  const { file: snapshotFile, snapshot } = newestSnapshot(contents, voters)
  const scan = scanLog(contents, trustedEnd)
  const begin = scan.files[0]?.baseOffset ?? snapshot.endOffset
  if (begin > snapshot.endOffset) return { damage: `the log begins at ${begin}, but the snapshot ends at ${snapshot.endOffset}` }
  // What a failed sync may have lost of a log that the snapshot covers would be a hole before whatever is appended next: the log begins anew.
  const agrees = (trustedEnd === Infinity || trustedEnd > snapshot.endOffset) && agreesWith(scan, snapshot)
  const files = agrees ? scan.files : []
  if (files.length === 0) files.push({ baseOffset: snapshot.endOffset, ends: [] })
  const log = newQuorumLog(snapshot)
  for (const batch of scan.batches) if (agrees && batch.baseOffset >= snapshot.endOffset) appendToLog(log, batch)
  const lastEpoch = log.batches.at(-1)?.epoch ?? snapshot.epoch
  const epoch = Math.max(vote.epoch, lastEpoch)
  const kept = new Set([
    ...files.map(({ baseOffset }) => logFileName(baseOffset)),
    snapshotFile,
    voteFileName(0),
    voteFileName(1),
    DOUBT_FILE,
  ])
  const votedFor = epoch === vote.epoch ? vote.votedFor : -1
  const end = log.batches.at(-1)?.endOffset ?? snapshot.endOffset
  return {
    recovered: { epoch, votedFor, log, syncedEndOffset: end, isDoubtful: contents.has(DOUBT_FILE) },
    files,
    snapshotFile,
    voteSequence: vote.sequence,
    voteSlot: vote.slot,
    cut: agrees ? (scan.cut ?? cutAfterFailure(files, trustedEnd)) : emptied(contents, snapshot, trustedEnd),
    removals: [...contents.keys()]
      .filter((name) => !kept.has(name))
      .toSorted()
      .toReversed(),
  }
}

/**
 * Why what a disk has is not the metadata that was written there, in words; null if it may be. Sound batches behind an unsound one were written after it, so
 * that it is no torn tail: who cuts there loses what was acknowledged.
 */
export function metadataDefect(contents: ReadonlyMap<string, Uint8Array>): string | null {
  const { batches, files, cut } = scanLog(contents, Infinity)
  const rest = cut === null ? undefined : contents.get(cut.file)?.subarray(cut.sizeBytes + 1)
  const isLastFile = files.length === [...contents.keys()].filter((name) => baseOffsetOfFile(name) !== null).length
  if (cut !== null && (!isLastFile || (rest !== undefined && hasSoundBatch(rest, 0))))
    return `${cut.file} is damaged at byte ${cut.sizeBytes}`
  if (batches.length > 0 || newestSnapshot(contents, []).file !== null) return null
  return cut === null ? 'is empty' : 'has nothing that can be read'
}

/** The file with which a log begins anew must have nothing of another one; one that could not be written may refuse the next write until it is cut, empty or not. */
function emptied(contents: ReadonlyMap<string, Uint8Array>, { endOffset }: QuorumSnapshot, trustedEnd: number): OpenedQuorum['cut'] {
  const file = logFileName(endOffset)
  const sizeBytes = contents.get(file)?.length ?? -1
  return sizeBytes > 0 || (sizeBytes === 0 && trustedEnd < Infinity) ? { file, sizeBytes: 0 } : null
}

/** The same of the last file of a log that goes on. */
function cutAfterFailure(files: readonly QuorumLogFile[], trustedEnd: number): OpenedQuorum['cut'] {
  const last = files.at(-1)
  return trustedEnd === Infinity || last === undefined ? null : { file: logFileName(last.baseOffset), sizeBytes: fileSizeOf(last) }
}

/** Whether a file is a snapshot. */
export function isSnapshotFile(name: string): boolean {
  return /^\d{20}-\d{10}\.checkpoint$/.test(name)
}

function newestVote(contents: ReadonlyMap<string, Uint8Array>): (StoredVote & { readonly slot: number }) | 'newer' {
  let newest: StoredVote & { readonly slot: number } = { sequence: 0, epoch: 0, votedFor: -1, slot: -1 }
  for (const slot of [0, 1]) {
    const vote = decodeVote(contents.get(voteFileName(slot)) ?? new Uint8Array(0))
    if (vote === 'newer') return vote
    if (vote !== 'unsound' && vote.sequence > newest.sequence) newest = { ...vote, slot }
  }
  return newest
}

function newestSnapshot(
  contents: ReadonlyMap<string, Uint8Array>,
  voters: readonly number[],
): { readonly file: string | null; readonly snapshot: QuorumSnapshot } {
  for (const file of [...contents.keys()].filter(isSnapshotFile).toSorted().toReversed()) {
    const snapshot = decodeSnapshot(contents.get(file) ?? new Uint8Array(0))
    if (snapshot !== null) return { file, snapshot }
  }
  return { file: null, snapshot: emptySnapshot(voters) }
}

interface LogScan {
  readonly files: QuorumLogFile[]
  readonly batches: QuorumBatch[]
  cut: OpenedQuorum['cut']
}

/** Reads batch by batch, each with its CRC, up to the first that is not sound or does not follow. */
function scanLog(contents: ReadonlyMap<string, Uint8Array>, trustedEnd: number): LogScan {
  const scan: LogScan = { files: [], batches: [], cut: null }
  const names = [...contents.keys()].filter((name) => baseOffsetOfFile(name) !== null).toSorted()
  for (const name of names) {
    const baseOffset = baseOffsetOfFile(name) ?? 0
    const expected = scan.batches.at(-1)?.endOffset ?? scan.files[0]?.baseOffset ?? baseOffset
    if (baseOffset !== expected || scan.cut !== null) break
    const file: QuorumLogFile = { baseOffset, ends: [] }
    scan.files.push(file)
    const bytes = contents.get(name) ?? new Uint8Array(0)
    const soundBytes = scanFile(scan, file, bytes, trustedEnd)
    if (soundBytes < bytes.length) scan.cut = { file: name, sizeBytes: soundBytes }
  }
  return scan
}

function scanFile(scan: LogScan, file: QuorumLogFile, bytes: Uint8Array, trustedEnd: number): number {
  let at = 0
  while (at < bytes.length) {
    const check = checkBatch(bytes, at, bytes.length - at)
    if (!check.ok) break
    const batch = batchOf(bytes.slice(at, at + check.sizeBytes))
    const last = scan.batches.at(-1)
    const isNext = batch.baseOffset === (last?.endOffset ?? file.baseOffset) && batch.epoch >= (last?.epoch ?? 0)
    if (!isNext || batch.endOffset > trustedEnd) break
    scan.batches.push(batch)
    at += check.sizeBytes
    file.ends.push({ endOffset: batch.endOffset, position: at })
  }
  return at
}

/** Whether the log goes on where the snapshot ends: a snapshot that came from a leader may have replaced a log, and a crash left some of that. */
function agreesWith({ files, batches }: LogScan, snapshot: QuorumSnapshot): boolean {
  const begin = files[0]?.baseOffset ?? -1
  if (begin === snapshot.endOffset) return batches.length === 0 || batches[0]!.epoch >= snapshot.epoch
  const before = batches.find(({ endOffset }) => endOffset === snapshot.endOffset)
  return before?.epoch === snapshot.epoch
}
