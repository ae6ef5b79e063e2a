/**
 * Partitions for which somebody commits who is in no group: those of some topics, in their present life.
 */
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { Cluster } from '../cluster.ts'
import { livesOf } from '../truth.ts'
import type { PartitionTruth } from '../truth.ts'

/** A partition, and what is known of it. */
export interface KnownPlace extends TopicPartition {
  readonly life: PartitionTruth
}

/** Those that are known already. */
export function placesOf({ topics, truth }: Cluster, names: readonly string[]): KnownPlace[] {
  return names.flatMap((topic) =>
    Array.from({ length: topics.get(topic) ?? 0 }, (_, partition) => partition).flatMap((partition) => {
      const life = livesOf(truth, topicPartitionName(topic, partition)).at(-1)
      return life === undefined || life.isOver ? [] : [{ topic, partition, life }]
    }),
  )
}
