/**
 * What holds for a share group, seen from outside its coordinators (SHARE): a record is held by one member at a time while its lock is valid; one that was accepted, and
 * somebody was told so, is not given out again, whoever is in charge; each time it is given out its delivery count is higher, and never above the limit.
 * Whoever has left is given nothing any more by the coordinator that it has left.
 * An application is handed nothing by its member that is done with, or was given to somebody else, however long it was there. What the group passes was accepted, rejected, or given out as often as may be.
 */
import type { Effect } from '../../actors/effect.ts'
import type { SharesState } from '../../actors/shares-state.ts'
import type { Address } from '../../protocol/address.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { AcquiredRange, ShareFetchRequest, ShareFetchResponse, ShareRangeName } from '../../protocol/messages/share.ts'
import { lifeOf } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'

/** One life of a coordinator's memory. */
interface Reign {
  /** The coordinator that has it: when a write fails it reads its log anew, and takes back what it has told nobody. */
  readonly of: SharesState
  /** Members' requests that came to it, by name, without those to leave, which are given nothing. */
  readonly asked: Set<string>
  /** Members' requests that it has answered: an answer that it repeats says nothing new. Its successor, asked the same, decides anew. */
  readonly told: Set<string>
  /** Those of them whose attempts count although nobody has heard of them: they came before their member left, and were answered after it; or the lease was over. */
  readonly toldTooLate: Set<string>
}

/** Who has a record, in which reign of which coordinator, and how long at least. */
interface Holder {
  readonly memberId: string
  readonly reign: Reign
  readonly untilMicros: number
}

/** What is known of a record. */
interface SharedRecord {
  deliveryCount: number
  /** The reign that said so, or in which it was first heard of, by its place among all. */
  reign: number
  /** Somebody was told that it is done with; */
  isDone: boolean
  /** or has at least said so. */
  mayBeDone: boolean
  holder: Holder | null
}

/** A request as it came to a coordinator. */
interface Taken {
  readonly request: ShareFetchRequest
  readonly atMicros: number
  /** Its member had left there before. */
  readonly isAfterFarewell: boolean
  /** What it says something of that its member has for certain, all of it. */
  readonly held: readonly ShareRangeName[]
}

/** What is known of the share group of a run. */
export interface ShareTruth {
  readonly truth: Truth
  readonly name: string
  readonly records: Map<PartitionTruth, Map<number, SharedRecord>>
  /** By client and correlation id. */
  readonly taken: Map<string, Taken>
  /** When a member's request came first: one that is repeated may have been decided long ago. */
  readonly askedAt: Map<string, number>
  /** Members that have left: what they are told then, they have given back already. */
  readonly left: Set<string>
  /** By coordinator, those that it has heard of. */
  readonly farewells: WeakMap<SharesState, Set<string>>
  readonly current: WeakMap<SharesState, Reign>
  /** All that were asked for something, in order. */
  readonly reigns: Reign[]
}

/** Nothing is known yet. */
export function newShareTruth(truth: Truth, name: string): ShareTruth {
  const { records, taken, askedAt } = { records: new Map(), taken: new Map(), askedAt: new Map() }
  return { truth, name, records, taken, askedAt, left: new Set(), farewells: new WeakMap(), current: new WeakMap(), reigns: [] }
}

/** A coordinator of share groups has handled a message. */
export function checkShares(group: ShareTruth, state: SharesState, message: Message, from: Address, effects: readonly Effect[]): void {
  // Whoever reads its log anew has forgotten who has what.
  const known = state.phase === 'active' ? group.current.get(state) : undefined
  const reign = known ?? { of: state, asked: new Set(), told: new Set(), toldTooLate: new Set() }
  group.current.set(state, reign)
  if (message.kind === 'shareFetch' && message.group === group.name) {
    if (state.phase === 'active' && !group.reigns.includes(reign)) group.reigns.push(reign)
    const farewells = group.farewells.get(state) ?? new Set()
    const isAfterFarewell = farewells.has(message.memberId)
    if (state.phase === 'active' && !message.leaves && !isAfterFarewell) reign.asked.add(requestName(message))
    onAsked(group, message, from, reign, isAfterFarewell)
    if (state.phase === 'active' && message.leaves) group.farewells.set(state, farewells.add(message.memberId))
  }
  for (const effect of effects) {
    if (effect.kind === 'send' && effect.message.kind === 'shareFetchResponse')
      onTold(group, effect.message, `${effect.to.node}/${effect.message.correlationId}`, reign)
  }
}

/**
 * The first record of a partition that a group has passed for no reason: nobody was given it, or too seldom, and nobody has said that it is done with. Null if there is
 * none, or some may be lost. An attempt that nobody was told of counts, too: one for each request whose member has left before its answer, and one more in each reign that has left
 * another request without an answer, as its coordinator has ended before it could say so.
 */
export function passedOver(group: ShareTruth, partition: PartitionTruth, startOffset: number, deliveryCountLimit: number): number | null {
  const records = group.records.get(partition)
  if (partition.isUnclean || partition.lossFloor >= 0 || partition.lossEnd > 0) return null
  for (let offset = partition.startOffset; offset < startOffset; offset++) {
    const record = records?.get(offset)
    if (partition.values[offset] === undefined || record?.mayBeDone === true) continue
    const untoldCount = group.reigns.slice(record?.reign ?? 0).reduce((sum, reign) => sum + untoldAttempts(group.left, reign), 0)
    if ((record?.deliveryCount ?? 0) + untoldCount < deliveryCountLimit) return offset
  }
  return null
}

/** Those of a reign that has ended, at most: who has left had given back what it was given, and somebody else may have been given the same again. */
function untoldAttempts(left: ReadonlySet<string>, reign: Reign): number {
  const isLate = [...reign.asked].some((name) => !reign.told.has(name) && !left.has(memberOf(name)))
  return leftAttempts(left, reign) + (isLate ? 1 : 0)
}

/** Whoever says what shall become of a record lets go of it, whether that is taken or not. */
function onAsked(group: ShareTruth, request: ShareFetchRequest, from: Address, reign: Reign, isAfterFarewell: boolean): void {
  const name = requestName(request)
  const atMicros = group.askedAt.get(name) ?? group.truth.world.nowMicros
  group.askedAt.set(name, atMicros)
  const held = request.acknowledgements.filter((one) => {
    const records = recordsOf(group, one)
    return records.length > 0 && records.every((record) => isHeldBy(group, record, request.memberId, reign))
  })
  group.taken.set(`${from.node}/${request.correlationId}`, { request, atMicros, isAfterFarewell, held })
  for (const one of request.acknowledgements) {
    for (const record of recordsOf(group, one)) {
      letGo(record, request.memberId, reign)
      if (one.type === 'accept' || one.type === 'reject') record.mayBeDone = true
    }
  }
  if (!request.leaves) return
  group.left.add(request.memberId)
  for (const records of group.records.values()) for (const record of records.values()) letGo(record, request.memberId, reign)
}

function requestName({ memberId, sessionEpoch }: ShareFetchRequest): string {
  return `${memberId} ${sessionEpoch}`
}

function memberOf(name: string): string {
  return name.slice(0, name.lastIndexOf(' '))
}

function letGo(record: SharedRecord, memberId: string, reign: Reign): void {
  if (record.holder?.memberId === memberId && record.holder.reign === reign) record.holder = null
}

function onTold(group: ShareTruth, response: ShareFetchResponse, key: string, reign: Reign): void {
  const taken = group.taken.get(key)
  if (taken !== undefined && response.errorCode === codeOf('NOT_COORDINATOR')) reign.toldTooLate.add(requestName(taken.request))
  if (taken === undefined || response.errorCode !== NONE) return
  const { request, isAfterFarewell, held } = taken
  if (isAfterFarewell && response.acquired.length > 0)
    group.truth.world.fail('SHARE', `${request.memberId} is given records by a coordinator that it has left`)
  const isGivenTooLate = group.left.has(request.memberId) && !request.leaves
  if (reign.told.has(requestName(request))) {
    // It has left elsewhere: what it asked long ago comes once more, and is taken for new. What it is given then counts as an attempt, too.
    if (isGivenTooLate && response.acquired.length > 0) reign.toldTooLate.add(requestName(request))
    return onToldAgain(group, response, request, reign)
  }
  reign.told.add(requestName(request))
  if (isGivenTooLate) reign.toldTooLate.add(requestName(request))
  const isRefused = (one: ShareRangeName): boolean =>
    response.refused.some((other) => other.topicId === one.topicId && other.partition === one.partition && other.first === one.first)
  // What becomes of records that are lost, or whose topic is deleted, nobody has to say.
  const refused = held.find((one) => isRefused(one) && isThere(group, one))
  if (refused !== undefined)
    group.truth.world.fail('SHARE', `${request.memberId} is told that it comes too late for ${nameOfRange(refused)}, which it has`)
  for (const one of request.acknowledgements) {
    if (isRefused(one) || one.type === 'release' || one.type === 'return') continue
    for (const record of recordsOf(group, one)) {
      record.isDone = true
      if (isHeld(group, record, request.memberId, reign))
        group.truth.world.fail(
          'SHARE',
          `${request.memberId} is done with ${one.first} to ${one.last}, but ${record.holder?.memberId} has some`,
        )
    }
  }
  for (const one of response.acquired) {
    checkKnown(group, one, reign)
    onGiven(group, one, one.deliveryCount, taken, reign)
  }
}

/** Nobody is given what a coordinator knows to be gone: leaders have told it where their logs begin, and a log that it reads anew may say less. */
function checkKnown({ truth }: ShareTruth, range: AcquiredRange, { of }: Reign): void {
  for (const { topicId, partition, logStartOffset } of of.ends.values())
    if (topicId === range.topicId && partition === range.partition && range.first < logStartOffset)
      truth.world.fail('SHARE', `${nameOfRange(range)} is given by a coordinator that knows of nothing below ${logStartOffset}`)
}

/** A member hands to its application what it was given before. */
export function checkHandedOver(group: ShareTruth, range: AcquiredRange, memberId: string): void {
  const records = recordsOf(group, range)
  const fail = (what: string): void => group.truth.world.fail('SHARE', `${nameOfRange(range)} is ${what} when ${memberId} hands it over`)
  if (records.some((record) => record.isDone)) return fail('done with')
  if (records.some((record) => record.deliveryCount > range.deliveryCount)) fail('given to somebody else')
}

/** Whoever asks again is told what it still has. */
function onToldAgain(group: ShareTruth, { acquired }: ShareFetchResponse, { memberId }: ShareFetchRequest, reign: Reign): void {
  for (const range of acquired) for (const record of recordsOf(group, range)) checkFree(group, record, range, memberId, reign)
}

/** What a member is given nobody else has, and nobody has done with. */
function checkFree(group: ShareTruth, record: SharedRecord, range: ShareRangeName, memberId: string, reign: Reign): void {
  const { world } = group.truth
  if (record.isDone) world.fail('SHARE', `${nameOfRange(range)} is done with, and given to ${memberId}`)
  if (isHeld(group, record, memberId, reign))
    world.fail('SHARE', `${nameOfRange(range)} is given to ${memberId}, but ${record.holder?.memberId} has it`)
}

function nameOfRange({ topic, partition, first, last }: ShareRangeName): string {
  return `${topicPartitionName(topic, partition)}: ${first} to ${last}`
}

/** Whether a member has it for certain, in this reign. */
function isHeldBy({ truth }: ShareTruth, { holder }: SharedRecord, memberId: string, reign: Reign): boolean {
  return holder?.reign === reign && holder.memberId === memberId && truth.world.nowMicros < holder.untilMicros
}

/** Whether somebody else has it for certain. */
function isHeld({ truth }: ShareTruth, { holder }: SharedRecord, memberId: string, reign: Reign): boolean {
  return holder !== null && holder.reign === reign && holder.memberId !== memberId && truth.world.nowMicros < holder.untilMicros
}

function onGiven(group: ShareTruth, range: ShareRangeName, deliveryCount: number, { request, atMicros }: Taken, reign: Reign): void {
  const { world } = group.truth
  const { memberId, lockMillis, deliveryCountLimit } = request
  const name = nameOfRange(range)
  if (deliveryCount > deliveryCountLimit) world.fail('SHARE', `${name} is given out ${deliveryCount} times`)
  for (const record of recordsOf(group, range)) {
    checkFree(group, record, range, memberId, reign)
    if (deliveryCount <= record.deliveryCount)
      world.fail('SHARE', `${name} is given to ${memberId} as attempt ${deliveryCount} after ${record.deliveryCount}`)
    checkCounted(group, record, name, deliveryCount, reign)
    record.deliveryCount = deliveryCount
    record.reign = group.reigns.indexOf(reign)
    record.holder = group.left.has(memberId) ? null : { memberId, reign, untilMicros: atMicros + lockMillis * 1000 }
  }
}

/** Whoever leaves gives back what it was given, whether it was told of it or not: that attempt counts. */
function leftAttempts(left: ReadonlySet<string>, { asked, told, toldTooLate }: Reign): number {
  const untold = [...asked].filter((name) => !told.has(name) && left.has(memberOf(name)))
  return new Set([...untold, ...toldTooLate]).size
}

/** An attempt counts of which somebody was told, or nobody can be any more: whoever has it in mind still takes it back. */
function checkCounted({ truth, reigns, left }: ShareTruth, record: SharedRecord, name: string, deliveryCount: number, reign: Reign): void {
  const attempts = deliveryCount - record.deliveryCount - 1
  if (attempts <= 0) return
  const since = reigns.slice(record.reign)
  const untoldCount = since.reduce((sum, one) => sum + (one.of === reign.of ? leftAttempts(left, one) : untoldAttempts(left, one)), 0)
  if (attempts > untoldCount)
    truth.world.fail(
      'SHARE',
      `${name} is given as attempt ${deliveryCount} after ${record.deliveryCount}, and nobody was told of those between`,
    )
}

/** Whether its topic is there, and has lost nothing. */
function isThere({ truth }: ShareTruth, { topic, topicId, partition }: ShareRangeName): boolean {
  const life = lifeOf(truth, topicPartitionName(topic, partition), topicId)
  return life !== undefined && !life.isOver && !life.isUnclean && life.lossEnd === 0
}

/** Those of a range, begun where nothing is known; none of a partition that has lost some. Where it only may (`lossFloor`), what is seen counts: nothing else says it again when all is still there. */
function recordsOf(group: ShareTruth, { topic, topicId, partition, first, last }: ShareRangeName): SharedRecord[] {
  const life = lifeOf(group.truth, topicPartitionName(topic, partition), topicId)
  if (life === undefined || life.isUnclean || life.lossEnd > 0) return []
  const known = group.records.get(life) ?? new Map<number, SharedRecord>()
  group.records.set(life, known)
  const records: SharedRecord[] = []
  for (let offset = first; offset <= last; offset++) {
    const record = known.get(offset) ?? { deliveryCount: 0, reign: 0, isDone: false, mayBeDone: false, holder: null }
    known.set(offset, record)
    records.push(record)
  }
  return records
}
