/**
 * A fetch arrives at a replica. Only the leader of the epoch that the reader knows serves it. A follower's fetch says how far its log is safe, which may move the
 * high watermark and let it join the ISR; where its log differs, it is told where to cut (KIP-279, KIP-595), and what it says counts for nothing.
 */
import type { ErrorName } from '../protocol/errors.ts'
import { NONE } from '../protocol/errors.ts'
import { CONSUMER_REPLICA } from '../protocol/messages/fetch.ts'
import type { FetchRequest } from '../protocol/messages/fetch.ts'
import { endOfEpoch, NO_EPOCH } from '../partitions/epochs.ts'
import type { EpochEnd } from '../partitions/epochs.ts'
import { noteFetch, noteLife } from '../partitions/replication.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import type { Context, Outbox } from './actor.ts'
import { progress } from './replica-progress.ts'
import { beginOf, refusalOfFailed, replyFetch } from './replica-read-answers.ts'
import { serveOrPark } from './replica-read.ts'
import { proposeIsr } from './replica-role.ts'

/** Serves a fetch at once, parks it, or refuses it. */
export function onFetch(state: ReplicaState, request: FetchRequest, context: Context, outbox: Outbox): void {
  const refusal = refusalOf(state, request)
  if (refusal !== null) return replyFetch(state, context.from, request, refusal, null, null, outbox)
  const isMatch = request.replicaId === CONSUMER_REPLICA ? takeConsumer : takeFollower
  if (!isMatch(state, request, context, outbox)) return
  serveOrPark(state, request, context, outbox)
}

function refusalOf(state: ReplicaState, request: FetchRequest): ErrorName | null {
  const { phase, role, log } = state
  if (phase === 'failed') return refusalOfFailed(state)
  if (phase !== 'leading' && phase !== 'rollingBack') return 'NOT_LEADER_OR_FOLLOWER'
  if (request.topicId !== state.topicId) return 'UNKNOWN_TOPIC_ID'
  if (request.leaderEpoch >= 0 && request.leaderEpoch < role.leaderEpoch) return 'FENCED_LEADER_EPOCH'
  if (request.leaderEpoch > role.leaderEpoch) return 'UNKNOWN_LEADER_EPOCH'
  const isFollower = request.replicaId !== CONSUMER_REPLICA
  if (isFollower && !role.replicas.includes(request.replicaId)) return 'REPLICA_NOT_AVAILABLE'
  // Its node has registered anew since, perhaps with less.
  if (isFollower && request.brokerEpoch < (state.replication?.followers.get(request.replicaId)?.brokerEpoch ?? -1))
    return 'NOT_LEADER_OR_FOLLOWER'
  // A follower that is ahead is told where to cut, and a consumer where to go on.
  const isAhead =
    request.fetchOffset > log.logEndOffset && (isFollower ? request.lastFetchedEpoch === NO_EPOCH : commonEnd(state, request) === null)
  return request.fetchOffset < beginOf(state, request) || isAhead ? 'OFFSET_OUT_OF_RANGE' : null
}

/** Answers, and returns false, if the consumer has read what is not in this log. */
function takeConsumer(state: ReplicaState, request: FetchRequest, context: Context, outbox: Outbox): boolean {
  const end = commonEnd(state, request)
  if (end !== null) replyDiverging(state, request, end, context, outbox)
  return end === null
}

/** Up to where this log is that of the leader who had everything below the consumer's offset (KIP-320); null: at least so far. */
function commonEnd({ epochs, log, role }: ReplicaState, { lastFetchedEpoch, fetchOffset }: FetchRequest): EpochEnd | null {
  if (lastFetchedEpoch === NO_EPOCH || lastFetchedEpoch >= role.leaderEpoch || fetchOffset <= (epochs[0]?.startOffset ?? 0)) return null
  const end = endOfEpoch(epochs, lastFetchedEpoch, log.logEndOffset)
  return end.endOffset < fetchOffset ? end : null
}

/** Notes how far a follower is; answers and returns false if its log differs from this one. */
function takeFollower(state: ReplicaState, request: FetchRequest, context: Context, outbox: Outbox): boolean {
  const { replication, epochs, log } = state
  if (replication === null) return false
  const { lastFetchedEpoch, fetchOffset, logStartOffset: startOffset, syncedOffset, replicaId, brokerEpoch } = request
  const end = endOfEpoch(epochs, lastFetchedEpoch, log.logEndOffset)
  // Where nothing is left before that offset, or nothing is known of it, there is nothing to compare.
  const isComparable = lastFetchedEpoch !== NO_EPOCH && fetchOffset > (epochs[0]?.startOffset ?? log.logEndOffset)
  const differs = isComparable && (end.epoch !== lastFetchedEpoch || end.endOffset < fetchOffset)
  if (differs) {
    noteLife(replication, { node: replicaId, brokerEpoch })
    replyDiverging(state, request, end, context, outbox)
    return false
  }
  dropParkedOf(state, replicaId)
  const fetch = { node: replicaId, brokerEpoch, endOffset: fetchOffset, startOffset, syncedOffset }
  noteFetch(replication, fetch, log.logEndOffset, context.uptime)
  if (!replication.isr.includes(replicaId)) proposeIsr(state, context, outbox)
  progress(state, context, outbox)
  return true
}

/** A follower has one fetch under way: an older one that is parked has been given up. */
function dropParkedOf(state: ReplicaState, replicaId: number): void {
  if (state.parked.some(({ request }) => request.replicaId === replicaId))
    state.parked = state.parked.filter(({ request }) => request.replicaId !== replicaId)
}

function replyDiverging(
  state: ReplicaState,
  request: FetchRequest,
  end: { readonly epoch: number; readonly endOffset: number },
  context: Context,
  outbox: Outbox,
): void {
  outbox.push({
    kind: 'send',
    to: context.from,
    message: {
      kind: 'fetchResponse',
      correlationId: request.correlationId,
      errorCode: NONE,
      errorMessage: null,
      highWatermark: state.highWatermark.offset,
      lastStableOffset: state.highWatermark.offset,
      abortedTransactions: [],
      logStartOffset: state.log.logStartOffset,
      epochStartOffset: state.replication?.epochStartOffset ?? -1,
      syncedByAll: -1,
      divergingEpoch: end.epoch,
      divergingEndOffset: end.endOffset,
      range: null,
      records: null,
    },
  })
}
