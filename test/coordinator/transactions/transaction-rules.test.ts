// What a transactor answers and writes: each request in each state, and what never happens whatever is lost, late and repeated.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PARTITIONS_PER_TRANSACTION_MAX } from '../../../coordinator/transactions/transaction-rules.ts'
import type { TransactionRequest } from '../../../coordinator/transactions/transaction-rules.ts'
import {
  completed,
  currentLife,
  isPrepared,
  PRODUCER_EPOCH_MAX,
  withPartition,
} from '../../../coordinator/transactions/transaction-state.ts'
import type { Transaction } from '../../../coordinator/transactions/transaction-state.ts'
import { TRANSACTION_TIMEOUT_MILLIS_MAX, TRANSACTIONAL_ID_LENGTH_MAX } from '../../../protocol/messages/transaction.ts'
import type { TransactionStateName } from '../../../protocol/messages/transaction.ts'
import { add, end, init, outcome, PRODUCER, rule, SPARE, transactionIn, writtenBy } from './support.ts'

/** Epoch 3 is the present one, 2 the one before. */
const events = {
  init: init(),
  'add of 3': add(3),
  'add of 2': add(2),
  'add of 4': add(4),
  'commit of 3': end(3, true),
  'abort of 3': end(3, false),
  'commit of 2': end(2, true),
  'abort of 2': end(2, false),
  'abort of 1': end(1, false),
  'commit of 4': end(4, true),
  'time-out of 3': { kind: 'timeOutTransaction', transactionalId: 't', producerEpoch: 3 },
  'expiry of 3': { kind: 'expireTransactionalId', transactionalId: 't', producerEpoch: 3 },
} as const satisfies Record<string, TransactionRequest>

const fencedIn = {
  'add of 2': 'PRODUCER_FENCED',
  'add of 4': 'PRODUCER_FENCED',
  'abort of 1': 'PRODUCER_FENCED',
  'commit of 4': 'PRODUCER_FENCED',
} as const
const fencedBefore = { ...fencedIn, 'commit of 2': 'PRODUCER_FENCED', 'abort of 2': 'PRODUCER_FENCED' } as const
const waits = {
  init: 'wait',
  'add of 3': 'wait',
  'commit of 3': 'wait',
  'abort of 3': 'wait',
  'time-out of 3': 'done',
  'expiry of 3': 'done',
} as const
const idle = {
  init: 'empty 4',
  'add of 3': 'ongoing 3',
  'commit of 3': 'completeCommit 4',
  'abort of 3': 'completeAbort 4',
  'time-out of 3': 'done',
  'expiry of 3': 'forgotten',
} as const
const wasCommitted = { 'commit of 2': 'done', 'abort of 2': 'INVALID_TXN_STATE' } as const
const wasAborted = { 'commit of 2': 'INVALID_TXN_STATE', 'abort of 2': 'done' } as const

const table: Record<TransactionStateName, Record<keyof typeof events, string>> = {
  empty: { ...idle, ...fencedBefore },
  ongoing: {
    ...fencedBefore,
    init: 'prepareAbort 4, CONCURRENT_TRANSACTIONS',
    'add of 3': 'ongoing 3',
    'commit of 3': 'prepareCommit 4',
    'abort of 3': 'prepareAbort 4',
    'time-out of 3': 'prepareAbort 4',
    'expiry of 3': 'done',
  },
  prepareCommit: { ...waits, ...fencedIn, ...wasCommitted },
  prepareAbort: { ...waits, ...fencedIn, ...wasAborted },
  completeCommit: { ...idle, ...fencedIn, ...wasCommitted },
  completeAbort: { ...idle, ...fencedIn, ...wasAborted },
}

describe('a request', () => {
  for (const [state, row] of Object.entries(table)) {
    test(`in the state ${state}`, () => {
      const found = Object.entries(events).map(([event, request]) => [
        event,
        outcome(transactionIn(state as TransactionStateName), request),
      ])
      expect(Object.fromEntries(found)).toEqual(row)
    })
  }

  test('about an id that nobody has used, or of a stranger', () => {
    expect(outcome(null, init())).toBe('empty 8/0')
    expect(outcome(null, init(), -1)).toBe('needProducerId')
    expect(outcome(null, add(0))).toBe('INVALID_PRODUCER_ID_MAPPING')
    expect(outcome(null, end(0, true))).toBe('INVALID_PRODUCER_ID_MAPPING')
    for (const state of Object.keys(table)) {
      for (const producerId of [99, -1]) {
        expect(outcome(transactionIn(state as TransactionStateName), add(3, 1, producerId))).toBe('INVALID_PRODUCER_ID_MAPPING')
        expect(outcome(transactionIn(state as TransactionStateName), end(3, true, producerId))).toBe('INVALID_PRODUCER_ID_MAPPING')
      }
    }
  })
})

describe('a new life of the producer', () => {
  test('is refused with an id or a time-out that cannot be', () => {
    for (const timeout of [0, -1, 0.5, Number.NaN, TRANSACTION_TIMEOUT_MILLIS_MAX + 1])
      expect(outcome(null, init(timeout))).toBe('INVALID_TRANSACTION_TIMEOUT')
    for (const initId of [-1, 0.5, Number.NaN]) expect(outcome(null, init(1000, 't', initId))).toBe('INVALID_REQUEST')
    for (const former of [0.5, Number.NaN]) expect(outcome(null, init(1000, 't', 5, former))).toBe('INVALID_REQUEST')
    for (const id of ['', 'x'.repeat(TRANSACTIONAL_ID_LENGTH_MAX + 1), '\uD800'])
      expect(outcome(null, init(1000, id))).toBe('INVALID_REQUEST')
    expect(outcome(null, init(TRANSACTION_TIMEOUT_MILLIS_MAX, 'x'.repeat(TRANSACTIONAL_ID_LENGTH_MAX)))).toBe('empty 8/0')
  })

  test('begins once, however often it is asked for, and whatever has become of it', () => {
    const born = writtenBy(null, init(1000, 't', 5))
    expect(outcome(born, init(1000, 't', 5))).toBe('done')
    const second = writtenBy(born, init(1000, 't', 6, 5))
    expect([second.producerEpoch, second.latestInitId]).toEqual([1, 6])
    const ongoing = withPartition(second, { topic: 'orders', topicId: 5, partition: 0 }, 10)
    for (const one of [second, ongoing, writtenBy(ongoing, end(1, true, SPARE))]) {
      for (const former of [-1, 5, 6]) expect(outcome(one, init(1000, 't', 6, former))).toBe('done')
    }
    expect(outcome(ongoing, init(1000, 't', 7, 6))).toBe('prepareAbort 8/2, CONCURRENT_TRANSACTIONS')
  })

  test('follows the last one, and no other: what comes late begins nothing', () => {
    let last = writtenBy(null, init(1000, 't', 0))
    for (let initId = 1; initId <= 9; initId++) last = writtenBy(last, init(1000, 't', initId, initId - 1))
    expect(last.producerEpoch).toBe(9)
    for (let initId = 0; initId < 9; initId++) expect(outcome(last, init(1000, 't', initId, initId - 1))).toBe('CONCURRENT_TRANSACTIONS')
    for (const former of [-1, 8]) expect(outcome(last, init(1000, 't', 10, former))).toBe('CONCURRENT_TRANSACTIONS')
    expect(writtenBy(last, init(1000, 't', 10, 9)).producerEpoch).toBe(10)
  })

  test('brings its own time-out', () => {
    expect(writtenBy(transactionIn('completeCommit'), init(5)).timeoutMillis).toBe(5)
  })

  test('fences the former one, which does not hear of the epoch after its own', () => {
    const fenced = writtenBy(transactionIn('ongoing'), init())
    expect(outcome(fenced, end(3, false))).toBe('PRODUCER_FENCED')
    expect(outcome(fenced, end(3, true))).toBe('PRODUCER_FENCED')
    expect(outcome(fenced, add(3))).toBe('PRODUCER_FENCED')
    const after = completed(fenced, 200)
    expect(outcome(after, end(3, false))).toBe('PRODUCER_FENCED')
    expect(outcome(writtenBy(after, init()), end(4, false))).toBe('PRODUCER_FENCED')
  })
})

describe('partitions', () => {
  test('are added once each, and the first begins the transaction', () => {
    const begun = writtenBy(transactionIn('completeAbort', 'timeout'), add(3, 4))
    expect(begun).toMatchObject({ state: 'ongoing', startedAt: 100, endedBy: 'producer' })
    expect(begun.partitions).toEqual([{ topic: 'orders', topicId: 5, partition: 4 }])
    expect(outcome(begun, add(3, 4))).toBe('done')
    const more = writtenBy({ ...begun, startedAt: 50 }, add(3, 2))
    expect(more.startedAt).toBe(50)
    expect(more.partitions.map(({ partition }) => partition)).toEqual([4, 2])
  })

  test('are not more than a record has room for', () => {
    const partitions = Array.from({ length: PARTITIONS_PER_TRANSACTION_MAX }, (_, partition) => ({
      topic: 'orders',
      topicId: 5,
      partition,
    }))
    const full: Transaction = { ...transactionIn('ongoing'), partitions }
    expect(outcome(full, add(3, PARTITIONS_PER_TRANSACTION_MAX))).toBe('INVALID_REQUEST')
    expect(outcome(full, add(3, 0))).toBe('done')
  })
})

describe('a transaction that was open for too long', () => {
  test.each(['prepareAbort', 'completeAbort'] as const)('in the state %s', (state) => {
    const late = transactionIn(state, 'timeout')
    expect(outcome(late, add(2))).toBe('INVALID_TXN_STATE')
    expect(outcome(late, add(1))).toBe('PRODUCER_FENCED')
    expect(outcome(late, end(2, true))).toBe('INVALID_TXN_STATE')
    expect(outcome(late, end(2, false))).toBe('done')
    expect(outcome(late, add(3))).toBe(state === 'prepareAbort' ? 'wait' : 'ongoing 3')
  })
})

describe('the last epoch', () => {
  const last = (state: 'empty' | 'ongoing'): Transaction => ({ ...transactionIn(state), producerEpoch: PRODUCER_EPOCH_MAX })

  test('is followed by another producer id', () => {
    expect(outcome(last('empty'), init())).toBe('empty 8/0')
    expect(outcome(last('empty'), end(PRODUCER_EPOCH_MAX, true))).toBe('completeCommit 8/0')
    expect(outcome(last('empty'), init(), -1)).toBe('needProducerId')
    expect(outcome(last('ongoing'), end(PRODUCER_EPOCH_MAX, true), -1)).toBe('needProducerId')
    expect(outcome(last('ongoing'), init(), -1)).toBe('needProducerId')
    expect(outcome({ ...last('empty'), producerEpoch: PRODUCER_EPOCH_MAX - 1 }, init(), -1)).toBe(`empty ${PRODUCER_EPOCH_MAX}`)
  })

  test('has a marker with an epoch of its own, and an end that may be asked for again', () => {
    const decided = writtenBy(last('ongoing'), end(PRODUCER_EPOCH_MAX, true))
    expect(decided).toMatchObject({ producerId: PRODUCER, producerEpoch: 2 ** 15 - 1 })
    const after = completed(decided, 200)
    for (const one of [decided, after]) {
      expect(currentLife(one)).toEqual({ producerId: SPARE, producerEpoch: 0 })
      expect(outcome(one, end(PRODUCER_EPOCH_MAX, true))).toBe('done')
      expect(outcome(one, end(PRODUCER_EPOCH_MAX, false))).toBe('INVALID_TXN_STATE')
      expect(outcome(one, add(PRODUCER_EPOCH_MAX))).toBe('PRODUCER_FENCED')
    }
    expect(outcome(decided, add(0, 1, SPARE))).toBe('wait')
    expect(outcome(after, add(0, 1, SPARE))).toBe('ongoing 8/0')
    expect(outcome(writtenBy(after, add(0, 1, SPARE)), end(PRODUCER_EPOCH_MAX, true))).toBe('PRODUCER_FENCED')
  })
})

// ── whatever is lost, late and repeated ──

/** What happens next: somebody asks something under a life that was once given (by its place among them), markers are written, or time passes. */
const step = fc.oneof(
  fc.record({ what: fc.constant('init' as const) }),
  fc.record({ what: fc.constant('add' as const), life: fc.nat({ max: 5 }), partition: fc.nat({ max: 3 }) }),
  fc.record({ what: fc.constant('end' as const), life: fc.nat({ max: 5 }), committed: fc.boolean() }),
  fc.record({ what: fc.constant('markers' as const) }),
  fc.record({ what: fc.constant('timeOut' as const) }),
)

test('one decision is made for each epoch, epochs only grow, and whoever is told so was heard', () => {
  fc.assert(
    fc.property(fc.constantFrom(0, PRODUCER_EPOCH_MAX - 3), fc.array(step, { maxLength: 60 }), (firstEpoch, steps) => {
      let transaction: Transaction | null = null
      let spare = 100
      const lives = [{ producerId: 99, producerEpoch: firstEpoch }]
      const decisions = new Map<string, boolean>()
      const commit = (next: Transaction | null): void => {
        if (transaction === null && next !== null) next = { ...next, producerEpoch: firstEpoch }
        if (transaction !== null && next !== null) {
          const [before, after] = [currentLife(transaction), currentLife(next)]
          expect(after.producerId * 2 ** 16 + after.producerEpoch).toBeGreaterThanOrEqual(
            before.producerId * 2 ** 16 + before.producerEpoch,
          )
          if (transaction.state === 'ongoing' && isPrepared(next)) {
            const name = `${transaction.producerId}/${transaction.producerEpoch}`
            expect(decisions.has(name)).toBe(false)
            decisions.set(name, next.state === 'prepareCommit')
            expect(next).toMatchObject({ producerId: transaction.producerId, producerEpoch: transaction.producerEpoch + 1 })
            expect(next.partitions).toEqual(transaction.partitions)
          }
          if (transaction.state === 'ongoing') expect(['ongoing', 'prepareCommit', 'prepareAbort']).toContain(next.state)
        }
        transaction = next
        // The newest first: that is what is used most.
        if (next !== null) lives.unshift(currentLife(next))
      }
      const ask = (request: TransactionRequest): boolean => {
        const ruling = rule(transaction, request, ++spare)
        if (ruling.kind === 'write') commit(ruling.next)
        return (ruling.kind === 'write' || ruling.kind === 'answer') && ruling.error === null
      }
      for (const one of steps) {
        const life = ('life' in one ? lives[one.life] : undefined) ?? { producerId: 99, producerEpoch: 0 }
        const name = `${life.producerId}/${life.producerEpoch}`
        const present: Transaction | null = transaction
        const producerEpoch = (present as Transaction | null)?.producerEpoch ?? 0
        if (one.what === 'init') ask(init())
        else if (one.what === 'timeOut') ask({ kind: 'timeOutTransaction', transactionalId: 't', producerEpoch })
        else if (one.what === 'add') {
          if (ask(add(life.producerEpoch, one.partition, life.producerId))) {
            // Nothing is added to what was decided.
            expect(decisions.has(name)).toBe(false)
            expect(transaction).toMatchObject({ state: 'ongoing', ...life })
          }
        } else if (one.what === 'end') {
          if (ask(end(life.producerEpoch, one.committed, life.producerId))) expect(decisions.get(name) ?? one.committed).toBe(one.committed)
        } else if (present !== null && isPrepared(present)) commit(completed(present, 0))
      }
    }),
    { numRuns: 2000 },
  )
})
