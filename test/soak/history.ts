/**
 * What the checker of the soak tests knows, and what is wrong with what it is told. Four promises, over any number of crashes: an acknowledged (or once
 * read) record is there (lost), an author's records are in order and there once (reordered), an offset has one record for ever (reused), and what a
 * group has committed stays committed (counted as lost: it is an acknowledged commit).
 */
import { DAMAGED_AUTHOR } from './event.ts'
import type { Run, SoakEvent } from './event.ts'

/** One partition as it has been told. */
interface PartitionHistory {
  /** By offset: author + 1, or 0 for an offset that nobody has spoken of. */
  authors: Uint32Array
  /** By offset. */
  sequences: Uint32Array
  /** One past the highest offset that somebody has spoken of. */
  knownEnd: number
  /** The next offset that a reading has to deliver. */
  readNext: number
  /** By author: one past the last sequence that the reading has delivered. */
  readSequences: Map<number, number>
  /** By author: one past the last sequence that is acknowledged without an offset. */
  readonly flushed: Map<number, number>
  /** One past the last record that the group was given. */
  deliveredEnd: number
  /** The highest offset that the group has committed. */
  committed: number
}

/** Everything told so far, and how much of it is wrong. */
export interface History {
  readonly partitions: Map<string, PartitionHistory>
  acknowledged: number
  lost: number
  reordered: number
  reused: number
  diverged: number
  /** What a pipeline has written more than once. */
  duplicated: number
  /** Sentences about the first violations. */
  readonly complaints: string[]
}

type Violation = 'lost' | 'reordered' | 'reused' | 'diverged' | 'duplicated'

const COMPLAINTS_MAX = 20

/** A history in which nothing has happened. */
export function emptyHistory(): History {
  return { partitions: new Map(), acknowledged: 0, lost: 0, reordered: 0, reused: 0, diverged: 0, duplicated: 0, complaints: [] }
}

/** Whether no promise is broken so far. */
export function isSound({ lost, reordered, reused, diverged, duplicated }: History): boolean {
  return lost + reordered + reused + diverged + duplicated === 0
}

/** Where the next reading can go on, by partition: what is below has been read and was right. */
export function readPositions({ partitions }: History): Record<string, number> {
  return Object.fromEntries([...partitions].map(([where, { readNext }]) => [where, readNext]))
}

/** Takes an event and counts what is wrong with it. */
export function takeEvent(history: History, event: SoakEvent): void {
  switch (event.kind) {
    case 'loading':
    case 'round':
      return undefined
    case 'acknowledged':
      return onAcknowledged(history, event)
    case 'flushed':
      return onFlushed(history, event)
    case 'reading':
      return onReading(history, event)
    case 'read':
      return onRead(history, event)
    case 'readEnd':
      return onReadEnd(history, event)
    case 'diverged':
      return complain(history, 'diverged', event.count, `${event.where}: ${event.count} replicas do not hold what the first one holds`)
    case 'output':
      return onOutput(history, event)
    case 'delivered':
      return onDelivered(history, event)
    case 'committed':
    case 'found':
      return onCommitted(history, event)
  }
}

function onOutput(history: History, event: Extract<SoakEvent, { kind: 'output' }>): void {
  history.acknowledged += event.acknowledged
  for (const what of ['lost', 'duplicated', 'reordered'] as const)
    if (event[what] > 0) complain(history, what, event[what], `${event[what]} records of the output are ${what}`)
}

function onAcknowledged(history: History, event: Extract<SoakEvent, { kind: 'acknowledged' }>): void {
  history.acknowledged += event.count
  remember(history, event)
}

function onFlushed(history: History, event: Extract<SoakEvent, { kind: 'flushed' }>): void {
  const { flushed } = partitionOf(history, event.where)
  history.acknowledged += event.count
  flushed.set(event.author, Math.max(flushed.get(event.author) ?? 0, event.sequenceEnd))
}

function onReading(history: History, { where, offset }: Extract<SoakEvent, { kind: 'reading' }>): void {
  const partition = partitionOf(history, where)
  if (offset === 0) partition.readSequences = new Map()
  else if (offset !== partition.readNext) throw new Error(`${where} can be read from 0 or ${partition.readNext}, not from ${offset}`)
  partition.readNext = offset
}

function onRead(history: History, event: Extract<SoakEvent, { kind: 'read' }>): void {
  const { where, offset, author, sequence, count } = event
  const partition = partitionOf(history, where)
  if (offset < partition.readNext)
    complain(history, 'reordered', count, `${where}: offset ${offset} was read after ${partition.readNext - 1}`)
  if (offset > partition.readNext) complainOfMissing(history, where, partition.readNext, offset)
  remember(history, event)
  if (author !== DAMAGED_AUTHOR) followAuthor(history, where, event)
  partition.readSequences.set(author, sequence + count)
  partition.readNext = Math.max(partition.readNext, offset + count)
}

/** The records of an author come in the order of their sequence, without a gap. */
function followAuthor(history: History, where: string, { offset, author, sequence, count }: Run): void {
  const partition = partitionOf(history, where)
  const expected = partition.readSequences.get(author) ?? 0
  const place = `${where}: at offset ${offset} author ${author} goes from ${expected - 1} to ${sequence}`
  if (sequence < expected) complain(history, 'reordered', Math.min(count, expected - sequence), place)
  if (sequence <= expected) return
  const promised = Math.min(sequence, partition.flushed.get(author) ?? 0) - expected
  if (promised > 0) complain(history, 'lost', promised, place)
  else complain(history, 'reordered', 1, place)
}

function onReadEnd(history: History, { where, offset }: Extract<SoakEvent, { kind: 'readEnd' }>): void {
  const partition = partitionOf(history, where)
  const end = Math.max(offset, partition.knownEnd)
  if (end > partition.readNext) complainOfMissing(history, where, partition.readNext, end)
  for (const [author, sequenceEnd] of partition.flushed) {
    const missing = sequenceEnd - (partition.readSequences.get(author) ?? 0)
    if (missing > 0) complain(history, 'lost', missing, `${where}: author ${author} ends ${missing} records before what was flushed`)
  }
}

function onDelivered(history: History, { where, offset, count }: Extract<SoakEvent, { kind: 'delivered' }>): void {
  const partition = partitionOf(history, where)
  const skipped = offset - partition.deliveredEnd
  if (skipped > 0) complain(history, 'lost', skipped, `${where}: the group was never given ${partition.deliveredEnd} to ${offset - 1}`)
  partition.deliveredEnd = Math.max(partition.deliveredEnd, offset + count)
}

function onCommitted(history: History, { where, offset }: Extract<SoakEvent, { kind: 'committed' | 'found' }>): void {
  const partition = partitionOf(history, where)
  if (offset < partition.committed) {
    complain(history, 'lost', 1, `${where}: the committed offset goes back from ${partition.committed} to ${offset}`)
  }
  partition.committed = Math.max(partition.committed, offset)
}

/** Notes which record each offset holds; one that held another has been reused. */
function remember(history: History, { where, offset, author, sequence, count }: Run & { readonly where: string }): void {
  const partition = partitionOf(history, where)
  reserve(partition, offset + count)
  let changed = 0
  for (let index = 0; index < count; index++) {
    const at = offset + index
    const isKnown = partition.authors[at] !== 0
    const isSame = partition.authors[at] === storedAuthor(author) && partition.sequences[at] === sequence + index
    if (author === DAMAGED_AUTHOR || (isKnown && !isSame)) changed++
    if (isKnown) continue
    partition.authors[at] = storedAuthor(author)
    partition.sequences[at] = sequence + index
  }
  partition.knownEnd = Math.max(partition.knownEnd, offset + count)
  if (changed > 0) complain(history, 'reused', changed, `${where}: from offset ${offset} on, ${changed} of ${count} records are others`)
}

/** Offsets that somebody has spoken of, from `begin` to `end`, are not in the log. */
function complainOfMissing(history: History, where: string, begin: number, end: number): void {
  const { authors } = partitionOf(history, where)
  const missing = authors.subarray(begin, end).reduce((count, author) => count + (author === 0 ? 0 : 1), 0)
  if (missing > 0) complain(history, 'lost', missing, `${where}: ${missing} known records from offset ${begin} to ${end - 1} are not there`)
}

function complain(history: History, violation: Violation, count: number, sentence: string): void {
  history[violation] += count
  if (history.complaints.length < COMPLAINTS_MAX) history.complaints.push(`${violation}: ${sentence}`)
}

function partitionOf({ partitions }: History, where: string): PartitionHistory {
  const existing = partitions.get(where)
  if (existing !== undefined) return existing
  const partition: PartitionHistory = {
    authors: new Uint32Array(1024),
    sequences: new Uint32Array(1024),
    knownEnd: 0,
    readNext: 0,
    readSequences: new Map(),
    flushed: new Map(),
    deliveredEnd: 0,
    committed: 0,
  }
  partitions.set(where, partition)
  return partition
}

function reserve(partition: PartitionHistory, count: number): void {
  if (count <= partition.authors.length) return
  partition.authors = grown(partition.authors, count)
  partition.sequences = grown(partition.sequences, count)
}

function grown(array: Uint32Array, count: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.max(count, array.length * 2))
  larger.set(array)
  return larger
}

function storedAuthor(author: number): number {
  return author === DAMAGED_AUTHOR ? author : author + 1
}
