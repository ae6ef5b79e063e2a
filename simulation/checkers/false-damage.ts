/**
 * CHG: nobody takes for damage what has not rotted. A replica that is damaged is mended, or copied anew, and all is well again: a read that begins or ends inside of a batch, for
 * whatever reason, would go unnoticed otherwise. REC: what is mended is synced before it counts. What is mended in place is counted; that nothing else is written there, the disk sees to (ASSERT).
 */
import type { ReplicaState } from '../../partitions/replica-state.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Disk } from '../disk.ts'
import { lifeOf } from '../truth.ts'
import type { Truth } from '../truth.ts'

/** What is known of one life of a replica. */
export interface WatchedDamage {
  /** Something of its log has rotted; it may be gone since. */
  hasRotted: boolean
  /** It has found damage by reading. */
  isFound: boolean
  /** What it knew of its log before. */
  damage: ReplicaState['damage']
  /** It is mending its log. */
  isMending: boolean
}

/** Nothing has rotted, and nothing was found. */
export function watchDamage(): WatchedDamage {
  return { hasRotted: false, isFound: false, damage: 'none', isMending: false }
}

/** A replica has handled a message. */
export function checkDamage(truth: Truth, watched: WatchedDamage, state: ReplicaState, disk: Disk): void {
  const { world, anomalies } = truth
  if (!watched.hasRotted) for (const { rottenAt } of disk.files(state.logName).values()) watched.hasRotted ||= rottenAt >= 0
  if (watched.isMending && state.mending === null && state.damage === 'none' && state.phase === 'following') anomalies.mended++
  if (watched.isMending && state.mending === null && state.damage === 'none') checkMended(truth, state, disk)
  watched.isMending = state.mending !== null
  noteLastCopy(truth, watched, state, disk)
  const wasFound = watched.isFound
  watched.isFound = state.damage === 'partial'
  if (watched.hasRotted || wasFound || !watched.isFound) return
  const name = topicPartitionName(state.topic, state.partition)
  world.fail('CHG', `node ${state.self.node} takes ${name} for damaged, and nothing of it has rotted`)
}

/** What is mended is on the disk before the log counts as whole. */
function checkMended({ world }: Truth, { topic, partition, self, logName, phase }: ReplicaState, disk: Disk): void {
  if (phase === 'settling') return
  if ([...disk.files(logName).values()].some(({ mendedOver }) => mendedOver !== null))
    world.fail(
      'REC',
      `node ${self.node} takes ${topicPartitionName(topic, partition)} for mended, and a power loss would bring back what had rotted`,
    )
}

/** A replica whose log is gone goes on with nothing (it does not ask whether there was more any longer), for by now it is the only one that counts: what was in it is lost. */
function noteLastCopy(truth: Truth, watched: WatchedDamage, state: ReplicaState, disk: Disk): void {
  const { damage, role, self, logName, topicId } = state
  const wasDoubtful = watched.damage === 'doubtful'
  watched.damage = damage
  const counted = [...role.isr, ...role.elr]
  const isOnlyOne = counted.length > 0 && counted.every((node) => node === self.node)
  if (!wasDoubtful || damage !== 'none' || !isOnlyOne || !disk.isLost(logName)) return
  const partition = lifeOf(truth, topicPartitionName(state.topic, state.partition), topicId)
  if (partition !== undefined) partition.lossFloor = partition.deletedOffset
}
