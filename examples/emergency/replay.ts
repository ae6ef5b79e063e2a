/**
 * What is left to do, decided from what the log holds: the first run, the rest of an interrupted one, or the next. The log is the only memory;
 * there is no file beside it that could disagree.
 */
import { reportsOf } from './earthquakes.ts'
import type { Earthquake, Report } from './earthquakes.ts'

/** What was found in the log: the newest run (0: none), and which events of it are there. */
export interface Survey {
  readonly run: number
  readonly present: ReadonlySet<number>
}

/** What to send now. `reports` are in the order of their time. */
export interface Plan {
  readonly kind: 'first' | 'rest' | 'next'
  readonly run: number
  readonly reports: readonly Report[]
}

/** Goes on where the log ends. A run that lacks events is completed, each event once. */
export function planReplay(earthquakes: readonly Earthquake[], { run, present }: Survey): Plan {
  if (run === 0) return { kind: 'first', run: 1, reports: reportsOf(earthquakes, 1) }
  const missing = reportsOf(earthquakes, run).filter(({ index }) => !present.has(index))
  if (missing.length > 0) return { kind: 'rest', run, reports: missing }
  return { kind: 'next', run: run + 1, reports: reportsOf(earthquakes, run + 1) }
}

/** When each report is due, in milliseconds from now, if event time runs so fast that a whole week takes `seconds`. */
export function dueTimes(reports: readonly Report[], weekMillis: number, seconds: number): number[] {
  const first = reports[0]?.time ?? 0
  return reports.map(({ time }) => ((time - first) / weekMillis) * seconds * 1000)
}
