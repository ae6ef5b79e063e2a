// Transactions in simulated runs: that everything happens that is to be checked, and that the checkers notice what histories were changed to say.

import { describe, expect, test } from 'vitest'
import { checkTransactor, checkVisible, visibleIn } from '../../simulation/checkers/transactions.ts'
import { readCommitted } from '../../simulation/checkers/committed-reads.ts'
import { buildBatch } from '../../simulation/records.ts'
import type { SeenBatch } from '../../simulation/records.ts'
import { runSeed } from '../../simulation/run.ts'
import { drawTransactions } from '../../simulation/transaction-plan.ts'
import { TRANSACTION_EVENTS } from '../../simulation/transactions-truth.ts'
import type { TransactionTruth } from '../../simulation/transactions-truth.ts'
import { newTruth, partitionTruth } from '../../simulation/truth.ts'
import type { PartitionTruth, Truth } from '../../simulation/truth.ts'
import { World } from '../../simulation/world.ts'
import { encodeMarker } from '../../protocol/control-record.ts'
import type { Chunk } from '../../protocol/messages/client.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import * as batch from '../../protocol/record-batch.ts'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'

const WRITER = 7 * 0x1_0000_0000

test('over some seeds everything happens to transactions that can', { timeout: 60_000 }, () => {
  const seeds = Array.from({ length: 45 }, (_, i) => i + 1).filter((seed) => drawTransactions(seed, false) !== null)
  const results = seeds.map((seed) => runSeed(seed, { seconds: 30 }))
  expect(results.flatMap(({ violation }) => violation ?? [])).toEqual([])
  for (const kind of TRANSACTION_EVENTS) {
    expect([kind, results.reduce((sum, { transactions }) => sum + transactions[kind], 0)]).not.toEqual([kind, 0])
  }
})

describe('the log of a partition', () => {
  test('shows what is committed, and what is in no transaction', () => {
    const { truth, partition } = history()
    const log = [data(1, [0, 1]), data(-1, [2]), data(2, [3]), marker(1, 4, 'commit'), marker(2, 5, 'abort')]
    expect(visibleIn(truth, partition, log)).toEqual(new Map([0, 1, 2].map((offset) => [offset, offset])))
    expect(truth.world.violation).toBeNull()
  })

  test('has nothing open in the end: LSO', () => {
    const { truth, partition } = history()
    visibleIn(truth, partition, [data(1, [0]), marker(2, 1, 'commit')])
    expect(truth.world.violation?.code).toBe('LSO')
  })
})

describe('a transaction', () => {
  test.each<[string, string | null, Partial<TransactionTruth>, number[]]>([
    ['that is committed, and visible', null, { outcome: 'committed', commitAskedAt: 5 }, [0, 1]],
    ['that is committed, and visible in part', 'TORN', { outcome: 'committed', commitAskedAt: 5 }, [1]],
    ['whose end is unknown, and visible', null, { outcome: 'unknown', commitAskedAt: 5 }, [0, 1]],
    ['whose end is unknown, and not visible', null, { outcome: 'unknown', commitAskedAt: 5 }, []],
    ['whose end is unknown, and visible in part', 'TORN', { outcome: 'unknown', commitAskedAt: 5 }, [0]],
    ['that is aborted, and visible', 'ABRT', { outcome: 'aborted', commitAskedAt: 5 }, [0, 1]],
    ['that nobody asked to commit, and visible', 'ABRT', { outcome: 'open' }, [0, 1]],
    ['whose end was asked for when somebody else had the id', 'FENCE', { outcome: 'committed', commitAskedAt: 11 }, [0, 1]],
  ])('%s: %s', (_, code, changes, offsets) => {
    const { truth, partition } = history()
    add(truth, partition, changes)
    truth.transactions.lives.push({ transactionalId: 't', writer: 8, producerId: 1, producerEpoch: 4, begunAtMicros: 10 })
    checkVisible(truth, new Map([[partition, new Map(offsets.map((offset) => [offset, WRITER + offset]))]]))
    expect(truth.world.violation?.code ?? null).toBe(code)
  })

  test('of which nothing is left where it may be lost is not missed', () => {
    const { truth, partition } = history()
    add(truth, partition, { outcome: 'committed', commitAskedAt: 5 })
    partition.startOffset = 2
    checkVisible(truth, new Map([[partition, new Map()]]))
    expect(truth.world.violation).toBeNull()
  })

  test('has one end: TORN', () => {
    const { truth } = history()
    for (const committed of [true, true, false]) decide(truth, 1, 4, committed)
    expect(truth.world.violation?.code).toBe('TORN')
  })
})

describe('the pipeline', () => {
  test.each([
    ['one result of each record', null, [20, 21]],
    ['two of one: DUP', 'DUP', [20, 21, 22]],
    ['none of one: LOST', 'LOST', [20]],
  ])('has %s', (_, code, results) => {
    const { truth, partition } = history()
    const output = partitionTruth(truth, 'results-0', 2, defaultTopicConfig)
    for (const [value, offset] of [
      [20, 0],
      [21, 1],
      [22, 1],
    ] as const)
      truth.transactions.inputs.set(value, { partition, offset, value: offset })
    const inputs = new Map([0, 1].map((offset) => [offset, offset]))
    checkVisible(
      truth,
      new Map([
        [partition, inputs],
        [output, new Map(results.map((value, offset) => [offset, value]))],
      ]),
    )
    expect(truth.world.violation?.code ?? null).toBe(code)
  })
})

describe('a reader of what is committed', () => {
  test.each([
    ['what is committed', null, true, []],
    ['what is decided as aborted: ABRT', 'ABRT', false, []],
    ['what nobody has decided on: PRE', 'PRE', null, []],
  ])('may be given, or not: %s', (_, code, decision, abortedTransactions) => {
    const { truth } = history()
    if (decision !== null) decide(truth, 1, 4, decision)
    const read = readCommitted(truth, READING, chunkOf(abortedTransactions))
    expect(read.records.map(({ value }) => value)).toEqual([WRITER, WRITER + 1])
    expect(read.end).toBe(3)
    expect(truth.world.violation?.code ?? null).toBe(code)
  })

  test('leaves out what is aborted', () => {
    const { truth } = history()
    decide(truth, 1, 4, false)
    expect(readCommitted(truth, READING, chunkOf([{ producerId: 1, firstOffset: 0, lastOffset: 2 }])).records).toEqual([])
    expect(truth.world.violation).toBeNull()
  })
})

const READING = { name: 'orders-0', topicId: 1, who: 'a reader' }

function history(): { truth: Truth; partition: PartitionTruth } {
  const truth = newTruth(new World(1), [])
  return { truth, partition: partitionTruth(truth, 'orders-0', 1, defaultTopicConfig) }
}

/** A transaction of two records, at offsets 0 and 1. */
function add(truth: Truth, partition: PartitionTruth, changes: Partial<TransactionTruth>): void {
  const records = [0, 1].map((offset) => ({ partition, offset, value: WRITER + offset }))
  const known = { name: 'x', transactionalId: 't', writer: 7, producerId: 1, producerEpoch: 3, outcome: 'open', commitAskedAt: -1 } as const
  const transaction: TransactionTruth = { ...known, records, ...changes }
  truth.transactions.all.push(transaction)
  for (const { value } of records) truth.transactions.byValue.set(value, transaction)
}

/** A transactor tells a leader. */
function decide(truth: Truth, producerId: number, producerEpoch: number, committed: boolean): void {
  const about = { correlationId: 1, topicId: 1, producerId, producerEpoch, committed, coordinatorEpoch: 0 }
  const message: MessageOf<'writeTransactionMarker'> = { kind: 'writeTransactionMarker', ...about }
  checkTransactor(truth, [{ kind: 'send', to: { node: 0, actor: 'replica/orders-0' }, message }])
}

function data(producerId: number, offsets: readonly number[]): SeenBatch {
  const records = offsets.map((offset) => ({ offset, value: offset }))
  const extent = { begin: offsets[0] ?? 0, end: (offsets.at(-1) ?? 0) + 1 }
  return { producerId, producerEpoch: 0, isTransactional: producerId >= 0, marker: null, records, ...extent }
}

function marker(producerId: number, offset: number, kind: 'commit' | 'abort'): SeenBatch {
  const extent = { begin: offset, end: offset + 1 }
  return { producerId, producerEpoch: 1, isTransactional: true, marker: kind, records: [{ offset, value: -2 }], ...extent }
}

/** Two records of producer 1 in epoch 3, and the marker behind them. */
function chunkOf(abortedTransactions: Chunk['abortedTransactions']): Chunk {
  const records = buildBatch([WRITER, WRITER + 1], 8, 0, true)
  batch.stampProducer(records, 0, 1, 3, 0)
  const end = encodeMarker({ committed: true, coordinatorEpoch: 0 }, { producerId: 1, producerEpoch: 4 }, 0)
  batch.stampBaseOffset(end, 0, 2)
  const about = { topic: 'orders', partition: 0, session: 1, fetchOffset: 0, highWatermark: 3, node: 0, range: null }
  return { kind: 'chunk', ...about, abortedTransactions, records: new Uint8Array([...records, ...end]) }
}
