/**
 * Whether all replicas of the load's partitions hold the same bytes, as they lie on the disk: what readers never see of a follower, a crash may show.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Cluster } from '../../edge/client/api.ts'
import { inSync, replicaLogs } from '../edge/client/cluster-support.ts'
import { TARGETS } from './load.ts'
import type { Report } from './load.ts'

/** Followers are level with their leader for a moment at least so soon after the load has ended. */
const LEVEL_MILLIS_MAX = 5000
const LOOK_MILLIS = 50

/** Waits until all nodes are back and all replicas in sync, and reports those whose bytes are not those of the first. */
export async function compareReplicas(cluster: Cluster, report: Report): Promise<void> {
  const { directory } = cluster
  if (directory === null) return
  await inSync(cluster)
  for (const { topic, partition } of TARGETS) {
    const deadline = performance.now() + LEVEL_MILLIS_MAX
    let count = countDiverged(directory, topic, partition)
    while (count > 0 && performance.now() < deadline) {
      await sleep(LOOK_MILLIS)
      count = countDiverged(directory, topic, partition)
    }
    if (count > 0) report({ kind: 'diverged', where: topicPartitionName(topic, partition), count })
  }
}

function countDiverged(directory: string, topic: string, partition: number): number {
  const [first, ...others] = replicaLogs(directory, topic, partition)
  return others.filter((other) => first === undefined || !first.equals(other)).length
}
