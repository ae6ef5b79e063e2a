/**
 * Which seeds turn their table over: the compacted topic has many keys, most of which are written rarely and deleted often, and much is written to it; it is cleaned each time somebody looks, and its
 * replicas are away for as long as it takes to forget what they have missed. What is small elsewhere, one tombstone or one batch in a log, decides here. A stream of its own: what other seeds do stays as it is.
 */
import { Random } from './random.ts'

/** The table of a run, and what its replicas go through. */
export interface TurnoverPlan {
  readonly nodeCount: number
  readonly replicationFactor: number
  /** One in so many submissions, or writes of a transaction, goes to any topic, all others to the table. */
  readonly otherShare: number
  /** Keys that are written rarely. */
  readonly rareKeys: number
  /** One in so many records has one of them. */
  readonly rareShare: number
  /** Mean time between two submissions of one producer, at most. */
  readonly submitMillis: number
  /** One in so many of their records is a tombstone. */
  readonly tombstoneShare: number
  /** Segments are closed when they are so old. */
  readonly segmentMillis: number
  /** Mean time from one absence of a replica to the next. */
  readonly absenceMillis: number
  /** Cleanings take so many times as long as elsewhere. */
  readonly cleaningFactor: number
  /** Transactions write to the table, too. */
  readonly hasTransactions: boolean
}

/** Of so many seeds one is turned over. */
const SHARE = 8
const CHOSEN = 2

const NODES = [3, 4] as const

/** The table of a seed; null: it is not turned over. */
export function drawTurnover(seed: number, share: number = SHARE): TurnoverPlan | null {
  const random = new Random(seed, 'turnover')
  if (random.below(share) !== CHOSEN % share) return null
  return {
    nodeCount: random.between(...NODES),
    replicationFactor: random.between(2, 3),
    otherShare: random.pick([2, 4]),
    rareKeys: random.pick([20, 80, 200]),
    rareShare: random.pick([2, 4]),
    submitMillis: random.pick([80, 150, 300]),
    tombstoneShare: random.pick([2, 3]),
    segmentMillis: random.pick([300, 1000, 3000]),
    absenceMillis: random.pick([4000, 8000]),
    cleaningFactor: random.pick([1, 4, 16]),
    hasTransactions: random.below(2) === 0,
  }
}

/** What the topic is set to: enough of it is always due. */
export function turnoverConfigs({ segmentMillis }: TurnoverPlan, seed: number): Readonly<Record<string, unknown>> {
  const random = new Random(seed, 'turnover/configs')
  return {
    segmentMillis,
    flush: random.pick(['commit', 'os']),
    cleanupPolicy: random.pick(['compact', 'compact', 'compact,delete']),
    minCleanableDirtyRatio: 0,
    minCompactionLagMillis: 0,
    maxCompactionLagMillis: random.pick([1, 4000, Number.MAX_SAFE_INTEGER]),
    deleteRetentionMillis: random.pick([0, 0, 3000]),
  }
}
