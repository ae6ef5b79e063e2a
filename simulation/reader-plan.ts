/**
 * Which seeds have readers that process a topic as `consumer.process` does, and how: at most once, at least once, or effectively once (exactly once is the pipeline's, transaction-plan.ts).
 * They have a topic of their own, which nobody deletes, and a stream of their own: all that a seed decides beside this stays as it is.
 */
import { Random } from './random.ts'

/** In which order records are handled and committed. */
export type ReadMode = 'at-most-once' | 'at-least-once' | 'effectively-once'

/** The readers of a run. */
export interface ReaderPlan {
  readonly mode: ReadMode
  /** Members of the group. */
  readonly size: number
  readonly partitions: number
  readonly replicationFactor: number
  /** Records that are polled together, at most. */
  readonly pollRecordsMax: number
  /** A round is committed after so long. */
  readonly commitMillis: number
  /** Keys that a commit carries, for each partition. */
  readonly rememberedKeys: number
  /** Mean time between two deaths of a member. */
  readonly crashMillis: number
  /** Mean time between two batches that are written for them. */
  readonly pauseMillis: number
  /** There is always something to handle, and always somebody who comes or goes: a record takes so long at most, in microseconds, and members leave rather than die; null: not here. */
  readonly rushMicros: number | null
}

/** What they read. */
export const READER_TOPIC = 'letters'

/** Their group. */
export const READER_GROUP = 'readers'

/** Its settings: what is promised of it does not depend on faults. */
export const READER_CONFIGS: Readonly<Record<string, unknown>> = {
  segmentBytes: 16 * 1024,
  indexIntervalBytes: 512,
  flush: 'commit',
  retentionMillis: -1,
}

/** Of so many seeds one has readers. */
const SHARE = 4

/** Of so many seeds with readers, one has members that are never idle, and never stay. */
const RUSH_SHARE = 3

/** The readers of a seed; null: it has none. */
export function drawReaders(seed: number, nodeCount: number, isCertain: boolean): ReaderPlan | null {
  const random = new Random(seed, 'processing')
  if (random.below(SHARE) > 0 && !isCertain) return null
  const plan: ReaderPlan = {
    mode: random.pick<ReadMode>(['at-most-once', 'at-least-once', 'effectively-once']),
    size: random.between(1, 3),
    partitions: random.between(1, 3),
    replicationFactor: Math.min(nodeCount, random.pick([1, 2, 3, 3])),
    pollRecordsMax: random.pick([1, 5, 20]),
    commitMillis: random.pick([20, 100, 500]),
    rememberedKeys: random.pick([2, 8, 50]),
    crashMillis: random.pick([2000, 6000, 20_000]),
    pauseMillis: random.pick([30, 100, 300]),
    rushMicros: null,
  }
  return hurried(seed, plan)
}

function hurried(seed: number, plan: ReaderPlan): ReaderPlan {
  const random = new Random(seed, 'readers/crowd')
  if (random.below(RUSH_SHARE) !== 1) return plan
  return {
    ...plan,
    size: random.between(2, 3),
    partitions: random.between(3, 5),
    pollRecordsMax: random.pick([5, 20, 50]),
    commitMillis: random.pick([20, 100, 500]),
    crashMillis: random.pick([300, 1000]),
    pauseMillis: random.pick([10, 20]),
    rushMicros: random.pick([5000, 20_000]),
  }
}
