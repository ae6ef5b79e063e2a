/**
 * What the page is showing, and how that changes. No pixel is touched here: whoever changes something asks for another picture.
 */
import { FIRST_FILTER, maskOf } from './filter.ts'
import type { Filter, Mask } from './filter.ts'
import { describe } from './describe.ts'
import type { Scene } from './pick.ts'
import { rowsOf } from './rows.ts'
import type { Rows } from './rows.ts'
import type { Run } from './run.ts'
import { firstHit, nextHit, search } from './search.ts'
import type { Hit } from './search.ts'
import type { Thing } from './thing.ts'
import { around, boundsOf, whole } from './view.ts'
import type { Bounds, View } from './view.ts'

/** Everything that can change. */
export interface State extends Scene {
  readonly bounds: Bounds
  readonly filter: Filter
  readonly text: string
  readonly hits: readonly Hit[]
  /** Index of the hit that is shown; -1: none is. */
  readonly hit: number
  readonly chosen: Thing | null
  readonly scroll: number
  /** For the rows, in pixels. */
  readonly room: number
}

/** The first view around a broken promise has so many messages before it, in a span of least and most microseconds; where in it that lies. */
const BROKEN_MESSAGES = 120
const BROKEN_SPAN = [20_000, 4_000_000] as const
const BROKEN_SHARE = 0.82

/** A hit is shown in a span of so many microseconds, unless less is seen already; a long one in so many times its own. */
const HIT_SPAN = 4000
const HIT_LENGTHS = 4

/** What is shown first: what is broken, or the whole run. */
export function firstState(run: Run, view: View): State {
  const bounds = boundsOf(run.timeline.end)
  const partition = firstPartition(run)
  const state: State = {
    run,
    bounds,
    view: whole(view, bounds),
    filter: FIRST_FILTER,
    mask: maskOf(run, FIRST_FILTER),
    partition,
    rows: rowsFor(run, partition, 0),
    text: '',
    hits: [],
    hit: -1,
    chosen: null,
    scroll: 0,
    room: 0,
  }
  return run.timeline.violation === null ? state : atBroken(state)
}

/** As the window is now: so wide, so high. */
export function withRoom(state: State, width: number, room: number): State {
  const view = { ...state.view, width: Math.max(width, 1) }
  const rows = state.room === room ? state.rows : rowsFor(state.run, state.partition, room)
  const scroll = Math.min(Math.max(state.scroll, 0), Math.max(0, rows.height - room))
  return { ...state, view, rows, room, scroll }
}

/** Around the broken promise. */
export function atBroken(state: State): State {
  const { violation, flights } = state.run.timeline
  if (violation === null) return state
  const since = violation.at - (flights.sentAt.at(-BROKEN_MESSAGES) ?? 0)
  const span = Math.min(Math.max(since / BROKEN_SHARE, BROKEN_SPAN[0]), BROKEN_SPAN[1])
  const view = around(state.view, state.bounds, { time: violation.at, span, share: BROKEN_SHARE })
  return { ...state, view, chosen: { of: 'violation', index: 0 } }
}

/** Another partition; -1: none. */
export function withPartition(state: State, partition: number): State {
  const name = state.run.timeline.partitions[partition]?.name ?? null
  const changed = { ...state, partition, rows: rowsFor(state.run, partition, state.room) }
  return state.filter.partition === null ? changed : withFilter(changed, { partition: name })
}

/** Another filter: what was searched for is searched again. */
export function withFilter(state: State, change: Partial<Filter>): State {
  const filter = { ...state.filter, ...change }
  const mask: Mask = maskOf(state.run, filter)
  const hits = search(state.run, mask, state.text)
  return { ...state, filter, mask, hits, hit: Math.min(state.hit, hits.length - 1) }
}

/** Searches, and shows the first hit from the begin of the view on. */
export function withSearch(state: State, text: string): State {
  const hits = search(state.run, state.mask, text)
  return atHit({ ...state, text, hits }, firstHit(hits, state.view.begin))
}

/** The hit behind, or before. */
export function withNextHit(state: State, step: 1 | -1): State {
  return atHit(state, nextHit(state.hits, state.hit, step))
}

function atHit(state: State, hit: number): State {
  const found = state.hits[hit]
  if (found === undefined) return { ...state, hit: -1 }
  const { begin, end } = describe(state.run, found.thing).span
  const length = Math.max(end - begin, 0)
  const span = Math.min(state.view.end - state.view.begin, Math.max(HIT_SPAN, length * HIT_LENGTHS))
  const view = around(state.view, state.bounds, { time: begin + length / 2, span })
  return { ...state, view, hit, chosen: found.thing }
}

function rowsFor({ timeline }: Run, partition: number, room: number): Rows {
  return rowsOf(timeline, timeline.partitions[partition]?.name ?? null, room)
}

/** The one that is broken, or the one of an application that had most leaders. */
function firstPartition({ timeline: { partitions, violation } }: Run): number {
  const named = partitions.findIndex(({ name }) => violation?.message.includes(name) === true)
  if (named >= 0) return named
  const scores = partitions.map(({ name, reigns }) => (name.startsWith('__') ? -1 : reigns.length))
  return scores.indexOf(Math.max(...scores))
}
