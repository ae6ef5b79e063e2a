/**
 * The loop of `consumer.process` as an application of a member (group-member.ts): what comes next is decided by the rules that the public client goes by (actors/processing.ts), and
 * done here without promises. How records are handled and rounds are committed is the affair of what is processed (pipeline.ts, reader.ts).
 */
import {
  beginRound,
  endRound,
  forget,
  giveUp,
  howToEnd,
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
  takeBack,
  takePolled,
} from '../../actors/processing.ts'
import type { Place, ProcessingState, RoundPlan, Step } from '../../actors/processing.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { CommittedOffset } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import type { PlacedRecord } from '../transactions-truth.ts'
import { GroupMember } from './group-member.ts'
import type { MemberIdentity } from './group-member.ts'

/** A record that was polled; `floor`: everything from there on was read. */
export interface Polled extends Place {
  readonly record: PlacedRecord
  readonly floor: number
}

/** Hears how something ended; null: well. */
export type Done = (error: ErrorName | null) => void

/** What is processed, and how its rounds go (edge/client/process-rounds.ts). */
export interface Processed {
  /** A life begins. */
  begin(host: Host, life: number): void
  /** It is over. */
  end(): void
  /** Takes what is not said to every member; false: it means nothing. */
  hear(message: Message): boolean
  /** There are these records to handle. */
  prepare(rest: readonly Polled[], done: Done): void
  /** Handles one, or leaves it out. */
  handle(polled: Polled, done: Done): void
  /** What was handled counts from now on. */
  commit(offsets: readonly CommittedOffset[], done: Done): void
  /** It does not. An error ends the process. */
  abort(why: ErrorName, done: Done): void
  /** At most once says that it has not handled what it has committed. */
  commitBack(offsets: readonly CommittedOffset[], done: Done): void
}

/** One member that processes, through all its lives. */
export class Processor {
  readonly member: GroupMember
  readonly #cluster: Cluster
  readonly #plan: RoundPlan & { readonly pollRecordsMax: number }
  readonly #processed: Processed
  #state: ProcessingState<Polled>
  #life = 0
  /** What has to wait until records are handled, or a round has ended. */
  #turns: ((done: () => void) => void)[] = []
  #isBusy = false
  #isPolling = false
  /** The consumer is being closed; then this is done. */
  #onStopped: (() => void) | null = null

  constructor(cluster: Cluster, identity: MemberIdentity, plan: RoundPlan & { readonly pollRecordsMax: number }, processed: Processed) {
    this.#cluster = cluster
    this.#plan = plan
    this.#processed = processed
    this.#state = newProcessing(plan)
    this.member = new GroupMember(cluster, identity, {
      begin: (host, life) => this.#begin(host, life),
      end: () => this.#end(),
      hear: (message) => processed.hear(message),
      handle: () => this.#look(),
      isWaiting: () => this.#isPolling,
      revoking: (partitions, then) => this.#revoking(partitions, then),
      lose: (partitions) => this.#lose(partitions),
      stop: (then) => this.#stop(then),
    })
  }

  /** The rules' view of it. */
  get state(): ProcessingState<Polled> {
    return this.#state
  }

  /** How far it has read a partition that it has, if nothing of it waits to be committed; -1 if it has it not. */
  positionOf(name: string): number {
    const isIdle = this.#isPolling && !this.#isBusy && this.#state.starts.size === 0
    return isIdle ? this.member.positionOf(name) : -1
  }

  #begin(host: Host, life: number): void {
    this.#life = life
    this.#processed.begin(host, life)
    this.#go()
  }

  #end(): void {
    this.#processed.end()
    this.#life = -1
    this.#state = newProcessing(this.#plan)
    this.#turns = []
    this.#isBusy = false
    this.#isPolling = false
    this.#onStopped = null
  }

  get #now(): number {
    return Math.floor(this.#cluster.world.nowMicros / 1000)
  }

  get #isInterrupted(): boolean {
    return this.#onStopped !== null || this.member.mustLetGo
  }

  // ── what the group says ──

  /** The round ends before partitions go. */
  #revoking(partitions: readonly TopicPartition[], then: () => void): void {
    this.#inTurn((done) =>
      this.#endRound(() => {
        forget(this.#state, partitions)
        then()
        done()
      }),
    )
  }

  #lose(partitions: readonly TopicPartition[]): void {
    lose(this.#state, partitions)
    this.member.work()
  }

  /** What was handled is committed, then the member leaves. */
  #stop(then: () => void): void {
    this.#onStopped = then
    this.member.work()
  }

  // ── one step after the other ──

  #go(): void {
    const step = nextStep(this.#state, this.#now, this.#isInterrupted)
    if (step !== 'poll')
      return this.#inTurn(
        (done) => this.#do(step, done),
        () => this.#go(),
      )
    if (this.#onStopped !== null) return this.#onStopped()
    this.#isPolling = true
    this.member.work()
  }

  /** One thing after the other; then something else, unless the life is over. */
  #inTurn(work: (done: () => void) => void, then: () => void = () => undefined): void {
    this.#turns.push((done) =>
      work(() => {
        done()
        then()
      }),
    )
    this.#nextTurn()
  }

  #nextTurn(): void {
    if (this.#isBusy) return
    const life = this.#life
    const work = this.#turns.shift()
    if (work === undefined) return
    this.#isBusy = true
    work(() => {
      if (this.#life !== life) return
      this.#isBusy = false
      this.#nextTurn()
    })
  }

  #do(step: Exclude<Step, 'poll'>, done: () => void): void {
    switch (step) {
      case 'handle':
        return this.#handle(done)
      case 'end':
        return this.#endRound(done)
      case 'putBack':
        return this.#putBack(done)
    }
  }

  /** Looks for records, as long as there are none and there is nothing else to do. */
  #look(): void {
    if (!this.#isPolling) return
    this.member.moveOn()
    const polled: Polled[] = []
    for (const held of this.member.held.values()) {
      const { topic, partition, floor } = held
      for (const record of held.hand(this.#plan.pollRecordsMax - polled.length))
        polled.push({ topic, partition, offset: record.offset, record, floor })
      this.member.askForMore(held)
    }
    for (const one of polled) this.member.markDelivered(one)
    if (polled.length > 0) {
      notePoll(this.#state)
      takePolled(this.#state, polled)
    } else if (this.#onStopped === null && nextStep(this.#state, this.#now, this.#isInterrupted) === 'poll') return
    this.#isPolling = false
    this.#go()
  }

  // ── records ──

  #handle(done: () => void): void {
    const state = this.#state
    const isFirst = state.starts.size === 0
    const rest = beginRound(state, this.#now)
    if (rest.length === 0) return done()
    if (isFirst) this.member.host?.after((this.#plan.commitIntervalMillis + 1) * 1000, () => this.#look())
    this.#processed.prepare(rest, (error) => {
      if (error === null) return this.#handleNext(done)
      if (!isRebalanced(error)) return this.#fail(error, done)
      state.isLost = true
      done()
    })
  }

  #handleNext(done: () => void): void {
    const state = this.#state
    const polled = nextRecord(state)
    if (polled === null) return done()
    this.#processed.handle(polled, (error) => {
      if (error !== null) return this.#fail(error, done)
      if (!noteHandled(state, polled) || mustPause(state, this.#now, this.#isInterrupted)) return done()
      this.#handleNext(done)
    })
  }

  #putBack(done: () => void): void {
    const { commit, seek } = putBack(this.#state, [...this.member.held.values()])
    const goBack = (): void => {
      if (this.#onStopped === null) this.member.goBack(seek)
      done()
    }
    if (commit.length === 0) return goBack()
    this.#processed.commitBack(
      commit.map((one) => ({ ...one, metadata: '' })),
      goBack,
    )
  }

  // ── the end of a round ──

  #endRound(done: () => void): void {
    const how = howToEnd(this.#state)
    if (how === 'nothing') return done()
    if (how === 'takeBack') return this.#takeBack('UNKNOWN_MEMBER_ID', done)
    this.#processed.commit(offsetsToCommit(this.#state), (error) => {
      if (error !== null) return isRebalanced(error) ? this.#takeBack(error, done) : this.#fail(error, done)
      endRound(this.#state)
      done()
    })
  }

  /** The call fails; the application makes another one, or begins anew. */
  #fail(error: ErrorName, done: () => void): void {
    if (this.member.random.below(2) === 0) return this.member.end()
    this.#takeBack(error, done, giveUp)
  }

  /** Nothing of the round counts. */
  #takeBack(why: ErrorName, done: () => void, back: typeof takeBack = takeBack): void {
    this.#cluster.world.log?.(`${this.member.memberId} takes its round back: ${why}`)
    this.#processed.abort(why, (error) => {
      if (error !== null) return this.member.end()
      this.member.goBack(back(this.#state, [...this.member.held.values()]))
      done()
    })
  }
}
