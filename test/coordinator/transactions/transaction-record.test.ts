// Transactional ids as records: read back whole or not at all.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeTransactionRecord,
  encodeTransactionKey,
  encodeTransactionValue,
} from '../../../coordinator/transactions/transaction-record.ts'
import type { Transaction } from '../../../coordinator/transactions/transaction-state.ts'
import { hex } from '../../protocol/record-batch-support.ts'
import { transactionIn } from './support.ts'

const key = encodeTransactionKey('t')
const value = encodeTransactionValue(transactionIn('prepareCommit'))
const withIds = encodeTransactionValue({ ...transactionIn('prepareAbort', 'fence'), latestInitId: 5 })

const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.constantFrom('', '\uFEFFg', 'é'))
const whole = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })
const transaction: fc.Arbitrary<Transaction> = fc.record({
  transactionalId: text,
  producerId: whole,
  producerEpoch: fc.nat({ max: 32_767 }),
  nextProducerId: whole,
  previousProducerId: whole,
  timeoutMillis: fc.nat({ max: 900_000 }),
  state: fc.constantFrom('empty', 'ongoing', 'prepareCommit', 'prepareAbort', 'completeCommit', 'completeAbort'),
  endedBy: fc.constantFrom('producer', 'timeout', 'fence'),
  latestInitId: whole,
  partitions: fc
    .uniqueArray(fc.record({ topicId: fc.nat({ max: 3 }), partition: fc.nat() }), { maxLength: 8 })
    .map((partitions) => partitions.toSorted((a, b) => a.topicId - b.topicId).map((one) => ({ topic: `t${one.topicId}`, ...one }))),
  startedAt: whole,
  updatedAt: whole,
})

test("the bytes are as the header says, with Kafka's numbers of the states", () => {
  expect(key).toEqual(hex('0000 0001 74'))
  const head = '0000 0000000000000007 0003 0000ea60 02 00000001 0006 6f7264657273 0000000000000005 00000001 00000000'
  expect(value).toEqual(hex(`${head} 0000000000000014 000000000000000a ffffffffffffffff ffffffffffffffff ffffffffffffffff 00`))
  expect(withIds.subarray(-9)).toEqual(hex('0000000000000005 02'))
})

describe('a record', () => {
  test('gives back what was written, and so does a tombstone', () => {
    fc.assert(
      fc.property(transaction, (one) => {
        const { transactionalId } = one
        const bytes = encodeTransactionKey(transactionalId)
        expect(decodeTransactionRecord(bytes, encodeTransactionValue(one))).toEqual({ transactionalId, transaction: one })
        expect(decodeTransactionRecord(bytes, null)).toEqual({ transactionalId, transaction: null })
      }),
    )
  })

  test('of a newer version is unreadable, and one with another key is none', () => {
    expect(decodeTransactionRecord(key, hex('0001 00'))).toEqual({ transactionalId: 't', transaction: 'unreadable' })
    expect(decodeTransactionRecord(hex('0001 0001 74'), value)).toBeNull()
    expect(decodeTransactionRecord(null, value)).toBeNull()
  })

  test('cut at any byte, or one byte longer, is not understood', () => {
    for (let sizeBytes = 0; sizeBytes < key.length; sizeBytes++)
      expect(decodeTransactionRecord(key.subarray(0, sizeBytes), value)).toBeNull()
    expect(decodeTransactionRecord(Uint8Array.from([...key, 0]), value)).toBeNull()
    const unreadable = { transactionalId: 't', transaction: 'unreadable' }
    for (const whole of [value, withIds]) {
      for (let sizeBytes = 0; sizeBytes < whole.length; sizeBytes++)
        expect(decodeTransactionRecord(key, whole.subarray(0, sizeBytes))).toEqual(unreadable)
      expect(decodeTransactionRecord(key, Uint8Array.from([...whole, 0]))).toEqual(unreadable)
    }
  })

  test('of random bytes, or with a byte changed, does no harm', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat({ max: value.length - 1 }), fc.nat({ max: 255 }), (bytes, at, byte) => {
        decodeTransactionRecord(bytes, bytes)
        decodeTransactionRecord(key, bytes)
        decodeTransactionRecord(
          key,
          Uint8Array.from(value, (one, i) => (i === at ? byte : one)),
        )
      }),
    )
  })
})
