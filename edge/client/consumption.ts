/**
 * What a consumer is given and how far it is: chunks from the actor become turns of partitions, questions for the next record become
 * progress, and revoked partitions are released when the application asks for more (or waits). The public face is consumer.ts.
 */
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import { CHUNKS_PER_PARTITION_MAX } from '../../protocol/messages/client.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import { nextSession } from '../../protocol/session.ts'
import { ArrivalWaits } from './arrival-waits.ts'
import type { Chunk, ChunkReader, RestRange } from './chunk-reader.ts'
import { ConsumedPartition } from './consumed-partition.ts'
import type { Engine } from './engine.ts'
import { ActorLink } from './engine.ts'
import { Failures } from './failures.ts'
import { Releases } from './releases.ts'
import { errorFrom } from './requests.ts'
import { Uncommitted } from './uncommitted.ts'
import type { ReleaseListeners } from './releases.ts'

/** Who hears of changes. */
export interface ConsumptionListeners extends ReleaseListeners {
  readonly actorUrl: { readonly url: string }
  readonly config: object
  /** What the actor says that is not about partitions. */
  readonly onAnswer: (message: Message) => void
}

/** How often progress is reported to the actor while records flow. */
const REPORT_MILLIS = 20

/** The partitions of one consumer. See the header. */
export class Consumption {
  readonly link: ActorLink
  /** When the application last asked for records, or was given what it had waited for, by performance.now(). */
  askedAt = 0
  readonly #engine: Engine
  readonly #reader: ChunkReader
  readonly #listeners: ConsumptionListeners
  readonly #partitions: Map<string, ConsumedPartition> = new Map()
  readonly uncommitted: Uncommitted = new Uncommitted(this.#partitions)
  /** Partitions with chunks, in the order of their turns. */
  #turns: ConsumedPartition[] = []
  /** What the application has been given and not yet asked past. */
  readonly #delivered: Set<ConsumedPartition> = new Set()
  /** Whose turn it is, and how many chunks it had used up when that began. */
  #head: ConsumedPartition | null = null
  #headChunk = 0
  readonly #releases: Releases
  readonly #waits: ArrivalWaits = new ArrivalWaits()
  readonly #failures: Failures = new Failures()
  #reportedAt = 0

  constructor(engine: Engine, name: string, reader: ChunkReader, listeners: ConsumptionListeners) {
    this.#engine = engine
    this.#reader = reader
    this.#listeners = listeners
    this.#releases = new Releases(listeners, {
      release: (partitions) => this.#release(partitions),
      fail: (error) => this.fail(error, true),
    })
    this.link = new ActorLink(engine, name, listeners.actorUrl, listeners.config, (message) => this.#onMessage(message))
  }

  /** All that a commit of everything is about: also what the group has asked for, until it is let go of; not what the application has given up itself. */
  assignment(): TopicPartition[] {
    return [...this.#partitions.values()].filter((one) => !one.isGivenUp).map(({ topic, partition }) => ({ topic, partition }))
  }

  /** Those, too. */
  held(): TopicPartition[] {
    return [...this.#partitions.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  /** Undefined unless the consumer has it. */
  find({ topic, partition }: TopicPartition): ConsumedPartition | undefined {
    return this.#partitions.get(topicPartitionName(topic, partition))
  }

  /** Throws that error unless the partition is assigned. */
  assigned(place: TopicPartition, error: ErrorName = 'UNKNOWN_TOPIC_OR_PARTITION'): ConsumedPartition {
    const one = this.find(place)
    if (one !== undefined) return one
    throw new KafkaError(error, `${topicPartitionName(place.topic, place.partition)} is not assigned to this consumer`)
  }

  /** Exactly these from now on. */
  replace(partitions: readonly TopicPartition[]): void {
    const wanted = new Set(partitions.map(({ topic, partition }) => topicPartitionName(topic, partition)))
    const dropped = [...this.#partitions.values()].filter((one) => !wanted.has(one.name))
    if (dropped.length > 0) this.report()
    for (const one of dropped) this.#drop(one)
    if (dropped.length > 0) this.#listeners.onGone(dropped)
    for (const { topic, partition } of partitions) this.#add(topic, partition)
  }

  /** Delivers a partition from `position` on; chunks of other sessions are stale. */
  moveTo(one: ConsumedPartition, position: number, session: number): void {
    this.#forget(one)
    one.session = session
    one.position = position
    one.saved = position
    one.delivered = -1
    one.processed = position
    one.reported = position
  }

  /** Delivers it from there on; of one that is on its way out nothing from there on is processed: the actor hears of that when it goes. */
  seek(one: ConsumedPartition, offset: number): void {
    this.moveTo(one, offset, nextSession(one.session, 'seek'))
    if (one.revoking) one.reported = -1
    this.link.send({ kind: 'seek', topic: one.topic, partition: one.partition, offset, session: one.session })
  }

  /** The same, if it is still there: each step back lets news in. */
  goBack(place: TopicPartition & { readonly offset: number }): void {
    const one = this.find(place)
    if (one !== undefined) this.seek(one, place.offset)
  }

  /** The application has asked for more: what it was given is processed. */
  moveOn(): void {
    const some = this.#delivered.size > 0
    this.askedAt = performance.now()
    this.#releases.announce()
    this.settle()
    this.#delivered.clear()
    if (this.#releases.due.length > 0) this.#releases.begin()
    else if (some && this.askedAt - this.#reportedAt >= REPORT_MILLIS) this.report()
    if (this.#failures.areAny) this.throwFailure()
  }

  /** Between two records of a poll: whether partitions are to go. The application is alive. */
  mustLetGo(): boolean {
    this.askedAt = performance.now()
    return this.#releases.due.length > 0
  }

  /** The application says so itself: what it was given is processed. */
  settle(): void {
    for (const one of this.#delivered) one.processed = one.position ?? one.processed
  }

  /** Something of this partition goes to the application. */
  markDelivered(one: ConsumedPartition): void {
    this.#delivered.add(one)
    one.delivered = one.position ?? -1
  }

  /** What was passed over, and is for nobody, is processed, unless the application still has what was before it. */
  settleSkipped(one: ConsumedPartition): void {
    if (!this.#delivered.has(one)) one.processed = one.position ?? one.processed
  }

  /** Throws what has gone wrong since the last call, and what keeps a partition from going on. */
  throwFailure(): void {
    this.#failures.throwNext()
    // What arrived before is delivered first.
    for (const one of this.#partitions.values()) if (one.error !== null && one.chunkCount === 0) throw one.error
  }

  /** The partition whose turn it is, with something to deliver; they take turns by chunk. */
  turn(): ConsumedPartition | null {
    // One look at each to read its next chunk, one more to come back to who has one.
    for (let looks = this.#turns.length * 2; looks > 0; looks--) {
      const one = this.#turns[0]
      if (one === undefined) return null
      if (one.hasData && one.chunkCount > 0 && this.#isItsTurn(one)) return one
      this.#turns.shift()
      if (one.rest !== null && one.chunkCount === 0 && !one.revoking) this.#readRest(one, one.rest)
      else if (one.doubt !== null && !one.revoking) this.askForMore(one)
      if (one.chunkCount > 0) this.#turns.push(one)
    }
    return null
  }

  #isItsTurn(one: ConsumedPartition): boolean {
    if (this.#head !== one || this.#turns.length === 1) {
      this.#head = one
      this.#headChunk = one.finishedChunks
    }
    if (this.#headChunk === one.finishedChunks) return true
    this.#head = null
    return false
  }

  /** Asks for the chunk after the last one, if there is room for it and it was not asked for. */
  askForMore(one: ConsumedPartition): void {
    const offset = one.fetchEnd
    if (offset < 0 || one.rest !== null || one.chunkCount >= CHUNKS_PER_PARTITION_MAX) return
    one.fetchEnd = -1
    this.link.postSoon(one.questionAt(offset))
  }

  /** Waits until something arrives, fails or is resumed, or until `deadline` (by performance.now()). Throws when aborted, and what a listener has thrown meanwhile. */
  wait(signal: AbortSignal | undefined, deadline: number): Promise<void> {
    signal?.throwIfAborted()
    this.report()
    this.#engine.loop.kick()
    this.throwFailure()
    if (!this.isHeld && this.#turns.some((one) => one.hasData)) return Promise.resolve()
    return this.#waits.wait(signal, deadline, () => void (this.askedAt = performance.now())).then(() => this.throwFailure())
  }

  /** `onRevoked` is at work: nothing is given out, so that a commit there is about what was given before. */
  get isHeld(): boolean {
    return this.#releases.isAtWork
  }

  /** The application waits for something to arrive. */
  get isWaiting(): boolean {
    return this.#waits.areAny
  }

  /** Ends all waits. */
  rouse(): void {
    this.#waits.rouse()
  }

  /** Tells the actor how far the application is. */
  report(): void {
    this.#reportedAt = performance.now()
    for (const one of this.#partitions.values()) {
      if (one.processed < 0 || one.processed === one.reported) continue
      one.reported = one.processed
      const { topic, partition, session, processed } = one
      this.link.post({ kind: 'progress', topic, partition, session, position: processed })
    }
  }

  /** What a listener has thrown, and no question has. */
  takeListenerFailure(): KafkaError | null {
    return this.#failures.ofListener
  }

  /** It is to have a place in its group again: what was wrong with the one before is over. */
  forgetFailure(): void {
    this.#failures.forget()
  }

  /** The next question for records throws this. */
  fail(error: unknown, isOfListener: boolean = false): void {
    this.#failures.add(error, isOfListener)
    this.rouse()
  }

  /**
   * The application wants no partition any more, or (forfeit) has been away for too long to keep them; what it was given and has not asked past is not processed.
   * Of those that the actor has not asked for before, its `revoking` follows.
   */
  letGo(isForfeit: boolean): void {
    this.#delivered.clear()
    for (const one of this.#partitions.values()) one.giveUp(isForfeit)
    for (const one of this.#releases.due) this.#releases.add(one, isForfeit)
    if (this.#releases.due.length > 0) this.#releases.begin()
  }

  /** A member is being closed: its application hears of all that it has, and was to let go of, and may commit for as long as a rebalance may take. */
  async sayGoodbye(millis: number): Promise<void> {
    this.forgetFailure()
    for (const one of this.#partitions.values()) this.#releases.add(one, one.isForfeit)
    await this.#releases.finish(millis)
  }

  /** Nothing that has arrived is delivered any more. */
  clear(): void {
    for (const one of this.#partitions.values()) one.clear()
  }

  #onMessage(message: Message): void {
    switch (message.kind) {
      case 'assigned':
        return this.#onAssigned(message)
      case 'chunk':
        return this.#onChunk(message)
      case 'positionReset':
        return this.#onPositionReset(message)
      case 'revoking':
        return this.#onRevoking(message)
      case 'consumerFailed':
        return this.#onFailed(message)
      case 'dropRanges':
        return this.#dropRanges()
      default:
        return this.#listeners.onAnswer(message)
    }
  }

  #onFailed({ topic, partition, session, errorCode, errorMessage }: MessageOf<'consumerFailed'>): void {
    const error = errorFrom(errorCode, errorMessage)
    const one = topic === null ? undefined : this.#partitions.get(topicPartitionName(topic, partition))
    if (one !== undefined && session < one.session) return
    if (error?.name === 'FENCED_INSTANCE_ID') this.#failures.fenced = error
    const isDisk = error?.name === 'KAFKA_STORAGE_ERROR'
    const isPassing = isDisk || error?.name === 'UNKNOWN_TOPIC_OR_PARTITION'
    const isDamage = one?.doubt?.name === 'CORRUPT_MESSAGE' && (isDisk || error?.name === 'CORRUPT_MESSAGE')
    const found = isDamage ? one.doubt : error
    // The disk is tried again, and may work then, or others may be in sync again; what is not there may come; everything else waits for a seek.
    if (one === undefined || isPassing) return this.fail(found)
    one.error = found
    this.rouse()
  }

  #onAssigned({ partitions }: MessageOf<'assigned'>): void {
    this.#failures.fenced = null
    for (const { topic, partition, position, session } of partitions) {
      const one = this.#add(topic, partition)
      // The application may have sought elsewhere meanwhile: its session is the newer one.
      if (position >= 0 && session >= one.session) this.moveTo(one, position, session)
      this.#releases.begun({ topic, partition })
    }
  }

  #onPositionReset({ topic, partition, position, session }: MessageOf<'positionReset'>): void {
    const one = this.#partitions.get(topicPartitionName(topic, partition))
    if (one === undefined || session <= one.session) return
    this.moveTo(one, position, session)
    this.#listeners.onGone([{ topic, partition }])
  }

  #onChunk({ topic, partition, session, fetchOffset, abortedTransactions, node, range, records }: MessageOf<'chunk'>): void {
    const one = this.#partitions.get(topicPartitionName(topic, partition))
    if (one === undefined || one.session !== session || one.revoking) return
    const chunk =
      range !== null ? this.#reader.read(node, range, fetchOffset) : records !== null ? this.#reader.take(records, fetchOffset) : null
    one.doubt = null
    one.aborted.add(abortedTransactions)
    const had = one.chunkCount
    this.#take(one, chunk, node, fetchOffset)
    if (had === 0 && one.chunkCount > 0) this.#turns.push(one)
    this.rouse()
  }

  /** Reads on where the last chunk ended. */
  #readRest(one: ConsumedPartition, rest: RestRange): void {
    const offset = one.fetchEnd
    one.rest = null
    this.#take(one, this.#reader.read(one.restNode, rest, offset), one.restNode, offset)
  }

  #take(one: ConsumedPartition, chunk: Chunk | null, node: number, offset: number): void {
    one.take(chunk, node, offset)
    if (one.error === null) this.askForMore(one)
    else this.rouse()
  }

  /** What could be read without asking is asked for. */
  #dropRanges(): void {
    for (const one of this.#partitions.values()) {
      if (one.rest === null) continue
      one.rest = null
      this.askForMore(one)
    }
    this.#turns = this.#turns.filter((one) => one.chunkCount > 0)
  }

  #onRevoking({ partitions, lost }: MessageOf<'revoking'>): void {
    for (const place of partitions) {
      const one = this.find(place)
      if (one === undefined) continue
      if (lost) this.uncommitted.lose(one)
      one.onRevoking()
      this.#releases.add(one, lost || one.isForfeit)
    }
    // An application that waits has processed everything; one that is busy, with whatever records, lets go when it asks for more: its listener may commit everything.
    const busy = !this.#waits.areAny && this.#delivered.size > 0
    if (lost || !busy) this.#releases.begin()
  }

  #release(partitions: readonly ConsumedPartition[]): void {
    this.report()
    for (const one of partitions) this.#drop(one)
    this.link.postSoon({ kind: 'released', partitions: partitions.map(({ topic, partition }) => ({ topic, partition })) })
    this.rouse()
  }

  // ── helpers ──

  #add(topic: string, partition: number): ConsumedPartition {
    const name = topicPartitionName(topic, partition)
    const known = this.#partitions.get(name)
    if (known !== undefined && !known.revoking) return known
    const added = new ConsumedPartition(topic, partition)
    this.#partitions.set(name, added)
    return added
  }

  #drop(one: ConsumedPartition): void {
    this.#forget(one)
    if (this.#partitions.get(one.name) === one) this.#partitions.delete(one.name)
  }

  #forget(one: ConsumedPartition): void {
    one.clear()
    this.#delivered.delete(one)
    this.#turns = this.#turns.filter((other) => other !== one)
  }
}
