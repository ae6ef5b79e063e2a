/**
 * A client that reads all partitions, and of what transactions write only what is committed: what it is given is checked (checkers/committed-reads.ts), and in the end
 * it must come to the end of every log, which no open transaction may hold back.
 */
import { actor } from '../../actors/consumer.ts'
import type { ConsumerConfig } from '../../actors/consumer-state.ts'
import { codeOf } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { SESSION_MILLIS } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { Random } from '../random.ts'
import { CommittedPartition } from './committed-partition.ts'

/** It works on what it was given for so long at most, in microseconds. */
const WORK_MICROS = 3000

/** A process that is gone comes back after so long on average, in microseconds. */
const RESTART_MICROS = 400_000

/** What is handed to the application at once. */
const HAND_MAX = 1000

/** The reader, through all its lives. */
export class CommittedReader {
  readonly #cluster: Cluster
  readonly #random: Random
  readonly #held: Map<string, CommittedPartition> = new Map()
  #host: Host | null = null

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#random = new Random(cluster.world.seed, 'committed-reader')
  }

  /** Begins a life: reads everything from the beginning. */
  start(): void {
    const host = this.#cluster.newClient('committed reader')
    this.#host = host
    host.attach('client', { receive: (message) => this.#receive(message) })
    host.spawn('consumer', actor.url, this.#config(host))
    this.assign()
  }

  /** Takes all partitions that there are. */
  assign(): void {
    const partitions = [...this.#cluster.topics].flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => ({ topic, partition })),
    )
    const wanted = new Set(partitions.map(({ topic, partition }) => topicPartitionName(topic, partition)))
    for (const name of [...this.#held.keys()]) if (!wanted.has(name)) this.#held.delete(name)
    this.#tell({ kind: 'assign', partitions })
  }

  /** Dies; the next life begins anew. */
  crash(): void {
    if (this.#host === null) return
    this.#cluster.killClient(this.#host)
    this.#host = null
    this.#held.clear()
    this.#cluster.world.after(this.#random.exponential(RESTART_MICROS), () => this.start())
  }

  /** One past what it has read of a partition; -1 if nothing. */
  positionOf(name: string): number {
    return this.#held.get(name)?.expected ?? -1
  }

  #config(host: Host): ConsumerConfig {
    return {
      client: { node: host.node, actor: 'client' },
      coordinatorNodes: this.#cluster.voters,
      group: null,
      memberId: 'committed-reader',
      instanceId: null,
      assignor: null,
      autoOffsetReset: 'earliest',
      autoCommit: false,
      autoCommitIntervalMillis: 300,
      sessionTimeoutMillis: SESSION_MILLIS,
      rebalanceTimeoutMillis: SESSION_MILLIS,
      heartbeatIntervalMillis: 500,
      fetchMinBytes: 1,
      fetchMaxBytes: 8192,
      bufferMemoryBytes: 1_000_000,
      fetchMaxWaitMillis: 1000,
      fetchMode: 'bytes',
      isolationLevel: 'read_committed',
      requestTimeoutMillis: 300,
      retryBackoffMillis: 50,
    }
  }

  #tell(message: Message): void {
    const host = this.#host
    if (host !== null) host.send({ node: host.node, actor: 'client' }, { node: host.node, actor: 'consumer' }, message)
  }

  #receive(message: Message): void {
    const { clientWatcher, world } = this.#cluster
    const who = 'the reader of what is committed'
    if (message.kind === 'assigned') {
      const topicId = clientWatcher.topicIdOf(message)
      for (const { topic, partition, position, session } of message.partitions)
        this.#held.set(
          topicPartitionName(topic, partition),
          new CommittedPartition(this.#cluster, who, { topic, partition }, { session, topicId, position }),
        )
    } else if (message.kind === 'chunk') {
      const held = this.#held.get(topicPartitionName(message.topic, message.partition))
      if (held?.take(message) === true) this.#workOn(held)
    } else if (message.kind === 'positionReset') {
      this.#held.get(topicPartitionName(message.topic, message.partition))?.reset(message, clientWatcher.topicIdOf(message))
    } else if (message.kind === 'consumerFailed') {
      if (message.errorCode === codeOf('CORRUPT_MESSAGE'))
        world.fail('CHG', `${message.topic}-${message.partition} is damaged: ${message.errorMessage}`)
    }
  }

  #workOn(held: CommittedPartition): void {
    const { topic, partition, session } = held
    this.#host?.after(this.#random.between(1, WORK_MICROS), () => {
      if (held.session !== session) return
      held.hand(HAND_MAX)
      if (held.wantsMore()) this.#tell({ kind: 'fetchMore', topic, partition, session, offset: held.expected })
    })
  }
}
