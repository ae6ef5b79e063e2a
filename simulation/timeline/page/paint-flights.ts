/**
 * Messages: one by one as arrows while there are few, as counts by lane and time when there are many.
 */
import { FAMILIES } from '../families.ts'
import { COPIES } from '../model.ts'
import { binsOf } from './bins.ts'
import type { Brush } from './brush.ts'
import { fontOf } from './brush.ts'
import { lineOf } from './flight-line.ts'
import type { Scene } from './pick.ts'
import { FATE } from './run.ts'
import { xOf } from './view.ts'

/** More messages than these are not drawn one by one. */
export const ARROWS_MAX = 1600

/** More than these have no name beside them. */
const NAMES_MAX = 70

/** More steps than these are not drawn. */
export const STEPS_MAX = 2500

const HEAD = 6

/** Paints the messages of a view as arrows. */
export function paintArrows(brush: Brush, scene: Scene, seen: number): void {
  const { context, theme } = brush
  const { flights } = scene.run
  context.lineWidth = seen > 400 ? 0.8 : 1.2
  context.globalAlpha = seen > 400 ? 0.55 : 0.9
  FAMILIES.forEach((_, family) => {
    context.strokeStyle = theme.families[family] ?? theme.text
    context.beginPath()
    forSeen(scene, (i) => {
      if (flights.family[i] === family && flights.fate[i]! < FATE.lost && !isReplay(scene, i)) line(brush, scene, i)
    })
    context.stroke()
  })
  paintReplays(brush, scene)
  paintMissed(brush, scene)
  if (seen < ARROWS_MAX / 4) paintHeads(brush, scene)
  if (seen <= NAMES_MAX) paintNames(brush, scene)
  context.globalAlpha = 1
}

/** Paints one message so that it cannot be overlooked. */
export function paintChosen(brush: Brush, scene: Scene, index: number): void {
  const { context, theme } = brush
  for (const [colour, width] of [
    [theme.ground, 7],
    [theme.chosen, 2.5],
  ] as const) {
    context.strokeStyle = colour
    context.lineWidth = width
    context.beginPath()
    line(brush, scene, index)
    context.stroke()
  }
  head(brush, scene, index, theme.chosen)
}

/** Paints how much comes and goes, as bars in each lane. */
export function paintBins({ context, theme }: Brush, { run, mask, view, rows }: Scene): void {
  const bins = binsOf(run, mask, view)
  const families = FAMILIES.length
  for (const { kind, index, top, height } of rows.all) {
    if (kind !== 'node' && kind !== 'client') continue
    const room = height - 10
    for (let bin = 0; bin < bins.count; bin++) {
      const at = (index * bins.count + bin) * families
      let sum = 0
      for (let i = 0; i < families; i++) sum += bins.counts[at + i]!
      if (sum === 0) continue
      const full = Math.max(2, Math.sqrt(sum / bins.most) * room)
      const x = view.left + bin * bins.width
      let bottom = top + height - 5
      for (let i = 0; i < families; i++) {
        const part = (bins.counts[at + i]! / sum) * full
        if (part === 0) continue
        context.fillStyle = theme.families[i] ?? theme.text
        context.fillRect(x, bottom - part, bins.width - 0.6, part)
        bottom -= part
      }
      if (bins.missed[index * bins.count + bin]! === 0) continue
      context.fillStyle = theme.broken
      context.fillRect(x, bottom - 3, bins.width - 0.6, 2)
    }
  }
}

/** Paints what actors were told on their own host, as dots. */
export function paintSteps({ context, theme }: Brush, { run, mask, view, rows }: Scene): void {
  const { at, lane, family, count } = run.steps
  context.globalAlpha = 0.9
  for (let i = 0; i < count; i++) {
    if (mask.steps[i] === 0 || at[i]! < view.begin || at[i]! > view.end) continue
    const y = rows.laneMiddle[lane[i]!]
    if (y === undefined) continue
    context.fillStyle = theme.families[family[i]!] ?? theme.text
    context.beginPath()
    context.arc(xOf(view, at[i]!), y, 2.2, 0, 2 * Math.PI)
    context.fill()
  }
  context.globalAlpha = 1
}

function forSeen({ run, mask, view }: Scene, paint: (index: number) => void): void {
  const { sentAt, endAt, count } = run.flights
  for (let i = 0; i < count; i++) if (mask.flights[i] === 1 && sentAt[i]! <= view.end && endAt[i]! >= view.begin) paint(i)
}

function line({ context }: Brush, scene: Scene, i: number): void {
  const { x, y, toX, toY } = lineOf(scene, i)
  context.moveTo(x, y)
  context.lineTo(toX, toY)
}

function isReplay({ run: { timeline } }: Scene, i: number): boolean {
  return COPIES[timeline.flights.copy[i]!] === 'replay'
}

/** What was stuck somewhere for long crosses everything: it is faint, heard or not. */
function paintReplays(brush: Brush, scene: Scene): void {
  const { context, theme } = brush
  const alpha = context.globalAlpha
  context.globalAlpha = alpha / 2
  context.strokeStyle = theme.quiet
  context.setLineDash([1, 4])
  context.beginPath()
  forSeen(scene, (i) => {
    if (isReplay(scene, i)) line(brush, scene, i)
  })
  context.stroke()
  context.setLineDash([])
  context.globalAlpha = alpha
}

/** Dashes up to where a message was lost, or was not heard, and a cross there. */
function paintMissed(brush: Brush, scene: Scene): void {
  const { context, theme } = brush
  const { fate } = scene.run.flights
  const isMissed = (i: number): boolean => fate[i]! >= FATE.lost && !isReplay(scene, i)
  const alpha = context.globalAlpha
  context.globalAlpha = alpha * 0.65
  context.strokeStyle = theme.broken
  context.setLineDash([3, 3])
  context.beginPath()
  forSeen(scene, (i) => {
    if (isMissed(i)) line(brush, scene, i)
  })
  context.stroke()
  context.setLineDash([])
  context.globalAlpha = alpha
  context.beginPath()
  forSeen(scene, (i) => {
    if (!isMissed(i)) return
    const { toX: x, toY: y } = lineOf(scene, i)
    context.moveTo(x - 3, y - 3)
    context.lineTo(x + 3, y + 3)
    context.moveTo(x + 3, y - 3)
    context.lineTo(x - 3, y + 3)
  })
  context.stroke()
}

function paintHeads(brush: Brush, scene: Scene): void {
  const { family, fate } = scene.run.flights
  forSeen(scene, (i) => {
    if (fate[i] === FATE.arrived) head(brush, scene, i, brush.theme.families[family[i]!] ?? brush.theme.text)
  })
}

function head({ context }: Brush, scene: Scene, i: number, colour: string): void {
  const { x, y, toX, toY } = lineOf(scene, i)
  const angle = Math.atan2(toY - y, toX - x)
  context.fillStyle = colour
  context.beginPath()
  context.moveTo(toX, toY)
  context.lineTo(toX - HEAD * Math.cos(angle - 0.4), toY - HEAD * Math.sin(angle - 0.4))
  context.lineTo(toX - HEAD * Math.cos(angle + 0.4), toY - HEAD * Math.sin(angle + 0.4))
  context.fill()
}

/** Names stand where they are begun, unless another one stands there. */
function paintNames({ context, theme }: Brush, scene: Scene): void {
  const { timeline, flights } = scene.run
  const taken: { readonly x: number; readonly y: number; readonly width: number }[] = []
  context.font = fontOf(10.5)
  context.textBaseline = 'middle'
  forSeen(scene, (i) => {
    if (isReplay(scene, i)) return
    const text = timeline.kinds[timeline.flights.kind[i]!]?.name ?? ''
    const { x, y, toX, toY } = lineOf(scene, i)
    const width = context.measureText(text).width
    const place = { x: x + (toX - x) * 0.4 + 5, y: y + (toY - y) * 0.4, width }
    if (
      place.x < scene.view.left ||
      taken.some((one) => Math.abs(one.y - place.y) < 12 && place.x < one.x + one.width + 4 && one.x < place.x + width + 4)
    )
      return
    taken.push(place)
    context.globalAlpha = 0.85
    context.fillStyle = theme.ground
    context.fillRect(place.x - 2, place.y - 6.5, width + 4, 13)
    context.globalAlpha = 1
    context.fillStyle = theme.families[flights.family[i]!] ?? theme.text
    context.fillText(text, place.x, place.y)
  })
}
