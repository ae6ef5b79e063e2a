// Transactions at a leader: the first batch waits for the transactor, markers are written once, and readers of what is committed see nothing else.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ASK_TIMEOUT_MILLIS } from '../../actors/replica-transactions.ts'
import { logFileName } from '../../partitions/log.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import { LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import * as batch from '../../protocol/record-batch.ts'
import { markerAt } from '../partitions/support.ts'
import { drain, drive, fetch, fire, leading, produce, release, reopened, small } from './replica-support.ts'
import { lines, sent, sentOne } from './stage.ts'
import {
  batches,
  depose,
  fetchCommitted,
  known,
  mark,
  markerAnswers,
  offsetsIn,
  outcomes,
  refused,
  reply,
  send,
  sendAdded,
  transactional,
  TRANSACTOR,
} from './transactions-support.ts'

describe('the first batch of a transaction', () => {
  test('waits until the transactor knows of the partition', () => {
    const partition = leading()
    const asked = send(partition, 1)
    expect(asked.find(({ kind }) => kind === 'send')).toEqual({
      kind: 'send',
      to: TRANSACTOR,
      message: {
        kind: 'addPartitionToTransaction',
        correlationId: expect.any(Number) as number,
        transactionalId: 'x',
        producerId: 7,
        producerEpoch: 0,
        topic: 't',
        topicId: 5,
        partition: 0,
      },
    })
    expect(batches(partition)).toEqual([])
    expect(outcomes(reply(partition, asked))).toEqual(['#1 @0'])
    expect(batches(partition)).toEqual(['data 0'])
  })

  test('is kept as it was, although the memory it came in is used again', () => {
    const partition = leading()
    const request = transactional(1)
    const asked = drive(partition, partition.stage.deliver(request))
    request.records.fill(0)
    expect(outcomes(reply(partition, asked))).toEqual(['#1 @0'])
  })

  test('has others of its producer wait behind it, in order; of other producers nobody waits', () => {
    const partition = leading()
    const asked = send(partition, 1)
    expect(send(partition, 2, { baseSequence: 1 })).toEqual([])
    expect(send(partition, 3, { baseSequence: 0 })).toEqual([])
    expect(outcomes(produce(partition, 4))).toEqual(['#4 @0'])
    expect(outcomes(reply(partition, asked)).toSorted()).toEqual(['#1 @1', '#2 @2', '#3 @1'])
    expect(outcomes(send(partition, 5, { baseSequence: 2 }))).toEqual(['#5 @3'])
  })

  test('that is in the log is answered at once when it comes again', () => {
    const partition = leading()
    sendAdded(partition, 1)
    mark(partition, 2, { producerId: 8 })
    expect(outcomes(send(partition, 3))).toEqual(['#3 @0'])
  })

  test.each([
    'NOT_COORDINATOR',
    'COORDINATOR_LOAD_IN_PROGRESS',
    'PRODUCER_FENCED',
    'INVALID_TXN_STATE',
    'CONCURRENT_TRANSACTIONS',
  ] as const)('is refused with what the transactor says: %s', (error) => {
    const partition = leading()
    const asked = send(partition, 1)
    send(partition, 2, { baseSequence: 1 })
    expect(outcomes(reply(partition, asked, error))).toEqual([refused(1, error), refused(2, error)])
    expect(batches(partition)).toEqual([])
    expect(sent(send(partition, 3), 'addPartitionToTransaction')).toHaveLength(1)
  })

  test('is refused when the transactor is not there, or does not answer in time', () => {
    const partition = leading()
    const { correlationId } = sentOne(send(partition, 1), 'addPartitionToTransaction')
    const gone = partition.stage.deliver({ kind: 'undeliverable', correlationId }, TRANSACTOR)
    expect(outcomes(gone)).toEqual([refused(1, 'NOT_COORDINATOR')])
    const asked = send(partition, 2)
    expect(lines(asked)).toContain(`timer transactions in ${ASK_TIMEOUT_MILLIS} ms`)
    expect(outcomes(fire(partition, 'transactions', ASK_TIMEOUT_MILLIS - 1))).toEqual([])
    expect(outcomes(fire(partition, 'transactions', 1))).toEqual([refused(2, 'NOT_COORDINATOR')])
    expect(outcomes(reply(partition, asked))).toEqual([])
    expect(batches(partition)).toEqual([])
  })

  test('is refused when the node of the transactor dies; another node does not matter', () => {
    const partition = leading()
    const asked = send(partition, 1)
    expect(outcomes(partition.stage.deliver({ kind: 'nodeDown', node: 3 }))).toEqual([])
    expect(outcomes(partition.stage.deliver({ kind: 'nodeDown', node: TRANSACTOR.node }))).toEqual([refused(1, 'NOT_COORDINATOR')])
    expect(outcomes(reply(partition, asked))).toEqual([])
  })

  test('is judged again when the transactor has answered: a marker that came between fences it', () => {
    const partition = leading()
    const asked = send(partition, 1)
    mark(partition, 2, { committed: false })
    expect(outcomes(reply(partition, asked))).toEqual([refused(1, 'INVALID_PRODUCER_EPOCH')])
    expect(batches(partition)).toEqual(['marker 1'])
  })

  test('is sent away when another leads, and when the replica is stopped; the answer comes too late', () => {
    const deposed = leading()
    const asked = send(deposed, 1)
    expect(depose(deposed)).toEqual([refused(1, 'NOT_LEADER_OR_FOLLOWER')])
    expect(outcomes(reply(deposed, asked))).toEqual([])
    const stopped = leading()
    send(stopped, 1)
    expect(drain(stopped)[0]).toMatch(/produceResponse #1/)
  })

  test('is not kept without bounds', () => {
    const partition = leading()
    send(partition, 0)
    const answers = Array.from({ length: 12 }, (_, id) => outcomes(send(partition, id + 1, { baseSequence: id + 1 }))).flat()
    expect(answers.slice(0, 1)).toEqual([refused(10, 'CONCURRENT_TRANSACTIONS')])
  })
})

describe('a leader refuses', () => {
  test('a transactional batch that does not say whose transaction it is', () => {
    const partition = leading()
    const request = { ...transactional(1), transaction: null }
    expect(outcomes(partition.stage.deliver(request))).toEqual([refused(1, 'INVALID_TXN_STATE')])
  })

  test('a batch outside of transactions while its producer has one open', () => {
    const partition = leading()
    sendAdded(partition, 1)
    expect(outcomes(send(partition, 2, { baseSequence: 1, transactional: false }))).toEqual([refused(2, 'INVALID_TXN_STATE')])
  })

  test('the next transaction before the marker of the one before, as the transactor says', () => {
    const partition = leading()
    sendAdded(partition, 1)
    const asked = send(partition, 2, { producerEpoch: 1 })
    expect(outcomes(reply(partition, asked, 'CONCURRENT_TRANSACTIONS'))).toEqual([refused(2, 'CONCURRENT_TRANSACTIONS')])
    expect(batches(partition)).toEqual(['data 0'])
  })

  test('a marker that a producer has written itself', () => {
    const partition = leading()
    const records = markerAt(0, true, { producerId: 7, producerEpoch: 1 })
    expect(outcomes(partition.stage.deliver({ ...transactional(1), records }))).toEqual([refused(1, 'INVALID_RECORD')])
  })
})

describe('a marker', () => {
  test('is answered when it is below the high watermark, and fences what comes late', () => {
    const partition = leading()
    sendAdded(partition, 1)
    partition.hold.add('sync')
    expect(markerAnswers(mark(partition, 2))).toEqual([])
    expect(markerAnswers(release(partition))).toEqual([{ correlationId: 2, errorCode: NONE }])
    expect(outcomes(send(partition, 3, { baseSequence: 1 }))).toEqual([refused(3, 'INVALID_PRODUCER_EPOCH')])
    expect(outcomes(sendAdded(partition, 4, { producerEpoch: 1 }))).toEqual(['#4 @2'])
    expect(batches(partition)).toEqual(['data 0', 'marker 1', 'data 1'])
  })

  test('is written once: one that comes again waits for the first', () => {
    const partition = leading()
    sendAdded(partition, 1)
    partition.hold.add('sync')
    mark(partition, 2)
    expect(markerAnswers(mark(partition, 3))).toEqual([])
    expect(markerAnswers(release(partition)).map(({ correlationId }) => correlationId)).toEqual([2, 3])
    expect(markerAnswers(mark(partition, 4))).toEqual([{ correlationId: 4, errorCode: NONE }])
    expect(batches(partition)).toEqual(['data 0', 'marker 1'])
  })

  test('is written where nothing is open, too', () => {
    const partition = leading()
    expect(markerAnswers(mark(partition, 1))).toEqual([{ correlationId: 1, errorCode: NONE }])
    expect(batches(partition)).toEqual(['marker 1'])
    expect(outcomes(send(partition, 2))).toEqual([refused(2, 'INVALID_PRODUCER_EPOCH')])
  })

  test('of an older reign of the transactor is refused', () => {
    const partition = leading()
    mark(partition, 1)
    const late = mark(partition, 2, { producerEpoch: 2, coordinatorEpoch: 2 })
    expect(markerAnswers(late)).toEqual([{ correlationId: 2, errorCode: codeOf('TRANSACTION_COORDINATOR_FENCED') }])
  })

  test('of another topic of that name, or where another leads, is refused', () => {
    const partition = leading()
    expect(markerAnswers(mark(partition, 1, { topicId: 4 }))).toEqual([{ correlationId: 1, errorCode: codeOf('UNKNOWN_TOPIC_ID') }])
    depose(partition)
    expect(markerAnswers(mark(partition, 2))).toEqual([{ correlationId: 2, errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') }])
  })

  test('that is lost is made up for before the next transaction begins: what is left of the former one is aborted', () => {
    const partition = leading()
    sendAdded(partition, 1)
    expect(outcomes(sendAdded(partition, 2, { producerEpoch: 1 }))).toEqual(['#2 @2'])
    expect(batches(partition)).toEqual(['data 0', 'marker 1', 'data 1'])
    expect(fetchCommitted(partition, 0)).toMatchObject({
      lastStableOffset: 2,
      abortedTransactions: [{ producerId: 7, firstOffset: 0, lastOffset: 1 }],
    })
    expect(known(reopened(partition.files).stage.state)).toEqual(known(partition.stage.state))
  })

  test('says nothing of a transaction before the one that it ends: what is left of that is aborted', () => {
    const partition = leading()
    sendAdded(partition, 1)
    expect(markerAnswers(mark(partition, 2, { producerEpoch: 4, committed: true }))).toEqual([{ correlationId: 2, errorCode: NONE }])
    expect(batches(partition)).toEqual(['data 0', 'marker 3', 'marker 4'])
    expect(fetchCommitted(partition, 0)).toMatchObject({
      lastStableOffset: 3,
      abortedTransactions: [{ producerId: 7, firstOffset: 0, lastOffset: 1 }],
    })
    expect(known(reopened(partition.files).stage.state)).toEqual(known(partition.stage.state))
  })

  test('that the disk does not take is taken back, and so is what it ended', () => {
    const partition = leading()
    sendAdded(partition, 1)
    const before = structuredClone(known(partition.stage.state))
    partition.failing.set('sync', 'io')
    expect(markerAnswers(mark(partition, 2))).toEqual([{ correlationId: 2, errorCode: codeOf('KAFKA_STORAGE_ERROR') }])
    partition.failing.clear()
    expect(known(partition.stage.state)).toEqual(before)
    expect(markerAnswers(mark(partition, 3))).toEqual([{ correlationId: 3, errorCode: NONE }])
  })
})

describe('readers of what is committed', () => {
  test('see nothing from the first open transaction on, and hear what is aborted', () => {
    const partition = leading()
    produce(partition, 1)
    sendAdded(partition, 2)
    produce(partition, 3)
    expect(offsetsIn(fetchCommitted(partition, 0))).toEqual([0])
    expect(fetchCommitted(partition, 1)).toMatchObject({ records: null, highWatermark: 3, lastStableOffset: 1 })
    expect(offsetsIn(sentOne(fetch(partition, 1, 0), 'fetchResponse'))).toEqual([0, 1, 2])
    mark(partition, 4, { committed: false })
    const response = fetchCommitted(partition, 0)
    expect(offsetsIn(response)).toEqual([0, 1, 2, 3])
    expect(response.abortedTransactions).toEqual([{ producerId: 7, firstOffset: 1, lastOffset: 3 }])
    expect(sentOne(fetch(partition, 1, 0), 'fetchResponse').abortedTransactions).toEqual([])
  })

  test('wait for the transaction to end, and are woken by its marker', () => {
    const partition = leading()
    sendAdded(partition, 1)
    produce(partition, 2)
    expect(fetch(partition, 3, 0, { isolationLevel: 'read_committed', maxWaitMillis: 500 })).toHaveLength(1)
    const woken = sentOne(mark(partition, 4), 'fetchResponse')
    expect(woken).toMatchObject({ correlationId: 3, lastStableOffset: 3, abortedTransactions: [] })
    expect(offsetsIn(woken)).toEqual([0, 1, 2])
  })

  test('are given a range that ends there, and everything aborted that they may read on to', () => {
    const partition = leading()
    sendAdded(partition, 1)
    mark(partition, 2, { committed: false })
    sendAdded(partition, 3, { producerEpoch: 1 })
    const { range, abortedTransactions } = fetchCommitted(partition, 0, { mode: 'range', maxBytes: 10 })
    const bytes = partition.files.get(logFileName(0))!
    const end = batch.walkBatches(bytes)[2]!.at
    expect(range).toMatchObject({ position: 0, sizeBytes: 10, availableBytes: end })
    expect(abortedTransactions).toEqual([{ producerId: 7, firstOffset: 0, lastOffset: 1 }])
  })

  test('find the end, and what is young, below the last stable offset only', () => {
    const partition = leading()
    produce(partition, 1, 1, { timestamp: 1000 })
    sendAdded(partition, 2, { timestamp: 2000 })
    const ask = (timestamp: number, isolationLevel: 'read_committed' | 'read_uncommitted'): number => {
      const request = { kind: 'listOffsets', correlationId: 1, topicId: 5, timestamp, isolationLevel } as const
      return sentOne(drive(partition, partition.stage.deliver(request)), 'listOffsetsResponse').offset
    }
    expect([ask(LATEST_TIMESTAMP, 'read_committed'), ask(LATEST_TIMESTAMP, 'read_uncommitted')]).toEqual([1, 2])
    expect([ask(1500, 'read_committed'), ask(1500, 'read_uncommitted')]).toEqual([-1, 1])
    expect(ask(1000, 'read_committed')).toBe(0)
  })
})

describe('after a restart', () => {
  test('the same is open, and the same is aborted, whether a checkpoint says so or the log', () => {
    const partition = leading(small)
    sendAdded(partition, 1, { valueBytes: 7000 })
    mark(partition, 2, { committed: false })
    for (let id = 0; id < 4; id++) produce(partition, 10 + id, 1, { valueBytes: 7000 })
    sendAdded(partition, 3, { producerEpoch: 1, valueBytes: 7000 })
    sendAdded(partition, 4, { producerId: 8 })
    const again = reopened(partition.files)
    // The log end is what the checkpoint does not speak of.
    expect(again.stage.state.appended).toEqual(partition.stage.state.appended)
    expect(known(again.stage.state)).toEqual(known(partition.stage.state))
    const without = new Map([...partition.files].filter(([name]) => !name.startsWith('checkpoint')))
    expect(known(reopened(without).stage.state)).toEqual(known(partition.stage.state))
    expect(offsetsIn(fetchCommitted(again, 5))).toEqual([5])
    expect(fetchCommitted(again, 6)).toMatchObject({ records: null, lastStableOffset: 6 })
    expect(offsetsIn(fetchCommitted(again, 6, { isolationLevel: 'read_uncommitted' }))).toEqual([6, 7])
  })
})

const step = fc.record({
  kind: fc.constantFrom('send', 'send', 'commit', 'abort', 'plain', 'flush', 'restart'),
  producerId: fc.nat({ max: 2 }),
  valueBytes: fc.constantFrom(10, 7000),
})

test('whatever is sent and ended, and whenever it starts again: a replica knows the same', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let partition = leading(small)
      const producers = new Map<number, { producerEpoch: number; baseSequence: number }>()
      steps.forEach(({ kind, producerId, valueBytes }, id) => {
        const { producerEpoch, baseSequence } = producers.get(producerId) ?? { producerEpoch: 0, baseSequence: 0 }
        if (kind === 'plain') produce(partition, id, 1, { valueBytes })
        else if (kind === 'flush') fire(partition, 'retention')
        else if (kind === 'send') {
          const asked = send(partition, id, { producerId, producerEpoch, baseSequence, valueBytes })
          if (sent(asked, 'addPartitionToTransaction').length > 0) reply(partition, asked)
          producers.set(producerId, { producerEpoch, baseSequence: baseSequence + 1 })
        } else if (kind === 'restart') {
          const again = reopened(partition.files)
          expect(known(again.stage.state)).toEqual(known(partition.stage.state))
          partition = again
        } else {
          mark(partition, id, { producerId, producerEpoch: producerEpoch + 1, committed: kind === 'commit' })
          producers.set(producerId, { producerEpoch: producerEpoch + 1, baseSequence: 0 })
        }
      })
      expect(partition.stage.state.log.logEndOffset).toBe(steps.filter(({ kind }) => !['flush', 'restart'].includes(kind)).length)
      expect(known(reopened(partition.files).stage.state)).toEqual(known(partition.stage.state))
    }),
    { numRuns: 50 },
  )
})

describe('a partition of the committed offsets', () => {
  test('tells its groups of each marker, in the order of the log', () => {
    const partition = leading()
    Object.assign(partition.stage.state, { topic: '__consumer_offsets', partition: 3 })
    sendAdded(partition, 1, { baseSequence: -1 })
    expect(outcomes(send(partition, 2, { baseSequence: -1 }))).toEqual(['#2 @1'])
    const effects = mark(partition, 3)
    expect(effects.filter(({ kind }) => kind === 'send')).toContainEqual({
      kind: 'send',
      to: { node: 0, actor: 'groups/3' },
      message: { kind: 'transactionMarked', producerId: 7, producerEpoch: 1, committed: true, offset: 2 },
    })
    expect(sent(mark(partition, 4), 'transactionMarked')).toEqual([])
  })

  test('others tell nobody', () => {
    const partition = leading()
    expect(sent(mark(partition, 1), 'transactionMarked')).toEqual([])
  })
})
