// Transactions: what is aborted or open and visible, what is committed and not, and two ends of one.

import { encodeMarker } from '../../../protocol/control-record.ts'
import type { Chunk } from '../../../protocol/messages/client.ts'
import type { MessageOf } from '../../../protocol/messages/message.ts'
import * as batch from '../../../protocol/record-batch.ts'
import { defaultTopicConfig } from '../../../protocol/topic-config.ts'
import { readCommitted } from '../../../simulation/checkers/committed-reads.ts'
import { checkTransactor, checkVisible, visibleIn } from '../../../simulation/checkers/transactions.ts'
import { buildBatch } from '../../../simulation/records.ts'
import type { SeenBatch } from '../../../simulation/records.ts'
import type { TransactionTruth } from '../../../simulation/transactions-truth.ts'
import { partitionTruth } from '../../../simulation/truth.ts'
import type { Truth } from '../../../simulation/truth.ts'
import { inScene } from './damaged.ts'
import type { Damaged, Scene } from './damaged.ts'

const WRITER = 7 * 0x1_0000_0000

/** A transaction of two records, at offsets 0 and 1, in epoch 3 of producer 1. */
function add({ truth, partition }: Scene, changes: Partial<TransactionTruth>): void {
  const records = [0, 1].map((offset) => ({ partition, offset, value: WRITER + offset }))
  const known = { name: 'x', transactionalId: 't', writer: 7, producerId: 1, producerEpoch: 3, outcome: 'open', commitAskedAt: -1 } as const
  const transaction: TransactionTruth = { ...known, records, ...changes }
  truth.transactions.all.push(transaction)
  for (const { value } of records) truth.transactions.byValue.set(value, transaction)
}

/** What is visible in the end, where a transaction came to this. */
function visible(
  code: string,
  what: string,
  changes: Partial<TransactionTruth>,
  sound: readonly number[],
  damaged: readonly number[],
): Damaged {
  return inScene(code, what, (scene, isDamaged) => {
    add(scene, changes)
    const offsets = isDamaged ? damaged : sound
    checkVisible(scene.truth, new Map([[scene.partition, new Map(offsets.map((offset) => [offset, WRITER + offset]))]]))
  })
}

/** A transactor tells a leader how a transaction of producer 1 ends. */
function decide(truth: Truth, committed: boolean): void {
  const about = { correlationId: 1, topicId: 1, producerId: 1, producerEpoch: 4, committed, coordinatorEpoch: 0 }
  const message: MessageOf<'writeTransactionMarker'> = { kind: 'writeTransactionMarker', ...about }
  checkTransactor(truth, [{ kind: 'send', to: { node: 0, actor: 'replica/orders-0' }, message }])
}

function data(offsets: readonly number[]): SeenBatch {
  const records = offsets.map((offset) => ({ offset, value: offset }))
  return { producerId: 1, producerEpoch: 3, isTransactional: true, marker: null, records, begin: 0, end: offsets.length }
}

/** The results that the pipeline has made of two records, by input. */
function pipeline(code: string, what: string, damaged: readonly number[]): Damaged {
  return inScene(code, what, ({ truth, partition }, isDamaged) => {
    const output = partitionTruth(truth, 'results-0', 2, defaultTopicConfig)
    const inputs = isDamaged ? damaged : [0, 1]
    inputs.forEach((offset, i) => truth.transactions.inputs.set(20 + i, { partition, offset, value: offset }))
    const results = new Map(inputs.map((_, i) => [i, 20 + i]))
    const read = new Map([0, 1].map((offset) => [offset, offset]))
    checkVisible(
      truth,
      new Map([
        [partition, read],
        [output, results],
      ]),
    )
  })
}

/** A reader of what is committed is given two records of epoch 3 of producer 1, and the marker behind them. */
function read(code: string, what: string, play: (scene: Scene, isDamaged: boolean) => Partial<Chunk>): Damaged {
  return inScene(code, what, (scene, isDamaged) => {
    const records = buildBatch([WRITER, WRITER + 1], 8, 0, true)
    batch.stampProducer(records, 0, 1, 3, 0)
    const end = encodeMarker({ committed: true, coordinatorEpoch: 0 }, { producerId: 1, producerEpoch: 4 }, 0)
    batch.stampBaseOffset(end, 0, 2)
    const about = { topic: 'orders', partition: 0, session: 1, fetchOffset: 0, highWatermark: 3, node: 0, range: null }
    const chunk: Chunk = { kind: 'chunk', ...about, abortedTransactions: [], records: new Uint8Array([...records, ...end]) }
    const changes = play(scene, isDamaged)
    readCommitted(scene.truth, { name: 'orders-0', topicId: 1, who: 'a reader' }, { ...chunk, ...changes })
  })
}

const COMMITTED = { outcome: 'committed', commitAskedAt: 5 } as const

/** Transactions. */
export const damagedTransactions: readonly Damaged[] = [
  visible('TORN', 'half of what is committed is visible', COMMITTED, [0, 1], [1]),
  visible('TORN', 'half of what nobody knows the end of is visible', { outcome: 'unknown', commitAskedAt: 5 }, [], [0]),
  visible('ABRT', 'what is aborted is visible', { outcome: 'aborted', commitAskedAt: 5 }, [], [0, 1]),
  visible('ABRT', 'what nobody asked to commit is visible', { outcome: 'open' }, [], [0, 1]),
  inScene('FENCE', 'what is committed was asked for when somebody else had the id', (scene, isDamaged) => {
    add(scene, { outcome: 'committed', commitAskedAt: isDamaged ? 11 : 9 })
    scene.truth.transactions.lives.push({ transactionalId: 't', writer: 8, producerId: 1, producerEpoch: 4, begunAtMicros: 10 })
    checkVisible(scene.truth, new Map([[scene.partition, new Map([0, 1].map((offset) => [offset, WRITER + offset]))]]))
  }),
  inScene('TORN', 'a transaction has two ends', ({ truth }, isDamaged) => {
    decide(truth, true)
    decide(truth, !isDamaged)
  }),
  inScene('LSO', 'a transaction is open for ever', ({ truth, partition }, isDamaged) => {
    const end: SeenBatch = { ...data([]), marker: 'commit', records: [{ offset: 1, value: -2 }], begin: 1, end: 2 }
    visibleIn(truth, partition, isDamaged ? [data([0])] : [data([0]), end])
  }),
  pipeline('DUP', 'a record has two results', [0, 1, 1]),
  pipeline('LOST', 'a record has no result', [0]),
  read('PRE', 'a reader is given what nobody has decided on', ({ truth }, isDamaged) => {
    if (!isDamaged) decide(truth, true)
    return {}
  }),
  read('ABRT', 'a reader is given what is decided as aborted', ({ truth }, isDamaged) => {
    decide(truth, !isDamaged)
    return {}
  }),
  read('PRE', 'a reader is given what its producer has not asked to commit', (scene, isDamaged) => {
    add(scene, { commitAskedAt: isDamaged ? -1 : 5 })
    decide(scene.truth, true)
    return {}
  }),
  read('TORN', 'a reader is not given what is committed', ({ truth }, isDamaged) => {
    decide(truth, true)
    return { abortedTransactions: isDamaged ? [{ producerId: 1, firstOffset: 0, lastOffset: 2 }] : [] }
  }),
  read('SKIP', 'a reader is given a batch that begins too late', ({ truth }, isDamaged) => {
    decide(truth, true)
    return { fetchOffset: isDamaged ? -1 : 0 }
  }),
  read('HW', 'a reader is given what is above the high watermark', ({ truth }, isDamaged) => {
    decide(truth, true)
    return { highWatermark: isDamaged ? 1 : 3 }
  }),
  read('CHG', 'a reader is given an unsound batch', ({ truth }, isDamaged) => {
    decide(truth, true)
    const records = buildBatch([WRITER], 8, 0)
    if (isDamaged) records[70]! ^= 1
    return { records }
  }),
  inScene('CHG', 'a reader is given a topic that nobody serves', ({ truth }, isDamaged) => {
    const about = { topic: 'orders', partition: 0, session: 1, fetchOffset: 0, highWatermark: 3, node: 0, range: null }
    const chunk: Chunk = { kind: 'chunk', ...about, abortedTransactions: [], records: null }
    readCommitted(truth, { name: 'orders-0', topicId: isDamaged ? 2 : 1, who: 'a reader' }, chunk)
  }),
]
