/**
 * The control plane: what the caller's thread can ask of a worker thread, by Comlink. The data plane never comes this way.
 * A worker may sleep where its event loop stands still, so every question is followed by a ring of its doorbell.
 */
import type { Worker } from 'node:worker_threads'
import { wrap } from 'comlink'
import type { Remote } from 'comlink'
import { endpointOf } from './comlink-endpoint.ts'
import type { Doorbell } from './doorbell.ts'
import type { LinkSetup } from './links.ts'
import type { ActorSetup, ThreadSetup, ThreadStatistics } from './thread-runtime.ts'

/** What a worker answers. */
export interface ThreadControl {
  start(setup: ThreadSetup): Promise<void>
  inspect(): Record<string, unknown>
  statistics(): ThreadStatistics
  /** Renews the channels to a thread that was restarted. */
  connect(link: LinkSetup): void
  /** Nothing is sent to that thread any more. */
  disconnect(peerThread: number): void
  /** Starts one more actor on a node. */
  spawn(node: number, actor: ActorSetup): Promise<void>
  /** Clean stop, first half; see ThreadRuntime. */
  drain(handOver: boolean): Promise<void>
  /** For tests: the thread does nothing for so long, as if the system had stopped it. */
  hang(millis: number): void
  /** Closes all files and lets the thread end. */
  close(): void
}

/** A worker's control, seen from the caller's thread. */
export function controlOf(worker: Worker, bell: Doorbell): Remote<ThreadControl> {
  return wrap<ThreadControl>(endpointOf(worker, () => bell.ring()))
}

/** What a worker says by itself, beside its answers: an actor, or (null) the whole node, has failed. */
export interface FailureNotice {
  readonly failedNode: number
  readonly actor: string | null
  readonly error: Error
}

/** Whether that is one. */
export function isFailureNotice(message: unknown): message is FailureNotice {
  return typeof message === 'object' && message !== null && 'failedNode' in message
}
