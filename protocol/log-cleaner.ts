/**
 * Compacts segments of a log, from bytes to bytes: a first pass over what is dirty notes the newest offset of each key, a second one over everything writes
 * what stays. A record stays if its key has no newer one; a tombstone also goes when its delete horizon has passed, which the first cleaning that could have
 * removed it sets (KIP-534). Records of aborted transactions go; markers go when nothing is left of their transaction and their horizon has passed, and are never
 * taken for records with keys. Batches keep their offsets; emptied neighbours become one empty batch, so that offsets have no gaps.
 *
 * It is in this room because the hands that run it (runtime, simulator) may use words only. What is to be cleaned, partitions/compaction.ts decides.
 */
import { batchSizeBytes, BATCH_HEADER_BYTES, checkBatch, LOG_OVERHEAD_BYTES, ATTRIBUTE } from './record-batch.ts'
import * as header from './record-batch.ts'
import { emptied, rewriteBatch } from './batch-rewrite.ts'
import type { Cleaned, CleaningFailure, CleaningInput, CleaningOrder } from './cleaning.ts'
import { CleaningOutput } from './cleaning-output.ts'
import { DECOMPRESSED_BYTES_MAX } from './compression.ts'
import type { Compressor } from './compression.ts'
import { KeyOffsets } from './key-offsets.ts'
import { RecordCursor } from './record-cursor.ts'

/** The files of the log, for as long as the cleaning lasts. What they throw ends it. */
export interface CleanerFiles {
  /** Bytes of a file, as many as asked for unless it ends. Valid until the next read. */
  read(file: string, position: number, sizeBytes: number): Uint8Array
  /** Appends to a file, made by the first write; the bytes are borrowed. */
  write(file: string, bytes: Uint8Array): void
  /** A file that was written is not needed. */
  drop(file: string): void
}

/** What came of it, or why nothing did. */
export type CleaningOutcome = { readonly ok: true; readonly cleaned: Cleaned } | { readonly ok: false; readonly error: CleaningFailure }

/** One read; more if a batch is larger. */
const CHUNK_BYTES = 1024 * 1024

/** A batch of an input that is sound. */
interface FoundBatch {
  readonly bytes: Uint8Array
  readonly at: number
  readonly sizeBytes: number
}

interface Cleaner {
  readonly order: CleaningOrder
  readonly compressor: Compressor | undefined
  readonly newest: KeyOffsets
  /** What lies at or above it stays as it is: its keys were not looked at. */
  readonly endOffset: number
  /** Producers that have records in a transaction which has not ended where the cleaning stands. */
  readonly open: Set<number>
  readonly kept: ReadonlySet<number>
  /** By index of the record in the batch at hand: whether it stays. */
  keep: Uint8Array
}

/** Cleans the inputs of an order into its output files. */
export function cleanLog(order: CleaningOrder, files: CleanerFiles, compressor?: Compressor): CleaningOutcome {
  const newest = new KeyOffsets(order.firstDirtyOffset)
  const endOffset = noteKeys(order, files, newest, compressor)
  if (endOffset < 0) return { ok: false, error: 'damaged' }
  const cleaner = {
    order,
    compressor,
    newest,
    endOffset,
    open: new Set<number>(),
    kept: new Set(order.keptBatches),
    keep: new Uint8Array(256),
  }
  const output = new CleaningOutput(files, order)
  for (const input of order.inputs) {
    if (input.baseOffset >= endOffset) break
    output.begin(input)
    const isWhole = forEachBatch(files, input, 0, (found) => {
      cleanBatch(cleaner, found, output)
      return true
    })
    if (!isWhole) return { ok: false, error: 'damaged' }
  }
  return { ok: true, cleaned: { outputs: output.finish(), cleanedOffset: endOffset } }
}

// ── first pass: the newest offset of each key ──

/** Notes the keys of what is dirty until there is no more room; the end of what was noted, or -1 if an input is damaged. */
function noteKeys(order: CleaningOrder, files: CleanerFiles, newest: KeyOffsets, compressor: Compressor | undefined): number {
  let endOffset = order.firstDirtyOffset
  for (const input of order.inputs) {
    if (input.endOffset <= order.firstDirtyOffset) continue
    let isFull = false
    const isWhole = forEachBatch(files, input, order.firstDirtyOffset, (found) => {
      noteBatch(order, found, newest, compressor)
      endOffset = header.lastOffset(found.bytes, found.at) + 1
      isFull = newest.sizeBytes >= order.mapBytes
      return !isFull
    })
    if (isFull) return endOffset
    if (!isWhole) return -1
  }
  return endOffset
}

function noteBatch(
  order: CleaningOrder,
  { bytes, at, sizeBytes }: FoundBatch,
  newest: KeyOffsets,
  compressor: Compressor | undefined,
): void {
  if (header.isControl(bytes, at) || isAborted(order, bytes, at)) return
  const records = recordsOf(bytes, at, sizeBytes, compressor)
  if (records === null) return
  const base = header.baseOffset(bytes, at)
  const cursor = new RecordCursor(records, 0, records.length, header.recordCount(bytes, at))
  while (cursor.next()) if (cursor.keyBegin >= 0) newest.put(records, cursor.keyBegin, cursor.keyEnd, base + cursor.offsetDelta)
}

/** Whether the transaction that the batch belongs to was aborted. */
function isAborted({ aborted }: CleaningOrder, bytes: Uint8Array, at: number): boolean {
  if (aborted.length === 0 || !header.isTransactional(bytes, at)) return false
  const base = header.baseOffset(bytes, at)
  const producerId = header.producerId(bytes, at)
  return aborted.some((one) => one.producerId === producerId && one.firstOffset <= base && base <= one.lastOffset)
}

// ── second pass: what stays ──

function cleanBatch(cleaner: Cleaner, found: FoundBatch, output: CleaningOutput): void {
  const { bytes, at } = found
  if (header.baseOffset(bytes, at) >= cleaner.endOffset) return output.copy(found)
  if (header.isControl(bytes, at)) return cleanMarker(cleaner, found, output)
  if (isAborted(cleaner.order, bytes, at)) return empty(cleaner, found, output)
  const count = header.recordCount(bytes, at)
  if (count === 0) return empty(cleaner, found, output)
  const records = recordsOf(bytes, at, found.sizeBytes, cleaner.compressor)
  const chosen = records === null ? null : choose(cleaner, found, records)
  // What cannot be decoded cannot be judged: it stays.
  if (records === null || chosen === null) return output.copy(found)
  if (chosen.keptCount === 0) return empty(cleaner, found, output)
  if (header.isTransactional(bytes, at)) cleaner.open.add(header.producerId(bytes, at))
  const { keptCount, hasTombstone } = chosen
  const deleteHorizon = hasTombstone && horizonOf(bytes, at) < 0 ? newHorizon(cleaner.order) : -1
  if (keptCount === count && deleteHorizon < 0) return output.copy(found)
  output.put(rewriteBatch(bytes, at, { records, keep: cleaner.keep, keptCount, deleteHorizon, compressor: cleaner.compressor }))
}

/** Marks in `keep` which records stay; null if they are not what they should be. */
function choose(
  cleaner: Cleaner,
  { bytes, at }: FoundBatch,
  records: Uint8Array,
): { readonly keptCount: number; readonly hasTombstone: boolean } | null {
  const { newest, order } = cleaner
  const count = header.recordCount(bytes, at)
  if (cleaner.keep.length < count) cleaner.keep = new Uint8Array(count * 2)
  const { keep } = cleaner
  const base = header.baseOffset(bytes, at)
  const horizon = horizonOf(bytes, at)
  const isOver = horizon >= 0 && horizon <= order.deletesUpTo && header.lastOffset(bytes, at) < order.deletesBelow
  const cursor = new RecordCursor(records, 0, records.length, count)
  let keptCount = 0
  let hasTombstone = false
  for (let i = 0; cursor.next(); i++) {
    const isNewest = cursor.keyBegin < 0 || !newest.isOutdated(records, cursor.keyBegin, cursor.keyEnd, base + cursor.offsetDelta)
    const stays = isNewest && !(cursor.isTombstone && isOver && cursor.keyBegin >= 0)
    keep[i] = stays ? 1 : 0
    if (!stays) continue
    keptCount++
    hasTombstone ||= cursor.isTombstone
  }
  return cursor.failed ? null : { keptCount, hasTombstone }
}

/** A marker that ends a transaction of which nothing is left is not needed for long: whoever reads the log now may still have its records. */
function cleanMarker(cleaner: Cleaner, found: FoundBatch, output: CleaningOutput): void {
  const { bytes, at, sizeBytes } = found
  const { order, open, kept } = cleaner
  const isNeeded = open.delete(header.producerId(bytes, at)) || kept.has(header.baseOffset(bytes, at))
  const horizon = horizonOf(bytes, at)
  if (isNeeded || horizon > order.deletesUpTo) return output.copy(found)
  if (horizon >= 0) return header.lastOffset(bytes, at) < order.deletesBelow ? output.empty(found) : output.copy(found)
  const records = bytes.subarray(at + BATCH_HEADER_BYTES, at + sizeBytes)
  const count = header.recordCount(bytes, at)
  const keep = new Uint8Array(count).fill(1)
  output.put(rewriteBatch(bytes, at, { records, keep, keptCount: count, deleteHorizon: newHorizon(order), compressor: undefined }))
}

/** Nothing of the batch stays, except what its producer's next batch is compared with. */
function empty({ kept }: Cleaner, found: FoundBatch, output: CleaningOutput): void {
  const { bytes, at } = found
  if (!kept.has(header.baseOffset(bytes, at))) output.empty(found)
  else if (header.recordCount(bytes, at) === 0) output.copy(found)
  else output.put(emptied(bytes, at))
}

/** When tombstones and markers of the batch may go; -1: no cleaning has come by yet. */
function horizonOf(bytes: Uint8Array, at: number): number {
  return (header.attributes(bytes, at) & ATTRIBUTE.deleteHorizon) === 0 ? -1 : header.baseTimestamp(bytes, at)
}

function newHorizon({ now, deleteRetentionMillis }: CleaningOrder): number {
  return Math.min(now + deleteRetentionMillis, Number.MAX_SAFE_INTEGER)
}

// ── batches ──

/** The records of a batch, decompressed; null if that cannot be done. */
function recordsOf(bytes: Uint8Array, at: number, sizeBytes: number, compressor: Compressor | undefined): Uint8Array | null {
  const records = bytes.subarray(at + BATCH_HEADER_BYTES, at + sizeBytes)
  const codec = header.compression(bytes, at)
  if (codec === 'none' || header.recordCount(bytes, at) === 0) return records
  if (codec === null || compressor === undefined) return null
  try {
    return compressor.decompress(codec, records, DECOMPRESSED_BYTES_MAX)
  } catch {
    return null
  }
}

/** Visits the batches of an input that end above an offset, until `visit` says that it is enough; false if one is not what was written. */
function forEachBatch(files: CleanerFiles, input: CleaningInput, aboveOffset: number, visit: (found: FoundBatch) => boolean): boolean {
  let expected = input.baseOffset
  let chunkBytes = CHUNK_BYTES
  for (let position = 0; position < input.sizeBytes;) {
    const bytes = files.read(input.file, position, Math.min(chunkBytes, input.sizeBytes - position))
    let at = 0
    for (let sizeBytes = header.wholeBatchSize(bytes, at); sizeBytes > 0; sizeBytes = header.wholeBatchSize(bytes, at)) {
      if (header.baseOffset(bytes, at) !== expected || !checkBatch(bytes, at, sizeBytes, 'sparse').ok) return false
      expected = header.lastOffset(bytes, at) + 1
      if (expected > aboveOffset && !visit({ bytes, at, sizeBytes })) return true
      at += sizeBytes
    }
    position += at
    if (at > 0) chunkBytes = CHUNK_BYTES
    else if (bytes.length < LOG_OVERHEAD_BYTES || batchSizeBytes(bytes, 0) <= chunkBytes || bytes.length < chunkBytes) return false
    else chunkBytes = batchSizeBytes(bytes, 0)
  }
  return expected === input.endOffset
}
