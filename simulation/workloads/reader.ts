/**
 * A member of a group that processes records as `consumer.process` does without transactions (edge/client/process.ts), in one of three modes. Each record is handled at a moment that
 * is noted (checkers/readers.ts), and takes a while, in which the process may die, be paused, or lose the partition; a handler may throw.
 *
 *   at most once       take ─► commit ─► handle
 *   at least once      take ─► handle ─► commit, after a while
 *   effectively once   take ─► recall the keys, unless they are known ─► handle, or leave out ─► commit with the keys, after a while
 */
import { errorOf, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { CommittedOffset } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { RecentKeys } from '../../protocol/recent-keys.ts'
import { markHandled, noteHeard } from '../checkers/groups.ts'
import type { GroupTruth } from '../checkers/groups.ts'
import { keyOf, noteCovered, noteHandled, noteLeftOut } from '../checkers/readers.ts'
import type { ReadersTruth, Tenure } from '../checkers/readers.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { READER_TOPIC } from '../reader-plan.ts'
import type { ReaderPlan } from '../reader-plan.ts'
import type { PlacedRecord } from '../transactions-truth.ts'
import { livesOf } from '../truth.ts'
import type { CommittedPartition } from './committed-partition.ts'
import { GroupMember, REBALANCED } from './group-member.ts'
import { OffsetLookup } from './offset-lookup.ts'
import { Round } from './round.ts'

/** So many times in a million the handler throws. */
const HANDLER_FAILS = 3000

/** A record that was taken, and whose partition it was. */
interface Taken {
  readonly held: CommittedPartition
  readonly session: number
  readonly record: PlacedRecord
}

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
  readonly #member: GroupMember
  readonly #recent: Map<string, RecentKeys> = new Map()
  /** By partition: since when it has it. */
  readonly #tenures: Map<string, Tenure> = new Map()
  /** What was handled since the last commit. */
  #handled: PlacedRecord[] = []
  #round: Round | null = null
  #lookup: OffsetLookup | null = null
  #correlationId = 0
  #onCommitted: (error: ErrorName | null) => void = () => undefined

  constructor(cluster: Cluster, index: number, { plan, group, readers }: ReaderSetting) {
    this.#cluster = cluster
    this.#plan = plan
    this.#group = group
    this.#readers = readers
    const identity = { purpose: 'reader', index, group, topic: READER_TOPIC, isolationLevel: 'read_uncommitted' } as const
    this.#member = new GroupMember(cluster, identity, {
      begin: (host) => this.#begin(host),
      end: () => this.#end(),
      hear: (message) => this.#hear(message),
      handle: () => this.#take(),
      lose: (name) => this.#lose(name),
      endRound: (then) => this.#endRound(then),
    })
  }

  /** Begins a life as a new member. */
  start(): void {
    this.#member.start()
  }

  /** Dies, or ends its round and leaves. */
  crash(): void {
    this.#member.crash()
  }

  /** How far it has read a partition that it has, if nothing of it waits to be committed; -1 if it has it not. */
  positionOf(name: string): number {
    return this.#round === null ? this.#member.positionOf(name) : -1
  }

  #begin(host: Host): void {
    this.#lookup = new OffsetLookup(host, this.#group.name, this.#cluster.voters)
  }

  #end(): void {
    this.#lookup = null
    this.#round = null
    this.#handled = []
    this.#recent.clear()
    this.#tenures.clear()
  }

  #hear(message: Message): boolean {
    if (message.kind === 'assigned') {
      const tenure = { member: this.#member.memberId, sinceMicros: this.#cluster.world.nowMicros }
      for (const { topic, partition } of message.partitions) this.#tenures.set(topicPartitionName(topic, partition), tenure)
    }
    if (message.kind !== 'commitResult') return false
    const { correlationId, errorCode } = message
    if (correlationId === this.#correlationId) this.#onCommitted(errorCode === NONE ? null : errorOf(errorCode).name)
    return true
  }

  /** Whoever has it next begins where the group says, this member, too. */
  #lose(name: string): void {
    this.#round?.lose(name)
    this.#recent.delete(name)
  }

  // ── work ──

  /** Takes the next records; a round begins with the first. */
  #take(): void {
    if (this.#round !== null && !this.#round.isOpen) return
    const taken: Taken[] = []
    for (const held of this.#member.held.values()) {
      for (const record of held.hand(this.#plan.pollRecordsMax - taken.length)) taken.push({ held, session: held.session, record })
      this.#member.askForMore(held)
    }
    if (taken.length === 0) return
    const round = this.#round ?? this.#newRound()
    round.isOpen = false
    for (const { held, record } of taken) round.begin(held, record.offset)
    this.#prepare(round, taken)
  }

  #newRound(): Round {
    const round = new Round()
    this.#round = round
    if (this.#plan.mode !== 'at-most-once') {
      this.#member.host?.after(this.#plan.commitMillis * 1000, () => {
        if (this.#round === round) this.#endRound(() => undefined)
      })
    }
    return round
  }

  /** What is to be done before the first record is handled. */
  #prepare(round: Round, taken: readonly Taken[]): void {
    const { mode } = this.#plan
    if (mode === 'at-least-once') return this.#handle(round, taken, 0)
    if (mode === 'effectively-once') return this.#recall(round, () => this.#handle(round, taken, 0))
    // Whoever comes next may find that these are processed.
    for (const { record } of taken) markHandled(this.#group, record.partition, record.offset, record.offset + 1)
    this.#commit(endsOf(taken), (error) => {
      if (error === null) this.#handle(round, taken, 0)
      else this.#fail(round, error)
    })
  }

  /** The keys that were seen before the offset at which each partition begins. */
  #recall(round: Round, then: () => void): void {
    const missing = round.starts().filter(({ topic, partition }) => !this.#recent.has(topicPartitionName(topic, partition)))
    if (missing.length === 0) return then()
    this.#lookup?.ask(missing, (offsets) => {
      const texts = new Map(offsets.map(({ topic, partition, metadata }) => [topicPartitionName(topic, partition), metadata]))
      for (const { topic, partition } of missing) {
        const name = topicPartitionName(topic, partition)
        this.#recent.set(name, RecentKeys.decode(texts.get(name) ?? '', this.#plan.rememberedKeys))
      }
      then()
    })
  }

  /** Handles one after the other, but none of a partition that is gone, or has begun anew, since they were taken. */
  #handle(round: Round, taken: readonly Taken[], index: number): void {
    const one = taken[index]
    if (one === undefined) return this.#taken(round)
    const next = (): void => this.#handle(round, taken, index + 1)
    const { held, session, record } = one
    const name = record.partition.name
    const tenure = this.#tenures.get(name)
    if (held.session !== session || !round.has(name) || tenure === undefined) return next()
    if (this.#isKnown(record)) {
      noteLeftOut(this.#readers, record, tenure)
      this.#note(round, one)
      return next()
    }
    const fails = this.#cluster.faults.active && this.#member.random.perMillion(HANDLER_FAILS)
    // What has failed is not handled, unless it must never be tried again.
    if (!fails || this.#plan.mode === 'at-most-once') noteHandled(this.#readers, record, tenure)
    this.#member.host?.after(this.#member.workMicros(), () => {
      if (fails) return this.#fail(round, 'UNKNOWN_SERVER_ERROR')
      if (round.isLost) return this.#taken(round)
      this.#handled.push(record)
      this.#note(round, one)
      next()
    })
  }

  #isKnown({ partition, value }: PlacedRecord): boolean {
    if (this.#plan.mode !== 'effectively-once') return false
    const key = String(keyOf(this.#readers.truth, value))
    const recent = this.#recent.get(partition.name)
    if (recent?.has(key) === true) return true
    recent?.add(key)
    return false
  }

  #note(round: Round, { held, record }: Taken): void {
    markHandled(this.#group, record.partition, record.offset, record.offset + 1)
    round.note(held, record.offset)
  }

  #taken(round: Round): void {
    round.isOpen = true
    if (this.#plan.mode === 'at-most-once' || round.isLost || round.hasEnd) this.#settle(round)
    else this.#member.work()
  }

  // ── the end of a round ──

  /** Ends the round that is under way, if one is; then goes on. */
  #endRound(then: () => void): void {
    const round = this.#round
    if (round === null) return then()
    round.onOver.push(then)
    if (round.hasEnd) return
    round.hasEnd = true
    if (round.isOpen) this.#settle(round)
  }

  #settle(round: Round): void {
    round.isOpen = false
    if (round.isLost) return this.#takeBack(round, 'UNKNOWN_MEMBER_ID')
    if (this.#plan.mode === 'at-most-once') return this.#over(round)
    const handled = this.#handled
    const tenures = new Map(this.#tenures)
    this.#commit(
      round.offsets().map((one) => this.#withKeys(one)),
      (error) => {
        if (error !== null) return this.#fail(round, error)
        noteCovered(this.#readers, handled, tenures)
        this.#over(round)
      },
    )
  }

  #withKeys(one: CommittedOffset): CommittedOffset {
    if (this.#plan.mode !== 'effectively-once') return one
    return { ...one, metadata: this.#recent.get(topicPartitionName(one.topic, one.partition))?.encode() ?? '' }
  }

  #commit(offsets: readonly CommittedOffset[], onCommitted: (error: ErrorName | null) => void): void {
    this.#onCommitted = (error) => {
      if (error === null) for (const one of offsets) this.#noteHeard(one)
      onCommitted(error)
    }
    this.#member.tell({ kind: 'commit', correlationId: ++this.#correlationId, offsets })
  }

  /** The topic has one life only. */
  #noteHeard({ topic, partition, offset }: CommittedOffset): void {
    for (const life of livesOf(this.#readers.truth, topicPartitionName(topic, partition))) noteHeard(this.#group, life, offset)
  }

  /** The call fails, unless the group has moved on; the application makes another one, or begins anew. */
  #fail(round: Round, error: ErrorName): void {
    if (!REBALANCED.has(error) && this.#member.random.below(2) === 0) return this.#member.end()
    this.#takeBack(round, error)
  }

  /** Nothing of the round counts: back to where it began, in what is still here. At most once does not go back. */
  #takeBack(round: Round, why: ErrorName): void {
    this.#cluster.world.log?.(`${this.#member.memberId} takes its round back: ${why}`)
    if (this.#plan.mode !== 'at-most-once') this.#member.goBack(round)
    this.#recent.clear()
    this.#over(round)
  }

  #over(round: Round): void {
    this.#round = null
    this.#handled = []
    for (const then of round.onOver) then()
    this.#member.work()
  }
}

/** Behind the last record of each partition. */
function endsOf(taken: readonly Taken[]): CommittedOffset[] {
  const ends = new Map<string, CommittedOffset>()
  for (const { held, record } of taken)
    ends.set(record.partition.name, { topic: held.topic, partition: held.partition, offset: record.offset + 1, metadata: '' })
  return [...ends.values()]
}
