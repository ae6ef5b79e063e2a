/**
 * What a client knows of leaders: topics as the coordinator last described them, asked for when they are needed, forgotten
 * when an answer shows that they have changed, and looked up again when an answer does not come: its leader may hang, and another one lead.
 */
import type { MetadataResponse, TopicMetadata } from '../protocol/messages/metadata.ts'
import type { Outbox } from './actor.ts'
import { coordinatorOf, learnFrom, newCoordinatorFinder, nextCoordinator } from './coordinator-finder.ts'
import type { CoordinatorFinder } from './coordinator-finder.ts'

/** A leader, or a coordinator, that is silent for so long may be dead: somebody is asked again, and at most so often. */
export const SILENCE_MILLIS = 250

/** Topics and their leaders, as far as they are known. */
export interface LeaderCache {
  readonly coordinators: CoordinatorFinder
  readonly requestTimeoutMillis: number
  readonly topics: Map<string, TopicMetadata>
  /** Topics that are wanted and not there. */
  readonly wanted: Set<string>
  /** Topics that are known, and may have changed. */
  readonly doubted: Set<string>
  /** Doubted topics are not asked for before this uptime. */
  doubtAt: number
  /** How much of the metadata log it reflects: a late answer may know less. */
  metadataOffset: number
  /** Uptime after which the request under way counts as lost; -1 while there is none. */
  timeoutAt: number
}

/** A cache that knows nothing yet. */
export function newLeaderCache(coordinatorNodes: readonly number[], requestTimeoutMillis: number): LeaderCache {
  const coordinators = newCoordinatorFinder(coordinatorNodes)
  return {
    coordinators,
    requestTimeoutMillis,
    topics: new Map(),
    wanted: new Set(),
    doubted: new Set(),
    doubtAt: 0,
    metadataOffset: -1,
    timeoutAt: -1,
  }
}

/** The topic, or null: then it has been asked for. */
export function topicOrAsk(cache: LeaderCache, topic: string, correlationId: number, uptime: number, outbox: Outbox): TopicMetadata | null {
  const known = cache.topics.get(topic)
  if (known !== undefined) return known
  cache.wanted.add(topic)
  ask(cache, correlationId, uptime, outbox)
  return null
}

/** Looks doubted topics up, if there are any and it is time; what is known of them stays until the answer comes. */
export function askForDoubted(cache: LeaderCache, correlationId: number, uptime: number, outbox: Outbox): void {
  if (cache.doubted.size > 0 && uptime >= cache.doubtAt) ask(cache, correlationId, uptime, outbox)
}

/** One request at a time, for all that is wanted or doubted. */
function ask(cache: LeaderCache, correlationId: number, uptime: number, outbox: Outbox): void {
  expireRequest(cache, uptime)
  if (cache.timeoutAt >= 0) return
  cache.timeoutAt = uptime + Math.min(cache.requestTimeoutMillis, SILENCE_MILLIS)
  cache.doubtAt = uptime + SILENCE_MILLIS
  const topics = [...new Set([...cache.wanted, ...cache.doubted])]
  outbox.push({ kind: 'send', to: coordinatorOf(cache.coordinators), message: { kind: 'metadata', correlationId, topics } })
}

/** Takes the coordinator's answer, unless a newer one was there first: then the request under way still is. */
export function takeTopics(cache: LeaderCache, response: MetadataResponse): void {
  const { metadataOffset, topics } = response
  if (metadataOffset < cache.metadataOffset) return
  learnFrom(cache.coordinators, response)
  cache.timeoutAt = -1
  cache.metadataOffset = metadataOffset
  for (const topic of topics) {
    cache.topics.set(topic.topic, topic)
    cache.wanted.delete(topic.topic)
    cache.doubted.delete(topic.topic)
  }
}

/** Where a partition's requests went last, as its client remembers it. */
export interface LastLeader {
  readonly topic: string
  readonly partition: number
  /** -1 before the first request. */
  leader: number
  leaderEpoch: number
  /** Its node has died: in that epoch it is not asked again before this uptime, for its successor on that node would answer late. */
  goneUntil: number
}

/** Whether there is nobody to ask: nobody leads, or the one that does has just died, and the coordinator does not know it yet. */
export function isLeaderless(
  last: LastLeader,
  { leader, leaderEpoch }: Pick<LastLeader, 'leader' | 'leaderEpoch'>,
  uptime: number,
): boolean {
  return leader < 0 || (uptime < last.goneUntil && leader === last.leader && leaderEpoch === last.leaderEpoch)
}

/** Whether a partition has another leader than its requests went to, or the same one in another epoch: it will not answer what the old one was asked. */
export function hasMoved(cache: LeaderCache, last: LastLeader): boolean {
  const known = cache.topics.get(last.topic)?.partitions[last.partition]
  return known !== undefined && known.leader >= 0 && (known.leader !== last.leader || known.leaderEpoch !== last.leaderEpoch)
}

/** Whether a partition that requests went to is known to be there no more: who led it will not answer. */
export function isGone(cache: LeaderCache, { topic, partition }: LastLeader): boolean {
  const known = cache.topics.get(topic)
  return known !== undefined && known.partitions[partition] === undefined
}

/** What is known of the topic may be old, and will do until it is looked up. */
export function doubtTopic(cache: LeaderCache, topic: string): void {
  cache.doubted.add(topic)
}

/** The next need asks again. */
export function forgetTopic(cache: LeaderCache, topic: string): void {
  cache.topics.delete(topic)
  cache.doubted.delete(topic)
}

/** A node is dead: what it led is led by others, or soon will be. */
export function forgetLeader(cache: LeaderCache, node: number): void {
  for (const { topic, partitions } of [...cache.topics.values()])
    if (partitions.some(({ leader }) => leader === node)) forgetTopic(cache, topic)
}

/** A coordinator that does not answer in time is not asked again. */
export function expireRequest(cache: LeaderCache, uptime: number): void {
  if (cache.timeoutAt < 0 || uptime < cache.timeoutAt) return
  nextCoordinator(cache.coordinators)
  giveUpRequest(cache)
}

/** The request under way came to nothing. */
export function giveUpRequest(cache: LeaderCache): void {
  cache.timeoutAt = -1
}
