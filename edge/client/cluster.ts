/**
 * `open`: a cluster in this process. Starts its nodes (worker threads, or on the caller's thread), and hands out the clients.
 */
import { existsSync } from 'node:fs'
import { actor as broker } from '../../actors/broker.ts'
import { actor as consumer } from '../../actors/consumer.ts'
import { actor as coordinator } from '../../actors/coordinator.ts'
import { actor as groups } from '../../actors/groups.ts'
import { actor as watcher } from '../../actors/metadata-watcher.ts'
import type { WatcherConfig } from '../../actors/metadata-watcher.ts'
import { actor as producer } from '../../actors/producer.ts'
import { actor as quotas } from '../../actors/quotas.ts'
import type { QuotasConfig } from '../../actors/quotas.ts'
import { actor as replica } from '../../actors/replica.ts'
import { actor as shares } from '../../actors/shares.ts'
import { actor as transactor } from '../../actors/transactor.ts'
import { CALLER_NODE } from '../../protocol/address.ts'
import { KafkaError } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { CallerLoop } from '../../runtime/caller-loop.ts'
import { allocateDoorbells } from '../../runtime/doorbell.ts'
import { report } from '../../runtime/report.ts'
import type { RecordingSetup } from '../../runtime/recorder.ts'
import { Supervisor } from '../../runtime/supervisor.ts'
import { STORAGE, ThreadRuntime } from '../../runtime/thread-runtime.ts'
import type { NodeSetup } from '../../runtime/thread-runtime.ts'
import { AdminClient } from './admin.ts'
import type { Admin } from './admin-api.ts'
import type { Cluster, ClusterEvent, ClusterListener, ClusterOptions, Consumer, ConsumerOptions, Producer, ProducerOptions } from './api.ts'
import { checkListener, checkQuotaName, checkRackCount, checkRacks } from './arguments.ts'
import { ChunkReader } from './chunk-reader.ts'
import { ConsumerClient } from './consumer.ts'
import { nodesOf, openDataDirectory } from './data-directory.ts'
import type { DataDirectory } from './data-directory.ts'
import { explain } from './durable-file.ts'
import { clientPort, closedError } from './engine.ts'
import type { Engine } from './engine.ts'
import { EventListeners } from './event-listeners.ts'
import { checkOptions, describe, integerOption, NODES_MAX } from './options.ts'
import type { OptionRule } from './options.ts'
import { checkNodeVersion } from './node-version.ts'
import { NodeSet } from './node-set.ts'
import type { NodeOptions } from './node-set.ts'
import { NodeThreads } from './node-threads.ts'
import { ProducerClient } from './producer.ts'
import { openRecording } from './recording-directory.ts'
import { openRequests } from './requests.ts'
import type { ShareConsumer, ShareConsumerOptions } from './share-api.ts'
import { ShareConsumerClient } from './share-consumer.ts'

const RULES = {
  nodes: { kind: 'integer', min: 1, max: NODES_MAX, default: 1 },
  threads: { kind: 'integer', min: 0, max: 64, default: 1 },
  mustExist: { kind: 'boolean', default: false },
  racks: { kind: 'object' },
  nodeSessionTimeoutMillis: { kind: 'integer', min: 200, max: 600_000, default: 2000 },
  offsetsRetentionMillis: { kind: 'integer', min: -1, max: Number.MAX_SAFE_INTEGER, default: 604_800_000 },
  replicaLagMillis: { kind: 'integer', min: 100, max: 600_000, default: 2000 },
  reassignmentBytesPerSecond: { kind: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER, default: 0 },
  maxConnections: { kind: 'integer', min: 1, max: 1_000_000, default: 10_000 },
  user: { kind: 'string' },
  record: { kind: 'string' },
} as const satisfies Record<string, OptionRule>

const MEMORY = ':memory:'

/** The actor on the caller's thread that keeps the quotas of its clients. */
const QUOTAS = 'quotas'

/** The actor on the caller's thread that hears of these events. */
const WATCHER = 'watcher'
const METADATA_EVENTS: ReadonlySet<ClusterEvent> = new Set<ClusterEvent>(['leaderChanged', 'isrChanged', 'nodeFenced', 'nodeUnfenced'])

/**
 * Opens the cluster in a directory (made if absent), or in memory. The process does not end before the cluster is closed. Fails with what is wrong with the directory
 * or the options.
 */
export async function open(directory: string, options: ClusterOptions = {}): Promise<Cluster> {
  checkNodeVersion()
  if (typeof directory !== 'string' || directory === '')
    throw new KafkaError('INVALID_OPTION', `open takes the name of a directory, or '${MEMORY}', not ${describe(directory)}`)
  checkOptions('open', options, RULES)
  checkRacks(options.racks)
  checkQuotaName('open', 'user', options.user)
  const { nodes = null, mustExist = false, record, racks } = options
  // What is not there is not made before it is known that the options fit.
  if (directory === MEMORY || (!mustExist && !existsSync(directory))) checkRackCount(racks, nodesOf({ nodes: nodes ?? 1, removed: [] }))
  const recording = record === undefined ? null : openRecording(record, directory === MEMORY ? null : directory)
  const held = directory === MEMORY ? null : openDataDirectory(directory, nodes, mustExist, racks)
  // Without a disk there is little to do beside the caller: the nodes run on its thread, and start at once.
  const threads = options.threads ?? (held === null ? 0 : 1)
  const cluster = makeCluster(held, threads > 0, options, recording)
  try {
    await cluster.start()
  } catch (error) {
    await cluster.close()
    throw error
  }
  return cluster
}

/** A recording that cannot be begun is found here: its directory may be somebody else's since we looked. */
function makeCluster(
  held: DataDirectory | null,
  threaded: boolean,
  options: ClusterOptions,
  recording: RecordingSetup | null,
): LocalCluster {
  try {
    return new LocalCluster(held, threaded, options, recording)
  } catch (error) {
    held?.release()
    throw recording === null ? error : explain(error, recording.directory)
  }
}

class LocalCluster implements Cluster {
  readonly directory: string | null
  readonly admin: Admin
  readonly #held: DataDirectory | null
  readonly #runtime: ThreadRuntime
  readonly #loop: CallerLoop
  readonly #supervisor: Supervisor | null
  readonly #engine: Engine
  readonly #reader: ChunkReader
  readonly #nodes: NodeSet
  readonly #threads: NodeThreads
  readonly #listeners: EventListeners = new EventListeners()
  readonly #connectionsMax: number
  #counter = 0
  readonly #diskErrors: Map<number, Error> = new Map<number, Error>()
  #closing: Promise<void> | null = null

  constructor(held: DataDirectory | null, threaded: boolean, options: ClusterOptions, recording: RecordingSetup | null) {
    this.#held = held
    const { user = null } = options
    this.#connectionsMax = integerOption(options.maxConnections, RULES.maxConnections)
    const nodes = new NodeSet(held, nodeOptions(options))
    this.#nodes = nodes
    this.directory = held?.path ?? null
    const doorbells = allocateDoorbells(nodes.idsEnd + 1)
    const own: NodeSetup = { node: CALLER_NODE, directory: null, actors: [] }
    const preload = [broker, consumer, coordinator, groups, producer, quotas, replica, shares, transactor, watcher].map(
      (actor) => actor.url,
    )
    const local = threaded ? [] : nodes.ids.map((node) => nodes.setupOf(node))
    const setup = { thread: 0, doorbells, links: [], nodes: [own, ...local], preload, recording }
    this.#runtime = new ThreadRuntime(setup, (node, actor, error) => this.#onFailure(node, actor, error))
    this.#loop = new CallerLoop(this.#runtime)
    this.#supervisor = !threaded
      ? null
      : new Supervisor({
          doorbells,
          preload,
          nodes: nodes.ids,
          caller: this.#runtime,
          recording,
          nodeSetup: (node) => nodes.setupOf(node),
          onDown: (node, restarts) => this.#onNodeDown(node, restarts),
          onUp: (node, restarts) => void this.#listeners.tell('nodeUp', { node, restarts }),
          onFailure: (node, actor, error) => this.#onFailure(node, actor, error),
        })
    const host = this.#runtime.host(CALLER_NODE)
    const payer = { keeper: { node: CALLER_NODE, actor: QUOTAS }, user }
    const requests = openRequests({ host, loop: this.#loop, quotas: payer }, nodes.voters)
    this.#engine = {
      host,
      loop: this.#loop,
      requests,
      coordinatorNodes: () => nodes.voters,
      quotas: payer,
      directory: this.directory,
      clients: new Set(),
      nextName: (kind) => this.#nextName(kind),
    }
    this.#reader = new ChunkReader((node) => nodes.directoryOf(node))
    const isClosing = (): boolean => this.#closing !== null
    this.#threads = new NodeThreads({
      nodes,
      runtime: this.#runtime,
      supervisor: this.#supervisor,
      requests,
      loop: this.#loop,
      isClosing,
      diskErrorOf: (node) => this.#diskErrors.get(node) ?? null,
    })
    this.admin = new AdminClient(requests, this.#threads)
  }

  /** Loads behaviours and starts the nodes, and waits until they have joined the cluster. */
  async start(): Promise<void> {
    await Promise.all([this.#runtime.start(), this.#supervisor?.start()])
    this.#loop.kick()
    await this.#threads.join(this.#nodes.ids)
    const config: QuotasConfig = { coordinatorNodes: this.#coordinatorsToAsk() }
    this.#engine.host.spawn(QUOTAS, quotas.url, config)
    this.#engine.requests.join()
    const { voters } = await this.admin.describeCluster()
    // What a crash has kept from being written down is.
    this.#nodes.noteOpened(voters)
  }

  producer<K = Uint8Array, V = Uint8Array>(options: ProducerOptions<K, V> = {}): Producer<K, V> {
    this.#assertOpen()
    return new ProducerClient(this.#engine, options)
  }

  consumer<K = Uint8Array, V = Uint8Array>(options: ConsumerOptions<K, V> = {}): Consumer<K, V> {
    this.#assertOpen()
    return new ConsumerClient(this.#engine, options, this.#reader)
  }

  shareConsumer<K = Uint8Array, V = Uint8Array>(options: ShareConsumerOptions<K, V>): ShareConsumer<K, V> {
    this.#assertOpen()
    return new ShareConsumerClient(this.#engine, options)
  }

  async inspect(): Promise<Record<string, unknown>> {
    this.#assertOpen()
    const nodes: Record<string, unknown> = { ...this.#runtime.inspect() }
    const statistics: Record<string, unknown> = { caller: this.#runtime.statistics() }
    const looks = this.#nodes.ids.map(async (node) => [node, await this.#threads.inspect(node)] as const)
    for (const [node, answer] of await Promise.all(looks)) {
      if (answer === null) continue
      Object.assign(nodes, answer.states)
      statistics[`node-${node}`] = answer.statistics
    }
    return { directory: this.directory, nodes, statistics }
  }

  on<Event extends ClusterEvent>(event: Event, listener: ClusterListener<Event>): void {
    checkListener(event, listener)
    this.#listeners.add(event, listener)
    if (METADATA_EVENTS.has(event)) this.#watch()
  }

  off<Event extends ClusterEvent>(event: Event, listener: ClusterListener<Event>): void {
    checkListener(event, listener)
    this.#listeners.remove(event, listener)
  }

  /** From now on somebody wants to hear what the metadata says. */
  #watch(): void {
    const host = this.#runtime.host(CALLER_NODE)
    if (this.#closing !== null || host.actorNames().includes(WATCHER)) return
    const client = host.openPort(clientPort(WATCHER), (message) => {
      // That everything ends while it is closed is no news.
      if (message.kind === 'clusterEvents' && this.#closing === null) for (const one of message.events) this.#listeners.tellOf(one)
    })
    // Who asks the same coordinator for something after this is answered after it: what follows is not missed.
    const config: WatcherConfig = { client, coordinatorNodes: this.#coordinatorsToAsk() }
    host.spawn(WATCHER, watcher.url, config)
    this.#loop.kick()
  }

  /** The one that answered last comes first. */
  #coordinatorsToAsk(): number[] {
    const first = this.#engine.requests.coordinatorNode
    return [first, ...this.#nodes.voters.filter((node) => node !== first)]
  }

  /** For tests: ends a node's thread without warning. */
  async terminateNode(node: number): Promise<void> {
    await this.#supervisor?.terminate(node)
  }

  /** For tests: a node's thread does nothing for so long. */
  async hangNode(node: number, millis: number): Promise<void> {
    await this.#supervisor?.ask(node, (control) => control.hang(millis), 2 * millis + 60_000)
  }

  /** For tests: an actor on the caller's thread is told what it does not understand. */
  crashActor(actor: string): void {
    this.#postHere(actor, { kind: 'clusterEvents', events: [] })
    this.#loop.kick()
  }

  #postHere(actor: string, message: Message): void {
    this.#runtime.host(CALLER_NODE).post({ node: CALLER_NODE, actor }, { node: CALLER_NODE, actor: '' }, message)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Closes everything, whatever fails; then throws what failed first: a record that was written and never acknowledged, say. */
  async #close(): Promise<void> {
    const failures: unknown[] = []
    try {
      failures.push(...(await this.#closeClients()))
      // What those have waited for in vain: the producer of a processing whose handler hangs.
      failures.push(...(await this.#closeClients()))
      this.#engine.requests.close()
      if (this.#supervisor === null) await this.#runtime.drain(false)
      else await this.#supervisor.close()
      await this.#loop.close()
    } finally {
      await this.#runtime.close()
      this.#reader.close()
      this.#nodes.ids.forEach((node) => this.#nodes.reclaim(node))
      this.#held?.release()
    }
    if (failures.length > 0) throw failures[0]
  }

  /** What failed. */
  async #closeClients(): Promise<unknown[]> {
    const closed = await Promise.allSettled([...this.#engine.clients].map((client) => client.close()))
    return closed.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  }

  #onNodeDown(node: number, restarts: number): void {
    this.#threads.spreadNews(node)
    this.#listeners.tell('nodeDown', { node, restarts })
  }

  /** An error that nobody listens to must not get lost. */
  #onFailure(node: number, actor: string | null, error: Error): void {
    if (actor === STORAGE) {
      this.#diskErrors.set(node, error)
      this.#nodes.reclaim(node)
    }
    if (node === CALLER_NODE && actor !== null) this.#postHere(clientPort(actor), { kind: 'actorCrashed', errorMessage: error.message })
    if (!this.#listeners.tell('error', { node, actor, error })) report(node, actor, error)
  }

  /** One client more, unless there are as many as there may be. */
  #nextName(kind: 'producer' | 'consumer' | 'share'): string {
    if (this.#engine.clients.size >= this.#connectionsMax)
      throw new KafkaError(
        'POLICY_VIOLATION',
        `${this.#connectionsMax} producers and consumers are open (the option maxConnections of open): close those that are not needed`,
      )
    return `${kind}-${++this.#counter}`
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw closedError('cluster')
  }
}

function nodeOptions(options: ClusterOptions): NodeOptions {
  const { nodeSessionTimeoutMillis, offsetsRetentionMillis, replicaLagMillis, reassignmentBytesPerSecond } = options
  return {
    ...options,
    nodeSessionTimeoutMillis: integerOption(nodeSessionTimeoutMillis, RULES.nodeSessionTimeoutMillis),
    offsetsRetentionMillis: integerOption(offsetsRetentionMillis, RULES.offsetsRetentionMillis),
    replicaLagMillis: integerOption(replicaLagMillis, RULES.replicaLagMillis),
    reassignmentBytesPerSecond: integerOption(reassignmentBytesPerSecond, RULES.reassignmentBytesPerSecond),
  }
}
