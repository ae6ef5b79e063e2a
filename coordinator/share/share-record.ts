/**
 * A share partition as a record of `__share_group_state`, big-endian:
 *   key    version i16 = 0 | group string | topic id i64 | partition i32
 *   value  version i16 = 0 | topic string | leader epoch i32 | start offset i64 | ranges i32, each: last offset - first offset u16 | state u8 | delivery count u8
 * A string is a u16 length and UTF-8 bytes. State 0: to be given (again), 1: acknowledged, 2: archived. Who had what is not written: a lock does not survive, but
 * the attempt counts. A null value says that the group has forgotten the partition; that of the empty group is a barrier: when it is committed, so is
 * all that was written before it. The window has up to 2,000 records, so that a value has up to 8,000 bytes and the name of the topic.
 */
import { readI16, readI32, readI64, writeI16, writeI32, writeI64 } from '../../protocol/bytes.ts'
import type { ShareRange, SharePartition, ShareRecordState } from './share-partition.ts'

const VERSION = 0

const STATES: readonly ShareRecordState[] = ['available', 'acknowledged', 'archived']

const HEAD_BYTES = 4 + 8 + 4
const RANGE_BYTES = 4

const encoder = new TextEncoder()
/** A group may begin with U+FEFF, which a decoder would take for a mark of the encoding and drop. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Names a share partition. */
export interface ShareKey {
  readonly group: string
  readonly topicId: number
  readonly partition: number
}

/** What is kept of a share partition. */
export interface KeptShare extends SharePartition {
  readonly topic: string
  /** The newest reign that was heard of its end: what an older one says is old. */
  leaderEpoch: number
}

/** A record read back. */
export interface ShareRecord extends ShareKey {
  /** Null: forgotten. */
  readonly kept: KeptShare | null
}

/** The key of a share partition. */
export function encodeShareKey({ group, topicId, partition }: ShareKey): Uint8Array {
  const name = encoder.encode(group)
  const bytes = new Uint8Array(2 + 2 + name.length + 12)
  writeI16(bytes, 0, VERSION)
  const at = writeString(bytes, 2, name)
  writeI64(bytes, at, topicId)
  writeI32(bytes, at + 8, partition)
  return bytes
}

/** What is to survive of it. */
export function encodeShareValue({ topic, leaderEpoch, startOffset, ranges }: KeptShare): Uint8Array {
  const name = encoder.encode(topic)
  const bytes = new Uint8Array(2 + 2 + name.length + HEAD_BYTES + RANGE_BYTES * ranges.length)
  writeI16(bytes, 0, VERSION)
  let at = writeString(bytes, 2, name)
  writeI32(bytes, at, leaderEpoch)
  writeI64(bytes, at + 4, startOffset)
  writeI32(bytes, at + 12, ranges.length)
  at += HEAD_BYTES
  for (const { first, last, state, deliveryCount } of ranges) {
    writeI16(bytes, at, last - first)
    bytes[at + 2] = Math.max(0, STATES.indexOf(state))
    bytes[at + 3] = deliveryCount
    at += RANGE_BYTES
  }
  return bytes
}

/** Null for records of another kind, or that are damaged. */
export function decodeShareRecord(key: Uint8Array | null, value: Uint8Array | null): ShareRecord | null {
  if (key === null || key.length < 4 || readI16(key, 0) !== VERSION) return null
  const group = readString(key, 2)
  if (group === null || group.end + 12 !== key.length) return null
  const name = { group: group.text, topicId: readI64(key, group.end), partition: readI32(key, group.end + 8) }
  if (value === null) return { ...name, kept: null }
  const kept = decodeValue(value)
  return kept === null ? null : { ...name, kept }
}

function decodeValue(bytes: Uint8Array): KeptShare | null {
  if (bytes.length < 4 || readI16(bytes, 0) !== VERSION) return null
  const topic = readString(bytes, 2)
  if (topic === null || topic.end + HEAD_BYTES > bytes.length) return null
  const leaderEpoch = readI32(bytes, topic.end)
  const startOffset = readI64(bytes, topic.end + 4)
  const count = readI32(bytes, topic.end + 12)
  if (count < 0 || topic.end + HEAD_BYTES + RANGE_BYTES * count !== bytes.length) return null
  const ranges: ShareRange[] = []
  let first = startOffset
  for (let at = topic.end + HEAD_BYTES; at < bytes.length; at += RANGE_BYTES) {
    const state = STATES[bytes[at + 2] ?? -1]
    if (state === undefined) return null
    const last = first + (readI16(bytes, at) & 0xffff)
    ranges.push({ first, last, state, deliveryCount: bytes[at + 3] ?? 0, memberId: '', lockUntil: 0 })
    first = last + 1
  }
  return { topic: topic.text, leaderEpoch, startOffset, nextOffset: first, ranges, gone: [] }
}

function writeString(bytes: Uint8Array, at: number, text: Uint8Array): number {
  writeI16(bytes, at, text.length)
  bytes.set(text, at + 2)
  return at + 2 + text.length
}

function readString(bytes: Uint8Array, at: number): { readonly text: string; readonly end: number } | null {
  if (at + 2 > bytes.length) return null
  const end = at + 2 + (readI16(bytes, at) & 0xffff)
  return end > bytes.length ? null : { text: decoder.decode(bytes.subarray(at + 2, end)), end }
}
