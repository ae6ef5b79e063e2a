/**
 * `consumer.process`: hands records to a handler, and commits them by the guarantee that was asked for. Each guarantee is a round that begins with the first record
 * after the last commit, and ends with the next one; whatever fails in between takes the consumer back to where the round began.
 *
 *   at most once       commit ─► handle                                       a crash between them skips
 *   at least once      handle ─► flush ─► commit                              a crash between them repeats
 *   effectively once   the same, with the keys that were seen in the commit   repeats only what no commit knows of
 *   exactly once       begin ─► handle ─► send offsets ─► commit              a crash takes results and offsets back
 *
 * What comes next, and what that says, is decided elsewhere (actors/processing.ts); here it is done.
 */
import {
  beginRound,
  endRound,
  forget,
  giveUp,
  howToEnd,
  isKnown,
  isRebalanced,
  lose,
  mustPause,
  newProcessing,
  nextRecord,
  nextStep,
  noteHandled,
  notePoll,
  offsetsToCommit,
  putBack,
  seek,
  takeBack,
  takePolled,
} from '../../actors/processing.ts'
import type { Place, ProcessingState, Step } from '../../actors/processing.ts'
import { KafkaError } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { Consumer, ConsumerRecord, Producer, Waiting } from './api.ts'
import { isThenable } from './listener-call.ts'
import { describe } from './options.ts'
import type { Outlet, ProcessHandler } from './process-api.ts'
import type { ProcessPlan } from './process-options.ts'
import { committedRounds, transactionalRounds } from './process-rounds.ts'
import type { Rounds } from './process-rounds.ts'

/** Records of a handler that awaits nothing, between two looks at the clock, and at partitions that are to go. Who ends the processing is looked for each time. */
const LOOK_RECORDS = 256

/** How long a round without records waits for some. */
const POLL_MILLIS = 1000

/** What a processing asks of its consumer beyond the public face. */
export interface ProcessHooks<K, V> {
  /** Nothing is wrong with what was asked: from now on the processing says what is committed. */
  begins(): void
  /** As the public one, which is refused meanwhile. */
  poll(options: Waiting & { readonly timeoutMillis: number }): Promise<ConsumerRecord<K, V>[]>
  /** Between two records: whether partitions are to go, and wait for it. It says, too, that the application is alive. */
  mustLetGo(): boolean
  /** It was assigned its partitions by hand, and is no member of its group. */
  isAssignedByHand(): boolean
  /** What it has, and what it is to let go of. */
  held(): readonly TopicPartition[]
  /** As its seek, and also in what it is to let go of, and while it is being closed: whoever commits what was polled commits nothing from there on. */
  goBack(place: Place): void
}

/** The work of one call. */
export class Processing<K, V, OK, OV> {
  readonly #consumer: Consumer<K, V>
  readonly #handler: ProcessHandler<K, V, OK, OV>
  readonly #deduplicateBy: ProcessPlan<K, V>['deduplicateBy']
  readonly #rounds: Rounds<OK, OV>
  readonly #hooks: ProcessHooks<K, V>
  readonly #state: ProcessingState<ConsumerRecord<K, V>>
  /** The consumer is being closed. */
  #isStopping = false
  #signal: AbortSignal | undefined
  /** Records are handled, and rounds end, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  /** A round could not be ended when partitions had to go. */
  #failure: { readonly error: unknown } | null = null

  constructor(
    consumer: Consumer<K, V>,
    hooks: ProcessHooks<K, V>,
    producer: Producer<OK, OV>,
    handler: ProcessHandler<K, V, OK, OV>,
    plan: ProcessPlan<K, V>,
  ) {
    this.#consumer = consumer
    this.#hooks = hooks
    this.#handler = handler
    this.#deduplicateBy = plan.deduplicateBy
    this.#state = newProcessing(plan)
    const isExact = plan.guarantee === 'exactly-once'
    const asked = consumer as Consumer<unknown, unknown>
    this.#rounds = isExact ? transactionalRounds(asked, producer, () => this.#state.isLost) : committedRounds(asked, producer, this.#state)
  }

  /** Until the signal says so; then what was handled is committed. Throws what the handler throws, after the round is taken back. */
  async run(signal: AbortSignal | undefined): Promise<void> {
    this.#signal = signal
    try {
      for (;;) {
        const step = nextStep(this.#state, performance.now(), this.#isInterrupted())
        if (this.#failure !== null) throw this.#failure.error
        if (step === 'poll' && this.#isOver()) break
        await this.#do(step)
      }
      await this.#end()
    } catch (error) {
      // What was polled since its round was taken back is to be polled again, too.
      return this.#inTurn(() => Promise.reject(error))
    }
  }

  /** How its last transaction ended is not known: what it would go back to may be committed. */
  get isUncertain(): boolean {
    return this.#rounds.isUncertain()
  }

  /** The record in work is the last one: the consumer is being closed. */
  stop(): void {
    this.#isStopping = true
  }

  #isOver(): boolean {
    return this.#isStopping || this.#signal?.aborted === true
  }

  #isInterrupted(): boolean {
    return this.#isOver() || this.#hooks.mustLetGo()
  }

  /** Takes the round back; what the caller shall hear. */
  async #fail(error: unknown): Promise<unknown> {
    const isEpochOld = error instanceof KafkaError && error.name === 'INVALID_PRODUCER_EPOCH'
    try {
      await this.#takeBack(giveUp)
    } catch (fatal) {
      return isEpochOld ? fatal : error
    }
    if (!isEpochOld) return error
    const reason = 'the handling of some records took longer than transactionTimeoutMillis, and their transaction was aborted: raise that'
    return new KafkaError('INVALID_TXN_STATE', reason, { cause: error })
  }

  /** Records are given out, now. */
  polled(): void {
    notePoll(this.#state)
  }

  /**
   * Partitions are about to go: what was handled of them is committed first. If that fails, the call does, too. In one turn: the next round must not begin with what is
   * then forgotten.
   */
  revoking(partitions: readonly TopicPartition[]): Promise<void> {
    return this.#inTurn(async () => {
      await this.#orTakenBack(this.#endRound()).catch((error: unknown) => (this.#failure ??= { error }))
      forget(this.#state, partitions)
    })
  }

  /** Partitions are gone, or begin anew elsewhere: nothing of this round may count. */
  lost(partitions: readonly TopicPartition[]): void {
    lose(this.#state, partitions)
  }

  /** The application seeks, in a handler or elsewhere. */
  sought(place: Place): void {
    seek(this.#state, place, performance.now())
  }

  // ── one step ──

  async #do(step: Step): Promise<void> {
    switch (step) {
      case 'poll':
        return takePolled(this.#state, await this.#poll())
      case 'handle':
        return this.#inTurn(() => this.#handle())
      case 'end':
        return this.#end()
      case 'putBack':
        return this.#inTurn(() => this.#putBack())
    }
  }

  async #poll(): Promise<ConsumerRecord<K, V>[]> {
    const timeoutMillis = Math.max(0, Math.min(POLL_MILLIS, this.#state.endsAt - performance.now()))
    try {
      return await this.#hooks.poll(this.#signal === undefined ? { timeoutMillis } : { signal: this.#signal, timeoutMillis })
    } catch (error) {
      if (this.#isOver()) return []
      throw error
    }
  }

  /** Handles what was polled, until the round is to end. */
  async #handle(): Promise<void> {
    const state = this.#state
    const rest = beginRound(state, performance.now())
    if (rest.length === 0) return
    const outlet = await this.#prepare(rest)
    if (outlet === null) return
    for (let record = nextRecord(state), count = 0; record !== null; record = nextRecord(state), count++) {
      const done = this.#isKnown(record) ? undefined : this.#handler(record, outlet)
      const isWaiting = isThenable(done)
      if (isWaiting) await done
      if (!noteHandled(state, record)) return
      const isTimeToLook = isWaiting || count % LOOK_RECORDS === 0 || this.#isOver()
      if (isTimeToLook && mustPause(state, performance.now(), this.#isInterrupted())) return
    }
  }

  /** Null: the group has moved on before the round could begin. */
  async #prepare(records: readonly ConsumerRecord<K, V>[]): Promise<Outlet<OK, OV> | null> {
    try {
      return await this.#rounds.begin(records)
    } catch (error) {
      if (!this.#isPassing(error)) throw error
      this.#state.isLost = true
      return null
    }
  }

  #isKnown(record: ConsumerRecord<K, V>): boolean {
    if (this.#deduplicateBy === null) return false
    const key: unknown = this.#deduplicateBy(record)
    if (typeof key === 'string') return isKnown(this.#state, record, key)
    const { topic, partition, offset } = record
    throw new KafkaError(
      'INVALID_REQUEST',
      `deduplicateBy returns a string, not ${describe(key)}, as for ${topic}-${partition} at offset ${offset}`,
    )
  }

  async #putBack(): Promise<void> {
    const { commit, seek } = putBack(this.#state, this.#hooks.held())
    if (commit.length > 0) await this.#consumer.commit(commit).catch(() => undefined)
    this.#goBack(seek)
  }

  // ── the end of a round ──

  #end(): Promise<void> {
    return this.#inTurn(() => this.#endRound())
  }

  /** What fails is taken back in its turn: whoever comes next, such as a rebalance, would commit it. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(() => this.#orTakenBack(work()))
    this.#turn = done.catch(() => undefined)
    return done
  }

  #orTakenBack(work: Promise<void>): Promise<void> {
    return work.catch(async (error: unknown) => {
      throw await this.#fail(error)
    })
  }

  async #endRound(): Promise<void> {
    const how = howToEnd(this.#state)
    if (how === 'nothing') return
    if (how === 'takeBack') return this.#takeBack()
    try {
      await this.#rounds.commit(offsetsToCommit(this.#state))
      endRound(this.#state)
    } catch (error) {
      if (!this.#isPassing(error)) throw error
      await this.#takeBack()
    }
  }

  /** Nothing of the round counts. */
  async #takeBack(back: typeof takeBack = takeBack): Promise<void> {
    try {
      await this.#rounds.abort()
    } finally {
      this.#goBack(back(this.#state, this.#hooks.held()))
    }
  }

  /**
   * Whether the round is taken back, and the next one begins. Who was assigned by hand is in nobody's way: it would be refused for ever. But a position of its may have been
   * set anew. Who is to end says that it could not commit.
   */
  #isPassing(error: unknown): boolean {
    if (this.#rounds.isLate(error)) return !this.#isOver()
    return (this.#state.isLost || !this.#hooks.isAssignedByHand()) && error instanceof KafkaError && isRebalanced(error.name)
  }

  #goBack(places: readonly Place[]): void {
    for (const place of places) this.#hooks.goBack(place)
  }
}
