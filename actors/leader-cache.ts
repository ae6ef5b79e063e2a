/**
 * What a client knows of leaders: topics as the coordinator last described them, asked for when they are needed and forgotten
 * when an answer shows that they have changed.
 */
import type { MetadataResponse, TopicMetadata } from '../protocol/messages/metadata.ts'
import type { Outbox } from './actor.ts'
import { coordinatorOf, newCoordinatorFinder, nextCoordinator } from './coordinator-finder.ts'
import type { CoordinatorFinder } from './coordinator-finder.ts'

/** Topics and their leaders, as far as they are known. */
export interface LeaderCache {
  readonly coordinators: CoordinatorFinder
  readonly requestTimeoutMillis: number
  readonly topics: Map<string, TopicMetadata>
  /** Topics that are wanted and not there. */
  readonly wanted: Set<string>
  /** How much of the metadata log it reflects: a late answer may know less. */
  metadataOffset: number
  /** Uptime after which the request under way counts as lost; -1 while there is none. */
  timeoutAt: number
}

/** A cache that knows nothing yet. */
export function newLeaderCache(coordinatorNodes: readonly number[], requestTimeoutMillis: number): LeaderCache {
  const coordinators = newCoordinatorFinder(coordinatorNodes)
  return { coordinators, requestTimeoutMillis, topics: new Map(), wanted: new Set(), metadataOffset: -1, timeoutAt: -1 }
}

/** The topic, or null: then it has been asked for. */
export function topicOrAsk(cache: LeaderCache, topic: string, correlationId: number, uptime: number, outbox: Outbox): TopicMetadata | null {
  const known = cache.topics.get(topic)
  if (known !== undefined) return known
  cache.wanted.add(topic)
  expireRequest(cache, uptime)
  if (cache.timeoutAt >= 0) return null
  cache.timeoutAt = uptime + cache.requestTimeoutMillis
  outbox.push({
    kind: 'send',
    to: coordinatorOf(cache.coordinators),
    message: { kind: 'metadata', correlationId, topics: [...cache.wanted] },
  })
  return null
}

/** Takes the coordinator's answer, unless a newer one was there first: then the request under way still is. */
export function takeTopics(cache: LeaderCache, { metadataOffset, topics }: MetadataResponse): void {
  if (metadataOffset < cache.metadataOffset) return
  cache.timeoutAt = -1
  cache.metadataOffset = metadataOffset
  for (const topic of topics) {
    cache.topics.set(topic.topic, topic)
    cache.wanted.delete(topic.topic)
  }
}

/** The next need asks again. */
export function forgetTopic(cache: LeaderCache, topic: string): void {
  cache.topics.delete(topic)
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
