/**
 * The jobs that a thread of the pool (jobs.ts) can do, one export each: parameters in, plain data out. A job must stand being ended at any moment, so it
 * changes nothing that it cannot do again.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { batchSizeBytes, checkBatch, recordCount } from '../protocol/record-batch.ts'
import type { BatchDefect } from '../protocol/record-batch.ts'
import type { CleaningOrder } from '../protocol/cleaning.ts'
import type { CleaningOutcome } from '../protocol/log-cleaner.ts'
import { cleanFiles } from './cleaning-files.ts'

/** What `scrub` is told. */
export interface ScrubPayload {
  /** A segment file (`.log`). */
  readonly path: string
}

/** What `scrub` found: sound batches and their records, up to the first damage (as a position in the file), or to the end. */
export interface ScrubResult {
  readonly batches: number
  readonly records: number
  readonly firstDamage: { readonly position: number; readonly reason: BatchDefect } | null
}

/** What `compact` is told. */
export interface CompactPayload {
  /** The directory of the log. */
  readonly directory: string
  readonly order: CleaningOrder
}

/** All jobs. */
interface Jobs {
  readonly compact: (payload: CompactPayload) => Promise<CleaningOutcome>
  readonly scrub: (payload: ScrubPayload) => Promise<ScrubResult>
}

/** The name of a job. */
export type JobName = keyof Jobs

/** What a job is told. */
export type JobPayload<Name extends JobName> = Parameters<Jobs[Name]>[0]

/** What a job answers. */
export type JobResult<Name extends JobName> = Awaited<ReturnType<Jobs[Name]>>

/** Where a pool loads this module from. */
export const jobWorkerUrl: string = import.meta.url

/** One read; grows when a batch is larger. */
const CHUNK_BYTES = 2 ** 20

/** Checks every batch of a segment file, CRC included. Rejects when the file cannot be read. */
export async function scrub({ path }: ScrubPayload): Promise<ScrubResult> {
  await loadChecksum()
  const descriptor = openSync(path, 'r')
  try {
    return scrubFile(descriptor, fstatSync(descriptor).size)
  } finally {
    closeSync(descriptor)
  }
}

/** Compacts closed segments of a log into new files. Ended at any moment it leaves unfinished files, which nobody takes for the log. */
export async function compact({ directory, order }: CompactPayload): Promise<CleaningOutcome> {
  await loadChecksum()
  return cleanFiles(directory, order)
}

/** The native checksum is loaded in the background; without waiting, a whole file would be checked by the slow one. */
async function loadChecksum(): Promise<void> {
  await import('@node-rs/crc32').catch(() => undefined)
}

function scrubFile(descriptor: number, fileBytes: number): ScrubResult {
  let buffer: Uint8Array = new Uint8Array(Math.min(CHUNK_BYTES, fileBytes))
  let [position, batches, records] = [0, 0, 0]
  while (position < fileBytes) {
    const available = readSync(descriptor, buffer, 0, buffer.length, position)
    const isLast = available < buffer.length || position + available >= fileBytes
    const sound = checkChunk(buffer, available)
    position += sound.sizeBytes
    batches += sound.batches
    records += sound.records
    if (position === fileBytes) break
    if (sound.endedBy !== 'truncated' || isLast) return { batches, records, firstDamage: { position, reason: sound.endedBy } }
    if (sound.sizeBytes === 0) buffer = new Uint8Array(sizeOfNext(buffer, fileBytes - position))
  }
  return { batches, records, firstDamage: null }
}

/** The sound batches at the beginning of a chunk, and why there are no more: `truncated`, also when nothing is left. */
function checkChunk(
  chunk: Uint8Array,
  available: number,
): { readonly batches: number; readonly records: number; readonly sizeBytes: number; readonly endedBy: BatchDefect } {
  let [at, batches, records] = [0, 0, 0]
  for (;;) {
    const check = checkBatch(chunk, at, available, 'sparse')
    if (!check.ok) return { batches, records, sizeBytes: at, endedBy: check.reason }
    batches++
    records += recordCount(chunk, at)
    at += check.sizeBytes
  }
}

/** The size of a batch that did not fit; a length beyond the end of the file asks for the rest of the file, and is found out there. */
function sizeOfNext(buffer: Uint8Array, restBytes: number): number {
  return Math.min(Math.max(batchSizeBytes(buffer, 0), CHUNK_BYTES), restBytes)
}
