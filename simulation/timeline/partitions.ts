/**
 * What becomes of partitions, seen in the states of their replicas: who leads in which epoch, and how far each replica is. The metadata log is one of them.
 */
import type { CoordinatorState } from '../../actors/coordinator.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import type { Address } from '../../protocol/address.ts'
import type { PartitionHistory, Reign, ReplicaProgress } from './model.ts'

/** The name of the metadata log among the partitions. */
export const METADATA_PARTITION = '__cluster_metadata-0'

/** What a replica is now. */
interface Standing {
  readonly isLeading: boolean
  readonly epoch: number
  readonly isr: readonly number[]
  readonly highWatermark: number
  readonly logEnd: number
}

type Open<Of> = { -readonly [Name in keyof Of]: Of[Name] }

interface OpenReplica extends ReplicaProgress {
  readonly at: number[]
  readonly highWatermark: number[]
  readonly logEnd: number[]
}

interface OpenPartition {
  readonly reigns: Open<Reign>[]
  readonly replicas: Map<number, OpenReplica>
  /** By node: the reign that has not ended. */
  readonly leading: Map<number, Open<Reign>>
}

const REPLICA = 'replica/'
const COORDINATOR = 'coordinator'

/** All partitions of a run. */
export class Partitions {
  readonly #partitions: Map<string, OpenPartition> = new Map()

  /** An actor is done with a message. */
  became(at: number, { node, actor }: Address, state: unknown): void {
    if (actor.startsWith(REPLICA)) this.#see(at, actor.slice(REPLICA.length), node, standingOfReplica(state as ReplicaState))
    else if (actor === COORDINATOR) {
      const standing = standingOfCoordinator(state as CoordinatorState)
      if (standing !== null) this.#see(at, METADATA_PARTITION, node, standing)
    }
  }

  /** A node leads nothing any more, and its replicas are gone. */
  died(at: number, node: number): void {
    for (const partition of this.#partitions.values()) {
      endReign(partition, at, node)
      const replica = partition.replicas.get(node)
      if (replica !== undefined) note(replica, at, -1, -1)
    }
  }

  /** By name. */
  histories(): PartitionHistory[] {
    return [...this.#partitions]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { reigns, replicas }]) => ({ name, reigns, replicas: [...replicas.values()].toSorted((a, b) => a.node - b.node) }))
  }

  #see(at: number, name: string, node: number, { isLeading, epoch, isr, highWatermark, logEnd }: Standing): void {
    const partition = this.#partition(name)
    const reign = partition.leading.get(node)
    const isSame = isLeading && reign?.epoch === epoch && reign.isr.join() === isr.join()
    if (!isSame) {
      if (reign !== undefined) endReign(partition, at, node)
      if (isLeading) {
        const next = { node, epoch, isr: [...isr], begin: at, end: -1 }
        partition.reigns.push(next)
        partition.leading.set(node, next)
      }
    }
    const replica = partition.replicas.get(node) ?? { node, at: [], highWatermark: [], logEnd: [] }
    partition.replicas.set(node, replica)
    if (replica.highWatermark.at(-1) !== highWatermark || replica.logEnd.at(-1) !== logEnd) note(replica, at, highWatermark, logEnd)
  }

  #partition(name: string): OpenPartition {
    const known = this.#partitions.get(name)
    if (known !== undefined) return known
    const partition: OpenPartition = { reigns: [], replicas: new Map(), leading: new Map() }
    this.#partitions.set(name, partition)
    return partition
  }
}

function endReign({ leading }: OpenPartition, at: number, node: number): void {
  const reign = leading.get(node)
  if (reign === undefined) return
  reign.end = at
  leading.delete(node)
}

function note(replica: OpenReplica, at: number, highWatermark: number, logEnd: number): void {
  replica.at.push(at)
  replica.highWatermark.push(highWatermark)
  replica.logEnd.push(logEnd)
}

function standingOfReplica({ phase, role, highWatermark, log }: ReplicaState): Standing {
  const isOpen = phase !== 'recovering' && phase !== 'settling' && phase !== 'failed'
  return {
    isLeading: phase === 'leading',
    epoch: role.leaderEpoch,
    isr: role.isr,
    highWatermark: isOpen ? highWatermark.offset : -1,
    logEnd: isOpen ? log.logEndOffset : -1,
  }
}

function standingOfCoordinator({ seat: { quorum } }: CoordinatorState): Standing | null {
  if (quorum === null) return null
  const { role, epoch, highWatermark, syncedEndOffset } = quorum
  return { isLeading: role === 'leader', epoch, isr: [], highWatermark, logEnd: syncedEndOffset }
}
