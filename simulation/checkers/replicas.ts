/**
 * Looks into every replica after every message. 2LDR: one node leads in a leader epoch. LOST: who leads has everything that was exposed, unless a power loss
 * may have taken it from everybody. HW: nothing is exposed that is not as durable as the topic promises, and no leader's high watermark goes back. RET:
 * retention stays below the high watermark.
 */
import type { ReplicaConfig, ReplicaPhase, ReplicaState } from '../../partitions/replica-state.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import { logFileName } from '../../partitions/log.ts'
import type { Disk } from '../disk.ts'
import { forgetFrom, partitionTruth } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'

/** One life of one replica, as its watcher knows it. */
export interface WatchedReplica {
  readonly truth: PartitionTruth
  phase: ReplicaPhase
  leaderEpoch: number
  highWatermark: number
  startOffset: number
}

/** A replica begins a life. */
export function watchReplica(truth: Truth, config: ReplicaConfig): WatchedReplica {
  const name = topicPartitionName(config.topic, config.partition)
  return {
    truth: partitionTruth(truth, name, config.topicId, config.topicConfig),
    phase: 'recovering',
    leaderEpoch: -1,
    highWatermark: -1,
    startOffset: -1,
  }
}

/** A replica has handled a message. */
export function checkReplica(truth: Truth, watched: WatchedReplica, state: ReplicaState, disk: Disk): void {
  const { phase, log, highWatermark, role } = state
  if (watched.truth.isOver) return
  watched.truth.replicaCount = Math.max(watched.truth.replicaCount, role.replicas.length)
  watched.phase = phase
  // Every replica drops its own segments: what is left of them all is what begins last.
  if (phase !== 'recovering') watched.truth.startOffset = Math.max(watched.truth.startOffset, log.logStartOffset)
  if (phase !== 'leading' && phase !== 'rollingBack') return
  if (role.leaderEpoch !== watched.leaderEpoch) onLeading(truth, watched, state, disk)
  if (highWatermark.offset !== watched.highWatermark) onHighWatermark(truth, watched, state, disk)
  if (log.logStartOffset === watched.startOffset) return
  watched.startOffset = log.logStartOffset
  if (log.logStartOffset > highWatermark.offset)
    truth.world.fail('RET', `${watched.truth.name} starts at ${log.logStartOffset}, above its high watermark ${highWatermark.offset}`)
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
  watched.leaderEpoch = leaderEpoch
  watched.highWatermark = -1
  // One that does not know yet that it was deposed exposes nothing that others do not have.
  if (Math.max(...partition.leaders.keys()) > leaderEpoch) return
  const end = state.log.logEndOffset
  const mayLose = partition.isUnclean || (partition.flush !== 'commit' && partition.lossFloor >= 0)
  const lossFloor = partition.isUnclean ? 0 : partition.lossFloor
  const floor = mayLose ? Math.min(lossFloor, partition.exposedEnd) : partition.exposedEnd
  if (end < floor) {
    const code = end < Math.min(partition.acknowledgedEnd, floor) ? 'LOST' : 'REC'
    const promised = `${floor} was promised (acknowledged up to ${partition.acknowledgedEnd})`
    truth.world.fail(code, `${partition.name}: node ${node} leads in epoch ${leaderEpoch} with end ${end}, but ${promised}`)
  }
  if (mayLose) forgetFrom(truth, partition, end)
  partition.lossFloor = -1
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
  const file = disk.files(state.logName).get(logFileName(segmentBaseOffset))
  if (file !== undefined && file.isEntryDurable && file.durableBytes >= sizeBytes) return
  const durable = file === undefined || !file.isEntryDurable ? 0 : file.durableBytes
  truth.world.fail('HW', `${watched.truth.name} exposes ${sizeBytes} bytes of segment ${segmentBaseOffset}, but only ${durable} are synced`)
}
