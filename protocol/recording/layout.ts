/**
 * The layout of a recording's file: a header, then chunks. One thread writes one file. Big-endian.
 *
 *      0  8 bytes  "ODRADEKR"                              the chunks follow each other:
 *      8  u32      format version                            0  u32  size of the entries, not 0
 *     12  u32      size of the text                          4  u32  CRC32C of the entries
 *     16  u32      CRC32C of the text                        8  entries (entries.ts)
 *     20  JSON: who wrote it, and where
 *
 * A process that dies leaves a file that ends within a chunk, or, after a power loss, in zeros: what is before counts.
 */
import { readU32, writeI32 } from '../bytes.ts'
import { crc32c } from '../crc32c.ts'
import { readUtf8, utf8Size, writeUtf8 } from '../utf8.ts'

/** The newest format that this code reads, and the one that it writes. */
export const RECORDING_VERSION = 1

/** What the name of each file of a recording ends in. */
export const RECORDING_SUFFIX = '.recording'

/** Bytes before the text of the header, and before the entries of a chunk. */
export const HEADER_BYTES = 20
/** See above. */
export const CHUNK_HEADER_BYTES = 8

/** A header's text is short: more is damage. */
const TEXT_BYTES_MAX = 64 * 1024

const MAGIC = 'ODRADEKR'

/** Who wrote a file. */
export interface RecordingHeader {
  /** Version of the package. */
  readonly odradek: string
  /** Version of Node. */
  readonly node: string
  readonly thread: number
  /** How often that thread had been started by then; 1 is the first. */
  readonly life: number
  /** Wall clock, milliseconds since 1970. */
  readonly startedAt: number
}

/**
 * The header of a file, and where its chunks begin; or why there is none. `torn`: the file ends before the header does, and holds nothing. `version` is
 * the one that the file says.
 */
export type HeaderOutcome =
  | { readonly kind: 'header'; readonly header: RecordingHeader; readonly end: number }
  | { readonly kind: 'torn' }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'version'; readonly version: number }

/** The first bytes of a file. */
export function encodeHeader(header: RecordingHeader): Uint8Array {
  const text = JSON.stringify(header)
  const bytes = new Uint8Array(HEADER_BYTES + utf8Size(text))
  writeUtf8(bytes, 0, MAGIC)
  writeUtf8(bytes, HEADER_BYTES, text)
  writeI32(bytes, 8, RECORDING_VERSION)
  writeI32(bytes, 12, bytes.length - HEADER_BYTES)
  writeI32(bytes, 16, crc32c(bytes.subarray(HEADER_BYTES)))
  return bytes
}

/** How many bytes `decodeHeader` wants to see, by the first HEADER_BYTES. */
export function headerSize(bytes: Uint8Array): number {
  return bytes.length < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + Math.min(readU32(bytes, 12), TEXT_BYTES_MAX)
}

/** Reads the beginning of a file. The version comes first: what follows it may be anything in another one. */
export function decodeHeader(bytes: Uint8Array): HeaderOutcome {
  const magic = readUtf8(bytes, 0, Math.min(MAGIC.length, bytes.length))
  if (!MAGIC.startsWith(magic)) return { kind: 'foreign' }
  if (bytes.length < HEADER_BYTES) return { kind: 'torn' }
  const version = readU32(bytes, 8)
  if (version !== RECORDING_VERSION) return { kind: 'version', version }
  const end = HEADER_BYTES + readU32(bytes, 12)
  if (end > HEADER_BYTES + TEXT_BYTES_MAX) return { kind: 'damaged' }
  if (bytes.length < end) return { kind: 'torn' }
  const text = bytes.subarray(HEADER_BYTES, end)
  const header = crc32c(text) === readU32(bytes, 16) ? parseText(readUtf8(text, 0, text.length)) : null
  return header === null ? { kind: 'damaged' } : { kind: 'header', header, end }
}

/** Completes a chunk whose entries are there: writes its header before them. */
export function sealChunk(chunk: Uint8Array): void {
  const entries = chunk.subarray(CHUNK_HEADER_BYTES)
  writeI32(chunk, 0, entries.length)
  writeI32(chunk, 4, crc32c(entries))
}

/** What the header of a chunk says. */
export function chunkHeader(bytes: Uint8Array): { readonly sizeBytes: number; readonly crc: number } {
  return { sizeBytes: readU32(bytes, 0), crc: readU32(bytes, 4) }
}

function parseText(text: string): RecordingHeader | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof parsed !== 'object' || parsed === null) return null
  const { odradek, node, thread, life, startedAt } = parsed as Readonly<Record<string, unknown>>
  if (typeof odradek !== 'string' || typeof node !== 'string') return null
  if (typeof thread !== 'number' || typeof life !== 'number' || typeof startedAt !== 'number') return null
  return { odradek, node, thread, life, startedAt }
}
