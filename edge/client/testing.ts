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

/** Blocks the worker thread of a node for so long: it is not dead, but does nothing. Resolves when it goes on. */
export async function hangNode(cluster: Cluster, node: number, millis: number): Promise<void> {
  if (!('hangNode' in cluster) || typeof cluster.hangNode !== 'function')
    throw new TypeError('only a cluster from open() has nodes to block')
  await (cluster as Cluster & { hangNode(node: number, millis: number): Promise<void> }).hangNode(node, millis)
}

/** Has an actor of a client ('producer-1', say) fail as it would by a bug. */
export function crashActor(cluster: Cluster, actor: string): void {
  if (!('crashActor' in cluster) || typeof cluster.crashActor !== 'function')
    throw new TypeError('only a cluster from open() has actors to crash')
  ;(cluster as Cluster & { crashActor(actor: string): void }).crashActor(actor)
}
