/**
 * How long a member of a share group may rely on what it was given (KIP-932 leaves that open). Locks are in the memory of a coordinator; its successor gives the same records to somebody
 * else. A write that was committed shows that nobody else was in charge when it was begun: whoever comes after it has a barrier behind it in the log, and gives nothing out for
 * TRUST_MILLIS from then on. For so long a member is sure of what it has; after that it asks again before it hands more to its application.
 *
 *   sure ── TRUST_MILLIS after the last proof, or a node is dead ─► unsure ── an answer of the same reign, for something written ─► sure
 *     └───── the lock is over, or another reign has answered ────────┴──────► void
 */
import type { ShareFetchRequest, ShareFetchResponse } from '../protocol/messages/share.ts'

/** See the header. */
export const TRUST_MILLIS = 500

/** A member is less sure by so much: clocks of threads are read at the beginning of what they do. */
const SLACK_MILLIS = 100

/** Under what a member has records. */
export interface ShareHold {
  /** The memory in which the lock is. */
  readonly reign: number
  readonly lockUntil: number
}

/** What a member knows of who is in charge. */
export interface ShareTrust {
  reign: number
  /** It was in charge until then at least. */
  until: number
  /** Of the newest question that it has answered. */
  sessionEpoch: number
}

/** A question that was answered: when the attempt was sent that the answer came to, by the clock of the member. */
export interface AskedShare {
  readonly request: Pick<ShareFetchRequest, 'sessionEpoch' | 'acknowledgements' | 'maxRecords' | 'lockMillis'>
  readonly askedAt: number
}

/** Nothing was asked yet. */
export function newShareTrust(): ShareTrust {
  return { reign: 0, until: 0, sessionEpoch: 0 }
}

/** An answer without an error; says under what the member has what it was given with it. */
export function trustAnswer(trust: ShareTrust, { request, askedAt }: AskedShare, response: ShareFetchResponse): ShareHold {
  const { reign, waitedMillis, acquired, refused } = response
  const decidedAt = askedAt + waitedMillis
  const isWritten = acquired.length > 0 || refused.length < request.acknowledgements.length || request.maxRecords === 0
  // One who is in charge no more may have answered an older question late.
  if (reign === trust.reign || request.sessionEpoch > trust.sessionEpoch) {
    if (reign !== trust.reign) trust.until = 0
    trust.reign = reign
    trust.sessionEpoch = Math.max(trust.sessionEpoch, request.sessionEpoch)
    if (isWritten) trust.until = Math.max(trust.until, decidedAt + TRUST_MILLIS - SLACK_MILLIS)
  }
  return { reign, lockUntil: decidedAt + request.lockMillis - Math.min(SLACK_MILLIS, request.lockMillis / 10) }
}

/** A node is dead: perhaps the one that was in charge. */
export function doubt(trust: ShareTrust): void {
  trust.until = 0
}

/** Whether records may be handed to the application: `unsure`, not before who is in charge has answered; `void`: they are somebody else's, or about to be. */
export function trustIn(trust: ShareTrust, { reign, lockUntil }: ShareHold, uptime: number): 'sure' | 'unsure' | 'void' {
  if (reign !== trust.reign || uptime >= lockUntil) return 'void'
  return uptime < trust.until ? 'sure' : 'unsure'
}
