/**
 * The run as the page works with it: columns as typed arrays, hosts resolved to lanes, kinds to families.
 */
import { FAMILIES } from '../families.ts'
import type { Family } from '../families.ts'
import { FATES } from '../model.ts'
import type { Span, Timeline } from '../model.ts'

/** Messages between lanes, ready to be drawn. */
export interface FlightColumns {
  readonly count: number
  readonly sentAt: Float64Array
  /** When it came, or was lost; the end of the run while it is under way. */
  readonly endAt: Float64Array
  readonly fromLane: Int16Array
  readonly toLane: Int16Array
  readonly family: Uint8Array
  readonly fate: Uint8Array
}

/** What actors were told on their own host. */
export interface StepColumns {
  readonly count: number
  readonly at: Float64Array
  readonly lane: Int16Array
  readonly family: Uint8Array
}

/** A run that can be drawn. */
export interface Run {
  readonly timeline: Timeline
  readonly flights: FlightColumns
  readonly steps: StepColumns
  /** How long each transaction was open, as far as its client knows; one is over when its client dies, or begins another one. */
  readonly spans: readonly Span[]
  /** By host: the index of its lane. */
  readonly laneOf: ReadonlyMap<number, number>
}

/** Indexes of fates. */
export const FATE: { readonly [Name in 'underWay' | 'arrived' | 'lost' | 'unheard']: number } = {
  underWay: FATES.indexOf('under way'),
  arrived: FATES.indexOf('arrived'),
  lost: FATES.indexOf('lost'),
  unheard: FATES.indexOf('unheard'),
}

/** Prepares a timeline. */
export function prepare(timeline: Timeline): Run {
  const laneOf = new Map(timeline.lanes.flatMap(({ lives }, lane) => lives.map(({ host }) => [host, lane] as const)))
  const { flights, steps, kinds, end } = timeline
  const familyOf = kinds.map(({ family }) => familyIndex(family))
  const lanes = (hosts: readonly number[]): Int16Array => Int16Array.from(hosts, (host) => laneOf.get(host) ?? -1)
  const families = (columns: readonly number[]): Uint8Array => Uint8Array.from(columns, (kind) => familyOf[kind] ?? 0)
  return {
    timeline,
    laneOf,
    spans: spansOf(timeline),
    flights: {
      count: flights.sentAt.length,
      sentAt: Float64Array.from(flights.sentAt),
      endAt: Float64Array.from(flights.sentAt, (sentAt, i) => (flights.took[i]! < 0 ? end : sentAt + flights.took[i]!)),
      fromLane: lanes(flights.from),
      toLane: lanes(flights.to),
      family: families(flights.kind),
      fate: Uint8Array.from(flights.fate),
    },
    steps: { count: steps.at.length, at: Float64Array.from(steps.at), lane: lanes(steps.host), family: families(steps.kind) },
  }
}

function spansOf({ transactions, lanes }: Timeline): Span[] {
  const lives = lanes.flatMap((lane) => lane.lives)
  return transactions.map(({ stages, host }, index) => {
    const last = stages.at(-1)!
    const begin = stages[0]!.at
    if (!['open', 'committing', 'aborting'].includes(last.stage)) return { begin, end: last.at }
    const next = transactions.slice(index + 1).find((one) => one.host === host)
    return { begin, end: next?.stages[0]?.at ?? lives.find((life) => life.host === host)?.end ?? -1 }
  })
}

/** The index of a family. */
export function familyIndex(family: Family): number {
  return FAMILIES.indexOf(family)
}

/** A host as people call it. */
export function hostName({ timeline: { lanes }, laneOf }: Run, host: number): string {
  const lane = lanes[laneOf.get(host) ?? -1]
  if (lane === undefined) return `host ${host}`
  return lane.isNode || lane.lives.length === 1 ? lane.name : `${lane.name} (life ${lane.lives.findIndex((one) => one.host === host) + 1})`
}

/** An actor with its host. */
export function actorName(run: Run, actor: number, host: number): string {
  return `${run.timeline.actors[actor] ?? ''}@${hostName(run, host)}`
}
