/**
 * What there is too much of to be drawn one by one: how many messages come and go in each stretch of time, by lane and family.
 */
import { FAMILIES } from '../families.ts'
import type { Mask } from './filter.ts'
import type { Run } from './run.ts'
import type { View } from './view.ts'

/** Counts for stretches of the screen. */
export interface Bins {
  readonly count: number
  /** Pixels of each. */
  readonly width: number
  /** By lane, bin and family. */
  readonly counts: Uint16Array
  /** By lane and bin: messages that nobody heard. */
  readonly missed: Uint16Array
  /** The most in one bin of one lane. */
  readonly most: number
}

/** How wide a bin is, in pixels. */
const BIN_PIXELS = 4

/** Counts every seen message of a view at both of its ends. */
export function binsOf(run: Run, mask: Mask, view: View): Bins {
  const count = Math.max(1, Math.ceil(view.width / BIN_PIXELS))
  const lanes = run.timeline.lanes.length
  const families = FAMILIES.length
  const counts = new Uint16Array(lanes * count * families)
  const missed = new Uint16Array(lanes * count)
  const { sentAt, endAt, fromLane, toLane, family, fate } = run.flights
  const scale = count / (view.end - view.begin)
  const add = (time: number, lane: number, i: number): void => {
    if (time < view.begin || time >= view.end || lane < 0) return
    const bin = lane * count + Math.floor((time - view.begin) * scale)
    const at = bin * families + family[i]!
    counts[at] = counts[at]! + 1
    if (fate[i]! > 1) missed[bin] = missed[bin]! + 1
  }
  for (let i = 0; i < run.flights.count; i++) {
    if (mask.flights[i] === 0) continue
    add(sentAt[i]!, fromLane[i]!, i)
    if (fate[i] === 1) add(endAt[i]!, toLane[i]!, i)
  }
  return { count, width: view.width / count, counts, missed, most: mostOf(counts, families) }
}

function mostOf(counts: Uint16Array, families: number): number {
  let most = 0
  for (let bin = 0; bin < counts.length; bin += families) {
    let sum = 0
    for (let i = 0; i < families; i++) sum += counts[bin + i]!
    if (sum > most) most = sum
  }
  return most
}

/** How many messages and steps a view has; counting ends at `most`. */
export function countSeen(run: Run, mask: Mask, view: View, most: number): { readonly flights: number; readonly steps: number } {
  let flights = 0
  const { sentAt, endAt } = run.flights
  for (let i = 0; i < run.flights.count && flights < most; i++) {
    if (mask.flights[i] === 1 && sentAt[i]! < view.end && endAt[i]! >= view.begin) flights++
  }
  let steps = 0
  for (let i = 0; i < run.steps.count && steps < most; i++) {
    if (mask.steps[i] === 1 && run.steps.at[i]! >= view.begin && run.steps.at[i]! < view.end) steps++
  }
  return { flights, steps }
}
