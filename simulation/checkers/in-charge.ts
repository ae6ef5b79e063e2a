/**
 * Which coordinator counts: one that another node has succeeded may still speak, of what was before; and which one keeps what.
 */
import type { GroupsState } from '../../actors/groups-state.ts'
import { coordinatorPartitionOf, OFFSETS_TOPIC } from '../../coordinator/metadata.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import { COORDINATOR_PARTITIONS } from '../plan.ts'
import { livesOf } from '../truth.ts'
import type { PartitionTruth, Truth } from '../truth.ts'

/** Whether no later reign has begun of the partition of the offsets topic that the groups are kept in. */
export function isInCharge(truth: Truth, { config }: GroupsState): boolean {
  return isLastReign(livesOf(truth, topicPartitionName(OFFSETS_TOPIC, config.partition)).at(-1), config.leaderEpoch)
}

/** Whether nobody has led a partition in a later epoch. */
export function isLastReign(partition: PartitionTruth | undefined, leaderEpoch: number): boolean {
  return [...(partition?.leaders.keys() ?? [])].every((other) => other <= leaderEpoch)
}

/** Whether a group, or a transactional id, is kept in that partition of the topic of its coordinators. */
export function isKeptIn(partition: number, key: string): boolean {
  return coordinatorPartitionOf(key, COORDINATOR_PARTITIONS) === partition
}
