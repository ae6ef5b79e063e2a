/**
 * The whole picture: time above, names on the left, and between them what happened.
 */
import { ticksOf } from './axis.ts'
import { countSeen } from './bins.ts'
import { bar, fontOf } from './brush.ts'
import type { Brush } from './brush.ts'
import { describe } from './describe.ts'
import { ARROWS_MAX, paintArrows, paintBins, paintChosen, paintSteps, STEPS_MAX } from './paint-flights.ts'
import { paintOffsets, paintReigns, paintScale } from './paint-partition.ts'
import { paintDeaths, paintFaults, paintLane, paintTransactions } from './paint-rows.ts'
import type { Scene } from './pick.ts'
import type { Row } from './rows.ts'
import type { Thing } from './thing.ts'
import { nodeColour } from './theme.ts'
import { xOf } from './view.ts'

/** Room for the names, in pixels. */
export const GUTTER = 172

/** Room for the time, in pixels. */
export const AXIS_HEIGHT = 28

/** What a picture is of. */
export interface Picture extends Scene {
  readonly chosen: Thing | null
  /** How far the rows are scrolled, in pixels. */
  readonly scroll: number
  readonly width: number
  readonly height: number
}

/** Paints it all. */
export function paint(brush: Brush, picture: Picture): void {
  const { context, theme } = brush
  const { width, height, scroll } = picture
  context.clearRect(0, 0, width, height)
  context.save()
  clip(context, GUTTER, AXIS_HEIGHT, width, height)
  paintTicks(brush, picture)
  context.translate(0, AXIS_HEIGHT - scroll)
  paintContent(brush, picture)
  context.restore()
  paintMoments(brush, picture)
  paintScrollbar(brush, picture)
  context.save()
  clip(context, 0, AXIS_HEIGHT, GUTTER, height)
  context.translate(0, AXIS_HEIGHT - scroll)
  for (const row of picture.rows.all) paintLabel(brush, picture, row)
  context.restore()
  context.strokeStyle = theme.line
  context.lineWidth = 1
  context.beginPath()
  context.moveTo(0, AXIS_HEIGHT - 0.5)
  context.lineTo(width, AXIS_HEIGHT - 0.5)
  context.moveTo(GUTTER - 0.5, 0)
  context.lineTo(GUTTER - 0.5, height)
  context.stroke()
}

function clip(context: CanvasRenderingContext2D, left: number, top: number, right: number, bottom: number): void {
  context.beginPath()
  context.rect(left, top, right - left, bottom - top)
  context.clip()
}

function paintContent(brush: Brush, picture: Picture): void {
  const { run, mask, view, chosen, rows } = picture
  for (const row of rows.all) paintRow(brush, picture, row)
  const seen = countSeen(run, mask, view, Math.max(ARROWS_MAX, STEPS_MAX) + 1)
  if (seen.flights > ARROWS_MAX) paintBins(brush, picture)
  else paintArrows(brush, picture, seen.flights)
  if (seen.flights <= ARROWS_MAX && seen.steps <= STEPS_MAX) paintSteps(brush, picture)
  for (const row of rows.all) if (row.kind === 'node') paintDeaths(brush, picture, row)
  if (chosen?.of === 'flight') paintChosen(brush, picture, chosen.index)
  else if (chosen !== null) paintSpot(brush, picture, chosen)
}

function paintRow(brush: Brush, picture: Picture, row: Row): void {
  switch (row.kind) {
    case 'faults':
      return paintFaults(brush, picture, row)
    case 'reigns':
      return paintReigns(brush, picture, row)
    case 'offsets':
      return paintOffsets(brush, picture, row)
    case 'transaction':
      return paintTransactions(brush, picture, row)
    default:
      return paintLane(brush, picture, row)
  }
}

/** Where the chosen thing begins and ends, from top to bottom; a step has a ring, too. */
function paintSpot({ context, theme }: Brush, { run, view, rows }: Picture, chosen: Thing): void {
  const { begin, end } = describe(run, chosen).span
  context.strokeStyle = theme.chosen
  context.lineWidth = 1
  context.setLineDash([2, 3])
  context.beginPath()
  for (const time of new Set([begin, end < 0 ? run.timeline.end : end])) {
    context.moveTo(xOf(view, time), 0)
    context.lineTo(xOf(view, time), rows.height)
  }
  context.stroke()
  context.setLineDash([])
  const y = chosen.of === 'step' ? rows.laneMiddle[run.steps.lane[chosen.index]!] : undefined
  if (y === undefined) return
  context.lineWidth = 2
  context.beginPath()
  context.arc(xOf(view, begin), y, 6, 0, 2 * Math.PI)
  context.stroke()
}

/** Rows go on below, or above. */
function paintScrollbar(brush: Brush, { rows, width, height, scroll }: Picture): void {
  const room = height - AXIS_HEIGHT
  if (rows.height <= room) return
  const box = { x: width - 7, y: AXIS_HEIGHT + (scroll / rows.height) * room, width: 4, height: (room / rows.height) * room }
  bar(brush, box, brush.theme.quiet, 0.5)
}

function paintTicks({ context, theme }: Brush, { view, height }: Picture): void {
  context.strokeStyle = theme.line
  context.globalAlpha = 0.5
  context.lineWidth = 1
  context.beginPath()
  for (const { time } of ticksOf(view)) {
    const x = Math.round(xOf(view, time)) + 0.5
    context.moveTo(x, AXIS_HEIGHT)
    context.lineTo(x, height)
  }
  context.stroke()
  context.globalAlpha = 1
}

/** Times that concern everybody: ticks, the end of trouble, the broken promise. */
function paintMoments(brush: Brush, picture: Picture): void {
  const { context, theme } = brush
  const { view, height, run } = picture
  const { violation, healedAt, end } = run.timeline
  context.save()
  clip(context, GUTTER, 0, picture.width, height)
  context.font = fontOf(11)
  context.textBaseline = 'middle'
  context.fillStyle = theme.quiet
  for (const { time, text } of ticksOf(view)) context.fillText(text, xOf(view, time) + 5, AXIS_HEIGHT / 2 + 1)
  if (healedAt < end) flag(brush, picture, { time: healedAt, text: 'faults end', colour: theme.good })
  if (violation !== null) {
    const x = xOf(view, violation.at)
    context.fillStyle = theme.broken
    context.globalAlpha = 0.08
    context.fillRect(x, AXIS_HEIGHT, picture.width - x, height)
    context.globalAlpha = 1
    flag(brush, picture, { time: violation.at, text: `broken: ${violation.code}`, colour: theme.broken })
    paintCulprit(brush, picture, violation.host)
  }
  context.restore()
}

function flag(
  { context, theme }: Brush,
  { view, height }: Picture,
  { time, text, colour }: { time: number; text: string; colour: string },
): void {
  const x = xOf(view, time)
  context.strokeStyle = colour
  context.lineWidth = 1.5
  context.beginPath()
  context.moveTo(x, 4)
  context.lineTo(x, height)
  context.stroke()
  context.font = fontOf(11, 600)
  const width = context.measureText(text).width + 12
  const left = x + width > view.left + view.width ? x - width : x
  context.fillStyle = colour
  context.fillRect(left, 4, width, 18)
  context.fillStyle = theme.ground
  context.fillText(text, left + 6, 13.5)
}

/** Where it broke. */
function paintCulprit({ context, theme }: Brush, { run, rows, view, scroll }: Picture, host: number | null): void {
  const { violation } = run.timeline
  const y = host === null ? undefined : rows.laneMiddle[run.laneOf.get(host) ?? -1]
  if (y === undefined || violation === null) return
  const [x, middle] = [xOf(view, violation.at), y + AXIS_HEIGHT - scroll]
  context.fillStyle = theme.broken
  context.beginPath()
  context.arc(x, middle, 7, 0, 2 * Math.PI)
  context.fill()
  context.strokeStyle = theme.ground
  context.lineWidth = 2
  context.beginPath()
  context.moveTo(x - 3, middle - 3)
  context.lineTo(x + 3, middle + 3)
  context.moveTo(x + 3, middle - 3)
  context.lineTo(x - 3, middle + 3)
  context.stroke()
}

function paintLabel(brush: Brush, picture: Picture, row: Row): void {
  const { context, theme } = brush
  const { kind, label, top, height, index } = row
  const isNode = kind === 'node'
  context.font = fontOf(12, isNode || kind === 'reigns' ? 600 : 400)
  context.textBaseline = 'middle'
  context.textAlign = 'right'
  context.fillStyle = isNode || kind === 'client' || kind === 'reigns' ? theme.text : theme.quiet
  context.fillText(label, GUTTER - 14, top + height / 2, GUTTER - 24)
  if (kind === 'offsets') paintScale(brush, picture, row)
  context.textAlign = 'left'
  if (!isNode) return
  context.fillStyle = nodeColour(theme, index)
  context.fillRect(GUTTER - 7, top + 6, 4, height - 12)
  const lives = picture.run.timeline.lanes[index]!.lives.length
  if (lives < 2) return
  context.font = fontOf(10)
  context.fillStyle = theme.quiet
  context.textAlign = 'right'
  context.fillText(`${lives} lives`, GUTTER - 14, top + height / 2 + 14)
  context.textAlign = 'left'
}
