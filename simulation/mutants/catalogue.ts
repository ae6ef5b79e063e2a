/**
 * Known bugs of Kafka, Redpanda, etcd and of this code itself, as data. Numbers are those of the catalogue in docs/simulation.md; what the random search
 * took to find each is written beside it.
 */
import type { Mutant } from './mutant.ts'

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
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'C8',
    title: 'recovery forgets the producers of the batches that it scans (KAFKA-12153)',
    why: 'a retry after the restart is appended again, or numbers are refused',
    edits: [
      {
        file: 'partitions/recovery.ts',
        text: 'if (!trusted && batch.producerId(bytes, at) >= 0)',
        replacement: 'if (trusted && batch.producerId(bytes, at) >= 0)',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'B15',
    title: 'acknowledged before it is synced (etcd #14370)',
    why: 'flush commit answers from the page cache',
    edits: [
      { file: 'actors/replica-produce.ts', text: "const commits = state.config.flush === 'commit'", replacement: 'const commits = false' },
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
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'E10',
    title: 'recovery trusts lengths and does not check the CRC (KAFKA-14104)',
    why: 'torn batches are served',
    edits: [
      {
        file: 'partitions/recovery.ts',
        text: "if (!trusted && !batch.checkBatch(bytes, at, available).ok) return 'unsound'",
        replacement: '',
      },
    ],
    seed: 26,
    seedsToFind: 26,
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
        file: 'partitions/recovery.ts',
        text: 'if (index === null || recovery.indexLoaded) kept.add(indexFileName(baseOffset))',
        replacement: 'kept.add(indexFileName(baseOffset))',
      },
    ],
    seed: 1850,
    seedsToFind: 1850,
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
    why: 'a segment that straddles the recovery point is taken for synced',
    edits: [
      {
        file: 'actors/replica.ts',
        text: 'if (endOffset > recovered.recoveryPoint || segment === active)',
        replacement: 'if (segment.baseOffset + 1 > recovered.recoveryPoint && endOffset >= 0)',
      },
    ],
    seed: 12,
    seedsToFind: 12,
  },
  {
    id: 'E18',
    title: 'recovery needs an index file that a power loss has taken',
    why: 'the partition never opens again',
    edits: [{ file: 'partitions/recovery.ts', text: ' && recovery.files.has(indexFileName(base))', replacement: '' }],
    seed: 59,
    seedsToFind: 59,
  },
  {
    id: 'A27',
    title: 'the log end is not taken back with the bytes (Redpanda #21324)',
    why: 'offsets are skipped after a failed append',
    edits: [{ file: 'partitions/log.ts', text: `log.logEndOffset = to.offset\n  return removed`, replacement: 'return removed' }],
    seed: 2,
    seedsToFind: 2,
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
        text: "assert(position + begin + sizeBytes <= endPosition, 'P10 nothing above the high watermark is served')",
        replacement: '',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'D4',
    title: 'the answer to an older heartbeat changes the assignment (KAFKA-9823)',
    why: 'a member takes up partitions that it has given back',
    edits: [
      {
        file: 'actors/consumer-group.ts',
        text: `if (message.correlationId !== membership.correlationId) return\n  membership.correlationId = -1\n  // The farewell`,
        replacement: `membership.correlationId = -1\n  // The farewell`,
      },
    ],
    seed: 107,
    seedsToFind: 107,
  },
  {
    id: 'D6',
    title: 'a partition is given away before its owner has let go (KIP-848)',
    why: 'two members have it',
    edits: [
      { file: 'coordinator/groups/membership.ts', text: 'if (!group.holders.has(name)) next.add(name)', replacement: 'next.add(name)' },
      {
        file: 'coordinator/groups/membership.ts',
        text: "assert(holder === undefined || holder === member.memberId, 'G1 a partition is given only when nobody else holds it')",
        replacement: 'void holder',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'D7',
    title: 'a heartbeat counts as confirmation although the member still owns the partition',
    why: 'the next owner starts while the former one still works',
    edits: [{ file: 'coordinator/groups/membership.ts', text: `if (owned.has(name)) continue\n`, replacement: '' }],
    seed: 54,
    seedsToFind: 54,
  },
  {
    id: 'D9',
    title: 'positions are committed when records are handed out, not when they are processed',
    why: 'a crash skips what was in work',
    edits: [
      {
        file: 'actors/consumer-commits.ts',
        text: `position !== committed)\n      offsets.push({ topic, partition, offset: position,`,
        replacement: `fetchOffset !== committed)\n      offsets.push({ topic, partition, offset: fetchOffset,`,
      },
      {
        file: 'actors/consumer-commits.ts',
        text: 'for (const { topic, partition, position, committed, phase, topicId } of partitions)',
        replacement: 'for (const { topic, partition, position, fetchOffset, committed, phase, topicId } of partitions)',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'D11',
    title: 'the commit of a member that is gone is accepted',
    why: 'a zombie takes back what its successor has committed',
    edits: [
      {
        file: 'actors/group.ts',
        text: "if (member === undefined) return 'UNKNOWN_MEMBER_ID'",
        replacement: 'if (member === undefined) return null',
      },
    ],
    seed: 90,
    seedsToFind: 90,
  },
  {
    id: 'D18',
    title: 'a log that cannot be read yet counts as an empty one',
    why: 'a group answers that nothing is committed, and members begin anew',
    edits: [
      {
        file: 'coordinator/state-log.ts',
        text: 'if (response.errorCode !== NONE) return null',
        replacement: `if (response.errorCode !== NONE) log.loaded = true\n  if (response.errorCode !== NONE) return []`,
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'D19',
    title: 'a commit that comes twice is answered before it is in the log',
    why: 'the append fails, and what was confirmed is gone',
    edits: [
      {
        file: 'actors/group.ts',
        text: `if (request.correlationId <= member.lastCommitId) return\n`,
        replacement: `if (request.correlationId <= member.lastCommitId) return answerCommit(request, context.from, NONE, null, outbox)\n`,
      },
    ],
    seed: 8,
    seedsToFind: 8,
  },
  {
    id: 'D20',
    title: 'a group hands out partitions as soon as it starts',
    why: 'members of its former life still have them',
    edits: [
      {
        file: 'actors/group.ts',
        text: 'state.membership.graceUntil = context.uptime + state.config.graceMillis',
        replacement: 'state.membership.graceUntil = context.uptime',
      },
    ],
    seed: 3,
    seedsToFind: 3,
  },
  {
    id: 'C31',
    title: 'producer ids are given out again after a restart of the coordinator',
    why: 'two producers share their numbers, and one is told that its records are duplicates',
    edits: [
      {
        file: 'actors/coordinator.ts',
        text: `state.freeProducerId = state.image.nextProducerId\n  tellBrokers`,
        replacement: `state.freeProducerId = 1\n  tellBrokers`,
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'C32',
    title: 'batches of unknown fate are numbered again when one times out',
    why: 'what had arrived is appended a second time under the new epoch',
    edits: [
      {
        file: 'actors/producer.ts',
        text: `if (expired.length === 0) return\n`,
        replacement: `if (expired.length === 0) return\n  startEpoch(state, queue)\n`,
      },
    ],
    seed: 18,
    seedsToFind: 18,
  },
]
