/**
 * What a run simulates: how many nodes and clients, which topics, how fast. A seed draws it; options may fix parts of it.
 */
import { drawAmbushes } from './ambush-plan.ts'
import type { AmbushPlan } from './ambush-plan.ts'
import { drawCalm } from './calm-plan.ts'
import type { CalmPlan } from './calm-plan.ts'
import { drawClassic } from './classic-plan.ts'
import type { ClassicPlan } from './classic-plan.ts'
import { drawExiles } from './exile-plan.ts'
import { drawFaults, drawFaultsInSmall, noFaults } from './faults.ts'
import type { FaultOptions } from './faults.ts'
import type { Hardship } from './hardship-plan.ts'
import { drawGuests } from './guest-plan.ts'
import type { GuestPlan } from './guest-plan.ts'
import type { AssignorName } from '../protocol/messages/group.ts'
import type { Acks } from '../protocol/messages/produce.ts'
import { drawOrdeals } from './ordeal-plan.ts'
import type { Company, Ordeal, OrdealPlan } from './ordeal-plan.ts'
import { Random } from './random.ts'
import { drawReaders } from './reader-plan.ts'
import type { ReaderPlan } from './reader-plan.ts'
import { drawSharing } from './share-plan.ts'
import type { SharePlan } from './share-plan.ts'
import { drawSmall, drawSpecialInSmall, inSmall, isRisky, SMALL_SECONDS } from './small-plan.ts'
import type { Small } from './small-plan.ts'
import { drawOutput, drawTransactions, PIPELINE_OUTPUT } from './transaction-plan.ts'
import type { TransactionPlan } from './transaction-plan.ts'
import { drawTurnover, turnoverConfigs } from './turnover-plan.ts'
import type { TurnoverPlan } from './turnover-plan.ts'

/** A topic of the run. */
export interface PlannedTopic {
  readonly name: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly configs: Readonly<Record<string, unknown>>
}

/** The highest rates of a run, in bytes per second; low enough that the clients would like more. */
export interface PlannedQuota {
  readonly producerByteRate: number
  readonly consumerByteRate: number
  /** In per cent of a thread; null: the time of requests is not limited. */
  readonly requestPercentage: number | null
  /** It is that of any client id without one of its own. */
  readonly isDefault: boolean
}

/** One run, before it begins. */
export interface Plan extends SharePlan {
  readonly seed: number
  /** How long faults strike and producers produce. */
  readonly seconds: number
  readonly nodeCount: number
  readonly topics: readonly PlannedTopic[]
  readonly producerCount: number
  /** What each producer asks for. */
  readonly acks: readonly Acks[]
  /** The second one asks for a number of copies, another one for each batch: it relies on them no more than on a leader. */
  readonly countsCopies: boolean
  /** How large a batch may be is among the settings that topics are given: producers split what is too large. */
  readonly hasLimits: boolean
  /** They change every second. */
  readonly changesLimits: boolean
  /** What consumers read in the file of a leader is not what it should be, now and then, although nothing is wrong with the file. */
  readonly hasDoubts: boolean
  readonly groupSize: number
  /** By member: the instance id under which it comes back (KIP-345); null: each life is another member. */
  readonly instanceIds: readonly (string | null)[]
  /** By member: it subscribes to a pattern that matches all topics, not to their names. */
  readonly hasPattern: readonly boolean[]
  /** What all members wish for; null: each has another wish. */
  readonly assignor: AssignorName | null
  readonly offsetsRetentionMillis: number
  /** Mean time between two submissions of one producer. */
  readonly submitMillis: number
  /** How often a producer submits something of its own accord, at most. */
  readonly submissionsMax: number
  readonly deliveryTimeoutMillis: number
  /** In a quarter of the runs the first producer and the reader are limited, and all clients where there are guests; null: nobody is. */
  readonly quota: PlannedQuota | null
  readonly transactions: TransactionPlan | null
  /** Their topic is not among the others. */
  readonly readers: ReaderPlan | null
  readonly classic: ClassicPlan | null
  readonly guests: GuestPlan | null
  readonly ordeals: OrdealPlan | null
  readonly ambushes: AmbushPlan | null
  /** What becomes of the table; null: it is written to as any other topic. */
  readonly turnover: TurnoverPlan | null
  /** What happens when everything has come to its end; null: nothing. */
  readonly calm: CalmPlan | null
  /** A node that coordinates groups is cut off with some of their members, now and then. */
  readonly exiles: boolean
  /** In small only. */
  readonly hardships: readonly Hardship[]
  readonly faults: FaultOptions
  /** Disks are harmed beyond what the atlas allows: only recovery is promised. */
  readonly isBeyond: boolean
}

/** What a caller may fix. */
export interface PlanOptions {
  readonly seconds?: number
  /** No faults: a quiet run. */
  readonly quiet?: boolean
  /** Harm to disks without the bounds of the atlas, and more of it. */
  readonly beyond?: boolean
  /** A cluster in small. */
  readonly small?: boolean
}

/** Virtual seconds of a run unless somebody says otherwise. */
export const DEFAULT_SECONDS = 60

/** Small segments, so that they roll. */
const SEGMENT_BYTES = 16 * 1024

/** A topic that would rather lose records than be offline. */
const RISKY = { segmentBytes: SEGMENT_BYTES, flush: 'commit', retentionMillis: -1, minInsyncReplicas: 1, uncleanLeaderElection: true }

/** What is old goes, or what is too much. */
const RECENT = { flushIntervalMillis: 500, retentionMillis: 30_000, retentionBytes: 40_000 }

/** The group that nobody is in: somebody commits for it from outside. */
export const OUTSIDE_GROUP = 'audit'

/** The group that the members of a run are in. */
export const INSIDE_GROUP = 'billing'

/** The share group of a run. */
export const SHARE_GROUP = 'workers'
/** The topic that it reads, beside the one whose records go once it has done with them. */
const SHARED_TOPIC = 'orders'

/** Partitions of each topic of coordinators. */
export const COORDINATOR_PARTITIONS = 2

/** The topic that keeps the newest record of each key. */
export const TABLE = 'table'

/** Replicas of a topic; where nodes have too much to do, more have one alone: only that takes back what it could not write. */
const FACTORS = [1, 2, 3, 3] as const
const LONELY_FACTORS = [1, 1, 2, 3] as const

function drawFactor(random: Random, nodeCount: number, { isStrained }: Pick<Certain, 'isStrained'>): number {
  return Math.min(nodeCount, random.pick(isStrained ? LONELY_FACTORS : FACTORS))
}

/** What is compacted is compacted as soon as somebody looks. */
const TIDY = { minCleanableDirtyRatio: 0, minCompactionLagMillis: 0, maxCompactionLagMillis: 1, deleteRetentionMillis: 0 }

/** Of so many seeds one has a producer that asks for a number of copies. */
const COPIES_SHARE = 10

/** Of so many seeds without transactions one has topics that take smaller batches than before, now and then. */
const LIMITS_SHARE = 12

/** Of so many of them one has topics whose limits change every second. */
const CHANGES_SHARE = 10
const CHANGES_CHOSEN = 6

/** Of so many seeds one has consumers that doubt what they read. */
const DOUBTS_SHARE = 10

/** What only some seeds have, and no quiet one. */
export type Special = Pick<Plan, 'ordeals' | 'ambushes' | 'turnover' | 'calm' | 'hardships'>

function drawSpecial(seed: number, { quiet }: PlanOptions, small: Small | null): Special {
  if (quiet === true) return { ordeals: null, ambushes: null, turnover: null, calm: null, hardships: [] }
  if (small !== null) return drawSpecialInSmall(seed, small)
  return { ordeals: drawOrdeals(seed), ambushes: drawAmbushes(seed), turnover: drawTurnover(seed), calm: drawCalm(seed), hardships: [] }
}

/** What a run has for certain, because it has ordeals, or its table is turned over. */
interface Certain {
  readonly has: (part: Company) => boolean
  readonly isTidy: boolean
  readonly isStrained: boolean
  readonly turnover: TurnoverPlan | null
}

function certainOf({ ordeals, turnover }: Special, cast: Small['cast'] | undefined): Certain {
  const kinds = ordeals?.kinds ?? []
  const company = new Set<Small['cast']>([...(ordeals?.company ?? []), ...(cast === undefined ? [] : [cast])])
  if (turnover !== null) company.add('table')
  if (turnover?.hasTransactions === true) company.add('transactions')
  return { has: (part) => company.has(part), isTidy: kinds.includes('tidiness'), isStrained: kinds.includes('strain'), turnover }
}

/** What happens to disks beyond the atlas, beside everything else. */
const HARM = { bitRot: 5000, droppedWrite: 8000, misdirectedWrite: 8000, lostFile: 12_000, wipe: 20_000, lostLog: 15_000, powerLoss: 9000 }

/** What holds beyond the atlas, where records may be gone: nobody fails, the metadata, which have a disk of their own, are what they were, and in the end everything works again. */
export const RECOVERY: ReadonlySet<string> = new Set(['ASSERT', 'LIVE', 'LOSS', 'DET', 'DIV', 'META', '2LDR', 'EPO'])

/** Disks whose power flickers lose what was not synced; where everything is cleaned, some of it rots. */
function withOrdeals(faults: FaultOptions, ordeals: OrdealPlan | null, beyond = false): FaultOptions {
  const has = (kind: Ordeal): boolean => ordeals?.kinds.includes(kind) === true
  return {
    ...faults,
    ...(has('flicker') || has('tidiness') ? { renameLost: 700_000, tornWrite: 700_000 } : {}),
    ...(has('tidiness') ? { bitRot: 5000 } : {}),
    ...(has('hiccup') ? { deleteRecords: 3000 } : {}),
    ...(has('hiccup') || has('haste') ? { tornWrite: 900_000 } : {}),
    ...(has('flicker') ? { deleteRecords: 3000 } : {}),
    ...(beyond ? HARM : {}),
  }
}

/** In half of the runs offsets of groups expire that nobody has used for so long. */
const OFFSETS_RETENTION_MILLIS = 20_000

/** In half of the runs, a topic whose records go once they are consumed. */
function drawQueue(seed: number, nodeCount: number, certain: Certain): PlannedTopic[] {
  const random = new Random(seed, 'queue')
  if (random.below(2) === 0 && !certain.has('queue')) return []
  const deleteOnceConsumedBy = random.pick([[INSIDE_GROUP], [INSIDE_GROUP, OUTSIDE_GROUP], [INSIDE_GROUP, OUTSIDE_GROUP]])
  const isShared = drawSharing(seed, certain.has('sharers')).sharerCount > 0
  const groups = { deleteOnceConsumedBy, ...(isShared ? { deleteOnceAcknowledgedBy: [SHARE_GROUP] } : {}) }
  const configs = { segmentBytes: SEGMENT_BYTES, indexIntervalBytes: 512, flush: 'commit', ...groups }
  return [
    {
      name: 'queue',
      partitions: random.between(1, 2),
      replicationFactor: drawFactor(random, nodeCount, certain),
      configs,
    },
  ]
}

/** The topic of the results, if there is a pipeline. */
function drawResults(seed: number, nodeCount: number, transactions: TransactionPlan | null): PlannedTopic[] {
  if (transactions === null || transactions.pipeline === null) return []
  const configs = { segmentBytes: SEGMENT_BYTES, indexIntervalBytes: 512, flush: 'commit', retentionMillis: -1 }
  return [{ name: PIPELINE_OUTPUT, ...drawOutput(seed, nodeCount), configs }]
}

/** In a third of the runs, a topic that keeps the newest record of each key. */
function drawTable(seed: number, nodeCount: number, { has, isTidy, turnover }: Certain): PlannedTopic[] {
  const random = new Random(seed, 'table')
  if (random.below(3) > 0 && !has('table')) return []
  const configs = {
    segmentBytes: SEGMENT_BYTES,
    indexIntervalBytes: 512,
    flush: random.pick(['commit', 'commit', 'os']),
    cleanupPolicy: random.pick(['compact', 'compact', 'compact,delete']),
    retentionMillis: 40_000,
    minCleanableDirtyRatio: random.pick([0, 0.3]),
    minCompactionLagMillis: random.pick([0, 0, 4000]),
    maxCompactionLagMillis: random.pick([10_000, 30_000, Number.MAX_SAFE_INTEGER]),
    deleteRetentionMillis: random.pick([0, 3000, 12_000]),
    ...(isTidy ? TIDY : {}),
    ...(turnover === null ? {} : turnoverConfigs(turnover, seed)),
  }
  const replicationFactor = turnover?.replicationFactor ?? random.pick([1, 2, 3, 3])
  return [{ name: TABLE, partitions: 1, replicationFactor: Math.min(nodeCount, replicationFactor), configs }]
}

/** In half of the runs members are static; in some of those two have the same instance id, so that one of them must wait. */
function drawInstances(seed: number, groupSize: number): (string | null)[] {
  const random = new Random(seed, 'instances')
  const isStatic = random.below(2) === 0
  const isShared = random.below(4) === 0
  return Array.from({ length: groupSize }, (_, i) => (isStatic ? `instance-${isShared && i === 1 ? 0 : i}` : null))
}

/** In a quarter of the runs members subscribe to a pattern, in another quarter some do; in half of the runs they wish for an assignor. */
function drawWishes(seed: number, groupSize: number): Pick<Plan, 'hasPattern' | 'assignor'> {
  const random = new Random(seed, 'wishes')
  const share = random.pick([0, 0, 1, 2])
  const hasPattern = Array.from({ length: groupSize }, () => random.below(2) < share)
  return { hasPattern, assignor: random.pick<AssignorName | null>(['uniform', 'uniform', 'uniform', 'range', 'round-robin', null]) }
}

/** Draws by itself, so that runs without quotas are what they were before there were any. */
function drawQuota(seed: number): PlannedQuota | null {
  const random = new Random(seed, 'quota')
  if (random.below(4) > 0) return null
  const producerByteRate = random.pick([400, 800, 1600])
  const rates = { producerByteRate, consumerByteRate: producerByteRate * random.pick([1, 2, 4]) }
  const requestPercentage = new Random(seed, 'quota/requests').pick([null, null, 0.05, 0.1])
  return { ...rates, requestPercentage, isDefault: random.below(2) === 0 }
}

/** What the share group of a run reads. */
export function sharedTopics({ topics }: Plan): string[] {
  return topics.filter(({ name, configs }) => name === SHARED_TOPIC || 'deleteOnceAcknowledgedBy' in configs).map(({ name }) => name)
}

/** The nodes that have a coordinator: three, if there are so many; otherwise one. */
export function votersOf({ nodeCount }: Plan): number[] {
  return nodeCount < 3 ? [0] : [0, 1, 2]
}

function drawNodeCount(random: Random, { ordeals, turnover }: Special, small: Small | null): number {
  const drawn = small?.nodeCount ?? random.between(1, 5)
  return ordeals?.nodeCount ?? turnover?.nodeCount ?? drawn
}

function drawAcks(seed: number, random: Random, { quiet }: PlanOptions): Pick<Plan, 'acks' | 'countsCopies'> {
  const countsCopies = quiet !== true && new Random(seed, 'copies').below(COPIES_SHARE) === COPIES_SHARE - 1
  const drawn = random.pick<Acks>(['quorum', 'leader'])
  return { acks: ['quorum', countsCopies ? 'leader' : drawn, 'quorum'], countsCopies }
}

function drawLimits(seed: number, isOut: boolean): Pick<Plan, 'hasLimits' | 'changesLimits'> {
  const changesLimits = !isOut && new Random(seed, 'limits/eager').below(CHANGES_SHARE) === CHANGES_CHOSEN
  return { hasLimits: changesLimits || (!isOut && new Random(seed, 'limits').below(LIMITS_SHARE) === 2), changesLimits }
}

/** Segments of most topics. */
const SMALL = { segmentBytes: SEGMENT_BYTES, indexIntervalBytes: 512 }

/** The plan of a seed. */
export function drawPlan(seed: number, options: PlanOptions = {}): Plan {
  const random = new Random(seed, 'plan')
  const small = options.small === true ? drawSmall(seed) : null
  const special = drawSpecial(seed, options, small)
  const { ordeals, turnover } = special
  const certain = certainOf(special, small?.cast)
  const nodeCount = drawNodeCount(random, special, small)
  const replicationFactor = (): number => drawFactor(random, nodeCount, certain)
  const orders = { name: 'orders', partitions: random.between(1, 3), replicationFactor: replicationFactor() }
  const ordered = { ...SMALL, flush: 'commit', retentionMillis: -1, minInsyncReplicas: random.pick([-1, 1]) }
  const clicks = { name: 'clicks', partitions: random.between(1, 2), replicationFactor: replicationFactor() }
  const clicked = { ...SMALL, flush: 'os', retentionMillis: -1 }
  const topics: PlannedTopic[] = [
    { ...orders, configs: ordered },
    { ...clicks, configs: clicked },
  ]
  if (random.below(2) === 0) {
    const configs = { ...SMALL, flush: random.pick(['commit', 'interval']), ...RECENT }
    topics.push({ name: 'recent', partitions: 1, replicationFactor: replicationFactor(), configs })
  }
  const drawn = options.quiet === true ? noFaults() : small === null ? drawFaults(seed) : drawFaultsInSmall(seed, isRisky(small) ? 1 : 0)
  const faults = options.quiet === true ? drawn : withOrdeals(drawn, ordeals, options.beyond)
  if (faults.uncleanElection > 0) topics.push({ name: 'risky', partitions: 1, replicationFactor: replicationFactor(), configs: RISKY })
  const transactions = drawTransactions(seed, certain.has('transactions'))
  topics.push(...drawQueue(seed, nodeCount, certain), ...drawTable(seed, nodeCount, certain), ...drawResults(seed, nodeCount, transactions))
  const producerCount = random.between(2, 3)
  const asked = drawAcks(seed, random, options)
  const groupSize = random.between(2, 3)
  const guests = drawGuests(seed)
  const exiles = options.quiet !== true && drawExiles(seed, nodeCount)
  const plan: Plan = {
    seed,
    seconds: options.seconds ?? (small === null ? DEFAULT_SECONDS : SMALL_SECONDS),
    nodeCount,
    topics,
    producerCount,
    ...asked,
    hasDoubts: options.quiet !== true && new Random(seed, 'doubts').below(DOUBTS_SHARE) === 3,
    ...drawLimits(seed, transactions !== null || options.quiet === true),
    groupSize,
    instanceIds: drawInstances(seed, groupSize),
    ...drawWishes(seed, groupSize),
    offsetsRetentionMillis: new Random(seed, 'offsetsRetention').pick([-1, OFFSETS_RETENTION_MILLIS]),
    ...drawSharing(seed, certain.has('sharers')),
    submitMillis: Math.min(random.pick([150, 300, 600, 1200]), turnover?.submitMillis ?? Infinity),
    submissionsMax: Number.MAX_SAFE_INTEGER,
    deliveryTimeoutMillis: random.pick([1000, 4000, 15_000]),
    quota: drawQuota(seed) ?? guests?.quota ?? null,
    transactions,
    readers: drawReaders(seed, nodeCount, certain.has('readers') || exiles),
    classic: drawClassic(seed, certain.has('classic') || exiles),
    guests,
    ...special,
    exiles,
    faults,
    isBeyond: options.beyond === true,
  }
  return small === null ? plan : inSmall(plan, small)
}
