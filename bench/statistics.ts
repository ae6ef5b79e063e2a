/**
 * What many numbers come to: median, percentile, and the line of a result. It does NOT drop outliers: the extremes are printed.
 */
import type { Measurement } from './question.ts'

/** A measurement in one line, as it is printed and as `--json` gives it. */
export interface Result {
  readonly name: string
  readonly unit: string
  /** How many runs there were. */
  readonly runs: number
  readonly min: number
  readonly median: number
  readonly max: number
}

/** The line of a measurement. Fails without a sample: a result that nobody measured is a defect. */
export function summarise({ name, unit, samples }: Measurement): Result {
  if (samples.length === 0 || samples.some((sample) => !Number.isFinite(sample))) throw new Error(`${name} has no sound samples`)
  return { name, unit, runs: samples.length, min: Math.min(...samples), median: median(samples), max: Math.max(...samples) }
}

/** The middle of some numbers in any order; of an even count the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
}

/** The smallest of some ascending numbers that at least `fraction` (0 … 1) of them do not exceed (nearest rank). */
export function percentile(ascending: ArrayLike<number>, fraction: number): number {
  const rank = Math.ceil(fraction * ascending.length)
  return ascending[Math.min(Math.max(rank, 1), ascending.length) - 1] ?? NaN
}
