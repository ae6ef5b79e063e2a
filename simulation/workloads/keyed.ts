/**
 * What is written to the topic that keeps the newest record of each key: few keys, some tombstones, and larger values than elsewhere, so that segments are full soon.
 */
import type { Random } from '../random.ts'
import { buildKeyedBatch } from '../records.ts'
import type { Truth } from '../truth.ts'

/** Keys of the topic. */
const KEYS = 12

/** One in so many records is a tombstone. */
const TOMBSTONE_SHARE = 5

/** Values are so much larger, in bytes. */
const MORE_BYTES = 400

/** How a batch is made. */
export interface KeyedBatch {
  readonly sizeBytes: number
  readonly timestamp: number
  readonly transactional: boolean
}

/** One batch with these values, whose keys are drawn and noted. */
export function keyedBatch(
  { keyed, world }: Truth,
  random: Random,
  values: readonly number[],
  { sizeBytes, timestamp, transactional }: KeyedBatch,
): Uint8Array {
  const records = values.map((value) => ({ value, key: random.below(KEYS), isTombstone: random.below(TOMBSTONE_SHARE) === 0 }))
  for (const { value, key, isTombstone } of records) keyed.set(value, { key, isTombstone, atMicros: world.nowMicros })
  return buildKeyedBatch(records, MORE_BYTES + sizeBytes, timestamp, transactional)
}
