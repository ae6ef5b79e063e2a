/**
 * What the coordinators of the metadata quorum say to each other (Kafka API keys 52, 54, 59; KIP-595, KIP-996). Every message carries the sender's epoch;
 * an older one is refused, a newer one is adopted. Unlike KRaft's, the leader pushes: voters are few, and they sit in the same process.
 */

/** Asks for a vote, or (pre-vote) whether one would be given: then `epoch` is the present one, and nobody's state changes. */
export interface QuorumVote {
  readonly kind: 'quorumVote'
  readonly epoch: number
  readonly preVote: boolean
  /** The epoch of the last record in the log of the one who asks. */
  readonly lastEpoch: number
  readonly endOffset: number
}

/** The vote, or why not: an epoch that is newer than the one asked for, a better log, another candidate, a leader that lives. */
export interface QuorumVoteResponse {
  readonly kind: 'quorumVoteResponse'
  readonly epoch: number
  readonly preVote: boolean
  readonly voteGranted: boolean
  /** The voter may have acknowledged, or voted, what it has lost since. Default: it has not. */
  readonly isDoubtful?: boolean
}

/** Leader to voter: it leads no more, and these shall stand for election, one after the other until one is elected. */
export interface QuorumEndEpoch {
  readonly kind: 'quorumEndEpoch'
  readonly epoch: number
  readonly successors: readonly number[]
}

/** Leader to voter: batches that follow the offset `prevOffset`, or none (a heartbeat). */
export interface QuorumAppend {
  readonly kind: 'quorumAppend'
  readonly epoch: number
  /** Where the batches begin. */
  readonly prevOffset: number
  /** The epoch of the record before. */
  readonly prevEpoch: number
  readonly highWatermark: number
  readonly records: Uint8Array | null
  /** A doubtful voter has everything that is committed, and the leader counts on nothing else: it is doubtful no more. Default: that is not said. */
  readonly isCaughtUp?: boolean
}

/** `isMatch`: the logs agree, and everything below `endOffset` is synced here. Otherwise the leader shall go on at `endOffset`. */
export interface QuorumAppendResponse {
  readonly kind: 'quorumAppendResponse'
  readonly epoch: number
  readonly isMatch: boolean
  readonly endOffset: number
  /** What it acknowledged before may be lost: only this counts. Default: it is not. */
  readonly isDoubtful?: boolean
}

/** Leader to a voter that needs what the leader has only as a snapshot: a piece of it. `endOffset` is exclusive. */
export interface QuorumSnapshotChunk {
  readonly kind: 'quorumSnapshot'
  readonly epoch: number
  readonly endOffset: number
  /** The epoch of the last record that the snapshot covers. */
  readonly lastEpoch: number
  readonly sizeBytes: number
  readonly position: number
  readonly records: Uint8Array
}

/** So much of the snapshot has come. */
export interface QuorumSnapshotResponse {
  readonly kind: 'quorumSnapshotResponse'
  readonly epoch: number
  readonly endOffset: number
  readonly position: number
}

/** The conversation of the quorum. */
export type QuorumMessage =
  | QuorumVote
  | QuorumVoteResponse
  | QuorumEndEpoch
  | QuorumAppend
  | QuorumAppendResponse
  | QuorumSnapshotChunk
  | QuorumSnapshotResponse
