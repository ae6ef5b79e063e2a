/**
 * The channels of one thread to all others. Which node lives on which thread is fixed: callers are on thread 0, node n on thread n + 1,
 * unless the caller's thread runs all nodes itself.
 */
import type { Address } from '../actors/actor.ts'
import type { Message } from '../protocol/messages/message.ts'
import { ChannelReader, ChannelWriter } from './channel.ts'
import { Codec } from './codec.ts'
import type { Envelope } from './codec.ts'
import { Doorbell } from './doorbell.ts'
import { allocateRing } from './ring-layout.ts'

/** The shared memory between this thread and one other. */
export interface LinkSetup {
  readonly peerThread: number
  readonly inbound: SharedArrayBuffer
  readonly outbound: SharedArrayBuffer
}

/** Data region of a ring between nodes. What a follower fetches in one piece travels whole in a quarter of it: with half of it, catching up is half as fast. */
const NODE_RING_BYTES = 4 * 1024 * 1024

/** Data region of a ring to or from the caller's thread. All of a ring is touched in time; batches have 64 KiB, larger ones go in pieces. */
const CALLER_RING_BYTES = 2 * 1024 * 1024

/** Records drained per channel and cycle, so that timers, syncs and other channels get their turn. */
const DRAIN_MAX = 256

interface Link {
  readonly reader: ChannelReader
  readonly writer: ChannelWriter
}

/** The thread that hosts a node. */
export function threadOfNode(node: number): number {
  return node < 0 ? 0 : node + 1
}

/** Makes the rings between two threads: one setup for each end. */
export function makeLink(threadA: number, threadB: number): { readonly a: LinkSetup; readonly b: LinkSetup } {
  const ringBytes = threadA === 0 || threadB === 0 ? CALLER_RING_BYTES : NODE_RING_BYTES
  const toA = allocateRing(ringBytes)
  const toB = allocateRing(ringBytes)
  return { a: { peerThread: threadB, inbound: toA, outbound: toB }, b: { peerThread: threadA, inbound: toB, outbound: toA } }
}

/** All channels of one thread. */
export class Links {
  readonly #doorbells: SharedArrayBuffer
  readonly #links: Map<number, Link> = new Map()
  readonly #codec: Codec = new Codec()

  constructor(doorbells: SharedArrayBuffer, setups: readonly LinkSetup[]) {
    this.#doorbells = doorbells
    for (const setup of setups) this.connect(setup)
  }

  /** Takes up (or, after a restart of the peer, renews) the channels to a thread. */
  connect({ peerThread, inbound, outbound }: LinkSetup): void {
    const bell = new Doorbell(this.#doorbells, peerThread)
    this.#links.set(peerThread, {
      reader: new ChannelReader(inbound, bell, this.#codec),
      writer: new ChannelWriter(outbound, bell, this.#codec),
    })
  }

  /** Nothing is sent to that thread any more: it is dead. */
  disconnect(peerThread: number): void {
    this.#links.delete(peerThread)
  }

  /** Sends to the thread that hosts the node; false if that thread is dead. */
  send(to: Address, from: Address, message: Message): boolean {
    const link = this.#links.get(threadOfNode(to.node))
    link?.writer.send(to, from, message)
    return link !== undefined
  }

  /** Hands over what has arrived; `records` in it are borrowed until `release`. Returns how much there was. */
  drain(onEnvelope: (envelope: Envelope) => void): number {
    let count = 0
    for (const { reader } of this.#links.values()) count += reader.drain(DRAIN_MAX, onEnvelope)
    return count
  }

  /** Gives the memory of what was drained back to the senders. */
  release(): void {
    for (const { reader } of this.#links.values()) reader.release()
  }

  /** Publishes what was sent, and wakes who sleeps. */
  flush(): void {
    for (const { writer } of this.#links.values()) writer.flush()
  }

  /** A reason not to sleep. */
  hasWork(): boolean {
    for (const { reader, writer } of this.#links.values()) if (reader.hasWork() || writer.hasWork()) return true
    return false
  }

  /** Counters, for statistics. */
  counters(): { readonly failedWrites: number; readonly droppedMessages: number } {
    let failedWrites = 0
    let droppedMessages = 0
    for (const { writer } of this.#links.values()) {
      failedWrites += writer.failedWrites
      droppedMessages += writer.droppedMessages
    }
    return { failedWrites, droppedMessages }
  }
}
