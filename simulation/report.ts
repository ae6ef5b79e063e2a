/**
 * Many runs as one report: what was broken, how often each fault struck, and whether the weaker modes were seen to be weaker. A fault that
 * never struck, or an allowed anomaly that was never seen, means that the others prove nothing.
 */
import { FAULT_KINDS, mapKinds } from './faults.ts'
import { noReaderEvents, READER_EVENTS } from './checkers/readers.ts'
import type { ReaderEvent } from './checkers/readers.ts'
import type { FaultKind } from './faults.ts'
import type { RunResult } from './run.ts'
import { combineHashes } from './trace-hash.ts'
import { noTransactionEvents, TRANSACTION_EVENTS } from './transactions-truth.ts'
import type { TransactionEvent } from './transactions-truth.ts'
import type { Anomaly } from './truth.ts'

/** A violation, with the seed that replays it. */
export interface SeedViolation {
  readonly seed: number
  readonly code: string
  readonly message: string
  readonly atSeconds: number
}

/** What a program reads. */
export interface Report {
  readonly commit: string
  readonly seeds: number
  readonly violations: readonly SeedViolation[]
  readonly virtualSeconds: number
  readonly realSeconds: number
  readonly events: number
  readonly acknowledged: number
  readonly faults: Readonly<Record<FaultKind, number>>
  readonly anomalies: Readonly<Record<Anomaly, number>>
  readonly transactions: Readonly<Record<TransactionEvent, number>>
  readonly readers: Readonly<Record<ReaderEvent, number>>
  /** Kinds of faults and anomalies that never happened, if there were enough runs for each to happen. */
  readonly unseen: readonly string[]
  readonly hash: string
}

/** From so many full runs on, every kind must have happened. */
const RUNS_TO_SEE_ALL = 200

/**
 * What weaker modes must be seen to do: lose what was not synced, what only a leader had, what somebody who had fallen behind did not have; process a
 * record twice.
 */
const EXPECTED_ANOMALIES: readonly Anomaly[] = ['unsyncedLost', 'leaderOnlyLost', 'uncleanLost', 'processedAgain']

/** Adds up the results, in whatever order they came. The quorum in small has faults of its own, which are not counted. */
export function summarise(results: readonly RunResult[], commit: string, realSeconds: number, isQuorum = false): Report {
  const sorted = results.toSorted((a, b) => a.seed - b.seed)
  const faults = mapKinds((kind) => sum(sorted, (result) => result.faults[kind]))
  const anomalies = {
    unsyncedLost: sum(sorted, (result) => result.anomalies.unsyncedLost),
    uncleanLost: sum(sorted, (result) => result.anomalies.uncleanLost),
    processedAgain: sum(sorted, (result) => result.anomalies.processedAgain),
    zombieBelief: sum(sorted, (result) => result.anomalies.zombieBelief),
    positionReset: sum(sorted, (result) => result.anomalies.positionReset),
    leaderOnlyLost: sum(sorted, (result) => result.anomalies.leaderOnlyLost),
  }
  const transactions = noTransactionEvents()
  for (const kind of TRANSACTION_EVENTS) transactions[kind] = sum(sorted, (result) => result.transactions[kind])
  const readers = noReaderEvents()
  for (const kind of READER_EVENTS) readers[kind] = sum(sorted, (result) => result.readers[kind])
  const unseen = [
    ...FAULT_KINDS.filter((kind) => faults[kind] === 0),
    ...EXPECTED_ANOMALIES.filter((kind) => anomalies[kind] === 0),
    ...TRANSACTION_EVENTS.filter((kind) => transactions[kind] === 0),
    ...READER_EVENTS.filter((kind) => readers[kind] === 0),
  ]
  return {
    commit,
    seeds: sorted.length,
    violations: sorted.flatMap(({ seed, violation }) =>
      violation === null ? [] : [{ seed, code: violation.code, message: violation.message, atSeconds: violation.atMicros / 1_000_000 }],
    ),
    virtualSeconds: Math.round(sum(sorted, (result) => result.virtualSeconds)),
    realSeconds: Math.round(realSeconds * 100) / 100,
    events: sum(sorted, (result) => result.events),
    acknowledged: sum(sorted, (result) => result.acknowledged),
    faults,
    anomalies,
    transactions,
    readers,
    unseen: isQuorum || sorted.length < RUNS_TO_SEE_ALL ? [] : unseen,
    hash: combineHashes(sorted.map(({ hash }) => hash)),
  }
}

/** The report for people. */
export function describeReport(report: Report): string {
  const { seeds, virtualSeconds, realSeconds, events, faults, anomalies, unseen } = report
  const speed = Math.round(virtualSeconds / Math.max(realSeconds, 0.01))
  const counts = (record: Readonly<Record<string, number>>): string =>
    Object.entries(record)
      .flatMap(([kind, count]) => (count === 0 ? [] : `${kind} ${count}`))
      .join(' · ') || 'nothing'
  const lines = [
    `${seeds} seeds · ${virtualSeconds} virtual seconds in ${realSeconds} s (${speed}x) · ${events} events · ${report.acknowledged} records acknowledged`,
    `faults     ${counts(faults)}`,
    `allowed    ${counts(anomalies)}`,
    `transacted ${counts(report.transactions)}`,
    `read       ${counts(report.readers)}`,
    `hash       ${report.hash}`,
  ]
  if (unseen.length > 0) lines.push(`never seen ${unseen.join(', ')}: these runs prove too little`)
  return lines.join('\n')
}

function sum(results: readonly RunResult[], value: (result: RunResult) => number): number {
  return results.reduce((total, result) => total + value(result), 0)
}
