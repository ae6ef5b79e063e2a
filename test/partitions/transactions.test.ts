// Transactions as one partition sees them: which batch is appended, where readers of what is committed stop, and what they leave out.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NOT_CLEANED } from '../../partitions/checkpoint-cleaning.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../../partitions/checkpoint.ts'
import type { Checkpoint } from '../../partitions/checkpoint.ts'
import { checkSequence, PRODUCERS_MAX, rememberBatch } from '../../partitions/idempotence.ts'
import type { NumberedBatch, ProducerStates } from '../../partitions/idempotence.ts'
import { numberedBatch } from '../../partitions/numbered-batch.ts'
import {
  abortedBetween,
  checkMarker,
  checkTransaction,
  copyTransactions,
  lastStablePosition,
  noteCommitted,
  noTransactions,
  pruneAborted,
} from '../../partitions/transactions.ts'
import type { Transactions } from '../../partitions/transactions.ts'
import { batchAt, markerAt, untimed } from './support.ts'

/** What a partition knows as of some offset. */
interface Known {
  readonly producers: ProducerStates
  readonly transactions: Transactions
  /** One past the last batch. */
  end: number
}

function data(baseOffset: number, producerEpoch = 0, baseSequence = 0, producerId = 7): NumberedBatch {
  return numberedBatch(batchAt(baseOffset, 1, { producerId, producerEpoch, baseSequence, transactional: true }), 0, baseOffset)!
}

function plain(baseOffset: number, producerEpoch = 0, baseSequence = 0): NumberedBatch {
  return { ...data(baseOffset, producerEpoch, baseSequence), isTransactional: false }
}

function marker(baseOffset: number, producerEpoch = 1, committed = true, producerId = 7): NumberedBatch {
  return numberedBatch(markerAt(baseOffset, committed, { producerId, producerEpoch }), 0, baseOffset)!
}

function note(known: Known, batch: NumberedBatch): void {
  noteCommitted(known.producers, known.transactions, batch, place(batch.baseOffset))
  known.end = batch.baseOffset + 1
}

function place(offset: number): { readonly offset: number; readonly segmentBaseOffset: number; readonly position: number } {
  return { offset, segmentBaseOffset: 0, position: offset * 100 }
}

function after(...batches: readonly NumberedBatch[]): Known {
  const known = { producers: new Map(), transactions: noTransactions(), end: 0 }
  for (const batch of batches) note(known, batch)
  return known
}

function stableEnd({ transactions, end }: Known, logStartOffset = 0): number {
  return lastStablePosition(transactions, place(end), logStartOffset).offset
}

describe('a batch', () => {
  test.each([
    ['that begins a transaction: the transactor is asked', data(1), after(), 'ask'],
    ['that goes on with it', data(1, 0, 1), after(data(0)), 'append'],
    ['that begins the next one, the marker is there', data(2, 1), after(data(0), marker(1)), 'ask'],
    ['that begins the next one, the marker is not there', data(1, 1), after(data(0)), 'ask'],
    ['outside of transactions', plain(0), after(), 'append'],
    ['outside of transactions while one is open', plain(1, 0, 1), after(data(0)), 'INVALID_TXN_STATE'],
  ])('%s', (_, batch, { producers }, expected) => {
    expect(checkTransaction(producers, batch)).toBe(expected)
  })

  test('after a marker has its epoch, or a higher one, and begins at sequence 0', () => {
    const { producers } = after(data(0), data(1, 0, 1), marker(2))
    expect(checkSequence(producers, data(3, 0, 2))).toEqual({ verdict: 'refuse', error: 'INVALID_PRODUCER_EPOCH' })
    expect(checkSequence(producers, data(3, 1, 2))).toEqual({ verdict: 'refuse', error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
    expect(checkSequence(producers, data(3, 1, 0))).toEqual({ verdict: 'append' })
    expect(checkSequence(producers, data(3, 2, 0))).toEqual({ verdict: 'append' })
  })

  test('with the sequence of an aborted one is not taken for it', () => {
    const { producers } = after(data(0), marker(1, 1, false))
    expect(checkSequence(producers, data(2, 1, 0))).toEqual({ verdict: 'append' })
  })

  test('without a sequence opens a transaction, and is not remembered as one that may come again', () => {
    const known = after(data(0, 0, -1), data(1, 0, -1))
    expect(known.producers.get(7)).toMatchObject({ producerEpoch: 0, batches: [], firstOffset: 0, coordinatorEpoch: -1 })
    expect(checkSequence(known.producers, data(2, 0, -1))).toEqual({ verdict: 'append' })
    note(known, marker(2))
    expect(checkSequence(known.producers, data(3, 0, -1))).toEqual({ verdict: 'refuse', error: 'INVALID_PRODUCER_EPOCH' })
    expect(checkSequence(known.producers, plain(3, 1, -1))).toMatchObject({ verdict: 'refuse' })
  })
})

describe('a marker', () => {
  test.each([
    ['of a producer that nobody knows', after(), 'append'],
    ['of an open transaction', after(data(0)), 'append'],
    ['that is there', after(data(0), marker(1)), 'duplicate'],
    ['that is there, and the next transaction is open', after(data(0), marker(1), data(2, 1)), 'duplicate'],
    ['that is there, and so is the next one', after(data(0), marker(1), marker(2, 2)), 'duplicate'],
  ])('%s', (_, { producers }, expected) => {
    expect(checkMarker(producers, marker(9), 0)).toBe(expected)
  })

  test('of a transactor that is none any more is refused', () => {
    const { producers } = after({ ...marker(0), marker: { committed: true, coordinatorEpoch: 4 } })
    expect(checkMarker(producers, marker(1, 2), 3)).toBe('TRANSACTION_COORDINATOR_FENCED')
    expect(checkMarker(producers, marker(1, 2), 4)).toBe('append')
  })
})

describe('readers of what is committed', () => {
  test('stop where the oldest open transaction begins', () => {
    const known = after(plain(0, 0, 0), data(1, 0, 0, 8), data(2, 0, 0, 9))
    expect(stableEnd(known)).toBe(1)
    note(known, marker(3, 1, true, 8))
    expect(stableEnd(known)).toBe(2)
    note(known, marker(4, 1, true, 9))
    expect(stableEnd(known)).toBe(5)
  })

  test('stop at the beginning of the log where the beginning of a transaction is deleted', () => {
    expect(stableEnd(after(data(0), data(1, 0, 1)), 2)).toBe(2)
  })

  test('leave out what is aborted, and only as long as it is there', () => {
    const { transactions } = after(data(0), marker(1, 1, false), data(2, 1), marker(3, 2), data(4, 2), marker(5, 3, false))
    const [first, second] = [
      { producerId: 7, firstOffset: 0, lastOffset: 1 },
      { producerId: 7, firstOffset: 4, lastOffset: 5 },
    ]
    expect(transactions.aborted).toEqual([first, second])
    expect(abortedBetween(transactions, 1, 4)).toEqual([first])
    expect(abortedBetween(transactions, 2, 4)).toEqual([])
    expect(abortedBetween(transactions, 1, 5)).toEqual([first, second])
    pruneAborted(transactions, 1)
    expect(transactions.aborted).toHaveLength(2)
    pruneAborted(transactions, 2)
    expect(transactions.aborted).toEqual([second])
  })
})

test('a producer with an open transaction is not forgotten, however many come after it', () => {
  const states: ProducerStates = new Map()
  rememberBatch(states, data(0, 0, 0, 0))
  for (let id = 1; id <= PRODUCERS_MAX; id++) rememberBatch(states, { ...plain(id), producerId: id })
  expect(states.size).toBe(PRODUCERS_MAX)
  expect([states.has(0), states.has(1), states.has(2)]).toEqual([true, false, true])
})

// ── against a model that looks at the whole log each time ──

interface Step {
  readonly producerId: number
  readonly kind: 'data' | 'commit' | 'abort'
}

/** A log as leaders would write it: each marker raises its producer's epoch; data goes on with it. */
function logOf(steps: readonly Step[]): NumberedBatch[] {
  const epochs = new Map<number, number>()
  const sequences = new Map<number, number>()
  return steps.map(({ producerId, kind }, offset) => {
    const epoch = epochs.get(producerId) ?? 0
    if (kind === 'data') {
      const sequence = sequences.get(producerId) ?? 0
      sequences.set(producerId, sequence + 1)
      return data(offset, epoch, sequence, producerId)
    }
    epochs.set(producerId, epoch + 1)
    sequences.set(producerId, 0)
    return marker(offset, epoch + 1, kind === 'commit', producerId)
  })
}

/** The outcome of the transaction that a batch is part of, as far as the log says it. */
function outcomeOf(log: readonly NumberedBatch[], at: number): 'open' | 'committed' | 'aborted' {
  const end = log.find(
    ({ baseOffset, producerId, marker: found }) => baseOffset > at && producerId === log[at]!.producerId && found !== null,
  )
  return end === undefined ? 'open' : end.marker!.committed ? 'committed' : 'aborted'
}

const steps = fc.array(
  fc.record({
    producerId: fc.nat({ max: 3 }),
    kind: fc.constantFrom('data' as const, 'data' as const, 'commit' as const, 'abort' as const),
  }),
  { maxLength: 40 },
)

test('any log, read up to any high watermark, shows readers what a look at the whole of it would', () => {
  fc.assert(
    fc.property(steps, fc.nat({ max: 40 }), fc.nat({ max: 40 }), (made, high, begin) => {
      const log = logOf(made).slice(0, high)
      const known = after(...log)
      const openAt = log.findIndex((one, at) => one.marker === null && outcomeOf(log, at) === 'open')
      expect(stableEnd(known)).toBe(openAt < 0 ? log.length : openAt)
      const aborted = abortedBetween(known.transactions, begin, stableEnd(known))
      for (let at = begin; at < stableEnd(known); at++) {
        if (log[at]!.marker !== null) continue
        const isLeftOut = aborted.some((one) => one.producerId === log[at]!.producerId && one.firstOffset <= at && at <= one.lastOffset)
        expect(isLeftOut).toBe(outcomeOf(log, at) === 'aborted')
      }
    }),
  )
})

test('a checkpoint taken anywhere, and the batches above it, give back the same state', () => {
  fc.assert(
    fc.property(steps, fc.nat({ max: 40 }), (made, cut) => {
      const log = logOf(made)
      const { producers, transactions } = after(...log.slice(0, cut))
      const checkpoint: Checkpoint = {
        ...{ sequence: 1, clean: false, recoveryPoint: Math.min(cut, log.length), logStartOffset: 0, segments: [], epochs: [] },
        producers,
        transactions: copyTransactions(transactions),
        cleaning: NOT_CLEANED,
      }
      const decoded = decodeCheckpoint(encodeCheckpoint(checkpoint))
      if (typeof decoded === 'string') throw new Error(decoded)
      const known = { producers: decoded.producers, transactions: decoded.transactions, end: decoded.recoveryPoint }
      for (const batch of log.slice(cut)) note(known, batch)
      const whole = after(...log)
      expect({ ...known, producers: untimed(known.producers) }).toEqual({ ...whole, producers: untimed(whole.producers) })
      expect([...known.producers.keys()]).toEqual([...whole.producers.keys()])
      expect([...known.transactions.open.keys()]).toEqual([...whole.transactions.open.keys()])
    }),
  )
})
