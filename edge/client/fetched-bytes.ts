/**
 * How records are asked for by who wants a few of them, once, and not as a file: with their leader, as bytes.
 */
import { CONSUMER_REPLICA } from '../../protocol/messages/fetch.ts'
import type { FetchRequest, IsolationLevel } from '../../protocol/messages/fetch.ts'

/** One answer: little is wanted. */
const FETCH_BYTES = 64 * 1024

/** A new leader may not know yet what is committed. */
const WAIT_MILLIS = 200

/** A question for whole batches, from the one that holds the offset on. */
export function fetchOf(topicId: number, fetchOffset: number, isolationLevel: IsolationLevel): Omit<FetchRequest, 'correlationId'> {
  return {
    kind: 'fetch',
    topicId,
    leaderEpoch: -1,
    replicaId: CONSUMER_REPLICA,
    brokerEpoch: -1,
    lastFetchedEpoch: -1,
    fetchOffset,
    logStartOffset: -1,
    syncedOffset: -1,
    minBytes: 1,
    maxBytes: FETCH_BYTES,
    maxWaitMillis: WAIT_MILLIS,
    mode: 'bytes',
    isolationLevel,
  }
}
