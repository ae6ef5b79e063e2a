/**
 * A coordinator's seat in the metadata quorum: hands messages, time and the disk's answers to the rules (coordinator/quorum.ts), carries out what they
 * want, applies what is committed to the image, and says when the coordinator may act and when it may not any more.
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import type { Address } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { QuorumMessage } from '../protocol/messages/quorum.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import { logNameOf } from '../partitions/replica-state.ts'
import {
  applyRecord,
  decodeMetadataRecord,
  emptyImage,
  encodeMetadataRecord,
  imageRecords,
  METADATA_TOPIC,
} from '../coordinator/metadata.ts'
import type { MetadataBatch, MetadataImage, MetadataRecord } from '../coordinator/metadata.ts'
import { onNodeDown } from '../coordinator/quorum-election.ts'
import { endEpoch } from '../coordinator/quorum-hand-over.ts'
import { beginOfEpoch, epochBefore, indexBehind, votersAt, votersEndOf, votersOf } from '../coordinator/quorum-log.ts'
import { addObserver, changeVoters, dropObserver } from '../coordinator/quorum-membership.ts'
import { encodeSnapshot, metadataValues, snapshotValues } from '../coordinator/quorum-records.ts'
import type { QuorumSnapshot } from '../coordinator/quorum-records.ts'
import { onSnapshotFailed, onSnapshotSaved } from '../coordinator/quorum-replication.ts'
import { newQuorumState } from '../coordinator/quorum-state.ts'
import { isQuorumFile, metadataDefect } from '../coordinator/quorum-files.ts'
import type { QuorumOutput, QuorumState, QuorumStep, RecoveredQuorum } from '../coordinator/quorum-state.ts'
import {
  isActive,
  nextDeadline,
  onLogSynced,
  onQuorumMessage,
  onQuorumTick,
  onVotePersisted,
  propose,
  startQuorum,
} from '../coordinator/quorum.ts'
import type { Context, Outbox } from './actor.ts'
import { newQuorumStorage } from './coordinator-storage-state.ts'
import type { QuorumStorage, StorageNews } from './coordinator-storage-state.ts'
import { closeStorage, onQuorumStorage, openStorage, performQuorum } from './coordinator-storage.ts'

/** Who votes, and how patient they are. */
export interface QuorumSettings {
  /** Who founds the quorum; once there is a log, it says who votes. */
  readonly voters: readonly number[]
  /** A voter that has not heard of a leader for so long, up to twice, begins an election; a leader that has not heard a majority for twice as long resigns. */
  readonly electionTimeoutMillis?: number
  readonly heartbeatMillis?: number
  /** The disk of this voter does not have what it had: it is empty, or damaged. Default: false. */
  readonly isDoubtful?: boolean
  /** A snapshot is taken when the log behind the last one is so large. */
  readonly snapshotBytes?: number
}

/** A coordinator as a member of the quorum. */
export interface QuorumSeat {
  readonly self: Address
  readonly settings: Required<QuorumSettings>
  readonly storage: QuorumStorage
  /** Null while the disk is read. */
  quorum: QuorumState | null
  /** What is committed, as far as it has been applied. */
  image: MetadataImage
  /** It leads, and everything before its reign is committed and applied. */
  isActive: boolean
  /** Uptime at which a leader was last known of; -1 before the first since the disk was read. */
  ledAt: number
  /** Uptime that the timer runs for. */
  timerAt: number
  isSaving: boolean
  /** Why the disk is not used; null while it is. */
  failure: string | null
}

/** The timer of the quorum. */
export const QUORUM_TIMER = 'quorum'

/** The timer that has a failed disk read again. */
export const REOPEN_TIMER = 'reopen'

/** Everything is in one process: a voter that is silent for long is dead. */
const DEFAULTS = { electionTimeoutMillis: 150, heartbeatMillis: 40, isDoubtful: false, snapshotBytes: 1024 * 1024 }

/** One append or piece of a snapshot: a quarter of a ring would have to travel in fragments. */
const APPEND_BYTES_MAX = 128 * 1024

/** The directory of the metadata log on a voter's disk. */
export const METADATA_LOG: string = logNameOf(METADATA_TOPIC, 0, 0)

/** An election takes a few hundred milliseconds, and whoever asks meanwhile had better hear of it than of former leaders. */
const LEADERLESS_MILLIS = 2000

/** Pause before a disk that failed is read again: a full one may have room by then. */
const REOPEN_MILLIS = 500

/** A seat that has not looked at its disk. */
export function newQuorumSeat(self: Address, settings: QuorumSettings): QuorumSeat {
  return {
    self,
    settings: { ...DEFAULTS, ...settings },
    storage: newQuorumStorage(METADATA_LOG, settings.voters, settings.isDoubtful),
    quorum: null,
    image: emptyImage(),
    isActive: false,
    ledAt: -1,
    timerAt: Infinity,
    isSaving: false,
    failure: null,
  }
}

/** Begins to read the disk. */
export function takeSeat(seat: QuorumSeat, outbox: Outbox): void {
  seat.failure = null
  openStorage(seat.storage, outbox)
}

/**
 * The node that leads, as far as this member knows; -1 if it does not, or knows that it is dead. Who does not vote any more may not hear of elections, and
 * names a voter.
 */
export function controllerOf(seat: QuorumSeat): number {
  const { quorum, self } = seat
  if (quorum === null) return -1
  const isKnown = quorum.leader >= 0 && !quorum.leaderIsDown && quorum.leader !== self.node
  if (isKnown) return quorum.leader
  const voters = votersOf(quorum.log)
  return voters.includes(self.node) ? -1 : (voters[0] ?? -1)
}

/** Whether nobody leads: not for the moment of an election, but for so long that most voters must be dead, or hang. What was committed before is known here. */
export function isLeaderless(seat: QuorumSeat, uptime: number): boolean {
  return seat.ledAt >= 0 && uptime - seat.ledAt >= LEADERLESS_MILLIS && controllerOf(seat) < 0
}

/** Who votes, as far as this member knows. */
export function seatVoters({ quorum, settings }: QuorumSeat): readonly number[] {
  return quorum === null ? settings.voters : votersOf(quorum.log)
}

/** A node that is to vote is sent the log. */
export function observeVoter(seat: QuorumSeat, node: number, context: Context, outbox: Outbox): void {
  step(seat, context, outbox, (one) => addObserver(one, node))
}

/** It is not to vote after all. */
export function forgetVoter(seat: QuorumSeat, node: number, context: Context, outbox: Outbox): void {
  step(seat, context, outbox, (one) => dropObserver(one, node))
}

/** Changes who votes: the offset behind the change, or why it is not made (yet). */
export function proposeVoters(seat: QuorumSeat, voters: readonly number[], context: Context, outbox: Outbox): number | ErrorName {
  let result: number | ErrorName = 'NOT_CONTROLLER'
  step(seat, context, outbox, (one) => (result = changeVoters(one, voters) ?? votersEndOf(one.state.log)))
  return result
}

/** Whether a change of the voters that was made here is committed. */
export function isVotersChanged({ quorum }: QuorumSeat, voters: readonly number[], endOffset: number): boolean {
  return quorum !== null && quorum.highWatermark >= endOffset && votersOf(quorum.log).join() === voters.join()
}

/** Another member has said something. */
export function onSeatMessage(seat: QuorumSeat, message: QuorumMessage, context: Context, outbox: Outbox): void {
  step(seat, context, outbox, (one) => onQuorumMessage(one, context.from.node, message))
}

/** A node's process is dead. */
export function onSeatNodeDown(seat: QuorumSeat, node: number, context: Context, outbox: Outbox): void {
  step(seat, context, outbox, (one) => onNodeDown(one, node))
}

/** The node is about to stop: if it leads, others shall. */
export function leaveSeat(seat: QuorumSeat, context: Context, outbox: Outbox): void {
  step(seat, context, outbox, endEpoch)
}

/** A timer of the seat has fired. */
export function onSeatTimer(seat: QuorumSeat, timer: string, context: Context, outbox: Outbox): void {
  if (timer === REOPEN_TIMER) return takeSeat(seat, outbox)
  assert(timer === QUORUM_TIMER, `a coordinator has no timer ${timer}`)
  seat.timerAt = Infinity
  step(seat, context, outbox, onQuorumTick)
}

/** The disk has answered. */
export function onSeatStorage(seat: QuorumSeat, message: StorageAnswer, context: Context, outbox: Outbox): void {
  const news = onQuorumStorage(seat.storage, message, outbox)
  if (news !== null) onNews(seat, news, context, outbox)
}

/** Appends the records of one ruling as one batch; they count when the image's end offset has reached what this returns. */
export function proposeRecords(seat: QuorumSeat, records: readonly MetadataRecord[], context: Context, outbox: Outbox): number {
  let endOffset = -1
  assert(seat.isActive, 'M7 only the active coordinator writes')
  step(seat, context, outbox, (one) => (endOffset = propose(one, records.map(encodeMetadataRecord))))
  return endOffset
}

function onNews(seat: QuorumSeat, news: StorageNews, context: Context, outbox: Outbox): void {
  switch (news.kind) {
    case 'opened':
      return onOpened(seat, news.recovered, context, outbox)
    case 'votePersisted':
      return step(seat, context, outbox, (one) => onVotePersisted(one, news.sequence))
    case 'logSynced':
      return step(seat, context, outbox, (one) => onLogSynced(one, news.endOffset))
    case 'snapshotSaved':
      seat.isSaving = false
      return step(seat, context, outbox, (one) => onSnapshotSaved(one, news.snapshot))
    case 'snapshotFailed':
      seat.isSaving = false
      return step(seat, context, outbox, onSnapshotFailed)
    default:
      return onFailed(seat, news, outbox)
  }
}

function onOpened(seat: QuorumSeat, recovered: RecoveredQuorum, context: Context, outbox: Outbox): void {
  const { electionTimeoutMillis, heartbeatMillis } = seat.settings
  const config = { node: seat.self.node, electionTimeoutMillis, heartbeatMillis, appendBytesMax: APPEND_BYTES_MAX }
  seat.quorum = newQuorumState(config, recovered)
  seat.ledAt = -1
  loadSnapshot(seat, recovered.log.snapshot)
  step(seat, context, outbox, startQuorum)
}

/** The disk is not trusted: this member is as good as dead until it has read again what was synced. */
function onFailed(seat: QuorumSeat, { reason, nature }: Extract<StorageNews, { kind: 'failed' }>, outbox: Outbox): void {
  closeStorage(seat.storage, seat.quorum?.syncedEndOffset ?? seat.storage.trustedEnd)
  seat.quorum = null
  seat.isActive = false
  seat.isSaving = false
  seat.failure = reason
  seat.timerAt = Infinity
  outbox.push({ kind: 'cancelTimer', timer: QUORUM_TIMER })
  if (nature === 'passing') outbox.push({ kind: 'startTimer', timer: REOPEN_TIMER, afterMillis: REOPEN_MILLIS })
}

/** Lets the rules handle one input, and carries out what they want. */
function step(seat: QuorumSeat, context: Context, outbox: Outbox, input: (step: QuorumStep) => void): void {
  const { quorum: state } = seat
  if (state === null) return
  const { uptime, now, random } = context
  const outputs: QuorumOutput[] = []
  input({ state, uptime, now, random, outputs })
  for (const output of outputs) {
    if (output.kind === 'send') outbox.push({ kind: 'send', to: { node: output.to, actor: COORDINATOR_ACTOR }, message: output.message })
    else performQuorum(seat.storage, output, outbox)
  }
  applyCommitted(seat, state)
  takeSnapshot(seat, state, context, outbox)
  seat.isActive = isActive(state)
  if (seat.isActive || controllerOf(seat) >= 0) seat.ledAt = uptime
  arm(seat, state, context, outbox)
}

function arm(seat: QuorumSeat, state: QuorumState, { uptime }: Context, outbox: Outbox): void {
  const at = nextDeadline(state)
  // A timer that fires too early only looks at the clock.
  if (at >= seat.timerAt) return
  seat.timerAt = at
  outbox.push({ kind: 'startTimer', timer: QUORUM_TIMER, afterMillis: Math.max(1, at - uptime) })
}

// ── the image ──

function applyCommitted(seat: QuorumSeat, { log, highWatermark }: QuorumState): void {
  if (seat.image.endOffset >= highWatermark) return
  if (seat.image.endOffset < log.snapshot.endOffset) loadSnapshot(seat, log.snapshot)
  for (const batch of log.batches) {
    if (batch.endOffset <= seat.image.endOffset) continue
    if (batch.endOffset > highWatermark) break
    for (const value of metadataValues(batch)) applyRecord(seat.image, decodeMetadataRecord(value))
    // Batches that speak of the quorum take offsets, too.
    seat.image.endOffset = batch.endOffset
  }
}

/** What is committed behind an offset, batch by batch; null if the log does not reach back so far. */
export function batchesBehind({ quorum, image }: QuorumSeat, offset: number): MetadataBatch[] | null {
  if (quorum === null || offset < quorum.log.snapshot.endOffset) return null
  const batches = quorum.log.batches.slice(indexBehind(quorum.log, offset), indexBehind(quorum.log, image.endOffset))
  return batches.map((batch) => [batch.endOffset, metadataValues(batch).map(decodeMetadataRecord)])
}

/** The offset with which the epoch of the leader begins. */
export function reignBegin({ quorum }: QuorumSeat): number {
  return quorum === null ? 0 : beginOfEpoch(quorum.log, quorum.epochEndOffset)
}

function loadSnapshot(seat: QuorumSeat, snapshot: QuorumSnapshot): void {
  seat.image = emptyImage()
  for (const value of snapshotValues(snapshot)) applyRecord(seat.image, decodeMetadataRecord(value))
  seat.image.endOffset = snapshot.endOffset
}

function takeSnapshot(seat: QuorumSeat, { log }: QuorumState, { now }: Context, outbox: Outbox): void {
  const { endOffset } = seat.image
  if (log.sizeBytes < seat.settings.snapshotBytes || seat.isSaving || endOffset <= log.snapshot.endOffset) return
  const epoch = epochBefore(log, endOffset)
  assert(epoch !== null, 'M8 an image ends between two batches')
  seat.isSaving = true
  const values = imageRecords(seat.image).map(encodeMetadataRecord)
  const snapshot = encodeSnapshot({ endOffset, epoch, voters: votersAt(log, endOffset) }, values, now)
  performQuorum(seat.storage, { kind: 'saveSnapshot', snapshot }, outbox)
}

/** Why what a directory has is not the metadata that was written there, in words; null if it may be. `read`: what is in a file. */
export function defectOfMetadata(names: readonly string[], read: (name: string) => Uint8Array): string | null {
  return metadataDefect(new Map(names.filter(isQuorumFile).map((name) => [name, read(name)])))
}
