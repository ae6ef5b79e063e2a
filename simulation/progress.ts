/**
 * One line that says how far a fleet is: how much of it is done, how fast, what has happened, and what has broken first.
 */
import { coverageOf } from './coverage/coverage.ts'
import { FAULT_KINDS } from './faults.ts'
import type { Totals } from './totals.ts'

/** How far, and since when. */
export interface Pace {
  readonly runs: number
  /** Those of the sessions before. */
  readonly seedsBefore: number
  /** Real time since this session began. */
  readonly millis: number
  /** When it ends, whatever is left; null: it does not. */
  readonly timeMillis: number | null
}

const BAR_CELLS = 20

/** The line. */
export function progressLine(totals: Totals, { runs, seedsBefore, millis, timeMillis }: Pace): string {
  const isEndless = runs === Number.MAX_SAFE_INTEGER
  const share = Math.max(isEndless ? 0 : totals.seeds / runs, timeMillis === null ? 0 : millis / timeMillis)
  const perMinute = ((totals.seeds - seedsBefore) * 60_000) / Math.max(millis, 1)
  const fired = FAULT_KINDS.filter((kind) => totals.faults[kind] > 0).length
  const { covered, possible } = coverageOf(totals.pairs)
  const [first] = totals.violations
  return [
    ...(isEndless && timeMillis === null ? [] : bar(share)),
    isEndless ? `${totals.seeds} seeds` : `${totals.seeds} of ${runs} seeds`,
    `${Math.round(perMinute)}/min`,
    `${duration(totals.virtualSeconds)} virtual`,
    `${fired} of ${FAULT_KINDS.length} faults`,
    `${Math.floor((covered / possible) * 100)} % covered`,
    first === undefined ? 'nothing broken' : `${first.code} with seed ${first.seed}`,
  ].join(' · ')
}

function bar(share: number): string[] {
  const done = Math.round(Math.min(share, 1) * BAR_CELLS)
  return ['█'.repeat(done) + '░'.repeat(BAR_CELLS - done)]
}

function duration(seconds: number): string {
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`
  return seconds < 48 * 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`
}
