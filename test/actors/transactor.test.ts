// A transactor: what it answers is committed before, what fails is read again, and one follows another without a decision being lost.

import { describe, expect, test } from 'vitest'
import { TRANSACTIONAL_ID_EXPIRATION_MILLIS } from '../../coordinator/transactions/transaction-rules.ts'
import { TRANSACTIONAL_IDS_MAX } from '../../actors/transactor-requests.ts'
import { idOf } from '../../actors/transactor-state.ts'
import { codeOf } from '../../protocol/errors.ts'
import { fetched } from '../coordinator/support.ts'
import { transactionIn } from '../coordinator/transactions/support.ts'
import { lines, sent, sentOne } from './stage.ts'
import {
  active,
  add,
  commit,
  end,
  init,
  leaders,
  load,
  markAll,
  recordOf,
  tick,
  transactionOf,
  transactorStage,
  written,
} from './transactor-support.ts'

const REPLICA = { node: 1, actor: 'replica/__transaction_state-3' }
const COORDINATOR = { node: 0, actor: 'coordinator' }

describe('loading', () => {
  test('begins behind all that may be on its way to the log, and reads to the end', () => {
    const stage = transactorStage()
    const begun = stage.deliver({ kind: 'started' })
    expect(lines(begun)).toEqual(['timer tick in 250 ms', 'to replica/__transaction_state-3: produce #1: 1 record'])
    expect(sentOne(begun, 'produce')).toMatchObject({ leaderEpoch: 4, topicId: 2, acks: 'quorum' })
    expect(lines(end(stage, 9, 3))).toEqual(['to client: endTransactionResponse #9 COORDINATOR_LOAD_IN_PROGRESS'])
    expect(lines(written(stage, 1))).toEqual(['to replica/__transaction_state-3: fetch #2 from 0'])
    expect(lines(init(stage, 9))).toEqual(['to client: initTransactionsResponse #9 COORDINATOR_LOAD_IN_PROGRESS'])
    expect(lines(add(stage, 9, 3))).toEqual(['to client: addPartitionToTransactionResponse #9 COORDINATOR_LOAD_IN_PROGRESS'])
    expect(lines(stage.deliver(fetched(null, 1, { correlationId: 2 })))).toEqual(['to replica/__transaction_state-3: fetch #3 from 0'])
  })

  test('tries again when the partition cannot be written or read yet', () => {
    const stage = transactorStage()
    stage.deliver({ kind: 'started' })
    expect(lines(written(stage, 1, 'UNKNOWN_LEADER_EPOCH'))).toEqual(['timer load in 5 ms'])
    expect(lines(tick(stage, 5, 'load'))).toEqual(['to replica/__transaction_state-3: produce #2: 1 record'])
    expect(lines(stage.deliver({ kind: 'undeliverable', correlationId: 2 }, REPLICA))).toEqual(['timer load in 10 ms'])
    tick(stage, 15, 'load')
    expect(lines(written(stage, 3))).toEqual(['to replica/__transaction_state-3: fetch #4 from 0'])
    const refused = fetched(null, 0, { correlationId: 4, errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') })
    expect(lines(stage.deliver(refused))).toEqual(['timer load in 5 ms'])
    tick(stage, 20, 'load')
    stage.deliver(fetched(null, 0, { correlationId: 5 }))
    expect(stage.state.phase).toBe('active')
  })

  test('keeps the newest record of each id, and forgets what has a tombstone', () => {
    const stage = active(
      transactionIn('ongoing'),
      { ...transactionIn('empty'), transactionalId: 'u' },
      transactionIn('completeAbort'),
      null,
    )
    expect([...stage.state.ids.keys()]).toEqual(['u'])
    expect(transactionOf(active(null, transactionIn('ongoing'))).state).toBe('ongoing')
  })

  test('goes on with what was being ended', () => {
    const stage = transactorStage()
    const loaded = load(stage, stage.deliver({ kind: 'started' }), transactionIn('prepareCommit'))
    expect(lines(loaded)).toEqual([expect.stringMatching(/^to coordinator: metadata #\d+ of orders$/), 'timer retry in 10 ms'])
    const marked = leaders(stage, [2])
    expect(sentOne(marked, 'writeTransactionMarker')).toMatchObject({
      producerId: 7,
      producerEpoch: 3,
      committed: true,
      coordinatorEpoch: 4,
    })
    const done = markAll(stage, marked)
    expect(recordOf(done)).toMatchObject({ state: 'completeCommit', producerEpoch: 3, partitions: [] })
    expect(lines(commit(stage, done))).toEqual([])
    expect(transactionOf(stage).state).toBe('completeCommit')
  })

  test('lets the time of what is open go on', () => {
    const stage = transactorStage()
    stage.now = 50_010
    load(stage, stage.deliver({ kind: 'started' }), transactionIn('ongoing'))
    expect(sent(tick(stage, 9_999), 'produce')).toEqual([])
    expect(recordOf(tick(stage, 10_000))).toMatchObject({ state: 'prepareAbort', producerEpoch: 4, endedBy: 'timeout' })
  })

  test('does not judge what a newer version has written, until that says what it can read', () => {
    const stage = active(transactionIn('empty'))
    const entry = stage.state.ids.get('t')
    if (entry !== undefined) entry.isUnreadable = true
    expect(lines(end(stage, 9, 3))).toEqual(['to client: endTransactionResponse #9 UNSUPPORTED_VERSION'])
    const errorOfList = (mustBeWhole?: boolean): number => {
      const asked = { kind: 'listTransactions', correlationId: 8, ...(mustBeWhole === undefined ? {} : { mustBeWhole }) } as const
      return sentOne(stage.deliver(asked), 'listTransactionsResponse').errorCode
    }
    expect([errorOfList(), errorOfList(true)]).toEqual([0, codeOf('UNSUPPORTED_VERSION')])
    if (entry !== undefined) entry.isUnreadable = false
    expect(errorOfList(true)).toBe(0)
  })
})

describe('a transactional id', () => {
  test('is refused when there are too many, but for those that are known', () => {
    const stage = active(transactionIn('empty'))
    const { ids } = stage.state
    for (let i = 1; i < TRANSACTIONAL_IDS_MAX; i++) ids.set(`id-${i}`, { ...idOf(stage.state, 't', 0), id: `id-${i}` })
    expect(sentOne(init(stage, 11, 'new'), 'initTransactionsResponse')).toMatchObject({ errorCode: codeOf('POLICY_VIOLATION') })
    expect(recordOf(init(stage, 12))).toMatchObject({ transactionalId: 't' })
    expect(ids.size).toBe(TRANSACTIONAL_IDS_MAX)
  })

  test('gets a producer id that nobody has had, and is answered when that is in the log', () => {
    const stage = active()
    const asked = init(stage, 11)
    const { correlationId } = sentOne(asked, 'initProducerId')
    const answer = { kind: 'initProducerIdResponse', correlationId, errorCode: 0, producerId: 40, producerEpoch: 0 } as const
    const writing = stage.deliver(answer, COORDINATOR)
    expect(lines(writing)).toEqual([expect.stringMatching(/^to replica\/__transaction_state-3: produce/)])
    expect(recordOf(writing)).toMatchObject({ transactionalId: 't', producerId: 40, producerEpoch: 0, state: 'empty', timeoutMillis: 1000 })
    expect(sentOne(commit(stage, writing), 'initTransactionsResponse')).toMatchObject({
      correlationId: 11,
      errorCode: 0,
      producerId: 40,
      producerEpoch: 0,
    })
  })

  test('shares its producer id with nobody, although the answer comes twice', () => {
    const stage = active()
    const { correlationId } = sentOne(init(stage, 11), 'initProducerId')
    const answer = { kind: 'initProducerIdResponse', correlationId, errorCode: 0, producerId: 40, producerEpoch: 0 } as const
    stage.deliver(answer, COORDINATOR)
    stage.deliver(answer, COORDINATOR)
    expect(lines(init(stage, 12, 'another'))).toEqual([expect.stringMatching('initProducerId')])
  })

  test('asks another coordinator for it where one is not there, is silent, or does not lead', () => {
    const stage = active()
    const { correlationId } = sentOne(init(stage), 'initProducerId')
    expect(lines(stage.deliver({ kind: 'undeliverable', correlationId }, COORDINATOR))).toEqual(['timer retry in 10 ms'])
    const again = sentOne(tick(stage, 10, 'retry'), 'initProducerId')
    expect(lines(tick(stage, 900))).not.toContainEqual(expect.stringMatching('initProducerId'))
    const refused = { kind: 'notController', correlationId: again.correlationId, controller: 0, isUncertain: false } as const
    expect(lines(stage.deliver(refused, { node: 1, actor: 'coordinator' }))).toContain('timer retry in 10 ms')
  })

  test('that waits for too long is asked for again, and gets its id all the same', () => {
    const stage = active()
    const { correlationId } = sentOne(init(stage, 5), 'initProducerId')
    expect(lines(tick(stage, 500))).toContain('to client: initTransactionsResponse #5 CONCURRENT_TRANSACTIONS')
    stage.deliver({ kind: 'initProducerIdResponse', correlationId, errorCode: 0, producerId: 40, producerEpoch: 0 }, COORDINATOR)
    expect(recordOf(init(stage, 6))).toMatchObject({ producerId: 40 })
  })

  test('has one life for a request that comes twice: while it is written, and long after', () => {
    const stage = active()
    const asked = init(stage, 5)
    const { correlationId } = sentOne(asked, 'initProducerId')
    const writing = stage.deliver(
      { kind: 'initProducerIdResponse', correlationId, errorCode: 0, producerId: 40, producerEpoch: 0 },
      COORDINATOR,
    )
    expect(init(stage, 5)).toEqual([])
    const answers = sent(commit(stage, writing), 'initTransactionsResponse')
    expect(answers.map(({ errorCode, producerId, producerEpoch }) => [errorCode, producerId, producerEpoch])).toEqual([
      [0, 40, 0],
      [0, 40, 0],
    ])
    commit(stage, add(stage, 6, 0, 0, 40))
    expect(sentOne(init(stage, 7, 't', 5), 'initTransactionsResponse')).toMatchObject({ producerId: 40, producerEpoch: 0 })
    expect(stage.state.ids.get('t')?.transaction?.state).toBe('ongoing')
  })

  test('has its next life when the former transaction is aborted', () => {
    const stage = active(transactionIn('ongoing'))
    const fencing = init(stage, 1)
    expect(recordOf(fencing)).toMatchObject({ state: 'prepareAbort', producerEpoch: 4, endedBy: 'fence' })
    expect(lines(commit(stage, fencing))).toContain('to client: initTransactionsResponse #1 CONCURRENT_TRANSACTIONS')
    expect(init(stage, 2)).toEqual([])
    const done = markAll(stage, leaders(stage, [2]))
    // The abort is complete, and the next life has begun: one record says both.
    const next = recordOf(done)?.state === 'completeAbort' ? commit(stage, done) : done
    expect(recordOf(next)).toMatchObject({ state: 'empty', producerEpoch: 5 })
    expect(sentOne(commit(stage, next), 'initTransactionsResponse')).toMatchObject({ correlationId: 2, producerEpoch: 5 })
  })

  test('that nobody uses is forgotten in the end', () => {
    const stage = active(transactionIn('completeCommit'))
    stage.now = 30
    expect(sent(tick(stage, TRANSACTIONAL_ID_EXPIRATION_MILLIS - 1_000_000), 'produce')).toEqual([])
    const forgetting = tick(stage, TRANSACTIONAL_ID_EXPIRATION_MILLIS)
    expect(recordOf(forgetting)).toBeNull()
    commit(stage, forgetting)
    expect(stage.state.ids.size).toBe(0)
    expect(lines(end(stage, 1, 3))).toEqual(['to client: endTransactionResponse #1 INVALID_PRODUCER_ID_MAPPING'])
    expect(stage.state.ids.size).toBe(0)
  })
})

describe('partitions', () => {
  test('that are added while one is being written go together into the next record', () => {
    const stage = active(transactionIn('empty'))
    const first = add(stage, 1, 3, 0)
    expect([add(stage, 2, 3, 1), add(stage, 3, 3, 2), add(stage, 4, 3, 0), add(stage, 5, 2, 0)].flat()).toEqual([])
    const second = commit(stage, first)
    expect(lines(second)).toEqual(['to client: addPartitionToTransactionResponse #1', expect.stringMatching(/^to replica/)])
    expect(recordOf(second)?.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2])
    expect(lines(commit(stage, second))).toEqual([
      'to client: addPartitionToTransactionResponse #2',
      'to client: addPartitionToTransactionResponse #3',
      'to client: addPartitionToTransactionResponse #4',
      'to client: addPartitionToTransactionResponse #5 PRODUCER_FENCED',
    ])
    expect(lines(add(stage, 6, 3, 2))).toEqual(['to client: addPartitionToTransactionResponse #6'])
  })

  test('of the next transaction wait for the markers of the last one, and go with its completion', () => {
    const stage = active(transactionIn('ongoing'))
    const decided = commit(stage, end(stage, 1, 3))
    expect(sentOne(decided, 'endTransactionResponse')).toMatchObject({ errorCode: 0, producerId: 7, producerEpoch: 4 })
    expect(add(stage, 2, 4, 9)).toEqual([])
    const writing = markAll(stage, leaders(stage, [2]))
    expect(recordOf(writing)).toMatchObject({ state: 'ongoing', producerEpoch: 4, partitions: [{ partition: 9 }] })
    expect(lines(commit(stage, writing))).toEqual(['to client: addPartitionToTransactionResponse #2'])
  })

  test('that have waited for too long are refused, and may be added again', () => {
    const stage = active(transactionIn('prepareCommit'))
    add(stage, 2, 3, 9)
    expect(lines(tick(stage, 499))).not.toContainEqual(expect.stringMatching('addPartition'))
    expect(lines(tick(stage, 500))).toContain('to client: addPartitionToTransactionResponse #2 CONCURRENT_TRANSACTIONS')
    expect(stage.state.ids.get('t')?.queue).toEqual([])
  })
})

describe('an end', () => {
  test('is answered when it is decided, once, and the same again', () => {
    const stage = active(transactionIn('ongoing'))
    const deciding = end(stage, 1, 3)
    expect(recordOf(deciding)).toMatchObject({ state: 'prepareCommit', producerEpoch: 4 })
    expect([end(stage, 2, 3, false), end(stage, 3, 3)].flat()).toEqual([])
    expect(lines(commit(stage, deciding)).filter((line) => line.includes('client'))).toEqual([
      'to client: endTransactionResponse #1: go on as producer 7, epoch 4',
      'to client: endTransactionResponse #2 INVALID_TXN_STATE',
      'to client: endTransactionResponse #3: go on as producer 7, epoch 4',
    ])
  })

  test('comes after the partitions that came before it', () => {
    const stage = active(transactionIn('ongoing'))
    const adding = add(stage, 1, 3, 1)
    expect([add(stage, 2, 3, 2), end(stage, 3, 3), add(stage, 4, 3, 3)].flat()).toEqual([])
    const more = commit(stage, adding)
    expect(recordOf(more)).toMatchObject({ state: 'ongoing' })
    const deciding = commit(stage, more)
    expect(recordOf(deciding)).toMatchObject({ state: 'prepareCommit' })
    expect(recordOf(deciding)?.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2])
    expect(lines(commit(stage, deciding))).toContain('to client: addPartitionToTransactionResponse #4 PRODUCER_FENCED')
  })

  test('of what is open for too long is an abort', () => {
    const stage = active(transactionIn('completeCommit'))
    stage.uptime = 100
    commit(stage, add(stage, 1, 3))
    expect(sent(tick(stage, 60_099), 'produce')).toEqual([])
    const aborting = tick(stage, 60_100)
    expect(recordOf(aborting)).toMatchObject({ state: 'prepareAbort', producerEpoch: 4, endedBy: 'timeout' })
    expect(sent(tick(stage, 60_350), 'produce')).toEqual([])
    commit(stage, aborting)
    expect(lines(end(stage, 2, 3))).toEqual(['to client: endTransactionResponse #2 INVALID_TXN_STATE'])
    expect(lines(add(stage, 3, 3))).toEqual(['to client: addPartitionToTransactionResponse #3 INVALID_TXN_STATE'])
    expect(sentOne(end(stage, 4, 3, false), 'endTransactionResponse')).toMatchObject({ errorCode: 0, producerEpoch: 4 })
  })
})

describe('a write that fails', () => {
  test('and may be in the log all the same sends everybody away, and the log is read again', () => {
    for (const error of ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'NOT_LEADER_OR_FOLLOWER', 'KAFKA_STORAGE_ERROR'] as const) {
      const stage = active(transactionIn('ongoing'))
      const deciding = end(stage, 1, 3)
      add(stage, 2, 3, 1)
      expect(lines(written(stage, sentOne(deciding, 'produce').correlationId, error))).toEqual([
        'to client: endTransactionResponse #1 NOT_COORDINATOR',
        'to client: addPartitionToTransactionResponse #2 NOT_COORDINATOR',
        'timer load in 5 ms',
      ])
      const isOver = error === 'NOT_LEADER_OR_FOLLOWER'
      const refusal = isOver ? 'NOT_COORDINATOR' : 'COORDINATOR_LOAD_IN_PROGRESS'
      expect(lines(end(stage, 3, 3, false))).toEqual([`to client: endTransactionResponse #3 ${refusal}`])
      // It was in the log: nobody may decide otherwise.
      load(stage, tick(stage, 5, 'load'), transactionIn('ongoing'), transactionIn('prepareCommit', 'producer', 4))
      expect(lines(end(stage, 4, 3, false))).toEqual(['to client: endTransactionResponse #4 INVALID_TXN_STATE'])
      expect(lines(end(stage, 5, 3))).toEqual(['to client: endTransactionResponse #5: go on as producer 7, epoch 4'])
    }
  })

  test('before it is in the log changes nothing', () => {
    const stage = active(transactionIn('ongoing'))
    const deciding = end(stage, 1, 3)
    expect(lines(written(stage, sentOne(deciding, 'produce').correlationId, 'NOT_ENOUGH_REPLICAS'))).toEqual([
      'to client: endTransactionResponse #1 COORDINATOR_NOT_AVAILABLE',
    ])
    expect(recordOf(end(stage, 2, 3, false))).toMatchObject({ state: 'prepareAbort' })
  })

  test('and completes a transaction is made again', () => {
    const stage = active(transactionIn('prepareCommit'))
    const done = markAll(stage, leaders(stage, [2]))
    expect(lines(written(stage, sentOne(done, 'produce').correlationId, 'NOT_ENOUGH_REPLICAS'))).toEqual([])
    expect(recordOf(tick(stage, 250))).toMatchObject({ state: 'completeCommit' })
  })

  test('whose replica has died is in doubt, too', () => {
    const stage = active(transactionIn('ongoing'))
    const { correlationId } = sentOne(end(stage, 1, 3), 'produce')
    expect(lines(stage.deliver({ kind: 'undeliverable', correlationId }, REPLICA))).toEqual([
      'to client: endTransactionResponse #1 NOT_COORDINATOR',
      'timer load in 5 ms',
    ])
  })
})

test('when another node may be in charge, nobody is answered until the lease is extended', () => {
  const stage = transactorStage({ leaseUntil: 500 })
  load(stage, stage.deliver({ kind: 'started' }))
  stage.uptime = 500
  expect(lines(add(stage, 1, 3))).toEqual(['to client: addPartitionToTransactionResponse #1 NOT_COORDINATOR'])
  stage.deliver({ kind: 'leaseExtended', until: 501 })
  expect(lines(add(stage, 2, 3))).toEqual(['to client: addPartitionToTransactionResponse #2 INVALID_PRODUCER_ID_MAPPING'])
})

test('operators see what is open, sorted', () => {
  const stage = active({ ...transactionIn('empty'), transactionalId: 'z' }, transactionIn('empty'))
  commit(stage, add(stage, 1, 3))
  stage.uptime = 40
  const answer = sentOne(stage.deliver({ kind: 'listTransactions', correlationId: 8 }), 'listTransactionsResponse')
  const about = { producerId: 7, producerEpoch: 3, timeoutMillis: 60_000 }
  expect(answer).toMatchObject({
    correlationId: 8,
    errorCode: 0,
    transactions: [
      { transactionalId: 't', state: 'ongoing', openMillis: 40, partitions: [{ topic: 'orders', partition: 0 }], ...about },
      { transactionalId: 'z', state: 'empty', openMillis: -1, partitions: [], ...about },
    ],
  })
})
