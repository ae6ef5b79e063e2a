/**
 * What is written to the topic that keeps the newest record of each key: few keys, some tombstones, and larger values than elsewhere, so that segments are full soon.
 */
import type { Random } from '../random.ts'
import { buildKeyedBatch } from '../records.ts'
import type { Truth } from '../truth.ts'

/** Keys of the topic. */
const KEYS = 12

/** In transactions there are so many others, which are written rarely: one in so many records has one of them. */
const RARE_KEYS = 60
const RARE_SHARE = 3

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
  const keyOf = (): number => (transactional && random.below(RARE_SHARE) === 0 ? KEYS + random.below(RARE_KEYS) : random.below(KEYS))
  const records = values.map((value) => ({ value, key: keyOf(), isTombstone: random.below(TOMBSTONE_SHARE) === 0 }))
  for (const { value, key, isTombstone } of records) keyed.set(value, { key, isTombstone, atMicros: world.nowMicros })
  return buildKeyedBatch(records, MORE_BYTES + sizeBytes, timestamp, transactional)
}
