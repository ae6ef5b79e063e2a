/**
 * What really happened to transactions, kept outside the actors: what each producer sent in which one and was told of its end, what transactors decided, and which
 * record each result of the pipeline was made from. Checkers (checkers/transactions.ts) compare logs and readers with it.
 */
import type { PartitionTruth } from './truth.ts'

/** Things that happen to transactions; a fleet that has not seen all of them proves too little. */
export type TransactionEvent = 'committed' | 'aborted' | 'unknown' | 'timedOut' | 'fenced' | 'pipelineRecords' | 'takenBack'

/** All kinds, in a fixed order. */
export const TRANSACTION_EVENTS: readonly TransactionEvent[] = [
  'committed',
  'aborted',
  'unknown',
  'timedOut',
  'fenced',
  'pipelineRecords',
  'takenBack',
]

/** A record in its place. */
export interface PlacedRecord {
  readonly partition: PartitionTruth
  readonly offset: number
  readonly value: number
}

/** One life of a transactional producer, from its first transaction on. */
export interface TransactionalLife {
  readonly transactionalId: string
  readonly writer: number
  /** Its first epoch: who has a later one has succeeded it. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly begunAtMicros: number
}

/** A producer from when it is there on, whether it has begun or not. */
export interface TransactionalPresence {
  readonly transactionalId: string
  /** It has been given an epoch. */
  hasBegun: boolean
  /** Another one has come, or was there, alive, and had not begun. */
  mayBeFenced: boolean
  readonly isAlive: () => boolean
}

/** One transaction, as its producer knows it. */
export interface TransactionTruth {
  readonly name: string
  readonly transactionalId: string
  readonly writer: number
  readonly producerId: number
  readonly producerEpoch: number
  /** What its producer was told of its end: `open` as long as it was told nothing, `unknown` if that says nothing. */
  outcome: 'open' | 'committed' | 'aborted' | 'unknown'
  /** When its commit was asked for; -1: it was not. */
  commitAskedAt: number
  /** What was acknowledged. */
  readonly records: PlacedRecord[]
}

/** All transactions of a run. */
export interface TransactionsTruth {
  readonly all: TransactionTruth[]
  readonly lives: TransactionalLife[]
  readonly presences: TransactionalPresence[]
  /** Whose record it is; every record of a transaction is here, acknowledged or not. */
  readonly byValue: Map<number, TransactionTruth>
  /** By result of the pipeline: what it was made from. */
  readonly inputs: Map<number, PlacedRecord>
  /** By producer id and epoch of the marker: whether a transactor has committed. */
  readonly decisions: Map<string, boolean>
  /** Whose a producer id is. */
  readonly producers: Map<number, string>
  readonly counts: Record<TransactionEvent, number>
}

/** Nothing has happened yet. */
export function newTransactionsTruth(): TransactionsTruth {
  return {
    all: [],
    lives: [],
    presences: [],
    byValue: new Map(),
    inputs: new Map(),
    decisions: new Map(),
    producers: new Map(),
    counts: noTransactionEvents(),
  }
}

/** Another producer of that id is there. */
export function newPresence({ presences }: TransactionsTruth, transactionalId: string, isAlive: () => boolean): TransactionalPresence {
  const others = presences.filter((one) => one.transactionalId === transactionalId)
  for (const one of others) one.mayBeFenced = true
  // What one that is gone has asked for, and comes late, begins nothing.
  const presence = { transactionalId, hasBegun: false, mayBeFenced: others.some((one) => !one.hasBegun && one.isAlive()), isAlive }
  presences.push(presence)
  return presence
}

/** Nothing has happened. */
export function noTransactionEvents(): Record<TransactionEvent, number> {
  return { committed: 0, aborted: 0, unknown: 0, timedOut: 0, fenced: 0, pipelineRecords: 0, takenBack: 0 }
}

/** Whether its records may be visible to readers of what is committed: its producer has asked for that, and was not told otherwise. */
export function mayBeVisible({ outcome, commitAskedAt }: TransactionTruth): boolean {
  return commitAskedAt >= 0 && outcome !== 'aborted'
}

/** What a transactor has decided about what a producer wrote in an epoch; undefined as long as it has not. */
export function decisionOf({ decisions }: TransactionsTruth, producerId: number, producerEpoch: number): boolean | undefined {
  return decisions.get(decisionKey(producerId, producerEpoch + 1))
}

/** By producer id and the epoch of the marker. */
export function decisionKey(producerId: number, markerEpoch: number): string {
  return `${producerId}/${markerEpoch}`
}
