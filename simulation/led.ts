/** The partitions that coordinators write to, and who leads them. */
import { isCoordinatorTopic } from '../coordinator/metadata.ts'
import type { Cluster } from './cluster.ts'

/** One of them, with a leader. */
export interface Led {
  readonly name: string
  readonly partition: number
  readonly leader: number
  readonly replicas: readonly number[]
}

/** All of them that are led, as the best informed coordinator has it. */
export function ledByCoordinators(cluster: Cluster): Led[] {
  const topics = [...(cluster.latestImage()?.topics.values() ?? [])].filter(({ name }) => isCoordinatorTopic(name))
  const all = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ leader, replicas }, partition) => ({ name, partition, leader, replicas })),
  )
  return all.filter(({ leader }) => leader >= 0)
}
