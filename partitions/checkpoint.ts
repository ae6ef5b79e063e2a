/**
 * The checkpoint of one partition: what recovery may trust without looking. Two small files take turns
 * (`checkpoint-0`, `checkpoint-1`), so a torn write leaves the other one; the sound one with the higher sequence counts. A lost
 * checkpoint costs time at the next start, never a record: it is written after what it vouches for has been synced. Of a log that
 * retention has shortened one must be left, because only it says where the log begins: each is synced before the next is written.
 *
 * Layout, big-endian: magic u32 'ODRC' | format version u16 | clean u16 | size u32 | crc32c u32 of all bytes but these four
 *   sequence i64 | recovery point i64 | log start offset i64
 *   segments: count u32 x { base offset i64, size u32, largest timestamp i64 }
 *   producers: count u32 x { id i64, epoch u16, batches u16 x { base sequence u32, last sequence u32, base offset i64 } }
 *   leader epochs: count u32 x { epoch u32, start offset i64 }     since version 2; before, all batches were written in epoch 0
 *   transactions: see checkpoint-transactions.ts                   since version 3; before, there were none
 *   cleaning (checkpoint-cleaning.ts)                              since version 3; before, nothing was compacted
 * At first the CRC was of what follows it only. Such a file is read, but nothing vouches for its clean bit: it counts as unclean.
 */
import { readI64, readU32, writeI16, writeI32, writeI64 } from '../protocol/bytes.ts'
import { crc32cOf, crc32cUpdate } from '../protocol/crc32c.ts'
import { cleaningBytes, NOT_CLEANED, readCleaning, writeCleaning } from './checkpoint-cleaning.ts'
import type { CleaningSummary } from './checkpoint-cleaning.ts'
import { readTransactions, transactionsSizeBytes, writeTransactions } from './checkpoint-transactions.ts'
import type { Epochs } from './epochs.ts'
import type { ProducerEntry, ProducerStates } from './idempotence.ts'
import { noTransactions } from './transactions.ts'
import type { Transactions } from './transactions.ts'

/** A segment as the checkpoint remembers it. */
export interface SegmentSummary {
  readonly baseOffset: number
  readonly sizeBytes: number
  readonly maxTimestamp: number
}

/** What one checkpoint says. */
export interface Checkpoint {
  /** Counts the checkpoints of this partition. */
  readonly sequence: number
  /** The log closed cleanly: the active segment's index was written, too. */
  readonly clean: boolean
  /** Everything below is synced and sound. */
  readonly recoveryPoint: number
  readonly logStartOffset: number
  readonly segments: readonly SegmentSummary[]
  /** As of the recovery point. */
  readonly producers: ProducerStates
  /** Below the recovery point: which leader wrote which offsets. */
  readonly epochs: Epochs
  readonly cleaning: CleaningSummary
  /** As of the recovery point. */
  readonly transactions: Transactions
}

/** A checkpoint, or why there is none: the bytes are torn, or written by a newer version. */
export type CheckpointDecoded = Checkpoint | 'unsound' | 'newer'

/** The version that this code writes, and the newest that it reads. */
export const CHECKPOINT_FORMAT_VERSION = 3

const MAGIC = 0x4f445243
const CRC_AT = 12
const HEADER_BYTES = 16
const SEGMENT_BYTES = 20
const PRODUCER_BYTES = 12
const BATCH_BYTES = 16
const EPOCH_BYTES = 12

/** The file of the n-th checkpoint. */
export function checkpointFile(sequence: number): string {
  return `checkpoint-${sequence % 2}`
}

/** The content of a checkpoint file. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const bytes = new Uint8Array(sizeOf(checkpoint))
  writeI32(bytes, 0, MAGIC)
  writeI16(bytes, 4, CHECKPOINT_FORMAT_VERSION)
  writeI16(bytes, 6, checkpoint.clean ? 1 : 0)
  writeI32(bytes, 8, bytes.length)
  writeI64(bytes, HEADER_BYTES, checkpoint.sequence)
  writeI64(bytes, HEADER_BYTES + 8, checkpoint.recoveryPoint)
  writeI64(bytes, HEADER_BYTES + 16, checkpoint.logStartOffset)
  const at = writeSegments(bytes, HEADER_BYTES + 24, checkpoint.segments)
  const epochsEnd = writeEpochs(bytes, writeProducers(bytes, at, checkpoint.producers), checkpoint.epochs)
  const transactionsEnd = writeTransactions(bytes, epochsEnd, checkpoint.producers, checkpoint.transactions)
  writeCleaning(bytes, transactionsEnd, checkpoint.cleaning)
  writeI32(bytes, CRC_AT, crcOf(bytes))
  return bytes
}

/** Never throws, whatever the bytes. */
export function decodeCheckpoint(bytes: Uint8Array): CheckpointDecoded {
  if (bytes.length < HEADER_BYTES + 32 || readU32(bytes, 0) !== MAGIC) return 'unsound'
  const versionAndClean = readU32(bytes, 4)
  if (versionAndClean >>> 16 > CHECKPOINT_FORMAT_VERSION) return 'newer'
  const isWhole = readU32(bytes, CRC_AT) === crcOf(bytes)
  const isSound = isWhole || readU32(bytes, CRC_AT) === crc32cOf(bytes, HEADER_BYTES, bytes.length)
  if (readU32(bytes, 8) !== bytes.length || !isSound) return 'unsound'
  const segmentCount = readU32(bytes, HEADER_BYTES + 24)
  const producersAt = HEADER_BYTES + 28 + segmentCount * SEGMENT_BYTES
  if (producersAt + 4 > bytes.length) return 'unsound'
  const producers = readProducers(bytes, producersAt)
  if (producers === null) return 'unsound'
  const recoveryPoint = readI64(bytes, HEADER_BYTES + 8)
  const logStartOffset = readI64(bytes, HEADER_BYTES + 16)
  const version = versionAndClean >>> 16
  const isFirstVersion = version === 1 && producers.end === bytes.length
  const epochs = isFirstVersion
    ? { epochs: epochsBefore(logStartOffset, recoveryPoint), end: producers.end }
    : readEpochs(bytes, producers.end)
  if (epochs === null) return 'unsound'
  const { transactions, end = -1 } =
    (version < 3 ? { transactions: noTransactions(), end: epochs.end } : readTransactions(bytes, epochs.end, producers.producers)) ?? {}
  if (transactions === undefined) return 'unsound'
  const cleaning = version >= 3 ? readCleaning(bytes, end) : end === bytes.length ? NOT_CLEANED : null
  if (cleaning === null) return 'unsound'
  return {
    sequence: readI64(bytes, HEADER_BYTES),
    clean: isWhole && (versionAndClean & 1) === 1,
    recoveryPoint,
    logStartOffset,
    segments: readSegments(bytes, HEADER_BYTES + 28, segmentCount),
    producers: producers.producers,
    epochs: epochs.epochs,
    cleaning,
    transactions,
  }
}

/** The one of both files' contents that counts; 'newer' if a newer version of this software wrote either. */
export function newestCheckpoint(decoded: readonly CheckpointDecoded[]): Checkpoint | 'newer' | null {
  let newest: Checkpoint | null = null
  for (const one of decoded) {
    if (one === 'newer') return 'newer'
    if (one !== 'unsound' && (newest === null || one.sequence > newest.sequence)) newest = one
  }
  return newest
}

function crcOf(bytes: Uint8Array): number {
  return crc32cUpdate(crc32cUpdate(0, bytes, 0, CRC_AT), bytes, HEADER_BYTES, bytes.length)
}

function sizeOf(checkpoint: Checkpoint): number {
  let sizeBytes = HEADER_BYTES + 24 + 4 + checkpoint.segments.length * SEGMENT_BYTES + 4
  for (const entry of checkpoint.producers.values()) sizeBytes += PRODUCER_BYTES + entry.batches.length * BATCH_BYTES
  sizeBytes += 4 + checkpoint.epochs.length * EPOCH_BYTES + cleaningBytes(checkpoint.cleaning)
  return sizeBytes + transactionsSizeBytes(checkpoint.producers, checkpoint.transactions)
}

function writeSegments(bytes: Uint8Array, begin: number, segments: readonly SegmentSummary[]): number {
  writeI32(bytes, begin, segments.length)
  let at = begin + 4
  for (const segment of segments) {
    writeI64(bytes, at, segment.baseOffset)
    writeI32(bytes, at + 8, segment.sizeBytes)
    writeI64(bytes, at + 12, segment.maxTimestamp)
    at += SEGMENT_BYTES
  }
  return at
}

function readSegments(bytes: Uint8Array, begin: number, count: number): SegmentSummary[] {
  const segments: SegmentSummary[] = []
  for (let i = 0, at = begin; i < count; i++, at += SEGMENT_BYTES) {
    segments.push({ baseOffset: readI64(bytes, at), sizeBytes: readU32(bytes, at + 8), maxTimestamp: readI64(bytes, at + 12) })
  }
  return segments
}

function writeProducers(bytes: Uint8Array, begin: number, producers: ProducerStates): number {
  writeI32(bytes, begin, producers.size)
  let at = begin + 4
  for (const [producerId, entry] of producers) {
    writeI64(bytes, at, producerId)
    writeI16(bytes, at + 8, entry.producerEpoch)
    writeI16(bytes, at + 10, entry.batches.length)
    at += PRODUCER_BYTES
    for (const batch of entry.batches) {
      writeI32(bytes, at, batch.baseSequence)
      writeI32(bytes, at + 4, batch.lastSequence)
      writeI64(bytes, at + 8, batch.baseOffset)
      at += BATCH_BYTES
    }
  }
  return at
}

function readProducers(bytes: Uint8Array, begin: number): { readonly producers: ProducerStates; readonly end: number } | null {
  const producers: ProducerStates = new Map()
  let at = begin + 4
  for (let left = readU32(bytes, begin); left > 0; left--) {
    if (at + PRODUCER_BYTES > bytes.length) return null
    const epochAndCount = readU32(bytes, at + 8)
    const unknown = { firstOffset: -1, coordinatorEpoch: -1, lastTimestamp: -1 }
    const entry: ProducerEntry = { producerEpoch: epochAndCount >>> 16, batches: [], ...unknown }
    const producerId = readI64(bytes, at)
    at += PRODUCER_BYTES
    if (at + (epochAndCount & 0xffff) * BATCH_BYTES > bytes.length) return null
    for (let i = epochAndCount & 0xffff; i > 0; i--, at += BATCH_BYTES) {
      entry.batches.push({ baseSequence: readU32(bytes, at), lastSequence: readU32(bytes, at + 4), baseOffset: readI64(bytes, at + 8) })
    }
    producers.set(producerId, entry)
  }
  return { producers, end: at }
}

function writeEpochs(bytes: Uint8Array, begin: number, epochs: Epochs): number {
  writeI32(bytes, begin, epochs.length)
  let at = begin + 4
  for (const { epoch, startOffset } of epochs) {
    writeI32(bytes, at, epoch)
    writeI64(bytes, at + 4, startOffset)
    at += EPOCH_BYTES
  }
  return at
}

function readEpochs(bytes: Uint8Array, begin: number): { readonly epochs: Epochs; readonly end: number } | null {
  if (begin + 4 > bytes.length) return null
  const end = begin + 4 + readU32(bytes, begin) * EPOCH_BYTES
  if (end > bytes.length) return null
  const epochs: Epochs = []
  for (let at = begin + 4; at < end; at += EPOCH_BYTES) epochs.push({ epoch: readU32(bytes, at), startOffset: readI64(bytes, at + 4) })
  return { epochs, end }
}

function epochsBefore(logStartOffset: number, recoveryPoint: number): Epochs {
  return recoveryPoint > logStartOffset ? [{ epoch: 0, startOffset: logStartOffset }] : []
}
