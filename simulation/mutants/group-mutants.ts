/**
 * Known bugs of groups that come and go, and of topics whose records go once they are consumed, as data: part of the catalogue.
 */
import type { Mutant } from './mutant.ts'

const OFFSETS = 'actors/groups-offsets.ts'
const ROSTER = 'actors/groups-roster.ts'
const MEMBERSHIP = 'coordinator/groups/membership.ts'

/** Mutants of what happens to groups, and because of them. */
export const groupMutants: readonly Mutant[] = [
  {
    id: 'D1',
    title: 'offsets that are read from the log count as expired (KAFKA-8069)',
    why: 'after a fail-over a group has committed nothing, and begins anew',
    edits: [
      {
        file: 'actors/groups.ts',
        text: 'const since = uptime - Math.min(Math.max(0, ageMillis), keptMillis)',
        replacement: 'const since = -state.config.offsetsRetentionMillis',
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'D2',
    title: 'the offsets of a group expire although members are there (KIP-211)',
    why: 'a group that has had nothing to do for a while begins anew',
    edits: [{ file: OFFSETS, text: 'if (hasMembers(group) || pendingCount > 0', replacement: 'if (pendingCount > 0' }],
    seed: 4,
    seedsToFind: 4,
  },
  {
    id: 'D3',
    title: 'a second member with the same instance id is not refused (KAFKA-8500)',
    why: 'it takes over the partitions of one that lives',
    edits: [
      {
        file: MEMBERSHIP,
        text: "if (holder !== null && holder !== known && !holder.isAway) return 'UNRELEASED_INSTANCE_ID'",
        replacement: '',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'D21',
    title: 'a member that does not let go in time goes on (KIP-848)',
    why: 'its group has given the partition to another one',
    edits: [
      {
        file: 'actors/consumer-group.ts',
        text: 'if (context.uptime - membership.aliveAt >= config.sessionTimeoutMillis || context.uptime >= revokeDue(state)) lose',
        replacement: 'if (context.uptime - membership.aliveAt >= config.sessionTimeoutMillis) lose',
      },
    ],
    seed: 7,
    seedsToFind: 7,
  },
  {
    id: 'D22',
    title: 'a member has its rebalance time-out from when it was told first, heard or not',
    why: 'it is fenced before it knows that it must let go',
    edits: [
      {
        file: MEMBERSHIP,
        text: 'for (const name of known.revoking.keys()) known.revoking.set(name, uptime + wishes.rebalanceTimeoutMillis)',
        replacement: '',
      },
    ],
    seed: 133,
    seedsToFind: 133,
  },
  {
    id: 'D23',
    title: 'a group is deleted in memory only',
    why: 'what was deleted is there again after a fail-over',
    edits: [
      {
        file: OFFSETS,
        text: '  deleteOffsets(state, group, [...group.offsets.keys()], request, context, outbox)\n',
        replacement: '  group.offsets.clear()\n  dropIfGone(state, group)\n  answerDeletion(request, context.from, NONE, null, outbox)\n',
      },
    ],
    seed: 6,
    seedsToFind: 6,
  },
  {
    id: 'D24',
    title: 'a deletion is answered before its tombstones are in the log',
    why: 'the append fails, or its leader is lost, and what was deleted is there again',
    edits: [
      {
        file: OFFSETS,
        text: '  write(state, group, { group: group.id, from, correlationId, commit: null, names }, tombstones(group, names), context, outbox)\n}\n\n/** Forgets the offsets',
        replacement:
          '  write(state, group, { group: group.id, from: null, correlationId, commit: null, names }, tombstones(group, names), context, outbox)\n  answerDeletion({ correlationId }, from, NONE, null, outbox)\n}\n\n/** Forgets the offsets',
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'D25',
    title: 'a coordinator of groups goes on when its node may have been taken for dead',
    why: 'it gives partitions to members while its successor gives them to others',
    edits: [
      {
        file: 'actors/groups-members.ts',
        text: "if (uptime >= state.leaseUntil) return 'NOT_COORDINATOR'",
        replacement: 'void uptime',
      },
    ],
    run: 'small',
    seed: 47,
    seedsToFind: 47,
  },
  {
    id: 'D28',
    title: 'a member is in its group before the log names it',
    why: 'a coordinator that follows does not know it, and gives what it holds to others',
    edits: [
      {
        file: 'actors/groups-members.ts',
        text: 'from: context.from, request }, context, outbox)\n    return false\n',
        replacement: 'from: context.from, request }, context, outbox)\n',
      },
    ],
    run: 'small',
    seed: 373,
    seedsToFind: 373,
  },
  {
    id: 'D29',
    title: 'one member of the coordinator before has come, and the others are not waited for',
    why: 'they hold partitions that are handed out',
    edits: [
      {
        file: ROSTER,
        text: 'if (group.roster.missing.size === 0) endGrace',
        replacement: 'endGrace',
      },
    ],
    seed: 3,
    seedsToFind: 3,
  },
  {
    id: 'D30',
    title: 'a member has come if what it sent long ago comes now',
    why: 'it has joined elsewhere since, and holds what it was given there',
    edits: [
      {
        file: ROSTER,
        text: 'return correlationId <= (roster?.missing.get(memberId)?.joinId ?? -1)',
        replacement: 'return false',
      },
    ],
    run: 'small',
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'D31',
    title: 'a classic group does not write its members down',
    why: 'a coordinator that follows waits for nobody, and they hold what it hands out',
    edits: [
      {
        file: 'actors/groups-classic.ts',
        text: 'if (!admitsMember(classicOf(state, group), request)) return join',
        replacement: 'if (classicOf(state, group) !== null) return join',
      },
    ],
    run: 'small',
    seed: 120,
    seedsToFind: 120,
  },
  {
    id: 'D32',
    title: 'a coordinator whose reign is over leaves those who wait without an answer',
    why: 'they wait for as long as a request may take, and their group waits for them',
    edits: [
      {
        file: 'actors/groups-resignation.ts',
        text: 'if (!state.hasResigned) for (const waiter of waitersOf(state)) refuseWaiter(waiter, outbox)',
        replacement: '',
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'D33',
    title: 'a farewell is answered before the log has it',
    why: 'if it never has, the next coordinator waits for who is gone',
    edits: [{ file: ROSTER, text: 'if (writeId === undefined) outbox.push', replacement: 'if (writeId !== -1) outbox.push' }],
    run: 'small',
    seed: 52,
    seedsToFind: 52,
  },
  {
    id: 'D34',
    title: 'a partition that is doubted stays so when its batch was given up',
    why: 'the next batch for it fails at the first look, although the partition may just have been created',
    edits: [{ file: 'actors/producer.ts', text: 'if (queue.batches.length === 0) queue.doubtedFrom = -1', replacement: '' }],
    run: 'small',
    seed: 3070,
    seedsToFind: 3070,
  },
  {
    id: 'R1',
    title: 'a group that has committed nothing does not hold what it has not consumed',
    why: 'it finds nothing any more when it begins',
    edits: [
      {
        file: 'partitions/consumption.ts',
        text: 'endOf(group) ?? -1))',
        replacement: 'endOf(group) ?? -1).filter((offset) => offset >= 0))',
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'R2',
    title: 'records go when the first of several groups has consumed them',
    why: 'the others lose them',
    edits: [{ file: 'partitions/consumption.ts', text: 'return Math.min(...groups', replacement: 'return Math.max(...groups' }],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'R3',
    title: 'what was committed for a former topic of that name counts',
    why: 'records of the new one go that nobody has consumed',
    edits: [
      {
        file: 'actors/replica-consumed.ts',
        text: 'one.topic === topic && one.partition === partition && one.topicId === topicId)',
        replacement: 'one.topic === topic && one.partition === partition && topicId > 0)',
      },
    ],
    run: 'small',
    seed: 1338,
    seedsToFind: 1338,
  },
  {
    id: 'R4',
    title: 'the groups are asked once only',
    why: 'a coordinator that was not there then lets the disk fill',
    edits: [
      {
        file: 'actors/replica-consumed.ts',
        text: '  armConsumed(state, outbox)\n  if (!mayDelete(state)',
        replacement: '  if (!mayDelete(state)',
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'R5',
    title: 'what a group has read counts as what it has committed: everything up to the high watermark goes',
    why: 'records in work are lost with the member that has them',
    edits: [
      {
        file: 'actors/replica-consumed.ts',
        text: 'onOffset(state, response, found?.offset ?? -1,',
        replacement: 'onOffset(state, response, found === undefined ? -1 : state.highWatermark.offset,',
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'R6',
    title: 'what a share group has given out counts as what it has done with',
    why: 'records go while their members work on them, and cannot be given to anybody again',
    edits: [
      {
        file: 'actors/shares-admin.ts',
        text: '?.startOffset ?? -1\n  state.offsetsAsked',
        replacement: '?.nextOffset ?? -1\n  state.offsetsAsked',
      },
    ],
    seed: 25,
    seedsToFind: 25,
  },
  {
    id: 'J25',
    title: 'a group whose coordinator has moved is described without the members that have not come yet',
    why: 'they are in it: who looks after it sees a group that has lost them',
    edits: [{ file: 'actors/groups-members.ts', text: ', ...awaitedMembers(group)]', replacement: ', ...awaitedMembers(undefined)]' }],
    run: 'small',
    seed: 103,
    seedsToFind: 103,
  },
]
