/**
 * Clusters in small: one cast of clients, what they need and nothing else, three nodes mostly, and a few seconds of trouble in quick succession. Most bugs show in a small instance, if all small ones are
 * tried (the small-scope hypothesis: Jackson, "Software Abstractions", 2006); and of these there are about ten in the time that a whole cluster takes. They are drawn as whole ones are, and then made smaller.
 */
import { drawAmbushes } from './ambush-plan.ts'
import { drawCalm } from './calm-plan.ts'
import { drawHardships, withLaterHardships } from './hardship-plan.ts'
import type { Company } from './ordeal-plan.ts'
import { drawOrdealsInSmall, withProofs } from './ordeal-plan.ts'
import type { Plan, PlannedTopic, Special } from './plan.ts'
import { Random } from './random.ts'
import { PIPELINE_OUTPUT } from './transaction-plan.ts'
import { drawTurnover } from './turnover-plan.ts'

/** Who is there, beside a producer and one that reads everything. */
export type Cast = Company | 'log' | 'group'

/** A small cluster, before it is drawn. */
export interface Small {
  readonly cast: Cast
  readonly nodeCount: number
  /** Of those that only write and read. */
  readonly log: string
}

/** Virtual seconds of trouble of a small run unless somebody says otherwise. */
export const SMALL_SECONDS = 15

/** Nobody but a producer and a reader is the most frequent cast: what replicas, brokers and coordinators do is done there, too. */
const CASTS: readonly Cast[] = [
  'log',
  'log',
  'log',
  'log',
  'table',
  'table',
  'queue',
  'queue',
  'group',
  'classic',
  'classic',
  'readers',
  'transactions',
  'sharers',
]

/** Alone, a node has nobody to disagree with. */
const NODES: readonly number[] = [1, 2, 3, 3, 3, 3, 3, 3]

/** Of so many small clusters one has ordeals, one ambushes, and one a table that is turned over, if it has one. */
const ORDEALS_SHARE = 2
const AMBUSHES_SHARE = 3
const TURNOVER_SHARE = 2

/** Of so many groups one is exiled with its coordinator, now and then. */
const EXILES_SHARE = 4

/** Segments are closed when they are so old, in milliseconds; null: when they are full, which few are in so short a time. */
const SEGMENT_MILLIS: readonly (number | null)[] = [200, 1000, 3000, null]

/** Mean time between two submissions of a producer, in milliseconds. */
const SUBMIT_MILLIS: readonly number[] = [60, 150, 400]

/** What is old goes, or what is too much, while somebody looks. */
const HASTY: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  recent: { flushIntervalMillis: 200, retentionMillis: 3000, retentionBytes: 6000 },
  risky: { retentionBytes: 6000 },
}

/** What other casts have. */
const TOPICS: Readonly<Record<Exclude<Cast, 'log'>, readonly string[]>> = {
  table: ['table'],
  queue: ['queue'],
  group: ['orders', 'clicks'],
  classic: ['orders', 'clicks'],
  readers: ['orders'],
  transactions: ['orders', PIPELINE_OUTPUT],
  sharers: ['orders'],
}

/** One of these topics is the log of those that only write and read. */
const LOGS: readonly string[] = ['orders', 'orders', 'clicks', 'recent', 'recent', 'risky']

/** Which small cluster a seed is. */
export function drawSmall(seed: number): Small {
  const random = new Random(seed, 'small')
  return { cast: random.pick(CASTS), nodeCount: random.pick(NODES), log: random.pick(LOGS) }
}

/** Whether its topic may elect a leader that has fallen behind. */
export function isRisky({ cast, log }: Small): boolean {
  return cast === 'log' && log === 'risky'
}

/** What else a small cluster has. */
export function drawSpecialInSmall(seed: number, { cast, nodeCount }: Small): Special {
  const turnover = cast === 'table' ? drawTurnover(seed, TURNOVER_SHARE) : null
  const hasMembers = cast === 'group' || cast === 'classic'
  const ordeals = drawOrdealsInSmall(seed, ORDEALS_SHARE, cast)
  return {
    ordeals: withProofs(seed, ordeals === null ? null : { ...ordeals, nodeCount: Math.max(2, nodeCount), company: [] }),
    ambushes: drawAmbushes(seed, AMBUSHES_SHARE),
    turnover: turnover === null ? null : { ...turnover, nodeCount: 3 },
    calm: hasMembers ? drawCalm(seed) : null,
    hardships: withLaterHardships(seed, cast, drawHardships(seed, cast)),
  }
}

/** What is left of a plan where only one cast is there. */
export function inSmall(plan: Plan, { cast, log }: Small): Plan {
  const random = new Random(plan.seed, 'small/rest')
  const isGroup = cast === 'group' || cast === 'queue'
  return withRelics({
    ...plan,
    topics: topicsOf(plan, cast === 'log' ? [log] : TOPICS[cast], random),
    producerCount: cast === 'log' || cast === 'table' ? plan.producerCount - 1 : 1,
    groupSize: isGroup ? plan.groupSize : 0,
    sharerCount: cast === 'sharers' || cast === 'queue' ? plan.sharerCount : 0,
    shareQuota: null,
    shareSuccession: cast === 'sharers' ? plan.shareSuccession : null,
    quota: null,
    transactions: cast === 'transactions' ? plan.transactions : ofTable(plan),
    readers: cast === 'readers' ? plan.readers : null,
    classic: cast === 'classic' ? ofSize(plan.classic, random) : null,
    guests: null,
    hasLimits: plan.hasLimits && cast !== 'table',
    changesLimits: plan.changesLimits && cast !== 'table',
    exiles: plan.nodeCount > 2 && (isGroup || cast === 'classic') && random.below(EXILES_SHARE) === 0,
    offsetsRetentionMillis: -1,
    submitMillis: random.pick(SUBMIT_MILLIS),
  })
}

/** Where there are relics (relics.ts), the first group alone says what may go, and no leader waits for the disk of another node. */
function withRelics(plan: Plan): Plan {
  if (!plan.hardships.includes('relic')) return plan
  const topics = plan.topics.map((topic) => {
    const { deleteOnceConsumedBy: groups, deleteOnceAcknowledgedBy: _, ...configs } = topic.configs
    if (!Array.isArray(groups)) return topic
    return { ...topic, replicationFactor: 1, configs: { ...configs, deleteOnceConsumedBy: groups.slice(0, 1) } }
  })
  return { ...plan, topics, sharerCount: 0 }
}

/** Transactions that write to the table alone; null: there are none. */
function ofTable({ transactions, turnover }: Plan): Plan['transactions'] {
  if (transactions === null || turnover?.hasTransactions !== true) return null
  return { ...transactions, pipeline: null, hasLedger: false, hasKeys: true }
}

/** One in so many classic groups has one member, who never waits for others. */
const ALONE_SHARE = 4

function ofSize(classic: Plan['classic'], random: Random): Plan['classic'] {
  if (classic === null || random.below(ALONE_SHARE) > 0) return classic
  return { ...classic, assignors: classic.assignors.slice(0, 1), hasPattern: classic.hasPattern.slice(0, 1) }
}

function topicsOf({ topics }: Plan, names: readonly string[], random: Random): PlannedTopic[] {
  const found = topics.filter(({ name }) => names.includes(name))
  const kept = found.length > 0 ? found : topics.slice(0, 1)
  const partitionsMax = names.length === 1 ? 1 : 2
  const segmentMillis = random.pick(SEGMENT_MILLIS)
  return kept.map((topic) => {
    const configs = { ...(segmentMillis === null ? {} : { segmentMillis }), ...topic.configs, ...HASTY[topic.name] }
    return { ...topic, configs, partitions: Math.min(topic.partitions, partitionsMax) }
  })
}
