/**
 * How commands write: tables for people, one JSON value per line for programs, and at the pace of whoever reads. A reader that goes away
 * (`odradek consume … | head`) ends the command quietly.
 */
import { once } from 'node:events'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'

/** More names of partitions are not read by people; with --json there are all. */
const NAMES_MAX = 10

const closing = new AbortController()

/** Fires when nobody reads the standard output any more. */
export const pipeClosed: AbortSignal = closing.signal

/** Turns EPIPE into the signal above, instead of a crash. */
export function endWhenPipeCloses(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    closing.abort()
  })
}

/** Writes a piece of output and waits while the reader is slower than we are. */
export async function write(text: string | Uint8Array): Promise<void> {
  if (pipeClosed.aborted || process.stdout.write(text)) return
  try {
    await once(process.stdout, 'drain', { signal: pipeClosed })
  } catch (error) {
    if (!pipeClosed.aborted) throw error
  }
}

/** Writes one JSON value on a line of its own. */
export async function writeJson(value: unknown): Promise<void> {
  await write(`${JSON.stringify(value)}\n`)
}

/** Says something to the person, who may have redirected the output: on the standard error. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** How many of them there are: `1 record`, `2 records`. */
export function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** The first ones of them. */
export function namesOf(partitions: readonly TopicPartition[]): string {
  const names = partitions.slice(0, NAMES_MAX).map(({ topic, partition }) => topicPartitionName(topic, partition))
  const more = partitions.length - names.length
  return `${names.join(' ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** Rows in aligned columns, numbers to the right, under a heading. */
export function table(heading: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const widths = heading.map((title, column) => Math.max(title.length, ...rows.map((row) => String(row[column] ?? '').length)))
  const line = (cells: readonly (string | number)[]): string => {
    const padded = cells.map((cell, column) => pad(cell, widths[column] ?? 0))
    return `${padded.join('  ').trimEnd()}\n`
  }
  return [heading, ...rows].map(line).join('')
}

/** A table, or (without rows) that there is none of what is listed: to a person only, so that a script counts no lines. */
export async function writeTable(what: string, heading: readonly string[], rows: readonly (readonly (string | number)[])[]): Promise<void> {
  if (rows.length > 0) return write(table(heading, rows))
  if (process.stdout.isTTY) say(`There are no ${what}.`)
}

function pad(cell: string | number, width: number): string {
  return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width)
}
