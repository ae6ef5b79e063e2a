/**
 * Ticks of the time axis, at round times, and times as text.
 */
import type { View } from './view.ts'

/** A tick, and what is written there. */
export interface Tick {
  readonly time: number
  readonly text: string
}

/** Between two ticks there is at least so much room, in pixels. */
const ROOM = 96

/** The ticks of a view. */
export function ticksOf({ begin, end, width }: View): Tick[] {
  const step = stepOf(((end - begin) * ROOM) / width)
  const decimals = decimalsOf(step)
  const ticks: Tick[] = []
  for (let time = Math.ceil(begin / step) * step; time <= end; time += step) {
    if (time >= 0) ticks.push({ time, text: `${(time / 1_000_000).toFixed(decimals)} s` })
  }
  return ticks
}

/** The least round step that is no less. */
export function stepOf(micros: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(micros, 1)))
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= micros) ?? power * 10
}

function decimalsOf(stepMicros: number): number {
  return Math.max(0, Math.min(6, 6 - Math.floor(Math.log10(stepMicros))))
}

/** A time, to the microsecond. */
export function timeText(micros: number): string {
  return `${(micros / 1_000_000).toFixed(6)} s`
}

/** A duration with as many digits as tell something. */
export function durationText(micros: number): string {
  if (micros < 1000) return `${Math.round(micros)} µs`
  return micros < 1_000_000 ? `${trimmed(micros / 1000)} ms` : `${trimmed(micros / 1_000_000)} s`
}

function trimmed(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0).replace(/\.0+$/, '')
}
