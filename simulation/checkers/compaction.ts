/**
 * CMP: compaction takes what it may, and nothing else. Of each key the newest record below the end is there; if it is a tombstone it may have gone when its time had
 * come, and then nothing older of that key is there any more: it would have come back. And nothing goes before it may be compacted at all. A record counts that is in no transaction,
 * or in one that is committed; those of one that is aborted vanish.
 */
import type { SeenRecord } from '../records.ts'
import { decisionOf } from '../transactions-truth.ts'
import { nameOf } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'

interface Newest {
  readonly offset: number
  readonly value: number
}

/** Checks a log (its records, in order) against all that is known of the partition below `end`; `who` has it, up to `logEnd`. */
export function checkCompacted(
  truth: Truth,
  partition: PartitionTruth,
  records: readonly SeenRecord[],
  { end, logEnd, who }: { readonly end: number; readonly logEnd: number; readonly who: string },
): void {
  if (partition.isOver || partition.isUnclean || partition.compaction === null || partition.lossEnd > 0) return
  const present = new Set(records.map(({ offset }) => offset))
  const fail = (what: string): void => truth.world.fail('CMP', `${partition.name} (${who}): ${what}`)
  for (const { offset, value } of newestOf(truth, partition, records, end).values()) {
    if (present.has(offset) || offset >= logEnd) continue
    const name = `${nameOf(value)} at ${offset}`
    const { key = -1, isTombstone = false, atMicros = 0 } = truth.keyed.get(value) ?? {}
    if (!isTombstone) {
      fail(`${name} is the newest record of its key, and is gone`)
      continue
    }
    if (isTooEarly(truth, atMicros, partition.compaction.deleteRetentionMillis)) fail(`the tombstone ${name} went too early`)
    const older = records.find((one) => one.offset < offset && counts(truth, one.value) && truth.keyed.get(one.value)?.key === key)
    if (older !== undefined) fail(`the tombstone ${name} is gone, but ${nameOf(older.value)} at ${older.offset} is not`)
  }
  checkLag(truth, partition, present, Math.min(end, logEnd), fail)
}

/** Checks what was cleaned: nothing that is aborted is left. */
export function checkAborted(truth: Truth, partition: PartitionTruth, cleaned: readonly SeenRecord[], who: string): void {
  if (partition.isOver || partition.isUnclean || partition.lossEnd > 0) return
  const left = cleaned.find(({ value }) => decisionAbout(truth, value) === false)
  if (left !== undefined)
    truth.world.fail('CMP', `${partition.name} (${who}): ${nameOf(left.value)} at ${left.offset} is aborted, and was cleaned, but is there`)
}

/** Checks what readers of committed records see of a log: the newest record of each key, unless it is a tombstone. */
export function checkNewestVisible(truth: Truth, partition: PartitionTruth, visible: ReadonlyMap<number, number>): void {
  if (partition.isOver || partition.isUnclean || partition.compaction === null || partition.lossEnd > 0) return
  for (const { offset, value } of newestOf(truth, partition, [], Infinity).values()) {
    if (visible.get(offset) === value || truth.keyed.get(value)?.isTombstone === true) continue
    const what = `${nameOf(value)} at ${offset} is the newest record of its key`
    truth.world.fail('CMP', `${partition.name}: ${what}, and readers of what is committed do not see it`)
  }
}

function counts(truth: Truth, value: number): boolean {
  const decision = decisionAbout(truth, value)
  return decision === null || decision === true
}

/** How the transaction of a record is decided; null: it is in none; undefined: it is not decided yet. */
function decisionAbout({ transactions }: Truth, value: number): boolean | null | undefined {
  const transaction = transactions.byValue.get(value)
  return transaction === undefined ? null : decisionOf(transactions, transaction.producerId, transaction.producerEpoch)
}

/** By key: its newest record between the log start and the end, be it here or known from elsewhere. */
function newestOf(truth: Truth, partition: PartitionTruth, records: readonly SeenRecord[], end: number): Map<number, Newest> {
  const newest = new Map<number, Newest>()
  const note = (offset: number, value: number): void => {
    const key = truth.keyed.get(value)?.key
    if (key === undefined || offset >= end || offset < partition.startOffset || !counts(truth, value)) return
    if (offset > (newest.get(key)?.offset ?? -1)) newest.set(key, { offset, value })
  }
  partition.values.forEach((value, offset) => value !== undefined && note(offset, value))
  for (const { offset, value } of records) note(offset, value)
  return newest
}

function checkLag(truth: Truth, partition: PartitionTruth, present: ReadonlySet<number>, end: number, fail: (what: string) => void): void {
  const minLagMillis = partition.compaction?.minLagMillis ?? 0
  if (minLagMillis === 0) return
  for (let offset = partition.startOffset; offset < Math.min(end, partition.values.length); offset++) {
    const value = partition.values[offset]
    if (value === undefined || present.has(offset)) continue
    if (isTooEarly(truth, truth.keyed.get(value)?.atMicros ?? 0, minLagMillis)) fail(`${nameOf(value)} at ${offset} went too early`)
  }
}

/** Less time has passed than that. Where wall clocks are set, nobody can say. */
function isTooEarly({ world, hasClockSteps }: Truth, sinceMicros: number, millis: number): boolean {
  return !hasClockSteps && world.nowMicros - sinceMicros < millis * 1000
}
