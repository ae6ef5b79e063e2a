/**
 * What really happened, kept outside the actors: which value each offset of each partition was seen to have, what was acknowledged, and what a
 * power loss was allowed to take. Checkers compare what actors and clients say with it. A topic that is deleted and created again is another one:
 * the truth goes by topic id, and of a deleted topic nothing is promised.
 *
 * Values are unique numbers: the writer (one life of one producer) x 2^32 + a counter that grows with each record it submits.
 */
import type { FlushPolicy, TopicConfig } from '../protocol/topic-config.ts'
import type { Plan } from './plan.ts'
import { newTransactionsTruth } from './transactions-truth.ts'
import type { TransactionsTruth } from './transactions-truth.ts'
import type { World } from './world.ts'

/** Things that a weaker mode is allowed to do, or a damaged replica must, and that must be seen. */
export type Anomaly = 'unsyncedLost' | 'uncleanLost' | 'processedAgain' | 'zombieBelief' | 'positionReset' | 'leaderOnlyLost' | 'mended'

/** What is known of one partition, in one life of its topic. */
export interface PartitionTruth {
  readonly name: string
  readonly topicId: number
  /** The topic is deleted. */
  isOver: boolean
  readonly flush: FlushPolicy
  /** Set if of each key only the newest record is sure to stay; how long tombstones do, and how long nothing is compacted, in milliseconds. */
  readonly compaction: { readonly deleteRetentionMillis: number; readonly minLagMillis: number } | null
  /** Somebody who has fallen behind may lead it: then records are gone, and others take their offsets. */
  isUnclean: boolean
  /** By offset; holes are unknown. */
  readonly values: (number | undefined)[]
  readonly offsets: Map<number, number>
  /** One past the highest offset that a producer was told. */
  acknowledgedEnd: number
  /** One past the highest offset that any reader could have had. */
  exposedEnd: number
  /** The lowest offset that retention and deletions have left. */
  startOffset: number
  /** Everything below was deleted, and somebody was told so: it must not come back. */
  deletedOffset: number
  /** Values that were there when the log came to begin behind them. */
  readonly deletedValues: Set<number>
  /** Values that were acknowledged without being told where they are (duplicates beyond the broker's memory). */
  readonly unplaced: Set<number>
  /** Replicas that it was seen to have, at most. */
  replicaCount: number
  /** Which node leads, or led, in which leader epoch. */
  readonly leaders: Map<number, number>
  /** Since when, by leader epoch. */
  readonly ledSince: Map<number, number>
  /** By producer id: the last of its batches that is committed. */
  readonly numbers: Map<number, { readonly producerEpoch: number; readonly baseOffset: number }>
  /** Values that only a leader has acknowledged: it may take them with it. */
  readonly leaderOnly: Set<number>
  /** Set by a power loss where unsynced records may go: the end of what must be there again. -1 otherwise. */
  lossFloor: number
  /** By node that lost power last, and has been counted on ever since: where the synced part of its log ended then, in which partition epoch. */
  readonly keptEnds: Map<number, { readonly end: number; readonly partitionEpoch: number }>
  /** By node and the leader epoch that it knew: up to where its log was, durably. */
  readonly copiedEnds: Map<string, number>
  /** Offsets below were possibly lost in a power loss, and may have been given out again. */
  lossEnd: number
  lossAtMicros: number
}

/** A record of a compacted topic, as it was submitted. */
export interface KeyedTruth {
  readonly key: number
  readonly isTombstone: boolean
  readonly atMicros: number
}

/** The truth about a run. */
export interface Truth {
  readonly world: World
  /** What each producer of the plan asks for. */
  readonly acks: Plan['acks']
  /** One of them asks for a number of copies. */
  readonly countsCopies: boolean
  /** By name of the log directory: partition and topic id. */
  readonly partitions: Map<string, PartitionTruth>
  /** Copies that have lost files, or all of them, as `node/log`. */
  readonly lostLogs: Set<string>
  /** By node: the broker epoch in which it was registered last when it lost its directory, or a part of its registration. */
  readonly unknownEpochs: Map<number, number>
  /** Wall clocks are set now and then. */
  readonly hasClockSteps: boolean
  /** By value: the key that it was submitted for, and when. */
  readonly keyed: Map<number, KeyedTruth>
  readonly anomalies: Record<Anomaly, number>
  acknowledgedCount: number
  /** How much of the committed metadata has been looked at. */
  metadataOffset: number
  /** The epoch of the coordinator that had it. */
  metadataEpoch: number
  /** Who has been in sync, and not live, since nobody led, by topic id and partition. */
  readonly resting: Map<string, readonly number[]>
  /** By share group: the first record below an end that it has not done with, as far as anybody knows; null if there is none. */
  readonly acknowledgedBy: Map<string, (partition: PartitionTruth, end: number) => number | null>
  /** By group: one past the last record of a partition that it may have committed past; -1: none. */
  readonly committedEnds: Map<string, (partition: PartitionTruth) => number>
  /** Is told when a partition may have lost its end. */
  readonly onLoss: ((partition: PartitionTruth) => void)[]
  readonly transactions: TransactionsTruth
}

/** A writer is the index of its producer times this, and the number of its life. */
export const PRODUCER_LIVES_MAX = 10_000

/** Messages from before a power loss are no evidence for so long. */
const LOSS_GRACE_MICROS = 30_000_000

/** What is promised of a topic. */
type TruthConfig = Pick<
  TopicConfig,
  'flush' | 'uncleanLeaderElection' | 'cleanupPolicy' | 'deleteRetentionMillis' | 'minCompactionLagMillis'
>

/** Nothing has happened yet. */
export function newTruth(
  world: World,
  acks: Plan['acks'],
  { hasClockSteps = false, countsCopies = false }: Partial<Pick<Truth, 'hasClockSteps' | 'countsCopies'>> = {},
): Truth {
  return {
    world,
    acks,
    countsCopies,
    partitions: new Map(),
    lostLogs: new Set(),
    unknownEpochs: new Map(),
    hasClockSteps,
    keyed: new Map(),
    anomalies: noAnomalies(),
    acknowledgedCount: 0,
    metadataOffset: 0,
    metadataEpoch: -1,
    resting: new Map(),
    acknowledgedBy: new Map(),
    committedEnds: new Map(),
    onLoss: [],
    transactions: newTransactionsTruth(),
  }
}

/** None of them has happened. */
export function noAnomalies(): Record<Anomaly, number> {
  return { unsyncedLost: 0, uncleanLost: 0, processedAgain: 0, zombieBelief: 0, positionReset: 0, leaderOnlyLost: 0, mended: 0 }
}

/** The truth about a partition, begun when it is first heard of. */
export function partitionTruth(truth: Truth, name: string, topicId: number, config: TruthConfig): PartitionTruth {
  const known = lifeOf(truth, name, topicId)
  if (known !== undefined) return known
  const partition: PartitionTruth = {
    name,
    topicId,
    isOver: false,
    flush: config.flush,
    compaction: compactionOf(config),
    isUnclean: config.uncleanLeaderElection,
    values: [],
    offsets: new Map(),
    acknowledgedEnd: 0,
    exposedEnd: 0,
    startOffset: 0,
    deletedOffset: 0,
    deletedValues: new Set(),
    unplaced: new Set(),
    replicaCount: 1,
    leaders: new Map(),
    ledSince: new Map(),
    numbers: new Map(),
    leaderOnly: new Set(),
    lossFloor: -1,
    keptEnds: new Map(),
    copiedEnds: new Map(),
    lossEnd: 0,
    lossAtMicros: -1,
  }
  truth.partitions.set(`${name}.${topicId}`, partition)
  return partition
}

function compactionOf({ cleanupPolicy, deleteRetentionMillis, minCompactionLagMillis }: TruthConfig): PartitionTruth['compaction'] {
  return cleanupPolicy === 'delete' ? null : { deleteRetentionMillis, minLagMillis: minCompactionLagMillis }
}

/** What is known of a partition of the topic with that id; undefined if nothing is. */
export function lifeOf(truth: Truth, name: string, topicId: number): PartitionTruth | undefined {
  return truth.partitions.get(`${name}.${topicId}`)
}

/** What is known of a partition in all lives of its topic, oldest first; a node that comes late may make an old one known last. */
export function livesOf(truth: Truth, name: string): PartitionTruth[] {
  return [...truth.partitions.values()].filter((one) => one.name === name).toSorted((a, b) => a.topicId - b.topicId)
}

/** Somebody says that an offset has a value. `since` is when the saying began: what is older than a loss says nothing. */
export function place(truth: Truth, partition: PartitionTruth, offset: number, value: number, since: number, who: string): void {
  if (partition.isOver || (offset < partition.lossEnd && since < partition.lossAtMicros + LOSS_GRACE_MICROS)) return
  const known = partition.values[offset]
  if (known === value) return
  if (known !== undefined && !partition.isUnclean)
    return truth.world.fail('CHG', `${partition.name} offset ${offset} was ${nameOf(known)}, and ${who} says ${nameOf(value)}`)
  const elsewhere = partition.offsets.get(value)
  // Where a producer's records are deleted, a replica that is copied anew does not know its numbers (KIP-360): what was not answered may come again.
  const isThere = elsewhere !== undefined && elsewhere >= partition.startOffset
  if (isThere && !mayRepeat(truth, partition, value))
    return truth.world.fail('DUP', `${partition.name} has ${nameOf(value)} at ${elsewhere}, and ${who} at ${offset}`)
  partition.values[offset] = value
  partition.offsets.set(value, offset)
}

/**
 * Whether the writer of a value relies on one of several replicas. A leader that is lost takes such records with it, and with them the memory of
 * the producer's numbers: what is sent again may be there twice, and later than what follows it.
 */
export function isLeaderOnly({ acks }: Truth, partition: PartitionTruth, value: number): boolean {
  return partition.replicaCount > 1 && acks[producerOf(value)] === 'leader'
}

/** Whether a record may be in the log again, or out of its order: with records that may be lost goes what is known of their producer's numbers. */
export function mayRepeat(truth: Truth, partition: PartitionTruth, value: number): boolean {
  return partition.isUnclean || isLeaderOnly(truth, partition, value)
}

/** A producer was told that its records are in the log. */
export function acknowledge(truth: Truth, partition: PartitionTruth, baseOffset: number, values: readonly number[], since: number): void {
  truth.acknowledgedCount += values.length
  if (baseOffset < 0) {
    for (const value of values) partition.unplaced.add(value)
    return
  }
  if (baseOffset < partition.lossEnd && since < partition.lossAtMicros) return
  values.forEach((value, i) => place(truth, partition, baseOffset + i, value, since, 'an acknowledgement'))
  partition.acknowledgedEnd = Math.max(partition.acknowledgedEnd, baseOffset + values.length)
}

/** Somebody was told that everything below an offset is deleted. */
export function noteDeleted(truth: Truth, name: string, topicId: number, startOffset: number): void {
  const partition = lifeOf(truth, name, topicId)
  if (partition !== undefined) partition.deletedOffset = Math.max(partition.deletedOffset, startOffset)
}

/** A power loss has taken what was not synced, or somebody leads who had fallen behind: everything from `endOffset` on is unknown again. */
export function forgetFrom(truth: Truth, partition: PartitionTruth, endOffset: number): void {
  const oldEnd = Math.max(partition.values.length, partition.exposedEnd)
  partition.numbers.clear()
  if (endOffset < partition.acknowledgedEnd) truth.anomalies[partition.isUnclean ? 'uncleanLost' : 'unsyncedLost']++
  for (let offset = endOffset; offset < partition.values.length; offset++) {
    const value = partition.values[offset]
    if (value !== undefined) partition.offsets.delete(value)
  }
  if (partition.values.length > endOffset) partition.values.length = endOffset
  partition.acknowledgedEnd = Math.min(partition.acknowledgedEnd, endOffset)
  partition.exposedEnd = Math.min(partition.exposedEnd, endOffset)
  if (oldEnd <= endOffset) return
  partition.lossEnd = Math.max(partition.lossEnd, oldEnd)
  partition.lossAtMicros = truth.world.nowMicros
  for (const tell of truth.onLoss) tell(partition)
}

/** A value as people read it: writer and counter. */
export function nameOf(value: number): string {
  if (value < -1) return value % 2 === 0 ? 'the marker of an abort' : 'the marker of a commit'
  return `w${Math.floor(value / 0x1_0000_0000)}#${value % 0x1_0000_0000}`
}

/** The index of the producer that wrote a value. */
function producerOf(value: number): number {
  return Math.floor(value / 0x1_0000_0000 / PRODUCER_LIVES_MAX)
}
