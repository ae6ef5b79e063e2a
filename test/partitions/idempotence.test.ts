// Idempotent produce: a partition takes each numbered batch once and in order, and tells a retry where the first one went.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkSequence,
  copyStates,
  IN_FLIGHT_BATCHES_MAX,
  lastSequenceOf,
  nextSequence,
  PRODUCERS_MAX,
  rememberBatch,
} from '../../partitions/idempotence.ts'
import type { NumberedBatch, ProducerStates, SequenceCheck } from '../../partitions/idempotence.ts'
import { numberedBatch } from '../../partitions/numbered-batch.ts'
import { batchAt } from './support.ts'

const SEQUENCE_MAX = 2 ** 31 - 1

function numbered(baseSequence: number, count: number, baseOffset = 0, producerEpoch = 0, producerId = 7): NumberedBatch {
  const lastSequence = lastSequenceOf(baseSequence, count)
  return { producerId, producerEpoch, baseSequence, lastSequence, baseOffset, isTransactional: false, maxTimestamp: 1, marker: null }
}

/** A partition that has taken these batches. */
function after(...batches: readonly NumberedBatch[]): ProducerStates {
  const states: ProducerStates = new Map()
  for (const batch of batches) rememberBatch(states, batch)
  return states
}

/** `append`, `duplicate @offset`, or the error. */
function verdict(check: SequenceCheck): string {
  if (check.verdict === 'append') return 'append'
  return check.verdict === 'duplicate' ? `duplicate @${check.baseOffset}` : check.error
}

/** Seven batches of ten records, at the offsets 100, 110 … 160. */
const seven = Array.from({ length: 7 }, (_, i) => numbered(i * 10, 10, 100 + i * 10))

describe('a batch', () => {
  test.each([
    ['the first of a producer', numbered(0, 3), after(), 'append'],
    ['of a producer that nobody remembers', numbered(3, 3), after(), 'UNKNOWN_PRODUCER_ID'],
    ['that follows', numbered(70, 3), after(...seven), 'append'],
    ['that leaves a gap', numbered(71, 3), after(...seven), 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    ['that comes again', numbered(60, 10), after(...seven), 'duplicate @160'],
    ['that comes again, four later ones there', numbered(20, 10), after(...seven), 'duplicate @120'],
    ['that comes again, five later ones there', numbered(10, 10), after(...seven), 'DUPLICATE_SEQUENCE_NUMBER'],
    ['that overlaps with one there', numbered(60, 11), after(...seven), 'DUPLICATE_SEQUENCE_NUMBER'],
    ['of an older epoch', numbered(70, 1, 0, 0), after(numbered(0, 1, 5, 1)), 'INVALID_PRODUCER_EPOCH'],
    ['of a newer epoch that begins at 0', numbered(0, 1, 0, 1), after(...seven), 'append'],
    ['of a newer epoch that does not begin at 0', numbered(70, 1, 0, 1), after(...seven), 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    ['of another producer', numbered(0, 1, 0, 0, 8), after(...seven), 'append'],
  ])('%s', (_, batch, states, expected) => {
    expect(verdict(checkSequence(states, batch))).toBe(expected)
  })

  test('that is the first outstanding one goes on with its number where nothing is known of its producer, and nowhere else', () => {
    expect(verdict(checkSequence(new Map(), numbered(70, 1)))).toBe('UNKNOWN_PRODUCER_ID')
    expect(verdict(checkSequence(new Map(), numbered(70, 1), true))).toBe('append')
    expect(verdict(checkSequence(after(...seven), numbered(80, 1), true))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(verdict(checkSequence(after(...seven), numbered(60, 10), true))).toBe('duplicate @160')
  })

  test('of a new epoch makes the numbers of the old one mean nothing', () => {
    const states = after(...seven, numbered(0, 10, 170, 1))
    expect(verdict(checkSequence(states, numbered(60, 10, 0, 1)))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(verdict(checkSequence(states, numbered(0, 10, 0, 1)))).toBe('duplicate @170')
    expect(states.get(7)?.batches).toHaveLength(1)
  })

  test('may wrap from the largest sequence number to 0', () => {
    expect(nextSequence(SEQUENCE_MAX)).toBe(0)
    expect(nextSequence(SEQUENCE_MAX - 1)).toBe(SEQUENCE_MAX)
    expect(lastSequenceOf(SEQUENCE_MAX, 1)).toBe(SEQUENCE_MAX)
    expect(lastSequenceOf(SEQUENCE_MAX - 1, 5)).toBe(2)
    const states = after(numbered(0, SEQUENCE_MAX - 1), numbered(SEQUENCE_MAX - 1, 5, 1000))
    expect(verdict(checkSequence(states, numbered(3, 1)))).toBe('append')
    expect(verdict(checkSequence(states, numbered(4, 1)))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(verdict(checkSequence(states, numbered(SEQUENCE_MAX - 1, 5)))).toBe('duplicate @1000')
    expect(verdict(checkSequence(states, numbered(SEQUENCE_MAX, 1)))).toBe('DUPLICATE_SEQUENCE_NUMBER')
  })

  test('reads its numbers from its header', () => {
    const bytes = batchAt(0, 3, { producerId: 9, producerEpoch: 2, baseSequence: SEQUENCE_MAX })
    expect(numberedBatch(bytes, 0, 55)).toEqual({
      producerId: 9,
      producerEpoch: 2,
      baseSequence: SEQUENCE_MAX,
      lastSequence: 1,
      baseOffset: 55,
      isTransactional: false,
      maxTimestamp: 1000,
      marker: null,
    })
  })
})

describe('what is remembered', () => {
  test('are the last five batches of a producer: as many as may be in flight', () => {
    expect(
      after(...seven)
        .get(7)
        ?.batches.map(({ baseOffset }) => baseOffset),
    ).toEqual([120, 130, 140, 150, 160])
    expect(IN_FLIGHT_BATCHES_MAX).toBe(5)
  })

  test('does not change by a batch that is there already', () => {
    const states = after(...seven)
    for (const batch of seven) rememberBatch(states, batch)
    expect(states).toEqual(after(...seven))
  })

  test('is lost of the producer that has been silent longest, when there are too many', () => {
    const states: ProducerStates = new Map()
    for (let id = 0; id < PRODUCERS_MAX; id++) rememberBatch(states, numbered(0, 1, id, 0, id))
    rememberBatch(states, numbered(1, 1, PRODUCERS_MAX, 0, 0))
    rememberBatch(states, numbered(0, 1, PRODUCERS_MAX + 1, 0, PRODUCERS_MAX))
    expect(states.size).toBe(PRODUCERS_MAX)
    expect([states.has(0), states.has(1), states.has(2)]).toEqual([true, false, true])
  })

  test('is not shared with a copy', () => {
    const states = after(...seven)
    const copy = copyStates(states)
    rememberBatch(states, numbered(70, 1, 170))
    rememberBatch(states, numbered(0, 1, 171, 0, 8))
    expect(copy).toEqual(after(...seven))
  })
})

test('whatever is lost, repeated and overtaken on the way, the log takes every batch once, in order, and retries hear its offset', () => {
  const counts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 15 })
  fc.assert(
    fc.property(
      counts,
      fc.integer({ min: 0, max: 30 }),
      fc.array(fc.nat({ max: 14 }), { maxLength: 120 }),
      (sizes, beforeWrap, deliveries) => {
        // A first batch of two thousand million records brings the numbers close to their wrap.
        const first = numbered(0, SEQUENCE_MAX - beforeWrap, 0)
        const batches = [first]
        for (const count of sizes) batches.push(numbered(nextSequence(batches.at(-1)!.lastSequence), count, batches.length))
        const states = after(first)
        let taken = 1
        for (const delivery of deliveries) {
          const index = 1 + (delivery % sizes.length)
          const check = verdict(checkSequence(states, { ...batches[index]!, baseOffset: taken }))
          if (index === taken) {
            expect(check).toBe('append')
            rememberBatch(states, batches[taken++]!)
          } else if (index > taken) expect(check).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
          else expect(check).toBe(taken - index <= IN_FLIGHT_BATCHES_MAX ? `duplicate @${index}` : 'DUPLICATE_SEQUENCE_NUMBER')
        }
      },
    ),
  )
})
