/**
 * Known bugs of Kafka, Redpanda, etcd and of this code itself, as data. Numbers are those of the catalogue in docs/simulation.md; what the random search
 * took to find each is written beside it.
 */
import { classicMutants } from './classic-mutants.ts'
import { clientMutants } from './client-mutants.ts'
import { compactionMutants } from './compaction-mutants.ts'
import { groupMutants } from './group-mutants.ts'
import type { Mutant } from './mutant.ts'
import { proofMutants } from './proof-mutants.ts'
import { quotaMutants } from './quota-mutants.ts'
import { readerMutants } from './reader-mutants.ts'
import { replicationMutants } from './replication-mutants.ts'
import { quorumMutants } from './quorum.ts'
import { shareMutants } from './share-mutants.ts'
import { transactionMutants } from './transaction-mutants.ts'
import { trustMutants } from './trust-mutants.ts'

/** All mutants. */
export const mutants: readonly Mutant[] = [
  {
    id: 'C1',
    title: 'no dedup window: a retry is told OUT_OF_ORDER (Redpanda #3038)',
    why: 'the producer takes it for lost numbers, begins a new epoch and appends the batch again',
    edits: [
      {
        file: 'partitions/idempotence.ts',
        text: "return { verdict: 'duplicate', baseOffset: known.baseOffset }",
        replacement: "return refuse('OUT_OF_ORDER_SEQUENCE_NUMBER')",
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'C2',
    title: 'window of one batch although five may be in flight (KAFKA-5494)',
    why: 'a retry of an older batch is acknowledged without its offset',
    edits: [
      {
        file: 'partitions/idempotence.ts',
        text: 'if (entry.batches.length > IN_FLIGHT_BATCHES_MAX) entry',
        replacement: 'if (entry.batches.length > 1) entry',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'C7',
    title: 'producer state is not rolled back when the append fails (KAFKA-6683)',
    why: 'the retry counts as a duplicate of a batch that was never written',
    edits: [
      {
        file: 'actors/replica-flush.ts',
        text: 'state.appended = copyStates(state.producers)',
        replacement: 'state.producers = copyStates(state.appended)',
      },
    ],
    seed: 9,
    seedsToFind: 9,
  },
  {
    id: 'C8',
    title: 'recovery forgets the producers of the batches that it scans (KAFKA-12153)',
    why: 'a retry after the restart is appended again, or numbers are refused',
    edits: [
      {
        file: 'partitions/recovery.ts',
        text: 'numbered: numberedBatch(bytes, at, baseOffset),',
        replacement: 'numbered: null,',
      },
    ],
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'B15',
    title: 'acknowledged before it is synced (etcd #14370)',
    why: 'flush commit answers from the page cache',
    edits: [
      { file: 'actors/replica-progress.ts', text: "const commits = state.config.flush === 'commit'", replacement: 'const commits = false' },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'E15',
    title: 'a sync counts for what was appended after it',
    why: 'the size in the answer of the disk is ignored: a batch in the next segment counts as synced',
    edits: [
      {
        file: 'actors/replica-flush.ts',
        text: 'if (entry.segmentBaseOffset !== segmentBaseOffset || !entry.written) continue',
        replacement: 'if (!entry.written) continue',
      },
    ],
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'E10',
    title: 'recovery trusts lengths and does not check the CRC (KAFKA-14104)',
    why: 'torn batches are served',
    edits: [
      {
        file: 'partitions/recovery.ts',
        text: "if (!isTrusted && !batch.checkBatch(bytes, at, available, 'sparse').ok) return 'unsound'",
        replacement: '',
      },
    ],
    seed: 33,
    seedsToFind: 33,
  },
  {
    id: 'E11',
    title: 'a failed sync is tried again (fsyncgate)',
    why: 'the second one succeeds, but what the first should have written is gone',
    edits: [
      {
        file: 'actors/replica-flush.ts',
        text: `if (message.error !== null) return onSyncFailed(state, segmentBaseOffset, outbox)\n  let more`,
        replacement: `if (message.error !== null) return requestSync(state, segmentBaseOffset, outbox)\n  let more`,
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'E16',
    title: 'recovery keeps the index of a segment that it cut',
    why: 'an index of another life of the segment sends readers into the middle of a batch',
    edits: [
      {
        file: 'partitions/log-files.ts',
        text: 'if (index === null || indexLoaded) kept.add(indexFileName(baseOffset, generation))',
        replacement: 'kept.add(indexFileName(baseOffset, generation))',
      },
    ],
    run: 'small',
    seed: 2891,
    seedsToFind: 2891,
  },
  {
    id: 'E30',
    title: 'a segment that straddles the recovery point counts as synced',
    why: 'the checkpoint vouches for its beginning only: what follows is exposed, and may be in the page cache alone',
    edits: [
      {
        file: 'actors/replica-open.ts',
        text: 'if (endOffset > recoveryPoint || segment === active)',
        replacement: 'if (segment.baseOffset >= recoveryPoint)',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'E12',
    title: 'the checkpoint vouches for what is appended, not for what is synced (KAFKA-16541)',
    why: 'after a power loss the log ends below its recovery point',
    edits: [
      { file: 'actors/replica-flush.ts', text: 'target: state.highWatermark.offset,', replacement: 'target: state.log.logEndOffset,' },
      {
        file: 'actors/replica-flush.ts',
        text: `for (const base of bases) {\n    const token = expectAnswer(state, { kind: 'flush', flush: state.flush, segmentBaseOffset: base })`,
        replacement: `for (const base of bases.slice(1)) {\n    const token = expectAnswer(state, { kind: 'flush', flush: state.flush, segmentBaseOffset: base })`,
      },
      { file: 'actors/replica-flush.ts', text: 'waiting: bases.length,', replacement: 'waiting: Math.max(bases.length - 1, 0),' },
      {
        file: 'actors/replica-flush.ts',
        text: 'if (bases.length === 0) writeCheckpoint',
        replacement: 'if (bases.length <= 1) writeCheckpoint',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'E17',
    title: 'what was recovered from the page cache is exposed before it is synced',
    why: 'what lies above the recovery point counts as soon as it has been read',
    edits: [
      {
        file: 'actors/replica-open.ts',
        text: "if (state.pending.length === 0 || state.config.flush !== 'commit') return onOpened",
        replacement: 'if (state.pending.length >= 0) return onOpened',
      },
    ],
    seed: 4,
    seedsToFind: 4,
  },
  {
    id: 'E18',
    title: 'recovery needs an index file that a power loss has taken',
    why: 'the partition never opens again',
    edits: [{ file: 'partitions/recovery.ts', text: ' && recovery.files.has(indexFileName(base, generation))', replacement: '' }],
    seed: 79,
    seedsToFind: 79,
  },
  {
    id: 'E24',
    title: 'recovery removes what a checkpoint does without that is only in the page cache',
    why: 'a power loss brings the checkpoint before back, and what that one speaks of is gone',
    edits: [
      {
        file: 'partitions/recovery.ts',
        text: 'recovery.segments, recovery.stale, recovery.indexLoaded',
        replacement: 'recovery.segments, [], recovery.indexLoaded',
      },
    ],
    seed: 15,
    seedsToFind: 15,
  },
  {
    id: 'A27',
    title: 'the log end is not taken back with the bytes (Redpanda #21324)',
    why: 'offsets are skipped after a failed append',
    edits: [{ file: 'partitions/log.ts', text: `log.logEndOffset = to.offset\n  return removed`, replacement: 'return removed' }],
    seed: 12,
    seedsToFind: 12,
  },
  {
    id: 'HW',
    title: 'a fetch reads to the end of the segment, not to the high watermark',
    why: 'readers see what is not acknowledged, and what a crash takes away',
    edits: [
      {
        file: 'partitions/log.ts',
        text: 'const endPosition = segment.baseOffset === limit.segmentBaseOffset ? limit.position : segment.sizeBytes',
        replacement: 'const endPosition = segment.sizeBytes',
      },
      {
        file: 'actors/replica-read.ts',
        text: "assert(position + begin + sizeBytes <= endPosition, 'P10 nothing above the limit is served')",
        replacement: '',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'E21',
    title: 'a log is opened again after a failed sync as the page cache shows it (fsyncgate)',
    why: 'the next sync succeeds without the lost bytes: they are exposed, or a checkpoint vouches for them',
    edits: [
      {
        file: 'actors/replica-open.ts',
        text: 'if (beginRewrites(state, recoveryPoint, outbox))',
        replacement: 'if (beginRewrites === undefined)',
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'E23',
    title: 'a checkpoint that could not be written counts',
    why: 'files that retention dropped are removed, and what is left of the checkpoints says that they must be there',
    edits: [
      {
        file: 'actors/replica-flush.ts',
        text: 'if (message.error !== null) return onCheckpointFailed(state, write, outbox)\n  if (!write',
        replacement: 'if (!write',
      },
    ],
    run: 'small',
    seed: 28,
    seedsToFind: 28,
  },
  {
    id: 'C4',
    title: 'numbers are given anew in another order (KAFKA-8483, KAFKA-8484)',
    why: 'batches of an epoch that began again while several were in flight are written in the wrong order',
    edits: [
      {
        file: 'actors/producer-queue.ts',
        text: 'for (const one of queue.batches) one.sequence = -1',
        replacement: 'for (const one of queue.batches) one.sequence = -1\n  queue.batches.reverse()',
      },
    ],
    seed: 3,
    seedsToFind: 3,
  },
  {
    id: 'E6',
    title: 'the last batch of a producer is told by its number, whatever its epoch (KAFKA-8335)',
    why: 'what is known of a producer stays in an epoch that is over: batches of the next one are refused',
    edits: [
      {
        file: 'partitions/idempotence.ts',
        text: 'const isSameEpoch = known !== undefined && known.producerEpoch === producerEpoch',
        replacement: 'const isSameEpoch = known !== undefined',
      },
    ],
    seed: 9,
    seedsToFind: 9,
  },
  {
    id: 'E7',
    title: 'retention deletes above the high watermark (KAFKA-5634)',
    why: 'records go that are not committed: followers are left with a hole, or begin anew',
    edits: [
      {
        file: 'partitions/retention.ts',
        text: 'if (segment === undefined || next === undefined || next.baseOffset > lastStableOffset) break',
        replacement: 'if (segment === undefined || next === undefined || lastStableOffset < 0) break',
      },
    ],
    run: 'small',
    seed: 90,
    seedsToFind: 90,
  },
  {
    id: 'E13',
    title: 'a log that begins inside of a batch begins there for followers, too (KAFKA-6975)',
    why: 'who copies it anew is given a batch that begins before its log',
    edits: [
      {
        file: 'actors/replica-read-answers.ts',
        text: 'return replicaId === CONSUMER_REPLICA ? log.logStartOffset : (log.segments[0]?.baseOffset ?? log.logStartOffset)',
        replacement: 'return log.logStartOffset',
      },
    ],
    run: 'small',
    seed: 120,
    seedsToFind: 120,
  },
  ...replicationMutants,
  ...trustMutants,
  ...proofMutants,
  ...compactionMutants,
  ...clientMutants,
  ...classicMutants,
  ...groupMutants,
  ...quotaMutants,
  ...shareMutants,
  ...readerMutants,
  ...transactionMutants,
  ...quorumMutants,
]
