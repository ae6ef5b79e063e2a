/**
 * Somebody who looks in at a group: joins it, alone or with another one, and is gone in a moment, politely or not, often before anything is committed: then nothing is left of the group.
 */
import { actor } from '../../actors/consumer.ts'
import type { ConsumerConfig } from '../../actors/consumer-state.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { beginBelief, endBelief, newGroupTruth } from '../checkers/groups.ts'
import type { GroupTruth } from '../checkers/groups.ts'
import { SESSION_MILLIS } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { Random } from '../random.ts'

/** Between two visits, on average, and how long one lasts, in microseconds. */
const PAUSE_MICROS = 500_000
const VISITS_MICROS = [30_000, 200_000, 700_000, 2_000_000] as const

/** Visitors that are there at a time, at most. */
const VISITORS_MAX = 2

/** One visitor in so many dies instead of leaving. */
const DEATH_SHARE = 6

/** Visitors of one group; its members do not commit. */
export class Visits {
  readonly #cluster: Cluster
  readonly #random: Random
  readonly #group: GroupTruth
  #count = 0
  #present = 0

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#random = new Random(cluster.world.seed, 'hardships/visits')
    this.#group = newGroupTruth(cluster.truth, 'visitors', SESSION_MILLIS)
    this.#group.isClassic = cluster.plan.classic !== null
    cluster.groups.inside.push(this.#group)
  }

  /** Begins; nobody comes any more when the run heals. */
  start(): void {
    this.#cluster.world.after(this.#random.exponential(PAUSE_MICROS), () => {
      if (!this.#cluster.faults.active) return
      if (this.#present < VISITORS_MAX) this.#come()
      this.start()
    })
  }

  #come(): void {
    this.#present++
    const memberId = `visitor-0-${++this.#count}`
    const host = this.#cluster.newClient('visitor')
    const held = new Set<string>()
    const gone = (): void => {
      if (!host.isUp) return
      for (const name of held) endBelief(this.#group, name, memberId)
      this.#cluster.killClient(host)
      this.#present--
    }
    const tell = (message: Message): void =>
      host.send({ node: host.node, actor: 'client' }, { node: host.node, actor: 'consumer' }, message)
    host.attach('client', { receive: (message) => this.#hear(message, { memberId, host, held, gone, tell }) })
    host.spawn('consumer', actor.url, this.#config(host, memberId))
    tell({ kind: 'subscribe', topics: this.#cluster.plan.topics.map(({ name }) => name), topicPattern: null })
    const isDeath = this.#random.below(DEATH_SHARE) === 0
    host.after(this.#random.below(this.#random.pick(VISITS_MICROS)), () => {
      if (isDeath) return gone()
      for (const name of held) endBelief(this.#group, name, memberId)
      held.clear()
      tell({ kind: 'closeConsumer', correlationId: 1 })
    })
  }

  #hear(message: Message, { memberId, host, held, gone, tell }: Visitor): void {
    if (message.kind === 'consumerClosed') return gone()
    if (message.kind === 'assigned')
      for (const { topic, partition } of message.partitions) {
        const name = topicPartitionName(topic, partition)
        held.add(name)
        beginBelief(this.#group, name, memberId, host, this.#cluster.clientWatcher.saidAt(message))
      }
    if (message.kind !== 'revoking') return
    for (const { topic, partition } of message.partitions) {
      const name = topicPartitionName(topic, partition)
      held.delete(name)
      endBelief(this.#group, name, memberId)
    }
    tell({ kind: 'released', partitions: message.partitions })
  }

  #config(host: Host, memberId: string): ConsumerConfig {
    const { classic, voters } = { ...this.#cluster.plan, voters: this.#cluster.voters }
    return {
      client: { node: host.node, actor: 'client' },
      coordinatorNodes: voters,
      group: this.#group.name,
      memberId,
      instanceId: null,
      assignor: null,
      autoOffsetReset: 'earliest',
      autoCommit: false,
      autoCommitIntervalMillis: 300,
      sessionTimeoutMillis: SESSION_MILLIS,
      rebalanceTimeoutMillis: 4000,
      heartbeatIntervalMillis: 500,
      fetchMinBytes: 1,
      fetchMaxBytes: 8192,
      bufferMemoryBytes: 1_000_000,
      fetchMaxWaitMillis: 1000,
      fetchMode: 'bytes',
      isolationLevel: 'read_uncommitted',
      requestTimeoutMillis: 300,
      retryBackoffMillis: 50,
      ...(classic === null ? {} : { partitionAssignors: classic.assignors[0] ?? [] }),
    }
  }
}

/** One who is there. */
interface Visitor {
  readonly memberId: string
  readonly host: Host
  /** What it believes to have. */
  readonly held: Set<string>
  readonly gone: () => void
  readonly tell: (message: Message) => void
}
