/**
 * Known bugs of what counts as being on the disk: a checkpoint, a registration, a clean stop. As data.
 */
import type { Mutant } from './mutant.ts'

/** Mutants of proofs. */
export const proofMutants: readonly Mutant[] = [
  {
    id: 'E33',
    title: 'a checkpoint whose sync has failed counts as unknown when its log is opened again',
    why: 'a later sync succeeds, and proves nothing: the other one, the last that a power loss leaves, is written over',
    edits: [
      {
        file: 'actors/replica-open.ts',
        text: "if (state.failedCheckpoint === recovered.checkpointSequence) state.checkpointTrust = 'torn'",
        replacement: '',
      },
    ],
    run: 'small',
    seed: 734,
    seedsToFind: 734,
  },
  {
    id: 'A69',
    title: 'a clean stop is written down again whenever somebody asks again',
    why: 'it takes the place of what the incarnation wrote at its beginning: what the next one leaves may be in the page cache only',
    edits: [
      {
        file: 'actors/broker-stop.ts',
        text: 'stop.waitsFor.size === 0) answerStop(state, outbox)',
        replacement: 'stop.waitsFor.size === 0) finishStop(state, outbox)',
      },
    ],
    run: 'small',
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A68',
    title: 'what is being synced when a log is cut is forgotten',
    why: 'if that has failed, the disk says so only once: the next sync proves nothing, and a power loss takes what is counted on',
    edits: [{ file: 'actors/replica-open.ts', text: '  distrustUnheard(state)\n', replacement: '' }],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A61',
    title: 'a checkpoint that could not be synced is written over with the next one',
    why: 'it may be the only one that is on the disk, and files that the one before it names are gone on its word: after a power loss the log cannot be opened with all that was acknowledged',
    edits: [
      {
        file: 'actors/replica-proof.ts',
        text: "state.checkpointTrust = error === null ? 'safe' : 'doubted'",
        replacement: "state.checkpointTrust = error === null ? 'safe' : 'torn'",
      },
    ],
    run: 'small',
    seed: 10447,
    seedsToFind: 10447,
  },
  {
    id: 'A63',
    title:
      'a replica whose disk fails, or that is still being opened, is drained like any other: its node says that it has stopped cleanly',
    why: 'after a power loss it is counted on with what was never synced, and leads without what it had acknowledged',
    edits: [
      {
        file: 'actors/replica-synced.ts',
        text: "if (state.phase === 'failed' || state.phase === 'recovering') return false",
        replacement: "if (state.phase === 'failed' || state.phase === 'recovering') return true",
      },
    ],
    run: 'small',
    seed: 716,
    seedsToFind: 716,
  },
  {
    id: 'A64',
    title: 'a node that is stopped before it has seen the metadata says that it has stopped cleanly',
    why: 'what its life before has left in the page cache nobody has synced: after a power loss it is counted on without it',
    edits: [
      {
        file: 'actors/broker-stop.ts',
        text: 'stop.isSynced = isInformed(state) && state.recording < 0',
        replacement: 'stop.isSynced = (isInformed(state) || state.brokerEpoch >= 0) && state.recording < 0',
      },
    ],
    run: 'small',
    seed: 10888,
    seedsToFind: 10888,
  },
  {
    id: 'A65',
    title: 'what is not sound when a log is opened again in the same life is a write that has failed, wherever it is',
    why: 'a replica whose disk has rotted cuts what it had acknowledged, and goes on to be counted on',
    edits: [
      {
        file: 'actors/replica-open.ts',
        text: 'heldEnd: endOffsetMax === Infinity ? heldEndOf(state) : -Infinity',
        replacement: 'heldEnd: -Infinity',
      },
    ],
    run: 'small',
    seed: 630,
    seedsToFind: 630,
  },
  {
    id: 'A72',
    title: 'a log that is opened again, and cannot be synced then, has forgotten how far it was durable when it is opened once more',
    why: 'what has rotted meanwhile is cut as a write that has failed, with all that was acknowledged behind it',
    edits: [
      {
        file: 'actors/replica-open.ts',
        text: 'return heldEnd === null ? null : Math.max(heldEnd, durableEndOffset)',
        replacement: 'return heldEnd === null ? null : durableEndOffset',
      },
    ],
    run: 'small',
    seed: 968,
    seedsToFind: 968,
  },
  {
    id: 'A73',
    title: 'a batch below the recovery point is believed where it seems to end before it begins',
    why: 'a bit that rots in the sign of its last offset is taken for a torn tail: the last one in sync cuts away what the checkpoint vouches for, and cannot lead any more, not even when the bit is put back',
    edits: [
      {
        file: 'partitions/recovery.ts',
        text: 'const isTrusted = isBelow && endOffset > baseOffset && endOffset <= recoveryPoint',
        replacement: 'const isTrusted = isBelow && endOffset <= recoveryPoint',
      },
    ],
    run: 'small',
    seed: 8824,
    seedsToFind: 8824,
  },
  {
    id: 'A66',
    title: 'a registration whose sync has failed is taken for one that is not durable, and the other one for one that is',
    why: 'the failed one may be the only one that is on the disk, and it is written over: a power loss leaves neither, and whoever was the only one in sync counts as wiped',
    edits: [
      {
        file: 'actors/broker-registration.ts',
        text: 'if (!isDurable && state.written[state.nextFile] !== null) return proveLater(state, outbox)',
        replacement: 'if (!isDurable && state.written[state.nextFile] !== null) state.nextFile = otherFile(state.nextFile)',
      },
    ],
    run: 'small',
    seed: 344,
    seedsToFind: 344,
  },
  {
    id: 'A67',
    title: 'a checkpoint that is being synced when the disk fails is proved by the next sync',
    why: 'its own may have failed, which the disk says only once: the other one, the last that a power loss leaves, is written over',
    edits: [
      {
        file: 'actors/replica-synced.ts',
        text: "if (kind === 'checkpointSync' || kind === 'checkpointProof') state",
        replacement: "if (kind === 'checkpointProof') state",
      },
    ],
    run: 'small',
    seed: 1378,
    seedsToFind: 1378,
  },
  {
    id: 'A80',
    title: 'only the coordinator that has written down a loss reports it',
    why: 'where another one leads when that is committed, nobody hears that what a partition held is gone',
    edits: [
      {
        file: 'actors/coordinator.ts',
        text: 'state.wasActive || seat.isActive, outbox)',
        replacement: 'state.wasActive, outbox)',
      },
    ],
    run: 'beyond',
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A74',
    title: 'what was mended before a log is cut is not synced: its leader has nothing where the rest is damaged',
    why: 'it counts as whole, and is in sync: a power loss brings back what had rotted',
    edits: [
      {
        file: 'actors/replica-mend.ts',
        text: '++mending.emptyCount === EMPTY_COUNT_MAX) return cut(state, mending, outbox)',
        replacement: '++mending.emptyCount === EMPTY_COUNT_MAX) return cutLog(state, mending.offset, outbox)',
      },
    ],
    run: 'small',
    seed: 1732,
    seedsToFind: 1732,
  },
  {
    id: 'A75',
    title: 'what a checkpoint has no more is looked at when a log is opened, where no file is behind it',
    why: 'everything was deleted before it was synced: what a power loss has taken of it counts as missing, and the log cannot be opened',
    edits: [
      {
        file: 'partitions/log-files.ts',
        text: '<= logStartOffset || file.baseOffset < begin',
        replacement: '<= logStartOffset || (begin < 0 && file.baseOffset < begin)',
      },
    ],
    run: 'small',
    seed: 13272,
    seedsToFind: 13272,
  },
  {
    id: 'A76',
    title: 'an empty file that follows puts in doubt what a segment has lost',
    why: 'nothing of either was synced: the last one in sync, which has all that was acknowledged, gives up for one that may be gone',
    edits: [
      {
        file: 'partitions/log-files.ts',
        text: '(sizes.get(logFileName(baseOffset, generation)) ?? 0) > 0',
        replacement: '(sizes.get(logFileName(baseOffset, generation)) ?? 0) >= 0',
      },
    ],
    run: 'small',
    seed: 0,
    seedsToFind: 0,
  },
]
