/**
 * A client that consumes, by assignment or as a member of a group: it plays the application, takes chunks, works on them for a while, reports
 * progress, lets go of what is revoked. It checks what it reads (Jepsen's poll-skip, int-poll-skip and inconsistent offsets), and may be slow, crash, or
 * leave and come back as a new member.
 */
import { actor } from '../../actors/consumer.ts'
import type { ConsumerConfig } from '../../actors/consumer-state.ts'
import { codeOf } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Assigned, Chunk, ConsumerFailed, PositionReset, Revoking } from '../../protocol/messages/client.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { nextSession } from '../../protocol/session.ts'
import { checkReadingOn, epochBeginOf } from '../checkers/forks.ts'
import { beginAt, beginBelief, endBelief, markProcessed, markSucceeded } from '../checkers/groups.ts'
import type { GroupTruth } from '../checkers/groups.ts'
import type { ClassicIdentity } from '../classic-plan.ts'
import { SESSION_MILLIS } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { Random } from '../random.ts'
import { endOfBatches, readBatches } from '../records.ts'
import type { SeenRecord } from '../records.ts'
import { lifeOf, livesOf, place } from '../truth.ts'
import { limited } from './quotas.ts'
import type { PartitionTruth } from '../truth.ts'

/** What the application knows of a partition that it has. */
interface Holding {
  readonly topic: string
  readonly partition: number
  session: number
  /** The topic's, as soon as it is known. */
  topicId: number
  /** The next record to process. */
  position: number
  /** The next record to be given. */
  expected: number
  /** The leader epoch of the one before; -1 if it was given none. */
  epoch: number
  /** Chunks that wait for their turn, the one in work first. */
  readonly backlog: { readonly records: readonly SeenRecord[]; readonly end: number }[]
}

/** Chunks that an application takes in advance. */
const BACKLOG_MAX = 3

/** So much likelier than over a chunk is an application slow when it has to let go. */
const RELEASE_FACTOR = 5

/** Of so many times that a member that is slow to let go has to, it is slow once. */
const RELUCTANT_SHARE = 3

/** The most time between chunk and progress of a quick application, in microseconds. */
const QUICK_MICROS = 3000

/** Who takes longer to let go loses its partitions. */
const REBALANCE_MILLIS = 4000

/** Where each member wishes for another assignor. */
const ASSIGNORS = ['range', 'round-robin', null] as const

/** A slow application takes so long on average, in microseconds. */
const SLOW_MICROS = 2_000_000

/** One in so many chunks is doubted. */
const DOUBT_SHARE = 10

/** One consuming client, through all its lives. */
export class ConsumerWorkload {
  readonly #cluster: Cluster
  readonly #index: number
  /** Null when it consumes by assignment. */
  readonly #group: GroupTruth | null
  readonly #classic: ClassicIdentity | null
  readonly #random: Random
  /** When a classic member takes long to let go; it draws by itself. */
  readonly #releases: Random
  /** When it doubts what it reads, if it ever does. */
  readonly #doubts: Random | null
  #host: Host | null = null
  #life = 0
  #isRetiring = false
  /** It has asked to be closed: what comes to it after that is none of its own (group-member.ts). */
  #isClosing = false
  readonly #holdings: Map<string, Holding> = new Map()
  /** Partitions that were taken away and are not let go yet. */
  readonly #releasing: Set<string> = new Set()

  constructor(cluster: Cluster, index: number, group: GroupTruth | null, classic: ClassicIdentity | null = null) {
    this.#cluster = cluster
    this.#index = index
    this.#group = group
    this.#classic = classic
    const name = `${classic === null ? 'consumer' : 'classic'}/${index}`
    this.#random = new Random(cluster.world.seed, name)
    this.#releases = new Random(cluster.world.seed, `classic/letting-go/${index}`)
    this.#doubts = cluster.plan.hasDoubts ? new Random(cluster.world.seed, `doubts/${name}`) : null
  }

  /** Begins a life as a new member. */
  start(): void {
    if (this.#isRetiring) return
    const host = this.#cluster.newClient(this.#role())
    this.#host = host
    this.#life++
    this.#isClosing = false
    host.attach('client', { receive: (message) => this.#receive(message) })
    host.spawn('consumer', actor.url, this.#config(host))
    this.#cluster.world.log?.(`consumer ${this.#memberId()} lives on ${host.node}`)
    if (this.#group === null) this.assign()
    else if (this.#classic?.hasPattern ?? this.#cluster.plan.hasPattern[this.#index - 1] === true)
      this.#tell({ kind: 'subscribe', topics: [], topicPattern: { source: '.', flags: '' } })
    else this.#tell({ kind: 'subscribe', topics: this.#cluster.plan.topics.map(({ name }) => name), topicPattern: null })
  }

  /** A reader takes all partitions that there are. */
  assign(): void {
    const partitions = [...this.#cluster.topics].flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => ({ topic, partition })),
    )
    const wanted = new Set(partitions.map(({ topic, partition }) => topicPartitionName(topic, partition)))
    for (const name of [...this.#holdings.keys()]) if (!wanted.has(name)) this.#holdings.delete(name)
    this.#tell({ kind: 'assign', partitions })
  }

  /** Dies, or leaves politely; lives again as somebody else. */
  crash(): void {
    if (this.#host === null) return
    if (this.#classic?.isRestless === true ? this.#random.below(8) === 0 : this.#random.below(3) > 0) return this.#end()
    for (const name of [...this.#holdings.keys(), ...this.#releasing]) this.#letGo(name)
    this.#isClosing = true
    this.#tell({ kind: 'closeConsumer', correlationId: 1 })
  }

  /** Dies, and begins anew: without a group it reads everything again. */
  restart(): void {
    this.#end()
  }

  /** How far it has read a partition that it has; -1 if it has it not. */
  positionOf(name: string): number {
    return this.#holdings.get(name)?.position ?? -1
  }

  /** Dies, and does not live again. */
  retire(): void {
    this.#isRetiring = true
    this.#end()
  }

  /** Somebody else has its name: when it hears of that it ends, and does not live again. */
  giveWay(): void {
    this.#isRetiring = true
    if (this.#group !== null) markSucceeded(this.#group, this.#memberId())
  }

  get isAlive(): boolean {
    return this.#host !== null
  }

  #role(): string {
    if (this.#group === null) return 'reader'
    return `${this.#classic === null ? 'member' : 'classic member'} ${this.#index}`
  }

  #memberId(): string {
    return `${this.#classic === null ? 'member' : 'classic'}-${this.#index}-${this.#life}`
  }

  #config(host: Host): ConsumerConfig {
    return {
      client: { node: host.node, actor: 'client' },
      coordinatorNodes: this.#cluster.voters,
      group: this.#group?.name ?? null,
      memberId: this.#memberId(),
      instanceId: this.#group === null ? null : (this.#cluster.plan.instanceIds[this.#index - 1] ?? null),
      assignor: this.#cluster.plan.assignor ?? ASSIGNORS[this.#index % ASSIGNORS.length] ?? null,
      autoOffsetReset: 'earliest',
      autoCommit: this.#group !== null,
      autoCommitIntervalMillis: 300,
      sessionTimeoutMillis: SESSION_MILLIS,
      rebalanceTimeoutMillis: REBALANCE_MILLIS,
      heartbeatIntervalMillis: 500,
      fetchMinBytes: 1,
      fetchMaxBytes: 8192,
      bufferMemoryBytes: 1_000_000,
      fetchMaxWaitMillis: 1000,
      fetchMode: 'bytes',
      isolationLevel: 'read_uncommitted',
      requestTimeoutMillis: 300,
      retryBackoffMillis: 50,
      ...(this.#group === null || this.#cluster.plan.guests !== null ? limited(this.#cluster, host, 'consumerByteRate') : {}),
      ...(this.#classic === null ? {} : { partitionAssignors: this.#classic.assignors, instanceId: this.#classic.instanceId }),
    }
  }

  #tell(message: Message): void {
    const host = this.#host
    if (host !== null) host.send({ node: host.node, actor: 'client' }, { node: host.node, actor: 'consumer' }, message)
  }

  #end(): void {
    if (this.#host === null) return
    for (const name of [...this.#holdings.keys(), ...this.#releasing]) this.#letGo(name)
    this.#cluster.killClient(this.#host)
    this.#host = null
    if (this.#isRetiring) return
    this.#cluster.world.after(this.#random.exponential(1000 * (this.#classic?.restartMillis ?? 400)), () => this.start())
  }

  #letGo(name: string): void {
    if (this.#group !== null) endBelief(this.#group, name, this.#memberId())
    this.#holdings.delete(name)
    this.#releasing.delete(name)
  }

  #receive(message: Message): void {
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
        return this.#end()
      default:
        return
    }
  }

  #onAssigned(message: Assigned): void {
    if (this.#isClosing) return
    const topicId = this.#cluster.clientWatcher.topicIdOf(message)
    for (const { topic, partition, position, session } of message.partitions) {
      const name = topicPartitionName(topic, partition)
      if (this.#group !== null) beginBelief(this.#group, name, this.#memberId(), this.#host, this.#cluster.clientWatcher.saidAt(message))
      this.#holdings.set(name, { topic, partition, session, topicId, position, expected: position, epoch: -1, backlog: [] })
      const life = lifeOf(this.#cluster.truth, name, topicId)
      if (this.#group !== null && life !== undefined) beginAt(this.#group, life, position, this.#memberId())
    }
  }

  #onChunk(chunk: Chunk): void {
    const name = topicPartitionName(chunk.topic, chunk.partition)
    const holding = this.#holdings.get(name)
    if (holding === undefined || holding.session !== chunk.session) return
    if (holding.backlog.length === 0 && this.#doubts?.below(DOUBT_SHARE) === 0) {
      holding.session = nextSession(holding.session, 'doubt')
      return this.#fetchMore(holding, 'fetchAgain')
    }
    const bytes = chunk.records ?? new Uint8Array(0)
    const records = readBatches(bytes)
    if (records === null)
      return this.#cluster.world.fail('CHG', `${this.#memberId()} reads an unsound batch from ${name} at ${chunk.fetchOffset}`)
    this.#check(name, chunk, holding, records)
    const reading = { ...holding, who: this.#memberId(), offset: chunk.fetchOffset }
    holding.epoch = checkReadingOn(this.#cluster.world, reading, bytes, (one, epoch) => epochBeginOf(this.#cluster.nodes, one, epoch))
    const end = endOfBatches(bytes)
    holding.expected = Math.max(holding.expected, end)
    holding.backlog.push({ records, end })
    if (holding.backlog.length < BACKLOG_MAX) this.#fetchMore(holding)
    if (holding.backlog.length === 1) this.#workOn(name, holding)
  }

  #fetchMore({ topic, partition, session, expected: offset }: Holding, kind: 'fetchMore' | 'fetchAgain' = 'fetchMore'): void {
    this.#tell({ kind, topic, partition, session, offset })
  }

  /** The chunk at the head of the backlog is in work for a while. */
  #workOn(name: string, holding: Holding): void {
    const { faults } = this.#cluster
    const isSlow = faults.strikes('slowConsumer')
    const delay = isSlow ? faults.draws('slowConsumer').exponential(SLOW_MICROS) : this.#random.between(1, QUICK_MICROS)
    const { session } = holding
    this.#host?.after(delay, () => {
      if (this.#holdings.get(name) === holding && holding.session === session) this.#process(name, holding)
    })
  }

  #lifeOf(name: string, holding: Holding): PartitionTruth | undefined {
    return lifeOf(this.#cluster.truth, name, holding.topicId)
  }

  /** The first records say which life of the topic this is; from then on it must not change without a reset. */
  #learn(name: string, chunk: Chunk, holding: Holding): PartitionTruth | undefined {
    const topicId = this.#cluster.clientWatcher.topicIdOf(chunk)
    if (holding.topicId === topicId) return this.#lifeOf(name, holding)
    if (holding.topicId >= 0)
      this.#cluster.world.fail('CHG', `${this.#memberId()} reads ${name} of topic ${holding.topicId} and is given topic ${topicId}`)
    holding.topicId = topicId
    const life = this.#lifeOf(name, holding)
    if (this.#group !== null && life !== undefined) beginAt(this.#group, life, holding.position, this.#memberId())
    return life
  }

  /** What is read begins where it was asked for, has no gaps, ends below the high watermark, and says what it always said. */
  #check(name: string, chunk: Chunk, holding: Holding, records: readonly SeenRecord[]): void {
    const { truth, world } = this.#cluster
    const partition = this.#learn(name, chunk, holding)
    if (partition === undefined) return world.fail('CHG', `${name} was read, but nobody serves it`)
    // Of a compacted topic some records are gone; whether the right ones, another checker says (compaction.ts).
    const hasGaps = partition.compaction !== null
    let expected = hasGaps ? chunk.fetchOffset : (records[0]?.offset ?? chunk.fetchOffset)
    if (chunk.fetchOffset !== holding.expected)
      world.fail('SKIP', `${this.#memberId()} wants ${name} from ${holding.expected} and is given ${chunk.fetchOffset}`)
    if (expected > chunk.fetchOffset)
      world.fail('SKIP', `${this.#memberId()} asked ${name} for ${chunk.fetchOffset} and was given ${expected}`)
    for (const { offset, value } of records) {
      if (offset !== expected && !hasGaps) world.fail('SKIP', `${this.#memberId()} reads ${name} ${offset} where ${expected} was due`)
      if (offset >= chunk.highWatermark)
        world.fail('HW', `${this.#memberId()} reads ${name} ${offset} at high watermark ${chunk.highWatermark}`)
      place(truth, partition, offset, value, world.nowMicros, this.#memberId())
      expected = offset + 1
    }
  }

  #process(name: string, holding: Holding): void {
    const partition = this.#lifeOf(name, holding)
    const wasFull = holding.backlog.length >= BACKLOG_MAX
    const next = holding.backlog.shift()
    if (partition === undefined || next === undefined) return
    const offsets = partition.compaction === null ? next.records.map(({ offset }) => offset) : offsetsTo(holding.position, next.end)
    for (const offset of offsets) {
      if (offset < holding.position) continue
      if (this.#group !== null) markProcessed(this.#group, partition, offset)
      holding.position = offset + 1
    }
    const { topic, partition: index, session, position } = holding
    this.#tell({ kind: 'progress', topic, partition: index, session, position })
    if (wasFull) this.#fetchMore(holding)
    if (holding.backlog.length > 0) this.#workOn(name, holding)
  }

  /** A reset is due to retention, to a power loss that was allowed to take the end, or to a topic that is another one; never to anything else. */
  #onPositionReset(message: PositionReset): void {
    const { topic, partition, position, session } = message
    const { truth, world, clientWatcher } = this.#cluster
    const name = topicPartitionName(topic, partition)
    const holding = this.#holdings.get(name)
    const topicId = clientWatcher.topicIdOf(message)
    if (holding === undefined) return
    truth.anomalies.positionReset++
    const known = lifeOf(truth, name, topicId)
    const isAnother = holding.topicId >= 0 ? holding.topicId !== topicId : livesOf(truth, name).length > 1
    // Where records may be lost nobody is moved forward all the same, over what is there.
    const mayGoBack = known !== undefined && (known.lossEnd > 0 || known.isUnclean)
    if (known !== undefined && !isAnother && holding.position >= known.startOffset && (!mayGoBack || position > holding.position))
      world.fail('SKIP', `${this.#memberId()}: ${name} is reset from ${holding.position} to ${position} without a cause`)
    holding.topicId = topicId
    holding.position = position
    holding.expected = position
    holding.epoch = -1
    holding.session = session
    holding.backlog.length = 0
  }

  /** The application stops at once, and lets go soon, or late; what is lost is gone already. */
  #onRevoking({ partitions, lost }: Revoking): void {
    const { faults } = this.#cluster
    const isSlow = faults.strikes('slowConsumer', RELEASE_FACTOR)
    const usual = isSlow ? faults.draws('slowConsumer').exponential(SLOW_MICROS) : this.#random.between(1, QUICK_MICROS)
    const delay = usual + this.#reluctanceMicros()
    const names = partitions.map(({ topic, partition }) => topicPartitionName(topic, partition))
    for (const name of names) {
      this.#holdings.delete(name)
      if (lost) this.#letGo(name)
      else this.#releasing.add(name)
    }
    this.#host?.after(delay, () => {
      for (const name of names) if (!this.#holdings.has(name)) this.#letGo(name)
      this.#tell({ kind: 'released', partitions })
    })
  }

  #reluctanceMicros(): number {
    const millis = this.#classic?.releaseMillis ?? 0
    if (millis === 0 || !this.#cluster.faults.active || this.#releases.below(RELUCTANT_SHARE) > 0) return 0
    return this.#releases.exponential(millis * 1000)
  }

  #onFailed({ topic, partition, errorCode, errorMessage }: ConsumerFailed): void {
    // As another life with its name has come, of which only a late message is left: it begins anew.
    if (errorCode === codeOf('FENCED_INSTANCE_ID') && this.#classic !== null) this.#end()
    if (errorCode === codeOf('CORRUPT_MESSAGE')) this.#cluster.world.fail('CHG', `${topic}-${partition} is damaged: ${errorMessage}`)
  }
}

/** Where records are compacted away, nobody has to process them: all offsets up to the end are done with. */
function offsetsTo(begin: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - begin) }, (_, i) => begin + i)
}
