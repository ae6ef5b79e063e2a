/**
 * What is told at the end: rates, delays, and what lies on the disk.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Files below a directory. */
export interface DiskUse {
  readonly files: number
  readonly bytes: number
}

/** The value below which a share of the numbers lies (nearest rank); null without numbers. */
export function percentile(numbers: readonly number[], share: number): number | null {
  const sorted = numbers.toSorted((one, other) => one - other)
  const rank = Math.max(1, Math.ceil(share * sorted.length))
  return sorted[rank - 1] ?? null
}

/** `0.43 ms`, or a dash. */
export function millis(value: number | null): string {
  if (value === null) return '–'
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`
}

/** `1.2 MB`. */
export function size(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

/** Counts the files below a directory; one that vanishes meanwhile does not count. */
export function diskUse(directory: string): DiskUse {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const found = names.map((name) => statSync(join(directory, name), { throwIfNoEntry: false })).filter((stat) => stat?.isFile() === true)
  return { files: found.length, bytes: found.reduce((sum, stat) => sum + (stat?.size ?? 0), 0) }
}
