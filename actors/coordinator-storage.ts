/**
 * The disk of a member of the metadata quorum: what the rules want written becomes storage effects, and the disk's answers become what the rules want
 * to hear. What is read at the start is synced first: it may have been in the page cache only. After a failed write or sync nothing is trusted but
 * what was synced before: the log is read again, and cut there.
 */
import { assert, unreachable } from '../protocol/assert.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import { logFileName } from '../partitions/log.ts'
import {
  encodeVote,
  fileSizeOf,
  isQuorumFile,
  isSnapshotFile,
  openQuorum,
  snapshotFileName,
  voteFileName,
} from '../coordinator/quorum-files.ts'
import type { OpenedQuorum, QuorumLogFile } from '../coordinator/quorum-files.ts'
import type { QuorumBatch, QuorumSnapshot } from '../coordinator/quorum-records.ts'
import type { QuorumOutput, RecoveredQuorum } from '../coordinator/quorum-state.ts'
import type { Outbox } from './actor.ts'

/** What the answer to a token is for. */
type Continuation =
  | { readonly kind: 'list' }
  | { readonly kind: 'settle'; readonly file: string }
  | { readonly kind: 'read'; readonly file: string; readonly isDistrusted: boolean }
  | { readonly kind: 'change' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'sync'; readonly baseOffset: number; readonly generation: number }
  | { readonly kind: 'vote'; readonly sequence: number; readonly slot: number }
  | { readonly kind: 'snapshot'; readonly snapshot: QuorumSnapshot }
  | { readonly kind: 'snapshotWritten'; readonly snapshot: QuorumSnapshot }
  | { readonly kind: 'ignore' }

/** A vote to be written. */
interface WantedVote {
  readonly sequence: number
  readonly epoch: number
  readonly votedFor: number
}

/** The disk of one member. */
export interface QuorumStorage {
  readonly log: string
  readonly voters: readonly number[]
  nextToken: number
  readonly continuations: Map<number, Continuation>
  /** While it opens: what has been read, and how many answers are missing. */
  contents: Map<string, Uint8Array>
  missing: number
  opened: OpenedQuorum | null
  /** Nothing beyond is taken from the disk when it is opened. */
  trustedEnd: number
  files: QuorumLogFile[]
  /** The snapshot in force, and the last one that was saved. */
  snapshotFile: string | null
  savedFile: string | null
  /** Files whose sync failed while they were being opened: the page cache may show what the disk has dropped, until it is written again. */
  distrusted: ReadonlySet<string>
  /** Files of snapshots that are known to be synced. */
  syncedSnapshots: ReadonlySet<string>
  /** Snapshots whose bytes could not be written. */
  readonly failedSnapshots: Set<QuorumSnapshot>
  /** Counts cuts: a sync that began before one says nothing. */
  generation: number
  isSyncing: boolean
  /** The vote that outlives a power loss is in this slot; the next one goes to the other. */
  voteSlot: number
  voteCount: number
  isVoting: boolean
  wantedVote: WantedVote | null
}

/** What the disk has done, in the words of the quorum. */
export type StorageNews =
  | { readonly kind: 'opened'; readonly recovered: RecoveredQuorum }
  | { readonly kind: 'votePersisted'; readonly sequence: number }
  | { readonly kind: 'logSynced'; readonly endOffset: number }
  | { readonly kind: 'snapshotSaved'; readonly snapshot: QuorumSnapshot }
  | { readonly kind: 'snapshotFailed' }
  | { readonly kind: 'failed'; readonly reason: string; readonly nature: 'passing' | 'permanent' }

/** A disk that has not been looked at. */
export function newQuorumStorage(log: string, voters: readonly number[]): QuorumStorage {
  return {
    log,
    voters,
    nextToken: 1,
    continuations: new Map(),
    contents: new Map(),
    missing: 0,
    opened: null,
    trustedEnd: Infinity,
    files: [],
    snapshotFile: null,
    savedFile: null,
    distrusted: new Set(),
    syncedSnapshots: new Set(),
    failedSnapshots: new Set(),
    generation: 0,
    isSyncing: false,
    voteSlot: -1,
    voteCount: 0,
    isVoting: false,
    wantedVote: null,
  }
}

/** Begins to read the disk. */
export function openStorage(storage: QuorumStorage, outbox: Outbox): void {
  outbox.push({ kind: 'list', log: storage.log, token: expect(storage, { kind: 'list' }) })
}

/** Forgets everything but what was synced; `openStorage` begins anew. */
export function closeStorage(storage: QuorumStorage, trustedEnd: number): void {
  const { log, voters, nextToken, voteSlot, generation, syncedSnapshots } = storage
  const distrusted = new Set(storage.distrusted)
  // Whether these succeed nobody will hear.
  for (const continuation of storage.continuations.values()) if (continuation.kind === 'settle') distrusted.add(continuation.file)
  const fresh = newQuorumStorage(log, voters)
  Object.assign(storage, { ...fresh, nextToken, voteSlot, trustedEnd, distrusted, syncedSnapshots, generation: generation + 1 })
}

/** Does what the rules want done with the disk. */
export function performQuorum(storage: QuorumStorage, output: QuorumOutput, outbox: Outbox): void {
  switch (output.kind) {
    case 'persistVote':
      storage.wantedVote = output
      return writeVote(storage, outbox)
    case 'append':
      return append(storage, output.batch, outbox)
    case 'truncate':
      return truncate(storage, output.endOffset, outbox)
    case 'saveSnapshot':
      return saveSnapshot(storage, output.snapshot, outbox)
    case 'dropLog':
      return dropLog(storage, output.endOffset, output.how, outbox)
    default:
      return
  }
}

/** Takes an answer of the disk; null if the quorum need not hear of it. */
export function onQuorumStorage(storage: QuorumStorage, message: StorageAnswer, outbox: Outbox): StorageNews | null {
  const continuation = storage.continuations.get(message.token)
  if (continuation === undefined || message.kind === 'logsListed') return null
  storage.continuations.delete(message.token)
  if (message.error !== null && continuation.kind === 'settle') storage.distrusted = new Set([...storage.distrusted, continuation.file])
  if (message.error !== null && isVital(continuation))
    return { kind: 'failed', reason: `the disk failed (${continuation.kind}: ${message.error})`, nature: 'passing' }
  switch (continuation.kind) {
    case 'list':
      assert(message.kind === 'listed', 'S1 a listing is answered by listed')
      return onListed(storage, message, outbox)
    case 'read':
      assert(message.kind === 'readCompleted', 'S2 a read is answered by readCompleted')
      onRead(storage, continuation, message.records ?? new Uint8Array(0), outbox)
      return onOpening(storage, outbox)
    case 'settle':
    case 'cut':
      return onOpening(storage, outbox)
    case 'sync':
      assert(message.kind === 'synced', 'S3 a sync is answered by synced')
      return onLogFileSynced(storage, continuation, message, outbox)
    case 'vote':
      return onVoteWritten(storage, continuation, outbox)
    case 'snapshotWritten':
      if (message.error !== null) storage.failedSnapshots.add(continuation.snapshot)
      return null
    case 'snapshot':
      if (message.error !== null || storage.failedSnapshots.delete(continuation.snapshot)) return { kind: 'snapshotFailed' }
      storage.savedFile = snapshotFileName(continuation.snapshot)
      storage.syncedSnapshots = new Set([...storage.syncedSnapshots, storage.savedFile])
      return { kind: 'snapshotSaved', snapshot: continuation.snapshot }
    case 'change':
    case 'ignore':
      return null
    default:
      return unreachable(continuation)
  }
}

function isVital({ kind }: Continuation): boolean {
  return kind !== 'snapshot' && kind !== 'snapshotWritten' && kind !== 'ignore'
}

function expect(storage: QuorumStorage, continuation: Continuation): number {
  const token = storage.nextToken++
  storage.continuations.set(token, continuation)
  return token
}

// ── opening ──

function onListed(storage: QuorumStorage, message: MessageOf<'listed'>, outbox: Outbox): StorageNews | null {
  const { log } = storage
  // Files of the time when the log was a partition's.
  const strays = message.files.map(({ name }) => name).filter((name) => /\.index$|^checkpoint-[01]$/.test(name))
  if (strays.length > 0) outbox.push({ kind: 'remove', log, files: strays, token: expect(storage, { kind: 'ignore' }) })
  for (const { name, sizeBytes } of message.files) {
    if (!isQuorumFile(name)) continue
    // The sync of a snapshot failed, or was not answered: what it says may not be there after a power loss, although the next sync succeeds.
    if (storage.trustedEnd < Infinity && isSnapshotFile(name) && !storage.syncedSnapshots.has(name)) {
      outbox.push({ kind: 'remove', log, files: [name], token: expect(storage, { kind: 'ignore' }) })
      continue
    }
    const isDistrusted = storage.distrusted.has(name)
    if (!isDistrusted) settle(storage, name, outbox)
    storage.missing++
    outbox.push({
      kind: 'read',
      log,
      file: name,
      position: 0,
      sizeBytes,
      token: expect(storage, { kind: 'read', file: name, isDistrusted }),
    })
  }
  storage.missing++
  return onOpening(storage, outbox)
}

/** What a former life wrote may only be in the page cache. */
function settle(storage: QuorumStorage, file: string, outbox: Outbox): void {
  storage.missing++
  outbox.push({ kind: 'sync', log: storage.log, file, token: expect(storage, { kind: 'settle', file }) })
}

function onRead(
  storage: QuorumStorage,
  { file, isDistrusted }: Extract<Continuation, { kind: 'read' }>,
  bytes: Uint8Array,
  outbox: Outbox,
): void {
  storage.contents.set(file, bytes)
  if (!isDistrusted) return
  if (bytes.length > 0) {
    storage.missing++
    outbox.push({ kind: 'rewrite', log: storage.log, file, position: 0, bytes, token: expect(storage, { kind: 'cut' }) })
  }
  settle(storage, file, outbox)
}

/** One answer less is missing. When all are there, the files become a member; when its cuts are done, it can begin. */
function onOpening(storage: QuorumStorage, outbox: Outbox): StorageNews | null {
  storage.missing--
  if (storage.missing > 0) return null
  if (storage.opened === null) {
    const opened = openQuorum(storage.contents, storage.voters, storage.trustedEnd)
    if ('damage' in opened) return { kind: 'failed', reason: opened.damage, nature: 'permanent' }
    storage.opened = opened
    cutTail(storage, opened, outbox)
    if (storage.missing > 0) return null
  }
  const { recovered, files, snapshotFile, voteSequence, voteSlot } = storage.opened
  storage.files = files
  storage.snapshotFile = snapshotFile
  storage.voteCount = voteSequence
  // After a failure, the slot of the last vote that was synced is known; what lies in the other one is not trusted.
  if (storage.trustedEnd === Infinity) storage.voteSlot = voteSlot
  storage.contents = new Map()
  storage.opened = null
  storage.trustedEnd = Infinity
  storage.distrusted = new Set()
  if (snapshotFile !== null) storage.syncedSnapshots = new Set([snapshotFile])
  return { kind: 'opened', recovered }
}

function cutTail(storage: QuorumStorage, { cut, removals }: OpenedQuorum, outbox: Outbox): void {
  const { log } = storage
  if (removals.length > 0) {
    storage.missing++
    outbox.push({ kind: 'remove', log, files: removals, token: expect(storage, { kind: 'cut' }) })
  }
  if (cut === null) return
  storage.missing++
  outbox.push({ kind: 'truncate', log, file: cut.file, sizeBytes: cut.sizeBytes, token: expect(storage, { kind: 'cut' }) })
}

// ── epoch and vote ──

/** One at a time: while one slot is being written, the other one must be sound. The newest that waits is enough. */
function writeVote(storage: QuorumStorage, outbox: Outbox): void {
  const { log, wantedVote } = storage
  if (storage.isVoting || wantedVote === null) return
  storage.isVoting = true
  storage.wantedVote = null
  const slot = storage.voteSlot === 0 ? 1 : 0
  const { sequence, epoch, votedFor } = wantedVote
  const bytes = encodeVote({ sequence: ++storage.voteCount, epoch, votedFor })
  const file = voteFileName(slot)
  outbox.push({ kind: 'replace', log, file, bytes, token: expect(storage, { kind: 'change' }) })
  outbox.push({ kind: 'sync', log, file, token: expect(storage, { kind: 'vote', sequence, slot }) })
}

function onVoteWritten(
  storage: QuorumStorage,
  { sequence, slot }: { readonly sequence: number; readonly slot: number },
  outbox: Outbox,
): StorageNews {
  storage.isVoting = false
  storage.voteSlot = slot
  writeVote(storage, outbox)
  return { kind: 'votePersisted', sequence }
}

// ── the log ──

function activeFile({ files }: QuorumStorage): QuorumLogFile {
  const file = files[files.length - 1]
  assert(file !== undefined, 'S4 a log that is open has a file for appends')
  return file
}

function append(storage: QuorumStorage, { bytes, endOffset }: QuorumBatch, outbox: Outbox): void {
  const { log } = storage
  const file = activeFile(storage)
  const position = fileSizeOf(file)
  file.ends.push({ endOffset, position: position + bytes.length })
  const token = expect(storage, { kind: 'change' })
  outbox.push({ kind: 'append', log, file: logFileName(file.baseOffset), position, bytes, token })
  if (!storage.isSyncing) syncLog(storage, outbox)
}

function syncLog(storage: QuorumStorage, outbox: Outbox): void {
  const { log, generation } = storage
  const { baseOffset } = activeFile(storage)
  storage.isSyncing = true
  outbox.push({ kind: 'sync', log, file: logFileName(baseOffset), token: expect(storage, { kind: 'sync', baseOffset, generation }) })
}

function onLogFileSynced(
  storage: QuorumStorage,
  { baseOffset, generation }: { readonly baseOffset: number; readonly generation: number },
  { sizeBytes }: MessageOf<'synced'>,
  outbox: Outbox,
): StorageNews | null {
  if (generation !== storage.generation) return null
  storage.isSyncing = false
  const file = storage.files.find((one) => one.baseOffset === baseOffset)
  if (file === undefined) return null
  // What was appended after the sync began waits for the next one.
  if (sizeBytes < fileSizeOf(file)) syncLog(storage, outbox)
  const last = file.ends.findLast(({ position }) => position <= sizeBytes)
  return last === undefined ? null : { kind: 'logSynced', endOffset: last.endOffset }
}

/** Cuts are durable when they are answered, and an answer that fails is a failure of the disk; later operations come after them. */
function truncate(storage: QuorumStorage, endOffset: number, outbox: Outbox): void {
  const { log } = storage
  storage.generation++
  storage.isSyncing = false
  while (storage.files.length > 1 && activeFile(storage).baseOffset > endOffset) removeFiles(storage, [storage.files.pop()], outbox)
  const file = activeFile(storage)
  while ((file.ends.at(-1)?.endOffset ?? 0) > endOffset) file.ends.pop()
  const token = expect(storage, { kind: 'change' })
  outbox.push({ kind: 'truncate', log, file: logFileName(file.baseOffset), sizeBytes: fileSizeOf(file), token })
}

function removeFiles(storage: QuorumStorage, files: readonly (QuorumLogFile | undefined)[], outbox: Outbox): void {
  const names = files.filter((file) => file !== undefined).map(({ baseOffset }) => logFileName(baseOffset))
  if (names.length > 0) outbox.push({ kind: 'remove', log: storage.log, files: names, token: expect(storage, { kind: 'change' }) })
}

// ── snapshots ──

function saveSnapshot(storage: QuorumStorage, snapshot: QuorumSnapshot, outbox: Outbox): void {
  const { log } = storage
  const file = snapshotFileName(snapshot)
  // Not while it is being written: it may be synced, and relied upon, before it is written a second time.
  if ([...storage.continuations.values()].some((one) => one.kind === 'snapshot' && snapshotFileName(one.snapshot) === file)) return
  outbox.push({ kind: 'replace', log, file, bytes: snapshot.bytes, token: expect(storage, { kind: 'snapshotWritten', snapshot }) })
  outbox.push({ kind: 'sync', log, file, token: expect(storage, { kind: 'snapshot', snapshot }) })
}

/** The snapshot is safe: what it covers may go. A log that it replaced goes from its end on, so that what a crash leaves does not fit the snapshot. */
function dropLog(storage: QuorumStorage, endOffset: number, how: 'kept' | 'replaced', outbox: Outbox): void {
  const { log, files } = storage
  if (how === 'replaced') {
    storage.generation++
    storage.isSyncing = false
    removeFiles(storage, files.toReversed(), outbox)
    storage.files = [{ baseOffset: endOffset, ends: [] }]
  } else {
    const covered = files.filter((_, i) => (files[i + 1]?.baseOffset ?? Infinity) <= endOffset)
    removeFiles(storage, covered, outbox)
    storage.files = files.slice(covered.length)
    // The next batch begins a file, so that this one can go with the next snapshot. Only whole files that are synced are left behind.
    const active = activeFile(storage)
    const end = active.ends.at(-1)?.endOffset
    if (end !== undefined && !storage.isSyncing) storage.files.push({ baseOffset: end, ends: [] })
  }
  const old = storage.snapshotFile
  storage.snapshotFile = storage.savedFile
  if (old === null || old === storage.savedFile) return
  outbox.push({ kind: 'remove', log, files: [old], token: expect(storage, { kind: 'ignore' }) })
}
