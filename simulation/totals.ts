/**
 * What many runs come to, added up as they end, in the order of their seeds: a million of them need no more memory than one. Plain data, so that a long
 * fleet can be put away and go on.
 */
import { noReaderEvents, READER_EVENTS } from './checkers/readers.ts'
import type { ReaderEvent } from './checkers/readers.ts'
import { noPairs } from './coverage/pairs.ts'
import { FAULT_KINDS, mapKinds } from './faults.ts'
import type { FaultKind } from './faults.ts'
import type { RunResult } from './run.ts'
import { TraceHash, withRun } from './trace-hash.ts'
import type { HashLanes } from './trace-hash.ts'
import { noTransactionEvents, TRANSACTION_EVENTS } from './transactions-truth.ts'
import type { TransactionEvent } from './transactions-truth.ts'
import { noAnomalies } from './truth.ts'
import type { Anomaly } from './truth.ts'

/** A violation, with the seed that replays it. */
export interface SeedViolation {
  readonly seed: number
  readonly code: string
  readonly message: string
  readonly atSeconds: number
}

/** Sums over runs. */
export interface Totals {
  seeds: number
  /** Seeds that were run twice, and compared. */
  repeated: number
  /** The first ones, in the order of their seeds; `violationCount` counts all. */
  readonly violations: SeedViolation[]
  violationCount: number
  virtualSeconds: number
  events: number
  acknowledged: number
  /** Promises that were broken beyond the atlas, where they are none. */
  forgiven: number
  readonly faults: Record<FaultKind, number>
  readonly anomalies: Record<Anomaly, number>
  readonly transactions: Record<TransactionEvent, number>
  readonly readers: Record<ReaderEvent, number>
  /** By pair: how often such a message came to an actor in such a state. */
  readonly pairs: number[]
  hash: HashLanes
}

/** More violations than that are counted, but not kept. */
const VIOLATIONS_KEPT_MAX = 1000

/** Nothing has been run. */
export function newTotals(): Totals {
  return {
    seeds: 0,
    repeated: 0,
    violations: [],
    violationCount: 0,
    virtualSeconds: 0,
    events: 0,
    acknowledged: 0,
    forgiven: 0,
    faults: mapKinds(() => 0),
    anomalies: noAnomalies(),
    transactions: noTransactionEvents(),
    readers: noReaderEvents(),
    pairs: Array.from(noPairs()),
    hash: new TraceHash().lanes,
  }
}

/** Adds the run of the next seed. */
export function addResult(totals: Totals, result: RunResult, isRepeated: boolean): void {
  totals.seeds++
  if (isRepeated) totals.repeated++
  totals.virtualSeconds += result.virtualSeconds
  totals.events += result.events
  totals.acknowledged += result.acknowledged
  totals.forgiven += result.forgiven
  for (const kind of FAULT_KINDS) totals.faults[kind] += result.faults[kind]
  for (const kind of Object.keys(totals.anomalies) as Anomaly[]) totals.anomalies[kind] += result.anomalies[kind]
  for (const kind of TRANSACTION_EVENTS) totals.transactions[kind] += result.transactions[kind]
  for (const kind of READER_EVENTS) totals.readers[kind] += result.readers[kind]
  result.pairs.forEach((count, pair) => (totals.pairs[pair]! += count))
  totals.hash = withRun(totals.hash, result.hash)
  if (result.violation !== null) addViolation(totals, result.seed, result.violation)
}

function addViolation(totals: Totals, seed: number, { code, message, atMicros }: NonNullable<RunResult['violation']>): void {
  totals.violationCount++
  if (totals.violations.length < VIOLATIONS_KEPT_MAX) totals.violations.push({ seed, code, message, atSeconds: atMicros / 1_000_000 })
}
