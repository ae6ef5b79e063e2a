/**
 * Where the logs end that share groups read. While somebody waits for records of a partition, a fetch is parked at its end: it is answered when there is more. It
 * asks for a range, so that no record is read, and none travels.
 */
import { cutEnd, raiseStart } from '../coordinator/share/share-partition.ts'
import { replicaActor } from '../protocol/address.ts'
import { errorOf, NONE } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import { CONSUMER_REPLICA } from '../protocol/messages/fetch.ts'
import type { FetchResponse, IsolationLevel } from '../protocol/messages/fetch.ts'
import type { TopicMetadata } from '../protocol/messages/metadata.ts'
import type { Context, Outbox } from './actor.ts'
import { doubtTopic } from './leader-cache.ts'
import { noteChange } from './shares-state.ts'
import type { PartitionEnd, SharesState } from './shares-state.ts'

/** A fetch that nobody answers so long after its time is lost. */
const SILENCE_MILLIS = 500

/** How long a fetch is parked at an end. */
const PARK_MILLIS = 500

/** Pause before a leader is asked again that could not be. */
const RETRY_MILLIS = 20

/** The end of a partition as far as it is known. */
export function endOf(
  state: SharesState,
  { topic, topicId }: TopicMetadata,
  partition: number,
  isolationLevel: IsolationLevel,
): PartitionEnd {
  const name = `${topicPartitionName(topic, partition)} ${topicId} ${isolationLevel}`
  const known = state.ends.get(name)
  if (known !== undefined) return known
  const nobody = { leader: -1, leaderEpoch: -1, goneUntil: 0 }
  const unknown = { endOffset: -1, logStartOffset: -1, endEpoch: -1, correlationId: -1, timeoutAt: 0, retryAt: 0 }
  const end: PartitionEnd = { topic, topicId, partition, isolationLevel, ...nobody, ...unknown }
  state.ends.set(name, end)
  return end
}

/** Has a fetch wait at the end, unless one does. */
export function watchEnd(state: SharesState, end: PartitionEnd, { uptime }: Context, outbox: Outbox): void {
  const metadata = state.leaders.topics.get(end.topic)
  const now = metadata?.topicId === end.topicId ? metadata.partitions[end.partition] : undefined
  if (now === undefined || now.leader < 0 || uptime < end.retryAt) return
  const isElsewhere = now.leader !== end.leader || now.leaderEpoch !== end.leaderEpoch
  if (end.correlationId >= 0 && !isElsewhere) {
    if (uptime < end.timeoutAt) return
    doubtTopic(state.leaders, end.topic)
  }
  end.correlationId = state.nextCorrelationId++
  end.leader = now.leader
  end.leaderEpoch = now.leaderEpoch
  end.timeoutAt = uptime + PARK_MILLIS + SILENCE_MILLIS
  outbox.push({
    kind: 'send',
    to: { node: now.leader, actor: replicaActor(end.topic, end.partition) },
    message: {
      kind: 'fetch',
      correlationId: end.correlationId,
      topicId: end.topicId,
      leaderEpoch: end.leaderEpoch,
      replicaId: CONSUMER_REPLICA,
      brokerEpoch: -1,
      lastFetchedEpoch: -1,
      fetchOffset: Math.max(0, end.endOffset),
      logStartOffset: -1,
      syncedOffset: -1,
      minBytes: 1,
      maxBytes: 1,
      maxWaitMillis: end.endOffset < 0 ? 0 : PARK_MILLIS,
      mode: 'range',
      isolationLevel: end.isolationLevel,
    },
  })
}

/** A leader says where its log ends. */
export function onEnd(state: SharesState, response: FetchResponse, { uptime }: Context): void {
  const end = byCorrelation(state, response.correlationId)
  if (end === undefined) return
  end.correlationId = -1
  const { name } = errorOf(response.errorCode)
  if (response.errorCode !== NONE && name !== 'OFFSET_OUT_OF_RANGE') return retryEnd(state, end, uptime)
  const { highWatermark, epochStartOffset, lastStableOffset } = response
  // A new leader may not know yet how far all have come before it.
  if (highWatermark < epochStartOffset) {
    end.retryAt = uptime + RETRY_MILLIS
    return
  }
  const offset = end.isolationLevel === 'read_committed' ? lastStableOffset : highWatermark
  if (offset !== end.endOffset) state.hasNews = true
  end.endOffset = offset
  end.endEpoch = end.leaderEpoch
  end.logStartOffset = Math.max(end.logStartOffset, response.logStartOffset)
  for (const { partitions } of state.groups.values()) {
    for (const share of partitions.values())
      if (share.topicId === end.topicId && share.partition === end.partition) fit(state, share, end, highWatermark)
  }
}

/** A leader is not there; says whether it was asked for an end. */
export function onEndUndeliverable(state: SharesState, correlationId: number, { uptime }: Context): boolean {
  const end = byCorrelation(state, correlationId)
  if (end === undefined) return false
  end.correlationId = -1
  retryEnd(state, end, uptime)
  return true
}

/** What is gone at the beginning is done with; what was lost at the end of a log that promises less is forgotten. */
function fit(
  state: SharesState,
  share: Parameters<typeof raiseStart>[0] & Parameters<typeof noteChange>[1] & { leaderEpoch: number },
  end: PartitionEnd,
  highWatermark: number,
): void {
  if (end.endEpoch < share.leaderEpoch) return
  share.leaderEpoch = end.endEpoch
  const isRaised = raiseStart(share, end.logStartOffset)
  const isCut = cutEnd(share, highWatermark)
  if (isRaised || isCut) noteChange(state, share)
}

function retryEnd(state: SharesState, end: PartitionEnd, uptime: number): void {
  end.retryAt = uptime + RETRY_MILLIS
  doubtTopic(state.leaders, end.topic)
}

function byCorrelation(state: SharesState, correlationId: number): PartitionEnd | undefined {
  return [...state.ends.values()].find((end) => end.correlationId === correlationId)
}
