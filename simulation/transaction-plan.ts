/**
 * Which seeds have transactions, and whose: producers that may share a transactional id, go on although they have a successor, or are silent for too long; and a
 * pipeline that reads one topic and writes another. A stream of its own: all that a seed decides beside this stays as it is.
 */
import { Random } from './random.ts'

/** A producer of transactions. */
export interface PlannedTransactionalProducer {
  readonly transactionalId: string
  readonly transactionTimeoutMillis: number
}

/** Members that read a topic, write one result for each record, and commit both in one transaction. */
export interface PlannedPipeline {
  readonly size: number
  /** A round is committed after so long. */
  readonly commitMillis: number
  /** Each life has a transactional id of its own; otherwise a member keeps one. */
  readonly hasFreshIds: boolean
  readonly transactionTimeoutMillis: number
}

/** The transactions of a run. */
export interface TransactionPlan {
  readonly producers: readonly PlannedTransactionalProducer[]
  /** Some of those that have a successor go on for a while. */
  readonly hasZombies: boolean
  /** Mean time between two deaths of one client. */
  readonly crashMillis: number
  /** Mean time between two transactions of one producer. */
  readonly pauseMillis: number
  readonly pipeline: PlannedPipeline | null
  /** They write to the topic that keeps the newest record of each key, too, if there is one. */
  readonly hasKeys: boolean
  /** They commit offsets of a group for which somebody commits without transactions. */
  readonly hasLedger: boolean
  /** Its producers live for a second or two, and what they have said first comes again later. */
  readonly isHasty: boolean
}

/** What the pipeline reads. */
export const PIPELINE_INPUT = 'orders'

/** What it writes. */
export const PIPELINE_OUTPUT = 'results'

/** The group of its members. */
export const PIPELINE_GROUP = 'pipeline'

/** The group for which offsets are committed in transactions, and without; nobody is in it. */
export const LEDGER_GROUP = 'ledger'

/** The topic whose offsets those are. */
export const LEDGER_TOPIC = 'orders'

/** Of so many seeds one has transactions. */
const SHARE = 3

/** In one of so many of those producers are hasty; they die after so long on average. */
const HASTY_SHARE = 4
const HASTY_CHOSEN = 3
const HASTY_MILLIS = 1500

/** The transactions of a seed; null: it has none. */
export function drawTransactions(seed: number, isCertain: boolean): TransactionPlan | null {
  const random = new Random(seed, 'pipeline')
  if (random.below(SHARE) > 0 && !isCertain) return null
  const isShared = random.below(4) === 0
  const producers = Array.from({ length: random.between(1, 3) }, (_, i) => ({
    transactionalId: `transfers-${isShared ? 0 : i}`,
    transactionTimeoutMillis: random.pick([400, 1500, 5000, 15_000]),
  }))
  const hasPipeline = random.below(4) > 0
  const mixture = drawMixture(seed)
  const pipeline = {
    size: random.between(1, 3),
    commitMillis: random.pick([50, 200, 1000]),
    hasFreshIds: random.below(2) === 0,
    transactionTimeoutMillis: random.pick([1000, 4000, 10_000]),
  }
  return {
    producers,
    hasZombies: random.below(2) === 0,
    crashMillis: Math.min(random.pick([4000, 12_000, 60_000]), mixture.isHasty ? HASTY_MILLIS : Infinity),
    pauseMillis: random.pick([100, 400, 1500]),
    pipeline: hasPipeline ? pipeline : null,
    ...mixture,
  }
}

/** What transactions have to do with what is written, and committed, without them; a stream of its own. */
function drawMixture(seed: number): Pick<TransactionPlan, 'hasKeys' | 'hasLedger' | 'isHasty'> {
  const random = new Random(seed, 'transactions/mixture')
  return {
    hasKeys: random.below(4) > 0,
    hasLedger: random.below(2) === 0,
    isHasty: new Random(seed, 'transactions/haste').below(HASTY_SHARE) === HASTY_CHOSEN,
  }
}

/** How many partitions and replicas the topic of the results has. */
export function drawOutput(seed: number, nodeCount: number): { readonly partitions: number; readonly replicationFactor: number } {
  const random = new Random(seed, 'pipeline/output')
  return { partitions: random.between(1, 2), replicationFactor: Math.min(nodeCount, random.pick([1, 2, 3, 3])) }
}
