/**
 * Known bugs of groups that speak the classic protocol, as data: part of the catalogue.
 */
import type { Mutant } from './mutant.ts'

const REBALANCE = 'coordinator/groups/classic/rebalance.ts'
const REQUESTS = 'coordinator/groups/classic/requests.ts'
const MEMBER = 'actors/consumer-classic.ts'

/** Mutants of classic groups and their members. */
export const classicMutants: readonly Mutant[] = [
  {
    id: 'J1',
    title: 'a commit of an older generation is accepted',
    why: 'a member that was left behind takes back what its successor has committed',
    edits: [
      {
        file: REQUESTS,
        text: "  if (asking.generationId !== group.generationId) return 'ILLEGAL_GENERATION'\n  if (group.state === 'completing-rebalance' &&",
        replacement: "  if (group.state === 'completing-rebalance' &&",
      },
      // As Kafka, which does not look who holds what.
      {
        file: REQUESTS,
        text: "  return names.some((name) => (group.holders.get(name) ?? asking.memberId) !== asking.memberId) ? 'FENCED_MEMBER_EPOCH' : null",
        replacement: '  return null',
      },
    ],
    run: 'small',
    seed: 3094,
    seedsToFind: 3094,
  },
  {
    id: 'J2',
    title: 'the generation of a heartbeat is not looked at',
    why: 'a member that was left behind takes the partitions for its own still',
    edits: [
      {
        file: REQUESTS,
        text: "  if (asking.generationId !== group.generationId) return 'ILLEGAL_GENERATION'\n  member.expiresAt",
        replacement: '  member.expiresAt',
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'J3',
    title: 'a sync is answered before the leader has shared out',
    why: 'members have nothing, and are content',
    edits: [
      {
        file: REQUESTS,
        text: "if (group.state === 'stable') return [synced(group",
        replacement: "if (group.state === 'stable' || member.memberId !== group.leader) return [synced(group",
      },
    ],
    seed: 8,
    seedsToFind: 8,
  },
  {
    id: 'J4',
    title: 'a member whose session is over stays',
    why: 'what it has, nobody reads',
    edits: [
      {
        file: REBALANCE,
        text: 'if (member.join === null && member.sync === null && member.expiresAt <= uptime) remove',
        replacement: 'if (member.join === null && member.sync === null && member.expiresAt < 0) remove',
      },
    ],
    run: 'small',
    seed: 107,
    seedsToFind: 107,
  },
  {
    id: 'J5',
    title: 'the old instance of a static member is not fenced (KAFKA-8500)',
    why: 'it joins again, and two take turns under one name',
    edits: [
      {
        file: REQUESTS,
        text: "if (holder !== null && holder.memberId !== memberId) return 'FENCED_INSTANCE_ID'",
        replacement: 'void holder',
      },
      {
        file: 'coordinator/groups/classic/join.ts',
        text: "if (memberId !== '' && former !== null && former.memberId !== memberId) return 'FENCED_INSTANCE_ID'",
        replacement: '',
      },
    ],
    seed: 38,
    seedsToFind: 38,
  },
  {
    id: 'J6',
    title: 'the answer to an older request changes what a member has (KAFKA-9823)',
    why: 'it takes up the assignment of a generation that is over',
    edits: [
      {
        file: MEMBER,
        text: 'if (message.correlationId !== membership.correlationId) return onLateAnswer(state, classic, message, context, outbox)',
        replacement:
          "if (message.correlationId !== membership.correlationId && message.kind !== 'syncGroupResponse') return onLateAnswer(state, classic, message, context, outbox)",
      },
    ],
    run: 'small',
    seed: 4584,
    seedsToFind: 4584,
  },
  {
    id: 'J7',
    title: 'the cooperative assignor gives away what its owner has not let go of (KIP-429)',
    why: 'two members have it',
    edits: [
      {
        file: 'coordinator/groups/classic/assignors.ts',
        text: "if (name === 'cooperative-sticky') withhold(target, members)",
        replacement: 'void withhold',
      },
    ],
    run: 'small',
    seed: 26,
    seedsToFind: 26,
  },
  {
    id: 'J8',
    title: 'an eager member joins again before it has let go',
    why: 'the leader takes its partitions for free',
    edits: [
      {
        file: 'actors/consumer-classic-requests.ts',
        text: ': partitions.size === 0',
        replacement: ': partitions.size >= 0',
      },
    ],
    seed: 38,
    seedsToFind: 38,
  },
  {
    id: 'J9',
    title: 'a member that does not join again in time goes on',
    why: 'its group has begun the next generation without it',
    edits: [
      {
        file: 'actors/consumer-state.ts',
        text: 'return membership.classic.steadyAt + config.rebalanceTimeoutMillis',
        replacement: 'return Infinity * config.rebalanceTimeoutMillis',
      },
    ],
    seed: 93,
    seedsToFind: 93,
  },
  {
    id: 'J10',
    title: 'a member that hears of the rebalance counts its rebalance time-out anew each time',
    why: 'the group counts it from the beginning',
    edits: [
      {
        file: MEMBER,
        text: "      membership.aliveAt = membership.sentAt\n      if (classic.phase !== 'joining')",
        replacement:
          "      membership.aliveAt = membership.sentAt\n      classic.steadyAt = membership.sentAt\n      if (classic.phase !== 'joining')",
      },
    ],
    seed: 93,
    seedsToFind: 93,
  },
  {
    id: 'J12',
    title: 'the leader does not see that a topic has more partitions',
    why: 'nobody reads them',
    edits: [{ file: MEMBER, text: 'return classic.sharedBy !== now', replacement: 'return false' }],
    seed: 53,
    seedsToFind: 53,
  },
  {
    id: 'J13',
    title: 'the first generation after a fail-over does not wait',
    why: 'members that the former coordinator knew still have their partitions',
    edits: [
      {
        file: REBALANCE,
        text: 'group.isInitial || uptime < group.graceUntil || group.pending',
        replacement: 'group.isInitial || group.pending',
      },
      { file: REBALANCE, text: 'if (uptime >= group.graceUntil) completeJoin', replacement: 'completeJoin' },
      {
        file: REBALANCE,
        text: "group.state === 'preparing-rebalance' ? Math.max(group.waitsUntil, group.graceUntil) : group.waitsUntil",
        replacement: 'group.waitsUntil',
      },
    ],
    seed: 38,
    seedsToFind: 38,
  },
  {
    id: 'J14',
    title: 'a member that was left behind keeps what it has',
    why: 'others have been given it',
    edits: [
      {
        file: MEMBER,
        text: "    case 'ILLEGAL_GENERATION':\n      return lose(state, context, outbox)",
        replacement: "    case 'ILLEGAL_GENERATION':\n      return beginRejoin(state, context, outbox)",
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'J15',
    title: 'a cooperative member that has let go does not join once more (KIP-429)',
    why: 'what it let go of, nobody reads',
    edits: [
      {
        file: MEMBER,
        text: 'if ((isToGiveUp || isOther) && isSubscribed(state)) beginRejoin',
        replacement: 'if (isOther && isSubscribed(state)) beginRejoin',
      },
      // As Kafka, whose leader does not look whether it has shared out everything.
      { file: 'actors/consumer-classic-state.ts', text: "(isAll ? '' : UNFINISHED)", replacement: "''" },
    ],
    run: 'small',
    seed: 26,
    seedsToFind: 26,
  },
  {
    id: 'J16',
    title: 'a leader that comes back is not the leader any more (KAFKA-13435)',
    why: 'nobody looks after new partitions',
    edits: [
      {
        file: 'coordinator/groups/classic/join.ts',
        text: '  if (isLeader) group.leader = memberId\n',
        replacement: '',
      },
    ],
    seed: 172,
    seedsToFind: 172,
  },
  {
    id: 'J17',
    title: 'a coordinator of classic groups goes on when its node may have been taken for dead',
    why: 'it gives partitions to members while its successor gives them to others',
    edits: [
      {
        file: 'actors/groups-classic.ts',
        text: 'const isOver = context.uptime >= state.leaseUntil',
        replacement: 'const isOver = state.leaseUntil < 0',
      },
      { file: 'actors/groups-classic.ts', text: "if (uptime >= state.leaseUntil) return 'NOT_COORDINATOR'", replacement: 'void uptime' },
    ],
    seed: 286,
    seedsToFind: 286,
  },
  {
    id: 'J18',
    title: 'a leader that comes back does not know by which partition counts it has shared out',
    why: 'what came while it was away, nobody reads',
    edits: [
      {
        file: MEMBER,
        text: 'if (classic.isLeader && classic.sharedBy === null && userData !== null) classic',
        replacement: 'if (userData !== null && state.closing > 1e9) classic',
      },
    ],
    seed: 172,
    seedsToFind: 172,
  },
  {
    id: 'J19',
    title: 'a member that is unknown joins again under the member id that is unknown',
    why: 'it never is one again',
    edits: [
      {
        file: MEMBER,
        text: "      membership.memberId = ''\n      membership.mayBeKnown = false\n",
        replacement: '      membership.mayBeKnown = false\n',
      },
    ],
    run: 'small',
    seed: 40,
    seedsToFind: 40,
  },
  {
    id: 'J20',
    title: 'who leaves a classic group of which nothing else is left is told so while the log names it still',
    why: 'if that farewell is never written, the next coordinator waits for who is gone',
    edits: [
      {
        file: 'actors/groups-classic.ts',
        text: '  if (group !== undefined) {\n    for (const memberId of memberIds) excuse',
        replacement:
          "  if (group === undefined) return outbox.push({ kind: 'send', to: context.from, message: leaveResponse(request, NONE, left) })\n  if (group !== undefined) {\n    for (const memberId of memberIds) excuse",
      },
    ],
    run: 'small',
    seed: 1432,
    seedsToFind: 1432,
  },
]
