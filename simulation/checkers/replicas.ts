/**
 * Looks into every replica after every message. 2LDR: one node leads in a leader epoch. LOST: who leads has everything that was exposed, unless a power loss
 * may have taken it from everybody; and nobody drops what neither retention nor an administrator has given up. HW: nothing is exposed that is not as durable as
 * the topic promises, and no leader's high watermark goes back. RET: the log begins at or below the high watermark, nobody reads below its beginning, and
 * what was deleted does not come back.
 */
import { checkAborted, checkCompacted } from './compaction.ts'
import { noteStart } from './deleted.ts'
import { checkDamage, watchDamage } from './false-damage.ts'
import type { WatchedDamage } from './false-damage.ts'
import type { ReplicaConfig, ReplicaPhase, ReplicaState } from '../../partitions/replica-state.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import { fileOfSegment, nameOfSegment } from '../../partitions/log.ts'
import type { Log, Segment } from '../../partitions/log.ts'
import type { Effect } from '../../actors/effect.ts'
import { CONSUMER_REPLICA, DELETE_TO_HIGH_WATERMARK } from '../../protocol/messages/fetch.ts'
import { NONE } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Disk } from '../disk.ts'
import { rottenOffset } from './durable-end.ts'
import { writtenBytes } from '../disk-file.ts'
import type { AskedCopies } from './copies.ts'
import { checkCleanedEnd, checkNumbers, noteNumbers } from './numbers.ts'
import { readBatches } from '../records.ts'
import type { SeenRecord } from '../records.ts'
import { checkLagsTold, checkOffsetsTold } from './told.ts'
import { forgetFrom, partitionTruth, place } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'

/** One life of one replica, as its watcher knows it. */
export interface WatchedReplica {
  readonly truth: PartitionTruth
  readonly askedCopies: AskedCopies
  phase: ReplicaPhase
  leaderEpoch: number
  highWatermark: number
  startOffset: number
  /** Of the files that compaction has written last. */
  generation: number
  readonly damage: WatchedDamage
}

/** A replica begins a life. */
export function watchReplica(truth: Truth, config: ReplicaConfig): WatchedReplica {
  const name = topicPartitionName(config.topic, config.partition)
  return {
    truth: partitionTruth(truth, name, config.topicId, config.topicConfig),
    askedCopies: new Map(),
    phase: 'recovering',
    leaderEpoch: -1,
    highWatermark: -1,
    startOffset: -1,
    generation: 0,
    damage: watchDamage(),
  }
}

/** What a replica was told, and what it did about it. */
export interface ReplicaStep {
  readonly message: Message
  readonly effects: readonly Effect[]
}

/** A replica has handled a message. */
export function checkReplica(truth: Truth, watched: WatchedReplica, state: ReplicaState, disk: Disk, step: ReplicaStep): void {
  const { phase, highWatermark, role } = state
  if (watched.truth.isOver) return
  checkDamage(truth, watched.damage, state, disk)
  watched.truth.replicaCount = Math.max(watched.truth.replicaCount, role.replicas.length)
  watched.phase = phase
  // Who is settling counts on nothing that it has, and knows the high watermark afterwards.
  if (phase !== 'recovering' && phase !== 'settling') checkStart(truth, watched, state, step)
  // Every replica drops its own segments: what is left of them all is what begins last.
  if (phase !== 'recovering') noteStart(watched.truth, state, disk)
  if (watched.truth.compaction !== null && phase !== 'recovering') {
    checkCleaned(truth, watched, state, disk)
    checkCleanedEnd(truth, watched.truth, state)
  }
  noteLeft(watched.truth, state)
  if (phase !== 'leading' && phase !== 'rollingBack') return
  if (role.leaderEpoch !== watched.leaderEpoch) onLeading(truth, watched, state, disk)
  if (highWatermark.offset !== watched.highWatermark) onHighWatermark(truth, watched, state, disk)
  checkOffsetsTold(truth, watched.truth, state, step.message, step.effects)
  if (step.message.kind === 'describePartition') checkLagsTold(truth, watched.truth, state, step.effects)
  if (step.message.kind === 'fetch') checkRead(truth, state, step.message, step.effects)
}

/** Who has left the ISR since it lost power must have everything again before it is counted on. */
function noteLeft({ keptEnds }: PartitionTruth, { role }: ReplicaState): void {
  for (const [node, { partitionEpoch }] of keptEnds)
    if (role.partitionEpoch > partitionEpoch && !role.isr.includes(node) && !role.elr.includes(node)) keptEnds.delete(node)
}

/** The log begins later than before: somebody has asked for that, or the settings have, or the leader's does. */
function checkStart(truth: Truth, watched: WatchedReplica, state: ReplicaState, { message }: ReplicaStep): void {
  const { truth: partition, startOffset: before } = watched
  const { logStartOffset } = state.log
  watched.startOffset = logStartOffset
  if (logStartOffset <= before) return
  if (logStartOffset > state.highWatermark.offset)
    truth.world.fail('RET', `${partition.name} starts at ${logStartOffset}, above its high watermark ${state.highWatermark.offset}`)
  if (before < 0) return
  if (isRetention(state, message)) return checkOpen(truth, partition, state, before)
  if (logStartOffset <= partition.startOffset) return
  if (message.kind === 'offsetFetchResponse' || message.kind === 'describeShareGroupOffsetsResponse')
    return checkConsumed(truth, partition, state)
  const asked = message.kind === 'deleteRecords' ? message.beforeOffset : 0
  if (asked !== DELETE_TO_HIGH_WATERMARK && logStartOffset > asked)
    truth.world.fail(
      'LOST',
      `${partition.name}: node ${state.self.node} drops ${before} to ${logStartOffset - 1}, which nobody has deleted`,
    )
}

/** What goes because it is consumed, each of the groups that the topic names may have committed past, and each share group has done with. */
function checkConsumed({ world, committedEnds, acknowledgedBy }: Truth, partition: PartitionTruth, { config, log }: ReplicaState): void {
  for (const group of config.deleteOnceConsumedBy) {
    const end = committedEnds.get(group)?.(partition) ?? -1
    if (log.logStartOffset > end && !partition.isUnclean)
      world.fail('RET', `${partition.name} starts at ${log.logStartOffset}, but ${group} has committed up to ${end}`)
  }
  for (const group of config.deleteOnceAcknowledgedBy) {
    const offset = acknowledgedBy.get(group)?.(partition, log.logStartOffset) ?? null
    if (offset !== null) world.fail('RET', `${partition.name} starts at ${log.logStartOffset}, but ${group} has not done with ${offset}`)
  }
}

/** What has gone because it was old, or too much: nobody who reads what is committed may have seen any of a transaction that is open. */
function checkOpen({ world }: Truth, { name }: PartitionTruth, { log, transactions }: ReplicaState, before: number): void {
  for (const [producerId, { offset }] of transactions.open)
    if (offset >= before && offset < log.logStartOffset)
      world.fail('RET', `${name} starts at ${log.logStartOffset}, but a transaction of producer ${producerId} is open since ${offset}`)
}

function isRetention({ config }: ReplicaState, message: Message): boolean {
  const isTime = message.kind === 'configureReplica' || (message.kind === 'timerFired' && message.timer === 'retention')
  return isTime && (config.retentionMillis >= 0 || config.retentionBytes >= 0)
}

/** Compaction has replaced segments: what is left is what must be. */
function checkCleaned(truth: Truth, watched: WatchedReplica, state: ReplicaState, disk: Disk): void {
  const { log, highWatermark, writtenEnd } = state
  const generation = log.segments.reduce((latest, segment) => Math.max(latest, segment.generation), 0)
  const before = watched.generation
  watched.generation = generation
  // Fewer: what was cleaned is gone. What is on its way to the disk is not looked at, for nothing was cleaned.
  if (generation <= before) return
  const files = disk.files(state.logName)
  const recordsOf = (segment: Segment): SeenRecord[] => {
    const file = files.get(nameOfSegment(segment))
    return file === undefined ? [] : (readBatches(writtenBytes(file)) ?? [])
  }
  const records = log.segments.flatMap(recordsOf)
  // Of what lies before the log start, and goes with its segment, nobody keeps who has aborted it.
  const cleaned = log.segments
    .filter((segment) => segment.generation > 0)
    .flatMap(recordsOf)
    .filter(({ offset }) => offset >= log.logStartOffset)
  checkAborted(truth, watched.truth, cleaned, `node ${state.self.node}`)
  // What only its leader has acknowledged nobody may have read: it is known before the next cleaning takes it.
  for (const { offset, value } of records)
    if (truth.keyed.has(value) && offset < highWatermark.offset && offset >= log.logStartOffset)
      place(truth, watched.truth, offset, value, truth.world.nowMicros, `node ${state.self.node}`)
  // One that has lost its latest checkpoint does not know any more how much was committed when it was cleaned; nor what else was, if only some of the files had got their names; nor what was
  // behind the end of its log, which had been copied without what that made superfluous: so copies one that is not in sync from a leader who has compacted further.
  // What it has copied and its disk has still to write is in its log, but not among the records: it waits behind the renaming.
  const { offset: committed } = highWatermark
  const isSure = committed >= cleanedEnd(log) && state.role.isr.includes(state.self.node)
  const end = isSure ? committed : Math.max(committed, watched.truth.exposedEnd)
  checkCompacted(truth, watched.truth, records, { end, logEnd: isSure ? end : writtenEnd.offset, who: `node ${state.self.node}` })
}

/** One past what compaction has looked at. */
function cleanedEnd({ segments, logEndOffset }: Log): number {
  const last = segments.findLastIndex(({ generation }) => generation > 0)
  return last < 0 ? 0 : (segments[last + 1]?.baseOffset ?? logEndOffset)
}

function checkRead(
  truth: Truth,
  { log, topic }: ReplicaState,
  request: Extract<Message, { kind: 'fetch' }>,
  effects: readonly Effect[],
): void {
  if (request.replicaId !== CONSUMER_REPLICA || request.fetchOffset >= log.logStartOffset) return
  for (const effect of effects) {
    if (effect.kind !== 'send' || effect.message.kind !== 'fetchResponse' || effect.message.correlationId !== request.correlationId)
      continue
    if (effect.message.errorCode === NONE)
      truth.world.fail('RET', `${topic} is read from ${request.fetchOffset} on, below its start ${log.logStartOffset}`)
  }
}

/** A reign begins: everything that anybody may rely on must be there. */
function onLeading(truth: Truth, watched: WatchedReplica, state: ReplicaState, disk: Disk): void {
  const { truth: partition } = watched
  const { leaderEpoch } = state.role
  const { node } = state.self
  const other = partition.leaders.get(leaderEpoch)
  if (other !== undefined && other !== node)
    truth.world.fail('2LDR', `${partition.name}: nodes ${other} and ${node} lead in epoch ${leaderEpoch}`)
  partition.leaders.set(leaderEpoch, node)
  if (other === undefined) partition.ledSince.set(leaderEpoch, truth.world.nowMicros)
  watched.leaderEpoch = leaderEpoch
  watched.highWatermark = -1
  // One that does not know yet that it was deposed exposes nothing that others do not have.
  if (Math.max(...partition.leaders.keys()) > leaderEpoch) return
  const end = state.log.logEndOffset
  if (state.log.logStartOffset < partition.deletedOffset && !partition.isUnclean)
    truth.world.fail(
      'RET',
      `${partition.name}: node ${node} leads from ${state.log.logStartOffset} on, but everything below ${partition.deletedOffset} was deleted`,
    )
  // It died before anybody noticed that it had lost something, and the others have let go of the partition, or were fenced, before it could say so.
  const kept = partition.keptEnds.get(node)
  if (kept !== undefined && state.role.isr.length === 1)
    partition.lossFloor = partition.lossFloor < 0 ? kept.end : Math.min(partition.lossFloor, kept.end)
  const mayLose = partition.isUnclean || partition.lossFloor >= 0
  const lossFloor = partition.isUnclean ? 0 : partition.lossFloor
  const floor = mayLose ? Math.min(lossFloor, partition.exposedEnd) : partition.exposedEnd
  if (end < floor) {
    const code = end < Math.min(partition.acknowledgedEnd, floor) ? 'LOST' : 'REC'
    const promised = `${floor} was promised (acknowledged up to ${partition.acknowledgedEnd})`
    truth.world.fail(code, `${partition.name}: node ${node} leads in epoch ${leaderEpoch} with end ${end}, but ${promised}`)
  }
  if (mayLose) forgetFrom(truth, partition, end)
  else checkNumbers(truth, partition, state)
  // The last one in sync may lead before it has come to what has rotted of its copy.
  if (state.role.isr.length > 1 || rottenOffset(disk.files(state.logName), partition) < 0) partition.lossFloor = -1
  if (partition.flush !== 'commit') return
  const { segmentBaseOffset, position } = state.highWatermark
  checkDurable(truth, watched, state, disk, segmentBaseOffset, position)
}

function onHighWatermark(truth: Truth, watched: WatchedReplica, state: ReplicaState, disk: Disk): void {
  const { offset, segmentBaseOffset, position } = state.highWatermark
  const { truth: partition } = watched
  if (offset < watched.highWatermark)
    truth.world.fail('HW', `${partition.name}: the high watermark goes back from ${watched.highWatermark} to ${offset}`)
  if (offset > state.log.logEndOffset)
    truth.world.fail('HW', `${partition.name}: high watermark ${offset} above log end ${state.log.logEndOffset}`)
  watched.highWatermark = offset
  partition.exposedEnd = Math.max(partition.exposedEnd, offset)
  noteNumbers(partition, state)
  if (partition.flush === 'commit') checkDurable(truth, watched, state, disk, segmentBaseOffset, position)
}

function checkDurable(
  truth: Truth,
  watched: WatchedReplica,
  state: ReplicaState,
  disk: Disk,
  segmentBaseOffset: number,
  sizeBytes: number,
): void {
  if (sizeBytes === 0) return
  const file = disk.files(state.logName).get(fileOfSegment(state.log, segmentBaseOffset))
  if (file !== undefined && file.isEntryDurable && file.durableBytes >= sizeBytes) return
  const durable = file === undefined || !file.isEntryDurable ? 0 : file.durableBytes
  truth.world.fail('HW', `${watched.truth.name} exposes ${sizeBytes} bytes of segment ${segmentBaseOffset}, but only ${durable} are synced`)
}
