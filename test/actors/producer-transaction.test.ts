// A transactional producer: finds its transactor, sends under its epoch, ends what it began, and goes on after what went wrong.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { actor } from '../../actors/producer.ts'
import type { ProducerState } from '../../actors/producer-state.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { batchAt } from '../partitions/support.ts'
import { answer, config, ids, numbers, submit, tick } from './producer-support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent, sentOne, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

const TRANSACTOR = { node: 2, actor: 'transactor/4' }

function started(splitsBatches = false): Stage<ProducerState> {
  const stage = stageOf(actor, { node: -1, actor: 'producer' }, { ...config, acks: 'quorum', transactionalId: 'x', splitsBatches })
  const { correlationId, keyType, key } = sentOne(stage.deliver({ kind: 'started' }), 'findCoordinator')
  expect({ keyType, key }).toEqual({ keyType: 'transaction', key: 'x' })
  const asked = found(stage, correlationId)
  expect(sentOne(asked, 'initTransactions')).toMatchObject({ transactionalId: 'x', transactionTimeoutMillis: 60_000 })
  return stage
}

function found(stage: Stage<ProducerState>, correlationId: number): Effect[] {
  return stage.deliver({ kind: 'findCoordinatorResponse', correlationId, errorCode: 0, node: 2, partition: 4, topicId: 1 })
}

function initialised(
  stage: Stage<ProducerState>,
  correlationId: number,
  producerEpoch = 3,
  error?: ErrorName,
  latestInitId = -1,
): Effect[] {
  const errorCode = error === undefined ? 0 : codeOf(error)
  const answered = { correlationId, errorCode, errorMessage: null, producerId: 42, producerEpoch, latestInitId }
  return stage.deliver({ kind: 'initTransactionsResponse', ...answered }, TRANSACTOR)
}

/** In a transaction, with the topic `t` known. */
function opened(partitions = 1, splitsBatches = false): Stage<ProducerState> {
  const stage = started(splitsBatches)
  stage.state.leaders.wanted.add('t')
  stage.deliver(topicsAnswer({ t: Array.from({ length: partitions }, (_, i) => i) }))
  initialised(stage, 2)
  expect(results(begin(stage, 1))).toEqual(['1: NONE'])
  return stage
}

function begin(stage: Stage<ProducerState>, correlationId: number): Effect[] {
  return stage.deliver({ kind: 'beginTransaction', correlationId })
}

function end(stage: Stage<ProducerState>, correlationId: number, committed: boolean): Effect[] {
  return stage.deliver({ kind: 'finishTransaction', correlationId, committed })
}

function ended(stage: Stage<ProducerState>, correlationId: number, producerEpoch: number, error?: ErrorName): Effect[] {
  const errorCode = error === undefined ? 0 : codeOf(error)
  const answered = { correlationId, errorCode, errorMessage: null, producerId: 42, producerEpoch }
  return stage.deliver({ kind: 'endTransactionResponse', ...answered }, TRANSACTOR)
}

function results(effects: readonly Effect[]): string[] {
  return sent(effects, 'transactionResult').map(({ correlationId, errorCode }) => `${correlationId}: ${nameOf(errorCode)}`)
}

function outcomes(effects: readonly Effect[]): string[] {
  return sent(effects, 'delivered').map(({ token, errorCode }) => `${token}: ${nameOf(errorCode)}`)
}

function nameOf(errorCode: number): string {
  const names: ErrorName[] = [
    'PRODUCER_FENCED',
    'INVALID_TXN_STATE',
    'TRANSACTION_ABORTABLE',
    'REQUEST_TIMED_OUT',
    'MESSAGE_TOO_LARGE',
    'STALE_MEMBER_EPOCH',
    'FENCED_MEMBER_EPOCH',
  ]
  return errorCode === 0 ? 'NONE' : (names.find((name) => codeOf(name) === errorCode) ?? String(errorCode))
}

describe('beginning', () => {
  test('waits for the epoch, and for the end of what a former life left open', () => {
    const stage = started()
    expect(results(begin(stage, 1))).toEqual([])
    expect(results(initialised(stage, 2, -1, 'CONCURRENT_TRANSACTIONS'))).toEqual([])
    const again = sentOne(tick(stage, 5), 'initTransactions')
    expect(results(initialised(stage, again.correlationId))).toEqual(['1: NONE'])
    expect(stage.state).toMatchObject({ producerId: 42, transaction: { phase: 'open', producerEpoch: 3 } })
  })

  test('asks again at once when it is told whom it follows, and later when that is no news', () => {
    const stage = started()
    begin(stage, 1)
    const second = sentOne(initialised(stage, 2, -1, 'CONCURRENT_TRANSACTIONS', 77), 'initTransactions')
    expect(second).toMatchObject({ formerInitId: 77, initId: stage.state.transaction?.initId })
    expect(sent(initialised(stage, second.correlationId, -1, 'CONCURRENT_TRANSACTIONS', 77), 'initTransactions')).toEqual([])
    const third = sentOne(tick(stage, 5), 'initTransactions')
    expect(third).toMatchObject({ formerInitId: 77, initId: second.initId })
    expect(results(initialised(stage, third.correlationId))).toEqual(['1: NONE'])
  })

  test('looks for the transactor again where nobody answers, or another node keeps the id', () => {
    const stage = started()
    begin(stage, 1)
    initialised(stage, 2, -1, 'NOT_COORDINATOR')
    const looked = sentOne(tick(stage, 5), 'findCoordinator')
    const asked = sentOne(found(stage, looked.correlationId), 'initTransactions')
    stage.deliver({ kind: 'undeliverable', correlationId: asked.correlationId }, TRANSACTOR)
    const third = sentOne(tick(stage, 20), 'findCoordinator')
    found(stage, third.correlationId)
    expect(sent(tick(stage, 1000), 'findCoordinator')).toHaveLength(1)
  })

  test('gives up after deliveryTimeoutMillis', () => {
    const stage = started()
    begin(stage, 1)
    expect(results(tick(stage, 5000))).toEqual(['1: REQUEST_TIMED_OUT'])
  })
})

describe('a batch', () => {
  test('says whose transaction it is in, under the epoch that was given', () => {
    const stage = opened()
    const effects = submit(stage, 7)
    expect(numbers(effects)).toEqual(['3/0'])
    expect(sentOne(effects, 'produce').transaction).toEqual({ transactionalId: 'x', transactorNode: 2, transactorPartition: 4 })
  })

  test('is sent again when the transactor is elsewhere', () => {
    const stage = opened()
    const [id] = ids(submit(stage, 7))
    answer(stage, id!, 'NOT_COORDINATOR')
    const { correlationId } = sentOne(tick(stage, 50), 'findCoordinator')
    found(stage, correlationId)
    expect(numbers([...stage.deliver(topicsAnswer({ t: [0] })), ...tick(stage, 100)])).toEqual(['3/0'])
  })

  test('is sent again when its number comes too early, for one before it is on its way; the first one fails the transaction', () => {
    const stage = opened()
    const [one, two] = ids([1, 2].flatMap((token) => submit(stage, token)))
    expect(outcomes(answer(stage, two!, 'OUT_OF_ORDER_SEQUENCE_NUMBER'))).toEqual([])
    answer(stage, one!, 0)
    const again = tick(stage, 50)
    expect(numbers(again)).toEqual(['3/1'])
    expect(outcomes(answer(stage, ids(again)[0]!, 1))).toEqual(['2: NONE'])
    const [three] = ids(submit(stage, 3))
    expect(outcomes(answer(stage, three!, 'OUT_OF_ORDER_SEQUENCE_NUMBER'))).toEqual([`3: ${codeOf('OUT_OF_ORDER_SEQUENCE_NUMBER')}`])
  })

  test('that is refused for good leaves nothing but to abort: those that wait fail with it, those on their way when they are answered', () => {
    const stage = opened()
    const sending = [1, 2, 3, 4, 5, 6].flatMap((token) => submit(stage, token))
    expect(outcomes(answer(stage, ids(sending)[0]!, 'MESSAGE_TOO_LARGE'))).toEqual(['1: MESSAGE_TOO_LARGE', '6: MESSAGE_TOO_LARGE'])
    expect(outcomes(answer(stage, ids(sending)[1]!, 'INVALID_TXN_STATE'))).toEqual(['2: INVALID_TXN_STATE'])
    expect(outcomes(submit(stage, 8))).toEqual(['8: MESSAGE_TOO_LARGE'])
    expect(results(end(stage, 2, true))).toEqual(['2: MESSAGE_TOO_LARGE'])
    const aborting = end(stage, 3, false)
    expect(outcomes(aborting)).toEqual(['3: TRANSACTION_ABORTABLE', '4: TRANSACTION_ABORTABLE', '5: TRANSACTION_ABORTABLE'])
    const { correlationId, committed } = sentOne(aborting, 'endTransaction')
    expect(committed).toBe(false)
    expect(results(ended(stage, correlationId, 4))).toEqual(['3: NONE'])
    begin(stage, 4)
    expect(numbers(submit(stage, 9))).toEqual(['4/0'])
  })

  test('that is not acknowledged in time fails the transaction', () => {
    const stage = opened()
    submit(stage, 1)
    expect(outcomes(tick(stage, 5000))).toEqual(['1: REQUEST_TIMED_OUT'])
    expect(results(end(stage, 2, true))).toEqual(['2: REQUEST_TIMED_OUT'])
  })

  test('that is being split when the transaction fails is answered by its parts, which say why', () => {
    const stage = opened(2, true)
    const [large] = ids(stage.deliver({ kind: 'submit', token: 1, topic: 't', partition: 0, records: batchAt(0, 2) }))
    const [other] = ids(submit(stage, 2, 1))
    answer(stage, large!, 'MESSAGE_TOO_LARGE')
    expect(outcomes(answer(stage, other!, 'INVALID_TXN_STATE'))).toEqual(['2: INVALID_TXN_STATE'])
    const parts = [3, 4].map((token) => ({ token, records: batchAt(0, 1) }))
    expect(outcomes(stage.deliver({ kind: 'splitBatch', token: 1, parts }))).toEqual(['3: INVALID_TXN_STATE', '4: INVALID_TXN_STATE'])
  })

  test('is said to have failed once, where several are not acknowledged in time', () => {
    const stage = opened()
    for (const token of [1, 2, 3, 4, 5, 6, 7]) submit(stage, token)
    const failed = outcomes(tick(stage, 5000))
    expect(failed.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7].map((token) => `${token}: REQUEST_TIMED_OUT`))
  })
})

describe('ending', () => {
  test('asks the transactor, and goes on under the epoch that it gives', () => {
    const stage = opened(2)
    answer(stage, ids(submit(stage, 1))[0]!, 0)
    answer(stage, ids(submit(stage, 2, 1))[0]!, 0)
    const asked = sentOne(end(stage, 2, true), 'endTransaction')
    expect(asked).toMatchObject({ transactionalId: 'x', producerId: 42, producerEpoch: 3, committed: true })
    expect(results(ended(stage, asked.correlationId, 4))).toEqual(['2: NONE'])
    begin(stage, 3)
    expect(numbers(submit(stage, 3))).toEqual(['4/0'])
    expect(numbers(submit(stage, 4, 1))).toEqual(['4/0'])
  })

  test('asks nobody when nothing was sent', () => {
    const stage = opened()
    const effects = end(stage, 2, true)
    expect(results(effects)).toEqual(['2: NONE'])
    expect(sent(effects, 'endTransaction')).toEqual([])
  })

  test('is asked for again, with the same decision, until somebody answers', () => {
    const stage = opened()
    answer(stage, ids(submit(stage, 1))[0]!, 0)
    end(stage, 2, true)
    const looked = sentOne(tick(stage, 1000), 'findCoordinator')
    const asked = sentOne(found(stage, looked.correlationId), 'endTransaction')
    expect(asked).toMatchObject({ producerEpoch: 3, committed: true })
    expect(results(ended(stage, asked.correlationId, 4))).toEqual(['2: NONE'])
  })

  test('does not commit while a record is not acknowledged', () => {
    const stage = opened()
    submit(stage, 1)
    expect(results(end(stage, 2, true))).toEqual(['2: INVALID_TXN_STATE'])
  })

  test('hears that it took too long: the commit fails, and an abort makes it good', () => {
    const stage = opened()
    answer(stage, ids(submit(stage, 1))[0]!, 0)
    const first = sentOne(end(stage, 2, true), 'endTransaction')
    expect(results(ended(stage, first.correlationId, -1, 'INVALID_TXN_STATE'))).toEqual(['2: INVALID_TXN_STATE'])
    const second = sentOne(end(stage, 3, false), 'endTransaction')
    expect(results(ended(stage, second.correlationId, 4))).toEqual(['3: NONE'])
    expect(results(begin(stage, 4))).toEqual(['4: NONE'])
  })

  test('is over for good when somebody else has the id', () => {
    const stage = opened()
    answer(stage, ids(submit(stage, 1))[0]!, 0)
    const asked = sentOne(end(stage, 2, true), 'endTransaction')
    expect(results(ended(stage, asked.correlationId, -1, 'PRODUCER_FENCED'))).toEqual(['2: PRODUCER_FENCED'])
    expect(results(end(stage, 3, false))).toEqual(['3: PRODUCER_FENCED'])
    expect(outcomes(submit(stage, 9))).toEqual(['9: PRODUCER_FENCED'])
  })

  test('nobody knows how it ended when nobody answers in time', () => {
    const stage = opened()
    answer(stage, ids(submit(stage, 1))[0]!, 0)
    end(stage, 2, true)
    expect(results(tick(stage, 5000))).toEqual(['2: REQUEST_TIMED_OUT'])
    expect(stage.state.transaction?.fatal).not.toBeNull()
  })
})

describe('offsets', () => {
  const offsets = [{ topic: 's', partition: 0, offset: 9, metadata: '', topicId: 3 }]
  const member = { memberId: 'm', memberEpoch: 5 }

  function sendOffsets(stage: Stage<ProducerState>, correlationId: number): number {
    const { correlationId: asked, key } = sentOne(
      stage.deliver({ kind: 'sendOffsets', correlationId, group: 'g', member, offsets }),
      'findCoordinator',
    )
    expect(key).toBe('g')
    const commit = sentOne(
      stage.deliver({ kind: 'findCoordinatorResponse', correlationId: asked, errorCode: 0, node: 1, partition: 6, topicId: 1 }),
      'transactionalOffsetCommit',
    )
    expect(commit).toMatchObject({ group: 'g', member, offsets, producerId: 42, producerEpoch: 3 })
    return commit.correlationId
  }

  function taken(stage: Stage<ProducerState>, correlationId: number, error?: ErrorName): Effect[] {
    const errorCode = error === undefined ? 0 : codeOf(error)
    return stage.deliver({ kind: 'offsetCommitResponse', correlationId, errorCode, errorMessage: null })
  }

  test('go to the coordinator of the group, and belong to the transaction', () => {
    const stage = opened()
    expect(results(taken(stage, sendOffsets(stage, 5)))).toEqual(['5: NONE'])
    expect(sentOne(end(stage, 6, true), 'endTransaction')).toMatchObject({ committed: true })
  })

  test('are sent again when the group is elsewhere', () => {
    const stage = opened()
    expect(results(taken(stage, sendOffsets(stage, 5), 'NOT_COORDINATOR'))).toEqual([])
    const [transactor, group] = sent(tick(stage, 50), 'findCoordinator')
    // Either may have moved.
    expect([transactor?.key, group?.key]).toEqual(['x', undefined])
    const again = found(stage, transactor!.correlationId)
    expect(sentOne([...again, ...tick(stage, 50)], 'findCoordinator').key).toBe('g')
  })

  test('of a member that the group has fenced fail the transaction; of one whose epoch is old they may be sent again', () => {
    const stage = opened()
    expect(results(taken(stage, sendOffsets(stage, 5), 'STALE_MEMBER_EPOCH'))).toEqual(['5: STALE_MEMBER_EPOCH'])
    expect(stage.state.transaction?.failure).toBeNull()
    expect(results(taken(stage, sendOffsets(stage, 6), 'FENCED_MEMBER_EPOCH'))).toEqual(['6: FENCED_MEMBER_EPOCH'])
    expect(results(end(stage, 7, true))).toEqual(['7: FENCED_MEMBER_EPOCH'])
  })

  test.each(['its node is dead', 'its leader refuses it', 'nobody was there', 'it is not answered', 'another node leads'])(
    'that are refused fail a record that is on its way when it comes back: %s',
    (how) => {
      const stage = opened()
      const [id] = ids(submit(stage, 1))
      expect(outcomes(taken(stage, sendOffsets(stage, 5), 'FENCED_MEMBER_EPOCH'))).toEqual([])
      const effects: Record<string, () => Effect[]> = {
        'its node is dead': () => stage.deliver({ kind: 'nodeDown', node: stage.state.queues.get('t-0')!.leader }),
        'its leader refuses it': () => answer(stage, id!, 'NOT_LEADER_OR_FOLLOWER'),
        'nobody was there': () => [...stage.deliver({ kind: 'undeliverable', correlationId: id! }), ...tick(stage, 50)],
        'it is not answered': () => tick(stage, 1000),
        'another node leads': () => stage.deliver(topicsAnswer({ t: [1] }, 9, 5, 1)),
      }
      expect(outcomes(effects[how]!())).toEqual(['1: FENCED_MEMBER_EPOCH'])
      expect(results(end(stage, 7, true))).toEqual(['7: FENCED_MEMBER_EPOCH'])
      const { correlationId } = sentOne(end(stage, 8, false), 'endTransaction')
      expect(results(ended(stage, correlationId, 4))).toEqual(['8: NONE'])
      begin(stage, 9)
      const next = [...submit(stage, 2), ...stage.deliver(topicsAnswer({ t: [0] }, 10, 5, 2)), ...tick(stage, 300)]
      expect(new Set(numbers(next))).toEqual(new Set(['4/0']))
    },
  )
})
