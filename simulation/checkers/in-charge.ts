/**
 * Which coordinator of groups counts: one that another node has succeeded may still speak, of what was before.
 */
import type { GroupsState } from '../../actors/groups-state.ts'
import { OFFSETS_TOPIC } from '../../coordinator/metadata.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import { livesOf } from '../truth.ts'
import type { Truth } from '../truth.ts'

/** Whether no later reign has begun of the partition of the offsets topic that the groups are kept in. */
export function isInCharge(truth: Truth, { config }: GroupsState): boolean {
  const leaders = livesOf(truth, topicPartitionName(OFFSETS_TOPIC, config.partition)).at(-1)?.leaders ?? new Map<number, number>()
  return [...leaders.keys()].every((leaderEpoch) => leaderEpoch <= config.leaderEpoch)
}
