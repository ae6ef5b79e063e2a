/**
 * Starts the worker threads of a cluster, one per node, and keeps them running: a worker that dies is noticed by its `exit`
 * event, announced, and started again after a pause that doubles while it keeps dying. It recovers from its directory.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Remote } from 'comlink'
import { releaseProxy } from 'comlink'
import { controlOf, isFailureNotice } from './control.ts'
import type { ThreadControl } from './control.ts'
import { Doorbell } from './doorbell.ts'
import { makeLink, threadOfNode } from './links.ts'
import type { LinkSetup } from './links.ts'
import type { RecordingSetup } from './recorder.ts'
import { DRAIN_MILLIS_MAX } from './thread-runtime.ts'
import type { NodeSetup, ThreadRuntime, ThreadSetup } from './thread-runtime.ts'
import { workerOptions, workerUrl } from './worker-url.ts'

/** What a supervisor watches over. */
export interface SupervisorOptions {
  readonly doorbells: SharedArrayBuffer
  readonly preload: readonly string[]
  /** The setup of a node; `restarts` counts its former lives. */
  readonly nodeSetup: (node: number, restarts: number) => NodeSetup
  readonly nodes: readonly number[]
  readonly caller: ThreadRuntime
  /** Where all workers record. Default: nowhere. */
  readonly recording?: RecordingSetup | null
  /** How long a worker may take to drain when it is closed; one that has not answered by then is ended. Default: longer than it takes at most. */
  readonly closeMillisMax?: number
  readonly onDown: (node: number, restarts: number) => void
  readonly onUp: (node: number, restarts: number) => void
  /** An actor on a worker, or (null) all of it, has failed. */
  readonly onFailure: (node: number, actor: string | null, error: Error) => void
}

interface SupervisedThread {
  readonly node: number
  worker: Worker
  control: Remote<ThreadControl>
  restarts: number
  upSince: number
  restart: NodeJS.Timeout | null
  /** Resolves when the worker is gone. */
  readonly exited: Promise<void>
  /** It has run: from then on it is kept running. One that never ran is the business of whoever starts the cluster. */
  started: boolean
}

/** Messages die young: a small nursery is collected more often, and costs the process 15 MB less than V8's own choice. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 4 } as const

const RESTART_MILLIS_MIN = 20
const RESTART_MILLIS_MAX = 5000

/** A worker that has run so long starts with the shortest pause again. */
const STABLE_MILLIS = 1000

/** A worker that is alive answers in less, whatever it is asked; one that does not is ended. */
const ANSWER_MILLIS = 5000

/** The worker threads of one cluster. See the header. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #threads: Map<number, SupervisedThread> = new Map()
  /** One worker at a time is linked to the others: of two that die together, the second one finds the first. */
  #linking: Promise<void> = Promise.resolve()
  #closing = false

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  /** Starts all workers. `links`: between any two of them, by (node, node); those to the caller are made here. */
  async start(): Promise<void> {
    const { nodes } = this.#options
    const links = new Map<number, LinkSetup[]>(nodes.map((node) => [node, []]))
    nodes.forEach((a, i) => {
      for (const b of nodes.slice(i + 1)) {
        const link = makeLink(threadOfNode(a), threadOfNode(b))
        links.get(a)?.push(link.a)
        links.get(b)?.push(link.b)
      }
    })
    await Promise.all([...links].map(([node, between]) => this.#startThread(node, 0, between)))
  }

  /** What a node's thread answers; null if it does not run, or ends before: after that, nobody would answer. */
  async ask<Result>(node: number, call: (control: Remote<ThreadControl>) => Promise<Result>): Promise<Result | null> {
    const thread = this.#threads.get(node)
    return thread === undefined || thread.restart !== null ? null : resultBefore(() => call(thread.control), thread)
  }

  /** Ends a node's thread without any warning. For tests: the supervisor must notice by itself. */
  async terminate(node: number): Promise<void> {
    await this.#threads.get(node)?.worker.terminate()
  }

  /** Ends one worker while the others go on: it hands over what it leads, and is drained. It is not started again. */
  async stopNode(node: number): Promise<void> {
    const thread = this.#threads.get(node)
    if (thread === undefined) return
    this.#threads.delete(node)
    await this.#closeThread(thread, true)
    this.#options.caller.links.disconnect(threadOfNode(node))
    for (const other of this.#threads.values()) {
      if (other.restart === null) await endsBefore(() => other.control.disconnect(threadOfNode(node)), other).catch(() => false)
    }
  }

  /** Starts the worker of a node that was stopped, and keeps it running, as after a death. */
  startNode(node: number): Promise<void> {
    this.#linking = this.#linking.then(() => this.#startLinked(node, 1, () => !this.#threads.has(node)))
    return this.#linking
  }

  /** Drains and ends all workers. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.all([...this.#threads.values()].map((thread) => this.#closeThread(thread, false)))
  }

  /** Whether it runs; throws if it never did. */
  async #startThread(node: number, restarts: number, links: readonly LinkSetup[]): Promise<boolean> {
    const { caller, doorbells, preload, nodeSetup, recording = null } = this.#options
    const thread = threadOfNode(node)
    const link = makeLink(0, thread)
    const worker = new Worker(workerUrl, { name: `odradek node ${node}`, resourceLimits: RESOURCE_LIMITS, ...workerOptions() })
    const control = controlOf(worker, new Doorbell(doorbells, thread))
    const supervised: SupervisedThread = {
      node,
      worker,
      control,
      restarts,
      upSince: performance.now(),
      restart: null,
      exited: new Promise((resolve) => worker.once('exit', () => resolve())),
      started: restarts > 0,
    }
    this.#threads.set(node, supervised)
    worker.on('error', (error) => this.#options.onFailure(node, null, errorOf(error)))
    worker.on('message', (message: unknown) => {
      if (isFailureNotice(message)) this.#options.onFailure(message.failedNode, message.actor, message.error)
    })
    worker.once('exit', () => this.#onExit(supervised))
    caller.links.connect(link.a)
    const setup: ThreadSetup = { thread, doorbells, links: [link.b, ...links], nodes: [nodeSetup(node, restarts)], preload, recording }
    supervised.started = await endsBefore(() => control.start(setup), supervised)
    if (!supervised.started && restarts === 0) throw new Error(`the worker thread of node ${node} ended while it started`)
    return supervised.started
  }

  #onExit(thread: SupervisedThread): void {
    if (this.#closing || !thread.started || this.#threads.get(thread.node) !== thread) return
    const { node } = thread
    const wasStable = performance.now() - thread.upSince >= STABLE_MILLIS
    const restarts = wasStable ? 1 : thread.restarts + 1
    this.#options.caller.links.disconnect(threadOfNode(node))
    this.#options.onDown(node, restarts)
    const pause = Math.min(RESTART_MILLIS_MIN * 2 ** Math.min(restarts - 1, 10), RESTART_MILLIS_MAX)
    thread.restart = setTimeout(() => {
      this.#linking = this.#linking.then(() => this.#startLinked(node, restarts, () => this.#threads.get(node) === thread))
    }, pause)
  }

  /** Starts a worker while others run, if it is still wanted when it has been linked to them. */
  async #startLinked(node: number, restarts: number, isWanted: () => boolean): Promise<void> {
    const between: LinkSetup[] = []
    for (const other of [...this.#threads.values()]) {
      if (other.node === node || other.restart !== null) continue
      const link = makeLink(threadOfNode(node), threadOfNode(other.node))
      // One that dies meanwhile is linked when it is started again.
      if (await endsBefore(() => other.control.connect(link.b), other).catch(() => false)) between.push(link.a)
    }
    if (this.#closing || !isWanted()) return
    void this.#startThread(node, restarts, between).then(
      (isUp) => {
        if (isUp) this.#options.onUp(node, restarts)
      },
      (error: unknown) => this.#onStartFailed(node, error),
    )
  }

  /** Its end leads to another start, after a longer pause. */
  #onStartFailed(node: number, error: unknown): void {
    if (this.#closing) return
    this.#options.onFailure(node, null, errorOf(error))
    void this.#threads.get(node)?.worker.terminate()
  }

  async #closeThread(thread: SupervisedThread, handOver: boolean): Promise<void> {
    if (thread.restart !== null) return clearTimeout(thread.restart)
    // Its start failed, or is not over: there is nothing to drain, but it may run.
    if (!thread.started) return void (await thread.worker.terminate())
    const { closeMillisMax = DRAIN_MILLIS_MAX + ANSWER_MILLIS } = this.#options
    if (
      await isWithin(
        closeMillisMax,
        endsBefore(() => thread.control.drain(handOver), thread),
      )
    ) {
      thread.control.close().catch(() => undefined)
      await isWithin(
        ANSWER_MILLIS,
        thread.exited.then(() => true),
      )
    }
    // One that hangs has crashed, to whoever opens its directory next: everything acknowledged is there.
    await thread.worker.terminate()
    thread.control[releaseProxy]()
  }
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** Whether a call to a worker comes to its end before the worker does: after that, nobody answers. Rejects where the call fails. */
async function endsBefore(call: () => Promise<unknown>, thread: SupervisedThread): Promise<boolean> {
  return (await resultBefore(() => call().then(() => true), thread)) ?? false
}

/** What a call to a worker comes to; null if the worker ends before. */
async function resultBefore<Result>(call: () => Promise<Result>, { exited }: SupervisedThread): Promise<Result | null> {
  return Promise.race([call(), exited.then(() => null)])
}

/** Whether it comes true in so long. */
async function isWithin(millis: number, work: Promise<boolean>): Promise<boolean> {
  const waited = new AbortController()
  const late = sleep(millis, false, { signal: waited.signal }).catch(() => false)
  const isTrue = await Promise.race([work.catch(() => false), late])
  waited.abort()
  return isTrue
}
