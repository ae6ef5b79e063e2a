/**
 * Partitions on their way out: the application's listener is called, and when what it does is done (it may answer a promise), the partition is let go of. What is
 * lost is let go of at once: others have it already.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaError } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { ConsumedPartition } from './consumed-partition.ts'
import { isThenable } from './listener-call.ts'

/** What an application does about partitions that come or go. */
export type PartitionListener = (partitions: readonly TopicPartition[]) => void | PromiseLike<unknown>

/** The listeners, as the application knows them. */
type ListenerName = 'onAssigned' | 'onRevoked' | 'onLost'

/** Who is told. */
export interface ReleaseListeners {
  readonly onAssigned: PartitionListener | undefined
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
  /** Those that have come, and nobody has been told. */
  readonly #begun: TopicPartition[] = []
  /** Those whose listener has not been called. */
  #due: ConsumedPartition[] = []
  /** Those whose listener is at work, and when it is done. */
  readonly #held: Map<ConsumedPartition, Promise<void>> = new Map()
  readonly #lost: WeakSet<ConsumedPartition> = new WeakSet()
  /** The consumer has said goodbye: the application hears of nothing that comes later, nor that it goes. */
  #isOver = false

  constructor(listeners: ReleaseListeners, actions: ReleaseActions) {
    this.#listeners = listeners
    this.#actions = actions
  }

  /** Partitions whose turn has not come yet. */
  get due(): readonly ConsumedPartition[] {
    return this.#due
  }

  /** The application's `onRevoked` is at work. */
  get isAtWork(): boolean {
    return this.#held.size > 0
  }

  /** A partition is the consumer's from now on. They begin one by one; the application hears of those that come together at once. */
  begun(partition: TopicPartition): void {
    if (!this.#isOver && this.#begun.push(partition) === 1) queueMicrotask(() => this.announce())
  }

  /** The application is about to get records: it hears of their partitions before. */
  announce(): void {
    if (this.#begun.length === 0) return
    void callListener('onAssigned', this.#listeners.onAssigned, this.#begun.splice(0), this.#actions.fail)
  }

  /** The application shall let go of a partition, or (lost) has it no more. */
  add(one: ConsumedPartition, isLost: boolean): void {
    if (isLost) this.#lost.add(one)
    if (this.#due.includes(one) || this.#held.has(one)) return
    if (this.#isOver) this.#actions.release([one])
    else this.#due.push(one)
  }

  /** Calls the listeners for all that are due; nobody waits any longer for those that were lost meanwhile. */
  begin(): void {
    // Both may be news of the same moment.
    this.announce()
    const due = this.#due.splice(0)
    const gone = [...this.#held.keys()].filter((one) => this.#lost.has(one))
    this.#callLate(gone)
    this.#call(
      'onRevoked',
      this.#listeners.onRevoked,
      due.filter((one) => !this.#lost.has(one)),
    )
    this.#call(
      'onLost',
      this.#listeners.onLost ?? this.#listeners.onRevoked,
      due.filter((one) => this.#lost.has(one)),
    )
    this.#end([...this.#held.keys()].filter((one) => this.#lost.has(one)))
  }

  /** All of them go now: resolves when every listener is done, or after a while. */
  async finish(millis: number): Promise<void> {
    this.begin()
    this.#isOver = true
    if (this.#held.size > 0) await Promise.race([Promise.all(this.#held.values()), sleep(millis, undefined, { ref: false })])
  }

  #call(name: ListenerName, listener: PartitionListener | undefined, partitions: readonly ConsumedPartition[]): void {
    if (partitions.length === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const one of partitions) this.#held.set(one, promise)
    const done = callListener(
      name,
      listener,
      partitions.map(({ topic, partition }) => ({ topic, partition })),
      this.#actions.fail,
    )
    if (done === null) this.#end(partitions)
    else void done.then(() => this.#end(partitions)).then(resolve)
  }

  /** Nobody waits for it: they are let go of. */
  #callLate(partitions: readonly ConsumedPartition[]): void {
    if (partitions.length === 0) return
    const { onLostMeanwhile } = this.#listeners
    void callListener(
      'onLost',
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
  name: ListenerName,
  listener: PartitionListener | undefined,
  partitions: readonly TopicPartition[],
  fail: (error: unknown) => void,
): Promise<void> | null {
  const failed = (error: unknown): void => fail(failureOf(name, error))
  try {
    const result = listener?.(partitions)
    return isThenable(result) ? Promise.resolve(result).then(() => undefined, failed) : null
  } catch (error) {
    failed(error)
    return null
  }
}

/** What the consumer has thrown to a listener that did not catch it, goes on as it is, as in Kafka. */
function failureOf(name: ListenerName, error: unknown): KafkaError {
  if (error instanceof KafkaError) return error
  const what = name === 'onLost' ? 'onLost (or onRevoked in its place)' : name
  return new KafkaError('LISTENER_FAILED', `the application's ${what} has thrown: ${String(error)}`, { cause: error })
}
