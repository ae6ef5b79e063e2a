/**
 * What administration and death do to the nodes of one cluster in this process: coordinators are started, nodes are stopped and started again, on threads of
 * their own or on the caller's, and everybody here hears of a node that is gone. Which nodes there are is known elsewhere (node-set.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { BROKER_ACTOR, CALLER_NODE, COORDINATOR_ACTOR } from '../../protocol/address.ts'
import type { ActorHost } from '../../runtime/actor-host.ts'
import type { Supervisor } from '../../runtime/supervisor.ts'
import type { ThreadRuntime } from '../../runtime/thread-runtime.ts'
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
}

/** A node is waited for so long; one that does not come in time may come later, and the others are enough to go on with. */
const NODES_MILLIS_MAX = 10_000

/** See the header. */
export class NodeThreads implements NodeActions {
  readonly #options: ThreadsOptions

  constructor(options: ThreadsOptions) {
    this.#options = options
  }

  ids(): readonly number[] {
    return this.#options.nodes.ids
  }

  noteVoters(voters: readonly number[]): void {
    this.#options.nodes.setVoters(voters)
  }

  /** Written down first: a node that votes must have a coordinator when the cluster is opened the next time. */
  async startCoordinator(node: number): Promise<void> {
    const { nodes, runtime, supervisor } = this.#options
    nodes.addObserver(node)
    const setup = nodes.coordinatorSetup(node)
    if (supervisor === null) runtime.spawn(node, setup)
    // Where the worker is dead, or dies meanwhile, its next life begins with it.
    else await supervisor.ask(node, (control) => control.spawn(node, setup))
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
    else await supervisor.startNode(node)
    await this.join([node]).catch(() => undefined)
  }

  forgetNode(node: number): void {
    this.#options.runtime.forgetNode(node)
    this.#options.nodes.remove(node)
  }

  /** Waits until nodes are active: what the metadata says of them may be of their lives before. Fails if none of them can be asked. */
  async join(nodes: readonly number[]): Promise<void> {
    const joined = nodes.map((node) => this.#joins(node))
    const waited = new AbortController()
    const late = sleep(NODES_MILLIS_MAX, undefined, { signal: waited.signal }).catch(() => undefined)
    await Promise.race([Promise.all(joined), late])
    waited.abort()
    // Without any, nothing can be asked.
    await Promise.any(joined).catch((error: AggregateError) => {
      throw error.errors[0]
    })
  }

  async #joins(node: number): Promise<void> {
    for (;;) {
      const { isActive } = await this.#options.requests.ask({ node, actor: BROKER_ACTOR }, { kind: 'describeBroker' }, 'brokerDescribed')
      if (isActive || this.#options.isClosing()) return
      await sleep(1)
    }
  }

  /** Every actor of ours and every other coordinator hears of it: what was asked of that node will not be answered, and its groups are forgotten. */
  spreadNews(node: number): void {
    const { nodes, runtime, requests, loop } = this.#options
    const host: ActorHost = runtime.host(CALLER_NODE)
    for (const actor of host.actorNames())
      host.post({ node: CALLER_NODE, actor }, { node: CALLER_NODE, actor: '' }, { kind: 'nodeDown', node })
    for (const other of nodes.ids) {
      if (other === node) continue
      for (const actor of nodes.coordinators.includes(other) ? [COORDINATOR_ACTOR, BROKER_ACTOR] : [BROKER_ACTOR])
        host.post({ node: other, actor }, { node: CALLER_NODE, actor: '' }, { kind: 'nodeDown', node })
    }
    requests.giveUp()
    loop.kick()
  }
}
