/**
 * The whole run in small, below everything: how much is said when, where something was found, and which part of it is seen.
 */
import { FAMILIES } from '../families.ts'
import { binsOf } from './bins.ts'
import type { Brush } from './brush.ts'
import type { Picture } from './paint.ts'
import type { Hit } from './search.ts'
import { whole, xOf } from './view.ts'
import type { Bounds, View } from './view.ts'

/** Its height in pixels. */
export const MAP_HEIGHT = 58

/** The view that the map has. */
export function mapView(view: View, bounds: Bounds): View {
  return whole(view, bounds)
}

/** Paints it. */
export function paintMap(brush: Brush, picture: Picture, { bounds, hits }: { bounds: Bounds; hits: readonly Hit[] }): void {
  const { context, theme } = brush
  const { run, view } = picture
  const map = mapView(view, bounds)
  context.clearRect(0, 0, picture.width, MAP_HEIGHT)
  paintTotals(brush, picture, map)
  context.fillStyle = theme.fault
  for (const { begin, end } of run.timeline.faults) context.fillRect(xOf(map, begin), 2, Math.max(xOf(map, end) - xOf(map, begin), 1), 3)
  context.fillStyle = theme.chosen
  for (const { at } of hits) context.fillRect(xOf(map, at) - 0.5, 7, 1.5, 6)
  const { violation } = run.timeline
  if (violation !== null) {
    context.fillStyle = theme.broken
    context.fillRect(xOf(map, violation.at) - 1, 0, 2.5, MAP_HEIGHT)
  }
  paintWindow(brush, picture, map)
}

function paintTotals({ context, theme }: Brush, { run, mask }: Picture, map: View): void {
  const bins = binsOf(run, mask, map)
  const families = FAMILIES.length
  const totals = Array.from({ length: bins.count }, () => FAMILIES.map(() => 0))
  for (let lane = 0; lane < run.timeline.lanes.length; lane++) {
    totals.forEach((total, bin) => {
      for (let i = 0; i < families; i++) total[i]! += bins.counts[(lane * bins.count + bin) * families + i]!
    })
  }
  const sums = totals.map((total) => total.reduce((sum, one) => sum + one, 0))
  const most = Math.max(1, ...sums)
  totals.forEach((total, bin) => {
    const full = Math.sqrt(sums[bin]! / most) * (MAP_HEIGHT - 20)
    let bottom = MAP_HEIGHT - 4
    total.forEach((count, family) => {
      if (count === 0) return
      const part = (count / sums[bin]!) * full
      context.fillStyle = theme.families[family] ?? theme.text
      context.fillRect(map.left + bin * bins.width, bottom - part, bins.width - 0.6, part)
      bottom -= part
    })
  })
}

function paintWindow({ context, theme }: Brush, { view, width }: Picture, map: View): void {
  const [begin, end] = [xOf(map, view.begin), xOf(map, view.end)]
  const left = Math.min(begin, (begin + end) / 2 - 2)
  const right = Math.max(end, left + 4)
  context.fillStyle = theme.ground
  context.globalAlpha = 0.62
  context.fillRect(map.left, 0, left - map.left, MAP_HEIGHT)
  context.fillRect(right, 0, width - right, MAP_HEIGHT)
  context.globalAlpha = 1
  context.strokeStyle = theme.chosen
  context.lineWidth = 1.5
  context.strokeRect(left, 1, right - left, MAP_HEIGHT - 2)
}
