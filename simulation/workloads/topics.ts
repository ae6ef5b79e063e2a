/**
 * The client that plays the administrator: creates the topics of the plan, deletes one and creates it again, adds partitions, moves them, changes
 * settings. It repeats each request until it has an answer; a deletion that arrives late may take a topic a second time, so it looks now and then whether all are there.
 */
import { coordinatorOf, newCoordinatorFinder, nextCoordinator } from '../../actors/coordinator-finder.ts'
import type { CoordinatorFinder } from '../../actors/coordinator-finder.ts'
import { OFFSETS_TOPIC } from '../../coordinator/metadata.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { AdminResult, MetadataResponse, NewTopic } from '../../protocol/messages/metadata.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { isAwaySince } from '../node-epochs.ts'
import { TABLE } from '../plan.ts'
import type { Plan, PlannedTopic } from '../plan.ts'
import { Random } from '../random.ts'
import { READER_CONFIGS, READER_TOPIC } from '../reader-plan.ts'

/** Something to ask until it is answered. */
interface Task {
  readonly request: (correlationId: number) => Message
  readonly isDone: (results: readonly AdminResult[]) => boolean
  readonly onDone: () => void
}

/** Who has a partition. */
interface PartitionReplicas {
  readonly topic: string
  readonly partition: number
  readonly replicas: readonly number[]
}

/** The request is repeated after so long, in microseconds. */
const RETRY_MICROS = 100_000

/** Where topics come and go, the administrator looks so often whether all are there, in microseconds. */
const LOOK_MICROS = 2_000_000

/** A topic gets no more partitions than that. */
const PARTITIONS_MAX = 4

/** A topic that is created again has at most so many. */
const RECREATED_PARTITIONS_MAX = 3

/** What an administrator may set at any time, and where it ends up again. */
const SETTINGS: readonly Readonly<Record<string, unknown>>[] = [
  { minInsyncReplicas: -1 },
  { minInsyncReplicas: 1 },
  { minInsyncReplicas: 2 },
  { retentionBytes: 60_000 },
  { retentionBytes: -1, retentionMillis: -1 },
  { retentionMillis: 20_000 },
  { segmentBytes: 32 * 1024 },
]

/** The largest batch, in bytes: of the smallest, one record fits, whoever has written it; of the next a few. */
const LIMITS = [600, 1200, 1_048_588]

/** The topic of that name, if it is planned. */
export function configOf(plan: Plan, name: string): PlannedTopic | undefined {
  return plan.topics.find((topic) => topic.name === name)
}

/** The administrating client; it never dies. */
export class AdminWorkload {
  readonly #cluster: Cluster
  readonly #limits: Random
  readonly #tasks: Task[] = []
  #host: Host | null = null
  #correlationId = 0
  /** The first correlation id of the task at hand. */
  #taskId = 0
  #metadataOffset = -1
  readonly #coordinators: CoordinatorFinder
  /** Who has which partition, as far as is known. */
  readonly #replicas: Map<string, PartitionReplicas> = new Map()
  /** Is told when topics have more or fewer partitions. */
  onChange: () => void = () => undefined

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#coordinators = newCoordinatorFinder(cluster.voters)
    this.#limits = new Random(cluster.world.seed, 'limits/drawn')
  }

  /** Creates the topics, then calls back once. */
  start(done: () => void): void {
    const host = this.#cluster.newClient('admin')
    const { recreateTopic, addPartitions, reassign, transferLeader } = this.#cluster.faults.options
    this.#host = host
    host.attach('admin', { receive: (message) => this.#receive(message) })
    this.#create(done)
    if (recreateTopic + addPartitions + reassign + transferLeader > 0) this.#lookAgain()
  }

  /** Deletes a topic and creates it again, at once or later, with its own settings and as many partitions as chance will have it. */
  recreate(random: Random, awayMicros = 0): void {
    const { name } = random.pick(this.#cluster.plan.topics)
    const count = random.between(1, RECREATED_PARTITIONS_MAX)
    this.#do({
      request: (correlationId) => ({ kind: 'deleteTopics', correlationId, topics: [name] }),
      isDone: (results) => allAre(results, 'UNKNOWN_TOPIC_OR_PARTITION'),
      onDone: () => {
        this.#cluster.topics.set(name, count)
        this.onChange()
      },
    })
    if (awayMicros > 0) return this.#host?.after(awayMicros, () => this.settle())
    this.settle()
  }

  /** Gives a topic one more partition, unless it has enough. */
  addPartition(random: Random): void {
    const { name } = random.pick(this.#cluster.plan.topics)
    const count = (this.#cluster.topics.get(name) ?? 0) + 1
    if (count > PARTITIONS_MAX) return
    this.#do({
      request: (correlationId) => ({ kind: 'createPartitions', correlationId, topics: [{ name, count }] }),
      isDone: (results) => allAre(results, 'INVALID_PARTITIONS', 'UNKNOWN_TOPIC_OR_PARTITION'),
      onDone: () => undefined,
    })
    this.#look()
  }

  /** Spreads replicas over the nodes, or takes them all off one, as far as that can be done. */
  rebalance(random: Random): void {
    const drain = random.below(3) === 0 ? null : random.below(this.#cluster.nodes.length)
    this.#do({
      request: (correlationId) => ({ kind: 'rebalance', correlationId, drain }),
      isDone: () => true,
      onDone: () => undefined,
    })
  }

  /** Moves one replica of a partition to another node, or gives a move up; false if there is no other node. */
  reassign(random: Random): boolean {
    const one = this.#pickPartition(random)
    if (one === undefined) return false
    const others = this.#cluster.nodes.map(({ host }) => host.node).filter((node) => !one.replicas.includes(node))
    if (others.length === 0) return false
    const moved = one.replicas.with(random.below(one.replicas.length), random.pick(others))
    this.#place(one, random.below(8) === 0 ? null : moved)
    return true
  }

  /** Another replica of a partition is to lead; false if there is no other. */
  transferLeader(random: Random): boolean {
    const one = this.#pickPartition(random)
    if (one === undefined || one.replicas.length < 2) return false
    const first = random.between(1, one.replicas.length - 1)
    this.#place(one, [...one.replicas.slice(first), ...one.replicas.slice(0, first)])
    return true
  }

  /** Gives a topic other settings. */
  configure(random: Random): void {
    const topic = random.pick(this.#cluster.plan.topics).name
    const configs = { ...random.pick(SETTINGS), ...this.#limit(topic) }
    this.#do({
      request: (correlationId) => ({ kind: 'incrementalAlterConfigs', correlationId, topic, configs }),
      isDone: () => true,
      onDone: () => undefined,
    })
  }

  /** A topic takes smaller batches than before, or larger ones. */
  limit(topic: string): void {
    this.#do({
      request: (correlationId) => ({ kind: 'incrementalAlterConfigs', correlationId, topic, configs: this.#limit(topic) }),
      isDone: () => true,
      onDone: () => undefined,
    })
  }

  #limit(topic: string): { readonly maxMessageBytes?: number } {
    return this.#cluster.plan.hasLimits && topic !== TABLE ? { maxMessageBytes: this.#limits.pick(LIMITS) } : {}
  }

  /** A voter goes, and comes back. A removal that arrives late may take it a second time: there are three of them. */
  changeVoters(random: Random): void {
    const { voters } = this.#cluster
    if (voters.length < 3) return
    const node = random.pick(voters)
    for (const kind of ['removeRaftVoter', 'addRaftVoter'] as const) this.changeVoter(kind, node)
  }

  /** A node votes no more, or again; then it has a coordinator first. */
  changeVoter(kind: 'removeRaftVoter' | 'addRaftVoter', node: number): void {
    this.#do({
      request: (correlationId) => {
        if (kind === 'addRaftVoter') this.#cluster.startCoordinator(node)
        return { kind, correlationId, node }
      },
      isDone: (results) => allAre(results, 'DUPLICATE_VOTER', 'VOTER_NOT_FOUND', 'INVALID_REQUEST'),
      onDone: () => {
        const voters = this.#cluster.votersNow()
        for (const client of this.#cluster.clients) client.announce({ kind: 'votersChanged', voters })
      },
    })
  }

  /** These nodes are to have a partition, and the first of them is to lead. */
  place(topic: string, partition: number, replicas: readonly number[]): void {
    this.#place({ topic, partition, replicas }, replicas)
  }

  #pickPartition(random: Random): PartitionReplicas | undefined {
    return this.#replicas.size === 0 ? undefined : random.pick([...this.#replicas.values()])
  }

  #place({ topic, partition }: PartitionReplicas, replicas: readonly number[] | null): void {
    this.#do({
      request: (correlationId) => ({ kind: 'alterPartitionReassignments', correlationId, partitions: [{ topic, partition, replicas }] }),
      isDone: () => true,
      onDone: () => undefined,
    })
    this.#look()
  }

  /** Makes sure that every topic is there, and knows how many partitions it has. */
  settle(): void {
    this.#create(() => undefined)
    this.#look()
  }

  /**
   * What an operator does when power losses and wiped directories have met, and of a topic that was not synced nobody is left who has everything: somebody with
   * less is to lead. Where every acknowledgement is synced that does not come to pass.
   */
  rescue(): void {
    const { truth } = this.#cluster
    for (const { name: topic, topicId, config, partitions } of this.#cluster.latestImage()?.topics.values() ?? []) {
      const isLost = partitions.some(({ isr, elr }) => isr.length === 0 && elr.length === 0)
      if (!this.#cluster.plan.isBeyond && (config.flush === 'commit' || !isLost)) continue
      for (const life of truth.partitions.values()) if (life.topicId === topicId) life.isUnclean = true
      const configs = { uncleanLeaderElection: true }
      this.#do({
        request: (correlationId) => ({ kind: 'incrementalAlterConfigs', correlationId, topic, configs }),
        isDone: () => true,
        onDone: () => undefined,
      })
    }
  }

  get isIdle(): boolean {
    return this.#tasks.length === 0
  }

  #lookAgain(): void {
    this.#host?.after(LOOK_MICROS, () => {
      if (!this.#cluster.faults.active) return
      if (this.isIdle) this.settle()
      this.#lookAgain()
    })
  }

  #create(onDone: () => void): void {
    const { plan, topics } = this.#cluster
    const { readers } = plan
    const wanted = (): NewTopic[] =>
      [...plan.topics, ...(readers === null ? [] : [{ ...readers, name: READER_TOPIC, configs: READER_CONFIGS }])].map(
        ({ name, partitions, replicationFactor, configs }) => ({
          name,
          numPartitions: topics.get(name) ?? partitions,
          replicationFactor,
          configs,
        }),
      )
    this.#do({
      request: (correlationId) => ({ kind: 'createTopics', correlationId, topics: wanted(), validateOnly: false }),
      isDone: (results) => allAre(results, 'TOPIC_ALREADY_EXISTS'),
      onDone,
    })
  }

  #look(): void {
    const topics = [...this.#cluster.plan.topics.map(({ name }) => name), OFFSETS_TOPIC]
    this.#do({ request: (correlationId) => ({ kind: 'metadata', correlationId, topics }), isDone: () => true, onDone: () => undefined })
  }

  #do(task: Task): void {
    this.#tasks.push(task)
    if (this.#tasks.length === 1) this.#begin()
  }

  #begin(): void {
    const task = this.#tasks[0]
    if (task === undefined) return
    this.#taskId = this.#correlationId + 1
    this.#ask(task)
  }

  #ask(task: Task): void {
    const host = this.#host
    if (host === null || this.#tasks[0] !== task) return
    const request = task.request(this.#correlationId + 1)
    if (leansOnFewer(request) && isSomebodyUnknown(this.#cluster)) return host.after(RETRY_MICROS, () => this.#ask(task))
    this.#correlationId++
    host.send({ node: host.node, actor: 'admin' }, coordinatorOf(this.#coordinators), request)
    nextCoordinator(this.#coordinators)
    host.after(RETRY_MICROS, () => this.#ask(task))
  }

  #receive(message: Message): void {
    const task = this.#tasks[0]
    if (task === undefined || (message.kind !== 'adminResponse' && message.kind !== 'metadataResponse')) return
    if (message.correlationId < this.#taskId) return
    if (message.kind === 'metadataResponse') this.#onMetadata(message)
    else if (!task.isDone(message.results)) return
    this.#tasks.shift()
    task.onDone()
    this.#begin()
  }

  #onMetadata({ metadataOffset, topics }: MetadataResponse): void {
    if (metadataOffset < this.#metadataOffset) return
    this.#metadataOffset = metadataOffset
    let isChanged = false
    for (const { topic, partitions } of topics) {
      for (const { partition, replicas } of partitions)
        this.#replicas.set(topicPartitionName(topic, partition), { topic, partition, replicas })
      if (topic === OFFSETS_TOPIC || partitions.length === 0 || this.#cluster.topics.get(topic) === partitions.length) continue
      this.#cluster.topics.set(topic, partitions.length)
      isChanged = true
    }
    if (isChanged) this.onChange()
  }
}

/**
 * Whether fewer copies may count from then on: of what is new only those who are there have any, and where fewer have to be in sync, nobody is eligible any more who is not.
 * No operator does that while a node is away whose disk is gone: a write that was under way when it died may have it count as live once more, alone.
 */
function leansOnFewer(request: Message): boolean {
  return request.kind === 'createPartitions' || (request.kind === 'incrementalAlterConfigs' && 'minInsyncReplicas' in request.configs)
}

/** Whether a node that has lost its directory, or a part of its registration, has not been back since. */
function isSomebodyUnknown(cluster: Cluster): boolean {
  const image = cluster.latestImage()
  return [...cluster.truth.unknownEpochs].some(([node, brokerEpoch]) => isAwaySince(image, node, brokerEpoch))
}

function allAre(results: readonly AdminResult[], ...names: readonly Parameters<typeof codeOf>[0][]): boolean {
  return results.every(({ errorCode }) => errorCode === NONE || names.some((name) => errorCode === codeOf(name)))
}
