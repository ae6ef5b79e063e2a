// Markers: each partition gets its own, whoever leads it; what is gone needs none; nobody waits for a partition that is not theirs.

import { expect, test } from 'vitest'
import type { Transaction } from '../../coordinator/transactions/transaction-state.ts'
import { transactionIn } from '../coordinator/transactions/support.ts'
import { topicsAnswer } from './metadata.ts'
import { lines, sent, sentOne } from './stage.ts'
import { active, add, commit, end, leaders, markAll, marked, recordOf, tick } from './transactor-support.ts'

const COORDINATOR = { node: 0, actor: 'coordinator' }

/** Prepared, with these partitions of `orders`. */
function preparedWith(...partitions: readonly number[]): Transaction {
  return { ...transactionIn('prepareAbort'), partitions: partitions.map((partition) => ({ topic: 'orders', topicId: 5, partition })) }
}

test('go to each leader under the raised epoch, and the transaction is complete when all have answered', () => {
  const stage = active(preparedWith(0, 1))
  const effects = leaders(stage, [2, 3])
  const [first, second] = sent(effects, 'writeTransactionMarker')
  if (first === undefined || second === undefined) throw new Error('two markers')
  expect(first).toMatchObject({ topicId: 5, producerId: 7, producerEpoch: 3, committed: false, coordinatorEpoch: 4 })
  expect(effects.flatMap((one) => (one.kind === 'send' ? [one.to] : []))).toEqual([
    { node: 2, actor: 'replica/orders-0' },
    { node: 3, actor: 'replica/orders-1' },
  ])
  expect(marked(stage, second)).toEqual([])
  expect(marked(stage, second)).toEqual([])
  const done = marked(stage, first)
  expect(recordOf(done)).toMatchObject({ state: 'completeAbort' })
  expect([marked(stage, first), tick(stage, 250)].flatMap((one) => sent(one, 'produce'))).toEqual([])
  expect(sent(commit(stage, done), 'produce')).toEqual([])
})

test('are sent again, with a pause, to whoever leads then', () => {
  const stage = active(preparedWith(0))
  const refused = marked(stage, sentOne(leaders(stage, [2]), 'writeTransactionMarker'), 'NOT_LEADER_OR_FOLLOWER')
  // It is asked at once who leads; the timer runs since the leader was looked up first.
  expect(lines(refused)).toEqual([expect.stringMatching('metadata')])
  expect(leaders(stage, [3], 1)).toEqual([])
  const again = tick(stage, 10, 'retry')
  expect(lines(again)).toEqual([expect.stringMatching('^to replica/orders-0: writeTransactionMarker')])
  const { correlationId } = sentOne(again, 'writeTransactionMarker')
  expect(lines(stage.deliver({ kind: 'undeliverable', correlationId }, { node: 3, actor: 'replica/orders-0' }))).toEqual([
    expect.stringMatching('metadata'),
    'timer retry in 10 ms',
  ])
  expect(leaders(stage, [4], 2)).toEqual([])
  expect(sent(tick(stage, 20, 'retry'), 'writeTransactionMarker')).toEqual([])
  expect(recordOf(markAll(stage, tick(stage, 30, 'retry')))).toMatchObject({ state: 'completeAbort' })
})

test('that are not answered are sent again, one at a time', () => {
  const stage = active(preparedWith(0))
  const first = sentOne(leaders(stage, [2]), 'writeTransactionMarker')
  expect(sent(tick(stage, 999), 'writeTransactionMarker')).toEqual([])
  tick(stage, 1000)
  leaders(stage, [2], 1)
  const second = sentOne(tick(stage, 1010, 'retry'), 'writeTransactionMarker')
  // The answer to the lost one comes after all; it is the other that counts.
  expect(marked(stage, first)).toEqual([])
  expect(recordOf(marked(stage, second))).toMatchObject({ state: 'completeAbort' })
})

test('on their way to a node that dies are sent again, to another: that it leads is not believed for a while', () => {
  const stage = active(preparedWith(0, 1))
  leaders(stage, [2, 3])
  const news = stage.deliver({ kind: 'nodeDown', node: 2 })
  expect(lines(news)).toContainEqual(expect.stringMatching('^to coordinator: metadata'))
  expect(sent(news, 'writeTransactionMarker')).toEqual([])
  expect(sent([...leaders(stage, [2, 3], 1), ...tick(stage, 100)], 'writeTransactionMarker')).toEqual([])
  leaders(stage, [4, 3], 2)
  const again = tick(stage, 200).filter((one) => one.kind === 'send' && one.message.kind === 'writeTransactionMarker')
  expect(again).toMatchObject([{ to: { node: 4, actor: 'replica/orders-0' } }])
})

test('do not wait for a partition that nobody leads', () => {
  const stage = active(preparedWith(0, 1))
  expect(lines(leaders(stage, [-1, 3]))).toEqual([
    expect.stringMatching('^to replica/orders-1: writeTransactionMarker'),
    expect.stringMatching('^to coordinator: metadata'),
  ])
})

test('are not needed where the topic was deleted, or another one has its name', () => {
  const gone = active(preparedWith(0, 1))
  const absent = { ...topicsAnswer({ orders: [] }), nextTopicId: 6 }
  expect(recordOf(gone.deliver(absent, COORDINATOR))).toMatchObject({ state: 'completeAbort' })
  const other = active(preparedWith(0))
  expect(recordOf(other.deliver(topicsAnswer({ orders: [2] }, 0, 6), COORDINATOR))).toMatchObject({ state: 'completeAbort' })
})

test('wait for a coordinator that knows of the topic: an old one says nothing of a new topic', () => {
  const stage = active(preparedWith(0))
  for (const answer of [
    { ...topicsAnswer({ orders: [] }), nextTopicId: 5 },
    topicsAnswer({ orders: [2] }, 0, 4),
    { ...topicsAnswer({ orders: [] }), nextTopicId: 5 },
  ]) {
    expect(lines(stage.deliver(answer, COORDINATOR)).join()).not.toMatch('produce|Marker')
    stage.uptime += 1000
    tick(stage, stage.uptime, 'retry')
  }
  expect(sent(leaders(stage, [2], 3), 'writeTransactionMarker')).toHaveLength(1)
})

test('of an older epoch than what is there count as written', () => {
  const stage = active(preparedWith(0))
  const marker = sentOne(leaders(stage, [2]), 'writeTransactionMarker')
  expect(recordOf(marked(stage, marker, 'INVALID_PRODUCER_EPOCH'))).toMatchObject({ state: 'completeAbort' })
})

test('that come after those of a newer transactor end this one', () => {
  const stage = active(preparedWith(0))
  add(stage, 1, 3, 5)
  const marker = sentOne(leaders(stage, [2]), 'writeTransactionMarker')
  expect(lines(marked(stage, marker, 'TRANSACTION_COORDINATOR_FENCED'))).toEqual([
    'to client: addPartitionToTransactionResponse #1 NOT_COORDINATOR',
  ])
  expect(lines(end(stage, 2, 3))).toEqual(['to client: endTransactionResponse #2 NOT_COORDINATOR'])
  expect(lines(tick(stage, 250))).toEqual(['timer tick in 250 ms'])
})
