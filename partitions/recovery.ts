/**
 * Opening a partition: from the files of its directory back to a log. Pure steps: each answer of the disk leads to the next
 * demand. Segments that the checkpoint vouches for are trusted; all others are scanned batch by batch, with CRC above the
 * recovery point. The first unsound batch there is a torn tail: the log is cut, and nothing acknowledged lies behind it. So it is where
 * a file is missing, the first one included. (With flush os or interval, what a power loss takes may have been acknowledged.)
 * Where sound batches follow, or a checkpoint is unsound that may have vouched for more, it may be damage as well: that is doubtful, and cut only
 * for whoever opens it again (torn-tail.ts).
 *
 *   listing ─► checkpoints ─► scanning (segment by segment, chunk by chunk) ─► cutting ─► done
 *                                                                           ├► doubtful (damage, perhaps)
 *                                                                           └► failed (damage below the recovery point)
 */
import { assert, unreachable } from '../protocol/assert.ts'
import * as batch from '../protocol/record-batch.ts'
import { checkpointFile, decodeCheckpoint, newestCheckpoint } from './checkpoint.ts'
import type { Checkpoint, CheckpointDecoded } from './checkpoint.ts'
import { lastEpoch, noteEpoch } from './epochs.ts'
import type { Epochs } from './epochs.ts'
import type { ProducerStates } from './idempotence.ts'
import { emptyLog, extendSegment, filesOfSegment, indexFileName, logFileName, nameOfSegment, newSegment } from './log.ts'
import type { Log, Segment } from './log.ts'
import { numberedBatch } from './numbered-batch.ts'
import type { RecoveredBatch } from './recovered.ts'
import type { RecoveryAnswer, RecoveryDemand } from './recovery-demand.ts'
import { chooseFiles, findSummary, holdsAny, isDropped, isReplaced, strayFiles } from './log-files.ts'
import type { LogFile } from './log-files.ts'
import { decodeIndex } from './segment-index.ts'
import { damagedOffset, hasSoundBatch } from './torn-tail.ts'
import { noTransactions } from './transactions.ts'

/** Where recovery stands. Plain data. */
export interface Recovery {
  step: 'listing' | 'checkpoints' | 'index' | 'scanning' | 'cutting' | 'removing' | 'over'
  readonly indexIntervalBytes: number
  /** Batches from there on are cut, sound or not. */
  readonly endOffsetMax: number
  /** It was open in this life, with everything below durable, or may be cut (-Infinity): above, what is unsound is a write that has failed. The last file is cut in any case: it may refuse writes until then. Null: it was not. */
  readonly heldEnd: number | null
  readonly files: Map<string, number>
  readonly checkpoints: CheckpointDecoded[]
  checkpoint: Checkpoint | null
  /** The log files on disk, by offset. */
  found: readonly LogFile[]
  /** Files that the checkpoint does without. */
  stale: string[]
  /** The latest generation that compaction has given a file. */
  generation: number
  /** Which of `found` is being opened. */
  current: number
  readonly segments: Segment[]
  epochs: Epochs
  producers: ProducerStates
  readonly tail: RecoveredBatch[]
  expectedOffset: number
  /** The batch that seems to end at the recovery point, and is not what was written; -1 if it is. */
  unsoundEnd: number
  /** Bytes of the current segment that are scanned. */
  scannedBytes: number
  chunkBytes: number
  cutBytes: number
  /** The log was closed cleanly: no segment was scanned, all index files are sound. */
  indexLoaded: boolean
}

/** One read of the scan; grows when a batch is larger. */
const CHUNK_BYTES = 1024 * 1024

/** A recovery that has not asked for anything yet. */
export function beginRecovery(indexIntervalBytes: number, endOffsetMax: number = Infinity, heldEnd: number | null = null): Recovery {
  return {
    step: 'listing',
    indexIntervalBytes,
    endOffsetMax,
    heldEnd,
    files: new Map(),
    checkpoints: [],
    checkpoint: null,
    found: [],
    stale: [],
    generation: 0,
    current: 0,
    segments: [],
    epochs: [],
    producers: new Map(),
    tail: [],
    expectedOffset: 0,
    unsoundEnd: -1,
    scannedBytes: 0,
    chunkBytes: CHUNK_BYTES,
    cutBytes: 0,
    indexLoaded: false,
  }
}

/** Takes the answer to the last demand (null to begin) and says what is next. */
export function advanceRecovery(recovery: Recovery, answer: RecoveryAnswer | null): RecoveryDemand {
  const { step } = recovery
  switch (step) {
    case 'listing':
      return answer === null ? { kind: 'list' } : onListed(recovery, answer)
    case 'checkpoints':
      return onCheckpointRead(recovery, bytesOf(answer))
    case 'index':
      return onIndexRead(recovery, bytesOf(answer))
    case 'scanning':
      return onChunkRead(recovery, bytesOf(answer))
    case 'cutting':
      return removeRest(recovery)
    case 'removing':
      return finish(recovery)
    case 'over':
      throw new Error('recovery is over')
    default:
      return unreachable(step)
  }
}

function onListed(recovery: Recovery, answer: RecoveryAnswer): RecoveryDemand {
  assert(answer.kind === 'listed', 'R1 a listing answers the first demand')
  for (const file of answer.files) recovery.files.set(file.name, file.sizeBytes)
  recovery.step = 'checkpoints'
  return readCheckpoint(recovery)
}

function readCheckpoint(recovery: Recovery): RecoveryDemand {
  while (recovery.checkpoints.length < 2) {
    const file = `checkpoint-${recovery.checkpoints.length}`
    const sizeBytes = recovery.files.get(file)
    if (sizeBytes !== undefined && sizeBytes > 0) return { kind: 'read', file, position: 0, sizeBytes }
    recovery.checkpoints.push('unsound')
  }
  return onCheckpoints(recovery)
}

function onCheckpointRead(recovery: Recovery, bytes: Uint8Array): RecoveryDemand {
  recovery.checkpoints.push(decodeCheckpoint(bytes))
  return readCheckpoint(recovery)
}

function onCheckpoints(recovery: Recovery): RecoveryDemand {
  const checkpoint = newestCheckpoint(recovery.checkpoints)
  if (checkpoint === 'newer') return { kind: 'failed', reason: 'the checkpoint was written by a newer version of this software' }
  recovery.checkpoint = checkpoint
  const { chosen: found, superseded, generation } = chooseFiles(recovery.files.keys(), checkpoint)
  recovery.found = found
  recovery.generation = generation
  if (checkpoint !== null) {
    recovery.producers = checkpoint.producers
    recovery.epochs = [...checkpoint.epochs]
    // What is below the log start was dropped, and not removed yet. The checkpoint may only be in the page cache: those files go when one is proven.
    const dropped = found.filter((one, i) => isDropped(checkpoint, one, found[i + 1]))
    recovery.stale = [...dropped.flatMap(filesOfSegment), ...superseded].filter((name) => recovery.files.has(name))
    recovery.found = found.slice(dropped.length)
  }
  // Retention removes files when a synced checkpoint does without them: a log that begins above is one whose first file is gone.
  const start = checkpoint?.logStartOffset ?? 0
  const first = recovery.found[0]?.baseOffset ?? start
  if (first > start && checkpoint === null && [0, 1].some((sequence) => recovery.files.has(checkpointFile(sequence))))
    return fail(recovery, `the log begins at ${first}, and the checkpoint that would say why is damaged`)
  recovery.expectedOffset = Math.min(first, start)
  return openSegment(recovery)
}

function openSegment(recovery: Recovery): RecoveryDemand {
  const { checkpoint, found } = recovery
  for (;;) {
    const file = found[recovery.current]
    if (file === undefined) return cutLast(recovery)
    const { baseOffset: base, generation } = file
    if (isReplaced(recovery.segments, recovery.expectedOffset, base)) {
      recovery.current++
      continue
    }
    if (base !== recovery.expectedOffset) return onGap(recovery, base)
    const sizeBytes = recovery.files.get(logFileName(base, generation)) ?? 0
    const known = findSummary(checkpoint, file, sizeBytes)
    const summary = checkpoint?.segments[known]
    // Where it ends says the checkpoint, not the next file: that one may be missing.
    const next = checkpoint?.segments[known + 1]?.baseOffset
    const vouched = summary !== undefined && checkpoint !== null
    if (vouched && next !== undefined && next <= checkpoint.recoveryPoint) {
      const segment = newSegment(base, summary.maxTimestamp)
      recovery.segments.push({ ...segment, generation, sizeBytes, maxTimestamp: summary.maxTimestamp, index: null })
      recovery.expectedOffset = next
      recovery.current++
      continue
    }
    recovery.segments.push({ ...newSegment(base, -1), generation })
    recovery.scannedBytes = 0
    const isLast = recovery.current === found.length - 1
    if (vouched && isLast && checkpoint.clean && recovery.files.has(indexFileName(base, generation))) return readActiveIndex(recovery)
    recovery.step = 'scanning'
    return readChunk(recovery)
  }
}

/** Everything is sound. */
function cutLast(recovery: Recovery): RecoveryDemand {
  const last = recovery.segments[recovery.segments.length - 1]
  if (recovery.heldEnd === null || last === undefined) return removeRest(recovery)
  recovery.step = 'cutting'
  return { kind: 'truncate', file: nameOfSegment(last), sizeBytes: last.sizeBytes }
}

/** A file is missing at the beginning or in between, or a stray one follows. Below the recovery point that is damage; above, it was never acknowledged. */
function onGap(recovery: Recovery, base: number): RecoveryDemand {
  if (damagedOffset(recovery) >= 0)
    return fail(recovery, `the segment with offset ${recovery.expectedOffset} is missing (the next file begins at ${base})`)
  return doubtOf(recovery, holdsAny(recovery.files, recovery.found.slice(recovery.current))) ?? removeRest(recovery)
}

function readActiveIndex(recovery: Recovery): RecoveryDemand {
  const { baseOffset, generation } = currentSegment(recovery)
  const file = indexFileName(baseOffset, generation)
  recovery.step = 'index'
  return { kind: 'read', file, position: 0, sizeBytes: recovery.files.get(file) ?? 0 }
}

function onIndexRead(recovery: Recovery, bytes: Uint8Array): RecoveryDemand {
  const segment = currentSegment(recovery)
  const { checkpoint } = recovery
  const index = decodeIndex(bytes, segment.baseOffset)
  const summary = checkpoint?.segments.find((one) => one.baseOffset === segment.baseOffset)
  // An index with entries beyond the segment's end is of another life of the segment.
  const isBeyond = (index?.positions.at(-1) ?? 0) >= (summary?.sizeBytes ?? 0)
  if (index === null || checkpoint === null || summary === undefined || isBeyond) {
    recovery.step = 'scanning'
    return readChunk(recovery)
  }
  segment.index = index
  recovery.indexLoaded = true
  segment.sizeBytes = summary.sizeBytes
  segment.maxTimestamp = summary.maxTimestamp
  segment.createdAt = summary.maxTimestamp
  segment.indexedPosition = index.positions[index.positions.length - 1] ?? 0
  recovery.expectedOffset = checkpoint.recoveryPoint
  recovery.current++
  return openSegment(recovery)
}

function readChunk(recovery: Recovery): RecoveryDemand {
  const segment = currentSegment(recovery)
  const sizeBytes = recovery.files.get(nameOfSegment(segment)) ?? 0
  if (recovery.scannedBytes >= sizeBytes) {
    recovery.current++
    return openSegment(recovery)
  }
  return {
    kind: 'read',
    file: nameOfSegment(segment),
    position: recovery.scannedBytes,
    sizeBytes: Math.min(recovery.chunkBytes, sizeBytes - recovery.scannedBytes),
  }
}

function onChunkRead(recovery: Recovery, bytes: Uint8Array): RecoveryDemand {
  const segment = currentSegment(recovery)
  const fileBytes = recovery.files.get(nameOfSegment(segment)) ?? 0
  let at = 0
  while (at < bytes.length) {
    const verdict = scanBatch(recovery, segment, bytes, at)
    if (verdict === 'unsound') return cutAt(recovery, segment, fileBytes, bytes.subarray(at))
    if (verdict === 'partial') break
    at += verdict
  }
  recovery.scannedBytes = segment.sizeBytes
  if (at === 0) {
    // Not one whole batch: either the chunk was too small for it, or the file ends inside it, wherever it was said to end.
    if (bytes.length < recovery.chunkBytes) return cutAt(recovery, segment, fileBytes, bytes)
    recovery.chunkBytes = Math.max(recovery.chunkBytes * 2, batch.batchSizeBytes(bytes, 0))
  } else recovery.chunkBytes = CHUNK_BYTES
  return readChunk(recovery)
}

/** Takes one batch into the segment; its size, or why not. */
function scanBatch(recovery: Recovery, segment: Segment, bytes: Uint8Array, at: number): number | 'partial' | 'unsound' {
  const available = bytes.length - at
  if (available < batch.LOG_OVERHEAD_BYTES) return 'partial'
  const sizeBytes = batch.batchSizeBytes(bytes, at)
  const baseOffset = batch.baseOffset(bytes, at)
  if (sizeBytes < batch.BATCH_HEADER_BYTES || baseOffset !== recovery.expectedOffset || baseOffset >= recovery.endOffsetMax)
    return 'unsound'
  if (available < sizeBytes) return 'partial'
  // An empty batch may cover the place where the log is to be cut: then all of it goes.
  const endOffset = batch.lastOffset(bytes, at) + 1
  if (endOffset > recovery.endOffsetMax) return 'unsound'
  const recoveryPoint = recovery.checkpoint?.recoveryPoint ?? 0
  const isBelow = baseOffset < recoveryPoint
  // What goes on beyond the recovery point is not what the checkpoint vouched for: it was compacted since, or is damaged. So is what ends before it begins.
  const isTrusted = isBelow && endOffset > baseOffset && endOffset <= recoveryPoint
  if (!isTrusted && !batch.checkBatch(bytes, at, available, 'sparse').ok) return 'unsound'
  if (isTrusted && endOffset === recoveryPoint && !batch.checkBatch(bytes, at, available, 'sparse').ok) recovery.unsoundEnd = baseOffset
  if (!isBelow && !noteTail(recovery, segment, bytes, at)) return 'unsound'
  extendSegment(segment, baseOffset, sizeBytes, batch.maxTimestamp(bytes, at), recovery.indexIntervalBytes)
  if (segment.createdAt < 0) segment.createdAt = segment.maxTimestamp
  recovery.expectedOffset = endOffset
  return sizeBytes
}

/** Takes up a batch above the recovery point; false if no leader can have written it there. */
function noteTail(recovery: Recovery, segment: Segment, bytes: Uint8Array, at: number): boolean {
  const baseOffset = batch.baseOffset(bytes, at)
  const epoch = batch.leaderEpoch(bytes, at)
  if (epoch < lastEpoch(recovery.epochs)) return false
  noteEpoch(recovery.epochs, epoch, baseOffset)
  recovery.tail.push({
    baseOffset,
    endOffset: batch.lastOffset(bytes, at) + 1,
    segmentBaseOffset: segment.baseOffset,
    position: segment.sizeBytes,
    endPosition: segment.sizeBytes + batch.batchSizeBytes(bytes, at),
    numbered: numberedBatch(bytes, at, baseOffset),
  })
  return true
}

/** Cuts the current segment behind its last sound batch; everything that follows goes, too. `rest`: how it goes on there. */
function cutAt(recovery: Recovery, segment: Segment, fileBytes: number, rest: Uint8Array): RecoveryDemand {
  const damaged = damagedOffset(recovery)
  const place = `${nameOfSegment(segment)}, position ${segment.sizeBytes}`
  if (damaged >= 0) return fail(recovery, `the batch at offset ${damaged} is damaged (${place})`)
  const isFollowed = holdsAny(recovery.files, recovery.found.slice(recovery.current + 1)) || hasSoundBatch(rest, recovery.expectedOffset)
  const doubt = doubtOf(recovery, isFollowed)
  if (doubt !== null) return doubt
  recovery.cutBytes += fileBytes - segment.sizeBytes
  recovery.current++
  recovery.step = 'cutting'
  return { kind: 'truncate', file: nameOfSegment(segment), sizeBytes: segment.sizeBytes }
}

/** Whether what is about to be cut may have been acknowledged: it was there in this life, more follows, or a checkpoint that is torn may have vouched for it. Null if not, or if it may go. */
function doubtOf(recovery: Recovery, isFollowed: boolean): RecoveryDemand | null {
  const { checkpoints, files, expectedOffset, heldEnd } = recovery
  if (heldEnd !== null && expectedOffset >= heldEnd) return null
  const isUnvouched = checkpoints.some((one, sequence) => one === 'unsound' && files.has(checkpointFile(sequence)))
  if (!isFollowed && !isUnvouched && heldEnd === null) return null
  recovery.step = 'over'
  return {
    kind: 'doubtful',
    reason: `the log is not sound at offset ${expectedOffset}, ${isFollowed ? 'but more follows' : isUnvouched ? 'and a checkpoint is torn' : 'but there was more'}`,
  }
}

/** Removes what is not part of the recovered log. */
function removeRest(recovery: Recovery): RecoveryDemand {
  const stray = strayFiles(recovery.files.keys(), recovery.segments, recovery.stale, recovery.indexLoaded)
  recovery.step = 'removing'
  return stray.length === 0 ? finish(recovery) : { kind: 'remove', files: stray }
}

function finish(recovery: Recovery): RecoveryDemand {
  const { checkpoint, expectedOffset, segments } = recovery
  recovery.step = 'over'
  const recoveryPoint = Math.min(checkpoint?.recoveryPoint ?? 0, expectedOffset)
  if (checkpoint !== null && expectedOffset < checkpoint.recoveryPoint)
    return fail(recovery, `offsets ${expectedOffset} to ${checkpoint.recoveryPoint - 1} are missing`)
  const log = segments.length === 0 ? emptyLog(expectedOffset) : recoveredLog(recovery)
  return {
    kind: 'done',
    recovered: {
      log,
      epochs: recovery.epochs,
      producers: recovery.producers,
      transactions: checkpoint?.transactions ?? noTransactions(),
      recoveryPoint,
      tail: recovery.tail,
      checkpointSequence: checkpoint?.sequence ?? 0,
      cutBytes: recovery.cutBytes,
      stale: recovery.stale,
      cleanedOffset: Math.min(checkpoint?.cleaning.cleanedOffset ?? 0, expectedOffset),
      generation: recovery.generation,
    },
  }
}

function recoveredLog(recovery: Recovery): Log {
  const { checkpoint, expectedOffset, segments } = recovery
  const active = segments[segments.length - 1]
  assert(active !== undefined, 'R2 a recovered log has a segment')
  // A trusted last segment whose index was not loaded cannot take appends: the log goes on in a new one. Nor does one that compaction has written: an older
  // checkpoint, to which a power loss may lead back, does without it.
  if (active.index === null || (active.generation > 0 && active.sizeBytes > 0)) segments.push(newSegment(expectedOffset, -1))
  return { segments, logStartOffset: Math.max(checkpoint?.logStartOffset ?? 0, segments[0]?.baseOffset ?? 0), logEndOffset: expectedOffset }
}

function currentSegment(recovery: Recovery): Segment {
  const segment = recovery.segments[recovery.segments.length - 1]
  assert(segment !== undefined, 'R3 a segment is being opened')
  return segment
}

function bytesOf(answer: RecoveryAnswer | null): Uint8Array {
  assert(answer !== null && answer.kind === 'read', 'R4 a read is answered by bytes')
  return answer.bytes
}

function fail(recovery: Recovery, reason: string): RecoveryDemand {
  recovery.step = 'over'
  return { kind: 'failed', reason }
}
