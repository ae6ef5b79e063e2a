/**
 * The reference model of a topic: plain data. Per partition the records that must be there, in order; beside them what may be there or not, because nobody answered; and what
 * must never be seen. `checkRead` compares it with what a reader has seen.
 */
import type { ConsumerRecord, RecordMetadata } from '../../edge/client/api.ts'
import { LawError } from '../laws.ts'
import { nameOf, numberOf } from './numbered-record.ts'
import type { NumberedRecord } from './numbered-record.ts'

/** A record that is known to be in a partition. */
export interface ModelRecord extends NumberedRecord {
  /** -1: not known yet, for the producer was not told. */
  offset: number
}

/** Records that are there or not. */
export interface UncertainRecords {
  /** Why: they were sent; sent in a transaction, of which all are there or none; or deleted, and so may go later, too. */
  readonly kind: 'sent' | 'transaction' | 'deleted'
  /** Where each went, as far as somebody said so: -1 otherwise. */
  readonly records: readonly (ModelRecord & { readonly foundIn: number })[]
}

/** One partition. */
export interface PartitionModel {
  startOffset: number
  /** Acknowledged (or committed) and not deleted, in the order of the log. */
  records: ModelRecord[]
}

/** A topic. */
export interface TopicModel {
  readonly partitions: readonly PartitionModel[]
  uncertain: UncertainRecords[]
  /** What must not be seen, by number, and why. */
  readonly gone: Map<number, 'its transaction was aborted' | 'it was deleted'>
  nextNumber: number
}

/** A topic that has just been made. */
export function newTopicModel(partitions: number): TopicModel {
  return {
    partitions: Array.from({ length: partitions }, () => ({ startOffset: 0, records: [] })),
    uncertain: [],
    gone: new Map(),
    nextNumber: 1,
  }
}

/** The records are there from now on, where the producer was told. */
export function noteWritten(model: TopicModel, records: readonly NumberedRecord[], places: readonly RecordMetadata[]): void {
  for (const [i, record] of records.entries()) {
    const { partition, offset } = places[i]!
    model.partitions[partition]!.records.push({ ...record, offset })
  }
}

/** Nobody said whether the records are there. `places` is where they are if they are, as far as it is known. */
export function noteUncertain(
  model: TopicModel,
  records: readonly NumberedRecord[],
  { kind, places }: { readonly kind: 'sent' | 'transaction'; readonly places: readonly RecordMetadata[] },
): void {
  const placed = records.map((record, i) => ({
    ...record,
    offset: places[i]?.offset ?? -1,
    foundIn: places[i]?.partition ?? record.partition ?? -1,
  }))
  model.uncertain.push({ kind, records: placed })
}

/** The records are never to be seen. */
export function noteAborted(model: TopicModel, records: readonly NumberedRecord[]): void {
  for (const { number } of records) model.gone.set(number, 'its transaction was aborted')
}

/** Everything of a partition below an offset was deleted. */
export function noteDeleted(model: TopicModel, partition: number, beforeOffset: number): void {
  const one = model.partitions[partition]!
  for (const { number, offset } of one.records) if (offset < beforeOffset) model.gone.set(number, 'it was deleted')
  one.records = one.records.filter(({ offset }) => offset >= beforeOffset)
  one.startOffset = Math.max(one.startOffset, beforeOffset)
}

/** Nobody said whether everything of a partition below an offset was deleted. */
export function noteMaybeDeleted(model: TopicModel, partition: number, beforeOffset: number): void {
  const one = model.partitions[partition]!
  const below = one.records.filter(({ offset }) => offset < beforeOffset)
  one.records = one.records.filter(({ offset }) => offset >= beforeOffset)
  model.uncertain.push({ kind: 'deleted', records: below.map((record) => ({ ...record, foundIn: partition })) })
}

/**
 * Compares what was read of all partitions, from their beginning, with the model, and learns from it which of the uncertain records are there. Returns what is missing at
 * the end of a partition, in words, for that may yet come; null if nothing is. Throws a LawError for everything else that differs.
 */
export function checkRead(model: TopicModel, seen: readonly ConsumerRecord<string, string>[]): string | null {
  checkOffsets(model, seen)
  learn(model, seen)
  let missing: string | null = null
  for (const [partition, { records }] of model.partitions.entries()) {
    const numbers = seen.filter((one) => one.partition === partition).map(numberOf)
    const known = records.map(({ number }) => number)
    const lost = records.filter(({ number }) => !numbers.includes(number))
    const last = known.findLastIndex((number) => numbers.includes(number))
    const text = lost.map((one) => `${nameOf(one)} at offset ${one.offset}`).join(', ')
    if (lost.some(({ number }) => known.indexOf(number) < last))
      throw new LawError(`partition ${partition} misses ${text}, but has later ones`)
    if (lost.length > 0) missing ??= `partition ${partition} misses ${text}`
    checkOrder(
      partition,
      known.filter((number) => numbers.includes(number)),
      numbers.filter((number) => known.includes(number)),
    )
    settle(model.partitions[partition]!, seen)
  }
  return missing
}

function checkOffsets(model: TopicModel, seen: readonly ConsumerRecord<string, string>[]): void {
  for (const [partition, { startOffset }] of model.partitions.entries()) {
    let before = startOffset - 1
    for (const { offset } of seen.filter((one) => one.partition === partition)) {
      if (offset <= before)
        throw new LawError(`partition ${partition} is out of order: offset ${offset} was read where ${before + 1} or more was due`)
      before = offset
    }
  }
}

/** What was seen must be known; of what was uncertain, it is certain then. */
function learn(model: TopicModel, seen: readonly ConsumerRecord<string, string>[]): void {
  const numbers = new Set<number>()
  for (const one of seen) {
    const number = numberOf(one)
    if (numbers.has(number)) throw new LawError(`partition ${one.partition} has record ${number} twice, once at offset ${one.offset}`)
    numbers.add(number)
    makeCertain(model, one)
    checkKnown(model, one)
  }
}

function makeCertain(model: TopicModel, one: ConsumerRecord<string, string>): void {
  const number = numberOf(one)
  const group = model.uncertain.find(({ records }) => records.some((record) => record.number === number))
  if (group === undefined || group.kind === 'deleted') return
  const isSettled = (record: NumberedRecord): boolean => group.kind === 'transaction' || record.number === number
  for (const { foundIn, ...record } of group.records.filter(isSettled)) {
    const partition = record.number === number && foundIn === -1 ? one.partition : foundIn
    insert(model.partitions[partition]!, record.offset === -1 ? { ...record, offset: one.offset } : record)
  }
  const rest = group.records.filter((record) => !isSettled(record))
  model.uncertain = model.uncertain.flatMap((other) => (other !== group ? [other] : rest.length === 0 ? [] : [{ ...group, records: rest }]))
}

function insert({ records }: PartitionModel, record: ModelRecord): void {
  const index = records.findIndex(({ offset }) => offset > record.offset)
  records.splice(index === -1 ? records.length : index, 0, record)
}

function checkKnown(model: TopicModel, one: ConsumerRecord<string, string>): void {
  const { partition, offset, key, value } = one
  const number = numberOf(one)
  const perhaps = model.uncertain.flatMap(({ records }) => records.filter(({ foundIn }) => foundIn === partition))
  const known = [...model.partitions[partition]!.records, ...perhaps].find((record) => record.number === number)
  const what = `partition ${partition} has too much: ${nameOf({ number, key, value })} at offset ${offset}`
  if (known === undefined) throw new LawError(`${what}, though ${model.gone.get(number) ?? 'nobody sent it there'}`)
  if (known.key !== key || known.value !== value) throw new LawError(`${what} was sent as ${nameOf(known)}`)
  if (known.offset !== -1 && known.offset !== offset) throw new LawError(`${what} was acknowledged at offset ${known.offset}`)
}

function checkOrder(partition: number, expected: readonly number[], seen: readonly number[]): void {
  const wrong = expected.findIndex((number, i) => seen[i] !== number)
  if (wrong === -1) return
  throw new LawError(`partition ${partition} is out of order: record ${seen[wrong]} was read where record ${expected[wrong]} was due`)
}

/** The offsets of those that nobody had told where they are. */
function settle({ records }: PartitionModel, seen: readonly ConsumerRecord<string, string>[]): void {
  const offsets = new Map(seen.map((one) => [numberOf(one), one.offset]))
  for (const record of records) if (record.offset === -1) record.offset = offsets.get(record.number) ?? -1
}
