/**
 * Records what the actors of one thread are given, and what they make of it, into a file of its own (protocol/recording/). What happened is written chunk
 * by chunk: when one is full, and what is older than FLUSH_MILLIS at the end of a cycle, so that `kill -9` takes no more than that. It does NOT sync: a
 * power loss may take what the system has not written. A recording that cannot go on is told once, and left: nothing else depends on it.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Address } from '../actors/actor.ts'
import type { Effect } from '../actors/effect.ts'
import type { Message } from '../protocol/messages/message.ts'
import { behaviourName, EntryWriter } from '../protocol/recording/entries.ts'
import type { StepContext } from '../protocol/recording/entries.ts'
import { encodeHeader, RECORDING_SUFFIX } from '../protocol/recording/layout.ts'

/** Where a thread is to record. Plain data: it crosses to a worker. */
export interface RecordingSetup {
  /** It exists; each thread writes one file there. */
  readonly directory: string
  /** The version of this package. */
  readonly odradek: string
}

/** The name under which failures of a recording are told: no actor has it. */
export const RECORDER = 'recorder'

/** Entries are written when there are so many bytes of them: names and fields, which each chunk says anew, are then a few hundredths of it. */
const CHUNK_BYTES = 128 * 1024

/** What is older than this is written, full or not. */
const FLUSH_MILLIS = 100

/** Lives of one thread that are told apart: it is started again after a pause that grows to seconds. */
const LIVES_MAX = 1_000_000

/** The recording of one thread. See the header. */
export class Recorder {
  readonly #entries: EntryWriter = new EntryWriter()
  readonly #path: string
  readonly #onFailure: (error: Error) => void
  /** -1: it is over. */
  #fd: number
  /** When the oldest entry that is not written was recorded, by performance.now(); Infinity without one. */
  #oldestAt = Infinity
  readonly #onExit: () => void

  /** Makes the file. Throws the system's error if it cannot, or if it is there: another cluster records there. */
  constructor({ directory, odradek }: RecordingSetup, thread: number, onFailure: (error: Error) => void) {
    this.#onFailure = onFailure
    const { fd, path, life } = makeFile(directory, thread)
    this.#fd = fd
    this.#path = path
    writeSync(fd, encodeHeader({ odradek, node: process.versions.node, thread, life, startedAt: Date.now() }))
    // Whoever ends the process, or the thread, does not know of it.
    this.#onExit = () => this.flush()
    process.once('exit', this.#onExit)
  }

  spawned({ node, actor }: Address, url: string, config: unknown): void {
    this.#record(() => this.#entries.spawned(node, actor, behaviourName(url), config))
  }

  stopped({ node, actor }: Address): void {
    this.#record(() => this.#entries.stopped(node, actor))
  }

  /** An actor is about to handle a message. All of it is copied: it may be borrowed, and changes. */
  received({ node, actor }: Address, message: Message, context: StepContext): void {
    if (this.#fd < 0) return
    try {
      this.#entries.beginStep(node, actor, context, message)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** It has; nothing of what it wants has been done. */
  emitted(effects: readonly Effect[]): void {
    if (this.#fd < 0) return
    try {
      this.#entries.endStep(effects.some(({ kind }) => kind === 'spawn') ? effects.map(withoutPlace) : effects)
    } catch (error) {
      this.#giveUp(error)
    }
    this.#recorded()
  }

  /** It has thrown. */
  crashed(error: unknown): void {
    this.#record(() => this.#entries.failStep(error instanceof Error ? error.message : String(error)))
  }

  /** Writes what is old enough; call it at the end of each cycle. */
  flushIfDue(): void {
    if (this.millisToFlush() <= 0) this.flush()
  }

  /** When `flushIfDue` has something to do, in milliseconds; Infinity if there is nothing. */
  millisToFlush(): number {
    return this.#oldestAt === Infinity ? Infinity : Math.max(0, this.#oldestAt + FLUSH_MILLIS - performance.now())
  }

  /** Writes everything. */
  flush(): void {
    this.#oldestAt = Infinity
    if (this.#fd < 0 || this.#entries.sizeBytes === 0) return
    try {
      writeAll(this.#fd, this.#entries.takeChunk())
    } catch (error) {
      this.#stop(error)
    }
  }

  /** Nothing is recorded after this. */
  close(): void {
    this.flush()
    this.#end()
  }

  #record(write: () => void): void {
    if (this.#fd < 0) return
    try {
      write()
    } catch (error) {
      this.#giveUp(error)
    }
    this.#recorded()
  }

  #recorded(): void {
    if (this.#oldestAt === Infinity) this.#oldestAt = performance.now()
    if (this.#entries.sizeBytes >= CHUNK_BYTES) this.flush()
  }

  /** Something cannot be written down: what came before it can. */
  #giveUp(error: unknown): void {
    this.flush()
    this.#stop(error)
  }

  #stop(error: unknown): void {
    if (this.#fd < 0) return
    this.#end()
    const reason = error instanceof Error ? error.message : String(error)
    this.#onFailure(new Error(`the recording ${this.#path} ends here: ${reason}`, { cause: error }))
  }

  #end(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
    process.off('exit', this.#onExit)
  }
}

/**
 * A message on its own. Actors of one thread pass record batches by reference, and a leader stamps its offsets into the very batch that a producer may send again:
 * what an actor has in its hands would change without a message, and a recording could not say why.
 */
export function withOwnRecords(message: Message): Message {
  return 'records' in message && message.records !== null ? { ...message, records: new Uint8Array(message.records) } : message
}

/** Where modules lie is different on each machine. */
function withoutPlace(effect: Effect): Effect {
  return effect.kind === 'spawn' ? { ...effect, url: behaviourName(effect.url) } : effect
}

/** A worker that was started again has a file of its own. Thread 0 has one life: if its file is there, it is somebody else's. */
function makeFile(directory: string, thread: number): { readonly fd: number; readonly path: string; readonly life: number } {
  for (let life = 1; ; life++) {
    const path = `${directory}/thread-${thread}${life === 1 ? '' : `.${life}`}${RECORDING_SUFFIX}`
    try {
      return { fd: openSync(path, 'wx'), path, life }
    } catch (error) {
      const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST'
      if (!isThere || thread === 0 || life >= LIVES_MAX) throw error
    }
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written)
}
