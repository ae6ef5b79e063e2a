/**
 * The main module of a worker thread: exposes its control plane, and runs the duty cycle of its nodes until it is closed.
 * It sleeps in Atomics.wait (wakes fastest) unless a sync is under way, whose answer needs the event loop.
 */
import { availableParallelism } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { expose } from 'comlink'
import { endpointOf } from './comlink-endpoint.ts'
import type { FailureNotice, ThreadControl } from './control.ts'
import { ThreadRuntime } from './thread-runtime.ts'
import type { ThreadSetup } from './thread-runtime.ts'

/** Longest sleep outside the event loop; whoever needs the thread rings, so this only bounds a lost ring. */
const SLEEP_MILLIS_MAX = 100

/**
 * How long the thread stays awake without work, where there is a core for every thread. Waking it costs its callers 5 to 12 microseconds per message, and while
 * records stream the next batch comes within this time. Where threads share cores, one that stays awake keeps others from their work.
 */
const AWAKE_MILLIS = 0.25

let runtime: ThreadRuntime | null = null
let closed = false
/** Resolves when the behaviours are loaded. */
let started: Promise<void> = Promise.resolve()
/** When there was work last. */
let workedAt = 0
let awakeMillis = 0

function fail(node: number, actor: string | null, error: Error): void {
  const notice: FailureNotice = { failedNode: node, actor, error }
  parentPort?.postMessage(notice)
  if (actor === null) process.exit(1)
}

function run(): void {
  if (closed || runtime === null) return
  const now = performance.now()
  if (runtime.cycle()) workedAt = now
  if (now - workedAt < awakeMillis) return void setImmediate(run)
  const hasWork = (): boolean => runtime?.hasWork() ?? true
  const millis = Math.min(runtime.millisToNextTimer(), SLEEP_MILLIS_MAX)
  if (runtime.pendingSyncs > 0) {
    runtime.bell.waitAsync(millis, hasWork).then(run, crash)
    return
  }
  if (millis > 0) runtime.bell.waitBlocking(millis, hasWork)
  setImmediate(run)
}

/** A broken thread must not linger: its supervisor restarts it. */
function crash(error: unknown): never {
  throw error
}

const control: ThreadControl = {
  async start(setup: ThreadSetup): Promise<void> {
    runtime = new ThreadRuntime(setup, fail)
    if (setup.links.length < availableParallelism()) awakeMillis = AWAKE_MILLIS
    started = runtime.start()
    await started
    run()
  },
  inspect: () => runtime?.inspect() ?? {},
  statistics: () => runtime?.statistics() ?? { cycles: 0, messages: 0, failedWrites: 0, droppedMessages: 0 },
  connect: (link) => runtime?.links.connect(link),
  disconnect: (peerThread) => runtime?.links.disconnect(peerThread),
  spawn: async (node, actor) => {
    await started
    runtime?.spawn(node, actor)
  },
  drain: async (handOver) => runtime?.drain(handOver),
  hang: (millis) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis),
  close: () => {
    closed = true
    void runtime?.close()
    runtime?.bell.ring()
    setImmediate(() => parentPort?.close())
  },
}

if (parentPort !== null) expose(control, endpointOf(parentPort))
