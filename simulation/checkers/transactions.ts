/**
 * What must hold for transactions. While a run goes on: one end is decided for each (TORN). In the end, from the logs, which are read here with their markers: none is
 * open (LSO); of each that was committed all that is left of it is visible, of each whose end is not known all or nothing (TORN); nothing of the others (ABRT); nothing
 * that was begun before somebody else took over the transactional id (FENCE); and the pipeline has made one result of each record (DUP, LOST).
 */
import type { Effect } from '../../actors/effect.ts'
import type { Cluster } from '../cluster.ts'
import type { SeenBatch } from '../records.ts'
import { decisionKey, mayBeVisible } from '../transactions-truth.ts'
import type { PlacedRecord, TransactionTruth } from '../transactions-truth.ts'
import { nameOf } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'
import { checkNewestVisible } from './compaction.ts'
import { readLog } from './final.ts'

/** A partition's records that readers of committed ones are given, by offset. */
type Visible = Map<PartitionTruth, Map<number, number>>

/** A transactor has handled a message: what it tells leaders is decided, once and for all. */
export function checkTransactor(truth: Truth, effects: readonly Effect[]): void {
  const { decisions } = truth.transactions
  for (const effect of effects) {
    if (effect.kind !== 'send' || effect.message.kind !== 'writeTransactionMarker') continue
    const { producerId, producerEpoch, committed } = effect.message
    const key = decisionKey(producerId, producerEpoch)
    const known = decisions.get(key)
    if (known !== undefined && known !== committed)
      truth.world.fail(
        'TORN',
        `the transaction of ${producerId} before epoch ${producerEpoch} is ${committed ? 'committed' : 'aborted'}, and the opposite`,
      )
    decisions.set(key, committed)
  }
}

/** Checks the logs of all partitions; everything is in sync by then. */
export function checkTransactions(cluster: Cluster): void {
  const { truth, plan } = cluster
  if (plan.transactions === null) return
  const visible: Visible = new Map()
  for (const partition of truth.partitions.values()) {
    const log = partition.isOver ? null : logOf(cluster, partition)
    if (log !== null) visible.set(partition, visibleIn(truth, partition, log))
  }
  checkVisible(truth, visible)
}

/** Checks what is visible against what is known of the transactions. */
export function checkVisible(truth: Truth, visible: Visible): void {
  for (const transaction of truth.transactions.all) checkTransaction(truth, transaction, visible)
  for (const [partition, records] of visible) {
    if (partition.isUnclean) continue
    checkNewestVisible(truth, partition, records)
    for (const [offset, value] of records) {
      const transaction = truth.transactions.byValue.get(value)
      if (transaction !== undefined && !mayBeVisible(transaction))
        truth.world.fail('ABRT', `${nameOf(value)} at ${partition.name} ${offset} is visible, but ${transaction.name} was not committed`)
    }
  }
  checkResults(truth, visible)
}

/** The records of a log that are of no transaction, or of one that is committed; LSO if one is open. */
export function visibleIn(truth: Truth, partition: PartitionTruth, batches: readonly SeenBatch[]): Map<number, number> {
  const visible = new Map<number, number>()
  const open = new Map<number, SeenBatch[]>()
  for (const batch of batches) {
    const { producerId, marker, isTransactional, records } = batch
    const before = open.get(producerId) ?? []
    if (marker !== null) {
      if (marker === 'commit') for (const one of before) show(visible, one)
      open.delete(producerId)
      // Compaction may have left nothing of a transaction but headers, and then its marker goes, too.
    } else if (isTransactional && records.length > 0) open.set(producerId, [...before, batch])
    else show(visible, { ...batch, records })
  }
  if (partition.isUnclean || partition.lossEnd > 0) return visible
  for (const [producerId, [first]] of open)
    truth.world.fail(
      'LSO',
      `${partition.name}: the transaction of ${producerId}/${first?.producerEpoch} at ${first?.records[0]?.offset} is open for ever`,
    )
  return visible
}

function show(visible: Map<number, number>, { records }: SeenBatch): void {
  for (const { offset, value } of records) visible.set(offset, value)
}

function logOf(cluster: Cluster, { name, topicId }: PartitionTruth): readonly SeenBatch[] | null {
  if (name.startsWith('__')) return null
  const dash = name.lastIndexOf('-')
  const topic = cluster.latestImage()?.topics.get(name.slice(0, dash))
  const leader = topic?.topicId === topicId ? (topic.partitions[Number(name.slice(dash + 1))]?.leader ?? -1) : -1
  const node = cluster.nodes[leader]
  return node === undefined ? null : readLog(cluster, node.disk, `${name}.${topicId}`).batches
}

/** Whether a record must be there, if it was ever committed: nothing has been allowed to take it. */
function mustBeThere({ partition, offset }: PlacedRecord, visible: Visible): boolean {
  // Of what is compacted the newest record of each key is looked for.
  if (partition.isOver || partition.isUnclean || partition.compaction !== null || !visible.has(partition)) return false
  return offset >= partition.startOffset && offset >= partition.lossEnd
}

function checkTransaction(truth: Truth, transaction: TransactionTruth, visible: Visible): void {
  const { world } = truth
  const { name, outcome, records } = transaction
  const due = records.filter((record) => mustBeThere(record, visible))
  const seen = due.filter(({ partition, offset, value }) => visible.get(partition)?.get(offset) === value)
  const missing = due.find((record) => !seen.includes(record))
  if (missing !== undefined && (outcome === 'committed' || seen.length > 0)) {
    const where = `${nameOf(missing.value)} at ${missing.partition.name} ${missing.offset}`
    world.fail('TORN', `${name} is ${outcome === 'committed' ? 'committed' : 'visible in part'}, but not ${where}`)
  }
  const successor = truth.transactions.lives.find((life) => isFencedBy(transaction, life))
  if (successor !== undefined && (outcome === 'committed' || seen.length > 0))
    world.fail('FENCE', `${name} is committed, although w${successor.writer} had begun before its end was asked for`)
}

/** Somebody else had the transactional id, and a later epoch, before this one asked for its end. */
function isFencedBy(transaction: TransactionTruth, life: Truth['transactions']['lives'][number]): boolean {
  const { transactionalId, writer, producerId, producerEpoch, commitAskedAt } = transaction
  const isSuccessor = life.transactionalId === transactionalId && life.writer !== writer
  const isLater = life.producerId > producerId || (life.producerId === producerId && life.producerEpoch > producerEpoch)
  return isSuccessor && isLater && commitAskedAt > life.begunAtMicros
}

// ── the pipeline ──

/** Each record has at most one result that is visible; and one that is left of its input has one, unless it may be gone. */
function checkResults(truth: Truth, visible: Visible): void {
  const { inputs, counts } = truth.transactions
  const results = new Map<string, number>()
  for (const records of visible.values()) {
    for (const value of records.values()) {
      const input = inputs.get(value)
      if (input === undefined) continue
      counts.pipelineRecords++
      const key = keyOf(input)
      const other = results.get(key)
      results.set(key, value)
      const { partition, offset } = input
      if (other !== undefined && !partition.isUnclean && offset >= partition.lossEnd)
        truth.world.fail('DUP', `${partition.name} ${offset} has the results ${nameOf(other)} and ${nameOf(value)}`)
    }
  }
  checkMissing(truth, visible, results)
}

function checkMissing(truth: Truth, visible: Visible, results: ReadonlyMap<string, number>): void {
  const { inputs, byValue } = truth.transactions
  const mayBeGone = new Set<string>()
  for (const transaction of truth.transactions.all.filter(mayBeVisible)) {
    for (const record of transaction.records) {
      const input = inputs.get(record.value)
      if (input !== undefined && !mustBeThere(record, visible)) mayBeGone.add(keyOf(input))
    }
  }
  const read = new Set([...inputs.values()].map(({ partition }) => partition))
  for (const partition of read) {
    if (partition.isOver || partition.isUnclean) continue
    for (const [offset, value] of visible.get(partition) ?? []) {
      const key = keyOf({ partition, offset })
      if (offset < partition.startOffset || offset < partition.lossEnd || results.has(key) || mayBeGone.has(key)) continue
      const whose = byValue.get(value)?.name ?? 'no transaction'
      truth.world.fail('LOST', `${nameOf(value)} at ${partition.name} ${offset} (of ${whose}) has no result`)
    }
  }
}

function keyOf({ partition, offset }: Pick<PlacedRecord, 'partition' | 'offset'>): string {
  return `${partition.name}.${partition.topicId}/${offset}`
}
