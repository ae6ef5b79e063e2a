/**
 * The reference model of a consumer group that reads a topic: plain data. Per partition what is in it and what the group has committed; per member where it is in the
 * partitions that it has. A record that a member is given must be the next one, or the first that is not committed when it has just got the partition.
 */
import type { ConsumerRecord, RecordMetadata } from '../../edge/client/api.ts'
import { LawError } from '../laws.ts'
import { nameOf, numberOf } from './numbered-record.ts'
import type { NumberedRecord } from './numbered-record.ts'

/** A record of the topic. */
export interface GroupRecord extends NumberedRecord {
  readonly offset: number
  /** Some member was given it. */
  isGiven: boolean
}

/** One partition. */
export interface GroupPartitionModel {
  /** In the order of the log. */
  readonly records: GroupRecord[]
  /** The offset at which the group goes on. */
  committed: number
  /** Where it may go on as well: nobody said whether these were committed. */
  perhaps: number[]
}

/** What a member has of one partition. A new one for each time that it gets it. */
export interface Holding {
  /** The offset of the next record; null: it has been given none yet, and begins at what is committed. */
  next: number | null
}

/** A group, its members, and the topic that they read. */
export interface GroupModel {
  readonly partitions: readonly GroupPartitionModel[]
  /** By name, what each member has, by partition. */
  readonly members: Map<string, Map<number, Holding>>
  /** Records that may be there or not: nobody answered. */
  uncertain: NumberedRecord[]
  nextNumber: number
}

/** What a member is about to commit. */
export interface CommitAsked {
  readonly partition: number
  readonly holding: Holding
  readonly offset: number
}

/** A group without members, of a topic that has just been made. */
export function newGroupModel(partitions: number): GroupModel {
  const empty = (): GroupPartitionModel => ({ records: [], committed: 0, perhaps: [] })
  return { partitions: Array.from({ length: partitions }, empty), members: new Map(), uncertain: [], nextNumber: 1 }
}

/** The records are there. */
export function noteSent(model: GroupModel, records: readonly NumberedRecord[], places: readonly RecordMetadata[]): void {
  for (const [i, record] of records.entries()) insert(model, record, places[i]!)
}

/** A member has got partitions: it begins at what is committed. */
export function noteAssigned(model: GroupModel, member: string, partitions: readonly number[]): void {
  for (const partition of partitions) model.members.get(member)?.set(partition, { next: null })
}

/** A member has partitions no more. */
export function noteGone(model: GroupModel, member: string, partitions: readonly number[]): void {
  for (const partition of partitions) model.members.get(member)?.delete(partition)
}

/** A member was given records. Throws a LawError for the first that was not due. */
export function noteGiven(model: GroupModel, member: string, records: readonly ConsumerRecord<string, string>[]): void {
  for (const one of records) {
    const { partition, offset } = one
    const what = `${member} was given ${nameOf({ ...one, number: numberOf(one) })} at offset ${offset} of partition ${partition}`
    const holding = model.members.get(member)?.get(partition)
    if (holding === undefined) throw new LawError(`${what}, which it does not have`)
    const record = known(model, one)
    if (record === null) throw new LawError(`${what}, but nobody sent that there`)
    checkDue(model.partitions[partition]!, holding, offset, what)
    holding.next = offset + 1
    record.isGiven = true
  }
}

/** What a member commits if it commits all that it was given. */
export function askedBy(model: GroupModel, member: string): CommitAsked[] {
  const holdings = [...(model.members.get(member) ?? [])]
  return holdings.flatMap(([partition, holding]) => (holding.next === null ? [] : [{ partition, holding, offset: holding.next }]))
}

/** A member has committed. Throws a LawError if that takes back what was committed before. */
export function noteCommitted(model: GroupModel, member: string, asked: readonly CommitAsked[]): void {
  for (const one of asked) {
    const partition = model.partitions[one.partition]!
    if (model.members.get(member)?.get(one.partition) !== one.holding) notePerhaps(partition, one.offset)
    else if (one.offset < partition.committed)
      throw new LawError(
        `${member} committed ${one.offset} of partition ${one.partition}, where ${partition.committed} was committed before`,
      )
    else {
      partition.committed = one.offset
      partition.perhaps = []
    }
  }
}

/** Nobody said whether a member has committed. */
export function noteMaybeCommitted(model: GroupModel, asked: readonly CommitAsked[]): void {
  for (const { partition, offset } of asked) notePerhaps(model.partitions[partition]!, offset)
}

/** What is not committed, and a member that has all partitions has not been given, in words; null if there is nothing. */
export function undrained(model: GroupModel, member: string): string | null {
  for (const [number, partition] of model.partitions.entries()) {
    const { records, committed, perhaps } = partition
    const reached = model.members.get(member)?.get(number)?.next ?? Math.max(committed, ...perhaps)
    const due = records.find(({ offset, isGiven }) => offset >= reached || !isGiven)
    if (due === undefined) continue
    const what = due.isGiven ? `is not committed (${committed} is), and was not given again` : 'was never given to anybody'
    return `${nameOf(due)} at offset ${due.offset} of partition ${number} ${what}`
  }
  return null
}

function insert(
  model: GroupModel,
  record: NumberedRecord,
  { partition, offset }: { readonly partition: number; readonly offset: number },
): void {
  const { records } = model.partitions[partition]!
  const index = records.findIndex((other) => other.offset > offset)
  records.splice(index === -1 ? records.length : index, 0, { ...record, offset, isGiven: false })
}

/** The record of the model that was given; null if there is none. One that was uncertain is there from now on. */
function known(model: GroupModel, one: ConsumerRecord<string, string>): GroupRecord | null {
  const number = numberOf(one)
  const uncertain = model.uncertain.find((record) => record.number === number)
  if (uncertain !== undefined) insert(model, uncertain, one)
  model.uncertain = model.uncertain.filter((record) => record !== uncertain)
  const { records } = model.partitions[one.partition]!
  const isIt = (record: GroupRecord): boolean =>
    record.number === number && record.offset === one.offset && record.key === one.key && record.value === one.value
  return records.find(isIt) ?? null
}

function checkDue(partition: GroupPartitionModel, holding: Holding, offset: number, what: string): void {
  const { records, committed, perhaps } = partition
  const begins = holding.next === null ? [committed, ...perhaps] : [holding.next]
  const due = begins.map((begin) => records.find((record) => record.offset >= begin)?.offset ?? begin)
  const begin = begins[due.indexOf(offset)]
  if (begin === undefined) {
    const reason = holding.next === null ? `${committed} was committed` : 'it goes on there'
    const kind = offset < Math.min(...due) ? 'again' : 'too early'
    throw new LawError(`${what} ${kind}: ${due.join(' or ')} was due, for ${reason}`)
  }
  if (holding.next === null) partition.committed = begin
}

/** What is below the committed offset was refused, or is of no importance any more. */
function notePerhaps(partition: GroupPartitionModel, offset: number): void {
  if (offset > partition.committed) partition.perhaps.push(offset)
}
