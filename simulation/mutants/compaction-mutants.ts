/**
 * Known bugs of compaction: in what it takes, in how its files take the place of others, and in those who read what it has left.
 */
import type { Mutant } from './mutant.ts'

/** Mutants of compaction. */
export const compactionMutants: readonly Mutant[] = [
  {
    id: 'E1',
    title: 'markers are compacted by key (KAFKA-14055; Redpanda #16295)',
    why: 'the key of a marker says of which kind it is: the next one takes the place of all before, or a record with the same key does',
    edits: [
      {
        file: 'protocol/log-cleaner.ts',
        text: 'if (header.isControl(bytes, at) || isAborted(order, bytes, at)) return',
        replacement: 'if (isAborted(order, bytes, at)) return',
      },
      {
        file: 'protocol/log-cleaner.ts',
        text: 'if (header.isControl(bytes, at)) return cleanMarker(cleaner, found, output)',
        replacement: '',
      },
    ],
    run: 'small',
    seed: 196,
    seedsToFind: 196,
  },
  {
    id: 'E2',
    title: 'the cleaner does not know what was aborted (KAFKA-13727)',
    why: 'aborted records stay, and take the place of committed ones with the same key',
    edits: [{ file: 'protocol/log-cleaner.ts', text: 'if (aborted.length === 0 ||', replacement: 'if (aborted.length >= 0 ||' }],
    seed: 10,
    seedsToFind: 10,
  },
  {
    id: 'E4',
    title: 'a tombstone goes with the first cleaning (KAFKA-8522, KIP-534)',
    why: 'who has read the value, and not the tombstone yet, never hears that it is deleted',
    edits: [
      {
        file: 'protocol/log-cleaner.ts',
        text: 'const isOver = horizon >= 0 && horizon <= order.deletesUpTo',
        replacement: 'const isOver = true',
      },
    ],
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'E4b',
    title: 'tombstones go although a replica may not have them',
    why: 'it comes back with the value, leads, and shows what was deleted',
    edits: [{ file: 'partitions/compaction.ts', text: 'deletesBelow: syncedByAll', replacement: 'deletesBelow: Infinity' }],
    seed: 34,
    seedsToFind: 34,
  },
  {
    id: 'E4c',
    title: 'a tombstone goes although a replica has it in its page cache only',
    why: 'its power fails, it is not given the tombstone again, and the value is back',
    edits: [
      {
        file: 'partitions/replication.ts',
        text: 'follower.syncedOffset = fetch.syncedOffset',
        replacement: 'follower.syncedOffset = fetch.endOffset',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'E9',
    title: 'a file has the name that counts before it is whole, and the newest name counts (KAFKA-12520, KAFKA-6264)',
    why: 'recovery takes the half of a segment that a crash has left for the whole of it',
    edits: [
      {
        file: 'partitions/compaction.ts',
        text: 'outputFile: unfinishedName(logFileName(segment.baseOffset, generation))',
        replacement: 'outputFile: logFileName(segment.baseOffset, generation)',
      },
      {
        file: 'partitions/log-files.ts',
        text: 'const isListed = listed(all, checkpoint)',
        replacement: 'const isListed: ReturnType<typeof listed> = listed(all, null)',
      },
    ],
    run: 'small',
    seed: 30,
    seedsToFind: 30,
  },
  {
    id: 'E14',
    title: 'what was clean of a log counts for the one that begins anew (KAFKA-9133)',
    why: 'the new one is not cleaned before it has grown as long, and its first records are taken for clean then',
    edits: [
      {
        file: 'actors/replica-open.ts',
        text: 'fresh.cleaning.generation = state.cleaning.generation',
        replacement: 'fresh.cleaning.generation = state.cleaning.generation\n  fresh.cleaning.cleanedOffset = state.cleaning.cleanedOffset',
      },
    ],
    seed: 7,
    seedsToFind: 7,
  },
  {
    id: 'E25',
    title: 'the numbers of producers go with their records (KAFKA-5860)',
    why: 'who comes next does not recognise a batch that is sent again',
    edits: [
      {
        file: 'partitions/compaction.ts',
        text: 'keptBatches: numberedBatches(producers, endOf(log, segments.length - 1))',
        replacement: 'keptBatches: []',
      },
    ],
    seed: 34,
    seedsToFind: 34,
  },
  {
    id: 'E26',
    title: 'the minimum lag is ignored',
    why: 'a reader that is a moment behind never sees values that it was promised',
    edits: [
      {
        file: 'partitions/compaction.ts',
        text: 'config.minCompactionLagMillis > 0 &&',
        replacement: 'config.minCompactionLagMillis < 0 &&',
      },
    ],
    seed: 53,
    seedsToFind: 53,
  },
  {
    id: 'E27',
    title: 'what is not committed is cleaned',
    why: 'a record gives way to one that is rolled back: the key has neither',
    edits: [
      {
        file: 'partitions/compaction.ts',
        text: 'segment.baseOffset >= limit.segmentBaseOffset ||\n',
        replacement: '',
      },
      { file: 'partitions/compaction.ts', text: 'endOf(log, i) > limit.offset ||', replacement: '' },
      { file: 'partitions/compaction.ts', text: 'limit.unsynced.has(segment.baseOffset)', replacement: 'false' },
      { file: 'actors/replica-compact.ts', text: 'output.endOffset <= highWatermark.segmentBaseOffset', replacement: 'true' },
    ],
    seed: 7,
    seedsToFind: 7,
  },
  {
    id: 'E28',
    title: 'a tombstone takes the place of nothing',
    why: 'the value that it deletes stays, and is all there is when the tombstone has gone',
    edits: [
      {
        file: 'protocol/log-cleaner.ts',
        text: 'if (cursor.keyBegin >= 0) newest.put(',
        replacement: 'if (cursor.keyBegin >= 0 && !cursor.isTombstone) newest.put(',
      },
    ],
    run: 'small',
    seed: 273,
    seedsToFind: 273,
  },
  {
    id: 'E29',
    title: 'what is not decided is cleaned',
    why: 'a record of an open transaction takes the place of the one that counts when it is aborted',
    edits: [
      {
        file: 'actors/replica-compact.ts',
        text: 'lastStablePosition(state.transactions, state.highWatermark, log.logStartOffset)',
        replacement: 'state.highWatermark',
      },
    ],
    run: 'small',
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A28',
    title: 'what was cleaned counts whatever has become of the log (Redpanda #7155)',
    why: 'a log that was cut meanwhile has again what its leader does not have',
    edits: [
      {
        file: 'actors/replica-compact.ts',
        text: "if (files.length > 0) outbox.push({ kind: 'remove', log: state.logName, files, token: expectAnswer(state, { kind: 'ignore' }) })",
        replacement:
          "const renames = files.map((from) => ({ from, to: from.replace('.cleaned', '') }))\n  outbox.push({ kind: 'rename', log: state.logName, renames, token: expectAnswer(state, { kind: 'ignore' }) })",
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A39',
    title: 'a follower takes batches only from their beginning on',
    why: 'where its log ends inside of what its leader has made one empty batch of, it never goes on',
    edits: [
      {
        file: 'actors/replica-follow.ts',
        text: 'if (isSound && at === 0) beginEmptyAt(records, at, state.log.logEndOffset)',
        replacement: '',
      },
    ],
    seed: 34,
    seedsToFind: 34,
  },
  {
    id: 'D15',
    title: 'the position of a consumer stays behind the last record (KAFKA-5490, KAFKA-12980)',
    why: 'a partition that ends in what was compacted away is never read to its end',
    edits: [{ file: 'edge/client/consumed-partition.ts', text: 'this.#skipEnd(chunk)\n', replacement: '' }],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'D16',
    title: 'a coordinator that loads its log goes on behind the last record that it has read (KAFKA-9065)',
    why: 'a batch without records is read again and again: the group has no coordinator',
    edits: [
      {
        file: 'coordinator/state-log.ts',
        text: 'log.nextOffset = batch.lastOffset(bytes, at) + 1',
        replacement: 'log.nextOffset = (loaded.records.at(-1)?.offset ?? log.nextOffset - 1) + 1',
      },
    ],
    seed: 11,
    seedsToFind: 11,
  },
  {
    id: 'E32',
    title: 'retention goes up to the high watermark',
    why: 'what a transaction has written is gone before it is committed, and only its end is seen',
    edits: [
      {
        file: 'actors/replica-retention.ts',
        text: 'expiredSegments(state.log, state.config, stable.offset, context.now)',
        replacement: 'expiredSegments(state.log, state.config, state.highWatermark.offset, stable === null ? 0 : context.now)',
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A58',
    title: 'a cleaned log is cut like any other',
    why: 'what has given way to the records that are cut is gone, and the leader has it: another copy than its own leads next',
    edits: [
      {
        file: 'actors/replica-follow.ts',
        text: 'if (reliesOn(state.log, state.cleaning, state.highWatermark.offset, endOffset))',
        replacement: 'if (reliesOn === undefined)',
      },
    ],
    run: 'small',
    seed: 2033,
    seedsToFind: 2033,
  },
  {
    id: 'C46',
    title: 'a replica that is eligible copies its cleaned log anew at once',
    why: 'its leader stops, and it leads with half a copy (KIP-966): what was acknowledged is gone',
    edits: [
      {
        file: 'actors/replica-follow.ts',
        text: 'return asksNotToBeCounted(state, outbox) ? wakeAfter(RESIGN_MILLIS, outbox) : restartLog(state, 0, outbox)',
        replacement: 'return restartLog(state, 0, outbox)',
      },
    ],
    run: 'small',
    seed: 17886,
    seedsToFind: 17886,
  },
]
