/**
 * What a consumer has to do with its processing, if there is one: nothing else is to be asked of it meanwhile, and partitions that go are told to it first.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaError } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { Consumer, Producer } from './api.ts'
import type { Engine } from './engine.ts'
import type { ProcessHandler, ProcessOptions } from './process-api.ts'
import { outputOptions, processPlan } from './process-options.ts'
import { Processing } from './process.ts'
import type { ProcessHooks } from './process.ts'
import { ProducerClient } from './producer.ts'
import type { PartitionListener } from './releases.ts'

/** See the header. */
export class ProcessSlot {
  #processing: Pick<Processing<unknown, unknown, unknown, unknown>, 'polled' | 'revoking' | 'lost' | 'sought' | 'stop'> | null = null
  /** Resolves when the last one has ended, and its producer is closed; null: so it is. */
  #underWay: Promise<void> | null = null
  /** Nobody waits for it any more: its producer is closed with the cluster. */
  #leave: () => void = () => undefined
  /** The consumer is being closed, and waits for it no longer. */
  #isStopped = false
  /** How the last transaction ended is not known. */
  #isUncertain = false
  /** What is on its way out while its round ends: the application has not heard yet. */
  readonly #going: Set<{ partitions: readonly TopicPartition[] }> = new Set()

  /** Throws INVALID_REQUEST: a consumer that processes is not to be asked for records. */
  assertFree(): void {
    if (this.#processing !== null) throw new KafkaError('INVALID_REQUEST', 'this consumer is processing already')
  }

  /** Throws INVALID_REQUEST: it commits what it has handled, and nobody else knows what that is. */
  assertCommits(): void {
    if (this.#processing !== null)
      throw new KafkaError('INVALID_REQUEST', '`process` commits what it has handled; give the offsets to commit others')
  }

  /**
   * Throws INVALID_REQUEST while another one is under way, or after one whose last transaction may have been committed, for it would handle the same records again; and
   * INVALID_OPTION.
   */
  run<K, V, OK, OV>(
    engine: Engine,
    consumer: Consumer<K, V>,
    hooks: ProcessHooks<K, V>,
    group: string,
    handler: ProcessHandler<K, V, OK, OV>,
    options: ProcessOptions<K, V, OK, OV>,
  ): Promise<void> {
    this.assertFree()
    if (this.#isUncertain) {
      const reason =
        'how the last transaction of this consumer ended is not known: close it, and go on with another one, which begins where the group says'
      throw new KafkaError('INVALID_REQUEST', reason)
    }
    if (typeof handler !== 'function') throw new KafkaError('INVALID_REQUEST', 'process takes a function that handles a record')
    const plan = processPlan(options)
    const producer = new ProducerClient<OK, OV>(engine, outputOptions(group, plan, options.output))
    // It is closed with the processing, not before, unless nobody waits for that.
    engine.clients.delete(producer)
    this.#leave = () => void engine.clients.add(producer)
    const processing = new Processing(consumer, hooks, producer, handler, plan)
    hooks.begins()
    this.#processing = processing
    const ended = this.#runToEnd(processing, producer, options.signal)
    const underWay = ended
      .catch(() => undefined)
      .then(() => {
        if (this.#underWay === underWay) this.#underWay = null
      })
    this.#underWay = underWay
    return ended
  }

  async #runToEnd<K, V, OK, OV>(
    processing: Processing<K, V, OK, OV>,
    producer: Producer<OK, OV>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      await processing.run(signal)
    } finally {
      this.#processing = null
      this.#isUncertain = processing.isUncertain
      await producer.close()
    }
  }

  /** The consumer is being closed: resolves when the record in work is handled, and committed; or after a while, if that hangs. */
  async stop(millis: number): Promise<void> {
    this.#processing?.stop()
    if (this.#underWay !== null) await Promise.race([this.#underWay, sleep(millis, undefined, { ref: false })])
    if (this.#underWay !== null) this.#leave()
    this.#isStopped = true
  }

  /** Records are given out, now. */
  polled(): void {
    this.#processing?.polled()
  }

  /** What is being processed ends before the partitions go; then the application hears of it. */
  revoked(listener: PartitionListener | undefined): PartitionListener {
    return (partitions) => {
      const done = this.#isStopped ? undefined : this.#processing?.revoking(partitions)
      if (done === undefined) return listener?.(partitions)
      const going = { partitions }
      this.#going.add(going)
      return done.then(() => {
        this.#going.delete(going)
        return going.partitions.length === 0 ? undefined : listener?.(going.partitions)
      })
    }
  }

  /** They are others' already, or begin anew elsewhere; the application hears of that otherwise. */
  gone(partitions: readonly TopicPartition[]): void {
    this.#processing?.lost(partitions)
  }

  /** The application seeks. Where it does so in what is on its way out is of no account: whoever has that next begins where the round has ended. */
  sought({ topic, partition, revoking }: TopicPartition & { readonly revoking: boolean }, offset: number): void {
    if (!revoking) this.#processing?.sought({ topic, partition, offset })
  }

  lost(listener: PartitionListener | undefined): PartitionListener {
    return (partitions) => {
      this.#processing?.lost(partitions)
      return listener?.(partitions)
    }
  }

  /** They were on their way out. `onRevoked` is not called for them any more; instead of `onLost`, if the application has none. */
  lostMeanwhile(onLost: PartitionListener | undefined, onRevoked: PartitionListener | undefined): PartitionListener {
    return (partitions) => {
      this.#processing?.lost(partitions)
      const unheard = [...this.#going].flatMap((going) => takeAway(going, partitions))
      if (onLost !== undefined) return onLost(partitions)
      return unheard.length === 0 ? undefined : onRevoked?.(unheard)
    }
  }
}

/** Those of the partitions that were among them, and are no more. */
function takeAway(going: { partitions: readonly TopicPartition[] }, gone: readonly TopicPartition[]): TopicPartition[] {
  const isGone = ({ topic, partition }: TopicPartition): boolean => gone.some((one) => one.topic === topic && one.partition === partition)
  const taken = going.partitions.filter(isGone)
  going.partitions = going.partitions.filter((one) => !isGone(one))
  return taken
}
