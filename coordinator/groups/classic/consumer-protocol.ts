/**
 * What consumers say to each other through their classic group, in Kafka's own bytes (ConsumerProtocolSubscription v3, ConsumerProtocolAssignment v3, and the user data of
 * StickyAssignor and CooperativeStickyAssignor), big-endian:
 *   subscription  version i16 | topics string[] | user data bytes | v1: owned partitions | v2: generation i32 | v3: rack id string
 *   assignment    version i16 | assigned partitions | user data bytes
 *   sticky        previous partitions | generation i32            (of v0: without the generation)
 *   cooperative   generation i32
 * A string has an i16 length, bytes an i32 length, -1 for null; an array has an i32 count; partitions are (topic string | i32[])[]. What follows the fields that
 * are known is of a later version, and left alone.
 */
import { readI16, readI32, writeI16, writeI32 } from '../../../protocol/bytes.ts'
import { fromOpaque, toOpaque } from '../../../protocol/opaque-bytes.ts'
import type { OpaqueBytes } from '../../../protocol/opaque-bytes.ts'
import type { TopicPartitions } from '../../../protocol/messages/group.ts'

/** What a member says when it joins. */
export interface Subscription {
  readonly topics: readonly string[]
  readonly userData: Uint8Array | null
  /** What it has now; empty before v1. */
  readonly ownedPartitions: readonly TopicPartitions[]
  /** Whose assignment that is; -1: not known. */
  readonly generationId: number
  readonly rackId: string | null
}

/** What a member is given. */
export interface Assignment {
  readonly partitions: readonly TopicPartitions[]
  readonly userData: Uint8Array | null
}

/** What a sticky assignor wants to know of a member that had to let go of everything. */
export interface StickyUserData {
  readonly partitions: readonly TopicPartitions[]
  /** -1: not known. */
  readonly generationId: number
}

const VERSION = 3

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** A subscription as bytes, v3. */
export function encodeSubscription({ topics, userData, ownedPartitions, generationId, rackId }: Subscription): OpaqueBytes {
  return toOpaque(
    concat([
      i16(VERSION),
      i32(topics.length),
      ...topics.map(string),
      nullableBytes(userData),
      ...partitionLists(ownedPartitions),
      i32(generationId),
      rackId === null ? i16(-1) : string(rackId),
    ]),
  )
}

/** Null for bytes that are no subscription. */
export function decodeSubscription(bytes: OpaqueBytes): Subscription | null {
  const reader = newReader(fromOpaque(bytes))
  const version = readShort(reader)
  const topics = readArray(reader, readString)
  const userData = readBytes(reader)
  const ownedPartitions = version < 1 ? [] : readArray(reader, readTopicPartitions)
  const generationId = version < 2 ? -1 : readInt(reader)
  const rackId = version < 3 ? null : readNullableString(reader)
  return reader.failed || version < 0 ? null : { topics, userData, ownedPartitions, generationId, rackId }
}

/** An assignment as bytes, v3. */
export function encodeAssignment({ partitions, userData }: Assignment): OpaqueBytes {
  return toOpaque(concat([i16(VERSION), ...partitionLists(partitions), nullableBytes(userData)]))
}

/** No bytes are no partitions. Null for bytes that are no assignment. */
export function decodeAssignment(bytes: OpaqueBytes): Assignment | null {
  if (bytes === '') return { partitions: [], userData: null }
  const reader = newReader(fromOpaque(bytes))
  const version = readShort(reader)
  const partitions = readArray(reader, readTopicPartitions)
  const userData = readBytes(reader)
  return reader.failed || version < 0 ? null : { partitions, userData }
}

/** The user data of `sticky`, v1. */
export function encodeStickyUserData({ partitions, generationId }: StickyUserData): Uint8Array {
  return concat([...partitionLists(partitions), i32(generationId)])
}

/** Of v0 or v1; null for bytes that are neither. */
export function decodeStickyUserData(bytes: Uint8Array): StickyUserData | null {
  const reader = newReader(bytes)
  const partitions = readArray(reader, readTopicPartitions)
  const generationId = reader.at === bytes.length ? -1 : readInt(reader)
  return reader.failed ? null : { partitions, generationId }
}

/** The user data of `cooperative-sticky`, v0. */
export function encodeCooperativeUserData(generationId: number): Uint8Array {
  return i32(generationId)
}

// ── writing ──

function i16(value: number): Uint8Array {
  const bytes = new Uint8Array(2)
  writeI16(bytes, 0, value)
  return bytes
}

function i32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  writeI32(bytes, 0, value)
  return bytes
}

function string(text: string): Uint8Array {
  const encoded = encoder.encode(text)
  return concat([i16(encoded.length), encoded])
}

function nullableBytes(bytes: Uint8Array | null): Uint8Array {
  return bytes === null ? i32(-1) : concat([i32(bytes.length), bytes])
}

function partitionLists(topics: readonly TopicPartitions[]): Uint8Array[] {
  const lists = topics.flatMap(({ topic, partitions }) => [string(topic), i32(partitions.length), ...partitions.map(i32)])
  return [i32(topics.length), ...lists]
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

// ── reading ──

/** Reads on from `at`; what is not there reads as nothing, and says so. */
interface Reader {
  readonly bytes: Uint8Array
  at: number
  failed: boolean
}

function newReader(bytes: Uint8Array): Reader {
  return { bytes, at: 0, failed: false }
}

/** Where the next bytes begin, if there are so many. */
function take(reader: Reader, size: number): number {
  const { at, bytes } = reader
  if (reader.failed || size < 0 || at + size > bytes.length) {
    reader.failed = true
    return -1
  }
  reader.at = at + size
  return at
}

function readShort(reader: Reader): number {
  const at = take(reader, 2)
  return at < 0 ? 0 : readI16(reader.bytes, at)
}

function readInt(reader: Reader): number {
  const at = take(reader, 4)
  return at < 0 ? 0 : readI32(reader.bytes, at)
}

function readString(reader: Reader): string {
  const size = readShort(reader)
  const at = take(reader, size)
  return at < 0 ? '' : decoder.decode(reader.bytes.subarray(at, at + size))
}

function readNullableString(reader: Reader): string | null {
  const size = readShort(reader)
  if (size === -1) return null
  const at = take(reader, size)
  return at < 0 ? null : decoder.decode(reader.bytes.subarray(at, at + size))
}

function readBytes(reader: Reader): Uint8Array | null {
  const size = readInt(reader)
  if (size === -1) return null
  const at = take(reader, size)
  return at < 0 ? null : reader.bytes.slice(at, at + size)
}

/** Each item takes a byte at least: a count beyond that is nonsense. */
function readArray<Item>(reader: Reader, item: (reader: Reader) => Item): Item[] {
  const count = readInt(reader)
  if (count < 0 || count > reader.bytes.length - reader.at) reader.failed = true
  const items: Item[] = []
  while (!reader.failed && items.length < count) items.push(item(reader))
  return items
}

function readTopicPartitions(reader: Reader): TopicPartitions {
  return { topic: readString(reader), partitions: readArray(reader, readInt) }
}
