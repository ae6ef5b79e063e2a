/**
 * When to raise the alarm, as pure functions: a severe earthquake by itself, a swarm when many come in one region within a window of event time.
 * A swarm is reported when it begins, not again while it lasts. What is known of a region depends on the last two windows only, so that whoever
 * takes over a region rereads so much of the log and knows exactly what the one before knew.
 */
import type { Report } from './earthquakes.ts'

/** A message to those who must act. The `id` is the same when the same event is judged twice, so that it is shown once. */
export interface Alert {
  readonly id: string
  readonly kind: 'severe' | 'swarm'
  readonly run: number
  readonly region: string
  readonly place: string
  /** Of the earthquake, or the largest of the swarm. */
  readonly magnitude: number
  readonly time: number
  /** How many earthquakes it is about. */
  readonly count: number
}

/** What is remembered of one region. */
export interface RegionState {
  /** Earthquakes within the window that ends at the last one, oldest first. */
  readonly recent: readonly Report[]
}

/** What is remembered, by region. */
export type Watch = Map<string, RegionState>

/** From this magnitude on, one earthquake is severe. */
export const SEVERE_MAGNITUDE = 5.5

/** Smaller ones do not count towards a swarm. */
export const SWARM_MAGNITUDE = 2

/** So many earthquakes within the window are a swarm. */
export const SWARM_COUNT = 4

/** The window of event time. */
export const SWARM_WINDOW_MILLIS: number = 120 * 60 * 1000

/** How far back whoever takes over must reread: a window before each earthquake of the last window. */
export const MEMORY_MILLIS: number = 2 * SWARM_WINDOW_MILLIS

/** Judges one report and remembers it. Reports of a region come in the order of their time. */
export function observe(watch: Watch, report: Report): Alert[] {
  if (report.type !== 'earthquake') return []
  const alerts: Alert[] = report.magnitude >= SEVERE_MAGNITUDE ? [alertOf('severe', report, [report])] : []
  if (report.magnitude < SWARM_MAGNITUDE) return alerts
  const before = watch.get(report.region)?.recent ?? []
  const recent = [...before.filter(({ time }) => time > report.time - SWARM_WINDOW_MILLIS), report]
  watch.set(report.region, { recent })
  const begins = recent.length >= SWARM_COUNT && before.length < SWARM_COUNT
  return begins ? [...alerts, alertOf('swarm', report, recent)] : alerts
}

function alertOf(kind: Alert['kind'], report: Report, about: readonly Report[]): Alert {
  const largest = about.reduce((one, other) => (other.magnitude > one.magnitude ? other : one))
  const { place, magnitude } = largest
  return {
    id: `${kind}/${report.run}/${report.id}`,
    kind,
    run: report.run,
    region: report.region,
    place,
    magnitude,
    time: report.time,
    count: about.length,
  }
}
