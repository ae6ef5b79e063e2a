/**
 * What a consumer group may and may not do, seen from outside its actor. SKIP: a commit never passes a record that nobody processed. BACK: what was committed
 * does not go back. FENCE: who lost a partition commits nothing for it. EXCL: the group never gives a partition to two members,
 * and no two members believe that they have it, unless one of them has outlived its session without knowing, or has not heard yet what its consumer has said. What operators
 * hear of it: groups-told.ts.
 */
import type { Effect } from '../../actors/effect.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { NONE } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/address.ts'
import { decodeGroupCommit } from '../../coordinator/groups/offset-record.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import { walkBatches } from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import type { TopicOffset, TopicPartitions } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { lifeOf, livesOf } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'
import type { Farewells } from './farewells.ts'
import { checkDescribed, checkListed } from './groups-told.ts'
import { isInCharge } from './in-charge.ts'

/** How far one group is with one partition, in one life of its topic. */
interface GroupProgress {
  readonly processed: boolean[]
  /** Everything below it is processed, or nobody's fault. */
  processedEnd: number
  /** The highest commit that a member was told of. */
  committed: number
  /** The highest commit that a coordinator has taken. */
  takenEnd: number
}

/** What is known of one group's hold on one partition. */
interface GroupPartition {
  /** Who was given it last. */
  owner: string | null
  /** Who believes to have it. */
  readonly believers: Map<string, Sleeper | null>
}

/** A commit that a coordinator of the group has taken; one that is not in charge any more may do so, but cannot write it, nor say that it counts. */
interface AcceptedCommit {
  readonly offsets: readonly TopicOffset[]
  /** What is wrong if it counts: FENCE or BACK, and why. */
  readonly objections: readonly (readonly ['FENCE' | 'BACK', string])[]
}

/** Who may be asleep, as a whole or (a timer comes too late) in part, and then does not know what time it is. */
export interface Sleeper {
  readonly isPaused: boolean
  /** What somebody there was told, and has not heard yet: there is too much to do. */
  readonly unheard: readonly Message[]
}

/** What is known of one group. */
export interface GroupTruth {
  readonly truth: Truth
  readonly name: string
  readonly sessionMillis: number
  /** Offsets expire after so long without members; -1: never. */
  readonly retentionMillis: number
  readonly partitions: Map<string, GroupPartition>
  readonly progress: Map<PartitionTruth, GroupProgress>
  /** By client and correlation id: commits that the group has taken. */
  readonly accepted: Map<string, AcceptedCommit>
  /** By member: when the group last took its heartbeat. */
  readonly heardAt: Map<string, number>
  /** Members whose instance id somebody else has by now: they do not know until they are answered next. */
  readonly succeeded: Set<string>
  /** By instance id: the member that has it. */
  readonly instances: Map<string, string>
  /** Is told when an offset expires. */
  readonly onExpired: ((partition: TopicPartition) => void)[]
  /** A commit counts when its coordinator says so, or when the application hears it: one that commits by hand may go back behind what it never heard of. */
  countsWhen: 'told' | 'heard'
  /** Its members speak the classic protocol (classic-groups.ts). */
  isClassic: boolean
  readonly farewells: Farewells
}

/** Nothing is known of the group yet; power losses will be heard of. */
export function newGroupTruth(truth: Truth, name: string, sessionMillis: number, retentionMillis = -1): GroupTruth {
  const group: GroupTruth = {
    truth,
    name,
    sessionMillis,
    retentionMillis,
    partitions: new Map(),
    progress: new Map(),
    accepted: new Map(),
    heardAt: new Map(),
    succeeded: new Set(),
    instances: new Map(),
    onExpired: [],
    countsWhen: 'told',
    isClassic: false,
    farewells: { said: new Map(), gone: new Set() },
  }
  truth.committedEnds.set(name, (partition) => progressOf(group, partition).takenEnd)
  truth.onLoss.push((partition) => onLoss(group, partition))
  return group
}

/** A member's application has processed a record. */
export function markProcessed(group: GroupTruth, partition: PartitionTruth, offset: number): void {
  const known = progressOf(group, partition)
  if (known.processed[offset] === true) group.truth.anomalies.processedAgain++
  known.processed[offset] = true
}

/** A member commits what it has made of a range of records in a transaction: that it did, or was about to do, is all that is known. */
export function markHandled(group: GroupTruth, partition: PartitionTruth, begin: number, end: number): void {
  const { processed } = progressOf(group, partition)
  for (let offset = begin; offset < end; offset++) processed[offset] = true
}

/** How far a group is known to be; -1 where nothing is known. */
export function committedSoFar(group: GroupTruth, { topic, partition, topicId }: TopicOffset): number {
  const life = lifeOf(group.truth, topicPartitionName(topic, partition), topicId)
  return life === undefined ? -1 : progressOf(group, life).committed
}

/**
 * A member is told, maybe late, that a transaction has committed an offset: from now on it must not be forgotten. `before` was known when the commit was asked for: others may be further now.
 */
export function noteCommitted(group: GroupTruth, { topic, partition, offset, topicId }: TopicOffset, before: number): void {
  const life = lifeOf(group.truth, topicPartitionName(topic, partition), topicId)
  if (life === undefined) return
  const known = progressOf(group, life)
  if (offset < before && known.committed > life.lossEnd && !life.isOver && !life.isUnclean)
    group.truth.world.fail('BACK', `${group.name}: a transaction commits ${offset} for ${life.name}, which was at ${before}`)
  known.committed = Math.max(known.committed, offset)
}

/** An application hears, maybe late, that its commit by hand counts: from now on it must not be forgotten. */
export function noteHeard(group: GroupTruth, partition: PartitionTruth, offset: number): void {
  const known = progressOf(group, partition)
  known.committed = Math.max(known.committed, offset)
}

/** An application is about to commit an offset again that it had passed without processing what follows: from now on that is no step back. */
export function noteTakenBack(group: GroupTruth, partition: PartitionTruth, offset: number): void {
  const known = progressOf(group, partition)
  known.committed = Math.min(known.committed, offset)
}

/** A member's application begins with the first record that it is given: nobody may have to process those before it. */
export function beginAt(group: GroupTruth, partition: PartitionTruth, offset: number, member: string): void {
  const known = progressOf(group, partition)
  const end = processedEnd(known, partition.startOffset)
  if (offset <= end || partition.isOver || partition.isUnclean) return
  group.truth.world.fail(
    'SKIP',
    `${group.name}: ${member} begins at ${offset} of ${partition.name}, but record ${end} was processed by nobody`,
  )
}

/**
 * A member's application starts to believe that it has a partition. Who has it still is silent for longer than its session, or is paused: its rebalance time-out may
 * have ended before that. Or its consumer has said in time that the partition is lost, and its host has too much to do: the application hears it later. Or the member that takes it has been silent for so long itself: its
 * consumer said at `saidAtMicros`, in time, that it has the partition, and its application hears that when its host wakes up.
 */
export function beginBelief(
  group: GroupTruth,
  name: string,
  member: string,
  host: Sleeper | null = null,
  saidAtMicros: number = group.truth.world.nowMicros,
): void {
  const known = partitionOf(group, name)
  const { world, anomalies } = group.truth
  const sessionMicros = group.sessionMillis * 1000
  const sessionEnd = (group.heardAt.get(member) ?? Infinity) + sessionMicros
  const isLate = saidAtMicros < sessionEnd && world.nowMicros >= sessionEnd
  for (const [other, sleeper] of known.believers) {
    if (other === member) continue
    const silentMicros = world.nowMicros - (group.heardAt.get(other) ?? -Infinity)
    const cannotKnow = isLate || (sleeper !== null && (sleeper.isPaused || isToldOfLoss(sleeper, name)))
    if (silentMicros < sessionMicros && !cannotKnow && !group.succeeded.has(other))
      world.fail('EXCL', `${member} takes ${name} while ${other} has it, heard ${silentMicros} us ago`)
    else anomalies.zombieBelief++
  }
  known.believers.set(member, host)
}

/** That the partition is lost has been said there, and is not heard yet. */
function isToldOfLoss({ unheard }: Sleeper, lost: string): boolean {
  return unheard.some(
    (told) => told.kind === 'revoking' && told.lost && told.partitions.some((one) => topicPartitionName(one.topic, one.partition) === lost),
  )
}

/** Another process has come under the instance id of a member. */
export function markSucceeded(group: GroupTruth, member: string): void {
  group.succeeded.add(member)
}

/** It lets go, knows that it lost it, or dies. */
export function endBelief(group: GroupTruth, name: string, member: string): void {
  partitionOf(group, name).believers.delete(member)
}

/** How far the group has committed a partition of the newest topic of that name, as members were told; -1 if never. */
export function committedOf(group: GroupTruth, name: string): number {
  const life = livesOf(group.truth, name).at(-1)
  return life === undefined ? -1 : progressOf(group, life).committed
}

/** A coordinator has handled a message: of the group, or of its log. */
export function checkGroup(group: GroupTruth, state: GroupsState, message: Message, from: Address, effects: readonly Effect[]): void {
  if ('group' in message && message.group !== group.name) return
  if (message.kind === 'offsetCommit' && hasSent(effects, 'produce'))
    onAccepted(group, believerOf(group, message.memberId), message.offsets, keyOf(from, message.correlationId))
  for (const effect of effects) {
    if (effect.kind !== 'send') continue
    const told = effect.message
    // Nobody takes what one writes that was succeeded.
    if (told.kind === 'produce' && message.kind === 'timerFired' && isInCharge(group.truth, state)) onExpiry(group, told.records)
    if (told.kind === 'offsetCommitResponse' && told.errorCode === NONE) onCommitTold(group, keyOf(effect.to, told.correlationId))
    if (told.kind === 'describeGroupResponse' && isInCharge(group.truth, state)) checkDescribed(group, state, told)
    if (told.kind === 'offsetCommitResponse' || !('errorCode' in told) || told.errorCode !== NONE) continue
    // One that another node has succeeded may still speak, of what was before. Nobody may rely on that: whoever believes it processes again, and commits nothing.
    if (!isInCharge(group.truth, state)) continue
    if (told.kind === 'offsetFetchResponse') onOffsetsTold(group, told.requested, told.offsets)
    if (told.kind === 'listGroupsResponse') checkListed(group, state, told.groups)
    if (told.kind === 'consumerGroupHeartbeatResponse')
      onHeartbeatTold(group, memberAt(group, state, effect.to, told.correlationId), told.assignment)
  }
  if (message.kind === 'consumerGroupHeartbeat' || message.kind === 'produceResponse') checkExclusive(group, state)
}

/** Whose newest heartbeat is answered; null: that of nobody in this group. */
function memberAt(group: GroupTruth, state: GroupsState, to: Address, correlationId: number): string | null {
  for (const { memberId, address, lastHeartbeatId } of state.groups.get(group.name)?.membership?.members.values() ?? [])
    if (address?.node === to.node && address.actor === to.actor && lastHeartbeatId === correlationId) return memberId
  return null
}

/** The client that a member is: what a classic group calls it begins with the client's own name for itself. */
export function believerOf({ isClassic }: GroupTruth, memberId: string): string {
  return isClassic && memberId !== '' ? memberId.slice(0, memberId.lastIndexOf('-')) : memberId
}

/** Offsets of a group expire: that is due when nobody was heard of it for long enough. */
function onExpiry(group: GroupTruth, records: Uint8Array): void {
  const { truth, name, retentionMillis, heardAt } = group
  for (const { at } of walkBatches(records)) {
    for (const { key, value } of readRecords(records, at)) {
      const expired = decodeGroupCommit(key, value)
      if (expired === null || expired.group !== name) continue
      const silentMicros = truth.world.nowMicros - Math.max(...heardAt.values())
      if (retentionMillis < 0 || silentMicros < retentionMillis * 1000)
        truth.world.fail('BACK', `offsets of ${name} expire ${silentMicros} us after a member was heard`)
      for (const life of livesOf(truth, topicPartitionName(expired.topic, expired.partition))) progressOf(group, life).committed = -1
      for (const tell of group.onExpired) tell(expired)
    }
  }
}

function hasSent(effects: readonly Effect[], kind: Message['kind']): boolean {
  return effects.some((effect) => effect.kind === 'send' && effect.message.kind === kind)
}

function keyOf(client: Address, correlationId: number): string {
  return `${client.node}/${correlationId}`
}

function onAccepted(group: GroupTruth, member: string, offsets: readonly TopicOffset[], key: string): void {
  const objections: (readonly ['FENCE' | 'BACK', string])[] = []
  for (const { topic, partition, offset, topicId } of offsets) {
    const name = topicPartitionName(topic, partition)
    const { owner } = partitionOf(group, name)
    if (owner !== null && owner !== member)
      objections.push(['FENCE', `${group.name} takes ${offset} for ${name} from ${member}, but ${owner} has it`])
    const life = lifeOf(group.truth, name, topicId)
    if (life === undefined || life.isOver || life.isUnclean) continue
    const known = progressOf(group, life)
    known.takenEnd = Math.max(known.takenEnd, offset)
    const end = processedEnd(known, life.startOffset)
    if (offset > end)
      group.truth.world.fail('SKIP', `${group.name}: ${member} commits ${offset} for ${name}, but record ${end} was processed by nobody`)
    if (offset < known.committed && known.committed > life.lossEnd)
      objections.push(['BACK', `${group.name}: ${member} commits ${offset} for ${name}, which was at ${known.committed}`])
  }
  group.accepted.set(key, { offsets, objections })
}

/** A member is told that its commit counts: from now on it must not be forgotten. */
function onCommitTold(group: GroupTruth, key: string): void {
  const accepted = group.accepted.get(key)
  if (accepted === undefined) return
  for (const [rule, objection] of accepted.objections) group.truth.world.fail(rule, objection)
  if (group.countsWhen === 'heard') return
  for (const { topic, partition, offset, topicId } of accepted.offsets) {
    const life = lifeOf(group.truth, topicPartitionName(topic, partition), topicId)
    if (life === undefined) continue
    const known = progressOf(group, life)
    known.committed = Math.max(known.committed, offset)
  }
}

/** Somebody is told where to begin: in every topic of that name that is not deleted, what was committed for it must be known. */
function onOffsetsTold(group: GroupTruth, requested: readonly string[], offsets: readonly TopicOffset[]): void {
  const told = new Map(offsets.map((one) => [topicPartitionName(one.topic, one.partition), one]))
  for (const name of requested) {
    const one = told.get(name)
    for (const life of livesOf(group.truth, name)) {
      const offset = one?.topicId === life.topicId ? one.offset : -1
      const { committed } = progressOf(group, life)
      if (!life.isOver && !life.isUnclean && offset < committed && committed > life.lossEnd)
        group.truth.world.fail('BACK', `${group.name} says that ${name} is at ${offset}, but ${committed} was committed`)
    }
  }
}

function onHeartbeatTold(group: GroupTruth, member: string | null, assignment: readonly TopicPartitions[]): void {
  if (member === null) return
  group.heardAt.set(member, group.truth.world.nowMicros)
  for (const { topic, partitions } of assignment) {
    for (const partition of partitions) partitionOf(group, topicPartitionName(topic, partition)).owner = member
  }
}

/** No partition may be with two members, not even while one of them gives it up. */
function checkExclusive(group: GroupTruth, state: GroupsState): void {
  const holders = new Map<string, string>()
  for (const { memberId, assigned, revoking } of state.groups.get(group.name)?.membership?.members.values() ?? []) {
    for (const name of [...assigned, ...revoking.keys()]) {
      const other = holders.get(name)
      if (other !== undefined && other !== memberId)
        group.truth.world.fail('EXCL', `${group.name} has given ${name} to ${other} and ${memberId}`)
      holders.set(name, memberId)
    }
  }
}

/** What a power loss took cannot be processed, and offsets below its end may be met again. */
function onLoss(group: GroupTruth, partition: PartitionTruth): void {
  const known = progressOf(group, partition)
  known.processedEnd = Math.max(known.processedEnd, partition.lossEnd)
}

function processedEnd(known: GroupProgress, startOffset: number): number {
  known.processedEnd = Math.max(known.processedEnd, startOffset)
  while (known.processed[known.processedEnd] === true) known.processedEnd++
  return known.processedEnd
}

/** What is known of a partition; begun if there is nothing. */
export function partitionOf(group: GroupTruth, name: string): GroupPartition {
  const known = group.partitions.get(name)
  if (known !== undefined) return known
  const partition: GroupPartition = { owner: null, believers: new Map() }
  group.partitions.set(name, partition)
  return partition
}

function progressOf(group: GroupTruth, partition: PartitionTruth): GroupProgress {
  const known = group.progress.get(partition)
  if (known !== undefined) return known
  const progress: GroupProgress = { processed: [], processedEnd: 0, committed: -1, takenEnd: -1 }
  group.progress.set(partition, progress)
  return progress
}
