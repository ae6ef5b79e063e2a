/**
 * What is written to the topic that keeps the newest record of each key: few keys, some tombstones, and larger values than elsewhere, so that segments are full soon.
 */
import type { Cluster } from '../cluster.ts'
import { TABLE } from '../plan.ts'
import type { PlannedTopic } from '../plan.ts'
import { Random } from '../random.ts'
import type { TurnoverPlan } from '../turnover-plan.ts'
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
  readonly turnover: TurnoverPlan | null
}

/** One batch with these values, whose keys are drawn and noted. */
export function keyedBatch(
  { keyed, world }: Truth,
  random: Random,
  values: readonly number[],
  { sizeBytes, timestamp, transactional, turnover }: KeyedBatch,
): Uint8Array {
  const rareKeys = turnover?.rareKeys ?? RARE_KEYS
  const rareShare = turnover?.rareShare ?? RARE_SHARE
  const tombstoneShare = turnover?.tombstoneShare ?? TOMBSTONE_SHARE
  const keyOf = (): number =>
    (transactional || turnover !== null) && random.below(rareShare) === 0 ? KEYS + random.below(rareKeys) : random.below(KEYS)
  const records = values.map((value) => ({ value, key: keyOf(), isTombstone: random.below(tombstoneShare) === 0 }))
  for (const { value, key, isTombstone } of records) keyed.set(value, { key, isTombstone, atMicros: world.nowMicros })
  return buildKeyedBatch(records, MORE_BYTES + sizeBytes, timestamp, transactional)
}

/** Where the table is turned over, most of what a client writes goes there. */
export class Turns {
  readonly #random: Random
  readonly #share: number
  readonly #table: PlannedTopic | undefined

  constructor({ plan, world }: Cluster, purpose: string) {
    this.#random = new Random(world.seed, `turnover/${purpose}`)
    this.#share = plan.turnover?.otherShare ?? 0
    this.#table = plan.topics.find(({ name }) => name === TABLE)
  }

  /** The topic that was drawn, or the table. */
  turn(drawn: PlannedTopic): PlannedTopic {
    return this.#table === undefined || this.#share === 0 || this.#random.below(this.#share) === 0 ? drawn : this.#table
  }
}
