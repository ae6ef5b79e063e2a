/**
 * Everything that one member of the metadata quorum knows (Raft's rules, Kafka's words: epoch, offset, high watermark, voter), as plain data, and what
 * it may want done. The rules are in quorum-election.ts, quorum-replication.ts and quorum-membership.ts; quorum.ts is the door.
 *
 *                     nothing heard                    a majority would vote           a majority has voted
 *   follower ──────────────────────────► prospective ──────────────────────► candidate ─────────────────────► leader
 *      ▲                                     │                                  │                               │
 *      └──── a leader, a newer epoch ────────┴──────────────────────────────────┴── no majority, removed ───────┘
 */
import { assert } from '../protocol/assert.ts'
import type { QuorumMessage } from '../protocol/messages/quorum.ts'
import type { QuorumBatch, QuorumSnapshot } from './quorum-records.ts'
import type { QuorumLog } from './quorum-log.ts'

/** See the diagram. `prospective` is KIP-996's: it asks whether it would be elected, and disturbs nobody by that. */
export type QuorumRole = 'follower' | 'prospective' | 'candidate' | 'leader'

/** What a member is started with. */
export interface QuorumConfig {
  readonly node: number
  /** A follower that has heard nothing for so long, up to twice, begins an election. */
  readonly electionTimeoutMillis: number
  readonly heartbeatMillis: number
  /** One append, or one piece of a snapshot; a larger batch travels alone. */
  readonly appendBytesMax: number
}

/** What the disk has kept. */
export interface RecoveredQuorum {
  readonly epoch: number
  /** -1: nobody got this member's vote in the epoch. */
  readonly votedFor: number
  readonly log: QuorumLog
  /** Everything below is known to outlive a power loss. */
  readonly syncedEndOffset: number
  /** It may have acknowledged, or voted, what it does not know of any more. */
  readonly isDoubtful: boolean
}

/** What a leader knows of one of the others. */
export interface ReplicationProgress {
  nextOffset: number
  /** Everything below is synced there, and agrees. */
  matchOffset: number
  /** Where it was asked last whether the logs agree: until they do, one append is under way at a time; -1: they do, as far as is known. */
  probeOffset: number
  /** The ends of appends that are not acknowledged. */
  inFlight: number[]
  /** Uptime of its last answer. */
  heardAt: number
  /** The snapshot that it is being sent. */
  snapshot: { readonly endOffset: number; position: number } | null
}

/** A snapshot that is coming in, piece by piece. */
export interface IncomingSnapshot {
  readonly endOffset: number
  readonly lastEpoch: number
  readonly sizeBytes: number
  readonly parts: Uint8Array[]
  position: number
}

/** One member of the quorum. */
export interface QuorumState {
  readonly config: QuorumConfig
  epoch: number
  votedFor: number
  /** Counts the changes of epoch and vote, and how many of them are synced. */
  voteSequence: number
  persistedSequence: number
  readonly log: QuorumLog
  syncedEndOffset: number
  /** Everything below is committed. */
  highWatermark: number
  role: QuorumRole
  /** -1 while it is not known. */
  leader: number
  leaderHeardAt: number
  /** Who that was, whoever leads now; -1 before the first. */
  leaderHeard: number
  /** The leader's process is known to be dead. */
  leaderIsDown: boolean
  /** Uptime at which the next election begins. */
  electionAt: number
  /** Who would vote, or has voted, for this member. */
  readonly votes: Set<number>
  /** Likewise, but who may have acknowledged what it has lost: that it would vote says little. */
  readonly doubtfulVotes: Set<number>
  /** This member is one of those, until it has caught up with a leader. */
  isDoubtful: boolean
  /** Leader: one past its first batch. Only what is committed from there on is committed by counting. */
  epochEndOffset: number
  heartbeatAt: number
  readonly progress: Map<number, ReplicationProgress>
  /** Who is sent the log without having a vote. */
  readonly observers: Set<number>
  /** Follower: everything below agrees with the leader of this epoch. */
  matchedEndOffset: number
  /** Follower: what its leader was last told of. */
  toldEndOffset: number
  incoming: IncomingSnapshot | null
  /** What must not leave before the epoch and the vote are synced. */
  readonly withheld: { readonly to: number; readonly message: QuorumMessage }[]
}

/** What a member wants done, in order. */
export type QuorumOutput =
  | { readonly kind: 'send'; readonly to: number; readonly message: QuorumMessage }
  /** Write and sync the epoch and the vote; then `votePersisted`. */
  | { readonly kind: 'persistVote'; readonly sequence: number; readonly epoch: number; readonly votedFor: number }
  /** Write and sync a batch at the end of the log; then `logSynced`. */
  | { readonly kind: 'append'; readonly batch: QuorumBatch }
  /** Cut the log. */
  | { readonly kind: 'truncate'; readonly endOffset: number }
  /** Write and sync a snapshot; then `snapshotSaved`. */
  | { readonly kind: 'saveSnapshot'; readonly snapshot: QuorumSnapshot }
  /** The snapshot is in force: what it covers may go; if the log was replaced, all of the log. */
  | { readonly kind: 'dropLog'; readonly endOffset: number; readonly how: 'kept' | 'replaced' }
  /** The high watermark has moved: apply what lies below. */
  | { readonly kind: 'committed' }
  | { readonly kind: 'elected' }
  | { readonly kind: 'resigned' }
  /** Everything that is committed is here and synced: this member is doubtful no more. */
  | { readonly kind: 'caughtUp' }

/** One input being handled: the time, a draw, and what comes of it. */
export interface QuorumStep {
  readonly state: QuorumState
  /** Monotonic, milliseconds. */
  readonly uptime: number
  /** Wall clock, for the timestamps of records. */
  readonly now: number
  /** An unsigned 32-bit draw. */
  readonly random: number
  readonly outputs: QuorumOutput[]
}

/** Messages that may wait for the disk; of more, the oldest are as good as lost. */
const WITHHELD_MAX = 1000

/** A member that has just read its disk. */
export function newQuorumState(config: QuorumConfig, recovered: RecoveredQuorum): QuorumState {
  const { epoch, votedFor, log, syncedEndOffset, isDoubtful } = recovered
  return {
    config,
    epoch,
    votedFor,
    voteSequence: 0,
    persistedSequence: 0,
    log,
    syncedEndOffset,
    highWatermark: log.snapshot.endOffset,
    role: 'follower',
    leader: -1,
    leaderHeardAt: -Infinity,
    leaderHeard: -1,
    leaderIsDown: false,
    electionAt: 0,
    votes: new Set(),
    doubtfulVotes: new Set(),
    isDoubtful,
    epochEndOffset: Infinity,
    heartbeatAt: Infinity,
    progress: new Map(),
    observers: new Set(),
    matchedEndOffset: 0,
    toldEndOffset: 0,
    incoming: null,
    withheld: [],
  }
}

/** Sends a message, as soon as the epoch and the vote that it speaks of are synced. */
export function send({ state, outputs }: QuorumStep, to: number, message: QuorumMessage): void {
  if (state.persistedSequence >= state.voteSequence) return void outputs.push({ kind: 'send', to, message })
  if (state.withheld.length >= WITHHELD_MAX) state.withheld.shift()
  state.withheld.push({ to, message })
}

/** Has the epoch and the vote written. */
export function persistVote({ state, outputs }: QuorumStep): void {
  const { epoch, votedFor } = state
  outputs.push({ kind: 'persistVote', sequence: ++state.voteSequence, epoch, votedFor })
}

/** A newer epoch has begun somewhere: nobody has this member's vote in it yet. */
export function adoptEpoch(step: QuorumStep, epoch: number): void {
  const { state } = step
  assert(epoch > state.epoch, 'Q4 the epoch never goes back')
  follow(step, -1)
  state.epoch = epoch
  state.votedFor = -1
  // What was to be said in older epochs interests nobody any more, and may not be true by the time it leaves: the log may be cut meanwhile.
  state.withheld.length = 0
  state.matchedEndOffset = 0
  state.toldEndOffset = 0
  persistVote(step)
}

/** Becomes a follower: of a leader, or of nobody yet (-1). */
export function follow(step: QuorumStep, leader: number): void {
  const { state } = step
  if (state.role === 'leader') step.outputs.push({ kind: 'resigned' })
  if (state.role !== 'follower') armElection(step)
  state.role = 'follower'
  state.leader = leader
  state.leaderIsDown = false
  state.progress.clear()
  state.votes.clear()
  state.doubtfulVotes.clear()
  state.epochEndOffset = Infinity
  state.heartbeatAt = Infinity
}

/** Counts a vote. */
export function addVote(state: QuorumState, node: number, isDoubtful: boolean): void {
  if (isDoubtful) state.doubtfulVotes.add(node)
  else state.votes.add(node)
}

/** The next election begins after a time between once and twice the time-out: seldom do two begin together. */
export function armElection({ state, uptime, random }: QuorumStep): void {
  const { electionTimeoutMillis } = state.config
  state.electionAt = uptime + electionTimeoutMillis + draw(random, electionTimeoutMillis)
}

/** A whole number from 0 to below `count`, from an unsigned 32-bit draw. */
export function draw(random: number, count: number): number {
  return Math.floor((random * count) / 0x1_0000_0000)
}

/** How many of so many voters are a majority. */
export function majorityOf(voters: readonly number[]): number {
  return Math.floor(voters.length / 2) + 1
}
