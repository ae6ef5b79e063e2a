/**
 * What lies under the pointer: what stands in the row there first, then the nearest message, at last whoever lives there.
 */
import type { Span } from '../model.ts'
import { groupOf } from './fault-groups.ts'
import type { Mask } from './filter.ts'
import { lineOf } from './flight-line.ts'
import type { Line } from './flight-line.ts'
import { groupsOf, transactionalIds } from './rows.ts'
import type { Row, Rows } from './rows.ts'
import type { Run } from './run.ts'
import type { Thing } from './thing.ts'
import { xOf } from './view.ts'
import type { View } from './view.ts'

/** What is on the screen. */
export interface Scene {
  readonly run: Run
  readonly mask: Mask
  readonly view: View
  readonly rows: Rows
  /** Index of the chosen partition; -1: there is none. */
  readonly partition: number
}

/** A place on the page, in pixels, as if it was not scrolled. */
export interface Place {
  readonly x: number
  readonly y: number
}

/** How near is near enough, in pixels. */
const NEAR = 6

/** The thing at a place, or the nearest one; null if none is near. */
export function pick(scene: Scene, place: Place): Thing | null {
  const row = scene.rows.all.find(({ top, height }) => place.y >= top && place.y < top + height)
  const found = row === undefined ? null : pickInRow(scene, row, place)
  if (found !== null) return found
  const flight = nearestFlight(scene, place)
  if (flight !== null) return flight
  const { violation } = scene.run.timeline
  if (violation !== null && Math.abs(xOf(scene.view, violation.at) - place.x) < NEAR) return { of: 'violation', index: 0 }
  return row === undefined ? null : pickLife(scene, row, place)
}

function pickInRow(scene: Scene, row: Row, { x, y }: Place): Thing | null {
  const { run, view, partition } = scene
  const { timeline } = run
  const at = (spans: readonly Span[], isHere: (index: number) => boolean): number => spanAt(scene, spans, x, isHere)
  switch (row.kind) {
    case 'faults': {
      const group = groupsOf(timeline)[row.index]
      return thing(
        'fault',
        at(timeline.faults, (index) => groupOf(timeline.faults[index]!.kind) === group),
      )
    }
    case 'reigns':
    case 'offsets': {
      const index = at(timeline.partitions[partition]?.reigns ?? [], () => true)
      return index < 0 ? null : { of: 'reign', index, owner: partition }
    }
    case 'transaction': {
      const id = transactionalIds(timeline)[row.index]
      const transaction = at(run.spans, (index) => timeline.transactions[index]!.transactionalId === id)
      if (y < row.top + row.height / 2 && transaction >= 0) return { of: 'transaction', index: transaction }
      const decision = timeline.decisions.findLastIndex((one) => one.transactionalId === id && xOf(view, one.at) <= x + 1)
      return decision >= 0 ? { of: 'decision', index: decision } : thing('transaction', transaction)
    }
    default:
      return nearestStep(scene, row, { x, y })
  }
}

function thing(of: Thing['of'], index: number): Thing | null {
  return index < 0 ? null : { of, index }
}

/** The shortest span at a place: long ones lie behind short ones. */
function spanAt({ run, view }: Scene, spans: readonly Span[], x: number, isHere: (index: number) => boolean): number {
  let best = -1
  let bestLength = Infinity
  spans.forEach(({ begin, end }, index) => {
    const last = end < 0 ? run.timeline.end : end
    if (!isHere(index) || xOf(view, begin) - NEAR / 2 > x || Math.max(xOf(view, last), xOf(view, begin) + 2) + NEAR / 2 < x) return
    if (last - begin > bestLength) return
    best = index
    bestLength = last - begin
  })
  return best
}

function nearestStep({ run, mask, view }: Scene, row: Row, { x, y }: Place): Thing | null {
  if (Math.abs(y - (row.top + row.height / 2)) > NEAR) return null
  let best = -1
  let bestDistance = NEAR - 1
  for (let i = 0; i < run.steps.count; i++) {
    if (mask.steps[i] === 0 || run.steps.lane[i] !== row.index) continue
    const distance = Math.abs(xOf(view, run.steps.at[i]!) - x)
    if (distance >= bestDistance) continue
    best = i
    bestDistance = distance
  }
  return thing('step', best)
}

function nearestFlight(scene: Scene, place: Place): Thing | null {
  const { run, mask, view } = scene
  const { sentAt, endAt, count } = run.flights
  let best = -1
  let bestDistance = NEAR
  for (let i = 0; i < count; i++) {
    if (mask.flights[i] === 0 || sentAt[i]! > view.end || endAt[i]! < view.begin) continue
    const distance = distanceTo(lineOf(scene, i), place)
    if (distance >= bestDistance) continue
    best = i
    bestDistance = distance
  }
  return thing('flight', best)
}

/** From a place to the nearest point of a line. */
export function distanceTo({ x, y, toX, toY }: Line, place: Place): number {
  const [dx, dy] = [toX - x, toY - y]
  const length = dx * dx + dy * dy
  const share = length === 0 ? 0 : Math.max(0, Math.min(1, ((place.x - x) * dx + (place.y - y) * dy) / length))
  return Math.hypot(x + share * dx - place.x, y + share * dy - place.y)
}

function pickLife({ run, view }: Scene, row: Row, { x }: Place): Thing | null {
  if (row.kind !== 'node' && row.kind !== 'client') return null
  const { lives } = run.timeline.lanes[row.index]!
  const index = lives.findLastIndex(({ begin, end }) => xOf(view, begin) <= x && (end < 0 || xOf(view, end) + NEAR >= x))
  return index < 0 ? null : { of: 'life', index, owner: row.index }
}
