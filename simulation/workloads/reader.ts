/**
 * A member of a group that processes records as `consumer.process` does without transactions (processor.ts), in one of three modes. Each record is handled at a moment that is
 * noted (checkers/readers.ts), and takes a while, in which the process may die, be paused, or lose the partition; a handler may throw.
 *
 *   at most once       take ─► commit ─► handle
 *   at least once      take ─► handle ─► commit, after a while
 *   effectively once   take ─► recall the keys, unless they are known ─► handle, or leave out ─► commit with the keys, after a while
 */
import { endsOf, isKnown, recall, unrecalled } from '../../actors/processing.ts'
import { errorOf, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { CommittedOffset } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { markHandled, noteHeard, noteTakenBack } from '../checkers/groups.ts'
import type { GroupTruth } from '../checkers/groups.ts'
import { keyOf, noteCovered, noteHandled, noteLeftOut } from '../checkers/readers.ts'
import type { ReadersTruth, Tenure } from '../checkers/readers.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { READER_TOPIC } from '../reader-plan.ts'
import type { ReaderPlan } from '../reader-plan.ts'
import type { PlacedRecord } from '../transactions-truth.ts'
import { livesOf } from '../truth.ts'
import type { PartitionTruth } from '../truth.ts'
import { OffsetLookup } from './offset-lookup.ts'
import { Processor } from './processor.ts'
import type { Done, Polled } from './processor.ts'

/** So many times in a million the handler throws. */
const HANDLER_FAILS = 3000

/** What readers are, and what is known of them. */
export interface ReaderSetting {
  readonly plan: ReaderPlan
  readonly group: GroupTruth
  readonly readers: ReadersTruth
}

/** One member, through all its lives. */
export class ReaderMember {
  readonly #cluster: Cluster
  readonly #plan: ReaderPlan
  readonly #group: GroupTruth
  readonly #readers: ReadersTruth
  readonly #processor: Processor
  /** By partition: since when it has it. */
  readonly #tenures: Map<string, Tenure> = new Map()
  /** What was handled since the last commit. */
  #handled: PlacedRecord[] = []
  #lookup: OffsetLookup | null = null
  #correlationId = 0
  #onCommitted: (error: ErrorName | null) => void = () => undefined

  constructor(cluster: Cluster, index: number, { plan, group, readers }: ReaderSetting) {
    this.#cluster = cluster
    this.#plan = plan
    this.#group = group
    this.#readers = readers
    const { rushMicros } = plan
    const identity = { purpose: 'reader', index, group, topic: READER_TOPIC, isolationLevel: 'read_uncommitted', rushMicros } as const
    const { mode, commitMillis, rememberedKeys, pollRecordsMax } = plan
    const rounds = { guarantee: mode, commitIntervalMillis: commitMillis, rememberedKeys, pollRecordsMax }
    this.#processor = new Processor(cluster, identity, rounds, {
      begin: (host) => this.#begin(host),
      end: () => this.#end(),
      hear: (message) => this.#hear(message),
      prepare: (rest, done) => this.#prepare(rest, done),
      handle: (polled, done) => this.#handle(polled, done),
      commit: (offsets, done) => this.#commitRound(offsets, done),
      abort: (_, done) => this.#abort(done),
      commitBack: (offsets, done) => this.#commitBack(offsets, done),
    })
  }

  /** Begins a life as a new member. */
  start(): void {
    this.#processor.member.start()
  }

  /** Dies, or ends its round and leaves. */
  crash(): void {
    const { member } = this.#processor
    if (this.#plan.rushMicros !== null && member.random.below(8) > 0) member.leave()
    else member.crash()
  }

  /** How far it has read a partition that it has, if nothing of it waits to be committed; -1 if it has it not. */
  positionOf(name: string): number {
    return this.#processor.positionOf(name)
  }

  #begin(host: Host): void {
    this.#lookup = new OffsetLookup(host, this.#group.name, this.#cluster.voters)
  }

  #end(): void {
    this.#lookup = null
    this.#handled = []
    this.#tenures.clear()
  }

  #hear(message: Message): boolean {
    if (message.kind === 'assigned') {
      const tenure = { member: this.#processor.member.memberId, sinceMicros: this.#cluster.world.nowMicros }
      for (const { topic, partition } of message.partitions) this.#tenures.set(topicPartitionName(topic, partition), tenure)
    }
    if (message.kind !== 'commitResult') return false
    const { correlationId, errorCode } = message
    if (correlationId === this.#correlationId) this.#onCommitted(errorCode === NONE ? null : errorOf(errorCode).name)
    return true
  }

  // ── work ──

  /** What is to be done before the first record is handled. */
  #prepare(rest: readonly Polled[], done: Done): void {
    if (this.#plan.mode !== 'at-most-once') return this.#recall(rest, done)
    // Whoever comes next may find that these are processed.
    for (const { record } of rest) markHandled(this.#group, record.partition, record.offset, record.offset + 1)
    this.#commit(endsOf(rest), done)
  }

  #recall(rest: readonly Polled[], done: Done): void {
    const { state } = this.#processor
    const missing = unrecalled(state, rest)
    if (missing.length === 0) return done(null)
    this.#lookup?.ask(missing, (offsets) => {
      recall(state, missing, offsets)
      done(null)
    })
  }

  #handle(polled: Polled, done: Done): void {
    const { record } = polled
    const { mode } = this.#plan
    const { member, state } = this.#processor
    const tenure = this.#tenures.get(record.partition.name)
    if (tenure === undefined) return this.#cluster.world.fail('ASSERT', `a record of ${record.partition.name} is handled by nobody`)
    const mark = (): void => markHandled(this.#group, record.partition, record.offset, record.offset + 1)
    if (mode === 'effectively-once' && isKnown(state, polled, String(keyOf(this.#readers.truth, record.value)))) {
      noteLeftOut(this.#readers, record, tenure)
      mark()
      return done(null)
    }
    const fails = this.#cluster.faults.active && member.random.perMillion(HANDLER_FAILS)
    // What has failed is not handled, unless it must never be tried again.
    if (!fails || mode === 'at-most-once') noteHandled(this.#readers, record, tenure)
    member.host?.after(member.workMicros(), () => {
      if (!fails) mark()
      if (!fails && !state.isLost) this.#handled.push(record)
      done(fails ? 'UNKNOWN_SERVER_ERROR' : null)
    })
  }

  // ── the end of a round ──

  #commitRound(offsets: readonly CommittedOffset[], done: Done): void {
    if (this.#plan.mode === 'at-most-once') return done(null)
    const handled = this.#handled
    this.#handled = []
    const tenures = new Map(this.#tenures)
    this.#commit(offsets, (error) => {
      if (error === null) noteCovered(this.#readers, handled, tenures)
      done(error)
    })
  }

  #abort(done: Done): void {
    this.#handled = []
    done(null)
  }

  /** What it has heard does not count any more: it has not handled that. */
  #commitBack(offsets: readonly CommittedOffset[], done: Done): void {
    for (const { topic, partition, offset } of offsets)
      for (const life of this.#livesOf(topic, partition)) noteTakenBack(this.#group, life, offset)
    this.#commit(offsets, () => done(null))
  }

  #commit(offsets: readonly CommittedOffset[], onCommitted: Done): void {
    this.#onCommitted = (error) => {
      if (error === null)
        for (const { topic, partition, offset } of offsets)
          for (const life of this.#livesOf(topic, partition)) noteHeard(this.#group, life, offset)
      onCommitted(error)
    }
    this.#processor.member.tell({ kind: 'commit', correlationId: ++this.#correlationId, offsets })
  }

  /** The topic has one life only. */
  #livesOf(topic: string, partition: number): PartitionTruth[] {
    return livesOf(this.#readers.truth, topicPartitionName(topic, partition))
  }
}
