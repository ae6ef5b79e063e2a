/**
 * The section of a checkpoint about transactions, since version 3: what readers and the judges of the next batch must know of batches that are not looked at again.
 *
 * Layout, big-endian:
 *   coordinator epochs: count u32 x { producer id i64, coordinator epoch u32 }
 *   open:               count u32 x { producer id i64, first offset i64, base offset of its segment i64, position in it u32 }     the oldest first
 *   aborted:            count u32 x { producer id i64, first offset i64, offset of the marker i64 }                               by marker
 */
import { readI64, readU32, writeI32, writeI64 } from '../protocol/bytes.ts'
import type { ProducerStates } from './idempotence.ts'
import { noTransactions } from './transactions.ts'
import type { Transactions } from './transactions.ts'

const COUNT_BYTES = 4
const EPOCH_BYTES = 12
const OPEN_BYTES = 28
const ABORTED_BYTES = 24

/** The size of the section. */
export function transactionsSizeBytes(producers: ProducerStates, { open, aborted }: Transactions): number {
  const epochCount = coordinatorEpochs(producers).length
  return 3 * COUNT_BYTES + epochCount * EPOCH_BYTES + open.size * OPEN_BYTES + aborted.length * ABORTED_BYTES
}

/** Writes the section at `begin`; returns where it ends. */
export function writeTransactions(bytes: Uint8Array, begin: number, producers: ProducerStates, transactions: Transactions): number {
  let at = writeCoordinatorEpochs(bytes, begin, producers)
  writeI32(bytes, at, transactions.open.size)
  at += COUNT_BYTES
  for (const [producerId, { offset, segmentBaseOffset, position }] of transactions.open) {
    writeI64(bytes, at, producerId)
    writeI64(bytes, at + 8, offset)
    writeI64(bytes, at + 16, segmentBaseOffset)
    writeI32(bytes, at + 24, position)
    at += OPEN_BYTES
  }
  writeI32(bytes, at, transactions.aborted.length)
  at += COUNT_BYTES
  for (const { producerId, firstOffset, lastOffset } of transactions.aborted) {
    writeI64(bytes, at, producerId)
    writeI64(bytes, at + 8, firstOffset)
    writeI64(bytes, at + 16, lastOffset)
    at += ABORTED_BYTES
  }
  return at
}

/** Reads the section at `begin`, and notes in the entries of the producers what it says of them; null if it is not sound. */
export function readTransactions(
  bytes: Uint8Array,
  begin: number,
  producers: ProducerStates,
): { readonly transactions: Transactions; readonly end: number } | null {
  const transactions = noTransactions()
  const openAt = endOfList(bytes, begin, EPOCH_BYTES)
  const abortedAt = endOfList(bytes, openAt, OPEN_BYTES)
  const end = endOfList(bytes, abortedAt, ABORTED_BYTES)
  if (end < 0) return null
  for (let at = begin + COUNT_BYTES; at < openAt; at += EPOCH_BYTES) {
    const entry = producers.get(readI64(bytes, at))
    if (entry === undefined) return null
    entry.coordinatorEpoch = readU32(bytes, at + 8)
  }
  for (let at = openAt + COUNT_BYTES; at < abortedAt; at += OPEN_BYTES) {
    const producerId = readI64(bytes, at)
    const entry = producers.get(producerId)
    if (entry === undefined) return null
    const offset = readI64(bytes, at + 8)
    entry.firstOffset = offset
    transactions.open.set(producerId, { offset, segmentBaseOffset: readI64(bytes, at + 16), position: readU32(bytes, at + 24) })
  }
  for (let at = abortedAt + COUNT_BYTES; at < end; at += ABORTED_BYTES) {
    transactions.aborted.push({ producerId: readI64(bytes, at), firstOffset: readI64(bytes, at + 8), lastOffset: readI64(bytes, at + 16) })
  }
  return { transactions, end }
}

function coordinatorEpochs(producers: ProducerStates): [producerId: number, coordinatorEpoch: number][] {
  return [...producers].filter(([, { coordinatorEpoch }]) => coordinatorEpoch >= 0).map(([id, entry]) => [id, entry.coordinatorEpoch])
}

function writeCoordinatorEpochs(bytes: Uint8Array, begin: number, producers: ProducerStates): number {
  const epochs = coordinatorEpochs(producers)
  writeI32(bytes, begin, epochs.length)
  let at = begin + COUNT_BYTES
  for (const [producerId, coordinatorEpoch] of epochs) {
    writeI64(bytes, at, producerId)
    writeI32(bytes, at + 8, coordinatorEpoch)
    at += EPOCH_BYTES
  }
  return at
}

/** -1 if it does not end within the bytes, or does not begin. */
function endOfList(bytes: Uint8Array, begin: number, entryBytes: number): number {
  if (begin < 0 || begin + COUNT_BYTES > bytes.length) return -1
  const end = begin + COUNT_BYTES + readU32(bytes, begin) * entryBytes
  return end > bytes.length ? -1 : end
}
