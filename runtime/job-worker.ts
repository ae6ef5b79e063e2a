/**
 * The jobs that a thread of the pool (jobs.ts) can do, one export each: parameters in, plain data out. A job must stand being ended at any moment, so it
 * changes nothing that it cannot do again.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { LOG_OVERHEAD_BYTES, batchSizeBytes, checkBatch, recordCount } from '../protocol/record-batch.ts'
import type { BatchDefect } from '../protocol/record-batch.ts'

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

/** All jobs. */
interface Jobs {
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
  // The native checksum is loaded in the background; without waiting, the whole file would be checked by the slow one.
  await import('@node-rs/crc32').catch(() => undefined)
  const descriptor = openSync(path, 'r')
  try {
    return scrubFile(descriptor, fstatSync(descriptor).size)
  } finally {
    closeSync(descriptor)
  }
}

function scrubFile(descriptor: number, fileBytes: number): ScrubResult {
  let buffer: Uint8Array = new Uint8Array(Math.min(CHUNK_BYTES, fileBytes))
  let [position, batches, records] = [0, 0, 0]
  while (position < fileBytes) {
    const available = readSync(descriptor, buffer, 0, buffer.length, position)
    const isLast = position + available >= fileBytes
    let at = 0
    for (let check = checkBatch(buffer, at, available, 'sparse'); at < available; check = checkBatch(buffer, at, available, 'sparse')) {
      if (!check.ok) {
        if (check.reason === 'truncated' && !isLast) break
        return { batches, records, firstDamage: { position: position + at, reason: check.reason } }
      }
      batches++
      records += recordCount(buffer, at)
      at += check.sizeBytes
    }
    position += at
    if (at === 0) buffer = new Uint8Array(sizeOfNext(buffer, fileBytes - position))
  }
  return { batches, records, firstDamage: null }
}

/** The size of a batch that did not fit; a length beyond the end of the file asks for the rest of the file, and is found out there. */
function sizeOfNext(buffer: Uint8Array, restBytes: number): number {
  const sizeBytes = buffer.length < LOG_OVERHEAD_BYTES ? LOG_OVERHEAD_BYTES : batchSizeBytes(buffer, 0)
  return Math.min(Math.max(sizeBytes, CHUNK_BYTES), restBytes)
}
