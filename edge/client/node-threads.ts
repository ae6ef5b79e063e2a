/**
 * What administration and death do to the nodes of one cluster in this process: coordinators are started, nodes are stopped and started again, on threads of
 * their own or on the caller's, and everybody here hears of a node that is gone. Which nodes there are is known elsewhere (node-set.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { BROKER_ACTOR, CALLER_NODE, COORDINATOR_ACTOR } from '../../protocol/address.ts'
import { KafkaError } from '../../protocol/errors.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import type { ActorHost } from '../../runtime/actor-host.ts'
import type { Supervisor } from '../../runtime/supervisor.ts'
import type { ThreadRuntime, ThreadStatistics } from '../../runtime/thread-runtime.ts'
import type { ClientLoop } from './engine.ts'
import type { NodeActions } from './node-admin.ts'
import type { NodeSet } from './node-set.ts'
import type { Requests } from './requests.ts'

/** Where the nodes run, and who asks them. */
export interface ThreadsOptions {
  readonly nodes: NodeSet
  readonly runtime: ThreadRuntime
  /** Null: all nodes run on the caller's thread. */
  readonly supervisor: Supervisor | null
  readonly requests: Requests
  readonly loop: ClientLoop
  readonly isClosing: () => boolean
  /** What the operating system said last against a disk of these nodes; null: nothing yet. */
  readonly diskErrorOf: (node: number) => Error | null
  /** How long `join` waits for one node to be active. Default: half a minute. */
  readonly joinMillisMax?: number
}

/** What is on the thread of a node. */
interface ThreadInspection {
  readonly states: Record<string, unknown>
  readonly statistics: ThreadStatistics
}

/** A node is waited for so long; one that does not come in time may come later, and the others are enough to go on with. */
const NODES_MILLIS_MAX = 10_000

/** Where no node is active after so long, none is going to be soon. */
const JOIN_MILLIS_MAX = 30_000

/** Pause before a node is asked again, doubled with each: most often it is a matter of a few milliseconds. */
const JOIN_PAUSE_MILLIS_MIN = 1
const JOIN_PAUSE_MILLIS_MAX = 50

/** See the header. */
export class NodeThreads implements NodeActions {
  readonly #options: ThreadsOptions

  constructor(options: ThreadsOptions) {
    this.#options = options
  }

  ids(): readonly number[] {
    return this.#options.nodes.ids
  }

  /** Every actor of ours hears of it: those whom it knows may all be removed before it asks again. */
  noteVoters(voters: readonly number[]): void {
    const { nodes, requests } = this.#options
    nodes.setVoters(voters)
    requests.noteVoters(voters)
    this.#tellOurs({ kind: 'votersChanged', voters })
  }

  /** Written down first: a node that votes must have a coordinator when the cluster is opened the next time. */
  async startCoordinator(node: number): Promise<void> {
    const { nodes, runtime, supervisor } = this.#options
    nodes.addObserver(node)
    const setup = nodes.coordinatorSetup(node)
    if (supervisor === null) runtime.spawn(node, setup)
    // Where the worker is dead, or dies meanwhile, its next life begins with it. One that hangs may start it later: then it only listens, until somebody asks again.
    else await supervisor.ask(node, (control) => control.spawn(node, setup))
  }

  /** What is on the node's own thread; null: it has none, or that is dead, or hangs. */
  async inspect(node: number): Promise<ThreadInspection | null> {
    const look = this.#options.supervisor?.ask(node, async (control) => ({
      states: await control.inspect(),
      statistics: await control.statistics(),
    }))
    return (await look?.catch(nullIfSilent)) ?? null
  }

  async stopNode(node: number): Promise<void> {
    const { runtime, supervisor } = this.#options
    if (supervisor === null) await runtime.stopNode(node)
    else await supervisor.stopNode(node)
    this.spreadNews(node)
  }

  /** Until it serves again, as far as that comes soon. */
  async restartNode(node: number): Promise<void> {
    const { nodes, runtime, supervisor, isClosing } = this.#options
    if (isClosing()) return
    if (supervisor === null) await runtime.startNode(nodes.setupOf(node))
    else supervisor.startNode(node)
    await this.join([node]).catch(() => undefined)
  }

  forgetNode(node: number): void {
    this.#options.runtime.forgetNode(node)
    this.#options.nodes.remove(node)
  }

  /** Waits until nodes are active: what the metadata says of them may be of their lives before. Fails if none of them can be asked, or none is active in time. */
  async join(nodes: readonly number[]): Promise<void> {
    const endAt = performance.now() + (this.#options.joinMillisMax ?? JOIN_MILLIS_MAX)
    const joined = nodes.map((node) => this.#joins(node, endAt))
    const waited = new AbortController()
    const late = sleep(NODES_MILLIS_MAX, undefined, { signal: waited.signal }).catch(() => undefined)
    await Promise.race([Promise.all(joined), late])
    waited.abort()
    // Without any, nothing can be asked.
    await Promise.any(joined).catch((error: AggregateError) => {
      throw error.errors[0]
    })
  }

  async #joins(node: number, endAt: number): Promise<void> {
    const { requests, isClosing } = this.#options
    for (let pause = JOIN_PAUSE_MILLIS_MIN; ; pause = Math.min(pause * 2, JOIN_PAUSE_MILLIS_MAX)) {
      const { isActive } = await requests.ask({ node, actor: BROKER_ACTOR }, { kind: 'describeBroker' }, 'brokerDescribed')
      if (isActive || isClosing()) return
      if (performance.now() >= endAt) throw this.#notActive(node)
      await sleep(pause)
    }
  }

  /** Most often a node cannot write who it is. */
  #notActive(node: number): KafkaError {
    const { diskErrorOf, nodes } = this.#options
    const error = diskErrorOf(node)
    const where = nodes.directoryOf(node)
    const reason = error?.message ?? `is the disk${where === null ? '' : ` with ${where}`} slow, or the machine busy?`
    const name = error === null ? 'REQUEST_TIMED_OUT' : /\b(ENOSPC|EDQUOT)\b/.test(reason) ? 'DISK_FULL' : 'KAFKA_STORAGE_ERROR'
    return new KafkaError(name, `node ${node} did not become active in time: ${reason}`)
  }

  /** Every actor of ours and every other coordinator hears of it: what was asked of that node will not be answered, and its groups are forgotten. */
  spreadNews(node: number): void {
    const { nodes, runtime, requests, loop } = this.#options
    const host: ActorHost = runtime.host(CALLER_NODE)
    this.#tellOurs({ kind: 'nodeDown', node })
    for (const other of nodes.ids) {
      if (other === node) continue
      for (const actor of nodes.coordinators.includes(other) ? [COORDINATOR_ACTOR, BROKER_ACTOR] : [BROKER_ACTOR])
        host.post({ node: other, actor }, { node: CALLER_NODE, actor: '' }, { kind: 'nodeDown', node })
    }
    requests.giveUp()
    loop.kick()
  }

  #tellOurs(news: MessageOf<'nodeDown' | 'votersChanged'>): void {
    const host: ActorHost = this.#options.runtime.host(CALLER_NODE)
    for (const actor of host.actorNames()) host.post({ node: CALLER_NODE, actor }, { node: CALLER_NODE, actor: '' }, news)
  }
}

function nullIfSilent(error: unknown): null {
  if (error instanceof KafkaError && error.name === 'REQUEST_TIMED_OUT') return null
  throw error
}
