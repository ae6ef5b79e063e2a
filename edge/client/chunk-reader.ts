/**
 * Turns what a leader answered into whole batches: bytes as they are, or a piece of a segment file that is read here, with a
 * descriptor of our own. Files are opened by path: the leader may close or delete its own whenever it likes.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import * as batch from '../../protocol/record-batch.ts'
import type { FileRange } from '../../protocol/messages/fetch.ts'

/** Whole batches in one buffer, and where each begins. */
export interface BatchList {
  readonly bytes: Uint8Array
  readonly positions: readonly batch.BatchPosition[]
}

/** Descriptors kept open. */
const OPEN_FILES_MAX = 64

export class ChunkReader {
  readonly #directoryOf: (node: number) => string | null
  /** By path, in order of use. */
  readonly #descriptors: Map<string, number> = new Map()

  /** `directoryOf` names a node's directory. */
  constructor(directoryOf: (node: number) => string | null) {
    this.#directoryOf = directoryOf
  }

  /** The batches of bytes that are lent only while this runs. */
  take(records: Uint8Array): BatchList {
    const bytes = records.buffer instanceof SharedArrayBuffer ? records.slice() : records
    return { bytes, positions: batch.walkBatches(bytes) }
  }

  /** Reads the batches of a range; null if the file is gone (deleted by retention, or with its topic). */
  read(node: number, range: FileRange): BatchList | null {
    const fd = this.#open(`${this.#directoryOf(node) ?? ''}/${range.path}`)
    if (fd === null) return null
    let bytes = readAt(fd, range.position, range.sizeBytes)
    let positions = batch.walkBatches(bytes)
    const first = bytes.length >= batch.LOG_OVERHEAD_BYTES ? batch.batchSizeBytes(bytes, 0) : 0
    if (positions.length === 0 && first > bytes.length && first <= range.availableBytes) {
      bytes = readAt(fd, range.position, first)
      positions = batch.walkBatches(bytes)
    }
    return { bytes, positions }
  }

  close(): void {
    for (const fd of this.#descriptors.values()) closeSync(fd)
    this.#descriptors.clear()
  }

  #open(path: string): number | null {
    const known = this.#descriptors.get(path)
    if (known !== undefined) return known
    try {
      const fd = openSync(path, 'r')
      this.#makeRoom()
      this.#descriptors.set(path, fd)
      return fd
    } catch {
      return null
    }
  }

  #makeRoom(): void {
    if (this.#descriptors.size < OPEN_FILES_MAX) return
    for (const [path, fd] of this.#descriptors) {
      closeSync(fd)
      this.#descriptors.delete(path)
      return
    }
  }
}

function readAt(fd: number, position: number, sizeBytes: number): Uint8Array {
  // Views of it become records: it is never used again. Slow means: not from the shared pool.
  const buffer = Buffer.allocUnsafeSlow(sizeBytes)
  let count = 0
  for (let read = 1; read > 0 && count < sizeBytes; count += read) read = readSync(fd, buffer, count, sizeBytes - count, position + count)
  return new Uint8Array(buffer.buffer, buffer.byteOffset, count)
}
