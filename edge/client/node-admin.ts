/**
 * Administration of nodes: what the cluster looks like, moving replicas between nodes, letting a node go, and who votes. The coordinator decides; this asks it,
 * waits for what takes time, and has threads started and stopped where that follows from it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { errorOf, KafkaError } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { PartitionSize, TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { ClusterDescription, Reassignment } from './admin-api.ts'
import type { Waiting } from './api.ts'
import { checkLimit, checkNode } from './arguments.ts'
import { sizesOf } from './led-partitions.ts'
import { throwIfError } from './requests.ts'
import type { Asked } from './request-port.ts'
import type { Requests } from './requests.ts'

/** What the administrator has done to the nodes of this process. */
export interface NodeActions {
  /** The nodes that run here. */
  ids(): readonly number[]
  /** A node is about to vote: it needs a coordinator. */
  startCoordinator(node: number): Promise<void>
  /** Who votes, as the cluster says. */
  noteVoters(voters: readonly number[]): void
  /** Hands over what the node leads, and ends its thread. */
  stopNode(node: number): Promise<void>
  /** Starts it again, and waits until it serves. */
  restartNode(node: number): Promise<void>
  /** The node is registered no more. */
  forgetNode(node: number): void
}

/** Drains of this cluster object: none of them may move anything to a node of another. */
interface Drains {
  /** A node for each drain that is waited for. */
  readonly waiting: number[]
  /** Nodes that were drained while others are. */
  readonly drained: Set<number>
  /** Nodes whose wait has ended too soon: their moves go on. */
  readonly left: Set<number>
}

/** A change of what a node is. */
interface NodeChange {
  readonly node: number
  readonly nature: 'becoming a voter' | 'being removed'
}

/** How often it is looked whether moves have ended. */
const LOOK_MILLIS = 50

/** Administration of the nodes of one cluster. See the header. */
export class NodeAdmin {
  readonly #requests: Requests
  readonly #actions: NodeActions
  readonly #drains: Drains = { waiting: [], drained: new Set(), left: new Set() }
  /** Changes under way. */
  readonly #changes: Set<NodeChange> = new Set()
  /** The last request for moves. */
  #asked: Promise<unknown> = Promise.resolve()

  constructor(requests: Requests, actions: NodeActions) {
    this.#requests = requests
    this.#actions = actions
  }

  async describeCluster(): Promise<ClusterDescription> {
    const { brokers, controller, voters, topics, reassignmentBytesPerSecond = null } = await this.#requests.metadata(null)
    const partitions = topics.flatMap(({ topic, partitions: some }) => some.map((one) => ({ ...one, topic })))
    const nodes = brokers.map((one) => ({
      ...one,
      isVoter: voters.includes(one.node),
      leaders: partitions.filter(({ leader }) => leader === one.node).length,
      replicas: partitions.filter(({ replicas }) => replicas.includes(one.node)).length,
    }))
    const underReplicated = partitions.filter(({ isr, replicas }) => isr.length < replicas.length)
    const underMinIsr = partitions.filter(({ isr, minInsync }) => isr.length < minInsync)
    const offline = partitions.filter(({ leader }) => leader < 0)
    return {
      controller,
      voters: voters.toSorted((a, b) => a - b),
      nodes: nodes.toSorted((a, b) => a.node - b.node),
      underReplicatedPartitions: underReplicated.length,
      underMinIsrPartitions: underMinIsr.length,
      offlinePartitions: offline.length,
      underReplicated: underReplicated.map(nameOf),
      underMinIsr: underMinIsr.map(nameOf),
      offline: offline.map(nameOf),
      reassignmentBytesPerSecond,
    }
  }

  async listReassignments(): Promise<Reassignment[]> {
    const { topics } = await this.#requests.askCoordinator({ kind: 'metadata', topics: null }, 'metadataResponse')
    return topics.flatMap(reassignmentsOf)
  }

  /** Asks for moves and waits for them, until there are none left: each request moves some hundred partitions. Sizes are those of the beginning. */
  async rebalance(options: Waiting, by: 'replicas' | 'bytes'): Promise<void> {
    await this.#move(null, options, by === 'bytes' ? await this.#sizes() : null)
  }

  /** Likewise. */
  async drain(drain: number, options: Waiting): Promise<void> {
    const { waiting, drained, left } = this.#drains
    waiting.push(drain)
    let isDrained = false
    try {
      await this.#move(drain, options, null)
      isDrained = true
    } finally {
      waiting.splice(waiting.indexOf(drain), 1)
      ;(isDrained ? drained : left).add(drain)
      if (waiting.length === 0) drained.clear()
    }
  }

  async #sizes(): Promise<PartitionSize[]> {
    const { topics } = await this.#requests.askCoordinator({ kind: 'metadata', topics: null }, 'metadataResponse')
    return (await Promise.all(topics.map((topic) => sizesOf(this.#requests, topic)))).flat()
  }

  async #move(drain: number | null, { signal }: Waiting, sizes: readonly PartitionSize[] | null): Promise<void> {
    for (let isOver = false; !isOver;) {
      signal?.throwIfAborted()
      isOver = (await this.#askForMoves(drain, sizes)) === 0
      while (!(await this.#isMoved(drain))) await pause(signal)
    }
  }

  /** How many moves there are to be. One request at a time: each knows the nodes that are drained when the coordinator has it. */
  #askForMoves(drain: number | null, sizes: readonly PartitionSize[] | null): Promise<number> {
    const ask = async (): Promise<number> => {
      const avoid = (await this.#nodesDrained()).filter((node) => node !== drain)
      return this.#change({ kind: 'rebalance', drain, ...(avoid.length > 0 && { avoid }), ...(sizes !== null && { sizes }) })
    }
    const asked = this.#asked.then(ask, ask)
    this.#asked = asked
    return asked
  }

  /** What is to take nothing. A drain that nobody waits for counts as long as moves of it are under way. */
  async #nodesDrained(): Promise<number[]> {
    const { waiting, drained, left } = this.#drains
    const moves = left.size === 0 ? [] : await this.listReassignments()
    for (const node of left) if (!moves.some(({ removing }) => removing.includes(node))) left.delete(node)
    return [...new Set([...waiting, ...drained, ...left])].toSorted((a, b) => a - b)
  }

  async throttleReassignments(bytesPerSecond: number | null): Promise<void> {
    checkLimit(bytesPerSecond)
    await this.#change({ kind: 'throttleReassignments', bytesPerSecond })
  }

  async removeNode(node: number): Promise<void> {
    checkNode(node)
    await this.#during({ node, nature: 'being removed' }, async () => {
      await this.#change({ kind: 'unregisterBroker', node, validateOnly: true })
      await this.#actions.stopNode(node)
      await this.#unregister(node)
      this.#actions.forgetNode(node)
    })
  }

  /** Somebody may have come to count on it while it stopped: then it goes on. So it does if nobody says what has become of the request: it registers anew. */
  async #unregister(node: number): Promise<void> {
    try {
      await this.#change({ kind: 'unregisterBroker', node, validateOnly: false }, 'BROKER_ID_NOT_REGISTERED')
    } catch (error) {
      await this.#actions.restartNode(node)
      throw error
    }
  }

  async addVoter(node: number): Promise<void> {
    checkNode(node)
    await this.#during({ node, nature: 'becoming a voter' }, async () => {
      if (this.#actions.ids().includes(node)) await this.#actions.startCoordinator(node)
      await this.#changeVoters({ kind: 'addRaftVoter', node }, 'DUPLICATE_VOTER')
    })
  }

  async removeVoter(node: number): Promise<void> {
    checkNode(node)
    await this.#changeVoters({ kind: 'removeRaftVoter', node }, 'VOTER_NOT_FOUND')
  }

  /** A node does not come to vote while it goes, nor the other way round, and goes once. Who asks twice for its vote waits for the same. Throws REASSIGNMENT_IN_PROGRESS. */
  async #during(change: NodeChange, work: () => Promise<void>): Promise<void> {
    const { node, nature } = change
    const other = [...this.#changes].find((one) => one.node === node && (one.nature !== nature || nature === 'being removed'))
    if (other !== undefined) throw new KafkaError('REASSIGNMENT_IN_PROGRESS', `node ${node} is just ${other.nature}`)
    this.#changes.add(change)
    try {
      await work()
    } finally {
      this.#changes.delete(change)
    }
  }

  /** Whatever comes of it: what is remembered of the voters is what the cluster says then. */
  async #changeVoters(asked: Asked, done: ErrorName): Promise<void> {
    try {
      await this.#change(asked, done)
    } finally {
      const { voters } = await this.#requests.askCoordinator({ kind: 'metadata', topics: [] }, 'metadataResponse')
      this.#actions.noteVoters(voters)
    }
  }

  /** Whether nothing is on its way, or nothing that concerns the node to be drained. */
  async #isMoved(drain: number | null): Promise<boolean> {
    const reassignments = await this.listReassignments()
    return drain === null ? reassignments.length === 0 : !reassignments.some(({ replicas }) => replicas.includes(drain))
  }

  /** How many results there are, all good. `done`: the error that says that an attempt which got no answer has done it. */
  async #change(asked: Asked, done: ErrorName | null = null): Promise<number> {
    let isLost = false
    const { results } = await this.#requests.askCoordinator(asked, 'adminResponse', () => (isLost = true))
    for (const { errorCode, errorMessage } of results)
      if (!isLost || errorOf(errorCode).name !== done) throwIfError(errorCode, errorMessage)
    return results.length
  }
}

/** Throws the signal's own reason. */
async function pause(signal: AbortSignal | undefined): Promise<void> {
  await sleep(LOOK_MILLIS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
  signal?.throwIfAborted()
}

function nameOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

function reassignmentsOf({ topic, partitions }: TopicMetadata): Reassignment[] {
  return partitions
    .filter(({ adding, removing }) => adding.length > 0 || removing.length > 0)
    .map(({ partition, replicas, adding, removing }) => ({ topic, partition, replicas, adding, removing }))
}
