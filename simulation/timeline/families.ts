/**
 * Messages by what they are about, so that a page has a colour for each family, and a reader can hide what he does not care for.
 */

/** All families, in the order of a legend. */
export const FAMILIES = [
  'produce',
  'consume',
  'replicate',
  'groups',
  'share',
  'transactions',
  'metadata',
  'quorum',
  'quotas',
  'disk',
  'timers',
  'inside',
] as const

/** What a message is about. `inside`: said between actors of one host, about nothing else that has a name here. */
export type Family = (typeof FAMILIES)[number]

/** The first pattern that matches a kind says it. */
const PATTERNS: readonly (readonly [RegExp, Family])[] = [
  [/^timerFired$/, 'timers'],
  [/^(appended|synced|readCompleted|storageDone|listed|logsListed|compacted)$/, 'disk'],
  [/^quorum|RaftVoter$/, 'quorum'],
  [/share/i, 'share'],
  [/quota/i, 'quotas'],
  [/^(throttled|requestTimed|dropRanges)$/, 'quotas'],
  [/transaction|^describeProducers/i, 'transactions'],
  [/^(initProducerId|produce|submit|delivered)/, 'produce'],
  [/group|^offset(Commit|Fetch|Delete|sCommitted)|coordinator|heartbeat$|^heartbeatResponse|^commit|^member|^askMember/i, 'groups'],
  [/^(fetch|listOffsets|chunk|consumer|assign|revoking|released|progress|position|pause|seek|subscribe|closeConsumer)/, 'consume'],
  [/^(started|undeliverable|nodeDown|votersChanged|drain|stopNode|resign|replica|configureReplica)/, 'inside'],
]

/** The family of a kind of message. A fetch of a follower replicates. */
export function familyOf(kind: string, fromActor: string, toActor: string): Family {
  if (kind.startsWith('brokerHeartbeat')) return 'metadata'
  if (kind.startsWith('fetch') && isReplica(fromActor) && isReplica(toActor)) return 'replicate'
  return PATTERNS.find(([pattern]) => pattern.test(kind))?.[1] ?? 'metadata'
}

function isReplica(actor: string): boolean {
  return actor.startsWith('replica/')
}
