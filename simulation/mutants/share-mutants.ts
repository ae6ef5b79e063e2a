/**
 * Bugs that share groups could have, as data: part of the catalogue.
 */
import type { Mutant } from './mutant.ts'

const SHARES = 'actors/shares.ts'
const FETCH = 'actors/shares-fetch.ts'
const TRUST = 'actors/share-trust.ts'
const PARTITION = 'coordinator/share/share-partition.ts'
const RECORD = 'coordinator/share/share-record.ts'

/** Mutants of share groups. */
export const shareMutants: readonly Mutant[] = [
  {
    id: 'S1',
    title: 'a lock that is over is not released (KIP-932)',
    why: 'what a dead member had is given to nobody, and the group never comes to its end',
    edits: [{ file: SHARES, text: 'for (const share of group.partitions.values()) expireLocks(share, uptime)', replacement: '' }],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'S2',
    title: 'an acknowledgement is answered before it is written',
    why: 'after a fail-over what was accepted is given to somebody again',
    edits: [{ file: FETCH, text: 'one.acquired !== null && one.change <= state.writtenCount', replacement: 'one.acquired !== null' }],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'S3',
    title: 'delivery counts are not read from the log',
    why: 'a record that ends its process is given out for ever',
    edits: [{ file: RECORD, text: 'deliveryCount: bytes[at + 3] ?? 0', replacement: 'deliveryCount: 0' }],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'S4',
    title: 'the start offset moves over records that were released',
    why: 'nobody is given them again',
    edits: [
      {
        file: PARTITION,
        text: 'partition.ranges.findIndex((range) => !isDone(range))',
        replacement: "partition.ranges.findIndex((range) => range.state === 'acquired')",
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'S5',
    title: 'a coordinator whose lease is over hands out what it has written before',
    why: 'its successor has given it to somebody else, who has accepted it',
    edits: [{ file: FETCH, text: "uptime < state.leaseUntil ? null : 'NOT_COORDINATOR'", replacement: 'null' }],
    seed: 10,
    seedsToFind: 10,
  },
  {
    id: 'S6',
    title: 'whoever has lost a lock may acknowledge all the same',
    why: 'somebody else has the record, and it is done with under his hands',
    edits: [
      {
        file: PARTITION,
        text: 'held.every((one) => isHeldBy(one, memberId, uptime))',
        replacement: "held.every((one) => one.state === 'acquired')",
      },
    ],
    run: 'small',
    seed: 244,
    seedsToFind: 244,
  },
  {
    id: 'S7',
    title: 'whoever asks again is told what it was given, although it has lost that meanwhile',
    why: 'it works on what somebody else has, or has accepted',
    edits: [{ file: 'actors/shares-state.ts', text: '(one.acquired ?? []).flatMap(stillHeld)', replacement: '(one.acquired ?? [])' }],
    run: 'small',
    seed: 1439,
    seedsToFind: 1439,
  },
  {
    id: 'S8',
    title: 'an attempt counts although its write failed, and nobody was told of it',
    why: 'a record is given up that was hardly ever given out',
    edits: [{ file: 'actors/shares.ts', text: '  rememberUntold(state)\n', replacement: '' }],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'S9',
    title: 'a member hands over what it was given, whoever is in charge by then, and whether the lock is over',
    why: 'somebody else was given it meanwhile, and has accepted it',
    edits: [
      { file: TRUST, text: "if (reign !== trust.reign || uptime >= lockUntil) return 'void'", replacement: 'void [reign, lockUntil]' },
      { file: TRUST, text: "return uptime < trust.until ? 'sure' : 'unsure'", replacement: "return uptime < Infinity ? 'sure' : 'unsure'" },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'S10',
    title: 'a coordinator gives out at once what members of its predecessor may be sure to have',
    why: 'who has not heard of it hands over what somebody else has accepted',
    edits: [{ file: FETCH, text: 'context.uptime >= state.trustUntil', replacement: 'context.uptime >= 0' }],
    run: 'small',
    seed: 6113,
    seedsToFind: 6113,
  },
  {
    id: 'S11',
    title: 'who was given records of which the log has lost the first meanwhile is not told of the others',
    why: 'nobody has them until their lock is over, and their attempt counts, though nobody has ever heard of it',
    edits: [
      {
        file: 'actors/shares-state.ts',
        text: '.map((part) => ({ ...range, ...part }))',
        replacement: '.filter(({ first, last }) => first === range.first && last === range.last).map(() => range)',
      },
    ],
    run: 'small',
    seed: 15910,
    seedsToFind: 15910,
  },
  {
    id: 'S12',
    title: 'a coordinator that reads its log anew gives out records that it knows to be gone',
    why: 'nobody can read them, and attempts at them count that were taken back',
    edits: [{ file: FETCH, text: 'if (raiseStart(known, logStartOffset)) noteChange(state, known)\n', replacement: '' }],
    run: 'small',
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'S13',
    title: 'what a member said before it left, and comes late, makes it a member again',
    why: 'it is given records that nobody works on until their lock is over, and their attempt counts',
    edits: [{ file: FETCH, text: 'if (departed.has(departureName(request)))', replacement: 'if (departed.size < 0)' }],
    run: 'small',
    seed: 7948,
    seedsToFind: 7948,
  },
  {
    id: 'S14',
    title: 'who has done with records of which the log has lost the first meanwhile is told that all of them came too late',
    why: 'those that are left are given again when their lock is over, though somebody has done with them in time',
    edits: [
      {
        file: PARTITION,
        text: 'if (!hadAll(partition, first, Math.min(last, partition.startOffset - 1), memberId, uptime)) return false',
        replacement: 'if (first < partition.startOffset) return false',
      },
    ],
    run: 'small',
    seed: 0,
    seedsToFind: 0,
  },
]
