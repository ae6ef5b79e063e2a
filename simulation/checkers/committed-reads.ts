/**
 * What a reader of committed records is given, and what it may be given (KIP-98). It leaves out what the leader names as aborted, and markers. PRE: nothing is left whose
 * end no transactor has decided, or whose producer has not asked for its commit; ABRT: nothing that is aborted; TORN: nothing that is committed is left out.
 */
import type { Chunk } from '../../protocol/messages/client.ts'
import type { AbortedTransaction } from '../../protocol/messages/fetch.ts'
import { readWhole } from '../records.ts'
import type { SeenBatch } from '../records.ts'
import { decisionOf, mayBeVisible } from '../transactions-truth.ts'
import type { PlacedRecord } from '../transactions-truth.ts'
import { lifeOf, nameOf, place } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'

/** Who reads what. */
export interface Reading {
  readonly name: string
  readonly topicId: number
  readonly who: string
}

/** What the application gets, and one past everything that was read. */
export interface CommittedRead {
  readonly records: PlacedRecord[]
  readonly end: number
}

/** Reads a chunk as the public client does, and checks what it gives to the application. */
export function readCommitted(truth: Truth, { name, topicId, who }: Reading, chunk: Chunk): CommittedRead {
  const { world } = truth
  const { fetchOffset, highWatermark } = chunk
  const partition = lifeOf(truth, name, topicId)
  const batches = readWhole(chunk.records ?? new Uint8Array(0))
  const given: CommittedRead = { records: [], end: fetchOffset }
  if (batches === null) world.fail('CHG', `${who} reads an unsound batch from ${name} at ${fetchOffset}`)
  if (partition === undefined) world.fail('CHG', `${name} was read, but nobody serves it`)
  if (batches === null || partition === undefined) return given
  let { end } = given
  for (const batch of batches) {
    const isLeftOut = batch.marker !== null || isAborted(chunk.abortedTransactions, batch)
    if (!isLeftOut) checkBatch(truth, partition, batch, who)
    else if (batch.marker === null) checkLeftOut(truth, partition, batch, who)
    for (const { offset, value } of batch.records) {
      // Of a compacted topic some are gone.
      if (offset > end && partition.compaction === null) world.fail('SKIP', `${who} reads ${name} ${offset} where ${end} was due`)
      if (offset >= highWatermark) world.fail('HW', `${who} reads ${name} ${offset} at high watermark ${highWatermark}`)
      place(truth, partition, offset, value, world.nowMicros, who)
      if (!isLeftOut) given.records.push({ partition, offset, value })
      end = Math.max(end, offset + 1)
    }
    end = Math.max(end, batch.end)
  }
  return { ...given, end }
}

function isAborted(aborted: readonly AbortedTransaction[], { producerId, isTransactional, records }: SeenBatch): boolean {
  const offset = records[0]?.offset ?? -1
  return isTransactional && aborted.some((one) => one.producerId === producerId && one.firstOffset <= offset && offset <= one.lastOffset)
}

function checkLeftOut(truth: Truth, partition: PartitionTruth, { producerId, producerEpoch, records }: SeenBatch, who: string): void {
  const first = records[0]
  if (first === undefined || first.offset < partition.lossEnd || partition.isOver || partition.isUnclean) return
  if (decisionOf(truth.transactions, producerId, producerEpoch) === true)
    truth.world.fail('TORN', `${who} is not given ${nameOf(first.value)} at ${partition.name} ${first.offset}, which is committed`)
}

function checkBatch(truth: Truth, partition: PartitionTruth, batch: SeenBatch, who: string): void {
  if (!batch.isTransactional || partition.isOver || partition.isUnclean) return
  const { world, transactions } = truth
  const { producerId, producerEpoch, records } = batch
  const first = records[0]
  if (first === undefined || first.offset < partition.lossEnd) return
  const what = `${who} is given ${nameOf(first.value)} at ${partition.name} ${first.offset}`
  const decision = decisionOf(transactions, producerId, producerEpoch)
  const transaction = transactions.byValue.get(first.value)
  if (decision === undefined) world.fail('PRE', `${what}, but nobody has decided on ${producerId}/${producerEpoch}`)
  if (decision === false) world.fail('ABRT', `${what}, but ${producerId}/${producerEpoch} is aborted`)
  if (transaction === undefined || mayBeVisible(transaction)) return
  world.fail(transaction.outcome === 'aborted' ? 'ABRT' : 'PRE', `${what}, but ${transaction.name} was not committed`)
}
