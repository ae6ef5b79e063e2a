/**
 * Starts the worker threads of a cluster, one per node, and keeps them running: a worker that dies is noticed by its `exit`
 * event, announced, and started again after a pause that doubles while it keeps dying. It recovers from its directory.
 *
 * Nobody waits for one that hangs. Links are shared memory, and what a worker is told of them lies in its queue, in order, until it goes on: the newest one
 * counts. Whoever writes to its end meanwhile finds a reader that is slow. A worker that dies with such news unread is linked anew when it is started again.
 */
import { Worker } from 'node:worker_threads'
import type { Remote } from 'comlink'
import { releaseProxy } from 'comlink'
import { KafkaError } from '../protocol/errors.ts'
import { controlOf, isFailureNotice } from './control.ts'
import type { ThreadControl } from './control.ts'
import { Doorbell } from './doorbell.ts'
import { makeLink, threadOfNode } from './links.ts'
import type { LinkSetup } from './links.ts'
import type { RecordingSetup } from './recorder.ts'
import { DRAIN_MILLIS_MAX } from './thread-runtime.ts'
import type { NodeSetup, ThreadRuntime, ThreadSetup } from './thread-runtime.ts'
import { within } from './within.ts'
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

/** A worker that is alive answers in less, whatever it is asked. */
const ANSWER_MILLIS = 5000

/** One that is to be closed, and has not answered anything for so long, hangs: it is ended. */
const SILENT_MILLIS_MAX = 10_000

/** The worker threads of one cluster. See the header. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #threads: Map<number, SupervisedThread> = new Map()
  /** Ends of single workers that are under way. */
  readonly #stops: Set<Promise<void>> = new Set()
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

  /**
   * What a node's thread answers; null if it does not run, or ends before: after that, nobody would answer. Rejects with REQUEST_TIMED_OUT if it does neither in
   * time: it may do later what it was asked.
   */
  async ask<Result>(
    node: number,
    call: (control: Remote<ThreadControl>) => Promise<Result>,
    millisMax: number = ANSWER_MILLIS,
  ): Promise<Result | null> {
    const thread = this.#threads.get(node)
    if (thread === undefined || thread.restart !== null) return null
    const answered = resultBefore(() => call(thread.control), thread).then((result) => ({ result }))
    const answer = await within(millisMax, answered, null)
    if (answer === null)
      throw new KafkaError('REQUEST_TIMED_OUT', `node ${node} has not answered for ${millisMax} ms: its thread is busy, or hangs`)
    return answer.result
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
    const stopped = this.#closeThread(thread, true)
    this.#stops.add(stopped)
    await stopped.finally(() => this.#stops.delete(stopped))
    if (this.#closing) return
    this.#options.caller.links.disconnect(threadOfNode(node))
    for (const other of this.#running()) tell(other.control.disconnect(threadOfNode(node)))
  }

  /** Starts the worker of a node that was stopped, and keeps it running, as after a death. */
  startNode(node: number): void {
    if (!this.#threads.has(node)) this.#startLinked(node, 1)
  }

  /** Drains and ends all workers. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.all([...this.#stops, ...[...this.#threads.values()].map((thread) => this.#closeThread(thread, false))])
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
    thread.restart = setTimeout(() => this.#startLinked(node, restarts), pause)
  }

  /** The workers that are not known to be dead. */
  #running(): SupervisedThread[] {
    return [...this.#threads.values()].filter(({ restart }) => restart === null)
  }

  /** Starts a worker while others run, linked to them. */
  #startLinked(node: number, restarts: number): void {
    if (this.#closing) return
    const between = this.#running().map((other) => {
      const link = makeLink(threadOfNode(node), threadOfNode(other.node))
      tell(other.control.connect(link.b))
      return link.a
    })
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
    const { control } = thread
    const { closeMillisMax = DRAIN_MILLIS_MAX + ANSWER_MILLIS } = this.#options
    const drained = isWithin(
      closeMillisMax,
      endsBefore(() => control.drain(handOver), thread),
    )
    const answers = isWithin(
      Math.min(closeMillisMax, SILENT_MILLIS_MAX),
      endsBefore(() => control.statistics(), thread),
    )
    if ((await answers) && (await drained)) {
      tell(control.close())
      await within(ANSWER_MILLIS, thread.exited, undefined)
    }
    // One that hangs has crashed, to whoever opens its directory next: everything acknowledged is there.
    await thread.worker.terminate()
    control[releaseProxy]()
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
function isWithin(millis: number, work: Promise<boolean>): Promise<boolean> {
  return within(millis, work, false).catch(() => false)
}

/** A message to a worker, whose answer nobody needs. */
function tell(told: Promise<unknown>): void {
  told.catch(() => undefined)
}
