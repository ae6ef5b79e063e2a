/**
 * Partition names (`orders-3`) as keys of sets and maps, and back to lists per topic as messages carry them.
 */
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { TopicPartitions } from '../../protocol/messages/group.ts'

/** The names of partitions that are listed per topic. */
export function namesOf(topics: readonly TopicPartitions[]): Set<string> {
  return new Set(topics.flatMap(({ topic, partitions }) => partitions.map((partition) => topicPartitionName(topic, partition))))
}

/** The topic and partition that a name stands for. */
export function parseName(name: string): TopicPartition {
  const dash = name.lastIndexOf('-')
  return { topic: name.slice(0, dash), partition: Number(name.slice(dash + 1)) }
}

/** Lists per topic, in the order in which the topics first appear. */
export function partitionsOf(names: Iterable<string>): TopicPartitions[] {
  const topics = new Map<string, number[]>()
  for (const name of names) {
    const { topic, partition } = parseName(name)
    const partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, [partition])
    else partitions.push(partition)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}
