/**
 * The state of one partition in a share group (KIP-932): which of its records are done with, who has which, and how often each was given out. Neighbours that are
 * alike are one range; the ranges cover everything between the start offset, below which all is done with, and the next offset, from which on nothing was given out.
 *
 *   available ─► acquired ─► acknowledged (done)
 *      │ ▲          │ └────► archived (rejected)
 *      │ └──────────┘ released, or the lock is over; returned: the attempt does not count
 *      └► archived (as many attempts as there may be)
 */
import { assert } from '../../protocol/assert.ts'
import type { AcknowledgeType } from '../../protocol/messages/share.ts'

/** What is known of a record that was given out. */
export type ShareRecordState = 'available' | 'acquired' | 'acknowledged' | 'archived'

/** Records that are alike, the ends included. */
export interface ShareRange {
  readonly first: number
  readonly last: number
  readonly state: ShareRecordState
  /** How often they were given out. */
  readonly deliveryCount: number
  /** Who has them; '' unless acquired. */
  readonly memberId: string
  /** Uptime at which the lock is over; 0 unless acquired. */
  readonly lockUntil: number
}

/** See the header. */
export interface SharePartition {
  startOffset: number
  nextOffset: number
  /** Without gaps, from the start offset to the next offset; the first is not done with. */
  ranges: ShareRange[]
  /** What members had when the log lost it, below the start offset, in order: they may still say what shall become of it, until their locks are over. Not written. */
  gone: ShareRange[]
}

/** Who asks for records, and what he may have. */
export interface Acquisition {
  readonly memberId: string
  readonly lockUntil: number
  readonly deliveryCountLimit: number
  readonly countMax: number
  /** He has others already. */
  readonly hasOthers: boolean
  /** Where the records end that may be given out. */
  readonly endOffset: number
  /** The longest window between start offset and next offset. */
  readonly windowMax: number
}

/** A share partition that begins at an offset. */
export function newSharePartition(startOffset: number): SharePartition {
  return { startOffset, nextOffset: startOffset, ranges: [], gone: [] }
}

/** The first records that nobody has, old ones before new ones; they are the member's now. What has had its attempts is archived on the way. */
export function acquire(partition: SharePartition, wanted: Acquisition): ShareRange[] {
  const taken: ShareRange[] = []
  let left = wanted.countMax
  for (const range of partition.ranges) {
    if (left <= 0) break
    if (range.state !== 'available') continue
    if (range.deliveryCount >= wanted.deliveryCountLimit) {
      replace(partition, { ...range, state: 'archived' })
      continue
    }
    const isAlone = isSuspect(range, wanted.deliveryCountLimit)
    if (isAlone && (wanted.hasOthers || taken.length > 0)) left = 0
    if (left <= 0) break
    const one = take(range, isAlone ? 1 : left, wanted)
    taken.push(one)
    left = isAlone ? 0 : left - (one.last - one.first + 1)
  }
  for (const one of taken) replace(partition, one)
  moveStart(partition)
  return left <= 0 ? taken : [...taken, ...acquireNew(partition, wanted, left)]
}

/** Whoever was given it did not come to an end again and again: perhaps because of it. It is given alone, so that others do not suffer with it. */
function isSuspect({ deliveryCount }: Pick<ShareRange, 'deliveryCount'>, deliveryCountLimit: number): boolean {
  return deliveryCount > 0 && deliveryCount >= Math.floor(deliveryCountLimit / 2)
}

function take(range: ShareRange, countMax: number, { memberId, lockUntil }: Acquisition): ShareRange {
  const last = Math.min(range.last, range.first + countMax - 1)
  return { first: range.first, last, state: 'acquired', deliveryCount: range.deliveryCount + 1, memberId, lockUntil }
}

function acquireNew(partition: SharePartition, wanted: Acquisition, countMax: number): ShareRange[] {
  const { startOffset, nextOffset: first } = partition
  const end = Math.min(wanted.endOffset, startOffset + wanted.windowMax, first + countMax)
  if (end <= first) return []
  const fresh: ShareRange = { first, last: end - 1, state: 'available', deliveryCount: 0, memberId: '', lockUntil: 0 }
  const one = take(fresh, countMax, wanted)
  partition.ranges.push(one)
  partition.nextOffset = end
  partition.ranges = joined(partition.ranges)
  return [one]
}

/** Whether a range that was just given out goes alone: nothing else is given with it. */
export function goesAlone({ deliveryCount }: Pick<ShareRange, 'deliveryCount'>, deliveryCountLimit: number): boolean {
  return isSuspect({ deliveryCount: deliveryCount - 1 }, deliveryCountLimit)
}

/** What a member still has of a range that it was given: its log may have lost the beginning since, or the end. */
export function heldOf(
  partition: SharePartition,
  { first, last, deliveryCount }: Pick<ShareRange, 'first' | 'last' | 'deliveryCount'>,
  memberId: string,
  uptime: number,
): Pick<ShareRange, 'first' | 'last'>[] {
  const held = overlapping(partition, first, last).filter((one) => isHeldBy(one, memberId, uptime) && one.deliveryCount === deliveryCount)
  return held.map((one) => ({ first: Math.max(first, one.first), last: Math.min(last, one.last) }))
}

/** A lock that has not begun: its member has not been told yet. */
export const LOCK_PENDING: number = Number.MAX_SAFE_INTEGER

/** The member is told of a range: its locks begin. */
export function beginLocks(
  partition: SharePartition,
  { first, last }: Pick<ShareRange, 'first' | 'last'>,
  memberId: string,
  lockUntil: number,
): void {
  for (const range of overlapping(partition, first, last)) {
    if (range.memberId !== memberId || range.lockUntil !== LOCK_PENDING) continue
    replace(partition, { ...range, first: Math.max(first, range.first), last: Math.min(last, range.last), lockUntil })
  }
}

/**
 * What a member says of records; false, and nothing changes, unless it has all of them. With those that it had when the log lost them there is nothing to be done any more. (Kafka's
 * SharePartition takes what is said of anything below its start, whoever had it.)
 */
export function acknowledge(
  partition: SharePartition,
  { first, last, type }: { readonly first: number; readonly last: number; readonly type: AcknowledgeType },
  memberId: string,
  uptime: number,
): boolean {
  if (!(first <= last) || last >= partition.nextOffset) return false
  if (!hadAll(partition, first, Math.min(last, partition.startOffset - 1), memberId, uptime)) return false
  const held = overlapping(partition, first, last)
  if (!held.every((one) => isHeldBy(one, memberId, uptime))) return false
  for (const range of held) {
    const begin = Math.max(first, range.first)
    replace(partition, { ...settled(range, type), first: begin, last: Math.min(last, range.last) })
  }
  moveStart(partition)
  return true
}

/** Whether these, of which the log has none any more, were the member's then, and its lock is not over. */
function hadAll({ gone }: SharePartition, first: number, last: number, memberId: string, uptime: number): boolean {
  const had = gone.filter((one) => one.last >= first && one.first <= last && isHeldBy(one, memberId, uptime))
  return had.reduce((sum, one) => sum + Math.min(last, one.last) - Math.max(first, one.first) + 1, 0) === Math.max(0, last - first + 1)
}

/** Locks that are over. Says whether there were any. */
export function expireLocks(partition: SharePartition, uptime: number): boolean {
  partition.gone = partition.gone.filter(({ lockUntil }) => lockUntil > uptime)
  return settleAll(partition, (range) => range.lockUntil <= uptime, 'release')
}

/** Everything that a member has is to be given again. Says whether it had something. */
export function releaseMember(partition: SharePartition, memberId: string): boolean {
  partition.gone = partition.gone.filter((range) => range.memberId !== memberId)
  return settleAll(partition, (range) => range.memberId === memberId, 'release')
}

/** What was given out, and its member has not been told yet. */
export function untoldRanges({ ranges }: SharePartition): ShareRange[] {
  return ranges.filter(({ state, lockUntil }) => state === 'acquired' && lockUntil === LOCK_PENDING)
}

/** An attempt that nobody was ever told of does not count. Says whether it is still there. */
export function takeBack(
  partition: SharePartition,
  { first, last, deliveryCount }: Pick<ShareRange, 'first' | 'last' | 'deliveryCount'>,
): boolean {
  const meant = overlapping(partition, first, last).filter((one) => one.state === 'available' && one.deliveryCount === deliveryCount)
  for (const range of meant)
    replace(partition, { ...settled(range, 'return'), first: Math.max(first, range.first), last: Math.min(last, range.last) })
  return meant.length > 0
}

/** Records below it are gone. */
export function raiseStart(partition: SharePartition, offset: number): boolean {
  if (offset <= partition.startOffset) return false
  for (const range of partition.ranges) {
    const isTold = range.state === 'acquired' && range.lockUntil !== LOCK_PENDING
    if (isTold && range.first < offset) partition.gone.push({ ...range, last: Math.min(range.last, offset - 1) })
  }
  partition.ranges = partition.ranges.flatMap((range) => (range.last < offset ? [] : { ...range, first: Math.max(range.first, offset) }))
  partition.startOffset = offset
  partition.nextOffset = Math.max(partition.nextOffset, offset)
  moveStart(partition)
  return true
}

/** Records from there on were lost: what comes there now is something else. */
export function cutEnd(partition: SharePartition, offset: number): boolean {
  if (offset >= partition.nextOffset) return false
  partition.gone = partition.gone.filter(({ last }) => last < offset)
  partition.ranges = partition.ranges.flatMap((range) =>
    range.first >= offset ? [] : { ...range, last: Math.min(range.last, offset - 1) },
  )
  partition.nextOffset = offset
  partition.startOffset = Math.min(partition.startOffset, offset)
  moveStart(partition)
  return true
}

/** How many records of the window are in this state. */
export function countOf({ ranges }: SharePartition, states: readonly ShareRecordState[]): number {
  return ranges.reduce((sum, { first, last, state }) => sum + (states.includes(state) ? last - first + 1 : 0), 0)
}

/** Asserts what must always be true of it. */
export function checkSharePartition({ startOffset, nextOffset, ranges }: SharePartition): void {
  let expected = startOffset
  for (const { first, last } of ranges) {
    assert(first === expected && last >= first, 'K1 the ranges of a share partition have no gaps')
    expected = last + 1
  }
  assert(expected === nextOffset, 'K2 the ranges of a share partition end at its next offset')
  assert(ranges[0] === undefined || !isDone(ranges[0]), 'K3 the first record of a share partition is not done with')
}

function overlapping({ ranges }: SharePartition, first: number, last: number): ShareRange[] {
  return ranges.filter((range) => range.last >= first && range.first <= last)
}

function isHeldBy(one: ShareRange, memberId: string, uptime: number): boolean {
  return one.state === 'acquired' && one.memberId === memberId && one.lockUntil > uptime
}

function settleAll(partition: SharePartition, isMeant: (range: ShareRange) => boolean, type: AcknowledgeType): boolean {
  const meant = partition.ranges.filter((range) => range.state === 'acquired' && isMeant(range))
  for (const range of meant) replace(partition, settled(range, type))
  return meant.length > 0
}

function settled(range: ShareRange, type: AcknowledgeType): ShareRange {
  const free = { ...range, memberId: '', lockUntil: 0 }
  switch (type) {
    case 'accept':
      return { ...free, state: 'acknowledged' }
    case 'reject':
      return { ...free, state: 'archived' }
    case 'return':
      return { ...free, state: 'available', deliveryCount: range.deliveryCount - 1 }
    default:
      return { ...free, state: 'available' }
  }
}

/** Puts a range where others were, what is left of them beside it. */
function replace(partition: SharePartition, one: ShareRange): void {
  const ranges = partition.ranges.flatMap((range) => {
    if (range.last < one.first || range.first > one.last) return [range]
    const before = range.first < one.first ? [{ ...range, last: one.first - 1 }] : []
    const after = range.last > one.last ? [{ ...range, first: one.last + 1 }] : []
    return [...before, ...(range.first <= one.first ? [one] : []), ...after]
  })
  partition.ranges = joined(ranges)
}

/** Over everything that is done with. */
function moveStart(partition: SharePartition): void {
  const open = partition.ranges.findIndex((range) => !isDone(range))
  partition.ranges = open < 0 ? [] : partition.ranges.slice(open)
  partition.startOffset = partition.ranges[0]?.first ?? partition.nextOffset
}

function isDone({ state }: ShareRange): boolean {
  return state === 'acknowledged' || state === 'archived'
}

function joined(ranges: readonly ShareRange[]): ShareRange[] {
  const result: ShareRange[] = []
  for (const range of ranges) {
    const last = result[result.length - 1]
    if (last !== undefined && areAlike(last, range)) result[result.length - 1] = { ...last, last: range.last }
    else result.push(range)
  }
  return result
}

/** Of what is done with, nobody asks how often it was given out. */
function areAlike(a: ShareRange, b: ShareRange): boolean {
  if (a.state !== b.state) return false
  return isDone(a) || (a.deliveryCount === b.deliveryCount && a.memberId === b.memberId && a.lockUntil === b.lockUntil)
}
