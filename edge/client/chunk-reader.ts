/**
 * Turns what a leader answered into whole batches: bytes as they are, or a piece of a segment file that is read here, with a
 * descriptor of our own. Files are opened by path: the leader may close or delete its own whenever it likes.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import * as batch from '../../protocol/record-batch.ts'
import type { FileRange } from '../../protocol/messages/fetch.ts'
import { isOutOfDescriptors } from '../../runtime/disk-errors.ts'
import { walkFrom } from './batch-walk.ts'
import type { WalkDefect } from './batch-walk.ts'

interface OpenFile {
  readonly fd: number
  usedMillis: number
}

/** What follows a chunk in the same file: another one may have its name since, where a damaged log was copied anew. */
export interface RestRange extends FileRange {
  readonly file: OpenFile
}

/** Whole batches in one buffer, and where each begins. */
export class Chunk {
  readonly bytes: Uint8Array
  /** The batch that holds the offset that was asked for, and what follows it without a gap; none if it is not there, or damaged. */
  readonly positions: readonly batch.BatchPosition[]
  /** Why there is none. */
  readonly defect: WalkDefect
  /** Where the whole batches end, believed or not. */
  readonly wholeBytes: number
  /** It must not be written again: the application may hold views of it, or the memory is nobody's to use again. */
  escaped: boolean
  /** It was read here: its leader has not looked at the CRCs. */
  readonly isUnchecked: boolean
  /** Its batches can still be decoded. */
  live = true
  /** What follows it in its file, below the high watermark of the answer: it can be read without asking again. */
  rest: RestRange | null = null
  readonly #recycle: ((bytes: Uint8Array) => void) | null

  /** `recycle` takes the memory back when the chunk is released and nobody holds views of it. */
  constructor(bytes: Uint8Array, offset: number, recycle: ((bytes: Uint8Array) => void) | null) {
    const { positions, defect, wholeBytes } = walkFrom(bytes, offset)
    this.bytes = bytes
    this.positions = positions
    this.defect = defect
    this.wholeBytes = wholeBytes
    this.escaped = recycle === null
    this.isUnchecked = recycle !== null
    this.#recycle = recycle
  }

  /** The application has asked for what comes after it. */
  release(): void {
    if (this.escaped || this.#recycle === null) return
    this.live = false
    this.#recycle(this.bytes)
  }
}

/** Descriptors kept open. */
const OPEN_FILES_MAX = 64

/** A descriptor that was not used for so long is asked whether its file is still there: a deleted one keeps its space while it is open. */
const IDLE_MILLIS = 1000

/** One read. Larger ones are no faster, and their memory is returned later. */
const CHUNK_BYTES_MAX = 256 * 1024

/** Buffers kept for the next reads. Memory that is used again is read into four times faster than memory that is new. */
const SPARE_BUFFERS_MAX = 16

/** Reads for all consumers of one cluster. */
export class ChunkReader {
  readonly #directoryOf: (node: number) => string | null
  /** By path, in order of use. */
  readonly #files: Map<string, OpenFile> = new Map()
  readonly #now: () => number
  #sweptMillis = 0
  readonly #spare: ArrayBufferLike[] = []

  /** `directoryOf` names a node's directory; `now` is a clock in milliseconds. */
  constructor(directoryOf: (node: number) => string | null, now: () => number = () => performance.now()) {
    this.#directoryOf = directoryOf
    this.#now = now
  }

  /** The batches of bytes that are lent only while this runs, from the one that holds `offset` on. */
  take(records: Uint8Array, offset: number): Chunk {
    return new Chunk(records.buffer instanceof SharedArrayBuffer ? records.slice() : records, offset, null)
  }

  /** Reads the batches of a range from the one that holds `offset` on; null if the file is gone (deleted by retention, with its topic, or to be copied anew). */
  read(node: number, range: FileRange | RestRange, offset: number): Chunk | null {
    const file = this.#open(`${this.#directoryOf(node) ?? ''}/${range.path}`)
    if (file === null || ('file' in range && range.file !== file)) return null
    const chunk = this.#readAt(file, range, range.position, Math.min(range.sizeBytes, CHUNK_BYTES_MAX), offset)
    if (chunk.positions.length > 0) return chunk
    // The range begins before the offset, and the batch that holds it did not fit: reads that one, whole.
    const skipped = chunk.wholeBytes
    const headerIsThere = skipped + batch.LOG_OVERHEAD_BYTES <= chunk.bytes.length
    const header = headerIsThere ? chunk : this.#readAt(file, range, range.position + skipped, batch.LOG_OVERHEAD_BYTES, offset)
    if (header.bytes.length < batch.LOG_OVERHEAD_BYTES) return chunk
    const sizeBytes = batch.batchSizeBytes(header.bytes, headerIsThere ? skipped : 0)
    if (sizeBytes < batch.BATCH_HEADER_BYTES || skipped + sizeBytes > range.availableBytes) return chunk
    chunk.release()
    return this.#readAt(file, range, range.position + skipped, sizeBytes, offset)
  }

  close(): void {
    for (const { fd } of this.#files.values()) closeSync(fd)
    this.#files.clear()
  }

  #readAt(file: OpenFile, range: FileRange, position: number, sizeBytes: number, offset: number): Chunk {
    const buffer = this.#takeBuffer(sizeBytes)
    const target = new Uint8Array(buffer, 0, sizeBytes)
    let count = 0
    for (let read = 1; read > 0 && count < sizeBytes; count += read)
      read = readSync(file.fd, target, count, sizeBytes - count, position + count)
    const chunk = new Chunk(target.subarray(0, count), offset, (bytes) => {
      if (this.#spare.length < SPARE_BUFFERS_MAX) this.#spare.push(bytes.buffer)
    })
    const last = chunk.positions[chunk.positions.length - 1]
    const end = position + (last === undefined ? 0 : last.at + last.sizeBytes)
    const availableBytes = range.position + range.availableBytes - end
    if (availableBytes > 0)
      chunk.rest = { path: range.path, position: end, sizeBytes: Math.min(range.sizeBytes, availableBytes), availableBytes, file }
    return chunk
  }

  #takeBuffer(sizeBytes: number): ArrayBufferLike {
    const spare = this.#spare.pop()
    if (spare !== undefined && spare.byteLength >= sizeBytes) return spare
    // Slow means: not from Node's shared pool. Small reads get a small buffer, so that a slow topic does not hold large ones.
    return Buffer.allocUnsafeSlow(sizeBytes).buffer
  }

  /** The file that has that path now, most recently used from now on. */
  #open(path: string): OpenFile | null {
    const now = this.#now()
    if (now - this.#sweptMillis >= IDLE_MILLIS) this.#closeDeleted(now)
    const known = this.#files.get(path)
    if (known !== undefined && !this.#closeIfDeleted(path, known)) {
      known.usedMillis = now
      this.#files.delete(path)
      this.#files.set(path, known)
      return known
    }
    if (this.#files.size >= OPEN_FILES_MAX) this.#closeOldest()
    for (;;) {
      try {
        const file = { fd: openSync(path, 'r'), usedMillis: now }
        this.#files.set(path, file)
        return file
      } catch (error) {
        // Where the process has no descriptor left, one of ours is given up for it.
        if (!isOutOfDescriptors(error) || !this.#closeOldest()) return null
      }
    }
  }

  /** At most once in `IDLE_MILLIS`: idle descriptors come first, so it ends at the first that is in use. */
  #closeDeleted(now: number): void {
    this.#sweptMillis = now
    for (const [path, file] of this.#files) {
      if (now - file.usedMillis < IDLE_MILLIS) return
      this.#closeIfDeleted(path, file)
    }
  }

  #closeIfDeleted(path: string, { fd }: OpenFile): boolean {
    if (fstatSync(fd).nlink > 0) return false
    closeSync(fd)
    this.#files.delete(path)
    return true
  }

  #closeOldest(): boolean {
    for (const [path, { fd }] of this.#files) {
      closeSync(fd)
      this.#files.delete(path)
      return true
    }
    return false
  }
}
