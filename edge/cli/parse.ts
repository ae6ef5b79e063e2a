/**
 * How arguments are read: numbers, settings, and where to begin reading. What it cannot read it refuses with a sentence, and commander adds the
 * name of the option.
 */
import { InvalidArgumentError } from 'commander'
import type { Acks } from '../../protocol/messages/produce.ts'
import { PARTITIONS_PER_TOPIC_MAX } from '../../protocol/topic-config.ts'
import { NODES_MAX } from '../client/options.ts'

/** Where a consumer begins. */
export type StartPosition =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'timestamp'; readonly timestamp: number }

/** A whole number from 1. */
export function parseCount(text: string): number {
  return countUpTo(text, Number.MAX_SAFE_INTEGER, 'from 1')
}

/** A percentage, which may have decimals. */
export function parsePercentage(text: string): number {
  const percentage = /^\d{1,6}(\.\d{1,6})?$/.test(text) ? Number(text) : 0
  if (percentage <= 0) throw new InvalidArgumentError('It must be a percentage above 0, such as 2.5.')
  return percentage
}

/** How many partitions a topic may have. */
export function parsePartitions(text: string): number {
  return countUpTo(text, PARTITIONS_PER_TOPIC_MAX, `from 1 to ${PARTITIONS_PER_TOPIC_MAX}`)
}

/** How many nodes a cluster has. */
export function parseNodeCount(text: string): number {
  return countUpTo(text, NODES_MAX, `from 1 to ${NODES_MAX}`)
}

/** Nodes, separated by commas. */
export function parseNodes(text: string): number[] {
  if (!/^\d{1,9}(,\d{1,9})*$/.test(text)) throw new InvalidArgumentError('It must be nodes, separated by commas, such as 2,0,1.')
  return text.split(',').map(Number)
}

/** What a producer waits for: `quorum`, `leader`, `none`, or how many replicas. */
export function parseAcks(text: string): Acks {
  if (text === 'quorum' || text === 'leader' || text === 'none') return text
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be quorum, leader, none, or how many replicas must have a record.')
}

/** Where the data is: any name but none. */
export function parseDirectory(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must name a directory.')
  return text
}

/** A whole number from 0. */
export function parseWhole(text: string): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError('It must be a whole number from 0.')
  return number
}

/** A whole number from 0, collected over repetitions. */
export function parseWholes(text: string, before: readonly number[] | undefined): number[] {
  return [...(before ?? []), parseWhole(text)]
}

/** `name=value`, collected over repetitions. Whether the setting exists is the cluster's to say. */
export function parseSettings(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It must be NAME=VALUE.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** `earliest`, `latest`, an offset, `@` and milliseconds since 1970, or a date such as 2018-02-06T12:00Z. */
export function parseStart(text: string): StartPosition {
  if (text === 'earliest' || text === 'latest') return { kind: text }
  if (/^\d+$/.test(text)) return { kind: 'offset', offset: parseWhole(text) }
  const timestamp = /^@\d+$/.test(text) ? parseWhole(text.slice(1)) : Date.parse(text)
  if (!/^(@|\d{4}-)/.test(text) || Number.isNaN(timestamp)) {
    throw new InvalidArgumentError('It must be earliest, latest, an OFFSET, @MILLISECONDS or a date such as 2018-02-06T12:00Z.')
  }
  return { kind: 'timestamp', timestamp }
}

function countUpTo(text: string, max: number, range: string): number {
  const count = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!(count >= 1 && count <= max)) throw new InvalidArgumentError(`It must be a whole number ${range}.`)
  return count
}
