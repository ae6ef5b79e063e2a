/**
 * The disk of a member of the metadata quorum: what the rules want written becomes storage effects, and the disk's answers become what the rules want
 * to hear. What is read at the start is synced first: it may have been in the page cache only. After a failed write or sync nothing is trusted but
 * what was synced before: the log is read again, and cut there.
 */
import { assert, unreachable } from '../protocol/assert.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import { logFileName } from '../partitions/log.ts'
import { DOUBT_FILE, encodeVote, fileSizeOf, snapshotFileName, voteFileName } from '../coordinator/quorum-files.ts'
import type { QuorumLogFile } from '../coordinator/quorum-files.ts'
import type { QuorumBatch, QuorumSnapshot } from '../coordinator/quorum-records.ts'
import type { QuorumOutput } from '../coordinator/quorum-state.ts'
import type { Outbox } from './actor.ts'
import { onListed, onOpening, onRead } from './coordinator-storage-open.ts'
import { expect, newQuorumStorage } from './coordinator-storage-state.ts'
import type { Continuation, QuorumStorage, StorageNews } from './coordinator-storage-state.ts'

/** Begins to read the disk. */
export function openStorage(storage: QuorumStorage, outbox: Outbox): void {
  outbox.push({ kind: 'list', log: storage.log, token: expect(storage, { kind: 'list' }) })
}

/** Forgets everything but what was synced; `openStorage` begins anew. */
export function closeStorage(storage: QuorumStorage, trustedEnd: number): void {
  const { log, voters, isDoubtful, nextToken, voteSlot, generation, syncedSnapshots } = storage
  const distrusted = new Set(storage.distrusted)
  // Whether these succeed nobody will hear.
  for (const continuation of storage.continuations.values()) if (continuation.kind === 'settle') distrusted.add(continuation.file)
  const fresh = newQuorumStorage(log, voters, isDoubtful)
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
    case 'caughtUp':
      storage.isDoubtful = false
      outbox.push({ kind: 'remove', log: storage.log, files: [DOUBT_FILE], token: expect(storage, { kind: 'ignore' }) })
      return
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
