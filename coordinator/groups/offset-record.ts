/**
 * A committed offset as a record of `__consumer_offsets`, in Kafka's own format (OffsetCommitKey v1, OffsetCommitValue v4), big-endian:
 *   key    version i16 = 1 | group string | topic string | partition i32
 *   value  version i16 = 4 | offset i64 | leader epoch i32 = -1 | metadata compact string | commit timestamp i64 | tags
 *   tags   count = 1 | tag = 0 | size = 16 | topic id uuid
 * A string is an i16 length and UTF-8 bytes; of a compact one the length is a varint, plus one. A topic id 17 is the uuid
 * 00000000-0000-4000-8000-000000000011. Where the topic is not known the value is v3: a plain string, no tags. A null value (a tombstone)
 * says that the offset is gone.
 */
import { readI32, readI64, readU32, writeI16, writeI32, writeI64 } from '../../protocol/bytes.ts'
import type { TopicOffset } from '../../protocol/messages/group.ts'
import { decodeText, readString, readU16, writeString } from './strings.ts'

const KEY_VERSION = 1
const VALUE_VERSION = 4
/** The last version without a topic id. */
const PLAIN_VALUE_VERSION = 3
const METADATA_AT = 2 + 8 + 4
const UUID_BYTES = 16
/** One tag, number 0, of 16 bytes. */
const TAGS_HEAD: readonly number[] = [1, 0, UUID_BYTES]
/** The upper half of a topic's uuid: version 4, variant 1; the id is below. */
const UUID_HEAD: readonly number[] = [0, 0, 0, 0, 0, 0, 0x40, 0]
const UUID_VARIANT = 0x80

const encoder = new TextEncoder()

/** A record read back: whose commit, of what. */
export interface GroupCommit {
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** Null: a tombstone. */
  readonly committed: TopicOffset | null
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
export function encodeOffsetValue(committed: TopicOffset, now: number): Uint8Array {
  const metadata = encoder.encode(committed.metadata)
  const isPlain = committed.topicId < 0
  const lengthBytes = isPlain ? 2 : unsignedVarintSize(metadata.length + 1)
  const tagBytes = isPlain ? 0 : TAGS_HEAD.length + UUID_BYTES
  const bytes = new Uint8Array(METADATA_AT + lengthBytes + metadata.length + 8 + tagBytes)
  writeI16(bytes, 0, isPlain ? PLAIN_VALUE_VERSION : VALUE_VERSION)
  writeI64(bytes, 2, committed.offset)
  writeI32(bytes, 10, -1)
  if (isPlain) writeI64(bytes, writeString(bytes, METADATA_AT, metadata), now)
  else {
    writeUnsignedVarint(bytes, METADATA_AT, metadata.length + 1)
    const at = METADATA_AT + lengthBytes + metadata.length
    bytes.set(metadata, METADATA_AT + lengthBytes)
    writeI64(bytes, at, now)
    bytes.set(TAGS_HEAD, at + 8)
    writeTopicId(bytes, at + 8 + TAGS_HEAD.length, committed.topicId)
  }
  return bytes
}

/** Null for records of another kind or version, and for bytes that are not such a record at all. */
export function decodeGroupCommit(key: Uint8Array | null, value: Uint8Array | null): GroupCommit | null {
  if (key === null || key.length < 6 || readU16(key, 0) !== KEY_VERSION) return null
  const group = readString(key, 2)
  const topic = group === null ? null : readString(key, group.end)
  if (group === null || topic === null || topic.end + 4 !== key.length) return null
  const of = { topic: topic.text, partition: readI32(key, topic.end) }
  if (value === null) return { group: group.text, ...of, committed: null }
  const decoded = decodeValue(value)
  return decoded === null ? null : { group: group.text, ...of, committed: { ...of, ...decoded } }
}

function decodeValue(bytes: Uint8Array): Pick<TopicOffset, 'offset' | 'metadata' | 'topicId'> | null {
  if (bytes.length < METADATA_AT) return null
  const version = readU16(bytes, 0)
  if (version !== VALUE_VERSION && version !== PLAIN_VALUE_VERSION) return null
  const isPlain = version === PLAIN_VALUE_VERSION
  const metadata = isPlain ? readString(bytes, METADATA_AT) : readCompactString(bytes, METADATA_AT)
  if (metadata === null || metadata.end + 8 > bytes.length) return null
  const topicId = isPlain ? plainEnd(bytes, metadata.end + 8) : readTags(bytes, metadata.end + 8)
  return topicId === null ? null : { offset: readI64(bytes, 2), metadata: metadata.text, topicId }
}

/** No topic id, if the value ends here. */
function plainEnd(bytes: Uint8Array, at: number): number | null {
  return at === bytes.length ? -1 : null
}

/** The topic id among the tags, -1 without one or with one that is not ours; null unless the value ends with the tags. */
function readTags(bytes: Uint8Array, start: number): number | null {
  const count = readUnsignedVarint(bytes, start)
  let topicId = -1
  let at = count?.end ?? 0
  for (let i = 0; i < (count?.value ?? 0); i++) {
    const tag = readUnsignedVarint(bytes, at)
    const size = tag === null ? null : readUnsignedVarint(bytes, tag.end)
    if (tag === null || size === null || size.end + size.value > bytes.length) return null
    if (tag.value === 0 && size.value === UUID_BYTES) topicId = readTopicId(bytes, size.end)
    at = size.end + size.value
  }
  return count !== null && at === bytes.length ? topicId : null
}

function writeTopicId(bytes: Uint8Array, at: number, topicId: number): void {
  bytes.set(UUID_HEAD, at)
  writeI64(bytes, at + UUID_HEAD.length, topicId)
  bytes[at + UUID_HEAD.length] = UUID_VARIANT
}

function readTopicId(bytes: Uint8Array, at: number): number {
  const isOurs = UUID_HEAD.every((byte, i) => bytes[at + i] === byte) && bytes[at + 8] === UUID_VARIANT && bytes[at + 9] === 0
  return isOurs ? readU32(bytes, at + 10) * 2 ** 16 + readU16(bytes, at + 14) : -1
}

function unsignedVarintSize(value: number): number {
  return value < 2 ** 7 ? 1 : value < 2 ** 14 ? 2 : 3
}

/** An unsigned varint of up to 21 bits: no length here needs more. */
function writeUnsignedVarint(bytes: Uint8Array, at: number, value: number): void {
  const size = unsignedVarintSize(value)
  for (let i = 0; i < size; i++) bytes[at + i] = ((value >>> (7 * i)) & 0x7f) | (i < size - 1 ? 0x80 : 0)
}

function readUnsignedVarint(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } | null {
  let value = 0
  for (let i = 0; i < 3; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return null
    value |= (byte & 0x7f) << (7 * i)
    if (byte < 0x80) return { value, end: at + i + 1 }
  }
  return null
}

function readCompactString(bytes: Uint8Array, at: number): { readonly text: string; readonly end: number } | null {
  const length = readUnsignedVarint(bytes, at)
  if (length === null || length.value === 0) return null
  const end = length.end + length.value - 1
  return end > bytes.length ? null : { text: decodeText(bytes.subarray(length.end, end)), end }
}
