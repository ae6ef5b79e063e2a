/**
 * A run as data that a page can show: who lived when, what was said to whom, what struck, who led which partition up to where, and what became of transactions.
 * Times are virtual microseconds. What there are many of lies in columns, and texts that come again are kept once: `actors`, `kinds` and `bodies` are indexed.
 */
import type { DeathKind, TransactionStage } from '../onlooker.ts'
import type { Family } from './families.ts'

/** A time from its begin up to its end; `end` -1: it lasts to the end of the run. */
export interface Span {
  readonly begin: number
  readonly end: number
}

/** One life of a host. */
export interface Life extends Span {
  readonly host: number
  /** Null: it lives on. */
  readonly how: DeathKind | null
}

/** A node, or a client with all hosts that it had: each of its lives is another one. */
export interface Lane {
  readonly name: string
  readonly isNode: boolean
  readonly lives: readonly Life[]
  readonly pauses: readonly Span[]
  readonly notes: readonly { readonly at: number; readonly text: string }[]
}

/** Messages between hosts, in the order in which they were sent. */
export interface Flights {
  readonly sentAt: readonly number[]
  /** How long it took, if it came, or until it was known that nobody hears it; -1 while it is under way. */
  readonly took: readonly number[]
  readonly from: readonly number[]
  readonly to: readonly number[]
  readonly fromActor: readonly number[]
  readonly toActor: readonly number[]
  readonly kind: readonly number[]
  readonly body: readonly number[]
  /** Index in `FATES`. */
  readonly fate: readonly number[]
  /** Index in `COPIES`. */
  readonly copy: readonly number[]
}

/** What became of a message. */
export const FATES = ['under way', 'arrived', 'lost', 'unheard'] as const

/** Which copy of a message it is. */
export const COPIES = ['sent', 'twice', 'replay'] as const

/** What actors were told on their own host: by others there, by the disk, by timers. */
export interface Steps {
  readonly at: readonly number[]
  readonly host: readonly number[]
  readonly fromActor: readonly number[]
  readonly toActor: readonly number[]
  readonly kind: readonly number[]
  readonly body: readonly number[]
}

/** A fault that struck. */
export interface Fault extends Span {
  readonly kind: string
  readonly hosts: readonly number[]
  readonly text: string
}

/** A node leads a partition. */
export interface Reign extends Span {
  readonly node: number
  readonly epoch: number
  readonly isr: readonly number[]
}

/** How far a replica is; in columns, by time. */
export interface ReplicaProgress {
  readonly node: number
  readonly at: readonly number[]
  /** -1: it is not known, for the log is not open. */
  readonly highWatermark: readonly number[]
  readonly logEnd: readonly number[]
}

/** What became of a partition; one that is deleted and created again is the same here. */
export interface PartitionHistory {
  readonly name: string
  readonly reigns: readonly Reign[]
  readonly replicas: readonly ReplicaProgress[]
}

/** A transaction, as its client has it. */
export interface TransactionHistory {
  readonly transactionalId: string
  readonly name: string
  readonly host: number
  readonly stages: readonly { readonly at: number; readonly stage: TransactionStage }[]
}

/** What a transactor knows of a transactional id, from then on. */
export interface Decision {
  readonly at: number
  readonly transactionalId: string
  readonly node: number
  readonly state: string
  readonly producerEpoch: number
}

/** The promise that was broken. */
export interface ViolationMark {
  readonly code: string
  readonly message: string
  readonly at: number
  /** Whoever had the last word before; -1 or below: a client. Null: nobody. */
  readonly host: number | null
}

/** What the head of the page says. */
export interface TimelineHead {
  readonly seed: number
  readonly commit: string
  readonly mutant: string | null
  /** What is left of the seed; null: it is the whole run. */
  readonly keep: string | null
  /** In words: why this run is shown. */
  readonly what: string
  /** Runs it again. */
  readonly command: string
  /** As a report of this run alone has it. */
  readonly hash: string
}

/** One run. */
export interface Timeline {
  readonly head: TimelineHead
  readonly end: number
  /** Faults strike up to then. */
  readonly healedAt: number
  readonly lanes: readonly Lane[]
  readonly actors: readonly string[]
  readonly kinds: readonly { readonly name: string; readonly family: Family }[]
  readonly bodies: readonly string[]
  readonly flights: Flights
  readonly steps: Steps
  readonly faults: readonly Fault[]
  readonly partitions: readonly PartitionHistory[]
  readonly transactions: readonly TransactionHistory[]
  readonly decisions: readonly Decision[]
  readonly violation: ViolationMark | null
}
