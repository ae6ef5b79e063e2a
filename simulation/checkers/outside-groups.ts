/**
 * What holds for a group that nobody is in: somebody commits for it from outside, and deletes what it has committed. Seen from outside its coordinators, each
 * partition is a register: what is told is what was said to be written last, or something that was taken since and whose fate nobody knows. BACK: what was
 * committed is gone; GONE: what was deleted, or has expired, comes back.
 */
import type { Effect } from '../../actors/effect.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { decodeGroupCommit } from '../../coordinator/groups/offset-record.ts'
import type { Address } from '../../protocol/address.ts'
import { NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { walkBatches } from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { lifeOf, livesOf } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'
import { isInCharge } from './in-charge.ts'

/** A write that a coordinator has taken; an offset of -1 is a deletion. */
interface Write {
  readonly life: PartitionTruth
  readonly offset: number
  readonly order: number
  readonly takenAtMicros: number
}

/** One partition, in one life of its topic. */
interface Register {
  /** What was said to be written last. */
  told: Write | null
  /** What was taken after it, the oldest first. */
  readonly open: Write[]
  /** The highest offset that was ever taken. */
  takenEnd: number
}

/** What is known of such a group. */
export interface OutsideGroup {
  readonly truth: Truth
  readonly name: string
  /** Offsets expire after so long; -1: never. */
  readonly retentionMillis: number
  readonly registers: Map<PartitionTruth, Register>
  /** By client and correlation id: what answers will be about. */
  readonly taken: Map<string, readonly Write[]>
  /** When the last commit was taken that somebody was told of: one that fails is none. */
  committedAtMicros: number
  order: number
}

/** Nothing is known yet. */
export function newOutsideGroup(truth: Truth, name: string, retentionMillis: number): OutsideGroup {
  const group: OutsideGroup = {
    truth,
    name,
    retentionMillis,
    registers: new Map(),
    taken: new Map(),
    committedAtMicros: 0,
    order: 0,
  }
  truth.committedEnds.set(name, (partition) => group.registers.get(partition)?.takenEnd ?? -1)
  return group
}

/** How far the group has committed a partition, as somebody was told; -1 for not at all, or if that is not certain. */
export function toldOffset(group: OutsideGroup, partition: PartitionTruth): number {
  const register = group.registers.get(partition)
  return register === undefined || register.open.length > 0 ? -1 : (register.told?.offset ?? -1)
}

/** A coordinator has handled a message: of the group, or of its log. */
export function checkOutside(group: OutsideGroup, state: GroupsState, message: Message, from: Address, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.kind !== 'send') continue
    const told = effect.message
    if (told.kind === 'produce') onTaken(group, message, from, told.records)
    if (told.kind === 'offsetCommitResponse' || told.kind === 'groupDeletionResponse')
      onTold(group, `${effect.to.node}/${told.correlationId}`, told.errorCode === NONE)
    if (told.kind !== 'offsetFetchResponse' || told.errorCode !== NONE || !isInCharge(group.truth, state)) continue
    if (message.kind !== 'offsetFetch' || message.group !== group.name) continue
    const offsets = new Map(told.offsets.map((one) => [topicPartitionName(one.topic, one.partition), one]))
    for (const name of told.requested) {
      const one = offsets.get(name)
      for (const life of livesOf(group.truth, name)) checkTold(group, life, one?.topicId === life.topicId ? one.offset : -1)
    }
  }
}

/** Records of the group go to the log: commits, or tombstones. */
function onTaken(group: OutsideGroup, message: Message, from: Address, records: Uint8Array): void {
  const writes: Write[] = []
  for (const { at } of walkBatches(records)) {
    for (const { key, value } of readRecords(records, at)) {
      const commit = decodeGroupCommit(key, value)
      if (commit === null || commit.group !== group.name) continue
      const name = topicPartitionName(commit.topic, commit.partition)
      const topicId = commit.committed?.topicId
      // A tombstone is of whatever topic the offset is of.
      const lives = topicId === undefined ? livesOf(group.truth, name) : [lifeOf(group.truth, name, topicId)]
      for (const life of lives) {
        if (life === undefined) continue
        writes.push({ life, offset: commit.committed?.offset ?? -1, order: ++group.order, takenAtMicros: group.truth.world.nowMicros })
      }
    }
  }
  if (writes.length === 0) return
  for (const write of writes) take(group, write)
  if (message.kind === 'timerFired') checkExpiry(group)
  if ('correlationId' in message) group.taken.set(`${from.node}/${message.correlationId}`, writes)
}

function take(group: OutsideGroup, write: Write): void {
  const register = group.registers.get(write.life) ?? { told: null, open: [], takenEnd: -1 }
  group.registers.set(write.life, register)
  register.open.push(write)
  register.takenEnd = Math.max(register.takenEnd, write.offset)
}

function checkExpiry({ truth, name, retentionMillis, committedAtMicros }: OutsideGroup): void {
  const idleMicros = truth.world.nowMicros - committedAtMicros
  if (retentionMillis < 0 || idleMicros < retentionMillis * 1000)
    truth.world.fail('BACK', `offsets of ${name} expire ${idleMicros} us after the last commit`)
}

/** Whoever asked hears that the write is in the log: whatever was taken before it is over. */
function onTold(group: OutsideGroup, key: string, isWritten: boolean): void {
  const writes = group.taken.get(key)
  if (writes === undefined || !isWritten) return
  for (const write of writes) {
    if (write.offset >= 0) group.committedAtMicros = Math.max(group.committedAtMicros, write.takenAtMicros)
    const register = group.registers.get(write.life)
    if (register === undefined || (register.told?.order ?? -1) > write.order) continue
    register.told = write
    register.open.splice(0, register.open.filter(({ order }) => order <= write.order).length)
  }
}

function checkTold(group: OutsideGroup, life: PartitionTruth, offset: number): void {
  const register = group.registers.get(life)
  const told = register?.told?.offset ?? -1
  if (life.isOver || life.isUnclean || offset === told || register?.open.some((write) => write.offset === offset) === true) return
  const code = told < 0 ? 'GONE' : 'BACK'
  group.truth.world.fail(code, `${group.name} says that ${life.name} is at ${offset}, but ${told < 0 ? 'nothing' : told} is committed`)
}
