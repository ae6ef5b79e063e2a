/**
 * Everything that runs on one thread: the hosts of its nodes and the links to other threads, driven by one duty cycle:
 *
 *   drain rings ─► receive, perform effects ─► local queue, timers ─► start grouped syncs ─► release and flush rings
 *
 * A worker thread and the caller's thread run the same cycle; they differ in how they sleep (worker.ts, caller-loop.ts).
 */
import type { Address } from '../actors/actor.ts'
import { BROKER_ACTOR } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { isRequest } from '../protocol/messages/message.ts'
import type { Message } from '../protocol/messages/message.ts'
import { ActorHost } from './actor-host.ts'
import type { Envelope } from './codec.ts'
import { Doorbell, doorbellCount } from './doorbell.ts'
import { FileStorage } from './file-storage.ts'
import { JobPool } from './jobs.ts'
import { Links } from './links.ts'
import type { LinkSetup } from './links.ts'
import { MemoryStorage } from './memory-storage.ts'
import { openFilesPerNode } from './open-files.ts'
import { Recorder, RECORDER } from './recorder.ts'
import type { RecordingSetup } from './recorder.ts'
import type { Storage } from './storage.ts'
import { within } from './within.ts'

/** An actor that runs from the start of a node. */
export interface ActorSetup {
  readonly name: string
  readonly url: string
  readonly config: unknown
}

/** What a node is started with. */
export interface NodeSetup {
  readonly node: number
  /** The node's own directory; null keeps everything in memory. */
  readonly directory: string | null
  readonly actors: readonly ActorSetup[]
}

/** What a thread is started with. Plain data and shared memory: it crosses to a worker. */
export interface ThreadSetup {
  readonly thread: number
  readonly doorbells: SharedArrayBuffer
  readonly links: readonly LinkSetup[]
  readonly nodes: readonly NodeSetup[]
  /** Modules of behaviours to load before anything runs. */
  readonly preload: readonly string[]
  /** Where to record what the actors of this thread are given. Default: nowhere. */
  readonly recording?: RecordingSetup | null
}

/** Counters of one thread. */
export interface ThreadStatistics {
  readonly cycles: number
  readonly messages: number
  readonly failedWrites: number
  readonly droppedMessages: number
}

/** Names the disk of a node where failures are told. */
export const STORAGE = 'storage'

/** Longest wait for the replicas of a node to write their checkpoints at a clean stop. */
export const DRAIN_MILLIS_MAX = 30_000

/** Longest wait for syncs that are under way when everything is closed. */
const CLOSE_MILLIS_MAX = 5000

/** All that runs on one thread. See the header. */
export class ThreadRuntime {
  readonly bell: Doorbell
  readonly links: Links
  readonly #hosts: Map<number, ActorHost> = new Map()
  readonly #storages: Map<number, Storage> = new Map()
  readonly #onFailure: (node: number, actor: string | null, error: Error) => void
  readonly #onEnvelope: (envelope: Envelope) => void
  readonly #setup: ThreadSetup
  readonly #jobs: JobPool = new JobPool()
  readonly #recorder: Recorder | null
  #cycles = 0
  #cycling = false
  #wake: () => void = () => undefined

  constructor(setup: ThreadSetup, onFailure: (node: number, actor: string | null, error: Error) => void) {
    this.#setup = setup
    this.#onFailure = onFailure
    this.#recorder = setup.recording ? this.#recorderFor(setup.recording) : null
    this.bell = new Doorbell(setup.doorbells, setup.thread)
    this.links = new Links(setup.doorbells, setup.links)
    this.#onEnvelope = ({ to, from, message }) => this.#hosts.get(to.node)?.deliver(to.actor, from, message)
    for (const { node, directory } of setup.nodes) {
      this.#storages.set(node, directory === null ? new MemoryStorage() : this.#fileStorage(node, directory))
      this.#addHost(node)
    }
  }

  /** Loads behaviours and starts the first actors. */
  async start(): Promise<void> {
    for (const setup of this.#setup.nodes) await this.#startActors(setup)
  }

  host(node: number): ActorHost {
    const host = this.#hosts.get(node)
    if (host === undefined) throw new Error(`node ${node} does not live on this thread`)
    return host
  }

  /** Is called when something was posted from outside the cycle. */
  onWake(wake: () => void): void {
    this.#wake = wake
  }

  /** One duty cycle; returns whether there was anything to do. Not reentrant: a call from within does nothing. */
  cycle(): boolean {
    if (this.#cycling) return false
    this.#cycling = true
    this.#cycles++
    try {
      for (const host of this.#hosts.values()) host.tick()
      let worked = this.links.drain(this.#onEnvelope) > 0
      for (const host of this.#hosts.values()) worked = host.cycle() || worked
      return worked
    } finally {
      this.links.release()
      this.links.flush()
      this.#recorder?.flushIfDue()
      this.#cycling = false
    }
  }

  /** A reason not to sleep. */
  hasWork(): boolean {
    for (const host of this.#hosts.values()) if (host.hasWork()) return true
    return this.links.hasWork()
  }

  /** Syncs under way: the event loop must run for their answers. */
  get pendingSyncs(): number {
    let count = 0
    for (const storage of this.#storages.values()) count += storage.pendingSyncs
    return count
  }

  millisToNextTimer(): number {
    let millis = this.#recorder?.millisToFlush() ?? Infinity
    for (const host of this.#hosts.values()) millis = Math.min(millis, host.millisToNextTimer())
    return Math.max(0, millis)
  }

  /**
   * Clean stop, first half: every replica of the nodes here syncs and writes its checkpoint. `handOver`: other nodes go on, and lead first what is
   * led here.
   */
  async drain(handOver: boolean): Promise<void> {
    const nodes = [...this.#hosts.keys()].filter((node) => node >= 0)
    await Promise.all(nodes.map((node) => this.#drainNode(node, handOver)))
  }

  /** Ends one node of several on this thread: it hands over what it leads, and is drained. What it has stored stays, for it may be started again. */
  async stopNode(node: number): Promise<void> {
    await this.#drainNode(node, true)
    const host = this.host(node)
    for (const actor of host.actorNames()) host.stop(actor)
    this.#hosts.delete(node)
  }

  /** Starts a node that was stopped: it goes on with what it has stored. */
  async startNode(setup: NodeSetup): Promise<void> {
    this.#addHost(setup.node)
    await this.#startActors(setup)
    this.#wake()
  }

  /** Closes the files of a node that was stopped. */
  forgetNode(node: number): void {
    void this.#storages.get(node)?.close()
    this.#storages.delete(node)
  }

  /** Starts one more actor on a node; no effect if it runs already. */
  spawn(node: number, { name, url, config }: ActorSetup): void {
    const host = this.host(node)
    host.tick()
    host.spawn(name, url, config)
    // What has come for it already must not be the first that it hears.
    host.cycle()
    this.#wake()
  }

  /** Closes all files. What is under way is waited for, but not for long: the disk may hang. */
  async close(): Promise<void> {
    const closed = [...this.#storages.values()].map((storage) => storage.close())
    this.#recorder?.close()
    await within(CLOSE_MILLIS_MAX, Promise.allSettled([...closed, this.#jobs.close()]), null)
  }

  inspect(): Record<string, unknown> {
    const states: Record<string, unknown> = {}
    for (const [node, host] of this.#hosts) states[String(node)] = host.inspect()
    return states
  }

  statistics(): ThreadStatistics {
    let messages = 0
    for (const host of this.#hosts.values()) messages += host.messagesHandled
    return { cycles: this.#cycles, messages, ...this.links.counters() }
  }

  #fileStorage(node: number, directory: string): FileStorage {
    // Every node has a thread, but for those of the caller's.
    const nodeCount = Math.max(1, doorbellCount(this.#setup.doorbells) - 1)
    return new FileStorage(directory, this.#jobs, {
      openFilesMax: openFilesPerNode(nodeCount),
      onError: (error) => this.#onFailure(node, STORAGE, error),
    })
  }

  async #startActors({ node, actors }: NodeSetup): Promise<void> {
    const host = this.host(node)
    await host.preload(this.#setup.preload)
    host.tick()
    for (const { name, url, config } of actors) host.spawn(name, url, config)
  }

  #addHost(node: number): void {
    const storage = this.#storages.get(node)
    assert(storage !== undefined, `node ${node} has storage before it has a host`)
    const sendAway = (to: Address, from: Address, message: Message): void => {
      const local = this.#hosts.get(to.node)
      if (local !== undefined) return local.post(to, from, message)
      if (this.links.send(to, from, message) || !isRequest(message)) return
      this.#hosts.get(from.node)?.post(from, to, { kind: 'undeliverable', correlationId: message.correlationId })
    }
    // The answer to a sync comes from the event loop, while this thread may sleep.
    const onQueued = (): void => {
      if (!this.#cycling) this.bell.ring()
    }
    this.#hosts.set(
      node,
      new ActorHost({
        node,
        storage,
        sendAway,
        onQueued,
        onFailure: (actor, error) => this.#onFailure(node, actor, error),
        onReport: (loser, error) => this.#onFailure(loser, STORAGE, error),
        recorder: this.#recorder,
      }),
    )
  }

  /** Its failures are told as those of the first node here. */
  #recorderFor(recording: RecordingSetup): Recorder {
    const node = this.#setup.nodes[0]?.node ?? 0
    return new Recorder(recording, this.#setup.thread, (error) => this.#onFailure(node, RECORDER, error))
  }

  #drainNode(node: number, handOver: boolean): Promise<void> {
    const host = this.host(node)
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        host.closePort('drain')
        resolve()
      }
      const timer = setTimeout(finish, DRAIN_MILLIS_MAX)
      const from = host.openPort('drain', finish)
      host.post({ node, actor: BROKER_ACTOR }, from, { kind: 'stopNode', handOver })
      this.#wake()
    })
  }
}
