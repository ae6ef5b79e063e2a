/**
 * The law of each read mode. AMO: at most once handles no record twice, ever. ALO: at least once has handled every record in the end. EFF: effectively once has handled every key
 * that is there, and no record whose key it has handled before, if a commit that was answered covered that, among the last keys of the partition. What the weaker modes may do is counted.
 *
 * Whoever has a partition must know what was committed before it got it, and what it has committed itself; one that does not know that it has lost the partition cannot know more.
 */
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { ReadMode } from '../reader-plan.ts'
import type { PlacedRecord } from '../transactions-truth.ts'
import { livesOf, nameOf } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'

/** Things that readers do; a fleet that has not seen all of them proves too little. */
export type ReaderEvent = 'handled' | 'handledAgain' | 'skipped' | 'leftOut'

/** All kinds, in a fixed order. */
export const READER_EVENTS: readonly ReaderEvent[] = ['handled', 'handledAgain', 'skipped', 'leftOut']

/** A member has a partition, from `sinceMicros` on. */
export interface Tenure {
  readonly member: string
  readonly sinceMicros: number
}

/** A record that was handled, and whose commit was answered. */
interface CommittedHandling {
  readonly offset: number
  readonly tenure: Tenure
  readonly answeredMicros: number
}

/** What is known of one partition. */
interface ReadPartition {
  /** By offset: how often it was handled. */
  readonly handled: number[]
  readonly leftOut: Set<number>
  readonly handledKeys: Set<number>
  /** By key, in the order of the answers. */
  readonly committed: Map<number, CommittedHandling[]>
  /** The group has forgotten its offsets, because nobody used them for too long: it begins anew. */
  isForgotten: boolean
}

/** What the readers of a run did. */
export interface ReadersTruth {
  readonly truth: Truth
  readonly mode: ReadMode
  readonly rememberedKeys: number
  /** One past the last record of a partition that a commit has been taken for. */
  readonly takenEnd: (partition: PartitionTruth) => number
  readonly partitions: Map<PartitionTruth, ReadPartition>
  readonly counts: Record<ReaderEvent, number>
}

/** Nothing has happened. */
export function noReaderEvents(): Record<ReaderEvent, number> {
  return { handled: 0, handledAgain: 0, skipped: 0, leftOut: 0 }
}

/** Nothing was read yet. */
export function newReadersTruth(rules: Omit<ReadersTruth, 'partitions' | 'counts'>): ReadersTruth {
  return { ...rules, partitions: new Map(), counts: noReaderEvents() }
}

/** The key of a record, as it was submitted. */
export function keyOf(truth: Truth, value: number): number {
  return truth.keyed.get(value)?.key ?? -1
}

/** A member begins to handle a record, now. */
export function noteHandled(readers: ReadersTruth, record: PlacedRecord, tenure: Tenure): void {
  const { truth, mode } = readers
  const { partition, offset, value } = record
  const known = readPartition(readers, partition)
  const times = (known.handled[offset] ?? 0) + 1
  known.handled[offset] = times
  count(readers, 'handled')
  if (mode === 'at-least-once' && times > 1) count(readers, 'handledAgain')
  if (mode === 'at-most-once' && times > 1 && !known.isForgotten)
    truth.world.fail('AMO', `${tenure.member} handles ${nameOf(value)} at ${partition.name} ${offset}, which was handled before`)
  if (mode === 'effectively-once') checkKey(readers, known, record, tenure)
  known.handledKeys.add(keyOf(truth, value))
}

/** A member leaves a record out, because it knows the key. */
export function noteLeftOut(readers: ReadersTruth, { partition, offset, value }: PlacedRecord, tenure: Tenure): void {
  const known = readPartition(readers, partition)
  known.leftOut.add(offset)
  count(readers, 'leftOut')
  if (!known.handledKeys.has(keyOf(readers.truth, value)))
    readers.truth.world.fail('EFF', `${tenure.member} leaves out ${partition.name} ${offset}, but nobody has handled its key`)
}

/** A member was told that its commit counts: these are the records that it has handled since the one before. */
export function noteCovered(readers: ReadersTruth, records: readonly PlacedRecord[], tenures: ReadonlyMap<string, Tenure>): void {
  const answeredMicros = readers.truth.world.nowMicros
  for (const { partition, offset, value } of records) {
    const tenure = tenures.get(partition.name)
    if (tenure === undefined) continue
    const { committed } = readPartition(readers, partition)
    const key = keyOf(readers.truth, value)
    committed.set(key, [...(committed.get(key) ?? []), { offset, tenure, answeredMicros }])
  }
}

/** The group has forgotten what it committed: it begins anew, and nothing of before counts. */
export function noteForgotten(readers: ReadersTruth, { topic, partition }: TopicPartition): void {
  for (const life of livesOf(readers.truth, topicPartitionName(topic, partition))) readPartition(readers, life).isForgotten = true
}

/** The last look: everything that is there was handled, or left out; or (at most once) was skipped, which is counted. */
export function checkReaders(readers: ReadersTruth, partitions: readonly PartitionTruth[]): void {
  const { truth, mode } = readers
  for (const partition of partitions) {
    const { handled, leftOut, handledKeys } = readPartition(readers, partition)
    partition.values.forEach((value, offset) => {
      if (value === undefined || handled[offset] !== undefined) return
      if (mode === 'at-most-once') count(readers, 'skipped')
      else if (mode === 'at-least-once') truth.world.fail('ALO', `${nameOf(value)} at ${partition.name} ${offset} was handled by nobody`)
      else if (!leftOut.has(offset) || !handledKeys.has(keyOf(truth, value)))
        truth.world.fail('EFF', `${nameOf(value)} at ${partition.name} ${offset} was handled by nobody, nor its key`)
    })
  }
}

/** Whoever knows what is committed does not handle a key again that the commit carried. */
function checkKey(readers: ReadersTruth, known: ReadPartition, { partition, offset, value }: PlacedRecord, tenure: Tenure): void {
  const { truth, rememberedKeys } = readers
  if (known.isForgotten) return
  const key = keyOf(truth, value)
  for (const earlier of known.committed.get(key) ?? []) {
    const isKnown = earlier.tenure === tenure || earlier.answeredMicros <= tenure.sinceMicros
    const others = keysBetween(readers, partition, earlier.offset + 1, Math.max(offset, readers.takenEnd(partition)))
    others.delete(key)
    if (isKnown && others.size < rememberedKeys)
      return truth.world.fail(
        'EFF',
        `${tenure.member} handles ${nameOf(value)} at ${partition.name} ${offset}, whose key ${key} was handled at ${earlier.offset}, and committed`,
      )
  }
}

/** The keys of the records between; one that nobody has seen is like no other. */
function keysBetween({ truth }: ReadersTruth, { values }: PartitionTruth, begin: number, end: number): Set<number> {
  const keys = new Set<number>()
  for (let offset = begin; offset < end; offset++) {
    const value = values[offset]
    keys.add(value === undefined ? -1 - offset : keyOf(truth, value))
  }
  return keys
}

function count(readers: ReadersTruth, event: ReaderEvent): void {
  readers.counts[event]++
}

function readPartition(readers: ReadersTruth, partition: PartitionTruth): ReadPartition {
  const known = readers.partitions.get(partition)
  if (known !== undefined) return known
  const fresh: ReadPartition = { handled: [], leftOut: new Set(), handledKeys: new Set(), committed: new Map(), isForgotten: false }
  readers.partitions.set(partition, fresh)
  return fresh
}
