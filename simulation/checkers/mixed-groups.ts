/**
 * What holds for a group for which offsets are committed in transactions, and without them (KAFKA-14505). Of all commits that count the one is told whose record is last in the log,
 * whenever it was decided: one without a transaction counts when it is in the log, one in a transaction if that is committed. BACK: another one is told.
 */
import type { Effect } from '../../actors/effect.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { decodeGroupCommit } from '../../coordinator/groups/offset-record.ts'
import { NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Message } from '../../protocol/messages/message.ts'
import * as header from '../../protocol/record-batch.ts'
import { walkBatches } from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { decisionOf } from '../transactions-truth.ts'
import { lifeOf, livesOf } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'
import { isInCharge } from './in-charge.ts'

/** A commit on its way to the log, or there. */
interface Commit {
  readonly life: PartitionTruth
  readonly offset: number
  /** Whose transaction it is in; null: in none. */
  readonly writer: { readonly producerId: number; readonly producerEpoch: number } | null
  /** Where its record is in the log of the group; -1 as long as nobody has heard. */
  recordOffset: number
  readonly atMicros: number
}

/** What is known of such a group. */
export interface MixedGroup {
  readonly truth: Truth
  readonly name: string
  /** Offsets expire after so long; -1: never. */
  readonly retentionMillis: number
  readonly commits: Commit[]
  /** By life of a coordinator and correlation id: what is on its way. */
  readonly pending: Map<string, readonly Commit[]>
  /** When somebody was last told an offset. */
  toldAtMicros: number
}

/** Nothing is known yet. */
export function newMixedGroup(truth: Truth, name: string, retentionMillis: number): MixedGroup {
  return { truth, name, retentionMillis, commits: [], pending: new Map(), toldAtMicros: -1 }
}

/** How far the group is with a partition, by what counts; -1 for not at all. */
export function keptOffset(group: MixedGroup, life: PartitionTruth): number {
  return keptCommit(group, life)?.offset ?? -1
}

/** A coordinator has handled a message: of the group, or of its log. */
export function checkMixed(group: MixedGroup, state: GroupsState, message: Message, effects: readonly Effect[]): void {
  const reign = `${state.config.partition}/${state.config.leaderEpoch}`
  if (message.kind === 'produceResponse') {
    const commits = message.errorCode === NONE ? group.pending.get(`${reign}/${message.correlationId}`) : undefined
    commits?.forEach((commit, i) => (commit.recordOffset = message.baseOffset + i))
  }
  for (const effect of effects) {
    if (effect.kind !== 'send') continue
    const told = effect.message
    if (told.kind === 'produce') onTaken(group, `${reign}/${told.correlationId}`, told.records)
    if (told.kind !== 'offsetFetchResponse' || told.errorCode !== NONE || !isInCharge(group.truth, state)) continue
    if (message.kind !== 'offsetFetch' || message.group !== group.name) continue
    const offsets = new Map(told.offsets.map((one) => [topicPartitionName(one.topic, one.partition), one]))
    for (const name of told.requested) {
      const one = offsets.get(name)
      for (const life of livesOf(group.truth, name)) checkTold(group, life, one?.topicId === life.topicId ? one.offset : -1)
    }
  }
}

function onTaken(group: MixedGroup, key: string, bytes: Uint8Array): void {
  const taken: Commit[] = []
  for (const { at } of walkBatches(bytes)) {
    const isTransactional = header.isTransactional(bytes, at)
    const writer = isTransactional ? { producerId: header.producerId(bytes, at), producerEpoch: header.producerEpoch(bytes, at) } : null
    for (const record of readRecords(bytes, at)) {
      const commit = decodeGroupCommit(record.key, record.value)
      if (commit === null || commit.group !== group.name || commit.committed === null) continue
      const { topic, partition, offset, topicId } = commit.committed
      const life = lifeOf(group.truth, topicPartitionName(topic, partition), topicId)
      if (life !== undefined) taken.push({ life, offset, writer, recordOffset: -1, atMicros: group.truth.world.nowMicros })
    }
  }
  if (taken.length === 0) return
  group.commits.push(...taken)
  group.pending.set(key, taken)
}

/** The last one in the log of those that count for certain. */
function keptCommit({ truth, commits }: MixedGroup, life: PartitionTruth): Commit | null {
  let kept: Commit | null = null
  for (const commit of commits) {
    if (commit.life !== life || commit.recordOffset <= (kept?.recordOffset ?? -1)) continue
    const { writer } = commit
    if (writer === null || decisionOf(truth.transactions, writer.producerId, writer.producerEpoch) === true) kept = commit
  }
  return kept
}

function checkTold(group: MixedGroup, life: PartitionTruth, offset: number): void {
  const { truth, name, retentionMillis, commits } = group
  const { world, transactions } = truth
  const kept = keptCommit(group, life)
  group.toldAtMicros = world.nowMicros
  if (life.isOver || life.isUnclean || offset === (kept?.offset ?? -1)) return
  // Whether these are in the log nobody has heard.
  const mayCount = commits.some(({ life: other, offset: committed, writer, recordOffset }) => {
    const isDecided = writer === null || decisionOf(transactions, writer.producerId, writer.producerEpoch) === true
    return other === life && committed === offset && recordOffset < 0 && isDecided
  })
  const mayHaveExpired = retentionMillis >= 0 && world.nowMicros - (kept?.atMicros ?? 0) >= retentionMillis * 1000
  if (mayCount || (offset < 0 && mayHaveExpired)) return
  world.fail('BACK', `${name} says that ${life.name} is at ${offset}, but ${kept?.offset ?? 'nothing'} was committed last`)
}
