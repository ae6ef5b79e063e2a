/**
 * What all applications share that read one topic as members of a group and commit by hand: their lives, their partitions, and when they look for records. What they do with those,
 * and how they commit, is the application's affair (processor.ts).
 */
import { actor } from '../../actors/consumer.ts'
import type { ConsumerConfig } from '../../actors/consumer-state.ts'
import type { Place } from '../../actors/processing.ts'
import { codeOf } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { Assigned, Chunk, ConsumerFailed, PositionReset, Revoking } from '../../protocol/messages/client.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { beginAt, beginBelief, endBelief } from '../checkers/groups.ts'
import type { GroupTruth } from '../checkers/groups.ts'
import { SESSION_MILLIS } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { Random } from '../random.ts'
import { lifeOf } from '../truth.ts'
import { CommittedPartition } from './committed-partition.ts'
import { limited } from './quotas.ts'

/** Who it is. */
export interface MemberIdentity {
  /** Names its generator, and its lives. */
  readonly purpose: string
  readonly index: number
  readonly group: GroupTruth
  readonly topic: string
  readonly isolationLevel: ConsumerConfig['isolationLevel']
  /** Its application works for so long at most, in microseconds, as long as faults strike; null: for a moment. */
  readonly rushMicros?: number | null
}

/** What the application makes of it. */
export interface MemberApplication {
  /** A life begins. */
  begin(host: Host, life: number): void
  /** It is over. */
  end(): void
  /** Takes what is not said to every member; false: it means nothing. */
  hear(message: Message): boolean
  /** Records may be there. */
  handle(): void
  /** It waits for records, and has nothing else to do. */
  isWaiting(): boolean
  /** Partitions are to go: ends the round that is under way, if one is, and goes on then. */
  revoking(partitions: readonly TopicPartition[], then: () => void): void
  /** Partitions are gone, or begin anew elsewhere. */
  lose(partitions: readonly TopicPartition[]): void
  /** Ends its round, because the process is to end; then goes on. */
  stop(then: () => void): void
}

/** Between two looks for records to work on, at most, in microseconds. */
const WORK_MICROS = 3000

/** A slow application works for so long on average, in microseconds. */
const SLOW_MICROS = 1_500_000

/** A process that is gone comes back after so long on average, in microseconds. */
const RESTART_MICROS = 400_000

/** Who takes longer to let go loses its partitions. */
const REBALANCE_MILLIS = 4000

/** One member, through all its lives. */
export class GroupMember {
  readonly random: Random
  /** What it has, by name of the partition. */
  readonly held: Map<string, CommittedPartition> = new Map()
  readonly #cluster: Cluster
  readonly #identity: MemberIdentity
  readonly #application: MemberApplication
  /** By name: what is to go, as long as the application has not been told. */
  readonly #due: Map<string, TopicPartition> = new Map()
  /** By name: what the application gives up at the moment. */
  readonly #releasing: Map<string, TopicPartition> = new Map()
  /** Those of both that are gone already: nobody waits for them. */
  readonly #lost: Set<string> = new Set()
  /** What it has records of that it may not be done with. */
  readonly #delivered: Set<string> = new Set()
  #host: Host | null = null
  #lives = 0
  #isWorking = false
  /** It has asked to be closed: what comes to it after that is none of its own, and the public client says nothing of it either. */
  #isClosing = false

  constructor(cluster: Cluster, identity: MemberIdentity, application: MemberApplication) {
    this.#cluster = cluster
    this.#identity = identity
    this.#application = application
    this.random = new Random(cluster.world.seed, `${identity.purpose}/${identity.index}`)
  }

  /** Begins a life as a new member. */
  start(): void {
    const { purpose, topic, index } = this.#identity
    const host = this.#cluster.newClient(`${purpose} ${index}`)
    this.#host = host
    this.#lives++
    this.#isWorking = false
    this.#isClosing = false
    host.attach('client', { receive: (message) => this.#receive(message) })
    host.spawn('consumer', actor.url, this.#config(host))
    this.#application.begin(host, this.#lives)
    this.#cluster.world.log?.(`${purpose} ${this.memberId} lives on ${host.node}`)
    this.tell({ kind: 'subscribe', topics: [topic], topicPattern: null })
  }

  /** Dies, or (one in three) ends its round and leaves. */
  crash(): void {
    if (this.#host === null) return
    if (this.random.below(3) > 0) return this.end()
    this.leave()
  }

  /** Ends its round and leaves. */
  leave(): void {
    if (this.#host === null) return
    this.#application.stop(() => {
      this.#letGoOfAll()
      this.#isClosing = true
      this.tell({ kind: 'closeConsumer', correlationId: 1 })
    })
  }

  /** Its process is gone; another one comes. */
  end(): void {
    if (this.#host === null) return
    this.#letGoOfAll()
    this.#cluster.killClient(this.#host)
    this.#host = null
    this.#application.end()
    this.#cluster.world.after(this.random.exponential(RESTART_MICROS), () => this.start())
  }

  /** Null between two lives. */
  get host(): Host | null {
    return this.#host
  }

  get memberId(): string {
    return `${this.#identity.purpose}-${this.#identity.index}-${this.#lives}`
  }

  /** How far it has read a partition that it has, if nothing of it waits; -1 otherwise. */
  positionOf(name: string): number {
    const held = this.held.get(name)
    return held === undefined || held.hasRecords ? -1 : held.expected
  }

  /** Says something to its consumer. */
  tell(message: Message): void {
    const host = this.#host
    if (host !== null) host.send({ node: host.node, actor: 'client' }, { node: host.node, actor: 'consumer' }, message)
  }

  /** Looks for records soon, or late. */
  work(): void {
    if (this.#isWorking) return
    this.#isWorking = true
    this.#host?.after(this.workMicros(), () => {
      this.#isWorking = false
      this.#application.handle()
    })
  }

  /** How long the application is busy now: mostly for a moment. */
  workMicros(): number {
    const { faults } = this.#cluster
    const isSlow = faults.strikes('slowConsumer')
    const usual = (faults.active ? this.#identity.rushMicros : null) ?? WORK_MICROS
    return isSlow ? faults.draws('slowConsumer').exponential(SLOW_MICROS) : this.random.between(1, usual)
  }

  /** There may be room for more of a partition. */
  askForMore(held: CommittedPartition): void {
    const { topic, partition, session, expected } = held
    if (held.wantsMore()) this.tell({ kind: 'fetchMore', topic, partition, session, offset: expected })
  }

  /** Between two records: whether partitions are to go, and wait for it. */
  get mustLetGo(): boolean {
    return this.#due.size > 0
  }

  /** The application asks for records: it is done with those that it has. */
  moveOn(): void {
    this.#delivered.clear()
    if (this.#due.size > 0) this.#beginRelease()
  }

  /** It has records of a partition. */
  markDelivered({ topic, partition }: TopicPartition): void {
    this.#delivered.add(topicPartitionName(topic, partition))
  }

  /** Back to these places, in what is still here. */
  goBack(places: readonly Place[]): void {
    for (const { topic, partition, offset } of places) {
      const held = this.held.get(topicPartitionName(topic, partition))
      if (held === undefined) continue
      held.seek(offset)
      this.tell({ kind: 'seek', topic, partition, offset, session: held.session })
    }
  }

  #config(host: Host): ConsumerConfig {
    const { group } = this.#identity
    return {
      client: { node: host.node, actor: 'client' },
      coordinatorNodes: this.#cluster.voters,
      group: group.name,
      memberId: this.memberId,
      instanceId: null,
      assignor: null,
      autoOffsetReset: 'earliest',
      autoCommit: false,
      autoCommitIntervalMillis: 300,
      sessionTimeoutMillis: SESSION_MILLIS,
      rebalanceTimeoutMillis: REBALANCE_MILLIS,
      heartbeatIntervalMillis: 500,
      fetchMinBytes: 1,
      fetchMaxBytes: 8192,
      bufferMemoryBytes: 1_000_000,
      fetchMaxWaitMillis: 1000,
      fetchMode: 'bytes',
      isolationLevel: this.#identity.isolationLevel,
      requestTimeoutMillis: 300,
      retryBackoffMillis: 50,
      ...(this.#cluster.plan.guests === null ? {} : limited(this.#cluster, host, 'consumerByteRate')),
      ...(group.isClassic ? { partitionAssignors: this.#cluster.plan.classic?.processing ?? [] } : {}),
    }
  }

  #letGoOfAll(): void {
    const { group } = this.#identity
    for (const name of [...this.held.keys(), ...this.#due.keys(), ...this.#releasing.keys()]) endBelief(group, name, this.memberId)
    this.held.clear()
    this.#due.clear()
    this.#releasing.clear()
    this.#lost.clear()
    this.#delivered.clear()
  }

  #receive(message: Message): void {
    if (this.#application.hear(message)) return
    switch (message.kind) {
      case 'assigned':
        return this.#onAssigned(message)
      case 'chunk':
        return this.#onChunk(message)
      case 'positionReset':
        return this.#onPositionReset(message)
      case 'revoking':
        return this.#onRevoking(message)
      case 'consumerFailed':
        return this.#onFailed(message)
      case 'consumerClosed':
        return this.end()
      default:
        return
    }
  }

  #onAssigned(message: Assigned): void {
    if (this.#isClosing) return
    const { group } = this.#identity
    const topicId = this.#cluster.clientWatcher.topicIdOf(message)
    for (const { topic, partition, position, session } of message.partitions) {
      const name = topicPartitionName(topic, partition)
      beginBelief(group, name, this.memberId, this.#host, this.#cluster.clientWatcher.saidAt(message))
      this.held.set(name, new CommittedPartition(this.#cluster, this.memberId, { topic, partition }, { session, topicId, position }))
      const life = lifeOf(this.#cluster.truth, name, topicId)
      if (life !== undefined) beginAt(group, life, position, this.memberId)
    }
  }

  #onChunk(chunk: Chunk): void {
    const held = this.held.get(topicPartitionName(chunk.topic, chunk.partition))
    if (held === undefined || !held.take(chunk)) return
    this.askForMore(held)
    this.work()
  }

  #onPositionReset(message: PositionReset): void {
    const name = topicPartitionName(message.topic, message.partition)
    this.held.get(name)?.reset(message, this.#cluster.clientWatcher.topicIdOf(message))
    this.#application.lose([message])
  }

  /** An application that is busy with records of them lets go when it asks for more; but what is lost is gone already. */
  #onRevoking({ partitions, lost }: Revoking): void {
    for (const { topic, partition } of partitions) {
      const name = topicPartitionName(topic, partition)
      this.held.delete(name)
      if (!this.#releasing.has(name)) this.#due.set(name, { topic, partition })
      if (!lost) continue
      this.#lost.add(name)
      endBelief(this.#identity.group, name, this.memberId)
    }
    const isBusy = !this.#application.isWaiting() && [...this.#due.keys()].some((name) => this.#delivered.has(name))
    if (lost || !isBusy) this.#beginRelease()
  }

  /** The application hears of all that is to go. */
  #beginRelease(): void {
    const due = [...this.#due]
    this.#due.clear()
    const gone = [...this.#releasing].filter(([name]) => this.#lost.has(name)).map(([, partition]) => partition)
    if (gone.length > 0) this.#application.lose(gone)
    for (const [name, partition] of due) this.#releasing.set(name, partition)
    const lost = due.filter(([name]) => this.#lost.has(name)).map(([, partition]) => partition)
    const revoked = due.filter(([name]) => !this.#lost.has(name)).map(([, partition]) => partition)
    if (revoked.length > 0) this.#application.revoking(revoked, () => this.#release(revoked))
    if (lost.length > 0) this.#application.lose(lost)
    this.#release([...this.#releasing].filter(([name]) => this.#lost.has(name)).map(([, partition]) => partition))
  }

  /** Each goes once, whoever is first. */
  #release(partitions: readonly TopicPartition[]): void {
    const ended: TopicPartition[] = []
    for (const { topic, partition } of partitions) {
      const name = topicPartitionName(topic, partition)
      if (!this.#releasing.delete(name)) continue
      if (!this.#lost.delete(name)) endBelief(this.#identity.group, name, this.memberId)
      ended.push({ topic, partition })
    }
    if (ended.length > 0) this.tell({ kind: 'released', partitions: ended })
  }

  #onFailed({ topic, partition, errorCode, errorMessage }: ConsumerFailed): void {
    if (errorCode === codeOf('CORRUPT_MESSAGE')) this.#cluster.world.fail('CHG', `${topic}-${partition} is damaged: ${errorMessage}`)
  }
}
