/**
 * Reads the files of a recording, entry by entry, in the order of time over all threads. What `kill -9` or a power loss has left of a last chunk is passed over,
 * and counted; damage before the end, and files that are none of ours, are errors.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c } from '../../protocol/crc32c.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { readEntries } from '../../protocol/recording/entries.ts'
import type { Entry } from '../../protocol/recording/entries.ts'
import {
  CHUNK_HEADER_BYTES,
  chunkHeader,
  decodeHeader,
  HEADER_BYTES,
  headerSize,
  RECORDING_SUFFIX,
  RECORDING_VERSION,
} from '../../protocol/recording/layout.ts'
import type { RecordingHeader } from '../../protocol/recording/layout.ts'

/** The file of one thread, open. */
export class RecordingFile {
  readonly path: string
  readonly sizeBytes: number
  /** Null where the file ends before it does: then there are no entries. */
  readonly header: RecordingHeader | null
  /** How much has been read. */
  readBytes: number
  /** Bytes at the end that are no whole chunk; known when all else has been read. */
  tornBytes = 0
  readonly #fd: number
  #entries: readonly Entry[] = []
  #next = 0

  /** Throws FOREIGN_DIRECTORY, UNSUPPORTED_FORMAT_VERSION or CORRUPT_MESSAGE if that is no file of a recording. */
  constructor(path: string) {
    this.path = path
    this.#fd = openSync(path, 'r')
    this.sizeBytes = fstatSync(this.#fd).size
    this.readBytes = 0
    try {
      this.header = this.#readHeader()
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** The next entry; null after the last one. Throws CORRUPT_MESSAGE where bytes are damaged that others follow. */
  next(): Entry | null {
    while (this.#next === this.#entries.length) if (!this.#readChunk()) return null
    return this.#entries[this.#next++]!
  }

  close(): void {
    closeSync(this.#fd)
  }

  #readHeader(): RecordingHeader | null {
    const outcome = decodeHeader(this.#bytesAt(0, headerSize(this.#bytesAt(0, HEADER_BYTES))))
    switch (outcome.kind) {
      case 'header':
        this.readBytes = outcome.end
        return outcome.header
      case 'torn':
        return this.#end(null)
      case 'foreign':
        throw new KafkaError('FOREIGN_DIRECTORY', `${this.path} is not a recording, although its name says so`)
      case 'version':
        throw new KafkaError(
          'UNSUPPORTED_FORMAT_VERSION',
          `${this.path} has format ${outcome.version}; this version reads ${RECORDING_VERSION}`,
        )
      default:
        throw this.#damaged(0)
    }
  }

  #readChunk(): boolean {
    const at = this.readBytes
    const head = this.#bytesAt(at, CHUNK_HEADER_BYTES)
    if (head.length < CHUNK_HEADER_BYTES) return this.#end(false)
    const { sizeBytes, crc } = chunkHeader(head)
    const end = at + CHUNK_HEADER_BYTES + sizeBytes
    if (sizeBytes === 0 && this.#isZeroFrom(at)) return this.#end(false)
    if (end > this.sizeBytes) return this.#end(false)
    const bytes = this.#bytesAt(at + CHUNK_HEADER_BYTES, sizeBytes)
    const isWhole = sizeBytes > 0 && crc32c(bytes) === crc
    if (!isWhole && (end === this.sizeBytes || this.#isZeroFrom(end))) return this.#end(false)
    const entries = isWhole ? readEntries(bytes) : null
    if (entries === null) throw this.#damaged(at)
    this.#entries = entries
    this.#next = 0
    this.readBytes = end
    return true
  }

  #end<Outcome>(outcome: Outcome): Outcome {
    this.tornBytes = this.sizeBytes - this.readBytes
    return outcome
  }

  #isZeroFrom(begin: number): boolean {
    for (let at = begin; at < this.sizeBytes; at += HEADER_BYTES)
      if (this.#bytesAt(at, HEADER_BYTES).some((byte) => byte !== 0)) return false
    return true
  }

  /** Fewer at the end of the file. */
  #bytesAt(at: number, size: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(size, this.sizeBytes - at)))
    let count = 0
    for (let read = 1; read > 0 && count < bytes.length; count += read)
      read = readSync(this.#fd, bytes, count, bytes.length - count, at + count)
    return bytes.subarray(0, count)
  }

  #damaged(at: number): KafkaError {
    return new KafkaError('CORRUPT_MESSAGE', `${this.path} is damaged at byte ${at}: what follows cannot be replayed`)
  }
}

/** Opens all files of a recording, by thread and life. Throws FOREIGN_DIRECTORY if there are none. */
export function openRecordingFiles(directory: string): RecordingFile[] {
  const names = namesIn(directory).filter((name) => name.endsWith(RECORDING_SUFFIX))
  if (names.length === 0)
    throw new KafkaError('FOREIGN_DIRECTORY', `${directory} is not a recording: it holds no file that ends in ${RECORDING_SUFFIX}`)
  const files: RecordingFile[] = []
  try {
    for (const name of names) files.push(new RecordingFile(join(directory, name)))
  } catch (error) {
    for (const file of files) file.close()
    throw error
  }
  return files.toSorted((a, b) => orderOf(a) - orderOf(b))
}

function orderOf({ header }: RecordingFile): number {
  return header === null ? Infinity : header.thread * 1e7 + header.life
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new KafkaError('FOREIGN_DIRECTORY', `${directory} is not a recording: ${reason}`, { cause: error })
  }
}
