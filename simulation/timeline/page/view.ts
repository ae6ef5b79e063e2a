/**
 * Which part of the run is seen: a span of virtual microseconds over a number of pixels. Views are values; moving one gives another, which never leaves the run.
 */

/** A span of the run on a stretch of the screen. */
export interface View {
  readonly begin: number
  readonly end: number
  /** Where it begins on the screen, in pixels. */
  readonly left: number
  readonly width: number
}

/** The run, with what is left free at both ends. */
export interface Bounds {
  readonly begin: number
  readonly end: number
}

/** Nothing is closer than this, in microseconds. */
const SPAN_MIN = 40

/** So much of a run is left free at each end. */
const MARGIN = 0.015

/** The bounds of a run of that length. */
export function boundsOf(endMicros: number): Bounds {
  const margin = Math.max(endMicros * MARGIN, SPAN_MIN)
  return { begin: -margin, end: endMicros + margin }
}

/** Where a time is on the screen. */
export function xOf({ begin, end, left, width }: View, time: number): number {
  return left + ((time - begin) / (end - begin)) * width
}

/** Which time a place on the screen is. */
export function timeOf({ begin, end, left, width }: View, x: number): number {
  return begin + ((x - left) / width) * (end - begin)
}

/** Zooms, so that what is at `x` stays there; `factor` above 1 sees more. */
export function zoomed(view: View, bounds: Bounds, x: number, factor: number): View {
  const span = Math.min(Math.max((view.end - view.begin) * factor, SPAN_MIN), bounds.end - bounds.begin)
  const time = timeOf(view, x)
  const begin = time - ((x - view.left) / view.width) * span
  return fitted({ ...view, begin, end: begin + span }, bounds)
}

/** Moves by so many pixels: above 0 shows what is earlier. */
export function panned(view: View, bounds: Bounds, pixels: number): View {
  const micros = (pixels / view.width) * (view.end - view.begin)
  return fitted({ ...view, begin: view.begin - micros, end: view.end - micros }, bounds)
}

/** Shows a time, `share` of the way from left to right, in a span of that length. */
export function around(view: View, bounds: Bounds, { time, span, share = 0.5 }: { time: number; span: number; share?: number }): View {
  const length = Math.min(Math.max(span, SPAN_MIN), bounds.end - bounds.begin)
  const begin = time - length * share
  return fitted({ ...view, begin, end: begin + length }, bounds)
}

/** Shows everything. */
export function whole(view: View, bounds: Bounds): View {
  return { ...view, ...bounds }
}

function fitted(view: View, bounds: Bounds): View {
  const span = view.end - view.begin
  const begin = Math.max(bounds.begin, Math.min(view.begin, bounds.end - span))
  return { ...view, begin, end: begin + span }
}
