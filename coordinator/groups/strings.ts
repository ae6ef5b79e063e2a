/**
 * Strings in the records of `__consumer_offsets`: an i16 length, big-endian, and UTF-8 bytes.
 */
import { writeI16 } from '../../protocol/bytes.ts'

/** A group may begin with U+FEFF, which a decoder would take for a mark of the encoding and drop. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Writes the length and the bytes of a text; returns where they end. */
export function writeString(bytes: Uint8Array, at: number, text: Uint8Array): number {
  writeI16(bytes, at, text.length)
  bytes.set(text, at + 2)
  return at + 2 + text.length
}

/** The text, and where it ends; null if the bytes end before. */
export function readString(bytes: Uint8Array, at: number): { readonly text: string; readonly end: number } | null {
  if (at + 2 > bytes.length) return null
  const end = at + 2 + readU16(bytes, at)
  return end > bytes.length ? null : { text: decodeText(bytes.subarray(at + 2, end)), end }
}

/** Two bytes, big-endian; those that are not there are 0. */
export function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

/** The text of UTF-8 bytes. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}
