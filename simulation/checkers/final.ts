/**
 * The last look, after healing and draining. LIVE: everything submitted was answered, consumers and groups reached the end. LOST, ORD, DUP, REC: the files
 * of every partition hold every acknowledged record once, in each producer's order, at the offsets that everybody was told. GONE: deleted topics have no files.
 */
import { baseOffsetOfFile } from '../../partitions/log.ts'
import { checkBatch } from '../../protocol/record-batch.ts'
import type { Cluster } from '../cluster.ts'
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

/** Checks everything that a partition holds against what is known of it. */
export function checkHistory(truth: Truth, partition: PartitionTruth, records: readonly SeenRecord[]): void {
  checkOrder(truth, partition, records)
  checkPresence(truth, partition, records)
}

function readLog(cluster: Cluster, disk: Disk, log: string): SeenRecord[] {
  return readLogBatches(cluster, disk, log).flatMap(({ records }) => records)
}

/** All batches of a partition's files on one disk, in order; REC if one of them is not sound. */
export function readLogBatches(cluster: Cluster, disk: Disk, log: string): SeenBatch[] {
  const batches: SeenBatch[] = []
  const files = [...disk.files(log)].filter(([name]) => baseOffsetOfFile(name) !== null).toSorted(([a], [b]) => (a < b ? -1 : 1))
  for (const [name, file] of files) {
    // A bit that has flipped where nobody has read is not found yet.
    const bytes = writtenBytes(file)
    for (let at = 0; at < bytes.length;) {
      const check = checkBatch(bytes, at, bytes.length - at)
      if (!check.ok) {
        cluster.world.fail('REC', `${log}/${name} is not sound at ${at}: ${check.reason}`)
        return batches
      }
      batches.push(...(readWhole(bytes.subarray(at, at + check.sizeBytes)) ?? []))
      at += check.sizeBytes
    }
  }
  return batches
}

function checkOrder(truth: Truth, partition: PartitionTruth, records: readonly SeenRecord[]): void {
  const last = new Map<number, number>()
  let expected = records[0]?.offset ?? 0
  for (const { offset, value } of records) {
    if (offset !== expected) truth.world.fail('REC', `${partition.name} has offset ${offset} where ${expected} is due`)
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

function checkPresence(truth: Truth, partition: PartitionTruth, records: readonly SeenRecord[]): void {
  // What is below the start of the log nobody reads, and a replica that has fallen behind may have something else there.
  for (const { offset, value } of records) if (offset >= partition.startOffset) place(truth, partition, offset, value, Infinity, 'the file')
  for (const value of partition.unplaced) {
    if (partition.offsets.has(value) || partition.startOffset > 0 || partition.lossEnd > 0 || partition.isUnclean) continue
    truth.world.fail('LOST', `${nameOf(value)} was acknowledged without an offset, and is nowhere in ${partition.name}`)
  }
  const last = records[records.length - 1]
  // Retention may have left nothing: then the log ends where it begins.
  const end = last === undefined ? partition.startOffset : last.offset + 1
  const begin = records[0]?.offset ?? end
  if (end < partition.acknowledgedEnd && !partition.isUnclean)
    truth.world.fail('LOST', `${partition.name} ends at ${end}, but ${partition.acknowledgedEnd - 1} was acknowledged`)
  if (begin > partition.startOffset && records.length > 0)
    truth.world.fail('LOST', `${partition.name} begins at ${begin}, but retention left ${partition.startOffset}`)
}
