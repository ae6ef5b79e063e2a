/**
 * What is known of the disk of a member of the metadata quorum, as plain data. What happens to it: coordinator-storage.ts, and coordinator-storage-open.ts at first.
 */
import type { OpenedQuorum, QuorumLogFile } from '../coordinator/quorum-files.ts'
import type { QuorumSnapshot } from '../coordinator/quorum-records.ts'
import type { RecoveredQuorum } from '../coordinator/quorum-state.ts'

/** What the answer to a token is for. */
export type Continuation =
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
  /** It has lost something that it may have acknowledged, and has not caught up since. Its directory remembers that, too. */
  isDoubtful: boolean
  nextToken: number
  readonly continuations: Map<number, Continuation>
  /** While it opens: what has been read, and how many answers are missing. */
  contents: Map<string, Uint8Array>
  missing: number
  opened: OpenedQuorum | null
  isTailCut: boolean
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
export function newQuorumStorage(log: string, voters: readonly number[], isDoubtful = false): QuorumStorage {
  return {
    log,
    voters,
    isDoubtful,
    nextToken: 1,
    continuations: new Map(),
    contents: new Map(),
    missing: 0,
    opened: null,
    isTailCut: false,
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

/** A token whose answer is for this. */
export function expect(storage: QuorumStorage, continuation: Continuation): number {
  const token = storage.nextToken++
  storage.continuations.set(token, continuation)
  return token
}
