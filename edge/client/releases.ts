/**
 * Partitions on their way out: the application's listener is called, and when what it does is done (it may answer a promise), the partition is let go of. What is
 * lost is let go of at once: others have it already.
 */
import type { TopicPartition } from '../../protocol/ids.ts'
import type { ConsumedPartition } from './consumed-partition.ts'

/** What an application does about partitions that come or go. */
export type PartitionListener = (partitions: readonly TopicPartition[]) => void | Promise<void>

/** Who is told. */
export interface ReleaseListeners {
  readonly onRevoked: PartitionListener | undefined
  /** Default: onRevoked. */
  readonly onLost: PartitionListener | undefined
  /** They were lost while `onRevoked` was at work for them. */
  readonly onLostMeanwhile: PartitionListener
  /** What the application had of them is gone, and no other listener says so: they go on elsewhere. */
  readonly onGone: (partitions: readonly TopicPartition[]) => void
}

/** What is done with partitions in the end, and with what a listener throws. */
export interface ReleaseActions {
  /** The actor hears how far the application is, and that it has let go. */
  readonly release: (partitions: readonly ConsumedPartition[]) => void
  readonly fail: (error: unknown) => void
}

/** The partitions that one consumer is letting go of. */
export class Releases {
  readonly #listeners: ReleaseListeners
  readonly #actions: ReleaseActions
  /** Those whose listener has not been called. */
  #due: ConsumedPartition[] = []
  /** Those whose listener is at work. */
  readonly #held: Set<ConsumedPartition> = new Set()
  readonly #lost: WeakSet<ConsumedPartition> = new WeakSet()

  constructor(listeners: ReleaseListeners, actions: ReleaseActions) {
    this.#listeners = listeners
    this.#actions = actions
  }

  /** Partitions whose turn has not come yet. */
  get due(): readonly ConsumedPartition[] {
    return this.#due
  }

  /** The application shall let go of a partition, or (lost) has it no more. */
  add(one: ConsumedPartition, isLost: boolean): void {
    if (isLost) this.#lost.add(one)
    if (!this.#due.includes(one) && !this.#held.has(one)) this.#due.push(one)
  }

  /** Calls the listeners for all that are due; nobody waits any longer for those that were lost meanwhile. */
  begin(): void {
    const due = this.#due.splice(0)
    const gone = [...this.#held].filter((one) => this.#lost.has(one))
    this.#callLate(gone)
    this.#call(
      this.#listeners.onRevoked,
      due.filter((one) => !this.#lost.has(one)),
    )
    this.#call(
      this.#listeners.onLost ?? this.#listeners.onRevoked,
      due.filter((one) => this.#lost.has(one)),
    )
    this.#end([...this.#held].filter((one) => this.#lost.has(one)))
  }

  #call(listener: PartitionListener | undefined, partitions: readonly ConsumedPartition[]): void {
    if (partitions.length === 0) return
    for (const one of partitions) this.#held.add(one)
    const done = callListener(
      listener,
      partitions.map(({ topic, partition }) => ({ topic, partition })),
      this.#actions.fail,
    )
    if (done === null) this.#end(partitions)
    else void done.then(() => this.#end(partitions))
  }

  /** Nobody waits for it: they are let go of. */
  #callLate(partitions: readonly ConsumedPartition[]): void {
    if (partitions.length === 0) return
    const { onLostMeanwhile } = this.#listeners
    void callListener(
      onLostMeanwhile,
      partitions.map(({ topic, partition }) => ({ topic, partition })),
      this.#actions.fail,
    )
  }

  #end(partitions: readonly ConsumedPartition[]): void {
    const ended = partitions.filter((one) => this.#held.delete(one))
    if (ended.length > 0) this.#actions.release(ended)
  }
}

/** Calls an application's listener; null unless there is something to wait for. What it throws, or its promise is rejected with, goes to `fail`. */
export function callListener(
  listener: PartitionListener | undefined,
  partitions: readonly TopicPartition[],
  fail: (error: unknown) => void,
): Promise<void> | null {
  try {
    const result = listener?.(partitions)
    return result instanceof Promise ? result.catch(fail) : null
  } catch (error) {
    fail(error)
    return null
  }
}
