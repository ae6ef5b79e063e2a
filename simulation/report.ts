/**
 * Many runs as one report: what was broken, how often each fault struck, and whether the weaker modes were seen to be weaker. A fault that
 * never struck, or an allowed anomaly that was never seen, means that the others prove nothing.
 */
import { coverageOf, describeCoverage } from './coverage/coverage.ts'
import type { Coverage } from './coverage/coverage.ts'
import { READER_EVENTS } from './checkers/readers.ts'
import { FAULT_KINDS } from './faults.ts'
import type { SeedViolation, Totals } from './totals.ts'
import { TraceHash } from './trace-hash.ts'
import { TRANSACTION_EVENTS } from './transactions-truth.ts'
import type { Anomaly } from './truth.ts'

/** What a program reads. */
export interface Report extends Readonly<Omit<Totals, 'hash' | 'pairs'>> {
  readonly commit: string
  /** The first thousand, in the order of their seeds. */
  readonly violations: SeedViolation[]
  readonly realSeconds: number
  /** Kinds of faults and anomalies that never happened, if there were enough runs for each to happen. */
  readonly unseen: readonly string[]
  /** Null: nothing was met, as the quorum in small has no actors. */
  readonly coverage: Coverage | null
  readonly hash: string
}

/** What a report says beside the sums. */
export interface ReportContext {
  readonly commit: string
  readonly realSeconds: number
  /** Ran what the product is, all of it: whatever can happen must have happened, if there were enough runs. */
  readonly isWhole: boolean
}

/** From so many full runs on, every kind must have happened. */
const RUNS_TO_SEE_ALL = 200

/**
 * What weaker modes must be seen to do: lose what was not synced, what only a leader had, what somebody who had fallen behind did not have; process a
 * record twice.
 */
const EXPECTED_ANOMALIES: readonly Anomaly[] = ['unsyncedLost', 'leaderOnlyLost', 'uncleanLost', 'processedAgain', 'mended']

/** What a fleet came to. */
export function reportOf(totals: Totals, { commit, realSeconds, isWhole }: ReportContext): Report {
  const { hash, pairs, ...sums } = totals
  return {
    ...sums,
    commit,
    virtualSeconds: Math.round(totals.virtualSeconds),
    realSeconds: Math.round(realSeconds * 100) / 100,
    unseen: isWhole && totals.seeds >= RUNS_TO_SEE_ALL ? unseenOf(totals) : [],
    coverage: pairs.some((count) => count > 0) ? coverageOf(pairs) : null,
    hash: new TraceHash(hash).toString(),
  }
}

function unseenOf({ faults, anomalies, transactions, readers }: Totals): string[] {
  return [
    ...FAULT_KINDS.filter((kind) => faults[kind] === 0),
    ...EXPECTED_ANOMALIES.filter((kind) => anomalies[kind] === 0),
    ...TRANSACTION_EVENTS.filter((kind) => transactions[kind] === 0),
    ...READER_EVENTS.filter((kind) => readers[kind] === 0),
  ]
}

/** 0: all is well, and was looked for; 1: something is broken, or something never happened that must happen in so many runs; 130: interrupted before either. */
export function exitCodeOf({ violations, unseen }: Report, isInterrupted: boolean): number {
  if (violations.length > 0 || unseen.length > 0) return 1
  return isInterrupted ? 130 : 0
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
    ...(report.coverage === null ? [] : [`covered    ${describeCoverage(report.coverage)}`]),
    `hash       ${report.hash}`,
  ]
  if (report.forgiven > 0) lines.push(`forgiven   ${report.forgiven} promises that nobody can keep with such disks`)
  if (report.repeated > 0) lines.push(`run twice  ${report.repeated} seeds, to compare`)
  const dead = unseen.filter((kind) => Object.hasOwn(faults, kind))
  const others = unseen.filter((kind) => !dead.includes(kind))
  if (dead.length > 0)
    lines.push(`never struck: ${dead.join(', ')}. A fault that never strikes proves nothing: ${RUNS_TO_SEE_ALL} seeds must meet each`)
  if (others.length > 0) lines.push(`never seen: ${others.join(', ')}. These runs prove too little`)
  return lines.join('\n')
}

/** What it means that nothing is broken. */
export function describeProof({ seeds, repeated, unseen }: Report, isBeyond: boolean): string {
  const twice = repeated === 0 ? '' : `, ${repeated} of them twice`
  const what = `Nothing is broken: in ${seeds} ${seeds === 1 ? 'run' : 'runs'}${twice}, ${isBeyond ? 'everything that was whole worked again in the end, and nobody failed on the way; records may have been lost.' : 'each promise (docs/simulation.md, Properties) was checked after every step, and the files at the end.'}`
  if (unseen.length > 0 || seeds >= RUNS_TO_SEE_ALL) return what
  return `${what}\nSo few seeds prove little: they have not met all that can go wrong, and a bug may show in one of hundreds. More: npm run simulate -- --time 10m --until-fail`
}

/** What a fleet has not met, line by line: by actor and message, the states in which that never came to it. */
export function describeUncovered({ never, unexpected }: Coverage): string {
  const states = new Map<string, string[]>()
  for (const name of never) {
    const [actor = '', state = '', kind = ''] = name.split(' ')
    const key = `${actor.padEnd(11)} ${kind}`
    states.set(key, [...(states.get(key) ?? []), state])
  }
  const lines = [...states].map(([key, met]) => `  ${key}: ${met.join(', ')}`)
  const surprises = unexpected.map((name) => `  ${name}, which is said not to happen: see simulation/coverage/exceptions.ts`)
  return ['never met:', ...(lines.length === 0 ? ['  nothing'] : lines), ...surprises].join('\n')
}
