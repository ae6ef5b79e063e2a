/**
 * Known bugs of groups, coordinator, producers and consumers, as data: the second part of the catalogue.
 */
import type { Mutant } from './mutant.ts'

/** Mutants of what is not the log. */
export const clientMutants: readonly Mutant[] = [
  {
    id: 'D4',
    title: 'the answer to an older heartbeat changes the assignment (KAFKA-9823)',
    why: 'a member takes up partitions that it has given back',
    edits: [
      {
        file: 'actors/consumer-heartbeat.ts',
        text: `if (message.correlationId !== membership.correlationId) return\n  membership.correlationId = -1\n  // The farewell`,
        replacement: `membership.correlationId = -1\n  // The farewell`,
      },
    ],
    seed: 6,
    seedsToFind: 6,
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
    seed: 3,
    seedsToFind: 3,
  },
  {
    id: 'D7',
    title: 'a heartbeat counts as confirmation although the member still owns the partition',
    why: 'the next owner starts while the former one still works',
    edits: [{ file: 'coordinator/groups/membership.ts', text: `if (owned.has(name)) continue\n`, replacement: '' }],
    seed: 14,
    seedsToFind: 14,
  },
  {
    id: 'D9',
    title: 'positions are committed when records are handed out, not when they are processed',
    why: 'a crash skips what was in work',
    edits: [
      {
        file: 'actors/consumer-commits.ts',
        text: `position !== committed))\n      offsets.push({ topic, partition, offset: position,`,
        replacement: `fetchOffset !== committed))\n      offsets.push({ topic, partition, offset: fetchOffset,`,
      },
      {
        file: 'actors/consumer-commits.ts',
        text: 'for (const { topic, partition, position, committed,',
        replacement: 'for (const { topic, partition, position, fetchOffset, committed,',
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
        file: 'actors/groups-offsets.ts',
        text: "if (membership === null || member === undefined || member.isAway) return 'UNKNOWN_MEMBER_ID'",
        replacement: 'if (membership === null || member === undefined || member.isAway) return null',
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'D18',
    title: 'a log that cannot be read yet counts as an empty one',
    why: 'a group answers that nothing is committed, and members begin anew',
    edits: [
      {
        file: 'coordinator/state-log.ts',
        text: 'if (response.errorCode !== NONE) return false',
        replacement: `if (response.errorCode !== NONE) log.loaded = true\n  if (response.errorCode !== NONE) return true`,
      },
    ],
    seed: 6,
    seedsToFind: 6,
  },
  {
    id: 'D19',
    title: 'a commit that comes twice is answered before it is in the log',
    why: 'the append fails, and what was confirmed is gone',
    edits: [
      {
        file: 'actors/groups-offsets.ts',
        text: `if (request.correlationId <= member.lastCommitId) return\n`,
        replacement: `if (request.correlationId <= member.lastCommitId) return answerCommit(request, context.from, NONE, null, outbox)\n`,
      },
    ],
    run: 'small',
    seed: 218,
    seedsToFind: 218,
  },
  {
    id: 'D20',
    title: 'a group hands out partitions as soon as it starts',
    why: 'members of its former life still have them',
    edits: [
      {
        file: 'actors/groups.ts',
        text: 'state.graceUntil = context.uptime + state.config.graceMillis',
        replacement: 'state.graceUntil = context.uptime',
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
        text: `state.freeProducerId = state.seat.image.nextProducerId\n  beginSessions`,
        replacement: `state.freeProducerId = 1\n  beginSessions`,
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
        text: `dropOrphans(state, queue)\n`,
        replacement: `if (expired.length > 0) startEpoch(state, queue)\n  dropOrphans(state, queue)\n`,
      },
    ],
    seed: 26,
    seedsToFind: 26,
  },
  {
    id: 'M8',
    title: 'a consumer does not notice that a topic was created again (KAFKA-12257)',
    why: 'it goes on at its old offset in the new topic, and skips what is below',
    edits: [
      {
        file: 'actors/consumer.ts',
        text: "if (one.phase === 'fetching' && one.topicId >= 0 && one.topicId < topic.topicId) {",
        replacement: 'if (one.topicId < -1) {',
      },
    ],
    seed: 12,
    seedsToFind: 12,
  },
  {
    id: 'D26',
    title: 'an answer that waited for a paused member is taken as if its session were not over',
    why: 'it takes up a partition that its group has given to somebody else',
    edits: [
      {
        file: 'actors/consumer.ts',
        text: '  checkSession(state, context, outbox)\n  switch (message.kind) {',
        replacement: '  switch (message.kind) {',
      },
    ],
    run: 'small',
    seed: 544,
    seedsToFind: 544,
  },
  {
    id: 'M9',
    title: 'a topic that is deleted leaves its files',
    why: 'the disk fills with what nobody can read',
    edits: [
      {
        file: 'actors/broker-replicas.ts',
        text: `const log = logNameOf(local.topic, local.topicId, local.partition)\n  outbox.push({ kind: 'remove', log, files: null, token: state.nextToken++ })`,
        replacement: '',
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'D8',
    title: 'a commit has no deadline (KAFKA-14024)',
    why: 'who gives partitions up, or closes, waits for an answer that never comes',
    edits: [
      {
        file: 'actors/consumer-commits.ts',
        text: 'if (context.uptime >= commit.deadline) {',
        replacement: 'if (context.uptime < 0) {',
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'D12',
    title: 'what coordinators write is acknowledged by the leader alone',
    why: 'a commit, or the end of a transaction, is answered and gone with its node',
    edits: [
      {
        file: 'coordinator/state-log.ts',
        text: "acks: 'quorum',",
        replacement: "acks: 'leader',",
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'D17',
    title: 'a consumer says that it is in an epoch that is over (KAFKA-16285)',
    why: 'offsets in a transaction are refused although the member has the partitions',
    edits: [
      {
        file: 'actors/consumer-member.ts',
        text: '{ memberId, memberEpoch: membership.memberEpoch }',
        replacement: '{ memberId, memberEpoch: membership.memberEpoch - 1 }',
      },
    ],
    seed: 11,
    seedsToFind: 11,
  },
  {
    id: 'D27',
    title: 'a consumer that closes does not look for where its last commit goes',
    why: 'one that has taken partitions by hand, and whose group has lost its node, never ends',
    edits: [
      {
        file: 'actors/consumer-group.ts',
        text: '(state.commits.length > 0 || owesFarewell(state))',
        replacement: 'owesFarewell(state)',
      },
    ],
    seed: 26,
    seedsToFind: 26,
  },
  {
    id: 'D35',
    title: 'a second look for a partition is whatever answer comes next',
    why: 'two late answers to what was asked before the topic was created fail a batch that was sent when it was there',
    edits: [
      {
        file: 'actors/producer-queue.ts',
        text: 'if (correlationId < queue.doubtedFrom) forgetTopic(state.leaders, queue.topic)',
        replacement: '',
      },
    ],
    run: 'small',
    seed: 623,
    seedsToFind: 623,
  },
  {
    id: 'D40',
    title: 'how far its application is counts, though the consumer has moved it elsewhere meanwhile',
    why: 'what was read in the topic before is committed in one that was created again: what stands there below that nobody is given',
    edits: [
      {
        file: 'actors/consumer.ts',
        text: "|| one.phase === 'locating' || session < one.session) return",
        replacement: "|| one.phase === 'locating') return",
      },
    ],
    run: 'small',
    seed: 0,
    seedsToFind: 0,
  },
]
