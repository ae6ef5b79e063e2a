/**
 * A transactional id as a record of `__transaction_state`, big-endian; the fields of Kafka's TransactionLogKey and TransactionLogValue in their order, and ours
 * behind them:
 *   key    version i16 = 0 | transactional id string
 *   value  version i16 = 0 | producer id i64 | epoch i16 | time-out i32 (ms) | state i8 | topics i32, each: topic string | topic id i64 | partitions i32, each: i32
 *          | last update i64 | start i64 | previous producer id i64 | next producer id i64 | latest init id i64 | ended by i8
 * A string is a u16 length and UTF-8 bytes. A null value (a tombstone) says that the id is forgotten. The tombstone of the empty id, which nobody may use,
 * is a barrier: when it is committed, so is all that was written before it.
 */
import { readI16, readI32, readI64, writeI16, writeI32, writeI64 } from '../../protocol/bytes.ts'
import type { TransactionStateName } from '../../protocol/messages/transaction.ts'
import type { EndedBy, Transaction, TransactionPartition } from './transaction-state.ts'

const VERSION = 0

/** By Kafka's number. */
const STATES: readonly TransactionStateName[] = ['empty', 'ongoing', 'prepareCommit', 'prepareAbort', 'completeCommit', 'completeAbort']
const ENDED_BY: readonly EndedBy[] = ['producer', 'timeout', 'fence']

const HEAD_BYTES = 2 + 8 + 2 + 4 + 1
const TAIL_BYTES = 8 + 8 + 8 + 8 + 8 + 1

const encoder = new TextEncoder()
/** An id may begin with U+FEFF, which a decoder would take for a mark of the encoding and drop. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** A record read back. */
export interface TransactionRecord {
  readonly transactionalId: string
  /** Null: a tombstone; `unreadable`: written by a version that is newer, or damaged: what was known of the id before does not count any more. */
  readonly transaction: Transaction | 'unreadable' | null
}

/** The key of a transactional id. */
export function encodeTransactionKey(transactionalId: string): Uint8Array {
  const id = encoder.encode(transactionalId)
  const bytes = new Uint8Array(2 + 2 + id.length)
  writeI16(bytes, 0, VERSION)
  writeString(bytes, 2, id)
  return bytes
}

/** What is known of the id. */
export function encodeTransactionValue(transaction: Transaction): Uint8Array {
  const topics = [...Map.groupBy(transaction.partitions, ({ topicId }) => topicId)].map(([topicId, partitions]) => {
    return { topicId, name: encoder.encode(partitions[0]?.topic ?? ''), partitions }
  })
  const topicBytes = topics.reduce((sum, { name, partitions }) => sum + 2 + name.length + 8 + 4 + 4 * partitions.length, 0)
  const bytes = new Uint8Array(HEAD_BYTES + 4 + topicBytes + TAIL_BYTES)
  writeI16(bytes, 0, VERSION)
  writeI64(bytes, 2, transaction.producerId)
  writeI16(bytes, 10, transaction.producerEpoch)
  writeI32(bytes, 12, transaction.timeoutMillis)
  bytes[16] = STATES.indexOf(transaction.state)
  writeI32(bytes, HEAD_BYTES, topics.length)
  let at = HEAD_BYTES + 4
  for (const { topicId, name, partitions } of topics) {
    at = writeString(bytes, at, name)
    writeI64(bytes, at, topicId)
    writeI32(bytes, at + 8, partitions.length)
    partitions.forEach(({ partition }, i) => writeI32(bytes, at + 12 + 4 * i, partition))
    at += 12 + 4 * partitions.length
  }
  writeI64(bytes, at, transaction.updatedAt)
  writeI64(bytes, at + 8, transaction.startedAt)
  writeI64(bytes, at + 16, transaction.previousProducerId)
  writeI64(bytes, at + 24, transaction.nextProducerId)
  writeI64(bytes, at + 32, transaction.latestInitId)
  bytes[at + 40] = ENDED_BY.indexOf(transaction.endedBy)
  return bytes
}

/** Null for records of another kind. */
export function decodeTransactionRecord(key: Uint8Array | null, value: Uint8Array | null): TransactionRecord | null {
  if (key === null || key.length < 4 || readI16(key, 0) !== VERSION) return null
  const id = readString(key, 2)
  if (id === null || id.end !== key.length) return null
  const transactionalId = id.text
  if (value === null) return { transactionalId, transaction: null }
  return { transactionalId, transaction: decodeValue(transactionalId, value) ?? 'unreadable' }
}

function decodeValue(transactionalId: string, bytes: Uint8Array): Transaction | null {
  if (bytes.length < HEAD_BYTES + 4 + TAIL_BYTES || readI16(bytes, 0) !== VERSION) return null
  const state = STATES[bytes[16] ?? -1]
  const found = readTopics(bytes, HEAD_BYTES)
  if (state === undefined || found === null) return null
  const { partitions, end } = found
  const endedBy = ENDED_BY[bytes[end + 40] ?? -1]
  if (endedBy === undefined || end + TAIL_BYTES !== bytes.length) return null
  return {
    transactionalId,
    producerId: readI64(bytes, 2),
    producerEpoch: readI16(bytes, 10),
    timeoutMillis: readI32(bytes, 12),
    state,
    endedBy,
    latestInitId: readI64(bytes, end + 32),
    partitions,
    updatedAt: readI64(bytes, end),
    startedAt: readI64(bytes, end + 8),
    previousProducerId: readI64(bytes, end + 16),
    nextProducerId: readI64(bytes, end + 24),
  }
}

/** Null where counts or lengths point behind the end. */
function readTopics(bytes: Uint8Array, start: number): { readonly partitions: TransactionPartition[]; readonly end: number } | null {
  const partitions: TransactionPartition[] = []
  const topicCount = readI32(bytes, start)
  if (topicCount < 0) return null
  let at = start + 4
  for (let i = 0; i < topicCount; i++) {
    const topic = readString(bytes, at)
    if (topic === null || topic.end + 12 > bytes.length) return null
    const topicId = readI64(bytes, topic.end)
    const count = readI32(bytes, topic.end + 8)
    at = topic.end + 12 + 4 * count
    if (count < 0 || at > bytes.length) return null
    for (let j = 0; j < count; j++) partitions.push({ topic: topic.text, topicId, partition: readI32(bytes, topic.end + 12 + 4 * j) })
  }
  return { partitions, end: at }
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
