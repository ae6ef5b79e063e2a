// What the tests of the cleaner share: segments as files in memory, an order to clean them, and what is left as plain records.

import { batchOf, input } from './record-batch-support.ts'
import type { Input } from './record-batch-support.ts'
import type { CleaningOrder } from '../../protocol/cleaning.ts'
import { cleanLog } from '../../protocol/log-cleaner.ts'
import type { CleaningOutcome } from '../../protocol/log-cleaner.ts'
import * as batch from '../../protocol/record-batch.ts'
import type { BatchHeader } from '../../protocol/record-batch-builder.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { nodeCompressor } from '../../runtime/compressor.ts'

/** A log in memory: files by name, one for each segment. */
export interface MemoryLog {
  readonly files: Map<string, Uint8Array>
  segments: { readonly file: string; readonly baseOffset: number; readonly endOffset: number }[]
}

/** One record, in one line. */
export interface ReadRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
}

/** Records of one batch, and who wrote it. */
export interface WrittenBatch extends Partial<BatchHeader> {
  readonly records: readonly Input[]
}

/** A log of segments of batches, from offset 0 on. */
export function logOf(...segments: readonly (readonly WrittenBatch[])[]): MemoryLog {
  const log: MemoryLog = { files: new Map(), segments: [] }
  let offset = 0
  segments.forEach((batches) => {
    const baseOffset = offset
    const parts = batches.map(({ records, ...header }) => {
      const bytes = batchOf(records, header)
      batch.stampBaseOffset(bytes, 0, offset)
      offset += records.length
      return bytes
    })
    const file = `${baseOffset}.log`
    log.files.set(file, Uint8Array.from(parts.flatMap((part) => [...part])))
    log.segments.push({ file, baseOffset, endOffset: offset })
  })
  return log
}

/** A batch of records in the form `key=value`, `key` (a tombstone), or `=value` (no key). */
export function written(texts: readonly string[], header: Partial<BatchHeader> = {}, timestamp = 1000): WrittenBatch {
  const records = texts.map((text) => {
    const at = text.indexOf('=')
    return at < 0 ? input(timestamp, text, null) : input(timestamp, at === 0 ? null : text.slice(0, at), text.slice(at + 1))
  })
  return { leaderEpoch: 0, ...header, records }
}

/** An order to clean all of a log. */
export function orderOf(log: MemoryLog, changes: Partial<CleaningOrder> = {}): CleaningOrder {
  return {
    inputs: log.segments.map(({ file, baseOffset, endOffset }) => ({
      file,
      baseOffset,
      endOffset,
      sizeBytes: log.files.get(file)!.length,
      outputFile: `${baseOffset}.cleaned`,
    })),
    firstDirtyOffset: 0,
    segmentBytes: 1_000_000,
    indexIntervalBytes: 100,
    mapBytes: 1_000_000,
    now: 5000,
    deletesUpTo: 5000,
    deletesBelow: Infinity,
    deleteRetentionMillis: 1000,
    keptBatches: [],
    aborted: [],
    ...changes,
  }
}

/** Cleans, and puts what came of it in the place of what it was made of. */
export function clean(log: MemoryLog, changes: Partial<CleaningOrder> = {}): CleaningOutcome {
  const order = orderOf(log, changes)
  const { files } = log
  const outcome = cleanLog(
    order,
    {
      read: (file, position, sizeBytes) => files.get(file)!.slice(position, position + sizeBytes),
      write: (file, bytes) => files.set(file, Uint8Array.from([...(files.get(file) ?? []), ...bytes])),
      drop: (file) => files.delete(file),
    },
    nodeCompressor,
  )
  if (!outcome.ok) return outcome
  for (const { file, baseOffset, endOffset } of outcome.cleaned.outputs) {
    const name = `${baseOffset}.log`
    log.segments = log.segments.filter((one) => one.baseOffset < baseOffset || one.baseOffset >= endOffset)
    log.segments.push({ file: name, baseOffset, endOffset })
    log.segments.sort((a, b) => a.baseOffset - b.baseOffset)
    files.set(name, files.get(file)!)
    files.delete(file)
  }
  return outcome
}

/** All bytes of the log, segment by segment. */
export function bytesOf({ files, segments }: MemoryLog): Uint8Array[] {
  return segments.map(({ file }) => files.get(file)!)
}

/** All batches, in order. */
export function batchesOf(log: MemoryLog): { readonly bytes: Uint8Array; readonly at: number }[] {
  return bytesOf(log).flatMap((bytes) => batch.walkBatches(bytes).map(({ at }) => ({ bytes, at })))
}

/** All records, in order. */
export function recordsOf(log: MemoryLog): ReadRecord[] {
  const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : new TextDecoder().decode(bytes))
  return batchesOf(log).flatMap(({ bytes, at }) =>
    readRecords(bytes, at, nodeCompressor).map(({ offset, timestamp, key, value }) => ({
      offset,
      timestamp,
      key: text(key),
      value: text(value),
    })),
  )
}

/** Records in the form of `written`, each with its offset. */
export function lines(log: MemoryLog): string[] {
  return recordsOf(log).map(({ offset, key, value }) => `${offset}:${key ?? ''}${value === null ? '' : `=${value}`}`)
}

/** Batches as `first-last:records`. */
export function extents(log: MemoryLog): string[] {
  return batchesOf(log).map(
    ({ bytes, at }) => `${batch.baseOffset(bytes, at)}-${batch.lastOffset(bytes, at)}:${batch.recordCount(bytes, at)}`,
  )
}
