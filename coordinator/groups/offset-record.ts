/**
 * A committed offset as a record of `__consumer_offsets`, in Kafka's own format (OffsetCommitKey v1, OffsetCommitValue v3), big-endian:
 *   key    version i16 = 1 | group string | topic string | partition i32
 *   value  version i16 = 3 | offset i64 | leader epoch i32 = -1 | metadata string | commit timestamp i64
 * A string is an i16 length and UTF-8 bytes.
 */
import { readI32, readI64, writeI16, writeI32, writeI64 } from '../../protocol/bytes.ts'
import type { CommittedOffset } from '../../protocol/messages/group.ts'

const KEY_VERSION = 1
const VALUE_VERSION = 3
const VALUE_FIXED_BYTES = 2 + 8 + 4 + 2 + 8

const encoder = new TextEncoder()
/** A group may begin with U+FEFF, which a decoder would take for a mark of the encoding and drop. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** A record read back: whose commit, of what. */
export interface GroupCommit {
  readonly group: string
  readonly committed: CommittedOffset
}

/** The key of a commit: whose, of which partition. */
export function encodeOffsetKey(group: string, topic: string, partition: number): Uint8Array {
  const groupBytes = encoder.encode(group)
  const topicBytes = encoder.encode(topic)
  const bytes = new Uint8Array(2 + 2 + groupBytes.length + 2 + topicBytes.length + 4)
  writeI16(bytes, 0, KEY_VERSION)
  const at = writeString(bytes, writeString(bytes, 2, groupBytes), topicBytes)
  writeI32(bytes, at, partition)
  return bytes
}

/** The value of a commit, made at `now` (milliseconds since 1970). */
export function encodeOffsetValue(committed: CommittedOffset, now: number): Uint8Array {
  const metadata = encoder.encode(committed.metadata)
  const bytes = new Uint8Array(VALUE_FIXED_BYTES + metadata.length)
  writeI16(bytes, 0, VALUE_VERSION)
  writeI64(bytes, 2, committed.offset)
  writeI32(bytes, 10, -1)
  writeI64(bytes, writeString(bytes, 14, metadata), now)
  return bytes
}

/** Null for records of another kind or version, and for bytes that are not such a record at all. */
export function decodeGroupCommit(key: Uint8Array | null, value: Uint8Array | null): GroupCommit | null {
  if (key === null || value === null || key.length < 6 || value.length < VALUE_FIXED_BYTES) return null
  if (readU16(key, 0) !== KEY_VERSION || readU16(value, 0) !== VALUE_VERSION) return null
  const group = readString(key, 2)
  const topic = group === null ? null : readString(key, group.end)
  const metadata = readString(value, 14)
  if (group === null || topic === null || metadata === null || topic.end + 4 !== key.length || metadata.end + 8 !== value.length)
    return null
  const committed = { topic: topic.text, partition: readI32(key, topic.end), offset: readI64(value, 2), metadata: metadata.text }
  return { group: group.text, committed }
}

function writeString(bytes: Uint8Array, at: number, text: Uint8Array): number {
  writeI16(bytes, at, text.length)
  bytes.set(text, at + 2)
  return at + 2 + text.length
}

function readString(bytes: Uint8Array, at: number): { readonly text: string; readonly end: number } | null {
  if (at + 2 > bytes.length) return null
  const end = at + 2 + readU16(bytes, at)
  return end > bytes.length ? null : { text: decoder.decode(bytes.subarray(at + 2, end)), end }
}

function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
