/**
 * What nodes have lost when they die, for those who must know what nobody can be blamed for.
 */
import { topicById } from '../coordinator/metadata.ts'
import { durableEnd, rottenOffset, writtenEnd } from './checkers/durable-end.ts'
import type { Cluster } from './cluster.ts'
import type { Disk } from './disk.ts'
import type { Truth } from './truth.ts'

/** A bit may rot, or a log be lost, while others are in sync; if they are not any more, this one leads with what is sound, or with nothing. */
export function noteRot(cluster: Cluster, node: number): void {
  const image = cluster.latestImage()
  for (const partition of cluster.truth.partitions.values()) {
    const topic = image === null ? undefined : topicById(image, partition.topicId)
    const isr = topic?.partitions[partitionOf(partition.name)]?.isr ?? []
    if (isr.length !== 1 || isr[0] !== node) continue
    const { disk } = cluster.nodes[node]!
    const log = `${partition.name}.${partition.topicId}`
    const floor = disk.isLost(log) ? 0 : rottenOffset(disk.files(log), partition)
    if (floor >= 0) partition.lossFloor = partition.lossFloor < 0 ? floor : Math.min(partition.lossFloor, floor)
  }
}

/** What power losses leave of logs that are not synced: whoever has lost it may yet be taken for the one that has all. */
export function noteKept(cluster: Cluster, node: number, isPowerLoss: boolean): void {
  const image = cluster.latestImage()
  for (const partition of cluster.truth.partitions.values()) {
    const files = cluster.nodes[node]!.disk.files(`${partition.name}.${partition.topicId}`)
    const topic = image === null ? undefined : topicById(image, partition.topicId)
    const partitionEpoch = topic?.partitions[partitionOf(partition.name)]?.partitionEpoch ?? -1
    if (isPowerLoss && partition.flush !== 'commit') partition.keptEnds.set(node, { end: durableEnd(files, partition), partitionEpoch })
    else if (!cluster.isPowerless(node)) partition.keptEnds.delete(node)
  }
}

/** Whether a power loss may take anything from a node's disk that its topic has not promised to sync. */
export function hasUnsynced(truth: Truth, disk: Disk): boolean {
  return [...truth.partitions.values()].some((partition) => {
    const files = disk.files(`${partition.name}.${partition.topicId}`)
    return partition.flush !== 'commit' && durableEnd(files, partition) < writtenEnd(files, partition)
  })
}

/** The number of a partition, by its name. */
export function partitionOf(name: string): number {
  return Number(name.slice(name.lastIndexOf('-') + 1))
}
