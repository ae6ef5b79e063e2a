/**
 * How the disk of a member of the metadata quorum is read: what is there is synced first, for it may have been in the page cache only; what cannot be
 * trusted is cut, and what was lost with that is remembered.
 */
import type { MessageOf } from '../protocol/messages/message.ts'
import { DOUBT_FILE, isQuorumFile, isSnapshotFile, openQuorum } from '../coordinator/quorum-files.ts'
import type { OpenedQuorum } from '../coordinator/quorum-files.ts'
import type { Outbox } from './actor.ts'
import { expect } from './coordinator-storage-state.ts'
import type { Continuation, QuorumStorage, StorageNews } from './coordinator-storage-state.ts'

/** What there is. It is read, and synced again. */
export function onListed(storage: QuorumStorage, message: MessageOf<'listed'>, outbox: Outbox): StorageNews | null {
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

/** A file has been read. */
export function onRead(
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
export function onOpening(storage: QuorumStorage, outbox: Outbox): StorageNews | null {
  storage.missing--
  if (storage.missing > 0) return null
  if (storage.opened === null) {
    const opened = openQuorum(storage.contents, storage.voters, storage.trustedEnd)
    if ('damage' in opened) return { kind: 'failed', reason: opened.damage, nature: 'permanent' }
    storage.opened = opened
    noteDoubt(storage, opened, outbox)
    if (storage.missing > 0) return null
  }
  if (!storage.isTailCut) {
    storage.isTailCut = true
    cutTail(storage, storage.opened, outbox)
    if (storage.missing > 0) return null
  }
  const { files, snapshotFile, voteSequence, voteSlot } = storage.opened
  const recovered = { ...storage.opened.recovered, isDoubtful: storage.isDoubtful }
  storage.files = files
  storage.snapshotFile = snapshotFile
  storage.voteCount = voteSequence
  // After a failure, the slot of the last vote that was synced is known; what lies in the other one is not trusted.
  if (storage.trustedEnd === Infinity) storage.voteSlot = voteSlot
  storage.contents = new Map()
  storage.opened = null
  storage.isTailCut = false
  storage.trustedEnd = Infinity
  storage.distrusted = new Set()
  if (snapshotFile !== null) storage.syncedSnapshots = new Set([snapshotFile])
  return { kind: 'opened', recovered }
}

/** Whoever cuts what cannot be read, or begins anew, leaves no sign of what was lost: it is written down before. */
function noteDoubt(storage: QuorumStorage, { recovered }: OpenedQuorum, outbox: Outbox): void {
  const { log } = storage
  const isNoted = recovered.isDoubtful
  if (storage.isDoubtful && !isNoted) {
    storage.missing += 2
    outbox.push({ kind: 'replace', log, file: DOUBT_FILE, bytes: new Uint8Array(0), token: expect(storage, { kind: 'cut' }) })
    outbox.push({ kind: 'sync', log, file: DOUBT_FILE, token: expect(storage, { kind: 'cut' }) })
  }
  storage.isDoubtful ||= isNoted
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
