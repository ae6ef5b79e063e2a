/**
 * An application that does as it likes: it is a member of a group, or takes partitions by hand; it pauses and resumes, seeks, commits what it likes, asks who it is, changes what it wants, leaves,
 * comes back, and dies. Nobody relies on what it processes. What it reads is what is there (committed-partition.ts), what is paused stays so (checkers/pauses.ts), what its group says is what was committed
 * last (checkers/outside-groups.ts); and when it has no whims any more, it reads everything to the end.
 */
import { actor } from '../../actors/consumer.ts'
import type { ConsumerConfig } from '../../actors/consumer-state.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { Assigned, Chunk, ConsumerFailed, MemberAnswer, Revoking, Subscribe } from '../../protocol/messages/client.ts'
import type { CommittedOffset, TopicOffset } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { checkPaused, checkProgressTold, newPausable, notePause } from '../checkers/pauses.ts'
import type { Pausable } from '../checkers/pauses.ts'
import { SESSION_MILLIS } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import { WANDERER_GROUP } from '../guest-plan.ts'
import type { PlannedWanderer } from '../guest-plan.ts'
import type { Host } from '../host.ts'
import { Random } from '../random.ts'
import { lifeOf } from '../truth.ts'
import { CommittedPartition } from './committed-partition.ts'
import { limited } from './quotas.ts'

/** What it has of a partition. */
interface Holding extends Pausable {
  readonly at: CommittedPartition
}

/** What it reads. */
export const WANDERED_TOPICS = ['orders', 'clicks'] as const

/** What a member may want, nothing at last. */
const WISHES: readonly Omit<Subscribe, 'kind'>[] = [
  { topics: WANDERED_TOPICS, topicPattern: null },
  { topics: ['orders'], topicPattern: null },
  { topics: ['clicks'], topicPattern: null },
  { topics: [], topicPattern: { source: '^(orders|clicks)$', flags: '' } },
  { topics: [], topicPattern: null },
]

/** The most time for a chunk, and until it lets go, in microseconds. */
const WORK_MICROS = 5000
const RELEASE_MICROS = 400_000

/** It dies, or closes its consumer, after so long on average, and comes back, in microseconds. */
const LIFE_MICROS = 6_000_000
const RESTART_MICROS = 300_000

/** Who takes longer to let go loses its partitions. */
const REBALANCE_MILLIS = 2000

/** One of them, through all its lives. */
export class WandererWorkload {
  readonly #cluster: Cluster
  readonly #index: number
  readonly #plan: PlannedWanderer
  readonly #random: Random
  readonly #held: Map<string, Holding> = new Map()
  readonly #commits: Set<number> = new Set()
  #host: Host | null = null
  #lives = 0
  #isAlone = false
  #isClosing = false
  /** Of a member: what it wants. Of one that takes partitions by hand: their names. */
  #wish: Omit<Subscribe, 'kind'> = WISHES[0]!
  #assigned = ''
  #correlationId = 0
  /** The question what would be committed, and whether anything has changed since; -1: none. */
  #askedId = -1
  /** What the last answer said. */
  #offered: readonly TopicOffset[] = []
  #hasWhims = true

  constructor(cluster: Cluster, index: number, plan: PlannedWanderer) {
    this.#cluster = cluster
    this.#index = index
    this.#plan = plan
    this.#random = new Random(cluster.world.seed, `guests/wanderer/${index}`)
  }

  /** Begins a life. */
  start(): void {
    const host = this.#cluster.newClient(`wanderer ${this.#index}`)
    this.#host = host
    this.#lives++
    this.#isAlone = this.#random.below(3) === 0
    this.#isClosing = false
    this.#commits.clear()
    this.#offered = []
    host.attach('client', { receive: (message) => this.#receive(host, message) })
    host.spawn('consumer', actor.url, this.#config(host))
    this.#cluster.world.log?.(`${this.#memberId} lives on ${host.node}${this.#isAlone ? ', alone' : ''}`)
    if (this.#isAlone) this.#assign(this.#places())
    else this.#subscribe(WISHES[0]!)
    this.#wander(host)
    host.after(this.#random.exponential(LIFE_MICROS), () => this.#leave(host))
  }

  /** No more whims: it wants everything, and reads it. */
  rest(): void {
    this.#hasWhims = false
    if (this.#isClosing || this.#host === null) return
    this.#pause([...this.#held.values()], false)
    if (!this.#isAlone) this.#subscribe(WISHES[0]!)
  }

  /** What it wants as a member; none if it takes partitions by hand. */
  get isMember(): boolean {
    return !this.#isAlone
  }

  /** How far it has read a partition that it has; -1 if it has it not. One that takes partitions by hand takes those that have come. */
  positionOf(name: string): number {
    const places = this.#places()
    if (!this.#hasWhims && this.#isAlone && this.#assigned !== namesOf(places)) this.#assign(places)
    const held = this.#held.get(name)
    return held === undefined || held.at.hasRecords ? -1 : held.at.expected
  }

  get #memberId(): string {
    return `wanderer-${this.#index}-${this.#lives}`
  }

  #config(host: Host): ConsumerConfig {
    return {
      client: { node: host.node, actor: 'client' },
      coordinatorNodes: this.#cluster.voters,
      group: WANDERER_GROUP,
      memberId: this.#memberId,
      instanceId: null,
      assignor: null,
      autoOffsetReset: 'earliest',
      autoCommit: this.#random.below(2) === 0,
      autoCommitIntervalMillis: 300,
      sessionTimeoutMillis: SESSION_MILLIS,
      rebalanceTimeoutMillis: REBALANCE_MILLIS,
      heartbeatIntervalMillis: 500,
      fetchMinBytes: 1,
      fetchMaxBytes: 2048,
      bufferMemoryBytes: 1_000_000,
      fetchMaxWaitMillis: 300,
      fetchMode: 'bytes',
      isolationLevel: 'read_committed',
      requestTimeoutMillis: 300,
      retryBackoffMillis: 50,
      ...limited(this.#cluster, host, 'consumerByteRate'),
      ...(this.#plan.assignors === null ? {} : { partitionAssignors: this.#plan.assignors }),
    }
  }

  #tell(message: Message): void {
    const host = this.#host
    if (host !== null) host.send({ node: host.node, actor: 'client' }, { node: host.node, actor: 'consumer' }, message)
  }

  // ── whims ──

  #wander(host: Host): void {
    host.after(this.#random.exponential(this.#plan.whimMillis * 1000), () => {
      if (!this.#hasWhims || this.#isClosing || host !== this.#host) return
      this.#whim()
      this.#wander(host)
    })
  }

  #whim(): void {
    const random = this.#random
    const held = [...this.#held.values()]
    const one = held.length === 0 ? null : random.pick(held)
    switch (random.below(10)) {
      case 0:
      case 1:
        return this.#pause(one === null || random.below(2) === 0 ? held : [one], random.below(2) === 0)
      case 2:
      case 3:
        return one === null ? undefined : this.#seek(one)
      case 4:
        return this.#commit(random.below(2) === 0 ? null : held.map(({ at }) => placeOf(at)))
      case 5:
        return this.#ask(random.below(3) > 0 ? null : held.map(({ at }) => placeOf(at)))
      case 6:
        return this.#tell({ kind: 'offsetsCommitted', offsets: this.#offered })
      case 7:
        return random.below(3) === 0 ? this.#want() : undefined
      case 8:
        return random.below(20) === 0 ? this.#tell({ kind: 'commitByHand' }) : undefined
      default:
        return
    }
  }

  #pause(holdings: readonly Holding[], isPaused: boolean): void {
    for (const one of holdings) notePause(one, isPaused)
    this.#tell({ kind: 'pause', partitions: holdings.map(({ at: { topic, partition } }) => ({ topic, partition })), paused: isPaused })
  }

  /** Anywhere in what there is. */
  #seek(one: Holding): void {
    const { at, name } = one
    const life = lifeOf(this.#cluster.truth, name, at.topicId)
    if (life === undefined || life.isOver) return
    const offset = this.#random.between(life.startOffset, Math.max(life.startOffset, life.exposedEnd))
    at.seek(offset)
    one.reported = -1
    this.#askedId = -1
    this.#tell({ kind: 'seek', topic: at.topic, partition: at.partition, offset, session: at.session })
  }

  #commit(offsets: readonly CommittedOffset[] | null): void {
    const correlationId = ++this.#correlationId
    this.#commits.add(correlationId)
    this.#tell({ kind: 'commit', correlationId, offsets })
  }

  #ask(offsets: readonly CommittedOffset[] | null): void {
    const correlationId = ++this.#correlationId
    this.#askedId = offsets === null ? correlationId : -1
    this.#tell({ kind: 'askMember', correlationId, offsets })
  }

  /** Something else, or nothing, or some of it. */
  #want(): void {
    if (!this.#isAlone) return this.#subscribe(this.#random.pick(WISHES))
    this.#assign(this.#places().filter(() => this.#random.below(3) > 0))
  }

  #subscribe(wish: Omit<Subscribe, 'kind'>): void {
    this.#wish = wish
    // Who wants nothing any more uses nothing any more.
    if (wish.topics.length === 0 && wish.topicPattern === null) this.#held.clear()
    this.#tell({ kind: 'subscribe', ...wish })
  }

  #assign(partitions: readonly TopicPartition[]): void {
    this.#assigned = namesOf(partitions)
    const wanted = new Set(partitions.map(({ topic, partition }) => topicPartitionName(topic, partition)))
    for (const name of this.#held.keys()) if (!wanted.has(name)) this.#held.delete(name)
    this.#tell({ kind: 'assign', partitions })
  }

  #places(): TopicPartition[] {
    return WANDERED_TOPICS.flatMap((topic) =>
      Array.from({ length: this.#cluster.topics.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })),
    )
  }

  #leave(host: Host): void {
    if (!this.#hasWhims || host !== this.#host) return
    if (this.#random.below(2) === 0) return this.#end(host)
    this.#isClosing = true
    this.#held.clear()
    this.#tell({ kind: 'closeConsumer', correlationId: ++this.#correlationId })
    // A transaction that was committed meanwhile.
    host.after(
      this.#random.between(1, WORK_MICROS),
      () => host === this.#host && this.#tell({ kind: 'offsetsCommitted', offsets: this.#offered }),
    )
  }

  #end(host: Host): void {
    if (host !== this.#host) return
    this.#host = null
    this.#held.clear()
    this.#cluster.killClient(host)
    this.#cluster.world.after(this.#random.exponential(RESTART_MICROS), () => this.start())
  }

  // ── what its consumer says ──

  #receive(host: Host, message: Message): void {
    if (host !== this.#host) return
    switch (message.kind) {
      case 'assigned':
        return this.#onAssigned(message)
      case 'chunk':
        return this.#onChunk(message)
      case 'positionReset': {
        const held = this.#held.get(topicPartitionName(message.topic, message.partition))
        if (held === undefined || message.session <= held.at.session) return
        held.reported = -1
        this.#askedId = -1
        return held.at.reset(message, this.#cluster.clientWatcher.topicIdOf(message))
      }
      case 'revoking':
        return this.#onRevoking(host, message)
      case 'commitResult':
        if (this.#commits.delete(message.correlationId)) return
        return this.#cluster.world.fail('ASSERT', `commit ${message.correlationId} of ${this.#memberId} is answered twice`)
      case 'memberAnswer':
        return this.#onMember(message)
      case 'consumerFailed':
        return this.#onFailed(message)
      case 'consumerClosed':
        return this.#onClosed(host)
      default:
        return
    }
  }

  #onAssigned({ partitions, ...message }: Assigned): void {
    const topicId = this.#cluster.clientWatcher.topicIdOf({ partitions, ...message })
    const isWanted = this.#isAlone || this.#wish.topics.length > 0 || this.#wish.topicPattern !== null
    if (this.#isClosing || !isWanted) return
    for (const { topic, partition, position, session } of partitions) {
      const name = topicPartitionName(topic, partition)
      const at = new CommittedPartition(this.#cluster, this.#memberId, { topic, partition }, { session, topicId, position })
      this.#held.set(name, { ...newPausable(name), at })
    }
  }

  #onChunk(chunk: Chunk): void {
    const held = this.#held.get(topicPartitionName(chunk.topic, chunk.partition))
    if (held === undefined || !held.at.take(chunk)) return
    checkPaused(this.#cluster.world, held)
    this.#host?.after(this.#random.between(1, WORK_MICROS), () => this.#work(held))
  }

  #work(held: Holding): void {
    const { at, name } = held
    if (this.#held.get(name) !== held) return
    at.hand(Infinity)
    const { topic, partition, session, expected } = at
    held.reported = expected
    this.#askedId = -1
    this.#tell({ kind: 'progress', topic, partition, session, position: expected })
    if (at.wantsMore()) this.#tell({ kind: 'fetchMore', topic, partition, session, offset: expected })
  }

  #onRevoking(host: Host, { partitions, lost }: Revoking): void {
    if (this.#isAlone && !this.#isClosing) {
      const names = namesOf(partitions)
      this.#cluster.world.fail('EXCL', `${this.#memberId} has taken ${names} by hand, and is to let go of it`)
    }
    for (const { topic, partition } of partitions) this.#held.delete(topicPartitionName(topic, partition))
    host.after(lost ? 1 : this.#random.between(1, RELEASE_MICROS), () => {
      if (host === this.#host) this.#tell({ kind: 'released', partitions })
    })
  }

  #onMember({ correlationId, errorCode, offsets }: MemberAnswer): void {
    if (errorCode === NONE) this.#offered = offsets
    if (correlationId !== this.#askedId) return
    for (const { topic, partition, offset } of offsets) {
      const held = this.#held.get(topicPartitionName(topic, partition))
      if (held !== undefined) checkProgressTold(this.#cluster.world, held, offset)
    }
  }

  #onFailed({ topic, partition, errorCode, errorMessage }: ConsumerFailed): void {
    if (errorCode === codeOf('CORRUPT_MESSAGE')) this.#cluster.world.fail('CHG', `${topic}-${partition} is damaged: ${errorMessage}`)
  }

  #onClosed(host: Host): void {
    const left = [...this.#commits]
    if (left.length > 0) this.#cluster.world.fail('LIVE', `${this.#memberId} is closed, and its commits ${left.join()} are not answered`)
    this.#end(host)
  }
}

function placeOf({ topic, partition, expected }: CommittedPartition): CommittedOffset {
  return { topic, partition, offset: expected, metadata: '' }
}

function namesOf(partitions: readonly TopicPartition[]): string {
  return partitions.map(({ topic, partition }) => topicPartitionName(topic, partition)).join()
}
