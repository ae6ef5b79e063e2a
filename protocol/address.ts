/**
 * Where an actor lives. Nodes of the cluster are numbered from 0; client hosts (the caller's thread, a simulated client)
 * have negative numbers, because they own no data directory.
 */

/** The host of a cluster node (>= 0) or of a client (< 0), and the actor's name on that host. */
export interface Address {
  readonly node: number
  readonly actor: string
}

/** The client host of the caller's thread. */
export const CALLER_NODE = -1

/** The metadata coordinator's name on its node. */
export const COORDINATOR_ACTOR = 'coordinator'

/** The broker's name on each node: it starts and stops the replicas and groups there. */
export const BROKER_ACTOR = 'broker'

/** The actor that leads or follows one partition. */
export function replicaActor(topic: string, partition: number): string {
  return `replica/${topic}-${partition}`
}

/** The actor that coordinates the consumer groups of one partition of `__consumer_offsets`. */
export function groupsActor(partition: number): string {
  return `groups/${partition}`
}

/** The actor that keeps the transactions of one partition of `__transaction_state`. */
export function transactorActor(partition: number): string {
  return `transactor/${partition}`
}

/** The actor that coordinates the share groups of one partition of `__share_group_state`. */
export function sharesActor(partition: number): string {
  return `shares/${partition}`
}
