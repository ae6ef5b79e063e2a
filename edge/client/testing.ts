/**
 * Hooks for tests that hurt a running cluster.
 */
import type { Cluster } from './api.ts'

/** Ends the worker thread of a node without warning; the cluster must notice and recover by itself. */
export async function terminateNode(cluster: Cluster, node: number): Promise<void> {
  if (!('terminateNode' in cluster) || typeof cluster.terminateNode !== 'function')
    throw new TypeError('only a cluster from open() has nodes to terminate')
  await (cluster as Cluster & { terminateNode(node: number): Promise<void> }).terminateNode(node)
}
