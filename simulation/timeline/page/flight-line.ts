/**
 * Where the line of a message is on the page.
 */
import type { Rows } from './rows.ts'
import { FATE } from './run.ts'
import type { Run } from './run.ts'
import { xOf } from './view.ts'
import type { View } from './view.ts'

/** From the sender to the receiver, in pixels. */
export interface Line {
  readonly x: number
  readonly y: number
  readonly toX: number
  readonly toY: number
}

/** How far a message is drawn that is lost, in pixels: it goes on a little, and down or up. */
const LOST_RUN = 5
const LOST_WAY = 22

/** Lines go so far beyond the screen, in pixels: dashes on a long one would take seconds. */
const BEYOND = 60

/** The line of a message, as far as it is near the screen; one that is lost breaks off. */
export function lineOf({ run, view, rows }: { run: Run; view: View; rows: Rows }, index: number): Line {
  const { sentAt, endAt, fromLane, toLane, fate } = run.flights
  const [x, y] = [xOf(view, sentAt[index]!), rows.laneMiddle[fromLane[index]!] ?? 0]
  const toY = rows.laneMiddle[toLane[index]!] ?? 0
  if (fate[index] !== FATE.lost) return cropped({ x, y, toX: xOf(view, endAt[index]!), toY }, view)
  const way = toY - y
  return { x, y, toX: x + LOST_RUN, toY: y + Math.sign(way) * Math.min(Math.abs(way) / 2, LOST_WAY) }
}

function cropped({ x, y, toX, toY }: Line, { left, width }: View): Line {
  const slope = (toY - y) / Math.max(toX - x, 1e-9)
  const from = Math.max(x, left - BEYOND)
  const to = Math.min(toX, left + width + BEYOND)
  return { x: from, y: y + (from - x) * slope, toX: to, toY: toY + (to - toX) * slope }
}
