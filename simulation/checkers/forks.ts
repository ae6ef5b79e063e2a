/**
 * SKIP: whoever reads on behind a change of leaders has missed nothing of what the new leader wrote: where the log was cut below it, it goes back, or is told that its position
 * means nothing any more (KIP-320). This holds where records may be lost, too.
 */
import { replicaActor } from '../../protocol/address.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import { leaderEpoch, walkBatches } from '../../protocol/record-batch.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import type { SimulatedNode } from '../cluster.ts'
import type { World } from '../world.ts'

/** What somebody reads on, from `offset`. */
export interface ReadingOn extends TopicPartition {
  readonly who: string
  readonly topicId: number
  readonly offset: number
  /** The leader epoch of what it has read last; -1: it has read nothing. */
  readonly epoch: number
}

/** Where a leader epoch begins, as those say that have a log; undefined if nobody knows. */
export function epochBeginOf(nodes: readonly SimulatedNode[], { topic, partition, topicId }: ReadingOn, epoch: number): number | undefined {
  const begins = nodes.flatMap(({ host }) => {
    const state = host.stateOf(replicaActor(topic, partition)) as ReplicaState | undefined
    const entry = state?.topicId === topicId ? state.epochs.find((one) => one.epoch === epoch) : undefined
    return entry === undefined ? [] : [entry.startOffset]
  })
  return begins.length === 0 ? undefined : Math.min(...begins)
}

/** Somebody is given some whole batches. Says the leader epoch of the last one. */
export function checkReadingOn(
  world: World,
  reading: ReadingOn,
  bytes: Uint8Array,
  beginOf: (reading: ReadingOn, epoch: number) => number | undefined,
): number {
  let last = reading.epoch
  for (const { at } of walkBatches(bytes)) {
    const epoch = leaderEpoch(bytes, at)
    const begin = reading.epoch >= 0 && epoch > reading.epoch && epoch !== last ? beginOf(reading, epoch) : undefined
    if (begin !== undefined && begin < reading.offset) {
      const name = topicPartitionName(reading.topic, reading.partition)
      world.fail(
        'SKIP',
        `${reading.who} reads ${name} on at ${reading.offset}, but leader epoch ${epoch} begins at ${begin}, and it has read none of it`,
      )
    }
    last = epoch
  }
  return last
}
