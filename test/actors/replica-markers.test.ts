// Markers that an administrator has a leader write: they end the transaction that they name, and no other.

import { describe, expect, test } from 'vitest'
import { codeOf, NONE } from '../../protocol/errors.ts'
import { leading, produce, release, reopened } from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { batches, depose, fetchCommitted, known, mark, markerAnswers, outcomes, refused, send, sendAdded } from './transactions-support.ts'

describe('an administrator', () => {
  const abort = { committed: false, startOffset: 1, coordinatorEpoch: -1 }
  const over = codeOf('INVALID_TXN_STATE')

  /** Its transaction begins at offset 1. */
  function withOpen(): Partition {
    const partition = leading()
    produce(partition, 1)
    sendAdded(partition, 2)
    return partition
  }

  test('aborts a transaction that nobody else ends: answered when the marker is below the high watermark, and written once', () => {
    const partition = withOpen()
    partition.hold.add('sync')
    expect(markerAnswers(mark(partition, 3, abort))).toEqual([])
    expect(markerAnswers(mark(partition, 4, abort))).toEqual([])
    expect(markerAnswers(release(partition)).map(({ correlationId }) => correlationId)).toEqual([3, 4])
    expect(markerAnswers(mark(partition, 5, abort))).toEqual([{ correlationId: 5, errorCode: NONE }])
    expect(batches(partition)).toEqual(['data -1', 'data 0', 'marker 1'])
    expect(fetchCommitted(partition, 0)).toMatchObject({
      lastStableOffset: 3,
      abortedTransactions: [{ producerId: 7, firstOffset: 1, lastOffset: 2 }],
    })
    expect(outcomes(send(partition, 6, { baseSequence: 1 }))).toEqual([refused(6, 'INVALID_PRODUCER_EPOCH')])
    expect(known(reopened(partition.files).stage.state)).toEqual(known(partition.stage.state))
  })

  test.each([
    ['that does not begin there', { startOffset: 0 }, 'INVALID_TXN_STATE'],
    ['of an epoch before', { producerEpoch: 0 }, 'INVALID_TXN_STATE'],
    ['of a later epoch', { producerEpoch: 2 }, 'INVALID_TXN_STATE'],
    ['of a producer that is not known', { producerId: 8 }, 'INVALID_TXN_STATE'],
    ['in order to commit it', { committed: true }, 'INVALID_TXN_STATE'],
    ['in the name of a transactor that is none any more', { coordinatorEpoch: 2 }, 'TRANSACTION_COORDINATOR_FENCED'],
  ] as const)('ends no transaction %s', (_, changes, error) => {
    const partition = leading()
    mark(partition, 1, { producerEpoch: 0 })
    sendAdded(partition, 2)
    const before = structuredClone(known(partition.stage.state))
    expect(markerAnswers(mark(partition, 3, { ...abort, coordinatorEpoch: 3, ...changes }))).toEqual([
      { correlationId: 3, errorCode: codeOf(error) },
    ])
    expect(known(partition.stage.state)).toEqual(before)
    expect(batches(partition)).toEqual(['marker 0', 'data 0'])
    expect(markerAnswers(mark(partition, 4, { ...abort, coordinatorEpoch: 3 }))).toEqual([{ correlationId: 4, errorCode: NONE }])
  })

  test('is not told that a transaction is aborted that was committed meanwhile, on its way or for good', () => {
    const partition = withOpen()
    partition.hold.add('sync')
    mark(partition, 3, { committed: true })
    expect(markerAnswers(mark(partition, 4, abort))).toEqual([{ correlationId: 4, errorCode: over }])
    release(partition)
    expect(markerAnswers(mark(partition, 5, abort))).toEqual([{ correlationId: 5, errorCode: over }])
    expect(batches(partition)).toEqual(['data -1', 'data 0', 'marker 1'])
  })

  test('does not touch the next transaction, which has begun meanwhile', () => {
    const partition = withOpen()
    mark(partition, 3, { committed: true })
    sendAdded(partition, 4, { producerEpoch: 1 })
    expect(markerAnswers(mark(partition, 5, abort))).toEqual([{ correlationId: 5, errorCode: over }])
    expect(markerAnswers(mark(partition, 6, { ...abort, producerEpoch: 2 }))).toEqual([{ correlationId: 6, errorCode: over }])
    expect(fetchCommitted(partition, 0)).toMatchObject({ lastStableOffset: 3, abortedTransactions: [] })
  })

  test('is sent away where another leads', () => {
    const partition = withOpen()
    depose(partition)
    expect(markerAnswers(mark(partition, 3, abort))).toEqual([{ correlationId: 3, errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') }])
  })
})
