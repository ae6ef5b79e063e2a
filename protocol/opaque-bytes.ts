/**
 * Bytes that nobody on the way looks into, as a text with one character for each byte (Latin-1): messages between actors are plain data, and equal bytes are equal texts.
 */

/** See the header. */
export type OpaqueBytes = string

/** Characters that are made at once: more would be too many arguments. */
const PIECE_BYTES = 8192

/** Bytes as a text. */
export function toOpaque(bytes: Uint8Array): OpaqueBytes {
  let text = ''
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) text += String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES))
  return text
}

/** The bytes again, in memory of their own; of a character that is no byte the low 8 bits. */
export function fromOpaque(text: OpaqueBytes): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at)
  return bytes
}
