/**
 * CHG: nobody takes for damage what has not rotted. A replica that is damaged is mended, or copied anew, and all is well again: a read that begins or ends inside of a batch, for
 * whatever reason, would go unnoticed otherwise. What is mended in place is counted; that nothing else is written there, the disk sees to (ASSERT).
 */
import type { ReplicaState } from '../../partitions/replica-state.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Disk } from '../disk.ts'
import type { Truth } from '../truth.ts'

/** What is known of one life of a replica. */
export interface WatchedDamage {
  /** Something of its log has rotted; it may be gone since. */
  hasRotted: boolean
  /** It has found damage by reading. */
  isFound: boolean
  /** It is mending its log. */
  isMending: boolean
}

/** Nothing has rotted, and nothing was found. */
export function watchDamage(): WatchedDamage {
  return { hasRotted: false, isFound: false, isMending: false }
}

/** A replica has handled a message. */
export function checkDamage({ world, anomalies }: Truth, watched: WatchedDamage, state: ReplicaState, disk: Disk): void {
  if (!watched.hasRotted) for (const { rottenAt } of disk.files(state.logName).values()) watched.hasRotted ||= rottenAt >= 0
  if (watched.isMending && state.mending === null && state.damage === 'none' && state.phase === 'following') anomalies.mended++
  watched.isMending = state.mending !== null
  const wasFound = watched.isFound
  watched.isFound = state.damage === 'partial'
  if (watched.hasRotted || wasFound || !watched.isFound) return
  const name = topicPartitionName(state.topic, state.partition)
  world.fail('CHG', `node ${state.self.node} takes ${name} for damaged, and nothing of it has rotted`)
}
