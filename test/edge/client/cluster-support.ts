// Looks at clusters of several nodes from outside: whether all replicas are in sync, and what is in their files.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../../../edge/client/index.ts'

/** Waits until all replicas are in sync and all nodes are back; the test's own time-out ends it. */
export async function inSync(cluster: Cluster): Promise<void> {
  for (;;) {
    const { nodes, underReplicatedPartitions } = await cluster.admin.describeCluster()
    if (underReplicatedPartitions === 0 && nodes.every(({ fenced }) => !fenced)) return
    await sleep(20)
  }
}

/** What the log files of each replica of a partition hold, one after the other; by node. */
export function replicaLogs(directory: string, topic: string, partition: number): Buffer[] {
  const nodes = readdirSync(directory).filter((name) => name.startsWith('node-'))
  const replicas = nodes.flatMap((node) =>
    readdirSync(join(directory, node))
      .filter((name) => name.startsWith(`${topic}-${partition}.`))
      .map((name) => join(directory, node, name)),
  )
  return replicas.map((replica) => {
    const files = readdirSync(replica).filter((name) => name.endsWith('.log'))
    return Buffer.concat(files.toSorted().map((name) => readFileSync(join(replica, name))))
  })
}
