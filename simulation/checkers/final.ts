/**
 * The last look, after healing and draining. LIVE: everything submitted was answered, consumers and groups reached the end. LOST, ORD, DUP, REC: the files
 * of every partition hold every acknowledged record once, in each producer's order, at the offsets that everybody was told. GONE: deleted topics have no files.
 */
import { logFileName } from '../../partitions/log.ts'
import { chooseFiles } from '../../partitions/log-files.ts'
import { checkBatch } from '../../protocol/record-batch.ts'
import type { Cluster } from '../cluster.ts'
import { checkCompacted } from './compaction.ts'
import type { Disk } from '../disk.ts'
import { writtenBytes } from '../disk-file.ts'
import { readWhole } from '../records.ts'
import type { SeenBatch, SeenRecord } from '../records.ts'
import { mayRepeat, nameOf, place } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'

/** Checks the files of all partitions that producers wrote to. */
export function checkFiles(cluster: Cluster): void {
  for (const { disk } of cluster.nodes) {
    for (const log of disk.logNames()) {
      const partition = cluster.truth.partitions.get(log)
      if (partition === undefined || partition.name.startsWith('__')) continue
      if (partition.isOver) cluster.world.fail('GONE', `${log} is deleted, but has files`)
      checkHistory(cluster.truth, partition, readLog(cluster, disk, log))
    }
  }
  for (const partition of cluster.truth.partitions.values()) {
    for (const value of partition.leaderOnly)
      if (!partition.offsets.has(value) && !partition.isOver) cluster.truth.anomalies.leaderOnlyLost++
  }
}

/** What a log holds: its records, and the offsets that its batches cover; -1: it has none. */
export interface LogContent {
  readonly records: readonly SeenRecord[]
  readonly begin: number
  readonly end: number
}

/** Checks everything that a partition holds against what is known of it. */
export function checkHistory(truth: Truth, partition: PartitionTruth, content: LogContent): void {
  checkOrder(truth, partition, content.records)
  checkPresence(truth, partition, content)
  if (partition.compaction !== null)
    checkCompacted(truth, partition, content.records, { end: content.end, logEnd: content.end, who: 'the file' })
}

/** What a log on one disk holds; REC if some of it is not sound. */
export function readLog(cluster: Cluster, disk: Disk, log: string): LogContent & { readonly batches: readonly SeenBatch[] } {
  const content: { records: SeenRecord[]; batches: SeenBatch[]; begin: number; end: number } = {
    records: [],
    batches: [],
    begin: -1,
    end: -1,
  }
  const files = disk.files(log)
  for (const { baseOffset, generation } of chooseFiles(files.keys(), null).chosen) {
    const name = logFileName(baseOffset, generation)
    const file = files.get(name)
    // What compaction has merged covers what it was made of, as long as that is still there.
    if (file === undefined || baseOffset < content.end) continue
    // A bit that has flipped where nobody has read is not found yet.
    const bytes = writtenBytes(file)
    for (let at = 0; at < bytes.length;) {
      const check = checkBatch(bytes, at, bytes.length - at, 'sparse')
      if (!check.ok) {
        cluster.world.fail('REC', `${log}/${name} is not sound at ${at}: ${check.reason}`)
        return content
      }
      for (const batch of readWhole(bytes.subarray(at, at + check.sizeBytes)) ?? []) {
        const { begin, end } = batch
        if (content.end >= 0 && begin !== content.end) cluster.world.fail('REC', `${log} has offset ${begin} where ${content.end} is due`)
        if (content.begin < 0) content.begin = begin
        content.end = end
        content.batches.push(batch)
        content.records.push(...batch.records)
      }
      at += check.sizeBytes
    }
  }
  return content
}

function checkOrder(truth: Truth, partition: PartitionTruth, records: readonly SeenRecord[]): void {
  const last = new Map<number, number>()
  let expected = records[0]?.offset ?? 0
  for (const { offset, value } of records) {
    if (offset !== expected && partition.compaction === null)
      truth.world.fail('REC', `${partition.name} has offset ${offset} where ${expected} is due`)
    expected = offset + 1
    // Markers are nobody's records.
    if (value < -1) continue
    const writer = Math.floor(value / 0x1_0000_0000)
    const before = last.get(writer) ?? -1
    if (value <= before && !mayRepeat(truth, partition, value))
      truth.world.fail(value === before ? 'DUP' : 'ORD', `${partition.name} offset ${offset}: ${nameOf(value)} after ${nameOf(before)}`)
    last.set(writer, Math.max(before, value))
  }
}

function checkPresence(truth: Truth, partition: PartitionTruth, content: LogContent): void {
  // What is below the start of the log nobody reads, and a replica that has fallen behind may have something else there.
  for (const { offset, value } of content.records)
    if (offset >= partition.startOffset) place(truth, partition, offset, value, Infinity, 'the file')
  for (const value of partition.unplaced) {
    if (
      partition.offsets.has(value) ||
      partition.compaction !== null ||
      partition.startOffset > 0 ||
      partition.lossEnd > 0 ||
      partition.isUnclean
    )
      continue
    truth.world.fail('LOST', `${nameOf(value)} was acknowledged without an offset, and is nowhere in ${partition.name}`)
  }
  // Retention may have left nothing: then the log ends where it begins.
  const end = content.end < 0 ? partition.startOffset : content.end
  const begin = content.begin < 0 ? end : content.begin
  if (end < partition.acknowledgedEnd && !partition.isUnclean)
    truth.world.fail('LOST', `${partition.name} ends at ${end}, but ${partition.acknowledgedEnd - 1} was acknowledged`)
  if (begin > partition.startOffset && content.begin >= 0)
    truth.world.fail('LOST', `${partition.name} begins at ${begin}, but retention left ${partition.startOffset}`)
}
