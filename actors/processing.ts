/**
 * The rules of `consumer.process`: what comes next, when a round ends, what it commits, what is handled again, and what is not handled any more. A round begins with the first
 * record after the last commit, and ends with the next one; it may end between two records of one poll. Before partitions go to somebody else, the round ends; if they are gone
 * already, it has failed. What was polled of a partition before it went, or before the consumer went back in it, is not handled any more: it will come again, here or elsewhere.
 *
 *   poll ─► handle, until it is time ─► end ─► handle the rest, or put it back ─► poll
 *
 * They poll, handle and commit nothing: edge/client/process.ts does in an application, simulation/workloads/processor.ts in the simulator.
 */
import type { ErrorName } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { TopicPartition } from '../protocol/ids.ts'
import type { CommittedOffset } from '../protocol/messages/group.ts'
import { RecentKeys } from '../protocol/recent-keys.ts'

/**
 * What becomes of a record when something fails between its handling and its commit. 'at-most-once': it may be skipped. 'at-least-once': it may be handled again.
 * 'effectively-once': so it may, but a record whose key was handled before, and committed, is left out. 'exactly-once': it is handled again, and whatever was sent
 * before is taken back, so that readers of what is committed see each result once.
 */
export type Guarantee = 'at-most-once' | 'at-least-once' | 'effectively-once' | 'exactly-once'

/** How rounds go. */
export interface RoundPlan {
  readonly guarantee: Guarantee
  /** A round ends so long after it has begun. */
  readonly commitIntervalMillis: number
  /** Keys remembered per partition, where duplicates are left out. */
  readonly rememberedKeys: number
}

/** A record, as far as rounds look at it. */
export type Place = TopicPartition & { readonly offset: number }

/** What is done next. `putBack`: what was polled and not handled is to be polled again. */
export type Step = 'poll' | 'handle' | 'end' | 'putBack'

/** How far a partition is handled: `offset` is that of the next record. */
interface Handled extends TopicPartition {
  offset: number
}

/** One processing, at any moment. */
export interface ProcessingState<R extends Place> {
  readonly plan: RoundPlan
  /** Where the round began, by partition; empty between two rounds. */
  readonly starts: Map<string, Place>
  /** What was handled in the round, by partition. */
  readonly handled: Map<string, Handled>
  /** Where the application has sought to, by partition, and nothing was handled since: that is committed, too. */
  readonly sought: Map<string, Place>
  /** That of the record before: most come from the same partition. */
  last: Handled | null
  /** By partition: the keys that were seen. */
  readonly recent: Map<string, RecentKeys>
  /** When the round is to end, in the milliseconds that `now` is given in; Infinity: none is under way, or it is ending. */
  endsAt: number
  /** Nothing of the round may count. */
  isLost: boolean
  polled: readonly R[]
  /** The index of the next record of those. */
  next: number
  /** Counts the times that partitions went, or the consumer went elsewhere in them. */
  upheavals: number
  /** By partition: the last of them that was about it. */
  readonly upheavalOf: Map<string, number>
  /** Before the records that were polled last. */
  upheavalsAtPoll: number
  /** Before the round began to end. */
  upheavalsAtEnd: number
}

/** Errors that say that the group has moved on: others have the partitions, or will read them again. The round is taken back, and the next one begins. */
const REBALANCED: ReadonlySet<string> = new Set<ErrorName>([
  'UNKNOWN_MEMBER_ID',
  'FENCED_MEMBER_EPOCH',
  'FENCED_INSTANCE_ID',
  'STALE_MEMBER_EPOCH',
  'ILLEGAL_GENERATION',
  'REBALANCE_IN_PROGRESS',
])

/** Nothing was polled yet. */
export function newProcessing<R extends Place>(plan: RoundPlan): ProcessingState<R> {
  return {
    plan,
    starts: new Map(),
    handled: new Map(),
    sought: new Map(),
    last: null,
    recent: new Map(),
    endsAt: Infinity,
    isLost: false,
    polled: [],
    next: 0,
    upheavals: 0,
    upheavalOf: new Map(),
    upheavalsAtPoll: 0,
    upheavalsAtEnd: 0,
  }
}

/** Whether a round that fails with this is taken back, and the next one begins; whatever else goes wrong ends the processing. */
export function isRebalanced(error: string): boolean {
  return REBALANCED.has(error)
}

/** Records are given out, now: what befalls their partitions from here on befalls them. */
export function notePoll<R extends Place>(state: ProcessingState<R>): void {
  state.upheavalsAtPoll = state.upheavals
}

/** These are they. */
export function takePolled<R extends Place>(state: ProcessingState<R>, polled: readonly R[]): void {
  state.polled = polled
  state.next = 0
}

/** What is done next. `isInterrupted`: partitions are to go, or the processing is to end. */
export function nextStep<R extends Place>(state: ProcessingState<R>, now: number, isInterrupted: boolean): Step {
  const isOver = isInterrupted || isAtMostOnce(state) || state.isLost || now >= state.endsAt
  if (isOver && hasRound(state)) return 'end'
  if (state.next >= state.polled.length) return 'poll'
  return isInterrupted ? 'putBack' : 'handle'
}

// ── records ──

/** What is left to be handled of what was polled: a round begins with it, unless one is under way. */
export function beginRound<R extends Place>(state: ProcessingState<R>, now: number): R[] {
  const rest = restOf(state)
  if (rest.length === 0) state.next = state.polled.length
  else if (!hasRound(state)) state.endsAt = now + state.plan.commitIntervalMillis
  for (const [name, start] of beginsOf(rest)) if (!state.starts.has(name)) state.starts.set(name, start)
  return rest
}

/** The next record to handle; null: there is none. */
export function nextRecord<R extends Place>(state: ProcessingState<R>): R | null {
  for (; state.next < state.polled.length; state.next++) {
    const record = state.polled[state.next]!
    if (isCurrent(state, record)) return record
  }
  return null
}

/** Whether a record is left out because its key was seen before in the partition; if not, it is seen now. */
export function isKnown<R extends Place>({ recent }: ProcessingState<R>, { topic, partition }: TopicPartition, key: string): boolean {
  const keys = recent.get(topicPartitionName(topic, partition))
  if (keys?.has(key) === true) return true
  keys?.add(key)
  return false
}

/** The next record was handled, or left out. False: it does not count, nor does the round. */
export function noteHandled<R extends Place>(state: ProcessingState<R>, { topic, partition, offset }: Place): boolean {
  state.next++
  if (state.isLost) return false
  if (state.last?.topic !== topic || state.last.partition !== partition) {
    const name = topicPartitionName(topic, partition)
    state.last = state.handled.get(name) ?? { topic, partition, offset: 0 }
    state.handled.set(name, state.last)
  }
  state.last.offset = offset + 1
  // Unless it was polled before.
  if (state.sought.size > 0 && isCurrent(state, { topic, partition })) state.sought.delete(topicPartitionName(topic, partition))
  return true
}

/** Between two records: whether the rest has to wait. At most once has committed all of it. */
export function mustPause<R extends Place>(state: ProcessingState<R>, now: number, isInterrupted: boolean): boolean {
  return isInterrupted || (!isAtMostOnce(state) && now >= state.endsAt)
}

/** Nothing has happened to its partition since it was polled. */
function isCurrent<R extends Place>(
  { upheavals, upheavalOf, upheavalsAtPoll }: ProcessingState<R>,
  { topic, partition }: TopicPartition,
): boolean {
  return upheavals === upheavalsAtPoll || (upheavalOf.get(topicPartitionName(topic, partition)) ?? 0) <= upheavalsAtPoll
}

function restOf<R extends Place>(state: ProcessingState<R>): R[] {
  return state.polled.slice(state.next).filter((record) => isCurrent(state, record))
}

// ── keys ──

/** Partitions of these records whose keys are not known yet; the metadata of what is committed has them. None, unless keys are remembered. */
export function unrecalled<R extends Place>({ plan, recent }: ProcessingState<R>, records: readonly TopicPartition[]): TopicPartition[] {
  if (plan.guarantee !== 'effectively-once') return []
  const wanted = new Map(records.map(({ topic, partition }) => [topicPartitionName(topic, partition), { topic, partition }]))
  return [...wanted].filter(([name]) => !recent.has(name)).map(([, partition]) => partition)
}

/** The keys that were seen before the offset at which each of them begins. */
export function recall<R extends Place>(
  { plan, recent }: ProcessingState<R>,
  partitions: readonly TopicPartition[],
  committed: readonly CommittedOffset[],
): void {
  const texts = new Map(committed.map(({ topic, partition, metadata }) => [topicPartitionName(topic, partition), metadata]))
  for (const { topic, partition } of partitions) {
    const name = topicPartitionName(topic, partition)
    recent.set(name, RecentKeys.decode(texts.get(name) ?? '', plan.rememberedKeys))
  }
}

// ── the end of a round ──

/** Whether there is a round, and whether it counts, which is to end now. */
export function howToEnd<R extends Place>(state: ProcessingState<R>): 'nothing' | 'commit' | 'takeBack' {
  state.endsAt = Infinity
  state.upheavalsAtEnd = state.upheavals
  if (!hasRound(state)) return 'nothing'
  return state.isLost ? 'takeBack' : 'commit'
}

/**
 * What the round has handled, and where the application has sought to, as its commit says it: with the keys, where they are remembered (where they are not known yet, a
 * commit would forget them). At most once has committed the rest.
 */
export function offsetsToCommit<R extends Place>({ plan, handled, sought, recent }: ProcessingState<R>): CommittedOffset[] {
  const places: ReadonlyMap<string, Place> = plan.guarantee === 'at-most-once' ? sought : new Map([...handled, ...sought])
  const known = [...places].filter(([name]) => plan.guarantee !== 'effectively-once' || recent.has(name))
  return known.map(([name, { topic, partition, offset }]) => ({ topic, partition, offset, metadata: recent.get(name)?.encode() ?? '' }))
}

/** The round is over. Who has sought meanwhile has begun the next one. */
export function endRound<R extends Place>(state: ProcessingState<R>): void {
  const { sought, upheavalOf, upheavalsAtEnd } = state
  for (const name of [...sought.keys()]) if ((upheavalOf.get(name) ?? 0) <= upheavalsAtEnd) sought.delete(name)
  state.starts.clear()
  state.handled.clear()
  state.last = null
  state.isLost = false
  state.endsAt = sought.size > 0 ? 0 : Infinity
}

/** Nothing of the round counts: where the consumer goes back to, in what it still has. At most once does not go back. */
export function takeBack<R extends Place>(state: ProcessingState<R>, assignment: readonly TopicPartition[]): Place[] {
  const held = namesOf(assignment)
  const starts = [...state.starts].filter(([name]) => !isAtMostOnce(state) && held.has(name)).map(([, start]) => start)
  upset(state, starts)
  state.sought.clear()
  endRound(state)
  state.recent.clear()
  return starts
}

/**
 * The processing fails, and so nothing of the round counts; what was polled and not handled is to be polled again, too, by the next processing. At most once goes back
 * for nothing: the record that failed is among them.
 */
export function giveUp<R extends Place>(state: ProcessingState<R>, assignment: readonly TopicPartition[]): Place[] {
  const rest = beginsOf(restOf(state))
  const isOver = isAtMostOnce(state)
  const starts = takeBack(state, assignment)
  const held = namesOf(assignment)
  for (const name of namesOf(starts)) rest.delete(name)
  const unhandled = [...rest].filter(([name]) => !isOver && held.has(name)).map(([, begin]) => begin)
  upset(state, unhandled)
  state.next = state.polled.length
  return [...starts, ...unhandled]
}

/**
 * What was polled and not handled is to be polled again. `commit`: at most once has committed it; who gets it next must not begin behind it, if the group still lets us
 * say so; otherwise it is skipped, as it may be. `seek`: where to go back to.
 */
export function putBack<R extends Place>(
  state: ProcessingState<R>,
  assignment: readonly TopicPartition[],
): { readonly commit: readonly Place[]; readonly seek: readonly Place[] } {
  const held = namesOf(assignment)
  const begins = [...beginsOf(restOf(state))]
  const seek = begins.filter(([name]) => held.has(name)).map(([, begin]) => begin)
  upset(state, seek)
  state.next = state.polled.length
  return { commit: isAtMostOnce(state) ? begins.map(([, begin]) => begin) : [], seek }
}

// ── partitions that go, and those in which the application goes elsewhere ──

/**
 * The application seeks: what was polled of the partition is not handled any more, and the round says where it goes on. One that is taken back takes a seek forward back,
 * too: what it had handled before is to be handled again.
 */
export function seek<R extends Place>(state: ProcessingState<R>, { topic, partition, offset }: Place, now: number): void {
  const place = { topic, partition, offset }
  const name = topicPartitionName(topic, partition)
  const start = state.starts.get(name)
  if (!hasRound(state)) state.endsAt = now + state.plan.commitIntervalMillis
  if (start !== undefined && offset < start.offset) state.starts.set(name, place)
  upset(state, [place])
  state.sought.set(name, place)
}

/** Partitions are gone, or begin anew elsewhere: nothing of this round may count. */
export function lose<R extends Place>(state: ProcessingState<R>, partitions: readonly TopicPartition[]): void {
  state.isLost ||= state.starts.size > 0
  forget(state, partitions)
}

/** The round has ended, and partitions go. Whoever has them next begins where the group says, this consumer, too. */
export function forget<R extends Place>(state: ProcessingState<R>, partitions: readonly TopicPartition[]): void {
  upset(state, partitions)
  for (const name of namesOf(partitions)) {
    state.starts.delete(name)
    state.handled.delete(name)
    state.sought.delete(name)
    // Not those of others: they may be under way already, and nobody would recall them.
    state.recent.delete(name)
  }
  state.last = null
  if (!hasRound(state)) state.endsAt = Infinity
}

/** What was polled of them until now is not to be handled. */
function upset<R extends Place>(state: ProcessingState<R>, partitions: readonly TopicPartition[]): void {
  state.upheavals++
  for (const name of namesOf(partitions)) state.upheavalOf.set(name, state.upheavals)
}

function hasRound<R extends Place>({ starts, sought, isLost }: ProcessingState<R>): boolean {
  return starts.size > 0 || sought.size > 0 || isLost
}

function isAtMostOnce<R extends Place>({ plan }: ProcessingState<R>): boolean {
  return plan.guarantee === 'at-most-once'
}

// ── places ──

/** The first record of each run of records of one partition. */
function* firstsOf<R extends TopicPartition>(records: Iterable<R>): Generator<R> {
  let last: R | null = null
  for (const record of records) {
    if (record.partition === last?.partition && record.topic === last.topic) continue
    last = record
    yield record
  }
}

/** The first record of each partition. */
function beginsOf(records: Iterable<Place>): Map<string, Place> {
  const begins = new Map<string, Place>()
  for (const { topic, partition, offset } of firstsOf(records)) {
    const name = topicPartitionName(topic, partition)
    if (!begins.has(name)) begins.set(name, { topic, partition, offset })
  }
  return begins
}

/** Behind the last record of each partition. */
export function endsOf(records: readonly Place[]): CommittedOffset[] {
  const ends = new Map<string, CommittedOffset>()
  for (const { topic, partition, offset } of records)
    ends.set(topicPartitionName(topic, partition), { topic, partition, offset: offset + 1, metadata: '' })
  return [...ends.values()]
}

function namesOf(partitions: readonly TopicPartition[]): Set<string> {
  return new Set(partitions.map(({ topic, partition }) => topicPartitionName(topic, partition)))
}
