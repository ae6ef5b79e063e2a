/**
 * What a consumer asks a leader for, and what becomes of its answer. A consumer that is limited asks one partition after the other, for as much as its quota lets through at
 * once, and for bytes: of a range nobody knows how much of it is read. Each answers at once; one that had nothing is asked again, to answer when it has something, and keeps
 * nobody from asking the next.
 */
import type { Address } from '../protocol/address.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import { CHUNKS_PER_PARTITION_MAX } from '../protocol/messages/client.ts'
import { CONSUMER_REPLICA } from '../protocol/messages/fetch.ts'
import type { FetchRequest } from '../protocol/messages/fetch.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { Context, Outbox } from './actor.ts'
import { awaitTiming, chargeQuota, isMuted, onThrottled } from './client-quota.ts'
import type { ConsumedPartition, ConsumerState } from './consumer-state.ts'

/** A leader that lives answers sooner what it is not to wait for; longer than this nobody keeps a limited consumer from asking the next. */
const ANSWER_MILLIS_MAX = 1000

/** However many partitions there are. */
const FETCH_BYTES_MIN = 1024

/** Whether its quota keeps the consumer from asking for records now. */
export function mayNotFetch({ quota }: ConsumerState, uptime: number): boolean {
  return isMuted(quota, uptime) || (quota !== null && quota.isLimited && uptime < quota.askedUntil)
}

/** When its quota lets it ask again, unless the keeper is still to say so. */
export function quotaDue({ quota }: ConsumerState, { uptime }: Context): number {
  const until = quota === null || !quota.isLimited ? 0 : Math.max(quota.mutedUntil, quota.askedUntil, quota.timedUntil)
  return until > uptime ? until : Infinity
}

/** The fetch that a partition needs next; of a limited consumer the other partitions come first then. */
export function fetchOf(state: ConsumerState, one: ConsumedPartition, { uptime }: Context): FetchRequest {
  const { config, quota, partitions } = state
  const { correlationId, leaderEpoch, topicId, fetchOffset } = one
  const limited = quota?.isLimited === true ? quota : null
  const isPatient = limited === null || one.isAtEnd
  if (limited !== null) {
    if (!isPatient) {
      limited.askedId = correlationId
      limited.askedUntil = uptime + ANSWER_MILLIS_MAX
    }
    partitions.delete(one.name)
    partitions.set(one.name, one)
  }
  awaitTiming(quota, correlationId, uptime)
  return {
    kind: 'fetch',
    correlationId,
    topicId,
    leaderEpoch,
    replicaId: CONSUMER_REPLICA,
    brokerEpoch: -1,
    lastFetchedEpoch: one.fetchedEpoch,
    fetchOffset,
    logStartOffset: -1,
    syncedOffset: -1,
    minBytes: config.fetchMinBytes,
    maxBytes: Math.min(config.fetchMaxBytes, roomOf(state), limited?.burstBytes ?? Infinity),
    maxWaitMillis: isPatient ? config.fetchMaxWaitMillis : 0,
    mode: limited === null && !one.isDoubted ? config.fetchMode : 'bytes',
    isolationLevel: config.isolationLevel,
  }
}

/** What one chunk may have so that those of all partitions find room. */
function roomOf({ config, partitions }: ConsumerState): number {
  return Math.max(FETCH_BYTES_MIN, Math.floor(config.bufferMemoryBytes / (CHUNKS_PER_PARTITION_MAX * partitions.size)))
}

/** Gives the application what was fetched, if it was something; a range that was asked for before the consumer was limited is asked for again, as bytes. */
export function deliver(
  state: ConsumerState,
  one: ConsumedPartition,
  response: MessageOf<'fetchResponse'>,
  { node }: Address,
  outbox: Outbox,
): void {
  const { topic, partition, session, fetchOffset } = one
  const { highWatermark, abortedTransactions, records } = response
  one.isAtEnd = records === null && response.range === null
  if (fetchOffset <= highWatermark) one.fetchedEpoch = one.leaderEpoch
  const range = state.quota?.isLimited === true ? null : response.range
  if (range === null && records === null) return
  one.hungry = false
  one.isDoubted = false
  outbox.push({
    kind: 'send',
    to: state.config.client,
    message: { kind: 'chunk', topic, partition, session, fetchOffset, highWatermark, abortedTransactions, node, range, records },
  })
  chargeQuota(state.quota, records?.length ?? 0, outbox)
}

/**
 * A reader of the leader's file has found damage. The leader reads the same to answer with bytes: it finds the damage, too, and has it mended if somebody else has more, or
 * there is none.
 */
export function onFetchAgain({ partitions }: ConsumerState, message: MessageOf<'fetchAgain'>): void {
  const one = partitions.get(topicPartitionName(message.topic, message.partition))
  if (one === undefined || one.phase === 'revoking' || message.session < one.session) return
  one.session = message.session
  // Its application goes on elsewhere.
  if (one.phase === 'locating') return
  one.correlationId = -1
  one.fetchOffset = message.offset
  one.hungry = true
  one.isDoubted = true
}

/** The keeper of quotas says how the consumer stands: from now on it counts what its application would read by itself. */
export function onQuota(state: ConsumerState, message: MessageOf<'throttled'>, { uptime }: Context, outbox: Outbox): void {
  if (onThrottled(state.quota, message, uptime)) outbox.push({ kind: 'send', to: state.config.client, message: { kind: 'dropRanges' } })
}
